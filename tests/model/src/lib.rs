//! The library's own files, with a model checker's types where threads meet: `sync` here is loom's.
//!
//! What they import and the model does not run (the recipes) is stood in for.
#![allow(dead_code, unused_imports, missing_docs)]

#[path = "../../../src/cache.rs"]
pub mod cache;
#[path = "../../../src/clock.rs"]
pub mod clock;
#[path = "../../../src/error.rs"]
pub mod error;
#[path = "../../../src/flight.rs"]
pub mod flight;
#[path = "../../../src/platform.rs"]
pub mod platform;
pub mod sync;
#[path = "../../../src/sys/mod.rs"]
mod sys;
#[path = "../../../src/token.rs"]
pub mod token;
#[path = "../../../src/trie.rs"]
mod trie;
pub mod wechat;
