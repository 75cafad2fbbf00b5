//go:build linux && (!cgo || wxtoken_nocgo)

package purego

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/secure"
)

func init() {
	backend.Register(&backend.Backend{Open: open, Version: version, StatusName: statusName, HoldsThreads: true})
}

// The sizes that wxtoken.h defines.
const (
	messageSize = 496
	tokenSize   = 1024
)

// wxtokenError has the layout of wxtoken_error.
type wxtokenError struct {
	status       int32
	errcode      int32
	retryAfterMS int64
	message      [messageSize]byte
}

// wxtokenToken has the layout of wxtoken_token.
type wxtokenToken struct {
	expiresAt int64
	length    uintptr
	value     [tokenSize]byte
}

// functions holds the addresses of the library's functions, by their names in C.
var functions struct {
	wxtoken_init, wxtoken_set, wxtoken_register, wxtoken_put, wxtoken_get, wxtoken_reject, wxtoken_report, wxtoken_free,
	wxtoken_version, wxtoken_status_name uintptr
}

// loading records how loading the library ended.
var loading struct {
	once   sync.Once
	failed *backend.Failure
}

const (
	statusArgument = 1
	soname         = "libwxtoken.so.0"
)

func load() *backend.Failure {
	loading.once.Do(func() { loading.failed = loadOnce() })
	return loading.failed
}

func loadOnce() *backend.Failure {
	name := os.Getenv("WXTOKEN_LIBRARY")
	if name == "" || secure.IsProgram() {
		name = soname
	}
	library, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return &backend.Failure{Status: statusArgument, Message: fmt.Sprintf(
			"cannot load the library %s: %v; hint: Install libwxtoken, or name its file by WXTOKEN_LIBRARY.", name, err)}
	}
	f := &functions
	for _, function := range []struct {
		name string
		at   *uintptr
	}{
		{"wxtoken_init", &f.wxtoken_init}, {"wxtoken_set", &f.wxtoken_set}, {"wxtoken_register", &f.wxtoken_register},
		{"wxtoken_put", &f.wxtoken_put}, {"wxtoken_get", &f.wxtoken_get}, {"wxtoken_reject", &f.wxtoken_reject},
		{"wxtoken_report", &f.wxtoken_report}, {"wxtoken_free", &f.wxtoken_free}, {"wxtoken_version", &f.wxtoken_version},
		{"wxtoken_status_name", &f.wxtoken_status_name},
	} {
		at, err := purego.Dlsym(library, function.name)
		if err != nil {
			return &backend.Failure{Status: statusArgument, Message: fmt.Sprintf(
				"the library %s has no %s; hint: Install libwxtoken, or name its file by WXTOKEN_LIBRARY.", name, function.name)}
		}
		*function.at = at
	}
	return nil
}

type handle struct{ wx uintptr }

func open(store string) (backend.Handle, *backend.Failure) {
	if failed := load(); failed != nil {
		return nil, failed
	}
	h, why := new(handle), new(wxtokenError)
	status, _, _ := purego.SyscallN(functions.wxtoken_init,
		uintptr(optional(store)), uintptr(unsafe.Pointer(&h.wx)), uintptr(unsafe.Pointer(why)))
	if failed := failure(status, why); failed != nil {
		return nil, failed
	}
	return h, nil
}

func version() string {
	if load() != nil {
		return ""
	}
	text, _, _ := purego.SyscallN(functions.wxtoken_version)
	return static(text)
}

func statusName(status int32) string {
	if load() != nil {
		return "unknown status"
	}
	text, _, _ := purego.SyscallN(functions.wxtoken_status_name, uintptr(status))
	return static(text)
}

func (h *handle) Set(option, value string) *backend.Failure {
	why := new(wxtokenError)
	status, _, _ := purego.SyscallN(functions.wxtoken_set, h.wx,
		uintptr(text(option)), uintptr(text(value)), uintptr(unsafe.Pointer(why)))
	return failure(status, why)
}

func (h *handle) Register(account, kind, id, secret string) *backend.Failure {
	why := new(wxtokenError)
	status, _, _ := purego.SyscallN(functions.wxtoken_register, h.wx,
		uintptr(text(account)), uintptr(text(kind)), uintptr(text(id)), uintptr(optional(secret)), uintptr(unsafe.Pointer(why)))
	return failure(status, why)
}

func (h *handle) Put(account, field, value string) *backend.Failure {
	why := new(wxtokenError)
	status, _, _ := purego.SyscallN(functions.wxtoken_put, h.wx,
		uintptr(text(account)), uintptr(text(field)), uintptr(optional(value)), uintptr(unsafe.Pointer(why)))
	return failure(status, why)
}

func (h *handle) Reject(name, token string) *backend.Failure {
	why := new(wxtokenError)
	status, _, _ := purego.SyscallN(functions.wxtoken_reject, h.wx,
		uintptr(optional(name)), uintptr(text(token)), uintptr(unsafe.Pointer(why)))
	return failure(status, why)
}

// memory is what a get passes to C.
type memory struct {
	why   wxtokenError
	token wxtokenToken
	name  []byte
}

func (h *handle) Get(name string, reply *backend.Reply) {
	m, ok := reply.Memory.(*memory)
	if !ok {
		m = new(memory)
		reply.Memory = m
	}
	var account unsafe.Pointer
	if name != "" {
		m.name = append(append(m.name[:0], name...), 0)
		account = unsafe.Pointer(&m.name[0])
	}
	status, _, _ := purego.SyscallN(functions.wxtoken_get, h.wx,
		uintptr(account), uintptr(unsafe.Pointer(&m.token)), uintptr(unsafe.Pointer(&m.why)))
	reply.Failure = failure(status, &m.why)
	if reply.Failure != nil {
		return
	}
	// Usually this is the token that was returned last time.
	if value := m.token.value[:m.token.length]; reply.Value != string(value) {
		reply.Value = string(value)
	}
	reply.ExpiresAt = m.token.expiresAt
}

// Known always returns false, so a get whose context can end has a goroutine of its own, also for a known token.
func (h *handle) Known(string, *backend.Reply) bool {
	return false
}

func (h *handle) Report() ([]byte, *backend.Failure) {
	why, needed := new(wxtokenError), new(uintptr)
	buf := make([]byte, 4096)
	for {
		*needed = 0
		status, _, _ := purego.SyscallN(functions.wxtoken_report, h.wx,
			uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), uintptr(unsafe.Pointer(needed)), uintptr(unsafe.Pointer(why)))
		switch {
		case int32(status) == 0:
			return buf[:*needed-1], nil // without the NUL
		case int(*needed) > len(buf):
			buf = make([]byte, *needed) // then call again: the report may have grown
		default:
			return nil, failure(status, why)
		}
	}
}

func (h *handle) Free() {
	purego.SyscallN(functions.wxtoken_free, h.wx)
}

// failure returns the failure of a call, or nil. C leaves the upper half of an int's register undefined.
func failure(status uintptr, why *wxtokenError) *backend.Failure {
	if int32(status) == 0 {
		return nil
	}
	return &backend.Failure{
		Status:     int32(status),
		Errcode:    int(why.errcode),
		RetryAfter: time.Duration(why.retryAfterMS) * time.Millisecond,
		Message:    upToNUL(why.message[:]),
	}
}

// text returns a C string in Go's memory. The library copies it before a call returns.
func text(s string) unsafe.Pointer {
	return unsafe.Pointer(&append([]byte(s), 0)[0])
}

// optional returns a C string, or NULL for an empty string.
func optional(s string) unsafe.Pointer {
	if s == "" {
		return nil
	}
	return text(s)
}

func upToNUL(b []byte) string {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	return string(b)
}

// static returns the text of a C string in the library's static memory.
func static(at uintptr) string {
	// Read through the address of the variable, because go vet reports a number that is converted to a pointer.
	first := *(**byte)(unsafe.Pointer(&at))
	length := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(first), length)) != 0 {
		length++
	}
	return string(unsafe.Slice(first, length))
}
