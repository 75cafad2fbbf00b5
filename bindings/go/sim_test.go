//go:build cgo

package wxtoken_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// The tests run on the real library and the simulator of WeChat, whose addresses `wechat-sim exec` puts here.
var needed = []string{"WXSIM_HTTP", "WXSIM_HTTPS", "WXSIM_CONTROL", "WXSIM_CA", "WXTOKEN_CASES"}

func TestMain(m *testing.M) {
	if os.Getenv("WXTOKEN_TEST_CHILD") != "" {
		os.Exit(child())
	}
	for _, name := range needed {
		if os.Getenv(name) == "" {
			fmt.Fprintf(os.Stderr, "%s is not set. Run the tests under the simulator, from the directory bindings/go:\n\n"+
				"  WXTOKEN_CASES=$PWD/../../tests/cases.json ../../target/debug/wechat-sim exec --quiet -- go test ./...\n\n"+
				"`make sim stage` at the top builds the simulator, and the library in build/stage: point PKG_CONFIG_PATH\n"+
				"at its lib/pkgconfig and LD_LIBRARY_PATH at its lib.\n", name)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// shop is an account of the simulator that no other test has.
func shop(t testing.TB) wxtoken.Account {
	t.Helper()
	account := wxtoken.Account{Name: "shop", Kind: wxtoken.Official, ID: "wx" + randomHex(t, 8), Secret: randomHex(t, 16)}
	control(t, "/accounts", map[string]any{"kind": "official", "id": account.ID, "secret": account.Secret})
	return account
}

// open opens a store and closes it at the end of the test.
func open(t testing.TB, path string, options ...wxtoken.Option) *wxtoken.Store {
	t.Helper()
	store, err := wxtoken.Open(path, append(simulated(), options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func simulated() []wxtoken.Option {
	return []wxtoken.Option{
		wxtoken.WithAPIBaseURL(os.Getenv("WXSIM_HTTP")),
		wxtoken.WithWorkBaseURL(os.Getenv("WXSIM_HTTP")),
	}
}

// openShop opens a new store with one account.
func openShop(t testing.TB, options ...wxtoken.Option) (*wxtoken.Store, wxtoken.Account) {
	t.Helper()
	account := shop(t)
	store := open(t, filepath.Join(t.TempDir(), "tokens.db"), options...)
	if err := store.Register(account); err != nil {
		t.Fatal(err)
	}
	return store, account
}

// hang makes the simulator leave an account's next token request without an answer.
func hang(t testing.TB, account wxtoken.Account) {
	t.Helper()
	control(t, "/faults", map[string]any{"kind": "hang", "id": account.ID})
}

// control tells the simulator something, and gives the fields of its reply.
func control(t testing.TB, path string, body any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(os.Getenv("WXSIM_CONTROL")+path, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the simulator answers %s to %s %s: %s", answer.Status, path, text, said)
	}
	var reply map[string]any
	_ = json.Unmarshal(said, &reply) // nil where the reply is no object
	return reply
}

// counters is what the simulator counted for an id.
func counters(t testing.TB, id string) map[string]any {
	t.Helper()
	return fetch(t, os.Getenv("WXSIM_CONTROL")+"/counters?id="+url.QueryEscape(id))
}

func fetch(t testing.TB, address string) map[string]any {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var fields map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

func randomHex(t testing.TB, bytes int) string {
	t.Helper()
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}
