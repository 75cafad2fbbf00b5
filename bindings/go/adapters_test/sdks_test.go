package adapters_test

import (
	"net/http"
	"sync"

	chanxuehong "github.com/chanxuehong/wechat/mp/base"
	"github.com/chanxuehong/wechat/mp/core"
	"github.com/chanxuehong/wechat/mp/jssdk"
	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/credential"
	"github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
	"github.com/xen0n/go-workwx"
)

// Each adapter implements the interface of its SDK.
var (
	_ credential.AccessTokenHandle        = wxtoken.AccessTokenHandle{}
	_ credential.AccessTokenContextHandle = wxtoken.AccessTokenHandle{}
	_ credential.JsTicketHandle           = wxtoken.TicketHandle{}
	_ credential.JsTicketContextHandle    = wxtoken.TicketHandle{}
	_ workwx.ITokenProvider               = wxtoken.TokenProvider{}
	_ core.AccessTokenServer              = wxtoken.TokenServer{}
	_ jssdk.TicketServer                  = wxtoken.TicketServer{}
)

// An sdk is one real SDK. Its clients go to the simulator, and each comes with a function that makes one business call.
type sdk struct {
	kind wxtoken.Kind
	// bare makes a client as the SDK's README does, without this binding.
	bare func(account wxtoken.Account) (call func() error)
	// ours makes the client with an adapter.
	ours func(store *wxtoken.Store, name string, account wxtoken.Account) (call func() error)
}

var sdks = map[string]sdk{
	"silenceper": {
		kind: wxtoken.Official,
		bare: func(account wxtoken.Account) func() error {
			return silenceperCall(silenceper(account), &http.Client{Transport: simulated()})
		},
		ours: func(store *wxtoken.Store, name string, account wxtoken.Account) func() error {
			official := silenceper(account)
			official.SetAccessTokenHandle(wxtoken.AccessTokenHandle{Store: store, Name: name})
			client := &http.Client{Transport: &wxtoken.Transport{Store: store, Name: name, Base: simulated()}}
			return silenceperCall(official, client)
		},
	},
	"go-workwx": {
		kind: wxtoken.Work,
		bare: func(account wxtoken.Account) func() error {
			return workwxCall(workwx.New(account.ID,
				workwx.WithHTTPClient(&http.Client{Transport: simulated()}),
			).WithApp(account.Secret, 1000002))
		},
		ours: func(store *wxtoken.Store, name string, account wxtoken.Account) func() error {
			return workwxCall(workwx.New(account.ID,
				workwx.WithAccessTokenProvider(wxtoken.TokenProvider{Store: store, Name: name}),
				workwx.WithHTTPClient(&http.Client{
					Transport: &wxtoken.Transport{Store: store, Name: name, Base: simulated()},
				}),
			).WithApp("", 1000002))
		},
	},
	"chanxuehong": {
		kind: wxtoken.Official,
		bare: func(account wxtoken.Account) func() error {
			client := &http.Client{Transport: simulated()}
			return chanxuehongCall(core.NewClient(core.NewDefaultAccessTokenServer(account.ID, account.Secret, client), client))
		},
		// No Transport here: the SDK's own hook replaces a refused token.
		ours: func(store *wxtoken.Store, name string, _ wxtoken.Account) func() error {
			server := wxtoken.TokenServer{Store: store, Name: name}
			return chanxuehongCall(core.NewClient(server, &http.Client{Transport: simulated()}))
		},
	},
}

func silenceper(account wxtoken.Account) *officialaccount.OfficialAccount {
	return officialaccount.NewOfficialAccount(&config.Config{
		AppID: account.ID, AppSecret: account.Secret, Cache: cache.NewMemory(),
	})
}

// silenceper has one http.Client for the whole process. The two clients of a test share it.
var defaultClient sync.Mutex

func silenceperCall(official *officialaccount.OfficialAccount, client *http.Client) func() error {
	return func() error {
		defaultClient.Lock()
		defer defaultClient.Unlock()
		util.DefaultHTTPClient = client
		_, err := official.GetBasic().GetCallbackIP()
		return err
	}
}

func workwxCall(app *workwx.WorkwxApp) func() error {
	return func() error {
		_, err := app.GetUser("zhangsan")
		return err
	}
}

func chanxuehongCall(client *core.Client) func() error {
	return func() error {
		_, err := chanxuehong.GetCallbackIP(client)
		return err
	}
}
