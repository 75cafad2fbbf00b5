//! The recent requests, so that a test can assert what was sent. Secrets are masked before a request is kept or logged.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

use crate::{http::Request, table::secret_names};

const REMEMBERED: usize = 2_000;
/// The bytes of a body that are kept, since a file may be long.
const MOST_OF_BODY: usize = 64 * 1024;

/// One request, with its secrets masked.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Entry {
    pub id: Option<String>,
    pub method: String,
    pub path: String,
    /// The query as written, with `***` for secrets.
    pub query: String,
    /// The body as written, with `***` for secrets.
    pub body: String,
    pub headers: BTreeMap<String, String>,
    pub peer_port: u16,
    pub tls: bool,
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub struct Journal(VecDeque<Entry>);

impl Journal {
    /// Keeps a request.
    pub fn push(&mut self, entry: Entry) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// The requests that named the id, or all.
    pub fn of(&self, id: Option<&str>) -> Vec<&Entry> {
        self.0
            .iter()
            .filter(|entry| id.is_none() || entry.id.as_deref() == id)
            .collect()
    }

    /// Removes all requests.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// The query, with the values of secrets masked.
pub fn masked_query(request: &Request) -> String {
    let masked = request
        .raw_query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if secret_names().any(|secret| secret == name) => format!("{name}=***"),
            _ => pair.to_owned(),
        });
    masked.collect::<Vec<_>>().join("&")
}

/// The body, with the values of secrets masked wherever they occur.
pub fn masked_body(request: &Request) -> String {
    let kept = &request.body[..request.body.len().min(MOST_OF_BODY)];
    let mut text = String::from_utf8_lossy(kept).into_owned();
    if let Some(Value::Object(fields)) = request.json() {
        for name in secret_names() {
            if let Some(secret) = fields
                .get(name)
                .and_then(Value::as_str)
                .filter(|secret| !secret.is_empty())
            {
                text = text.replace(secret, "***");
            }
        }
    }
    text
}
