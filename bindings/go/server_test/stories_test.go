package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

var (
	askAlways = wxtoken.WithOption("revalidate_ms", "0")
	// For tests that count requests, however long the machine stalls.
	askSeldom = wxtoken.WithOption("revalidate_ms", "60000")
)

func TestAKnownTokenNeedsNoRequestUntilALookIsDue(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store := r.open(t, askSeldom)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := mustToken(t, store, "shop")
	for i := 0; i < 100; i++ {
		if token, err := store.Token(ctx, "shop"); err != nil || token != first {
			t.Fatal(token, err)
		}
	}
	if asked := r.asked("GET /v1/token"); asked != 1 {
		t.Errorf("the server was asked %d times", asked)
	}
	if err := store.Set("revalidate_ms", "0"); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 3; i++ {
		if token, err := store.Token(ctx, "shop"); err != nil || token != first {
			t.Fatal(token, err)
		}
	}
	if asked := r.asked("GET /v1/token"); asked != 4 {
		t.Errorf("with looks always due the server was asked %d times", asked)
	}
}

func TestAGoodTokenIsServedWhileTheServerIsAway(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store := r.open(t, askAlways)
	token := mustToken(t, store, "shop")
	r.leave()
	for i := 0; i < 3; i++ {
		if now := mustToken(t, store, "shop"); now != token {
			t.Error("it is another token")
		}
	}
	if _, err := store.Token(context.Background(), "other"); !errors.Is(err, wxtoken.ErrStore) || !strings.Contains(err.Error(), r.url()) ||
		!strings.Contains(err.Error(), `"other"`) {
		t.Errorf("a token that is not known: %v", err)
	}
	if err := store.Reject("shop", "another token"); !errors.Is(err, wxtoken.ErrStore) {
		t.Errorf("Reject of another token answers %v", err)
	}
	if now := mustToken(t, store, "shop"); now != token {
		t.Error("the rejection of another token took it away")
	}
	// Nothing tells whether the token is still good.
	if err := store.Reject("shop", token.Value); !errors.Is(err, wxtoken.ErrStore) {
		t.Errorf("Reject answers %v", err)
	}
	if now, err := store.Token(context.Background(), "shop"); !errors.Is(err, wxtoken.ErrStore) {
		t.Errorf("a rejected token while the server is away: %v, %v", now, err)
	}
}

func TestAGoodTokenWaitsATenthOfASecondForAServerThatHangs(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store := r.open(t, askAlways, wxtoken.WithTimeout(60*time.Second))
	token := mustToken(t, store, "shop")
	defer r.hold()()
	began := time.Now()
	if now := mustToken(t, store, "shop"); now != token {
		t.Error("it is another token")
	}
	// It waits a tenth of a second and not a minute. The gap leaves room for a machine that stalls.
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := store.Set("timeout_ms", "300"); err != nil {
		t.Fatal(err)
	}
	_, err := store.Token(context.Background(), "other")
	if !errors.Is(err, wxtoken.ErrTimeout) || !strings.Contains(err.Error(), "timeout_ms (300 ms)") {
		t.Errorf("a token that is not known: %v", err)
	}
}

func TestATokenThatEndedOnItsWayIsAskedForAgain(t *testing.T) {
	r := startRelay(t)
	r.answerBy(func(w http.ResponseWriter, _ *http.Request) {
		now, life := time.Now(), 0
		if r.asked("GET /v1/token") == 1 {
			// The server says whole seconds, so this token has less than one left.
			time.Sleep(1100 * time.Millisecond)
		} else {
			life = 7200
		}
		fmt.Fprintf(w, `{"token":"T%d","expires_at":%d,"expires_in":%d}`, life, now.Unix()+int64(life), life)
	})
	store := r.open(t, wxtoken.WithTimeout(60*time.Second))
	if token := mustToken(t, store, "shop"); token.Value != "T7200" {
		t.Errorf("it is %s, which ended at %v", token.Value, token.ExpiresAt)
	}
}

func TestAServerThatComesBackIsUsedAgain(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store := r.open(t, askAlways)
	r.leave()
	if _, err := store.Token(context.Background(), "shop"); !errors.Is(err, wxtoken.ErrStore) {
		t.Fatal(err)
	}
	r.comeBack(t)
	for end := time.Now().Add(60 * time.Second); ; {
		if _, err := store.Token(context.Background(), "shop"); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestAServerThatIsAwayIsTriedOnceASecond(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	tried := make(chan struct{}, 1000)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
			tried <- struct{}{}
		}
	}()
	store := openAt(t, "http://"+listener.Addr().String())
	began := time.Now()
	for i := 0; i < 200; i++ {
		if _, err := store.Token(context.Background(), "shop"); !errors.Is(err, wxtoken.ErrStore) {
			t.Fatal(err)
		}
	}
	if tries, most := len(tried), 2+int(time.Since(began).Seconds()); tries > most {
		t.Errorf("200 calls made %d connections", tries)
	}
}

func TestARejectedTokenIsReplacedAndAnotherIsKept(t *testing.T) {
	r := startRelay(t)
	account := r.shop(t)
	store := r.open(t)
	first := mustToken(t, store, "shop")
	if err := store.Reject("shop", first.Value+"x"); err != nil {
		t.Fatal(err)
	}
	if mustToken(t, store, "shop") != first {
		t.Error("a token that nobody had was rejected, and another one came")
	}
	testkit.Control(t, "/revoke", map[string]any{"id": account.ID, "which": "all"})
	if err := store.Reject("shop", first.Value); err != nil {
		t.Fatal(err)
	}
	second := mustToken(t, store, "shop")
	if second == first || testkit.Counters(t, account.ID)["minted"] != 2.0 {
		t.Errorf("after the reject it is %v, after %v", second, first)
	}
	// A late caller rejects the first token again.
	if err := store.Reject("shop", first.Value); err != nil {
		t.Fatal(err)
	}
	if mustToken(t, store, "shop") != second {
		t.Error("the late reject took the successor")
	}
}

func TestAnUnknownKeyIsReportedAndTakesTheTokenAway(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store := r.open(t, askAlways)
	mustToken(t, store, "shop")
	wrong := "wxk_1_" + testkit.RandomHex(t, 20)
	if err := store.Set("server_key", wrong); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 2; i++ {
		_, err := store.Token(context.Background(), "shop")
		if !errors.Is(err, wxtoken.ErrStore) || !strings.Contains(err.Error(), "key") || strings.Contains(err.Error(), wrong) {
			t.Errorf("with a wrong key: %v", err)
		}
	}
	if err := store.Set("server_key", r.Key); err != nil {
		t.Fatal(err)
	}
	mustToken(t, store, "shop")
}

func TestAMissingRightIsReportedWithItsRemedy(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store := r.open(t, wxtoken.WithOption("server_key", r.Operator.Client(t, "reader", "get")))
	mustToken(t, store, "shop")
	for what, err := range map[string]error{
		"Put":    store.Put("shop", "retry", ""),
		"Reject": store.Reject("shop", "token"),
		"Report": func() error { _, err := store.Report(); return err }(),
	} {
		if !errors.Is(err, wxtoken.ErrStore) || !strings.Contains(err.Error(), "client change") {
			t.Errorf("%s answers %v", what, err)
		}
	}
}

func TestAKeyFileIsReadAtEachCall(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	path := filepath.Join(t.TempDir(), "key")
	store := openAt(t, r.url(), askAlways, wxtoken.WithOption("server_key_file", path))
	if _, err := store.Token(context.Background(), "shop"); !errors.Is(err, wxtoken.ErrArgument) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, key := range []string{r.Key, r.Operator.Client(t, "another", "get")} {
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		mustToken(t, store, "shop")
	}
	if err := os.WriteFile(path, []byte("two\nlines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Token(context.Background(), "shop"); !errors.Is(err, wxtoken.ErrArgument) || strings.Contains(err.Error(), "lines") {
		t.Errorf("a file of two lines: %v", err)
	}
}

func TestTheEnvironmentNamesServerAndKey(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	t.Setenv("WXTOKEN_STORE", r.url())
	t.Setenv("WXTOKEN_SERVER_KEY", r.Key)
	mustToken(t, openAt(t, ""), "shop")
	t.Setenv("WXTOKEN_TIMEOUT_MS", "\"3000\"")
	if _, err := wxtoken.Open(""); !errors.Is(err, wxtoken.ErrArgument) || !strings.Contains(err.Error(), "quotes") {
		t.Errorf("a value with quotes: %v", err)
	}
}

func TestRegisterSendsNoSecret(t *testing.T) {
	r := startRelay(t)
	account := r.shop(t)
	store := r.open(t)
	if err := store.Register(account); err != nil {
		t.Fatal(err)
	}
	other := account
	other.ID = "wx" + testkit.RandomHex(t, 8)
	if err := store.Register(other); !errors.Is(err, wxtoken.ErrArgument) || !strings.Contains(err.Error(), account.ID) {
		t.Errorf("another ID: %v", err)
	}
	other.Name = "nobody"
	if err := store.Register(other); !errors.Is(err, wxtoken.ErrAccount) || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an account that is not there: %v", err)
	}
	if r.asked("GET /v1/account/") != 3 || strings.Contains(r.sent(), account.Secret) {
		t.Error("it was asked otherwise, or the secret went out")
	}
}

func TestAPushedSecretHasNoEndAndIsRequestedEachTime(t *testing.T) {
	r := startRelay(t)
	for _, account := range []wxtoken.Account{
		{Name: "platform", Kind: wxtoken.Component, ID: "wx01", Secret: "hush"},
		{Name: "customer", Kind: wxtoken.Authorizer, ID: "wx02"},
	} {
		if err := r.Operator.Register(account); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Operator.Put("customer", "parent", "platform"); err != nil {
		t.Fatal(err)
	}
	store := r.open(t)
	for i := 0; i < 2; i++ {
		refresh := testkit.RandomHex(t, 16)
		if err := store.Put("customer", "refresh_token", refresh); err != nil {
			t.Fatal(err)
		}
		for j := 0; j < 2; j++ {
			if token := mustToken(t, store, "customer/refresh_token"); token.Value != refresh || !token.ExpiresAt.IsZero() {
				t.Errorf("the refresh token is %v, and ends at %v", token, token.ExpiresAt)
			}
		}
	}
	if asked := r.asked("GET /v1/token/customer/refresh_token"); asked != 4 {
		t.Errorf("the server was asked %d times", asked)
	}
}

func TestTheReportIsTheServersAndNamesTheStoreAsThisProgramDoes(t *testing.T) {
	r := startRelay(t)
	account := r.shop(t)
	text, err := r.open(t).Report()
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Store    string
		Accounts []struct{ ID string }
	}
	if err := json.Unmarshal(text, &report); err != nil || report.Store != r.url() || len(report.Accounts) != 1 || report.Accounts[0].ID != account.ID {
		t.Errorf("%v: %s", err, text)
	}
}

func TestAHostThatIsNotAServerIsReportedAndTakesNoGoodTokenAway(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store := r.open(t, askAlways)
	token := mustToken(t, store, "shop")
	for what, page := range map[string]string{
		"a page":                   "<html>502</html>",
		"a token of two words":     `{"token":"a b","expires_in":7200}`,
		"an empty token":           `{"token":"","expires_in":7200}`,
		"a token that is too long": `{"token":"` + strings.Repeat("x", 1024) + `","expires_in":7200}`,
	} {
		r.answerBy(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(page)) })
		_, err := store.Token(context.Background(), "other")
		if !errors.Is(err, wxtoken.ErrStore) || !strings.Contains(err.Error(), "not a wxtoken server") {
			t.Errorf("%s: %v", what, err)
		}
		if mustToken(t, store, "shop") != token {
			t.Errorf("%s took the good token away", what)
		}
	}
	r.answerBy(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"token":"T","expires_in":7200}` + strings.Repeat(" ", 1<<20)))
	})
	if _, err := store.Token(context.Background(), "other"); !errors.Is(err, wxtoken.ErrStore) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("an answer of a megabyte: %v", err)
	}
}

func TestATransportReplacesATokenThatWeChatRefuses(t *testing.T) {
	r := startRelay(t)
	account := r.shop(t)
	store := r.open(t)
	client := &http.Client{Transport: &wxtoken.Transport{Store: store, Name: "shop"}}
	first := mustToken(t, store, "shop")
	testkit.Control(t, "/revoke", map[string]any{"id": account.ID, "which": "all"})
	answer, err := client.Get(os.Getenv("WXSIM_HTTP") + "/cgi-bin/getcallbackip?access_token=" + first.Value)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct{ Errcode int }
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || said.Errcode != 0 {
		t.Errorf("WeChat answers %v, %v", said, err)
	}
	if mustToken(t, store, "shop") == first {
		t.Error("it is the refused token still")
	}
}
