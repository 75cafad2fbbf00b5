package adapters_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"WXSIM_HTTP", "WXSIM_CONTROL", "WXSIM_PROXY", "WXSIM_CA"} {
		if os.Getenv(name) == "" {
			fmt.Fprintf(os.Stderr, "%s is not set. Run the tests under the simulator, from the directory "+
				"bindings/go/adapters_test:\n\n  ../../../target/debug/wechat-sim exec --quiet -- go test ./...\n\n"+
				"The README of the binding says what else they need.\n", name)
			os.Exit(1)
		}
	}
	if os.Getenv("ADAPTERS_CHILD") != "" {
		if err := child(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// simulated returns a transport that reaches the simulator under WeChat's own host names, over TLS, through the simulator's
// proxy. The SDKs then need no other addresses.
func simulated() http.RoundTripper {
	proxy, err := url.Parse(os.Getenv("WXSIM_PROXY"))
	if err != nil {
		panic(err)
	}
	pem, err := os.ReadFile(os.Getenv("WXSIM_CA"))
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return oneEndpoint{&http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true,
	}}
}

// oneEndpoint redirects WeCom's endpoint for reading a user, which go-workwx calls, to the simulator's only business
// endpoint of an app, which go-workwx does not call. Both treat the token the same way.
type oneEndpoint struct{ http.RoundTripper }

func (e oneEndpoint) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/cgi-bin/user/get" {
		r = r.Clone(r.Context())
		r.URL.Path = "/cgi-bin/agent/list"
	}
	return e.RoundTripper.RoundTrip(r)
}

// account creates an account of the simulator that no other test uses.
func account(t *testing.T, kind wxtoken.Kind, lifetimeMS int) wxtoken.Account {
	t.Helper()
	account := wxtoken.Account{Name: "shop", Kind: kind, ID: "wx" + testkit.RandomHex(t, 8), Secret: testkit.RandomHex(t, 16)}
	fields := map[string]any{"kind": kind, "id": account.ID, "secret": account.Secret}
	if lifetimeMS != 0 {
		fields["lifetime_ms"] = lifetimeMS
	}
	control(t, "/accounts", fields)
	return account
}

func open(path string) (*wxtoken.Store, error) {
	return wxtoken.Open(path, testkit.Simulated()...)
}

// openWith opens a new store with one account, and returns its path.
func openWith(t *testing.T, account wxtoken.Account) (*wxtoken.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.db")
	store, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Register(account); err != nil {
		t.Fatal(err)
	}
	return store, path
}

// inAnotherProcess makes one business call with an SDK. If the path is empty, the SDK works without the store.
func inAnotherProcess(t *testing.T, name, path string, account wxtoken.Account) {
	t.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "ADAPTERS_CHILD="+name, "ADAPTERS_STORE="+path,
		"ADAPTERS_ID="+account.ID, "ADAPTERS_SECRET="+account.Secret)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the other process: %v: %s", err, said)
	}
}

// child is the main function of the process that inAnotherProcess starts. With the store it needs no secret.
func child() error {
	sdk, path := sdks[os.Getenv("ADAPTERS_CHILD")], os.Getenv("ADAPTERS_STORE")
	if path == "" {
		return sdk.bare(wxtoken.Account{ID: os.Getenv("ADAPTERS_ID"), Secret: os.Getenv("ADAPTERS_SECRET")})()
	}
	store, err := open(path)
	if err != nil {
		return err
	}
	defer store.Close()
	return sdk.ours(store, "shop", wxtoken.Account{ID: os.Getenv("ADAPTERS_ID")})()
}

func revoke(t *testing.T, account wxtoken.Account) {
	t.Helper()
	control(t, "/revoke", map[string]any{"id": account.ID, "which": "all"})
}

func minted(t *testing.T, account wxtoken.Account) int {
	t.Helper()
	return int(testkit.Counters(t, account.ID)["minted"].(float64))
}

// Short names for helpers that other modules' tests use too.
var (
	control = testkit.Told
	token   = testkit.MustToken
)
