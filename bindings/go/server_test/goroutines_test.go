package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/testkit"
)

// await returns when the relay holds count requests that begin with this text.
func (r *relay) await(t *testing.T, begin string, count int) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); r.asked(begin) < count; {
		if time.Now().After(end) {
			t.Fatalf("the request has not come in 60 s")
		}
	}
}

func TestManyGoroutinesAskTheServerOnce(t *testing.T) {
	r := startRelay(t)
	account := r.shop(t)
	// A second handle shares the cache of the process. A goroutine that stalls takes the answer from it.
	stores := []*wxtoken.Store{r.open(t, askSeldom), r.open(t, askSeldom)}
	release := r.hold()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const askers = 64
	tokens := make(chan wxtoken.Token, askers)
	for i := 0; i < askers; i++ {
		ctx, store := ctx, stores[i%2]
		if i%4 < 2 {
			ctx = context.Background()
		}
		go func() {
			token, err := store.Token(ctx, "shop")
			if err != nil {
				t.Error(err)
			}
			tokens <- token
		}()
	}
	r.await(t, "GET /v1/token", 1)
	release()
	first := <-tokens
	for i := 1; i < askers; i++ {
		if <-tokens != first {
			t.Error("two tokens are about")
		}
	}
	if asked := r.asked("GET /v1/token"); asked != 1 {
		t.Errorf("the server was asked %d times", asked)
	}
	if minted := testkit.Counters(t, account.ID)["minted"]; minted != 1.0 {
		t.Errorf("%v tokens were minted", minted)
	}
}

func TestACancelledWaitLeavesTheAnswerToTheNextCaller(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store, release, err := r.givenUp(t)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled Token answers %v", err)
	}
	release()
	mustToken(t, store, "shop")
	if asked := r.asked("GET /v1/token"); asked != 1 {
		t.Errorf("the server was asked %d times", asked)
	}
}

func TestCloseWaitsForAnAbandonedCallAndEndsLaterOnes(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	store, release, _ := r.givenUp(t)
	closed := make(chan error)
	go func() { closed <- store.Close() }()
	// Close has begun once a call fails with ErrClosed.
	for {
		if _, err := store.Token(context.Background(), "shop/"); err == wxtoken.ErrClosed {
			break
		}
	}
	select {
	case <-closed:
		t.Error("Close did not wait for the call inside")
	default:
	}
	release()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestCloseUnderLoadEndsEveryCallCleanly(t *testing.T) {
	r := startRelay(t)
	r.shop(t)
	testkit.CloseUnderLoad(t, r.open(t, askAlways))
}
