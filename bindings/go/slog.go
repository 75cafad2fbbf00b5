//go:build go1.21

package wxtoken

import "log/slog"

// LogValue returns String. Without it, a handler that writes JSON would show the fields.
func (t Token) LogValue() slog.Value {
	return slog.StringValue(t.String())
}

// LogValue returns String. Without it, a handler that writes JSON would show the fields.
func (a Account) LogValue() slog.Value {
	return slog.StringValue(a.String())
}
