//! What WeChat's platforms are: one row per credential, one request, one reply, and what each errcode means.
//!
//! Knows no store and keeps nothing: a call here is one token fetched, or the reason why not.

mod backoff;
mod connector;
pub mod errcodes;
mod forms;
mod http;
mod kind;
mod probe;
mod recipe;
mod recipes;
mod reply;
mod request;
mod resolver;

pub use forms::Swapped;
pub use http::roots;
pub use kind::Kind;
pub use probe::{Probe, probe};
pub use recipe::{FetchCost, ParentKind, PushedSecret, Recipe, Scope, Value};
pub use reply::{Grant, MAX_TOKEN};
pub use request::{Fetch, FetchError, FetchSecrets, ParentToken, fetch};

/// Reads bytes as a token reply, for the fuzzer and the benchmarks.
#[cfg(any(feature = "fuzzing", feature = "benching"))]
pub fn parse_reply(bytes: &[u8]) {
    for recipe in Kind::all().flat_map(Kind::recipes) {
        let _ = reply::parse(recipe, bytes);
    }
}
