//go:build cgo && !wxtoken_nocgo

package wxtoken_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

func TestAFailureOpensAsAnErrorAndMatchesItsStatus(t *testing.T) {
	store, account := openShop(t)
	account.Secret += "-wrong"
	if err := store.Register(account); err != nil {
		t.Fatal(err)
	}
	_, err := store.Token(context.Background(), "shop")
	err = fmt.Errorf("greeting a customer: %w", err)

	var failure *wxtoken.Error
	if !errors.As(err, &failure) {
		t.Fatalf("errors.As does not open %v", err)
	}
	if failure.Errcode != 40125 || failure.RetryAfter < 30*time.Second || !strings.Contains(failure.Message, "40125") {
		t.Errorf("a wrong secret is %+v", failure)
	}
	if !errors.Is(err, wxtoken.ErrAPI) {
		t.Error("errors.Is does not match ErrAPI")
	}
	if errors.Is(err, wxtoken.ErrNetwork) || errors.Is(err, wxtoken.ErrClosed) {
		t.Error("errors.Is matches what it is not")
	}
	if strings.Contains(err.Error(), account.Secret) {
		t.Error("the error shows the secret")
	}
}

func TestEachStatusHasTheNameItHasInC(t *testing.T) {
	for status, name := range map[wxtoken.Status]string{
		wxtoken.ErrArgument: "WXTOKEN_E_ARGUMENT",
		wxtoken.ErrAccount:  "WXTOKEN_E_ACCOUNT",
		wxtoken.ErrStore:    "WXTOKEN_E_STORE",
		wxtoken.ErrSecret:   "WXTOKEN_E_SECRET",
		wxtoken.ErrNetwork:  "WXTOKEN_E_NETWORK",
		wxtoken.ErrReply:    "WXTOKEN_E_REPLY",
		wxtoken.ErrAPI:      "WXTOKEN_E_API",
		wxtoken.ErrTimeout:  "WXTOKEN_E_TIMEOUT",
		wxtoken.ErrInternal: "WXTOKEN_E_INTERNAL",
	} {
		if status.Error() != name {
			t.Errorf("%d is %s, not %s", int(status), status.Error(), name)
		}
	}
}

func TestAStringWithANULByteIsRefused(t *testing.T) {
	store, account := openShop(t)
	_, opening := wxtoken.Open(filepath.Join(t.TempDir(), "tokens\x00.db"))
	_, getting := store.Token(context.Background(), "shop\x00")
	for what, err := range map[string]error{
		"Open":     opening,
		"Set":      store.Set("timeout_ms", "300\x00"),
		"Register": store.Register(wxtoken.Account{Name: "shop", Kind: wxtoken.Official, ID: account.ID, Secret: account.Secret + "\x00"}),
		"Put":      store.Put("shop", "current\x00", "1"),
		"Token":    getting,
		"Reject":   store.Reject("shop", "token\x00"),
	} {
		var failure *wxtoken.Error
		if !errors.As(err, &failure) || !errors.Is(err, wxtoken.ErrArgument) || !strings.Contains(err.Error(), "NUL") {
			t.Errorf("%s answers %v", what, err)
		}
		if err != nil && strings.Contains(err.Error(), account.Secret) {
			t.Errorf("%s shows the secret", what)
		}
	}
}

func TestAnEmptyPathIsTheDefaultStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "default.db")
	t.Setenv("WXTOKEN_STORE", path)
	account := shop(t)
	if err := open(t, "").Register(account); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path).Token(context.Background(), account.Name); err != nil {
		t.Error(err)
	}
}

func TestAnAccountWithoutASecretIsRegisteredOrRefused(t *testing.T) {
	store, account := openShop(t)
	if err := store.Register(wxtoken.Account{Name: "customer", Kind: wxtoken.Authorizer, ID: "wx01"}); err != nil {
		t.Errorf("an authorizer without a secret: %v", err)
	}
	account.Secret = ""
	if err := store.Register(account); !errors.Is(err, wxtoken.ErrArgument) || !strings.Contains(err.Error(), "secret") {
		t.Errorf("an official account without a secret: %v", err)
	}
}

func TestEachKindIsOneThatTheLibraryKnows(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "tokens.db"))
	for _, kind := range []wxtoken.Kind{
		wxtoken.Official, wxtoken.OfficialClassic, wxtoken.Work, wxtoken.Component, wxtoken.Authorizer, wxtoken.Suite,
		wxtoken.WorkAuthorized, wxtoken.Provider, wxtoken.QQ, wxtoken.Douyin, wxtoken.DingTalk, wxtoken.Feishu,
	} {
		account := wxtoken.Account{Name: string(kind), Kind: kind, ID: "id", Secret: "hush"}
		if kind == wxtoken.Authorizer {
			account.Secret = ""
		}
		if err := store.Register(account); err != nil {
			t.Error(err)
		}
	}
}

func TestAPushedSecretIsReturnedAndARefreshTokenHasNoEnd(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "tokens.db"))
	for _, account := range []wxtoken.Account{
		{Name: "platform", Kind: wxtoken.Component, ID: "wx01", Secret: "hush"},
		{Name: "customer", Kind: wxtoken.Authorizer, ID: "wx02"},
	} {
		if err := store.Register(account); err != nil {
			t.Fatal(err)
		}
	}
	refresh, ticket := randomHex(t, 16), randomHex(t, 16)
	for _, put := range [][3]string{
		{"customer", "parent", "platform"}, {"customer", "refresh_token", refresh}, {"platform", "verify_ticket", ticket},
	} {
		if err := store.Put(put[0], put[1], put[2]); err != nil {
			t.Fatal(err)
		}
	}
	if token := mustToken(t, store, "customer/refresh_token"); token.Value != refresh || !token.ExpiresAt.IsZero() {
		t.Errorf("the refresh token ends at %v", token.ExpiresAt)
	}
	token := mustToken(t, store, "platform/verify_ticket")
	if left := time.Until(token.ExpiresAt); token.Value != ticket || left < 11*time.Hour || left > 12*time.Hour {
		t.Errorf("the verify ticket ends in %v", left)
	}
}

func TestAFailedPutDoesNotShowItsValue(t *testing.T) {
	store, _ := openShop(t)
	if err := store.Register(wxtoken.Account{Name: "platform", Kind: wxtoken.Component, ID: "wx01", Secret: "hush"}); err != nil {
		t.Fatal(err)
	}
	hidden := randomHex(t, 16)
	for what, err := range map[string]error{
		"a field of another kind": store.Put("shop", "verify_ticket", hidden),
		"no such account":         store.Put("nobody", "verify_ticket", hidden),
		"a NUL byte":              store.Put("platform", "verify_ticket", hidden+"\x00"),
		"not ASCII":               store.Put("platform", "verify_ticket", hidden+"é"),
		"too long":                store.Put("platform", "verify_ticket", strings.Repeat(hidden, 20)),
	} {
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), hidden) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestOpenFailsWithABadOptionAndNamesIt(t *testing.T) {
	store, err := wxtoken.Open(filepath.Join(t.TempDir(), "tokens.db"), wxtoken.WithTimeout(11*time.Minute))
	if store != nil || !errors.Is(err, wxtoken.ErrArgument) || !strings.Contains(err.Error(), "timeout_ms") {
		t.Errorf("a timeout of 11 minutes gives %v, %v", store, err)
	}
}

func TestSetCurrentChangesWhatAnEmptyNameMeans(t *testing.T) {
	store, _ := openShop(t)
	second := shop(t)
	second.Name = "second"
	if err := store.Register(second); err != nil {
		t.Fatal(err)
	}
	first := mustToken(t, store, "")
	if err := store.SetCurrent("second"); err != nil {
		t.Fatal(err)
	}
	if token := mustToken(t, store, ""); token == first || token != mustToken(t, store, "second") {
		t.Error("the current account is still the first")
	}
}

func TestAReportLargerThanTheFirstBufferIsComplete(t *testing.T) {
	store := open(t, filepath.Join(t.TempDir(), "tokens.db"))
	for i := 0; i < 40; i++ {
		account := shop(t)
		account.Name = fmt.Sprintf("shop %d", i)
		if err := store.Register(account); err != nil {
			t.Fatal(err)
		}
	}
	report, err := store.Report()
	if err != nil {
		t.Fatal(err)
	}
	if len(report) <= 4096 || report[len(report)-1] == 0 || !strings.Contains(string(report), "shop 39") {
		t.Errorf("the report of 40 accounts has %d bytes", len(report))
	}
}

func TestADeadlineOfAContextEndsTheWait(t *testing.T) {
	store, account := openShop(t, wxtoken.WithTimeout(2*time.Second))
	hang(t, account)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := store.Token(ctx, "shop")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"shop"`) {
		t.Errorf("Token answers %v", err)
	}
	if errors.Is(err, wxtoken.ErrTimeout) {
		t.Error("the context's end passes for the library's timeout")
	}
}

func TestACancelledWaitLeavesTheFetchToTheNextCaller(t *testing.T) {
	store, account := openShop(t)
	control(t, "/faults", map[string]any{"kind": "delay", "id": account.ID, "ms": 500})
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan error)
	go func() {
		_, err := store.Token(ctx, "shop")
		waited <- err
	}()
	awaitInFlight(t, account)
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled Token answers %v", err)
	}
	mustToken(t, store, "shop")
	if requests := counters(t, account.ID)["requests"]; requests != 1.0 {
		t.Errorf("%v requests were made, not 1", requests)
	}
}

func TestAContextThatHasEndedMakesNoRequest(t *testing.T) {
	store, account := openShop(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := store.Token(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Token answers %v", err)
	}
	if requests := counters(t, account.ID)["requests"]; requests != 0.0 {
		t.Errorf("%v requests were made", requests)
	}
}

func TestCloseWaitsForAnAbandonedCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.db")
	store, account := open(t, path, wxtoken.WithTimeout(2*time.Second)), shop(t)
	if err := store.Register(account); err != nil {
		t.Fatal(err)
	}
	hang(t, account)
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan error)
	go func() {
		_, err := store.Token(ctx, "shop")
		waited <- err
	}()
	awaitInFlight(t, account)
	cancel()
	<-waited
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	// The fetch has timed out by now. That failure stands in the store for callers whose timeout_ms is not larger.
	_, err := open(t, path, wxtoken.WithTimeout(2*time.Second)).Token(context.Background(), "shop")
	if !errors.Is(err, wxtoken.ErrTimeout) {
		t.Errorf("the next Store is told %v", err)
	}
	if requests := counters(t, account.ID)["requests"]; requests != 1.0 {
		t.Errorf("%v requests were made, not 1", requests)
	}
}

func TestCloseUnderLoadEndsEveryCallCleanly(t *testing.T) {
	store, _ := openShop(t)
	testkit.CloseUnderLoad(t, store)
}

func TestSixtyFourGoroutinesOnAnEmptyStoreMintOneToken(t *testing.T) {
	store, account := openShop(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	begin := make(chan struct{})
	tokens := make(chan wxtoken.Token, 64)
	for i := 0; i < 64; i++ {
		ctx := ctx
		if i%2 == 0 {
			ctx = context.Background()
		}
		go func() {
			<-begin
			token, err := store.Token(ctx, "shop")
			if err != nil {
				t.Error(err)
			}
			tokens <- token
		}()
	}
	close(begin)
	first := <-tokens
	for i := 1; i < 64; i++ {
		if <-tokens != first {
			t.Error("two tokens are about")
		}
	}
	if counted := counters(t, account.ID); counted["minted"] != 1.0 || counted["requests"] != 1.0 {
		t.Errorf("the simulator counted %v", counted)
	}
}

func TestAThousandWaitersDoNotTakeAThousandThreads(t *testing.T) {
	store, account := openShop(t, wxtoken.WithTimeout(2*time.Second))
	hang(t, account)
	const waiters = 1500
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, waiters)
	began := time.Now()
	for i := 0; i < waiters; i++ {
		go func() {
			_, err := store.Token(ctx, "shop")
			ended <- err
		}()
	}
	for i := 0; i < waiters; i++ {
		if err := <-ended; !errors.Is(err, wxtoken.ErrTimeout) {
			t.Fatalf("a waiter is told %v", err)
		}
	}
	took := time.Since(began)
	// Go keeps the threads that it has started, so this is the highest number there ever was.
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	if len(threads) > 700 {
		t.Errorf("%d threads were started", len(threads))
	}
	// A fetch takes two seconds, and its failure stands for almost two more. So a second one takes a machine that stalls.
	most := 1 + int(took/(3*time.Second))
	if requests := int(counters(t, account.ID)["requests"].(float64)); requests < 1 || requests > most {
		t.Errorf("%d requests were made in %v, not 1 to %d", requests, took, most)
	}
}

func TestAChildProcessFindsTheTokenOfItsParent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.db")
	store, account := open(t, path), shop(t)
	if err := store.Register(account); err != nil {
		t.Fatal(err)
	}
	// The children race the parent and each other for the first token.
	found := make(chan string)
	for i := 0; i < 4; i++ {
		go func() {
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), "WXTOKEN_TEST_CHILD=1", "WXTOKEN_STORE="+path)
			said, err := command.CombinedOutput()
			if err != nil {
				t.Errorf("a child fails: %v: %s", err, said)
			}
			found <- string(said)
		}()
	}
	token := mustToken(t, store, "shop")
	for i := 0; i < 4; i++ {
		if said := <-found; said != token.Value {
			t.Errorf("a child found %q", said)
		}
	}
	if minted := counters(t, account.ID)["minted"]; minted != 1.0 {
		t.Errorf("%v tokens were minted", minted)
	}
}

func TestTheLibraryReportsItsVersion(t *testing.T) {
	if parts := strings.Split(wxtoken.Version(), "."); len(parts) != 3 {
		t.Errorf("the version is %q", wxtoken.Version())
	}
}

// awaitInFlight returns when the simulator holds a token request of the account.
func awaitInFlight(t testing.TB, account wxtoken.Account) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); counters(t, account.ID)["requests"] != 1.0; {
		if time.Now().After(end) {
			t.Fatal("the request has not come in 20 s")
		}
	}
}
