//! Copying accounts, and what was put for them, from one store into another.
//!
//! # The rules
//!
//! - **Accounts are matched by name.** An account that the target lacks is added. An account with the same kind, id,
//!   secret and parent stays as it is. A missing secret or parent is filled in.
//! - **An account that differs stays as it is in the target.** Neither store knows when an account was registered, so
//!   neither copy is known to be newer. With `replace`, the account becomes that of the source.
//! - **A name that an operator has removed from the target stays out**, unless `replace` is given.
//! - **Of two put values the later one holds**, as in one store that two processes write. A value is copied only if its
//!   account is in the target after the copy.
//! - **The current account** of the target does not change. A target without one takes the current account of the
//!   source.
//! - **An account of an unknown kind** is copied like any other.
//! - **An account that a bridge brings** has no secret to copy. It is not copied, and not changed in the target.
//! - **No token is copied.** A copy would be one more place that knows the token, and its times count by the clock of
//!   the source. The target fetches its own tokens.
//!
//! Every secret is opened first, and sealed for the target with its key. A secret that does not open ends the copy
//! before anything is written. The accounts are then written in one change, and each row by itself. A copy that was
//! interrupted is completed by the next one. A copy with nothing to do writes nothing.

use std::collections::{HashMap, HashSet};

use super::rekey::{label_of_unknown, opened, pushed_label, reseal, seal_for};
use super::{Progress, check_names, told};
use crate::account::leads_to;
use crate::clock::Deadline;
use crate::credential::{CredentialKey, Row};
use crate::error::Result;
use crate::secrets::{Label, Vault};
use crate::store::{self, Account, Accounts, Commit, Store, StoreSnapshot, UnknownAccount};

/// One of the two stores of a copy.
pub struct Side<'a> {
    pub store: &'a dyn Store,
    pub vault: Vault,
    /// The time limit of one step in milliseconds.
    pub step_ms: i64,
}

impl Side<'_> {
    fn by(&self) -> Deadline {
        Deadline::after(self.step_ms)
    }
}

/// The result of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The number of accounts that were added.
    pub new: usize,
    /// The number of accounts in which something was filled in or replaced.
    pub changed: usize,
    /// The number of accounts that needed no change.
    pub same: usize,
    /// The accounts that differ and were left as they are, each with the property that differs.
    pub differing: Vec<(String, &'static str)>,
    /// The names that were left out because an operator has removed them from the target.
    pub removed: Vec<String>,
    /// The account that the copy made the current one.
    pub current: Option<String>,
    /// The number of tickets and refresh tokens that were copied.
    pub puts: usize,
}

pub fn copy(from: &Side, to: &Side, replace: bool, tell: &Progress) -> Result<Copied> {
    let there = opened(from.store, &from.by(), |there| {
        check_names(|| format!("cannot copy store {}", from.store.name()), there)?;
        there.accounts.retain(|account| account.origin().is_none());
        seal_for(&from.vault, &to.vault, there, tell)
    })?;
    let mut copied = store::change_accounts(to.store, &to.by(), |accounts| {
        let mut turn = Turn {
            vault: &to.vault,
            replace,
            done: Copied::default(),
        };
        turn.take_all(accounts, &there)?;
        let done = turn.done;
        let any = done.new > 0 || done.changed > 0 || done.current.is_some();
        Ok((Commit::when(any), done))
    })?;
    copied.puts = copy_puts(&there, to, tell)?;
    Ok(copied)
}

/// One attempt to change the accounts of the target.
struct Turn<'a> {
    vault: &'a Vault,
    replace: bool,
    done: Copied,
}

/// The properties of an account of any kind that a copy compares.
#[derive(PartialEq, Eq)]
struct Shape<'a> {
    kind: &'a str,
    id: &'a str,
    fingerprint: &'a str,
    parent: Option<&'a str>,
    sealed: Option<&'a [u8]>,
}

impl<'a> Shape<'a> {
    fn of(account: &'a Account) -> Shape<'a> {
        Shape {
            kind: account.kind.name(),
            id: &account.id,
            fingerprint: &account.fingerprint,
            parent: account.parent.as_ref().map(|parent| parent.name.as_str()),
            sealed: account.sealed.as_deref(),
        }
    }

    fn of_unknown(account: &'a UnknownAccount) -> Shape<'a> {
        Shape {
            kind: &account.kind,
            id: &account.id,
            fingerprint: &account.fingerprint,
            parent: account.parent.as_deref(),
            sealed: account.sealed.as_deref(),
        }
    }
}

/// The decision about an account that is in both stores.
enum Verdict {
    Same,
    Differs(&'static str),
    /// The secret, the parent, or both are filled in.
    Fill {
        secret: bool,
        parent: bool,
    },
}

impl Turn<'_> {
    fn take_all(&mut self, accounts: &mut dyn Accounts, from: &StoreSnapshot) -> Result<()> {
        let mut unknown: HashMap<String, UnknownAccount> = HashMap::new();
        for account in accounts.unknown_accounts()? {
            unknown.insert(account.name.clone(), account);
        }
        for account in &from.accounts {
            self.take(accounts, &unknown, account)?;
        }
        for account in &from.unknown {
            self.take_unknown(accounts, &unknown, account)?;
        }
        let known = from.accounts.iter().map(|one| (&one.name, one.current));
        let others = from.unknown.iter().map(|one| (&one.name, one.current));
        let current = known.chain(others).find(|(_, is_current)| *is_current);
        if let Some((name, _)) = current
            && !accounts.has_current()?
            && accounts.has_account(name)?
        {
            accounts.set_current(name)?;
            self.done.current = Some(name.clone());
        }
        Ok(())
    }

    fn take(
        &mut self,
        accounts: &mut dyn Accounts,
        unknown: &HashMap<String, UnknownAccount>,
        account: &Account,
    ) -> Result<()> {
        let label = Label::secret(&account.name, account.kind.name(), &account.id);
        let mut new = account.clone();
        if let Some(sealed) = &mut new.sealed {
            reseal(self.vault, &label, sealed)?;
        }
        let name = &account.name;
        let there = match unknown.contains_key(name) {
            true => None,
            false => accounts.account(Some(name))?,
        };
        let verdict = match &there {
            Some(there) if there.origin().is_some() => Some(Verdict::Differs("origin")),
            Some(there) => Some(self.judge(&Shape::of(there), &Shape::of(account))?),
            None => unknown.get(name).map(|_| Verdict::Differs("kind")),
        };
        if let (Some(Verdict::Fill { secret, parent }), Some(there)) = (&verdict, there) {
            if !secret {
                new.sealed = there.sealed;
                new.fingerprint = there.fingerprint;
            }
            if !parent {
                new.parent = there.parent;
            }
        }
        if self.may_write(accounts, name, verdict)? {
            accounts.put(&new)?;
        }
        Ok(())
    }

    fn take_unknown(
        &mut self,
        accounts: &mut dyn Accounts,
        unknown: &HashMap<String, UnknownAccount>,
        account: &UnknownAccount,
    ) -> Result<()> {
        let mut new = account.clone();
        if let Some(sealed) = &mut new.sealed {
            reseal(self.vault, &label_of_unknown(account), sealed)?;
        }
        let name = &account.name;
        let verdict = match unknown.get(name) {
            Some(there) => {
                let verdict = self.judge(&Shape::of_unknown(there), &Shape::of_unknown(account))?;
                if let Verdict::Fill { secret, parent } = verdict {
                    if !secret {
                        new.sealed.clone_from(&there.sealed);
                        new.fingerprint.clone_from(&there.fingerprint);
                    }
                    if !parent {
                        new.parent.clone_from(&there.parent);
                    }
                }
                Some(verdict)
            }
            None if accounts.has_account(name)? => Some(Verdict::Differs("kind")),
            None => None,
        };
        if self.may_write(accounts, name, verdict)? {
            accounts.put_unknown(&new)?;
        }
        Ok(())
    }

    fn judge(&self, there: &Shape, from: &Shape) -> Result<Verdict> {
        if there.kind != from.kind {
            return Ok(Verdict::Differs("kind"));
        }
        if there.id != from.id {
            return Ok(Verdict::Differs("id"));
        }
        let lacks_secret = match there.sealed {
            None => true,
            // A secret that no key opens counts as missing.
            Some(sealed) => !self.vault.has_key_of(sealed)?,
        };
        let secret = lacks_secret && from.sealed.is_some();
        if !secret && from.sealed.is_some() && there.fingerprint != from.fingerprint {
            return Ok(Verdict::Differs("secret"));
        }
        let parent = there.parent.is_none() && from.parent.is_some();
        if !parent && from.parent.is_some() && there.parent != from.parent {
            return Ok(Verdict::Differs("parent"));
        }
        match secret || parent {
            true => Ok(Verdict::Fill { secret, parent }),
            false => Ok(Verdict::Same),
        }
    }

    /// Counts an account, clears its note of removal, and returns whether it is to be written.
    fn may_write(
        &mut self,
        accounts: &mut dyn Accounts,
        name: &str,
        verdict: Option<Verdict>,
    ) -> Result<bool> {
        match verdict {
            None if accounts.is_removed(name)? && !self.replace => {
                self.done.removed.push(name.into());
                return Ok(false);
            }
            None => {
                accounts.clear_removed(name)?;
                self.done.new += 1;
            }
            Some(Verdict::Same) => {
                self.done.same += 1;
                return Ok(false);
            }
            Some(Verdict::Differs(what)) if !self.replace => {
                self.done.differing.push((name.into(), what));
                return Ok(false);
            }
            Some(Verdict::Differs(_) | Verdict::Fill { .. }) => self.done.changed += 1,
        }
        Ok(true)
    }
}

/// Copies each put value that is later than the target's. Returns how many were copied.
fn copy_puts(from: &StoreSnapshot, to: &Side, tell: &Progress) -> Result<usize> {
    let wanted = from.rows.iter().filter(|(_, row)| row.pushed.is_some());
    let wanted: Vec<&(CredentialKey, Row)> = wanted.collect();
    let mut of_id: HashMap<String, Vec<Account>> = HashMap::new();
    let mut unknown = HashSet::new();
    store::read(to.store, &to.by(), |there| {
        of_id.clear();
        for account in there.accounts()? {
            of_id.entry(account.id.clone()).or_default().push(account);
        }
        unknown = there
            .unknown_accounts()?
            .into_iter()
            .map(|one| one.id)
            .collect();
        Ok(())
    })?;
    let mut puts = 0;
    for (key, kept) in told(wanted.into_iter(), tell) {
        let known = of_id.get(&key.id).map_or(&[][..], Vec::as_slice);
        let account = known.iter().find(|account| leads_to(account, key));
        if account.is_none() && !unknown.contains(&key.id) {
            continue;
        }
        let mut recipes = account.into_iter().flat_map(|one| one.kind.recipes());
        let is_renewed =
            recipes.any(|recipe| recipe.endpoint == key.endpoint && recipe.renewed.is_some());
        let mut is_taken = false;
        to.store.change_row(key, &to.by(), &mut |row| {
            is_taken = take_put(row, kept, to, key, is_renewed)?;
            Ok(Commit::when(is_taken))
        })?;
        puts += usize::from(is_taken);
    }
    Ok(puts)
}

fn take_put(
    row: &mut Row,
    kept: &Row,
    to: &Side,
    key: &CredentialKey,
    is_renewed: bool,
) -> Result<bool> {
    let Some(theirs) = &kept.pushed else {
        return Ok(false);
    };
    let mut new = theirs.clone();
    let mut before = kept.pushed_before.clone();
    if let Some(own) = &row.pushed {
        let is_lost = !to.vault.has_key_of(&own.sealed)?;
        if own.at >= new.at && !is_lost {
            return Ok(false);
        }
        if !is_lost {
            before = Some(own.sealed.clone());
        }
    }
    let label = pushed_label(key);
    reseal(&to.vault, &label, &mut new.sealed)?;
    if let Some(before) = &mut before {
        reseal(&to.vault, &label, before)?;
    }
    let now = to.store.now();
    row.note_change(now);
    // A refresh token of another authorization has ended the token of the authorization before.
    let is_other = row
        .pushed
        .as_ref()
        .is_some_and(|own| own.put_fingerprint != new.put_fingerprint);
    if is_renewed && is_other {
        row.refresh_now(now);
    }
    row.pushed = Some(new);
    row.pushed_before = before;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::StoredSecret;
    use crate::platform::Kind;
    use crate::store::ParentLink;
    use crate::store::memory::MemoryStore;

    /// A store and its key.
    struct Place {
        store: MemoryStore,
        vault: Vault,
        _directory: tempfile::TempDir,
    }

    impl Place {
        fn new(id: Option<&str>) -> Place {
            let directory = tempfile::tempdir().unwrap();
            let vault = Vault::at(directory.path().join("key"));
            Place {
                store: MemoryStore::new(),
                vault: vault.sealing_for(id.map(Into::into)),
                _directory: directory,
            }
        }

        fn side(&self) -> Side<'_> {
            Side {
                store: &self.store,
                vault: self.vault.clone(),
                step_ms: 60_000,
            }
        }

        fn change(&self, mut change: impl FnMut(&mut dyn Accounts)) {
            let by = Deadline::after(60_000);
            let run = &mut |accounts: &mut dyn Accounts| {
                change(accounts);
                Ok(Commit::Yes)
            };
            self.store.change_accounts(&by, run).unwrap();
        }

        fn register(&self, name: &str, kind: &str, id: &str, secret: &str) {
            let account = self.account(name, kind, id, secret);
            self.change(|accounts| {
                crate::account::register(accounts, account.clone()).unwrap();
            });
        }

        fn account(&self, name: &str, kind: &str, id: &str, secret: &str) -> Account {
            let label = Label::secret(name, kind, id);
            let sealed = (!secret.is_empty()).then(|| self.vault.seal(&label, secret).unwrap());
            Account {
                name: name.into(),
                kind: Kind::named(kind).unwrap(),
                id: id.into(),
                sealed,
                fingerprint: crate::secrets::fingerprint(id, secret),
                current: false,
                parent: None,
            }
        }

        fn set_parent(&self, name: &str, parent: &str) {
            self.change(|accounts| {
                crate::account::set_parent(accounts, name, parent).unwrap();
            });
        }

        fn put(&self, key: &CredentialKey, value: &str, at: i64) {
            let sealed = self.vault.seal(&pushed_label(key), value).unwrap();
            let put = &mut |row: &mut Row| {
                row.token = Some("T".into());
                row.pushed = Some(StoredSecret {
                    sealed: sealed.clone(),
                    at,
                    put_fingerprint: value.into(),
                });
                Ok(Commit::Yes)
            };
            let by = Deadline::after(60_000);
            self.store.change_row(key, &by, put).unwrap();
        }

        fn snapshot(&self) -> StoreSnapshot {
            StoreSnapshot::of(&self.store, &Deadline::after(60_000)).unwrap()
        }

        /// Returns what the store holds in clear: accounts, put values, and the current account.
        fn in_clear(&self) -> Vec<String> {
            let there = self.snapshot();
            let mut lines = Vec::new();
            for one in &there.accounts {
                let label = Label::secret(&one.name, one.kind.name(), &one.id);
                let sealed = one.sealed.as_ref();
                let secret = sealed.map(|sealed| self.vault.open(&label, sealed).unwrap());
                let secret = secret.map_or(String::new(), |secret| secret.to_string());
                let parent = one.parent.as_ref().map_or("", |parent| &parent.name);
                let mark = if one.current { "*" } else { "" };
                lines.push(format!("{}{mark} {} {secret} {parent}", one.name, one.id));
            }
            for one in &there.unknown {
                let sealed = one.sealed.as_ref().unwrap();
                let secret = self.vault.open(&label_of_unknown(one), sealed).unwrap();
                lines.push(format!("{} {} {}", one.name, one.kind, *secret));
            }
            for (key, row) in &there.rows {
                let put = row.pushed.as_ref().unwrap();
                let value = self.vault.open(&pushed_label(key), &put.sealed).unwrap();
                lines.push(format!("{} {}", key.id, *value));
            }
            lines.sort();
            lines
        }
    }

    fn quiet(_: usize, _: usize) {}

    fn copied(from: &Place, to: &Place) -> Copied {
        copy(&from.side(), &to.side(), false, &quiet).unwrap()
    }

    fn key(place: &Place, name: &str) -> CredentialKey {
        let there = place.snapshot().accounts;
        let account = there.iter().find(|one| one.name == name).unwrap();
        account.key(account.kind.token(), "https://api.weixin.qq.com")
    }

    /// Returns a store with one account of each sort: with a secret, with a put value, with a parent.
    fn filled() -> Place {
        let place = Place::new(None);
        place.register("shop", "official", "wx1", "hush");
        place.register("above", "component", "wx2", "hush above");
        place.register("own", "authorizer", "wx3", "");
        place.set_parent("own", "above");
        place.put(&key(&place, "above"), "ticket", 7);
        place.put(&key(&place, "own"), "refresh", 8);
        let newer = UnknownAccount {
            name: "newer".into(),
            kind: "official_v9".into(),
            id: "wx9".into(),
            sealed: None,
            fingerprint: "f".into(),
            current: false,
            parent: None,
        };
        let sealed = place.vault.seal(&label_of_unknown(&newer), "hush newer");
        let newer = UnknownAccount {
            sealed: Some(sealed.unwrap()),
            ..newer
        };
        place.change(|accounts| accounts.put_unknown(&newer).unwrap());
        place
    }

    #[test]
    fn a_copy_is_complete_and_sealed_for_the_target_and_a_second_changes_nothing() {
        let (from, to) = (filled(), Place::new(Some("of the other")));
        let first = copied(&from, &to);
        assert_eq!((first.new, first.puts), (4, 2), "{first:?}");
        assert_eq!(first.current.as_deref(), Some("shop"));
        assert_eq!(to.in_clear(), from.in_clear());
        let tokens = to
            .snapshot()
            .rows
            .iter()
            .filter(|(_, row)| row.token.is_some())
            .count();
        assert_eq!(tokens, 0, "no token goes with it");
        let sealed =
            |place: &Place| format!("{:?}", (place.snapshot().accounts, place.snapshot().rows));
        let before = sealed(&to);
        let second = copied(&from, &to);
        assert_eq!(
            second,
            Copied {
                same: 4,
                ..Copied::default()
            }
        );
        assert_eq!(sealed(&to), before, "nothing is written");
        // Copying back works in the same way.
        assert_eq!(copied(&to, &from), second);
    }

    #[test]
    fn an_interrupted_copy_is_completed_by_the_next() {
        let (from, to) = (filled(), Place::new(Some("of the other")));
        let mut there = from.snapshot();
        seal_for(&from.vault, &to.vault, &mut there, &quiet).unwrap();
        to.change(|accounts| {
            let mut turn = Turn {
                vault: &to.vault,
                replace: false,
                done: Copied::default(),
            };
            turn.take_all(accounts, &there).unwrap();
        });
        assert!(to.snapshot().rows.is_empty());
        let ended = copied(&from, &to);
        assert_eq!((ended.same, ended.puts), (4, 2));
        assert_eq!(to.in_clear(), from.in_clear());
    }

    #[test]
    fn an_existing_account_stays_unless_replace_is_given() {
        let (from, to) = (filled(), Place::new(None));
        to.register("shop", "official", "wx1", "another");
        to.register("above", "official", "wx2", "hush above");
        to.register("own", "authorizer", "wx3", "");
        let kept = copied(&from, &to);
        let differing = [("above".into(), "kind"), ("shop".into(), "secret")];
        assert_eq!(kept.differing, differing);
        assert_eq!((kept.new, kept.changed, kept.same), (1, 1, 0), "{kept:?}");
        assert!(to.in_clear().contains(&"shop* wx1 another ".to_owned()));
        let all = copy(&from.side(), &to.side(), true, &quiet).unwrap();
        assert_eq!((all.changed, all.same), (2, 2), "{all:?}");
        assert_eq!(to.in_clear(), from.in_clear());
    }

    #[test]
    fn a_name_removed_from_the_target_stays_out_with_what_was_put() {
        let (from, to) = (filled(), Place::new(None));
        copied(&from, &to);
        let by = Deadline::after(60_000);
        super::super::accounts::remove(&to.store, "own", &by).unwrap();
        let again = copied(&from, &to);
        assert_eq!((again.removed, again.puts), (vec!["own".to_owned()], 0));
        assert_eq!(to.snapshot().rows.len(), 1);
        let back = copy(&from.side(), &to.side(), true, &quiet).unwrap();
        assert_eq!((back.new, back.puts), (1, 1));
        assert_eq!(to.in_clear(), from.in_clear());
    }

    #[test]
    fn the_later_of_two_puts_holds() {
        let (from, to) = (filled(), Place::new(None));
        copied(&from, &to);
        let above = key(&from, "above");
        to.put(&above, "newer ticket", 9);
        assert_eq!(copied(&from, &to).puts, 0);
        assert!(to.in_clear().contains(&"wx2 newer ticket".to_owned()));
        from.put(&above, "newest ticket", 10);
        assert_eq!(copied(&from, &to).puts, 1);
        assert_eq!(to.in_clear(), from.in_clear());
        let rows = to.snapshot().rows;
        let (_, row) = rows.iter().find(|(key, _)| *key == above).unwrap();
        assert_eq!(row.token.as_deref(), Some("T"), "the token there stays");
        let before = row.pushed_before.as_ref().unwrap();
        let before = to.vault.open(&pushed_label(&above), before).unwrap();
        assert_eq!(*before, "newer ticket");
    }

    #[test]
    fn a_secret_that_does_not_open_ends_a_copy_before_anything_is_written() {
        let (from, to) = (filled(), Place::new(None));
        let mut spoilt = from.account("shop", "official", "wx1", "hush");
        spoilt.sealed = Some(vec![1; 60]);
        from.change(|accounts| accounts.put(&spoilt).unwrap());
        assert!(copy(&from.side(), &to.side(), false, &quiet).is_err());
        let there = to.snapshot();
        assert!(there.accounts.is_empty() && there.rows.is_empty());
    }

    #[test]
    fn a_secret_whose_key_the_target_has_lost_is_filled_in() {
        let (from, to) = (filled(), Place::new(None));
        copied(&from, &to);
        std::fs::remove_file(to.vault.path()).unwrap();
        let again = copied(&from, &to);
        assert_eq!(
            (again.changed, again.same, again.puts),
            (3, 1, 2),
            "{again:?}"
        );
        assert_eq!(to.in_clear(), from.in_clear());
    }

    #[test]
    fn a_parent_of_another_name_there_is_a_difference() {
        let (from, to) = (filled(), Place::new(None));
        copied(&from, &to);
        let mut own = to
            .snapshot()
            .accounts
            .into_iter()
            .find(|one| one.name == "own")
            .unwrap();
        own.parent = Some(ParentLink {
            name: "shop".into(),
            there: None,
        });
        to.change(|accounts| accounts.put(&own).unwrap());
        assert_eq!(copied(&from, &to).differing, [("own".into(), "parent")]);
    }
}
