package wxtoken

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A Transport is a net/http.RoundTripper that notices when WeChat refuses a token in the answer to a business call, rejects
// that very token, and sends the call once more with its successor. It is for SDKs, and programs, that have no such hook:
//
//	client := &http.Client{Transport: &wxtoken.Transport{Store: store, Name: "shop"}}
//
// It acts on a token only that the same Store has handed out by the same name, by Token or through one of the adapters, and
// that the URL carries as access_token (or suite_access_token and the like). So several accounts may share one client, each
// with a Transport of its own as the Base of the one before, and the token of a user, which goes by the same parameter, is
// left alone.
//
// A refusal is an answer with HTTP status 200 that is a JSON object with the errcode 40001, 40014 or 42001 (42006 of a
// component, 40082 or 42009 of a suite) within its first 16 KiB. Anything else passes through as it came: other statuses and
// media types, compressed and large answers, failures. An answer of a fitting type is read up to its errcode, and no
// further, before RoundTrip returns.
//
// The call is not repeated when its body cannot be sent again (http.Request.GetBody is nil), and when there is no successor,
// as within 30 s of another reject, or when the context has ended: the refusal is the answer then. It is also when the
// successor is refused too.
//
// Any goroutine may use it, several at once. It logs nothing.
type Transport struct {
	// Store is the one that the token is asked of.
	Store *Store
	// Name is the account's, as the token is asked for; the empty name is the current account.
	Name string
	// Base does the sending; nil is http.DefaultTransport.
	Base http.RoundTripper
}

// RoundTrip sends a request, and a second one where the first was refused for its token.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	refused := t.carried(request.URL)
	answer, err := base.RoundTrip(request)
	if err != nil || refused == "" || !isRefusal(answer) {
		return answer, err
	}

	// A failure from here on leaves the caller with the refusal, which is what it would have got without us.
	if t.Store.Reject(t.Name, refused) != nil {
		return answer, nil
	}
	again, ok := repeated(request)
	if !ok {
		return answer, nil
	}
	successor, err := t.Store.Token(request.Context(), t.Name)
	if err != nil || successor.Value == refused {
		if again.Body != nil {
			again.Body.Close()
		}
		return answer, nil
	}
	again.URL.RawQuery = replaced(again.URL.RawQuery, refused, successor.Value)
	// To its end, so that the connection can be used again.
	io.CopyN(io.Discard, answer.Body, peekLimit)
	answer.Body.Close()
	return base.RoundTrip(again)
}

// CloseIdleConnections makes http.Client.CloseIdleConnections reach the Base.
func (t *Transport) CloseIdleConnections() {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if closer, ok := base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// carried is the token of ours in a URL, or "".
func (t *Transport) carried(u *url.URL) string {
	for _, pair := range strings.Split(u.RawQuery, "&") {
		if token := tokenIn(pair); token != "" && t.Store.given.has(t.Name, token) {
			return token
		}
	}
	return ""
}

// tokenIn is the value of a pair of a query, when its key is one for tokens, or "".
func tokenIn(pair string) string {
	key, value, _ := strings.Cut(pair, "=")
	if key != "access_token" && !strings.HasSuffix(key, "_access_token") {
		return ""
	}
	token, err := url.QueryUnescape(value)
	if err != nil {
		return ""
	}
	return token
}

// replaced is a query with another token, and each other byte as it was.
func replaced(query, old, successor string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if tokenIn(pair) == old {
			key, _, _ := strings.Cut(pair, "=")
			pairs[i] = key + "=" + url.QueryEscape(successor)
		}
	}
	return strings.Join(pairs, "&")
}

// repeated is a request that can be sent after the one that it is a copy of.
func repeated(request *http.Request) (*http.Request, bool) {
	again := request.Clone(request.Context())
	if request.Body == nil || request.Body == http.NoBody {
		return again, true
	}
	if request.GetBody == nil {
		return nil, false
	}
	body, err := request.GetBody()
	again.Body = body
	return again, err == nil
}

// peekLimit is how much of an answer is read to find its errcode: WeChat puts it first, in some hundred bytes.
const peekLimit = 16 << 10

// isRefusal says whether an answer refuses the token, and leaves its body as it was.
func isRefusal(answer *http.Response) bool {
	// http.Client takes an answer without a body, as doubles of a transport give it.
	if answer.Body == nil || answer.StatusCode != http.StatusOK || answer.ContentLength > peekLimit ||
		answer.Header.Get("Content-Encoding") != "" || !mayBeJSON(answer.Header.Get("Content-Type")) {
		return false
	}
	body := &peeked{rest: answer.Body}
	answer.Body = body
	switch errcode(io.LimitReader(io.TeeReader(noting{body}, &body.seen), peekLimit)) {
	case "40001", "40014", "42001", "42006", "40082", "42009":
		return true
	}
	return false
}

// mayBeJSON knows the media types under which WeChat sends JSON.
func mayBeJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/json", "text/json", "text/plain":
		return true
	}
	return false
}

// errcode reads a JSON object up to its member of that name, and gives that as it is written; "" where there is none.
func errcode(r io.Reader) string {
	decoder := json.NewDecoder(r)
	if brace, err := decoder.Token(); err != nil || brace != json.Delim('{') {
		return ""
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return ""
		}
		if key == "errcode" {
			return string(value)
		}
	}
	return ""
}

// peeked is a body of which the beginning has been read: it gives what was seen, then the rest.
type peeked struct {
	seen bytes.Buffer
	rest io.ReadCloser
	err  error // how the rest ended, when that was seen too
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.seen.Len() > 0 {
		return p.seen.Read(b)
	}
	if p.err != nil {
		return 0, p.err
	}
	return p.rest.Read(b)
}

func (p *peeked) Close() error {
	return p.rest.Close()
}

// noting reads the rest of a body, and keeps how it ended.
type noting struct{ *peeked }

func (n noting) Read(b []byte) (int, error) {
	read, err := n.rest.Read(b)
	n.err = err
	return read, err
}
