//! “The API refused this token”: noted in the row by comparison, or by the keeper for a process that may not write.

use super::session::Session;
use crate::account::Credential;
use crate::clock::Deadline;
use crate::error::{Error, Hint, Result, Status};
use crate::store::{Commit, Message, NotSent, token_fingerprint};

/// How long it may take a keeper to note a rejection.
const TOLD_MS: i64 = 2000;

impl Session {
    /// “The API refused this token.” A no-op unless it is still the stored one.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        let found = self.read_credential(name)?;
        if found.row.token.as_deref() == Some(token) && !found.row.rejected {
            self.note_rejection(&found, token)?;
        }
        // Whoever rejects has seen something: the next get looks at the store even if it was an older token.
        self.state.shared.invalidate_all();
        Ok(())
    }
}

impl Session {
    /// Notes that the API refused the token. Kept in memory when the store cannot be written, unless this process could
    /// not fetch another one either: then it is for somebody else to know, and the caller is told that they do not.
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

    /// Has a keeper note that the API refused the token, and waits until it has.
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
                    let look = "See whether the keeper hangs, or somebody floods its mailbox.";
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
            if now.rejected || now.token.as_deref() != Some(token) {
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
