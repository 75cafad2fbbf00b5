//! Parses a reply: a token, the platform's errcode, or neither. The bytes come from a stranger, so none of them is
//! trusted.

use serde_json::Value;
use zeroize::Zeroizing;

use super::recipe::Recipe;
use crate::names::MAX_SECRET;
use crate::secrets::Secret;

/// The longest token in bytes. WeChat recommends reserving 512.
pub const MAX_TOKEN: usize = 1023;
/// The longest life of a token, thirty days. No platform grants more, so more is a mistake.
const MAX_LIFETIME_S: i64 = 30 * 24 * 3600;

/// A token as the platform granted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub token: String,
    pub expires_in_s: i64,
    /// The secret that replaces the pushed one, if the platform sent it.
    pub renewed: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Token(Grant),
    /// The platform refused. If its codes are words, `errcode` is 0, and `errmsg` begins with the word.
    Refusal {
        errcode: i64,
        errmsg: String,
    },
    /// The reply is not a token reply, for this reason, which does not quote it.
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

/// Parses a body that is a JSON object. The error says what is wrong with it.
pub fn object_in(bytes: &[u8]) -> Result<Value, &'static str> {
    // Some gateways put a byte order mark first.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err("it is empty");
    }
    match read_json(bytes) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(_) => Err("it is JSON, but not an object"),
        // serde_json's own message can quote the input.
        Err(e) if e.is_eof() => Err("its JSON ends too early"),
        Err(_) => Err("it is not JSON (a proxy or a portal in between?)"),
    }
}

/// Parses JSON even if a text in it is invalid, since an errcode counts whatever its message is made of. The
/// replacement of an invalid character never occurs in a token.
fn read_json(bytes: &[u8]) -> serde_json::Result<Value> {
    let sound = serde_json::from_slice(bytes);
    if sound.is_ok() {
        return sound;
    }
    let utf8 = serde_json::from_str(&with_sound_strings(&String::from_utf8_lossy(bytes)));
    match utf8 {
        Err(_) if std::str::from_utf8(bytes).is_err() => {
            let gbk = serde_json::from_str(&with_sound_strings(&without_gbk(bytes)));
            // If the JSON is cut short, it is so in either encoding.
            gbk.or(utf8)
        }
        utf8 => utf8,
    }
}

/// Decodes GBK with each Chinese character replaced. The second byte of one may look like a backslash.
fn without_gbk(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(&byte) = rest.next() {
        if byte < 0x80 {
            text.push(char::from(byte));
            continue;
        }
        text.push(char::REPLACEMENT_CHARACTER);
        rest.next_if(|second| (0x40..=0xfe).contains(*second) && **second != 0x7f);
    }
    text
}

/// Replaces each invalid escape in JSON by a mark, and each control character by a blank. Half of a surrogate pair is
/// such an escape.
fn with_sound_strings(json: &str) -> String {
    let mut sound = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(c) = rest.chars().next() {
        let unit = |at: usize| match rest.get(at..at + 2) {
            Some("\\u") => u32::from_str_radix(rest.get(at + 2..at + 6)?, 16).ok(),
            _ => None,
        };
        let length = match (c, rest.as_bytes().get(1)) {
            ('\\', Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')) => 2,
            ('\\', _) => match (unit(0), unit(6)) {
                (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
                (Some(0xd800..0xe000), _) => {
                    sound.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[6..];
                    continue;
                }
                (Some(_), _) => 6,
                (None, _) => {
                    sound.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[1..];
                    continue;
                }
            },
            (c, _) if c.is_control() => {
                sound.push(' ');
                rest = &rest[c.len_utf8()..];
                continue;
            }
            (c, _) => c.len_utf8(),
        };
        sound.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    sound
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

/// The secret that replaces the pushed one. If it is missing or malformed, the old one stays, and the token is still
/// good.
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

/// Parses a whole number, written as 7200, 7200.0 or "7200".
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
    fn a_reply_in_utf8_is_not_read_as_gbk() {
        // In GBK, the last byte of 你 and the backslash would be one character.
        let cut = "{\"errcode\":40001,\"errmsg\":\"你\\\"}";
        assert_eq!(object_in(cut.as_bytes()), Err("its JSON ends too early"));
    }

    #[test]
    fn gbk_text_keeps_its_ascii_characters() {
        for (bytes, text) in [
            (b"a\xd5\x5c\"".as_slice(), "a\u{FFFD}\""),
            (b"\xd5\"", "\u{FFFD}\""),
            (b"\xd5\x7f", "\u{FFFD}\u{7f}"),
            (b"\x80\\", "\u{FFFD}"),
            (b"\x7f", "\u{7f}"),
        ] {
            assert_eq!(without_gbk(bytes), text, "{bytes:?}");
        }
    }

    #[test]
    fn a_token_is_read_in_every_known_form() {
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
    fn an_errcode_counts_whatever_bytes_its_message_has() {
        // “无效的 appid” in GBK. The second byte of 誠 (0xd55c) is a backslash, here right before the quote.
        let gbk = b"\xce\xde\xd0\xa7\xb5\xc4 appid \xd5\x5c";
        for errmsg in [
            &b"A\xff"[..],
            b"\xe4\xb8",
            b"\xe4",
            b"\xf0\x9f\x98",
            b"\xc3(",
            gbk,
            b"\\ud800",
            b"\\udfff x",
            b"\\ud800\\ud800",
            b"\\ud83d\\u0041",
            b"\\ud8",
            b"\\x41 \\'",
            b"a\nb\tc\0d",
            b"\xff\\\"quoted\\\"",
        ] {
            for bom in [&b""[..], b"\xef\xbb\xbf"] {
                let mut reply = bom.to_vec();
                reply.extend_from_slice(br#"{"errcode":40013,"errmsg":""#);
                reply.extend_from_slice(errmsg);
                reply.extend_from_slice(br#"","access_token":"T","expires_in":7200}"#);
                let said = read(&reply);
                assert!(
                    matches!(said, Reply::Refusal { errcode: 40013, .. }),
                    "{errmsg:?}: {said:?}"
                );
            }
        }
        // A token is accepted next to invalid texts, and refused if it is invalid itself.
        let granted = |token: &[u8]| {
            let mut reply =
                br#"{"errmsg":"\xff\ud800","expires_in":7200,"access_token":""#.to_vec();
            reply.extend_from_slice(b"\",\"note\":\"\xff\",\"access_token\":\"");
            reply.extend_from_slice(token);
            reply.extend_from_slice(b"\"}");
            matches!(read(&reply), Reply::Token(_))
        };
        assert!(granted(b"T_-1"));
        for token in [&b"T\xff"[..], b"T\\ud800", b"T\n", b"\xce\xde", b"T\\x"] {
            assert!(!granted(token), "{token:?}");
        }
    }

    #[test]
    fn a_surrogate_pair_is_one_character() {
        let reply = read(br#"{"errcode":1,"errmsg":"\ud83d\ude00 \ud800 \u00e9 \\u0041"}"#);
        let errmsg = "\u{1f600} \u{fffd} \u{e9} \\u0041".into();
        assert_eq!(reply, Reply::Refusal { errcode: 1, errmsg });
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
    fn a_malformed_or_missing_refresh_token_does_not_spoil_the_token() {
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
    fn an_invalid_token_reply_is_unusable_and_not_quoted() {
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
    fn unusable_replies_have_distinct_reasons() {
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
