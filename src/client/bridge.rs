//! A bridge: a keeper that brings tokens from another store, the *upstream*, instead of fetching them from a platform.
//!
//! An account that a bridge put in has an *origin*, the name of the upstream, instead of a secret's fingerprint. For
//! its tokens, every process but the bridge is a reader, even if it may write the store. It asks the bridge as a reader
//! asks a keeper.
//!
//! For the bridge, a fetch is a get from the upstream, with the same flights, locks, leases and back-offs. So each
//! token is brought once, and a failure is noted in the row with the upstream's message.
//!
//! - A rejected token is first rejected at the upstream, which compares it. The token that the upstream then returns is
//!   used, whether it is another one or the same.
//! - While the upstream cannot be reached, valid tokens stay in use. For a spent one, the bridge tries again every 2 s.
//! - The upstream may replace a token early. `keeper::bridge` looks for that.

use super::Client;
use super::lead::{LeadResult, Leadership};
use super::session::Session;
use crate::account::Credential;
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, RejectionOutcome};
use crate::error::{Error, Result, Status};
use crate::names;
use crate::platform::errcodes::Wait;
use crate::platform::{FetchError, Grant};
use crate::process::cache::CachedToken;
use crate::remote::RemoteAccount;
use crate::store::Commit;

/// The longest pause after a failure, in seconds. The cause may be fixed at the upstream at any moment, and a try does
/// not cost a request to a platform.
const LONGEST_WAIT_S: i64 = 10;
/// The pause in seconds if the upstream's failure does not name one.
const WAIT_S: i64 = 2;

impl Client {
    /// Makes this handle a bridge from `upstream`.
    pub fn bring_from(&self, upstream: std::sync::Arc<Client>) {
        // A second call would be ignored. A handle becomes a bridge only once, when its keeper starts.
        let _ = self.upstream.set(upstream);
    }

    /// Returns the accounts of this store that a bridge can bring.
    pub fn accounts_to_bring(&self) -> Result<Vec<RemoteAccount>> {
        if let Some(server) = self.at_server()? {
            return server.accounts();
        }
        let accounts = self.accounts()?.into_iter().map(|account| RemoteAccount {
            name: account.name,
            kind: account.kind.name().into(),
            id: account.id,
            current: account.current,
        });
        Ok(accounts.collect())
    }

    /// Gets a token of this store for a bridge, within the deadline.
    fn token_to_bring(&self, name: &str, by: Deadline) -> Result<CachedToken> {
        names::split(Some(name))?;
        if let Some(server) = self.at_server()? {
            return server.until(by).get(Some(name));
        }
        self.session_until(by)?.get(Some(name))
    }

    fn reject_to_bring(&self, name: &str, token: &str, by: Deadline) -> Result<()> {
        if let Some(server) = self.at_server()? {
            return server.until(by).reject(Some(name), token);
        }
        self.session_until(by)?.reject(Some(name), token)
    }

    fn session_until(&self, by: Deadline) -> Result<Session> {
        Ok(Session {
            deadline: by,
            ..self.session()?
        })
    }
}

impl Session {
    /// Returns whether only a bridge may bring this credential, and this process is not that bridge.
    pub(super) fn is_for_a_bridge(&self, found: &Credential) -> bool {
        found.account.origin().is_some() && self.upstream.is_none()
    }

    /// Returns the error of a process that needs a bridge when none is running.
    pub(super) fn lacks_bridge(&self, found: &Credential, origin: &str) -> Error {
        let name = found.name();
        let (why, hint) = self.no_keeper();
        let what = format!("the token of {name} is brought from {origin} by a bridge");
        let error = Error::new(Status::Store, what).because(why);
        match hint {
            Some(_) => error
                .advise("Start `wxtoken keep --from` with that store, as the owner of this one."),
            None => error,
        }
    }

    /// Gets the token from the upstream instead of fetching it.
    pub(super) fn bring(&self, lead: &Leadership, upstream: &Client) -> Result<LeadResult> {
        let name = lead.found.name();
        let learned = RejectionOutcome::default();
        let rejected = lead.row.token.as_deref().filter(|_| lead.row.rejected);
        let sent = self.now();
        let brought = rejected
            .map_or(Ok(()), |token| {
                upstream.reject_to_bring(&name, token, self.deadline)
            })
            .and_then(|()| upstream.token_to_bring(&name, self.deadline));
        match brought {
            Ok(token) => Ok(self.save(lead, &grant_of(&token), &learned, sent)),
            Err(error) => Err(self.record_failure(lead, failure_of(error), &learned)),
        }
    }

    /// Stores a token from the upstream if it differs from the stored one. Returns whether it did.
    pub fn take_over(&self, key: &CredentialKey, token: &CachedToken, sent: Now) -> Result<bool> {
        let mut is_another = false;
        self.change_row(key, |row| {
            is_another = row.token.as_deref() != Some(&*token.value);
            if is_another {
                // This ends the lease of a process that is bringing the token now. Its late result is dropped.
                let lease = row.lease_id;
                let ahead_s = self.options.refresh_ahead_s;
                row.grant(lease, &grant_of(token), sent, ahead_s);
                row.fetched_by = crate::sys::process_label();
            }
            Commit::when(is_another)
        })?;
        if is_another {
            self.state.shared.invalidate_all();
        }
        Ok(is_another)
    }
}

fn grant_of(token: &CachedToken) -> Grant {
    Grant {
        token: token.value.to_string(),
        expires_in_s: token.left_ms() / 1000,
        renewed: None,
    }
}

fn failure_of(mut error: Error) -> FetchError {
    let wait_s = (error.retry_after_ms + 999) / 1000;
    let wait = match wait_s {
        0 => WAIT_S,
        named => named.min(LONGEST_WAIT_S),
    };
    error.retry_after_ms = 0;
    FetchError {
        error,
        wait: Wait::Seconds(wait),
        not_sent: true,
        stale_parent: false,
        blames_secret: false,
    }
}
