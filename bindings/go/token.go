package wxtoken

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// A Token is an access token, or another credential such as a ticket, that was valid when it was given.
//
// Printed or logged, it is shortened: by fmt with any verb, by log and by log/slog. Two ways around that remain: a Token
// in an unexported field of a struct that is printed as a whole, and encoding/json, which is taken to be on purpose.
type Token struct {
	// Value is what goes into access_token=. Treat it as a password.
	Value string
	// ExpiresAt is when it ends; the zero time when no end is known, as of a refresh token. It may be revoked earlier: see
	// Store.Reject.
	ExpiresAt time.Time
}

// String is the token's first 8 characters and its last 4: enough to tell two apart, and of no other use.
func (t Token) String() string {
	if len(t.Value) < 32 {
		return "…"
	}
	return t.Value[:8] + "…" + t.Value[len(t.Value)-4:]
}

// Format prints String for every verb. String alone would leave %d and others to print the fields.
func (t Token) Format(f fmt.State, _ rune) {
	io.WriteString(f, t.String())
}

// Token gives a token of an account that is valid now; an empty name is the current account. It costs a copy while this
// process knows a fresh one, and a request to WeChat once per expiry among all processes on the store. A token that is
// still valid is served when WeChat cannot be reached. Ask for it before each use instead of keeping it.
//
// "shop/jsapi_ticket" and "shop/card_ticket" are the tickets of the account "shop"; in WeCom they are
// "app/jsapi_ticket" and "app/agent_ticket". What a ticket or an authorizer's token is fetched with is fetched on the
// way, within the same timeout. "customer/refresh_token" ("…/verify_ticket", "…/suite_ticket") is what was put.
//
// It fails with an *Error that matches ErrArgument, ErrAccount, ErrStore, ErrSecret, ErrNetwork, ErrReply, ErrAPI or
// ErrTimeout; after the last five RetryAfter says when a request will be made again, and until then every process gets
// the same answer at once.
//
// When ctx ends first, Token returns an error that wraps ctx.Err(). The work goes on without it, to the option timeout_ms
// at most, and what it fetches is there for the next caller.
func (s *Store) Token(ctx context.Context, name string) (Token, error) {
	if err := (argument{"the account's name", name}).refuseNUL(); err != nil {
		return Token{}, err
	}
	if err := ctx.Err(); err != nil {
		return Token{}, gaveUp(name, err)
	}
	switch err := s.enter(ctx); err {
	case nil:
	case ErrClosed:
		return Token{}, err
	default:
		return Token{}, gaveUp(name, err)
	}

	f := frames.Get().(*frame)
	if ctx.Done() == nil {
		s.handle.Get(name, &f.reply)
		s.leave()
	} else if s.handle.Known(name, &f.reply) {
		s.leave()
	} else {
		// A call into C cannot be left, and what a server is asked is for other callers too. So a context that can end
		// costs a goroutine, with the C library even when the token is known: about a microsecond more. Give
		// context.Background() where that counts.
		go func() {
			s.handle.Get(name, &f.reply)
			s.leave()
			f.done <- struct{}{}
		}()
		select {
		case <-f.done:
		case <-ctx.Done():
			return Token{}, gaveUp(name, ctx.Err()) // f stays with the goroutine
		}
	}
	token, err := f.result()
	if err == nil {
		// Mostly this frame has given that very token before: two pointers and a short name are compared then.
		if now := (handed{s, name, token.Value}); f.handed != now {
			f.handed = now
			s.given.add(name, token.Value)
		}
	}
	frames.Put(f)
	return token, err
}

// A frame is the memory of one Token, kept for the next: a token that is known costs no allocation.
type frame struct {
	reply  backend.Reply
	handed handed        // to whom its token went, and by which name
	done   chan struct{} // receives one when a get that was made on a goroutine of its own has ended
}

var frames = sync.Pool{New: func() any { return &frame{done: make(chan struct{}, 1)} }}

// result reads what a get has filled in.
func (f *frame) result() (Token, error) {
	if f.reply.Failure != nil {
		return Token{}, failed(f.reply.Failure)
	}
	token := Token{Value: f.reply.Value}
	if seconds := f.reply.ExpiresAt; seconds != 0 {
		token.ExpiresAt = time.Unix(seconds, 0)
	}
	return token, nil
}

func gaveUp(name string, err error) error {
	if name == "" {
		return fmt.Errorf("wxtoken: gave up waiting for the current account's token: %w", err)
	}
	return fmt.Errorf("wxtoken: gave up waiting for the token of %q: %w", name, err)
}
