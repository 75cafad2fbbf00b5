// Package purego lets a program that is built without cgo (CGO_ENABLED=0) use the C library, and so every store: a file, Redis
// and a server. It is imported for that alone:
//
//	import (
//		wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
//		_ "github.com/libwxtoken/libwxtoken/bindings/go/purego"
//	)
//
// It loads $WXTOKEN_LIBRARY, else libwxtoken.so.0 by the system's loader, at the first Open. A program that imports it is
// linked dynamically with the C library of the system, and does not run in an image made FROM scratch. On Alpine it takes the
// linker's flag that the README of the binding names. With cgo the package does nothing.
package purego
