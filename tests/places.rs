//! The owners of a store's files, processes that may only read them, and file systems that lack a feature.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::wxtoken::tool::{KeeperEvent, Store, lacks};
use common::{
    Child, Handle, SECRET, World, bind, deny, drop_privileges, make_read_only, needs_root, outcome,
    wait_until,
};
use serde_json::json;

const NOBODY: u32 = 65534;
const KINDS: [&str; 2] = ["official", "official_classic"];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn give(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
}

fn beside(world: &World, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", world.store().display()))
}

/// A world whose directory belongs to nobody.
fn nobodys_world() -> World {
    let world = World::with_account(json!({}));
    give(world.directory.path(), NOBODY);
    set_mode(world.directory.path(), 0o700);
    world
}

/// Every file of the directory: name, owner, group, mode.
fn files(world: &World) -> Vec<(String, u32, u32, u32)> {
    let entries = fs::read_dir(world.directory.path()).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let meta = fs::symlink_metadata(entry.path()).unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, meta.uid(), meta.gid(), meta.mode() & 0o7777)
        })
        .collect();
    files.sort();
    files
}

fn all_of_nobody(world: &World, names: &[&str]) {
    let found = files(world);
    let seen: Vec<&str> = found.iter().map(|file| file.0.as_str()).collect();
    assert_eq!(seen, names);
    for (name, uid, gid, mode) in &found {
        assert_eq!((*uid, *gid, *mode), (NOBODY, NOBODY, 0o600), "{name}");
    }
}

fn as_nobody(work: impl FnOnce() -> String) -> String {
    Child::fork(|| {
        drop_privileges();
        work()
    })
    .join()
}

/// Gets the token, rejects it, and gets another one.
fn gets_twice(world: &World) -> String {
    let handle = world.open();
    match handle.get("shop") {
        Ok(token) => {
            handle.reject("shop", &token.value).unwrap();
            world.sim.switches(json!({})).unwrap();
            outcome(handle.get("shop"))
        }
        failed => outcome(failed),
    }
}

/// Faults row 57: root creates the files.
#[test]
fn files_that_root_creates_next_to_a_store_belong_to_its_owner() {
    needs_root!();
    for kind in KINDS {
        let world = nobodys_world();
        let said = as_nobody(|| {
            world.open_shop(kind);
            "made".into()
        });
        assert_eq!(said, "made");
        // Both are deleted, so root creates all of them.
        for suffix in [".lock", "-journal"] {
            let _ = fs::remove_file(beside(&world, suffix));
        }
        let token = Child::fork(|| outcome(world.open().get("shop"))).join();
        let names = [
            "tokens.db",
            "tokens.db-journal",
            "tokens.db.key",
            "tokens.db.lock",
        ];
        all_of_nobody(&world, &names);
        assert_eq!(as_nobody(|| outcome(world.open().get("shop"))), token);
        assert_eq!(world.requests(), 1, "{kind}");
        as_nobody(|| gets_twice(&world));
        all_of_nobody(&world, &names);
        // Root creates a new key.
        let resealed = Child::fork(|| {
            let store = Store::open(world.store().to_str()).unwrap();
            store.rekey().unwrap().to_string()
        });
        assert_eq!(resealed.join(), "1");
        all_of_nobody(&world, &names);
    }
}

/// Faults row 57: root creates the store.
#[test]
fn a_store_that_root_creates_belongs_to_the_owner_of_its_directory() {
    needs_root!();
    let world = nobodys_world();
    let token = Child::fork(|| outcome(world.open_shop("official").get("shop"))).join();
    let names = [
        "tokens.db",
        "tokens.db-journal",
        "tokens.db.key",
        "tokens.db.lock",
    ];
    all_of_nobody(&world, &names);
    assert_eq!(as_nobody(|| outcome(world.open().get("shop"))), token);
    // The store is lost, and root creates it again. It keeps its owner, although the directory now has another one.
    give(world.directory.path(), 0);
    set_mode(world.directory.path(), 0o755);
    let said = Child::fork(|| {
        let handle = world.open();
        fs::remove_file(world.store()).unwrap();
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        "again".into()
    });
    assert_eq!(said.join(), "again");
    all_of_nobody(&world, &names);

    // In a world-writable directory, the owner of the directory is not the owner of the store.
    let shared = nobodys_world();
    set_mode(shared.directory.path(), 0o1777);
    Child::fork(|| outcome(shared.open_shop("official").get("shop"))).join();
    assert!(
        files(&shared).iter().all(|file| file.1 == 0),
        "{:?}",
        files(&shared)
    );
}

#[test]
fn a_directory_that_root_creates_belongs_to_the_owner_of_its_parent() {
    needs_root!();
    let world = nobodys_world();
    let said = Child::fork(|| {
        common::set_env(
            "XDG_STATE_HOME",
            world.directory.path().join("a/b").to_str().unwrap(),
        );
        let store = Store::open(None).unwrap();
        store.place().name
    })
    .join();
    for path in Path::new(&said).ancestors().take(4) {
        let meta = fs::metadata(path).unwrap();
        assert_eq!(
            (meta.uid(), meta.gid()),
            (NOBODY, NOBODY),
            "{}",
            path.display()
        );
    }
}

/// Faults row 57: root creates the mailbox.
#[test]
fn a_mailbox_that_root_creates_belongs_to_the_owner() {
    needs_root!();
    let world = nobodys_world();
    as_nobody(|| {
        world.open_shop("official");
        String::new()
    });
    let keeps = || {
        let store = Store::open(world.store().to_str()).unwrap();
        let keeper = store.keeper(Arc::new(|_: &KeeperEvent| ())).unwrap();
        format!("{:?}", keeper.no_mailbox())
    };
    assert_eq!(Child::fork(keeps).join(), "None");
    let mailbox = fs::metadata(beside(&world, ".mailbox")).unwrap();
    assert_eq!((mailbox.uid(), mailbox.mode() & 0o777), (NOBODY, 0o600));
    assert_eq!(as_nobody(keeps), "None");
}

/// Faults row 57: an older version created the lock as root.
#[test]
fn an_empty_lock_that_an_older_version_left_as_root_is_given_to_the_owner() {
    needs_root!();
    let world = nobodys_world();
    as_nobody(|| {
        world.open_shop("official");
        String::new()
    });
    let lock = beside(&world, ".lock");
    fs::write(&lock, "").unwrap();
    set_mode(&lock, 0o600);
    let refused = as_nobody(|| outcome(world.open().get("shop")));
    let remedy = format!("chown nobody {}", lock.display());
    assert!(
        refused.contains("E_STORE") && refused.contains(&remedy),
        "{refused}"
    );
    assert_eq!(world.requests(), 0);
    let token = Child::fork(|| outcome(world.open().get("shop"))).join();
    assert_eq!(fs::metadata(&lock).unwrap().uid(), NOBODY);
    as_nobody(|| gets_twice(&world));
    assert!(token.len() > 100, "{token}");
}

/// Faults row 57: a group member comes first.
#[test]
fn a_group_member_that_writes_never_shuts_the_owner_out() {
    needs_root!();
    let world = World::with_account(json!({}));
    chown(world.directory.path(), None, Some(NOBODY)).unwrap();
    set_mode(world.directory.path(), 0o770);
    Child::fork(|| {
        world.open();
        String::new()
    })
    .join();
    let store = world.store();
    chown(&store, None, Some(NOBODY)).unwrap();
    set_mode(&store, 0o660);
    let _ = fs::remove_file(beside(&world, "-journal"));
    // A key belongs to its owner alone.
    let register = || {
        let refused = world.open().register("shop", "official", "wx1", SECRET);
        refused.unwrap_err().message
    };
    let said = as_nobody(register);
    assert!(
        said.contains("lock out root") && said.contains("Run this as root."),
        "{said}"
    );
    let left: Vec<_> = files(&world).into_iter().map(|file| file.0).collect();
    assert_eq!(left, ["tokens.db", "tokens.db-journal"]);
    Child::fork(|| {
        world.open_shop("official");
        String::new()
    })
    .join();
    let key = beside(&world, ".key");
    chown(&key, None, Some(NOBODY)).unwrap();
    set_mode(&key, 0o640);
    let token = as_nobody(|| outcome(world.open().get("shop")));
    assert!(token.len() > 100, "{token}");
    let lock = fs::metadata(beside(&world, ".lock")).unwrap();
    assert_eq!((lock.gid(), lock.mode() & 0o777), (NOBODY, 0o660));
    let journal = fs::metadata(beside(&world, "-journal")).unwrap();
    assert_eq!((journal.gid(), journal.mode() & 0o777), (NOBODY, 0o660));

    // The member writes only by the permissions of others, so it cannot share files with the owner.
    set_mode(&store, 0o606);
    set_mode(world.directory.path(), 0o777);
    set_mode(&key, 0o604);
    set_mode(&beside(&world, "-journal"), 0o606);
    fs::remove_file(beside(&world, ".lock")).unwrap();
    world.expire_all();
    let requests = world.requests();
    let refused = Child::fork(|| {
        // SAFETY: changes this child alone, which leaves all groups of the file.
        unsafe {
            libc::setgroups(0, std::ptr::null());
            assert_eq!(libc::setgid(NOBODY - 1), 0);
            assert_eq!(libc::setuid(NOBODY - 1), 0);
        }
        outcome(world.open().get("shop"))
    })
    .join();
    assert!(refused.contains("Run this as root."), "{refused}");
    assert!(!beside(&world, ".lock").exists());
    assert_eq!(world.requests(), requests);
}

/// Faults row 57: the store is opened to its group.
#[test]
fn opening_a_store_to_its_group_opens_its_lock_and_its_journal() {
    needs_root!();
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let token = handle.get("shop").unwrap();
    chown(world.store(), None, Some(NOBODY)).unwrap();
    set_mode(world.directory.path(), 0o755);
    set_mode(&world.store(), 0o660);
    chown(beside(&world, ".key"), None, Some(NOBODY)).unwrap();
    set_mode(&beside(&world, ".key"), 0o640);
    // The next call of the owner.
    handle.reject("shop", &token.value).unwrap();
    for suffix in ["-journal", ".lock"] {
        let meta = fs::metadata(beside(&world, suffix)).unwrap();
        assert_eq!(
            (meta.gid(), meta.mode() & 0o777),
            (NOBODY, 0o660),
            "{suffix}"
        );
    }
    let said = as_nobody(|| outcome(world.open().get("shop")));
    assert!(said.len() > 100, "{said}");
}

/// A store whose token has been refused, so the next get must fetch. `limit` then takes permissions away.
fn spent_world(kind: &str) -> World {
    let world = World::with_account(json!({}));
    let handle = world.open_shop(kind);
    handle.get("shop").unwrap();
    world.expire_all();
    set_mode(world.directory.path(), 0o700);
    for (name, ..) in files(&world) {
        give(&world.directory.path().join(name), NOBODY);
    }
    give(world.directory.path(), NOBODY);
    world
}

/// Faults row 58: a process may read the store but not write it.
#[test]
fn a_process_that_may_only_read_fetches_nothing_and_says_why() {
    needs_root!();
    type Limit = fn(&World);
    let limits: [(&str, &str, Limit); 6] = [
        ("the store", "it is owned by root, mode 0644", |world| {
            give(&world.store(), 0);
            set_mode(&world.store(), 0o644);
        }),
        ("the lock", "chown nobody ", |world| {
            give(&beside(world, ".lock"), 0);
        }),
        (
            "a lock that it may not make",
            ".lock; its directory is owned by root",
            |world| {
                fs::remove_file(beside(world, ".lock")).unwrap();
                give(world.directory.path(), 0);
                set_mode(world.directory.path(), 0o755);
            },
        ),
        (
            "a journal that it may not make",
            "-journal; its directory is owned by root",
            |world| {
                fs::remove_file(beside(world, "-journal")).unwrap();
                give(world.directory.path(), 0);
                set_mode(world.directory.path(), 0o755);
            },
        ),
        ("the journal", "-journal is owned by root", |world| {
            give(&beside(world, "-journal"), 0);
            set_mode(&beside(world, "-journal"), 0o644);
        }),
        ("a read-only file system", "is mounted read-only", |_| ()),
    ];
    for (what, words, limit) in limits {
        for kind in KINDS {
            let world = spent_world(kind);
            limit(&world);
            let before = world.requests();
            let said = Child::fork(|| {
                if what == "a read-only file system" {
                    make_read_only(world.directory.path());
                } else {
                    drop_privileges();
                }
                let handle = world.open();
                let got = outcome(handle.get("shop"));
                let reason = handle.report()["reader"].clone();
                let log = Store::open(world.store().to_str()).unwrap();
                let keeper = log.keeper(Arc::new(|_: &KeeperEvent| ()));
                format!("{got}|{reason}|{:?}", keeper.err())
            })
            .join();
            let parts: Vec<&str> = said.split('|').collect();
            assert_eq!(parts.len(), 3, "{what}, {kind}: {said}");
            assert!(parts[0].contains("E_STORE"), "{what}, {kind}: {said}");
            assert!(parts[0].contains("no keeper is running"), "{what}: {said}");
            assert!(said.contains(words), "{what}, {kind}: {said}");
            assert!(parts[1].contains("may only read"), "{what}: {said}");
            assert!(parts[2].contains("must write"), "{what}: {said}");
            assert_eq!(world.requests(), before, "{what}, {kind}");
        }
    }
}

/// Faults row 58. The test does not switch on the kernel's own guard. It replaces the file that reports the setting.
#[test]
fn in_a_sticky_directory_the_kernels_guard_is_named_instead_of_the_disk() {
    needs_root!();
    for (level, mode, is_guarded) in [
        ("1", 0o1777, true),
        ("2", 0o1770, true),
        ("1", 0o1770, false),
    ] {
        let world = World::with_account(json!({}));
        chown(world.directory.path(), None, Some(NOBODY)).unwrap();
        set_mode(world.directory.path(), mode);
        let token = as_nobody(|| {
            let handle = world.open_shop("official");
            handle.get("shop").unwrap().value
        });
        assert!(token.len() > 100, "{token}");
        world.expire_all();
        let level_file = tempfile::NamedTempFile::new().unwrap();
        fs::write(level_file.path(), level).unwrap();
        let said = Child::fork(|| {
            bind(
                level_file.path(),
                Path::new("/proc/sys/fs/protected_regular"),
            );
            let handle = world.open();
            let written = handle.register("x", "official", "wx2", SECRET);
            let written = written.map_or_else(|e| e.message, |()| "written".into());
            format!("{written}|{}", outcome(handle.get("shop")))
        })
        .join();
        let parts: Vec<&str> = said.split('|').collect();
        if is_guarded {
            // In a world-writable directory, root does not put an account into a file that belongs to another user.
            let is_refused = mode == 0o1777 && parts[0].contains("is not trusted with accounts");
            for part in &parts[usize::from(is_refused)..] {
                assert!(part.contains("fs.protected_regular"), "{said}");
                assert!(
                    part.contains("Run this as nobody, or keep the store"),
                    "{said}"
                );
            }
            assert_eq!(is_refused, mode == 0o1777, "{said}");
            assert_eq!(world.requests(), 1);
        } else {
            assert_eq!(parts[0], "written", "{said}");
        }
    }
}

/// Faults row 61: the schema changes under a keeper.
#[test]
fn a_keeper_older_than_the_schema_says_so_and_fetches_nothing() {
    let world = World::with_account(json!({}));
    let said = Child::fork(|| {
        world.open_shop("official");
        let store = Store::open(world.store().to_str()).unwrap();
        store.set("api_base_url", world.sim.http()).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        let tell = move |event: &KeeperEvent| tell.lock().unwrap().send(event.clone()).unwrap();
        let mut keeper = store.keeper(Arc::new(tell)).unwrap();
        Child::fork(|| {
            migrate(&world.store());
            String::new()
        })
        .join();
        keeper.pass().unwrap();
        format!("{:?}", told.recv().unwrap())
    })
    .join();
    assert!(
        said.contains("schema 99, newer than this library's"),
        "{said}"
    );
    assert!(
        said.contains("restart this process") && !said.contains("keeper was asked"),
        "{said}"
    );
    assert_eq!(world.requests(), 0);
}

#[test]
fn a_reader_logs_why_it_has_no_token() {
    needs_root!();
    let world = spent_world("official");
    let said = Child::fork(|| {
        make_read_only(world.directory.path());
        let mut ends = [0; 2];
        // SAFETY: stderr of this child becomes a pipe.
        unsafe {
            libc::pipe(ends.as_mut_ptr());
            libc::dup2(ends[1], 2);
        }
        let handle = world.open();
        handle.set("log", "error").unwrap();
        handle.get("shop").unwrap_err();
        let mut buffer = [0u8; 2000];
        // SAFETY: the buffer has that length.
        let length = unsafe { libc::read(ends[0], buffer.as_mut_ptr().cast(), buffer.len()) };
        String::from_utf8_lossy(&buffer[..usize::try_from(length).unwrap()]).into_owned()
    })
    .join();
    assert!(
        said.contains("error: this process may only read store"),
        "{said}"
    );
    assert!(said.contains("mounted read-only"), "{said}");
}

/// Faults row 59: the store is mounted by itself.
#[test]
fn a_store_mounted_by_itself_is_refused_and_nothing_is_created() {
    needs_root!();
    let world = World::with_account(json!({}));
    world.open_shop("official");
    let before = fs::read(world.store()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let store = elsewhere.path().join("tokens.db");
    fs::write(&store, "").unwrap();
    let said = Child::fork(|| {
        bind(&world.store(), &store);
        let refused = Handle::open(&store).err().unwrap();
        let beside = fs::read_dir(elsewhere.path()).unwrap().count();
        format!("{:?} {beside} {}", refused.status, refused.message)
    })
    .join();
    assert!(said.starts_with("WXTOKEN_E_STORE 1 "), "{said}");
    for words in [
        "a mount of its own",
        "Mount its directory",
        "it was not changed",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(fs::read(world.store()).unwrap(), before);
    // A mount of the whole directory works.
    let token = Child::fork(|| {
        bind(world.directory.path(), elsewhere.path());
        outcome(world.open_at(&store).get("shop"))
    })
    .join();
    assert!(token.len() > 100, "{token}");
}

/// Faults row 22: the store is a link.
#[test]
fn a_linked_store_is_refused_with_the_path_to_use_instead() {
    let world = World::with_account(json!({}));
    world.open_shop("official");
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("tokens.db");
    std::os::unix::fs::symlink(world.store(), &link).unwrap();
    let said = Handle::open(&link).err().unwrap().message;
    let remedy = format!(
        "Name the file itself: {}",
        world.store().canonicalize().unwrap().display()
    );
    assert!(
        said.contains("it is a symbolic link to") && said.contains(&remedy),
        "{said}"
    );
}

const NO_LINKS: &[(libc::c_long, Option<i32>, i32)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_link, None, libc::EPERM),
    (libc::SYS_linkat, None, libc::EPERM),
];
const NO_FIFOS: &[(libc::c_long, Option<i32>, i32)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, None, libc::EPERM),
    (libc::SYS_mknodat, None, libc::EPERM),
];
const NO_SYNC: &[(libc::c_long, Option<i32>, i32)] = &[
    (libc::SYS_fsync, None, libc::EINVAL),
    (libc::SYS_fdatasync, None, libc::EINVAL),
];
const NO_LOCKS: &[(libc::c_long, Option<i32>, i32)] =
    &[(libc::SYS_fcntl, Some(libc::F_OFD_SETLK), libc::EINVAL)];
const NO_LOCKS_AT_ALL: &[(libc::c_long, Option<i32>, i32)] = &[
    (libc::SYS_fcntl, Some(libc::F_SETLK), libc::EOPNOTSUPP),
    (libc::SYS_fcntl, Some(libc::F_OFD_SETLK), libc::EOPNOTSUPP),
];
/// The calls that fail on an NFS mount without its lock service.
const NO_LOCK_SERVICE: &[(libc::c_long, Option<i32>, i32)] = &[
    (libc::SYS_fcntl, Some(libc::F_SETLK), libc::ENOLCK),
    (libc::SYS_fcntl, Some(libc::F_OFD_SETLK), libc::ENOLCK),
];
const NO_MODES: &[(libc::c_long, Option<i32>, i32)] = &[(libc::SYS_fchmod, None, libc::EPERM)];
const NO_RENAMES: &[(libc::c_long, Option<i32>, i32)] =
    &[(libc::SYS_renameat2, None, libc::EINVAL)];

/// Faults row 60: no hard links.
#[test]
fn the_key_is_created_once_without_hard_links_too() {
    let nothing_at_all: &[_] = [NO_LINKS, NO_RENAMES].concat().leak();
    for calls in [NO_LINKS, nothing_at_all] {
        let world = World::with_account(json!({}));
        world.open();
        // All start at once. One key is created, and each secret opens with it.
        let children: Vec<Child> = (0..8)
            .map(|child| {
                let world = &world;
                Child::fork(move || {
                    deny(calls);
                    let name = format!("shop-{child}");
                    let handle = world.open();
                    let mut done = Ok(());
                    wait_until("the key is whole", || {
                        done = handle.register(&name, "official", "wx1", SECRET);
                        // A claim of the key's name lasts half a second, and its process may stand still for longer.
                        !matches!(&done, Err(e) if e.message.contains("not 64 hexadecimal digits"))
                    });
                    done.map_or_else(|e| e.message, |()| "done".into())
                })
            })
            .collect();
        for child in children {
            assert_eq!(child.join(), "done");
        }
        let handle = world.open();
        for child in 0..8 {
            handle.get(&format!("shop-{child}")).unwrap();
        }
        assert_eq!(world.requests(), 1);
        let store = Store::open(world.store().to_str()).unwrap();
        for child in 0..8 {
            store.check_secrets(&format!("shop-{child}")).unwrap();
        }
        let drafts = files(&world)
            .into_iter()
            .filter(|file| file.0.contains("new"));
        assert_eq!(drafts.count(), 0);
    }
}

/// Faults row 60: each missing feature has its message.
#[test]
fn an_error_names_the_feature_that_the_file_system_lacks() {
    let without = |calls: &'static [(libc::c_long, Option<i32>, i32)],
                   work: fn(&World) -> String| {
        let world = World::with_account(json!({}));
        let said = Child::fork(|| {
            deny(calls);
            work(&world)
        })
        .join();
        assert_eq!(world.requests(), 0, "{said}");
        said
    };
    let registers = |world: &World| match Handle::open(&world.store()) {
        Ok(handle) => handle
            .register("shop", "official", "wx1", SECRET)
            .map_or_else(|e| e.message, |()| "done".into()),
        Err(e) => e.message,
    };
    let kind = |said: &str| {
        let named = said.split_once("file system (").unwrap().1;
        assert!(
            !named.starts_with("of unknown") || !Path::new("/proc").exists(),
            "{said}"
        );
    };
    let said = without(NO_SYNC, registers);
    assert!(
        said.contains("has no fsync") && said.contains("local disk"),
        "{said}"
    );
    kind(&said);
    for calls in [NO_LOCKS_AT_ALL, NO_LOCK_SERVICE] {
        let said = without(calls, |world| {
            common::set_env("WXTOKEN_TIMEOUT_MS", "300");
            Handle::open(&world.store()).err().unwrap().message
        });
        assert!(said.contains("has no locks (fcntl)"), "{said}");
    }
    let said = without(NO_MODES, |world| {
        // SAFETY: sets the mask of this child alone. A new file then needs its mode set.
        unsafe { libc::umask(0o777) };
        Handle::open(&world.store()).err().unwrap().message
    });
    assert!(said.contains("has no modes of files (chmod)"), "{said}");
    // Without locks each process would fetch for itself, so the call is refused.
    for get in [
        (|world| outcome(world.open_shop("official").get("shop"))) as fn(&World) -> String,
        |world| outcome(world.open_shop("official_classic").get("shop")),
    ] {
        let said = without(NO_LOCKS, get);
        assert!(said.contains("has no locks of open files"), "{said}");
        kind(&said);
    }
    let said = without(NO_FIFOS, |world| {
        world.open_shop("official");
        let store = Store::open(world.store().to_str()).unwrap();
        let keeper = store.keeper(Arc::new(|_: &KeeperEvent| ())).unwrap();
        let why = keeper.no_mailbox().unwrap();
        format!("{}{}", why, why.for_c())
    });
    assert!(
        said.contains("has no FIFOs") && said.contains("cannot reach this keeper"),
        "{said}"
    );
}

/// Faults row 60: doctor probes for features.
#[test]
fn file_system_features_are_probed_and_nothing_is_left_behind() {
    for (calls, lack) in [
        (NO_LINKS, "hard links"),
        (NO_FIFOS, "FIFOs"),
        (NO_SYNC, "fsync"),
        (NO_LOCKS, "locks of open files (OFD locks)"),
        (
            NO_LOCKS_AT_ALL,
            "locks (fcntl),locks of open files (OFD locks)",
        ),
    ] {
        let world = World::new();
        let said = Child::fork(|| {
            deny(calls);
            lacks(world.directory.path()).unwrap().join(",")
        })
        .join();
        assert_eq!(said, lack);
        assert_eq!(files(&world).len(), 0);
    }
}

/// Faults row 60: the key is mounted by itself.
#[test]
fn a_key_file_mounted_by_itself_is_read_and_not_changed() {
    needs_root!();
    let world = World::with_account(json!({}));
    let secrets = tempfile::tempdir().unwrap();
    let key = secrets.path().join("key");
    fs::write(&key, "").unwrap();
    let said = Child::fork(|| {
        let handle = world.open_shop("official");
        fs::copy(beside(&world, ".key"), &key).unwrap();
        drop(handle);
        // The mounted key is read, and cannot be replaced there.
        bind(&key, &beside(&world, ".key"));
        let store = Store::open(world.store().to_str()).unwrap();
        let refused = store.rekey().unwrap_err();
        format!(
            "{}|{}",
            refused.for_c(),
            outcome(world.open().get("shop")).len() > 100
        )
    })
    .join();
    assert!(
        said.contains("it is a mount of its own") && said.ends_with("|true"),
        "{said}"
    );
}

/// Migrates a store as a later version would.
fn migrate(store: &Path) {
    let conn = rusqlite::Connection::open(store).unwrap();
    conn.execute_batch(
        "ALTER TABLE weixin_token ADD COLUMN of_later TEXT; PRAGMA user_version = 99;
         INSERT INTO weixin_account (name, kind, appid, fingerprint) VALUES ('later', 'kind_of_later', 'l1', '');",
    )
    .unwrap();
}

/// Faults row 61: the schema changes under a process that has tokens.
#[test]
fn a_process_older_than_the_schema_still_reads_and_writes_nothing() {
    for kind in KINDS {
        let world = World::with_account(json!({}));
        let said = Child::fork(|| {
            let handle = world.open_shop(kind);
            handle.set("revalidate_ms", "0").unwrap();
            let token = handle.get("shop").unwrap();
            // In another process, as an upgrade does it.
            Child::fork(|| {
                migrate(&world.store());
                String::new()
            })
            .join();
            let before = fs::read(world.store()).unwrap();
            let still = handle.get("shop").unwrap() == token;
            let register = handle.register("x", "official", "wx2", SECRET).unwrap_err();
            let reject = handle.reject("shop", &token.value).unwrap_err();
            let current = handle.put_current("shop").err();
            let report = handle.report();
            let listed = report["accounts"].as_array().unwrap().len();
            let same = fs::read(world.store()).unwrap() == before;
            format!(
                "{still} {listed} {same}|{}|{}|{}|{:?}",
                register.message,
                reject.message,
                report["reader"],
                current.map(|e| e.message)
            )
        })
        .join();
        assert!(said.starts_with("true 1 true|"), "{said}");
        for part in said.split('|').skip(1).take(3) {
            assert!(
                part.contains("schema 99, newer than this library's"),
                "{part}"
            );
        }
        assert!(
            said.contains("Upgrade libwxtoken, and restart this process."),
            "{said}"
        );
        assert_eq!(world.requests(), 1);
    }
}

/// Faults row 61: the schema changes before the first fetch.
#[test]
fn a_process_older_than_the_schema_fetches_nothing() {
    for kind in KINDS {
        let world = World::with_account(json!({}));
        let said = Child::fork(|| {
            let handle = world.open_shop(kind);
            Child::fork(|| {
                migrate(&world.store());
                String::new()
            })
            .join();
            outcome(handle.get("shop"))
        })
        .join();
        assert!(
            said.contains("E_STORE") && said.contains("schema 99"),
            "{said}"
        );
        assert!(
            said.contains("Upgrade libwxtoken, and restart this process."),
            "{said}"
        );
        assert_eq!(world.requests(), 0);
    }
}
