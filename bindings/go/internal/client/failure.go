package client

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

// The values of wxtoken_status.
const (
	statusArgument = 1
	statusAccount  = 2
	statusStore    = 3
	statusTimeout  = 8
	statusInternal = 9
)

// statusNames holds the names of the values from 1 on.
var statusNames = []string{
	"WXTOKEN_E_ARGUMENT", "WXTOKEN_E_ACCOUNT", "WXTOKEN_E_STORE", "WXTOKEN_E_SECRET", "WXTOKEN_E_NETWORK",
	"WXTOKEN_E_REPLY", "WXTOKEN_E_API", "WXTOKEN_E_TIMEOUT", "WXTOKEN_E_INTERNAL",
}

// A problem is a failure in parts: what failed, on what; its cause; what to do. It never contains a secret or a token.
type problem struct {
	status       int32
	errcode      int
	retryAfterMS int64
	what         string
	why          string
	hint         string
	// passes is true if the server does not answer or cannot for now. The process's own knowledge stays good meanwhile.
	passes bool
}

func argumentf(format string, args ...any) *problem {
	return &problem{status: statusArgument, what: fmt.Sprintf(format, args...)}
}

func storef(format string, args ...any) *problem {
	return &problem{status: statusStore, what: fmt.Sprintf(format, args...)}
}

func (p *problem) because(format string, args ...any) *problem {
	p.why = fmt.Sprintf(format, args...)
	return p
}

func (p *problem) advise(format string, args ...any) *problem {
	p.hint = fmt.Sprintf(format, args...)
	return p
}

// message returns the problem in one line, as the C library writes it.
func (p *problem) message() string {
	text := p.what
	if p.why != "" {
		text += ": " + p.why
	}
	if p.hint != "" {
		text += "; hint: " + p.hint
	}
	return shown(text)
}

// failure returns nil for nil.
func (p *problem) failure() *backend.Failure {
	if p == nil {
		return nil
	}
	return &backend.Failure{
		Status:     p.status,
		Errcode:    p.errcode,
		RetryAfter: time.Duration(p.retryAfterMS) * time.Millisecond,
		Message:    p.message(),
	}
}

// fileWords describes why a file cannot be read.
func fileWords(err error) string {
	var number syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it does not exist"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}
