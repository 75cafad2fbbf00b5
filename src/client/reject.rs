//! Rejections: a caller reports that the API refused a token. The token is compared, and the rejection is noted in the
//! row. A keeper notes it for a process that may not write. The leader checks the rejection before it fetches.

use super::fetch::subject;
use super::get::STORE_READ_BUDGET_MS;
use super::lead::Leadership;
use super::session::Session;
use crate::account::{Credential, Lookup};
use crate::clock::{Deadline, Now};
use crate::credential::{RejectionOutcome, Row};
use crate::error::{Error, Hint, Result, Status};
use crate::options::LogLevel;
use crate::platform::{self, FetchCost, Grant, ParentKind, Recipe, Verdict};
use crate::secrets::Secret;
use crate::store::{Account, Commit, Message, NotSent, token_fingerprint};

/// The time in milliseconds that a keeper has to note a rejection.
const TOLD_MS: i64 = 2000;
/// The time in milliseconds that a check of a rejected token may take. The fetch has the rest of the caller's time.
const CHECK_MS: i64 = 2000;

/// The result of checking a rejection.
pub(super) enum Looked {
    /// The platform accepts the token.
    ServedAgain(Box<Row>),
    /// A fetch is needed, because of the rejection or without any.
    Fetch(RejectionOutcome),
}

impl Session {
    /// Reports that the API refused this token. Does nothing if another token is stored by now.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        let found = self.read_credential(name)?;
        let shared = self.state.shared;
        if found.row.token.as_deref() == Some(token) {
            shared.rejected.note(&found.key, token);
            if !found.row.rejected {
                self.note_rejection(&found, token)?;
            }
        }
        // Even if an older token was rejected, the next get looks at the store.
        shared.invalidate_all();
        Ok(())
    }

    /// Checks a token that nobody has rejected, if its recipe has a check. Rejects it if the platform refuses it.
    /// Returns whether it did.
    pub fn reject_if_refused(&self, name: &str, token: &str) -> Result<bool> {
        // The caller has a token, and does not wait for a store that another process has locked.
        let soon = Deadline::after(STORE_READ_BUDGET_MS);
        let Lookup::Found(found) = self.load(Some(name), &soon)? else {
            return Ok(false);
        };
        let row = &found.row;
        // A token that a bridge brings is checked at its origin.
        let is_ours = found.account.origin().is_none();
        let Some(check) = found.recipe.check.filter(|_| is_ours) else {
            return Ok(false);
        };
        if row.token.as_deref() != Some(token) || row.rejected {
            return Ok(false);
        }
        let base = found.recipe.base_url(&self.options);
        let deadline = Deadline::after(CHECK_MS.min(self.left_ms() / 2));
        let asked = Secret::new(token.to_owned());
        match platform::check(check, base, &asked, &self.options, &deadline) {
            Verdict::Refused(_) => self.reject(Some(name), token).map(|()| true),
            Verdict::Accepted | Verdict::Unknown(_) => Ok(false),
        }
    }

    /// Checks a rejected token with the platform, if its recipe has a check.
    pub(super) fn look_into_rejection(&self, lead: &Leadership) -> Looked {
        let plan = lead.plan.rejection;
        let recipe = lead.found.recipe;
        let mut learned = RejectionOutcome {
            verdict: None,
            forced: plan.force,
        };
        let (Some(check), Some(token)) = (recipe.check, &lead.row.token) else {
            return Looked::Fetch(learned);
        };
        if !plan.check {
            return Looked::Fetch(learned);
        }
        let base = recipe.base_url(&self.options);
        let deadline = Deadline::after(CHECK_MS.min(self.left_ms() / 2));
        let token = Secret::new(token.clone());
        let verdict = platform::check(check, base, &token, &self.options, &deadline);
        let now = self.now();
        let is_served_again = verdict == Verdict::Accepted && !lead.row.rejections_outlast(now);
        self.log_verdict(lead, &verdict, is_served_again);
        if is_served_again {
            let row = self.finish(lead, &mut |row| {
                row.refute_rejection(lead.lease.id, plan, now)
            });
            return Looked::ServedAgain(Box::new(row));
        }
        if verdict == Verdict::Accepted {
            // Normal mode is worth a try: it may return another token by now.
            learned.forced = false;
        }
        learned.verdict = Some(verdict);
        Looked::Fetch(learned)
    }

    fn log_verdict(&self, lead: &Leadership, verdict: &Verdict, is_served_again: bool) {
        let subject = subject(&lead.found);
        let platform = lead.found.recipe.platform.name;
        let line = match verdict {
            Verdict::Accepted if is_served_again => {
                format!("{subject} was rejected, and {platform} takes it: it is served again")
            }
            Verdict::Accepted => format!(
                "{subject} has been rejected for a long time, although {platform} takes it: another one is fetched"
            ),
            Verdict::Refused(code) => {
                format!("{subject} was rejected, and {platform} refuses it (errcode {code})")
            }
            Verdict::Unknown(why) => {
                format!("{subject} was rejected, and {platform} does not tell: {why}")
            }
        };
        self.log(LogLevel::Info, &line);
    }

    /// Notes that the API refused the token. If the store cannot be written, the rejection is kept in memory, provided
    /// that this process can fetch another token. Otherwise a keeper is told, and if there is none, the caller gets an
    /// error.
    pub fn note_rejection(&self, found: &Credential, token: &str) -> Result<()> {
        let shared = self.state.shared;
        let noted = self.change_row(&found.key, |row| {
            shared.unsaved.apply(&found.key, row);
            Commit::when(row.reject(token))
        });
        match noted {
            Ok(()) => {
                shared.unsaved.clear(&found.key);
                Ok(())
            }
            Err(e) if e.status == Status::Store && self.has_keeper() => {
                self.reject_by_keeper(found, token, e)
            }
            Err(e)
                if e.status == Status::Store
                    && !self.is_reader()
                    && self.fetch_secrets(found).is_ok() =>
            {
                let mut row = found.row.clone();
                row.reject(token);
                shared.unsaved.keep(&found.key, row, &e);
                Ok(())
            }
            Err(e) if e.status == Status::Store => self.reject_by_keeper(found, token, e),
            Err(e) => Err(e),
        }
    }

    /// Asks a keeper to note that the API refused the token, and waits until it is noted.
    pub(super) fn reject_by_keeper(
        &self,
        found: &Credential,
        token: &str,
        why: Error,
    ) -> Result<()> {
        let name = found.name();
        let told = self.keeper().send(&Message::Rejected {
            fingerprint: token_fingerprint(&name, token),
            name: name.clone(),
        });
        if let Err(e) = told {
            let (reason, hint) = match e {
                NotSent::Full => {
                    let look = "Check whether the keeper hangs, or a process floods its mailbox.";
                    let reason = "the keeper's mailbox is full".into();
                    (reason, Some(Hint::Do(look.into())))
                }
                _ => self.no_keeper(),
            };
            let what = format!("cannot record that the token of {name} was refused");
            return Err(Error {
                hint: hint.map(Box::new).or(why.hint.clone()),
                ..Error::new(why.status, what).because(format!("{reason}; {why}"))
            });
        }
        let deadline = Deadline::after(self.left_ms().min(TOLD_MS));
        loop {
            let now = self.read_credential(Some(&name))?.row;
            let is_noted = now.rejected || now.rejects > found.row.rejects;
            if is_noted || now.token.as_deref() != Some(token) {
                return Ok(());
            }
            deadline.pause(
                2,
                8,
                &format!("waiting for the keeper to record that the token of {name} was refused"),
            )?;
        }
    }
}

/// Returns the warning that another program fetches tokens for this account, if the platform has repeatedly ended them
/// early.
pub(super) fn contested(recipe: &Recipe, account: &Account, row: &Row, now: Now) -> Option<Error> {
    let ends_others =
        recipe.cost == FetchCost::RevokesPrevious && recipe.parent == ParentKind::None;
    let times = row.early_ends(now);
    if !ends_others || times == 0 {
        return None;
    }
    let what = format!(
        "{} has ended the token of account \"{}\" long before its time, {times} times within days",
        recipe.platform.name, account.name
    );
    let why = format!(
        "somebody else fetches tokens for {} {}",
        recipe.id_name, account.id
    );
    let remedy = match account.kind.name() {
        "official_classic" => "Register the account as kind official, or find the other program.",
        _ => "Find the other program.",
    };
    Some(Error::new(Status::Api, what).because(why).advise(remedy))
}

/// Returns whether the platform has repeated a token that only a forced fetch replaces.
pub(super) fn must_force(lead: &Leadership, learned: &RejectionOutcome, grant: &Grant) -> bool {
    let is_repeated = lead.row.token.as_ref() == Some(&grant.token);
    let is_worth_it = match learned.verdict {
        Some(Verdict::Refused(_)) => true,
        Some(Verdict::Accepted) => lead.row.may_force_for_accepted(),
        Some(Verdict::Unknown(_)) | None => false,
    };
    lead.plan.rejection.may_force && !learned.forced && is_repeated && is_worth_it
}
