//! libwxtoken: one WeChat access token per account, fetched once. Every process and language on the host shares it, and
//! every host whose store is in Redis.
//!
//! The modules from the top down (imports point down only):
//!
//! - `ffi`: the C boundary: parse, call, convert; `bench_support`: internals for the benchmarks alone
//! - `tool`: the interface of the library to the command `wxtoken`
//! - `keeper`: keeps every token of a store fresh; `admin`: an operator's work on a store
//! - `client`: a handle and its calls: `get` has the diagram, `lead` the lock and the lease, `report` the JSON
//! - `process`: the state that all handles of a process share: the hot path (`cache`), the flights, the open stores
//! - `account`: looking up names, and the rules of registering, removing and restoring
//! - `remote`: a wxtoken server as a store: its calls and its answers
//! - `store`: accounts and rows, behind one trait: `sqlite` for one host, `redis` for many
//! - `server_clients`: the clients of a server and their rights; pure
//! - `credential`: a credential's row and the rules of its life; pure
//! - `platform`: the recipes, one request, its reply, and the meaning of each errcode; keeps nothing
//! - `secrets`: seals app secrets and opens them; the key file
//! - `options`: the options of a handle; `names`: the names that callers pass
//! - `proxy`: parses the URL of a proxy
//! - `url_parts`: the login, host and port of any URL
//! - `base_url`: checks a platform's URL; `http_config`: the HTTP configuration that all requests share
//! - `hosts`: the platforms; `characters`: characters that make a text look right although it is wrong
//! - `clock`: time by two clocks; `error`: the error type; `sync`: locks and atomics of threads
//! - `sys`: calls of the operating system: fork, locks, signals, files
//!
//! The product is the C library. The Rust API is not a promise to anyone. `ffi` is public for the tests.
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
