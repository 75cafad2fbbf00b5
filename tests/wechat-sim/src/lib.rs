//! WeChat's token endpoints on loopback.
//!
//! Plays api.weixin.qq.com and qyapi.weixin.qq.com as `wechat-api.md` describes them, over http and https, scripts
//! every fault of the fault matrix, and counts what was minted. Shares no code with the library it tests.
//!
//! A test starts it in its own process with [`Simulator::start`]; other languages run the `wechat-sim` binary.

mod account;
mod bad_tls;
mod business;
pub mod cli;
mod connection;
mod control;
mod counters;
mod direct;
mod doors;
mod errcodes;
mod faults;
mod flights;
mod http;
mod journal;
mod proxy;
mod reshape;
mod service;
mod simulator;
mod tls;
mod tokens;
mod wecom;
mod weixin;
mod world;

pub use account::{AccountSpec, Kind, TokenKind};
pub use control::{Revocation, Which};
pub use counters::{Business, Counters, IdCounters};
pub use faults::{Fault, FaultKind};
pub use simulator::{Endpoints, Options, Simulator, demo_accounts};
