//! The row: all that is known of one credential, as a store keeps it.

use serde::{Deserialize, Serialize};

use super::{RejectionHistory, SecretRefusal, stored_bytes};

/// A secret that was put, or that the platform has sent since to replace it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSecret {
    #[serde(with = "stored_bytes")]
    pub sealed: Vec<u8>,
    pub at: i64,
    /// Of what was put last. When that is put once more it changes nothing: the platform may have replaced it since.
    pub put_fingerprint: String,
}

impl StoredSecret {
    /// Whether it is the same secret, be it sealed anew by now.
    pub fn is_same(&self, other: Option<&StoredSecret>) -> bool {
        other.is_some_and(|other| {
            self.at == other.at && self.put_fingerprint == other.put_fingerprint
        })
    }
}

/// The state of one credential. Times are milliseconds; `_at` is the wall clock, `_steady` the steady clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    pub token: Option<String>,
    pub fetched_at: i64,
    pub expires_at: i64,
    pub refresh_at: i64,
    pub fetched_steady: i64,
    /// Which epoch of the steady clock `fetched_steady` and `lease_until` count in.
    pub epoch: String,
    pub fetched_by: String,
    pub fetches: i64,
    pub rejects: i64,
    /// The API refused this token.
    pub rejected: bool,
    /// The platform has handed this token out again after a rejection.
    pub same_token_reissued: bool,
    /// Somebody has set out to replace this rejected token.
    pub replacement_attempted: bool,
    /// When the platform was last asked because of a rejection.
    pub reject_asked_at: i64,
    pub force_day: i64,
    pub forces: i64,
    /// Failures in a row.
    pub failures: i64,
    pub failed_at: i64,
    pub backoff_ms: i64,
    /// What time the fetch had, if it was that which ran out; else 0.
    pub failed_budget_ms: i64,
    pub last_status: i64,
    pub last_errcode: i64,
    pub last_error: String,
    pub lease_id: i64,
    pub lease_until: i64,
    pub lease_slot: i64,
    pub pushed: Option<StoredSecret>,
    /// What `put` replaced last, sealed: for people, should the platform refuse the new one.
    #[serde(with = "stored_bytes::optional")]
    pub pushed_before: Option<Vec<u8>>,
    /// The secrets that the platform has refused, the latest last.
    pub refusals: Vec<SecretRefusal>,
    /// The fingerprint of the secret that the last token came by.
    pub secret_worked: String,
    pub rejections: RejectionHistory,
}
