//! The sessions of the page. A session is a random cookie and the key that began it, both kept as SHA-256 hashes. At
//! each use the key is looked up among the present clients, so a session ends when its key does.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use wxtoken::tool::{Error, GivenKey, Status};

/// The longest life of a session.
pub const LIFE: Duration = Duration::from_secs(12 * 3600);
/// The most sessions of one key. One more ends the oldest of them.
const MOST_OF_KEY: usize = 32;
/// The most sessions of all keys.
const MOST: usize = 1024;
const COOKIE_BYTES: usize = 32;

#[derive(Default)]
pub struct Sessions(Mutex<Vec<Session>>);

struct Session {
    cookie_sha256: [u8; 32],
    key: GivenKey,
    began: Instant,
}

impl Sessions {
    /// Begins a session. Returns its cookie.
    pub fn begin(&self, key: GivenKey, now: Instant) -> Result<String, Error> {
        let mut random = [0; COOKIE_BYTES];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Error::new(Status::Internal, "the system gives no random numbers"))?;
        let cookie: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut all = self.lock();
        all.retain(|session| session.holds_at(now));
        // The oldest sessions come first.
        let of_key = |session: &Session| session.key == key;
        if all.iter().filter(|session| of_key(session)).count() >= MOST_OF_KEY {
            let oldest = all.iter().position(of_key);
            oldest.map(|at| all.remove(at));
        }
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push(Session {
            cookie_sha256: sha256(&cookie),
            key,
            began: now,
        });
        Ok(cookie)
    }

    /// The key that began this session, if the session exists.
    pub fn key_of(&self, cookie: &str, now: Instant) -> Option<GivenKey> {
        let given = sha256(cookie);
        let mut found = None;
        // All sessions are compared, so that the time taken reveals nothing.
        for session in self.lock().iter() {
            if is_equal(&session.cookie_sha256, &given) && session.holds_at(now) {
                found = Some(session.key.clone());
            }
        }
        found
    }

    pub fn end(&self, cookie: &str) {
        let given = sha256(cookie);
        self.lock()
            .retain(|session| !is_equal(&session.cookie_sha256, &given));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn holds_at(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < LIFE
    }
}

fn sha256(cookie: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, cookie.as_bytes()).as_ref());
    hash
}

/// Compares without stopping at the first difference.
fn is_equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> GivenKey {
        GivenKey::parse(&format!("wxk_{number:012}_{number:043}")).unwrap()
    }

    #[test]
    fn a_session_is_known_by_its_cookie_until_it_ends() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let cookie = sessions.begin(key(1), now).unwrap();
        assert_eq!(cookie.len(), 64);
        assert_eq!(sessions.key_of(&cookie, now), Some(key(1)));
        for wrong in ["", &cookie[1..], &cookie.to_uppercase()] {
            assert_eq!(sessions.key_of(wrong, now), None, "{wrong}");
        }
        assert_eq!(sessions.key_of(&cookie, now + LIFE), None);
        sessions.end(&cookie);
        assert_eq!(sessions.key_of(&cookie, now), None);
    }

    #[test]
    fn sessions_are_bounded_and_those_of_one_key_end_no_others() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let other = sessions.begin(key(0), now).unwrap();
        let cookies: Vec<String> = (0..MOST)
            .map(|_| sessions.begin(key(1), now).unwrap())
            .collect();
        assert_eq!(sessions.lock().len(), MOST_OF_KEY + 1);
        assert!(sessions.key_of(&other, now).is_some());
        assert!(sessions.key_of(&cookies[0], now).is_none());
        assert!(sessions.key_of(&cookies[MOST - 1], now).is_some());
        for number in 0..MOST + 1 {
            sessions.begin(key(number), now).unwrap();
        }
        assert_eq!(sessions.lock().len(), MOST);
        sessions.begin(key(1), now + LIFE).unwrap();
        assert_eq!(sessions.lock().len(), 1, "those that are over go");
    }

    #[test]
    fn neither_a_cookie_nor_a_key_is_kept() {
        let sessions = Sessions::default();
        let cookie = sessions.begin(key(1), Instant::now()).unwrap();
        let all = sessions.lock();
        assert_ne!(&all[0].cookie_sha256[..], cookie.as_bytes());
        assert_eq!(format!("{:?}", all[0].key), "GivenKey");
    }
}
