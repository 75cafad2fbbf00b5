//! Tests of a row's rules. The moment is a parameter of each rule.

use super::lease::LONGEST_LEASE_MS;
use super::rejection::{GAP_MS, MAX_FORCED_REFRESHES_PER_DAY};
use super::transitions::{self, SUCCESSOR_MS};
use super::*;
use crate::clock::Now;
use crate::error::{Error, Status};
use crate::platform::errcodes::{Wait, platform_day};
use crate::platform::{FetchError, Grant, MAX_TOKEN};

pub(super) const START: Now = Now {
    wall_ms: 1_800_000_000_000,
    steady_ms: 50_000,
    epoch: "boot",
};

/// Returns the moment as seen by a process in another epoch. An empty epoch is of a process that cannot read it.
fn in_epoch(now: Now, epoch: &'static str) -> Now {
    Now { epoch, ..now }
}

/// The remedies of a token that can be forced and not checked.
pub(super) const FORCE: Remedies = Remedies {
    force: true,
    check: false,
};

pub(super) fn failure(message: &str, wait: Wait) -> FetchError {
    FetchError {
        error: Error::new(Status::Network, message),
        wait,
        not_sent: true,
        stale_parent: false,
        blames_secret: false,
    }
}

pub(super) fn lease() -> Lease {
    Lease {
        id: 7,
        slot: 0,
        length_ms: 1000,
    }
}

pub(super) fn granted(token: &str, expires_in_s: i64) -> Grant {
    Grant {
        token: token.into(),
        expires_in_s,
        renewed: None,
    }
}

/// Concludes a rejection that was not checked, with a forced fetch or without.
fn conclude(row: &mut Row, plan: FetchPlan, forced: bool, at: Now) {
    let learned = RejectionOutcome {
        verdict: None,
        forced,
    };
    row.conclude_rejection(7, plan.rejection, &learned, at);
}

pub(super) fn fetched(row: &mut Row, token: &str, expires_in_s: i64, at: Now) -> FetchPlan {
    let plan = row.claim(lease(), FORCE, at);
    conclude(row, plan, plan.rejection.force, at);
    assert!(row.grant(7, &granted(token, expires_in_s), at, 270));
    plan
}

pub(super) fn refused(row: &mut Row, wait: Wait, at: Now) {
    row.claim(lease(), FORCE, at);
    row.record_failure(7, &failure("down", wait), 8000, at);
}

#[test]
fn a_token_is_fresh_then_usable_then_spent() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    assert_eq!(row.freshness(START.plus(6_900_000)), Freshness::Fresh);
    assert_eq!(row.freshness(START.plus(6_950_000)), Freshness::Usable);
    assert_eq!(row.freshness(START.plus(7_199_999)), Freshness::Usable);
    assert_eq!(row.freshness(START.plus(7_200_000)), Freshness::Spent);
}

/// A file or a server may hold any text. A longer one would not fit into the memory of a caller in C.
#[test]
fn a_text_that_is_no_token_is_not_served() {
    for (token, is_sound) in [
        ("x".repeat(MAX_TOKEN), true),
        ("x".repeat(MAX_TOKEN + 1), false),
        (String::new(), false),
        ("a\0b".into(), false),
        ("a b".into(), false),
    ] {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        row.token = Some(token);
        let is_served = row.freshness(START) == Freshness::Fresh;
        assert_eq!(is_served, is_sound, "{:?}", row.token);
        assert_eq!(row.sound_token().is_some(), is_sound, "{:?}", row.token);
    }
}

#[test]
fn the_refresh_moment_is_spread_by_seven_percent() {
    for _ in 0..1000 {
        let ahead = transitions::ahead(7_200_000, 270, false);
        assert!((251_100..=288_900).contains(&ahead), "{ahead}");
        let short = transitions::ahead(5000, 270, false);
        assert!((465..=535).contains(&short), "{short}");
    }
}

#[test]
fn no_clock_alone_keeps_a_token_alive() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    let set_back = Now {
        wall_ms: START.wall_ms - 86_400_000,
        steady_ms: START.steady_ms + 7_200_000,
        ..START
    };
    assert_eq!(row.freshness(set_back), Freshness::Spent);
    let set_forward = Now {
        wall_ms: START.wall_ms + 7_200_000,
        steady_ms: START.steady_ms,
        ..START
    };
    assert_eq!(row.freshness(set_forward), Freshness::Spent);
    // After a reboot the boot clock says nothing. A wall clock before the fetch says nothing either.
    let rebooted = Now {
        wall_ms: START.wall_ms - 7_200_000,
        steady_ms: 5,
        epoch: "next",
    };
    assert_eq!(row.freshness(rebooted), Freshness::Spent);
    let later = Now {
        wall_ms: START.wall_ms + 60_000,
        steady_ms: 5,
        epoch: "next",
    };
    assert_eq!(row.freshness(later), Freshness::Fresh);
}

#[test]
fn the_same_token_again_is_asked_for_close_to_its_end() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    fetched(&mut row, "A", 600, START.plus(6_600_000));
    let ahead = row.expires_at - row.refresh_at;
    assert!((251_000..=289_000).contains(&ahead), "{ahead}");
    fetched(&mut row, "A", 270, START.plus(6_930_000));
    assert_eq!(row.expires_at - row.refresh_at, 270_000 / 8);
}

#[test]
fn a_late_leader_changes_nothing() {
    let mut row = Row::default();
    row.claim(lease(), FORCE, START);
    let second = Lease { id: 8, ..lease() };
    assert!(row.lease_has_run_out(START.plus(1000)));
    row.claim(second, FORCE, START.plus(2000));
    assert!(row.grant(8, &granted("new", 7200), START.plus(2000), 270));
    let saved = row.clone();
    assert!(!row.grant(7, &granted("old", 7200), START, 270));
    row.record_failure(7, &failure("late", Wait::BackOff), 8000, START);
    assert_eq!(row, saved);
}

#[test]
fn a_lease_counts_for_a_process_without_the_boot_id() {
    let mut row = Row::default();
    row.claim(lease(), FORCE, in_epoch(START, ""));
    assert!(row.lease_is_active(START), "its holder did not know");
    row.claim(lease(), FORCE, START);
    assert!(
        row.lease_is_active(in_epoch(START, "")),
        "this one does not"
    );
    assert!(!row.lease_is_active(in_epoch(START, "another boot")));
    let rebooted = Now {
        steady_ms: 0,
        ..START
    };
    row.lease_until = LONGEST_LEASE_MS + 1;
    assert!(
        !row.lease_is_active(in_epoch(rebooted, "")),
        "of an earlier boot"
    );
}

#[test]
fn a_failure_stands_for_everybody_until_its_back_off_is_over() {
    let mut row = Row::default();
    refused(&mut row, Wait::Seconds(60), START);
    let standing = row.standing_failure(START.plus(1000), 8000).unwrap();
    assert_eq!(standing.what, "down");
    assert!((47_000..=71_000).contains(&standing.retry_after_ms));
    assert!(row.standing_failure(START.plus(72_001), 8000).is_none());
    assert!(
        row.standing_failure(START.plus(-86_400_000), 8000)
            .is_none()
    );
}

#[test]
fn a_reject_compares_and_fetches_once_in_thirty_seconds() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    assert!(!row.reject("B"));
    assert_eq!(row.freshness(START), Freshness::Fresh);
    assert!(row.reject("A"));
    assert_eq!(row.freshness(START), Freshness::Spent);
    fetched(&mut row, "B", 7200, START.plus(1000));
    assert!(row.reject("B"));
    assert_eq!(row.freshness(START.plus(30_999)), Freshness::Fresh);
    assert_eq!(row.freshness(START.plus(31_000)), Freshness::Spent);
}

#[test]
fn a_rejected_token_is_not_served_while_its_fetch_fails() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    row.reject("A");
    refused(&mut row, Wait::BackOff, START.plus(1000));
    assert_eq!(row.freshness(START.plus(1001)), Freshness::Spent);
    assert!(row.standing_failure(START.plus(1001), 8000).is_some());
    fetched(&mut row, "B", 7200, START.plus(5000));
    assert_eq!(row.freshness(START.plus(5000)), Freshness::Fresh);
}

#[test]
fn a_reject_during_an_earlier_back_off_leaves_the_token_in_use() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    refused(&mut row, Wait::Seconds(3600), START.plus(1000));
    row.reject("A");
    assert_eq!(row.freshness(START.plus(2000)), Freshness::Fresh);
    assert_eq!(row.freshness(START.plus(4_400_000)), Freshness::Spent);
}

#[test]
fn a_force_that_was_never_sent_is_not_counted() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    row.reject("A");
    fetched(&mut row, "A", 7200, START.plus(1000));
    row.reject("A");
    let plan = row.claim(lease(), FORCE, START.plus(40_000));
    assert!(plan.rejection.force && row.forces == 1);
    conclude(&mut row, plan, false, START.plus(40_000));
    assert_eq!(row.forces, 0);
}

#[test]
fn a_timeout_stands_only_for_callers_with_no_more_time() {
    let mut row = Row::default();
    row.claim(lease(), FORCE, START);
    let mut timeout = failure("no answer", Wait::BackOff);
    timeout.error.status = Status::Timeout;
    row.record_failure(7, &timeout, 290, START);
    assert!(row.standing_failure(START, 300).is_some());
    assert!(row.standing_failure(START, 8000).is_none());
    row.claim(lease(), FORCE, START);
    row.record_failure(7, &timeout, 7900, START);
    assert!(row.standing_failure(START, 8000).is_some());
    // The leader's time was over when it claimed.
    row.claim(lease(), FORCE, START);
    row.record_failure(7, &timeout, 0, START);
    assert!(row.standing_failure(START, 1).is_some());
    assert!(row.standing_failure(START, 8000).is_none());
}

#[test]
fn a_fault_of_the_leaders_options_is_not_noted() {
    let mut row = Row::default();
    row.claim(lease(), FORCE, START);
    let fault = failure("no such ca_file", Wait::NotShared);
    let (error, in_time) = row.record_failure(7, &fault, 8000, START);
    assert!(in_time && error.retry_after_ms == 0);
    assert!(row.standing_failure(START, 8000).is_none());
    assert!(!row.lease_is_active(START));
}

#[test]
fn a_row_kept_in_memory_merges_with_what_others_wrote() {
    let mut stored = Row::default();
    fetched(&mut stored, "A", 7200, START);
    let mut kept = stored.clone();
    fetched(&mut kept, "B", 7200, START.plus(1000));
    refused(&mut stored, Wait::Seconds(60), START.plus(500));
    stored.merge(&kept);
    assert_eq!(stored.token.as_deref(), Some("B"));
    assert!(stored.standing_failure(START.plus(1500), 8000).is_none());
    assert!(stored.includes(&kept));
    // A later failure that another process wrote is kept.
    refused(&mut stored, Wait::Seconds(60), START.plus(2000));
    stored.merge(&kept);
    assert!(stored.standing_failure(START.plus(2500), 8000).is_some());
    // A later token is not overwritten, and a rejection of this one is not lost.
    fetched(&mut stored, "C", 7200, START.plus(3000));
    assert!(stored.includes(&kept));
    let mut rejecting = stored.clone();
    rejecting.reject("C");
    stored.merge(&rejecting);
    assert!(stored.rejected);
}

#[test]
fn force_comes_only_after_the_refused_token_was_handed_out_again() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    row.reject("A");
    assert!(
        !fetched(&mut row, "A", 7100, START.plus(1000))
            .rejection
            .force
    );
    assert_eq!(row.freshness(START.plus(1000)), Freshness::Fresh);
    row.reject("A");
    assert!(
        fetched(&mut row, "B", 7200, START.plus(31_000))
            .rejection
            .force
    );
    row.reject("B");
    assert!(
        !fetched(&mut row, "C", 7200, START.plus(62_000))
            .rejection
            .force
    );
}

#[test]
fn force_stays_within_its_daily_budget() {
    let mut row = Row::default();
    let mut at = START;
    let mut forced = 0;
    fetched(&mut row, "A", 2_592_000, at);
    let day = platform_day(START.wall_ms);
    for _ in 0..200 {
        at = at.plus(GAP_MS);
        assert_eq!(platform_day(at.wall_ms), day);
        row.reject("A");
        forced += i64::from(fetched(&mut row, "A", 2_592_000, at).rejection.force);
    }
    assert_eq!(forced, MAX_FORCED_REFRESHES_PER_DAY);
    row.reject("A");
    assert!(
        fetched(&mut row, "A", 2_592_000, at.plus(86_400_000))
            .rejection
            .force
    );
}

#[test]
fn a_wall_clock_set_back_does_not_hold_rejects_up() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    row.reject("A");
    fetched(&mut row, "B", 7200, START);
    row.reject("B");
    let set_back = Now {
        wall_ms: START.wall_ms - 3_600_000,
        steady_ms: START.steady_ms + 1000,
        ..START
    };
    assert_eq!(row.freshness(set_back), Freshness::Spent);
}

fn pushed(word: &str, at: i64) -> StoredSecret {
    StoredSecret {
        sealed: word.into(),
        at,
        put_fingerprint: word.into(),
    }
}

#[test]
fn a_key_text_consists_of_endpoint_id_and_discriminator() {
    let key = CredentialKey {
        endpoint: "stable_token".into(),
        base_url: "https://a".into(),
        id: "wx1".into(),
        discriminator: "s".into(),
    };
    let elsewhere = CredentialKey {
        base_url: "https://b".into(),
        ..key.clone()
    };
    assert_eq!(key.key_text(), elsewhere.key_text());
    let another = CredentialKey {
        id: "wx2".into(),
        ..key.clone()
    };
    assert_ne!(key.key_text(), another.key_text());
}

#[test]
fn a_keepers_window_opens_five_seconds_earlier_or_half_way() {
    let mut row = Row {
        token: Some("A".into()),
        expires_at: START.wall_ms + 7_200_000,
        refresh_at: START.wall_ms + 6_930_000,
        fetched_at: START.wall_ms,
        fetched_steady: START.steady_ms,
        epoch: START.epoch.into(),
        ..Row::default()
    };
    assert_eq!(row.until_keeper_refresh_ms(START), 6_925_000);
    let opens = START.plus(6_925_000);
    assert_eq!(row.keeper_freshness(opens), Freshness::Usable);
    assert_eq!(row.freshness(opens), Freshness::Fresh);
    assert_eq!(row.freshness(START.plus(6_930_000)), Freshness::Usable);
    row.refresh_at = row.expires_at - 600;
    assert_eq!(row.until_keeper_refresh_ms(START), 7_199_100);
    row.refresh_now(START.plus(1000));
    assert_eq!(row.refresh_at, START.wall_ms + 1000);
    row.refresh_now(START.plus(2000));
    assert_eq!(row.refresh_at, START.wall_ms + 1000);
}

#[test]
fn without_a_boot_id_the_wall_clock_alone_counts_but_not_one_set_far_back() {
    let mut row = Row::default();
    row.claim(lease(), FORCE, in_epoch(START, ""));
    assert!(row.grant(7, &granted("A", 7200), in_epoch(START, ""), 270));
    let later = Now {
        wall_ms: START.wall_ms,
        steady_ms: START.steady_ms + 7_200_000,
        ..START
    };
    assert_eq!(row.left_ms(in_epoch(later, "")), 7_200_000);
    assert_eq!(row.left_ms(in_epoch(START.plus(-5000), "")), 7_205_000);
    assert_eq!(row.left_ms(in_epoch(START.plus(-5001), "")), 0);
}

#[test]
fn the_wait_for_a_rejected_token_is_the_gap_or_the_back_off() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    row.reject("A");
    assert_eq!(row.until_rejection_is_due_ms(START), 0);
    fetched(&mut row, "B", 7200, START);
    row.reject("B");
    assert_eq!(row.rejects, 2);
    assert_eq!(row.until_rejection_is_due_ms(START.plus(10_000)), 20_000);
    refused(&mut row, Wait::Seconds(60), START.plus(10_000));
    // A leader has already tried, so the gap does not count.
    let left = row.until_rejection_is_due_ms(START.plus(11_000));
    assert_eq!(left, row.backoff_ms - 1000);
}

#[test]
fn a_lease_runs_out_only_where_there_is_one() {
    let mut row = Row::default();
    assert!(!row.lease_has_run_out(START));
    row.claim(lease(), FORCE, START);
    assert!(!row.lease_has_run_out(START.plus(999)));
    assert!(row.lease_has_run_out(START.plus(1000)));
    row.release_lease(8);
    assert_eq!(row.lease_id, 7, "another's");
    row.release_lease(7);
    assert_eq!((row.lease_id, row.lease_until), (0, 0));
}

#[test]
fn an_expired_token_is_not_replaced_for_its_rejection() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    row.reject("A");
    row.claim(lease(), FORCE, START.plus(7_200_000));
    assert!(!row.replacement_attempted);
    let mut empty = Row {
        rejected: true,
        ..Row::default()
    };
    empty.claim(lease(), FORCE, START);
    assert!(!empty.replacement_attempted);
}

#[test]
fn a_token_keeps_its_age_in_another_boot() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    let rebooted = Now {
        wall_ms: START.wall_ms + 60_000,
        steady_ms: 5,
        epoch: "next",
    };
    row.claim(lease(), FORCE, rebooted);
    assert_eq!(row.fetched_steady, 5 - 60_000);
    assert_eq!(row.left_ms(rebooted), 7_140_000);
}

/// A host without a battery for its clock boots in the past. The claim of the next fetch does not revive the token.
#[test]
fn a_token_from_another_boot_that_is_spent_stays_spent_when_a_leader_claims() {
    for (set_back_ms, is_spent) in [(5001, true), (5000, false)] {
        let mut row = Row::default();
        fetched(&mut row, "A", 7200, START);
        let rebooted = Now {
            wall_ms: START.wall_ms - set_back_ms,
            steady_ms: 5,
            epoch: "next",
        };
        refused(&mut row, Wait::BackOff, rebooted);
        let freshness = row.freshness(rebooted.plus(1));
        assert_eq!(freshness == Freshness::Spent, is_spent, "{set_back_ms}");
        assert!(row.left_ms(rebooted) <= 7_200_000, "{set_back_ms}");
    }
}

#[test]
fn a_secret_put_again_changes_nothing_and_another_forgives_failures() {
    let mut row = Row::default();
    refused(&mut row, Wait::Seconds(60), START);
    assert!(row.put(pushed("one", 1), START));
    assert_eq!((row.failures, row.failed_at, row.backoff_ms), (0, 0, 0));
    assert!(!row.put(pushed("one", 2), START));
    assert_eq!(row.pushed, Some(pushed("one", 1)));
    assert!(row.put(pushed("two", 3), START));
    assert_eq!(row.pushed_before.as_deref(), Some("one".as_bytes()));
    let put = pushed("two", 3);
    assert!(put.is_same(row.pushed.as_ref()) && !put.is_same(None));
    assert!(!put.is_same(Some(&pushed("two", 4))));
    assert!(!put.is_same(Some(&pushed("one", 3))));
}

#[test]
fn a_secret_that_the_platform_sends_replaces_the_one_it_was_sent_for() {
    let mut row = Row::default();
    row.rotate_pushed_secret(vec![1], &Row::default(), START);
    assert_eq!(row.pushed, None, "none was put");
    row.put(pushed("one", 1), START);
    let claimed = row.clone();
    refused(&mut row, Wait::Seconds(60), START);
    row.rotate_pushed_secret(vec![2], &claimed, START);
    let now = row.pushed.clone().unwrap();
    assert_eq!((now.sealed, now.at), (vec![2], START.wall_ms));
    assert_eq!((now.put_fingerprint.as_str(), row.failures), ("one", 0));
    row.rotate_pushed_secret(vec![3], &claimed, START.plus(1));
    assert_eq!(
        row.pushed.unwrap().sealed,
        [2],
        "it has been replaced since"
    );
    assert_eq!(row.pushed_before, Some(vec![3]));
}

#[test]
fn the_last_secret_is_the_newest_though_the_clock_was_set_back() {
    let set_back = START.plus(-3_600_000);
    let mut row = Row::default();
    row.put(pushed("one", START.wall_ms), START);
    let claimed = row.clone();
    for change in [
        |row: &mut Row, claimed: &Row, now: Now| row.rotate_pushed_secret(vec![2], claimed, now),
        |row: &mut Row, _: &Row, now: Now| {
            row.put(pushed("two", now.wall_ms), now);
        },
    ] {
        let mut row = row.clone();
        change(&mut row, &claimed, set_back);
        let last = row.pushed.clone();
        assert_ne!(last, claimed.pushed);
        // Another host keeps the first one.
        assert!(!row.take_kept(claimed.pushed.clone().unwrap()));
        assert_eq!(row.pushed, last);
    }
}

#[test]
fn a_grant_and_failures_are_counted() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    fetched(&mut row, "B", 7200, START);
    assert_eq!(row.fetches, 2);
    refused(&mut row, Wait::Seconds(1), START);
    refused(&mut row, Wait::Seconds(1), START);
    assert_eq!(row.failures, 2);
}

#[test]
fn a_stable_token_of_any_length_has_a_successor_close_to_its_end() {
    assert_eq!(transitions::ahead(300_000, 270, true), 300_000 / 8);
    let boundary = SUCCESSOR_MS * 10 / 9;
    assert_eq!(transitions::ahead(boundary, 270, true), boundary / 8);
    let ahead = transitions::ahead(boundary + 1, 270, true);
    assert!(ahead > boundary / 2, "{ahead}");
}

#[test]
fn a_replacement_that_was_attempted_waits_for_no_gap() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    row.reject("A");
    row.claim(lease(), FORCE, START);
    assert_eq!(row.until_rejection_is_due_ms(START.plus(1000)), 0);
}

#[test]
fn a_third_more_time_is_not_clearly_more() {
    let mut row = Row::default();
    row.claim(lease(), FORCE, START);
    let mut timeout = failure("no answer", Wait::BackOff);
    timeout.error.status = Status::Timeout;
    row.record_failure(7, &timeout, 300, START);
    assert!(row.standing_failure(START, 400).is_some());
    assert!(row.standing_failure(START, 401).is_none());
}

const WRONG: Wait = Wait::Seconds(60);

#[test]
fn the_first_change_after_a_refusal_is_free() {
    let mut row = Row::default();
    assert!(!row.note_change(START), "nothing has failed");
    for minute in 0..5 {
        refused(&mut row, WRONG, START.plus(minute * 60_000));
    }
    let now = START.plus(4 * 60_000 + 10);
    assert!(row.note_change(now));
    assert_eq!((row.failures, row.standing_failure(now, 8000)), (0, None));
}

#[test]
fn changes_that_alternate_cost_one_request_a_minute() {
    for (wait, every_ms) in [(WRONG, 500), (Wait::NextDay, 7000), (WRONG, 61_000)] {
        let mut row = Row::default();
        let mut tries = Vec::new();
        let mut at = 0;
        while at < 3_600_000 {
            let now = START.plus(at);
            row.note_change(now);
            if row.standing_failure(now, 8000).is_none() {
                tries.push(at);
                refused(&mut row, wait, now);
            }
            at += every_ms;
        }
        // A back-off is spread by 20 %.
        let gaps = || tries.windows(2).skip(1).map(|pair| pair[1] - pair[0]);
        assert!(gaps().all(|gap| gap >= 48_000), "{tries:?}");
        assert!(gaps().all(|gap| gap <= 75_000), "{tries:?}");
        assert_eq!(tries[1], every_ms, "the first change is free: {tries:?}");
    }
}

#[test]
fn a_change_is_free_again_after_a_pause_or_a_minute() {
    let mut row = Row::default();
    refused(&mut row, Wait::NextDay, START);
    row.note_change(START.plus(1000));
    refused(&mut row, Wait::NextDay, START.plus(2000));
    row.note_change(START.plus(3000));
    let left = row.standing_failure(START.plus(3000), 8000).unwrap();
    assert_eq!(left.retry_after_ms, 59_000, "a minute after the failure");
    let mut later = row.clone();
    later.note_change(START.plus(62_000));
    assert_eq!(later.failures, 0);
    // Ten minutes after the last change a change is free, even if a fetch has just failed.
    refused(&mut row, Wait::NextDay, START.plus(602_999));
    let mut early = row.clone();
    early.note_change(START.plus(602_999));
    assert_eq!(early.failures, 2);
    row.note_change(START.plus(603_000));
    assert_eq!(row.failures, 0);
    // A clock that was set back does not hold a change back.
    refused(&mut row, WRONG, START.plus(603_000));
    row.note_change(START);
    assert_eq!(row.failures, 0);
}

#[test]
fn a_short_back_off_is_not_made_longer() {
    let mut row = Row::default();
    for at in [0, 10] {
        refused(&mut row, Wait::Seconds(5), START.plus(at));
        row.note_change(START.plus(at));
    }
    assert!((4000..=6000).contains(&row.backoff_ms));
    assert!(!row.shorten_backoff());
    refused(&mut row, Wait::NextDay, START);
    assert!(row.shorten_backoff());
    assert_eq!((row.backoff_ms, row.failures), (60_000, 2));
    row.end_backoff();
    row.backoff_ms = 70_000;
    assert!(!row.shorten_backoff(), "nothing has failed");
}

#[test]
fn a_failure_text_keeps_its_parts_when_times_are_added() {
    let mut row = Row::default();
    row.claim(lease(), FORCE, START);
    let mut told = failure("down", WRONG);
    told.error = told.error.because("a cause").advise("Wait.");
    let whole = told.error.clone();
    row.record_failure(7, &told, 8000, START);
    row.note_change(START);
    row.claim(lease(), FORCE, START);
    row.record_failure(7, &told, 8000, START);
    row.note_change(START);
    let mut standing = row.standing_failure(START, 8000).unwrap();
    standing.retry_after_ms = 0;
    assert_eq!(standing, whole);
    // An older version wrote the failure as plain text.
    let mut old = Row {
        failures: 1,
        failed_at: START.wall_ms,
        last_error: "errcode 40125".into(),
        ..Row::default()
    };
    old.note_change(START);
    (old.failures, old.failed_at, old.backoff_ms) = (1, START.wall_ms, 1000);
    let said = old.standing_failure(START, 8000).unwrap();
    assert_eq!(said.what, "errcode 40125");
}

#[test]
fn a_program_ends_a_back_off_once_a_minute_and_a_person_at_will() {
    let mut row = Row::default();
    assert_eq!(row.end_backoff_for_program(START), Ok(false));
    refused(&mut row, Wait::NextDay, START);
    assert_eq!(row.end_backoff_for_program(START.plus(5)), Ok(true));
    assert_eq!(row.failures, 0);
    refused(&mut row, Wait::NextDay, START.plus(10));
    assert_eq!(row.end_backoff_for_program(START.plus(20)), Err(59_990));
    assert_eq!(row.failures, 1, "nothing is changed");
    let mut person = row.clone();
    assert!(person.end_backoff() && !person.end_backoff());
    assert_eq!(row.end_backoff_for_program(START.plus(60_009)), Err(1));
    assert_eq!(row.end_backoff_for_program(START.plus(60_010)), Ok(true));
    // Changes are counted apart from requests. A request does not hold back a right secret.
    refused(&mut row, WRONG, START.plus(60_020));
    row.note_change(START.plus(60_030));
    assert_eq!(row.failures, 0);
}

#[test]
fn a_removed_row_remembers_its_refusal() {
    let mut row = Row::default();
    fetched(&mut row, "A", 7200, START);
    assert_eq!(row.memory_of_failures(START), None);
    refused(&mut row, WRONG, START);
    (row.last_errcode, row.failed_budget_ms) = (40125, 9000);
    let memory = row.memory_of_failures(START.plus(599_999)).unwrap();
    assert_eq!((memory.token.clone(), memory.fetches), (None, 0));
    let standing = |row: &Row| row.standing_failure(START.plus(10), 8000);
    assert!(standing(&row).is_some());
    assert_eq!(standing(&memory), standing(&row));
    assert_eq!(memory.last_errcode, row.last_errcode);
    assert_eq!(memory.failed_budget_ms, row.failed_budget_ms);
    assert_eq!(row.memory_of_failures(START.plus(600_000)), None);
    // A free change is remembered too. Otherwise each removal would allow a free one.
    row.note_change(START.plus(5));
    let mut memory = row.memory_of_failures(START.plus(6)).unwrap();
    assert_eq!(memory.failures, 0);
    refused(&mut memory, WRONG, START.plus(10));
    memory.note_change(START.plus(11));
    assert_eq!(memory.failures, 1);
}

#[test]
fn a_fresh_span_ends_no_later_than_the_token_is_fresh() {
    let step_ms = 60_000;
    for (lifetime, early, drift) in [
        (7_200_000, 289_000, 0),
        (600_000, 0, 90_000),
        (300_000, -5000, -90_000),
    ] {
        let row = Row {
            token: Some("A".into()),
            fetched_at: START.wall_ms,
            fetched_steady: START.steady_ms,
            epoch: START.epoch.into(),
            refresh_at: START.wall_ms + lifetime - early,
            expires_at: START.wall_ms + lifetime,
            ..Row::default()
        };
        let span = row.fresh_span(START).unwrap();
        let mut fresh = 0;
        for late in (-step_ms..lifetime + step_ms).step_by(1000) {
            // One clock steps, and the other does not.
            let now = Now {
                wall_ms: START.wall_ms + late + drift,
                ..START.plus(late)
            };
            let is_fresh = row.freshness(now) == Freshness::Fresh;
            assert!(!span.includes(now) || is_fresh, "{late} ms later");
            fresh += i64::from(span.includes(now));
        }
        assert!(
            fresh * 1000 >= lifetime - early.max(0) - drift.abs(),
            "{fresh}"
        );
        let mut rejected = row.clone();
        rejected.reject("A");
        assert_eq!(rejected.fresh_span(START), None);
        for other in ["another boot", ""] {
            assert_eq!(row.fresh_span(in_epoch(START, other)), None);
        }
        assert_eq!(row.fresh_span(START.plus(lifetime - early.max(0))), None);
    }
}
