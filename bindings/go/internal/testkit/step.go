package testkit

import (
	"errors"
	"strings"
	"testing"

	wxtoken "github.com/libwxtoken/libwxtoken/bindings/go"
)

// A step loses each key that is read, so that the keys left over are unknown ones.
type step struct {
	t      *testing.T
	number int
	keys   map[string]any
}

func (s *step) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("step %d: "+format, append([]any{s.number}, args...)...)
}

func (s *step) has(key string) bool {
	_, ok := s.keys[key]
	return ok
}

func (s *step) take(key string) any {
	value, ok := s.keys[key]
	if !ok {
		s.fail("key %q is missing", key)
	}
	delete(s.keys, key)
	return value
}

func (s *step) text(key string) string {
	text, ok := s.take(key).(string)
	if !ok {
		s.fail("key %q is not a string", key)
	}
	return text
}

// orNull returns a string that may be null, which is "" in Go.
func (s *step) orNull(key string) string {
	if s.has(key) && s.keys[key] == nil {
		s.take(key)
		return ""
	}
	return s.text(key)
}

func (s *step) texts(key string) []string {
	if !s.has(key) {
		return nil
	}
	var list []string
	for _, text := range s.take(key).([]any) {
		list = append(list, text.(string))
	}
	return list
}

func (s *step) handle() string {
	if s.has("handle") {
		return s.text("handle")
	}
	return "main"
}

func (s *step) between(key string, value float64) {
	s.t.Helper()
	bounds := s.take(key).([]any)
	if value < bounds[0].(float64) || value > bounds[1].(float64) {
		s.fail("%s is %v, not within %v", key, value, bounds)
	}
}

// outcome compares how a call of the library ended with what the step expects.
func (s *step) outcome(err error) {
	s.t.Helper()
	if !s.has("status") {
		if err != nil {
			s.fail("%v", err)
		}
		return
	}
	status := s.text("status")
	var failure *wxtoken.Error
	if !errors.As(err, &failure) {
		s.fail("the outcome is %v, not %s", err, status)
	}
	if failure.Status.Error() != status || !errors.Is(err, failure.Status) {
		s.fail("the outcome is %v (%v), not %s", failure.Status, err, status)
	}
	if s.has("errcode") {
		if want := s.take("errcode"); float64(failure.Errcode) != want {
			s.fail("errcode is %d, not %v", failure.Errcode, want)
		}
	}
	if s.has("retry_after_ms") {
		s.between("retry_after_ms", float64(failure.RetryAfter.Milliseconds()))
	}
	for _, part := range s.texts("message_has") {
		if !strings.Contains(failure.Message, part) {
			s.fail("%q is not in the message: %s", part, failure.Message)
		}
	}
	for _, hidden := range s.texts("message_hides") {
		if strings.Contains(err.Error(), hidden) {
			s.fail("%q is in the message: %s", hidden, err)
		}
	}
}
