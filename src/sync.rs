//! What threads meet at, in one place: `tests/model` puts a model checker's types here and runs the same code.

pub use std::sync::{Arc, Condvar, Mutex, atomic};

pub use arc_swap::ArcSwapOption;
