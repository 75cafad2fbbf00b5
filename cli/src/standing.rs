//! The condition of a credential: the life left of its token, its troubles, and what to do.
//!
//! It has no words and no colours here. The table (`ui::table`) and the server's page (`commands::serve::page`) each
//! add their own.

use wxtoken::tool::{AccountReport, Error, Report, TokenReport, TokenState};

use crate::needs::{Lack, lack_of};

/// Seconds for which a false rejection is reported.
const LATELY_S: i64 = 3600;

/// The state of a credential's token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Life {
    /// The token is valid.
    Left {
        /// The share of its whole life that is left, 0 to 1.
        share: f64,
        seconds: i64,
        /// Whether the next token is due.
        is_due: bool,
    },
    Rejected {
        is_valid: bool,
    },
    Expired {
        seconds_ago: i64,
    },
    /// The token ended before its time.
    Ended,
    /// The account lacks something that must be put first.
    Waiting,
    Failed,
    NotFetched,
}

/// How good or bad a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Quiet,
    Good,
    Warning,
    Bad,
}

impl Life {
    pub fn of(token: &TokenReport, now: i64, lacks: bool) -> Life {
        let ends = token.expires_at.unwrap_or(0);
        if token.rejected {
            return Life::Rejected {
                is_valid: token.is_valid(),
            };
        }
        if token.is_valid() {
            let whole = ends - token.fetched_at.unwrap_or(now);
            return Life::Left {
                share: ((ends - now) as f64 / whole.max(1) as f64).clamp(0.0, 1.0),
                seconds: ends - now,
                is_due: token.state == TokenState::Usable,
            };
        }
        match token.expires_at {
            Some(at) if at <= now => Life::Expired {
                seconds_ago: now - at,
            },
            Some(_) => Life::Ended,
            None if lacks => Life::Waiting,
            None if token.failure().is_some() => Life::Failed,
            None => Life::NotFetched,
        }
    }

    pub fn tone(self) -> Tone {
        match self {
            Life::Left { is_due: false, .. } => Tone::Good,
            Life::Left { is_due: true, .. } | Life::Rejected { is_valid: true } | Life::Waiting => {
                Tone::Warning
            }
            Life::Rejected { is_valid: false }
            | Life::Expired { .. }
            | Life::Ended
            | Life::Failed => Tone::Bad,
            Life::NotFetched => Tone::Quiet,
        }
    }
}

/// Something that is wrong with a credential.
pub enum Trouble<'a> {
    /// The account lacks something that must be put before a fetch.
    Lacks(Lack),
    /// The last fetch failed.
    Fails {
        error: &'a Error,
        times: i64,
        /// Seconds until the next try, or none if the next get tries.
        next_in: Option<i64>,
        /// Whether there is a valid token nevertheless.
        is_valid: bool,
    },
    /// The tokens end long before their time, because another program fetches them.
    Contested(&'a Error),
    /// A caller has rejected a token that the platform accepts.
    FalselyRejected { seconds_ago: i64, times: usize },
}

/// Returns the troubles of a credential, the worst first.
pub fn troubles_of<'a>(
    report: &Report,
    account: &AccountReport,
    token: &'a TokenReport,
) -> Vec<Trouble<'a>> {
    let lack = match token.is_access_token() {
        true => lack_of(account, report),
        false => None,
    };
    let mut troubles = Vec::new();
    if let Some(lack) = lack {
        troubles.push(Trouble::Lacks(lack));
    } else if let Some(error) = token.failure() {
        let next_in = token.retry_at.map(|at| at - report.now);
        troubles.push(Trouble::Fails {
            error,
            times: token.failures_in_a_row,
            next_in: next_in.filter(|seconds| *seconds > 0),
            is_valid: token.is_valid(),
        });
    }
    troubles.extend(token.contested.as_ref().map(Trouble::Contested));
    let false_reject = token.false_reject_at.map(|at| report.now - at);
    if let Some(seconds_ago) = false_reject.filter(|ago| *ago < LATELY_S) {
        troubles.push(Trouble::FalselyRejected {
            seconds_ago,
            times: usize::try_from(token.false_rejects).unwrap_or(0),
        });
    }
    troubles
}

impl Trouble<'_> {
    pub fn tone(&self) -> Tone {
        match self {
            // While there is a valid token, no caller goes without one.
            Trouble::Fails {
                is_valid: false, ..
            } => Tone::Bad,
            _ => Tone::Warning,
        }
    }
}
