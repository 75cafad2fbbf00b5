package client

import (
	"fmt"
	"strings"
	"unicode"
)

const (
	maxName   = 128
	maxID     = 128
	maxSecret = 512
	maxToken  = 1023
	// maxText is the length of the longest string of any parameter.
	maxText = 4096
)

func checkAccount(name string) *problem {
	if name == "" || len(name) > maxName || strings.Contains(name, "/") || strings.IndexFunc(name, unicode.IsControl) >= 0 {
		return badName(name)
	}
	return nil
}

// checkNewAccount checks the name of a new account. An existing account keeps its name, however it is spelled.
func checkNewAccount(name string) *problem {
	if bad := checkAccount(name); bad != nil {
		return bad
	}
	if strings.HasPrefix(name, "-") {
		return argumentf("invalid account name").because("it begins with a hyphen, as an option of a command does")
	}
	if flaws(name, visible) != "" {
		return badName(name)
	}
	return nil
}

func badName(name string) *problem {
	bad := argumentf("invalid account name")
	const limits = "must be 1 to 128 bytes without slashes and control characters"
	if found := flaws(name, visible); found != "" {
		return bad.because("it has %s; %s", found, limits)
	}
	return bad.because(limits)
}

// checkName checks account, account/credential, or the empty name of the current account.
func checkName(name string) *problem {
	if name == "" {
		return nil
	}
	account, credential, isOther := strings.Cut(name, "/")
	if bad := checkAccount(account); bad != nil {
		return bad
	}
	isWord := func(c rune) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' }
	isBad := strings.IndexFunc(credential, func(c rune) bool { return !isWord(c) }) >= 0
	if isOther && (credential == "" || len(credential) > maxName || isBad) {
		return argumentf("invalid credential name after \"%s/\"", account).advise("Use a name such as %s/jsapi_ticket.", account)
	}
	return nil
}

// checkWord checks an id or a secret. The parameter what is the platform's word for it. The message never shows the text.
func checkWord(what, account, word string, most int) *problem {
	found := flaws(word, ascii)
	if word != "" && len(word) <= most && found == "" {
		return nil
	}
	bad := argumentf("invalid %s of account \"%s\"", what, account)
	const must = "%s; must be 1 to %d printable ASCII characters without spaces"
	switch {
	case found != "":
		return bad.because(must, "it has "+found, most).advise(remedy(word))
	case word == "":
		return bad.because(must, "it is empty", most).advise("Check that the variable or the file that it comes from has a value.")
	}
	return bad.because(must, fmt.Sprintf("it has %d characters", len(word)), most).advise("Check that nothing else was pasted with it.")
}

// withArticle returns a noun with its article: “an appid”, “a corpid”.
func withArticle(noun string) string {
	if noun != "" && strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// repeated returns an unknown name in quotes after a space, for a message. It returns "" if that may be a secret in the
// wrong argument.
func repeated(given string) string {
	isPlain := func(c rune) bool {
		return isLetterOrDigit(c) || strings.ContainsRune("_./-", c)
	}
	if given == "" || len(given) > 30 || strings.IndexFunc(given, func(c rune) bool { return !isPlain(c) }) >= 0 {
		return ""
	}
	return " \"" + given + "\""
}

// choose suggests the known name nearest to an unknown one. If none is near, it lists them all, after the words of all.
func choose(given string, known []string, all string) string {
	const alike = 0.75
	best, near := 0.0, ""
	for _, name := range known {
		if score := jaro([]rune(strings.ToLower(given)), []rune(strings.ToLower(name))); score >= alike && score >= best {
			best, near = score, name
		}
	}
	if near != "" {
		return "Did you mean " + near + "?"
	}
	return all + " " + strings.Join(known, ", ") + "."
}

// jaro returns the similarity of two words, from 0 to 1.
func jaro(a, b []rune) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	reach := len(a)
	if len(b) > reach {
		reach = len(b)
	}
	if reach = reach/2 - 1; reach < 0 {
		reach = 0
	}
	inB := make([]bool, len(b))
	var matched []rune
	for i, c := range a {
		for j := range b {
			if i-reach <= j && j <= i+reach && !inB[j] && b[j] == c {
				inB[j] = true
				matched = append(matched, c)
				break
			}
		}
	}
	if len(matched) == 0 {
		return 0
	}
	swapped, at := 0, 0
	for j, is := range inB {
		if is {
			if matched[at] != b[j] {
				swapped++
			}
			at++
		}
	}
	matches := float64(len(matched))
	return (matches/float64(len(a)) + matches/float64(len(b)) + (matches-float64(swapped/2))/matches) / 3
}
