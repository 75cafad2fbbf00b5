//! One call's way to the next token: claim the fetch, ask the platform, save; or wait for whoever does.
//!
//! The diagram in `client` is carried out here. A leader holds a file lock (which the system frees when it dies) and a
//! lease in the row (which runs out when it freezes); the intent is written before the request.

use crate::clock::{Deadline, Now};
use crate::error::{Error, Result, Status};
use crate::options::LogLevel;
use crate::process::renew_put;
use crate::session::Session;
use crate::session::{never_put, put_label};
use crate::store::{self, Call, LeaderLock};
use crate::sys::{self, Failpoint};
use crate::token::{Errand, Freshness, Identity, Lease, Row};
use crate::vault::Secret;
use crate::wechat::errcode::Wait;
use crate::wechat::{self, Failure, Fetch, Grant, Ingredients, ParentToken, Quota};

/// How long past its own deadline a leader's lease runs.
const LEASE_GRACE_MS: i64 = 500;
/// How long a lock without a lease is given to get one, before its holder counts as frozen.
const LEASELESS_MS: i64 = 250;
/// Lock bytes per credential: one for the leader, the others for those who come after a frozen one.
const SLOTS: i64 = 16;
/// Enough time for a fetch to be worth beginning.
const FAIR_MS: i64 = 2000;
/// A fetched token is worth more patience than the caller's deadline may have left.
const SAVE_MS: i64 = 2000;

/// The right to make one fetch.
struct Lead<'a> {
    found: Box<store::View>,
    /// The row with the intent in it.
    row: Row,
    ingredients: Ingredients,
    errand: Errand,
    lease: Lease,
    /// What time the fetch had.
    budget_ms: i64,
    /// Why the intent could not be written, if so: the token will live in memory.
    unwritable: Option<Error>,
    _lock: Option<LeaderLock<'a>>,
}

enum Claim<'a> {
    Ours(Box<Lead<'a>>),
    /// The row has moved on: look at it again.
    Settled,
    /// Another process leads.
    Busy,
}

enum Intent {
    Errand(Errand, Box<Row>),
    Settled,
    Busy,
}

/// What came of the way to a token.
pub enum Outcome {
    Row(Box<Row>),
    /// The account was changed meanwhile and has another identity.
    MovedTo(Box<store::View>),
    /// Somebody else is at it, or it is not the time.
    NotNow,
    /// The platform did not take the parent's token: nothing is noted, and the lead is given back.
    StaleParent,
}

/// What a fetch takes from another credential.
#[derive(Clone, Copy)]
pub struct Parent<'a> {
    pub token: Option<&'a ParentToken>,
    /// If the platform does not take it, there is to be another try with another one.
    pub may_be_stale: bool,
}

/// Whose lock may be passed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// A holder with no lease may be about to write one.
    WithLeaseless,
    /// It has had its time.
    WithNobody,
}

impl Session {
    /// Fetches the next token if nobody else is at it.
    pub fn try_refresh(&self, found: Box<store::View>, parent: Parent) -> Result<Outcome> {
        if self.has_keeper() {
            return Ok(Outcome::NotNow);
        }
        match self.claim(found, Freshness::Usable, Patience::WithLeaseless)? {
            Claim::Ours(lead) => self.fetch(*lead, parent),
            Claim::Settled | Claim::Busy => Ok(Outcome::NotNow),
        }
    }

    /// Fetches a token, or waits for whoever fetches it, to the deadline. The caller holds the flight.
    pub fn obtain(&self, name: Option<&str>, flown: &Identity, parent: Parent) -> Result<Outcome> {
        let mut leaseless_since = None;
        let is_reader = self.is_reader();
        let mut asked = None;
        let mut fetched = false;
        loop {
            let found = self.look(name)?;
            if found.identity != *flown {
                return Ok(Outcome::MovedTo(found));
            }
            if self.freshness(&found.row) != Freshness::Spent {
                return Ok(Outcome::Row(Box::new(found.row)));
            }
            let recipe = found.recipe;
            let now = Now::read();
            if let Some(error) = found.row.standing_failure(now, self.options.timeout_ms) {
                return Err(error);
            }
            if found.row.lease_is_active(now, &self.boot_id()) {
                leaseless_since = None;
            }
            let since = *leaseless_since.get_or_insert(now.boot_ms);
            let patience = if now.boot_ms - since >= LEASELESS_MS {
                Patience::WithNobody
            } else {
                Patience::WithLeaseless
            };
            // Too late to lead: the time that is left would be taken for the platform's slowness.
            let fair = self.options.timeout_ms.min(FAIR_MS) / 2;
            if is_reader
                && let Some(put) = found
                    .recipe
                    .put
                    .as_ref()
                    .filter(|_| found.row.put.is_none())
            {
                // Nobody can fetch it.
                return Err(never_put(&found, put));
            }
            let by_keeper = is_reader && self.ask_keeper(&found, &mut asked);
            let claim = if by_keeper || self.left_ms() < fair {
                Claim::Busy
            } else if is_reader
                && !found.row.lease_is_active(now, &self.boot_id())
                && let Some(closed) = self.vault.why_closed_to_us()
            {
                // Whatever the credential takes: this process is not the one to fetch it.
                return Err(self.as_reader(closed));
            } else {
                self.claim(found, Freshness::Spent, patience)
                    .map_err(|e| self.as_reader(e))?
            };
            match claim {
                Claim::Ours(lead) => {
                    let row = match self.fetch(*lead, parent)? {
                        Outcome::Row(row) => row,
                        other => return Ok(other),
                    };
                    // Spent already: rejected meanwhile, or the clock was set ahead. Once more, but not for ever.
                    if fetched || self.freshness(&row) != Freshness::Spent {
                        return Ok(Outcome::Row(row));
                    }
                    fetched = true;
                }
                Claim::Settled => {}
                Claim::Busy => self.deadline.pause(
                    2,
                    8,
                    &match by_keeper {
                        // One with another base URL fetches another token.
                        true => format!(
                            "waiting for the keeper, whose log may say more, to fetch the {} of {} at {}",
                            recipe.noun(),
                            flown.id,
                            flown.base_url
                        ),
                        false => format!(
                            "waiting for another process that fetches the {} of {}",
                            recipe.noun(),
                            flown.id
                        ),
                    },
                )?,
            }
        }
    }

    /// Tells a process that may not fetch who should.
    fn as_reader(&self, mut error: Error) -> Error {
        let is_ours = matches!(error.status, Status::Secret | Status::Store);
        if is_ours && self.is_reader() {
            error.message += &format!("; {}", self.no_keeper());
        }
        error
    }

    /// Takes the lock and writes the intent, if the row is still no better than `at_best`.
    fn claim(
        &self,
        found: Box<store::View>,
        at_best: Freshness,
        patience: Patience,
    ) -> Result<Claim<'static>> {
        sys::reach(Failpoint::Looked);
        let (lock, unlockable) = match self.lock(&found, patience) {
            Ok(Some(lock)) => (Some(lock), None),
            Ok(None) => return Ok(Claim::Busy),
            // Without the lock file this process can at least see that another one leads.
            Err(_) if found.row.lease_is_active(Now::read(), &self.boot_id()) => {
                return Ok(Claim::Busy);
            }
            Err(e) => (None, Some(e)),
        };
        sys::reach(Failpoint::Locked);
        let ingredients = self.ingredients(&found)?;
        let lease = Lease {
            owner: i64::from_ne_bytes(sys::random()) | 1,
            slot: lock.as_ref().map_or(0, |lock| lock.slot),
            length_ms: self.left_ms() + LEASE_GRACE_MS,
        };
        let budget_ms = self.left_ms();
        let written = match unlockable {
            None => self.write_intent(&found, lease, at_best),
            Some(e) => Err(e),
        };
        let (intent, unwritable) = match written {
            Err(e) if e.status == Status::Store => {
                (self.intend_in_memory(&found, lease, at_best, &e)?, Some(e))
            }
            other => (other?, None),
        };
        Ok(match intent {
            Intent::Settled => Claim::Settled,
            Intent::Busy => Claim::Busy,
            Intent::Errand(errand, row) => Claim::Ours(Box::new(Lead {
                found,
                row: *row,
                ingredients,
                errand,
                lease,
                budget_ms,
                unwritable,
                _lock: lock,
            })),
        })
    }

    fn lock(&self, found: &store::View, patience: Patience) -> Result<Option<LeaderLock<'static>>> {
        let row = &found.row;
        let first = row.lease_slot.rem_euclid(SLOTS);
        let lock = self.store().try_lock(&found.identity, first)?;
        if lock.is_some() {
            return Ok(lock);
        }
        let now = Now::read();
        let boot_id = self.boot_id();
        let is_frozen = row.lease_has_run_out(now, &boot_id)
            || (patience == Patience::WithNobody && !row.lease_is_active(now, &boot_id));
        if is_frozen {
            for slot in (1..SLOTS).map(|step| (first + step) % SLOTS) {
                let lock = self.store().try_lock(&found.identity, slot)?;
                if lock.is_some() {
                    return Ok(lock);
                }
            }
        }
        Ok(None)
    }

    /// The intent, written before the request: a store that cannot be written is found out while nothing is lost.
    fn write_intent(
        &self,
        found: &store::View,
        lease: Lease,
        at_best: Freshness,
    ) -> Result<Intent> {
        let shared = self.view.shared;
        let mut intent = Intent::Settled;
        self.store()
            .update(&found.identity, self.call(), &mut |row| {
                shared.overlay(&found.identity, row);
                intent = self.intend(row, found, lease, at_best);
                matches!(intent, Intent::Errand(..))
            })?;
        if matches!(intent, Intent::Errand(..)) {
            shared.written(&found.identity);
        }
        Ok(intent)
    }

    /// Where a repeat is harmless a fetch may do without the store; where it is not, every process would mint its own.
    fn intend_in_memory(
        &self,
        found: &store::View,
        lease: Lease,
        at_best: Freshness,
        why: &Error,
    ) -> Result<Intent> {
        if found.recipe.quota != Quota::Plenty {
            return Err(Error::store(format!(
                "no fetch for account \"{}\", for there is no place to put it: {}",
                found.account.name, why.message
            )));
        }
        self.log(
            LogLevel::Error,
            &format!("going on from memory: {}", why.message),
        );
        let mut row = found.row.clone();
        Ok(self.intend(&mut row, found, lease, at_best))
    }

    fn intend(
        &self,
        row: &mut Row,
        found: &store::View,
        lease: Lease,
        at_best: Freshness,
    ) -> Intent {
        let now = Now::read();
        let boot_id = self.boot_id();
        if row.lease_is_active(now, &boot_id) && row.lease_slot != lease.slot {
            return Intent::Busy;
        }
        if self.freshness_at(row, now) < at_best
            || row.standing_failure(now, self.options.timeout_ms).is_some()
        {
            return Intent::Settled;
        }
        let errand = row.claim(lease, found.recipe.can_force(), now, &boot_id);
        Intent::Errand(errand, Box::new(row.clone()))
    }

    fn fetch(&self, lead: Lead, parent: Parent) -> Result<Outcome> {
        let account = &lead.found.account;
        self.log(
            LogLevel::Debug,
            &format!("fetching {}", subject(&lead.found)),
        );
        sys::reach(Failpoint::Claimed);
        let sent = Now::read();
        let answer = wechat::fetch(&Fetch {
            recipe: lead.found.recipe,
            account: &account.name,
            id: &account.id,
            ingredients: &lead.ingredients,
            parent: parent.token,
            force: lead.errand.force,
            failures: lead.errand.failures,
            options: &self.options,
            deadline: &self.deadline,
        });
        sys::reach(Failpoint::Replied);
        match answer {
            Ok(grant) => Ok(self.save(&lead, &grant, sent)),
            Err(failure) if failure.stale_parent && parent.may_be_stale => {
                self.log(LogLevel::Info, &failure.error.message);
                self.settle(&lead, &mut |row| {
                    row.give_up(lead.lease.owner);
                    true
                });
                Ok(Outcome::StaleParent)
            }
            Err(failure) => Err(self.note(&lead, failure)),
        }
    }

    /// Notes a failure for everybody.
    fn note(&self, lead: &Lead, mut failure: Failure) -> Error {
        failure.error.message += &self.age_of_put(lead, &failure);
        let supersedes = lead.found.recipe.quota == Quota::Supersedes;
        let mut error = failure.error.clone();
        self.settle(lead, &mut |row| {
            let now = Now::read();
            let is_as_sent = match &row.put {
                Some(put) => put.is_same(lead.row.put.as_ref()),
                None => lead.row.put.is_none(),
            };
            if !is_as_sent {
                // What was refused has been replaced since.
                failure.wait = Wait::Nobody;
            }
            let in_time;
            (error, in_time) =
                row.refuse(lead.lease.owner, &failure, lead.errand, lead.budget_ms, now);
            if !in_time && supersedes && !failure.unsent {
                row.doubt(now);
            }
            true
        });
        self.log(LogLevel::Error, &error.message);
        error
    }

    /// Words for a refusal of something that was put longer ago than it is good for.
    fn age_of_put(&self, lead: &Lead, failure: &Failure) -> String {
        let put = lead.found.recipe.put.as_ref();
        let kept = lead.row.put.as_ref();
        let (Some(put), Some(kept)) = (put, kept) else {
            return String::new();
        };
        let age_s = (Now::read().wall_ms - kept.at) / 1000;
        if failure.error.status != Status::Api || put.good_for_s == 0 || age_s <= put.good_for_s {
            return String::new();
        }
        format!(
            "; the {} was put {} minutes ago and is good for {}: is the push still handed over?",
            put.field,
            age_s / 60,
            put.good_for_s / 60
        )
    }

    fn save(&self, lead: &Lead, grant: &Grant, sent: Now) -> Outcome {
        let mut late = false;
        let label = sys::process_label();
        let ahead_s = self.options.refresh_ahead_s;
        let mut renewed = self.seal_renewed(lead, grant);
        sys::reach(Failpoint::Sealed);
        let row = self.settle(lead, &mut |row| {
            late = !row.grant(lead.lease.owner, grant, sent, ahead_s, &self.boot_id());
            if let (Some(sealed), Some(clear)) = (&mut renewed, &grant.renewed) {
                if let Some(put) = &lead.found.recipe.put {
                    self.seal_anew(&put_label(&lead.found, put), clear, sealed);
                }
                row.renew(sealed.clone(), &lead.row, Now::read());
            }
            if !late {
                row.fetched_by.clone_from(&label);
                return true;
            }
            // Ours may have superseded the one that another leader saved: only a further fetch makes sure.
            let superseding = lead.found.recipe.quota == Quota::Supersedes;
            if superseding {
                row.doubt(Now::read());
            }
            superseding || renewed.is_some()
        });
        if let (Some(_), Some(put)) = (&renewed, &row.put) {
            renew_put(self.view.shared.store.path(), &lead.found.identity, put);
        }
        let subject = subject(&lead.found);
        if late {
            self.log(
                LogLevel::Info,
                &format!("{subject} came after its lease and was dropped"),
            );
        } else {
            self.log(LogLevel::Info, &format!("fetched {subject}"));
        }
        Outcome::Row(Box::new(row))
    }

    /// What the platform sent to replace what was put, sealed; None when it is the same.
    fn seal_renewed(&self, lead: &Lead, grant: &Grant) -> Option<Vec<u8>> {
        let renewed: &Secret = grant.renewed.as_ref()?;
        if lead.ingredients.put.as_ref() == Some(renewed) {
            return None;
        }
        let label = put_label(&lead.found, lead.found.recipe.put.as_ref()?);
        let sealed = self.vault.seal(&label, renewed);
        sealed
            .inspect_err(|e| {
                self.log(
                    LogLevel::Error,
                    &format!("lost {}: {}", label.what, e.message),
                );
            })
            .ok()
    }

    /// Ends a lead by changing its row where that lives: in the store, else in this process.
    fn settle(&self, lead: &Lead, change: &mut dyn FnMut(&mut Row) -> bool) -> Row {
        let shared = self.view.shared;
        let mut after = lead.row.clone();
        let why = match &lead.unwritable {
            Some(why) => why.clone(),
            None => {
                let deadline = Deadline::after(SAVE_MS);
                let call = Call {
                    deadline: &deadline,
                    ..self.call()
                };
                let saved = self.store().update(&lead.found.identity, call, &mut |row| {
                    if *row == Row::default() {
                        // The store was lost meanwhile, and with it our intent; nobody has claimed since.
                        row.clone_from(&lead.row);
                    }
                    let write = change(row);
                    after = row.clone();
                    sys::reach(Failpoint::Saving);
                    write
                });
                match saved {
                    Ok(()) => {
                        sys::reach(Failpoint::Saved);
                        return after;
                    }
                    Err(e) => e,
                }
            }
        };
        self.log(
            LogLevel::Error,
            &format!("kept in memory only: {}", why.message),
        );
        after = lead.row.clone();
        change(&mut after);
        shared.keep(&lead.found.identity, after.clone(), &why);
        after
    }
}

fn subject(found: &store::View) -> String {
    format!(
        "the {} of account \"{}\"",
        found.recipe.noun(),
        found.account.name
    )
}
