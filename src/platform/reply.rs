//! Reads a reply: a token, WeChat's errcode, or neither. Takes bytes from a stranger, so it trusts none of them.

use serde_json::Value;
use zeroize::Zeroizing;

use super::recipe::Recipe;
use crate::names::MAX_SECRET;
use crate::secrets::Secret;

/// The longest token there is room for, in bytes; WeChat says to reserve 512.
pub const MAX_TOKEN: usize = 1023;
/// Thirty days: more than any platform grants, so more is a mistake.
const MAX_LIFETIME_S: i64 = 30 * 24 * 3600;

/// A token as the platform gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub token: String,
    pub expires_in_s: i64,
    /// What is to replace what was put, from a platform that gives it.
    pub renewed: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Token(Grant),
    /// `errcode` is 0 where the platform's codes are words: then the word stands in `errmsg`.
    Refusal {
        errcode: i64,
        errmsg: String,
    },
    /// Not a token reply; why, without quoting it.
    Unusable(String),
}

pub fn parse(recipe: &Recipe, bytes: &[u8]) -> Reply {
    let object = match object_in(bytes) {
        Ok(object) => object,
        Err(why) => return Reply::Unusable(why.into()),
    };
    let platform = recipe.platform;
    let errmsg = text(&object, platform.text);
    match object.pointer(platform.code) {
        None | Some(Value::Null) => {}
        Some(code) => match whole_number(code) {
            Some(0) => {}
            Some(errcode) => return Reply::Refusal { errcode, errmsg },
            None => match code {
                Value::String(word) if !word.is_empty() => {
                    return Reply::Refusal {
                        errcode: 0,
                        errmsg: format!("{word}: {errmsg}"),
                    };
                }
                _ => {
                    return Reply::Unusable(format!("its {} is not a number", name(platform.code)));
                }
            },
        },
    }
    match grant(recipe, &object) {
        Ok(grant) => Reply::Token(grant),
        Err(why) => Reply::Unusable(why),
    }
}

/// What a body holds, if that is a JSON object; else what is wrong with it.
pub fn object_in(bytes: &[u8]) -> Result<Value, &'static str> {
    // Some gateways put a byte order mark first.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty");
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(_) => Err("it is JSON, but not an object"),
        // serde_json's own words can quote the input.
        Err(e) if e.is_eof() => Err("its JSON ends too early"),
        Err(_) => Err("it is not JSON (a proxy or a portal in between?)"),
    }
}

fn grant(recipe: &Recipe, object: &Value) -> Result<Grant, String> {
    let field = name(recipe.token);
    let token = match object.pointer(recipe.token) {
        Some(Value::String(token)) => token,
        Some(_) => return Err(format!("its {field} is not a string")),
        None => {
            return Err(format!(
                "it holds neither {field} nor an {}",
                name(recipe.platform.code)
            ));
        }
    };
    check(token, field, MAX_TOKEN)?;
    let life = name(recipe.expires_in);
    let expires_in_s = match object.pointer(recipe.expires_in).map(whole_number) {
        Some(Some(seconds)) => seconds,
        Some(None) => return Err(format!("its {life} is not a whole number")),
        None => return Err(format!("it has no {life}")),
    };
    if !(1..=MAX_LIFETIME_S).contains(&expires_in_s) {
        return Err(format!(
            "its {life} is {expires_in_s}, not 1 to {MAX_LIFETIME_S} seconds"
        ));
    }
    Ok(Grant {
        token: token.clone(),
        expires_in_s,
        renewed: renewed(recipe, object),
    })
}

/// What replaces what was put. One that is missing or odd leaves the old one in place: the token is good all the same.
fn renewed(recipe: &Recipe, object: &Value) -> Option<Secret> {
    match object.pointer(recipe.renewed?) {
        Some(Value::String(text)) if check(text, "", MAX_SECRET).is_ok() => {
            Some(Zeroizing::new(text.clone()))
        }
        _ => None,
    }
}

fn check(text: &str, field: &str, most: usize) -> Result<(), String> {
    if text.is_empty() || text.len() > most {
        return Err(format!(
            "its {field} has {} bytes, not 1 to {most}",
            text.len()
        ));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("its {field} holds characters that no token has"));
    }
    Ok(())
}

/// The last part of a pointer, for a message.
fn name(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap_or(pointer)
}

/// A whole number, be it written 7200, 7200.0 or "7200".
pub fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

fn text(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Kind;

    fn read(bytes: &[u8]) -> Reply {
        parse(Kind::named("official").unwrap().token(), bytes)
    }

    fn granted(text: &str) -> Option<(String, i64)> {
        match read(text.as_bytes()) {
            Reply::Token(grant) => Some((grant.token, grant.expires_in_s)),
            _ => None,
        }
    }

    #[test]
    fn a_token_is_read_in_every_form_that_was_seen() {
        for text in [
            r#"{"access_token":"T_-1","expires_in":7200}"#,
            "\u{feff}{\"access_token\":\"T_-1\",\"expires_in\":7200}",
            r#"{"errcode":0,"errmsg":"ok","access_token":"T_-1","expires_in":"7200"}"#,
            r#"{"errcode":"0","access_token":"T_-1","expires_in":7200.0,"more":[1]}"#,
        ] {
            assert_eq!(granted(text), Some(("T_-1".into(), 7200)), "{text}");
        }
    }

    #[test]
    fn an_errcode_wins_over_a_token() {
        let reply =
            read(br#"{"errcode":40013,"errmsg":"bad","access_token":"T","expires_in":7200}"#);
        assert_eq!(
            reply,
            Reply::Refusal {
                errcode: 40013,
                errmsg: "bad".into()
            }
        );
    }

    #[test]
    fn each_platform_is_read_by_its_own_fields() {
        let read =
            |kind: &str, text: &str| parse(Kind::named(kind).unwrap().token(), text.as_bytes());
        let token = |kind: &str, text: &str| match read(kind, text) {
            Reply::Token(grant) => (grant.token, grant.expires_in_s),
            other => panic!("{kind}: {other:?}"),
        };
        let refusal = |kind: &str, text: &str| match read(kind, text) {
            Reply::Refusal { errcode, errmsg } => (errcode, errmsg),
            other => panic!("{kind}: {other:?}"),
        };
        let douyin =
            r#"{"err_no":0,"err_tips":"success","data":{"access_token":"D","expires_in":7200}}"#;
        assert_eq!(token("douyin", douyin), ("D".into(), 7200));
        let douyin =
            r#"{"err_no":40017,"err_tips":"bad secret","data":{"access_token":"","expires_in":0}}"#;
        assert_eq!(refusal("douyin", douyin), (40017, "bad secret".into()));
        let dingtalk = r#"{"accessToken":"D","expireIn":7200}"#;
        assert_eq!(token("dingtalk", dingtalk), ("D".into(), 7200));
        let dingtalk = r#"{"code":"invalidClientIdOrSecret","message":"no","requestid":"R"}"#;
        assert_eq!(
            refusal("dingtalk", dingtalk),
            (0, "invalidClientIdOrSecret: no".into())
        );
        let feishu = r#"{"code":0,"msg":"ok","tenant_access_token":"t-1","expire":7140}"#;
        assert_eq!(token("feishu", feishu), ("t-1".into(), 7140));
    }

    #[test]
    fn a_refresh_token_that_is_odd_or_missing_does_not_spoil_the_token() {
        let renewed = |refresh: &str| {
            let text = format!(r#"{{"authorizer_access_token":"T","expires_in":7200{refresh}}}"#);
            match parse(Kind::named("authorizer").unwrap().token(), text.as_bytes()) {
                Reply::Token(grant) => grant.renewed.map(|secret| secret.to_string()),
                other => panic!("{other:?}"),
            }
        };
        let given = r#","authorizer_refresh_token":"refreshtoken@@@R""#;
        assert_eq!(renewed(given).as_deref(), Some("refreshtoken@@@R"));
        for odd in [
            "",
            r#","authorizer_refresh_token":"""#,
            r#","authorizer_refresh_token":7"#,
        ] {
            assert_eq!(renewed(odd), None);
        }
    }

    #[test]
    fn what_is_not_a_token_reply_is_unusable_and_not_quoted() {
        let long = format!(
            r#"{{"access_token":"{}","expires_in":7200}}"#,
            "T".repeat(1024)
        );
        for text in [
            "",
            " ",
            "<html>hush</html>",
            "[]",
            "null",
            "{}",
            r#"{"access_token":"hush","expires_in":72"#,
            r#"{"access_token":"hush"}"#,
            r#"{"access_token":"hush","expires_in":0}"#,
            r#"{"access_token":"hush","expires_in":-1}"#,
            r#"{"access_token":"hush","expires_in":1e18}"#,
            r#"{"access_token":"hush","expires_in":1.5}"#,
            r#"{"access_token":"hush","expires_in":true}"#,
            r#"{"access_token":"","expires_in":7200}"#,
            r#"{"access_token":7,"expires_in":7200}"#,
            r#"{"access_token":"hu\u0000sh","expires_in":7200}"#,
            r#"{"access_token":"hu sh","expires_in":7200}"#,
            r#"{"errcode":{},"access_token":"hush","expires_in":7200}"#,
            r#"{"errcode":"","access_token":"hush","expires_in":7200}"#,
            &long,
        ] {
            match read(text.as_bytes()) {
                Reply::Unusable(why) => assert!(!why.contains("hush"), "{why}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let longest = format!(
            r#"{{"access_token":"{}","expires_in":7200}}"#,
            "T".repeat(1023)
        );
        assert!(granted(&longest).is_some());
    }

    #[test]
    fn what_is_unusable_is_told_apart() {
        for (text, part) in [
            ("{\"access_token\":\"A", "too early"),
            ("<html>", "not JSON"),
            ("{\"access_token\":7}", "access_token"),
        ] {
            match read(text.as_bytes()) {
                Reply::Unusable(why) => assert!(why.contains(part), "{why}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_lifetime_is_thirty_days_at_most() {
        let lasting = |seconds: i64| {
            let text = format!(r#"{{"access_token":"T","expires_in":{seconds}}}"#);
            granted(&text).map(|(_, lifetime)| lifetime)
        };
        assert_eq!(lasting(2_592_000), Some(2_592_000));
        assert_eq!(lasting(2_592_001), None);
    }
}
