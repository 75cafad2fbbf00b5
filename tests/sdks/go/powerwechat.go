package main

import (
	"context"
	"fmt"
	"os"

	"github.com/ArtisanCloud/PowerWeChat/v3/src/officialAccount"
)

func powerWeChat(server, id, key string) (func() error, error) {
	app, err := officialAccount.NewOfficialAccount(&officialAccount.UserConfig{
		AppID:  id,
		Secret: key,
		Cache:  forPowerWeChat{shelf: newShelf()},
		Log:    officialAccount.Log{File: os.DevNull, Error: os.DevNull},
		// The simulator takes WeChat's place here. A production program does not have this line.
		Http: officialAccount.Http{BaseURI: os.Getenv("SDKS_WECHAT") + "/"},
	})
	if err != nil {
		return nil, err
	}
	app.AccessToken.EndpointToGetToken = server + "/cgi-bin/token"
	return func() error {
		answer, err := app.Base.GetCallbackIP(context.Background())
		if err == nil && len(answer.IPList) == 0 {
			err = fmt.Errorf("%+v", answer)
		}
		return err
	}, nil
}
