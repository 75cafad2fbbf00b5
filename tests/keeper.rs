//! A keeper and its readers. The readers run as another user who may read the store, but may neither write it nor read
//! the key. They become `nobody`, which only root may do; see `needs_root`.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::wxtoken::ffi::wxtoken_status::WXTOKEN_E_TIMEOUT;
use ::wxtoken::tool::{Error, Keeper, KeeperEvent, Outcome, PassSummary, Store};
use common::{
    Child, Failure, Handle, SECRET, World, drop_privileges, needs_root, outcome, wait_until,
};
use serde_json::{Value, json};

const REFRESH_TOKEN: &str = "refreshtoken@@@0123456789";

const NOBODY: u32 = 65534;
const STABLE: &str = "/cgi-bin/stable_token";
const TICKET: &str = "/cgi-bin/ticket/getticket";

/// A store that a group may read, set up as in docs/deploy.md.
struct Set {
    world: World,
    owner: Handle,
}

impl Set {
    fn new(settings: Value) -> Set {
        let world = World::with_account(settings);
        world.sim.switches(json!({"peer_uids": true})).unwrap();
        let directory = world.directory.path();
        chown(directory, None, Some(NOBODY)).unwrap();
        fs::set_permissions(directory, fs::Permissions::from_mode(0o2750)).unwrap();
        let owner = world.open_shop("official");
        fs::set_permissions(world.store(), fs::Permissions::from_mode(0o640)).unwrap();
        Set { world, owner }
    }

    fn mailbox(&self) -> PathBuf {
        self.world.store().with_added_extension("mailbox")
    }

    /// A process that keeps the store until it is killed. Readers can reach it by now.
    fn keeper(&self) -> Killed {
        let still = LongestPause::shared();
        let child = Child::fork(|| {
            let store = keeping(&self.world);
            store.set("timeout_ms", "60000").unwrap();
            let mut keeper = store.keeper(Arc::new(|_: &KeeperEvent| ())).unwrap();
            let mut passed = Instant::now();
            loop {
                keeper.pass().unwrap();
                std::thread::sleep(Duration::from_millis(2));
                still.note(passed.elapsed());
                passed = Instant::now();
            }
        });
        let store = Store::open(self.world.store().to_str()).unwrap();
        wait_until("the keeper listens", || store.has_keeper() == Some(true));
        Killed(Some(child), still)
    }

    /// Runs `work` in a process of the store's group.
    fn reader(&self, work: impl FnOnce(&Handle) -> String) -> Child {
        let world = &self.world;
        Child::fork(move || {
            drop_privileges();
            work(&world.open())
        })
    }

    /// The number of tokens that an endpoint has returned.
    fn minted(&self, path: &str) -> u64 {
        let counters = self.world.sim.counters_of("wx1");
        counters.by_path.get(path).map_or(0, |here| here.minted)
    }

    fn is_left_to_root(&self) {
        let by_uid = self.world.sim.counters().connections_by_uid;
        let users: Vec<&String> = by_uid.keys().collect();
        assert_eq!(users, ["0"], "{by_uid:?}");
    }
}

fn keeping(world: &World) -> Store {
    let store = Store::open(world.store().to_str()).unwrap();
    store.set("api_base_url", world.sim.http()).unwrap();
    store
}

/// The longest time between two passes of a keeper in another process, in memory that it shares with this one.
#[derive(Clone, Copy)]
struct LongestPause(&'static AtomicU64);

impl LongestPause {
    fn shared() -> LongestPause {
        let (read_write, shared) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new page of zeros, which is never unmapped.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), 8, read_write, shared, -1, 0) };
        assert_ne!(page, libc::MAP_FAILED);
        // SAFETY: the page is aligned, and only accessed as this number.
        LongestPause(unsafe { AtomicU64::from_ptr(page.cast()) })
    }

    fn note(self, pause: Duration) {
        let ms = u64::try_from(pause.as_millis()).unwrap();
        self.0.fetch_max(ms, Ordering::Relaxed);
    }

    fn forget(self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn so_far(self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// A keeper that is killed on drop.
struct Killed(Option<Child>, LongestPause);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            child.signal(libc::SIGKILL);
            child.join();
        }
    }
}

/// A keeper in this process, and the events that it reports.
fn keeper_of(store: &Store) -> (Keeper, Told) {
    let told = Told::default();
    let to = told.clone();
    let keeper = store.keeper(Arc::new(move |kept: &KeeperEvent| {
        to.lock().unwrap().push(kept.clone())
    }));
    (keeper.unwrap(), told)
}

type Told = Arc<Mutex<Vec<KeeperEvent>>>;

/// Runs passes until no fetch is under way.
fn settled(keeper: &mut Keeper) -> PassSummary {
    let mut pass = keeper.pass().unwrap();
    wait_until("all is fetched", || {
        pass = keeper.pass().unwrap();
        pass.in_flight == 0
    });
    pass
}

/// Rejects as a reader. A keeper has two seconds to note it, and may stand still for that long.
fn reject_by_keeper(reader: &Handle, token: &str) -> Result<(), Failure> {
    let mut rejected = Ok(());
    wait_until("the keeper has noted it", || {
        rejected = reader.reject("shop", token);
        !matches!(&rejected, Err(e) if e.status == WXTOKEN_E_TIMEOUT)
    });
    rejected
}

fn failures(told: &[KeeperEvent]) -> Vec<&Error> {
    told.iter()
        .filter_map(|kept| match &kept.outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        })
        .collect()
}

#[test]
fn a_reader_gets_every_credential_and_fetches_none() {
    needs_root!();
    let set = Set::new(json!({}));
    let _keeper = set.keeper();
    let said = set.reader(|handle| {
        let token = outcome(handle.get("shop"));
        // No caller has asked for it before: the reader asks the keeper for it.
        let ticket = outcome(handle.get("shop/jsapi_ticket"));
        format!("{token} {ticket}")
    });
    let said = said.join();
    let (token, ticket) = said.split_once(' ').unwrap();
    assert_eq!(set.owner.get("shop").unwrap().value, token);
    assert_eq!(set.owner.get("shop/jsapi_ticket").unwrap().value, ticket);
    assert_eq!((set.minted(STABLE), set.minted(TICKET)), (1, 1));
    set.is_left_to_root();
}

#[test]
fn a_reader_without_a_keeper_is_told_which_user_should_run_one() {
    needs_root!();
    let set = Set::new(json!({}));
    let none = |handle: &Handle| outcome(handle.get("shop"));
    let said = set.reader(none).join();
    for part in [
        "E_SECRET",
        "tokens.db.key",
        "no keeper is running",
        "`wxtoken keep` as root",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // The first keeper has died and left its mailbox.
    let keeper = set.keeper();
    set.owner.get("shop").unwrap();
    drop(keeper);
    assert!(fs::metadata(set.mailbox()).unwrap().file_type().is_fifo());
    let said = set
        .reader(|handle| {
            let token = handle.get("shop").unwrap().value;
            let reject = handle.reject("shop", &token).unwrap_err();
            let again = handle.get("shop").unwrap().value == token;
            format!("{:?} {} {again}", reject.status, reject.message)
        })
        .join();
    for part in [
        "E_STORE",
        "cannot record that the token of shop was refused",
        "no keeper is running",
        "true",
    ] {
        assert!(said.contains(part), "{said}");
    }
    set.is_left_to_root();
}

#[test]
fn a_crowd_of_readers_whose_token_is_refused_costs_one_fetch() {
    needs_root!();
    let set = Set::new(json!({}));
    let _keeper = set.keeper();
    let old = set.reader(|handle| outcome(handle.get("shop"))).join();
    set.world.sim.revoke("wx1");
    let crowd: Vec<Child> = (0..6)
        .map(|_| {
            set.reader(|handle| {
                let refused = handle.get("shop").unwrap().value;
                if let Err(e) = reject_by_keeper(handle, &refused) {
                    return e.message;
                }
                // Right after the reject, which is in the store.
                outcome(handle.get("shop"))
            })
        })
        .collect();
    let new: Vec<String> = crowd.into_iter().map(Child::join).collect();
    assert!(new.iter().all(|token| token == &new[0]), "{new:?}");
    assert_ne!(new[0], old);
    assert!(set.world.accepts(&new[0]), "{new:?}");
    assert_eq!(set.minted(STABLE), 2);
    // By now a late reject names a token that has been replaced.
    let late = set.reader(|handle| match reject_by_keeper(handle, &old) {
        Ok(()) => outcome(handle.get("shop")),
        Err(e) => e.message,
    });
    assert_eq!(late.join(), new[0]);
    assert_eq!(set.minted(STABLE), 2);
    set.is_left_to_root();
}

/// A keeper refreshes before other processes may. Through two expiries none of them fetches.
#[test]
fn while_a_keeper_runs_no_other_process_fetches() {
    needs_root!();
    // The keeper is 800 ms ahead of the others. If it stood still for long, the round proves nothing.
    const STILL: Duration = Duration::from_millis(400);
    let mut rounds = (0..8).map(|_| two_expiries_beside_a_keeper());
    let round = rounds.find(|round| round.keepers_pause < STILL);
    let round = round.expect("a machine that does not stand still");
    assert!(round.fetched_by_others.is_empty(), "{round:?}");
    assert_eq!((round.tokens.len(), round.minted), (3, 3), "{round:?}");
    // For readers of the output: this time includes no wait for a fetch.
    println!("the slowest get took {:?}", round.slowest);
}

#[derive(Debug)]
struct Beside {
    /// The longest wait of a thread that gets while the keeper runs.
    slowest: Duration,
    /// The longest time for which the keeper did not look at the store.
    keepers_pause: Duration,
    tokens: HashSet<String>,
    minted: u64,
    fetched_by_others: HashSet<String>,
}

fn two_expiries_beside_a_keeper() -> Beside {
    const LIFE: Duration = Duration::from_secs(16);
    let set = Set::new(json!({"lifetime_ms": LIFE.as_millis() as u64}));
    let keeper = set.keeper();
    // They look at the store on each get, so they notice a due refresh at once.
    set.owner.set("revalidate_ms", "0").unwrap();
    let by_keeper = format!("[{}]", keeper.0.as_ref().unwrap().pid);
    wait_until("the first token", || set.minted(STABLE) == 1);
    let began = Instant::now();
    keeper.1.forget();
    // A while after the second expiry: nothing is fetched then, so the keeper's end cannot lose a token.
    let is_over = || began.elapsed() >= 2 * LIFE + LIFE / 4;
    let look = || {
        let (mut tokens, mut slowest) = (HashSet::new(), Duration::ZERO);
        while !is_over() {
            let asked = Instant::now();
            tokens.insert(set.owner.get("shop").unwrap().value);
            std::thread::sleep(Duration::from_millis(1));
            slowest = slowest.max(asked.elapsed());
        }
        (tokens, slowest)
    };
    let mut fetched_by = HashSet::new();
    let seen: Vec<_> = std::thread::scope(|scope| {
        let others: Vec<_> = (0..3).map(|_| scope.spawn(look)).collect();
        while !is_over() {
            let report = set.owner.report();
            let by = &report["accounts"][0]["tokens"][0]["fetched_by"];
            // Absent while the first token is on its way to the store.
            fetched_by.extend(by.as_str().filter(|by| !by.is_empty()).map(String::from));
            std::thread::sleep(Duration::from_millis(1));
        }
        let others = others.into_iter().map(|other| other.join().unwrap());
        others.collect()
    });
    assert_eq!(set.owner.report()["keeper"], true);
    let keepers_pause = keeper.1.so_far();
    drop(keeper);
    let slowest = seen.iter().map(|(_, slowest)| *slowest).max().unwrap();
    let tokens = seen.into_iter().flat_map(|(tokens, _)| tokens);
    fetched_by.retain(|by| !by.ends_with(&by_keeper));
    Beside {
        slowest,
        keepers_pause,
        tokens: tokens.collect(),
        minted: set.minted(STABLE),
        fetched_by_others: fetched_by,
    }
}

#[test]
fn two_keepers_fetch_no_more_than_one() {
    needs_root!();
    let set = Set::new(json!({"lifetime_ms": 3000, "delay_ms": 30}));
    let _keepers = [set.keeper(), set.keeper()];
    let began = Instant::now();
    let mut tokens = HashSet::new();
    while began.elapsed() < Duration::from_secs(7) {
        let said = set.reader(|handle| outcome(handle.get("shop"))).join();
        assert!(!said.starts_with("WXTOKEN_E_"), "{said}");
        tokens.insert(said);
    }
    let counters = set.world.sim.counters_of("wx1");
    assert_eq!(counters.max_in_flight, 1);
    // Each token is refreshed a second before its end. A token that no reader saw also counts as minted.
    let most = 2 + began.elapsed().as_secs() / 2;
    assert!((tokens.len() as u64..=most).contains(&counters.minted));
    set.is_left_to_root();
}

#[test]
fn a_keeper_waits_for_the_stored_back_off_and_resumes_when_the_account_is_corrected() {
    needs_root!();
    let set = Set::new(json!({}));
    let wrong = "f".repeat(32);
    set.owner
        .register("shop", "official", "wx1", &wrong)
        .unwrap();
    let store = keeping(&set.world);
    let (mut keeper, told) = keeper_of(&store);
    for _ in 0..5 {
        let pass = settled(&mut keeper);
        assert_eq!(
            (pass.accounts, pass.credentials, pass.without_token),
            (1, 1, 1)
        );
        assert!(pass.next_ms > 40_000, "{pass:?}");
    }
    assert_eq!(failures(&told.lock().unwrap())[0].errcode, 40125);
    assert_eq!(told.lock().unwrap().len(), 1);
    assert_eq!(set.world.requests(), 1);
    // A reader learns the reason at once.
    let said = set.reader(|handle| outcome(handle.get("shop"))).join();
    assert!(said.contains("40125"), "{said}");
    set.owner
        .register("shop", "official", "wx1", SECRET)
        .unwrap();
    keeper.store_changed();
    let pass = settled(&mut keeper);
    assert_eq!((pass.without_token, set.world.requests()), (0, 2));
}

#[test]
fn a_keeper_tries_the_next_name_of_an_account_when_a_secret_is_refused() {
    needs_root!();
    let set = Set::new(json!({}));
    let wrong = "f".repeat(32);
    // This name sorts before the one with the right secret.
    set.owner
        .register("legacy", "official", "wx1", &wrong)
        .unwrap();
    let store = keeping(&set.world);
    let (mut keeper, told) = keeper_of(&store);
    let pass = settled(&mut keeper);
    assert_eq!((pass.accounts, pass.without_token), (2, 0));
    assert!(set.world.requests() <= 2);
    assert!(failures(&told.lock().unwrap()).is_empty());
}

/// The store holds no failure that delays the fetch, so the keeper waits by itself. It reports the failure once.
#[test]
fn a_credential_that_waits_for_its_parent_is_fetched_when_the_parent_is_retried() {
    needs_root!();
    let set = Set::new(json!({}));
    let Set { world, owner } = &set;
    world.add("component", "wxabove", json!({}));
    world.add(
        "authorizer",
        "wxown",
        json!({"parent": "wxabove", "secret": REFRESH_TOKEN}),
    );
    let register = |name, kind, id, secret| owner.register_maybe(name, kind, id, secret).unwrap();
    register("above", "component", "wxabove", Some(SECRET));
    let (ticket, _) = world.sim.push("wxabove", 0).unwrap();
    owner.put("above", "verify_ticket", &ticket).unwrap();
    register("own", "authorizer", "wxown", None);
    owner.put("own", "parent", "above").unwrap();
    owner.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    world.fault(json!({"id": "wxabove", "kind": "errcode", "errcode": 45009}));
    let store = keeping(world);
    let (mut keeper, _) = keeper_of(&store);
    assert_eq!(settled(&mut keeper).without_token, 2);
    keeper.store_changed();
    assert_eq!(settled(&mut keeper).without_token, 2);
    assert_eq!(store.retry(Some("above")).unwrap(), ["above"]);
    keeper.store_changed();
    assert_eq!(settled(&mut keeper).without_token, 0);
    assert_eq!(world.sim.counters_of("wxabove").requests, 2);
}

#[test]
fn an_account_that_lacks_a_pushed_secret_is_reported_once() {
    needs_root!();
    let set = Set::new(json!({}));
    set.world.add("component", "wxabove", json!({}));
    set.owner
        .register("above", "component", "wxabove", SECRET)
        .unwrap();
    let store = keeping(&set.world);
    let (mut keeper, told) = keeper_of(&store);
    for _ in 0..3 {
        keeper.store_changed();
        settled(&mut keeper);
    }
    let told = told.lock().unwrap().clone();
    assert_eq!(failures(&told).len(), 1, "{told:?}");
    assert!(failures(&told)[0].to_string().contains("verify_ticket"));
    // A reader learns this at once, without waiting for its deadline.
    const PATIENCE: Duration = Duration::from_secs(60);
    let said = set.reader(|handle| {
        let patience = PATIENCE.as_millis().to_string();
        handle.set("timeout_ms", &patience).unwrap();
        let asked = Instant::now();
        let said = outcome(handle.get("above"));
        format!("{} {said}", asked.elapsed() < PATIENCE / 10)
    });
    let said = said.join();
    for part in ["true", "E_SECRET", "no verify_ticket has been put"] {
        assert!(said.contains(part), "{said}");
    }
    let (ticket, _) = set.world.sim.push("wxabove", 0).unwrap();
    set.owner.put("above", "verify_ticket", &ticket).unwrap();
    keeper.store_changed();
    assert_eq!(settled(&mut keeper).without_token, 0);
}

#[test]
fn garbage_in_the_mailbox_stops_neither_keeper_nor_readers() {
    needs_root!();
    let set = Set::new(json!({}));
    let _keeper = set.keeper();
    let mailbox = set.mailbox();
    let flood = |handle: &Handle| {
        use std::io::Write;
        let mut file = fs::File::options().write(true).open(&mailbox).unwrap();
        let long = "x".repeat(100_000);
        for line in [
            "",
            "{",
            "[]",
            "{\"want\":7}",
            "{\"want\":\"nobody\"}",
            "{\"reject\":\"shop\",\"fingerprint\":\"0\"}",
            &long,
        ] {
            for _ in 0..50 {
                file.write_all(line.as_bytes()).unwrap();
                file.write_all(b"\n\xff\n").unwrap();
            }
        }
        // The mailbox can be written but not read by its readers.
        let read = fs::File::open(&mailbox).unwrap_err();
        assert_eq!(read.kind(), std::io::ErrorKind::PermissionDenied);
        outcome(handle.get("shop/jsapi_ticket"))
    };
    let said = set.reader(flood).join();
    assert_eq!(said, set.owner.get("shop/jsapi_ticket").unwrap().value);
    assert_eq!((set.minted(STABLE), set.minted(TICKET)), (1, 1));
}

#[test]
fn the_mailbox_has_the_readers_of_the_store() {
    needs_root!();
    let set = Set::new(json!({}));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let keeper = set.keeper();
    wait_until("it is open", || mode(&set.mailbox()) == 0o620);
    drop(keeper);
    assert_eq!(fs::metadata(set.mailbox()).unwrap().gid(), NOBODY);
    fs::set_permissions(set.world.store(), fs::Permissions::from_mode(0o600)).unwrap();
    let keeper = set.keeper();
    wait_until("it is closed", || mode(&set.mailbox()) == 0o600);
    // A running keeper follows the change.
    fs::set_permissions(set.world.store(), fs::Permissions::from_mode(0o640)).unwrap();
    wait_until("it is open", || mode(&set.mailbox()) == 0o620);
    drop(keeper);
    // A symbolic link in its place is not followed.
    fs::remove_file(set.mailbox()).unwrap();
    let trap = set.world.directory.path().join("trap");
    fs::write(&trap, "as it was").unwrap();
    std::os::unix::fs::symlink(&trap, set.mailbox()).unwrap();
    let store = keeping(&set.world);
    let (keeper, _) = keeper_of(&store);
    assert!(
        keeper
            .no_mailbox()
            .unwrap()
            .to_string()
            .contains("tokens.db.mailbox")
    );
    assert_eq!(store.has_keeper(), None);
    assert_eq!(fs::read(&trap).unwrap(), b"as it was");
}

/// The store's owner may not give a file to a group that it is not in. A setgid directory does.
#[test]
fn a_keeper_outside_of_the_stores_group_says_how_its_mailbox_gets_that_group() {
    needs_root!();
    const READERS: u32 = 1;
    let world = World::with_account(json!({}));
    let directory = world.directory.path();
    chown(directory, Some(NOBODY), Some(NOBODY)).unwrap();
    drop(world.open_shop("official"));
    chown(world.store(), None, Some(READERS)).unwrap();
    fs::set_permissions(world.store(), fs::Permissions::from_mode(0o640)).unwrap();
    let lack = || {
        let keeps = || {
            drop_privileges();
            let store = keeping(&world);
            let (keeper, _) = keeper_of(&store);
            keeper.no_mailbox().map_or("open".into(), Error::for_c)
        };
        Child::fork(keeps).join()
    };
    let said = lack();
    let store = world.store();
    let (file, place) = (store.display(), directory.display());
    let remedy = format!("chgrp --reference {file} {place} && chmod g+s {place}");
    assert!(said.contains(&remedy), "{said}");
    let status = Command::new("sh").args(["-c", &remedy]).status().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(lack(), "open");
}

/// The accounts that the keeper has seen are restored with the store, for the same group.
#[test]
fn a_keeper_restores_a_lost_store() {
    needs_root!();
    let set = Set::new(json!({}));
    let Set { world, owner } = set;
    world.add("component", "wxabove", json!({}));
    owner
        .register("above", "component", "wxabove", SECRET)
        .unwrap();
    let (ticket, _) = world.sim.push("wxabove", 0).unwrap();
    owner.put("above", "verify_ticket", &ticket).unwrap();
    // No other process knows the accounts.
    drop(owner);
    let store = keeping(&world);
    let (mut keeper, _) = keeper_of(&store);
    assert_eq!(settled(&mut keeper).without_token, 0);
    fs::remove_file(world.store()).unwrap();
    settled(&mut keeper);
    for name in ["shop", "above"] {
        let said = Child::fork(|| {
            drop_privileges();
            outcome(world.open().get(name))
        });
        let said = said.join();
        assert!(world.accepts(&said), "{name}: {said}");
    }
    // A removed account stays removed.
    store.remove("shop").unwrap();
    settled(&mut keeper);
    let gone = store.get(Some("shop")).err().unwrap();
    assert_eq!(gone.status.name(), "WXTOKEN_E_ACCOUNT");
}

/// Each platform has its own threads, so a wait for one platform delays no other.
#[test]
fn an_account_whose_platform_hangs_delays_no_other() {
    needs_root!();
    let set = Set::new(json!({}));
    set.world.add("official", "wx2", json!({}));
    set.owner
        .register("slow", "official", "wx2", SECRET)
        .unwrap();
    set.world
        .fault(json!({"kind": "hang", "id": "wx2", "times": 0}));
    let _keeper = set.keeper();
    wait_until("it is asked", || {
        set.world.sim.counters_of("wx2").in_flight == 1
    });
    let said = set.reader(|handle| {
        let token = handle.get("shop").unwrap().value;
        let rejected = reject_by_keeper(handle, &token).is_ok();
        let ticket = handle.get("shop/jsapi_ticket").is_ok();
        format!("{rejected} {ticket}")
    });
    assert_eq!(said.join(), "true true");
    assert_eq!(set.world.sim.counters_of("wx2").in_flight, 1);
    set.world.sim.clear_faults();
}

/// A platform that hangs for all its accounts occupies most threads, but not all.
#[test]
fn a_platform_that_hangs_leaves_threads_to_the_others() {
    needs_root!();
    const HANG: u64 = 24;
    let set = Set::new(json!({}));
    let world = &set.world;
    for number in 0..40 {
        let id = format!("slow{number}");
        world.add("official", &id, json!({}));
        set.owner.register(&id, "official", &id, SECRET).unwrap();
    }
    world.fault(json!({"kind": "hang", "path": STABLE, "times": 0}));
    let store = keeping(world);
    store.set("timeout_ms", "600000").unwrap();
    let other = World::new();
    store.set("work_base_url", other.sim.http()).unwrap();
    let (mut keeper, told) = keeper_of(&store);
    wait_until("the platform hangs for as many as may ask it", || {
        let pass = keeper.pass().unwrap();
        let in_flight = world.sim.counters().in_flight;
        assert!(
            in_flight <= HANG && pass.in_flight <= 41,
            "{in_flight} {pass:?}"
        );
        in_flight == HANG && pass.in_flight == 41
    });
    other.add("work", "ww1", json!({}));
    set.owner.register("zz", "work", "ww1", SECRET).unwrap();
    wait_until("the other platform's token is there", || {
        keeper.pass().unwrap();
        other.sim.counters_of("ww1").minted == 1
    });
    assert_eq!(world.sim.counters_of("wx1").minted, 0);
    assert!(failures(&told.lock().unwrap()).is_empty());
}

/// The reader may know the account by another name.
#[test]
fn a_credential_that_a_reader_waits_for_is_fetched_before_the_queue() {
    needs_root!();
    const BUSY: usize = 24;
    let set = Set::new(json!({}));
    for number in 0..120 {
        let name = format!("a{number:03}");
        set.world.add("official", &name, json!({}));
        set.owner
            .register(&name, "official", &name, SECRET)
            .unwrap();
    }
    set.owner
        .register("other", "official", "a119", SECRET)
        .unwrap();
    set.world
        .fault(json!({"kind": "hang", "path": STABLE, "times": BUSY}));
    let store = keeping(&set.world);
    // Long enough for all of them to begin before the first one ends.
    store.set("timeout_ms", "20000").unwrap();
    let (mut keeper, told) = keeper_of(&store);
    wait_until("the limit of fetches is under way", || {
        keeper.pass().unwrap();
        set.world.sim.counters().in_flight == BUSY as u64
    });
    let mut mailbox = fs::File::options().write(true).open(set.mailbox()).unwrap();
    std::io::Write::write_all(&mut mailbox, b"{\"want\":\"other\"}\n").unwrap();
    let mut before = Vec::new();
    wait_until("it is fetched", || {
        keeper.pass().unwrap();
        let told = told.lock().unwrap();
        let fetched = told
            .iter()
            .filter(|kept| matches!(kept.outcome, Outcome::Fetched { .. }));
        before = fetched.map(|kept| kept.name.clone()).collect();
        before.contains(&"a119".into())
    });
    before.truncate(before.iter().position(|name| name == "a119").unwrap());
    // Some that began with it or later may be reported before it. In the order of the queue it would be the last of 97.
    assert!(before.len() < 60, "{before:?}");
}

/// Faults row 82: a newer version has changed one account to a kind that this version does not know.
#[test]
fn a_keeper_skips_an_account_of_an_unknown_kind_and_keeps_the_others() {
    let world = World::with_account(json!({}));
    world.add("official", "wx2", json!({}));
    let handle = world.open_shop("official");
    handle.register("stall", "official", "wx2", SECRET).unwrap();
    let store = keeping(&world);
    let (mut keeper, _) = keeper_of(&store);
    assert_eq!(settled(&mut keeper).credentials, 2);
    let newer = "UPDATE weixin_account SET kind = 'official_v9' WHERE name = 'stall'";
    common::sqlite(&world.store(), newer);
    world.expire_all();
    let requests = world.requests();
    let pass = settled(&mut keeper);
    assert_eq!((world.requests(), pass.without_token), (requests + 1, 0));
    assert_eq!((pass.accounts, pass.credentials), (1, 1));
    let told: Vec<String> = pass.left_out.iter().map(ToString::to_string).collect();
    let why = "account \"stall\": kind \"official_v9\" is not known to this version: upgrade";
    assert_eq!(told, [why]);
    // The account does not count as lost. Otherwise the keeper would keep looking.
    let rests = settled(&mut keeper).next_ms;
    assert!(rests > 10_000, "{rests}");
    let failure = handle.get("stall").unwrap_err();
    assert_eq!(failure.status as i32, 2, "{failure:?}");
    assert!(
        failure.message.contains("Upgrade libwxtoken"),
        "{failure:?}"
    );
}

/// The event handler may write to a log that fails.
#[test]
fn a_panic_in_the_event_handler_stops_no_fetch() {
    needs_root!();
    let set = Set::new(json!({}));
    let store = keeping(&set.world);
    let keeper = store.keeper(Arc::new(|_: &KeeperEvent| panic!("nobody listens")));
    let mut keeper = keeper.unwrap();
    settled(&mut keeper);
    let token = set.owner.get("shop").unwrap().value;
    set.world.sim.revoke("wx1");
    set.owner.reject("shop", &token).unwrap();
    let pass = settled(&mut keeper);
    assert_eq!((pass.without_token, set.minted(STABLE)), (0, 2));
    keeper.end();
}

/// A ticket without its parent's token has not failed by itself, and is not reported at each pass.
#[test]
fn a_ticket_without_its_parent_is_reported_once_and_waits() {
    needs_root!();
    let set = Set::new(json!({}));
    let ticket = set.owner.get("shop/jsapi_ticket").unwrap().value;
    let token = set.owner.get("shop").unwrap().value;
    set.world
        .fault(json!({"kind": "errcode", "errcode": 50001, "path": STABLE, "times": 0}));
    // The platform refuses the token, so the check does not bring it back.
    set.world.sim.revoke("wx1");
    set.owner.reject("shop/jsapi_ticket", &ticket).unwrap();
    set.owner.reject("shop", &token).unwrap();
    let store = keeping(&set.world);
    let (mut keeper, told) = keeper_of(&store);
    for _ in 0..20 {
        settled(&mut keeper);
        // A change of the store, such as the keeper's own attempt, causes no new attempt.
        keeper.store_changed();
    }
    let of_ticket = |kept: &&KeeperEvent| kept.name == "shop/jsapi_ticket";
    let told: Vec<KeeperEvent> = told
        .lock()
        .unwrap()
        .iter()
        .filter(of_ticket)
        .cloned()
        .collect();
    assert!(
        matches!(&told[..], [event] if matches!(event.outcome, Outcome::Failed(_))),
        "{told:?}"
    );
    set.world.sim.clear_faults();
    keeper.look_again();
    drop(keeper);
}

/// An example is a missing certificate file: each attempt changes the store, and must not cause the next.
#[test]
fn a_local_fault_of_the_keeper_is_not_retried_at_each_change_of_the_store() {
    needs_root!();
    let set = Set::new(json!({}));
    let store = keeping(&set.world);
    let fleeting = set.world.directory.path().join("ca.pem");
    fs::copy(set.world.sim.ca_file(), &fleeting).unwrap();
    store.set("api_base_url", set.world.sim.https()).unwrap();
    store.set("ca_file", fleeting.to_str().unwrap()).unwrap();
    fs::remove_file(&fleeting).unwrap();
    let (mut keeper, told) = keeper_of(&store);
    let began = Instant::now();
    settled(&mut keeper);
    for _ in 0..20 {
        let pass = keeper.pass().unwrap();
        // The keeper waits for two seconds. A machine may stand still for longer.
        let is_retried = pass.in_flight > 0 && began.elapsed() < Duration::from_secs(2);
        assert_eq!((is_retried, pass.without_token), (false, 1));
        keeper.store_changed();
    }
    assert_eq!(failures(&told.lock().unwrap()).len(), 1);
    // The operator tells the keeper when it is fixed.
    fs::copy(set.world.sim.ca_file(), &fleeting).unwrap();
    keeper.look_again();
    assert_eq!(settled(&mut keeper).without_token, 0);
}

/// A line that its writer left unfinished spoils no other message.
#[test]
fn an_unfinished_message_in_the_mailbox_spoils_no_other() {
    needs_root!();
    let set = Set::new(json!({}));
    let _keeper = set.keeper();
    let mailbox = set.mailbox();
    let said = set.reader(|handle| {
        use std::io::Write;
        let mut file = fs::File::options().write(true).open(&mailbox).unwrap();
        let _ = handle.get("shop");
        let mut said = Vec::new();
        for credential in ["jsapi_ticket", "card_ticket"] {
            file.write_all(b"half a mess").unwrap();
            said.push(outcome(handle.get(&format!("shop/{credential}"))));
        }
        said.join(" ")
    });
    let said = said.join();
    assert!(!said.contains("WXTOKEN_E_"), "{said}");
}

#[test]
fn only_a_user_who_can_read_the_key_can_keep() {
    needs_root!();
    let set = Set::new(json!({}));
    let said = set.reader(|_| {
        let store = keeping(&set.world);
        let refused = store.keeper(Arc::new(|_: &KeeperEvent| ())).err().unwrap();
        format!("{} {refused}", refused.status.name())
    });
    let said = said.join();
    for part in ["E_SECRET", "tokens.db.key", "owned by root", "nobody"] {
        assert!(said.contains(part), "{said}");
    }
}

/// The store may be emptied between two steps of one pass too. The keeper forgets only accounts that an operator
/// removed.
#[test]
fn a_store_emptied_at_any_moment_gets_its_accounts_back() {
    needs_root!();
    let set = Set::new(json!({}));
    let Set { world, owner } = set;
    drop(owner);
    let store = keeping(&world);
    let (mut keeper, _) = keeper_of(&store);
    settled(&mut keeper);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let lose = scope.spawn(|| {
            for i in 0..1000 {
                let _ = fs::remove_file(world.store());
                std::thread::sleep(Duration::from_micros(100 + 37 * (i % 50)));
            }
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            // The store may be lost during this pass.
            let _ = keeper.pass();
        }
        lose.join().unwrap();
    });
    wait_until("the account is back", || {
        keeper
            .pass()
            .is_ok_and(|pass| pass.accounts == 1 && pass.without_token == 0)
    });
    let mode = fs::metadata(world.store()).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode, 0o640);
}
