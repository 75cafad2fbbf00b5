//! The calls of a handle whose store a wxtoken server has: the cache is as for a store here, and a look is a question to
//! the server.
//!
//! - A good token in memory is handed out where the server does not answer within 100 ms.
//! - One thread of a process asks for a token that nobody here has; the others wait for it.
//! - The server knows what was rejected and what failed. It fetches, and this process never does.

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

/// How long a question may take while there is a good token from before.
const LOOK_BUDGET_MS: i64 = 100;

/// One call of a handle on a server.
pub struct AtServer {
    call: CallOfHandle,
    remote: &'static Remote,
}

impl AtServer {
    /// None for a store that is here.
    pub fn of(call: CallOfHandle) -> Option<AtServer> {
        match &call.state.shared.backend {
            Backend::Server(remote) => Some(AtServer { remote, call }),
            Backend::Store(_) => None,
        }
    }

    /// The same call with another deadline.
    pub fn until(mut self, by: Deadline) -> AtServer {
        self.call.deadline = by;
        self
    }

    /// The accounts that this client may get tokens of.
    pub fn accounts(&self) -> Result<Vec<RemoteAccount>> {
        self.caller(self.call.deadline).accounts()
    }

    /// A token that is valid now, when there was no hit.
    pub fn get(&self, name: Option<&str>) -> Result<CachedToken> {
        let cache = &self.call.state.cache;
        if cache.has_valid(name) {
            let by = Deadline::after(LOOK_BUDGET_MS.min(self.call.options.timeout_ms));
            match self.ask(name, by) {
                Err(Trouble::Away(e)) => {
                    // A server that is away is not a reason to withhold a token that is good.
                    match cache.valid_while_store_is_down(name) {
                        Some(token) => return Ok(token),
                        // It was rejected meanwhile: then there is all the time to ask.
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
        // Another thread may have asked, before this one waited or while it did: what it brought is served. Those who
        // waited in vain ask all at once.
        match cache.hit(name.map(str::as_bytes), i64::MAX, CachedToken::clone) {
            Some(token) => Ok(token),
            None => Ok(self.ask(name, self.call.deadline)?),
        }
    }

    fn ask(&self, name: Option<&str>, by: Deadline) -> Result<CachedToken, Trouble> {
        let cache = &self.call.state.cache;
        let stamp = cache.stamp();
        let token = self.caller(by).token(name).inspect_err(|trouble| {
            if matches!(trouble, Trouble::Answered(_)) {
                cache.clear(name);
            }
        })?;
        if token.left_ms <= 0 {
            // Something that was put, which has no end, and is asked for each time.
            cache.clear(name);
            return Ok(CachedToken::uncached(&token.value, token.expires_at_s));
        }
        let token = CachedToken::lasting(&token.value, token.expires_at_s, token.left_ms);
        cache.publish(name, stamp, &token);
        Ok(token)
    }

    /// “The API refused this token.” The server compares.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        let rejected = self.caller(self.call.deadline).reject(name, token);
        // The next get asks the server, whatever came of it.
        self.call.state.shared.invalidate_all();
        rejected
    }

    pub fn put(&self, name: &str, field: &str, value: Option<&str>) -> Result<()> {
        // The one field that a program puts without a value is not named by it.
        let value = value.or((field == "retry").then_some("1"));
        self.caller(self.call.deadline).put(name, field, value)?;
        self.call.state.shared.invalidate_all();
        Ok(())
    }

    /// Whether the server has this account. Its secret stays here: the server has its own.
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

    /// The server's report, with the name by which this handle knows the store.
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

    /// What the threads that ask for one token have in common.
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
