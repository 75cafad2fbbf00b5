package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// mostBytes limits an answer about one account, and the header of any answer. mostBytesOfReport limits a report.
	mostBytes         = 16 << 10
	mostBytesOfReport = 64 << 20
	// tryEach is the interval between tries to reach a server that is away.
	tryEach = time.Second
)

// A remote is the connection of this process to one server.
type remote struct {
	url  serverURL
	mu   sync.Mutex
	ways []*way // one for each set of options that affect the connection, the newest at the end
	away *away
}

// mostWays is more sets of options than any program has.
const mostWays = 8

// An away records that the server was not reached.
type away struct {
	nextTry time.Time
	why     *problem
}

func (r *remote) way(o *options) (*way, *problem) {
	of := wayOptions{o.network, o.caFile}
	r.mu.Lock()
	for _, known := range r.ways {
		if known.wayOptions == of {
			r.mu.Unlock()
			return known, nil
		}
	}
	r.mu.Unlock()
	made, bad := newWay(r.url, of)
	if bad != nil {
		return nil, bad
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ways = append(r.ways, made)
	if len(r.ways) > mostWays {
		r.ways[0].transport.CloseIdleConnections()
		r.ways = r.ways[1:]
	}
	return made, nil
}

func (r *remote) closeIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.ways {
		w.transport.CloseIdleConnections()
	}
}

func (r *remote) knownAsAway() *problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away == nil || !time.Now().Before(r.away.nextTry) {
		return nil
	}
	return r.away.why
}

func (r *remote) setAway(a *away) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = a
}

// A deadline is the deadline of a call, and the time that the call was given.
type deadline struct {
	by     time.Time
	budget time.Duration
}

func after(budget time.Duration) deadline {
	return deadline{time.Now().Add(budget), budget}
}

func (d deadline) missed(what string) string {
	return fmt.Sprintf("%s within timeout_ms (%d ms)", what, d.budget.Milliseconds())
}

// A request is one request to the server.
type request struct {
	method string
	path   string
	body   any // JSON; nil for none
	most   int64
	doing  string // in words, for a failure
}

// call sends a request and returns the body of its answer.
func (r *remote) call(q request, o *options, by deadline) ([]byte, *problem) {
	key, bad := clientKey(o)
	if bad != nil {
		return nil, bad
	}
	if why := r.knownAsAway(); why != nil {
		mine := *why
		mine.what = r.atServer(q.doing) // the record may be from a call about another account
		return nil, &mine
	}
	w, bad := r.way(o)
	if bad != nil {
		return nil, bad
	}
	status, body, bad := r.exchange(w, q, key, o, by)
	if bad != nil {
		bad.passes = true
		if bad.status == statusStore {
			r.setAway(&away{time.Now().Add(tryEach), bad})
		}
		return nil, bad
	}
	r.setAway(nil)
	if 200 <= status && status < 300 {
		return body, nil
	}
	bad = problemIn(body)
	if bad == nil {
		return nil, r.isNotOne(q.doing)
	}
	if bad.status == statusAccount {
		// The server does not name things that it does not have.
		bad.what, bad.why = r.atServer(q.doing), bad.what
	}
	isRefusal := status == http.StatusUnauthorized || status == http.StatusForbidden
	bad.passes = (bad.status == statusStore || bad.status == statusTimeout) && !isRefusal
	return nil, bad
}

func (r *remote) exchange(w *way, q request, key string, o *options, by deadline) (int, []byte, *problem) {
	var isConnected atomic.Bool
	ctx, cancel := context.WithDeadline(context.Background(), by.by)
	defer cancel()
	connected := time.Now().Add(o.connectTimeout)
	if by.by.Before(connected) {
		connected = by.by
	}
	ctx = context.WithValue(ctx, connectBy{}, connected)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { isConnected.Store(true) },
	})
	sent, err := q.toHTTP(ctx, r.url.base, key)
	if err != nil {
		return 0, nil, &problem{status: statusInternal, what: r.atServer(q.doing), why: "the call cannot be written"}
	}
	answer, err := w.transport.RoundTrip(sent)
	if err != nil {
		return 0, nil, r.noAnswer(err, isConnected.Load(), q.doing, by)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, q.most+1))
	switch {
	case err != nil:
		return 0, nil, r.noAnswer(err, true, q.doing, by)
	case int64(len(body)) > q.most:
		return 0, nil, r.broken("its answer is too long", q.doing)
	}
	return answer.StatusCode, body, nil
}

func (q request) toHTTP(ctx context.Context, base, key string) (*http.Request, error) {
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	sent, err := http.NewRequestWithContext(ctx, q.method, base+q.path, body)
	if err != nil {
		return nil, err
	}
	sent.Header.Set("User-Agent", "libwxtoken/"+version)
	if key != "" {
		sent.Header.Set("Authorization", "Bearer "+key)
	}
	if q.body != nil {
		sent.Header.Set("Content-Type", "application/json")
		// Any request may safely be made twice. With this key, net/http may send it again on another connection; nil keeps
		// it unsent.
		sent.Header["X-Idempotency-Key"] = nil
	}
	return sent, nil
}

func (r *remote) noAnswer(err error, isConnected bool, doing string, by deadline) *problem {
	var way *noWay
	isOver := !time.Now().Before(by.by)
	switch {
	case !errors.As(err, &way) && isConnected && isTimeout(err):
		return &problem{status: statusTimeout, what: r.atServer(doing), why: by.missed("no answer")}
	case way == nil && isConnected:
		return r.broken(brokenWords(err), doing)
	case way == nil:
		way = &noWay{what: "no connection", isTimeout: true}
	}
	if way.isTimeout && isOver {
		return &problem{status: statusTimeout, what: r.atServer(doing), why: by.missed(way.what)}
	}
	bad := storef("%s", r.atServer(doing)).because("%s", way.what)
	if way.advice != "" {
		return bad.advise("%s", way.advice)
	}
	return bad.advise("See whether wxtoken serve runs there, and lets this host in.")
}

func (r *remote) broken(why, doing string) *problem {
	return storef("%s", r.atServer(doing)).because("%s", why).advise("See what listens there, and the log of wxtoken serve.")
}

// brokenWords describes the kind of a failure. The error's own text may quote what was sent.
func brokenWords(err error) string {
	var number syscall.Errno
	switch {
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected end of file"
	}
	return "it does not answer in HTTP"
}

// isNotOne returns the failure that the other side is not a wxtoken server.
func (r *remote) isNotOne(doing string) *problem {
	bad := storef("%s", r.atServer(doing)).because("what answers there is not a wxtoken server").
		advise("Correct the store's URL, or see what stands in front of the server.")
	bad.passes = true
	return bad
}

func (r *remote) atServer(doing string) string {
	return fmt.Sprintf("%s at server %s", doing, r.url)
}

// problemIn returns the failure in an answer, or nil if the answer is not from a wxtoken server.
func problemIn(body []byte) *problem {
	var reply struct {
		Error *struct {
			Status       *string
			Errcode      int
			Message      *string
			Hint         string
			RetryAfterMS int64 `json:"retry_after_ms"`
		}
	}
	if json.Unmarshal(body, &reply) != nil || reply.Error == nil || reply.Error.Status == nil || reply.Error.Message == nil {
		return nil
	}
	bad := &problem{
		status:  statusInternal, // for a status of a newer server
		errcode: reply.Error.Errcode,
		what:    *reply.Error.Message,
		hint:    reply.Error.Hint,
	}
	for i, name := range statusNames {
		if name == *reply.Error.Status {
			bad.status = int32(i + 1)
		}
	}
	if reply.Error.RetryAfterMS > 0 {
		bad.retryAfterMS = reply.Error.RetryAfterMS
	}
	return bad
}

// clientKey returns the option's value, or the current content of the key file, so that a rotated key takes effect by
// itself. It may return "", because a server may recognize a client without a key.
func clientKey(o *options) (string, *problem) {
	if o.serverKey != "" || o.serverKeyFile == "" {
		return o.serverKey, nil
	}
	bad := argumentf("cannot use server_key_file %s", o.serverKeyFile)
	text, err := readRegular(o.serverKeyFile, 1024)
	if err != nil {
		return "", bad.because("%s", fileWords(err)).advise("Correct the option server_key_file.")
	}
	key := strings.TrimRight(string(text), "\r\n")
	if key == "" || flaws(key, ascii) != "" {
		return "", bad.because("it does not hold one client key").
			advise("Write the key that wxtoken client add printed into it, and nothing else.")
	}
	return key, nil
}

// pathOf returns the URL path of a verb on account or account/credential.
func pathOf(verb, name string) string {
	if name == "" {
		return verb
	}
	parts := strings.Split(name, "/")
	for i, part := range parts {
		parts[i] = encoded(part)
	}
	return verb + "/" + strings.Join(parts, "/")
}

// encoded encodes a piece of a path. It encodes dots too, because a piece made only of dots would be a way up.
func encoded(piece string) string {
	var path strings.Builder
	for _, b := range []byte(piece) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_', b == '~':
			path.WriteByte(b)
		default:
			fmt.Fprintf(&path, "%%%02X", b)
		}
	}
	return path.String()
}
