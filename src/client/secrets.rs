//! The secrets of a fetch, in clear. If several accounts share a credential and the platform has refused the secret of
//! one, this module picks the account to fetch with.

use super::session::Session;
use crate::account::{Credential, key_of};
use crate::error::{Error, Hint, Result, Status};
use crate::platform::{FetchSecrets, Value};
use crate::secrets::{Label, Secret};
use crate::store::{self, Account};
use crate::sys::{self, Failpoint};

/// The number of key rotations that one call tolerates between reading a sealed value and reading the key file.
const KEY_CHANGES: usize = 8;

impl Session {
    /// Opens the secrets that a credential's fetch takes. Returns none if a bridge brings the token.
    pub fn fetch_secrets(&self, found: &Credential) -> Result<FetchSecrets> {
        if found.account.origin().is_some() {
            return Ok(FetchSecrets::default());
        }
        self.open_sealed(found, |found| {
            let takes_secret = found.recipe.takes(Value::Secret);
            let secret = takes_secret.then(|| self.open_secret(&found.account));
            let put = found
                .recipe
                .pushed
                .as_ref()
                .map(|put| self.open_pushed_secret(found, put));
            Ok(FetchSecrets {
                secret: secret.transpose()?,
                pushed: put.transpose()?,
            })
        })
    }

    /// Opens the account's own secret. Returns None if a bridge brings its tokens, or if its kind has no secret.
    pub fn own_secret(&self, found: &Credential) -> Result<Option<Secret>> {
        if found.account.origin().is_some() || !found.account.kind.has_secret() {
            return Ok(None);
        }
        self.open_sealed(found, |found| self.open_secret(&found.account))
            .map(Some)
    }

    /// Opens sealed values of a credential. A rotation may have deleted their key since they were read. So a missing
    /// key is an error only if a second look finds the same sealed values.
    pub(super) fn open_sealed<T>(
        &self,
        found: &Credential,
        open: impl Fn(&Credential) -> Result<T>,
    ) -> Result<T> {
        let mut newer = None;
        let mut changes = 0;
        loop {
            sys::hit_failpoint(Failpoint::Opening);
            let looked = newer.as_deref().unwrap_or(found);
            let failed = match open(looked) {
                Err(e) if e.status == Status::Secret && changes < KEY_CHANGES => e,
                done => return done,
            };
            let Ok(again) = self.read_credential(Some(&found.name())) else {
                return Err(failed);
            };
            let is_another = again.key != found.key
                || again.account.id != found.account.id
                || again.account.fingerprint != found.account.fingerprint;
            if is_another || sealed_in(&again) == sealed_in(looked) {
                return Err(failed);
            }
            newer = Some(again);
            changes += 1;
        }
    }

    fn open_secret(&self, account: &Account) -> Result<Secret> {
        match &account.sealed {
            Some(sealed) => self.vault.open(
                &Label::secret(&account.name, account.kind.name(), &account.id),
                sealed,
            ),
            None => Err(Error::new(
                Status::Secret,
                format!("no secret is stored for account \"{}\"", account.name),
            )
            .hint(Hint::RegisterAgain {
                account: account.name.clone(),
                kind: account.kind.name().into(),
                id: account.id.clone(),
                before: Some("With its secret,".into()),
            })),
        }
    }

    /// Returns the failure that keeps this caller from fetching. Returns None while another account of the credential
    /// can try its own secret.
    pub(super) fn standing_failure(&self, found: &Credential) -> Option<Error> {
        let now = self.now();
        let secret = found.blamable();
        let failure = found
            .row
            .standing_failure_of(secret, now, self.options.timeout_ms)?;
        let may_go_on = found.row.is_refused(secret, now) && self.another_secret(found).is_some();
        (!may_go_on).then_some(failure)
    }

    /// Returns the account to fetch with, and its secrets. It is the account whose secret worked last, or else the
    /// caller's own.
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

    /// Returns another account of the credential whose secret is to be tried before the caller's own.
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

    /// Returns the credential if another account's secret can be tried at once. Otherwise fails with the failure of the
    /// caller's own secret.
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

/// Returns every sealed value of a credential.
fn sealed_in(of: &Credential) -> [Option<&[u8]>; 3] {
    let put = of.row.pushed.as_ref().map(|put| &*put.sealed);
    [
        of.account.sealed.as_deref(),
        put,
        of.row.pushed_before.as_deref(),
    ]
}
