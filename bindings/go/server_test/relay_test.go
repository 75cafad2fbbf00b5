// Package server_test tests a program whose store is a wxtoken server. The tests hold however the program is built: with
// cgo, where the C library is the client, and without.
package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

// A relay listens on loopback in front of a server. It counts requests and can be taken away.
type relay struct {
	*testkit.Server
	front    *http.Server
	listener net.Listener
	address  string

	mu       sync.Mutex
	requests []string // method and path
	bodies   strings.Builder
	held     chan struct{} // makes requests wait until it is closed; nil lets them pass
	answer   http.Handler  // answers instead of the server; nil means the server
}

func startRelay(t testing.TB) *relay {
	r := &relay{Server: testkit.StartServer(t), front: new(http.Server)}
	socket := strings.TrimPrefix(r.Store, "unix:")
	way := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	r.front.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.requests = append(r.requests, q.Method+" "+q.URL.Path)
		r.bodies.Write(body)
		held, answer := r.held, r.answer
		r.mu.Unlock()
		if held != nil {
			select {
			case <-held:
			case <-q.Context().Done():
				return
			}
		}
		if answer != nil {
			answer.ServeHTTP(w, q)
			return
		}
		passOn(w, q, way, string(body))
	})
	r.listen(t, "127.0.0.1:0")
	return r
}

// passOn sends a request to the server in one piece, because the server may answer before it has read a body.
func passOn(w http.ResponseWriter, q *http.Request, way *http.Transport, body string) {
	on, err := http.NewRequestWithContext(q.Context(), q.Method, "http://server"+q.URL.EscapedPath(), strings.NewReader(body))
	if err == nil {
		on.Header = q.Header.Clone()
		var answer *http.Response
		if answer, err = way.RoundTrip(on); err == nil {
			defer answer.Body.Close()
			w.WriteHeader(answer.StatusCode)
			io.Copy(w, answer.Body)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusBadGateway)
}

func (r *relay) listen(t testing.TB, address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	r.listener, r.address = listener, listener.Addr().String()
	go r.front.Serve(listener)
	t.Cleanup(r.leave)
}

// leave takes the relay away, with its connections.
func (r *relay) leave() {
	r.listener.Close()
	r.front.Close()
}

// comeBack brings the relay back at the same address.
func (r *relay) comeBack(t testing.TB) {
	r.front = &http.Server{Handler: r.front.Handler}
	r.listen(t, r.address)
}

func (r *relay) url() string { return "http://" + r.address }

// hold makes requests wait until release is called.
func (r *relay) hold() (release func()) {
	held := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = held
	var once sync.Once
	return func() {
		once.Do(func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.held = nil
			close(held)
		})
	}
}

func (r *relay) answerBy(handler http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = handler
}

// asked returns the number of requests so far that begin with this text.
func (r *relay) asked(begin string) (count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.requests {
		if strings.HasPrefix(request, begin) {
			count++
		}
	}
	return count
}

func (r *relay) sent() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies.String()
}

// open opens a store with the key of the server's client.
func (r *relay) open(t testing.TB, options ...wxtoken.Option) *wxtoken.Store {
	t.Helper()
	return openAt(t, r.url(), append([]wxtoken.Option{wxtoken.WithOption("server_key", r.Key)}, options...)...)
}

func openAt(t testing.TB, url string, options ...wxtoken.Option) *wxtoken.Store {
	t.Helper()
	store, err := wxtoken.Open(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// shop creates an account of the simulator and registers it at the server.
func (r *relay) shop(t testing.TB) wxtoken.Account {
	t.Helper()
	account := testkit.Shop(t)
	if err := r.Operator.Register(account); err != nil {
		t.Fatal(err)
	}
	return account
}

// givenUp opens a store and abandons a call for a token. The server's answer to that call is held back until release is
// called. It returns the error of the call.
func (r *relay) givenUp(t *testing.T) (store *wxtoken.Store, release func(), err error) {
	t.Helper()
	store = r.open(t, askSeldom, wxtoken.WithTimeout(60*time.Second))
	release = r.hold()
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan error)
	go func() {
		_, err := store.Token(ctx, "shop")
		waited <- err
	}()
	r.await(t, "GET /v1/token", 1)
	cancel()
	return store, release, <-waited
}

var mustToken = testkit.MustToken
