// The program callback_ips asks WeChat for its callback addresses through silenceper/wechat, with a token of the store. It
// takes the same environment variables as first_get.
package main

import (
	"fmt"
	"net/http"
	"os"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
)

func main() {
	if err := callbackIPs(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func callbackIPs() error {
	store, err := wxtoken.Open("")
	if err != nil {
		return err
	}
	defer store.Close()

	id := os.Getenv("WXTOKEN_ID")
	account := wxtoken.Account{Name: "demo", Kind: wxtoken.Official, ID: id, Secret: os.Getenv("WXTOKEN_SECRET")}
	if err := store.Register(account); err != nil {
		return err
	}
	official := wechat.NewWechat().GetOfficialAccount(&config.Config{AppID: id, Cache: cache.NewMemory()})
	official.SetAccessTokenHandle(wxtoken.AccessTokenHandle{Store: store, Name: "demo"})
	util.DefaultHTTPClient = &http.Client{Transport: &wxtoken.Transport{Store: store, Name: "demo"}}

	addresses, err := official.GetBasic().GetCallbackIP()
	if err != nil {
		return err
	}
	fmt.Printf("go, silenceper  %d callback addresses\n", len(addresses))
	return nil
}
