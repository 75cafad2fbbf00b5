package client

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// options holds the options of a handle. Every option of the C library is accepted and checked as it is there, so that a
// program can be built either way. Only some have an effect here, because the server fetches the tokens.
type options struct {
	baseURLs       map[string]string // by option; absent if it is the platform's own
	timeout        time.Duration
	connectTimeout time.Duration
	revalidate     time.Duration
	network        string // tcp, tcp4 or tcp6
	allowPlainHTTP bool
	caFile         string
	serverKey      string
	serverKeyFile  string
}

// revalidateOfServer is the default of revalidate_ms for a store on a server.
const revalidateOfServer = time.Second

func defaults() *options {
	return &options{
		baseURLs:       map[string]string{},
		timeout:        8 * time.Second,
		connectTimeout: 3 * time.Second,
		revalidate:     revalidateOfServer,
		network:        "tcp",
	}
}

func (o *options) clone() *options {
	other := *o
	other.baseURLs = make(map[string]string, len(o.baseURLs))
	for option, url := range o.baseURLs {
		other.baseURLs[option] = url
	}
	return &other
}

// baseURLsInOne returns a text that tells two sets of base URLs apart.
func (o *options) baseURLsInOne() string {
	var all strings.Builder
	for _, row := range optionTable {
		fmt.Fprintf(&all, "%s\n", o.baseURLs[row.name])
	}
	return all.String()
}

// An optionRow is one option: its name, and a function that sets its value or returns the reason for refusing it.
type optionRow struct {
	name string
	may  allowed
	put  func(o *options, value string) string
}

// optionTable lists every option, in the order of the C library's table.
var optionTable = []optionRow{
	baseURLOf("api_base_url"),
	baseURLOf("work_base_url"),
	baseURLOf("qq_base_url"),
	baseURLOf("douyin_base_url"),
	baseURLOf("dingtalk_base_url"),
	baseURLOf("feishu_base_url"),
	baseURLOf("qqbot_base_url"),
	baseURLOf("douyin_open_base_url"),
	baseURLOf("douyin_game_base_url"),
	baseURLOf("lark_base_url"),
	baseURLOf("xiaohongshu_base_url"),
	baseURLOf("baidu_base_url"),
	baseURLOf("qidian_base_url"),
	millisecondsOf("timeout_ms", 1, 600000, func(o *options) *time.Duration { return &o.timeout }),
	millisecondsOf("connect_timeout_ms", 1, 600000, func(o *options) *time.Duration { return &o.connectTimeout }),
	{"refresh_ahead_s", ascii, func(_ *options, value string) string { return numberFlaw(value, 0, 3600) }},
	{"background_refresh", ascii, func(_ *options, value string) string { return numberFlaw(value, 0, 1) }},
	millisecondsOf("revalidate_ms", 0, 60000, func(o *options) *time.Duration { return &o.revalidate }),
	{"proxy", ascii, func(_ *options, value string) string { return proxyFlaw(value) }},
	{"ip_version", ascii, putVersion},
	{"allow_plain_http", ascii, putAllowPlainHTTP},
	fileOf("ca_file", func(o *options) *string { return &o.caFile }),
	fileOf("key_file", func(*options) *string { return new(string) }),
	{"server_key", ascii, func(o *options, value string) string { o.serverKey = value; return "" }},
	fileOf("server_key_file", func(o *options) *string { return &o.serverKeyFile }),
	{"log", ascii, func(_ *options, value string) string { return oneOf(value, "off", "error", "info", "debug") }},
}

func baseURLOf(option string) optionRow {
	return optionRow{option, ascii, func(o *options, value string) string {
		if value == "" {
			delete(o.baseURLs, option)
			return ""
		}
		url, flaw := parseBaseURL(value, o.allowPlainHTTP)
		if flaw == "" {
			o.baseURLs[option] = url
		}
		return flaw
	}}
}

func millisecondsOf(option string, least, most int64, field func(*options) *time.Duration) optionRow {
	return optionRow{option, ascii, func(o *options, value string) string {
		flaw := numberFlaw(value, least, most)
		if flaw == "" {
			number, _ := strconv.ParseInt(value, 10, 64)
			*field(o) = time.Duration(number) * time.Millisecond
		}
		return flaw
	}}
}

// fileOf makes a path absolute, so that it still names the same file if the process changes its directory.
func fileOf(option string, field func(*options) *string) optionRow {
	return optionRow{option, visible, func(o *options, value string) string {
		path := ""
		if value != "" {
			var err error
			if path, err = filepath.Abs(value); err != nil {
				return "is not a path: " + fileWords(err)
			}
		}
		*field(o) = path
		return ""
	}}
}

func numberFlaw(value string, least, most int64) string {
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil || number < least || number > most {
		return fmt.Sprintf("must be a whole number from %d to %d", least, most)
	}
	return ""
}

func oneOf(value string, known ...string) string {
	for _, one := range known {
		if value == one {
			return ""
		}
	}
	return "must be one of " + strings.Join(known, ", ")
}

func putVersion(o *options, value string) string {
	flaw := oneOf(value, "any", "4", "6")
	if flaw == "" {
		o.network = "tcp" + strings.TrimPrefix(value, "any")
	}
	return flaw
}

func putAllowPlainHTTP(o *options, value string) string {
	flaw := numberFlaw(value, 0, 1)
	if flaw != "" {
		return flaw
	}
	if value == "0" {
		for option, url := range o.baseURLs {
			if isPlainBeyondLoopback(url) {
				return "must be 1 while " + option + " is " + url
			}
		}
	}
	o.allowPlainHTTP = value == "1"
	return ""
}

func (o *options) set(name, value string) *problem {
	for _, row := range optionTable {
		if row.name != name {
			continue
		}
		if found := flaws(value, row.may); found != "" {
			return argumentf("invalid option %s", name).because("its value has %s", found).advise(remedy(value))
		}
		if flaw := row.put(o, value); flaw != "" {
			return argumentf("invalid option %s", name).because("%s", flaw)
		}
		return nil
	}
	names := make([]string, len(optionTable))
	for i, row := range optionTable {
		names[i] = row.name
	}
	return argumentf("unknown option%s", repeated(name)).advise("%s", choose(name, names, "The options are"))
}

// fromEnvironment returns the defaults, changed by the environment.
func fromEnvironment() (*options, *problem) {
	o := defaults()
	// The option allow_plain_http decides which base URLs are valid, so it is read first although it comes later in the
	// table.
	for _, isJudge := range []bool{true, false} {
		for _, row := range optionTable {
			if (row.name == "allow_plain_http") != isJudge {
				continue
			}
			name := "WXTOKEN_" + strings.ToUpper(row.name)
			value, ok := variable(name)
			if !ok {
				continue
			}
			if bad := checkVariable(name, value, row.may); bad != nil {
				return nil, bad
			}
			if flaw := row.put(o, value); flaw != "" {
				return nil, argumentf("invalid environment variable %s", name).because("%s", flaw).advise("Correct or unset it.")
			}
		}
	}
	return o, nil
}
