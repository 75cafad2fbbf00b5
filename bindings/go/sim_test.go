package wxtoken_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

// The tests use the real library and the simulator of WeChat. `wechat-sim exec` sets these variables to its addresses.
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

// Short names for helpers that other modules' tests use too.
var (
	control   = testkit.Control
	counters  = testkit.Counters
	mustToken = testkit.MustToken
	randomHex = testkit.RandomHex
	shop      = testkit.Shop
	simulated = testkit.Simulated
)

// child is the main function of this program when a test starts it again.
func child() int {
	store, err := wxtoken.Open("", simulated()...)
	if err == nil {
		defer store.Close()
		var token wxtoken.Token
		if token, err = store.Token(context.Background(), "shop"); err == nil {
			fmt.Print(token.Value)
			return 0
		}
	}
	fmt.Print(err)
	return 1
}
