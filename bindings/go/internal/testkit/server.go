package testkit

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// serverControl is an address that starts a wxtoken server for each POST. If set, the stores of the cases are such servers.
var serverControl = os.Getenv("WXTOKEN_CASES_SERVER")

// A Server is a wxtoken server that runs until the tests end.
type Server struct {
	// Store is its name as a store, and Key is the key of a client with every right.
	Store, Key string
	Operator   *Operator
}

// An Operator runs a server, by the command wxtoken on the server's own store.
type Operator struct{ file string }

// StartServer starts a server on a new store.
func StartServer(t testing.TB) *Server {
	t.Helper()
	if serverControl == "" {
		t.Fatal("WXTOKEN_CASES_SERVER is not set: run these tests under tests/beside_server.py")
	}
	answer, err := http.Post(serverControl, "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var server struct{ Store, Key, File string }
	if err := json.NewDecoder(answer.Body).Decode(&server); err != nil || server.Store == "" {
		t.Fatalf("no server was started: %v, %s", err, answer.Status)
	}
	return &Server{server.Store, server.Key, &Operator{server.File}}
}

// Register registers an account as an operator does.
func (o *Operator) Register(a wxtoken.Account) error {
	if strings.HasSuffix(a.Secret, "\n") {
		return errors.New("the command takes a line end for the end of its input")
	}
	return o.run(a.Secret, "account", "add", a.Name, "--kind", string(a.Kind), "--id", a.ID)
}

// Put puts a field that a client may not put.
func (o *Operator) Put(account, field, value string) error {
	arguments := []string{"put", account, field}
	if field == "parent" {
		arguments = append(arguments, value)
	}
	return o.run("", arguments...)
}

// Client adds a client with these rights and returns its key.
func (o *Operator) Client(t testing.TB, name, rights string) string {
	t.Helper()
	key, err := o.command("", "client", "add", name, "--allow", rights).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(key))
}

// run fails with the status that the command's exit code stands for.
func (o *Operator) run(input string, arguments ...string) error {
	said, err := o.command(input, arguments...).CombinedOutput()
	failure, ok := err.(*exec.ExitError)
	if !ok {
		return err
	}
	return &wxtoken.Error{Status: wxtoken.Status(failure.ExitCode() - 10), Message: string(said)}
}

func (o *Operator) command(input string, arguments ...string) *exec.Cmd {
	command := exec.Command(os.Getenv("WXTOKEN_CASES_TOOL"), append([]string{"--store", o.file}, arguments...)...)
	command.Stdin = strings.NewReader(input)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "WXTOKEN_") {
			command.Env = append(command.Env, variable)
		}
	}
	return command
}
