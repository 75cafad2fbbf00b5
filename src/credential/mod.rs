//! One credential: its key, its row, and the rules of its life.
//!
//! The rules are pure. Each takes the current moment as a parameter, and neither waits nor stores. Every store of rows
//! (SQLite, Redis, this process's memory) keeps the same fields and uses the same rules.
//!
//! # The row and its life
//!
//! A credential has one row (`credential::Row`), keyed by `CredentialKey`. The key consists of endpoint, base URL, id,
//! and what the recipe's scope adds: in WeCom the secret's fingerprint, for an authorizer its component's appid.
//!
//! - **Fresh, usable, spent.** `refresh_at` is set when the token is granted. It lies `refresh_ahead_s` before the
//!   token's end, at most a tenth of its life, spread by 7 %. `expires_at` counts from before the request was sent.
//! - **Two clocks.** The life left is the smaller of what the wall clock and the steady clock say. A wall clock that is
//!   set back does not revive a token. A wall clock that is set forward costs a fetch. Steady times count only within
//!   the epoch that the row carries. For a store on one host, the epoch is the boot.
//! - **The same token again.** The stable endpoint and WeCom may answer with the token that is already stored. The next
//!   try then comes 270 s before its end, when a stable token has a successor. Nearer to the end, it comes in the last
//!   eighth of what is left. So there are only a few tries, not a loop.
//! - **Failure.** A failure is written with its back-off, and stands for every process until that is over. The back-off
//!   of transient failures is 2 s, doubling to 60 s. The others follow the table in `platform::errcodes`, and an
//!   errcode that is not in the table waits a minute. All are spread by 20 %.
//! - **Failures that are not shared.** Failures caused by the leader's own options, or by its lack of memory, threads
//!   or descriptors, are not shared. A timeout is shared only with callers whose budget is not clearly larger than the
//!   leader's (`failed_budget_ms`). A caller with little time left does not lead.
//! - **A secret's refusal.** An errcode that blames the secret (`platform::errcodes`) stands for that secret alone
//!   (`refusals`). Another account of the same key with another secret may fetch at once. The wait of each grows with
//!   the number of refusals that stand.
//! - **Changes.** The first change of a secret after a refusal ends the back-off. A row remembers its changes, even if
//!   its account is removed. While further changes follow, the next try comes a minute after the last failure
//!   (`credential::ending`).
//! - **Rejection.** Callers can be wrong, so a rejected token is checked before it is replaced
//!   (`credential::rejection`).

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
