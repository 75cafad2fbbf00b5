//! libwxtoken: one WeChat access token per account, fetched once, shared by every process and language on the host, and by
//! every host whose store is in Redis.
//!
//! The map, from the top down; imports point down only:
//!
//! - `ffi`: the C boundary: parse, call, convert; `bench_support`: pieces of the inside, for the benchmarks alone
//! - `tool`: what the command `wxtoken` takes from the library
//! - `keeper`: what keeps every token of a store fresh; `admin`: what an operator does with a store
//! - `client`: a handle and its calls: `get` is the diagram, `lead` the lock, the lease and the fetch, `report` the JSON
//! - `process`: what all handles of a process share: the hot path (`cache`), the flights, the open stores
//! - `account`: what a name leads to, and the rules of registering, removing and restoring
//! - `remote`: a wxtoken server in a store's place: its calls and its answers
//! - `store`: where accounts and rows are kept, behind one trait: `sqlite` for one host, `redis` for many
//! - `server_clients`: who may ask a server for tokens, and what each may do; pure
//! - `credential`: a credential's row and the rules of its life; pure
//! - `platform`: the recipes, one request, its reply, and what each errcode means; keeps nothing
//! - `secrets`: seals app secrets and opens them; the key file
//! - `options`: what a handle can be told; `names`: what callers may name
//! - `proxy`: a proxy's URL, taken apart
//! - `url_parts`: the login, host and port of any URL
//! - `base_url`: a platform's URL, judged; `http_config`: what all requests have in common
//! - `hosts`: the platforms there are to ask; `characters`: what looks right in a text and is not
//! - `clock`: time by two clocks; `error`: the one error type; `sync`: what threads meet at
//! - `sys`: what is asked of the operating system: fork, locks, signals, files
//!
//! The product is the C library. The Rust API is not a promise to anyone; `ffi` is public for the tests.
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![deny(clippy::undocumented_unsafe_blocks)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]
#![warn(missing_docs)]

mod account;
mod admin;
mod base_url;
#[cfg(feature = "benching")]
pub mod bench_support;
mod characters;
mod client;
mod clock;
mod credential;
mod error;
#[allow(unsafe_code)]
pub mod ffi;
mod hosts;
mod http_config;
mod keeper;
mod names;
mod options;
mod platform;
mod process;
mod proxy;
mod remote;
mod secrets;
mod server_clients;
mod store;
mod sync;
#[allow(unsafe_code)]
mod sys;
pub mod tool;
mod url_parts;

#[cfg(feature = "fuzzing")]
pub use platform::parse_reply;
#[cfg(feature = "failpoints")]
pub use sys::{Failpoint, arm, held, hold, let_go};
