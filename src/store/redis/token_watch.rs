//! Ends a token for each process that has seen it, when the time that it had left has passed by this host's clock.
//!
//! A server's clock may be set back, and a replica with another clock may take over. Without this module, each token
//! would then be handed out beyond its end, by the time that the clock went back. The process that sees the token end
//! fetches the next one for all others.

use std::collections::HashMap;

use crate::clock::{Now, boot_ms};
use crate::credential::Row;
use crate::sync::{Mutex, lock};

/// The most milliseconds by which two estimates of a token's end may differ while no clock is set. Each is off by half
/// of an answer's way at most.
const STRAYS_MS: i64 = 3000;

/// The token of each row as this process has seen it.
#[derive(Default)]
pub struct TokenWatch(Mutex<HashMap<String, Seen>>);

struct Seen {
    token: Token,
    /// The token's end by this host's boot clock.
    ends_at: i64,
}

/// The parts of a row that change with each token that is fetched.
#[derive(PartialEq, Eq)]
struct Token {
    fetches: i64,
    fetched_at: i64,
    expires_at: i64,
}

impl Token {
    fn of(row: &Row) -> Token {
        Token {
            fetches: row.fetches,
            fetched_at: row.fetched_at,
            expires_at: row.expires_at,
        }
    }
}

impl TokenWatch {
    /// Moves the times of a row that was read back, if the server's clock has been set back since this process first
    /// saw the token.
    pub fn judge(&self, row_key: &str, row: &mut Row, now: Now) {
        self.judge_at(row_key, row, now, boot_ms());
    }

    fn judge_at(&self, row_key: &str, row: &mut Row, now: Now, boot_ms: i64) {
        let mut tokens = lock(&self.0);
        if row.token.is_none() {
            tokens.remove(row_key);
            return;
        }
        let token = Token::of(row);
        let ends_at = boot_ms.saturating_add(row.left_ms(now));
        match tokens.get_mut(row_key).filter(|seen| seen.token == token) {
            Some(seen) => {
                let too_late = ends_at.saturating_sub(seen.ends_at);
                seen.ends_at = seen.ends_at.min(ends_at);
                if too_late > STRAYS_MS {
                    row.move_token_back(too_late);
                }
            }
            None => {
                tokens.insert(row_key.into(), Seen { token, ends_at });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Now {
        Now {
            wall_ms: ms,
            steady_ms: ms,
            epoch: "server",
        }
    }

    fn granted(token: &str, at: i64) -> Row {
        Row {
            token: Some(token.into()),
            fetched_at: at,
            fetched_steady: at,
            refresh_at: at + 6_900_000,
            expires_at: at + 7_200_000,
            epoch: "server".into(),
            ..Row::default()
        }
    }

    /// The spans between the times of a token, which never change.
    fn spans(row: &Row) -> [i64; 3] {
        [row.refresh_at, row.fetched_at, row.fetched_steady].map(|at| row.expires_at - at)
    }

    #[test]
    fn a_token_lives_by_the_smaller_remainder_when_the_servers_clock_is_set() {
        let watch = TokenWatch::default();
        let row = granted("A", 1_000_000);
        let left = |row: &Row, server_ms: i64, boot_ms: i64| {
            let mut read = row.clone();
            watch.judge_at("k", &mut read, at(server_ms), boot_ms);
            assert_eq!(spans(&read), spans(row));
            read.left_ms(at(server_ms))
        };
        assert_eq!(left(&row, 1_000_000, 50), 7_200_000);
        // Without a step, an estimate may stray.
        assert_eq!(left(&row, 1_001_000 - STRAYS_MS, 1050), 7_202_000);
        // The clock is set back by an hour, and after two hours the token is over.
        assert_eq!(left(&row, 1_002_000 - 3_600_000, 2050), 7_198_000);
        assert_eq!(left(&row, 8_200_000 - 3_600_000, 7_200_050), 0);
        // A clock that is set forward ends it, and it stays over when that is mended.
        let next = granted("B", 2_000_000);
        assert_eq!(left(&next, 2_000_000, 9_000_000), 7_200_000);
        assert_eq!(left(&next, 9_200_000, 9_000_000), 0);
        assert_eq!(left(&next, 2_001_000, 9_001_000), -1000);
        // Another token is seen for the first time.
        let again = granted("C", 2_002_000);
        assert_eq!(left(&again, 2_002_000, 9_002_000), 7_200_000);
        watch.judge_at("k", &mut Row::default(), at(2_002_000), 9_002_000);
        assert!(lock(&watch.0).is_empty());
    }
}
