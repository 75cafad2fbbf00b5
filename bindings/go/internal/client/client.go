// Package client is a client of a wxtoken server, written in Go, for programs that are built without cgo. It follows the
// rules of the C library's own client (src/client/at_server.rs, src/remote):
//
//   - A known token is served from memory. One goroutine asks again revalidate_ms after the last request.
//   - A good token in memory is returned if the server does not answer within 100 ms.
//   - One goroutine of a process asks for a token that the cache does not have. The others wait for it.
//   - The server knows which tokens were rejected and what failed. It fetches; this process never does. No secret is sent to it.
package client

import (
	"bytes"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// version is the version of the library that these rules come from.
const version = "0.1.0"

// lookBudget is how long a request may take while an earlier token is still good.
const lookBudget = 100 * time.Millisecond

// Backend opens handles on servers. A call that waits holds no thread.
var Backend = backend.Backend{
	Open:       open,
	Version:    func() string { return version },
	StatusName: func(int32) string { return "unknown status" },
}

// A handle is one open server with its own options.
type handle struct {
	server *server
	setMu  sync.Mutex // held while an option is set
	now    atomic.Pointer[settings]
}

// settings holds the options of a handle and the view that belongs to them. They are replaced as a whole.
type settings struct {
	*options
	*view
}

func open(store string) (backend.Handle, *backend.Failure) {
	h, bad := openHandle(store)
	if bad != nil {
		return nil, bad.failure()
	}
	return h, nil
}

func openHandle(store string) (*handle, *problem) {
	o, bad := fromEnvironment()
	if bad == nil {
		_, bad = rootsWith(o.caFile)
	}
	if bad == nil {
		bad = checkText("store", store)
	}
	if bad != nil {
		return nil, bad
	}
	url, bad := parseStore(store)
	if bad != nil {
		return nil, bad
	}
	h := &handle{server: serverAt(url)}
	h.now.Store(&settings{o, h.server.view(o)})
	return h, nil
}

// Free keeps the process's cache of the server for the next handle.
func (h *handle) Free() {
	h.server.leaveView(h.now.Load().view)
	h.server.leave()
}

func (h *handle) Set(option, value string) *backend.Failure {
	if bad := checkTexts("option", option, "value", value); bad != nil {
		return bad.failure()
	}
	h.setMu.Lock()
	defer h.setMu.Unlock()
	before := h.now.Load()
	o := before.options.clone()
	bad := o.set(option, value)
	if bad == nil && option == "ca_file" {
		_, bad = rootsWith(o.caFile)
	}
	if bad != nil {
		return bad.failure()
	}
	h.now.Store(&settings{o, h.server.view(o)})
	h.server.leaveView(before.view)
	return nil
}

// Known does what Get does if no request to the server is due.
func (h *handle) Known(name string, reply *backend.Reply) bool {
	s, now := h.now.Load(), time.Now()
	_, known := s.cache.valid(name, now)
	if known == nil || now.Sub(known.askedAt) >= s.revalidate {
		return false
	}
	give(&known.token, reply)
	return true
}

func give(t *token, reply *backend.Reply) {
	reply.Value, reply.ExpiresAt, reply.Failure = t.value, t.expiresAt, nil
}

func (h *handle) Get(name string, reply *backend.Reply) {
	s := h.now.Load()
	t := s.cache.hit(name, s.revalidate)
	if t == nil {
		var bad *problem
		if t, bad = h.get(name, s); bad != nil {
			reply.Failure = bad.failure()
			return
		}
	}
	give(t, reply)
}

// get returns a token that is valid now, after the cache had no hit.
func (h *handle) get(name string, s *settings) (*token, *problem) {
	bad := checkText("name", name)
	if bad == nil {
		bad = checkName(name)
	}
	if bad != nil {
		return nil, bad
	}
	by := after(s.timeout)
	if _, known := s.cache.valid(name, time.Now()); known != nil {
		look := after(lookBudget)
		if by.by.Before(look.by) {
			look = by
		}
		t, bad := h.ask(name, s, look)
		if bad == nil || !bad.passes {
			return t, bad
		}
		// A server that is away is not a reason to withhold a good token.
		if t := s.cache.validWhileAway(name); t != nil {
			return t, nil
		}
		// The token was rejected meanwhile, so the request may use the whole timeout.
		if bad.status != statusTimeout {
			return nil, bad
		}
	}
	if mine := s.flights.begin(name, by.by); mine != nil {
		defer s.flights.end(name, mine)
	}
	// Another goroutine may have asked before this one waited, or while it did. Its token is served. If there is none, all
	// those that waited ask at once.
	if _, known := s.cache.valid(name, time.Now()); known != nil {
		return &known.token, nil
	}
	return h.ask(name, s, by)
}

func (h *handle) ask(name string, s *settings, by deadline) (*token, *problem) {
	doing := "cannot get " + words(name)
	var asked stamp
	var t *token
	// An answer of a token that has ended took more than a second, so there are few of them before the deadline.
	for t == nil || t.hasEnded(time.Now()) {
		asked = s.cache.stamp()
		body, bad := h.server.call(request{method: "GET", path: pathOf("/v1/token", name), most: mostBytes, doing: doing}, s.options, by)
		if bad != nil {
			if !bad.passes {
				s.cache.clear(name)
			}
			return nil, bad
		}
		if t = tokenIn(body, asked.at); t == nil {
			return nil, h.server.isNotOne(doing)
		}
	}
	switch {
	case !t.isValid(time.Now()):
		// A pushed secret has no end and is requested each time.
		s.cache.clear(name)
	default:
		s.cache.publish(name, asked, *t)
	}
	return t, nil
}

func words(name string) string {
	if name == "" {
		return "the token of the current account"
	}
	return "the token of \"" + name + "\""
}

// tokenIn returns the token in the answer to a request of that moment, or nil if the answer has no usable token. The time
// that the answer took counts against the token's life.
func tokenIn(body []byte, askedAt time.Time) *token {
	var reply struct {
		Token     string
		ExpiresAt int64 `json:"expires_at"`
		ExpiresIn int64 `json:"expires_in"`
	}
	const longest = 1 << 32 // in seconds, which a time.Duration can hold
	if json.Unmarshal(body, &reply) != nil || reply.Token == "" || len(reply.Token) > maxToken || flaws(reply.Token, ascii) != "" {
		return nil
	}
	if reply.ExpiresIn > longest {
		reply.ExpiresIn = longest
	}
	if reply.ExpiresIn < 0 {
		reply.ExpiresIn = 0
	}
	return &token{reply.Token, reply.ExpiresAt, askedAt.Add(time.Duration(reply.ExpiresIn) * time.Second)}
}

// call makes a request that does not return a token.
func (h *handle) call(q request) ([]byte, *problem) {
	s := h.now.Load()
	return h.server.call(q, s.options, after(s.timeout))
}

func (h *handle) Reject(name, refused string) *backend.Failure {
	bad := checkTexts("name", name, "token", refused)
	if bad == nil {
		bad = checkName(name)
	}
	if bad == nil && (refused == "" || len(refused) > maxToken) {
		bad = argumentf("invalid token").because("must be 1 to 1023 bytes").advise("Pass the token that the library gave.")
	}
	if bad != nil {
		return bad.failure()
	}
	_, bad = h.call(request{
		method: "POST", path: pathOf("/v1/reject", name), body: map[string]string{"token": refused}, most: mostBytes,
		doing: "cannot reject " + words(name),
	})
	if bad != nil && bad.passes {
		// While the server is away, the other tokens stay in use.
		h.server.forget(refused)
	} else {
		// The next get asks the server, whether or not it took the rejection.
		h.server.invalidateAll()
	}
	return bad.failure()
}

func (h *handle) Put(account, field, value string) *backend.Failure {
	bad := checkTexts("account", account, "field", field, "value", value)
	if bad == nil {
		bad = checkAccount(account)
	}
	if bad != nil {
		return bad.failure()
	}
	body := map[string]*string{"value": nil}
	if value == "" && field == "retry" {
		value = "1" // the field that a program puts without a value
	}
	if value != "" {
		body["value"] = &value
	}
	_, bad = h.call(request{
		method: "PUT", path: "/v1/put/" + encoded(account) + "/" + encoded(field), body: body, most: mostBytes,
		doing: "cannot put " + field + " of account \"" + account + "\"",
	})
	if bad != nil {
		return bad.failure()
	}
	h.server.invalidateAll()
	return nil
}

// Register checks that the server has this account. The secret is not sent, as the server has its own.
func (h *handle) Register(account, kindName, id, secret string) *backend.Failure {
	bad := checkTexts("account", account, "kind", kindName, "id", id, "secret", secret)
	if bad == nil {
		bad = checkRegistration(account, kindName, id, secret)
	}
	if bad != nil {
		return bad.failure()
	}
	doing := "cannot look for account \"" + account + "\""
	body, bad := h.call(request{method: "GET", path: pathOf("/v1/account", account), most: mostBytes, doing: doing})
	if bad != nil {
		return bad.failure()
	}
	var there struct{ Kind, ID *string }
	if json.Unmarshal(body, &there) != nil || there.Kind == nil || there.ID == nil {
		return h.server.isNotOne(doing).failure()
	}
	if *there.Kind == kindName && *there.ID == id {
		return nil
	}
	k, _ := kindNamed(kindName)
	return argumentf("account \"%s\" is another one on server %s", account, h.server.url).
		because("there it is of kind %s with %s %s", *there.Kind, k.idName, *there.ID).
		advise("Register accounts on the server's host, with wxtoken account add.").failure()
}

// Report returns the server's report, with this handle's name for the store.
func (h *handle) Report() ([]byte, *backend.Failure) {
	const doing = "cannot get the report"
	body, bad := h.call(request{method: "GET", path: "/v1/status", most: mostBytesOfReport, doing: doing})
	if bad != nil {
		return nil, bad.failure()
	}
	var report map[string]json.RawMessage
	if json.Unmarshal(body, &report) != nil || report == nil {
		return nil, h.server.isNotOne(doing).failure()
	}
	report["store"], _ = json.Marshal(h.server.url.String())
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(report); err != nil {
		return nil, h.server.isNotOne(doing).failure()
	}
	return jsonShown(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), nil
}

// checkText checks one string of a call. The parameter is its name in C.
func checkText(parameter, text string) *problem {
	switch {
	case len(text) > maxText:
		return argumentf("%s is longer than %d bytes", parameter, maxText)
	case !utf8.ValidString(text):
		return argumentf("%s is not UTF-8", parameter)
	}
	return nil
}

// checkTexts checks pairs of a parameter and its text.
func checkTexts(pairs ...string) *problem {
	for ; len(pairs) > 0; pairs = pairs[2:] {
		if bad := checkText(pairs[0], pairs[1]); bad != nil {
			return bad
		}
	}
	return nil
}
