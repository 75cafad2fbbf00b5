//! The operator's tasks: removing accounts, changing keys, backups. They run through the facade that the command
//! `wxtoken` is built on. The C API shows what other processes see.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ::wxtoken::ffi::wxtoken_status::*;
use ::wxtoken::tool::{Error, Store};
use ::wxtoken::{Failpoint, arm};
use common::{Child, Handle, SECRET, World, outcome, wait_until};
use serde_json::{Value, json};

const REFRESH_TOKEN: &str = "refreshtoken@@@0123456789";

fn operator(world: &World) -> Store {
    operator_at(world, &world.store())
}

fn operator_at(world: &World, path: &Path) -> Store {
    let store = Store::open(path.to_str()).unwrap();
    store.set("api_base_url", world.sim.http()).unwrap();
    store.set("work_base_url", world.sim.http()).unwrap();
    store
}

fn key_of(store: &Path) -> PathBuf {
    store.with_added_extension("key")
}

fn names(handle: &Handle) -> Vec<String> {
    let report = handle.report();
    let accounts = report["accounts"].as_array().unwrap();
    let name = |account: &Value| account["name"].as_str().unwrap().to_owned();
    accounts.iter().map(name).collect()
}

fn holds(path: &Path, text: &str) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

/// A component `above` with an authorizer `own`, both set up.
fn open_platform(world: &World) -> Handle {
    world.add("component", "wxabove", json!({}));
    world.add(
        "authorizer",
        "wxown",
        json!({"parent": "wxabove", "secret": REFRESH_TOKEN}),
    );
    let handle = world.open();
    handle
        .register("above", "component", "wxabove", SECRET)
        .unwrap();
    let (ticket, _) = world.sim.push("wxabove", 0).unwrap();
    handle.put("above", "verify_ticket", &ticket).unwrap();
    handle
        .register_maybe("own", "authorizer", "wxown", None)
        .unwrap();
    handle.put("own", "parent", "above").unwrap();
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    handle
}

#[test]
fn removing_an_account_removes_the_credentials_that_only_it_has() {
    let world = World::with_account(json!({}));
    world.add("official", "wx2", json!({}));
    let handle = world.open_shop("official");
    handle.register("also", "official", "wx1", SECRET).unwrap();
    handle.register("other", "official", "wx2", SECRET).unwrap();
    let shared = handle.get("shop").unwrap();
    handle.get("other").unwrap();
    handle.get("other/jsapi_ticket").unwrap();

    let operator = operator(&world);
    let gone = operator.remove("other").unwrap();
    assert_eq!((gone.credentials, gone.was_current), (2, false));
    assert_eq!(handle.get("other").unwrap_err().status, WXTOKEN_E_ACCOUNT);
    // The account has another name, which keeps the token.
    let gone = operator.remove("shop").unwrap();
    assert_eq!((gone.credentials, gone.was_current), (0, true));
    assert_eq!(handle.get("also").unwrap(), shared);
    let none = handle.get_current().unwrap_err();
    assert_eq!(none.status, WXTOKEN_E_ACCOUNT);
    assert!(none.message.contains("current"), "{none:?}");
    assert_eq!(names(&handle), ["also"]);
    assert_eq!(world.requests(), 1);
    let twice = operator.remove("shop").unwrap_err();
    assert_eq!(twice.status.name(), "WXTOKEN_E_ACCOUNT");
}

#[test]
fn a_name_that_is_registered_anew_has_the_token_of_its_new_id_at_once() {
    for asked in ["shop", "shop/access_token", "shop/jsapi_ticket"] {
        let world = World::with_account(json!({}));
        world.add("official", "wx2", json!({}));
        let handle = world.open();
        handle.register("first", "official", "wx1", SECRET).unwrap();
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        handle.set("revalidate_ms", "60000").unwrap();
        let old = handle.get(asked).unwrap();
        // In another process, so that this one learns nothing.
        let said = Child::fork(|| {
            let removed = operator(&world).remove("shop");
            removed.map_or_else(|e| e.to_string(), |_| "removed".into())
        });
        assert_eq!(said.join(), "removed");
        assert_eq!(handle.get(asked).unwrap(), old);
        handle.register("shop", "official", "wx2", SECRET).unwrap();
        let new = handle.get(asked).unwrap().value;
        assert_ne!(new, old.value, "{asked}");
    }
}

/// A handle restores what a store has lost, but not what an operator has removed.
#[test]
fn a_removed_account_is_not_restored_by_the_handle_that_registered_it() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle.get("shop").unwrap();
    // In another process, so that this one learns nothing.
    let said = Child::fork(|| {
        let removed = operator(&world).remove("shop");
        removed.map_or_else(|e| e.to_string(), |_| "removed".into())
    });
    assert_eq!(said.join(), "removed");
    wait_until("the removal is seen", || handle.get("shop").is_err());
    assert!(names(&handle).is_empty());
    // Registering the account again brings it back.
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    handle.get("shop").unwrap();
    assert_eq!(names(&handle), ["shop"]);
}

#[test]
fn removing_a_parent_names_its_children() {
    let world = World::new();
    let handle = open_platform(&world);
    let gone = operator(&world).remove("above").unwrap();
    assert_eq!(gone.children, ["own"]);
    let failure = handle.get("own").unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_ACCOUNT);
    assert!(failure.message.contains("\"above\""), "{failure:?}");
}

#[test]
fn removing_an_account_keeps_a_refresh_token_that_its_namesake_uses() {
    let world = World::new();
    let handle = open_platform(&world);
    let same_id = handle.register("same", "official", "wxown", SECRET);
    same_id.unwrap();
    let operator = operator(&world);
    operator.remove("above").unwrap();
    assert_eq!(operator.remove("same").unwrap().credentials, 0);
    // No handle is left that could restore the parent.
    drop(handle);
    let handle = world.open();
    handle
        .register("above", "component", "wxabove", SECRET)
        .unwrap();
    let kept = handle.get("own/refresh_token").unwrap();
    assert_eq!(kept.value, REFRESH_TOKEN);
}

/// In WeCom each secret of a corporation has its own token.
#[test]
fn removing_an_account_removes_the_tokens_of_its_earlier_secrets() {
    let world = World::new();
    world.add("work", "ww1", json!({}));
    let handle = world.open();
    for name in ["app", "same"] {
        handle.register(name, "work", "ww1", SECRET).unwrap();
    }
    let token = handle.get("app").unwrap();
    let operator = operator(&world);
    handle.register("app", "work", "ww1", "another").unwrap();
    assert_eq!(operator.remove("app").unwrap().credentials, 0);
    assert_eq!(handle.get("same").unwrap(), token);
    handle.register("same", "work", "ww1", "another").unwrap();
    assert_eq!(operator.remove("same").unwrap().credentials, 1);
}

#[test]
fn a_new_key_seals_every_secret_and_the_old_one_opens_none() {
    let world = World::new();
    let handle = open_platform(&world);
    world
        .sim
        .switches(json!({"refresh_token_changes": true}))
        .unwrap();
    let token = handle.get("own").unwrap();
    let renewed = handle.get("own/refresh_token").unwrap();
    let key = key_of(&world.store());
    let old = fs::read(&key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();

    // Two secrets that were put, the one put before, and the component's own.
    assert_eq!(operator(&world).rekey().unwrap(), 4);
    let new = fs::read_to_string(&key).unwrap();
    assert_ne!(new.as_bytes(), old);
    assert_eq!(new.lines().count(), 1);
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o640
    );

    // Every process can open everything, and fetches with it succeed.
    assert_eq!(handle.get("own/refresh_token").unwrap(), renewed);
    let before = handle.get("own/refresh_token_before").unwrap();
    assert_eq!(before.value, REFRESH_TOKEN);
    handle.reject("own", &token.value).unwrap();
    let next = Child::fork(|| outcome(handle.get("own"))).join();
    assert!(world.accepts(&next), "{next}");

    // The old key opens nothing.
    fs::write(&key, old).unwrap();
    let refused = handle.get("own/refresh_token").unwrap_err();
    assert!(refused.message.contains("another key"), "{refused:?}");
    fs::write(&key, new).unwrap();
    handle.get("own/refresh_token").unwrap();
}

/// After a kill in the middle, the key file holds both keys. Everything opens, and the next key change completes this
/// one.
#[test]
fn an_interrupted_key_change_loses_nothing() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let key = key_of(&world.store());
    let old = fs::read_to_string(&key).unwrap();
    let new = format!("{}\n", "5a".repeat(32));
    fs::write(&key, format!("{new}{old}")).unwrap();
    handle.get("shop").unwrap();
    // A secret registered meanwhile is sealed with the new key.
    handle
        .register("second", "official", "wx1", SECRET)
        .unwrap();
    assert_eq!(operator(&world).rekey().unwrap(), 1);
    assert_eq!(fs::read_to_string(&key).unwrap(), new);
    let token = handle.get("shop").unwrap();
    world.sim.revoke("wx1");
    handle.reject("shop", &token.value).unwrap();
    handle.get("shop").unwrap();
    assert_eq!(world.requests(), 2);
}

#[test]
fn keys_are_not_changed_while_a_secret_does_not_open() {
    let world = World::with_account(json!({}));
    world.add("official", "wx2", json!({}));
    let handle = world.open_shop("official");
    let key = key_of(&world.store());
    let lost = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    handle.register("other", "official", "wx2", SECRET).unwrap();
    let refused = operator(&world).rekey().unwrap_err();
    assert_eq!(refused.status.name(), "WXTOKEN_E_SECRET");
    assert!(refused.to_string().contains("\"shop\""), "{refused}");
    handle.get("other").unwrap();
    // It also works with the lost key back in place.
    let there = fs::read(&key).unwrap();
    fs::write(&key, [there, lost].concat()).unwrap();
    assert!(operator(&world).rekey().unwrap() >= 1);
    handle.get("shop").unwrap();
    handle.get("other").unwrap();
}

/// Faults row 96: another key change ends while a key change, a backup or a copy opens the secrets of the store.
#[test]
fn a_secret_that_another_key_change_resealed_is_not_taken_for_lost() {
    type Work = fn(&Store, &Path) -> Result<usize, Error>;
    let works: [Work; 3] = [
        |store, _| store.rekey(),
        |store, to| store.backup(to),
        |store, to| {
            let to = Store::open(to.to_str())?;
            Ok(store.copy_to(&to, false)?.new)
        },
    ];
    for work in works {
        let world = World::with_account(json!({}));
        let handle = world.open_shop("official");
        let late = Child::fork(|| {
            let operator = operator(&world);
            arm(Failpoint::Opening, libc::SIGSTOP);
            let done = work(&operator, &world.directory.path().join("other"));
            done.map_or_else(|e| e.to_string(), |count| count.to_string())
        });
        late.wait_for(libc::SIGSTOP);
        assert_eq!(operator(&world).rekey().unwrap(), 1);
        late.signal(libc::SIGCONT);
        assert_eq!(late.join(), "1");
        handle.get("shop").unwrap();
    }
}

/// Writers go on during a key change, and no secret that they seal is lost.
#[test]
fn keys_can_be_changed_while_others_write() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let writer = |which: usize| {
        let (world, handle) = (&world, &handle);
        Child::fork(move || {
            for i in 0..25 {
                let name = format!("w{which}-{i}");
                let done = handle.register(&name, "official", "wx1", SECRET);
                if let Err(e) = done {
                    return e.message;
                }
            }
            drop(world.open());
            "done".into()
        })
    };
    // Five threads write all the time, on a machine that may stand still.
    handle.set("timeout_ms", "200000").unwrap();
    let writers: Vec<Child> = (0..3).map(writer).collect();
    let changers: Vec<Child> = (0..2)
        .map(|_| {
            Child::fork(|| {
                let operator = operator(&world);
                operator.set("timeout_ms", "200000").unwrap();
                for _ in 0..10 {
                    if let Err(e) = operator.rekey() {
                        return e.to_string();
                    }
                }
                "done".into()
            })
        })
        .collect();
    for child in writers.into_iter().chain(changers) {
        assert_eq!(child.join(), "done");
    }
    assert_eq!(
        fs::read_to_string(key_of(&world.store()))
            .unwrap()
            .lines()
            .count(),
        1
    );
    // A key change opens each secret, so this fails if one was sealed with a key that is gone.
    assert_eq!(operator(&world).rekey().unwrap(), 76);
}

/// Faults row 78: every get and every fetch succeeds during a key change.
#[test]
fn gets_and_fetches_succeed_during_a_key_change() {
    let world = World::new();
    let handle = open_platform(&world);
    world.add("official", "wx3", json!({"lifetime_ms": 1000}));
    handle.register("fast", "official", "wx3", SECRET).unwrap();
    let over = world.directory.path().join("over");
    let reader = || {
        Child::fork(|| {
            let handle = world.open();
            handle.set("timeout_ms", "200000").unwrap();
            let mut rounds = 0;
            while !over.exists() || rounds < 100 {
                let ticket = handle.get("above/verify_ticket");
                let token = handle.get("fast");
                match ticket.and(token) {
                    // On a slow disk a token that lives a second may end while it is saved.
                    Err(e) if !e.message.contains("expired before it could be handed out") => {
                        return e.message;
                    }
                    _ => rounds += 1,
                }
            }
            "done".into()
        })
    };
    let readers = [reader(), reader()];
    let operator = operator(&world);
    operator.set("timeout_ms", "200000").unwrap();
    for _ in 0..40 {
        operator.rekey().unwrap();
    }
    wait_until("some tokens have ended", || {
        operator.rekey().unwrap();
        world.sim.counters_of("wx3").minted >= 3
    });
    fs::write(&over, "").unwrap();
    for child in readers {
        assert_eq!(child.join(), "done");
    }
}

/// The platform accepts only the refresh token in the reply, so it must be sealed with a key that still exists.
#[test]
fn a_refresh_token_that_arrives_during_a_key_change_is_not_lost() {
    let world = World::new();
    world
        .sim
        .switches(json!({"refresh_token_changes": true}))
        .unwrap();
    let handle = open_platform(&world);
    handle.get("above").unwrap();
    let mut sent = REFRESH_TOKEN.to_owned();
    // Before it is sealed, and between sealing and commit.
    for moment in [Failpoint::Replied, Failpoint::Sealed] {
        let leader = Child::fork(|| {
            arm(moment, libc::SIGSTOP);
            outcome(handle.get("own"))
        });
        leader.wait_for(libc::SIGSTOP);
        operator(&world).rekey().unwrap();
        leader.signal(libc::SIGCONT);
        let token = leader.join();
        assert!(world.accepts(&token), "{moment:?}: {token}");
        let renewed = handle.get("own/refresh_token").unwrap().value;
        assert_ne!(renewed, sent, "{moment:?}");
        sent = renewed;
        // Without the token there is something to fetch again.
        operator(&world).remove("own").unwrap();
        handle
            .register_maybe("own", "authorizer", "wxown", None)
            .unwrap();
        handle.put("own", "parent", "above").unwrap();
        handle.put("own", "refresh_token", &sent).unwrap();
    }
    handle.get("own").unwrap();
}

/// A secret that cannot be opened would occupy the place of a good copy.
#[test]
fn a_secret_whose_key_is_gone_is_not_restored() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    operator(&world).rekey().unwrap();
    let knowing = Child::fork(|| {
        let handle = world.open_shop("official");
        // SAFETY: stops this child alone.
        unsafe { libc::raise(libc::SIGSTOP) };
        outcome(handle.get("shop"))
    });
    knowing.wait_for(libc::SIGSTOP);
    fs::remove_file(world.store()).unwrap();
    let gone = handle.get("shop");
    knowing.signal(libc::SIGCONT);
    let token = knowing.join();
    assert_eq!(gone.unwrap_err().status, WXTOKEN_E_ACCOUNT);
    assert_eq!(handle.get("shop").unwrap().value, token);
}

#[test]
fn a_pushed_secret_whose_key_is_gone_is_not_restored() {
    let world = World::new();
    let handle = open_platform(&world);
    operator(&world).rekey().unwrap();
    fs::remove_file(world.store()).unwrap();
    handle
        .register("above", "component", "wxabove", SECRET)
        .unwrap();
    handle
        .register_maybe("own", "authorizer", "wxown", None)
        .unwrap();
    handle.put("own", "parent", "above").unwrap();
    let never = handle.get("own/refresh_token").unwrap_err();
    assert!(
        never.message.contains("no refresh_token has been put"),
        "{never:?}"
    );
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    let again = handle.get("own/refresh_token").unwrap();
    assert_eq!(again.value, REFRESH_TOKEN);
}

/// The error of the get asks for exactly this.
#[test]
fn a_secret_that_no_key_opens_can_be_put_again() {
    let world = World::new();
    let handle = open_platform(&world);
    fs::write(key_of(&world.store()), "5a".repeat(32)).unwrap();
    let lost = handle.get("own/refresh_token").unwrap_err();
    assert!(
        lost.message.contains("put the field refresh_token"),
        "{lost:?}"
    );
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    let again = handle.get("own/refresh_token").unwrap();
    assert_eq!(again.value, REFRESH_TOKEN);
    let before = handle.get("own/refresh_token_before").unwrap_err();
    assert!(before.message.contains("has no earlier"), "{before:?}");
}

/// During a key change the old key still opens secrets. Those sealed with it are sealed again at the end.
#[test]
fn an_account_restored_during_a_key_change_is_not_lost() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let key = key_of(&world.store());
    let old = fs::read_to_string(&key).unwrap();
    fs::write(&key, format!("{}\n{old}", "5a".repeat(32))).unwrap();
    fs::remove_file(world.store()).unwrap();
    handle.get("shop").unwrap();
    assert_eq!(operator(&world).rekey().unwrap(), 1);
    operator(&world).check_secrets("shop").unwrap();
}

/// Containers mount keys this way. The key is neither rewritten in place nor left usable when an operator believes it
/// is retired.
#[test]
fn a_linked_key_is_read_and_changed_under_its_own_name() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let link = key_of(&world.store());
    let target = world.directory.path().join("mounted");
    fs::rename(&link, &target).unwrap();
    std::os::unix::fs::symlink("mounted", &link).unwrap();
    handle.get("shop").unwrap();
    let old = fs::read(&target).unwrap();
    let operator = operator(&world);
    let refused = operator.rekey().unwrap_err();
    assert_eq!(refused.status.name(), "WXTOKEN_E_SECRET");
    let named = format!("a symbolic link to {}", target.display());
    assert!(refused.to_string().contains(&named), "{refused}");
    assert!(link.is_symlink());
    assert_eq!(fs::read(&target).unwrap(), old);

    operator.set("key_file", target.to_str().unwrap()).unwrap();
    assert_eq!(operator.rekey().unwrap(), 1);
    assert!(link.is_symlink());
    assert_ne!(fs::read(&target).unwrap(), old);
    operator_at(&world, &world.store())
        .check_secrets("shop")
        .unwrap();
}

/// A NULL name must not select an account that no caller chose.
#[test]
fn restoring_an_account_does_not_make_it_current() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle.register("also", "official", "wx1", SECRET).unwrap();
    let operator = operator(&world);
    assert!(operator.remove("shop").unwrap().was_current);
    fs::remove_file(world.store()).unwrap();
    handle.get("also").unwrap();
    let none = handle.get_current().unwrap_err();
    assert_eq!(none.status, WXTOKEN_E_ACCOUNT);

    let backup = world.directory.path().join("backup.db");
    operator.backup(&backup).unwrap();
    assert_eq!(operator.restore(&backup).unwrap(), 1);
    let none = handle.get_current().unwrap_err();
    assert_eq!(none.status, WXTOKEN_E_ACCOUNT);
    // Registering an account makes it the current one.
    handle.register("next", "official", "wx1", SECRET).unwrap();
    handle.get_current().unwrap();
}

#[test]
fn a_backup_holds_no_tokens_and_is_restored_only_with_the_key() {
    let world = World::with_account(json!({}));
    let handle = open_platform(&world);
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    handle.put_current("shop").unwrap();
    let tokens = [handle.get("shop").unwrap(), handle.get("own").unwrap()];
    let backup = world.directory.path().join("backup.db");
    let operator = operator(&world);
    operator.backup(&backup).unwrap();
    assert_eq!(
        fs::metadata(&backup).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for text in [&tokens[0].value, &tokens[1].value, SECRET, REFRESH_TOKEN] {
        assert!(!holds(&backup, text));
    }
    let twice = operator.backup(&backup).unwrap_err();
    assert_eq!(twice.status.name(), "WXTOKEN_E_STORE");

    // On another machine without the key nothing is restored, and existing data stays.
    let place = world.directory.path().join("other");
    fs::create_dir(&place).unwrap();
    let store = place.join("tokens.db");
    let other = operator_at(&world, &store);
    other
        .register("mine", "official", "wx1", Some(SECRET))
        .unwrap();
    let refused = other.restore(&backup).unwrap_err();
    assert_eq!(refused.status.name(), "WXTOKEN_E_SECRET");
    assert!(refused.to_string().contains("another key"), "{refused}");
    let there = world.open_at(&store);
    assert_eq!(names(&there), ["mine"]);

    fs::copy(key_of(&world.store()), key_of(&store)).unwrap();
    assert_eq!(other.restore(&backup).unwrap(), 3);
    assert_eq!(names(&there), ["above", "own", "shop"]);
    // The restored accounts fetch every token again.
    for (name, before) in ["shop", "own"].iter().zip(&tokens) {
        let token = there.get(name).unwrap();
        assert!(world.accepts(&token.value));
        assert!(name == &"shop" || token != *before);
    }
    assert_eq!(there.get_current().unwrap(), there.get("shop").unwrap());
    assert_eq!(there.get("own/refresh_token").unwrap().value, REFRESH_TOKEN);
}

/// An authorizer has no secret of its own. A key can be tried only on the refresh tokens that were put for it, last and
/// before.
#[test]
fn a_backup_is_refused_if_a_pushed_secret_does_not_open() {
    let world = World::new();
    let handle = open_platform(&world);
    let key = key_of(&world.store());
    let before = fs::read_to_string(&key).unwrap();
    let last = "5a".repeat(32) + "\n";
    let both = format!("{last}{before}");
    fs::write(&key, &both).unwrap();
    handle.put("own", "refresh_token", "another").unwrap();
    let operator = operator(&world);
    operator.remove("above").unwrap();
    let backup = world.directory.path().join("backup.db");
    operator.backup(&backup).unwrap();
    handle.register("mine", "official", "wx1", SECRET).unwrap();

    for one in [&last, &before] {
        fs::write(&key, one).unwrap();
        let refused = operator.restore(&backup).unwrap_err();
        assert_eq!(refused.status.name(), "WXTOKEN_E_SECRET");
        assert!(refused.to_string().contains("another key"), "{refused}");
        assert_eq!(names(&handle), ["mine", "own"]);
    }
    fs::write(&key, both).unwrap();
    assert_eq!(operator.restore(&backup).unwrap(), 1);
    assert_eq!(names(&handle), ["own"]);
}

const MARKED: &str = "PRAGMA application_id = 2004382827; PRAGMA user_version = 5;";

/// An interior page of a table that points four hundred times to one other page.
fn page_that_leads_to(next: u32) -> Vec<u8> {
    const CELLS: u16 = 400;
    let mut page = vec![0; 4096];
    page[0] = 5;
    page[3..5].copy_from_slice(&CELLS.to_be_bytes());
    let cells = 4096 - usize::from(CELLS) * 5;
    page[5..7].copy_from_slice(&u16::try_from(cells).unwrap().to_be_bytes());
    page[8..12].copy_from_slice(&next.to_be_bytes());
    for i in 0..usize::from(CELLS) {
        let at = cells + i * 5;
        page[12 + 2 * i..14 + 2 * i].copy_from_slice(&u16::try_from(at).unwrap().to_be_bytes());
        page[at..at + 4].copy_from_slice(&next.to_be_bytes());
        page[at + 4] = 1;
    }
    page
}

/// Makes a table lead to its rows through ten levels of pages, each with four hundred pointers to the next.
fn make_endless(path: &Path, table: &str) {
    let root = std::process::Command::new("sqlite3")
        .arg(path)
        .arg(format!(
            "SELECT rootpage FROM sqlite_schema WHERE name = '{table}'"
        ))
        .output()
        .unwrap();
    let root: usize = String::from_utf8_lossy(&root.stdout)
        .trim()
        .parse()
        .unwrap();
    let mut bytes = fs::read(path).unwrap();
    assert_eq!(u16::from_be_bytes([bytes[16], bytes[17]]), 4096);
    let at = (root - 1) * 4096;
    let leaf = bytes[at..at + 4096].to_vec();
    let first = u32::try_from(bytes.len() / 4096).unwrap() + 1;
    bytes[at..at + 4096].copy_from_slice(&page_that_leads_to(first));
    for next in 1..=10 {
        bytes.extend(page_that_leads_to(first + next));
    }
    bytes.extend(leaf);
    let pages = u32::try_from(bytes.len() / 4096).unwrap();
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
    fs::write(path, bytes).unwrap();
}

/// Faults row 84: backups crafted to do harm.
#[test]
fn a_crafted_backup_fails_and_leaves_nothing_behind() {
    const ENDLESS: &str = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r)";
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let operator = operator(&world);
    let good = world.directory.path().join("good");
    let path = world.directory.path().join("evil");
    operator.backup(&good).unwrap();
    let (good, path) = (good.as_path(), path.as_path());
    let views = format!(
        "{MARKED} CREATE VIEW weixin_account AS {ENDLESS} SELECT 'n' || i AS name, 'official' AS kind,
         'wx' AS appid, NULL AS secret, '' AS fingerprint, 0 AS current, NULL AS parent FROM r;
         CREATE VIEW weixin_token AS SELECT * FROM weixin_account;
         CREATE VIEW weixin_removed AS SELECT * FROM weixin_account;"
    );
    let of_any_type = format!(
        "{MARKED} CREATE TABLE weixin_account (name, kind, appid, secret, fingerprint, current, parent);
         INSERT INTO weixin_account VALUES (1, 2, 3, 4, 5, 'six', 7);
         CREATE TABLE weixin_removed (name, removed_at);
         CREATE TABLE weixin_token AS SELECT * FROM weixin_account;"
    );
    let on_good = &|sql: &str| {
        fs::copy(good, path).unwrap();
        common::sqlite(path, sql);
    };
    type Make<'a> = Box<dyn Fn() + 'a>;
    let new = |sql: String| -> Make { Box::new(move || common::sqlite(path, &sql)) };
    let changed = |sql: &'static str| -> Make { Box::new(move || on_good(sql)) };
    let cases: Vec<(&str, Make)> = vec![
        ("a view in the place of a table", new(views)),
        (
            "a virtual table in the place of a table",
            changed(
                "DROP TABLE weixin_removed; CREATE VIRTUAL TABLE weixin_removed USING rtree(a, b, c)",
            ),
        ),
        (
            "an index in the place of a table",
            changed(
                "DROP TABLE weixin_removed; CREATE INDEX weixin_removed ON weixin_account (name)",
            ),
        ),
        ("cannot restore", new(of_any_type)),
        (
            "too big",
            changed("UPDATE weixin_account SET fingerprint = hex(zeroblob(1 << 20))"),
        ),
        (
            "invalid account name",
            changed("UPDATE weixin_account SET name = 'a/b'"),
        ),
        (
            "larger than any backup",
            Box::new(|| {
                fs::copy(good, path).unwrap();
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_len(1 << 40).unwrap();
            }),
        ),
        ("it is empty", Box::new(|| fs::write(path, "").unwrap())),
        (
            "it is damaged",
            Box::new(|| {
                fs::copy(good, path).unwrap();
                make_endless(path, "weixin_account");
            }),
        ),
    ];
    for (why, make) in cases {
        let _ = fs::remove_file(path);
        make();
        let before = files(&world);
        let refused = operator.restore(path).unwrap_err();
        assert_eq!(refused.status.name(), "WXTOKEN_E_STORE", "{why}: {refused}");
        let said = refused.to_string();
        assert!(said.contains(why) && said.contains("evil"), "{why}: {said}");
        assert_eq!(files(&world), before, "{why}");
        assert_eq!(names(&handle), ["shop"], "{why}");
    }
    // A trigger in the backup does not fire.
    on_good(
        "CREATE TRIGGER t AFTER UPDATE ON weixin_account BEGIN DELETE FROM weixin_account; END",
    );
    assert_eq!(operator.restore(path).unwrap(), 1);
    assert_eq!(names(&handle), ["shop"]);
}

/// Faults row 84: thousands of rows, each slow to examine.
#[test]
fn reading_an_endless_backup_ends_at_the_deadline() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let operator = operator(&world);
    let path = world.directory.path().join("slow");
    operator.backup(&path).unwrap();
    common::sqlite(
        &path,
        "CREATE TABLE slow (a TEXT CHECK (length(replace(hex(zeroblob(200000)), '0', a)) > 1));
         PRAGMA ignore_check_constraints = ON;
         WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 50000)
         INSERT INTO slow SELECT 'x' || i % 2 FROM r",
    );
    operator.set("timeout_ms", "300").unwrap();
    let before = files(&world);
    let refused = operator.restore(&path).unwrap_err();
    assert_eq!(refused.status.name(), "WXTOKEN_E_TIMEOUT", "{refused}");
    assert_eq!(files(&world), before);
    assert_eq!(names(&handle), ["shop"]);
}

fn files(world: &World) -> Vec<PathBuf> {
    let there = fs::read_dir(world.directory.path()).unwrap();
    let mut paths: Vec<PathBuf> = there.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn a_file_that_is_not_a_backup_is_not_restored() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let operator = operator(&world);
    let path = world.directory.path().join("file");
    let sql = [
        "",
        "CREATE TABLE other (a);",
        "PRAGMA application_id = 2004382827; PRAGMA user_version = 99;",
    ];
    for (i, sql) in sql.iter().enumerate() {
        let _ = fs::remove_file(&path);
        if i == 0 {
            fs::write(
                &path,
                "no database, but a text that is longer than a header of a hundred bytes; "
                    .repeat(3),
            )
            .unwrap();
        } else {
            let made = std::process::Command::new("sqlite3")
                .arg(&path)
                .arg(sql)
                .status();
            assert!(made.unwrap().success());
        }
        let before = fs::read(&path).unwrap();
        let refused = operator.restore(&path).unwrap_err();
        assert_eq!(refused.status.name(), "WXTOKEN_E_STORE", "{refused}");
        assert!(refused.to_string().contains("file"), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
    assert!(operator.restore(Path::new("/nonexistent")).is_err());
    assert_eq!(names(&handle), ["shop"]);
    let left = fs::read_dir(world.directory.path()).unwrap();
    let drafts = left.filter(|f| {
        f.as_ref()
            .unwrap()
            .path()
            .to_string_lossy()
            .contains("restore")
    });
    assert_eq!(drafts.count(), 0);
}
