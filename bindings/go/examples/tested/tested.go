// Package tested calls WeChat with a token of the store. Its test needs neither WeChat nor a wxtoken server.
package tested

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// WeChat is WeChat's base URL. A test replaces it.
var WeChat = "https://api.weixin.qq.com"

// CallbackIPs returns the addresses from which WeChat calls the account "shop".
func CallbackIPs(ctx context.Context, store *wxtoken.Store) ([]string, error) {
	token, err := store.Token(ctx, "shop")
	if err != nil {
		return nil, err
	}
	address := WeChat + "/cgi-bin/getcallbackip?access_token=" + url.QueryEscape(token.Value)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the URL of WeChat cannot be used")
	}
	client := &http.Client{Transport: &wxtoken.Transport{Store: store, Name: "shop"}}
	response, err := client.Do(request)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close()
	var answer struct {
		Errcode int
		IPList  []string `json:"ip_list"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Errcode != 0 {
		return nil, fmt.Errorf("WeChat answered errcode %d", answer.Errcode)
	}
	return answer.IPList, nil
}

// withoutURL drops the URL from an error of an http.Client, because the URL contains the token.
func withoutURL(err error) error {
	var failure *url.Error
	if errors.As(err, &failure) {
		return failure.Err
	}
	return err
}
