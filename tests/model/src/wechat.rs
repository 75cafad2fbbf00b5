//! What a row's rules need of the platforms.

#[path = "../../../src/wechat/errcode.rs"]
pub mod errcode;

pub mod recipe {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Platform {
        Official,
        Work,
    }
}

pub struct Failure {
    pub error: crate::error::Error,
    pub wait: errcode::Wait,
    pub unsent: bool,
}

pub struct Grant {
    pub token: String,
    pub expires_in_s: i64,
}
