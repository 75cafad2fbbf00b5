//! The calls of a handle whose store is a wxtoken server. The cache works as it does for a local store. Each look at
//! the store is a request to the server.
//!
//! - If the server does not answer within 100 ms, a valid token in memory is returned.
//! - If this process has no token, one thread asks for it and the others wait.
//! - The server knows which tokens were rejected and which fetches failed. The server fetches, this process never does.

use serde_json::Value;

use super::session::CallOfHandle;
use crate::characters::json_shown;
use crate::clock::Deadline;
use crate::credential::CredentialKey;
use crate::error::{Error, Result, Status};
use crate::names;
use crate::platform::Kind;
use crate::process::Backend;
use crate::process::cache::CachedToken;
use crate::remote::{Caller, Remote, RemoteAccount, Trouble};

/// The time in milliseconds that a request may take if this process has a valid token.
const LOOK_BUDGET_MS: i64 = 100;

/// One call of a handle whose store is a server.
pub struct AtServer {
    call: CallOfHandle,
    remote: &'static Remote,
}

impl AtServer {
    /// Returns None if the store is not a server.
    pub fn of(call: CallOfHandle) -> Option<AtServer> {
        match &call.state.shared.backend {
            Backend::Server(remote) => Some(AtServer { remote, call }),
            Backend::Store(_) => None,
        }
    }

    /// Returns this call with another deadline.
    pub fn until(mut self, by: Deadline) -> AtServer {
        self.call.deadline = by;
        self
    }

    /// Returns the accounts whose tokens this client may get.
    pub fn accounts(&self) -> Result<Vec<RemoteAccount>> {
        self.caller(self.call.deadline).accounts()
    }

    /// Returns a valid token after a cache miss.
    pub fn get(&self, name: Option<&str>) -> Result<CachedToken> {
        let cache = &self.call.state.cache;
        if cache.has_valid(name) {
            let by = Deadline::after(LOOK_BUDGET_MS.min(self.call.options.timeout_ms));
            match self.ask(name, by) {
                Err(Trouble::Away(e)) => {
                    // A valid token is returned even if the server cannot be reached.
                    match cache.valid_while_store_is_down(name) {
                        Some(token) => return Ok(token),
                        // The token was rejected meanwhile. The request may then take the whole time limit.
                        None if e.status == Status::Timeout => {}
                        None => return Err(e),
                    }
                }
                answered => return Ok(answered?),
            }
        }
        let flight = self.flight_of(name);
        let flights = &self.call.state.shared.flights;
        let _flight = flights.begin(&flight, &self.call.deadline)?;
        // Another thread may have asked before this one waited, or while it did. Its token is then returned. If that
        // thread failed, all waiting threads ask at once.
        match cache.hit(name.map(str::as_bytes), i64::MAX, CachedToken::clone) {
            Some(token) => Ok(token),
            None => Ok(self.ask(name, self.call.deadline)?),
        }
    }

    fn ask(&self, name: Option<&str>, by: Deadline) -> Result<CachedToken, Trouble> {
        let cache = &self.call.state.cache;
        let (stamp, token) = loop {
            let stamp = cache.stamp();
            let token = self.caller(by).token(name).inspect_err(|trouble| {
                if matches!(trouble, Trouble::Answered(_)) {
                    cache.clear(name);
                }
            })?;
            // An answer of a token that has ended took more than a second, so there are few of them before the deadline.
            if !token.has_ended() {
                break (stamp, token);
            }
        };
        if token.left_ms <= 0 {
            // A put secret without an expiry. It is asked for each time.
            cache.clear(name);
            return Ok(CachedToken::uncached(&token.value, token.expires_at_s));
        }
        let token = CachedToken::lasting(&token.value, token.expires_at_s, token.left_ms);
        cache.publish(name, stamp, &token);
        Ok(token)
    }

    /// Reports that the API refused this token. The server compares it with its own.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        let rejected = self.caller(self.call.deadline).reject(name, token);
        match rejected {
            // While the server is away, the other tokens in memory stay in use.
            Err(Trouble::Away(_)) => self.call.state.shared.forget_token(token),
            // The next get asks the server, even if the server did not take the rejection.
            _ => self.call.state.shared.invalidate_all(),
        }
        Ok(rejected?)
    }

    pub fn put(&self, name: &str, field: &str, value: Option<&str>) -> Result<()> {
        // “retry” is the only field that a program may put without a value. The server needs one.
        let value = value.or((field == "retry").then_some("1"));
        self.caller(self.call.deadline).put(name, field, value)?;
        self.call.state.shared.invalidate_all();
        Ok(())
    }

    /// Returns whether the server has this account. The secret is not sent: the server has its own.
    pub fn register(&self, name: &str, kind: Kind, id: &str) -> Result<bool> {
        let there = self.caller(self.call.deadline).account(name)?;
        if there.kind == kind.name() && there.id == id {
            return Ok(false);
        }
        let url = self.remote.url();
        Err(
            Error::argument(format!("account \"{name}\" is another one on server {url}"))
                .because(format!(
                    "there it is of kind {} with {} {}",
                    there.kind,
                    kind.token().id_name,
                    there.id
                ))
                .advise("Register accounts on the server's host, with wxtoken account add."),
        )
    }

    /// Returns the server's report, with the name that this handle has for the store.
    pub fn report_json(&self) -> Result<String> {
        let mut report = self.caller(self.call.deadline).report()?;
        report.insert("store".into(), self.remote.url().to_string().into());
        Ok(json_shown(&Value::Object(report).to_string()).into_owned())
    }

    fn caller(&self, by: Deadline) -> Caller<'_> {
        Caller {
            remote: self.remote,
            options: &self.call.options,
            by,
        }
    }

    /// Returns the flight that all threads asking for one token share.
    fn flight_of(&self, name: Option<&str>) -> CredentialKey {
        let (account, credential) = names::split(name).unwrap_or_default();
        CredentialKey {
            endpoint: credential.into(),
            base_url: self.remote.url().to_string(),
            id: account.unwrap_or_default().into(),
            discriminator: String::new(),
        }
    }
}
