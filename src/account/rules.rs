//! The rules of accounts: which one becomes current, what is put back, and what a removal takes along.

use crate::credential::CredentialKey;
use crate::error::Result;
use crate::store::{Account, Accounts, Commit, ParentLink, StoreSnapshot};

/// Registers an account, replacing one of the same name, and returns it as stored. The first account of a store becomes
/// the current one. A parent that was put before is kept.
pub fn register(accounts: &mut dyn Accounts, mut account: Account) -> Result<Account> {
    let name = account.name.clone();
    let before = accounts.account(Some(&name))?;
    if account.parent.is_none() {
        account.parent = before.as_ref().and_then(|before| before.parent.clone());
    }
    accounts.clear_removed(&name)?;
    accounts.put(&account)?;
    if before.is_none() {
        set_current_if_none(accounts, &name)?;
    }
    Ok(accounts.account(Some(&name))?.unwrap_or(account))
}

/// Puts back an account that a process knows and the store has lost. It never overwrites an account, and never restores
/// one that an operator has removed. The account becomes current only if it was, and no other is.
pub fn put_back(accounts: &mut dyn Accounts, known: &Account) -> Result<Commit> {
    let name = &known.name;
    if accounts.has_account(name)? || accounts.is_removed(name)? {
        return Ok(Commit::No);
    }
    accounts.put(known)?;
    if known.current {
        set_current_if_none(accounts, name)?;
    }
    Ok(Commit::Yes)
}

fn set_current_if_none(accounts: &mut dyn Accounts, name: &str) -> Result<()> {
    match accounts.has_current()? {
        true => Ok(()),
        false => accounts.set_current(name),
    }
}

/// Makes an account the current one. Returns false if the account does not exist.
pub fn set_current(accounts: &mut dyn Accounts, name: &str) -> Result<bool> {
    let is_there = accounts.account(Some(name))?.is_some();
    if is_there {
        accounts.set_current(name)?;
    }
    Ok(is_there)
}

/// Sets an account's parent. Returns false if the account does not exist.
pub fn set_parent(accounts: &mut dyn Accounts, name: &str, parent: &str) -> Result<bool> {
    let Some(mut account) = accounts.account(Some(name))? else {
        return Ok(false);
    };
    account.parent = Some(ParentLink {
        name: parent.into(),
        there: None,
    });
    accounts.put(&account)?;
    Ok(true)
}

/// Removes an account of any kind. Returns whether it was the current one, and the names of the accounts whose parent
/// it was. Returns None if the account does not exist.
pub fn remove(
    accounts: &mut dyn Accounts,
    name: &str,
    at_wall_ms: i64,
) -> Result<Option<(bool, Vec<String>)>> {
    let unknown = accounts.unknown_accounts()?;
    let was_current = match unknown.iter().find(|unknown| unknown.name == name) {
        Some(unknown) => unknown.current,
        None => match accounts.account(Some(name))? {
            Some(account) => account.current,
            None => return Ok(None),
        },
    };
    accounts.remove(name, at_wall_ms)?;
    let known = accounts.accounts()?.into_iter();
    let known = known.map(|left| (left.name, left.parent.map(|parent| parent.name)));
    let unknown = unknown.into_iter().map(|left| (left.name, left.parent));
    let left = known.chain(unknown);
    let children = left.filter(|(_, parent)| parent.as_deref() == Some(name));
    Ok(Some((
        was_current,
        children.map(|(child, _)| child).collect(),
    )))
}

/// Replaces all accounts with those of a snapshot. Accounts that the snapshot lacks are noted as removed, so that no
/// process puts them back.
pub fn replace_all(
    accounts: &mut dyn Accounts,
    with: &StoreSnapshot,
    at_wall_ms: i64,
) -> Result<()> {
    for there in accounts.accounts()? {
        accounts.remove(&there.name, at_wall_ms)?;
    }
    for there in accounts.unknown_accounts()? {
        accounts.remove(&there.name, at_wall_ms)?;
    }
    for account in &with.accounts {
        accounts.clear_removed(&account.name)?;
        accounts.put(account)?;
    }
    for account in &with.unknown {
        accounts.clear_removed(&account.name)?;
        accounts.put_unknown(account)?;
    }
    let known = with.accounts.iter().find(|account| account.current);
    let unknown = with.unknown.iter().find(|account| account.current);
    let current = known.map(|account| &account.name);
    match current.or(unknown.map(|account| &account.name)) {
        Some(current) => accounts.set_current(current),
        None => Ok(()),
    }
}

/// Returns whether an account uses a credential, at any base URL. An account whose parent is missing may use every
/// credential of its id once the parent is back.
pub fn leads_to(account: &Account, key: &CredentialKey) -> bool {
    account.kind.recipes().any(|recipe| {
        let own = account.key(recipe, &key.base_url);
        own.endpoint == key.endpoint
            && own.id == key.id
            && (own.discriminator == key.discriminator || account.lacks_parent())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Deadline;
    use crate::platform::Kind;
    use crate::store::memory::MemoryStore;
    use crate::store::{self, Store, UnknownAccount};

    fn account(name: &str) -> Account {
        Account {
            name: name.into(),
            kind: Kind::named("official").unwrap(),
            id: format!("wx-{name}"),
            sealed: Some(vec![1]),
            fingerprint: "f".into(),
            current: false,
            parent: None,
        }
    }

    /// Runs a rule on the accounts of a store in memory, and commits.
    fn change<T>(store: &MemoryStore, mut rule: impl FnMut(&mut dyn Accounts) -> T) -> T {
        let by = Deadline::after(60_000);
        store::change_accounts(store, &by, |accounts| Ok((Commit::Yes, rule(accounts)))).unwrap()
    }

    fn names(store: &MemoryStore) -> Vec<String> {
        change(store, |accounts| {
            let all = accounts.accounts().unwrap();
            all.into_iter().map(|account| account.name).collect()
        })
    }

    fn current(store: &MemoryStore) -> Option<String> {
        change(store, |accounts| {
            accounts.account(None).unwrap().map(|account| account.name)
        })
    }

    fn registered(names: &[&str]) -> MemoryStore {
        let store = MemoryStore::new();
        for name in names {
            change(&store, |accounts| {
                register(accounts, account(name)).unwrap()
            });
        }
        store
    }

    #[test]
    fn the_first_account_becomes_and_stays_the_current_one() {
        let store = registered(&["b", "a"]);
        assert_eq!(current(&store).as_deref(), Some("b"));
        change(&store, |accounts| register(accounts, account("a")).unwrap());
        assert_eq!(current(&store).as_deref(), Some("b"));
        assert!(change(&store, |accounts| {
            set_current(accounts, "a").unwrap()
        }));
        assert_eq!(current(&store).as_deref(), Some("a"));
        assert!(!change(&store, |accounts| {
            set_current(accounts, "none").unwrap()
        }));
        assert_eq!(current(&store).as_deref(), Some("a"));
    }

    #[test]
    fn an_account_registered_again_keeps_its_parent() {
        let store = registered(&["child", "parent"]);
        assert!(change(&store, |accounts| {
            set_parent(accounts, "child", "parent").unwrap()
        }));
        assert!(!change(&store, |accounts| {
            set_parent(accounts, "none", "parent").unwrap()
        }));
        let again = change(&store, |accounts| {
            register(accounts, account("child")).unwrap()
        });
        let parent = again.parent.unwrap();
        assert_eq!(parent.name, "parent");
        assert_eq!(parent.there.unwrap().1, "wx-parent");
    }

    #[test]
    fn putting_back_fills_a_gap_and_overwrites_nothing() {
        let store = registered(&["there"]);
        let other = Account {
            id: "wx-other".into(),
            ..account("there")
        };
        let back = |known: &Account| change(&store, |a| put_back(a, known).unwrap());
        assert_eq!(back(&other), Commit::No);
        assert_eq!(back(&account("lost")), Commit::Yes);
        assert_eq!(names(&store), ["lost", "there"]);
        assert_eq!(current(&store).as_deref(), Some("there"));
        change(&store, |accounts| remove(accounts, "lost", 1).unwrap());
        assert_eq!(back(&account("lost")), Commit::No, "an operator removed it");
        change(&store, |accounts| {
            register(accounts, account("lost")).unwrap()
        });
        assert_eq!(names(&store), ["lost", "there"], "and may have it back");
    }

    #[test]
    fn an_account_put_back_becomes_current_only_if_it_was() {
        let store = MemoryStore::new();
        let was = Account {
            current: true,
            ..account("was")
        };
        change(&store, |a| put_back(a, &account("plain")).unwrap());
        assert_eq!(current(&store), None);
        change(&store, |a| put_back(a, &was).unwrap());
        assert_eq!(current(&store).as_deref(), Some("was"));
        let other = Account {
            current: true,
            ..account("other")
        };
        change(&store, |a| put_back(a, &other).unwrap());
        assert_eq!(current(&store).as_deref(), Some("was"));
    }

    #[test]
    fn a_removal_names_the_children_and_leaves_no_current_one() {
        let store = registered(&["parent", "child"]);
        change(&store, |accounts| {
            set_parent(accounts, "child", "parent").unwrap()
        });
        let (gone, children) =
            change(&store, |accounts| remove(accounts, "parent", 1).unwrap()).unwrap();
        assert!(gone);
        assert_eq!(children, ["child"]);
        assert_eq!(current(&store), None);
        assert!(change(&store, |accounts| remove(accounts, "parent", 1).unwrap()).is_none());
        let left = change(&store, |a| a.account(Some("child")).unwrap()).unwrap();
        assert!(left.lacks_parent());
    }

    fn newer(name: &str) -> UnknownAccount {
        UnknownAccount {
            name: name.into(),
            kind: "official_v9".into(),
            id: "wx-newer".into(),
            sealed: Some(vec![9]),
            fingerprint: "f9".into(),
            current: false,
            parent: None,
        }
    }

    #[test]
    fn an_account_of_an_unknown_kind_is_never_overwritten_and_goes_with_the_others() {
        let store = MemoryStore::new();
        change(&store, |accounts| {
            accounts.put_unknown(&newer("newer")).unwrap();
            accounts.set_current("newer").unwrap();
        });
        let is_there = || {
            let unknown = change(&store, |accounts| accounts.unknown_accounts().unwrap());
            unknown.iter().any(|one| one.kind == "official_v9")
        };
        assert!(change(&store, |a| register(a, account("newer"))).is_err());
        assert_eq!(
            change(&store, |a| put_back(a, &account("newer")).unwrap()),
            Commit::No
        );
        assert!(is_there() && names(&store).is_empty());
        // Another account is registered, and does not become the current one.
        change(&store, |a| register(a, account("other")).unwrap());
        assert!(change(&store, |a| a.account(None)).is_err());
        // A restore removes and brings it as any other account.
        let with = |unknown: Vec<UnknownAccount>| StoreSnapshot {
            accounts: vec![account("kept")],
            unknown,
            rows: Vec::new(),
            clients: None,
        };
        change(&store, |a| replace_all(a, &with(Vec::new()), 1).unwrap());
        assert!(!is_there());
        let current = UnknownAccount {
            current: true,
            ..newer("newer")
        };
        change(&store, |a| {
            replace_all(a, &with(vec![current.clone()]), 1).unwrap()
        });
        assert!(is_there() && change(&store, |a| a.account(None)).is_err());
        let gone = change(&store, |a| remove(a, "newer", 1).unwrap()).unwrap();
        assert!(gone.0 && !is_there());
    }

    #[test]
    fn after_a_restore_no_other_account_is_put_back() {
        let store = registered(&["a", "b"]);
        let brought = Account {
            current: true,
            ..account("c")
        };
        change(&store, |accounts| {
            let with = StoreSnapshot {
                accounts: vec![account("b"), brought.clone()],
                unknown: Vec::new(),
                rows: Vec::new(),
                clients: None,
            };
            replace_all(accounts, &with, 1).unwrap();
        });
        assert_eq!(names(&store), ["b", "c"]);
        assert_eq!(current(&store).as_deref(), Some("c"));
        assert_eq!(
            change(&store, |a| put_back(a, &account("a")).unwrap()),
            Commit::No
        );
        let by = Deadline::after(60_000);
        let removed = store::read(&store, &by, |there| there.removed()).unwrap();
        assert_eq!(removed, ["a"]);
        assert_eq!(store.access(), store::Access::Writer);
    }

    #[test]
    fn an_account_without_its_parent_may_use_every_row_of_its_id() {
        let mut child = Account {
            kind: Kind::named("authorizer").unwrap(),
            ..account("child")
        };
        let parent = |there| {
            Some(ParentLink {
                name: "component".into(),
                there,
            })
        };
        let component = Kind::named("component").unwrap();
        child.parent = parent(Some((component, "wx-component".into())));
        let key = child.key(child.kind.token(), "https://a");
        let of_another = CredentialKey {
            discriminator: "wx-another".into(),
            ..key.clone()
        };
        assert!(leads_to(&child, &key) && !leads_to(&child, &of_another));
        child.parent = parent(None);
        assert!(leads_to(&child, &of_another));
        assert!(!leads_to(&account("other"), &key));
    }
}
