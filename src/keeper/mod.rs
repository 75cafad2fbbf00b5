//! What keeps every token of a store fresh, ahead of all others: for `wxtoken keep`.
//!
//! A keeper does what every process does on a get, by the same locks, leases and back-offs, only a little earlier, and
//! without being asked. So several are harmless, and one that dies is missed by nobody who may fetch for himself.
//! Those who may only read the store leave it messages in a FIFO.
//!
//! Fetches run on threads of their own: who waits for one account's platform keeps nobody from the others.
//!
//! # A keeper and its readers
//!
//! `wxtoken keep` (`keeper`, and `cli/`) does what any process does on a get, by the same flights, locks, leases and
//! back-offs; only its window opens up to 5 s earlier (`Row::keeper_freshness`), so that no other process ever finds a
//! token past its `refresh_at`. A stable token has its successor 300 s before its end, and `refresh_at` is at most 289
//! s before it: that is the room there is. Several keepers are one leader and some who look on. What fails with a word
//! in the store is tried again when the store says; what fails without (a ticket that was never put, a `ca_file` that
//! is gone) 2 s later, doubling to a minute, and at once on SIGHUP, or where a change of the store may have helped.
//! Fetches run on up to 32 threads, at most 24 for one platform, so one that hangs keeps neither another's nor the
//! mail. One that goes on long past its time hangs where nobody thought of it: `overdue` says what becomes of it.
//!
//! A **reader** is a process that may not write the store, or not read the key. Its lead would come to nothing, so it does not
//! try where a keeper listens. The keeper reads a FIFO, `<store>.mailbox`, mode 0620 where the store's group may read
//! it. A FIFO, because opening one says at once whether somebody reads, its writers cannot read each other, a line is
//! whole whoever else writes, and nothing is left behind. A message is a wish (`want` a name) or a rejection (a name,
//! and the fingerprint of the token, not the token); the answer to it is the row in the store, for which the reader
//! waits as it would for any other leader. Nonsense is thrown away; a flood costs the keeper reading, and rejections
//! keep to their one fetch in 30 s.
//!
//! Accounts that an operator removes leave their names in `weixin_removed`: a live handle that has registered one does
//! not put it back. A keeper remembers what it has seen, so a store that is lost while it runs comes back with every
//! account, with what was put, and with the group and mode that the operator gave it.
//!
//! A **backup** holds accounts, what was put and a server's clients, and no token: restored, it brings none back that has been superseded
//! since. Every sealed value in it is opened first, in the transaction that puts it in place.

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

/// When to look again at what somebody else is about to fetch.
const SOON_MS: i64 = 250;

/// How often names are looked for that no pass has seen.
const STRANGERS_MS: i64 = 1000;

/// How many messages are read at once.
const MAIL: usize = 256;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct KeeperEvent {
    /// The account, or account/credential.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a credential.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// There is a new token.
    Fetched {
        /// When it ends, in Unix seconds.
        expires_at: i64,
    },
    /// There is none.
    Failed(Error),
    /// An account of the upstream was put in, or changed.
    Brought,
    /// An account is gone from the upstream, and from here.
    Gone,
    /// A reader of the store was refused this token.
    Rejected,
}

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct PassSummary {
    /// How many accounts there are.
    pub accounts: usize,
    /// How many tokens and tickets are kept.
    pub credentials: usize,
    /// How many of them have no valid token.
    pub without_token: usize,
    /// How many are being fetched.
    pub in_flight: usize,
    /// Whether a bridge does not know yet which accounts there are to bring.
    pub is_listing: bool,
    /// How many fetches hang: they have not ended seconds past their time.
    pub overdue: usize,
    /// Whether a fetch hangs, and none has ended since.
    pub is_stalled: bool,
    /// In how many milliseconds the next one is due.
    pub next_ms: i64,
    /// The accounts that this version cannot keep, and why.
    pub left_out: Vec<UnknownAccountReport>,
}

/// Who is told of each thing that happens, from several threads at once.
pub type EventSink = Arc<dyn Fn(&KeeperEvent) + Send + Sync>;

/// See [the module](self).
pub struct Keeper {
    pool: Arc<WorkerPool>,
    bridge: Option<Bridge>,
    inbox: Option<Box<dyn Inbox>>,
    /// Why there is none.
    no_mailbox: Option<Error>,
    wanted: HashSet<String>,
    /// When names that are not known were last looked for.
    strangers_at: i64,
    /// The accounts, and what was put, as last seen: a store that is lost gets them back.
    accounts: HashMap<String, Account>,
    puts: HashMap<CredentialKey, StoredSecret>,
    /// The record of a server's clients, as last seen: it comes back, too.
    clients: Option<String>,
    /// A byte comes when a fetch is done.
    done: UnixStream,
}

impl Keeper {
    /// Fails for a process that may not read the key or write the store. With an upstream it is a bridge.
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
        // The old one goes first: it would be taken for a keeper's.
        self.inbox = None;
        match store.keeper_channel().listen() {
            Ok(inbox) => {
                self.inbox = Some(inbox);
                self.no_mailbox = None;
            }
            Err(e) => self.no_mailbox = Some(e),
        }
    }

    /// To wait for a message by poll(); None where there can be none.
    pub fn mail_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inbox.as_ref().map(|inbox| inbox.fd())
    }

    /// To wait for the end of a fetch by poll().
    pub fn done_fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// Why readers of the store cannot reach this keeper, if they cannot.
    pub fn no_mailbox(&self) -> Option<&Error> {
        self.no_mailbox.as_ref()
    }

    /// The store has changed: what failed for want of something in it, or of the key, is tried again. Nothing else is: a
    /// try changes the store, too.
    pub fn store_changed(&self) {
        self.release(|status| matches!(status, Status::Account | Status::Secret | Status::Store));
    }

    /// Everything that is held back is tried again.
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

    /// Notes what readers say of refused tokens. Whether there was anything that a pass is for.
    pub fn read_mail(&mut self) -> bool {
        let Some(inbox) = &mut self.inbox else {
            return false;
        };
        // A crowd of readers says the same.
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

    /// Whether a message is of an account that the last pass has seen.
    fn is_known(&self, message: &Message) -> bool {
        let (Message::Wanted(name) | Message::Rejected { name, .. }) = message;
        let account = names::split(Some(name)).map_or(None, |(account, _)| account);
        account.is_some_and(|account| self.accounts.contains_key(account))
    }

    /// Whether it is time to look for names that the last pass has not seen: a flood of them costs a pass a second.
    fn may_look_for_strangers(&mut self) -> bool {
        let is_time = boot_ms() - self.strangers_at >= STRANGERS_MS;
        if is_time {
            self.strangers_at = boot_ms();
        }
        is_time
    }

    /// Sets out to fetch all that is due, and does not wait for it.
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
        // The end of a fetch is told; what another process is at is looked for.
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

    /// Begins nothing more, and waits for the fetches that are under way: a token that was fetched is to be saved.
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

    /// Keeps what is needed to put accounts and what was put back into a store that is lost. Whether it has been, since they
    /// were put back last: only what an operator removes is forgotten.
    fn remember(
        &mut self,
        session: &Session,
        removed: &[String],
        everything: &StoreSnapshot,
    ) -> bool {
        for name in removed {
            self.accounts.remove(name);
        }
        // A newer version has taken it over: it is not lost.
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
    /// Puts the clients' record back into a store that is lost. One that is there is what counts, be it empty.
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
