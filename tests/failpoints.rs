//! Leaders that die or freeze at one exact moment between their claim and their commit.

use std::time::{Duration, Instant};

use ::wxtoken::{Failpoint, arm};
use common::{Child, Handle, SECRET, World, outcome, until_unspoiled};
use serde_json::{Value, json};

const KINDS: [&str; 2] = ["official", "official_classic"];

/// The timeout of a leader that is killed, and so the length of its lease.
const LONG_MS: &str = "60000";

/// A leader in a separate process that stops or dies when it reaches `point`.
fn leader(handle: &Handle, point: Failpoint, signal: i32) -> Child {
    let child = leader_in_time(handle, point, signal);
    child.expect("a leader that reaches the moment")
}

/// A leader with a short timeout. Returns None if its time was up before it reached `point`.
fn leader_in_time(handle: &Handle, point: Failpoint, signal: i32) -> Option<Child> {
    let child = Child::fork(|| {
        if signal == libc::SIGKILL {
            handle.set("timeout_ms", LONG_MS).unwrap();
        }
        arm(point, signal);
        outcome(handle.get("shop"))
    });
    if child.is_halted_by(signal) {
        return Some(child);
    }
    child.join();
    None
}

fn row(handle: &Handle) -> Value {
    handle.report()["accounts"][0]["tokens"][0].clone()
}

/// Faults row 3, and row 2 at every other moment: the next caller fetches at once. Nothing of the dead leader's answer
/// is stored, not even a part.
#[test]
fn a_leader_killed_at_any_moment_is_replaced_at_once_and_leaves_no_half_row() {
    // The moment, and the number of tokens it has cost by then.
    let moments = [
        (Failpoint::Looked, 0),
        (Failpoint::Locked, 0),
        (Failpoint::Claimed, 0),
        (Failpoint::Sending, 0),
        (Failpoint::Replied, 1),
        (Failpoint::Saving, 1),
    ];
    for kind in KINDS {
        for (moment, minted) in moments {
            let world = World::with_account(json!({"renew_window_ms": 7_200_000}));
            let handle = world.open_shop(kind);
            let killed = leader(&handle, moment, libc::SIGKILL);
            assert_eq!(world.minted(), minted, "{kind} {moment:?}");
            let left = row(&handle);
            // Before the claim the row does not exist.
            let is_empty = left["state"] == "none" && left["fetches"] == 0;
            assert!(left.is_null() || is_empty, "{kind} {moment:?}: {left}");
            // A frozen leader would have held its lease for seven times the timeout of this call.
            let token = handle.get("shop").unwrap();
            assert!(world.accepts(&token.value), "{kind} {moment:?}");
            assert_eq!(world.minted(), minted + 1, "{kind} {moment:?}");
            assert_eq!(row(&handle)["fetches"], 1);
            killed.join();
        }
    }
}

/// Faults row 3, after the commit: the token is stored, and costs nothing more.
#[test]
fn a_leader_killed_after_its_commit_leaves_its_token() {
    for kind in KINDS {
        let world = World::with_account(json!({}));
        let handle = world.open_shop(kind);
        let killed = leader(&handle, Failpoint::Saved, libc::SIGKILL);
        let token = handle.get("shop").unwrap();
        assert!(world.accepts(&token.value));
        assert_eq!(world.minted(), 1);
        killed.join();
    }
}

/// Faults row 3 in the soft window: no caller waits, because the old token is still good.
#[test]
fn a_leader_killed_in_the_soft_window_makes_no_caller_wait() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let old = handle.get("shop").unwrap();
    world.pass_refresh_times();
    assert_eq!(row(&handle)["state"], "usable");
    let killed = leader(&handle, Failpoint::Replied, libc::SIGKILL);
    let next = handle.get("shop").unwrap();
    assert_ne!(next.value, old.value, "this caller leads the next refresh");
    assert!(world.accepts(&next.value));
    assert_eq!(row(&handle)["fetches"], 2);
    killed.join();
}

/// Faults row 1, and row 5 before there is a lease: a process about to lead finds the token that another one fetched.
#[test]
fn a_leader_frozen_before_its_claim_is_replaced_and_does_not_fetch_later() {
    for kind in KINDS {
        for moment in [Failpoint::Looked, Failpoint::Locked] {
            let world = World::with_account(json!({}));
            let handle = world.open_shop(kind);
            let frozen = leader(&handle, moment, libc::SIGSTOP);
            let token = handle.get("shop").unwrap();
            frozen.signal(libc::SIGCONT);
            assert_eq!(frozen.join(), token.value, "{kind} {moment:?}");
            assert_eq!(world.requests(), 1, "{kind} {moment:?}");
        }
    }
}

/// Faults row 6: the late answer is the older or the newer token. It overwrites nothing in either case.
#[test]
fn a_leader_that_wakes_after_another_has_published_overwrites_nothing() {
    std::thread::scope(|scope| {
        for kind in KINDS {
            for moment in [Failpoint::Claimed, Failpoint::Sending, Failpoint::Replied] {
                scope.spawn(move || until_unspoiled(|| wakes_late(kind, moment)));
            }
        }
    });
}

fn wakes_late(kind: &str, moment: Failpoint) -> Option<()> {
    // Without grace, a classic fetch ends the previous token at once.
    let world = World::with_account(json!({"grace_ms": 0}));
    let late = world.open_shop(kind);
    late.set("timeout_ms", "2000").unwrap();
    let handle = world.open_shop(kind);
    handle.set("revalidate_ms", "0").unwrap();

    let frozen = leader_in_time(&late, moment, libc::SIGSTOP)?;
    if moment == Failpoint::Replied && world.minted() == 0 {
        // Its time was up before the platform answered.
        frozen.signal(libc::SIGKILL);
        frozen.join();
        return None;
    }
    let newer = handle.get("shop").unwrap();
    assert!(world.accepts(&newer.value), "{kind} {moment:?}");
    let published = row(&handle);
    frozen.signal(libc::SIGCONT);
    let said = frozen.join();
    if moment == Failpoint::Sending && kind == "official_classic" {
        // The late leader neither waits for the answer nor sends a body after the head, because its time is up.
        common::wait_until("the late request is there", || world.requests() == 2);
    }
    let after = row(&handle);
    for kept in ["fetched_by", "fetched_at", "expires_at", "fetches"] {
        assert_eq!(after[kept], published[kept], "{kind} {moment:?} {kept}");
    }
    assert_eq!(
        after["last_error"],
        Value::Null,
        "{kind} {moment:?}: {said}"
    );

    // If the late fetch may have ended the newer token, one more fetch replaces it.
    let next = handle.get("shop").unwrap();
    assert!(world.accepts(&next.value), "{kind} {moment:?}: {said}");
    let in_doubt = kind == "official_classic" && moment != Failpoint::Claimed;
    assert_eq!(
        next.value != newer.value,
        in_doubt,
        "{kind} {moment:?}: {said}"
    );
    let fetches = if in_doubt { 2 } else { 1 };
    assert_eq!(row(&handle)["fetches"], fetches, "{kind} {moment:?}");
    assert_eq!(handle.get("shop").unwrap().value, next.value);
    Some(())
}

/// Faults row 6 in the soft window: the late request may end the token that another process has fetched meanwhile.
#[test]
fn a_leader_that_wakes_in_the_soft_window_overwrites_nothing() {
    for (moment, late_requests) in [(Failpoint::Sending, 1), (Failpoint::Replied, 0)] {
        until_unspoiled(|| {
            let world = World::with_account(json!({"grace_ms": 0}));
            let handle = world.open_shop("official_classic");
            handle.set("revalidate_ms", "0").unwrap();
            handle.get("shop").unwrap();
            let late = world.open_shop("official_classic");
            late.set("timeout_ms", "1500").unwrap();
            world.pass_refresh_times();
            let frozen = leader_in_time(&late, moment, libc::SIGSTOP)?;
            let asked = world.requests();
            if asked != 2 - late_requests {
                // Its time was up before its request was there.
                frozen.signal(libc::SIGKILL);
                frozen.join();
                return None;
            }
            let mut newer = handle.get("shop").unwrap();
            common::wait_until("another process leads when the lease is over", || {
                newer = handle.get("shop").unwrap();
                world.requests() > asked
            });
            assert!(world.accepts(&newer.value));
            frozen.signal(libc::SIGCONT);
            frozen.join();
            common::wait_until("the late request has ended it", || {
                moment == Failpoint::Replied || !world.accepts(&newer.value)
            });
            let next = handle.get("shop").unwrap();
            assert!(world.accepts(&next.value));
            assert_eq!(world.requests(), asked + 2 + late_requests, "{moment:?}");
            Some(())
        });
    }
}

/// Faults rows 6 and 31: the effect of a late request is as unknown after a reset as after an answer.
#[test]
fn a_late_request_that_is_reset_leaves_the_newer_token_in_doubt() {
    until_unspoiled(|| {
        let world = World::with_account(json!({"grace_ms": 0}));
        let late = world.open_shop("official_classic");
        late.set("timeout_ms", "1500").unwrap();
        let handle = world.open_shop("official_classic");
        handle.set("revalidate_ms", "0").unwrap();
        let frozen = leader_in_time(&late, Failpoint::Sending, libc::SIGSTOP)?;
        let newer = handle.get("shop").unwrap();
        world.fault(json!({"id": "wx1", "kind": "reset_after"}));
        frozen.signal(libc::SIGCONT);
        let said = frozen.join();
        // Its time is up, so it does not see the reset.
        assert!(said.contains("E_TIMEOUT"), "{said}");
        common::wait_until("the late request has ended it", || {
            !world.accepts(&newer.value)
        });
        let next = handle.get("shop").unwrap();
        assert!(world.accepts(&next.value));
        assert_eq!(world.requests(), 3);
        Some(())
    });
}

/// Faults row 19 at the worst moment: between the beginning of the transaction and its first write.
#[test]
fn a_store_deleted_during_a_save_does_not_lose_the_token() {
    for kind in KINDS {
        until_unspoiled(|| {
            let world = World::with_account(json!({}));
            let handle = world.open_shop(kind);
            let began = Instant::now();
            let saving = leader(&handle, Failpoint::Saving, libc::SIGSTOP);
            std::fs::remove_file(world.store()).unwrap();
            saving.signal(libc::SIGCONT);
            // A leader tries to save for two seconds.
            let in_time = began.elapsed() < Duration::from_millis(1500);
            let said = saving.join();
            if !in_time {
                return None;
            }
            assert_eq!(handle.get("shop").unwrap().value, said, "{kind}");
            assert_eq!(world.minted(), 1, "{kind}");
            Some(())
        });
    }
}

/// Faults row 5: all waiters give up on a frozen leader together, and one of them fetches.
#[test]
fn a_crowd_that_passes_over_a_frozen_leader_makes_one_fetch() {
    until_unspoiled(|| {
        let world = World::with_account(json!({"delay_ms": 300}));
        let late = world.open_shop("official_classic");
        late.set("timeout_ms", "1000").unwrap();
        let handle = world.open_shop("official_classic");
        handle.set("timeout_ms", LONG_MS).unwrap();
        let frozen = leader_in_time(&late, Failpoint::Claimed, libc::SIGSTOP)?;
        let crowd: Vec<Child> = (0..12)
            .map(|_| Child::fork(|| outcome(handle.get("shop"))))
            .collect();
        let got: Vec<String> = crowd.into_iter().map(Child::join).collect();
        assert!(got.iter().all(|token| *token == got[0]), "{got:?}");
        assert_eq!(world.requests(), 1, "{got:?}");
        frozen.signal(libc::SIGKILL);
        frozen.join();
        Some(())
    });
}

/// A slow disk for the thread that syncs a file of the store, made by a signal handler on that thread.
mod slow_disk {
    use std::sync::atomic::{AtomicBool, Ordering};

    static IS_STALLED: AtomicBool = AtomicBool::new(false);
    static GOES_ON: AtomicBool = AtomicBool::new(false);

    extern "C" fn stall(_signal: libc::c_int) {
        IS_STALLED.store(true, Ordering::SeqCst);
        while !GOES_ON.load(Ordering::SeqCst) {
            // SAFETY: poll may be called in a signal handler.
            unsafe { libc::poll(std::ptr::null_mut(), 0, 1) };
        }
    }

    /// Makes the next sync of this process wait until `go_on` is called.
    pub fn arm() {
        // SAFETY: the handler only reads and writes two flags.
        unsafe { libc::signal(libc::SIGUSR1, stall as *const () as libc::sighandler_t) };
        ::wxtoken::arm(::wxtoken::Failpoint::Syncing, libc::SIGUSR1);
    }

    pub fn is_stalled() -> bool {
        IS_STALLED.load(Ordering::SeqCst)
    }

    pub fn go_on() {
        GOES_ON.store(true, Ordering::SeqCst);
    }
}

/// Faults row 89: forks, gets of good tokens and other stores go on. A call that needs the store ends at its deadline.
#[test]
fn a_disk_that_stalls_under_one_writer_delays_only_that_writer() {
    let world = World::with_account(json!({}));
    let other = World::with_account(json!({}));
    let said = Child::fork(|| {
        let handle = world.open_shop("official");
        let elsewhere = other.open_shop("official");
        for handle in [&handle, &elsewhere] {
            handle.set("revalidate_ms", "0").unwrap();
            handle.get("shop").unwrap();
        }
        std::thread::scope(|scope| {
            slow_disk::arm();
            let writer = scope.spawn(|| {
                let writer = world.open();
                writer.register("shop2", "official", "wx1", common::SECRET)
            });
            common::wait_until("a sync stalls", slow_disk::is_stalled);
            // The disk is released only after these calls. A call that waits for the disk would hang.
            let token = outcome(handle.get("shop"));
            let child = Child::fork(|| outcome(elsewhere.get("shop"))).join();
            let same = child == outcome(elsewhere.get("shop"));
            elsewhere
                .register("shop2", "official", "wx1", common::SECRET)
                .unwrap();
            handle.set("timeout_ms", "300").unwrap();
            let late = handle.register("shop3", "official", "wx1", common::SECRET);
            slow_disk::go_on();
            let written = writer.join().unwrap().is_ok();
            let late = late.unwrap_err();
            let named = late.message.contains("another thread to release store");
            handle.set("timeout_ms", "60000").unwrap();
            let there = handle.get("shop2").is_ok();
            format!(
                "{} {same} {written} {there} {:?} {named}",
                token.len() > 100,
                late.status
            )
        })
    })
    .join();
    assert_eq!(said, "true true true true WXTOKEN_E_TIMEOUT true");
}

/// Faults row 87: a transaction keeps its lock when the host closes one of its descriptors in the middle.
#[test]
fn a_transaction_whose_descriptor_is_closed_still_excludes_other_processes() {
    for which in [0, 1] {
        let world = World::with_account(json!({}));
        let said = Child::fork(|| {
            let handle = world.open_shop("official");
            let store = world.store().canonicalize().unwrap();
            std::thread::scope(|scope| {
                slow_disk::arm();
                let writer = scope.spawn(|| {
                    let writer = world.open();
                    writer.register("shop2", "official", "wx1", common::SECRET)
                });
                common::wait_until("a sync stalls", slow_disk::is_stalled);
                let open = std::fs::read_dir("/proc/self/fd").unwrap();
                let of_store = open.filter_map(|entry| {
                    let entry = entry.unwrap();
                    let target = std::fs::read_link(entry.path()).ok()?;
                    let fd: i32 = entry.file_name().to_str()?.parse().ok()?;
                    (target == store).then_some(fd)
                });
                let mut of_store: Vec<i32> = of_store.collect();
                of_store.sort_unstable();
                // SAFETY: this is the host's bug.
                unsafe { libc::close(of_store[which]) };
                let other = std::process::Command::new("sqlite3")
                    .arg(&store)
                    .arg("BEGIN IMMEDIATE; SELECT 'let in'")
                    .output()
                    .unwrap();
                slow_disk::go_on();
                let written = writer.join().unwrap().map_err(|e| e.message);
                let there = handle.get("shop2").is_ok();
                let other = String::from_utf8(other.stdout).unwrap();
                format!("{} {other}{written:?} {there}", of_store.len())
            })
        })
        .join();
        assert_eq!(said, "2 Ok(()) true", "{which}");
    }
}

/// Faults row 96: keys are changed while a secret is on its way to the store, and the key file is unreadable at that
/// moment.
#[test]
fn a_secret_is_not_written_while_its_key_may_be_gone() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let key = world.store().with_added_extension("key");
    let aside = key.with_added_extension("aside");
    let late = Child::fork(|| {
        arm(Failpoint::Sealed, libc::SIGSTOP);
        match handle.register("late", "official", "wx1", SECRET) {
            Ok(()) => "registered".into(),
            Err(failed) => format!("{:?} {}", failed.status, failed.message),
        }
    });
    late.wait_for(libc::SIGSTOP);
    let operator = ::wxtoken::tool::Store::open(world.store().to_str()).unwrap();
    assert_eq!(operator.rekey().unwrap(), 1);
    std::fs::rename(&key, &aside).unwrap();
    std::fs::create_dir(&key).unwrap();
    late.signal(libc::SIGCONT);
    let said = late.join();
    assert!(
        said.contains("E_STORE") && said.contains("key file"),
        "{said}"
    );
    std::fs::remove_dir(&key).unwrap();
    std::fs::rename(&aside, &key).unwrap();
    handle.register("late", "official", "wx1", SECRET).unwrap();
    // A key change opens each secret.
    assert_eq!(operator.rekey().unwrap(), 2);
    assert!(world.accepts(&handle.get("late").unwrap().value));
}
