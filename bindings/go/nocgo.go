//go:build !cgo || wxtoken_nocgo

package wxtoken

import (
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/client"
)

// library is the C library where the package purego is imported, and the client of a wxtoken server elsewhere.
func library() *backend.Backend {
	if throughPurego := backend.Registered(); throughPurego != nil {
		return throughPurego
	}
	return &client.Backend
}
