//! Fields that are put: the current account, a parent, and pushed secrets. A pushed secret is kept sealed in the row of
//! its credential.

use super::Client;
use super::session::{Session, no_credential};
use crate::account::{self, Credential};
use crate::credential::{Row, StoredSecret};
use crate::error::{Error, Hint, Result, Status};
use crate::names::{self, ACCESS_TOKEN};
use crate::platform::{Kind, PushedSecret, Scope};
use crate::process::cache::CachedToken;
use crate::process::last_known;
use crate::secrets::{Label, Secret, fingerprint};
use crate::store::{Account, Commit};
use crate::sys::{self, Failpoint};

/// Splits the name of a put secret into its field, and whether it means the secret that the last put replaced.
pub fn put_field(name: &str) -> (&str, bool) {
    match name.strip_suffix("_before") {
        Some(field) => (field, true),
        None => (name, false),
    }
}

impl Client {
    pub fn put(&self, name: &str, field: &str, value: Option<&str>) -> Result<()> {
        names::check_account(name)?;
        if let Some(server) = self.at_server()? {
            return server.put(name, field, value);
        }
        let session = self.session()?;
        // This look puts back what live handles registered.
        let found = session.read_credential(Some(name))?;
        let kind = found.account.kind;
        if field != "retry" {
            session.require_trusted()?;
        }
        if let Some(origin) = found.account.origin()
            && !matches!(field, "retry" | "current")
            && kind.fields().contains(&field)
        {
            let what = format!("field {field} of account \"{name}\" cannot be put here");
            return Err(Error::argument(what)
                .because(format!("a bridge brings its tokens from {origin}"))
                .advise("Put the field there."));
        }
        match (field, &kind.token().pushed) {
            ("current", _) => self.put_current(&session, name, value),
            ("retry", _) => self.put_retry(&session, &found.account, value),
            ("parent", _) if kind.parent().is_some() => self.put_parent(&session, &found, value),
            (_, Some(put)) if put.field == field => self.put_secret(&session, &found, put, value),
            _ => Err(Error::argument(format!(
                "account \"{name}\" of kind {} has no field{}",
                kind.name(),
                names::repeated(field)
            ))
            .hint(names::choose(field, &kind.fields(), "It takes"))),
        }
    }

    pub(super) fn put_current(
        &self,
        session: &Session,
        name: &str,
        value: Option<&str>,
    ) -> Result<()> {
        if !matches!(value, None | Some("1")) {
            return Err(
                Error::argument("invalid value of field current").because("must be 1 or NULL")
            );
        }
        let is_there = session.change_accounts(|accounts| {
            let is_there = account::set_current(accounts, name)?;
            Ok((Commit::when(is_there), is_there))
        })?;
        if !is_there {
            return Err(session.no_account(Some(name)));
        }
        last_known(&self.store, |known| known.record_current(name));
        session.state.shared.invalidate_all();
        Ok(())
    }

    pub(super) fn put_parent(
        &self,
        session: &Session,
        found: &Credential,
        value: Option<&str>,
    ) -> Result<()> {
        let Some(parent) = value else {
            return Err(Error::argument("the value of field parent is NULL")
                .advise("Pass the name of an account."));
        };
        names::check_account(parent)?;
        let of = session.read_credential(Some(parent))?.account;
        let wanted = found.account.kind.parent();
        if Some(of.kind) != wanted {
            return Err(Error::argument(format!(
                "account \"{parent}\" cannot be the parent of account \"{}\"",
                found.account.name
            ))
            .because(format!(
                "it is of kind {}, not {}",
                of.kind.name(),
                wanted.map_or("", Kind::name)
            )));
        }
        let name = &found.account.name;
        let before = found.account.parent.as_ref();
        if before.is_none_or(|before| before.name != parent) {
            let is_there = session.change_accounts(|accounts| {
                let is_there = account::set_parent(accounts, name, parent)?;
                Ok((Commit::when(is_there), is_there))
            })?;
            if !is_there {
                return Err(session.no_account(Some(name)));
            }
            session.state.shared.invalidate_all();
        }
        last_known(&self.store, |known| known.record_parent(name, parent));
        Ok(())
    }

    pub(super) fn put_secret(
        &self,
        session: &Session,
        found: &Credential,
        put: &PushedSecret,
        value: Option<&str>,
    ) -> Result<()> {
        let Some(value) = value else {
            return Err(
                Error::argument(format!("the value of field {} is NULL", put.field))
                    .advise("Pass a string."),
            );
        };
        names::check_secret(put.field, &found.account.name, value)?;
        let lacks_parent =
            found.recipe.scope == Scope::Parent && found.key.discriminator.is_empty();
        if lacks_parent {
            let account = found.account.name.clone();
            let what = format!("no parent has been put for account \"{account}\"");
            return Err(Error::argument(what)
                .because(format!(
                    "its {} is valid with its {} only",
                    put.field,
                    found.account.kind.parent().map_or("parent", Kind::name)
                ))
                .hint(Hint::Put {
                    account,
                    field: "parent".into(),
                    before: Some("First,".into()),
                }));
        }
        let kept = session.store_secret(found, put, value)?;
        last_known(&self.store, |known| {
            known.record_pushed(self.handle, &found.key, kept);
        });
        Ok(())
    }
}

impl Session {
    /// Stores a secret that was put. Returns it as stored.
    pub fn store_secret(
        &self,
        found: &Credential,
        put: &PushedSecret,
        value: &str,
    ) -> Result<StoredSecret> {
        let label = put_label(found, put);
        let mut kept = StoredSecret {
            sealed: self.vault.seal(&label, value)?,
            at: self.now().wall_ms,
            put_fingerprint: fingerprint(&found.key.key_text(), value),
        };
        sys::hit_failpoint(Failpoint::Sealed);
        let mut stored = kept.clone();
        let change = &mut |row: &mut Row| {
            self.reseal_if_rotated(&label, value, &mut kept.sealed)?;
            // A secret that no key opens counts as missing, even if the same secret was put.
            row.pushed.take_if(|known| self.has_lost_key_of(known));
            let changed = row.put(kept.clone(), self.now());
            // A refresh token comes with an authorization, which ends the token of the authorization before.
            if changed && found.recipe.renewed.is_some() {
                row.refresh_now(self.now());
            }
            stored.clone_from(row.pushed.as_ref().unwrap_or(&kept));
            Ok(Commit::when(changed))
        };
        self.store()
            .change_row(&found.key, &self.deadline, change)?;
        Ok(stored)
    }

    /// Opens the secret that was put. If the store has lost it, a live handle puts it back.
    pub(super) fn open_pushed_secret(
        &self,
        found: &Credential,
        put: &PushedSecret,
    ) -> Result<Secret> {
        let kept = match &found.row.pushed {
            Some(kept) => Some(kept.clone()),
            None => self.restore_secret(found)?,
        };
        let kept = kept.ok_or_else(|| never_put(found, put))?;
        self.vault.open(&put_label(found, put), &kept.sealed)
    }

    /// Restores the pushed secret from this process's memory, and returns what is stored after that. A secret that was
    /// sealed with a deleted key is not restored: another process may have it under the new key.
    pub(super) fn restore_secret(&self, found: &Credential) -> Result<Option<StoredSecret>> {
        let Some(known) = last_known(self.store_name(), |known| known.pushed(&found.key)) else {
            return Ok(None);
        };
        let mut stored = None;
        self.change_row(&found.key, |row| {
            let may_come = row.pushed.is_none() && !self.has_lost_key_of(&known);
            let changed = may_come && row.put(known.clone(), self.now());
            stored.clone_from(&row.pushed);
            Commit::when(changed)
        })?;
        Ok(stored)
    }

    pub(super) fn has_lost_key_of(&self, kept: &StoredSecret) -> bool {
        self.vault.has_key_of(&kept.sealed) == Ok(false)
    }

    /// Returns the put secret of an account in clear, by the name of its field. The name with `_before` stands for the
    /// secret that the last put replaced.
    pub fn read_secret(&self, account: &Account, field: &str) -> Result<CachedToken> {
        let (field, before) = put_field(field);
        let put = account.kind.token().pushed.as_ref();
        let Some(put) = put.filter(|put| put.field == field) else {
            return Err(no_credential(account, field));
        };
        let name = format!("{}/{ACCESS_TOKEN}", account.name);
        let found = self.read_credential(Some(&name))?;
        let missing = || {
            let which = if before { "earlier " } else { "" };
            Error::new(
                Status::Secret,
                format!("account \"{}\" has no {which}{field}", account.name),
            )
        };
        if before {
            let secret = self.open_sealed(&found, |found| {
                let sealed = found.row.pushed_before.as_ref().ok_or_else(missing)?;
                self.vault.open(&put_label(found, put), sealed)
            })?;
            return Ok(CachedToken::uncached(&secret, 0));
        }
        let at = found.row.pushed.as_ref().map_or(0, |kept| kept.at);
        let secret = self.open_sealed(&found, |found| self.open_pushed_secret(found, put))?;
        let ends = if put.lifetime_s > 0 && at > 0 {
            at / 1000 + put.lifetime_s
        } else {
            0
        };
        Ok(CachedToken::uncached(&secret, ends))
    }

    /// Seals the value again if the key was rotated since. Must be called inside the transaction that writes the value.
    /// Fails if the key file cannot be read, because a value sealed with a deleted key never opens again.
    pub fn reseal_if_rotated(
        &self,
        label: &Label,
        value: &str,
        sealed: &mut Vec<u8>,
    ) -> Result<()> {
        // A key file that cannot be read prevents writing. The secret itself is not missing.
        let unwritable = |e: Error| Error {
            status: Status::Store,
            ..e
        };
        if !self.vault.is_current(sealed).map_err(unwritable)? {
            *sealed = self.vault.seal(label, value).map_err(unwritable)?;
        }
        Ok(())
    }
}

pub fn never_put(found: &Credential, put: &PushedSecret) -> Error {
    Error::new(
        Status::Secret,
        format!(
            "no {} has been put for account \"{}\" ({} {})",
            put.field, found.account.name, found.recipe.id_name, found.account.id
        ),
    )
    .because(put.source)
    .hint(Hint::Put {
        account: found.account.name.clone(),
        field: put.field.into(),
        before: None,
    })
}

pub fn put_label(found: &Credential, put: &PushedSecret) -> Label {
    Label::put(&found.account.name, put.field, &found.key.key_text())
}
