package client

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
)

// allowed is the set of characters that a text may contain.
type allowed bool

const (
	// ascii allows printable ASCII without blanks: an id, a secret, a number, a URL.
	ascii allowed = false
	// visible allows visible characters, with blanks inside: an account's name, a path.
	visible allowed = true
)

// mostFlaws is how many flaws one message names.
const mostFlaws = 3

// flaws describes what is wrong with a text, such as “U+FEFF at the start (a byte order mark)”, or returns "" if nothing
// is. It never shows the text itself, which may be a secret.
func flaws(text string, may allowed) string {
	characters := []rune(text)
	begin, end := 0, len(characters)
	isOutside := func(c rune) bool { return unicode.IsSpace(c) || isUnseen(c) || isBadInside(c, may) }
	for begin < end && isOutside(characters[begin]) {
		begin++
	}
	for end > begin && isOutside(characters[end-1]) {
		end--
	}
	var found []string
	if begin > 0 {
		found = append(found, told(characters[0], "at the start"))
	}
	if end < len(characters) {
		found = append(found, told(characters[end], "at the end"))
	}
	inner := characters[begin:end]
	if quote := quoteOf(inner, may); quote != "" {
		found = append([]string{quote}, found...)
	}
	wasBad := false
	for i, c := range inner {
		isBad := isBadInside(c, may)
		if isBad && !wasBad {
			found = append(found, told(c, fmt.Sprintf("inside, at character %d", begin+i+1)))
		}
		wasBad = isBad
	}
	if len(found) > mostFlaws {
		found = found[:mostFlaws]
	}
	return strings.Join(found, " and ")
}

const quotes = "\"'`"

func isQuote(c rune) bool {
	return strings.ContainsRune(quotes, c)
}

func quoteOf(inner []rune, may allowed) string {
	if len(inner) == 0 {
		return ""
	}
	atStart, atEnd := isQuote(inner[0]), isQuote(inner[len(inner)-1])
	switch {
	case atStart && atEnd && len(inner) > 1:
		return "quotes around it"
	case atStart && may == ascii:
		return "a quote at the start"
	case atEnd && may == ascii: // a path may end in an apostrophe
		return "a quote at the end"
	}
	return ""
}

// remedy returns advice that keeps a flaw from coming back, if there is any.
func remedy(text string) string {
	inner := strings.TrimSpace(text)
	if inner != strings.Trim(inner, quotes) {
		return "Write it without quotes: an env file of Docker keeps them."
	}
	if strings.ContainsRune(text, '\r') {
		return "Save the file that it comes from with Unix line ends."
	}
	return "Take that out of it."
}

// shown returns a text with each invisible character written as its number, <U+202E>.
func shown(text string) string {
	var out strings.Builder
	for _, c := range text {
		if isBadInside(c, visible) {
			fmt.Fprintf(&out, "<U+%04X>", c)
		} else {
			out.WriteRune(c)
		}
	}
	return out.String()
}

// jsonShown returns JSON with each invisible character written as its escape.
func jsonShown(json []byte) []byte {
	if strings.IndexFunc(string(json), isUnseen) < 0 {
		return json
	}
	var out strings.Builder
	for _, c := range string(json) {
		if !isUnseen(c) {
			out.WriteRune(c)
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			fmt.Fprintf(&out, "\\u%04x", unit)
		}
	}
	return []byte(out.String())
}

func isBadInside(c rune, may allowed) bool {
	if may == ascii {
		return c <= ' ' || c > '~'
	}
	// The two joiners belong to words of some scripts and to emoji, and the variation selector to emoji.
	return unicode.IsControl(c) || isUnseen(c) && c != '\u200C' && c != '\u200D' && c != '\uFE0F'
}

// unseen lists the characters that no font shows, by the first and the last of each range.
var unseen = [][2]rune{
	{0xAD, 0xAD}, {0x34F, 0x34F}, {0x61C, 0x61C}, {0x115F, 0x1160}, {0x17B4, 0x17B5}, {0x180B, 0x180F}, {0x200B, 0x200F},
	{0x2028, 0x202E}, {0x2060, 0x206F}, {0x2800, 0x2800}, {0x3164, 0x3164}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
	{0xFFA0, 0xFFA0}, {0xFFF0, 0xFFFC}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF},
}

func isUnseen(c rune) bool {
	for _, r := range unseen {
		if r[0] <= c && c <= r[1] {
			return true
		}
	}
	return false
}

// told describes a character and its place.
func told(c rune, place string) string {
	code := fmt.Sprintf("U+%04X", c)
	switch c {
	case '\r', '\n':
		return fmt.Sprintf("a line end %s (%s)", place, code)
	case ' ':
		return fmt.Sprintf("a blank %s (%s)", place, code)
	case '\t':
		return fmt.Sprintf("a tab %s (%s)", place, code)
	}
	return fmt.Sprintf("%s %s (%s)", code, place, kindOf(c))
}

func kindOf(c rune) string {
	within := func(first, last rune) bool { return first <= c && c <= last }
	switch {
	case c == 0xFEFF:
		return "a byte order mark"
	case c == 0x200B:
		return "a zero-width space"
	case within(0x200C, 0x200D) || c == 0x2060:
		return "a zero-width joiner"
	case c == 0xA0 || c == 0x202F:
		return "a no-break space"
	case c == 0xAD:
		return "a soft hyphen"
	case c == 0x61C || within(0x200E, 0x200F) || within(0x202A, 0x202E) || within(0x2066, 0x2069):
		return "a mark of direction"
	case within(0x2018, 0x201F) || c == 0xAB || c == 0xBB:
		return "a typographic quote"
	case within(0x2010, 0x2015) || c == 0x2212:
		return "a dash, not a hyphen"
	case c == 0x3000:
		return "a full-width blank"
	case within(0xFF01, 0xFF5E):
		return "a full-width character"
	case unicode.IsControl(c):
		return "a control character"
	case unicode.IsSpace(c):
		return "a blank"
	case isUnseen(c):
		return "a character that cannot be seen"
	}
	return "not ASCII"
}
