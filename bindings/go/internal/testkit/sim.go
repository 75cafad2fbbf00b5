// Package testkit is what the tests of this module, and of those that are nested in it, have in common: the simulator, wxtoken
// servers, and the shared table of cases.
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

// Shop is an account of the simulator that no other test has.
func Shop(t testing.TB) wxtoken.Account {
	t.Helper()
	account := wxtoken.Account{Name: "shop", Kind: wxtoken.Official, ID: "wx" + RandomHex(t, 8), Secret: RandomHex(t, 16)}
	Control(t, "/accounts", map[string]any{"kind": "official", "id": account.ID, "secret": account.Secret})
	return account
}

// Simulated are the options by which a store fetches from the simulator.
func Simulated() []wxtoken.Option {
	return []wxtoken.Option{
		wxtoken.WithAPIBaseURL(os.Getenv("WXSIM_HTTP")),
		wxtoken.WithWorkBaseURL(os.Getenv("WXSIM_HTTP")),
	}
}

// MustToken is a token of a store, which has one.
func MustToken(t testing.TB, store *wxtoken.Store, name string) wxtoken.Token {
	t.Helper()
	token, err := store.Token(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Control tells the simulator something, and gives the fields of its reply.
func Control(t testing.TB, path string, body any) map[string]any {
	t.Helper()
	var reply map[string]any
	_ = json.Unmarshal([]byte(Told(t, path, body)), &reply) // nil where the reply is no object
	return reply
}

// Told tells the simulator something, and gives its reply.
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

// Counters is what the simulator counted for an id.
func Counters(t testing.TB, id string) map[string]any {
	t.Helper()
	return fetch(t, os.Getenv("WXSIM_CONTROL")+"/counters?id="+url.QueryEscape(id))
}

// fetch gets the fields of a JSON object.
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

// RandomHex is so many random bytes, in hexadecimal digits.
func RandomHex(t testing.TB, bytes int) string {
	t.Helper()
	b := make([]byte, bytes)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}
