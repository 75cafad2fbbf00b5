//go:build cgo && !wxtoken_nocgo

package wxtoken

// #cgo pkg-config: wxtoken
// #include <wxtoken.h>
import "C"

import (
	"time"
	"unsafe"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
)

var throughCgo = backend.Backend{
	Open: openByCgo,
	Version: func() string {
		return C.GoString(C.wxtoken_version())
	},
	StatusName: func(status int32) string {
		return C.GoString(C.wxtoken_status_name(C.int32_t(status)))
	},
	HoldsThreads: true,
}

// library returns the C library, which the program is linked with.
func library() *backend.Backend {
	return &throughCgo
}

type handle struct{ wx *C.wxtoken }

func openByCgo(store string) (backend.Handle, *backend.Failure) {
	h := new(handle)
	var why C.wxtoken_error
	if status := C.wxtoken_init(optional(store), &h.wx, &why); status != C.WXTOKEN_OK {
		return nil, failure(status, &why)
	}
	return h, nil
}

func (h *handle) Set(option, value string) *backend.Failure {
	var why C.wxtoken_error
	return failure(C.wxtoken_set(h.wx, text(option), text(value), &why), &why)
}

func (h *handle) Register(account, kind, id, secret string) *backend.Failure {
	var why C.wxtoken_error
	return failure(C.wxtoken_register(h.wx, text(account), text(kind), text(id), optional(secret), &why), &why)
}

func (h *handle) Put(account, field, value string) *backend.Failure {
	var why C.wxtoken_error
	return failure(C.wxtoken_put(h.wx, text(account), text(field), optional(value), &why), &why)
}

func (h *handle) Reject(name, token string) *backend.Failure {
	var why C.wxtoken_error
	return failure(C.wxtoken_reject(h.wx, optional(name), text(token), &why), &why)
}

// memory is what a get passes to C. Memory passed through cgo cannot stay on the stack.
type memory struct {
	err   C.wxtoken_error
	token C.wxtoken_token
	name  []byte
}

func (h *handle) Get(name string, reply *backend.Reply) {
	m, ok := reply.Memory.(*memory)
	if !ok {
		m = new(memory)
		reply.Memory = m
	}
	var account *C.char
	if name != "" {
		m.name = append(append(m.name[:0], name...), 0)
		account = char(m.name)
	}
	if status := C.wxtoken_get(h.wx, account, &m.token, &m.err); status != C.WXTOKEN_OK {
		reply.Failure = failure(status, &m.err)
		return
	}
	reply.Failure = nil
	// Usually this is the token that was returned last time.
	value := unsafe.Slice((*byte)(unsafe.Pointer(&m.token.value[0])), int(m.token.length))
	if reply.Value != string(value) {
		reply.Value = string(value)
	}
	reply.ExpiresAt = int64(m.token.expires_at)
}

// Known always returns false, so a get whose context can end has a goroutine of its own, also for a known token.
func (h *handle) Known(string, *backend.Reply) bool {
	return false
}

func (h *handle) Report() ([]byte, *backend.Failure) {
	buf := make([]byte, 4096)
	for {
		var why C.wxtoken_error
		needed := C.size_t(0)
		status := C.wxtoken_report(h.wx, char(buf), C.size_t(len(buf)), &needed, &why)
		switch {
		case status == C.WXTOKEN_OK:
			return buf[:needed-1], nil // without the NUL
		case int(needed) > len(buf):
			buf = make([]byte, needed) // then call again: the report may have grown
		default:
			return nil, failure(status, &why)
		}
	}
}

func (h *handle) Free() {
	C.wxtoken_free(h.wx)
}

func failure(status C.wxtoken_status, why *C.wxtoken_error) *backend.Failure {
	if status == C.WXTOKEN_OK {
		return nil
	}
	return &backend.Failure{
		Status:     int32(status),
		Errcode:    int(why.errcode),
		RetryAfter: time.Duration(why.retry_after_ms) * time.Millisecond,
		Message:    C.GoString(&why.message[0]),
	}
}

// text returns a C string in Go's memory. The library copies it before a call returns.
func text(s string) *C.char {
	return char(append([]byte(s), 0))
}

// optional returns a C string, or NULL for an empty string.
func optional(s string) *C.char {
	if s == "" {
		return nil
	}
	return text(s)
}

func char(b []byte) *C.char {
	return (*C.char)(unsafe.Pointer(&b[0]))
}
