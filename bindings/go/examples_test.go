//go:build cgo && !wxtoken_nocgo

package wxtoken_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

func TestTheJSSDKExampleSignsAPageAsWeChatChecksIt(t *testing.T) {
	program := filepath.Join(t.TempDir(), "jssdk")
	if said, err := exec.Command("go", "build", "-o", program, "./examples/jssdk").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	account := shop(t)
	work := wxtoken.Account{Kind: wxtoken.Work, ID: "ww" + randomHex(t, 8), Secret: randomHex(t, 16)}
	control(t, "/accounts", map[string]any{"kind": "work", "id": work.ID, "secret": work.Secret})
	address := "https://shop.example/页?from=menu&q=1#top"
	nonces := map[string]bool{}
	for i, account := range []wxtoken.Account{account, account, work} {
		jssdk := exec.Command(program, address)
		path := filepath.Join(filepath.Dir(program), account.ID+".db")
		jssdk.Env = append(os.Environ(), "WXTOKEN_STORE="+path, "WXTOKEN_API_BASE_URL="+os.Getenv("WXSIM_HTTP"),
			"WXTOKEN_WORK_BASE_URL="+os.Getenv("WXSIM_HTTP"), "WXTOKEN_KIND="+string(account.Kind), "WXTOKEN_ID="+account.ID)
		if i != 1 { // the store has it after the first run
			jssdk.Env = append(jssdk.Env, "WXTOKEN_SECRET="+account.Secret)
		}
		text, err := jssdk.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		var config struct {
			AppID     string
			Timestamp int64
			NonceStr  string
			Signature string
		}
		if err := json.Unmarshal(text, &config); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if config.AppID != account.ID || nonces[config.NonceStr] || strings.Contains(string(text), "ticket") {
			t.Errorf("it prints %s", text)
		}
		nonces[config.NonceStr] = true
		verdict := control(t, "/js_config", map[string]any{
			"appid": account.ID, "url": address, "noncestr": config.NonceStr, "timestamp": config.Timestamp,
			"signature": config.Signature,
		})
		if !reflect.DeepEqual(verdict, map[string]any{"ok": true}) {
			t.Errorf("the page would be told %v of %s", verdict, text)
		}
		ticket := mustToken(t, open(t, path), "demo/jsapi_ticket")
		if strings.Contains(string(text), ticket.Value) {
			t.Error("it prints the ticket")
		}
	}
}
