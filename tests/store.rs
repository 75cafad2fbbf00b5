//! File modes, repairs, refusals, and the import of the script's database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ::wxtoken::ffi::wxtoken_status::*;
use common::{Handle, SECRET, World};
use serde_json::json;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn beside(store: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", store.display()))
}

/// Asks SQLite about the file in a separate process. A child could hang if it were forked while an SQLite that the fork
/// lock does not cover runs in this process.
fn sqlite(store: &Path, sql: &str) -> String {
    let output = std::process::Command::new("sqlite3")
        .arg(store)
        .arg(sql)
        .output()
        .expect("the sqlite3 tool is needed: apt-get install sqlite3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Faults row 23: the umask.
#[test]
fn every_file_is_private_whatever_the_umask() {
    for umask in [0o000, 0o077, 0o777] {
        let world = World::with_account(json!({}));
        let files = common::Child::fork(|| {
            // SAFETY: the mask of this child alone.
            unsafe { libc::umask(umask) };
            let handle = world.open_shop("official");
            handle.get("shop").unwrap();
            let files = fs::read_dir(world.directory.path()).unwrap();
            files
                .map(|f| format!("{:o} ", mode(&f.unwrap().path())))
                .collect()
        })
        .join();
        assert_eq!(
            files, "600 600 600 600 ",
            "store, journal, lock, key under umask {umask:o}"
        );
    }
}

#[test]
fn a_mode_set_by_the_operator_is_kept() {
    let world = World::with_account(json!({}));
    let store = world.store();
    world.open_shop("official");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o640)).unwrap();
    world.open_shop("official").get("shop").unwrap();
    assert_eq!(mode(&store), 0o640);
}

#[test]
fn tables_are_strict_and_carry_the_application_id() {
    let world = World::with_account(json!({}));
    world.open_shop("official").get("shop").unwrap();
    let store = world.store();
    assert_eq!(
        sqlite(&store, "PRAGMA application_id; PRAGMA user_version;"),
        "2004382827\n5"
    );
    assert_eq!(
        sqlite(
            &store,
            "SELECT name, strict FROM pragma_table_list WHERE name LIKE 'weixin%' ORDER BY name"
        ),
        "weixin_account|1\nweixin_client|1\nweixin_removed|1\nweixin_token|1"
    );
    assert_eq!(
        sqlite(&store, "PRAGMA journal_mode"),
        "delete",
        "no WAL in the file's header"
    );
}

/// The columns that version 0.1.0 created, before there were parents and tickets. A column renamed without a migration
/// would make every existing store unreadable.
#[test]
fn the_columns_match_those_of_existing_stores() {
    let world = World::with_account(json!({}));
    world.open_shop("official").get("shop").unwrap();
    let columns = |table: &str| {
        let sql = format!("SELECT group_concat(name, ' ') FROM pragma_table_info('{table}')");
        sqlite(&world.store(), &sql)
    };
    assert_eq!(
        columns("weixin_account"),
        "id name kind appid secret fingerprint current parent"
    );
    assert_eq!(
        columns("weixin_token"),
        "id endpoint base_url appid fingerprint access_token fetched_at expires_at refresh_at fetched_boot boot_id \
         fetched_by fetches rejects rejected reissued reject_tried reject_fetch_at force_day forces failures failed_at \
         backoff_ms failed_budget_ms last_status last_errcode last_error lease_owner lease_until lease_slot put put_at \
         put_fingerprint put_before refusals secret_worked rejections"
    );
    assert_eq!(columns("weixin_removed"), "name removed_at");
    assert_eq!(columns("weixin_client"), "id clients");
}

/// Undoes the migrations, the newest first.
const UNDONE: [&str; 4] = [
    "DROP TABLE weixin_client",
    "ALTER TABLE weixin_token DROP COLUMN refusals; ALTER TABLE weixin_token DROP COLUMN secret_worked;
     ALTER TABLE weixin_token DROP COLUMN rejections",
    "DROP TABLE weixin_removed",
    "ALTER TABLE weixin_account DROP COLUMN parent;
     ALTER TABLE weixin_token DROP COLUMN put; ALTER TABLE weixin_token DROP COLUMN put_at;
     ALTER TABLE weixin_token DROP COLUMN put_fingerprint; ALTER TABLE weixin_token DROP COLUMN put_before",
];

#[test]
fn a_store_of_an_earlier_schema_is_migrated_with_all_that_is_in_it() {
    let columns = "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c
                   WHERE m.type = 'table' ORDER BY 1";
    for undone in 1..=UNDONE.len() {
        let world = World::with_account(json!({}));
        let token = world.open_shop("official").get("shop").unwrap();
        let store = world.store();
        let newest = sqlite(&store, columns);
        let version = UNDONE.len() + 1 - undone;
        sqlite(
            &store,
            &format!(
                "{}; PRAGMA user_version = {version}",
                UNDONE[..undone].join(";")
            ),
        );
        assert_ne!(sqlite(&store, columns), newest);
        let seen = common::Child::fork(|| common::outcome(world.open().get("shop"))).join();
        assert!(seen.contains(&token.value), "of version {version}: {seen}");
        assert_eq!(sqlite(&store, "PRAGMA user_version"), "5");
        assert_eq!(sqlite(&store, columns), newest, "of version {version}");
        assert_eq!(world.requests(), 1);
    }
}

/// Faults row 19: the store is deleted or truncated, or loses tables or rows.
#[test]
fn a_store_lost_while_open_is_rebuilt_with_the_accounts_of_its_handles() {
    type Loss = fn(&Path);
    let losses: [(&str, Loss); 6] = [
        ("deleted", |store| fs::remove_file(store).unwrap()),
        ("truncated", |store| {
            // In another process: closing a descriptor here would drop SQLite's locks.
            let done = std::process::Command::new("truncate")
                .args(["-s", "0"])
                .arg(store)
                .status();
            assert!(done.unwrap().success());
        }),
        ("both tables dropped", |store| {
            sqlite(store, "DROP TABLE weixin_account; DROP TABLE weixin_token");
        }),
        ("one table dropped", |store| {
            sqlite(store, "DROP TABLE weixin_token");
        }),
        ("the table of removals dropped", |store| {
            sqlite(
                store,
                "DROP TABLE weixin_removed; DELETE FROM weixin_account; DELETE FROM weixin_token",
            );
        }),
        ("rows deleted", |store| {
            sqlite(
                store,
                "DELETE FROM weixin_account; DELETE FROM weixin_token",
            );
        }),
    ];
    for (what, lose) in losses {
        let world = World::with_account(json!({}));
        world.add("work", "ww1", json!({}));
        let handle = world.open_shop("official_classic");
        handle.register("app", "work", "ww1", SECRET).unwrap();
        handle.set("revalidate_ms", "0").unwrap();
        handle.get("shop").unwrap();
        lose(&world.store());
        let token = handle
            .get("shop")
            .unwrap_or_else(|e| panic!("{what}: {e:?}"));
        assert_eq!(world.minted(), 2, "{what}");
        assert_eq!(handle.get_current().unwrap(), token, "{what}");
        handle.get("app").unwrap();
        assert_eq!(
            sqlite(&world.store(), "PRAGMA integrity_check"),
            "ok",
            "{what}"
        );
        assert_eq!(mode(&world.store()), 0o600, "{what}");
    }
}

#[test]
fn any_handle_restores_an_account_while_the_handle_that_registered_it_lives() {
    let world = World::with_account(json!({}));
    let registering = world.open_shop("official");
    let other = world.open();
    other.set("revalidate_ms", "0").unwrap();
    fs::remove_file(world.store()).unwrap();
    other.get("shop").unwrap();
    fs::remove_file(world.store()).unwrap();
    assert_eq!(other.report()["accounts"][0]["name"], "shop");
    // A forked child's copy of the handle is live too.
    fs::remove_file(world.store()).unwrap();
    assert_eq!(
        common::Child::fork(|| common::outcome(other.get("shop")))
            .join()
            .len(),
        140
    );
    drop(registering);
    fs::remove_file(world.store()).unwrap();
    assert_eq!(other.get("shop").unwrap_err().status, WXTOKEN_E_ACCOUNT);
}

/// Faults row 20: garbage in the store.
#[test]
fn a_damaged_store_is_set_aside_and_rebuilt() {
    for damage in ["header", "pages"] {
        let world = World::with_account(json!({}));
        let handle = world.open_shop("official");
        handle.set("revalidate_ms", "0").unwrap();
        let token = handle.get("shop").unwrap();
        let store = world.store();
        let (seek, count) = if damage == "header" { (0, 1) } else { (1, 5) };
        let script = format!(
            "yes garbage | dd of='{}' bs=4096 seek={seek} count={count} iflag=fullblock conv=notrunc status=none",
            store.display()
        );
        let done = std::process::Command::new("sh")
            .arg("-c")
            .arg(script)
            .status();
        assert!(done.unwrap().success());
        let bad = fs::read(&store).unwrap();
        // In a new process, which has no page of the file in memory. The stable endpoint repeats the same token.
        let got = common::Child::fork(|| common::outcome(handle.get("shop"))).join();
        assert_eq!(got, token.value, "{damage}");
        assert_eq!(handle.get("shop").unwrap().value, token.value, "{damage}");
        let kept: Vec<PathBuf> = fs::read_dir(world.directory.path())
            .unwrap()
            .map(|f| f.unwrap().path())
            .filter(|path| {
                path.to_string_lossy().contains(".corrupt-")
                    && !path.to_string_lossy().ends_with("-journal")
            })
            .collect();
        assert_eq!(kept.len(), 1, "{damage}: {kept:?}");
        let journal = beside(&kept[0], "-journal");
        assert!(
            journal.exists(),
            "{damage}: its journal is not the new one's"
        );
        assert_eq!(fs::read(&kept[0]).unwrap(), bad, "{damage}");
        assert_eq!(sqlite(&store, "PRAGMA integrity_check"), "ok");
        assert_eq!(handle.report()["accounts"][0]["name"], "shop");
    }
}

/// A read that finds no change reads a mark and no row. A change by another SQLite, a rename and a restore all count as
/// changes.
#[test]
fn a_read_sees_every_change_that_any_program_made_to_the_file() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle.set("revalidate_ms", "0").unwrap();
    let store = world.store();
    let spare = beside(&store, ".spare");
    let said = || handle.get("shop").unwrap().value;
    let write = |path: &Path, token: &str| {
        sqlite(
            path,
            &format!("UPDATE weixin_token SET access_token = '{token}'"),
        );
    };
    said();
    for round in 0..10 {
        let token = format!("by-another-sqlite-{round}");
        write(&store, &token);
        assert_eq!((said(), said()), (token.clone(), token));
    }
    fs::copy(&store, &spare).unwrap();
    // Both files get the same number of commits from one state, so their headers are alike.
    write(&store, "one");
    write(&spare, "two");
    assert_eq!(said(), "one");
    let counts = [&store, &spare].map(|path| fs::read(path).unwrap()[18..44].to_vec());
    assert_eq!(counts[0], counts[1]);
    fs::write(&store, fs::read(&spare).unwrap()).unwrap();
    assert_eq!(said(), "two", "it was restored in its place");
    write(&spare, "three");
    fs::rename(&spare, &store).unwrap();
    assert_eq!(said(), "three", "another file was moved there");
    let aside = beside(&store, ".aside");
    fs::rename(&store, &aside).unwrap();
    fs::copy(&aside, &store).unwrap();
    write(&store, "four");
    assert_eq!(said(), "four", "it was moved away");
    sqlite(
        &store,
        "PRAGMA journal_mode = WAL; UPDATE weixin_token SET access_token = 'five'",
    );
    assert_eq!(said(), "five", "it was written by way of a log");
    sqlite(
        &store,
        "PRAGMA journal_mode = DELETE; UPDATE weixin_token SET access_token = 'six'",
    );
    assert_eq!(said(), "six");
    sqlite(&store, "VACUUM; DELETE FROM weixin_token");
    assert!(world.accepts(&said()), "another is fetched");
}

/// A caller in C has room for a token of 1023 bytes.
#[test]
fn a_text_in_the_store_that_is_longer_than_a_token_is_replaced() {
    let world = World::with_account(json!({"renew_window_ms": 7_200_000}));
    let handle = world.open_shop("official");
    handle.set("revalidate_ms", "0").unwrap();
    handle.get("shop").unwrap();
    let long = "UPDATE weixin_token SET access_token = printf('%.*c', 1024, 'x')";
    sqlite(&world.store(), long);
    assert!(world.accepts(&handle.get("shop").unwrap().value));
    assert_eq!(world.minted(), 2);
}

/// Faults row 20: a journal that is not the library's. The store next to it is intact and stays.
#[test]
fn garbage_in_the_journal_costs_nothing() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let token = handle.get("shop").unwrap();
    fs::write(beside(&world.store(), "-journal"), "garbage\n".repeat(1000)).unwrap();
    let got = common::Child::fork(|| common::outcome(handle.get("shop"))).join();
    assert_eq!(got, token.value);
    handle.register("other", "work", "ww1", SECRET).unwrap();
    assert_eq!(handle.report()["accounts"].as_array().unwrap().len(), 2);
    assert_eq!(sqlite(&world.store(), "PRAGMA integrity_check"), "ok");
    assert_eq!(world.requests(), 1);
}

/// A file counts as another program's, unless a key or a lock next to it shows that it was a store.
#[test]
fn garbage_is_set_aside_only_where_a_store_existed() {
    let text = "root:x:0:0:root:/root:/bin/bash\n".repeat(200);
    let world = World::with_account(json!({}));
    let store = world.store();
    fs::write(&store, &text).unwrap();
    let refused = Handle::open(&store).err().unwrap();
    assert_eq!(refused.status, WXTOKEN_E_STORE);
    assert!(
        refused
            .message
            .contains("nothing shows that it was a store"),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&store).unwrap(), text);
    assert_eq!(fs::read_dir(world.directory.path()).unwrap().count(), 1);

    fs::write(beside(&store, ".key"), "ab".repeat(32)).unwrap();
    world.open_shop("official").get("shop").unwrap();
    let kept = fs::read_dir(world.directory.path())
        .unwrap()
        .map(|f| f.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".corrupt-"))
        .unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), text);
}

#[test]
fn the_current_account_survives_a_lost_store() {
    let world = World::with_account(json!({}));
    world.add("official", "wx2", json!({}));
    let handle = world.open_shop("official");
    handle.register("b", "official", "wx2", SECRET).unwrap();
    handle.put_current("b").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    let before = handle.get_current().unwrap();
    fs::remove_file(world.store()).unwrap();
    assert_eq!(handle.get_current().unwrap().value, before.value);
}

/// Faults row 19, during a get.
#[test]
fn a_store_deleted_during_a_fetch_does_not_lose_the_token() {
    for kind in ["official", "official_classic"] {
        common::until_unspoiled(|| {
            let world = World::with_account(json!({}));
            let handle = world.open_shop(kind);
            world.fault(json!({"id": "wx1", "kind": "delay", "ms": 400}));
            let (got, in_time) = std::thread::scope(|scope| {
                let getting = scope.spawn(|| handle.get("shop"));
                common::wait_until("the leader asks", || world.requests() == 1);
                fs::remove_file(world.store()).unwrap();
                let in_time = world.is_asked("wx1");
                (getting.join().unwrap(), in_time)
            });
            if !in_time {
                return None;
            }
            assert_eq!(handle.get("shop").unwrap(), got.unwrap(), "{kind}");
            assert_eq!(world.minted(), 1, "{kind}");
            Some(())
        });
    }
}

/// A process that holds SQLite's exclusive lock, as if frozen in its commit.
fn holder(store: &Path) -> std::process::Child {
    tool(store, "BEGIN EXCLUSIVE; SELECT 'done';\n")
}

/// Starts the sqlite3 tool and waits until it has run the orders; the last one prints 'done'. The tool then waits for
/// more.
fn tool(store: &Path, orders: &str) -> std::process::Child {
    use std::io::BufRead;
    let mut tool = std::process::Command::new("sqlite3")
        .arg(store)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(tool.stdin.as_mut().unwrap(), orders.as_bytes()).unwrap();
    let said = std::io::BufReader::new(tool.stdout.as_mut().unwrap());
    assert!(said.lines().any(|line| line.unwrap() == "done"));
    tool
}

#[test]
fn a_locked_store_delays_no_caller_that_has_a_token() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let patience = std::time::Duration::from_secs(20);
    handle.set("timeout_ms", "20000").unwrap();
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "50").unwrap();
    let mut holder = holder(&world.store());
    for _ in 0..10 {
        std::thread::sleep(std::time::Duration::from_millis(60));
        let began = std::time::Instant::now();
        assert_eq!(handle.get("shop").unwrap(), token);
        assert!(began.elapsed() < patience / 4, "{:?}", began.elapsed());
    }
    // A caller without a token waits until its deadline, and learns what it waited for.
    let failure = world.open().register("x", "official", "wx2", SECRET);
    holder.kill().unwrap();
    holder.wait().unwrap();
    let failure = failure.unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_TIMEOUT);
    assert!(failure.message.contains("tokens.db"), "{failure:?}");
}

/// Faults row 21: another program's database.
#[test]
fn a_strangers_database_is_refused_untouched() {
    let strangers: [(&str, &str); 5] = [
        (
            "tables of its own",
            "CREATE TABLE photos (id); INSERT INTO photos VALUES (1)",
        ),
        (
            "ours by one name only",
            "CREATE TABLE weixin_account (id, corpid, secret); CREATE TABLE photos (id)",
        ),
        (
            "our names, other columns",
            "CREATE TABLE weixin_account (openid, nickname)",
        ),
        (
            "another application_id",
            "PRAGMA application_id = 7; CREATE TABLE weixin_account (id, corpid, secret)",
        ),
        (
            "in WAL mode",
            "PRAGMA journal_mode = WAL; CREATE TABLE photos (id); INSERT INTO photos VALUES (1)",
        ),
    ];
    for (what, sql) in strangers {
        let world = World::new();
        let store = world.store();
        sqlite(&store, sql);
        let before = fs::read(&store).unwrap();
        let refused = Handle::open(&store).err().unwrap();
        assert_eq!(refused.status, WXTOKEN_E_STORE, "{what}");
        assert!(
            refused.message.contains("it belongs to another program"),
            "{what}: {refused:?}"
        );
        assert_eq!(fs::read(&store).unwrap(), before, "{what}");
    }
}

/// Faults row 21: a killed program left changes in its write-ahead log that are not yet in its file.
#[test]
fn opening_a_store_keeps_the_write_ahead_log_of_another_program() {
    let world = World::new();
    let store = world.store();
    let orders = "PRAGMA journal_mode = WAL; CREATE TABLE photos (id); INSERT INTO photos VALUES (1); SELECT 'done';\n";
    let mut stranger = tool(&store, orders);
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    let files = || [&store, &beside(&store, "-wal")].map(|file| fs::read(file).unwrap());
    let before = files();
    assert!(!before[1].is_empty());
    let refused = Handle::open(&store).err().unwrap();
    assert!(
        refused.message.contains("it belongs to another program"),
        "{refused:?}"
    );
    assert!(files() == before);
}

/// Faults row 84: a stranger's file in the place of the store.
#[test]
fn a_planted_store_is_refused_untouched() {
    let world = World::with_account(json!({}));
    let endless =
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT i AS name FROM r";
    let mut planted = String::from("PRAGMA application_id = 2004382827; PRAGMA user_version = 5;");
    for name in ["weixin_account", "weixin_token", "weixin_removed"] {
        planted += &format!("CREATE VIEW {name} AS {endless};");
    }
    sqlite(&world.store(), &planted);
    let before = fs::read(world.store()).unwrap();
    let failure = Handle::open(&world.store()).err().unwrap();
    assert_eq!(failure.status, WXTOKEN_E_STORE);
    let why = "it has a view in the place of a table";
    assert!(failure.message.contains(why), "{failure:?}");
    assert_eq!(fs::read(world.store()).unwrap(), before);
    // A file that holds only views does not count as empty.
    let other = world.directory.path().join("other.db");
    sqlite(&other, "CREATE VIEW v AS SELECT 1");
    let failure = Handle::open(&other).err().unwrap();
    assert!(failure.message.contains("another program"), "{failure:?}");
}

#[test]
fn triggers_that_a_stranger_adds_to_a_store_do_not_fire() {
    let world = World::with_account(json!({}));
    drop(world.open_shop("official"));
    sqlite(
        &world.store(),
        "CREATE TABLE spy (token);
         CREATE TRIGGER spy_1 AFTER INSERT ON weixin_token BEGIN INSERT INTO spy VALUES (new.access_token); END;
         CREATE TRIGGER spy_2 AFTER UPDATE ON weixin_token BEGIN INSERT INTO spy VALUES (new.access_token); END",
    );
    world.open().get("shop").unwrap();
    assert_eq!(
        sqlite(&world.store(), "SELECT count(*) FROM spy").trim(),
        "0"
    );
}

#[test]
fn a_newer_schema_is_refused_untouched() {
    let world = World::new();
    world.open_shop("official");
    let store = world.store();
    sqlite(&store, "PRAGMA user_version = 99");
    let before = fs::read(&store).unwrap();
    // In a new process, because this one already has the store open.
    let said = common::Child::fork(|| match Handle::open(&store) {
        Ok(_) => "opened".into(),
        Err(refused) => refused.message,
    })
    .join();
    assert!(
        said.contains("newer") && said.contains("Upgrade libwxtoken"),
        "{said}"
    );
    assert_eq!(fs::read(&store).unwrap(), before);
}

/// Faults row 22: links, FIFOs and directories.
#[test]
fn links_fifos_and_directories_are_refused_as_store_and_as_lock() {
    type Maker = fn(&Path, &Path);
    let makers: [(&str, Maker); 4] = [
        ("symbolic link", |path, other| {
            std::os::unix::fs::symlink(other, path).unwrap()
        }),
        ("hard link", |path, other| {
            fs::hard_link(other, path).unwrap()
        }),
        ("FIFO", |path, _| {
            assert!(
                std::process::Command::new("mkfifo")
                    .arg(path)
                    .status()
                    .unwrap()
                    .success()
            );
        }),
        ("directory", |path, _| fs::create_dir(path).unwrap()),
    ];
    for (what, make) in makers {
        let world = World::with_account(json!({}));
        let other = world.directory.path().join("other");
        fs::write(&other, "somebody's").unwrap();
        make(&world.store(), &other);
        let refused = Handle::open(&world.store()).err().unwrap();
        assert_eq!(refused.status, WXTOKEN_E_STORE, "{what}");
        assert!(refused.message.contains(what), "{what}: {refused:?}");
        assert_eq!(fs::read(&other).unwrap(), b"somebody's", "{what}");

        let second = world.directory.path().join("second.db");
        make(&beside(&second, ".lock"), &other);
        let handle = world.open_at(&second);
        handle
            .register("shop", "official_classic", "wx1", SECRET)
            .unwrap();
        let failure = handle.get("shop").unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_STORE, "{what}");
        assert!(
            failure.message.contains("second.db.lock"),
            "{what}: {failure:?}"
        );
        assert_eq!(fs::read(&other).unwrap(), b"somebody's", "{what}");
    }
}

#[test]
fn a_secret_is_sealed_in_the_store() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    handle.get("shop").unwrap();
    for file in fs::read_dir(world.directory.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!contains(&bytes, SECRET.as_bytes()));
    }
}

#[test]
fn without_the_key_tokens_are_readable_and_secrets_are_not() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let token = handle.get("shop").unwrap();
    let key = beside(&world.store(), ".key");
    fs::rename(&key, world.directory.path().join("elsewhere")).unwrap();
    let (store, api) = (world.store(), world.sim.http().to_owned());
    let reader = || {
        let handle = Handle::open(&store).unwrap();
        handle.set("api_base_url", &api).unwrap();
        handle
    };
    assert_eq!(
        common::Child::fork(|| common::outcome(reader().get("shop"))).join(),
        token.value
    );
    world.expire_all();
    let said = common::Child::fork(|| common::outcome(reader().get("shop"))).join();
    assert!(
        said.contains("E_SECRET") && said.contains("tokens.db.key"),
        "{said}"
    );
    assert_eq!(world.requests(), 1);
    // Registering again, as the message advises, repairs it.
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    handle.get("shop").unwrap();
    assert_eq!(mode(&key), 0o600);
}

/// Faults row 16, by a file-size limit, which also raises SIGXFSZ.
#[test]
fn without_disk_space_stable_tokens_go_on_from_memory_and_classic_ones_stop() {
    for kind in ["official", "official_classic"] {
        let world = World::with_account(json!({}));
        let handle = world.open_shop(kind);
        let said = common::Child::fork(|| {
            let limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: limits this child alone.
            unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) };
            let first = common::outcome(handle.get("shop"));
            let second = common::outcome(handle.get("shop"));
            let degraded = handle.report()["degraded"].is_string();
            format!("{first} {second} {degraded}")
        })
        .join();
        if kind == "official" {
            let parts: Vec<&str> = said.split(' ').collect();
            assert_eq!(parts.len(), 3, "{said}");
            assert!(
                parts[0].len() > 100 && parts[0] == parts[1] && parts[2] == "true",
                "{said}"
            );
            assert_eq!(world.requests(), 1);
        } else {
            assert!(
                said.contains("E_STORE")
                    && said.contains("was not fetched: cannot write to store")
                    && said.contains("lift the file-size limit"),
                "{said}"
            );
            assert_eq!(world.requests(), 0);
        }
    }
}

/// Faults row 18, the part that needs another user: the children become `nobody`.
#[test]
fn a_writer_without_permission_is_told_the_owner_the_mode_and_the_remedy() {
    common::needs_root!();
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let token = handle.get("shop").unwrap();
    let (store, api) = (world.store(), world.sim.http().to_owned());
    fs::set_permissions(world.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let as_nobody = |work: &dyn Fn() -> String| {
        common::Child::fork(|| {
            common::drop_privileges();
            work()
        })
        .join()
    };
    let open = || {
        Handle::open(&store)
            .err()
            .map(|e| e.message)
            .unwrap_or_default()
    };
    let said = as_nobody(&open);
    for part in ["owned by root", "mode 0600", "runs as nobody", "tokens.db"] {
        assert!(said.contains(part), "{said}");
    }
    // A reader may read the file and nothing else.
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    let read = || {
        let handle = Handle::open(&store).unwrap();
        handle.set("api_base_url", &api).unwrap();
        let got = common::outcome(handle.get("shop"));
        let write = handle.register("x", "official", "wx2", SECRET).unwrap_err();
        let reject = handle.reject("shop", &got).unwrap_err();
        format!("{got}|{}|{:?}", write.message, reject.status)
    };
    let said = as_nobody(&read);
    let parts: Vec<&str> = said.split('|').collect();
    assert_eq!(parts[0], token.value, "{said}");
    assert!(parts[1].contains("runs as nobody"), "{said}");
    assert_eq!(parts[2], "WXTOKEN_E_STORE", "{said}");
}

#[test]
fn a_store_without_a_name_is_created_in_the_state_directory() {
    let world = World::new();
    let home = world.directory.path().to_owned();
    let said = common::Child::fork(|| {
        common::set_env("XDG_STATE_HOME", home.to_str().unwrap());
        let mut out = std::ptr::null_mut();
        // SAFETY: valid pointers.
        let status =
            unsafe { wxtoken::ffi::wxtoken_init(std::ptr::null(), &mut out, std::ptr::null_mut()) };
        format!("{status:?}")
    })
    .join();
    assert_eq!(said, "WXTOKEN_OK");
    assert_eq!(mode(&home.join("wxtoken")), 0o700);
    assert_eq!(mode(&home.join("wxtoken/tokens.db")), 0o600);
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The tables of the script, word for word.
const FOREBEAR: &str = "
    CREATE TABLE weixin_account (id, name, corpid, secret, current);
    CREATE TABLE weixin_token (id, access_token, expires_in, expires_on, is_expired);";

/// A date in local time, as the script wrote it.
fn local(seconds_from_now: i64) -> String {
    let moment = chrono::Local::now() + chrono::Duration::seconds(seconds_from_now);
    moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

fn forebear(world: &World, rows: &str) -> PathBuf {
    let store = world.store();
    sqlite(&store, &format!("{FOREBEAR}{rows}"));
    store
}

/// Opens the store as a user of the script would. The environment has the address of the work endpoint, to which the
/// imported token belongs.
fn open_forebear(world: &World, work: impl FnOnce(Handle) -> String) -> String {
    let (store, url) = (world.store(), world.sim.http().to_owned());
    common::Child::fork(move || {
        common::set_env("WXTOKEN_WORK_BASE_URL", &url);
        work(Handle::open(&store).unwrap())
    })
    .join()
}

#[test]
fn the_database_of_the_script_opens_with_its_accounts_current_account_and_token() {
    let world = World::new();
    world.add("work", "ww1", json!({}));
    let store = forebear(
        &world,
        &format!(
            "
        INSERT INTO weixin_account VALUES (1, 'crm', 'ww2', 'clear-secret-of-crm', 0);
        INSERT INTO weixin_account VALUES (2, '通讯录', 'ww1', '{SECRET}', 1);
        INSERT INTO weixin_token VALUES (1, 'an-old-token', 7200, '{}', 0);
        INSERT INTO weixin_token VALUES (2, 'the-token-in-use', 7200, '{}', 1);",
            local(-60),
            local(3600)
        ),
    );
    let said = open_forebear(&world, |handle| {
        let report = handle.report();
        let accounts = report["accounts"].as_array().unwrap();
        assert_eq!(accounts.len(), 2);
        assert!(
            accounts
                .iter()
                .all(|a| a["kind"] == "work" && a["has_secret"] == true)
        );
        let token = handle.get_current().unwrap();
        let left = token.expires_at - chrono::Utc::now().timestamp();
        assert!((3590..=3600).contains(&left), "{left}");
        assert_eq!(handle.get("通讯录").unwrap(), token);
        handle.reject("通讯录", &token.value).unwrap();
        let next = handle.get("通讯录").unwrap();
        format!("{} {}", token.value, next.value.len())
    });
    assert_eq!(said, "the-token-in-use 214");
    assert_eq!(world.sim.counters_of("ww1").minted, 1);
    for file in fs::read_dir(world.directory.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!contains(&bytes, b"clear-secret-of-crm") && !contains(&bytes, SECRET.as_bytes()));
    }
    assert_eq!(mode(&store), 0o600);
}

#[test]
fn the_third_table_of_the_script_is_left_unchanged() {
    let world = World::new();
    world.add("work", "ww1", json!({}));
    let store = forebear(
        &world,
        &format!(
            "
        CREATE TABLE weixin_limit (id, sent);
        INSERT INTO weixin_limit VALUES (1, 42);
        INSERT INTO weixin_account VALUES (1, 'app', 'ww1', '{SECRET}', 1);"
        ),
    );
    assert_eq!(
        open_forebear(&world, |handle| common::outcome(handle.get_current())).len(),
        214
    );
    assert_eq!(sqlite(&store, "SELECT sent FROM weixin_limit"), "42");
    // A lost table is created again next to it.
    sqlite(&store, "DROP TABLE weixin_token");
    assert!(open_forebear(&world, |handle| common::outcome(handle.get_current())).len() == 214);
}

/// An import killed at any instant leaves the database of the script or the new store, never half of one. Both are
/// private.
#[test]
fn a_killed_import_is_completed_by_the_next() {
    for round in 0..40u64 {
        let world = World::new();
        let store = forebear(
            &world,
            &format!(
                "
            INSERT INTO weixin_account VALUES (1, 'app', 'ww1', '{SECRET}', 1);
            INSERT INTO weixin_account VALUES (2, 'gone', 'ww2', 'a-secret-freed-before', 0);
            PRAGMA secure_delete = OFF;
            CREATE TABLE backup AS WITH RECURSIVE number (n) AS (SELECT 1 UNION SELECT n + 1 FROM number WHERE n < 500)
                SELECT weixin_account.* FROM weixin_account, number;
            DROP TABLE backup;
            DELETE FROM weixin_account WHERE id = 2;"
            ),
        );
        let freed = fs::read(&store).unwrap();
        assert!(
            contains(&freed, b"a-secret-freed-before"),
            "or there is nothing to rewrite"
        );
        let path = store.clone();
        let importer = common::Child::fork(move || {
            let _handle = Handle::open(&path);
            std::thread::sleep(std::time::Duration::from_secs(5));
            String::new()
        });
        std::thread::sleep(std::time::Duration::from_micros(round * 250));
        importer.signal(libc::SIGKILL);
        importer.join();
        let said = open_forebear(&world, |handle| {
            handle.report()["accounts"][0]["name"].to_string()
        });
        assert_eq!(said, "\"app\"", "round {round}");
        assert_eq!(mode(&store), 0o600, "round {round}");
        let bytes = fs::read(&store).unwrap();
        assert!(
            !contains(&bytes, SECRET.as_bytes()) && !contains(&bytes, b"a-secret-freed-before"),
            "round {round}"
        );
    }
}

#[test]
fn an_expired_token_of_the_script_is_fetched_again() {
    let world = World::new();
    world.add("work", "ww1", json!({}));
    forebear(
        &world,
        &format!(
            "
        INSERT INTO weixin_account VALUES (1, 'app', 'ww1', '{SECRET}', 1);
        INSERT INTO weixin_token VALUES (1, 'stale', 7200, '{}', 1);",
            local(-1)
        ),
    );
    let said = open_forebear(&world, |handle| common::outcome(handle.get_current()));
    assert_eq!(said.len(), 214);
}

#[test]
fn incomplete_databases_of_the_script_open_and_keep_all_that_is_valid() {
    let token = format!(
        "INSERT INTO weixin_token VALUES (1, 'the-token', 7200, '{}', 1);",
        local(3600)
    );
    let cases: [(&str, String, &[&str], &str); 8] = [
        ("no token row", "INSERT INTO weixin_account VALUES (1, 'app', 'ww1', 's', 1);".into(), &["app"], "app"),
        ("no token table", "DROP TABLE weixin_token; INSERT INTO weixin_account VALUES (1, 'app', 'ww1', 's', 1);".into(), &["app"], "app"),
        ("no account table", format!("DROP TABLE weixin_account; {token}"), &[], ""),
        ("nulls", "INSERT INTO weixin_account VALUES (NULL, NULL, 'ww1', 's', NULL); INSERT INTO weixin_account VALUES (NULL, NULL, NULL, NULL, NULL); INSERT INTO weixin_account VALUES (3, 'no secret', 'ww3', NULL, NULL);".into(), &["account-1", "no secret"], "account-1"),
        ("id 1 twice", "INSERT INTO weixin_account VALUES (1, 'app', 'ww1', 's', 1); INSERT INTO weixin_account VALUES (1, 'app', 'ww2', 't', 1);".into(), &["app", "app-2"], "app"),
        ("the same row twice", "INSERT INTO weixin_account VALUES (1, 'app', 'ww1', 's', 0); INSERT INTO weixin_account VALUES (1, 'app', 'ww1', 's', 1);".into(), &["app"], "app"),
        ("dates of no calendar", "INSERT INTO weixin_account VALUES (1, 'app', 'ww1', 's', 1); INSERT INTO weixin_token VALUES (1, 'a', 7200, 'soon', 1); INSERT INTO weixin_token VALUES (1, 'b', 'x', '2018-13-45 99:00:00', 1); INSERT INTO weixin_token VALUES (1, NULL, NULL, NULL, 1);".into(), &["app"], "app"),
        ("names no API takes", "INSERT INTO weixin_account VALUES (1, 'a/b', 'ww1', 's', '0'); INSERT INTO weixin_account VALUES (2, 7, 'ww2', 8, '1');".into(), &["7", "a_b"], "7"),
    ];
    for (what, rows, names, current) in cases {
        let world = World::new();
        forebear(&world, &rows);
        let said = open_forebear(&world, |handle| {
            let report = handle.report();
            let accounts = report["accounts"].as_array().unwrap();
            let current = accounts.iter().find(|a| a["current"] == true);
            json!({
                "names": accounts.iter().map(|a| &a["name"]).collect::<Vec<_>>(),
                "current": current.map_or(json!(""), |a| a["name"].clone()),
            })
            .to_string()
        });
        let expected = json!({"names": names, "current": current});
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&said).unwrap_or(json!(said)),
            expected,
            "{what}"
        );
        assert_eq!(
            sqlite(&world.store(), "PRAGMA integrity_check"),
            "ok",
            "{what}"
        );
    }
}

#[test]
fn concurrent_processes_import_the_database_of_the_script_once() {
    let world = World::new();
    world.add("work", "ww1", json!({}));
    forebear(
        &world,
        &format!(
            "
        INSERT INTO weixin_account VALUES (1, 'app', 'ww1', '{SECRET}', 1);
        INSERT INTO weixin_token VALUES (1, 'the-token', 7200, '{}', 1);",
            local(3600)
        ),
    );
    let (store, url) = (world.store(), world.sim.http().to_owned());
    let children: Vec<_> = (0..8)
        .map(|_| {
            common::Child::fork(|| {
                common::set_env("WXTOKEN_WORK_BASE_URL", &url);
                common::outcome(Handle::open(&store).unwrap().get_current())
            })
        })
        .collect();
    for child in children {
        assert_eq!(child.join(), "the-token");
    }
    assert_eq!(world.sim.counters().requests, 0);
}
