package wxtoken

import (
	"strconv"
	"time"
)

// An Option is an option of a Store, passed to Open.
type Option struct{ name, value string }

// WithOption sets an option by its name in C. The default of each is $WXTOKEN_<NAME>, in capitals, if set, else:
//
//	option               default                         range          what it is
//	api_base_url         https://api.weixin.qq.com       a URL          official accounts, mini programs
//	work_base_url        https://qyapi.weixin.qq.com     a URL          WeCom
//	qq_base_url          https://api.q.qq.com            a URL          QQ mini programs
//	douyin_base_url      https://developer.toutiao.com   a URL          Douyin mini programs, the old endpoint
//	dingtalk_base_url    https://api.dingtalk.com        a URL          DingTalk
//	feishu_base_url      https://open.feishu.cn          a URL          Feishu
//	qqbot_base_url       https://bots.qq.com             a URL          QQ bots
//	douyin_open_base_url https://open.douyin.com         a URL          Douyin's open platform
//	douyin_game_base_url https://minigame.zijieapi.com   a URL          Douyin mini games
//	lark_base_url        https://open.larksuite.com      a URL          Lark
//	xiaohongshu_base_url https://miniapp.xiaohongshu.com a URL          Xiaohongshu mini programs
//	baidu_base_url       https://openapi.baidu.com       a URL          Baidu smart programs
//	qidian_base_url      https://api.qidian.qq.com       a URL          QiDian
//	timeout_ms           8000                            1 to 600000 ms the longest a call waits; saving may add 2 s
//	connect_timeout_ms   3000                            1 to 600000 ms for DNS, again for connect and TLS together
//	refresh_ahead_s      270                             0 to 3600 s    how early to refresh; 1/10 of a life at most
//	background_refresh   0                               0 or 1         1: a thread refreshes ahead; no caller waits
//	revalidate_ms        200                             0 to 60000 ms  how soon another process's change is seen
//	proxy                none                            a URL          http:// or socks5h://[user:pass@]host:port
//	ip_version           any                             any, 4 or 6    which addresses of a host's name are used
//	allow_plain_http     0                               0 or 1         1: a private address may be plain http
//	ca_file              none                            a path         extra PEM certificates to trust
//	key_file             <store>.key                     a path         the key that seals the secrets
//	server_key           none                            a client key   this program's key at a wxtoken server
//	server_key_file      none                            a path         the file of that key
//	log                  off                             a level        off, error, info or debug; to stderr
//
// An empty value means the built-in default if the option is a URL or a path.
func WithOption(name, value string) Option {
	return Option{name, value}
}

// WithTimeout bounds every call. It sets the option timeout_ms, in whole milliseconds from 1 ms to 10 min. It applies even
// if a context allows more.
func WithTimeout(d time.Duration) Option {
	return WithOption("timeout_ms", strconv.FormatInt(d.Milliseconds(), 10))
}

// WithAPIBaseURL replaces https://api.weixin.qq.com. It sets the option api_base_url.
func WithAPIBaseURL(url string) Option {
	return WithOption("api_base_url", url)
}

// WithWorkBaseURL replaces https://qyapi.weixin.qq.com. It sets the option work_base_url.
func WithWorkBaseURL(url string) Option {
	return WithOption("work_base_url", url)
}

// WithBackgroundRefresh refreshes tokens on a background thread before they expire, so that no caller waits. It sets the
// option background_refresh.
func WithBackgroundRefresh() Option {
	return WithOption("background_refresh", "1")
}
