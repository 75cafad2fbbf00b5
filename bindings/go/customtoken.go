package wxtoken

import (
	"context"
	"sync"
	"time"
)

// A CustomToken gives a Store's token to PowerWeChat, for the hook GetCustomToken of an official account's, a mini program's
// or a WeCom app's AccessToken, which is called with each request, and with refresh when one was refused:
//
//	custom := &wxtoken.CustomToken{Store: store, Name: "shop"}
//	app.AccessToken.GetCustomToken = func(_ string, refresh bool) object.HashMap { return custom.Get(refresh) }
//
// By itself that SDK repeats a refused call without its body, so that a POST or an upload fails, and the next one succeeds. It
// sends by http.DefaultTransport where it has no ProxyURI, and with a Transport there those succeed too:
//
//	http.DefaultTransport = &wxtoken.Transport{Store: store, Name: "shop", Base: http.DefaultTransport}
//
// Any goroutine may use it, several at once. It must not be copied after its first use.
type CustomToken struct {
	Store *Store
	// Name is as for Store.Token; the empty name is the current account.
	Name string

	mu        sync.Mutex
	last      string    // the token that was given last
	since     time.Time // when it replaced another here; zero for the first
	refreshed time.Time // when the last Get with refresh ended; zero for none
}

// underWay is how long a request by PowerWeChat takes at most, unless it is told otherwise.
const underWay = 5 * time.Second

// Get is the token as that SDK takes it: the keys "access_token" and "expires_in", in seconds. Where Store.Token fails, the
// hook has no place for an error: there is no "access_token" then, which the SDK calls "no token found in cache", and the
// option log of the Store says why. In the five seconds after a refresh it is empty instead, as the SDK panics where it has
// none to repeat a call with: WeChat answers that call with 41001.
//
// With refresh it rejects the token that it gave last. The hook does not say which one was refused, so a token that has
// replaced another less than five seconds ago is kept: the refusal is of the one before.
func (c *CustomToken) Get(refresh bool) map[string]any {
	asked := time.Now()
	if refresh {
		if refused := c.grown(); refused != "" {
			_ = c.Store.Reject(c.Name, refused) // a failure of it leaves the token as it is, and WeChat says so again
		}
	}
	token, err := c.Store.Token(context.Background(), c.Name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if refresh {
		c.refreshed = time.Now()
	}
	if err != nil {
		none := map[string]any{"expires_in": 0.0}
		if asked.Sub(c.refreshed) < underWay {
			none["access_token"] = ""
		}
		return none
	}
	if c.last != "" && c.last != token.Value {
		c.since = time.Now()
	}
	c.last = token.Value
	return map[string]any{"access_token": token.Value, "expires_in": time.Until(token.ExpiresAt).Seconds()}
}

// grown is the token that was given last, or "" when it is so young that a refusal is of the one before.
func (c *CustomToken) grown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.since) < underWay {
		return ""
	}
	return c.last
}
