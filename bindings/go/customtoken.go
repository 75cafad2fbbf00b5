package wxtoken

import (
	"context"
	"sync"
	"time"
)

// A CustomToken passes a Store's token to PowerWeChat. Use it in the hook GetCustomToken of the AccessToken of an official
// account, a mini program or a WeCom app. The SDK calls the hook for each request, with refresh set if a token was refused:
//
//	custom := &wxtoken.CustomToken{Store: store, Name: "shop"}
//	app.AccessToken.GetCustomToken = func(_ string, refresh bool) object.HashMap { return custom.Get(refresh) }
//
// On its own, PowerWeChat repeats a refused call without its body, so a POST or an upload fails, and the next one succeeds.
// The SDK sends through http.DefaultTransport unless ProxyURI is set. With a Transport there, such calls succeed too:
//
//	http.DefaultTransport = &wxtoken.Transport{Store: store, Name: "shop", Base: http.DefaultTransport}
//
// A CustomToken is safe for concurrent use by multiple goroutines. It must not be copied after first use.
type CustomToken struct {
	Store *Store
	// Name is the name given to Store.Token. An empty name means the current account.
	Name string

	mu        sync.Mutex
	last      string    // the token that was returned last
	since     time.Time // when it replaced another token; zero for the first
	refreshed time.Time // when the last Get with refresh ended; zero if there was none
}

// underWay is PowerWeChat's default limit for one request.
const underWay = 5 * time.Second

// Get returns the token as PowerWeChat expects it: the keys "access_token" and "expires_in", in seconds. The hook cannot
// return an error. If Store.Token fails, "access_token" is missing, and the SDK reports "no token found in cache". Set the
// Store's option log to see the cause. In the five seconds after a refresh, "access_token" is empty instead, because the
// SDK panics if it has no token to repeat a call with. WeChat answers that call with 41001.
//
// With refresh, Get rejects the token that it returned last. The hook does not say which token was refused. A token that
// replaced another less than five seconds ago is therefore kept, because the refusal is of its predecessor.
func (c *CustomToken) Get(refresh bool) map[string]any {
	asked := time.Now()
	if refresh {
		if refused := c.grown(); refused != "" {
			_ = c.Store.Reject(c.Name, refused) // if this fails the token stays, and WeChat refuses it again
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

// grown returns the token that was returned last, or "" if that token is so young that a refusal must be of its
// predecessor.
func (c *CustomToken) grown() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.since) < underWay {
		return ""
	}
	return c.last
}
