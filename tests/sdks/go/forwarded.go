package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/ArtisanCloud/PowerLibs/v3/object"
	"github.com/ArtisanCloud/PowerWeChat/v3/src/officialAccount"
	"github.com/silenceper/wechat/v2"
	official "github.com/silenceper/wechat/v2/officialaccount"
	"github.com/silenceper/wechat/v2/officialaccount/config"
	"github.com/silenceper/wechat/v2/officialaccount/material"
	"github.com/silenceper/wechat/v2/officialaccount/message"
	"github.com/silenceper/wechat/v2/util"
	"github.com/xen0n/go-workwx"
)

type viaGoWorkwx struct {
	app     *workwx.WorkwxApp
	watched *watched
	server  string
}

func forwardedGoWorkwx(server, id, key string) (forwarded, error) {
	watched := &watched{}
	app := workwx.New(id,
		workwx.WithQYAPIHost(server),
		workwx.WithHTTPClient(&http.Client{Transport: watched}),
	).WithApp(key, 1000002)
	return &viaGoWorkwx{app, watched, server}, nil
}

func (v *viaGoWorkwx) call() error {
	user, err := v.app.GetUser("zhangsan")
	if err != nil {
		return err
	}
	if err := wants(user.Name, "张三"); err != nil {
		return err
	}
	return v.app.SendTextMessage(&workwx.Recipient{UserIDs: []string{"zhangsan"}}, text, false)
}

func (v *viaGoWorkwx) upload(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	media, err := workwx.NewMediaFromFile(file)
	if err != nil {
		return "", err
	}
	uploaded, err := v.app.UploadTempFileMedia(media)
	if err != nil {
		return "", err
	}
	return uploaded.MediaID, nil
}

// download is a call of this program, because the SDK has none.
func (v *viaGoWorkwx) download(mediaID string) (io.ReadCloser, error) {
	query := url.Values{"access_token": {v.watched.token}, "media_id": {mediaID}}
	response, err := http.Get(v.server + "/cgi-bin/media/get?" + query.Encode())
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

func (v *viaGoWorkwx) token() (string, error) { return v.watched.token, nil }

type viaSilenceper struct{ account *official.OfficialAccount }

func forwardedSilenceper(server, id, key string) (forwarded, error) {
	util.SetURIModifier(strings.NewReplacer("https://api.weixin.qq.com/", server+"/").Replace)
	config := &config.Config{AppID: id, AppSecret: key, Cache: forSilenceper{newShelf()}, UseStableAK: true}
	return &viaSilenceper{wechat.NewWechat().GetOfficialAccount(config)}, nil
}

func (v *viaSilenceper) call() error {
	user, err := v.account.GetUser().GetUserInfo("oDemo")
	if err != nil {
		return err
	}
	if err := wants(user.OpenID, "oDemo"); err != nil {
		return err
	}
	return v.account.GetCustomerMessageManager().Send(message.NewCustomerTextMessage("oDemo", text))
}

func (v *viaSilenceper) upload(path string) (string, error) {
	media, err := v.account.GetMaterial().MediaUpload(material.MediaTypeImage, path)
	return media.MediaID, err
}

// download changes the SDK's URL, which is WeChat's own, and uses the SDK's HTTPGet.
func (v *viaSilenceper) download(mediaID string) (io.ReadCloser, error) {
	url, err := v.account.GetMaterial().GetMediaURL(mediaID)
	if err != nil {
		return nil, err
	}
	body, err := util.HTTPGet(url)
	return io.NopCloser(bytes.NewReader(body)), err
}

func (v *viaSilenceper) token() (string, error) { return v.account.GetAccessToken() }

type viaPowerWeChat struct {
	app *officialAccount.OfficialAccount
}

func forwardedPowerWeChat(server, id, key string) (forwarded, error) {
	app, err := officialAccount.NewOfficialAccount(&officialAccount.UserConfig{
		AppID:  id,
		Secret: key,
		Cache:  forPowerWeChat{shelf: newShelf()},
		Log:    officialAccount.Log{File: os.DevNull, Error: os.DevNull},
		Http:   officialAccount.Http{BaseURI: server + "/"},
	})
	return &viaPowerWeChat{app}, err
}

func (v *viaPowerWeChat) call() error {
	user, err := v.app.User.Get(context.Background(), "oDemo", "zh_CN")
	if err != nil {
		return err
	}
	if user.ErrCode != 0 {
		return fmt.Errorf("%d: %s", user.ErrCode, user.ErrMsg)
	}
	if err := wants(user.OpenID, "oDemo"); err != nil {
		return err
	}
	sent, err := v.app.CustomerService.Send(context.Background(), &object.HashMap{
		"touser": "oDemo", "msgtype": "text", "text": &object.HashMap{"content": text},
	})
	if err != nil {
		return err
	}
	return wants(sent.ErrMsg, "ok")
}

func (v *viaPowerWeChat) upload(path string) (string, error) {
	uploaded, err := v.app.Media.UploadImage(context.Background(), path)
	if err != nil {
		return "", err
	}
	return uploaded.MediaID, nil
}

func (v *viaPowerWeChat) download(mediaID string) (io.ReadCloser, error) {
	response, err := v.app.Media.Get(context.Background(), mediaID)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

func (v *viaPowerWeChat) token() (string, error) {
	token, err := v.app.AccessToken.GetToken(context.Background(), false)
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}
