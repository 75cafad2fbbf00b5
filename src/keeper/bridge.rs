//! A keeper's bridge to an upstream: the accounts to bring, and the tokens that the upstream has replaced early.
//! `client::bridge` describes what a bridge is.
//!
//! A bridge has one thread besides the threads that bring tokens. Every few seconds it lists the accounts of the
//! upstream. It adds, changes or removes only accounts that a bridge has put in, never the store's own. Then it looks
//! at each token, once a second. A token that was refused to a program elsewhere has been replaced there, so this
//! store's copy is dead.
//!
//! While the upstream cannot be reached, nothing changes here. An account is removed only if a list was read without
//! it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::workers::WorkerPool;
use super::{KeeperEvent, Outcome};
use crate::account::{self, key_of, name_of};
use crate::client::session::Session;
use crate::client::{Client, check_new};
use crate::clock::boot_ms;
use crate::credential::Freshness;
use crate::error::{Error, Result, Status};
use crate::platform::Kind;
use crate::remote::RemoteAccount;
use crate::store::{self, Account, Commit, StoreSnapshot};
use crate::sync::{Condvar, Mutex, PoisonError, lock};

/// The time in milliseconds between two lists of the upstream's accounts.
const LIST_EACH_MS: i64 = 5000;
/// The time in milliseconds between two looks at the upstream's tokens.
const LOOK_EACH_MS: i64 = 1000;

/// The keeper's handle on the bridge's thread.
pub(super) struct Bridge {
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Arc<Client>,
    state: Mutex<State>,
    wakes: Condvar,
}

#[derive(Default)]
struct State {
    is_over: bool,
    /// Whether the list is to be read at once.
    is_asked: bool,
    /// Whether the list has been read at least once.
    has_listed: bool,
}

impl Bridge {
    /// Starts the thread. Fails if none can be started.
    pub(super) fn start(pool: &Arc<WorkerPool>, upstream: Arc<Client>) -> Result<Bridge> {
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::default(),
            wakes: Condvar::new(),
        });
        let mut round = Round {
            shared: shared.clone(),
            pool: pool.clone(),
            list_at: 0,
            told: HashMap::new(),
        };
        let thread = std::thread::Builder::new().name("wxtoken-bridge".into());
        thread.spawn(move || round.go_on()).map_err(|e| {
            Error::new(Status::Internal, "cannot start a bridge's thread")
                .because(crate::sys::os_message(&e))
        })?;
        Ok(Bridge { shared })
    }

    /// Returns whether the accounts to bring are known.
    pub(super) fn has_listed(&self) -> bool {
        lock(&self.shared.state).has_listed
    }

    /// Has the list read at once.
    pub(super) fn look_again(&self) {
        lock(&self.shared.state).is_asked = true;
        self.shared.wakes.notify_all();
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        lock(&self.shared.state).is_over = true;
        self.shared.wakes.notify_all();
    }
}

/// The state of the bridge's thread.
struct Round {
    shared: Arc<Shared>,
    pool: Arc<WorkerPool>,
    /// The time of the next list, by the boot clock.
    list_at: i64,
    /// The last failure of each name. Each is reported once.
    told: HashMap<String, String>,
}

impl Round {
    fn go_on(&mut self) {
        while let Some(is_asked) = self.wait() {
            if is_asked || boot_ms() >= self.list_at {
                self.list_at = boot_ms() + LIST_EACH_MS;
                let listed = self.bring_accounts();
                let name = self.shared.upstream.store().to_string();
                self.tell_trouble(&name, listed.err());
            }
            let looked = self.look_at_tokens();
            let name = self.pool.client.store().to_string();
            self.tell_trouble(&name, looked.err());
        }
    }

    /// Waits for the next round. Returns whether the list is to be read at once, or None at the end.
    fn wait(&self) -> Option<bool> {
        let mut state = lock(&self.shared.state);
        let has_begun = self.list_at > 0;
        if has_begun && !state.is_over && !state.is_asked {
            let each = Duration::from_millis(LOOK_EACH_MS.unsigned_abs());
            let waited = self.shared.wakes.wait_timeout(state, each);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        // Until the first list has been read, nothing can be served.
        let is_asked = std::mem::take(&mut state.is_asked) || !state.has_listed;
        (!state.is_over).then_some(is_asked)
    }

    /// Makes this store's copies of the upstream's accounts equal to the originals.
    fn bring_accounts(&mut self) -> Result<()> {
        let there = self.shared.upstream.accounts_to_bring()?;
        let session = self.pool.client.keeper_session()?;
        let origin = self.shared.upstream.store().to_string();
        let here = store::read(session.store(), &session.deadline, |read| read.accounts())?;
        let here: HashMap<&str, &Account> = here.iter().map(|one| (&*one.name, one)).collect();
        let current = here.values().find(|account| account.current);
        let may_choose = current.is_none_or(|account| account.origin().is_some());
        let names: HashSet<&str> = there.iter().map(|one| &*one.name).collect();
        let mut changed = Vec::new();
        let mut choose = None;
        for one in &there {
            let before = here.get(&*one.name).copied();
            let wanted = account_to_bring(&origin, one, before);
            let trouble = match wanted {
                Ok(wanted) => {
                    if may_choose && one.current && !before.is_some_and(|before| before.current) {
                        choose = Some(&*one.name);
                    }
                    changed.extend(wanted);
                    None
                }
                Err(error) => Some(error),
            };
            self.tell_trouble(&one.name, trouble);
        }
        put_in(&session, &changed, choose)?;
        for account in &changed {
            self.tell(&account.name, Outcome::Brought);
        }
        for gone in here.values() {
            if gone.origin() == Some(&*origin) && !names.contains(&*gone.name) {
                self.pool.client.remove(&gone.name)?;
                self.tell(&gone.name, Outcome::Gone);
            }
        }
        let is_first = !std::mem::replace(&mut lock(&self.shared.state).has_listed, true);
        if is_first {
            self.pool.wake_keeper();
        }
        Ok(())
    }

    /// Takes over the tokens that the upstream has replaced.
    fn look_at_tokens(&self) -> Result<()> {
        let session = self.pool.client.keeper_session()?;
        let everything = StoreSnapshot::of(session.store(), &session.deadline)?;
        let rows: HashMap<_, _> = everything
            .rows
            .iter()
            .map(|(key, row)| (key, row))
            .collect();
        for account in everything
            .accounts
            .iter()
            .filter(|one| one.origin().is_some())
        {
            for recipe in account.kind.recipes() {
                if lock(&self.shared.state).is_over {
                    return Ok(());
                }
                let key = key_of(account, recipe, &session.options);
                let sent = session.now();
                let row = rows.get(&key);
                let Some(row) = row.filter(|row| row.freshness(sent) != Freshness::Spent) else {
                    continue;
                };
                let name = name_of(account, recipe);
                // With a valid token in memory this waits 100 ms at most, unless the upstream must fetch. A failure is
                // not reported here. It is reported when the token is brought.
                let Ok(token) = self.shared.upstream.get(Some(&name)) else {
                    continue;
                };
                if row.token.as_deref() == Some(&*token.value) {
                    continue;
                }
                // A round over many tokens may take longer than the deadline of one call.
                let session = self.pool.client.keeper_session()?;
                if session.take_over(&key, &token, sent)? {
                    let expires_at = token.expires_at_s;
                    self.tell(&name, Outcome::Fetched { expires_at });
                    self.pool.wake_keeper();
                }
            }
        }
        Ok(())
    }

    /// Reports a failure once, until it changes or is over.
    fn tell_trouble(&mut self, name: &str, trouble: Option<Error>) {
        match trouble {
            None => {
                self.told.remove(name);
            }
            Some(error) => {
                let said = error.to_string();
                if self.told.insert(name.into(), said.clone()) != Some(said) {
                    self.tell(name, Outcome::Failed(error));
                }
            }
        }
    }

    fn tell(&self, name: &str, outcome: Outcome) {
        let name = name.into();
        (self.pool.tell)(&KeeperEvent { name, outcome });
    }
}

/// Returns the account as it should be in this store, or None if it is already so.
fn account_to_bring(
    origin: &str,
    one: &RemoteAccount,
    before: Option<&Account>,
) -> Result<Option<Account>> {
    let left_out = |why: &str, advice: &str| {
        let what = format!("account \"{}\" of {origin} is left out", one.name);
        Error::new(Status::Account, what)
            .because(why)
            .advise(advice)
    };
    let Some(kind) = Kind::named(&one.kind) else {
        let why = "this version does not know its kind";
        return Err(left_out(why, "Upgrade libwxtoken on this host."));
    };
    // The upstream's data are checked like a caller's.
    check_new(&one.name, kind.name(), &one.id)?;
    if before.is_some_and(|before| before.origin().is_none()) {
        return Err(left_out(
            "this store has an account of its own of that name",
            "Remove it with `wxtoken account remove`, and the bridge brings the other.",
        ));
    }
    let wanted = Account {
        current: before.is_some_and(|before| before.current),
        ..Account::from_store(origin, &one.name, kind, &one.id)
    };
    Ok((before != Some(&wanted)).then_some(wanted))
}

/// Puts accounts in, and makes one the current one, in one change.
fn put_in(session: &Session, changed: &[Account], choose: Option<&str>) -> Result<()> {
    if changed.is_empty() && choose.is_none() {
        return Ok(());
    }
    session.require_trusted()?;
    session.change_accounts(|accounts| {
        for account in changed {
            let there = accounts.account(Some(&account.name))?;
            // An operator may have registered an account of that name meanwhile.
            if there.is_none_or(|there| there.origin().is_some()) {
                account::register(accounts, account.clone())?;
            }
        }
        if let Some(name) = choose {
            account::set_current(accounts, name)?;
        }
        Ok((Commit::Yes, ()))
    })?;
    session.state.shared.invalidate_all();
    Ok(())
}
