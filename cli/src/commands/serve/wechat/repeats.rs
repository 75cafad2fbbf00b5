//! A client that asks again for the token that it already has. Most often it has restarted, or is one of many
//! processes. But most SDKs have no other way to say that the API refused their token, and some ask again at once and
//! without end.
//!
//! So the server asks the platform whether it accepts the token: at the first repeat, then after pauses that grow.
//! This costs no token, and is not a rejection unless the platform refuses the token. Callers that arrive meanwhile
//! wait for the answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The pause after the first look at a token. Each later pause is twice as long.
const PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

#[derive(Default)]
pub struct Repeats {
    /// Looks by account.
    looks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Look>>>>,
}

/// The last look at an account's token.
#[derive(Default)]
pub struct Look {
    token: Box<str>,
    last: Option<(Instant, Duration)>,
}

impl Repeats {
    /// The look of an account. The caller that locks it may look, and the others wait.
    pub fn of(&self, account: &str) -> Arc<tokio::sync::Mutex<Look>> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        match looks.get(account) {
            Some(look) => look.clone(),
            None => looks.entry(account.to_owned()).or_default().clone(),
        }
    }
}

impl Look {
    /// Whether the platform should be asked about this token now. If so, the next pause begins.
    pub fn is_due(&mut self, token: &str, now: Instant) -> bool {
        let pause = match self.last {
            Some((at, pause)) if *self.token == *token => {
                if now.saturating_duration_since(at) < pause {
                    return false;
                }
                LONGEST_PAUSE.min(pause * 2)
            }
            _ => PAUSE,
        };
        self.token = token.into();
        self.last = Some((now, pause));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_checked_at_once_and_then_less_and_less_often() {
        let (mut look, began) = (Look::default(), Instant::now());
        let mut looked = Vec::new();
        for second in 0..7200 {
            if look.is_due("token", began + Duration::from_secs(second)) {
                looked.push(second);
            }
        }
        assert_eq!(looked[..6], [0, 30, 90, 210, 450, 930]);
        assert_eq!(looked.len(), 16, "{looked:?}");
    }

    #[test]
    fn another_token_is_checked_at_once() {
        let (mut look, now) = (Look::default(), Instant::now());
        assert!(look.is_due("one", now) && !look.is_due("one", now));
        assert!(look.is_due("two", now) && !look.is_due("two", now));
        assert!(look.is_due("two", now + PAUSE) && !look.is_due("two", now + PAUSE * 2));
    }

    #[test]
    fn each_account_is_checked_by_itself() {
        let (repeats, now) = (Repeats::default(), Instant::now());
        let due = |account| repeats.of(account).try_lock().unwrap().is_due("token", now);
        assert!(due("shop") && due("corp") && !due("shop"));
    }
}
