//! One credential: what it belongs to, what is known of it, and the rules of its life.
//!
//! Pure: every rule takes the moment it is asked at, and neither waits nor stores. Whatever keeps rows (SQLite, Redis,
//! this process's memory) keeps these fields and asks these questions.
//!
//! # The row and its life
//!
//! What is known of a credential is one row (`credential::Row`), keyed by `CredentialKey`: endpoint, base URL, id, and
//! what the recipe's scope adds: in WeCom the secret's fingerprint, for an authorizer its component's appid. The rules
//! are functions of the row and of a moment that is passed in; they neither wait nor store, and are tested without a
//! clock.
//!
//! - **Fresh, usable, spent.** `refresh_at` is chosen when the token is granted: `refresh_ahead_s` before its end, at
//!   most a tenth of its life, spread by 7 %. `expires_at` counts from before the request was sent.
//! - **Two clocks.** What is left is the smaller of what the wall clock and the steady clock say. A wall clock that is
//!   set back does not revive a token; one that is set forward costs a fetch. Steady times count only within the
//!   epoch that the row carries: for a store on one host, the boot.
//! - **The same token again.** The stable endpoint and WeCom may answer with the token that there is. The next try
//!   then lies 270 s before its end, where a stable token has a successor; nearer than that, at the last eighth of
//!   what is left. So it ends in a few tries, not in a loop.
//! - **Failure.** Written with its back-off, and given to everybody until that is over: transient ones 2 s doubling to
//!   60 s, the others by the table in `platform::errcodes`, all spread by 20 %. An errcode that is not in the table
//!   waits a minute. Failures that come of the leader's own options, or of its lack of memory, threads or descriptors,
//!   are not shared. A timeout is shared only with callers whose budget is no larger than the leader's
//!   (`failed_budget_ms`). A caller with little time left does not lead.
//! - **A secret's refusal.** An errcode that blames the secret (`platform::errcodes`) stands for that secret alone
//!   (`refusals`). Another account of the same key with another secret may fetch at once. The wait of each grows with the
//!   number that stand refused.
//! - **Changes.** The first change of a secret after a refusal ends the back-off. A row remembers its changes, also
//!   through the removal of its account. While changes follow each other, the next try comes a minute after the last
//!   failure (`credential::ending`).
//! - **Rejection.** Callers err: a rejected token is checked before it is replaced (`credential::rejection`).

mod ending;
#[cfg(test)]
mod failover_tests;
mod freshness;
mod key;
mod lease;
mod merge;
mod refusals;
#[cfg(test)]
mod refusals_tests;
mod rejection;
#[cfg(test)]
mod rejection_tests;
mod row;
mod stored_bytes;
#[cfg(test)]
mod tests;
mod transitions;

pub use freshness::{FreshSpan, Freshness};
pub use key::CredentialKey;
pub use lease::Lease;
pub use refusals::SecretRefusal;
pub use rejection::{RejectionHistory, RejectionOutcome, RejectionPlan, Remedies};
pub use row::{Row, StoredSecret};
#[cfg(feature = "redis")]
pub use stored_bytes::{deserialize as bytes_of, serialize as text_of};
pub use transitions::FetchPlan;
