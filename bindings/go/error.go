package wxtoken

import (
	"errors"
	"time"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// A Status is the kind of a failure. It is an error, so that errors.Is(err, wxtoken.ErrAPI) works.
type Status int

const (
	// ErrArgument means that an argument is not UTF-8, too long, or not one of the known values. Nothing was changed.
	ErrArgument Status = 1
	// ErrAccount means that the account, or the parent that it needs, is not in this store.
	ErrAccount Status = 2
	// ErrStore means that the store cannot be opened, read or written, or belongs to another program.
	ErrStore Status = 3
	// ErrSecret means that the store has no valid token and one cannot be fetched. Either this process may not read the
	// secret, or a ticket or refresh token was never put.
	ErrSecret Status = 4
	// ErrNetwork means that WeChat was not reached: DNS, connect, TLS, or a reset.
	ErrNetwork Status = 5
	// ErrReply means that the host answered, but the answer is not a valid token reply.
	ErrReply Status = 6
	// ErrAPI means that WeChat answered with an errcode: see Error.Errcode.
	ErrAPI Status = 7
	// ErrTimeout means that the option timeout_ms passed. A context that ends returns its own error instead.
	ErrTimeout Status = 8
	// ErrInternal means a defect in the library. The program may go on. Please report the defect.
	ErrInternal Status = 9
)

var statusNames = map[Status]string{
	ErrArgument: "WXTOKEN_E_ARGUMENT",
	ErrAccount:  "WXTOKEN_E_ACCOUNT",
	ErrStore:    "WXTOKEN_E_STORE",
	ErrSecret:   "WXTOKEN_E_SECRET",
	ErrNetwork:  "WXTOKEN_E_NETWORK",
	ErrReply:    "WXTOKEN_E_REPLY",
	ErrAPI:      "WXTOKEN_E_API",
	ErrTimeout:  "WXTOKEN_E_TIMEOUT",
	ErrInternal: "WXTOKEN_E_INTERNAL",
}

// ErrClosed is returned by the methods of a Store after Close.
var ErrClosed = errors.New("wxtoken: the store is closed")

// Error returns the status's name in C, such as "WXTOKEN_E_STORE".
func (s Status) Error() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return library().StatusName(int32(s)) // a status of a newer library
}

// An Error describes why a call failed. Use errors.As to get it.
type Error struct {
	// Status is the kind of failure.
	Status Status
	// Errcode is the platform's errcode if Status is ErrAPI, else 0. It is 0 for platforms whose codes are words
	// (DingTalk); see Message.
	Errcode int
	// RetryAfter is how long to wait before another try makes sense. 0 means at once, or unknown.
	RetryAfter time.Duration
	// Message says what failed, on what, and what to do. It never contains a secret or a token.
	Message string
}

func (e *Error) Error() string {
	return "wxtoken: " + e.Message
}

// Unwrap returns the Status, for errors.Is.
func (e *Error) Unwrap() error {
	return e.Status
}

// failed returns nil if nothing failed, else an *Error.
func failed(f *backend.Failure) error {
	if f == nil {
		return nil
	}
	return &Error{Status: Status(f.Status), Errcode: f.Errcode, RetryAfter: f.RetryAfter, Message: f.Message}
}
