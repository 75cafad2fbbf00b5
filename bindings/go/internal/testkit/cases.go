package testkit

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// The socket of a redis-server. If set, the stores of the cases are on it.
var redis = os.Getenv("WXTOKEN_CASES_REDIS")

// CarryOutTheSharedTable carries out tests/cases.json, as tests/CASES.md says.
func CarryOutTheSharedTable(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("WXTOKEN_CASES"))
	if err != nil {
		t.Fatalf("WXTOKEN_CASES must be the path of tests/cases.json: %v", err)
	}
	var table struct {
		About string
		Cases []struct {
			Name           string
			Steps          []map[string]any
			NotOverAServer string `json:"not_over_a_server"`
		}
	}
	if err := json.Unmarshal(text, &table); err != nil {
		t.Fatal(err)
	}
	if len(table.Cases) == 0 {
		t.Fatal("the table has no cases")
	}
	for _, c := range table.Cases {
		if serverControl != "" && c.NotOverAServer != "" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			run := newRun(t)
			defer run.cancel()
			for i, keys := range c.Steps {
				s := &step{t: t, number: i + 1, keys: run.replace(keys).(map[string]any)}
				run.step(s)
			}
		})
	}
}

// A run is one case being carried out.
type run struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	vars   map[string]string
	stores map[string]*wxtoken.Store
	// If the store is a server: its client's key, and its operator.
	key      string
	operator *Operator
}

func newRun(t *testing.T) *run {
	dir := t.TempDir()
	store := filepath.Join(dir, "tokens.db")
	if redis != "" {
		store = "redis+unix://" + redis + "?prefix=" + RandomHex(t, 8)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{t: t, ctx: ctx, cancel: cancel, stores: map[string]*wxtoken.Store{}}
	if serverControl != "" {
		store = r.startServer()
	}
	r.vars = map[string]string{
		"$DIR":    dir,
		"$STORE":  store,
		"$ID":     "wx" + RandomHex(t, 8),
		"$CORP":   "ww" + RandomHex(t, 8),
		"$SECRET": RandomHex(t, 16),
		"$HTTP":   os.Getenv("WXSIM_HTTP"),
		"$HTTPS":  os.Getenv("WXSIM_HTTPS"),
		"$CA":     os.Getenv("WXSIM_CA"),
	}
	return r
}

// startServer starts a server for this case, and returns its name as a store.
func (r *run) startServer() string {
	server := StartServer(r.t)
	r.key, r.operator = server.Key, server.Operator
	return server.Store
}

// replace replaces the variables in every string of a value, longest name first.
func (r *run) replace(value any) any {
	switch value := value.(type) {
	case string:
		names := make([]string, 0, len(r.vars))
		for name := range r.vars {
			names = append(names, name)
		}
		sort.Slice(names, func(i, j int) bool { return len(names[i]) > len(names[j]) })
		for _, name := range names {
			value = strings.ReplaceAll(value, name, r.vars[name])
		}
		return value
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = r.replace(value[i])
		}
		return list
	case map[string]any:
		fields := make(map[string]any, len(value))
		for key := range value {
			fields[key] = r.replace(value[key])
		}
		return fields
	}
	return value
}

func (r *run) step(s *step) {
	verb := s.text("do")
	if s.has("over_a_server") {
		for key, value := range s.take("over_a_server").(map[string]any) {
			if r.operator != nil {
				s.keys[key] = value
			}
		}
	}
	switch verb {
	case "sim":
		r.sim(s)
	case "counters":
		r.counters(s)
	case "business":
		r.business(s)
	case "file":
		r.file(s)
	case "open":
		s.outcome(r.open(s))
	case "close":
		s.outcome(r.store(s).Close())
	case "set":
		s.outcome(r.store(s).Set(s.text("option"), s.text("value")))
	case "account":
		s.outcome(r.register(r.store(s), wxtoken.Account{
			Name: s.text("account"), Kind: wxtoken.Kind(s.text("kind")), ID: s.text("id"), Secret: s.orNull("secret"),
		}))
	case "put":
		put, field := r.store(s).Put, s.text("field")
		if r.operator != nil && (field == "current" || field == "parent") {
			put = r.operator.Put
		}
		s.outcome(put(s.text("account"), field, s.orNull("value")))
	case "get":
		r.get(s)
	case "reject":
		s.outcome(r.store(s).Reject(s.orNull("name"), s.text("token")))
	case "report":
		r.report(s)
	default:
		s.fail("unknown verb %q: this runner must learn it", verb)
	}
	for key := range s.keys {
		s.fail("unknown key %q of verb %q: this runner must learn it", key, verb)
	}
}

// register registers an account. At a server, the operator does so first.
func (r *run) register(store *wxtoken.Store, account wxtoken.Account) error {
	var failed error
	if r.operator != nil {
		failed = r.operator.Register(account)
	}
	// The program's own Register, too, refuses what no store would accept.
	if err := store.Register(account); err != nil {
		return err
	}
	return failed
}

func (r *run) sim(s *step) {
	reply := Control(r.t, s.text("path"), s.take("body"))
	if !s.has("keep") {
		return
	}
	for name, field := range s.take("keep").(map[string]any) {
		value, ok := reply[field.(string)].(string)
		if !ok {
			s.fail("the simulator's reply has no string %q", field)
		}
		r.vars["$"+name] = value
	}
}

func (r *run) counters(s *step) {
	counted := Counters(r.t, s.text("id"))
	for field, want := range s.take("has").(map[string]any) {
		if !reflect.DeepEqual(counted[field], want) {
			s.fail("counter %s is %v, not %v", field, counted[field], want)
		}
	}
}

func (r *run) business(s *step) {
	paths := map[string]string{"official": "/cgi-bin/getcallbackip", "work": "/cgi-bin/agent/list"}
	path, ok := paths[s.text("kind")]
	if !ok {
		s.fail("unknown kind of business call")
	}
	answer := fetch(r.t, r.vars["$HTTP"]+path+"?access_token="+url.QueryEscape(s.text("token")))
	errcode, _ := answer["errcode"].(float64)
	if want := s.take("errcode"); errcode != want {
		s.fail("errcode is %v, not %v", errcode, want)
	}
}

func (r *run) file(s *step) {
	var err error
	path, change := s.text("path"), s.text("change")
	switch change {
	case "delete":
		if strings.HasPrefix(path, "redis") {
			err = exec.Command("redis-cli", "-s", redis, "FLUSHALL").Run()
		} else {
			err = os.Remove(path)
		}
	case "directory":
		err = os.Mkdir(path, 0o700)
	default:
		s.fail("unknown change %q: this runner must learn it", change)
	}
	if err != nil {
		s.fail("%v", err)
	}
}

func (r *run) open(s *step) error {
	path := r.vars["$STORE"]
	if s.has("store") {
		path = s.text("store")
	}
	if path == "" {
		// Go has no NULL string, so "" means the default store. C's empty path can still come from an environment variable
		// that is set to an empty value.
		r.t.Setenv("WXTOKEN_STORE", "")
	}
	options := Simulated()
	if r.operator != nil && path == r.vars["$STORE"] {
		options = append(options, wxtoken.WithOption("server_key", r.key), wxtoken.WithOption("revalidate_ms", "0"))
	}
	if s.has("options") {
		for name, value := range s.take("options").(map[string]any) {
			options = append(options, wxtoken.WithOption(name, value.(string)))
		}
	}
	store, err := wxtoken.Open(path, options...)
	if err == nil {
		r.stores[s.handle()] = store
		r.t.Cleanup(func() { store.Close() })
	}
	return err
}

func (r *run) get(s *step) {
	token, err := r.store(s).Token(r.ctx, s.orNull("name"))
	s.outcome(err)
	if err != nil && token != (wxtoken.Token{}) {
		s.fail("a token came with the failure")
	}
	if s.has("as") {
		r.vars["$"+s.text("as")] = token.Value
	}
	if s.has("same_as") && token.Value != r.vars["$"+s.text("same_as")] {
		s.fail("the token is another one")
	}
	if s.has("other_than") && token.Value == r.vars["$"+s.text("other_than")] {
		s.fail("the token is the same one")
	}
	if s.has("expires_in") {
		s.between("expires_in", time.Until(token.ExpiresAt).Seconds())
	}
}

func (r *run) report(s *step) {
	text, err := r.store(s).Report()
	s.outcome(err)
	if err != nil {
		return
	}
	var report any
	if err := json.Unmarshal(text, &report); err != nil {
		s.fail("the report is no JSON: %v", err)
	}
	if s.has("has") {
		for path, want := range s.take("has").(map[string]any) {
			if found, ok := lookUp(report, path); !ok || !reflect.DeepEqual(found, want) {
				s.fail("%s in the report is %v, not %v", path, found, want)
			}
		}
	}
	for _, hidden := range s.texts("hides") {
		if strings.Contains(string(text), hidden) {
			s.fail("the report shows %q", hidden)
		}
	}
}

// lookUp returns the value at a dotted path.
func lookUp(value any, path string) (any, bool) {
	for _, part := range strings.Split(path, ".") {
		switch inner := value.(type) {
		case map[string]any:
			field, ok := inner[part]
			if !ok {
				return nil, false
			}
			value = field
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(inner) {
				return nil, false
			}
			value = inner[i]
		default:
			return nil, false
		}
	}
	return value, true
}

func (r *run) store(s *step) *wxtoken.Store {
	handle := s.handle()
	store, ok := r.stores[handle]
	if !ok {
		s.fail("handle %q is not open", handle)
	}
	return store
}
