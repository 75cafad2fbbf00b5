//! What a row's rules need of the platforms.

#[path = "../../../src/wechat/errcode.rs"]
pub mod errcode;

pub struct Failure {
    pub error: crate::error::Error,
    pub wait: errcode::Wait,
    pub unsent: bool,
    pub stale_parent: bool,
}

pub struct Grant {
    pub token: String,
    pub expires_in_s: i64,
    pub renewed: Option<String>,
}
