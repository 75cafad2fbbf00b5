package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// A way is the route to a server with certain options: ca_file and ip_version.
type way struct {
	wayOptions
	transport *http.Transport
}

type wayOptions struct{ network, caFile string }

// mostIdle is how many connections are kept for the next calls.
const mostIdle = 2

func newWay(url serverURL, of wayOptions) (*way, *problem) {
	roots, bad := rootsWith(of.caFile)
	if bad != nil {
		return nil, bad
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		return connect(ctx, url, of.network)
	}
	return &way{of, &http.Transport{
		// As in the C library, no proxy is used. RoundTrip follows no redirects.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx)
		},
		DialTLSContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			conn, err := dial(ctx)
			if err != nil {
				return nil, err
			}
			return shakeHands(ctx, conn, address, roots)
		},
		DisableCompression:     true,
		MaxIdleConnsPerHost:    mostIdle,
		MaxResponseHeaderBytes: mostBytes,
	}}, nil
}

// rootsWith returns the system's certificates with those of a ca_file. It returns nil for the system's own.
func rootsWith(caFile string) (*x509.CertPool, *problem) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := readRegular(caFile, 64<<20)
	if err != nil {
		return nil, argumentf("cannot read ca_file %s", caFile).because("%s", fileWords(err)).advise("Correct the option ca_file.")
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // the system has none
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, argumentf("ca_file %s holds no certificate in PEM form", caFile).advise("Correct the option ca_file.")
	}
	return roots, nil
}

// readRegular reads a file, without waiting if it is a FIFO.
func readRegular(path string, most int64) ([]byte, error) {
	if is, err := os.Stat(path); err != nil {
		return nil, err
	} else if !is.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}

// A noWay is a failure to get a connection. Nothing has been sent yet.
type noWay struct {
	what, advice string
	isTimeout    bool
}

func (n *noWay) Error() string { return n.what }

// connectBy is the context key for the time by which a connection must be made.
type connectBy struct{}

func connect(ctx context.Context, url serverURL, network string) (net.Conn, error) {
	if by, ok := ctx.Value(connectBy{}).(time.Time); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, by)
		defer cancel()
	}
	var dialer net.Dialer
	if url.socket != "" {
		conn, err := dialer.DialContext(ctx, "unix", url.socket)
		if err != nil {
			return nil, noConnection(err, "unix")
		}
		return conn, nil
	}
	host, port, _ := net.SplitHostPort(hostAndPort(url.base))
	found, err := net.DefaultResolver.LookupNetIP(ctx, strings.Replace(network, "tcp", "ip", 1), host)
	if err != nil {
		return nil, noConnection(err, network)
	}
	addresses := make([]string, len(found))
	for i, address := range inTurns(found) {
		addresses[i] = net.JoinHostPort(address.String(), port)
	}
	conn, err := connectFirst(ctx, addresses)
	if err != nil {
		return nil, noConnection(err, network)
	}
	return conn, nil
}

// inTurns returns the addresses with the two families alternating, starting with the family of the first.
func inTurns(addresses []netip.Addr) []netip.Addr {
	var families [2][]netip.Addr
	for _, address := range addresses {
		address = address.Unmap()
		family := 0
		if address.Is4() != addresses[0].Unmap().Is4() {
			family = 1
		}
		families[family] = append(families[family], address)
	}
	turns := make([]netip.Addr, 0, len(addresses))
	for i := range addresses {
		for _, family := range families {
			if i < len(family) {
				turns = append(turns, family[i])
			}
		}
	}
	return turns
}

// headStart is the longest time for which an attempt to connect runs alone.
const headStart = 250 * time.Millisecond

// connectFirst connects to the first of several addresses that answers. If the time is short, attempts follow each other
// sooner, so that each address has its turn. A net.Dialer would spend up to two seconds on the first one.
func connectFirst(ctx context.Context, addresses []string) (net.Conn, error) {
	alone := headStart
	if by, ok := ctx.Deadline(); ok {
		if share := time.Until(by) / time.Duration(len(addresses)+1); share < alone {
			alone = share
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type attempt struct {
		conn net.Conn
		err  error
	}
	done := make(chan attempt, len(addresses))
	next := time.NewTimer(0)
	defer next.Stop()
	var failed error
	for begun, ended := 0, 0; ; {
		select {
		case <-next.C:
			if begun == len(addresses) {
				continue
			}
			address := addresses[begun]
			begun++
			go func() {
				var dialer net.Dialer
				conn, err := dialer.DialContext(ctx, "tcp", address)
				done <- attempt{conn, err}
			}()
			next.Reset(alone)
		case one := <-done:
			ended++
			if one.err == nil {
				go func() {
					for ; ended < begun; ended++ {
						if late := <-done; late.conn != nil {
							late.conn.Close()
						}
					}
				}()
				return one.conn, nil
			}
			if failed == nil {
				failed = one.err
			}
			if ended == len(addresses) {
				return nil, failed
			}
			next.Reset(0)
		}
	}
}

// hostAndPort returns the address that a base URL leads to.
func hostAndPort(base string) string {
	scheme, rest, _ := strings.Cut(base, "://")
	authority, _, _ := strings.Cut(rest, "/")
	host, port, hasPort := splitPort(authority)
	if !hasPort {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}

func noConnection(err error, network string) *noWay {
	var dns *net.DNSError
	var number syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsTimeout:
		return &noWay{what: "DNS did not answer", isTimeout: true}
	case errors.As(err, &dns) && dns.IsNotFound && network != "tcp":
		version := strings.TrimPrefix(network, "tcp")
		return &noWay{
			what:   fmt.Sprintf("DNS has no IPv%s address of the host %s, and ip_version is %s", version, dns.Name, version),
			advice: "Set the option ip_version to any.",
		}
	case errors.As(err, &dns) && dns.IsNotFound:
		return &noWay{what: "DNS does not know the host " + dns.Name}
	case errors.As(err, &dns):
		return &noWay{what: "the name server failed to look up the host " + dns.Name}
	case isTimeout(err):
		return &noWay{what: "no connection", isTimeout: true}
	}
	if errors.As(err, &number) {
		return &noWay{what: strings.ToLower(fileWords(number))}
	}
	return &noWay{what: "it cannot be connected to"}
}

// isTimeout tells one of our own limits from a connection that the kernel has given up.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

func shakeHands(ctx context.Context, conn net.Conn, address string, roots *x509.CertPool) (net.Conn, error) {
	if by, ok := ctx.Value(connectBy{}).(time.Time); ok {
		conn.SetDeadline(by)
	}
	host, _, _ := net.SplitHostPort(address)
	tlsConn := tls.Client(conn, &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err := tlsConn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, noHandshake(err, host)
	}
	conn.SetDeadline(time.Time{})
	return tlsConn, nil
}

// noHandshake returns the cause of a failed TLS handshake.
func noHandshake(err error, host string) *noWay {
	const (
		clock     = "If this host's clock is wrong, set it: timedatectl set-ntp true. Otherwise the certificate needs to be renewed."
		authority = "Name the file of the authority's certificates by the option ca_file; in an image without certificates it may be a file of all that are trusted."
	)
	var (
		stranger x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		roots    x509.SystemRootsError
		greeting tls.RecordHeaderError
		remote   *net.OpError
	)
	switch {
	case errors.As(err, &stranger):
		by := ""
		if stranger.Cert != nil {
			by = " by \"" + plain(stranger.Cert.Issuer.CommonName, 60) + "\","
		}
		return &noWay{what: "TLS: the host's certificate is signed" + by + " an authority that is not trusted here", advice: authority}
	case errors.As(err, &roots):
		return &noWay{what: "TLS: this host has no certificates of authorities", advice: authority}
	case errors.As(err, &name):
		return &noWay{
			what:   fmt.Sprintf("TLS: the host's certificate is for %s, and not for %s", namesIn(name.Certificate), host),
			advice: "See whether that host is meant, and which one answers in its place.",
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		now := time.Now()
		if now.Before(invalid.Cert.NotBefore) {
			return &noWay{what: fmt.Sprintf("TLS: the host's certificate is not valid before %s; this host's clock says %s",
				utc(invalid.Cert.NotBefore), utc(now)), advice: clock}
		}
		return &noWay{what: fmt.Sprintf("TLS: the host's certificate expired at %s; this host's clock says %s",
			utc(invalid.Cert.NotAfter), utc(now)), advice: clock}
	case errors.As(err, &invalid):
		return &noWay{what: "TLS: the host's certificate was refused: " + plain(invalid.Error(), 80), advice: authority}
	case errors.As(err, &greeting):
		return &noWay{
			what:   "TLS: the other end does not speak TLS",
			advice: "See what it is: a host of plain HTTP, a portal that asks for a login, or another port.",
		}
	case isTimeout(err):
		return &noWay{what: "the host accepted the connection, but did not finish the TLS handshake", isTimeout: true}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &noWay{what: "TLS: the host hung up in the handshake: it does not speak TLS, or a firewall cuts it off"}
	case errors.As(err, &remote) && remote.Op == "remote error":
		return &noWay{
			what:   "TLS: the host ended the handshake (" + plain(remote.Err.Error(), 80) + ")",
			advice: "See whether it is the right host, and which versions of TLS it speaks.",
		}
	}
	return &noWay{what: "TLS: the handshake failed", advice: "See who answers: openssl s_client -connect HOST:PORT."}
}

func utc(t time.Time) string {
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// plain returns the other side's text in a form that cannot pass for our own.
func plain(text string, most int) string {
	letters := []rune(strings.ReplaceAll(shown(text), "\"", " "))
	if len(letters) > most {
		letters = letters[:most]
	}
	return string(letters)
}

// namesIn returns the names in a certificate, three at most.
func namesIn(certificate *x509.Certificate) string {
	var names []string
	for _, name := range certificate.DNSNames {
		names = append(names, plain(name, 60))
	}
	for _, address := range certificate.IPAddresses {
		names = append(names, address.String())
	}
	switch {
	case len(names) == 0:
		return "no name"
	case len(names) > 3:
		return fmt.Sprintf("%s and %d more names", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
