//go:build !cgo || wxtoken_nocgo

package wxtoken_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

func TestAStoreThatIsNotAtAServerSaysWhatToDo(t *testing.T) {
	for _, path := range []string{
		filepath.Join(t.TempDir(), "tokens.db"), "tokens.db", "redis://:hunter2@127.0.0.1", "rediss+cluster://h", "redis+unix:///run/redis.sock",
	} {
		_, err := wxtoken.Open(path)
		if !errors.Is(err, wxtoken.ErrArgument) {
			t.Fatalf("%s: %v", path, err)
		}
		for _, remedy := range []string{"CGO_ENABLED=1", "bindings/go/purego", "https://HOST"} {
			if !strings.Contains(err.Error(), remedy) {
				t.Errorf("%s: no word of %s: %v", path, remedy, err)
			}
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
	// An image made FROM scratch lacks the directory of a store. To create it, or to name a file in one, would not help.
	for _, path := range []string{filepath.Join(t.TempDir(), "missing", "tokens.db"), "/"} {
		t.Setenv("WXTOKEN_STORE", path)
		if _, err := wxtoken.Open(""); !errors.Is(err, wxtoken.ErrStore) || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAStringWithANULByteIsRefusedHereToo(t *testing.T) {
	if _, err := wxtoken.Open("https://h\x00"); !errors.Is(err, wxtoken.ErrArgument) || !strings.Contains(err.Error(), "NUL") {
		t.Error(err)
	}
}
