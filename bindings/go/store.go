package wxtoken

import (
	"context"
	"strings"
	"sync"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// A Store is one open store with its own options. It is safe for concurrent use by multiple goroutines.
//
// It has no finalizer: freeing it may wait for a background refresh, and one finalizer holds up all others. A Store that is
// dropped without Close leaks only a small handle.
type Store struct {
	handle  backend.Handle
	threads chan struct{} // bounds the calls inside the library; nil if a call holds no thread
	gate    sync.RWMutex  // read-locked by each call inside the library; Close locks it for good
	close   sync.Once
	given   given // the tokens that a Transport recognizes
}

// Open opens the store at a path and creates it if it does not exist. Its directory must exist. A URL, such as
// redis://HOST, names a store on a server, for many hosts. An empty path means the default store: $WXTOKEN_STORE, else
// $XDG_STATE_HOME/wxtoken/tokens.db, else ~/.local/state/wxtoken/tokens.db.
//
// Without cgo the store must be a wxtoken server, and any other fails with ErrArgument. See the package's documentation.
//
// Opening again is cheap, because Stores on one path share a cache. Open fails with ErrArgument (the path, an option or an
// environment variable is unusable), ErrStore (the store cannot be opened or created, belongs to another program, or was
// written by a newer version) or ErrTimeout (another process holds the store).
func Open(path string, options ...Option) (*Store, error) {
	store := new(Store)
	if library().HoldsThreads {
		store.threads = threads
	}
	err := store.call(func() (failure *backend.Failure) {
		store.handle, failure = library().Open(path)
		return failure
	}, argument{"the path of the store", path})
	if err != nil {
		return nil, err
	}
	for _, o := range options {
		if err := store.Set(o.name, o.value); err != nil {
			store.Close()
			return nil, err
		}
	}
	return store, nil
}

// Set sets an option of this Store, as WithOption does in Open. If it fails, with ErrArgument, it changes nothing.
func (s *Store) Set(option, value string) error {
	return s.call(func() *backend.Failure {
		return s.handle.Set(option, value)
	}, argument{"the option's name", option}, argument{"the value of option " + option, value})
}

// Register adds an account to the store or updates it. Repeating it is cheap if nothing has changed, so a program may call
// it at each start. The first account of a store becomes the current one. A change clears the account's earlier failures
// and takes effect in every process.
//
// Register fails with ErrArgument, ErrStore (cannot be written), ErrSecret (the key file cannot be read) or ErrTimeout.
func (s *Store) Register(a Account) error {
	return s.call(func() *backend.Failure {
		return s.handle.Register(a.Name, string(a.Kind), a.ID, a.Secret)
	}, argument{"the account's name", a.Name}, argument{"the account's kind", string(a.Kind)},
		argument{"the account's ID", a.ID}, argument{"the account's secret", a.Secret})
}

// Put sets a field of an account that becomes known after its registration. An empty value means none (NULL in C).
//
//	current        every kind                  "1" or none: makes this account the one that an empty name means
//	retry          every kind                  "1" or none: ends the back-off after a failure, at most once a minute
//	parent         Authorizer, WorkAuthorized  the name of its Component, or Suite, in this store
//	               FeishuTenant                the name of its FeishuStore, in this store
//	verify_ticket  Component                   from the push every 10 minutes; good for 12 hours
//	suite_ticket   Suite                       from the push every 10 minutes; good for 30 minutes
//	               DingTalkSuite               from the push about every 5 hours
//	app_ticket     FeishuStore                 from the push every hour
//	refresh_token  Authorizer                  from the authorization; put the parent first
//
// A ticket or refresh token is sealed like a secret and stays in the store. If the platform sends another refresh token,
// that one replaces the one that was put. Putting the old one again then changes nothing.
//
// Put fails with ErrArgument (the kind has no such field, a bad value, a parent of the wrong kind), ErrAccount (no such
// account or parent), ErrStore, ErrSecret (the key file cannot be read) or ErrTimeout.
func (s *Store) Put(account, field, value string) error {
	return s.call(func() *backend.Failure {
		return s.handle.Put(account, field, value)
	}, argument{"the account's name", account}, argument{"the field's name", field},
		argument{"the value of field " + field, value})
}

// SetCurrent makes an account the current one, which an empty name means, in every process on the store. It fails as Put
// does.
func (s *Store) SetCurrent(account string) error {
	return s.Put(account, "current", "1")
}

// Reject reports that the API refused a token, with errcode 40001, 40014 or 42001 in the answer to a business call. The
// next Token fetches another. If the store holds a different token by now, nothing happens. Rejects cause at most one fetch
// per 30 seconds and credential. A token that WeChat hands out again is served again. The name is the one given to Token.
//
// Reject takes no context. It only writes to the store, and is useful even after the request that was refused is over. It
// fails with ErrArgument, ErrAccount, ErrStore (this process may only read the store, and no keeper was told) or
// ErrTimeout.
func (s *Store) Reject(name, token string) error {
	return s.call(func() *backend.Failure {
		return s.handle.Reject(name, token)
	}, argument{"the account's name", name}, argument{"the token", token})
}

// Report describes every account and token, as JSON. It has the kind, the ID and the secret's fingerprint, when and by which
// process a token was fetched, and when it is refreshed and expires. It also has counts, the last error, and the time of the
// next try. It contains no secret and no token. It fails with ErrStore or ErrTimeout.
func (s *Store) Report() (report []byte, err error) {
	err = s.call(func() (failure *backend.Failure) {
		report, failure = s.handle.Report()
		return failure
	})
	return report, err
}

// Close closes the Store. It waits for the calls inside the library, including those that a context abandoned, for at most
// the option timeout_ms. Later calls fail with ErrClosed. Close may be called again; it always returns nil. The store
// stays, and so does the process's cache of it.
func (s *Store) Close() error {
	s.close.Do(func() {
		s.gate.Lock() // never unlocked: TryRLock in enter fails from here on
		s.handle.Free()
	})
	return nil
}

// Version returns the version of the C library at run time, such as "0.1.0". Without cgo it returns the version of the
// client. With the package purego it is empty if no library is found.
func Version() string {
	return library().Version()
}

// An argument is one string of a call, with its name in words.
type argument struct{ what, text string }

// refuseNUL fails on a string that C would read as a shorter one.
func (a argument) refuseNUL() error {
	if strings.IndexByte(a.text, 0) < 0 {
		return nil
	}
	return &Error{Status: ErrArgument, Message: a.what + " has a NUL byte in it"}
}

// call makes a call that does not wait for WeChat.
func (s *Store) call(c func() *backend.Failure, arguments ...argument) error {
	for _, a := range arguments {
		if err := a.refuseNUL(); err != nil {
			return err
		}
	}
	if err := s.enter(context.Background()); err != nil {
		return err
	}
	defer s.leave()
	return failed(c())
}

// threads bounds the calls of the whole process: see the package's documentation.
var threads = make(chan struct{}, 500)

// enter must precede a call on s.handle, and leave must follow it.
func (s *Store) enter(ctx context.Context) error {
	// TryRLock fails only if Close holds the lock or waits for it.
	if !s.gate.TryRLock() {
		return ErrClosed
	}
	if s.threads == nil {
		return nil
	}
	select {
	case s.threads <- struct{}{}:
		return nil
	case <-ctx.Done():
		s.gate.RUnlock()
		return ctx.Err()
	}
}

func (s *Store) leave() {
	if s.threads != nil {
		<-s.threads
	}
	s.gate.RUnlock()
}
