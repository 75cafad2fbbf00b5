//! The promises of every store, as tests over `dyn Store`. A new store adds itself at the end of this file.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[cfg(feature = "redis")]
use super::RedisUrl;
use super::memory::MemoryStore;
use super::{
    Access, Account, Accounts, Commit, Message, NotSent, Opening, ParentLink, Read, Store,
    StoreName, UnknownAccount, change_accounts, read,
};
use crate::clock::Deadline;
use crate::credential::{CredentialKey, RejectionHistory, Row, SecretRefusal, StoredSecret};
use crate::error::{Error, Result, Status};
use crate::platform::Kind;
use crate::secrets::Vault;

/// An empty place for a store. Each `open` returns another handle to it, as another process would have.
trait Place: Sync {
    fn open(&self) -> Box<dyn Store>;
}

fn soon() -> Deadline {
    Deadline::after(60_000)
}

fn key(id: &str) -> CredentialKey {
    CredentialKey {
        endpoint: "stable_token".into(),
        base_url: "https://api.weixin.qq.com".into(),
        id: id.into(),
        discriminator: String::new(),
    }
}

fn account(name: &str) -> Account {
    Account {
        name: name.into(),
        kind: Kind::named("official").unwrap(),
        id: format!("wx-{name}"),
        sealed: Some(vec![0, 1, 254, 255]),
        fingerprint: "0123456789abcdef".into(),
        current: false,
        parent: None,
    }
}

/// A row in which no two fields have the same value.
fn full_row() -> Row {
    Row {
        token: Some("T".repeat(512)),
        fetched_at: 1,
        expires_at: 2,
        refresh_at: 3,
        fetched_steady: 4,
        epoch: "epoch".into(),
        fetched_by: "进程".into(),
        fetches: 5,
        rejects: 6,
        rejected: true,
        same_token_reissued: true,
        replacement_attempted: true,
        reject_asked_at: 7,
        force_day: 8,
        forces: 9,
        failures: 10,
        failed_at: 11,
        backoff_ms: 12,
        failed_budget_ms: 13,
        last_status: 14,
        last_errcode: -15,
        last_error: "网络 \"down\"\n\u{1f600}".into(),
        lease_id: i64::MIN + 1,
        lease_until: i64::MAX,
        lease_slot: 15,
        pushed: Some(StoredSecret {
            sealed: vec![0; 4096],
            at: 16,
            put_fingerprint: "f".into(),
        }),
        pushed_before: Some(vec![255]),
        refusals: vec![SecretRefusal {
            secret: "s".into(),
            at: 17,
            backoff_ms: 18,
            errcode: 40125,
            error: "密钥".into(),
            untried: true,
        }],
        secret_worked: "w".into(),
        rejections: RejectionHistory {
            false_rejects: 1,
            accepted_at: 2,
            outlasts_at: 3,
            fetches_today: 4,
            revoked: 5,
            revoked_at: 6,
            checking: 7,
        },
    }
}

fn row_of(store: &dyn Store, key: &CredentialKey) -> Option<Row> {
    read(store, &soon(), |there| there.row(key)).unwrap()
}

fn write(store: &dyn Store, key: &CredentialKey, row: &Row) {
    let written = store.change_row(key, &soon(), &mut |place| {
        place.clone_from(row);
        Ok(Commit::Yes)
    });
    written.unwrap();
}

/// Changes accounts and commits.
fn change<T>(store: &dyn Store, mut work: impl FnMut(&mut dyn Accounts) -> Result<T>) -> T {
    change_accounts(store, &soon(), |accounts| {
        Ok((Commit::Yes, work(accounts)?))
    })
    .unwrap()
}

fn accounts_of(store: &dyn Store) -> Vec<Account> {
    read(store, &soon(), |there| there.accounts()).unwrap()
}

fn current_of(store: &dyn Store) -> Option<String> {
    let current = read(store, &soon(), |there| there.account(None)).unwrap();
    current.map(|account| account.name)
}

fn an_empty_place_has_nothing(place: &dyn Place) {
    let store = place.open();
    assert!(accounts_of(&*store).is_empty());
    assert_eq!(current_of(&*store), None);
    assert_eq!(row_of(&*store, &key("wx")), None);
    let empty = |there: &dyn Read| Ok(there.removed()?.is_empty() && there.rows()?.is_empty());
    assert!(read(&*store, &soon(), empty).unwrap());
    assert_eq!(store.access(), Access::Writer);
    assert_eq!(store.name(), place.open().name());
}

fn a_row_comes_back_as_it_was_written(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    write(&*store, &key("wx"), &full_row());
    assert_eq!(row_of(&*other, &key("wx")), Some(full_row()));
    write(&*other, &key("wx"), &Row::default());
    assert_eq!(row_of(&*store, &key("wx")), Some(Row::default()));
}

fn each_part_of_a_key_tells_rows_apart(place: &dyn Place) {
    let store = place.open();
    let mut keys = vec![key("wx")];
    for change in [
        |key: &mut CredentialKey| key.endpoint += "2",
        |key: &mut CredentialKey| key.base_url += "2",
        |key: &mut CredentialKey| key.id += "2",
        |key: &mut CredentialKey| key.discriminator += "2",
    ] {
        let mut other = key("wx");
        change(&mut other);
        keys.push(other);
    }
    for (number, key) in (1..).zip(&keys) {
        let row = Row {
            fetches: number,
            ..Row::default()
        };
        write(&*store, key, &row);
    }
    for (number, key) in (1..).zip(&keys) {
        assert_eq!(row_of(&*store, key).map(|row| row.fetches), Some(number));
    }
    let rows = read(&*store, &soon(), |there| there.rows()).unwrap();
    assert_eq!(rows.len(), keys.len());
}

fn a_change_sees_what_another_has_written(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let mut seen = None;
    store
        .change_row(&key("wx"), &soon(), &mut |row| {
            seen = Some(row.clone());
            Ok(Commit::No)
        })
        .unwrap();
    assert_eq!(
        seen,
        Some(Row::default()),
        "a row that is not there is empty"
    );
    write(&*other, &key("wx"), &full_row());
    store
        .change_row(&key("wx"), &soon(), &mut |row| {
            seen = Some(row.clone());
            Ok(Commit::No)
        })
        .unwrap();
    assert_eq!(seen, Some(full_row()));
}

fn a_change_that_is_not_committed_leaves_no_trace(place: &dyn Place) {
    let store = place.open();
    let spoil = |row: &mut Row| row.fetches += 1;
    store
        .change_row(&key("wx"), &soon(), &mut |row| {
            spoil(row);
            Ok(Commit::No)
        })
        .unwrap();
    assert_eq!(row_of(&*store, &key("wx")), None);
    let failed = store.change_row(&key("wx"), &soon(), &mut |row| {
        spoil(row);
        Err(Error::new(Status::Secret, "no"))
    });
    assert_eq!(failed, Err(Error::new(Status::Secret, "no")));
    assert_eq!(row_of(&*store, &key("wx")), None);
    for outcome in [Ok(Commit::No), Err(Error::new(Status::Secret, "no"))] {
        let changed = store.change_accounts(&soon(), &mut |accounts| {
            accounts.put(&account("a"))?;
            accounts.set_current("a")?;
            outcome.clone()
        });
        assert_eq!(changed.is_err(), outcome.is_err());
        assert!(accounts_of(&*store).is_empty());
    }
    // The store still works.
    write(&*store, &key("wx"), &full_row());
}

fn no_change_of_a_row_is_lost(place: &dyn Place) {
    const THREADS: usize = 4;
    const CHANGES: i64 = 25;
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let store = place.open();
                for _ in 0..CHANGES {
                    store
                        .change_row(&key("wx"), &soon(), &mut |row| {
                            row.fetches += 1;
                            Ok(Commit::Yes)
                        })
                        .unwrap();
                }
            });
        }
    });
    let all = CHANGES * i64::try_from(THREADS).unwrap();
    let row = row_of(&*place.open(), &key("wx")).unwrap();
    assert_eq!(row.fetches, all);
}

fn no_change_of_the_accounts_is_lost(place: &dyn Place) {
    const THREADS: usize = 4;
    const EACH: usize = 5;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let store = place.open();
                for number in 0..EACH {
                    let name = format!("{thread}-{number}");
                    change(&*store, |accounts| {
                        accounts.put(&account(&name))?;
                        // Of all threads, at most one finds no current account.
                        if accounts.account(None)?.is_none() {
                            accounts.set_current(&name)?;
                        }
                        Ok(())
                    });
                }
            });
        }
    });
    let accounts = accounts_of(&*place.open());
    assert_eq!(accounts.len(), THREADS * EACH);
    assert_eq!(accounts.iter().filter(|account| account.current).count(), 1);
}

fn rows_are_found_by_their_id(place: &dyn Place) {
    let store = place.open();
    for id in ["wx1", "wx2"] {
        write(&*store, &key(id), &full_row());
        let ticket = CredentialKey {
            endpoint: "ticket/getticket".into(),
            ..key(id)
        };
        write(&*store, &ticket, &full_row());
    }
    let rows = read(&*store, &soon(), |there| there.rows_of("wx1")).unwrap();
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|(key, row)| key.id == "wx1" && *row == full_row())
    );
    let none = read(&*store, &soon(), |there| there.rows_of("wx")).unwrap();
    assert!(none.is_empty());
}

fn a_deleted_row_is_gone_and_others_stay(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    write(&*store, &key("wx1"), &full_row());
    write(&*store, &key("wx2"), &full_row());
    store.delete_row(&key("wx1"), &soon()).unwrap();
    assert_eq!(row_of(&*other, &key("wx1")), None);
    assert_eq!(row_of(&*other, &key("wx2")), Some(full_row()));
    // Deleting a row that is not there succeeds.
    store.delete_row(&key("wx1"), &soon()).unwrap();
}

fn an_account_comes_back_as_it_was_put(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let bare = Account {
        sealed: None,
        fingerprint: String::new(),
        ..account("店铺 \"1\"")
    };
    change(&*store, |accounts| {
        accounts.put(&account("b"))?;
        accounts.put(&bare)?;
        accounts.put(&account("a"))
    });
    assert_eq!(
        accounts_of(&*other),
        [account("a"), account("b"), bare.clone()]
    );
    let found = read(&*other, &soon(), |there| there.account(Some(&bare.name)));
    assert_eq!(found.unwrap(), Some(bare));
    let none = read(&*other, &soon(), |there| there.account(Some("c"))).unwrap();
    assert_eq!(none, None);
    let has = |name: &str| read(&*other, &soon(), |there| there.has_account(name)).unwrap();
    assert!(has("a") && !has("c"));
    let some = |most| read(&*other, &soon(), |there| there.some_names(most)).unwrap();
    assert_eq!((some(2).len(), some(9).len()), (2, 3));
    let moved = Account {
        id: "wx-moved".into(),
        sealed: Some(vec![7]),
        ..account("a")
    };
    change(&*other, |accounts| accounts.put(&moved));
    assert_eq!(
        accounts_of(&*store)[0],
        moved,
        "the same name is the same account"
    );
}

fn one_account_is_current_and_a_put_does_not_change_which(place: &dyn Place) {
    let store = place.open();
    let boast = Account {
        current: true,
        ..account("b")
    };
    change(&*store, |accounts| {
        accounts.put(&account("a"))?;
        accounts.put(&boast)
    });
    assert_eq!(current_of(&*store), None);
    change(&*store, |accounts| accounts.set_current("a"));
    assert_eq!(current_of(&*store).as_deref(), Some("a"));
    change(&*store, |accounts| accounts.put(&account("a")));
    assert_eq!(current_of(&*store).as_deref(), Some("a"));
    change(&*store, |accounts| accounts.set_current("b"));
    let current: Vec<bool> = accounts_of(&*store).iter().map(|a| a.current).collect();
    assert_eq!(current, [false, true]);
    change(&*store, |accounts| accounts.set_current("none"));
    assert_eq!(current_of(&*store).as_deref(), Some("b"));
}

fn a_parent_is_looked_up_as_it_is_now(place: &dyn Place) {
    let store = place.open();
    let child = Account {
        parent: Some(ParentLink {
            name: "parent".into(),
            there: None,
        }),
        ..account("child")
    };
    change(&*store, |accounts| accounts.put(&child));
    let there = || {
        let found = read(&*store, &soon(), |there| there.account(Some("child"))).unwrap();
        let link = found.unwrap().parent.unwrap();
        assert_eq!(link.name, "parent");
        link.there
    };
    assert_eq!(there(), None);
    change(&*store, |accounts| accounts.put(&account("parent")));
    let official = Kind::named("official").unwrap();
    assert_eq!(there(), Some((official, "wx-parent".into())));
    assert!(
        accounts_of(&*store)[0]
            .parent
            .as_ref()
            .unwrap()
            .there
            .is_some()
    );
    change(&*store, |accounts| accounts.put(&account("child")));
    assert_eq!(
        accounts_of(&*store)[0].parent,
        None,
        "the name is stored as it is"
    );
}

fn an_account_of_an_unknown_kind_is_kept_unchanged_and_apart(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let newer = UnknownAccount {
        name: "newer".into(),
        kind: "official_v9".into(),
        id: "wx-newer".into(),
        sealed: Some(vec![9, 0, 9]),
        fingerprint: "f9".into(),
        current: true,
        parent: Some("a".into()),
    };
    change(&*store, |accounts| {
        accounts.put(&account("a"))?;
        assert!(!accounts.has_current()?);
        accounts.put_unknown(&newer)?;
        accounts.set_current("newer")
    });
    let unknown = |store: &dyn Store| read(store, &soon(), |there| there.unknown_accounts());
    assert_eq!(unknown(&*other).unwrap(), std::slice::from_ref(&newer));
    assert_eq!(accounts_of(&*other), [account("a")]);
    let (has, has_current, some, of_id) = read(&*other, &soon(), |there| {
        Ok((
            there.has_account("newer")?,
            there.has_current()?,
            there.some_names(9)?,
            there.accounts_of("wx-newer")?,
        ))
    })
    .unwrap();
    assert!(has && has_current && of_id.is_empty());
    assert_eq!(some, ["a", "newer"]);
    for name in [Some("newer"), None] {
        let failed = read(&*other, &soon(), |there| there.account(name));
        let said = failed.unwrap_err().for_c();
        assert!(
            said.contains("official_v9") && said.contains("Upgrade"),
            "{said}"
        );
    }
    change(&*other, |accounts| accounts.remove("newer", 1));
    assert!(unknown(&*store).unwrap().is_empty());
    assert_eq!(current_of(&*store), None);
}

fn a_removal_is_noted_until_it_is_cleared(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    change(&*store, |accounts| {
        accounts.put(&account("a"))?;
        accounts.set_current("a")
    });
    change(&*store, |accounts| {
        assert!(!accounts.is_removed("a")?);
        accounts.remove("a", 1)?;
        // A closure reads the accounts as it has changed them so far.
        assert!(accounts.is_removed("a")? && accounts.account(Some("a"))?.is_none());
        Ok(())
    });
    assert!(accounts_of(&*other).is_empty());
    assert_eq!(current_of(&*other), None);
    let removed = |there: &dyn Read| there.removed();
    assert_eq!(read(&*other, &soon(), removed).unwrap(), ["a"]);
    change(&*other, |accounts| {
        accounts.clear_removed("a")?;
        accounts.put(&account("a"))
    });
    assert!(read(&*store, &soon(), removed).unwrap().is_empty());
    assert_eq!(current_of(&*store), None, "it was the current one before");
}

fn a_closure_may_read_rows_while_it_changes_accounts(place: &dyn Place) {
    let store = place.open();
    write(&*store, &key("wx"), &full_row());
    let seen = change(&*store, |accounts| {
        accounts.put(&account("a"))?;
        Ok((accounts.row(&key("wx"))?, accounts.rows()?.len()))
    });
    assert_eq!(seen, (Some(full_row()), 1));
}

fn an_error_of_a_look_comes_back_as_it_was(place: &dyn Place) {
    let store = place.open();
    let no = Error::new(Status::Account, "no").because("because");
    let looked = store.read(&soon(), &mut |_| Err(no.clone()));
    assert_eq!(looked, Err(no));
}

fn a_lock_has_one_holder_and_is_free_when_it_is_dropped(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let lock = store.try_lead(&key("wx"), 3).unwrap().unwrap();
    assert_eq!(lock.slot.rem_euclid(16), 3);
    assert!(other.try_lead(&key("wx"), 3).unwrap().is_none());
    assert!(other.try_lead(&key("wx"), 4).unwrap().is_some());
    assert!(other.try_lead(&key("wx2"), 3).unwrap().is_some());
    // Closing idle files does not release a lock.
    store.close_idle();
    assert!(other.try_lead(&key("wx"), 3).unwrap().is_none());
    drop(lock);
    assert!(other.try_lead(&key("wx"), 3).unwrap().is_some());
}

fn one_of_many_threads_leads(place: &dyn Place) {
    let leaders = AtomicUsize::new(0);
    let done = std::sync::Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = place.open();
                let lock = store.try_lead(&key("wx"), 0).unwrap();
                leaders.fetch_add(usize::from(lock.is_some()), Ordering::Relaxed);
                done.wait();
            });
        }
    });
    assert_eq!(leaders.into_inner(), 1);
}

fn closed_files_and_connections_are_opened_again(place: &dyn Place) {
    let store = place.open();
    write(&*store, &key("wx"), &full_row());
    store.close_idle();
    assert_eq!(row_of(&*store, &key("wx")), Some(full_row()));
}

fn the_clock_is_the_same_for_all_and_goes_forward(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let before = store.now();
    let between = other.now();
    let after = store.now();
    assert!(before.steady_ms <= after.steady_ms);
    // Two handles to a server's clock may differ by the time of one answer. This thread may stand still between two.
    let around = before.steady_ms - 1000..=after.steady_ms + 1000;
    assert!(
        around.contains(&between.steady_ms),
        "{between:?} in {around:?}"
    );
    assert_eq!(before.epoch, between.epoch);
    assert_eq!(before.epoch, after.epoch);
    assert!(!before.epoch.is_empty());
}

fn a_mark_stands_for_a_state(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    let look = || {
        read(&*store, &soon(), |there| {
            Ok((there.clients()?, there.mark()))
        })
        .unwrap()
    };
    let mut last = look().1;
    if last.is_none() {
        assert!(store.mark().is_none(), "a store has marks or has none");
        return;
    }
    let mut row = full_row();
    for (round, writer) in [&other, &store].into_iter().cycle().take(20).enumerate() {
        assert_eq!(store.mark(), last, "nothing was changed");
        row.fetches += 1;
        match round % 3 {
            0 => write(&**writer, &key("wx"), &row),
            1 => change(&**writer, |accounts| {
                accounts.put(&account(&format!("a{round}")))
            }),
            _ => writer
                .change_clients(&soon(), &mut |record| {
                    *record = Some(round.to_string());
                    Ok(Commit::Yes)
                })
                .unwrap(),
        }
        assert_ne!(store.mark(), last, "round {round} was not seen");
        last = look().1;
    }
    store.close_idle();
    assert_eq!(store.mark(), None, "nothing is open");
    assert_ne!(look().1, last, "it was opened anew");
}

fn a_message_reaches_the_keeper_while_there_is_one(place: &dyn Place) {
    let (store, reader) = (place.open(), place.open());
    let wanted = Message::Wanted("shop".into());
    let rejected = Message::Rejected {
        name: "店铺/jsapi_ticket".into(),
        fingerprint: "f".into(),
    };
    let channel = reader.keeper_channel();
    assert_eq!(channel.is_listened_to(), Some(false));
    assert_eq!(channel.send(&wanted), Err(NotSent::NoKeeper));
    let mut inbox = store.keeper_channel().listen().unwrap();
    assert_eq!(channel.is_listened_to(), Some(true));
    assert!(inbox.is_in_place());
    assert!(inbox.read(10).is_empty());
    channel.send(&wanted).unwrap();
    channel.send(&rejected).unwrap();
    assert_eq!(inbox.read(10), [wanted, rejected.clone()]);
    drop(inbox);
    assert_eq!(channel.send(&rejected), Err(NotSent::NoKeeper));
}

fn clients_of(store: &dyn Store) -> Option<String> {
    read(store, &soon(), |there| there.clients()).unwrap()
}

fn the_clients_are_a_record_of_their_own(place: &dyn Place) {
    let (store, other) = (place.open(), place.open());
    assert_eq!(clients_of(&*store), None);
    let set = |text: Option<&str>, commit| {
        store.change_clients(&soon(), &mut |record| {
            *record = text.map(str::to_owned);
            Ok(commit)
        })
    };
    set(Some("lost"), Commit::No).unwrap();
    assert_eq!(clients_of(&*other), None);
    set(Some("{\"客户\":1}"), Commit::Yes).unwrap();
    assert_eq!(clients_of(&*other).as_deref(), Some("{\"客户\":1}"));
    // A change of the clients leaves accounts and rows as they are, and the reverse.
    change(&*store, |accounts| accounts.put(&account("a")));
    write(&*store, &key("wx"), &full_row());
    store.delete_row(&key("wx"), &soon()).unwrap();
    assert_eq!(clients_of(&*store).as_deref(), Some("{\"客户\":1}"));
    let failed = store.change_clients(&soon(), &mut |record| {
        *record = None;
        Err(Error::new(Status::Secret, "no"))
    });
    assert_eq!(failed, Err(Error::new(Status::Secret, "no")));
    assert!(clients_of(&*other).is_some());
    set(None, Commit::Yes).unwrap();
    assert_eq!(clients_of(&*other), None);
}

fn no_change_of_the_clients_is_lost(place: &dyn Place) {
    const THREADS: usize = 4;
    const EACH: usize = 10;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let store = place.open();
                for number in 0..EACH {
                    let changed = store.change_clients(&soon(), &mut |record| {
                        let text = record.get_or_insert_default();
                        text.push_str(&format!("{thread}-{number} "));
                        Ok(Commit::Yes)
                    });
                    changed.unwrap();
                }
            });
        }
    });
    let all = clients_of(&*place.open()).unwrap();
    let words: std::collections::HashSet<&str> = all.split_whitespace().collect();
    assert_eq!(words.len(), THREADS * EACH, "{all}");
}

struct OnSqlite(tempfile::TempDir);

impl Place for OnSqlite {
    fn open(&self) -> Box<dyn Store> {
        let path = self.0.path().join("tokens.db");
        let opening = Opening {
            vault: Vault::at(path.with_added_extension("key")),
            options: Arc::default(),
        };
        super::open(&StoreName::File(path), opening, &soon()).unwrap()
    }
}

#[cfg(feature = "redis")]
struct OnRedis(redis_server::RedisServer);

#[cfg(feature = "redis")]
impl Place for OnRedis {
    fn open(&self) -> Box<dyn Store> {
        open_redis(&self.0.url(), self.0.directory())
    }
}

#[cfg(feature = "redis")]
struct OnCluster(redis_server::Cluster);

#[cfg(feature = "redis")]
impl Place for OnCluster {
    fn open(&self) -> Box<dyn Store> {
        open_redis(&self.0.url(), self.0.nodes[0].directory())
    }
}

/// A server that runs no scripts, like some proxies.
#[cfg(feature = "redis")]
fn without_scripts() -> OnRedis {
    let server = redis_server::RedisServer::start();
    server.run(&["ACL", "SETUSER", "default", "-@scripting"]);
    OnRedis(server)
}

#[cfg(feature = "redis")]
fn open_redis(url: &str, directory: &std::path::Path) -> Box<dyn Store> {
    let opening = Opening {
        vault: Vault::at(directory.join("key")),
        options: Arc::default(),
    };
    let mut url = RedisUrl::parse(url).unwrap().unwrap();
    url.state_directory = directory.into();
    Box::new(super::redis::RedisStore::open(&url, opening, &soon()).unwrap())
}

impl Place for MemoryStore {
    fn open(&self) -> Box<dyn Store> {
        Box::new(self.clone())
    }
}

/// Runs every promise as a test of each store.
macro_rules! contract {
    ($($promise:ident)*) => {
        mod sqlite {
            $(#[test] fn $promise() { super::$promise(&super::OnSqlite(tempfile::tempdir().unwrap())); })*
        }

        #[cfg(feature = "redis")]
        mod redis {
            $(#[test] fn $promise() { super::$promise(&super::OnRedis(redis_server::RedisServer::start())); })*
        }

        #[cfg(feature = "redis")]
        mod redis_without_scripts {
            $(#[test] fn $promise() { super::$promise(&super::without_scripts()); })*
        }

        #[cfg(feature = "redis")]
        mod redis_cluster {
            $(#[test] fn $promise() { super::$promise(&super::OnCluster(redis_server::Cluster::start())); })*
        }

        mod memory {
            $(#[test] fn $promise() { super::$promise(&super::MemoryStore::new()); })*
        }
    };
}

contract! {
    an_empty_place_has_nothing
    a_row_comes_back_as_it_was_written
    each_part_of_a_key_tells_rows_apart
    a_change_sees_what_another_has_written
    a_change_that_is_not_committed_leaves_no_trace
    no_change_of_a_row_is_lost
    no_change_of_the_accounts_is_lost
    rows_are_found_by_their_id
    a_deleted_row_is_gone_and_others_stay
    an_account_comes_back_as_it_was_put
    one_account_is_current_and_a_put_does_not_change_which
    a_parent_is_looked_up_as_it_is_now
    an_account_of_an_unknown_kind_is_kept_unchanged_and_apart
    a_removal_is_noted_until_it_is_cleared
    the_clients_are_a_record_of_their_own
    no_change_of_the_clients_is_lost
    a_closure_may_read_rows_while_it_changes_accounts
    an_error_of_a_look_comes_back_as_it_was
    a_lock_has_one_holder_and_is_free_when_it_is_dropped
    one_of_many_threads_leads
    closed_files_and_connections_are_opened_again
    the_clock_is_the_same_for_all_and_goes_forward
    a_mark_stands_for_a_state
    a_message_reaches_the_keeper_while_there_is_one
}
