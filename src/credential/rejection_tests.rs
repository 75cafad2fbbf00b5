//! Tests of rejections. The moment is a parameter of each rule.

use super::rejection::{
    GAP_MS, MAX_FETCHES_PER_DAY, MAX_FORCED_REFRESHES_PER_DAY, OUTLASTS_AFTER_MS,
    OUTLASTS_AGAIN_AFTER_MS,
};
use super::tests::{START, failure, fetched, granted, lease};
use super::*;
use crate::clock::Now;
use crate::platform::Verdict;
use crate::platform::errcodes::{Wait, platform_day};

/// The remedies of the stable endpoint.
const STABLE: Remedies = Remedies {
    force: true,
    check: true,
};

/// The remedies of the classic endpoint.
const CLASSIC: Remedies = Remedies {
    force: false,
    check: true,
};

/// The remedies of a recipe without a check.
const UNCHECKED: Remedies = Remedies {
    force: false,
    check: false,
};

const REFUSED: Verdict = Verdict::Refused(40001);

/// Returns a row with a token of thirty days, which stays fresh through hours of rejections.
fn with_token() -> Row {
    let mut row = Row::default();
    fetched(&mut row, "A", 2_592_000, START);
    row
}

/// Rejects the token, and leads. The platform's verdict is a parameter. Returns whether the leader fetches, and its
/// plan.
fn lead(row: &mut Row, remedies: Remedies, verdict: Verdict, at: Now) -> (bool, RejectionPlan) {
    let token = row.token.clone().unwrap();
    row.reject(&token);
    if row.freshness(at) != Freshness::Spent {
        return (false, RejectionPlan::default());
    }
    let plan = row.claim(lease(), remedies, at).rejection;
    if plan.check && verdict == Verdict::Accepted && !row.rejections_outlast(at) {
        assert!(row.refute_rejection(7, plan, at));
        return (false, plan);
    }
    let learned = RejectionOutcome {
        verdict: plan.check.then_some(verdict),
        forced: plan.force,
    };
    row.conclude_rejection(7, plan, &learned, at);
    let next = format!("{token}{}", row.fetches);
    row.grant(7, &granted(&next, 2_592_000), at, 270);
    (true, plan)
}

#[test]
fn a_token_that_the_platform_takes_is_served_again() {
    let mut row = with_token();
    let before = row.clone();
    let at = START.plus(1000);
    let (fetches, plan) = lead(&mut row, STABLE, Verdict::Accepted, at);
    assert!(!fetches && plan.check && !plan.force);
    assert_eq!(row.freshness(at), Freshness::Fresh);
    assert_eq!((row.rejects, row.rejections.false_rejects), (1, 1));
    let spent = (row.forces, row.rejections.fetches_today, row.fetches);
    assert_eq!(spent, (0, 0, before.fetches));
    assert_eq!(row.token, before.token);
    // For the next 30 s no rejection is checked.
    assert_eq!(
        lead(&mut row, STABLE, REFUSED, at.plus(GAP_MS - 1)),
        (false, RejectionPlan::default())
    );
    assert_eq!(row.freshness(at.plus(GAP_MS - 1)), Freshness::Fresh);
    assert_eq!(row.until_rejection_is_due_ms(at.plus(GAP_MS - 1)), 1);
    assert!(lead(&mut row, STABLE, REFUSED, at.plus(GAP_MS)).0);
}

#[test]
fn an_hour_of_false_rejections_costs_one_fetch() {
    for remedies in [STABLE, CLASSIC] {
        let mut row = with_token();
        let mut fetched_at = Vec::new();
        for second in 0..3600 {
            let at = START.plus(second * 1000);
            if lead(&mut row, remedies, Verdict::Accepted, at).0 {
                fetched_at.push(second);
            }
        }
        assert_eq!(fetched_at, [OUTLASTS_AFTER_MS / 1000]);
        assert_eq!(row.rejections.false_rejects, 120);
        // One more fetch follows in each further hour.
        let again = START.plus(OUTLASTS_AFTER_MS + OUTLASTS_AGAIN_AFTER_MS);
        assert!(!lead(&mut row, remedies, Verdict::Accepted, again.plus(-GAP_MS)).0);
        assert!(lead(&mut row, remedies, Verdict::Accepted, again).0);
    }
}

#[test]
fn false_rejections_that_stop_begin_a_new_count() {
    let mut row = with_token();
    assert!(!lead(&mut row, CLASSIC, Verdict::Accepted, START).0);
    let pause = START.plus(OUTLASTS_AGAIN_AFTER_MS);
    assert!(!lead(&mut row, CLASSIC, Verdict::Accepted, pause).0);
    assert!(
        !lead(
            &mut row,
            CLASSIC,
            Verdict::Accepted,
            pause.plus(OUTLASTS_AFTER_MS - 1)
        )
        .0
    );
    // A clock that is set back starts a new count.
    let back = START.plus(-1);
    assert!(!lead(&mut row, CLASSIC, Verdict::Accepted, back).0);
    assert_eq!(row.rejections.outlasts_at, back.wall_ms + OUTLASTS_AFTER_MS);
    // A refusal by the platform starts a new count too.
    assert!(lead(&mut row, CLASSIC, REFUSED, START.plus(GAP_MS)).0);
    let later = START.plus(OUTLASTS_AFTER_MS + GAP_MS);
    assert!(!lead(&mut row, CLASSIC, Verdict::Accepted, later).0);
}

#[test]
fn bystanders_are_served_a_rejected_token_until_the_platform_refuses_it() {
    let mut row = with_token();
    row.reject("A");
    assert_eq!(row.freshness(START), Freshness::Spent);
    assert_eq!(row.freshness_for_bystander(START), Freshness::Usable);
    let plan = row.claim(lease(), STABLE, START).rejection;
    // The gap has begun, and the leader is at work.
    let at = START.plus(500);
    assert_eq!(row.freshness(at), Freshness::Spent);
    assert_eq!(row.freshness_for_bystander(at), Freshness::Usable);
    // If a leader was killed, the next one follows within the gap.
    let later = START.plus(5000);
    assert!(row.lease_has_run_out(later));
    assert_eq!(row.freshness(later), Freshness::Spent);
    let learned = RejectionOutcome {
        verdict: Some(REFUSED),
        forced: false,
    };
    row.conclude_rejection(7, plan, &learned, at);
    assert_eq!(row.freshness_for_bystander(at), Freshness::Spent);
    row.record_failure(7, &failure("down", Wait::BackOff), 8000, at);
    assert_eq!(row.freshness_for_bystander(at), Freshness::Spent);
    // The token is not checked again.
    let retry = at.plus(60_000);
    assert!(!row.claim(lease(), STABLE, retry).rejection.check);
    // An expired token is served to nobody.
    let mut over = with_token();
    over.reject("A");
    let end = START.plus(2_592_000_000);
    assert_eq!(over.freshness_for_bystander(end), Freshness::Spent);
}

#[test]
fn a_fetch_without_a_rejection_costs_nothing_of_the_days_budget() {
    let mut row = with_token();
    let at = START.plus(1000);
    let plan = row.claim(lease(), STABLE, at).rejection;
    assert_eq!(plan, RejectionPlan::default());
    assert_eq!((row.forces, row.rejections.fetches_today), (0, 0));
    // Rejecting a token that has expired costs nothing either.
    let mut row = with_token();
    row.reject("A");
    let over = START.plus(2_592_000 * 1000);
    assert_eq!(
        row.claim(lease(), STABLE, over).rejection,
        RejectionPlan::default()
    );
    row.token = None;
    assert_eq!(
        row.claim(lease(), STABLE, at).rejection,
        RejectionPlan::default()
    );
    assert_eq!((row.forces, row.rejections.fetches_today), (0, 0));
}

#[test]
fn without_a_check_callers_are_believed() {
    let mut row = with_token();
    let (fetches, plan) = lead(&mut row, UNCHECKED, Verdict::Accepted, START);
    assert!(fetches && !plan.check && !plan.may_force);
    let unknown = Verdict::Unknown("it answered HTTP 502".into());
    assert!(lead(&mut row, CLASSIC, unknown, START.plus(GAP_MS)).0);
    assert_eq!(row.rejections.false_rejects, 0);
}

#[test]
fn rejections_cause_two_hundred_fetches_a_day() {
    for remedies in [CLASSIC, UNCHECKED] {
        let mut row = with_token();
        let mut count = 0;
        let mut at = START;
        let day = platform_day(START.wall_ms);
        while platform_day(at.wall_ms) == day {
            count += i64::from(lead(&mut row, remedies, REFUSED, at).0);
            at = at.plus(GAP_MS);
        }
        assert_eq!(count, MAX_FETCHES_PER_DAY);
        // The token is served again in between, and the next day starts a new count.
        assert_eq!(row.freshness(at.plus(-GAP_MS)), Freshness::Fresh);
        assert!(lead(&mut row, remedies, REFUSED, at).0);
        assert_eq!(row.rejections.fetches_today, 1);
    }
}

#[test]
fn a_forced_fetch_is_reserved_and_given_back() {
    let mut row = with_token();
    row.reject("A");
    let plan = row.claim(lease(), STABLE, START).rejection;
    assert!(plan.may_force && !plan.force && row.forces == 1);
    let refused = |forced| RejectionOutcome {
        verdict: Some(REFUSED),
        forced,
    };
    let mut spent = row.clone();
    row.conclude_rejection(8, plan, &refused(false), START);
    assert_eq!(row.forces, 1, "another's");
    row.conclude_rejection(7, plan, &refused(false), START);
    assert_eq!(row.forces, 0);
    spent.conclude_rejection(7, plan, &refused(true), START);
    assert_eq!(spent.forces, 1);
    assert_eq!(spent.forces_today(START), 1);
    assert_eq!(spent.forces_today(START.plus(86_400_000)), 0);
    // The budget of the day applies.
    let mut row = with_token();
    row.force_day = platform_day(START.wall_ms);
    row.forces = MAX_FORCED_REFRESHES_PER_DAY;
    row.reject("A");
    let plan = row.claim(lease(), STABLE, START).rejection;
    assert!(plan.check && !plan.may_force);
    assert_eq!(row.forces, MAX_FORCED_REFRESHES_PER_DAY);
    // Half of the budget is for tokens that the platform accepts.
    row.forces = MAX_FORCED_REFRESHES_PER_DAY / 2;
    assert!(row.may_force_for_accepted());
    row.forces += 1;
    assert!(!row.may_force_for_accepted());
}

/// Two callers reject a token. The second one has read the row before the first, and writes it after the platform has
/// refused the token and the fetch has failed.
#[test]
fn a_late_rejection_does_not_bring_a_refused_token_back() {
    let mut row = with_token();
    row.reject("A");
    let plan = row.claim(lease(), STABLE, START).rejection;
    let refused = RejectionOutcome {
        verdict: Some(REFUSED),
        forced: false,
    };
    row.conclude_rejection(7, plan, &refused, START);
    row.record_failure(7, &failure("down", Wait::BackOff), 8000, START);
    let after = START.plus(1);
    for _ in 0..2 {
        assert_eq!(row.freshness(after), Freshness::Spent);
        assert_eq!(row.freshness_for_bystander(after), Freshness::Spent);
        assert!(row.reject("A"));
    }
}

/// A fetch is under way when the caller rejects the token, and the platform repeats that token.
#[test]
fn a_rejection_during_a_fetch_that_repeats_the_token_is_looked_into_next() {
    let mut row = with_token();
    let plan = row.claim(lease(), STABLE, START).rejection;
    assert_eq!(plan, RejectionPlan::default());
    row.reject("A");
    let mut other = row.clone();
    row.conclude_rejection(7, plan, &RejectionOutcome::default(), START);
    assert!(row.grant(7, &granted("A", 2_592_000), START, 270));
    assert_eq!(row.freshness(START), Freshness::Spent);
    assert_eq!(row.freshness_for_bystander(START), Freshness::Usable);
    let plan = row.claim(lease(), STABLE, START).rejection;
    assert!(plan.check && !plan.force);
    // Another token leaves nothing to look into.
    assert!(other.grant(7, &granted("B", 2_592_000), START, 270));
    assert_eq!(other.freshness(START), Freshness::Fresh);
    assert!(!other.same_token_reissued);
}

#[test]
fn a_late_leader_does_not_conclude_a_rejection() {
    let mut row = with_token();
    row.reject("A");
    let plan = row.claim(lease(), STABLE, START).rejection;
    let next = Lease { id: 8, ..lease() };
    row.claim(next, STABLE, START.plus(2000));
    let before = row.clone();
    assert!(!row.refute_rejection(7, plan, START.plus(3000)));
    assert_eq!(row, before);
}

#[test]
fn repeated_early_ends_show_another_program() {
    const HOUR: i64 = 3_600_000;
    let mut row = with_token();
    for time in 1..=3 {
        assert_eq!(row.early_ends(START.plus(time * HOUR)), 0);
        lead(&mut row, CLASSIC, REFUSED, START.plus(time * HOUR));
    }
    assert_eq!(row.early_ends(START.plus(4 * HOUR)), 3);
    assert_eq!(row.early_ends(START.plus(27 * HOUR)), 0);
    // After a quiet day the count starts again.
    lead(&mut row, CLASSIC, REFUSED, START.plus(28 * HOUR));
    assert_eq!(row.rejections.revoked, 1);
    // A refusal in the last minutes of a token does not count.
    let mut row = with_token();
    let near_its_end = row.expires_at - row.refresh_at - 1000;
    let end = START.plus(2_592_000_000);
    lead(&mut row, CLASSIC, REFUSED, end.plus(-near_its_end));
    assert_eq!(row.rejections.revoked, 0);
    // The last minutes begin when the next token is due.
    for (early_ms, revoked) in [(0, 0), (1, 1)] {
        let mut row = with_token();
        let due = START.plus(row.refresh_at - START.wall_ms);
        lead(&mut row, CLASSIC, REFUSED, due.plus(-early_ms));
        assert_eq!(row.rejections.revoked, revoked);
    }
}
