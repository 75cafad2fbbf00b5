//! Reads a reply: a token, WeChat's errcode, or neither. Takes bytes from a stranger, so it trusts none of them.

use serde_json::{Map, Value};

use super::recipe::Recipe;

/// The longest token there is room for, in bytes; WeChat says to reserve 512.
pub const MAX_TOKEN: usize = 1023;
/// Thirty days: more than any platform grants, so more is a mistake.
const MAX_LIFETIME_S: i64 = 30 * 24 * 3600;

/// A token as the platform gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub token: String,
    pub expires_in_s: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Token(Grant),
    Refusal {
        errcode: i64,
        errmsg: String,
    },
    /// No token reply; why, without quoting it.
    Unusable(String),
}

pub fn parse(recipe: &Recipe, bytes: &[u8]) -> Reply {
    // Some gateways put a byte order mark first.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Reply::Unusable("it is empty".into());
    }
    let object = match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Reply::Unusable("it is JSON, but no object".into()),
        // serde_json's own words can quote the input.
        Err(e) if e.is_eof() => return Reply::Unusable("its JSON ends too early".into()),
        Err(_) => return Reply::Unusable("it is no JSON (a proxy or a portal in between?)".into()),
    };
    match object.get("errcode") {
        None | Some(Value::Null) => {}
        Some(code) => match whole_number(code) {
            Some(0) => {}
            Some(errcode) => {
                return Reply::Refusal {
                    errcode,
                    errmsg: text(&object, "errmsg"),
                };
            }
            None => return Reply::Unusable("its errcode is no number".into()),
        },
    }
    match grant(recipe, &object) {
        Ok(grant) => Reply::Token(grant),
        Err(why) => Reply::Unusable(why),
    }
}

fn grant(recipe: &Recipe, object: &Map<String, Value>) -> Result<Grant, String> {
    let field = recipe.token_field;
    let token = match object.get(field) {
        Some(Value::String(token)) => token,
        Some(_) => return Err(format!("its {field} is no string")),
        None => return Err(format!("it holds neither {field} nor an errcode")),
    };
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(format!(
            "its {field} has {} bytes, not 1 to {MAX_TOKEN}",
            token.len()
        ));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("its {field} holds characters that no token has"));
    }
    let expires_in_s = match object.get("expires_in").map(whole_number) {
        Some(Some(seconds)) => seconds,
        Some(None) => return Err("its expires_in is no whole number".into()),
        None => return Err("it has no expires_in".into()),
    };
    if !(1..=MAX_LIFETIME_S).contains(&expires_in_s) {
        return Err(format!(
            "its expires_in is {expires_in_s}, not 1 to {MAX_LIFETIME_S} seconds"
        ));
    }
    Ok(Grant {
        token: token.clone(),
        expires_in_s,
    })
}

/// A whole number, be it written 7200, 7200.0 or "7200".
fn whole_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Value::String(digits) => digits.trim().parse().ok(),
        _ => None,
    }
}

fn text(object: &Map<String, Value>, field: &str) -> String {
    match object.get(field) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Kind;
    use super::*;

    fn read(bytes: &[u8]) -> Reply {
        parse(Kind::Official.recipe(), bytes)
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
    fn what_is_no_token_reply_is_unusable_and_not_quoted() {
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
}
