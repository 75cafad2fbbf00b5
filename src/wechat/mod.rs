//! What WeChat's platforms are: one row per credential, one request, one reply, and what each errcode means.
//!
//! Knows no store and keeps nothing: a call here is one token fetched, or the reason why not.

pub mod errcode;
mod fetch;
mod http;
mod recipe;
mod reply;

pub use fetch::{Failure, Fetch, fetch};
pub use http::roots;
pub use recipe::Kind;
pub use reply::{Grant, MAX_TOKEN};

/// Reads a reply as a token reply would be read, for the fuzzer.
#[cfg(feature = "fuzzing")]
pub fn parse_for_fuzzing(bytes: &[u8]) {
    let _ = reply::parse(Kind::Official.recipe(), bytes);
}
