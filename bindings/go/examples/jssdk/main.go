// The program jssdk signs a page's URL for the JS-SDK and prints the fields that the page passes to wx.config, as JSON.
//
//	WXTOKEN_ID=wx0123456789abcdef WXTOKEN_SECRET=… jssdk 'https://shop.example/page?from=menu#top'
//
// The secret is needed once, as the store keeps it. The library itself reads $WXTOKEN_STORE, $WXTOKEN_API_BASE_URL and
// $WXTOKEN_WORK_BASE_URL from the environment.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// A config holds the signed fields of wx.config. The page itself adds debug, jsApiList and openTagList.
type config struct {
	AppID     string `json:"appId"`
	Timestamp int64  `json:"timestamp"`
	NonceStr  string `json:"nonceStr"`
	Signature string `json:"signature"`
}

func main() {
	if err := jssdk(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func jssdk() error {
	id := os.Getenv("WXTOKEN_ID")
	if len(os.Args) != 2 || id == "" {
		return errors.New("usage: WXTOKEN_ID=… jssdk URL")
	}
	store, err := wxtoken.Open("")
	if err != nil {
		return err
	}
	defer store.Close()

	if secret := os.Getenv("WXTOKEN_SECRET"); secret != "" {
		account := wxtoken.Account{Name: "demo", Kind: wxtoken.Official, ID: id, Secret: secret}
		if kind := os.Getenv("WXTOKEN_KIND"); kind != "" {
			account.Kind = wxtoken.Kind(kind)
		}
		if err := store.Register(account); err != nil {
			return err
		}
	}

	// The ticket stays on the server. The page gets only the signature.
	ticket, err := store.Token(context.Background(), "demo/jsapi_ticket")
	if err != nil {
		return err
	}
	signed, err := sign(id, ticket.Value, os.Args[1])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(signed)
}

// sign signs the URL of a page, exactly as the browser shows it from https:// to the query, without the fragment.
func sign(appID, ticket, url string) (config, error) {
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return config{}, err
	}
	c := config{AppID: appID, Timestamp: time.Now().Unix(), NonceStr: hex.EncodeToString(random[:])}
	page, _, _ := strings.Cut(url, "#")
	text := fmt.Sprintf("jsapi_ticket=%s&noncestr=%s&timestamp=%d&url=%s", ticket, c.NonceStr, c.Timestamp, page)
	digest := sha1.Sum([]byte(text))
	c.Signature = hex.EncodeToString(digest[:])
	return c, nil
}
