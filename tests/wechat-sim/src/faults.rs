//! Scripted faults: their kinds, their form in the control API, and the queue in which they wait.
//!
//! A fault is matched by id and path, oldest first, and is used up after `times` requests. Its effect on a reply is in
//! `reshape`, its effect on a connection in `connection`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The kinds of faults. `mints` says which of them let the service mint first.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum FaultKind {
    /// The normal reply, `ms` late.
    Delay { ms: u64 },
    /// No answer until the client closes.
    Hang {},
    /// RST, nothing minted.
    ResetBefore {},
    /// Mints, then RST.
    ResetAfter {},
    /// FIN without a byte, nothing minted.
    CloseBefore {},
    /// Mints, then FIN without a byte.
    CloseAfter {},
    /// Mints; the body comes a few bytes at a time.
    Drip {
        #[serde(default = "one")]
        bytes_per_tick: usize,
        #[serde(default = "hundred")]
        tick_ms: u64,
    },
    /// Mints; the JSON is padded by that many bytes.
    HugeBody { bytes: usize },
    /// Mints; the JSON never ends and has no Content-Length. Full speed, or a little each tick.
    EndlessBody {
        #[serde(default)]
        tick_ms: u64,
    },
    /// Mints; one header is that long.
    HugeHeader { bytes: usize },
    /// Header lines without end, nothing minted.
    EndlessHeaders {
        #[serde(default)]
        tick_ms: u64,
    },
    /// Mints; a byte order mark stands before the JSON.
    Bom {},
    /// A page of HTML with status 200, nothing minted.
    Html {},
    /// Status 200 with no body, nothing minted.
    Empty {},
    /// Mints; the JSON is cut in half.
    TruncatedJson {},
    /// Mints; the token is a number and expires_in an object.
    WrongTypes {},
    /// The reply without its token, nothing minted.
    NoToken {},
    /// Mints; the reply to an authorizer token's fetch has no refresh token.
    NoRefreshToken {},
    /// Exactly this reply, nothing minted.
    Raw {
        #[serde(default = "ok")]
        status: u16,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        body: String,
        /// Bytes after the body, for replies that are not UTF-8.
        #[serde(default)]
        bytes: Vec<u8>,
    },
    /// Mints; `expires_in` is this JSON value.
    ExpiresIn { value: Value },
    /// Mints exactly this token, or one of this length.
    Token {
        value: Option<String>,
        length: Option<usize>,
    },
    /// This HTTP status, nothing minted.
    Status { code: u16, body: Option<String> },
    /// A redirect, nothing minted. Without a location it leads to the redirect target of the ready line, with the whole
    /// query.
    Redirect {
        location: Option<String>,
        #[serde(default = "found")]
        code: u16,
    },
    /// This errcode in the host's words, nothing minted.
    Errcode {
        errcode: i64,
        errmsg: Option<String>,
    },
}

fn one() -> usize {
    1
}
fn hundred() -> u64 {
    100
}
fn ok() -> u16 {
    200
}
fn found() -> u16 {
    302
}

impl FaultKind {
    /// Whether the service does its work (and mints) before the fault, if the script does not say.
    pub fn mints(&self) -> bool {
        use FaultKind::*;
        match self {
            Delay { .. }
            | ResetAfter {}
            | CloseAfter {}
            | Drip { .. }
            | HugeBody { .. }
            | EndlessBody { .. } => true,
            HugeHeader { .. }
            | Bom {}
            | TruncatedJson {}
            | WrongTypes {}
            | NoRefreshToken {}
            | ExpiresIn { .. }
            | Token { .. } => true,
            Hang {}
            | ResetBefore {}
            | CloseBefore {}
            | EndlessHeaders { .. }
            | Html {}
            | Empty {}
            | NoToken {} => false,
            Raw { .. } | Status { .. } | Redirect { .. } | Errcode { .. } => false,
        }
    }
}

/// A fault and the requests that it applies to.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: FaultKind,
    id: Option<String>,
    path: Option<String>,
    times: u64,
    delay_ms: u64,
    mint: Option<bool>,
}

impl Fault {
    /// A fault for the next token request of any account.
    pub fn new(kind: FaultKind) -> Self {
        Fault {
            kind,
            id: None,
            path: None,
            times: 1,
            delay_ms: 0,
            mint: None,
        }
    }

    /// Limits it to that id: appid, corpid, or the platform's name for it.
    pub fn id(mut self, id: &str) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Limits it to that path. Without a path it applies to the token endpoints.
    pub fn path(mut self, path: &str) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Applies it to that many requests; 0 for all until cleared.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Delays the faulty reply.
    pub fn delay_ms(mut self, ms: u64) -> Self {
        self.delay_ms = ms;
        self
    }

    /// Mints before the fault, or not, whatever the default of its kind is.
    pub fn mint(mut self, mint: bool) -> Self {
        self.mint = Some(mint);
        self
    }

    /// Reads the body of `POST /faults`.
    pub fn from_json(value: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = value else {
            return Err("a fault is a JSON object".into());
        };
        let id = take(&mut fields, "id")?;
        let path = take(&mut fields, "path")?;
        let times = take(&mut fields, "times")?.unwrap_or(1);
        let delay_ms = take(&mut fields, "delay_ms")?.unwrap_or(0);
        let mint = take(&mut fields, "mint")?;
        let kind = serde_json::from_value(Value::Object(fields))
            .map_err(|error| format!("fault: {error}"))?;
        if matches!(
            kind,
            FaultKind::Token {
                value: None,
                length: None
            }
        ) {
            return Err("fault: a token needs `value` or `length`".into());
        }
        Ok(Fault {
            kind,
            id,
            path,
            times,
            delay_ms,
            mint,
        })
    }
}

fn take<T: serde::de::DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
) -> Result<Option<T>, String> {
    let Some(value) = fields.remove(name) else {
        return Ok(None);
    };
    serde_json::from_value(value)
        .map(Some)
        .map_err(|error| format!("fault: {name}: {error}"))
}

/// The fault that was found for a request.
#[derive(Debug)]
pub struct Struck {
    /// The kind of fault.
    pub kind: FaultKind,
    /// Whether the service does its work first.
    pub mints: bool,
    /// The delay of the reply.
    pub delay_ms: u64,
}

/// The faults that wait for a request.
#[derive(Debug, Default)]
pub struct FaultQueue(Vec<Fault>);

impl FaultQueue {
    /// Appends a fault.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Removes all faults.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The number of waiting faults.
    pub fn waiting(&self) -> usize {
        self.0.len()
    }

    /// The oldest fault for such a request. Uses up one of its times.
    pub fn strike(&mut self, id: Option<&str>, path: &str, is_token: bool) -> Option<Struck> {
        let at = self.0.iter().position(|fault| {
            fault
                .path
                .as_deref()
                .map_or(is_token, |wanted| wanted == path)
                && fault.id.as_deref().is_none_or(|wanted| id == Some(wanted))
        })?;
        let fault = &mut self.0[at];
        let late = if let FaultKind::Delay { ms } = fault.kind {
            ms
        } else {
            0
        };
        let struck = Struck {
            mints: fault.mint.unwrap_or(fault.kind.mints()),
            delay_ms: fault.delay_ms + late,
            kind: fault.kind.clone(),
        };
        match fault.times {
            0 => {}
            1 => drop(self.0.remove(at)),
            _ => fault.times -= 1,
        }
        Some(struck)
    }
}
