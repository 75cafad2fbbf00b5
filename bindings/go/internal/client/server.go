package client

import "sync"

// A server is shared by the handles on one server in this process. It outlives the last of them, so that opening again is
// cheap.
type server struct {
	remote
	users   // handles; guarded by servers.mu
	viewsMu sync.Mutex
	views   []*view // the most recently opened at the end
}

// A view is shared by the handles with the same key and the same base URLs.
type view struct {
	of      viewOptions
	users   // handles; guarded by viewsMu
	cache   cache
	flights flights
}

type viewOptions struct{ baseURLs, serverKey, serverKeyFile string }

// users counts the users of an object that outlives them.
type users int

func (u *users) add()         { *u++ }
func (u *users) remove()      { *u-- }
func (u *users) isIdle() bool { return *u == 0 }

// most is how many servers, and views of one server, are kept before an idle one is dropped.
const most = 16

// opened finds the element for which is holds, or takes the fresh one. It adds a user and moves the element to the end of
// now. If there are more than most, the least recently opened idle one is dropped.
func opened[T interface {
	add()
	isIdle() bool
}](all []T, is func(T) bool, fresh T) (now []T, found, dropped T) {
	found = fresh
	for _, known := range all {
		if is(known) {
			found = known
		} else {
			now = append(now, known)
		}
	}
	found.add()
	now = append(now, found)
	for i, known := range now {
		if len(now) > most && known.isIdle() {
			return append(now[:i:i], now[i+1:]...), found, known
		}
	}
	return now, found, dropped
}

var servers struct {
	mu    sync.Mutex
	known []*server // the most recently opened at the end
}

// serverAt returns the server at a URL for a handle. The handle passes it to leave at its end.
func serverAt(url serverURL) *server {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	now, found, dropped := opened(servers.known, func(s *server) bool { return s.url == url }, &server{remote: remote{url: url}})
	servers.known = now
	if dropped != nil {
		dropped.closeIdle()
	}
	return found
}

func (s *server) leave() {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	s.remove()
}

// view returns the view for a handle's options. The handle passes it to leaveView when its options change, and at its end.
func (s *server) view(o *options) *view {
	of := viewOptions{o.baseURLsInOne(), o.serverKey, o.serverKeyFile}
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	now, found, _ := opened(s.views, func(v *view) bool { return v.of == of }, &view{of: of})
	s.views = now
	return found
}

func (s *server) leaveView(v *view) {
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	v.remove()
}

// forget removes a token from the memory of this process, under each of its names.
func (s *server) forget(value string) {
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	for _, v := range s.views {
		v.cache.forget(value)
	}
}

// invalidateAll makes every goroutine of this process ask the server first.
func (s *server) invalidateAll() {
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	for _, v := range s.views {
		v.cache.invalidateAll()
	}
}
