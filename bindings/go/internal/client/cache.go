package client

import (
	"sync"
	"sync/atomic"
	"time"
)

// A token is a credential as it is returned.
type token struct {
	value     string
	expiresAt int64 // in Unix seconds, as the server says; 0 if no end is known
	// ends is by this host's own clocks: the steady one, and the wall clock, which continues while the host is suspended.
	ends time.Time
}

func (t *token) isValid(now time.Time) bool {
	return now.Before(t.ends) && now.Round(0).Before(t.ends.Round(0))
}

// hasEnded reports whether a token from the server ended while its answer was on the way. The server rounds the time that is
// left down to a whole second.
func (t *token) hasEnded(now time.Time) bool {
	return t.expiresAt != 0 && now.Sub(t.ends) >= time.Second
}

// A cache holds the tokens that this process may return without a request, by name. A token is served for revalidate_ms
// after the last request began. Then one goroutine asks the server again, and the others go on using the cached token. A
// change in this process invalidates all tokens cached before it.
type cache struct {
	revision atomic.Uint64
	mu       sync.RWMutex
	slots    map[string]*slot
}

type slot struct {
	asking   atomic.Int64 // when a goroutine began to ask, in Unix milliseconds; 0 if none is asking
	snapshot atomic.Pointer[snapshot]
}

type snapshot struct {
	token
	revision uint64
	askedAt  time.Time
}

// A stamp is the moment before a request. The answer is not known to hold at any later time.
type stamp struct {
	revision uint64
	at       time.Time
}

// lostAfter is the time after which a request counts as lost, and another goroutine may ask.
const lostAfter = time.Second

func (c *cache) slot(name string) *slot {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.slots[name]
}

// hit returns the token that may be used now, or nil if the caller must ask the server.
func (c *cache) hit(name string, revalidate time.Duration) *token {
	now := time.Now()
	s, known := c.valid(name, now)
	if known == nil || now.Sub(known.askedAt) >= revalidate && s.beginAsking(now) {
		return nil
	}
	return &known.token
}

// valid returns a token that is good now, whatever its age in this cache.
func (c *cache) valid(name string, now time.Time) (*slot, *snapshot) {
	s := c.slot(name)
	if s == nil {
		return nil, nil
	}
	known := s.snapshot.Load()
	if known == nil || known.revision != c.revision.Load() || !known.isValid(now) {
		return s, nil
	}
	return s, known
}

// validWhileAway returns a good token when the server does not answer. The next request is then due as if this one had been
// answered.
func (c *cache) validWhileAway(name string) *token {
	now := time.Now()
	s, known := c.valid(name, now)
	if s != nil {
		defer s.asking.Store(0)
	}
	if known == nil {
		return nil
	}
	later := *known
	later.askedAt = now
	s.snapshot.CompareAndSwap(known, &later)
	return &known.token
}

func (c *cache) stamp() stamp {
	return stamp{c.revision.Load(), time.Now()}
}

// publish stores an answer, unless a later request has been answered.
func (c *cache) publish(name string, asked stamp, t token) {
	c.mu.Lock()
	s := c.slots[name]
	if s == nil {
		if c.slots == nil {
			c.slots = map[string]*slot{}
		}
		s = new(slot)
		c.slots[name] = s
	}
	c.mu.Unlock()
	fresh := &snapshot{t, asked.revision, asked.at}
	for {
		known := s.snapshot.Load()
		isOlder := known != nil && known.revision >= asked.revision && known.askedAt.After(asked.at)
		if isOlder || s.snapshot.CompareAndSwap(known, fresh) {
			break
		}
	}
	s.asking.Store(0)
}

// clear forgets a name that the server has no token for.
func (c *cache) clear(name string) {
	if s := c.slot(name); s != nil {
		s.snapshot.Store(nil)
		s.asking.Store(0)
	}
}

// forget removes a token under each of its names.
func (c *cache) forget(value string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, s := range c.slots {
		if known := s.snapshot.Load(); known != nil && known.value == value {
			s.snapshot.CompareAndSwap(known, nil)
		}
	}
}

// invalidateAll makes every goroutine ask the server first from now on.
func (c *cache) invalidateAll() {
	c.revision.Add(1)
}

// beginAsking reports whether this goroutine is the one to ask.
func (s *slot) beginAsking(now time.Time) bool {
	since, at := s.asking.Load(), now.UnixMilli()
	isFree := since == 0 || at-since > lostAfter.Milliseconds() || at < since
	return isFree && s.asking.CompareAndSwap(since, at)
}

// flights lets one goroutine of this process at a time ask for a token that the cache does not have.
type flights struct {
	mu     sync.Mutex
	byName map[string]*flight
}

type flight struct {
	until time.Time
	over  chan struct{}
}

// grace is how long after its deadline a flight still holds up the others.
const grace = time.Second

// begin begins a flight, or waits for another goroutine's. It returns nil once that flight has ended or the time by has
// passed.
func (f *flights) begin(name string, by time.Time) *flight {
	for {
		f.mu.Lock()
		other := f.byName[name]
		if other == nil || !time.Now().Before(other.until) {
			mine := &flight{by.Add(grace), make(chan struct{})}
			if f.byName == nil {
				f.byName = map[string]*flight{}
			}
			f.byName[name] = mine
			f.mu.Unlock()
			return mine
		}
		f.mu.Unlock()
		wait, isOverdue := time.Until(by), false
		if left := time.Until(other.until); left < wait {
			wait, isOverdue = left, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-other.over:
			timer.Stop()
			return nil
		case <-timer.C:
			if !isOverdue {
				return nil
			}
		}
	}
}

func (f *flights) end(name string, mine *flight) {
	f.mu.Lock()
	// A flight that overran leaves its successor's entry in place.
	if f.byName[name] == mine {
		delete(f.byName, name)
	}
	f.mu.Unlock()
	close(mine.over)
}
