package client

import (
	"os"
	"unicode/utf8"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/secure"
)

// variable returns an environment variable. A program with elevated rights has none, because its caller could direct it,
// and its key, to another server.
func variable(name string) (string, bool) {
	if secure.IsProgram() {
		return "", false
	}
	return os.LookupEnv(name)
}

// checkVariable fails on a value with invisible characters, or with the quotes, blanks or line end that a misread env file
// leaves.
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
