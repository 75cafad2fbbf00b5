package client

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const formsOfProxy = "must be the URL of a proxy, such as http://127.0.0.1:3128 or socks5h://127.0.0.1:1080"

// proxyFlaw returns why a URL is not valid for the option proxy. The option is for platforms: the C library, too, reaches a
// server without a proxy.
func proxyFlaw(text string) string {
	if text == "" {
		return ""
	}
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		return "does not begin with a scheme; it " + formsOfProxy
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "http", "socks5", "socks5h":
	case "https":
		return "has the scheme https, and TLS to the proxy itself is not supported; the proxy of an https:// host is usually http://HOST:PORT"
	default:
		return "has a scheme that is not http, socks5 or socks5h; it " + formsOfProxy
	}
	rest = strings.TrimSuffix(rest, "/")
	at := strings.LastIndexByte(rest, '@')
	if flaw := delimiterFlaw(rest, at >= 0); flaw != "" {
		return flaw
	}
	if at >= 0 {
		if flaw := loginFlaw(rest[:at], scheme == "http"); flaw != "" {
			return flaw
		}
	}
	return authorityFlaw(rest[at+1:])
}

// delimiterFlaw reports characters that end the host for some programs and not for others.
func delimiterFlaw(rest string, hasLogin bool) string {
	for _, delimiter := range "#?/\\" {
		switch {
		case !strings.ContainsRune(rest, delimiter):
		case hasLogin:
			return fmt.Sprintf("holds %c, which must be %%%02X in a user name or password", delimiter, delimiter)
		case delimiter == '/':
			return "must not have a path"
		default:
			return fmt.Sprintf("must not hold %c", delimiter)
		}
	}
	return ""
}

func loginFlaw(login string, isHTTP bool) string {
	if strings.Contains(login, "@") {
		return "holds more than one @; in a user name or password it must be %40"
	}
	mayStand := func(c rune) bool {
		return isLetterOrDigit(c) || strings.ContainsRune("-._~!$&'()*+,;=:%", c)
	}
	if strings.IndexFunc(login, func(c rune) bool { return !mayStand(c) }) >= 0 {
		return "holds a character in its user name or password that must be written as %XX"
	}
	user, password, _ := strings.Cut(login, ":")
	for _, word := range []*string{&user, &password} {
		decoded, err := url.PathUnescape(*word)
		if err != nil {
			return "holds a % that two hexadecimal digits do not follow; in a user name or password it must be %25"
		}
		if !utf8.ValidString(decoded) || strings.IndexFunc(decoded, unicode.IsControl) >= 0 {
			return "has a user name or password that is not text"
		}
		*word = decoded
	}
	isSayable := func(word string) bool { return 1 <= len(word) && len(word) <= 255 }
	switch {
	case user == "" && password == "":
		return "has an @ and no user name before it"
	case isHTTP && strings.Contains(user, ":"):
		return "has a user name with a colon, which HTTP cannot send"
	case !isHTTP && !(isSayable(user) && isSayable(password)):
		return "must have a user name and a password of 1 to 255 bytes each, as SOCKS5 sends them"
	}
	return ""
}

func authorityFlaw(authority string) string {
	host, port, hasPort := splitPort(authority)
	if strings.HasPrefix(authority, "[") {
		inside, behind, _ := strings.Cut(authority[1:], "]")
		if address, err := netip.ParseAddr(inside); err != nil || !address.Is6() || !strings.Contains(authority, "]") {
			return "has brackets without an IPv6 address in them; it " + formsOfProxy
		}
		if behind != "" && behind[0] != ':' {
			return "has something behind its host; it " + formsOfProxy
		}
		host = inside
	} else if strings.Count(authority, ":") > 1 {
		return "has several colons; an IPv6 address stands in brackets, and a user name and password end with @"
	}
	mayStand := func(c rune) bool {
		return isLetterOrDigit(c) || strings.ContainsRune("-._:", c)
	}
	if host == "" || strings.IndexFunc(host, func(c rune) bool { return !mayStand(c) }) >= 0 {
		return "has a host that is not a name or an address; it " + formsOfProxy
	}
	if hasPort && !isPort(port) {
		return "has a port that is not 1 to 65535"
	}
	return ""
}
