//! What WeChat's platforms are: one row per credential, one request, one reply, and what each errcode means.
//!
//! Knows no store and keeps nothing: a call here is one token fetched, or the reason why not.

pub mod errcode;
mod fetch;
mod http;
mod recipe;
mod reply;

pub use fetch::{Failure, Fetch, Ingredients, ParentToken, fetch};
pub use http::roots;
pub use http::{Probe, probe};
pub use recipe::{ACCESS_TOKEN, Kind, Parent, Put, Quota, Recipe, Scope, Value};
pub use reply::{Grant, MAX_TOKEN};

/// Reads bytes as a token reply, for the fuzzer and the benchmarks.
#[cfg(any(feature = "fuzzing", feature = "benching"))]
pub fn parse_reply(bytes: &[u8]) {
    for recipe in Kind::all().flat_map(Kind::recipes) {
        let _ = reply::parse(recipe, bytes);
    }
}
