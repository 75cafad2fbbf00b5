//! Replies in WeChat's form: HTTP 200, the order of the fields, and the messages of a refusal.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, header};
use wxtoken::tool::{Error, LivingToken, Status, WechatCall, WechatHost};

use super::super::admission::Refusal;
use super::super::origin::Peer;

/// The reason why a reply has no token.
#[derive(Debug)]
pub enum Trouble {
    /// A fault of the call, with this errcode.
    Code(i64),
    /// A fault of the call, with this errcode and a message of our own.
    Words(i64, &'static str),
    /// A refusal of the caller, with this errcode.
    Refused(i64, Refusal),
    /// Any other refusal or failure.
    Other(Refusal),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::Other(refusal)
    }
}

impl Trouble {
    /// The refusal, for the audit.
    pub fn refusal(self) -> Refusal {
        match self {
            Trouble::Code(code) | Trouble::Words(code, _) => {
                let mut error = Error::new(Status::Argument, "the call is not right");
                error.errcode = i32::try_from(code).unwrap_or(0);
                Refusal::Failed(error)
            }
            Trouble::Refused(_, refusal) | Trouble::Other(refusal) => refusal,
        }
    }
}

/// A reply with a token or ticket.
pub fn success(
    call: &WechatCall,
    token: &LivingToken,
    min_life_s: i64,
    renewed: Option<&str>,
) -> Response<Body> {
    let mut body = String::from("{");
    if call.says_ok {
        body.push_str("\"errcode\":0,\"errmsg\":\"ok\",");
    }
    let expires_in = expires_in(token.left_ms, min_life_s);
    let value = quoted(&token.value);
    body.push_str(&format!(
        "\"{}\":{value},\"expires_in\":{expires_in}",
        call.token_field
    ));
    if let (Some(field), Some(renewed)) = (call.renewed_field, renewed) {
        body.push_str(&format!(",\"{field}\":{}", quoted(renewed)));
    }
    body.push('}');
    let content = match call.path {
        "/cgi-bin/stable_token" => "application/json; encoding=utf-8",
        _ => "application/json; charset=UTF-8",
    };
    written(body, content)
}

/// The life that a reply states. In the last seconds of its least life, the platform would return the same token.
/// Some SDKs subtract all of that life, and a store such as Redis does not keep a value that expires at once. So one
/// second is left to them.
fn expires_in(left_ms: i64, min_life_s: i64) -> i64 {
    let left = left_ms / 1000;
    match min_life_s - left {
        0..=5 => min_life_s + 1,
        _ => left,
    }
}

/// A reply with a refusal or a failure.
pub fn refuse(host: WechatHost, trouble: &Trouble, peer: Peer) -> Response<Body> {
    let (code, text) = match trouble {
        Trouble::Code(code) | Trouble::Refused(code, Refusal::Unknown) => {
            (*code, wording(host, *code).to_owned())
        }
        Trouble::Words(code, words) => (*code, (*words).to_owned()),
        Trouble::Refused(_, refusal) | Trouble::Other(refusal) => of_refusal(host, refusal),
    };
    let unix = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let errmsg = match host {
        WechatHost::Weixin => format!("{text} rid: {unix:08x}-00000000-00000000"),
        WechatHost::Wecom => format!(
            "{text}, hint: [{unix}], from ip: {peer}, more info at \
             https://open.work.weixin.qq.com/devtool/query?e={code}"
        ),
    };
    let body = format!("{{\"errcode\":{code},\"errmsg\":{}}}", quoted(&errmsg));
    let mut response = written(body, "application/json; charset=UTF-8");
    if host == WechatHost::Wecom {
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("error-code"), code.into());
        if let Ok(errmsg) = HeaderValue::from_str(&errmsg) {
            headers.insert(HeaderName::from_static("error-msg"), errmsg);
        }
    }
    response
}

fn of_refusal(host: WechatHost, refusal: &Refusal) -> (i64, String) {
    let too_often = match host {
        WechatHost::Weixin => 45011,
        WechatHost::Wecom => 45009,
    };
    match refusal {
        Refusal::TooManyCalls(_) | Refusal::TooManyWrongKeys => {
            (too_often, wording(host, too_often).into())
        }
        Refusal::NotAllowed(verb) => (
            48001,
            format!("api unauthorized: this client may not {}", verb.name()),
        ),
        Refusal::NotSeen => (40013, wording(host, 40013).into()),
        Refusal::Unknown | Refusal::FromElsewhere => (40125, wording(host, 40125).into()),
        Refusal::Forwarded => (
            -1,
            "system error: a proxy speaks for another here, and is not trusted".into(),
        ),
        // A standing failure has the platform's errcode and message.
        Refusal::Failed(error) if error.status == Status::Api && error.errcode != 0 => {
            let words = error.detail.as_ref().unwrap_or(&error.what);
            (error.errcode.into(), words.clone())
        }
        Refusal::Failed(error) => (-1, format!("system error: {}", error.status.meaning())),
    }
}

fn written(body: String, content: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
    response
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn wording(host: WechatHost, code: i64) -> &'static str {
    match (host, code) {
        (WechatHost::Wecom, 40001) => "invalid credential",
        (WechatHost::Wecom, 40013) => "invalid corpid",
        (WechatHost::Wecom, 45009) => "api freq out of limit",
        (_, 40001) => "invalid credential, access_token is invalid or not latest",
        (_, 40002) => "invalid grant_type",
        (_, 40005) => "invalid type",
        (_, 40013) => "invalid appid",
        (_, 40014) => "invalid access_token",
        (_, 40080) => "invalid suite secret",
        (_, 40082) => "invalid suite token",
        (_, 40083) => "invalid suite id",
        (_, 40084) => "invalid permanent code",
        (_, 40097) => "invalid args",
        (_, 40125) => "invalid appsecret",
        (_, 41001) => "access_token missing",
        (_, 41002) => "appid missing",
        (_, 41004) => "appsecret missing",
        (_, 41018) => "component_appid missing",
        (_, 43001) => "require GET method",
        (_, 43002) => "require POST method",
        (_, 45011) => "api minute-quota reach limit, must slower, retry next minute",
        (_, 47001) => "data format error",
        (_, 61003) => "component is not authorized by this account",
        (_, 61011) => "invalid component",
        _ => "system error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_more_than_the_least_life_or_what_the_platform_gives() {
        for (left_ms, told) in [
            (7_200_000, 7200),
            (302_000, 302),
            (300_999, 301),
            (295_000, 301),
            (294_000, 294),
            (1_000, 1),
        ] {
            assert_eq!(expires_in(left_ms, 300), told, "{left_ms}");
        }
        assert_eq!(expires_in(1_500_000, 1500), 1501);
    }
}
