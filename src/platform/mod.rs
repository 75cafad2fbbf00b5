//! The platforms that issue tokens: one row per credential, one request, one reply, and the meaning of each errcode.
//!
//! This module does not know the store, and keeps nothing. A call here fetches one token, or returns the reason why
//! not. The way to a host also leads to the server of a store (`server_stream`), and to a wxtoken server
//! (`server_http`).

mod backoff;
mod check;
mod connector;
mod echo;
pub mod errcodes;
mod forms;
mod http;
mod issuer;
mod kind;
mod link;
mod masked;
mod no_way;
mod probe;
mod quota;
mod recipe;
mod recipes;
mod reply;
mod request;
mod resolver;
mod server_http;
mod server_stream;
mod socks;
mod stream;
mod tls;
mod tunnel;
mod wechat_calls;

pub use check::{Verdict, check};
pub use forms::Swapped;
pub use kind::Kind;
pub use link::PlatformLink;
pub use no_way::NoWay;
pub use probe::{Probe, probe};
pub use quota::{AskError, Asked, Cleared, NotedRequest, Quota, RateLimit, usual_paths};
pub use recipe::{FetchCost, ParentKind, PushedSecret, Recipe, Scope, Value};
pub use reply::{Grant, MAX_TOKEN};
pub use request::{Fetch, FetchError, FetchSecrets, ParentToken, fetch};
pub use server_http::{Answer, Call, NoAnswer, ServerHttp};
#[cfg(feature = "redis")]
pub use server_stream::{Reach, ServerAddress, ServerStream};
pub use tls::own_roots;
#[cfg(feature = "redis")]
pub use tls::{IdentityFiles, Tls, alert};
pub use wechat_calls::{WechatCall, WechatHost, host_of_kind, wechat_calls};

/// Parses bytes as a token reply, for the fuzzer and the benchmarks.
#[cfg(any(feature = "fuzzing", feature = "benching"))]
pub fn parse_reply(bytes: &[u8]) {
    for recipe in Kind::all().flat_map(Kind::recipes) {
        let _ = reply::parse(recipe, bytes);
    }
}
