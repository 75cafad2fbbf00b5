//! How each host words an errcode. Clients must not match on these texts; they are here to look real in a log.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

/// Which of the two hosts answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// api.weixin.qq.com
    Weixin,
    /// qyapi.weixin.qq.com
    Wecom,
}

/// The errmsg of that code as the host writes it, `text` in place of the usual wording when given.
pub fn errmsg(host: Host, code: i64, text: Option<&str>, peer: IpAddr) -> String {
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
    }
}

fn wording(host: Host, code: i64, peer: IpAddr) -> String {
    let text = match (code, host) {
        (-1, _) => "system error",
        (40001, Host::Weixin) => "invalid credential, access_token is invalid or not latest",
        (40001, Host::Wecom) => "invalid credential",
        (40002, _) => "invalid grant_type",
        (40013, Host::Weixin) => "invalid appid",
        (40013, Host::Wecom) => "invalid corpid",
        (40014, _) => "invalid access_token",
        (40125, _) => "invalid appsecret",
        (40164, _) => return format!("invalid ip {peer} ipv6 ::ffff:{peer}, not in whitelist"),
        (40243, _) => "AppSecret is frozen, please unfreeze it and try again",
        (41001, _) => "access_token missing",
        (41002, Host::Weixin) => "appid missing",
        (41002, Host::Wecom) => "corpid missing",
        (41004, Host::Weixin) => "appsecret missing",
        (41004, Host::Wecom) => "corpsecret missing",
        (42001, _) => "access_token expired",
        (43001, _) => "require GET method",
        (43002, _) => "require POST method",
        (45009, Host::Weixin) => "reach max api daily quota limit",
        (45009, Host::Wecom) => "api freq out of limit",
        (45011, _) => "api minute-quota reach limit, must slower, retry next minute",
        (47001, _) => "data format error",
        (60020, _) => "not allow to access from your ip",
        _ => "scripted error",
    };
    text.into()
}
