//! A keeper's bridge to an upstream: which accounts there are to bring, and which tokens the upstream has replaced early.
//! What a bridge is stands in `client::bridge`.
//!
//! One thread, beside those that bring. It lists the upstream's accounts every few seconds, and puts in, changes or takes out
//! what it has put in before. Accounts of this store's own are left alone. Then it looks at each token once a second: a token
//! that was refused to a program elsewhere has a successor there, and this store's is dead.
//!
//! While the upstream is away nothing changes here. Only a list that was read says that an account is gone.

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

/// How often accounts are listed.
const LIST_EACH_MS: i64 = 5000;
/// How often a token is looked at.
const LOOK_EACH_MS: i64 = 1000;

/// The thread, as the keeper sees it.
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
    /// The list is to be read now.
    is_asked: bool,
    /// The list was read at least once.
    has_listed: bool,
}

impl Bridge {
    /// Fails where no thread can be had.
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

    /// Whether it is known what there is to bring.
    pub(super) fn has_listed(&self) -> bool {
        lock(&self.shared.state).has_listed
    }

    /// The list is read at once.
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

/// What the thread knows from round to round.
struct Round {
    shared: Arc<Shared>,
    pool: Arc<WorkerPool>,
    /// When the list is read next.
    list_at: i64,
    /// The last trouble of each name, which is told once.
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

    /// Waits for the next round. Whether the list was asked for; None at the end.
    fn wait(&self) -> Option<bool> {
        let mut state = lock(&self.shared.state);
        let has_begun = self.list_at > 0;
        if has_begun && !state.is_over && !state.is_asked {
            let each = Duration::from_millis(LOOK_EACH_MS.unsigned_abs());
            let waited = self.shared.wakes.wait_timeout(state, each);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        // Until the upstream has answered once, nothing can be served.
        let is_asked = std::mem::take(&mut state.is_asked) || !state.has_listed;
        (!state.is_over).then_some(is_asked)
    }

    /// Makes this store's accounts of the upstream what they are there.
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

    /// Takes over what the upstream has replaced.
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
                // With a good token in memory this waits 100 ms at most, or for a fetch upstream, which has all its time. What
                // fails here is told where somebody needs it: when the token is brought.
                let Ok(token) = self.shared.upstream.get(Some(&name)) else {
                    continue;
                };
                if row.token.as_deref() == Some(&*token.value) {
                    continue;
                }
                // A round of many tokens may take longer than one call may.
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

    /// Tells trouble once, until it is another or over.
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

/// An account as it is to be here; None where it is so already.
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
    // The upstream's word is checked as a caller's is.
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

/// Puts accounts in, and makes one the current one, all at once.
fn put_in(session: &Session, changed: &[Account], choose: Option<&str>) -> Result<()> {
    if changed.is_empty() && choose.is_none() {
        return Ok(());
    }
    session.require_trusted()?;
    session.change_accounts(|accounts| {
        for account in changed {
            let there = accounts.account(Some(&account.name))?;
            // An operator may have put in one of that name meanwhile.
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
