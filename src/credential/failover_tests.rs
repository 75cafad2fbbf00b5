//! All orders of the steps of a few leaders on one row, with a failover at any point. In a failover the row is lost, or
//! returns to an earlier state. A leader may also be held up beyond its lease.
//!
//! The platform is like the classic endpoint, where each fetch ends the token before it. It takes each refresh token
//! once.

use super::tests::{START, granted};
use super::*;
use crate::clock::Now;

const LEADERS: usize = 3;
const LEASE_MS: i64 = 1000;

/// A credential whose token cannot be checked.
const UNCHECKED: Remedies = Remedies {
    force: false,
    check: false,
};

#[derive(Clone)]
enum Leader {
    Idle,
    Claimed {
        before: Row,
        claimed: Row,
    },
    Minted {
        before: Row,
        claimed: Row,
        token: i64,
    },
    Done,
}

#[derive(Clone)]
struct Model {
    now: Now,
    row: Row,
    /// Every state that the row has had.
    states: Vec<Row>,
    leaders: [Leader; LEADERS],
    /// The refresh token that each leader's host keeps.
    kept: [Option<StoredSecret>; LEADERS],
    minted: i64,
    failovers: i64,
    delays: i64,
}

/// The next event.
#[derive(Clone, Copy, Debug)]
enum Event {
    Step(usize),
    /// The server returns to a state that the row has had.
    Back(usize),
    Lost,
    /// All leaders are held up beyond their leases.
    Delay,
}

fn secret(number: i64, at: i64) -> StoredSecret {
    StoredSecret {
        sealed: number.to_string().into_bytes(),
        at,
        put_fingerprint: "put".into(),
    }
}

impl Model {
    fn new() -> Model {
        let row = Row {
            pushed: Some(secret(0, START.wall_ms)),
            ..Row::default()
        };
        Model {
            now: START,
            states: vec![row.clone()],
            row,
            leaders: [const { Leader::Idle }; LEADERS],
            kept: [const { None }; LEADERS],
            minted: 0,
            failovers: 0,
            delays: 0,
        }
    }

    fn lease_of(leader: usize) -> Lease {
        let number = i64::try_from(leader).unwrap() + 1;
        Lease {
            id: number,
            slot: number,
            length_ms: LEASE_MS,
        }
    }

    /// Returns the events that may happen next.
    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (i, leader) in self.leaders.iter().enumerate() {
            let may = match leader {
                Leader::Idle => !self.row.lease_is_active(self.now),
                Leader::Claimed { .. } | Leader::Minted { .. } => true,
                Leader::Done => false,
            };
            events.extend(may.then_some(Event::Step(i)));
        }
        if events.is_empty() {
            return events;
        }
        if self.failovers == 0 {
            events.push(Event::Lost);
            events.extend((0..self.states.len() - 1).map(Event::Back));
        }
        if self.delays == 0 {
            events.push(Event::Delay);
        }
        events
    }

    fn after(&self, event: Event) -> Model {
        let mut next = self.clone();
        next.now = next.now.plus(1);
        match event {
            Event::Step(leader) => next.step(leader),
            Event::Back(state) => {
                next.row = next.states[state].clone();
                next.failovers += 1;
            }
            Event::Lost => {
                next.row = Row::default();
                next.failovers += 1;
            }
            Event::Delay => {
                next.now = next.now.plus(LEASE_MS + 1);
                next.delays += 1;
            }
        }
        next
    }

    fn step(&mut self, i: usize) {
        // The store gives the kept secret back to this host.
        if let Some(kept) = &self.kept[i] {
            self.row.take_kept(kept.clone());
        }
        let leader = std::mem::replace(&mut self.leaders[i], Leader::Done);
        self.leaders[i] = match leader {
            // Without a put secret there is nothing to fetch with.
            Leader::Idle
                if self.row.pushed.is_none()
                    || self.row.freshness(self.now) != Freshness::Spent =>
            {
                Leader::Done
            }
            Leader::Idle => {
                let before = self.row.clone();
                self.row.claim(Model::lease_of(i), UNCHECKED, self.now);
                self.states.push(self.row.clone());
                Leader::Claimed {
                    before,
                    claimed: self.row.clone(),
                }
            }
            // The platform takes only the last refresh token.
            Leader::Claimed { claimed, .. } if !self.has_refresh_token(&claimed) => Leader::Done,
            Leader::Claimed { before, claimed } => {
                self.minted += 1;
                Leader::Minted {
                    before,
                    claimed,
                    token: self.minted,
                }
            }
            Leader::Minted {
                before,
                claimed,
                token,
            } => {
                self.save(i, &before, &claimed, token);
                Leader::Done
            }
            Leader::Done => Leader::Done,
        };
    }

    /// Returns whether a row has the refresh token that the platform gave last.
    fn has_refresh_token(&self, row: &Row) -> bool {
        let last = self.minted.to_string().into_bytes();
        let pushed = row.pushed.as_ref().map(|pushed| &pushed.sealed);
        [pushed, row.pushed_before.as_ref()].contains(&Some(&last))
    }

    /// Saves as `client::fetch` does.
    fn save(&mut self, i: usize, before: &Row, claimed: &Row, token: i64) {
        let row = &mut self.row;
        row.put_claim_back(before, claimed);
        let grant = granted(&token.to_string(), 7200);
        let is_late = !row.grant(Model::lease_of(i).id, &grant, self.now, 270);
        row.rotate_pushed_secret(token.to_string().into_bytes(), claimed, self.now);
        if is_late {
            row.refresh_now(self.now);
        }
        self.kept[i].clone_from(&row.pushed);
        self.states.push(row.clone());
    }

    fn check_at_rest(&self) {
        let token = self.row.token.as_deref();
        let live = self.minted.to_string();
        let most = 1 + self.failovers + self.delays;
        assert!(self.minted <= most, "{} tokens", self.minted);
        if self.failovers + self.delays == 0 {
            assert_eq!(token, Some(live.as_str()));
        }
        // A dead token costs one rejection. After that a leader may fetch.
        if let Some(dead) = token.filter(|token| *token != live) {
            let mut row = self.row.clone();
            let later = self.now.plus(LEASE_MS + 1);
            row.reject(dead);
            let is_due = row.until_rejection_is_due_ms(later) == 0;
            assert!(is_due || row.freshness(later) != Freshness::Fresh);
        }
        // A later leader's host gives back what it has kept.
        let mut row = self.row.clone();
        for kept in self.kept.iter().flatten() {
            row.take_kept(kept.clone());
        }
        assert!(
            self.minted == 0 || self.has_refresh_token(&row),
            "the refresh token {live} is lost"
        );
    }
}

/// Goes through all orders. Returns how many there are.
fn explore(model: &Model, path: &mut Vec<Event>) -> usize {
    let events = model.events();
    if events.is_empty() {
        let checked = std::panic::catch_unwind(|| model.check_at_rest());
        assert!(checked.is_ok(), "after {path:?}");
        return 1;
    }
    let mut orders = 0;
    for event in events {
        path.push(event);
        orders += explore(&model.after(event), path);
        path.pop();
    }
    orders
}

#[test]
fn in_every_order_a_failover_costs_a_fetch_at_most_and_no_refresh_token() {
    let orders = explore(&Model::new(), &mut Vec::new());
    assert!(orders > 1000, "{orders}");
}
