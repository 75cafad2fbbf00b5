//go:build cgo && !wxtoken_nocgo

package wxtoken_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

func TestEachAdapterGivesTheTokenOfItsName(t *testing.T) {
	store, _ := openShop(t)
	token, ticket := mustToken(t, store, "shop").Value, mustToken(t, store, "shop/jsapi_ticket").Value
	ctx := context.Background()
	handle := wxtoken.AccessTokenHandle{Store: store, Name: "shop"}
	tickets := wxtoken.TicketHandle{Store: store, Name: "shop/jsapi_ticket"}
	for what, gives := range map[string]struct {
		get  func() (string, error)
		want string
	}{
		"GetAccessToken":        {handle.GetAccessToken, token},
		"GetAccessTokenContext": {func() (string, error) { return handle.GetAccessTokenContext(ctx) }, token},
		"the current account":   {wxtoken.AccessTokenHandle{Store: store}.GetAccessToken, token},
		"GetTicket":             {func() (string, error) { return tickets.GetTicket("any") }, ticket},
		"GetTicketContext":      {func() (string, error) { return tickets.GetTicketContext(ctx, "any") }, ticket},
		"GetToken": {func() (string, error) {
			return wxtoken.TokenProvider{Store: store, Name: "shop"}.GetToken(ctx)
		}, token},
		"Token":  {wxtoken.TokenServer{Store: store, Name: "shop"}.Token, token},
		"Ticket": {wxtoken.TicketServer{Store: store, Name: "shop/jsapi_ticket"}.Ticket, ticket},
		"RefreshToken of nothing": {func() (string, error) {
			return wxtoken.TokenServer{Store: store, Name: "shop"}.RefreshToken("")
		}, token},
	} {
		if got, err := gives.get(); err != nil || got != gives.want {
			t.Errorf("%s gives another value, or %v", what, err)
		}
	}
}

func TestRefreshTokenRejectsOnlyTheRefusedToken(t *testing.T) {
	store, account := openShop(t)
	server := wxtoken.TokenServer{Store: store, Name: "shop"}
	refused := mustToken(t, store, "shop").Value
	revoke(t, account)
	successor, err := server.RefreshToken(refused)
	if err != nil || successor == refused {
		t.Fatalf("RefreshToken gives the refused token again, or %v", err)
	}
	// Another goroutine was refused with the same token, and reports it later.
	if again, err := server.RefreshToken(refused); err != nil || again != successor {
		t.Errorf("the second RefreshToken gives another token, or %v", err)
	}
	if n := minted(t, account); n != 2 {
		t.Errorf("%d tokens were minted", n)
	}
}

func TestAnAdapterReturnsTheStoresError(t *testing.T) {
	store, _ := openShop(t)
	if got, err := (wxtoken.TokenServer{Store: store, Name: "nobody"}).RefreshToken("x"); got != "" || !errors.Is(err, wxtoken.ErrAccount) {
		t.Errorf("an account that is not there gives %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (wxtoken.TokenProvider{Store: store, Name: "shop"}).GetToken(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over gives %v", err)
	}
	store.Close()
	if _, err := (wxtoken.AccessTokenHandle{Store: store, Name: "shop"}).GetAccessToken(); err != wxtoken.ErrClosed {
		t.Errorf("a closed store gives %v", err)
	}
}

// PowerWeChat's hook does not say which token was refused.
func TestACustomTokenRefreshedTwiceIsReplacedOnce(t *testing.T) {
	store, account := openShop(t)
	custom := &wxtoken.CustomToken{Store: store, Name: "shop"}
	first := custom.Get(false)
	if left := first["expires_in"].(float64); first["access_token"] != mustToken(t, store, "shop").Value || left < 7000 || left > 7200 {
		t.Errorf("the token has %v s left, or is another", left)
	}
	revoke(t, account)
	second := custom.Get(true)
	if second["access_token"] == first["access_token"] {
		t.Error("the refused token is given again")
	}
	// Another goroutine was refused with the first token, and reports it later.
	if again := custom.Get(true); again["access_token"] != second["access_token"] {
		t.Error("the successor was rejected")
	}
	report, err := store.Report()
	if err != nil || minted(t, account) != 2 || !strings.Contains(string(report), `"rejects":1`) {
		t.Errorf("%d tokens were minted; %v: %s", minted(t, account), err, report)
	}
}

func TestACustomTokenWithoutATokenHasNoAccessToken(t *testing.T) {
	store, _ := openShop(t)
	custom := &wxtoken.CustomToken{Store: store, Name: "nobody"}
	// PowerWeChat expects a float64 in expires_in and panics on anything else.
	if got := custom.Get(false); len(got) != 1 || got["expires_in"] != 0.0 {
		t.Errorf("an account that is not there gives %v", got)
	}
	// It also panics if no access_token follows a refresh.
	for _, refresh := range []bool{true, false} {
		if got := custom.Get(refresh); len(got) != 2 || got["expires_in"] != 0.0 || got["access_token"] != "" {
			t.Errorf("after a refresh, an account that is not there gives %v", got)
		}
	}
}

func simulatorHost(t testing.TB) string {
	t.Helper()
	simulator, err := url.Parse(os.Getenv("WXSIM_HTTP"))
	if err != nil {
		t.Fatal(err)
	}
	return simulator.Host
}
