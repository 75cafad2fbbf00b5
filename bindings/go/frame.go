package wxtoken

// #include <wxtoken.h>
import "C"

import (
	"strings"
	"sync"
	"time"
	"unsafe"
)

// A frame is the memory that a call lends to C. What is passed through cgo cannot stay on the stack, so frames are kept
// for the next call: a token that is known costs no allocation.
type frame struct {
	err    C.wxtoken_error
	token  C.wxtoken_token
	name   []byte
	status C.wxtoken_status
	value  string        // the last token that was read here: mostly the next is the same
	handed handed        // to whom it went, and by which name
	done   chan struct{} // receives one when a call that was made on a goroutine of its own has ended
}

var frames = sync.Pool{New: func() any { return &frame{done: make(chan struct{}, 1)} }}

// get fills in the outcome of wxtoken_get.
func (f *frame) get(wx *C.wxtoken, name string) {
	account := f.lend(name)
	f.status = C.wxtoken_get(wx, account, &f.token, &f.err)
}

// lend copies an account's name to where C can read it. An empty name is the current account, NULL in C.
func (f *frame) lend(name string) *C.char {
	if name == "" {
		return nil
	}
	f.name = append(append(f.name[:0], name...), 0)
	return char(f.name)
}

// result reads what get has filled in.
func (f *frame) result() (Token, error) {
	if err := f.failure(); err != nil {
		return Token{}, err
	}
	value := unsafe.Slice((*byte)(unsafe.Pointer(&f.token.value[0])), int(f.token.length))
	if f.value != string(value) {
		f.value = string(value)
	}
	return Token{Value: f.value, ExpiresAt: end(f.token.expires_at)}, nil
}

// end is the zero time for 0, where no end is known.
func end(seconds C.int64_t) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// failure is nil when the call succeeded, else an *Error.
func (f *frame) failure() error {
	if f.status == C.WXTOKEN_OK {
		return nil
	}
	return &Error{
		Status:     Status(f.status),
		Errcode:    int(f.err.errcode),
		RetryAfter: time.Duration(f.err.retry_after_ms) * time.Millisecond,
		Message:    C.GoString(&f.err.message[0]),
	}
}

// arguments turns strings into C strings, in Go's memory: the library copies them before a call returns. It keeps the
// first mistake.
type arguments struct{ err error }

// optional is text, but NULL for an empty string.
func (in *arguments) optional(what, s string) *C.char {
	if s == "" {
		return nil
	}
	return in.text(what, s)
}

func (in *arguments) text(what, s string) *C.char {
	if in.err == nil {
		in.err = refuseNUL(what, s)
	}
	return char(append([]byte(s), 0))
}

// refuseNUL fails on a string that C would take for a shorter one.
func refuseNUL(what, s string) error {
	if strings.IndexByte(s, 0) < 0 {
		return nil
	}
	return &Error{Status: ErrArgument, Message: what + " has a NUL byte in it"}
}

func char(b []byte) *C.char {
	return (*C.char)(unsafe.Pointer(&b[0]))
}
