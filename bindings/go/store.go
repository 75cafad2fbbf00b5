package wxtoken

import (
	"context"
	"strings"
	"sync"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// A Store is one open store, with options of its own. Any goroutine may use it, several at once.
//
// It has no finalizer: freeing it may wait for a background refresh, and one finalizer holds up all others. A Store that
// is dropped without Close leaks a small handle, and nothing else.
type Store struct {
	handle  backend.Handle
	threads chan struct{} // bounds the calls that are inside the library; nil where a call holds no thread
	gate    sync.RWMutex  // read-locked by each call inside the library; Close locks it, and keeps it
	close   sync.Once
	given   given // what a Transport knows tokens by
}

// Open opens the store at a path, creating it when absent; its directory must exist. A URL, such as redis://HOST, names a
// store on a server, for many hosts. An empty path is the default store: $WXTOKEN_STORE, else $XDG_STATE_HOME/wxtoken/tokens.db,
// else ~/.local/state/wxtoken/tokens.db.
//
// Without cgo the store is a wxtoken server, and anything else fails with ErrArgument: see the package's documentation.
//
// It is cheap to repeat: Stores on one path share what the process knows. It fails with ErrArgument (the path, an option
// or an environment variable is unusable), ErrStore (it cannot be opened or created, belongs to another program, or was
// written by a newer version) or ErrTimeout (another process holds it).
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

// Set sets an option of this Store, as WithOption does in Open. It fails with ErrArgument, and then changes nothing.
func (s *Store) Set(option, value string) error {
	return s.call(func() *backend.Failure {
		return s.handle.Set(option, value)
	}, argument{"the option's name", option}, argument{"the value of option " + option, value})
}

// Register registers an account or updates it. It stays in the store; repeating it is cheap when nothing has changed, so
// a program may do it at each start. The first account of a store becomes the current one. A change clears the account's
// earlier failures and takes effect in every process.
//
// It fails with ErrArgument, ErrStore (cannot be written), ErrSecret (the key file cannot be read) or ErrTimeout.
func (s *Store) Register(a Account) error {
	return s.call(func() *backend.Failure {
		return s.handle.Register(a.Name, string(a.Kind), a.ID, a.Secret)
	}, argument{"the account's name", a.Name}, argument{"the account's kind", string(a.Kind)},
		argument{"the account's ID", a.ID}, argument{"the account's secret", a.Secret})
}

// Put sets a field of an account that is known later than its registration. An empty value is none, NULL in C.
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
// A ticket or refresh token is sealed like a secret, and stays in the store. When the platform sends another refresh
// token it replaces the one that was put; putting again what was put before changes nothing then.
//
// Put fails with ErrArgument (no field of this kind, a bad value, a parent of the wrong kind), ErrAccount (no such
// account or parent), ErrStore, ErrSecret (the key file cannot be read) or ErrTimeout.
func (s *Store) Put(account, field, value string) error {
	return s.call(func() *backend.Failure {
		return s.handle.Put(account, field, value)
	}, argument{"the account's name", account}, argument{"the field's name", field},
		argument{"the value of field " + field, value})
}

// SetCurrent makes an account the one that an empty name means, in every process on the store. It fails as Put does.
func (s *Store) SetCurrent(account string) error {
	return s.Put(account, "current", "1")
}

// Reject says that the API refused a token (errcode 40001, 40014 or 42001 in the answer to a business call): the next
// Token fetches another. If the stored token is a different one by now, nothing happens. Rejects cause at most one fetch
// per 30 seconds and credential; a token that WeChat hands out again is served again. The name is as for Token.
//
// It takes no context: it only writes to the store, and is worth doing even when the request that found out is over. It
// fails with ErrArgument, ErrAccount, ErrStore (this process may only read the store: nobody was told) or ErrTimeout.
func (s *Store) Reject(name, token string) error {
	return s.call(func() *backend.Failure {
		return s.handle.Reject(name, token)
	}, argument{"the account's name", name}, argument{"the token", token})
}

// Report tells of every account and token, as JSON: kind, ID, the secret's fingerprint, when a token was fetched, by
// whom, when it is refreshed and ends, counts, the last error, when the next try is. No secret and no token is in it.
// It fails with ErrStore or ErrTimeout.
func (s *Store) Report() (report []byte, err error) {
	err = s.call(func() (failure *backend.Failure) {
		report, failure = s.handle.Report()
		return failure
	})
	return report, err
}

// Close ends the Store. Calls that are inside the library are waited for, those that a context gave up on too: for as
// long as the option timeout_ms at most. Calls that come later fail with ErrClosed. Close may be repeated; it always
// returns nil. The store, and what the process knows of it, stay.
func (s *Store) Close() error {
	s.close.Do(func() {
		s.gate.Lock() // never unlocked: TryRLock in enter fails from here on
		s.handle.Free()
	})
	return nil
}

// Version is the version of the C library at run time, such as "0.1.0", and without cgo of the client in its place. It is empty
// where the package purego finds no library.
func Version() string {
	return library().Version()
}

// An argument is one string of a call, and what it is in words.
type argument struct{ what, text string }

// refuseNUL fails on a string that C would take for a shorter one.
func (a argument) refuseNUL() error {
	if strings.IndexByte(a.text, 0) < 0 {
		return nil
	}
	return &Error{Status: ErrArgument, Message: a.what + " has a NUL byte in it"}
}

// call carries out one call that does not wait for WeChat.
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

// threads are those of the whole process: see the package's documentation.
var threads = make(chan struct{}, 500)

// enter comes before a call on s.handle, and leave after it.
func (s *Store) enter(ctx context.Context) error {
	// TryRLock fails only when Close holds the lock or waits for it.
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
