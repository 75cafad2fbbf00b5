//go:build !cgo || wxtoken_nocgo

package wxtoken

import (
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/backend"
	"github.com/libwxtoken/libwxtoken/bindings/go/internal/client"
)

// library returns the C library if the package purego is imported, else the client of a wxtoken server.
func library() *backend.Backend {
	if throughPurego := backend.Registered(); throughPurego != nil {
		return throughPurego
	}
	return &client.Backend
}
