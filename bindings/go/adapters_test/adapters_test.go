// Package adapters_test runs real SDKs against the simulator of WeChat, each with the binding's adapter and without it. It
// is a separate module, so that the binding depends on none of the SDKs.
package adapters_test

import (
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// An outcome is the result of an SDK on its own: the number of tokens minted, and whether its last call fails.
type outcome struct {
	minted int
	fails  bool
}

// Three calls, the last one after the token has expired. Tokens live for eight seconds here; WeChat's live for two hours.
// silenceper renews 1,500 s ahead, so it keeps none of these and mints a token for each call. chanxuehong refuses tokens of
// a minute or less. go-workwx renews only when its refresher runs, and the first client in its README does not start one.
func TestAnExpiryCostsOneTokenAndNoCall(t *testing.T) {
	const lifetimeMS = 8000
	bare := map[string]outcome{"silenceper": {3, false}, "go-workwx": {1, true}, "chanxuehong": {3, true}}
	for name, sdk := range sdks {
		name, sdk := name, sdk
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account, alone := account(t, sdk.kind, lifetimeMS), account(t, sdk.kind, lifetimeMS)
			store, _ := openWith(t, account)
			ours, theirs := sdk.ours(store, "shop", account), sdk.bare(alone)
			for i := 0; i < 2; i++ {
				succeeds(t, ours)
				_ = theirs()
			}
			time.Sleep(lifetimeMS*time.Millisecond + time.Second) // counted from the last call, which may have minted
			succeeds(t, ours)
			counts(t, account, 2)
			isAsExpected(t, bare[name], alone, theirs())
		})
	}
}

// WeChat ends the token early. Only the next business call can tell.
func TestARevocationCostsOneTokenAndNoCall(t *testing.T) {
	bare := map[string]outcome{"silenceper": {1, true}, "go-workwx": {1, true}, "chanxuehong": {2, false}}
	for name, sdk := range sdks {
		name, sdk := name, sdk
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account, alone := account(t, sdk.kind, 0), account(t, sdk.kind, 0)
			store, _ := openWith(t, account)
			ours, theirs := sdk.ours(store, "shop", account), sdk.bare(alone)
			succeeds(t, ours)
			succeeds(t, theirs)
			revoke(t, account)
			revoke(t, alone)
			succeeds(t, ours)
			succeeds(t, ours)
			counts(t, account, 2)
			isAsExpected(t, bare[name], alone, theirs())
		})
	}
}

// Another process is told first that the token was revoked, and gets the next one. This process then uses that token.
func TestTheTokenOfAnotherProcessIsTaken(t *testing.T) {
	bare := map[string]outcome{"silenceper": {2, true}, "go-workwx": {2, true}, "chanxuehong": {3, false}}
	for name, sdk := range sdks {
		name, sdk := name, sdk
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account, alone := account(t, sdk.kind, 0), account(t, sdk.kind, 0)
			store, path := openWith(t, account)
			ours, theirs := sdk.ours(store, "shop", account), sdk.bare(alone)
			succeeds(t, ours)
			succeeds(t, theirs)
			counts(t, account, 1)
			revoke(t, account)
			revoke(t, alone)
			inAnotherProcess(t, name, path, account)
			counts(t, account, 2)
			inAnotherProcess(t, name, "", alone)
			succeeds(t, ours)
			succeeds(t, ours)
			counts(t, account, 2)
			isAsExpected(t, bare[name], alone, theirs())
		})
	}
}

func succeeds(t *testing.T, call func() error) {
	t.Helper()
	if err := call(); err != nil {
		t.Errorf("a call fails: %v", err)
	}
}

func counts(t *testing.T, account wxtoken.Account, want int) {
	t.Helper()
	if n := minted(t, account); n != want {
		t.Errorf("%d tokens were minted, not %d", n, want)
	}
}

func isAsExpected(t *testing.T, want outcome, alone wxtoken.Account, err error) {
	t.Helper()
	if got := (outcome{minted(t, alone), err != nil}); got != want {
		t.Errorf("without us it comes to %+v (%v), not %+v", got, err, want)
	}
}
