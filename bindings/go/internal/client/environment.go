package client

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"unicode/utf8"
	"unsafe"
)

// variable is one of the environment. A secure program has none: its caller could name another server for its key.
func variable(name string) (string, bool) {
	if isSecure() {
		return "", false
	}
	return os.LookupEnv(name)
}

// checkVariable fails on a value with quotes, blanks or a line end that an env file has left, or what cannot be seen.
func checkVariable(name, value string, may allowed) *problem {
	bad := argumentf("invalid environment variable %s", name)
	if !utf8.ValidString(value) {
		return bad.because("is not UTF-8").advise("Correct or unset it.")
	}
	if found := flaws(value, may); found != "" {
		return bad.because("its value has %s", found).advise(remedy(value))
	}
	return nil
}

var secure struct {
	once sync.Once
	is   bool
}

// isSecure says whether this program has rights that its caller lacks (set-user-ID, set-group-ID, capabilities).
func isSecure() bool {
	secure.once.Do(func() {
		if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
			secure.is = true
			return
		}
		auxv, err := os.ReadFile("/proc/self/auxv")
		// The kernel keeps this file of a program with capabilities from its own user.
		secure.is = errors.Is(err, fs.ErrPermission) || isSecureBy(auxv)
	})
	return secure.is
}

// isSecureBy reads AT_SECURE, as the kernel has given it. Without /proc, as in an empty chroot, there is none.
func isSecureBy(auxv []byte) bool {
	const (
		atSecure = 23
		word     = strconv.IntSize / 8
	)
	for ; len(auxv) >= 2*word; auxv = auxv[2*word:] {
		if wordOf(auxv) == atSecure {
			return wordOf(auxv[word:]) != 0
		}
	}
	return false
}

func wordOf(b []byte) uint64 {
	var order binary.ByteOrder = binary.BigEndian
	if one := uint16(1); *(*byte)(unsafe.Pointer(&one)) == 1 {
		order = binary.LittleEndian
	}
	if strconv.IntSize == 32 {
		return uint64(order.Uint32(b))
	}
	return order.Uint64(b)
}
