//! A keeper, as `wxtoken keep` runs it: it keeps every token of a store fresh, ahead of all other processes.
//!
//! A keeper does what every process does on a get, with the same locks, leases and back-offs. It only does so a little
//! earlier, and without being asked. Running several keepers is harmless. If a keeper dies, processes that may write
//! the store and read the key fetch for themselves. Processes that may only read the store send the keeper messages
//! through a FIFO.
//!
//! Fetches run on their own threads, so that waiting for one platform does not delay the other accounts.
//!
//! # When a keeper fetches
//!
//! A keeper's window opens up to 5 s earlier than that of other processes (`Row::keeper_freshness`). So no other
//! process finds a token past its `refresh_at`. There is room for this: a stable token has its successor 300 s before
//! its end, and `refresh_at` is at most 289 s before it.
//!
//! If several keepers run, one leads and the others find nothing to do. A failure that is noted in the store is retried
//! when its back-off ends. Other failures, such as a ticket that was never put or a missing `ca_file`, are retried
//! after 2 s, doubling to a minute. They are retried at once on SIGHUP, or when a change of the store may have helped.
//!
//! Fetches run on up to 32 threads, at most 24 for one platform. So a platform that hangs delays neither the others nor
//! the messages. `overdue` describes what happens to a fetch that goes on long past its time.
//!
//! # Readers and the mailbox
//!
//! A **reader** is a process that may not write the store, or not read the key. It cannot lead, so it asks the keeper.
//! The keeper reads a FIFO, `<store>.mailbox`, with mode 0620 if the store's group may read the store.
//!
//! A FIFO has the right properties: opening it shows at once whether a keeper reads it, and its writers cannot read
//! each other. A line arrives whole even if others write too, and nothing is left behind.
//!
//! A message is a wish (`want` and a name) or a rejection (a name, and the token's fingerprint instead of the token).
//! The answer is the row in the store. The reader waits for it as it waits for any other leader. The keeper discards
//! malformed messages. A flood of messages costs it reading time, and rejections still cause only one fetch in 30 s.
//!
//! # What a keeper remembers
//!
//! The names of accounts that an operator removes are kept in `weixin_removed`, so that a live handle does not put them
//! back. A keeper remembers what it has seen. If the store is lost while it runs, it restores every account, what was
//! put, and the group and mode that the operator gave the store.
//!
//! A **backup** holds accounts, what was put, and a server's clients. It holds no token, so a restore does not bring
//! back a superseded one. Every sealed value in it is opened first, in the transaction that puts it in place.

mod bridge;
mod overdue;
mod plan;
mod workers;

use bridge::Bridge;
use workers::{LONG_HOLD_MS, WorkerPool};

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::account::key_of;
use crate::client::Client;
use crate::client::report::UnknownAccountReport;
use crate::client::session::Session;
use crate::clock::{Deadline, boot_ms};
use crate::credential::{CredentialKey, StoredSecret};
use crate::error::{Error, Hint, Result, Status};
use crate::names;
use crate::process::last_known;
use crate::store::{self, Account, Commit, Inbox, Message, Store, StoreSnapshot};
use crate::sync::{Condvar, Mutex, PoisonError};
use crate::sys::{describe, os_message, owner_name};

/// The time in milliseconds until the next look at a credential that another process is fetching.
const SOON_MS: i64 = 250;

/// The time in milliseconds between two searches for names that no pass has seen.
const STRANGERS_MS: i64 = 1000;

/// The number of messages that are read at once.
const MAIL: usize = 256;

/// An event that a keeper reports.
#[derive(Clone, Debug)]
pub struct KeeperEvent {
    /// The name of the account, or of one of its credentials.
    pub name: String,
    /// The outcome for that account or credential.
    pub outcome: Outcome,
}

/// The outcome for an account or a credential.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A new token was fetched.
    Fetched {
        /// The time when the token expires, in Unix seconds.
        expires_at: i64,
    },
    /// A fetch failed.
    Failed(Error),
    /// An account of the upstream was added or changed.
    Brought,
    /// An account was removed because the upstream no longer has it.
    Gone,
    /// A reader of the store reported that the API refused this token.
    Rejected,
}

/// The state of the keeper after a pass.
#[derive(Clone, Debug, Default)]
pub struct PassSummary {
    /// The number of accounts.
    pub accounts: usize,
    /// The number of tokens and tickets that are kept fresh.
    pub credentials: usize,
    /// The number of tokens and tickets without a valid value.
    pub without_token: usize,
    /// The number of fetches that are queued or under way.
    pub in_flight: usize,
    /// Whether a bridge has not yet listed the accounts to bring.
    pub is_listing: bool,
    /// The number of fetches that hang, seconds past their time limit.
    pub overdue: usize,
    /// Whether a fetch hangs, and no fetch has ended since.
    pub is_stalled: bool,
    /// The milliseconds until the next pass.
    pub next_ms: i64,
    /// The accounts of a kind that this version does not know, which are not kept.
    pub left_out: Vec<UnknownAccountReport>,
}

/// The receiver of a keeper's events. Several threads call it at once.
pub type EventSink = Arc<dyn Fn(&KeeperEvent) + Send + Sync>;

/// A keeper of one store. See [the module](self).
pub struct Keeper {
    pool: Arc<WorkerPool>,
    bridge: Option<Bridge>,
    inbox: Option<Box<dyn Inbox>>,
    /// The reason why the keeper has no mailbox.
    no_mailbox: Option<Error>,
    wanted: HashSet<String>,
    /// The time of the last search for unknown names, by the boot clock.
    strangers_at: i64,
    /// The accounts as last seen. A store that is lost gets them back, and the put secrets in `puts` too.
    accounts: HashMap<String, Account>,
    puts: HashMap<CredentialKey, StoredSecret>,
    /// The record of a server's clients as last seen. A store that is lost gets it back.
    clients: Option<String>,
    /// A socket that receives a byte when a fetch ends.
    done: UnixStream,
}

impl Keeper {
    /// Makes a keeper. Fails if this process may not read the key or write the store. With an upstream, the keeper is a
    /// bridge.
    pub fn new(
        client: Arc<Client>,
        upstream: Option<Arc<Client>>,
        tell: EventSink,
    ) -> Result<Keeper> {
        if let Some(upstream) = &upstream {
            if upstream.store() == client.store() {
                let what = format!("store {} cannot be filled from itself", client.store());
                return Err(Error::argument(what).advise("Name another store after --from."));
            }
            client.bring_from(upstream.clone());
        }
        let session = client.session()?;
        if session.is_reader() {
            let place = client.place();
            let what = format!(
                "a keeper must write store {} and read its key file {}",
                place.name,
                place.key.display()
            );
            let why = session.why_reader();
            let why = why.filter(|why| why.status == Status::Store);
            let status = why.as_ref().map_or(Status::Secret, |why| why.status);
            let key = format!("the key is {}", describe(&place.key));
            let places = match &place.files {
                Some(files) => format!("the store is {}; {key}", describe(&files.store)),
                None => key,
            };
            let user = place.files.map(|files| owner_name(&files.store));
            let detail = why.as_ref().map(Error::to_string);
            let known = why.and_then(|why| why.hint);
            return Err(Error::new(status, what)
                .because(detail.unwrap_or(places))
                .hint(known.map_or_else(|| Hint::Keep { user }, |hint| *hint)));
        }
        let pair = UnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            Ok((ours, theirs))
        });
        let (done, theirs) = pair.map_err(|e| {
            Error::new(
                Status::Internal,
                "cannot make a pair of sockets for a keeper",
            )
            .because(os_message(&e))
        })?;
        let mut keeper = Keeper {
            pool: Arc::new(WorkerPool {
                client,
                tell,
                work: Mutex::default(),
                wakes: Condvar::new(),
                held: Mutex::default(),
                done: theirs,
            }),
            bridge: None,
            inbox: None,
            no_mailbox: None,
            wanted: HashSet::new(),
            strangers_at: 0,
            accounts: HashMap::new(),
            puts: HashMap::new(),
            clients: None,
            done,
        };
        keeper.open_inbox(session.store());
        if let Some(upstream) = upstream {
            keeper.bridge = Some(Bridge::start(&keeper.pool, upstream)?);
        }
        Ok(keeper)
    }

    fn open_inbox(&mut self, store: &dyn Store) {
        if self.inbox.as_ref().is_some_and(|inbox| inbox.is_in_place()) {
            return;
        }
        // The old mailbox is closed first. Otherwise it would be taken for that of another keeper.
        self.inbox = None;
        match store.keeper_channel().listen() {
            Ok(inbox) => {
                self.inbox = Some(inbox);
                self.no_mailbox = None;
            }
            Err(e) => self.no_mailbox = Some(e),
        }
    }

    /// Returns the descriptor to poll() for messages, or None without a mailbox.
    pub fn mail_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inbox.as_ref().map(|inbox| inbox.fd())
    }

    /// Returns the descriptor to poll() for the end of a fetch.
    pub fn done_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// Returns the reason why readers cannot reach this keeper, if they cannot.
    pub fn no_mailbox(&self) -> Option<&Error> {
        self.no_mailbox.as_ref()
    }

    /// Retries, after a change of the store, the fetches that failed for lack of something in the store or of the key.
    /// Other failed fetches are not retried, since each try changes the store.
    pub fn store_changed(&self) {
        self.release(|status| matches!(status, Status::Account | Status::Secret | Status::Store));
    }

    /// Retries every fetch that is held back.
    pub fn look_again(&self) {
        if let Some(bridge) = &self.bridge {
            bridge.look_again();
        }
        self.release(|_| true);
    }

    fn release(&self, which: impl Fn(Status) -> bool) {
        let mut held = self.pool.held();
        for held in held.values_mut().filter(|held| which(held.status)) {
            held.until_boot_ms = 0;
        }
    }

    /// Reads the messages, and notes which tokens readers reported as refused. Returns whether a pass is needed.
    pub fn read_mail(&mut self) -> bool {
        let Some(inbox) = &mut self.inbox else {
            return false;
        };
        // Many readers send the same message.
        let messages: HashSet<Message> = inbox.read(MAIL).into_iter().collect();
        let mut any = false;
        for message in messages {
            any |= self.is_known(&message) || self.may_look_for_strangers();
            match message {
                Message::Wanted(name) => {
                    self.wanted.insert(name);
                }
                Message::Rejected { name, fingerprint } => {
                    if self.pool.reject(&name, &fingerprint) {
                        (self.pool.tell)(&KeeperEvent {
                            name: name.clone(),
                            outcome: Outcome::Rejected,
                        });
                    }
                    self.wanted.insert(name);
                }
            }
        }
        any
    }

    /// Returns whether a message names an account that the last pass has seen.
    fn is_known(&self, message: &Message) -> bool {
        let (Message::Wanted(name) | Message::Rejected { name, .. }) = message;
        let account = names::split(Some(name)).map_or(None, |(account, _)| account);
        account.is_some_and(|account| self.accounts.contains_key(account))
    }

    /// Returns whether names may be searched for that the last pass has not seen. A flood of such names costs one pass
    /// a second.
    fn may_look_for_strangers(&mut self) -> bool {
        let is_time = boot_ms() - self.strangers_at >= STRANGERS_MS;
        if is_time {
            self.strangers_at = boot_ms();
        }
        is_time
    }

    /// Starts all fetches that are due, and does not wait for them.
    pub fn pass(&mut self) -> Result<PassSummary> {
        let mut byte = [0; 64];
        while matches!(self.done.read(&mut byte), Ok(1..)) {}
        self.pool.give_up_the_overdue();
        let session = self.pool.client.keeper_session()?;
        session.restore_accounts()?;
        self.open_inbox(session.store());
        self.read_mail();
        let (removed, everything) = store::read(session.store(), &session.deadline, |there| {
            Ok((there.removed()?, StoreSnapshot::read(there)?))
        })?;
        let is_lost = self.remember(&session, &removed, &everything);
        self.remember_clients(&session, &everything)?;
        let plan = self.plan(&session, &everything);
        self.wanted.clear();
        let due = plan.iter().filter(|planned| planned.due_ms <= 0);
        let in_flight = self.pool.enqueue(due);
        let later = plan.iter().filter(|planned| planned.due_ms > 0);
        let next = later.map(|planned| planned.due_ms).min();
        // The keeper is told when one of its fetches ends. It polls for the fetches of other processes.
        let is_soon = is_lost || in_flight > 0 || plan.iter().any(|planned| planned.due_ms <= 0);
        let soon = is_soon.then_some(SOON_MS);
        let work = self.pool.work();
        Ok(PassSummary {
            accounts: everything.accounts.len(),
            credentials: plan.len(),
            without_token: plan.iter().filter(|planned| planned.without_token).count(),
            in_flight,
            is_listing: self
                .bridge
                .as_ref()
                .is_some_and(|bridge| !bridge.has_listed()),
            overdue: work.running.overdue(),
            is_stalled: work.running.is_stalled(),
            next_ms: next.into_iter().chain(soon).min().unwrap_or(LONG_HOLD_MS),
            left_out: everything.unknown.iter().map(Into::into).collect(),
        })
    }

    /// Starts no more fetches, and waits for those under way, so that a fetched token is saved.
    pub fn end(mut self) {
        self.bridge = None;
        let mut work = self.pool.work();
        work.is_over = true;
        work.queue.clear();
        self.pool.wakes.notify_all();
        let deadline = Deadline::after(self.pool.client.options().timeout_ms + 2000);
        while work.threads > 0 && !deadline.has_passed() {
            let waited = self.pool.wakes.wait_timeout(work, deadline.left());
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Remembers the accounts and the put secrets, for a store that is lost. Forgets only what an operator removes.
    /// Returns whether the store has lost any of them.
    fn remember(
        &mut self,
        session: &Session,
        removed: &[String],
        everything: &StoreSnapshot,
    ) -> bool {
        for name in removed {
            self.accounts.remove(name);
        }
        // A newer version has changed the account's kind. The account is not lost.
        for account in &everything.unknown {
            self.accounts.remove(&account.name);
        }
        for account in &everything.accounts {
            self.accounts.insert(account.name.clone(), account.clone());
        }
        let known = self.accounts.values().flat_map(|account| {
            let recipe = account.kind.token();
            recipe
                .pushed
                .is_some()
                .then(|| key_of(account, recipe, &session.options))
        });
        let known: HashSet<CredentialKey> = known.collect();
        self.puts.retain(|key, _| known.contains(key));
        for (key, row) in &everything.rows {
            if let Some(put) = row.pushed.as_ref().filter(|_| known.contains(key)) {
                self.puts.insert(key.clone(), put.clone());
            }
        }
        let handle = self.pool.client.handle();
        last_known(session.store_name(), |known| {
            known.record_all(handle, &self.accounts, &self.puts);
        });
        self.accounts.len() > everything.accounts.len()
    }
    /// Restores the record of the clients if the store has lost it. An existing record is kept, even an empty one.
    fn remember_clients(&mut self, session: &Session, everything: &StoreSnapshot) -> Result<()> {
        if everything.clients.is_some() {
            self.clients.clone_from(&everything.clients);
        }
        let (None, Some(known)) = (&everything.clients, &self.clients) else {
            return Ok(());
        };
        session
            .store()
            .change_clients(&session.deadline, &mut |record| {
                let is_lost = record.is_none();
                record.get_or_insert_with(|| known.clone());
                Ok(Commit::when(is_lost))
            })
    }
}
