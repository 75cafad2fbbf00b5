//! The slots of a token, as WeChat keeps them: one current token, and one previous token in its grace.
//!
//! Pure state: time is passed in as the simulator's milliseconds, never read from a clock. A token that left its slots
//! is remembered for a while. Thus a business endpoint can distinguish "expired", "superseded" and "unknown".

use std::collections::VecDeque;

/// The number of spent tokens that each set of slots remembers. The limit keeps memory flat in a soak of hours.
const REMEMBERED: usize = 256;

/// One token that was handed out.
#[derive(Clone, Debug)]
pub struct Token {
    /// The value that the caller received.
    pub value: String,
    expires_at: u64,
    grace_until: Option<u64>,
    dead: bool,
}

/// The opinion of a business endpoint on a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Accepted.
    Valid,
    /// Its lifetime is over (42001).
    Expired,
    /// Revoked, evicted by newer ones, or past its grace (40001).
    Superseded,
}

impl Token {
    /// The standing of the token at `now`.
    pub fn standing(&self, now: u64) -> Standing {
        if self.dead {
            Standing::Superseded
        } else if now >= self.expires_at {
            Standing::Expired
        } else if self.grace_until.is_some_and(|end| now >= end) {
            Standing::Superseded
        } else {
            Standing::Valid
        }
    }

    /// Milliseconds of validity left at `now`, including grace; 0 if it is not valid.
    pub fn left(&self, now: u64) -> u64 {
        let end = self.grace_until.unwrap_or(u64::MAX).min(self.expires_at);
        if self.dead {
            0
        } else {
            end.saturating_sub(now)
        }
    }
}

/// The tokens of one account (or WeCom app) at one endpoint.
#[derive(Debug, Default)]
pub struct Slots {
    current: Option<Token>,
    previous: Option<Token>,
    spent: VecDeque<Token>,
    sticky: bool,
}

impl Slots {
    /// Makes `value` the current token. With a `grace`, the previous token works that many ms longer, and the one
    /// before it dies now. Without one, both work until their own end.
    pub fn mint(&mut self, value: String, now: u64, lifetime: u64, grace: Option<u64>) {
        if let Some(mut evicted) = self.previous.take() {
            evicted.dead |= grace.is_some();
            self.spent.push_back(evicted);
            if self.spent.len() > REMEMBERED {
                self.spent.pop_front();
            }
        }
        self.previous = self.current.take().map(|mut token| {
            token.grace_until = grace.map(|grace| now.saturating_add(grace));
            token
        });
        self.current = Some(Token {
            value,
            expires_at: now.saturating_add(lifetime),
            grace_until: None,
            dead: false,
        });
        self.sticky = false;
    }

    /// The current token and its milliseconds left, if more than `window` of its life remains. A repeated normal fetch
    /// returns it. A revoked token qualifies only after a sticky revocation.
    pub fn reusable(&self, now: u64, window: u64) -> Option<(&str, u64)> {
        let token = self.current.as_ref()?;
        let left = token.expires_at.saturating_sub(now);
        (left > window && (!token.dead || self.sticky)).then_some((token.value.as_str(), left))
    }

    /// Ends the current token, or `all` of them. With `sticky`, fetches keep returning it.
    pub fn revoke(&mut self, all: bool, sticky: bool) {
        let older = self.previous.iter_mut().chain(&mut self.spent);
        for token in self.current.iter_mut().chain(older.filter(|_| all)) {
            token.dead = true;
        }
        self.sticky = sticky;
    }

    /// The token of that value, if these slots still remember it.
    pub fn find(&self, value: &str) -> Option<&Token> {
        self.iter()
            .map(|(_, token)| token)
            .find(|token| token.value == value)
    }

    /// Every remembered token with the name of its slot: `current`, `previous` or `spent`.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Token)> {
        let named = |name: &'static str| move |token| (name, token);
        (self.current.iter().map(named("current")))
            .chain(self.previous.iter().map(named("previous")))
            .chain(self.spent.iter().rev().map(named("spent")))
    }
}

/// A value that looks like a real token: `length` characters of `A-Za-z0-9_-`. The first is a letter or digit, so that
/// a command line does not take it for an option.
pub fn random_value(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    (0..length)
        .map(|at| if at == 0 { 62 } else { ALPHABET.len() })
        .map(|choices| char::from(ALPHABET[fastrand::usize(..choices)]))
        .collect()
}
