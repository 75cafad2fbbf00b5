//! A request or a reply that a platform noted, without its secrets. It masks the values of parameters that have a
//! secret's name, in a query, in JSON, in XML, or in one of these inside another.

use super::echo;

/// The text in place of a value.
const MASK: &str = "***";
/// The text in place of one that still repeats a part of a secret.
const LEFT_OUT: &str = "(left out: it repeats a part of a secret)";

/// The endings of secrets' names.
const ENDINGS: &[&str] = &[
    "token",
    "secret",
    "ticket",
    "session_key",
    "aeskey",
    "permanent_code",
    "password",
];
/// Names of values that are good for one call or one login.
const CODES: &[&str] = &[
    "code",
    "js_code",
    "auth_code",
    "authorization_code",
    "pre_auth_code",
];

/// Quotes that may stand between a name and its value, besides the sign that separates them.
const QUOTES: &[&str] = &["\"", "'", "%22", "%27", "\\u0022", "&quot;", "<![CDATA["];
const BLANKS: &[&str] = &["\\", "%5C", "%5c", " ", "\t", "\r", "\n", "%20"];
const SIGNS: &[&str] = &["=", ":", ">", "%3D", "%3d", "%3A", "%3a", "\\u003d"];
/// The texts that end a quoted value.
const QUOTED_ENDS: &[&str] = &[
    "\"", "'", "%22", "%27", "\\", "%5C", "%5c", "&quot;", "]]>", "<",
];
/// The texts that end a value without quotes.
const ENDS: &[&str] = &[
    "\"", "'", "%22", "%27", "\\", "%5C", "%5c", "&", "%26", ",", "%2C", "%2c", ";", "<", ">", "{",
    "}", "%7D", "%7d", "[", "]", " ", "\t", "\r", "\n",
];

/// Masks the value of each name that a secret has, and each `known` secret wherever it stands.
pub fn masked(text: &str, known: &[&str]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((begin, end)) = next_secret(rest) {
        shown.push_str(&rest[..begin]);
        shown.push_str(MASK);
        rest = &rest[end..];
    }
    shown.push_str(rest);
    for secret in known.iter().filter(|secret| !secret.is_empty()) {
        shown = shown.replace(secret, MASK);
    }
    match echo::repeats(&shown, known.iter().copied()) {
        true => LEFT_OUT.into(),
        false => shown,
    }
}

/// The beginning and end of the next value that has a secret's name.
fn next_secret(text: &str) -> Option<(usize, usize)> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut at = 0;
    while let Some(found) = text[at..].find(is_of_name) {
        let begin = at + found;
        let length = text[begin..].find(|c| !is_of_name(c));
        at = length.map_or(text.len(), |length| begin + length);
        let is_escape = text[..begin].ends_with('%') && at - begin > 2;
        let name = &text[begin + if is_escape { 2 } else { 0 }..at];
        if is_secret(name)
            && let Some(value) = value_behind(text, at)
        {
            return Some(value);
        }
    }
    None
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending)) || CODES.contains(&&*name)
}

/// The value of the name that ends at this place, if it has one.
fn value_behind(text: &str, name_end: usize) -> Option<(usize, usize)> {
    let mut at = name_end;
    let mut is_parted = false;
    let mut quote = None;
    while quote.is_none() {
        let rest = &text[at..];
        let begins = |all: &[&'static str]| all.iter().copied().find(|one| rest.starts_with(one));
        if let Some(found) = begins(QUOTES) {
            quote = is_parted.then_some(found);
            at += found.len();
        } else if let Some(found) = begins(SIGNS).filter(|_| !is_parted) {
            is_parted = true;
            at += found.len();
        } else if let Some(found) = begins(BLANKS) {
            at += found.len();
        } else {
            break;
        }
    }
    let rest = &text[at..];
    let length = match quote {
        // JSON that is not nested in another text may hold an escaped quote.
        Some("\"") if !text[..at].ends_with("\\\"") => closing_quote(rest),
        Some(_) => first_of(rest, QUOTED_ENDS),
        None => first_of(rest, ENDS),
    };
    let end = at + length.unwrap_or(rest.len());
    (is_parted && end > at).then_some((at, end))
}

fn first_of(text: &str, ends: &[&str]) -> Option<usize> {
    ends.iter().filter_map(|end| text.find(end)).min()
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "50_Im7aBcDeFgHiJkLmNoPqRsTuVwXyZ";

    #[test]
    fn a_secrets_value_is_masked_by_its_name_in_every_form() {
        for (text, shown) in [
            ("access_token=T0k&type=jsapi", "access_token=***&type=jsapi"),
            ("appid=wx1&secret=s3c", "appid=wx1&secret=***"),
            ("APPSECRET=s3c", "APPSECRET=***"),
            ("component_access_token=T0k", "component_access_token=***"),
            (
                r#"{"appid":"wx1","secret" : "s3c","force_refresh":false}"#,
                r#"{"appid":"wx1","secret" : "***","force_refresh":false}"#,
            ),
            (
                r#"{"access_token":"T0k","expires_in":7200}"#,
                r#"{"access_token":"***","expires_in":7200}"#,
            ),
            (
                r#"{"password":"a\"b, c","b":1}"#,
                r#"{"password":"***","b":1}"#,
            ),
            // The text is cut off within the value.
            (r#"{"corpsecret":"s3"#, r#"{"corpsecret":"***"#),
            // JSON in a string of JSON.
            (
                r#"{\"access_token\":\"T0k\",\"a\":1}"#,
                r#"{\"access_token\":\"***\",\"a\":1}"#,
            ),
            (
                "u=%3Faccess_token%3DT0k%26a%3D1",
                "u=%3Faccess_token%3D***%26a%3D1",
            ),
            ("%22secret%22%3A%22s3c%22", "%22secret%22%3A%22***%22"),
            ("a%26code%3D0a1b", "a%26code%3D***"),
            ("js_code=0a1b&grant_type=x", "js_code=***&grant_type=x"),
            (
                "<xml><Ticket><![CDATA[t1 ck]]></Ticket></xml>",
                "<xml><Ticket><![CDATA[***]]></Ticket></xml>",
            ),
            ("<AppSecret>s3c</AppSecret>", "<AppSecret>***</AppSecret>"),
            (
                r#"{"component_verify_ticket":"ticket@@@x","refresh_token":"refreshtoken@@@y"}"#,
                r#"{"component_verify_ticket":"***","refresh_token":"***"}"#,
            ),
        ] {
            assert_eq!(masked(text, &[]), shown);
        }
    }

    #[test]
    fn text_without_a_secret_stays() {
        for text in [
            "",
            "appid=wx1&type=jsapi",
            r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid rid: 1-2-3"}"#,
            r#"{"expires_in":7200,"openid":"o1","secret":""}"#,
            "access_token",
            "access_token=&a=1",
            "错误：token 无效",
        ] {
            assert_eq!(masked(text, &[TOKEN]), text);
        }
    }

    #[test]
    fn a_known_secret_is_masked_wherever_it_stands() {
        let text = format!("x={TOKEN}&y=1");
        assert_eq!(masked(&text, &["", TOKEN]), "x=***&y=1");
        // A part of a secret, or a secret in another encoding.
        for text in [
            format!("x={}", &TOKEN[..12]),
            format!("x={}", TOKEN.to_ascii_lowercase()),
            TOKEN.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        ] {
            assert_eq!(masked(&text, &[TOKEN]), LEFT_OUT, "{text}");
        }
    }
}
