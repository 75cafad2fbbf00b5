//! Asks a platform whether it accepts a token that callers have rejected.

use super::http::{self, Request, SendError};
use super::recipe::TokenCheck;
use super::reply::{object_in, whole_number};
use crate::clock::Deadline;
use crate::options::Options;
use crate::secrets::Secret;

/// A platform's answer about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The platform accepts the token.
    Accepted,
    /// The platform refuses the token by this errcode.
    Refused(i64),
    /// The answer says nothing about the token, for this reason.
    Unknown(String),
}

/// Asks the host of `base` about a token.
pub fn check(
    check: &TokenCheck,
    base: &str,
    token: &Secret,
    options: &Options,
    deadline: &Deadline,
) -> Verdict {
    let request = Request {
        path: check.path,
        query: vec![("access_token", token.clone())],
        headers: Vec::new(),
        posts: false,
        body: None,
    };
    match http::send(base, &request, options, deadline) {
        Ok(response) => judge(check, response.status, &response.body),
        Err(SendError::Options(error)) => Verdict::Unknown(error.to_string()),
        Err(SendError::Transport(none)) => Verdict::Unknown(none.why),
    }
}

fn judge(check: &TokenCheck, status: u16, body: &[u8]) -> Verdict {
    if status != 200 {
        return Verdict::Unknown(format!("it answered HTTP {status}"));
    }
    let object = match object_in(body) {
        Ok(object) => object,
        Err(why) => return Verdict::Unknown(format!("its answer is not a reply: {why}")),
    };
    match object.pointer("/errcode").map(whole_number) {
        None | Some(Some(0)) => match object.pointer(check.proof) {
            Some(proof) if proof.is_array() => Verdict::Accepted,
            _ => Verdict::Unknown("its answer lacks the field that was asked for".into()),
        },
        Some(Some(code)) if check.refused.contains(&code) => Verdict::Refused(code),
        Some(Some(code)) => Verdict::Unknown(format!("it answered errcode {code}")),
        Some(None) => Verdict::Unknown("its errcode is not a number".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Kind;

    fn verdict(status: u16, body: &str) -> Verdict {
        let recipe = Kind::named("official").unwrap().recipe("access_token");
        judge(recipe.unwrap().check.unwrap(), status, body.as_bytes())
    }

    #[test]
    fn a_platform_accepts_or_refuses_a_token_or_says_nothing_about_it() {
        for taken in [
            r#"{"ip_list":["203.0.113.0/24"]}"#,
            r#"{"errcode":0,"errmsg":"ok","ip_list":[]}"#,
            "\u{feff}{\"ip_list\":[]}",
        ] {
            assert_eq!(verdict(200, taken), Verdict::Accepted, "{taken}");
        }
        for code in [40001, 40014, 42001] {
            let refused = format!(r#"{{"errcode":{code},"errmsg":"x"}}"#);
            assert_eq!(verdict(200, &refused), Verdict::Refused(code));
            let unknown = verdict(502, &refused);
            assert!(matches!(unknown, Verdict::Unknown(_)), "{unknown:?}");
        }
        for unknown in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"errcode":0}"#,
            r#"{"ip_list":"203.0.113.7"}"#,
            r#"{"errcode":45009,"errmsg":"quota"}"#,
            r#"{"errcode":48001,"ip_list":[]}"#,
            r#"{"errcode":"40001 or so","ip_list":[]}"#,
            r#"{"errcode":null,"ip_list":[]}"#,
            r#"{"errcode":-1,"errmsg":"system error"}"#,
        ] {
            let said = verdict(200, unknown);
            assert!(matches!(said, Verdict::Unknown(_)), "{unknown}: {said:?}");
        }
    }
}
