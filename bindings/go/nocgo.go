//go:build !cgo

package wxtoken

// Without cgo this file is all that is compiled, and the name that it uses is the compiler's one error.
var _ = wxtoken_needs_cgo__build_with_CGO_ENABLED_1_and_a_C_compiler
