//! The judge makes calls, compares each answer with the description, and records the answers that came.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::super::{Answer, Serving, ask, bearer};
use super::description::{Description, Operation};

pub const ALL_RIGHTS: [&str; 2] = ["--allow", "get,reject,status,put"];

/// One call of each operation, with a correct body.
pub const CALLS: [(&str, &str, &str, &str); 11] = [
    ("GET", "/v1/token", "/v1/token", ""),
    ("GET", "/v1/token/{account}", "/v1/token/shop", ""),
    (
        "GET",
        "/v1/token/{account}/{credential}",
        "/v1/token/shop/jsapi_ticket",
        "",
    ),
    ("GET", "/v1/account", "/v1/account", ""),
    ("GET", "/v1/account/{account}", "/v1/account/shop", ""),
    (
        "POST",
        "/v1/reject",
        "/v1/reject",
        r#"{"token":"an old one"}"#,
    ),
    (
        "POST",
        "/v1/reject/{account}",
        "/v1/reject/shop",
        r#"{"token":"an old one"}"#,
    ),
    (
        "POST",
        "/v1/reject/{account}/{credential}",
        "/v1/reject/shop/jsapi_ticket",
        r#"{"token":"an old one"}"#,
    ),
    (
        "PUT",
        "/v1/put/{account}/{field}",
        "/v1/put/platform/verify_ticket",
        r#"{"value":"ticket"}"#,
    ),
    ("GET", "/v1/status", "/v1/status", ""),
    ("GET", "/metrics", "/metrics", ""),
];

/// The page, and those of its answers that have come.
pub struct Judge {
    pub page: Description,
    pub seen: Mutex<BTreeSet<(Operation, u16)>>,
    calls: Mutex<u8>,
}

impl Judge {
    pub fn new() -> Judge {
        Judge {
            page: Description::read(),
            seen: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// Makes a call, and judges its answer.
    pub fn call(
        &self,
        serving: &Serving,
        (method, path): (&str, &str),
        target: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let operation = (method.to_owned(), path.to_owned());
        let answer = ask(&mut serving.connect(), method, target, headers, body);
        self.page.judge(&operation, &answer);
        let mut seen = self.seen.lock().unwrap();
        seen.insert((operation, answer.status));
        answer
    }

    /// Returns headers with this key and with an address that made no call yet.
    pub fn at_a_new_address(&self, key: &str) -> String {
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        format!("{}X-Forwarded-For: 203.0.113.{calls}\r\n", bearer(key))
    }

    /// Makes a call of each operation with this key, and asserts the expected status.
    pub fn all_answer(&self, serving: &Serving, key: &str, expected: impl Fn(&str) -> Option<u16>) {
        for (method, path, target, body) in CALLS {
            let Some(expected) = expected(path) else {
                continue;
            };
            let headers = self.at_a_new_address(key);
            let answer = self.call(serving, (method, path), target, &headers, body);
            assert_eq!(answer.status, expected, "{method} {target}: {answer:?}");
        }
    }
}
