//! libwxtoken: one WeChat access token per account, fetched once, shared by every process and language on the host.
//!
//! The map, from the top down; imports point down only:
//!
//! - `ffi`: the C boundary: parse, call, convert
//! - `client`: what each call does; `report`: the JSON on everything
//! - `get`: what a get does, as prose, along the chain of parents
//! - `refresh`: one call's way to the next token; `session`: what it needs, and its dealings with the store
//! - `process`, `cache`, `flight`, `background`: what this process knows and does
//! - `store`: SQLite behind a small trait
//! - `token`: a credential's row and the rules of its life
//! - `wechat`: recipes, HTTP, errcodes; `vault`: sealed secrets
//! - `names`, `options`, `platform`, `clock`, `error`: the ground floor; `sys`: locks, fork, signals, files
//!
//! The product is the C library. The Rust API is not a promise to anyone; `ffi` is public for the tests.
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]
#![warn(missing_docs)]

mod admin;
#[cfg(feature = "benching")]
pub mod bench_support;
mod client;
mod clock;
mod credential;
mod error;
#[allow(unsafe_code)]
pub mod ffi;
mod hosts;
mod keeper;
mod names;
mod options;
mod platform;
mod process;
mod secrets;
mod store;
mod sync;
#[allow(unsafe_code)]
mod sys;
pub mod tool;

#[cfg(feature = "fuzzing")]
pub use platform::parse_reply;
#[cfg(feature = "failpoints")]
pub use sys::{Failpoint, arm};
