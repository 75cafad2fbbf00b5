package wxtoken

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// A Token is an access token, or another credential such as a ticket, that was valid when it was returned.
//
// Printed or logged, it is shortened: by fmt with any verb, by log and by log/slog. Two cases are not covered: a Token in
// an unexported field of a struct that is printed as a whole, and encoding/json, which is assumed to be on purpose.
type Token struct {
	// Value is the text for access_token=. Treat it as a password.
	Value string
	// ExpiresAt is when the token expires. It is the zero time if no end is known, as for a refresh token. The token may be
	// revoked earlier: see Store.Reject.
	ExpiresAt time.Time
}

// String returns the token's first 8 characters and its last 4. That is enough to tell two tokens apart.
func (t Token) String() string {
	if len(t.Value) < 32 {
		return "…"
	}
	return t.Value[:8] + "…" + t.Value[len(t.Value)-4:]
}

// Format prints String for every verb. With String alone, %d and other verbs would print the fields.
func (t Token) Format(f fmt.State, _ rune) {
	io.WriteString(f, t.String())
}

// Token returns a token of an account that is valid now. An empty name means the current account. It costs a copy while
// this process knows a fresh token, and one request to WeChat per expiry among all processes on the store. A token that is
// still valid is served even if WeChat cannot be reached. Call Token before each use instead of keeping its result.
//
// "shop/jsapi_ticket" and "shop/card_ticket" are the tickets of the account "shop". In WeCom they are "app/jsapi_ticket"
// and "app/agent_ticket". Token first fetches the credential that a ticket or an authorizer's token needs, within the same
// timeout. "customer/refresh_token" ("…/verify_ticket", "…/suite_ticket") returns the secret that was put.
//
// Token fails with an *Error that matches ErrArgument, ErrAccount, ErrStore, ErrSecret, ErrNetwork, ErrReply, ErrAPI or
// ErrTimeout. After the last five, RetryAfter says when the next request will be made. Until then every process gets the
// same error at once.
//
// If ctx ends first, Token returns an error that wraps ctx.Err(). The fetch goes on without it, for at most the option
// timeout_ms, and its result is there for the next caller.
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
		// A call into C cannot be interrupted, and a question to a server serves other callers too. A context that can end
		// therefore costs a goroutine. With the C library it does so even if the token is known, about a microsecond more.
		// Pass context.Background() if that matters.
		go func() {
			s.handle.Get(name, &f.reply)
			s.leave()
			f.done <- struct{}{}
		}()
		select {
		case <-f.done:
		case <-ctx.Done():
			return Token{}, gaveUp(name, ctx.Err()) // the goroutine keeps f
		}
	}
	token, err := f.result()
	if err == nil {
		// Usually this frame returned the same token before. Then two pointers and a short name are compared.
		if now := (handed{s, name, token.Value}); f.handed != now {
			f.handed = now
			s.given.add(name, token.Value)
		}
	}
	frames.Put(f)
	return token, err
}

// A frame is the memory of one Token call, kept for the next. A known token therefore costs no allocation.
type frame struct {
	reply  backend.Reply
	handed handed        // where its token went, and by which name
	done   chan struct{} // receives one value when a get on its own goroutine has ended
}

var frames = sync.Pool{New: func() any { return &frame{done: make(chan struct{}, 1)} }}

// result returns the outcome of a get.
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
