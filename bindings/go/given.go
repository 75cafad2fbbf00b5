package wxtoken

import "sync"

// given holds the tokens that a Store has returned recently, by the name they were requested with. It tells a Transport
// whose token a request carries. The token of another account, or of a user, must be neither rejected nor replaced.
type given struct {
	mu     sync.RWMutex
	byName map[string]recent
}

// recent is ordered newest first. An SDK uses a token as soon as it gets it, and a store has one successor at a time, so
// four entries are enough.
type recent [4]string

func (r recent) has(token string) bool {
	for _, known := range r {
		if known == token {
			return true
		}
	}
	return false
}

// handed is one token that was returned, to be compared with the next.
type handed struct {
	store       *Store
	name, token string
}

func (g *given) add(name, token string) {
	if g.has(name, token) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.byName[name]
	if old.has(token) {
		return
	}
	if g.byName == nil {
		g.byName = make(map[string]recent)
	}
	g.byName[name] = recent{token, old[0], old[1], old[2]}
}

// has reports whether a non-empty token was returned for this name.
func (g *given) has(name, token string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.byName[name].has(token)
}
