package client

import (
	"os"
	"unicode/utf8"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/secure"
)

// variable is one of the environment. A secure program has none: its caller could name another server for its key.
func variable(name string) (string, bool) {
	if secure.IsProgram() {
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
