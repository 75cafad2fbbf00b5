// Package purego lets a program that is built without cgo (CGO_ENABLED=0) use the C library, and with it every store: a
// file, Redis and a server. Import it for its side effect:
//
//	import (
//		wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
//		_ "github.com/libwxtoken/libwxtoken/bindings/go/purego"
//	)
//
// The package loads $WXTOKEN_LIBRARY, or libwxtoken.so.0 through the system's loader, at the first Open. A program that
// imports it is linked dynamically with the system's C library, and does not run in an image made FROM scratch. On Alpine
// it needs a linker flag; see the README of the binding. With cgo the package does nothing.
package purego
