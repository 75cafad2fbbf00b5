//! How a get finds a token for one credential, and along the chain of credentials that it is fetched with.
//!
//! ```text
//!  fresh in this process ─────────────────────────────────────────────► copy
//!    else fresh in the store ─────────────────────────────────────────► copy
//!      else still valid, past its refresh time: try to lead
//!         leader → fetch → save → copy            others → the token they have, at once
//!      else expired, absent or rejected: wait to lead or for the row, to the deadline
//!    fetch failed → noted in the store → a still valid token is served; else the error, shared by all
//! ```
//!
//! # Chains
//!
//! A recipe names what its request takes from another credential. A ticket takes its account's access token. An
//! authorizer's token takes its component's token.
//!
//! To fetch a ticket, the leader first gets the parent's token with the same function (`client::get`), within the same
//! deadline. It already holds the ticket's flight, but has not yet made its claim. So a lease covers one request only,
//! a parent's failure is noted in the parent's row only, and every link is fetched once. Flights are taken from the
//! ticket up, and the kinds of parents form no circle (a test of the table checks this). So no two threads wait for
//! each other.
//!
//! While the ticket is still valid, its leader does not wait for another process that fetches the parent. It tries to
//! lead that fetch too, or gives up for now. If the platform does not accept the parent's token, the leader rejects
//! that token by comparison, releases the ticket's lease with nothing noted, and tries once more.
//!
//! A pushed secret (a ticket or a refresh token) is kept in the row of the token that it is for. It is sealed and bound
//! to that identity. So a refresh token that comes with a token is committed together with it.
//!
//! The row also keeps the fingerprint of the secret that was put last. Programs put the same secret at each start. The
//! fingerprint shows that, and the put does not undo what the platform has sent since.
//!
//! A refresh token from a late leader is stored. If the stored one has been replaced meanwhile, the late one is kept in
//! `pushed_before`.

use super::lead::LeadResult;
use super::parent::IfBusy;
use super::session::Session;
use crate::account::{Credential, Lookup};
use crate::clock::Deadline;
use crate::credential::{Freshness, Row};
use crate::error::{Error, Result, Status};
use crate::names;
use crate::options::LogLevel;
use crate::platform::ParentKind;
use crate::process::cache::{CachedToken, ReadStamp, WhileSame};
use crate::sys;

/// The time in milliseconds that a look at the store may take if this process has a valid token.
pub(super) const STORE_READ_BUDGET_MS: i64 = 100;

impl Session {
    /// Returns a valid token after a cache miss.
    pub fn get(&self, name: Option<&str>) -> Result<CachedToken> {
        let cache = &self.state.cache;
        let stamp = cache.stamp();
        // With a valid token in memory, no caller waits for a store that another process has locked.
        let read_by = if cache.has_valid(name) {
            Deadline::after(STORE_READ_BUDGET_MS.min(self.options.timeout_ms))
        } else {
            self.deadline
        };
        let loaded = match self.load(name, &read_by) {
            Err(e) if e.status == Status::Store || e.status == Status::Timeout => {
                // A valid token is returned even if the store cannot be read.
                match cache.valid_while_store_is_down(name) {
                    Some(token) => return Ok(token),
                    // The token was rejected meanwhile. The look may then take the whole time limit.
                    None if e.status == Status::Timeout => self.load(name, &self.deadline),
                    None => Err(e),
                }
            }
            other => other,
        };
        let found = match loaded {
            Ok(Lookup::Found(found)) => found,
            Ok(Lookup::NoCredential(account)) => {
                let (_, field) = names::split(name)?;
                return self.read_secret(&account, field);
            }
            Ok(Lookup::NoAccount) => {
                cache.clear(name);
                return Err(self.no_account(names::split(name)?.0));
            }
            Err(e) => {
                cache.clear(name);
                return Err(e);
            }
        };
        let token = self.serve(&found.row);
        match (self.freshness(&found), token) {
            (Freshness::Spent, _) | (_, None) => {
                cache.clear(name);
                self.wait_for_token(name, found)
            }
            (freshness, Some(token)) => {
                cache.publish_seen(name, stamp, &token, self.while_same(&found));
                if freshness != Freshness::Usable {
                    return Ok(token);
                }
                let was_rejected = found.row.rejected;
                if let Some(next) = self.refresh_early(name, found) {
                    return Ok(next);
                }
                if was_rejected && let Some(found) = self.known_as_refused(name) {
                    return self.wait_for_token(name, found);
                }
                Ok(token)
            }
        }
    }

    fn while_same(&self, found: &Credential) -> Option<WhileSame> {
        Some(WhileSame {
            mark: found.mark?,
            fresh: found.row.fresh_span(self.now())?,
        })
    }

    /// Returns the credential if its token was rejected and the platform has refused it meanwhile.
    fn known_as_refused(&self, name: Option<&str>) -> Option<Box<Credential>> {
        let read_by = Deadline::after(STORE_READ_BUDGET_MS.min(self.left_ms()));
        match self.load(name, &read_by) {
            Ok(Lookup::Found(found)) if self.freshness(&found) == Freshness::Spent => {
                self.state.cache.clear(name);
                Some(found)
            }
            _ => None,
        }
    }

    /// Leads a refresh while the old token is valid, unless another thread or process does. An error is logged, and not
    /// returned to the caller.
    fn refresh_early(&self, name: Option<&str>, found: Box<Credential>) -> Option<CachedToken> {
        if self.standing_failure(&found).is_some() {
            return None;
        }
        if self.options.background_refresh {
            self.refresh_in_background(found);
            return None;
        }
        self.try_lead(name, found).unwrap_or_else(|e| {
            self.log(LogLevel::Debug, &format!("not refreshed: {}", e.for_c()));
            None
        })
    }

    /// Fetches the next token. Returns None at once if another thread or process is fetching it.
    pub(super) fn try_lead(
        &self,
        name: Option<&str>,
        found: Box<Credential>,
    ) -> Result<Option<CachedToken>> {
        let flights = &self.state.shared.flights;
        let Some(_flight) = flights.try_begin(&found.key, &self.deadline) else {
            return Ok(None);
        };
        let stamp = self.state.cache.stamp();
        Ok(match self.lead(found)? {
            LeadResult::Row(row) => self.publish(name, stamp, &row),
            _ => None,
        })
    }

    /// Fetches the token for a keeper, if it is due. Returns None if there is nothing to do, or another thread or
    /// process is fetching it.
    pub fn keep(&self, name: &str) -> Result<Option<CachedToken>> {
        let found = self.read_credential(Some(name))?;
        match self.freshness(&found) {
            Freshness::Fresh => Ok(None),
            // The parent's token is being fetched elsewhere. The keeper tries again soon.
            Freshness::Usable => match self.try_lead(Some(name), found) {
                Err(e) if e.status == Status::Timeout && e.retry_after_ms == 0 => Ok(None),
                other => other,
            },
            Freshness::Spent => {
                let fetches = found.row.fetches;
                let token = self.wait_for_token(Some(name), found)?;
                let row = self.read_credential(Some(name))?.row;
                Ok((row.fetches > fetches).then_some(token))
            }
        }
    }

    /// Returns whether a failure noted in the store holds further tries back.
    pub fn has_failed(&self, name: &str) -> bool {
        let found = self.read_credential(Some(name));
        found.is_ok_and(|found| found.row.standing_failure(self.now(), 0).is_some())
    }

    fn lead(&self, found: Box<Credential>) -> Result<LeadResult> {
        self.with_parent(&found, IfBusy::GiveUp, |parent| {
            self.try_refresh(found.clone(), parent)
        })
    }

    /// Starts a thread for one refresh, unless a thread of this process is fetching the token already.
    fn refresh_in_background(&self, found: Box<Credential>) {
        let shared = self.state.shared;
        let deadline = Deadline::after(self.options.timeout_ms);
        let Some(flight) = shared.flights.try_begin(&found.key, &deadline) else {
            return;
        };
        let of_thread = Session {
            deadline,
            ..self.clone()
        };
        let started = self.background.start(move || {
            let _flight = flight;
            if matches!(of_thread.lead(found), Ok(LeadResult::Row(_))) {
                // Every name of this credential must see the new token.
                shared.invalidate_all();
            }
        });
        if let Err(e) = started {
            let advice = sys::no_thread_advice(&e);
            let why = format!("no thread for a background refresh; hint: {advice}");
            self.log(LogLevel::Error, &why);
        }
    }

    fn wait_for_token(
        &self,
        name: Option<&str>,
        mut found: Box<Credential>,
    ) -> Result<CachedToken> {
        loop {
            if let Some(error) = self.standing_failure(&found) {
                return Err(error);
            }
            let identity = found.key.clone();
            let flights = &self.state.shared.flights;
            let Some(_flight) = flights.begin(&identity, &self.deadline)? else {
                // The flight has ended. All threads that waited look at once, not one after another.
                found = match self.read_result(name)? {
                    FlightResult::Token(token) => return Ok(token),
                    FlightResult::Nothing(found) => found,
                };
                continue;
            };
            let stamp = self.state.cache.stamp();
            let outcome = self.with_parent(&found, IfBusy::Wait, |parent| {
                self.obtain(name, &identity, parent)
            });
            match outcome {
                Ok(LeadResult::Row(row)) => {
                    return self.publish(name, stamp, &row).ok_or_else(|| {
                        self.deadline.error(
                            "waiting for a token, which expired before it could be handed out",
                        )
                    });
                }
                Ok(LeadResult::MovedTo(other)) => found = other,
                Ok(LeadResult::NotNow | LeadResult::StaleParent) => {
                    return Err(Error::new(
                        Status::Internal,
                        "a fetch ended without an answer",
                    ));
                }
                // If the parent's token was lacking here, another process may have had it and fetched.
                Err(e) if found.recipe.parent != ParentKind::None => {
                    return match self.read_result(name) {
                        Ok(FlightResult::Token(token)) => Ok(token),
                        _ => Err(e),
                    };
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn read_result(&self, name: Option<&str>) -> Result<FlightResult> {
        let stamp = self.state.cache.stamp();
        let found = self.read_credential(name)?;
        if self.freshness(&found) != Freshness::Spent
            && let Some(token) = self.publish(name, stamp, &found.row)
        {
            return Ok(FlightResult::Token(token));
        }
        Ok(FlightResult::Nothing(found))
    }

    pub(super) fn publish(
        &self,
        name: Option<&str>,
        stamp: ReadStamp,
        row: &Row,
    ) -> Option<CachedToken> {
        let token = self.serve(row)?;
        self.state.cache.publish(name, stamp, &token);
        Some(token)
    }
}

/// The result of a look at the store after waiting for a flight.
enum FlightResult {
    Token(CachedToken),
    Nothing(Box<Credential>),
}
