//! One call's way to the next token: claim the fetch, ask the platform, save; or wait for whoever does.
//!
//! The diagram in `client` is carried out here. A leader holds a file lock (which the system frees when it dies) and a
//! lease in the row (which runs out when it freezes); the intent is written before the request.
//!
//! # One fetch at a time
//!
//! A process that wants to fetch passes three gates, in this order.
//!
//! 1. **Flight** (`process::single_flight`): one thread per identity in a process. File locks do not tell the threads
//!    of a process apart. It ends a second after its thread's deadline: then that thread hangs, and its lease is out.
//!    The next one takes another slot, since the process still has the lock of the first.
//! 2. **Leader lock** (`sys::lock`): an open-file-description lock on one byte of `<store>.lock`. The kernel frees it
//!    when the process dies. It cannot tell a slow leader from a frozen one.
//! 3. **Lease** (`lease_id`, `lease_until`, `lease_slot`): written into the row together with the intent to fetch, in
//!    an immediate transaction, before the request. It runs to the leader's own deadline and 500 ms more, by the boot
//!    clock. It ends by itself when the leader is frozen.
//!
//! A byte for each credential would not do: a frozen leader keeps its lock. So each credential has 16 bytes, the
//! **slots**. The row names the slot of its last leader. A claimant tries that slot; only if it is taken, and the
//! lease has run out, or no lease has appeared in 250 ms, does it try the others.
//!
//! **Why at most one leader is at it.** A claim counts when its intent is in the row. The transaction that writes it
//! refuses when an active lease names another slot than the one the claimant has locked, and when the row has become
//! better than what the claimant set out from. Suppose two claimants:
//!
//! - Both use the row's slot: the lock admits one.
//! - They use different slots: the first to commit holds an active lease on its own slot, which the other's
//!   transaction sees, and turns back.
//! - The claimant gets the very slot that an active lease names: then its holder no longer has the lock, so it is dead
//!   or done, and has no request under way.
//!
//! **Why a frozen leader blocks nobody.** While its token is good, nobody waits for it at all. When the token is
//! spent, waiters pass it over as soon as its lease is out. Its request was bounded by the same deadline.
//!
//! **Processes that cannot read the boot id.** Leases count by the boot clock, in the boot whose id the row carries. A
//! process that cannot read the id (a chroot without `/proc`) takes every lease to be of its own boot, and others take
//! its leases so, unless they are longer than a lease can be.
//!
//! **Why it cannot overwrite.** Granting and refusing compare `lease_id`, a random number, inside the transaction. If
//! somebody else has claimed since, a late result is dropped. On the classic endpoint a late fetch may have superseded
//! the newer token; then `refresh_at` moves to now, and one more fetch makes sure.
//!
//! What remains: a classic leader that is killed between WeChat's minting and its commit leaves a token that nobody
//! knows. The next fetch then ends the one before at once, so others may hand that out until they see the new one: for
//! the time of the fetch and `revalidate_ms`. And a leader that is stopped in the instant before its request leaves,
//! and woken after its lease, can still send that one request. It does not read the answer.
//!
//! **No place to put it.** When the intent cannot be written, credentials with `FetchCost::Repeatable` (`official`,
//! `work` and others) are fetched all the same, since a repeat does no harm there, keep the row in this process's
//! memory, and say so in the report (`degraded`). What is kept is laid over the stored row part by part, the later
//! token and the later failure (`Row::merge`), and written as soon as the store takes it. A row that is found empty
//! when a fetch ends, or as it was before the claim, was lost with the store, or with the last moments of a server, and not
//! claimed by another: the intent is put back with the token. The others answer `E_STORE` and send nothing: on the classic endpoint each process would end the others' token, and of
//! tickets there are few.

use super::fetch::subject;
use super::put::never_put;
use super::session::Session;
use crate::account::Credential;
use crate::clock::Now;
use crate::credential::{
    CredentialKey, FetchPlan, Freshness, Lease, RejectionOutcome, Remedies, Row,
};
use crate::error::{Error, Result, Status};
use crate::options::LogLevel;
use crate::platform::{FetchCost, FetchSecrets, ParentToken};
use crate::process::single_flight::HeldSlot;
use crate::store::{Commit, LeaderLock};
use crate::sys::{self, Failpoint};

/// How long past its own deadline a leader's lease runs.
const LEASE_GRACE_MS: i64 = 500;
/// How long a lock without a lease is given to get one, before its holder counts as frozen.
const LEASE_APPEARS_WITHIN_MS: i64 = 250;
/// Lock bytes per credential: one for the leader, the others for those who come after a frozen one.
const SLOTS: i64 = 16;
/// Enough time for a fetch to be worth beginning.
const MIN_FETCH_BUDGET_MS: i64 = 2000;

/// The right to make one fetch.
pub(super) struct Leadership<'a> {
    pub(super) found: Box<Credential>,
    /// The row with the intent in it.
    pub(super) row: Row,
    /// The same as it was before.
    pub(super) before: Box<Row>,
    pub(super) fetch_secrets: FetchSecrets,
    pub(super) plan: FetchPlan,
    pub(super) lease: Lease,
    /// What time the fetch had.
    pub(super) budget_ms: i64,
    /// Why the intent could not be written, if so: the token will live in memory.
    pub(super) unwritable: Option<Error>,
    _lock: Option<SlotLock<'a>>,
}

/// A leader lock of this thread. The lock goes first: a thread that finds the slot free may lock its byte.
struct SlotLock<'a> {
    lock: LeaderLock<'a>,
    _held: HeldSlot<'a>,
}

impl Leadership<'_> {
    /// Notes in the row what was learned about a rejection.
    pub(super) fn conclude(&self, row: &mut Row, learned: &RejectionOutcome, now: Now) {
        row.conclude_rejection(self.lease.id, self.plan.rejection, learned, now);
    }
}

enum Claim<'a> {
    Won(Box<Leadership<'a>>),
    /// The row has moved on: look at it again.
    NotNeeded,
    /// Another process leads.
    Taken,
}

enum Intent {
    Fetch(FetchPlan, Box<Claimed>),
    NotNeeded,
    Taken,
}

/// A row with the intent to fetch in it, and as it was before.
struct Claimed {
    row: Row,
    before: Box<Row>,
}

/// What came of the way to a token.
pub enum LeadResult {
    Row(Box<Row>),
    /// The account was changed meanwhile and has another identity.
    MovedTo(Box<Credential>),
    /// Somebody else is at it, or it is not the time.
    NotNow,
    /// The platform did not take the parent's token: nothing is noted, and the lead is given back.
    StaleParent,
}

/// What a fetch takes from another credential.
#[derive(Clone, Copy)]
pub struct ParentCredential<'a> {
    pub token: Option<&'a ParentToken>,
    /// If the platform does not take it, there is to be another try with another one.
    pub may_be_stale: bool,
}

/// Whose lock may be passed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LockPolicy {
    /// A holder with no lease may be about to write one.
    RespectLockWithoutLease,
    /// It has had its time.
    IgnoreLockWithoutLease,
}

impl Session {
    /// Fetches the next token if nobody else is at it.
    pub fn try_refresh(
        &self,
        found: Box<Credential>,
        parent: ParentCredential,
    ) -> Result<LeadResult> {
        if self.is_for_a_bridge(&found) {
            return Ok(LeadResult::NotNow);
        }
        if self.has_keeper() {
            return Ok(LeadResult::NotNow);
        }
        if self.is_reader() {
            return Err(self.cannot_fetch(&found));
        }
        let name = found.name();
        let mut found = found;
        loop {
            let policy = LockPolicy::RespectLockWithoutLease;
            match self.claim(found, Freshness::Usable, policy)? {
                Claim::Won(lead) => match self.fetch(*lead, parent) {
                    Err(e) => found = self.unless_another_secret(Some(&name), e)?,
                    other => return other,
                },
                Claim::NotNeeded | Claim::Taken => return Ok(LeadResult::NotNow),
            }
        }
    }

    /// Fetches a token, or waits for whoever fetches it, to the deadline. The caller holds the flight.
    pub fn obtain(
        &self,
        name: Option<&str>,
        key: &CredentialKey,
        parent: ParentCredential,
    ) -> Result<LeadResult> {
        let mut leaseless_since = None;
        let mut asked = None;
        let mut fetched = false;
        loop {
            let found = self.read_credential(name)?;
            if found.key != *key {
                return Ok(LeadResult::MovedTo(found));
            }
            if self.freshness(&found) != Freshness::Spent {
                return Ok(LeadResult::Row(Box::new(found.row)));
            }
            let recipe = found.recipe;
            let is_reader = self.leaves_to_others(&found);
            let now = self.now();
            if let Some(error) = self.standing_failure(&found) {
                return Err(error);
            }
            if found.row.lease_is_active(now) {
                leaseless_since = None;
            }
            let since = *leaseless_since.get_or_insert(now.steady_ms);
            let slot = found.row.lease_slot;
            let policy = if now.steady_ms - since >= LEASE_APPEARS_WITHIN_MS {
                LockPolicy::IgnoreLockWithoutLease
            } else {
                LockPolicy::RespectLockWithoutLease
            };
            // Too late to lead: the time that is left would be taken for the platform's slowness.
            let fair = self.options.timeout_ms.min(MIN_FETCH_BUDGET_MS) / 2;
            if is_reader
                && found.account.origin().is_none()
                && let Some(put) = found
                    .recipe
                    .pushed
                    .as_ref()
                    .filter(|_| found.row.pushed.is_none())
            {
                // Nobody can fetch it.
                return Err(never_put(&found, put));
            }
            let by_keeper = is_reader && self.ask_keeper(&found, &mut asked);
            let claim = if by_keeper || self.left_ms() < fair {
                Claim::Taken
            } else if is_reader && !found.row.lease_is_active(now) {
                // Whatever the credential takes: this process is not the one to fetch it.
                let error = self.cannot_fetch(&found);
                self.log(LogLevel::Error, &error.for_c());
                return Err(error);
            } else if is_reader {
                Claim::Taken
            } else {
                self.claim(found, Freshness::Spent, policy)
                    .map_err(|e| self.as_reader(e))?
            };
            match claim {
                Claim::Won(lead) => {
                    let row = match self.fetch(*lead, parent) {
                        Ok(LeadResult::Row(row)) => row,
                        Ok(other) => return Ok(other),
                        Err(e) => {
                            self.unless_another_secret(name, e)?;
                            continue;
                        }
                    };
                    // Spent already: rejected meanwhile, or the clock was set ahead. Once more, but not for ever.
                    let is_spent = self.freshness_at(recipe, key, &row, self.now());
                    if fetched || is_spent != Freshness::Spent {
                        return Ok(LeadResult::Row(row));
                    }
                    fetched = true;
                }
                Claim::NotNeeded => {}
                Claim::Taken if by_keeper => {
                    // One with another base URL fetches another token.
                    let doing = format!(
                        "waiting for the keeper to fetch the {} for {} at {}",
                        recipe.noun(),
                        key.id,
                        key.base_url
                    );
                    let paused = self.store().await_leader(key, slot, &self.deadline, &doing);
                    paused.map_err(|e| e.advise("See the keeper's log."))?;
                }
                Claim::Taken => {
                    let doing = format!(
                        "waiting for another process to fetch the {} for {}",
                        recipe.noun(),
                        key.id
                    );
                    self.store()
                        .await_leader(key, slot, &self.deadline, &doing)?;
                }
            }
        }
    }

    /// The error of a reader without a keeper.
    fn cannot_fetch(&self, found: &Credential) -> Error {
        if let Some(origin) = found.account.origin() {
            return self.lacks_bridge(found, origin);
        }
        let why = self.why_reader();
        self.as_reader(why.unwrap_or_else(|| {
            // It may write by now: the next call does.
            Error::store(format!("cannot write store {}", self.store_name()))
        }))
    }

    /// Tells a process that may not fetch who should.
    fn as_reader(&self, mut error: Error) -> Error {
        let is_ours = matches!(error.status, Status::Secret | Status::Store);
        if is_ours && !self.is_keeper && self.is_reader() {
            let (why, hint) = self.no_keeper();
            error.detail = Some(match error.detail {
                Some(detail) => format!("{detail}; {why}"),
                None => why,
            });
            let is_lock_out = error.status == Status::Secret;
            if is_lock_out || error.hint.is_none() {
                error = error.hint_if(hint);
            }
        }
        error
    }

    /// Takes the lock and writes the intent, if the row is still no better than `stalest_allowed`.
    fn claim(
        &self,
        found: Box<Credential>,
        stalest_allowed: Freshness,
        policy: LockPolicy,
    ) -> Result<Claim<'static>> {
        sys::hit_failpoint(Failpoint::Looked);
        let (lock, unlockable) = match self.lock(&found, policy) {
            Ok(Some(lock)) => (Some(lock), None),
            Ok(None) => return Ok(Claim::Taken),
            // Without the lock file this process can at least see that another one leads.
            Err(_) if found.row.lease_is_active(self.now()) => {
                return Ok(Claim::Taken);
            }
            // It cannot lock here at all, and is a reader from now on.
            Err(e) if self.is_reader() => return Err(e),
            Err(e) => (None, Some(e)),
        };
        sys::hit_failpoint(Failpoint::Locked);
        let (found, fetch_secrets) = self.with_best_secret(found)?;
        let lease = Lease {
            id: i64::from_ne_bytes(sys::random()) | 1,
            slot: lock.as_ref().map_or(0, |lock| lock.lock.slot),
            length_ms: self.left_ms() + LEASE_GRACE_MS,
        };
        let budget_ms = self.left_ms();
        let written = match unlockable {
            None => self.write_intent(&found, lease, stalest_allowed),
            Some(e) => Err(e),
        };
        let (intent, unwritable) = match written {
            // Another process has taken the right to write from it meanwhile, by a newer schema or a mode.
            Err(e) if e.status == Status::Store && self.is_reader() => return Err(e),
            Err(e) if e.status == Status::Store => (
                self.intend_in_memory(&found, lease, stalest_allowed, &e)?,
                Some(e),
            ),
            other => (other?, None),
        };
        Ok(match intent {
            Intent::NotNeeded => Claim::NotNeeded,
            Intent::Taken => Claim::Taken,
            Intent::Fetch(plan, claimed) => Claim::Won(Box::new(Leadership {
                found,
                row: claimed.row,
                before: claimed.before,
                fetch_secrets,
                plan,
                lease,
                budget_ms,
                unwritable,
                _lock: lock,
            })),
        })
    }

    fn lock(&self, found: &Credential, policy: LockPolicy) -> Result<Option<SlotLock<'static>>> {
        let row = &found.row;
        let first = row.lease_slot.rem_euclid(SLOTS);
        let lock = self.lock_slot(&found.key, first)?;
        if lock.is_some() {
            return Ok(lock);
        }
        let now = self.now();
        let is_frozen = row.lease_has_run_out(now)
            || (policy == LockPolicy::IgnoreLockWithoutLease && !row.lease_is_active(now));
        if is_frozen {
            for slot in (1..SLOTS).map(|step| (first + step) % SLOTS) {
                let lock = self.lock_slot(&found.key, slot)?;
                if lock.is_some() {
                    return Ok(lock);
                }
            }
        }
        Ok(None)
    }

    fn lock_slot(&self, key: &CredentialKey, slot: i64) -> Result<Option<SlotLock<'static>>> {
        let Some(held) = self.state.shared.slots.take(key, slot) else {
            return Ok(None);
        };
        let lock = self.store().try_lead(key, slot)?;
        Ok(lock.map(|lock| SlotLock { lock, _held: held }))
    }

    /// The intent, written before the request: a store that cannot be written is found out while nothing is lost.
    fn write_intent(
        &self,
        found: &Credential,
        lease: Lease,
        stalest_allowed: Freshness,
    ) -> Result<Intent> {
        let shared = self.state.shared;
        let mut intent = Intent::NotNeeded;
        self.change_row(&found.key, |row| {
            shared.unsaved.apply(&found.key, row);
            intent = self.intend(row, found, lease, stalest_allowed);
            Commit::when(matches!(intent, Intent::Fetch(..)))
        })?;
        if matches!(intent, Intent::Fetch(..)) {
            shared.unsaved.clear(&found.key);
        }
        Ok(intent)
    }

    /// Where a repeat is harmless a fetch may do without the store; where it is not, every process would mint its own.
    fn intend_in_memory(
        &self,
        found: &Credential,
        lease: Lease,
        stalest_allowed: Freshness,
        why: &Error,
    ) -> Result<Intent> {
        let repeatable =
            found.recipe.cost == FetchCost::Repeatable || found.account.origin().is_some();
        if !repeatable {
            return Err(Error {
                hint: why.hint.clone(),
                ..Error::store(format!("{} was not fetched", subject(found)))
                    .because(why.to_string())
            });
        }
        let mut row = found.row.clone();
        // Another process of this host may have fetched, while this one waited for its lock.
        if let Some(kept) = self.store().kept_for_host(&found.key)
            && !row.includes(&kept)
        {
            row.merge(&kept);
        }
        let intent = self.intend(&mut row, found, lease, stalest_allowed);
        if matches!(intent, Intent::Fetch(..)) {
            let why = why.for_c();
            self.log(LogLevel::Error, &format!("going on from memory: {why}"));
        }
        Ok(intent)
    }

    fn intend(
        &self,
        row: &mut Row,
        found: &Credential,
        lease: Lease,
        stalest_allowed: Freshness,
    ) -> Intent {
        let now = self.now();
        if row.lease_is_active(now) && row.lease_slot != lease.slot {
            return Intent::Taken;
        }
        if self.freshness_at(found.recipe, &found.key, row, now) < stalest_allowed
            || row
                .standing_failure_of(found.blamable(), now, self.options.timeout_ms)
                .is_some()
        {
            return Intent::NotNeeded;
        }
        let before = Box::new(row.clone());
        let plan = row.claim(lease, remedies_of(found), now);
        let row = row.clone();
        Intent::Fetch(plan, Box::new(Claimed { row, before }))
    }
}

/// What can be done about a rejected token. Of one that is brought, its origin takes care.
fn remedies_of(found: &Credential) -> Remedies {
    let is_ours = found.account.origin().is_none();
    Remedies {
        force: is_ours && found.recipe.can_force(),
        check: is_ours && found.recipe.check.is_some(),
    }
}
