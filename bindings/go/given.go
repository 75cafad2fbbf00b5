package wxtoken

import "sync"

// given are the tokens that a Store has handed out lately, by the name they were asked for. A Transport knows by it whose
// token a request carries: that of another account, or of a user, must neither be rejected nor replaced.
type given struct {
	mu     sync.RWMutex
	byName map[string]recent
}

// recent is newest first. An SDK that was given a token uses it at once, and a store has one successor at a time: four are
// plenty.
type recent [4]string

func (r recent) has(token string) bool {
	for _, known := range r {
		if known == token {
			return true
		}
	}
	return false
}

// handed is one token, to be compared with the next.
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

// has says whether a token, which is not empty, was handed out by that name.
func (g *given) has(name, token string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.byName[name].has(token)
}
