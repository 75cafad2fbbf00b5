//go:build cgo && !wxtoken_nocgo

package wxtoken_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

const refusal = `{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}`

// A scene stands for WeChat's business API. It returns its answers in turn, and keeps the requests.
type scene struct {
	answers []*http.Response
	failure error
	then    func() // called before each answer
	mu      sync.Mutex
	urls    []string
	bodies  []string
}

func (s *scene) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		sent, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls, s.bodies = append(s.urls, r.URL.String()), append(s.bodies, string(sent))
	if s.then != nil {
		s.then()
	}
	if len(s.answers) == 0 {
		return nil, s.failure
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	return answer, nil
}

// says returns a JSON answer of unknown length, as Go has it after decompression.
func says(body string) *http.Response {
	return answers(http.StatusOK, "application/json; encoding=utf-8", strings.NewReader(body))
}

func answers(status int, media string, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: status, ContentLength: -1, Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(body),
	}
}

// transported opens a store of one account whose first token WeChat has revoked.
func transported(t *testing.T, s *scene) (*wxtoken.Transport, wxtoken.Account, wxtoken.Token) {
	t.Helper()
	store, account := openShop(t)
	token := mustToken(t, store, "shop")
	revoke(t, account)
	return &wxtoken.Transport{Store: store, Name: "shop", Base: s}, account, token
}

func revoke(t *testing.T, account wxtoken.Account) {
	t.Helper()
	control(t, "/revoke", map[string]any{"id": account.ID, "which": "all"})
}

func call(t *testing.T, parameter, token string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://api.weixin.qq.com/x?b=%7e&"+parameter+"="+
		url.QueryEscape(token)+"&a=1&&empty=", body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func minted(t *testing.T, account wxtoken.Account) int {
	t.Helper()
	return int(counters(t, account.ID)["minted"].(float64))
}

func read(t *testing.T, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestACallRefusedForItsTokenIsSentOnceMoreWithAnother(t *testing.T) {
	for _, refused := range []struct{ errcode, media, parameter string }{
		{"40001", "application/json; encoding=utf-8", "access_token"},
		{"40014", "text/plain", "access_token"},
		{"42001", "Application/JSON;charset=UTF-8", "access_token"},
		{"42006", "application/json", "component_access_token"},
		{"40082", "text/json", "suite_access_token"},
		{"42009", "application/json", "suite_access_token"},
	} {
		t.Run(refused.errcode, func(t *testing.T) {
			body := fmt.Sprintf(` {"ip_list":[{"errcode":0}],"errmsg":"no","errcode": %s }`, refused.errcode)
			s := &scene{answers: []*http.Response{
				answers(http.StatusOK, refused.media, strings.NewReader(body)), says(`{"errcode":0}`),
			}}
			transport, account, token := transported(t, s)
			request := call(t, refused.parameter, token.Value, strings.NewReader("the body"))
			before := request.URL.String()
			answer, err := transport.RoundTrip(request)
			if err != nil || read(t, answer) != `{"errcode":0}` {
				t.Fatalf("the call ends with %v, %v", answer, err)
			}
			successor := mustToken(t, transport.Store, "shop")
			want := strings.Replace(before, url.QueryEscape(token.Value), url.QueryEscape(successor.Value), 1)
			if successor == token || len(s.urls) != 2 || s.urls[0] != before || s.urls[1] != want {
				t.Error("the second call is not the first with another token")
			}
			if s.bodies[0] != "the body" || s.bodies[1] != "the body" {
				t.Errorf("the bodies are %q", s.bodies)
			}
			if request.URL.String() != before {
				t.Error("the caller's request was changed")
			}
			if n := minted(t, account); n != 2 {
				t.Errorf("%d tokens were minted", n)
			}
		})
	}
}

func TestAnythingButARefusalPassesThroughUnchanged(t *testing.T) {
	long := `{"list":"` + strings.Repeat("x", 17<<10) + `","errcode":40001}`
	broken := errors.New("the connection broke")
	for what, answer := range map[string]*http.Response{
		"success":             says(`{"errcode":0,"errmsg":"ok"}`),
		"another errcode":     says(`{"errcode":48001,"errmsg":"api unauthorized"}`),
		"no errcode":          says(`{"ip_list":["127.0.0.1"]}`),
		"a nested errcode":    says(`{"result":{"errcode":40001}}`),
		"a text":              says(`{"errcode":"40001"}`),
		"a list":              says(`[{"errcode":40001}]`),
		"half a JSON":         says(`{"errmsg":"invalid`),
		"nothing":             says(""),
		"a far errcode":       says(long),
		"a server's error":    answers(http.StatusBadGateway, "application/json", strings.NewReader(refusal)),
		"a picture":           answers(http.StatusOK, "image/jpeg", strings.NewReader(refusal)),
		"no media type":       answers(http.StatusOK, "", strings.NewReader(refusal)),
		"a body that breaks":  answers(http.StatusOK, "text/plain", io.MultiReader(strings.NewReader(`{"errcode"`), failing{broken})),
		"a body that is gone": answers(http.StatusOK, "text/plain", failing{broken}),
		"a large body": {StatusCode: http.StatusOK, ContentLength: 17 << 10, Body: io.NopCloser(strings.NewReader(long)),
			Header: http.Header{"Content-Type": {"application/json"}}},
		"a compressed body": {StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(strings.NewReader(refusal)),
			Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}},
	} {
		t.Run(what, func(t *testing.T) {
			whole, broke := io.ReadAll(answer.Body)
			tail := io.Reader(strings.NewReader(""))
			if broke != nil {
				tail = failing{broke}
			}
			answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(whole), tail))
			s := &scene{answers: []*http.Response{answer}}
			transport, account, token := transported(t, s)
			got, err := transport.RoundTrip(call(t, "access_token", token.Value, nil))
			if err != nil || got != answer {
				t.Fatalf("the call ends with %v, %v", got, err)
			}
			if text, err := io.ReadAll(got.Body); err != broke || !bytes.Equal(text, whole) {
				t.Errorf("the body is %q, %v", text, err)
			}
			if len(s.urls) != 1 || mustToken(t, transport.Store, "shop") != token || minted(t, account) != 1 {
				t.Error("the token was rejected")
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestAnAnswerWithoutABodyIsAcceptedAsHTTPClientAcceptsIt(t *testing.T) {
	bodyless := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}}
	transport, _, token := transported(t, &scene{answers: []*http.Response{bodyless}})
	client := &http.Client{Transport: transport}
	answer, err := client.Do(call(t, "access_token", token.Value, nil))
	if err != nil || read(t, answer) != "" {
		t.Errorf("the call ends with %v", err)
	}
}

func TestAFailureToSendIsReturnedToTheCaller(t *testing.T) {
	s := &scene{failure: errors.New("no route")}
	transport, _, token := transported(t, s)
	if _, err := transport.RoundTrip(call(t, "access_token", token.Value, nil)); err != s.failure {
		t.Errorf("the call ends with %v", err)
	}
	s.answers = []*http.Response{says(refusal)}
	if _, err := transport.RoundTrip(call(t, "access_token", token.Value, nil)); err != s.failure {
		t.Errorf("the second sending ends with %v", err)
	}
}

func TestAnAnswerThatStallsAfterItsErrcodeIsReturnedAtOnce(t *testing.T) {
	for media, beginning := range map[string]string{
		"application/json": `{"errcode":0,`, "text/plain": "a line\n", "text/event-stream": "",
	} {
		stream, write := io.Pipe()
		defer write.Close()
		s := &scene{answers: []*http.Response{answers(http.StatusOK, media, stream)}}
		transport, _, token := transported(t, s)
		go io.WriteString(write, beginning)
		answer, err := transport.RoundTrip(call(t, "access_token", token.Value, nil))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			io.WriteString(write, "the rest")
			write.Close()
		}()
		if text := read(t, answer); text != beginning+"the rest" {
			t.Errorf("the stream of %s gives %q", media, text)
		}
	}
}

func TestATokenOfAnotherNameIsLeftAlone(t *testing.T) {
	s := &scene{answers: []*http.Response{says(refusal), says(refusal), says(refusal)}}
	transport, account, token := transported(t, s)
	stranger := *transport
	stranger.Name = "another account"
	for _, sent := range []struct {
		transport *wxtoken.Transport
		request   *http.Request
	}{
		{transport, call(t, "access_token", "a user's token", nil)},
		{transport, call(t, "openid", token.Value, nil)},
		{&stranger, call(t, "access_token", token.Value, nil)},
	} {
		if answer, err := sent.transport.RoundTrip(sent.request); err != nil || read(t, answer) != refusal {
			t.Errorf("the call ends with %v, %v", answer, err)
		}
	}
	if len(s.urls) != 3 || mustToken(t, transport.Store, "shop") != token || minted(t, account) != 1 {
		t.Error("the token was rejected")
	}
}

func TestTransportsOfSeveralAccountsShareOneClient(t *testing.T) {
	s := &scene{answers: []*http.Response{says(refusal), says(`{}`)}}
	transport, first, kept := transported(t, s)
	second := shop(t)
	second.Name = "second"
	if err := transport.Store.Register(second); err != nil {
		t.Fatal(err)
	}
	token := mustToken(t, transport.Store, "second")
	revoke(t, second)
	both := &wxtoken.Transport{Store: transport.Store, Name: "second", Base: transport}
	answer, err := both.RoundTrip(call(t, "access_token", token.Value, nil))
	if err != nil || read(t, answer) != `{}` {
		t.Errorf("the call ends with %v, %v", answer, err)
	}
	if mustToken(t, transport.Store, "shop") != kept || minted(t, first) != 1 || minted(t, second) != 2 {
		t.Error("the wrong account's token was rejected")
	}
}

func TestABodyThatCannotBeSentAgainReturnsTheRefusal(t *testing.T) {
	gone := errors.New("the file is gone")
	for what, getBody := range map[string]func() (io.ReadCloser, error){
		"no GetBody":           nil,
		"a GetBody that fails": func() (io.ReadCloser, error) { return nil, gone },
	} {
		t.Run(what, func(t *testing.T) {
			s := &scene{answers: []*http.Response{says(refusal)}}
			transport, account, token := transported(t, s)
			request := call(t, "access_token", token.Value, strings.NewReader("once"))
			request.GetBody = getBody
			answer, err := transport.RoundTrip(request)
			if err != nil || read(t, answer) != refusal || len(s.urls) != 1 {
				t.Errorf("the call ends with %v, %v", answer, err)
			}
			if mustToken(t, transport.Store, "shop") == token || minted(t, account) != 2 {
				t.Error("the token was not rejected")
			}
		})
	}
}

func TestASecondRefusalIsReturned(t *testing.T) {
	second := `{"errcode":42001,"errmsg":"access_token expired"}`
	s := &scene{answers: []*http.Response{says(refusal), says(second)}}
	transport, account, token := transported(t, s)
	answer, err := transport.RoundTrip(call(t, "access_token", token.Value, nil))
	if err != nil || read(t, answer) != second || len(s.urls) != 2 || minted(t, account) != 2 {
		t.Errorf("the call ends with %v, %v after %d calls", answer, err, len(s.urls))
	}
}

func TestATokenThatWeChatReturnsAgainIsNotSentAgain(t *testing.T) {
	s := &scene{answers: []*http.Response{says(refusal)}}
	store, account := openShop(t)
	token := mustToken(t, store, "shop")
	transport := &wxtoken.Transport{Store: store, Name: "shop", Base: s}
	answer, err := transport.RoundTrip(call(t, "access_token", token.Value, strings.NewReader("the body")))
	if err != nil || read(t, answer) != refusal || len(s.urls) != 1 || minted(t, account) != 1 {
		t.Errorf("the call ends with %v, %v after %d calls", answer, err, len(s.urls))
	}
}

func TestAContextThatEndsMeanwhileReturnsTheRefusal(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &scene{answers: []*http.Response{says(refusal)}, then: cancel}
	transport, _, token := transported(t, s)
	answer, err := transport.RoundTrip(call(t, "access_token", token.Value, nil).WithContext(ctx))
	if err != nil || read(t, answer) != refusal || len(s.urls) != 1 {
		t.Errorf("the call ends with %v, %v", answer, err)
	}
	if mustToken(t, transport.Store, "shop") == token {
		t.Error("the token was not rejected")
	}
}

func TestAClosedStoreReturnsTheRefusal(t *testing.T) {
	s := &scene{answers: []*http.Response{says(refusal)}}
	transport, _, token := transported(t, s)
	transport.Store.Close()
	answer, err := transport.RoundTrip(call(t, "access_token", token.Value, nil))
	if err != nil || read(t, answer) != refusal {
		t.Errorf("the call ends with %v, %v", answer, err)
	}
}

// On real connections, each caller's body is sent again, whichever of them replaces the token.
func TestManyRefusedCallersMintOneToken(t *testing.T) {
	transport, account, token := transported(t, nil)
	transport.Base = nil
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	var callers sync.WaitGroup
	for i := 0; i < 32; i++ {
		callers.Add(1)
		go func() {
			defer callers.Done()
			address := fmt.Sprintf("http://%s/cgi-bin/getcallbackip?access_token=%s",
				simulatorHost(t), url.QueryEscape(token.Value))
			answer, err := client.Post(address, "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Error(err)
				return
			}
			if said := read(t, answer); !strings.Contains(said, "ip_list") {
				t.Errorf("a caller is told %s", said)
			}
		}()
	}
	callers.Wait()
	if n := minted(t, account); n != 2 {
		t.Errorf("%d tokens were minted", n)
	}
}
