// Package backend is the interface between a Store and the code that carries out its calls: the C library, through cgo or
// purego, or the client of a wxtoken server. The package is internal to the module, so that only the nested module purego
// can import it too.
package backend

import "time"

// A Backend opens stores.
type Backend struct {
	Open func(store string) (Handle, *Failure)
	// Version returns the version of the library.
	Version func() string
	// StatusName returns the name in C of a status that this binding does not know.
	StatusName func(status int32) string
	// HoldsThreads is true if a waiting call holds a thread of the system.
	HoldsThreads bool
}

// A Handle is one open store. It is safe for concurrent use by multiple goroutines, but not after Free. An empty name means
// the current account. An empty value or secret means none. No string contains a NUL byte.
type Handle interface {
	Set(option, value string) *Failure
	Register(account, kind, id, secret string) *Failure
	Put(account, field, value string) *Failure
	// Get may wait.
	Get(name string, reply *Reply)
	// Known does what Get does if it need not wait. Otherwise it returns false and leaves the reply unchanged.
	Known(name string, reply *Reply) bool
	Reject(name, token string) *Failure
	Report() ([]byte, *Failure)
	Free()
}

// A Reply is the outcome of a get. Passing it to the next get saves an allocation if the token is known.
type Reply struct {
	Value string
	// ExpiresAt is in Unix seconds, or 0 if no end is known.
	ExpiresAt int64
	Failure   *Failure
	// Memory belongs to the backend, which keeps it from one get to the next.
	Memory any
}

// A Failure describes why a call failed.
type Failure struct {
	Status     int32
	Errcode    int
	RetryAfter time.Duration
	Message    string
}

var registered *Backend

// Register sets the backend of a program that is built without cgo. An init function calls it once.
func Register(b *Backend) {
	if registered != nil {
		panic("wxtoken: two packages reach for the library")
	}
	registered = b
}

// Registered returns that backend, or nil.
func Registered() *Backend {
	return registered
}
