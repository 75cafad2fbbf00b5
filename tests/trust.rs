//! Stores and keys that a stranger may have created or may change receive nothing secret. The set-ups of docs/deploy.md
//! in which several users share a store still work.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use common::{Child, Handle, SECRET, World, needs_root, outcome};
use serde_json::json;

const STRANGER: u32 = 65534;
const VICTIM: u32 = 1;
const OTHER: u32 = 2;
const ROOT: u32 = 0;
/// A group of several users.
const GROUP: u32 = 50;

const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs as a user with a private group, who may also be a member of [`GROUP`].
fn as_user(uid: u32, is_member: bool, work: impl FnOnce() -> String) -> String {
    Child::fork(|| {
        let groups = [GROUP];
        // SAFETY: changes this forked child alone.
        unsafe {
            let count = usize::from(is_member);
            assert_eq!(libc::setgroups(count, groups.as_ptr()), 0);
            assert_eq!(libc::setgid(uid), 0);
            assert_eq!(libc::setuid(uid), 0);
        }
        work()
    })
    .join()
}

/// A world in a directory like /tmp.
fn shared_world() -> World {
    let world = world_of(ROOT, ROOT, 0o1777);
    world.add("official", "wx2", json!({}));
    world
}

fn world_of(owner: u32, group: u32, mode: u32) -> World {
    let world = World::with_account(json!({}));
    chown(world.directory.path(), Some(owner), Some(group)).unwrap();
    set_mode(world.directory.path(), mode);
    world
}

fn beside(world: &World, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", world.store().display()))
}

fn planted(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    chown(path, Some(STRANGER), Some(STRANGER)).unwrap();
    set_mode(path, mode);
}

/// The result of registering, and then of a get.
fn registers(world: &World) -> String {
    let handle = world.open();
    let registered = handle.register("mine", "official", "wx1", SECRET);
    match registered {
        Ok(()) => outcome(handle.get("mine")),
        Err(failure) => format!("{:?}: {}", failure.status, failure.message),
    }
}

const PLANTED: &str = "in a directory where everybody may make files; this process runs as ";

/// Faults row 76: a stranger's key.
#[test]
fn nothing_is_sealed_with_a_key_placed_by_a_stranger() {
    needs_root!();
    for user in [VICTIM, ROOT] {
        let world = shared_world();
        let key = beside(&world, ".key");
        planted(&key, DIGITS, 0o644);
        let said = as_user(user, false, || registers(&world));
        assert!(said.contains("E_SECRET"), "{said}");
        let why = format!(
            "{} is not trusted: it belongs to nobody, {PLANTED}",
            key.display()
        );
        assert!(said.contains(&why), "{said}");
        assert!(
            said.contains("use a directory that belongs to the service"),
            "{said}"
        );
        let report = as_user(user, false, || world.open().report().to_string());
        assert!(report.contains("\"accounts\":[]"), "{report}");
        assert!(report.contains("is not trusted"), "{report}");
        // The stranger links to a key that everybody may read.
        fs::remove_file(&key).unwrap();
        let target = world.directory.path().join("roots");
        fs::write(&target, DIGITS).unwrap();
        std::os::unix::fs::symlink(&target, &key).unwrap();
        std::os::unix::fs::lchown(&key, Some(STRANGER), Some(STRANGER)).unwrap();
        let said = as_user(user, false, || registers(&world));
        assert!(
            said.contains("E_SECRET") && said.contains(PLANTED),
            "{said}"
        );
    }
}

/// Faults row 76: a stranger's store.
#[test]
fn a_store_made_by_a_stranger_is_read_and_takes_no_account() {
    needs_root!();
    for user in [VICTIM, ROOT] {
        let world = shared_world();
        let token = as_user(STRANGER, false, || {
            let handle = world.open();
            handle
                .register("theirs", "official", "wx2", SECRET)
                .unwrap();
            let token = outcome(handle.get("theirs"));
            set_mode(&world.store(), 0o666);
            set_mode(&beside(&world, ".lock"), 0o666);
            set_mode(&beside(&world, ".key"), 0o644);
            token
        });
        assert!(world.accepts(&token), "{token}");
        let said = as_user(user, false, || registers(&world));
        assert!(said.contains("E_STORE"), "{said}");
        assert!(
            said.contains("is not trusted with accounts: it belongs to nobody"),
            "{said}"
        );
        let put = as_user(user, false, || {
            let handle = world.open();
            let got = outcome(handle.get("theirs"));
            let put = handle.put_current("theirs").unwrap_err();
            format!("{got}|{}|{}", put.message, handle.report()["not_trusted"])
        });
        let parts: Vec<&str> = put.split('|').collect();
        assert_eq!(parts[0], token, "what is there is read");
        for part in &parts[1..] {
            assert!(part.contains("is not trusted with accounts"), "{part}");
        }
        assert_eq!(world.requests(), 0);
    }
}

/// Faults row 76: a stranger's lock.
#[test]
fn no_account_is_stored_next_to_a_lock_made_by_a_stranger() {
    needs_root!();
    let world = shared_world();
    let lock = beside(&world, ".lock");
    planted(&lock, "", 0o666);
    let said = as_user(VICTIM, false, || registers(&world));
    let why = format!("{}: it belongs to nobody, {PLANTED}", lock.display());
    assert!(said.contains("E_STORE") && said.contains(&why), "{said}");
}

/// Faults row 76: SQLite writes the contents of a journal into the store.
#[test]
fn a_journal_left_by_a_stranger_is_not_played_back() {
    needs_root!();
    let world = shared_world();
    let journal = beside(&world, "-journal");
    let made = as_user(VICTIM, false, || registers(&world));
    assert!(world.accepts(&made), "{made}");
    // A journal that removes the account, as a killed writer leaves it.
    let theirs = world.directory.path().join("theirs.db");
    fs::copy(world.store(), &theirs).unwrap();
    common::sqlite(&theirs, "DELETE FROM weixin_account");
    let left = common::left_journal(&theirs);
    let before = fs::read(world.store()).unwrap();
    for text in [&left[..], b""] {
        fs::remove_file(&journal).unwrap_or_default();
        fs::write(&journal, text).unwrap();
        chown(&journal, Some(STRANGER), Some(STRANGER)).unwrap();
        set_mode(&journal, 0o666);
        let said = as_user(VICTIM, false, || match Handle::open(&world.store()) {
            Ok(handle) => outcome(handle.get("mine")),
            Err(failure) => failure.message,
        });
        let why = format!("{}: it belongs to nobody, {PLANTED}", journal.display());
        assert!(said.contains(&why), "{said}");
        assert!(
            fs::read(world.store()).unwrap() == before,
            "it was played back"
        );
    }
    fs::remove_file(&journal).unwrap();
    let said = as_user(VICTIM, false, || outcome(world.open().get("mine")));
    assert_eq!(said, made);
}

/// Faults row 77: everybody may change the store or the key.
#[test]
fn world_writable_files_are_not_trusted_until_their_mode_is_corrected() {
    let world = World::with_account(json!({}));
    world.add("official", "wx2", json!({}));
    let handle = world.open_shop("official");
    let token = handle.get("shop").unwrap().value;
    let key = beside(&world, ".key");
    for (path, mode, status) in [(world.store(), 0o666, "E_STORE"), (key, 0o602, "E_SECRET")] {
        set_mode(&path, mode);
        let refused = handle.register("x", "official", "wx2", SECRET).unwrap_err();
        assert!(format!("{refused:?}").contains(status), "{refused:?}");
        let why = format!("everybody may change it (mode {mode:04o})");
        assert!(refused.message.contains(&why), "{refused:?}");
        let remedy = format!("chmod o-w {}", path.display());
        assert!(refused.message.contains(&remedy), "{refused:?}");
        assert_eq!(handle.get("shop").unwrap().value, token);
        assert!(handle.report()["not_trusted"].to_string().contains(&why));
        set_mode(&path, 0o600);
    }
    handle.register("x", "official", "wx2", SECRET).unwrap();
    assert!(handle.report()["not_trusted"].is_null());
}

/// docs/deploy.md: root runs a job in the directory of the service, and either may come first.
#[test]
fn root_and_a_service_can_share_one_store() {
    needs_root!();
    let orders = [(ROOT, VICTIM), (VICTIM, ROOT)];
    // In a world-writable directory, a store that root creates belongs to root.
    for (mode, orders) in [
        (0o700, &orders[..]),
        (0o2750, &orders),
        (0o777, &orders[1..]),
    ] {
        for (first, second) in orders.iter().copied() {
            let world = world_of(VICTIM, VICTIM, mode);
            for user in [first, second] {
                let said = as_user(user, false, || registers(&world));
                assert!(world.accepts(&said), "{mode:o} {user}: {said}");
                world.expire_all();
            }
        }
    }
}

/// docs/deploy.md: several users of one group, in a directory of the group.
#[test]
fn the_members_of_a_group_can_share_one_store() {
    needs_root!();
    for owner in [ROOT, VICTIM] {
        let world = world_of(owner, GROUP, 0o2770);
        let said = as_user(VICTIM, true, || {
            let handle = world.open();
            handle.register("mine", "official", "wx1", SECRET).unwrap();
            set_mode(&world.store(), 0o660);
            set_mode(&beside(&world, ".key"), 0o640);
            outcome(handle.get("mine"))
        });
        assert!(world.accepts(&said), "{said}");
        world.expire_all();
        let said = as_user(OTHER, true, || {
            let handle = world.open();
            handle
                .register("second", "official", "wx1", SECRET)
                .unwrap();
            outcome(handle.get("mine"))
        });
        assert!(world.accepts(&said), "{said}");
    }
}

/// docs/deploy.md: a key mounted by itself, as in Kubernetes. It belongs to root and a group, in a directory of mode
/// 1777.
#[test]
fn a_key_that_root_owns_for_a_group_is_accepted() {
    needs_root!();
    let world = world_of(VICTIM, VICTIM, 0o700);
    let mounted = tempfile::tempdir().unwrap();
    set_mode(mounted.path(), 0o1777);
    let key = mounted.path().join("key");
    fs::write(&key, DIGITS).unwrap();
    chown(&key, Some(ROOT), Some(GROUP)).unwrap();
    set_mode(&key, 0o440);
    let said = as_user(VICTIM, true, || {
        let handle: Handle = world.open();
        handle.set("key_file", key.to_str().unwrap()).unwrap();
        handle.register("mine", "official", "wx1", SECRET).unwrap();
        outcome(handle.get("mine"))
    });
    assert!(world.accepts(&said), "{said}");
}
