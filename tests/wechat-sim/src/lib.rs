//! WeChat's token endpoints on loopback.
//!
//! Plays api.weixin.qq.com and qyapi.weixin.qq.com as WeChat documents them, and the token endpoints of QQ, Douyin,
//! DingTalk and Feishu, over http and https. Scripts every fault of docs/faults.md, and counts minted tokens. Shares no
//! code with the library that it tests.
//!
//! A test starts it in its own process with [`Simulator::start`]; other languages run the `wechat-sim` binary.

mod account;
mod bad_tls;
mod bans;
mod checks;
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
mod issue;
mod journal;
mod js_config;
mod kinds;
mod media;
mod openapi;
mod peers;
mod proxy;
mod reshape;
mod routes;
mod service;
mod simulator;
mod table;
mod third_party;
mod tls;
mod tokens;
mod world;

pub use account::AccountSpec;
pub use control::{Revocation, Which};
pub use counters::{Business, Counters, IdCounters, PathCounters};
pub use faults::{Fault, FaultKind};
pub use kinds::{Kind, TokenKind};
pub use simulator::{Endpoints, Options, Simulator, demo_accounts};
