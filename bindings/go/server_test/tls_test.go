package server_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An authority signs a server's certificate.
type authority struct {
	directory string
	key       *ecdsa.PrivateKey
	own       *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{directory: t.TempDir(), key: key}
	a.own = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the tests' authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.sign(t, "ca", a.own, key)
	return a
}

// sign writes a certificate and its key to files of this name, and returns the path of the certificate.
func (a *authority) sign(t *testing.T, name string, certificate *x509.Certificate, key *ecdsa.PrivateKey) string {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.own, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(a.directory, name)
	for ending, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path+ending, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path + ".pem"
}

func (a *authority) caFile() string { return filepath.Join(a.directory, "ca.pem") }

// serveTLS runs `wxtoken serve` with a certificate for this name or address. It returns the server's URL on 127.0.0.1 and a
// client's key.
func serveTLS(t *testing.T, a *authority, name string, until time.Time) (url, key string, operator func(arguments ...string)) {
	t.Helper()
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: until.Add(-24 * time.Hour), NotAfter: until}
	if address := net.ParseIP(name); address != nil {
		leaf.IPAddresses = []net.IP{address}
	} else {
		leaf.DNSNames = []string{name}
	}
	certificate := a.sign(t, "server", leaf, serverKey)
	file := filepath.Join(t.TempDir(), "tokens.db")
	command := func(arguments ...string) *exec.Cmd {
		it := exec.Command(os.Getenv("WXTOKEN_CASES_TOOL"), append([]string{"--store", file, "-o", "api_base_url=" + os.Getenv("WXSIM_HTTP")}, arguments...)...)
		for _, variable := range os.Environ() {
			if !strings.HasPrefix(variable, "WXTOKEN_") {
				it.Env = append(it.Env, variable)
			}
		}
		return it
	}
	serve := command("serve", "--listen", "https://127.0.0.1:0", "--tls-cert", certificate, "--tls-key", strings.TrimSuffix(certificate, ".pem")+".key",
		"--audit", filepath.Join(t.TempDir(), "audit"))
	log, err := serve.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		serve.Process.Signal(os.Interrupt)
		serve.Wait()
	})
	var lines []string
	for scanner := bufio.NewScanner(log); url == "" || !strings.Contains(lines[len(lines)-1], "ready: "); {
		if !scanner.Scan() {
			t.Fatalf("wxtoken serve did not start: %s", lines)
		}
		lines = append(lines, scanner.Text())
		if _, behind, is := strings.Cut(scanner.Text(), "listening on https://"); is {
			url = "https://" + strings.Fields(behind)[0]
		}
	}
	said, err := command("client", "add", "tests").Output()
	if err != nil {
		t.Fatal(err)
	}
	return url, strings.TrimSpace(string(said)), func(arguments ...string) {
		t.Helper()
		change := command(arguments[1:]...)
		change.Stdin = strings.NewReader(arguments[0])
		if said, err := change.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
	}
}
