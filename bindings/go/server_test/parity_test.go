//go:build cgo && !wxtoken_nocgo

package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/client"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

// said returns how a call of the C library ended.
func said(err error) string {
	var failure *wxtoken.Error
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &failure):
		return fmt.Sprintf("%d %d %d %s", int(failure.Status), failure.Errcode, failure.RetryAfter/1e9, failure.Message)
	}
	return err.Error()
}

// saidInGo returns how a call of the client in Go ended.
func saidInGo(failure *backend.Failure) string {
	if failure == nil {
		return "done"
	}
	return fmt.Sprintf("%d %d %d %s", failure.Status, failure.Errcode, failure.RetryAfter/1e9, failure.Message)
}

// A pair is one server, opened by the C library and by the client in Go.
type pair struct {
	t    *testing.T
	inC  *wxtoken.Store
	inGo backend.Handle
}

func pairAt(t *testing.T, store string, options ...string) *pair {
	t.Helper()
	inGo, failure := client.Backend.Open(store)
	if failure != nil {
		t.Fatal(failure.Message)
	}
	t.Cleanup(inGo.Free)
	p := &pair{t, openAt(t, store), inGo}
	for ; len(options) > 0; options = options[2:] {
		p.set(options[0], options[1])
	}
	return p
}

func (p *pair) same(what string, inC error, inGo *backend.Failure) {
	p.t.Helper()
	if c, g := said(inC), saidInGo(inGo); c != g {
		p.t.Errorf("%s:\n  in C:  %s\n  in Go: %s", what, c, g)
	}
}

func (p *pair) set(option, value string) {
	p.t.Helper()
	p.same(fmt.Sprintf("Set(%q, %q)", option, value), p.inC.Set(option, value), p.inGo.Set(option, value))
}

func (p *pair) get(name string) {
	p.t.Helper()
	_, inC := p.inC.Token(context.Background(), name)
	var reply backend.Reply
	p.inGo.Get(name, &reply)
	p.same(fmt.Sprintf("Token(%q)", name), inC, reply.Failure)
}

func (p *pair) register(a wxtoken.Account) {
	p.t.Helper()
	p.same(fmt.Sprintf("Register(%q, %q, %q)", a.Name, a.Kind, a.ID), p.inC.Register(a), p.inGo.Register(a.Name, string(a.Kind), a.ID, a.Secret))
}

// values has one with each flaw, and those at the limits.
var values = []string{
	"", "0", "1", "2", "3600", "3601", "60000", "60001", "600000", "600001", "-1", "1.5", "99999999999999999999", "soon", "any", "4", "off",
	"\"1\"", "'1'", "`1`", " 1", "1 ", "1\r", "1\n", "\t1", "\uFEFF1", "1\u200B1", "é", "“1”", "1\u00A0", "１", "a\x01b", "\"1",
	"https://example.com", "https://example.com/", "https://example.com/p?q", "https://u:p@example.com", "https://example.com:0",
	"https://example.com:99999", "http://example.com", "http://127.0.0.1:80", "http://10.0.0.1", "http://[fd00::1]:80", "http://8.8.8.8",
	"http://[::ffff:10.0.0.1]", "example.com", "ftp://127.0.0.1", "https://", "https://exa^mple.com",
	"http://u:p@127.0.0.1:3128", "socks5h://127.0.0.1", "socks5://u@h", "https://127.0.0.1:3128", "http://u:p#q@h", "http://h/p", "http://u:p%zz@h",
	"http://[::1", "http://::1", "http://@h", "http://h:0", "http://u%3Ax:p@h", "/no/such/file", "relative",
}

func TestTheClientInGoTakesOptionsAsTheCLibraryDoes(t *testing.T) {
	p := pairAt(t, "http://127.0.0.1:9")
	for _, option := range []string{
		"api_base_url", "qidian_base_url", "timeout_ms", "connect_timeout_ms", "refresh_ahead_s", "background_refresh", "revalidate_ms",
		"proxy", "ip_version", "allow_plain_http", "api_base_url", "ca_file", "key_file", "server_key", "server_key_file", "log",
		"timeout", "TIMEOUT_MS", "colour", "", "0123456789abcdef0123456789abcdef", "a b", "票",
	} {
		for _, value := range values {
			// A path does not end in a slash here.
			if !strings.HasSuffix(option, "_file") || !strings.HasSuffix(value, "/") {
				p.set(option, value)
			}
		}
	}
	p.set("proxy", "http://[::1]x")
	p.set("allow_plain_http", "1")
	p.set("work_base_url", "http://example.com")
	p.set("work_base_url", "http://10.0.0.1")
	p.set("allow_plain_http", "0")
	text := filepath.Join(t.TempDir(), "text")
	p.set("ca_file", text)
	p.set("ca_file", filepath.Dir(text))
}

func TestTheClientInGoRefusesTheStoresThatTheCLibraryRefuses(t *testing.T) {
	for _, store := range []string{
		"http://example.com", "https://", "https://u:hunter2@h", "https://h?k=hunter2", "https://h#f", "https://h:0", "http://10.0.0.1",
		"unix:run/sock", "unix:", "unix:/a?b", "https://h ", "\"https://h\"", "https:h", "https:/h", strings.Repeat("h", 5000), "\xff",
	} {
		_, inC := wxtoken.Open(store)
		_, inGo := client.Backend.Open(store)
		(&pair{t: t}).same(fmt.Sprintf("Open(%.40q)", store), inC, inGo)
	}
	for variable, values := range map[string][]string{
		"WXTOKEN_STORE":        {"", "http://example.com", "'https://h'"},
		"WXTOKEN_TIMEOUT_MS":   {"soon", "\"3\"", ""},
		"WXTOKEN_CA_FILE":      {"/no/such/file", "/dev/null"},
		"WXTOKEN_IP_VERSION":   {"5"},
		"WXTOKEN_API_BASE_URL": {"http://10.0.0.1"},
	} {
		for _, value := range values {
			t.Run(variable, func(t *testing.T) {
				t.Setenv("WXTOKEN_STORE", "https://127.0.0.1:9")
				t.Setenv(variable, value)
				store, inC := wxtoken.Open("")
				if inC == nil {
					store.Close()
				}
				_, inGo := client.Backend.Open("")
				(&pair{t: t}).same(variable+"="+value, inC, inGo)
			})
		}
	}
}

func TestTheClientInGoRefusesTheAccountsThatTheCLibraryRefuses(t *testing.T) {
	p := pairAt(t, "http://127.0.0.1:9", "timeout_ms", "1000")
	hex, word := strings.Repeat("0123456789abcdef", 2), strings.Repeat("aB-_9", 20)
	for _, kind := range []string{
		"official", "official_classic", "work", "component", "authorizer", "suite", "work_authorized", "provider", "qq", "qqbot", "douyin",
		"douyin_stable", "douyin_game", "dingtalk", "dingtalk_suite", "feishu", "feishu_store", "feishu_tenant", "lark", "xiaohongshu", "baidu",
		"qidian", "personal", "Official", "", "wok",
	} {
		for _, id := range []string{"", "a b", "é", strings.Repeat("i", 129), hex, hex + "01234567", word[:43], word[:64], word[:32], "secret-of-no-form"} {
			// Each registration fails without a call to the server: where the secret's form would fit, the ID does not.
			for _, secret := range []string{"", "s s", "s\n", "\"s\"", strings.Repeat("s", 513), "wx0123456789abcdef", "dingabcdef0123456789"} {
				a := wxtoken.Account{Name: "shop", Kind: wxtoken.Kind(kind), ID: id, Secret: secret}
				c, g := said(p.inC.Register(a)), saidInGo(p.inGo.Register(a.Name, kind, id, secret))
				// A call that was made after all reports the words of whichever client made the first one.
				if c != g && !(strings.Contains(c, "127.0.0.1:9") && strings.Contains(g, "127.0.0.1:9")) {
					t.Errorf("Register(%q, %q, %q):\n  in C:  %s\n  in Go: %s", kind, id, secret, c, g)
				}
			}
		}
	}
	for _, name := range []string{"", "a/b", "a\nb", strings.Repeat("n", 129), "-n", " shop", "shop ", "\"shop\"", "sh\u200Bop", "\u202Epohs", "\xff"} {
		p.register(wxtoken.Account{Name: name, Kind: "official", ID: "wx1", Secret: "s"})
		p.same(fmt.Sprintf("Put(%q)", name), p.inC.Put(name, "retry", ""), p.inGo.Put(name, "retry", ""))
	}
	for _, name := range []string{"/", "/jsapi_ticket", "shop/", "shop/a/b", "shop/票", "shop/A", strings.Repeat("n", 129), "shop\n", "\xff"} {
		p.get(name)
		p.same(fmt.Sprintf("Reject(%q)", name), p.inC.Reject(name, "t"), p.inGo.Reject(name, "t"))
	}
	for _, token := range []string{"", strings.Repeat("t", 1024), "\xff", strings.Repeat("t", 5000)} {
		p.same("Reject", p.inC.Reject("shop", token), p.inGo.Reject("shop", token))
	}
}

func TestTheClientInGoPassesOnTheServersWordsAsTheCLibraryDoes(t *testing.T) {
	r := startRelay(t)
	account := r.shop(t)
	p := pairAt(t, r.url(), "server_key", r.Key, "revalidate_ms", "0")
	p.register(account)
	account.ID = "wx" + testkit.RandomHex(t, 8)
	p.register(account)
	account.Name = "nobody"
	p.register(account)
	for _, name := range []string{"shop", "nobody", "shop/jsapi_ticket", "shop/agent_ticket", "nobody/jsapi_ticket", ""} {
		p.get(name)
	}
	for _, put := range [][3]string{{"shop", "current", "1"}, {"shop", "colour", "red"}, {"shop", "verify_ticket", ""}, {"nobody", "retry", ""}} {
		p.same(fmt.Sprint("Put", put), p.inC.Put(put[0], put[1], put[2]), p.inGo.Put(put[0], put[1], put[2]))
	}
	p.same("Reject", p.inC.Reject("nobody", "t"), p.inGo.Reject("nobody", "t"))
	// WeChat refuses. The failure stands at the server until the time of the next try.
	account = testkit.Shop(t)
	account.Name, account.Secret = "wrong", testkit.RandomHex(t, 16)
	if err := r.Operator.Register(account); err != nil {
		t.Fatal(err)
	}
	p.get("wrong")
	inC, _ := p.inC.Report()
	inGo, failure := p.inGo.Report()
	if failure != nil || len(inC) == 0 || fields(t, inC) != fields(t, inGo) {
		t.Errorf("the reports differ:\n  in C:  %s\n  in Go: %s", inC, inGo)
	}
	p.set("server_key", "wxk_1_"+testkit.RandomHex(t, 20))
	p.get("shop")
	p.same("Reject", p.inC.Reject("shop", "t"), p.inGo.Reject("shop", "t"))
}

func TestTheClientInGoSaysWhyAServerIsNotReachedAsTheCLibraryDoes(t *testing.T) {
	r := startRelay(t)
	r.leave()
	for _, store := range []string{r.url(), "unix:" + filepath.Join(t.TempDir(), "none.sock"), "https" + strings.TrimPrefix(r.url(), "http")} {
		pairAt(t, store, "server_key", r.Key).get("shop")
	}
	r = startRelay(t)
	pairAt(t, "https"+strings.TrimPrefix(r.url(), "http")).get("shop") // the server answers in plain HTTP
	release := r.hold()
	defer release()
	p := pairAt(t, r.url(), "timeout_ms", "200")
	p.get("shop")
}

// fields returns the field names of a report, because the values change with time.
func fields(t *testing.T, report []byte) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(report, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "now")
	text, _ := json.Marshal(all)
	return string(text)
}
