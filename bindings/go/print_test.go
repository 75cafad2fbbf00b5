package wxtoken_test

import (
	"bytes"
	"fmt"
	"log"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

func TestATokenIsShortenedWhereverItIsPrinted(t *testing.T) {
	value := "31_abcdefghijklmnopqrstuvwxyz0123456789"
	token := wxtoken.Token{Value: value}
	hidden := "defghijklmnop"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%T %v"} {
		for _, shown := range []any{token, &token, []wxtoken.Token{token}, struct{ Token wxtoken.Token }{token}} {
			if text := fmt.Sprintf(verb, shown, shown); strings.Contains(text, hidden) || strings.Contains(text, fmt.Sprintf("%x", hidden)) {
				t.Errorf("%s prints %s", verb, text)
			}
		}
	}
	var logged bytes.Buffer
	log.New(&logged, "", 0).Println("token", token)
	if logged.String() != "token 31_abcde…6789\n" {
		t.Errorf("log prints %q", logged.String())
	}
	if short := (wxtoken.Token{Value: "a-token-of-31-characters-is-it!"}).String(); short != "…" {
		t.Errorf("a short token prints as %q", short)
	}
}

func TestAnAccountIsPrintedWithoutItsSecret(t *testing.T) {
	account := wxtoken.Account{Name: "shop", Kind: wxtoken.Official, ID: "wx01", Secret: "hush"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if text := fmt.Sprintf(verb, account); text != "shop (official wx01)" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
