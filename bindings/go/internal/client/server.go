package client

import "sync"

// A server is what the handles on one server share in this process. It outlives the last of them, so that opening again is
// cheap.
type server struct {
	remote
	handles int // guarded by servers.mu
	viewsMu sync.Mutex
	views   []*view // the one that was opened last at the end
}

// A view is what is known by the handles that say the same about who asks, and for which platforms.
type view struct {
	of      viewOptions
	users   int // guarded by viewsMu
	cache   cache
	flights flights
}

type viewOptions struct{ baseURLs, serverKey, serverKeyFile string }

const (
	// mostViews and mostServers are how many outlive their handles.
	mostViews   = 16
	mostServers = 16
)

var servers struct {
	mu    sync.Mutex
	known []*server // the one that was opened last at the end
}

// serverAt is for a handle, which gives it to leave at its end.
func serverAt(url serverURL) *server {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	found := &server{remote: remote{url: url}}
	for i, known := range servers.known {
		if known.url == url {
			found = known
			servers.known = append(servers.known[:i:i], servers.known[i+1:]...)
			break
		}
	}
	found.handles++
	servers.known = append(servers.known, found)
	for i, known := range servers.known {
		if len(servers.known) > mostServers && known.handles == 0 {
			known.closeIdle()
			servers.known = append(servers.known[:i:i], servers.known[i+1:]...)
			break
		}
	}
	return found
}

func (s *server) leave() {
	servers.mu.Lock()
	defer servers.mu.Unlock()
	s.handles--
}

// view is for a handle, which gives it to leaveView when it has other options, and at its end.
func (s *server) view(o *options) *view {
	of := viewOptions{o.baseURLsInOne(), o.serverKey, o.serverKeyFile}
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	found := &view{of: of}
	for i, known := range s.views {
		if known.of == of {
			found = known
			s.views = append(s.views[:i:i], s.views[i+1:]...)
			break
		}
	}
	found.users++
	s.views = append(s.views, found)
	for i, known := range s.views {
		if len(s.views) > mostViews && known.users == 0 {
			s.views = append(s.views[:i:i], s.views[i+1:]...)
			break
		}
	}
	return found
}

func (s *server) leaveView(v *view) {
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	v.users--
}

// invalidateAll makes everybody in this process ask the server first.
func (s *server) invalidateAll() {
	s.viewsMu.Lock()
	defer s.viewsMu.Unlock()
	for _, v := range s.views {
		v.cache.invalidateAll()
	}
}
