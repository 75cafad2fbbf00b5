// Package testkit holds what the tests of this module and its nested modules share: the simulator, wxtoken servers, and the
// shared table of cases.
package testkit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// Shop creates an account of the simulator that no other test uses.
func Shop(t testing.TB) wxtoken.Account {
	t.Helper()
	account := wxtoken.Account{Name: "shop", Kind: wxtoken.Official, ID: "wx" + RandomHex(t, 8), Secret: RandomHex(t, 16)}
	Control(t, "/accounts", map[string]any{"kind": "official", "id": account.ID, "secret": account.Secret})
	return account
}

// Simulated returns the options by which a store fetches from the simulator.
func Simulated() []wxtoken.Option {
	return []wxtoken.Option{
		wxtoken.WithAPIBaseURL(os.Getenv("WXSIM_HTTP")),
		wxtoken.WithWorkBaseURL(os.Getenv("WXSIM_HTTP")),
	}
}

// MustToken returns a token of a store, or fails the test.
func MustToken(t testing.TB, store *wxtoken.Store, name string) wxtoken.Token {
	t.Helper()
	token, err := store.Token(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Control sends the simulator a command and returns the fields of its reply.
func Control(t testing.TB, path string, body any) map[string]any {
	t.Helper()
	var reply map[string]any
	_ = json.Unmarshal([]byte(Told(t, path, body)), &reply) // nil if the reply is not an object
	return reply
}

// Told sends the simulator a command and returns its reply.
func Told(t testing.TB, path string, body any) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(os.Getenv("WXSIM_CONTROL")+path, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the simulator answers %s to %s %s: %s", answer.Status, path, text, said)
	}
	return strings.TrimSpace(string(said))
}

// Counters returns the simulator's counts for an id.
func Counters(t testing.TB, id string) map[string]any {
	t.Helper()
	return fetch(t, os.Getenv("WXSIM_CONTROL")+"/counters?id="+url.QueryEscape(id))
}

// fetch returns the fields of a JSON object at an address.
func fetch(t testing.TB, address string) map[string]any {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var fields map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// RandomHex returns this many random bytes in hexadecimal digits.
func RandomHex(t testing.TB, bytes int) string {
	t.Helper()
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}
