package purego_test

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
	_ "github.com/libwxtoken/libwxtoken/bindings/go/purego"
)

func TestMain(m *testing.M) {
	if os.Getenv("WXTOKEN_TEST_CHILD") != "" {
		_, err := wxtoken.Open("")
		fmt.Printf("%v, version %q", err, wxtoken.Version())
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTheSharedTableOfCases(t *testing.T) {
	testkit.CarryOutTheSharedTable(t)
}

func TestItLoadsTheLibraryThatProgramsInOtherLanguagesUse(t *testing.T) {
	header, err := os.ReadFile("../../../include/wxtoken.h")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(header), `#define WXTOKEN_VERSION "`+wxtoken.Version()+`"`) {
		t.Errorf("its version is %q", wxtoken.Version())
	}
	if name := wxtoken.Status(99).Error(); name != "unknown status" {
		t.Errorf("a status of the future is %q", name)
	}
}

// A tag bindings/go/purego/vX.Y.Z requires the binding's module at the tag bindings/go/vX.Y.Z.
func TestTheModuleRequiresTheBindingAtItsOwnVersion(t *testing.T) {
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(module), "libwxtoken/bindings/go v"+wxtoken.Version()+"\n") {
		t.Errorf("with version %s of the library, go.mod says:\n%s", wxtoken.Version(), module)
	}
}

func openShop(t testing.TB) (*wxtoken.Store, wxtoken.Account) {
	t.Helper()
	account := testkit.Shop(t)
	store, err := wxtoken.Open(filepath.Join(t.TempDir(), "tokens.db"), testkit.Simulated()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Register(account); err != nil {
		t.Fatal(err)
	}
	return store, account
}

func TestSixtyFourGoroutinesOnAnEmptyStoreMintOneToken(t *testing.T) {
	store, account := openShop(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	for i := 0; i < 64; i++ {
		ctx := ctx
		if i%2 == 0 {
			ctx = context.Background()
		}
		all.Add(1)
		go func() {
			defer all.Done()
			if _, err := store.Token(ctx, "shop"); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	if minted := testkit.Counters(t, account.ID)["minted"]; minted != 1.0 {
		t.Errorf("%v tokens were minted", minted)
	}
}

func TestAReportLargerThanTheFirstBufferIsComplete(t *testing.T) {
	store, account := openShop(t)
	for i := 0; i < 40; i++ {
		account.Name = fmt.Sprintf("shop %d", i)
		if err := store.Register(account); err != nil {
			t.Fatal(err)
		}
	}
	report, err := store.Report()
	if err != nil || len(report) <= 4096 || report[len(report)-1] == 0 || !strings.Contains(string(report), "shop 39") {
		t.Errorf("the report of 41 accounts has %d bytes: %v", len(report), err)
	}
}

func TestACallAfterCloseIsRefused(t *testing.T) {
	store, _ := openShop(t)
	store.Close()
	if _, err := store.Token(context.Background(), "shop"); !errors.Is(err, wxtoken.ErrClosed) {
		t.Error(err)
	}
}

func TestAMissingLibraryIsNamedWithTheRemedy(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.so")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/no/such/libwxtoken.so.0", empty} {
		command := exec.Command(os.Args[0])
		command.Env = append(os.Environ(), "WXTOKEN_TEST_CHILD=1", "WXTOKEN_LIBRARY="+path, "WXTOKEN_STORE="+filepath.Join(t.TempDir(), "t.db"))
		said, err := command.CombinedOutput()
		if err != nil || !strings.Contains(string(said), path) || !strings.Contains(string(said), "WXTOKEN_LIBRARY") || !strings.Contains(string(said), `version ""`) {
			t.Errorf("%v: %s", err, said)
		}
	}
}

// The program is dynamic, unlike one that runs in an image made FROM scratch.
func TestTheProgramIsLinkedWithTheSystemsCLibrary(t *testing.T) {
	program, err := elf.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	if err != nil || !strings.Contains(strings.Join(libraries, " "), "libc.so.6") {
		t.Errorf("%v, %v", libraries, err)
	}
}

func BenchmarkToken(b *testing.B) {
	store, _ := openShop(b)
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		if _, err := store.Token(context.Background(), "shop"); err != nil {
			b.Fatal(err)
		}
	}
}
