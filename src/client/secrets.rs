//! Which secret to fetch with, where several accounts share a credential and the platform has refused the secret of one.

use super::session::Session;
use crate::account::{Credential, key_of};
use crate::error::{Error, Result, Status};
use crate::platform::FetchSecrets;
use crate::store;

impl Session {
    /// The failure that keeps this caller from a fetch: none while another account of the credential may try its secret.
    pub(super) fn standing_failure(&self, found: &Credential) -> Option<Error> {
        let now = self.now();
        let secret = found.blamable();
        let failure = found
            .row
            .standing_failure_of(secret, now, self.options.timeout_ms)?;
        let may_go_on = found.row.is_refused(secret, now) && self.another_secret(found).is_some();
        (!may_go_on).then_some(failure)
    }

    /// The account to fetch with, and its secrets. The one whose secret worked last comes first, then the caller's own.
    pub(super) fn with_best_secret(
        &self,
        found: Box<Credential>,
    ) -> Result<(Box<Credential>, FetchSecrets)> {
        let secret = found.blamable();
        let worked = &found.row.secret_worked;
        let may_be_better =
            found.row.is_refused(secret, self.now()) || !(worked.is_empty() || worked == secret);
        if may_be_better && let Some(better) = self.another_secret(&found) {
            return Ok(better);
        }
        let secrets = self.fetch_secrets(&found)?;
        Ok((found, secrets))
    }

    /// Another account of the credential that is to be tried before the caller's own.
    fn another_secret(&self, found: &Credential) -> Option<(Box<Credential>, FetchSecrets)> {
        let own = found.blamable();
        if own.is_empty() {
            return None;
        }
        let now = self.now();
        let row = &found.row;
        let own_is_refused = row.is_refused(own, now);
        let accounts = store::read(self.store(), &self.deadline, |there| {
            there.accounts_of(&found.account.id)
        });
        let mut others = accounts.ok()?;
        others.retain(|other| {
            let secret = &other.fingerprint;
            let is_better = own_is_refused || *secret == row.secret_worked;
            other.kind.recipe(found.recipe.credential) == Some(found.recipe)
                && key_of(other, found.recipe, &self.options) == found.key
                && secret != own
                && is_better
                && row.standing_failure_of(secret, now, 0).is_none()
        });
        others.sort_by_key(|other| other.fingerprint != row.secret_worked);
        others.into_iter().find_map(|account| {
            let mut other = found.clone();
            other.account = account;
            let secrets = self.fetch_secrets(&other).ok()?;
            Some((Box::new(other), secrets))
        })
    }

    /// What a fetch that failed like this comes to: none where another account's secret is to be tried at once, else the
    /// failure of the caller's own.
    pub(super) fn unless_another_secret(
        &self,
        name: Option<&str>,
        failed: Error,
    ) -> Result<Box<Credential>> {
        if failed.status != Status::Api {
            return Err(failed);
        }
        let Ok(found) = self.read_credential(name) else {
            return Err(failed);
        };
        if !found.row.last_failure_is_of_a_secret() {
            return Err(failed);
        }
        match self.standing_failure(&found) {
            Some(own) => Err(own),
            None => Ok(found),
        }
    }
}
