// The program by_server asks WeChat for its callback addresses through silenceper/wechat, which knows nothing of
// libwxtoken. Its tokens come from a wxtoken server: the SDK is given the server's URL, and a client's key in place of the
// secret. WXTOKEN_SERVER is the URL, WXTOKEN_SERVER_KEY the key, WXTOKEN_ID the appid. If WXSIM_HTTP is set, the simulator
// answers instead of WeChat.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/cache"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
)

const weChat = "https://api.weixin.qq.com"

func main() {
	if err := callbackIPs(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func callbackIPs() error {
	server, simulator := os.Getenv("WXTOKEN_SERVER"), os.Getenv("WXSIM_HTTP")
	util.SetURIModifier(func(uri string) string {
		if strings.HasPrefix(uri, weChat+"/cgi-bin/token?") {
			return server + strings.TrimPrefix(uri, weChat)
		}
		if simulator != "" {
			return simulator + strings.TrimPrefix(uri, weChat)
		}
		return uri
	})
	official := wechat.NewWechat().GetOfficialAccount(&config.Config{
		AppID:     os.Getenv("WXTOKEN_ID"),
		AppSecret: os.Getenv("WXTOKEN_SERVER_KEY"),
		Cache:     cache.NewMemory(),
	})
	addresses, err := official.GetBasic().GetCallbackIP()
	if err != nil {
		return err
	}
	fmt.Printf("%d callback addresses\n", len(addresses))
	return nil
}
