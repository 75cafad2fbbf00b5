//! One credential: what it belongs to, what is known of it, and the rules of its life.
//!
//! Pure: every rule takes the moment it is asked at, and neither waits nor stores. Whatever keeps rows (SQLite, Redis,
//! this process's memory) keeps these fields and asks these questions.

mod freshness;
mod key;
mod lease;
mod merge;
mod row;
#[cfg(test)]
mod tests;
mod transitions;

pub use freshness::Freshness;
pub use key::CredentialKey;
pub use lease::Lease;
pub use row::{Row, StoredSecret};
pub use transitions::FetchPlan;
