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

// The sizes of wxtoken.h.
const (
	messageSize = 496
	tokenSize   = 1024
)

// wxtokenError is wxtoken_error.
type wxtokenError struct {
	status       int32
	errcode      int32
	retryAfterMS int64
	message      [messageSize]byte
}

// wxtokenToken is wxtoken_token.
type wxtokenToken struct {
	expiresAt int64
	length    uintptr
	value     [tokenSize]byte
}

// functions are those of the library, by their names in C, and where each is.
var functions struct {
	wxtoken_init, wxtoken_set, wxtoken_register, wxtoken_put, wxtoken_get, wxtoken_reject, wxtoken_report, wxtoken_free,
	wxtoken_version, wxtoken_status_name uintptr
}

// loading is how the library was loaded.
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

// memory is what a get lends to C.
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
	// Mostly it is the token that was given last.
	if value := m.token.value[:m.token.length]; reply.Value != string(value) {
		reply.Value = string(value)
	}
	reply.ExpiresAt = m.token.expiresAt
}

// Known is never sure: C cannot say beforehand whether it will have to wait.
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
			return buf[:*needed-1], nil // but for the NUL
		case int(*needed) > len(buf):
			buf = make([]byte, *needed) // and again, as the report may have grown meanwhile
		default:
			return nil, failure(status, why)
		}
	}
}

func (h *handle) Free() {
	purego.SyscallN(functions.wxtoken_free, h.wx)
}

// failure is that of a call. C leaves the upper half of the register of an int as it is.
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

// text is a C string in Go's memory: the library copies it before a call returns.
func text(s string) unsafe.Pointer {
	return unsafe.Pointer(&append([]byte(s), 0)[0])
}

// optional is NULL for an empty string.
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

// static is a C string in the library's static memory.
func static(at uintptr) string {
	// By the address of the variable: vet takes a number that becomes a pointer for a mistake.
	first := *(**byte)(unsafe.Pointer(&at))
	length := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(first), length)) != 0 {
		length++
	}
	return string(unsafe.Slice(first, length))
}
