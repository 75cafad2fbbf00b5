//! Tests of refused secrets. The moment is a parameter of each rule.

use super::tests::{FORCE, START, failure, granted, lease, refused};
use super::*;
use crate::clock::Now;
use crate::error::Status;
use crate::platform::errcodes::Wait;

/// Fetches with this secret, which the platform refuses. Returns the milliseconds for which the refusal stands.
fn refused_secret(row: &mut Row, secret: &str, at: Now) -> i64 {
    let mut failure = failure(secret, Wait::Seconds(60));
    failure.error.status = Status::Api;
    failure.blames_secret = true;
    row.claim(lease(), FORCE, at);
    row.record_failure(7, &failure, 8000, at);
    row.blame(secret, at)
}

fn stands(row: &Row, secret: &str, at: Now) -> bool {
    row.standing_failure_of(secret, at, 8000).is_some()
}

#[test]
fn the_refusal_of_a_secret_stands_for_that_secret_alone() {
    let mut row = Row::default();
    let wait = refused_secret(&mut row, "old", START);
    assert!(stands(&row, "old", START) && !stands(&row, "new", START));
    assert!(!stands(&row, "old", START.plus(wait)));
    // With two refused secrets the wait is twice as long.
    assert!(refused_secret(&mut row, "other", START.plus(1)) >= 96_000);
    assert!(
        stands(&row, "old", START.plus(2)),
        "the older one still stands"
    );
    assert_eq!(
        row.standing_failure_of("old", START, 0).unwrap().what,
        "old"
    );
    row.claim(lease(), FORCE, START);
    assert!(row.grant(7, &granted("A", 7200), START, 270));
    row.credit("other");
    assert_eq!(row.secret_worked, "other");
    assert!(row.refusal_of("other").is_none() && row.refusal_of("old").is_some());
    // Any other failure stands for every secret.
    refused(&mut row, Wait::Seconds(60), START.plus(3));
    assert!(stands(&row, "other", START.plus(3)) && stands(&row, "new", START.plus(3)));
}

#[test]
fn refusals_kept_in_memory_join_those_in_the_store() {
    let (mut row, mut kept) = (Row::default(), Row::default());
    refused_secret(&mut row, "a", START);
    refused_secret(&mut kept, "b", START.plus(1));
    row.merge(&kept);
    assert!(row.includes(&kept));
    assert!(stands(&row, "a", START.plus(2)) && stands(&row, "b", START.plus(2)));
}

#[test]
fn a_new_secret_within_a_minute_of_a_change_waits_and_a_retry_ends_that() {
    let mut row = Row::default();
    refused_secret(&mut row, "a", START);
    row.hold_new_secret("b", START.plus(20_000));
    assert!(stands(&row, "b", START.plus(59_999)) && !stands(&row, "b", START.plus(60_000)));
    assert!(
        row.refusal_of("b").is_none(),
        "the platform has not seen it"
    );
    assert!(row.end_backoff());
    assert!(!stands(&row, "a", START.plus(1)) && !stands(&row, "b", START.plus(20_001)));
}

#[test]
fn a_refusal_stands_to_the_millisecond() {
    let mut row = Row::default();
    let wait = refused_secret(&mut row, "a", START);
    for (after, is_refused) in [(0, true), (wait - 1, true), (wait, false), (-1, false)] {
        let at = START.plus(after);
        assert_eq!(row.is_refused("a", at), is_refused, "{after}");
        assert_eq!(row.has_refused(at), is_refused, "{after}");
        assert!(!row.is_refused("b", at));
    }
    let left = row.standing_failure_of("a", START.plus(1000), 0).unwrap();
    assert_eq!(left.retry_after_ms, wait - 1000);
    // A refusal that is over does not lengthen the next wait.
    assert!(refused_secret(&mut row, "b", START.plus(wait)) <= 72_000);
}

#[test]
fn eight_refusals_are_remembered() {
    let mut row = Row::default();
    for secret in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        refused_secret(&mut row, secret, START);
    }
    assert!(row.refusal_of("a").is_some() && row.refusals.len() == 8);
    refused_secret(&mut row, "i", START);
    assert!(row.refusal_of("a").is_none() && row.refusal_of("b").is_some());
    assert_eq!(row.refusals.len(), 8);
}

/// A secret that was refused may be forgotten for later ones. It would otherwise be tried again at once, and so on.
#[test]
fn while_eight_refusals_stand_no_other_secret_is_tried() {
    let mut row = Row::default();
    let mut wait = 0;
    for secret in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        assert!(!stands(&row, secret, START), "{secret}");
        wait = refused_secret(&mut row, secret, START);
    }
    assert!(stands(&row, "i", START.plus(1)));
    refused_secret(&mut row, "i", START.plus(1));
    assert!(row.refusal_of("a").is_none());
    assert!(stands(&row, "a", START.plus(2)) && stands(&row, "j", START.plus(2)));
    assert!(!stands(&row, "a", START.plus(wait + 1)));
}

#[test]
fn a_new_secret_does_not_wait_without_reason() {
    let held = |row: &Row, secret: &str, after: i64| {
        let mut row = row.clone();
        row.hold_new_secret(secret, START.plus(after));
        row.refusals.len() > 1
    };
    let mut row = Row::default();
    refused_secret(&mut row, "a", START);
    assert!(held(&row, "b", 59_999));
    assert!(!held(&row, "b", 60_000), "the failure is a minute old");
    assert!(!held(&row, "a", 0), "it is known");
    row.failures = 0;
    assert!(!held(&row, "b", 0), "nothing stands");
    // The last failure was not the refusal of a secret.
    let mut row = Row::default();
    refused_secret(&mut row, "a", START.plus(-10));
    refused(&mut row, Wait::Seconds(60), START);
    assert!(!held(&row, "b", 1));
}

#[test]
fn every_secret_may_be_tried_again_after_a_retry() {
    let mut row = Row::default();
    assert!(!row.end_refusals());
    refused_secret(&mut row, "a", START);
    assert!(row.end_refusals());
    assert!(!row.end_refusals(), "nothing stands any more");
    assert!(!row.is_refused("a", START) && !row.has_refused(START));
}

#[test]
fn a_back_off_of_a_minute_is_not_shortened() {
    let mut row = Row::default();
    refused_secret(&mut row, "a", START);
    row.backoff_ms = 60_001;
    assert!(row.shorten_backoff() && row.backoff_ms == 60_000);
    assert!(!row.shorten_backoff());
}

#[test]
fn a_removed_row_remembers_refused_secrets() {
    let mut row = Row::default();
    refused_secret(&mut row, "a", START);
    let memory = row.memory_of_failures(START.plus(1)).unwrap();
    assert_eq!(memory.refusals, row.refusals);
}
