package wxtoken

import (
	"errors"
	"time"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// A Status is the kind of a failure: the ErrX below. It is an error, so that errors.Is(err, wxtoken.ErrAPI) works.
type Status int

const (
	// ErrArgument is an argument that is not UTF-8, too long, or not one of the known ones. Nothing was changed.
	ErrArgument Status = 1
	// ErrAccount is an account that is not in this store, or the parent that it needs is not there.
	ErrAccount Status = 2
	// ErrStore is a store that cannot be opened, read or written, or is not ours.
	ErrStore Status = 3
	// ErrSecret means that there is no valid token, and what it takes to fetch one is missing: this process may not read
	// the secret, or a ticket or refresh token was never put.
	ErrSecret Status = 4
	// ErrNetwork means that WeChat was not reached: DNS, connect, TLS, or a reset.
	ErrNetwork Status = 5
	// ErrReply means that WeChat's host answered, but with something that is no token reply.
	ErrReply Status = 6
	// ErrAPI means that WeChat answered an errcode: see Error.Errcode.
	ErrAPI Status = 7
	// ErrTimeout means that the option timeout_ms passed. A context that ends gives its own error instead.
	ErrTimeout Status = 8
	// ErrInternal is a defect in the library. The program may go on; please report it.
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

// ErrClosed is the answer of a Store after Close.
var ErrClosed = errors.New("wxtoken: the store is closed")

// Error is the status's name in C, such as "WXTOKEN_E_STORE".
func (s Status) Error() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return library().StatusName(int32(s)) // a newer library's
}

// An Error is why a call failed; errors.As finds it.
type Error struct {
	// Status is the kind of failure.
	Status Status
	// Errcode is the platform's errcode with ErrAPI, else 0; 0 also where its codes are words (DingTalk): see Message.
	Errcode int
	// RetryAfter is after how long another try makes sense; 0 is at once, or unknown.
	RetryAfter time.Duration
	// Message says what failed, on what, and what to do. It never holds a secret or a token.
	Message string
}

func (e *Error) Error() string {
	return "wxtoken: " + e.Message
}

// Unwrap is the Status, for errors.Is.
func (e *Error) Unwrap() error {
	return e.Status
}

// failed is nil where nothing failed, else an *Error.
func failed(f *backend.Failure) error {
	if f == nil {
		return nil
	}
	return &Error{Status: Status(f.Status), Errcode: f.Errcode, RetryAfter: f.RetryAfter, Message: f.Message}
}
