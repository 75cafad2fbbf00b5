//! The row: everything that is known about one credential, as a store keeps it.

use serde::{Deserialize, Serialize};

use super::{RejectionHistory, SecretRefusal, stored_bytes};

/// A pushed secret: one that was put, or one that the platform has sent since to replace it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSecret {
    #[serde(with = "stored_bytes")]
    pub sealed: Vec<u8>,
    pub at: i64,
    /// The fingerprint of the secret that was put last. Putting the same secret again changes nothing, since the
    /// platform may have replaced it.
    pub put_fingerprint: String,
}

impl StoredSecret {
    /// Returns whether it is the same secret, possibly sealed with another key since.
    pub fn is_same(&self, other: Option<&StoredSecret>) -> bool {
        other.is_some_and(|other| {
            self.at == other.at && self.put_fingerprint == other.put_fingerprint
        })
    }
}

/// The state of one credential. Times are in milliseconds: `_at` is by the wall clock, `_steady` by the steady clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    pub token: Option<String>,
    pub fetched_at: i64,
    pub expires_at: i64,
    pub refresh_at: i64,
    pub fetched_steady: i64,
    /// The epoch of the steady clock that `fetched_steady` and `lease_until` count in.
    pub epoch: String,
    pub fetched_by: String,
    pub fetches: i64,
    pub rejects: i64,
    /// Whether the API refused this token.
    pub rejected: bool,
    /// Whether the platform has returned this token again after a rejection.
    pub same_token_reissued: bool,
    /// Whether a leader has tried to replace this rejected token.
    pub replacement_attempted: bool,
    /// The time when the platform was last asked because of a rejection.
    pub reject_asked_at: i64,
    pub force_day: i64,
    pub forces: i64,
    /// The number of failures since the last success.
    pub failures: i64,
    pub failed_at: i64,
    pub backoff_ms: i64,
    /// The time in milliseconds that the failed fetch had, if it timed out. Otherwise 0.
    pub failed_budget_ms: i64,
    pub last_status: i64,
    pub last_errcode: i64,
    pub last_error: String,
    pub lease_id: i64,
    pub lease_until: i64,
    pub lease_slot: i64,
    pub pushed: Option<StoredSecret>,
    /// The sealed secret that the last put replaced. People may need it if the platform refuses the new one.
    #[serde(with = "stored_bytes::optional")]
    pub pushed_before: Option<Vec<u8>>,
    /// The secrets that the platform has refused, the latest last.
    pub refusals: Vec<SecretRefusal>,
    /// The fingerprint of the secret that the last token was fetched with.
    pub secret_worked: String,
    pub rejections: RejectionHistory,
}
