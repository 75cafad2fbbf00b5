package adapters_test

import (
	"net/http"

	"github.com/chanxuehong/wechat/mp/base"
	"github.com/chanxuehong/wechat/mp/core"
	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
	"github.com/xen0n/go-workwx"
)

// The examples are compiled but not run, because they would call WeChat itself.
var (
	store         *wxtoken.Store
	appID, corpID string
	agentID       int64
)

func Example_silenceper() {
	official := wechat.NewWechat().GetOfficialAccount(&config.Config{AppID: appID, Cache: cache.NewMemory()})
	official.SetAccessTokenHandle(wxtoken.AccessTokenHandle{Store: store, Name: "shop"})
	util.DefaultHTTPClient = &http.Client{Transport: &wxtoken.Transport{Store: store, Name: "shop"}}

	official.GetJs().SetJsTicketHandle(wxtoken.TicketHandle{Store: store, Name: "shop/jsapi_ticket"})
	_, _ = official.GetBasic().GetCallbackIP()
}

func Example_workwx() {
	provider := workwx.WithAccessTokenProvider(wxtoken.TokenProvider{Store: store, Name: "app"})
	client := workwx.WithHTTPClient(&http.Client{Transport: &wxtoken.Transport{Store: store, Name: "app"}})
	app := workwx.New(corpID, provider, client).WithApp("", agentID)

	_, _ = app.GetUser("zhangsan")
}

func Example_chanxuehong() {
	server := wxtoken.TokenServer{Store: store, Name: "shop"}
	client := core.NewClient(server, nil)
	_, _ = base.GetCallbackIP(client)
}

// Two accounts share one http.Client. Each Transport leaves the other's tokens alone.
func Example_severalAccounts() {
	shop := &wxtoken.Transport{Store: store, Name: "shop"}
	util.DefaultHTTPClient = &http.Client{Transport: &wxtoken.Transport{Store: store, Name: "second", Base: shop}}
}
