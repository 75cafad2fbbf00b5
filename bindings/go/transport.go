package wxtoken

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A Transport is an http.RoundTripper that notices when WeChat refuses a token in the answer to a business call. It rejects
// that token and sends the call once more with its successor. Use it for SDKs and programs that have no such hook:
//
//	client := &http.Client{Transport: &wxtoken.Transport{Store: store, Name: "shop"}}
//
// A Transport acts only on a token that the same Store has returned for the same name, by Token or through an adapter. The
// token must be in the URL as access_token, suite_access_token or the like. Several accounts may therefore share one
// client: each has a Transport, and is the Base of the next. The token of a user, which has the same parameter, is left
// alone.
//
// A refusal is an answer with HTTP status 200 that is a JSON object with the errcode 40001, 40014 or 42001 (42006 of a
// component, 40082 or 42009 of a suite) within its first 16 KiB. Everything else passes through unchanged: other statuses
// and media types, compressed and large answers, failures. An answer of a matching type is read up to its errcode, and no
// further, before RoundTrip returns.
//
// The call is not repeated if its body cannot be sent again (http.Request.GetBody is nil), if the store has no successor yet
// (for example within 30 s of another reject), or if the context has ended. RoundTrip then returns the refusal. If the
// successor is refused too, RoundTrip returns that refusal.
//
// A Transport is safe for concurrent use by multiple goroutines. It logs nothing.
type Transport struct {
	// Store is the store that the tokens come from.
	Store *Store
	// Name is the name given to Store.Token. An empty name means the current account.
	Name string
	// Base sends the requests. If nil, http.DefaultTransport does.
	Base http.RoundTripper
}

// RoundTrip sends a request, and repeats it once if its token was refused.
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

	// After a failure from here on, the caller gets the refusal, as it would have without the Transport.
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
	// Read the answer to its end, so that the connection can be used again.
	io.CopyN(io.Discard, answer.Body, peekLimit)
	answer.Body.Close()
	return base.RoundTrip(again)
}

// CloseIdleConnections passes http.Client.CloseIdleConnections on to the Base.
func (t *Transport) CloseIdleConnections() {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if closer, ok := base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// carried returns the token of this Store in a URL, or "".
func (t *Transport) carried(u *url.URL) string {
	for _, pair := range strings.Split(u.RawQuery, "&") {
		if token := tokenIn(pair); token != "" && t.Store.given.has(t.Name, token) {
			return token
		}
	}
	return ""
}

// tokenIn returns the value of a key-value pair in a query if its key is one for tokens, else "".
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

// replaced returns a query with another token, and every other byte unchanged.
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

// repeated returns a copy of a request that can be sent after the original.
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

// peekLimit is how much of an answer is read to find its errcode. WeChat puts it first, within a few hundred bytes.
const peekLimit = 16 << 10

// isRefusal reports whether an answer refuses the token, and leaves its body unchanged.
func isRefusal(answer *http.Response) bool {
	// http.Client accepts an answer without a body, which test doubles return.
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

// mayBeJSON reports whether WeChat sends JSON under this media type.
func mayBeJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/json", "text/json", "text/plain":
		return true
	}
	return false
}

// errcode reads a JSON object up to its member "errcode", and returns that as written, or "" if there is none.
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

// peeked is a body whose beginning has been read. It returns the bytes read so far, then the rest.
type peeked struct {
	seen bytes.Buffer
	rest io.ReadCloser
	err  error // how the rest ended, if that was read too
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

// noting reads the rest of a body, and records how it ended.
type noting struct{ *peeked }

func (n noting) Read(b []byte) (int, error) {
	read, err := n.rest.Read(b)
	n.err = err
	return read, err
}
