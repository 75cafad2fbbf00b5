//! The way to the next token: claim the fetch, ask the platform and save, or wait for the process that does so.
//!
//! This module carries out the diagram in `client::get`. A leader holds a file lock, which the system frees when the
//! leader dies. It also holds a lease in the row, which runs out if the leader freezes. The intent is written before
//! the request.
//!
//! # One fetch at a time
//!
//! A process that wants to fetch passes three gates, in this order.
//!
//! 1. **Flight** (`process::single_flight`): one thread per identity in a process. File locks do not tell the threads
//!    of a process apart. A flight ends a second after its thread's deadline: by then its lease has run out, and the
//!    thread hangs. The next thread takes another slot, since the process still holds the lock of the first.
//! 2. **Leader lock** (`sys::lock`): an open-file-description lock on one byte of `<store>.lock`. The kernel frees it
//!    when the process dies. It cannot tell a slow leader from a frozen one.
//! 3. **Lease** (`lease_id`, `lease_until`, `lease_slot`): written into the row together with the intent to fetch,
//!    before the request, in an immediate transaction. It runs until 500 ms after the leader's own deadline, by the
//!    boot clock. So it ends by itself if the leader is frozen.
//!
//! One lock byte per credential is not enough, because a frozen leader keeps its lock. So each credential has 16 bytes,
//! the **slots**. The row names the slot of its last leader, and a claimant tries that slot first. It tries the others
//! only if that slot is taken and the lease has run out, or no lease has appeared within 250 ms.
//!
//! **Why there is at most one leader.** A claim counts when its intent is in the row. The transaction that writes it
//! fails if an active lease names another slot than the claimant has locked. It also fails if the row has become better
//! than it was when the claimant set out. Suppose two claimants:
//!
//! - Both use the row's slot: the lock admits one.
//! - They use different slots: the first to commit holds an active lease on its own slot. The transaction of the other
//!   sees that lease, and fails.
//! - The claimant gets the slot that an active lease names: then the holder of the lease no longer has the lock. It is
//!   dead or done, and has no request under way.
//!
//! **Why a frozen leader blocks nobody.** While its token is valid, nobody waits for it. When the token is spent,
//! waiters pass it over as soon as its lease has run out. Its request was bounded by the same deadline.
//!
//! **Processes that cannot read the boot id.** Leases count by the boot clock, within the boot whose id the row
//! carries. A process that cannot read the id, as in a chroot without `/proc`, takes every lease to be of its own boot.
//! Other processes treat its leases in the same way, unless one is longer than a lease can be.
//!
//! **Why a late leader cannot overwrite.** Saving a token or a failure compares `lease_id`, a random number, inside the
//! transaction. If another process has claimed since, the late result is dropped. On the classic endpoint a late fetch
//! may have superseded the newer token. Then `refresh_at` moves to now, and one more fetch makes sure.
//!
//! **What remains.** On the classic endpoint, a leader that is killed after WeChat has minted a token and before its
//! own commit leaves a token that nobody knows. The next fetch then ends the previous token at once. Other processes
//! may return that dead token until they see the new one: for the time of the fetch and `revalidate_ms`. A leader that
//! is stopped in the instant before its request leaves, and woken after its lease, can still send that one request. It
//! does not read the answer.
//!
//! **When the store cannot be written.** Credentials with `FetchCost::Repeatable` (`official`, `work` and others) are
//! fetched even if the intent cannot be written, since a repeat does no harm there. Their row is kept in the memory of
//! this process, and the report says so (`degraded`). It is laid over the stored row part by part, the later token and
//! the later failure (`Row::merge`), and written as soon as the store can be written again.
//!
//! All other credentials answer `E_STORE` and send nothing. On the classic endpoint each process would end the tokens
//! of the others, and tickets are few.
//!
//! **When the row is lost during a fetch.** A row may be empty when a fetch ends, or be as it was before the claim.
//! Then the store was lost, or a server lost its last moments, and no other process has claimed. The intent is put back
//! together with the token.

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

/// The time in milliseconds that a lease runs beyond its leader's deadline.
const LEASE_GRACE_MS: i64 = 500;
/// The time in milliseconds within which a lease must appear in the row of a locked credential. After that, the holder
/// of the lock counts as frozen.
const LEASE_APPEARS_WITHIN_MS: i64 = 250;
/// The number of lock bytes per credential: one for the leader, the others for the leaders after a frozen one.
const SLOTS: i64 = 16;
/// The time budget in milliseconds with which a fetch is worth beginning. A call leads while half of it is left, or
/// half of a shorter `timeout_ms`.
const MIN_FETCH_BUDGET_MS: i64 = 2000;

/// The right to make one fetch, with everything that the fetch needs.
pub(super) struct Leadership<'a> {
    pub(super) found: Box<Credential>,
    /// The row, with the intent written into it.
    pub(super) row: Row,
    /// The row before the intent was written.
    pub(super) before: Box<Row>,
    pub(super) fetch_secrets: FetchSecrets,
    pub(super) plan: FetchPlan,
    pub(super) lease: Lease,
    /// The time in milliseconds that was left for the fetch when it was claimed.
    pub(super) budget_ms: i64,
    /// The reason why the intent could not be written, if so. The row is then kept in memory.
    pub(super) unwritable: Option<Error>,
    _lock: Option<SlotLock<'a>>,
}

/// A leader lock of this thread. The lock is dropped before the slot, so that a thread that finds the slot free can
/// lock its byte.
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
    /// The row has changed, and must be read again.
    NotNeeded,
    /// Another process leads.
    Taken,
}

enum Intent {
    Fetch(FetchPlan, Box<Claimed>),
    NotNeeded,
    Taken,
}

/// A row with the intent to fetch, and the row before that.
struct Claimed {
    row: Row,
    before: Box<Row>,
}

/// The result of trying to lead a fetch.
pub enum LeadResult {
    Row(Box<Row>),
    /// The account was changed meanwhile and has another key.
    MovedTo(Box<Credential>),
    /// Another thread or process is fetching, or a fetch is not due.
    NotNow,
    /// The platform did not accept the parent's token. Nothing is noted, and the lease is released.
    StaleParent,
}

/// The token of another credential that a fetch is made with.
#[derive(Clone, Copy)]
pub struct ParentCredential<'a> {
    pub token: Option<&'a ParentToken>,
    /// Whether to try again with another parent token if the platform does not accept this one.
    pub may_be_stale: bool,
}

/// When the lock of another process may be passed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LockPolicy {
    /// A holder of the lock without a lease may be about to write one.
    RespectLockWithoutLease,
    /// A holder of the lock without a lease has had time to write one.
    IgnoreLockWithoutLease,
}

impl Session {
    /// Fetches the next token unless another process leads.
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
        // The look at the store or the parent's token may have taken most of the time.
        if !self.has_time_to_lead() {
            return Ok(LeadResult::NotNow);
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

    /// Fetches a token, or waits until the deadline for the process that fetches it. The caller holds the flight.
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
            if is_reader
                && found.account.origin().is_none()
                && let Some(put) = found
                    .recipe
                    .pushed
                    .as_ref()
                    .filter(|_| found.row.pushed.is_none())
            {
                // Nobody can fetch without a put secret.
                return Err(never_put(&found, put));
            }
            let by_keeper = is_reader && self.ask_keeper(&found, &mut asked);
            let claim = if by_keeper || !self.has_time_to_lead() {
                Claim::Taken
            } else if is_reader && !found.row.lease_is_active(now) {
                // This process may not fetch, and no keeper fetches for it.
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
                    // The token is spent already: it was rejected meanwhile, or the clock was set forward. One more
                    // fetch is made, not more.
                    let is_spent = self.freshness_at(recipe, key, &row, self.now());
                    if fetched || is_spent != Freshness::Spent {
                        return Ok(LeadResult::Row(row));
                    }
                    fetched = true;
                }
                Claim::NotNeeded => {}
                Claim::Taken if by_keeper => {
                    // A keeper with another base URL fetches another token, so the message names the URL.
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

    /// Returns whether enough time is left for a fetch. With less, a timeout would be blamed on the platform.
    fn has_time_to_lead(&self) -> bool {
        self.left_ms() >= self.options.timeout_ms.min(MIN_FETCH_BUDGET_MS) / 2
    }

    /// Returns the error of a reader without a keeper.
    fn cannot_fetch(&self, found: &Credential) -> Error {
        if let Some(origin) = found.account.origin() {
            return self.lacks_bridge(found, origin);
        }
        let why = self.why_reader();
        self.as_reader(why.unwrap_or_else(|| {
            // The process may be able to write by now. The next call will.
            Error::store(format!("cannot write store {}", self.store_name()))
        }))
    }

    /// Adds to the error of a process that may not fetch which process should.
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
            // Even without the lock file, the lease shows that another process leads.
            Err(_) if found.row.lease_is_active(self.now()) => {
                return Ok(Claim::Taken);
            }
            // This process cannot lock here at all. It is a reader from now on.
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
            // Another process has meanwhile taken away the right to write, with a newer schema or another file mode.
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

    /// Writes the intent before the request, so that a store that cannot be written is noticed before anything is lost.
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
            // Another secret may have been put since this leader opened the one that it would send.
            let put = row.pushed.as_ref();
            intent = match put.is_none_or(|put| put.is_same(found.row.pushed.as_ref())) {
                true => self.intend(row, found, lease, stalest_allowed),
                false => Intent::NotNeeded,
            };
            Commit::when(matches!(intent, Intent::Fetch(..)))
        })?;
        if matches!(intent, Intent::Fetch(..)) {
            shared.unsaved.clear(&found.key);
        }
        Ok(intent)
    }

    /// Makes the claim in memory, for a credential whose fetch can be repeated without harm. For any other credential
    /// each process would mint its own token, so this fails.
    fn intend_in_memory(
        &self,
        found: &Credential,
        lease: Lease,
        stalest_allowed: Freshness,
        why: &Error,
    ) -> Result<Intent> {
        let repeatable =
            found.recipe.cost == FetchCost::Repeatable || found.account.origin().is_some();
        let mut row = found.row.clone();
        // Another process of this host may have fetched while this one waited for the lock.
        let kept = self.store().kept_for_host(&found.key);
        let kept = kept.filter(|kept| !row.includes(kept));
        if let Some(kept) = &kept {
            row.merge(kept);
        }
        let intent = self.intend(&mut row, found, lease, stalest_allowed);
        match intent {
            Intent::Fetch(..) if !repeatable => Err(Error {
                hint: why.hint.clone(),
                ..Error::store(format!("{} was not fetched", subject(found)))
                    .because(why.to_string())
            }),
            Intent::Fetch(..) => {
                let why = why.for_c();
                self.log(LogLevel::Error, &format!("going on from memory: {why}"));
                Ok(intent)
            }
            Intent::NotNeeded | Intent::Taken => {
                if kept.is_some() {
                    // A server that refuses writes may answer reads. The next look then finds the row here.
                    self.state.shared.unsaved.keep(&found.key, row, why);
                }
                Ok(intent)
            }
        }
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

/// Returns what can be done about a rejected token. For a token that a bridge brings, the origin does it.
fn remedies_of(found: &Credential) -> Remedies {
    let is_ours = found.account.origin().is_none();
    Remedies {
        force: is_ours && found.recipe.can_force(),
        check: is_ours && found.recipe.check.is_some(),
    }
}
