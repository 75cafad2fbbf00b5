package client

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// parseBaseURL accepts https://host[:port][/prefix], and plain http to a loopback address. If allowPlain is set, it accepts
// plain http to a private address too. For any other value it returns the flaw.
func parseBaseURL(value string, allowPlain bool) (url, flaw string) {
	const notOne = "is not a URL such as https://host"
	url = strings.TrimRight(value, "/")
	scheme, rest, hasScheme := strings.Cut(url, "://")
	if !hasScheme {
		scheme, rest = "", url
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, path := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@')
	host, port, hasPort := splitPort(authority[at+1:])
	lacksSlash := !hasScheme && hasPort && port == "" && path != ""
	switch {
	case !isAuthority(authority), !isHost(host), !isPath(path), lacksSlash:
		return "", notOne
	case at >= 0:
		return "", "must not hold a user name or a password"
	case hasPort && !isPort(port):
		return "", "has a port that is not 1 to 65535"
	case strings.ContainsAny(path, "?#"):
		return "", "must not hold a query or a fragment"
	}
	switch strings.ToLower(scheme) {
	case "https":
		return url, ""
	case "http":
		isOwn := isPrivate(host)
		switch {
		case isLoopback(host), isOwn && allowPlain:
			return url, ""
		case isOwn:
			return "", "is plain http to a private address, and secrets travel in the request; that takes allow_plain_http=1, set before it"
		case allowPlain:
			return "", "may be plain http to a loopback or private address only (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, link-local, fc00::/7), and not to a name; must begin with https://"
		}
		return "", "may be plain http to a loopback address only, as secrets travel in the request; must begin with https://"
	}
	return "", "must begin with https://"
}

// isHost accepts a name, or an IPv6 address in brackets.
func isHost(text string) bool {
	inside := strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
	if len(inside) == len(text) {
		return text != "" && !strings.ContainsAny(text, "[]:")
	}
	return text == "["+inside+"]" && !strings.ContainsAny(inside, "[]")
}

func isAuthority(text string) bool {
	mayStand := func(c rune) bool { return isLetterOrDigit(c) || strings.ContainsRune("-._~%!$&'()*+,;=:[]@", c) }
	return strings.IndexFunc(text, func(c rune) bool { return !mayStand(c) }) < 0
}

func isPath(text string) bool {
	return strings.IndexFunc(text, func(c rune) bool { return c > unicode.MaxASCII || strings.ContainsRune("\"<>\\^`{|} ", c) }) < 0
}

// isLetterOrDigit accepts only those of ASCII.
func isLetterOrDigit(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// splitPort splits host:port. An IPv6 address keeps its brackets.
func splitPort(authority string) (host, port string, hasPort bool) {
	behind := strings.LastIndexByte(authority, ']') + 1
	colon := strings.LastIndexByte(authority[behind:], ':')
	if colon < 0 {
		return authority, "", false
	}
	return authority[:behind+colon], authority[behind+colon+1:], true
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// addressOf returns the IP address that a host is, or false for a name.
func addressOf(host string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(strings.TrimRight(strings.TrimLeft(host, "["), "]"))
	return address, err == nil && address.Zone() == ""
}

func isLoopback(host string) bool {
	address, ok := addressOf(host)
	return host == "localhost" || ok && !address.Is4In6() && address.IsLoopback()
}

// shared is the address range of RFC 6598, for CGNAT.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// isPrivate reports whether a host is an address of a private network. A name is not one, because it may lead anywhere.
func isPrivate(host string) bool {
	address, ok := addressOf(host)
	address = address.Unmap()
	return ok && (address.IsPrivate() || address.IsLinkLocalUnicast() || shared.Contains(address))
}

// isPlainBeyondLoopback reports whether a valid base URL sends secrets in plain text over a network.
func isPlainBeyondLoopback(url string) bool {
	rest, isPlain := strings.TrimPrefix(url, "http://"), strings.HasPrefix(url, "http://")
	authority, _, _ := strings.Cut(rest, "/")
	host, _, _ := splitPort(authority)
	return isPlain && !isLoopback(host)
}

// A serverURL names a wxtoken server. Two spellings of one place are equal.
type serverURL struct {
	// base is the prefix of the server's paths, such as https://tokens.example.com. A socket has a made-up one.
	base string
	// socket is the socket's path in the file system, or "".
	socket string
}

func (u serverURL) String() string {
	if u.socket != "" {
		return "unix:" + u.socket
	}
	return u.base
}

// parseServerURL returns false for any other store.
func parseServerURL(store string) (serverURL, bool, *problem) {
	scheme, rest, hasScheme := strings.Cut(store, ":")
	if !hasScheme {
		return serverURL{}, false, nil
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		url, bad := parseHTTP(store)
		return url, true, bad
	case "unix":
		url, bad := parseSocket(rest)
		return url, true, bad
	}
	return serverURL{}, false, nil
}

func parseHTTP(store string) (serverURL, *problem) {
	scheme, rest, _ := strings.Cut(store, "//")
	scheme = strings.ToLower(scheme)
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	authority := strings.ToLower(rest[:end])
	if scheme == "https:" {
		authority = strings.TrimSuffix(authority, ":443")
	} else {
		authority = strings.TrimSuffix(authority, ":80")
	}
	base, flaw := parseBaseURL(scheme+"//"+authority+rest[end:], false)
	if flaw != "" {
		// The message does not repeat a refused URL, which may contain a password.
		return serverURL{}, argumentf("invalid URL of a wxtoken server").because("%s", flaw).
			advise("Write https://host[:port], or http:// to a loopback address. The client key goes into the option server_key_file.")
	}
	return serverURL{base: base}, nil
}

func parseSocket(path string) (serverURL, *problem) {
	// Other programs write unix:///run/wxtoken.sock.
	if strings.HasPrefix(path, "///") {
		path = path[2:]
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#") {
		return serverURL{}, argumentf("invalid socket of a wxtoken server \"%s\"", path).
			because("it is not an absolute path").advise("Write unix:/path/to/the.sock.")
	}
	return serverURL{base: "http://localhost", socket: withoutDots(path)}, nil
}

// withoutDots leaves out redundant slashes and single dots, which do not change a path.
func withoutDots(path string) string {
	var parts []string
	for _, part := range strings.Split(path, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return "/" + strings.Join(parts, "/")
}
