//! How each platform words a refusal. Clients must not match on the texts, which only look real in a log.

use std::{
    fmt,
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

/// The platform that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// api.weixin.qq.com
    Weixin,
    /// qyapi.weixin.qq.com
    Wecom,
    /// api.q.qq.com
    Qq,
    /// developer.toutiao.com
    Douyin,
    /// api.dingtalk.com
    Dingtalk,
    /// open.feishu.cn, open.larksuite.com
    Feishu,
    /// bots.qq.com
    Qqbot,
    /// open.douyin.com
    DouyinOpen,
    /// minigame.zijieapi.com
    DouyinGame,
    /// miniapp.xiaohongshu.com
    Xiaohongshu,
    /// openapi.baidu.com
    Baidu,
}

/// The code of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// An errcode.
    Number(i64),
    /// A word, as DingTalk and Baidu use.
    Name(&'static str),
}

use Code::{Name, Number};

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number(number) => number.fmt(f),
            Name(name) => f.write_str(name),
        }
    }
}

impl Host {
    /// The code for more fetches than a day or an hour allows. Douyin documents none at its token endpoint, so its code
    /// is a stand-in.
    pub fn over_quota(self) -> Code {
        match self {
            Host::Weixin | Host::Wecom | Host::Qq => Number(45009),
            Host::Douyin => Number(28003017),
            Host::Dingtalk => Name("Forbidden.AccessDenied.QpsLimitForApi"),
            Host::Feishu => Number(99991400),
            Host::DouyinOpen => Number(10_020),
            Host::DouyinGame => Number(28_005_139),
            // Stand-ins, since no code is documented.
            Host::Qqbot | Host::Xiaohongshu => Number(45009),
            Host::Baidu => Name("temporarily_unavailable"),
        }
    }

    /// The HTTP status of a refusal.
    pub fn status(self, code: Code) -> u16 {
        match (self, code) {
            (Host::Dingtalk, Name(name)) if name.starts_with("Forbidden.") => 403,
            (Host::Dingtalk, Name("InvalidAuthentication")) => 401,
            (Host::Dingtalk, _) => 400,
            (Host::Baidu, Name("invalid_client")) => 401,
            (Host::Baidu, _) => 400,
            // Refusals by Feishu's gateway, before an endpoint is asked.
            (Host::Feishu, Number(99990000..=99999999)) => 400,
            _ => 200,
        }
    }

    /// The body of a refusal, and its text.
    pub fn refusal(self, code: Code, text: Option<&str>, peer: IpAddr) -> (Value, String) {
        let text = errmsg(self, code, text, peer);
        let body = match (self, code) {
            (Host::Douyin, Number(number)) => json!({"err_no": number, "err_tips": text}),
            (Host::Dingtalk, code) => {
                let id = format!("{:032X}", fastrand::u128(..));
                json!({"code": code.to_string(), "message": text, "requestid": id})
            }
            (Host::Feishu, Number(number)) => json!({"code": number, "msg": text}),
            (Host::Xiaohongshu, Number(number)) => {
                json!({"code": number, "msg": text, "success": false})
            }
            (Host::Qqbot, Number(number)) => json!({"code": number, "message": text}),
            (Host::DouyinOpen, Number(number)) => {
                let data = json!({"error_code": number, "description": text});
                json!({"data": data, "message": "error"})
            }
            (Host::DouyinGame, Number(number)) => json!({"err_no": number, "err_msg": text}),
            (Host::Baidu, code) => json!({"error": code.to_string(), "error_description": text}),
            (_, Number(number)) => json!({"errcode": number, "errmsg": text}),
            (_, Name(name)) => json!({"errcode": name, "errmsg": text}),
        };
        (body, text)
    }
}

/// The text of that code as the platform writes it; `text` replaces the usual wording if given.
fn errmsg(host: Host, code: Code, text: Option<&str>, peer: IpAddr) -> String {
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let text = text.map_or_else(|| wording(host, code, peer), str::to_owned);
    match host {
        Host::Weixin => format!(
            "{text} rid: {:08x}-{:08x}-{:08x}",
            unix as u32,
            fastrand::u32(..),
            fastrand::u32(..)
        ),
        Host::Wecom => format!(
            "{text}, hint: [{unix}{:09}], from ip: {peer}, more info at \
             https://open.work.weixin.qq.com/devtool/query?e={code}",
            fastrand::u32(..1_000_000_000)
        ),
        _ => text,
    }
}

fn wording(host: Host, code: Code, peer: IpAddr) -> String {
    match code {
        Name(name) => named(name).into(),
        Number(40164) => format!("invalid ip {peer} ipv6 ::ffff:{peer}, not in whitelist"),
        Number(61004) => format!("access clientip is not registered, requestIP: {peer}"),
        Number(number) => match host {
            Host::Wecom => wecom(number).unwrap_or_else(|| weixin(number)),
            Host::Douyin | Host::DouyinOpen | Host::DouyinGame => {
                douyin(number).unwrap_or_else(|| weixin(number))
            }
            Host::Feishu => feishu(number).unwrap_or_else(|| weixin(number)),
            Host::Qqbot => qqbot(number).unwrap_or_else(|| weixin(number)),
            _ => weixin(number),
        }
        .into(),
    }
}

fn weixin(code: i64) -> &'static str {
    match code {
        -1 => "system error",
        40001 => {
            "invalid credential, access_token is invalid or not latest, could get access_token by \
             getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r"
        }
        40002 => "invalid grant_type",
        40013 => "invalid appid",
        40014 => "invalid access_token",
        40097 => "invalid args",
        40125 => "invalid appsecret",
        40243 => "AppSecret is frozen, please unfreeze it and try again",
        41001 => "access_token missing",
        41002 => "appid missing",
        41004 => "appsecret missing",
        41018 => "component_appid missing",
        42001 => "access_token expired",
        43001 => "require GET method",
        43002 => "require POST method",
        45009 => {
            "reach max api daily quota limit, could get access_token by getStableAccessToken, \
             more details at https://mmbizurl.cn/s/JtxxFh33r"
        }
        45011 => "api minute-quota reach limit, must slower, retry next minute",
        47001 => "data format error",
        48006 => "forbid to clear quota because of reaching the limit",
        50004 => "user not allow to use accesstoken, maybe for punishment",
        61003 => "component is not authorized by this account",
        61005 => "component ticket is expired",
        61006 => "component ticket is invalid",
        61011 => "invalid component",
        61023 => "refresh_token is invalid",
        76001 => "rid not found",
        76002 => "rid is error",
        76003 => "could not query this rid, no permission",
        76021 => "cgi_path not found, please check",
        76022 => "could not use this cgi_path, no permission",
        _ => "scripted error",
    }
}

fn wecom(code: i64) -> Option<&'static str> {
    Some(match code {
        40001 => "invalid credential",
        40005 => "invalid type",
        40013 => "invalid corpid",
        40080 => "invalid suite secret",
        40082 => "invalid suite token",
        40083 => "invalid suite id",
        40084 => "invalid permanent code",
        40085 => "invalid suite ticket",
        41002 => "corpid missing",
        41004 => "corpsecret missing",
        42009 => "suite token expired",
        45009 => "api freq out of limit",
        60020 => "not allow to access from your ip",
        _ => return None,
    })
}

fn douyin(code: i64) -> Option<&'static str> {
    Some(match code {
        40015 => "appid error",
        40017 => "secret error",
        40020 => "grant_type error",
        10003 => "client_key error",
        10013 => "client_key or client_secret error",
        10020 => "too many requests",
        28001003 => "access_token invalid",
        28001008 => "access_token expired",
        28001038 => "param error",
        28005139 => "too many requests",
        28003017 => "quota used up",
        _ => return None,
    })
}

fn feishu(code: i64) -> Option<&'static str> {
    Some(match code {
        10003 => "invalid param",
        10012 => "app ticket invalid",
        10014 => "app secret invalid",
        99991400 => "request trigger frequency limit",
        99991401 => "ip denied",
        99991661 => {
            "Missing access token for authorization. Please make a request with token attached."
        }
        99991663 => {
            "Invalid access token for authorization. Please make a request with token attached."
        }
        99991664 => {
            "Invalid access token for authorization. Please make a request with token attached."
        }
        _ => return None,
    })
}

fn qqbot(code: i64) -> Option<&'static str> {
    Some(match code {
        100007 => "appid invalid",
        100016 => "invalid appid or secret",
        _ => return None,
    })
}

fn named(code: &str) -> &'static str {
    match code {
        "invalidClientIdOrSecret" => "无效的clientId或者clientSecret",
        "InvalidAuthentication" => "不合法的access_token",
        "invalidSuiteTicket" => "不合法的suiteTicket",
        "invalid_client" => "unknown client id",
        "unsupported_grant_type" => "the authorization grant type is not supported",
        "invalid_scope" => "the requested scope is invalid",
        "temporarily_unavailable" => "too many requests",
        "Forbidden.AccessDenied.QpsLimitForApi" => "QPS limit for the api is reached",
        "Forbidden.AccessDenied.IpNotInWhiteList" => "the ip is not in the white list",
        _ => "scripted error",
    }
}
