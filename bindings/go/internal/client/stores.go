package client

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/libwxtoken/libwxtoken/bindings/go/internal/secure"
)

const (
	// remedyForOthers is the advice for a store that is not at a server.
	remedyForOthers = "Build it with CGO_ENABLED=1 and a C compiler, or import " +
		"github.com/libwxtoken/libwxtoken/bindings/go/purego, or name a server: https://HOST, unix:/PATH, http:// to loopback."
	storeVariable = "WXTOKEN_STORE"
)

// parseStore returns the server that a store string names, or $WXTOKEN_STORE if it is empty. For any other store, it
// reports a flaw of the name first, as the C library does.
func parseStore(store string) (serverURL, *problem) {
	if store == "" {
		named, bad := storeOfEnvironment()
		if bad != nil {
			return serverURL{}, bad
		}
		store = named
	} else if found := flaws(store, visible); found != "" {
		return serverURL{}, argumentf("invalid path of a store").because("it has %s", found).advise("%s", remedy(store))
	}
	if url, isServer, bad := parseServerURL(store); isServer {
		return url, bad
	}
	bad := flawOfURL(store)
	if bad == nil {
		bad = flawOfPath(store)
	}
	if bad == nil {
		bad = unsupported("cannot open store " + store)
	}
	return serverURL{}, bad
}

// builtWithoutCgo is the reason why this program opens no store that is not at a server.
const builtWithoutCgo = "this program is built without cgo, so its store must be a wxtoken server"

func unsupported(what string) *problem {
	return argumentf("%s", what).because(builtWithoutCgo).advise(remedyForOthers)
}

func storeOfEnvironment() (string, *problem) {
	if secure.IsProgram() {
		return "", argumentf("no store is named, and the environment is not read").
			because("this program has rights that its caller lacks (set-user-ID, set-group-ID or capabilities)").
			advise("Pass the path of the store, and set options by name.")
	}
	named, isSet := variable(storeVariable)
	switch {
	case !isSet:
		return "", unsupported("no store is named, and the default one is a file")
	case named == "":
		return "", argumentf("environment variable %s is empty", storeVariable).advise("Give it the path of a file, or unset it.")
	}
	return named, checkVariable(storeVariable, named, visible)
}

// flawOfURL checks a URL that is not a server's. Its message does not repeat the URL, which may contain a password.
func flawOfURL(store string) *problem {
	scheme, rest, hasScheme := strings.Cut(store, ":")
	if !hasScheme || !strings.HasPrefix(rest, "//") || !isScheme(scheme) {
		return nil
	}
	switch base, _, _ := strings.Cut(strings.ToLower(scheme), "+"); base {
	case "redis", "rediss", "valkey", "valkeys":
		return unsupported("cannot open a store in Redis")
	}
	return argumentf("invalid store URL %s://…", strings.ToLower(scheme)).because("its scheme is not one that this version knows").
		advise("Write https://HOST[:PORT], unix:/PATH or http:// to loopback for a wxtoken server; redis://HOST takes a build with cgo.")
}

func isScheme(text string) bool {
	for i, c := range text {
		isLetter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !isLetter && (i == 0 || !strings.ContainsRune("0123456789+-.", c)) {
			return false
		}
	}
	return text != ""
}

// flawOfPath reports what would be wrong with the path of a file in any build. The remedy is the one for this build, because
// a corrected path would be refused too.
func flawOfPath(store string) *problem {
	if is, err := os.Stat(store); err == nil && is.IsDir() {
		return storef("store path \"%s\" is a directory", store).because(builtWithoutCgo).advise(remedyForOthers)
	}
	directory := filepath.Dir(store)
	if _, err := os.Stat(directory); err != nil {
		return storef("cannot open store %s", store).
			because("its directory %s: %s; %s", directory, fileWords(err), builtWithoutCgo).advise(remedyForOthers)
	}
	return nil
}
