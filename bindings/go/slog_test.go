//go:build go1.21

package wxtoken_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

func TestSlogShortensATokenAndLeavesOutASecret(t *testing.T) {
	token := wxtoken.Token{Value: "31_abcdefghijklmnopqrstuvwxyz0123456789"}
	account := wxtoken.Account{Name: "shop", Kind: wxtoken.Official, ID: "wx01", Secret: "hush"}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("got", "token", token, "account", account)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("got", "token", token, "account", account)
	if strings.Contains(logged.String(), "defghijklmnop") || strings.Contains(logged.String(), "hush") {
		t.Error(logged.String())
	}
	if strings.Count(logged.String(), "31_abcde…6789") != 2 {
		t.Error(logged.String())
	}
}
