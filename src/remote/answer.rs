//! Parsing the answers of a wxtoken server.

use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::clock::boot_ms;
use crate::error::{Error, Hint, Status};
use crate::platform::MAX_TOKEN;

/// A token from a server.
pub struct RemoteToken {
    pub value: Zeroizing<String>,
    /// The expiry in Unix seconds, or 0 if none is known.
    pub expires_at_s: i64,
    /// The milliseconds that are left at least, by this host's own clock. The time that the answer took is deducted.
    pub left_ms: i64,
}

impl RemoteToken {
    /// Returns whether the token ended while its answer was on the way. The server rounds the time that is left down to
    /// a whole second.
    pub fn has_ended(&self) -> bool {
        self.expires_at_s != 0 && self.left_ms <= -1000
    }
}

#[derive(Deserialize)]
struct TokenReply {
    token: String,
    #[serde(default)]
    expires_at: i64,
    #[serde(default)]
    expires_in: i64,
}

/// Parses the token in the answer to a request of this moment. Returns None if it holds no token that can be returned.
pub fn token_of(body: &[u8], asked_at_boot_ms: i64) -> Option<RemoteToken> {
    let reply: TokenReply = serde_json::from_slice(body).ok()?;
    let value = Zeroizing::new(reply.token);
    let is_sound = !value.is_empty()
        && value.len() <= MAX_TOKEN
        && value.bytes().all(|byte| byte.is_ascii_graphic());
    let way_ms = (boot_ms() - asked_at_boot_ms).max(0);
    let given_ms = reply.expires_in.max(0).saturating_mul(1000);
    let left_ms = given_ms.saturating_sub(way_ms);
    is_sound.then_some(RemoteToken {
        value,
        expires_at_s: reply.expires_at,
        left_ms,
    })
}

/// An account from a server, as a client that may use it sees it.
#[derive(Deserialize)]
pub struct RemoteAccount {
    #[serde(default)]
    pub name: String,
    pub kind: String,
    pub id: String,
    #[serde(default)]
    pub current: bool,
}

#[derive(Deserialize)]
struct AccountsReply {
    accounts: Vec<RemoteAccount>,
}

/// Parses the accounts in an answer. Returns None if the answer is not from a wxtoken server.
pub fn accounts_of(body: &[u8]) -> Option<Vec<RemoteAccount>> {
    let reply: AccountsReply = serde_json::from_slice(body).ok()?;
    Some(reply.accounts)
}

#[derive(Deserialize)]
struct ErrorReply {
    error: ErrorParts,
}

#[derive(Deserialize)]
struct ErrorParts {
    status: String,
    #[serde(default)]
    errcode: i32,
    message: String,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    retry_after_ms: i64,
}

/// Parses the failure in an answer. Returns None if the answer is not from a wxtoken server.
pub fn error_of(body: &[u8]) -> Option<Error> {
    let ErrorReply { error } = serde_json::from_slice(body).ok()?;
    let known = Status::ALL.into_iter();
    let status = known
        .into_iter()
        .find(|known| known.name() == error.status)
        // A newer server may send an unknown status.
        .unwrap_or(Status::Internal);
    Some(Error {
        errcode: error.errcode,
        retry_after_ms: error.retry_after_ms.max(0),
        hint: error.hint.map(|hint| Box::new(Hint::Do(hint))),
        ..Error::new(status, error.message)
    })
}

/// Returns the body of a call that sends one value.
pub fn json_of(field: &str, value: Option<&str>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(json!({field: value}).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_loses_the_time_that_its_answer_took() {
        let reply = br#"{"name":"shop","token":"T","expires_at":1700007200,"expires_in":7200}"#;
        let token = token_of(reply, boot_ms() - 1500).unwrap();
        assert_eq!(
            (token.value.as_str(), token.expires_at_s),
            ("T", 1_700_007_200)
        );
        assert!(
            (7_190_000..=7_198_500).contains(&token.left_ms),
            "{}",
            token.left_ms
        );
        for bad in ["", "{}", r#"{"token":""}"#, r#"{"token":"a b\n"}"#, "[]"] {
            assert!(token_of(bad.as_bytes(), 0).is_none(), "{bad}");
        }
        let long = json!({"token": "x".repeat(MAX_TOKEN + 1), "expires_in": 1}).to_string();
        assert!(token_of(long.as_bytes(), 0).is_none());
    }

    #[test]
    fn a_token_has_ended_when_its_answer_took_a_second_longer_than_its_life() {
        let has_ended = |expires_at_s, left_ms| {
            let value = Zeroizing::new("T".to_owned());
            RemoteToken {
                value,
                expires_at_s,
                left_ms,
            }
            .has_ended()
        };
        assert!(!has_ended(1_700_000_000, -999) && has_ended(1_700_000_000, -1000));
        assert!(!has_ended(0, -60_000), "it has no end");
        // Such an answer says nothing of the time that it took.
        let negative = br#"{"token":"T","expires_at":1700000001,"expires_in":-3600}"#;
        assert!(token_of(negative, boot_ms()).unwrap().left_ms > -3_600_000);
    }

    #[test]
    fn a_failure_comes_with_all_its_parts() {
        let reply = br#"{"error":{"status":"WXTOKEN_E_API","errcode":40164,"message":"WeChat refused","hint":"Add 1.2.3.4.","retry_after_ms":60000}}"#;
        let error = error_of(reply).unwrap();
        assert_eq!(error.status, Status::Api);
        assert_eq!((error.errcode, error.retry_after_ms), (40164, 60_000));
        assert_eq!(error.for_c(), "WeChat refused; hint: Add 1.2.3.4.");
        let newer = br#"{"error":{"status":"WXTOKEN_E_NEW","message":"m","retry_after_ms":-5}}"#;
        let error = error_of(newer).unwrap();
        assert_eq!((error.status, error.retry_after_ms), (Status::Internal, 0));
        assert!(error_of(b"<html>502</html>").is_none());
    }
}
