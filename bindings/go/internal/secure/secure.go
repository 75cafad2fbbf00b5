// Package secure recognizes a program with rights that its caller lacks. Such a program takes nothing from the environment.
package secure

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"unsafe"
)

var program struct {
	once     sync.Once
	isSecure bool
}

// IsProgram reports whether this program has such rights (set-user-ID, set-group-ID, capabilities).
func IsProgram() bool {
	program.once.Do(func() {
		if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
			program.isSecure = true
			return
		}
		auxv, err := os.ReadFile("/proc/self/auxv")
		// The kernel hides this file of a program with capabilities from the program's own user.
		program.isSecure = errors.Is(err, fs.ErrPermission) || isSecureBy(auxv)
	})
	return program.isSecure
}

// isSecureBy reads AT_SECURE, which the kernel sets. Without /proc, as in an empty chroot, there is none.
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
