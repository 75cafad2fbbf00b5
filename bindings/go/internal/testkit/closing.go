package testkit

import (
	"context"
	"sync"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// CloseUnderLoad closes a store of the account "shop" while goroutines call it, and checks how each of them ends.
func CloseUnderLoad(t *testing.T, store *wxtoken.Store) {
	t.Helper()
	token := MustToken(t, store, "shop")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	started := make(chan struct{}, 16)
	ended := make(chan error, 16)
	for i := 0; i < 16; i++ {
		ctx := ctx
		if i%2 == 0 {
			ctx = context.Background()
		}
		go func() {
			found, err := store.Token(ctx, "shop")
			started <- struct{}{}
			for err == nil && found == token {
				found, err = store.Token(ctx, "shop")
			}
			ended <- err
		}()
	}
	for i := 0; i < 16; i++ {
		<-started
	}
	var closers sync.WaitGroup
	for i := 0; i < 3; i++ {
		closers.Add(1)
		go func() {
			defer closers.Done()
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	for i := 0; i < 16; i++ {
		if err := <-ended; err != wxtoken.ErrClosed {
			t.Errorf("a call ended with %v", err)
		}
	}
	closers.Wait()
	if err := store.Register(wxtoken.Account{}); err != wxtoken.ErrClosed {
		t.Errorf("Register answers %v after Close", err)
	}
	if _, err := store.Report(); err != wxtoken.ErrClosed {
		t.Errorf("Report answers %v after Close", err)
	}
}
