package wxtoken

import (
	"strconv"
	"time"
)

// An Option is an option of a Store, for Open.
type Option struct{ name, value string }

// WithOption is an option by its name in C. The default of each is $WXTOKEN_<NAME>, in capitals, else:
//
//	api_base_url        https://api.weixin.qq.com      plain http is taken for a loopback address only
//	work_base_url       https://qyapi.weixin.qq.com    the same for WeCom, and these for other platforms:
//	qq_base_url, douyin_base_url, dingtalk_base_url, feishu_base_url
//	timeout_ms          8000      the longest a call may wait, 1 to 600000 (saving a fetched token may take 2 s more)
//	connect_timeout_ms  3000      for the look-up of a host's name, and again for connect and TLS, 1 to 600000
//	refresh_ahead_s     270       how long before its end a token is refreshed, 0 to 3600 (at most a tenth of its life)
//	background_refresh  0         1: a one-shot thread refreshes ahead, and no caller waits for it
//	revalidate_ms       200       how soon another process's change is seen, 0 to 60000
//	proxy                         http://[user:password@]host:port; only this option sets one
//	ca_file                       PEM file of certificates to trust beside the web PKI
//	key_file            <store>.key   the key that seals the secrets
//	log                 off       off, error, info or debug; to stderr
//
// An empty value stands for the built-in default where the option is a URL or a path.
func WithOption(name, value string) Option {
	return Option{name, value}
}

// WithTimeout bounds every call: the option timeout_ms, whole milliseconds from 1 ms to 10 min. It holds where a context
// would allow more, too.
func WithTimeout(d time.Duration) Option {
	return WithOption("timeout_ms", strconv.FormatInt(d.Milliseconds(), 10))
}

// WithAPIBaseURL replaces https://api.weixin.qq.com: the option api_base_url.
func WithAPIBaseURL(url string) Option {
	return WithOption("api_base_url", url)
}

// WithWorkBaseURL replaces https://qyapi.weixin.qq.com: the option work_base_url.
func WithWorkBaseURL(url string) Option {
	return WithOption("work_base_url", url)
}

// WithBackgroundRefresh makes a thread of its own refresh a token ahead of its end, so that no caller waits for it: the
// option background_refresh.
func WithBackgroundRefresh() Option {
	return WithOption("background_refresh", "1")
}
