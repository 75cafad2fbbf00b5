//! Refused secrets: a refusal stands only for the secret that it blames.
//!
//! Two accounts with one AppID share a token. If the platform refuses the secret of one, the other may still fetch.

use serde::{Deserialize, Serialize};

use super::Row;
use super::ending::MINUTE_MS;
use crate::clock::Now;
use crate::error::{Error, Status};

/// The number of refused secrets that a row remembers.
pub(super) const MAX_REFUSALS: usize = 8;

/// A secret that the platform has refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRefusal {
    /// The secret's fingerprint.
    pub secret: String,
    pub at: i64,
    pub backoff_ms: i64,
    pub errcode: i64,
    /// The failure with its parts, in the form that a row keeps.
    pub error: String,
    /// Whether the secret only waits for its turn. The platform has not seen it.
    #[serde(default)]
    pub untried: bool,
}

impl SecretRefusal {
    fn left_ms(&self, now: Now) -> i64 {
        let since = now.wall_ms - self.at;
        // A negative age means that the wall clock was set back.
        match (0..self.backoff_ms).contains(&since) {
            true => self.backoff_ms - since,
            false => 0,
        }
    }

    pub fn to_error(&self) -> Error {
        let mut error = Error::from_stored(Status::Api, &self.error);
        error.errcode = i32::try_from(self.errcode).unwrap_or(0);
        error
    }
}

impl Row {
    /// Returns the platform's refusal of this secret.
    pub fn refusal_of(&self, secret: &str) -> Option<&SecretRefusal> {
        let mut refusals = self.refusals.iter();
        refusals.find(|refusal| refusal.secret == secret && !refusal.untried)
    }

    /// Returns whether a refusal of this secret stands.
    pub fn is_refused(&self, secret: &str, now: Now) -> bool {
        let mut refusals = self.refusals.iter();
        refusals.any(|refusal| refusal.secret == secret && refusal.left_ms(now) > 0)
    }

    /// Returns whether the last failure was the refusal of a secret.
    pub fn last_failure_is_of_a_secret(&self) -> bool {
        let mut refusals = self.refusals.iter();
        refusals.any(|refusal| refusal.at == self.failed_at && !refusal.untried)
    }

    /// Returns the failure that stands for a caller with this secret. The secret is empty for a credential that takes
    /// none.
    pub fn standing_failure_of(&self, secret: &str, now: Now, patience_ms: i64) -> Option<Error> {
        let own = self.refusals.iter().find(|known| known.secret == secret);
        if let Some(own) = own.filter(|own| own.left_ms(now) > 0) {
            let mut error = own.to_error();
            error.retry_after_ms = own.left_ms(now);
            return Some(error);
        }
        // A secret that is not among the remembered ones may have been refused before those. While all of them stand, it
        // waits.
        let standing = self.refusals.iter().filter(|known| known.left_ms(now) > 0);
        if self.last_failure_is_of_a_secret() && standing.count() < MAX_REFUSALS {
            return None;
        }
        self.standing_failure(now, patience_ms)
    }

    /// Records the last failure as a refusal of this secret. Returns the wait in milliseconds. The wait grows with the
    /// number of refusals that stand, so that many wrong secrets cost no more requests than one.
    pub fn blame(&mut self, secret: &str, now: Now) -> i64 {
        self.refusals.retain(|known| known.secret != secret);
        let others = self.refusals.iter().filter(|known| known.left_ms(now) > 0);
        let others = i64::try_from(others.count()).unwrap_or(0);
        self.backoff_ms = self.backoff_ms.saturating_mul(1 + others);
        self.remember(SecretRefusal {
            secret: secret.into(),
            at: self.failed_at,
            backoff_ms: self.backoff_ms,
            errcode: self.last_errcode,
            error: self.last_error.clone(),
            untried: false,
        });
        self.backoff_ms
    }

    fn remember(&mut self, refusal: SecretRefusal) {
        self.refusals.push(refusal);
        if self.refusals.len() > MAX_REFUSALS {
            self.refusals.remove(0);
        }
    }

    /// Notes the secret that a token was fetched with.
    pub fn credit(&mut self, secret: &str) {
        self.refusals.retain(|known| known.secret != secret);
        self.secret_worked = secret.into();
    }

    /// Holds a new secret back until the last failure is a minute old. This is for a change that does not end the
    /// back-off.
    pub fn hold_new_secret(&mut self, secret: &str, now: Now) {
        let is_known = self.refusals.iter().any(|known| known.secret == secret);
        let backoff_ms = self.failed_at + MINUTE_MS - now.wall_ms;
        if self.failures == 0 || is_known || backoff_ms <= 0 || !self.last_failure_is_of_a_secret()
        {
            return;
        }
        self.remember(SecretRefusal {
            secret: secret.into(),
            at: now.wall_ms,
            backoff_ms: backoff_ms.min(MINUTE_MS),
            errcode: self.last_errcode,
            error: self.last_error.clone(),
            untried: true,
        });
    }

    /// Returns whether the refusal of any secret stands.
    pub(super) fn has_refused(&self, now: Now) -> bool {
        self.refusals.iter().any(|known| known.left_ms(now) > 0)
    }

    /// Allows another try with every secret. Returns whether one was refused.
    pub(super) fn end_refusals(&mut self) -> bool {
        let had = self.refusals.iter().any(|known| known.backoff_ms > 0);
        for refusal in &mut self.refusals {
            refusal.backoff_ms = 0;
        }
        had
    }
}
