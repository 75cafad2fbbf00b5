//go:build go1.21

package wxtoken

import "log/slog"

// LogValue is String: a handler that writes JSON would show the fields.
func (t Token) LogValue() slog.Value {
	return slog.StringValue(t.String())
}

// LogValue is String: a handler that writes JSON would show the fields.
func (a Account) LogValue() slog.Value {
	return slog.StringValue(a.String())
}
