package main

import (
	"strings"

	"github.com/silenceper/wechat/v2"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/util"
)

func silenceper(server, id, key string) (func() error, error) {
	util.SetURIModifier(strings.NewReplacer("https://api.weixin.qq.com/cgi-bin/token?", server+"/cgi-bin/token?").Replace)
	return silenceperCall(&config.Config{AppID: id, AppSecret: key, Cache: forSilenceper{newShelf()}}), nil
}

func silenceperStable(server, id, key string) (func() error, error) {
	util.SetURIModifier(strings.NewReplacer("https://api.weixin.qq.com/cgi-bin/stable_token", server+"/cgi-bin/stable_token").Replace)
	return silenceperCall(&config.Config{AppID: id, AppSecret: key, Cache: forSilenceper{newShelf()}, UseStableAK: true}), nil
}

func silenceperCall(config *config.Config) func() error {
	official := wechat.NewWechat().GetOfficialAccount(config)
	return func() error {
		_, err := official.GetBasic().GetCallbackIP()
		return err
	}
}
