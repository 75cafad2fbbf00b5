package client

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// header returns the C library's header, whose tables cbindgen and `make tables` write.
func header(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../../include/wxtoken.h")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block returns the rows of a table in the header, which begin below the line with these names.
func block(t *testing.T, names ...string) (rows [][]string) {
	t.Helper()
	isInside := false
	for _, line := range strings.Split(header(t), "\n") {
		line = strings.TrimPrefix(strings.TrimPrefix(line, " *"), "     ")
		columns := regexp.MustCompile(` {2,}`).Split(strings.TrimRight(line, " "), -1)
		switch {
		case len(columns) >= len(names) && strings.Join(columns[:len(names)], " ") == strings.Join(names, " "):
			isInside = true
		case isInside && strings.TrimSpace(line) == "":
			return rows
		case isInside:
			rows = append(rows, regexp.MustCompile(` {2,}| (?:\d+ to \d+|any, 4 or 6)`).Split(line, -1))
		}
	}
	t.Fatalf("the header has no table of %q", names)
	return nil
}

func TestTheOptionsAreThoseOfTheCLibraryInItsOrder(t *testing.T) {
	rows := block(t, "option", "default", "range")
	if len(rows) != len(optionTable) {
		t.Fatalf("the header has %d options, and there are %d here", len(rows), len(optionTable))
	}
	for i, row := range rows {
		if name := strings.Fields(row[0])[0]; name != optionTable[i].name {
			t.Errorf("in place of %s there is %s", name, optionTable[i].name)
		}
	}
}

func TestTheLimitsOfNumbersAreThoseOfTheCLibrary(t *testing.T) {
	found := 0
	for _, row := range optionTable {
		limits := regexp.MustCompile(`\* +` + row.name + ` .* (\d+) to (\d+) (?:ms|s) `).FindStringSubmatch(header(t))
		if limits == nil {
			continue
		}
		found++
		flaw := row.put(defaults(), "x")
		if want := "must be a whole number from " + limits[1] + " to " + limits[2]; flaw != want {
			t.Errorf("%s: %s, and not: %s", row.name, flaw, want)
		}
	}
	if found != 4 {
		t.Errorf("the header has %d numbers", found)
	}
}

func TestTheKindsAreThoseOfTheCLibraryWithTheirIDsAndFields(t *testing.T) {
	rows := block(t, "kind", "id", "put", "what it is")
	if len(rows) != len(kinds) {
		t.Fatalf("the header has %d kinds, and there are %d here", len(rows), len(kinds))
	}
	for i, row := range rows {
		k := kinds[i]
		if row[0] != k.name || row[1] != k.idName || len(k.needs) > 0 && row[2] != strings.Join(k.needs, ", ") {
			t.Errorf("in place of %q there is %s", row, k.name)
		}
		if k.noSecret != strings.HasSuffix(row[len(row)-1], "no secret") {
			t.Errorf("%s has a secret here, or in the header", k.name)
		}
	}
}

func TestTheStatusesAndTheVersionAreThoseOfTheCLibrary(t *testing.T) {
	for i, name := range statusNames {
		if !regexp.MustCompile(name + ` = ` + string(rune('1'+i)) + `\b`).MatchString(header(t)) {
			t.Errorf("%s is not %d", name, i+1)
		}
	}
	if found := regexp.MustCompile(`WXTOKEN_E_[A-Z]+ = `).FindAllString(header(t), -1); len(found) != len(statusNames) {
		t.Error("the header has other statuses")
	}
	if !strings.Contains(header(t), `#define WXTOKEN_VERSION "`+version+`"`) {
		t.Errorf("the header's version is not %s", version)
	}
}
