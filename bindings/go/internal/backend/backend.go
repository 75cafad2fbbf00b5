// Package backend is what a Store asks of that which carries its calls out: the C library, through cgo or purego, or the
// client of a wxtoken server. It lies under the path of the module, so that the module purego, which is nested in it, may
// import it, and no other.
package backend

import "time"

// A Backend opens stores.
type Backend struct {
	Open func(store string) (Handle, *Failure)
	// Version is that of the library.
	Version func() string
	// StatusName is the name in C of a status that this binding does not know.
	StatusName func(status int32) string
	// HoldsThreads says that a call that waits holds a thread of the system.
	HoldsThreads bool
}

// A Handle is one open store. Any goroutine may use it, several at once, and none after Free. An empty name is the current
// account; an empty value or secret is none. No string has a NUL byte in it.
type Handle interface {
	Set(option, value string) *Failure
	Register(account, kind, id, secret string) *Failure
	Put(account, field, value string) *Failure
	// Get may wait.
	Get(name string, reply *Reply)
	// Known is Get where it does not have to wait. False leaves the reply as it was.
	Known(name string, reply *Reply) bool
	Reject(name, token string) *Failure
	Report() ([]byte, *Failure)
	Free()
}

// A Reply is the outcome of a get. The next get may be given it again, so that a token that is known costs no allocation.
type Reply struct {
	Value string
	// ExpiresAt is in Unix seconds; 0 where no end is known.
	ExpiresAt int64
	Failure   *Failure
	// Memory is what a backend keeps here from one get to the next.
	Memory any
}

// A Failure is that of a call.
type Failure struct {
	Status     int32
	Errcode    int
	RetryAfter time.Duration
	Message    string
}

var registered *Backend

// Register names the backend of a program that is built without cgo. It is called by an init function, once.
func Register(b *Backend) {
	if registered != nil {
		panic("wxtoken: two packages reach for the library")
	}
	registered = b
}

// Registered is that backend, or nil.
func Registered() *Backend {
	return registered
}
