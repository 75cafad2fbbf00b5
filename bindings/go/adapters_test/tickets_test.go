package adapters_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"github.com/chanxuehong/wechat/mp/jssdk"
	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/silenceper/wechat/v2/officialaccount/js"
	"github.com/xen0n/go-workwx"
)

const page = "https://shop.example/page?from=menu&q=1"

// silenceper signs the page itself, with the store's ticket.
func TestSilenceperSignsAPageWithTheStoresTicket(t *testing.T) {
	account := account(t, wxtoken.Official, 0)
	store, _ := openWith(t, account)
	official := silenceper(account)
	official.SetAccessTokenHandle(wxtoken.AccessTokenHandle{Store: store, Name: "shop"})
	signer := js.NewJs(official.GetContext())
	signer.SetJsTicketHandle(wxtoken.TicketHandle{Store: store, Name: "shop/jsapi_ticket"})
	for i := 0; i < 2; i++ {
		config, err := signer.GetConfigContext(context.Background(), page)
		if err != nil {
			t.Fatal(err)
		}
		isAccepted(t, account, config.NonceStr, strconv.FormatInt(config.Timestamp, 10), config.Signature)
	}
	counts(t, account, 2) // a token and a ticket
}

func TestChanxuehongSignsAPageWithTheStoresTicket(t *testing.T) {
	account := account(t, wxtoken.Official, 0)
	store, _ := openWith(t, account)
	var server jssdk.TicketServer = wxtoken.TicketServer{Store: store, Name: "shop/jsapi_ticket"}
	ticket, err := server.Ticket()
	if err != nil {
		t.Fatal(err)
	}
	isAccepted(t, account, "nonce", "1700000000", jssdk.WXConfigSign(ticket, "nonce", "1700000000", page))
	revoke(t, account)
	next, err := server.RefreshTicket(ticket)
	if err != nil || next == ticket {
		t.Fatalf("RefreshTicket gives the refused ticket again, or %v", err)
	}
	isAccepted(t, account, "nonce", "1700000000", jssdk.WXConfigSign(next, "nonce", "1700000000", page))
}

func TestGoWorkwxGivesTheStoresTickets(t *testing.T) {
	account := account(t, wxtoken.Work, 0)
	store, _ := openWith(t, account)
	app := workwx.New(account.ID,
		workwx.WithJSAPITicketProvider(wxtoken.TokenProvider{Store: store, Name: "shop/jsapi_ticket"}),
		workwx.WithJSAPITicketAgentConfigProvider(wxtoken.TokenProvider{Store: store, Name: "shop/agent_ticket"}),
		workwx.WithHTTPClient(&http.Client{Transport: simulated()}),
	).WithApp("", 1000002)
	for i := 0; i < 2; i++ {
		if ticket, err := app.GetJSAPITicket(); err != nil || ticket != token(t, store, "shop/jsapi_ticket").Value {
			t.Errorf("GetJSAPITicket gives another ticket, or %v", err)
		}
		if ticket, err := app.GetJSAPITicketAgentConfig(); err != nil || ticket != token(t, store, "shop/agent_ticket").Value {
			t.Errorf("GetJSAPITicketAgentConfig gives another ticket, or %v", err)
		}
	}
	counts(t, account, 3) // a token and two tickets
}

// isAccepted loads the page as WeChat does, and checks that the signature is accepted.
func isAccepted(t *testing.T, account wxtoken.Account, nonce, timestamp, signature string) {
	t.Helper()
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	verdict := control(t, "/js_config", map[string]any{
		"appid": account.ID, "url": page, "noncestr": nonce, "timestamp": seconds, "signature": signature,
	})
	if verdict != `{"ok":true}` {
		t.Errorf("the page is told %s", verdict)
	}
}
