package main

import (
	"net/http"
	"net/url"

	"github.com/xen0n/go-workwx"
)

func goWorkwx(server, id, key string) (func() error, error) {
	app := workwx.New(id,
		workwx.WithQYAPIHost(server),
		workwx.WithHTTPClient(&http.Client{Transport: onlyTokens{}}),
	).WithApp(key, 1000002)
	app.SpawnAccessTokenRefresher()
	return func() error {
		_, err := app.ListAllDepts()
		return err
	}, nil
}

// onlyTokens sends the token's call to the SDK's host, and all others to WeCom. The SDK has one host for both.
type onlyTokens struct{}

func (onlyTokens) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/cgi-bin/gettoken" {
		r = r.Clone(r.Context())
		r.URL = &url.URL{Scheme: "https", Host: "qyapi.weixin.qq.com", Path: r.URL.Path, RawQuery: r.URL.RawQuery}
		r.Host = r.URL.Host
	}
	return http.DefaultTransport.RoundTrip(r)
}
