//go:build linux && (!cgo || wxtoken_nocgo)

package purego

import (
	"os"
	"regexp"
	"testing"
	"unsafe"
)

func TestTheStructsAreLaidOutAsInTheHeader(t *testing.T) {
	header, err := os.ReadFile("../../../include/wxtoken.h")
	if err != nil {
		t.Fatal(err)
	}
	var e wxtokenError
	var k wxtokenToken
	if unsafe.Sizeof(e) != 16+messageSize || unsafe.Offsetof(e.errcode) != 4 || unsafe.Offsetof(e.retryAfterMS) != 8 || unsafe.Offsetof(e.message) != 16 {
		t.Error("wxtoken_error has another layout")
	}
	if unsafe.Sizeof(k) != 16+tokenSize || unsafe.Offsetof(k.length) != 8 || unsafe.Offsetof(k.value) != 16 {
		t.Error("wxtoken_token has another layout")
	}
	for _, declared := range []string{
		`WXTOKEN_MESSAGE_SIZE = 496\b`, `WXTOKEN_TOKEN_SIZE = 1024\b`,
		`(?s)wxtoken_status status;.*int32_t errcode;.*int64_t retry_after_ms;.*char message\[496\];\s*\} wxtoken_error;`,
		`(?s)int64_t expires_at;.*size_t length;.*char value\[1024\];\s*\} wxtoken_token;`,
		`wxtoken_init\(const char \*store,\s*wxtoken \*\*out,\s*wxtoken_error \*err\)`,
		`wxtoken_set\(wxtoken \*wx,\s*const char \*option,\s*const char \*value,\s*wxtoken_error \*err\)`,
		`wxtoken_register\(wxtoken \*wx,\s*const char \*account,\s*const char \*kind,\s*const char \*id,\s*const char \*secret,\s*wxtoken_error \*err\)`,
		`wxtoken_put\(wxtoken \*wx, const char \*account, const char \*field, const char \*value, wxtoken_error \*err\)`,
		`wxtoken_get\(wxtoken \*wx,\s*const char \*name,\s*wxtoken_token \*out,\s*wxtoken_error \*err\)`,
		`wxtoken_reject\(wxtoken \*wx,\s*const char \*name,\s*const char \*token,\s*wxtoken_error \*err\)`,
		`wxtoken_report\(wxtoken \*wx, char \*buf, size_t cap, size_t \*needed, wxtoken_error \*err\)`,
		`void wxtoken_free\(wxtoken \*wx\);`, `const char \*wxtoken_version\(void\);`, `const char \*wxtoken_status_name\(int32_t status\);`,
	} {
		if !regexp.MustCompile(declared).Match(header) {
			t.Errorf("the header has no %s", declared)
		}
	}
}
