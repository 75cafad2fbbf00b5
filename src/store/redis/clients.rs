//! The record of a server's clients: one string, compared and set as a row is.

use super::RedisStore;
use super::question::{Question, Role};
use super::resp::Reply;
use super::script::{COMPARE_AND_SET, DELETE_IF, GET};
use crate::clock::Deadline;
use crate::error::{Error, Result};
use crate::store::Commit;

impl RedisStore {
    fn clients_key(&self) -> String {
        format!("{}:{{clients}}", self.prefix())
    }

    pub(super) fn clients_record(&self, by: &Deadline) -> Result<Option<String>> {
        self.clients_of(Role::Any, by)
    }

    fn clients_of(&self, role: Role, by: &Deadline) -> Result<Option<String>> {
        let get = Question::script(&GET, &self.clients_key(), &[]);
        let values = self.server.ask(&[get], role, by, "cannot read")?;
        let first = values.into_iter().flatten().next();
        text_of(first.and_then(Reply::bytes).unwrap_or_default())
    }

    pub(super) fn change_clients_record(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Option<String>) -> Result<Commit>,
    ) -> Result<()> {
        let mut there = self.clients_of(Role::Master, by)?;
        loop {
            let mut record = there.clone();
            if change(&mut record)? == Commit::No {
                return Ok(());
            }
            let old = there.unwrap_or_default();
            let Some(new) = record else {
                let delete = Question::script(&DELETE_IF, &self.clients_key(), &[old.as_bytes()]);
                self.server
                    .ask(&[delete], Role::Master, by, "cannot write")?;
                there = self.clients_of(Role::Master, by)?;
                if there.is_none() {
                    return Ok(());
                }
                continue;
            };
            let args = [old.as_bytes(), new.as_bytes()];
            let set = Question::script(&COMPARE_AND_SET, &self.clients_key(), &args);
            let values = self.server.ask(&[set], Role::Master, by, "cannot write")?;
            let mut answer = values.into_iter().flatten();
            let is_done = answer.next().and_then(|one| one.number()) == Some(1);
            let found = text_of(answer.next().and_then(Reply::bytes).unwrap_or_default())?;
            // The new record is there already. The reply to an earlier try was lost.
            if is_done || found.as_deref() == Some(&new) {
                return Ok(());
            }
            there = found;
        }
    }
}

/// The text of a record. Empty bytes mean that the record does not exist, and give None.
fn text_of(bytes: Vec<u8>) -> Result<Option<String>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| {
        Error::store("cannot read the server's clients").because("their record is not a text")
    })
}
