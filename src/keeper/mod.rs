//! What keeps every token of a store fresh, ahead of all others: for `wxtoken keep`.
//!
//! A keeper does what every process does on a get, by the same locks, leases and back-offs, only a little earlier, and
//! without being asked. So several are harmless, and one that dies is missed by nobody who may fetch for himself.
//! Those who may only read the store leave it messages in a FIFO.
//!
//! Fetches run on threads of their own: who waits for one account's platform keeps nobody from the others.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::client::Client;
use crate::client::session::Session;
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Freshness, Row, StoredSecret};
use crate::error::{Error, Result, Status};
use crate::names::{self, ACCESS_TOKEN};
use crate::platform::Recipe;
use crate::process;
use crate::store::keeper_channel::{Message, token_fingerprint};
use crate::store::{Account, StoreSnapshot};
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError, lock};
use crate::sys::{Mailbox, OWNER_ONLY, access, describe, give_access, os_message};

/// How many requests are under way at once,
const THREADS: usize = 32;
/// and to one platform: one that hangs leaves threads to the others.
const THREADS_OF_ONE: usize = 24;
/// When to try again what failed without a word in the store, such as a ticket that was never put: at first, since the
/// store may have been lost at that moment,
const HOLD_MS: i64 = 2000;
/// and, doubled each time, at last. Also how long a pass without work lets the next one wait.
const LONG_HOLD_MS: i64 = 60_000;
/// When to look again at what somebody else is about to fetch.
const SOON_MS: i64 = 250;
/// How many messages are read at once.
const MAIL: usize = 256;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Kept {
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
    /// A reader of the store was refused this token.
    Rejected,
}

/// How things stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass {
    /// How many accounts there are.
    pub accounts: usize,
    /// How many tokens and tickets are kept.
    pub credentials: usize,
    /// How many of them have no valid token.
    pub lacking: usize,
    /// How many are being fetched.
    pub in_flight: usize,
    /// In how many milliseconds the next one is due.
    pub next_ms: i64,
}

/// Who is told of each thing that happens, from several threads at once.
pub type Tell = Arc<dyn Fn(&Kept) + Send + Sync>;

/// See [the module](self).
pub struct Keeper {
    desk: Arc<Desk>,
    mailbox: Option<Mailbox>,
    /// Why there is none.
    no_mailbox: Option<Error>,
    /// Who may read the store: which file that was, its group and its mode, as the operator set them.
    access: Option<(FileOf, u32, u32)>,
    wanted: HashSet<String>,
    /// The accounts, and what was put, as last seen: a store that is lost gets them back.
    accounts: HashMap<String, Account>,
    puts: HashMap<CredentialKey, StoredSecret>,
    /// A byte comes when a fetch is done.
    done: UnixStream,
}

/// What the threads share.
struct Desk {
    client: Arc<Client>,
    tell: Tell,
    work: Mutex<Work>,
    wakes: Condvar,
    held: Mutex<HashMap<String, Held>>,
    done: UnixStream,
}

#[derive(Default)]
struct Work {
    queue: VecDeque<Errand>,
    /// What is queued or being fetched.
    in_flight: HashSet<String>,
    /// How many threads wait for each platform, by its base URL.
    busy: HashMap<String, usize>,
    threads: usize,
    idle: usize,
    is_over: bool,
}

struct Held {
    until_boot_ms: i64,
    hold_ms: i64,
    status: Status,
    message: String,
}

/// A credential that is to be kept.
struct Job {
    errand: Errand,
    due_ms: i64,
    lacking: bool,
    /// A reader waits for it: it comes before all that is queued.
    is_wanted: bool,
}

/// What is to be fetched, and where.
#[derive(Clone)]
struct Errand {
    name: String,
    base_url: String,
}

impl Keeper {
    /// Fails for a process that may not read the key or write the store.
    pub fn new(client: Arc<Client>, tell: Tell) -> Result<Keeper> {
        let session = client.session()?;
        if session.is_reader() {
            let paths = client.paths();
            return Err(Error::new(
                Status::Secret,
                format!(
                    "a keeper must write store {} and read its key file {}: run it as their owner; the store is {}; the key is {}",
                    paths.store.display(),
                    paths.key.display(),
                    describe(&paths.store),
                    describe(&paths.key)
                ),
            ));
        }
        let pair = UnixStream::pair().and_then(|(ours, theirs)| {
            ours.set_nonblocking(true)?;
            theirs.set_nonblocking(true)?;
            Ok((ours, theirs))
        });
        let (done, theirs) = pair.map_err(|e| {
            let why = format!("no pair of sockets for a keeper: {}", os_message(&e));
            Error::new(Status::Internal, why)
        })?;
        let mut keeper = Keeper {
            desk: Arc::new(Desk {
                client,
                tell,
                work: Mutex::default(),
                wakes: Condvar::new(),
                held: Mutex::default(),
                done: theirs,
            }),
            mailbox: None,
            no_mailbox: None,
            access: None,
            wanted: HashSet::new(),
            accounts: HashMap::new(),
            puts: HashMap::new(),
            done,
        };
        keeper.open_mailbox();
        Ok(keeper)
    }

    /// A store that was lost or damaged has been made anew, for its owner alone: its readers get it back.
    fn open_to_readers(&mut self) {
        let store = self.desk.client.path();
        let Some(file) = file_of(store) else { return };
        match (access(store), self.access) {
            // Of the same file it is the operator's will.
            (Some((_, OWNER_ONLY)), Some((before, group, mode)))
                if mode != OWNER_ONLY && file != before =>
            {
                // What fails here is seen by the readers, who are told mode and owner.
                let _ = give_access(store, group, mode);
            }
            (Some((group, mode)), _) => self.access = Some((file, group, mode)),
            (None, _) => {}
        }
    }

    fn open_mailbox(&mut self) {
        let paths = self.desk.client.paths();
        if let Some(mailbox) = self.mailbox.as_ref().filter(|m| m.is_in_place()) {
            // The operator may have opened the store to its group since.
            let _ = mailbox.match_store_mode(&paths.store);
            return;
        }
        match Mailbox::open(&paths.mailbox, &paths.store) {
            Ok(mailbox) => {
                self.mailbox = Some(mailbox);
                self.no_mailbox = None;
            }
            Err(e) => {
                self.mailbox = None;
                self.no_mailbox = Some(Error::store(format!(
                    "cannot open mailbox {}: {}: readers of the store cannot reach this keeper; its directory is {}",
                    paths.mailbox.display(),
                    os_message(&e),
                    describe(paths.mailbox.parent().unwrap_or(&paths.store))
                )));
            }
        }
    }

    /// To wait for a message by poll(); None where there can be none.
    pub fn mail_fd(&self) -> Option<BorrowedFd<'_>> {
        self.mailbox.as_ref().map(Mailbox::fd)
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

    /// StoreSnapshot that is held back is tried again.
    pub fn look_again(&self) {
        self.release(|_| true);
    }

    fn release(&self, which: impl Fn(Status) -> bool) {
        let mut held = self.desk.held();
        for held in held.values_mut().filter(|held| which(held.status)) {
            held.until_boot_ms = 0;
        }
    }

    /// Notes what readers say of refused tokens. Whether there was anything that a pass is for.
    pub fn read_mail(&mut self) -> bool {
        let Some(mailbox) = &mut self.mailbox else {
            return false;
        };
        // A crowd of readers says the same.
        let lines: HashSet<String> = mailbox.read(MAIL).into_iter().collect();
        let mut any = false;
        for message in lines.iter().filter_map(|line| Message::parse(line)) {
            any = true;
            match message {
                Message::Wanted(name) => {
                    self.wanted.insert(name);
                }
                Message::Rejected { name, fingerprint } => {
                    if self.desk.reject(&name, &fingerprint) {
                        (self.desk.tell)(&Kept {
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

    /// Sets out to fetch all that is due, and does not wait for it.
    pub fn pass(&mut self) -> Result<Pass> {
        let mut byte = [0; 64];
        while matches!(self.done.read(&mut byte), Ok(1..)) {}
        let session = self.desk.client.keeper_session()?;
        session.restore_accounts()?;
        self.open_to_readers();
        self.open_mailbox();
        self.read_mail();
        let everything = session.store().all(session.call())?;
        let is_lost = self.remember(&session, &everything);
        let jobs = self.jobs(&session, &everything);
        self.wanted.clear();
        let due = jobs.iter().filter(|job| job.due_ms <= 0);
        let in_flight = self.desk.begin(due);
        let later = jobs.iter().filter(|job| job.due_ms > 0);
        let next = later.map(|job| job.due_ms).min();
        // The end of a fetch is told; what another process is at is looked for.
        let is_soon = is_lost || jobs.iter().any(|job| job.due_ms <= 0);
        let soon = is_soon.then_some(SOON_MS);
        Ok(Pass {
            accounts: everything.accounts.len(),
            credentials: jobs.len(),
            lacking: jobs.iter().filter(|job| job.lacking).count(),
            in_flight,
            next_ms: next.into_iter().chain(soon).min().unwrap_or(LONG_HOLD_MS),
        })
    }

    /// Begins nothing more, and waits for the fetches that are under way: a token that was fetched is to be saved.
    pub fn end(self) {
        let mut work = self.desk.work();
        work.is_over = true;
        work.queue.clear();
        self.desk.wakes.notify_all();
        let deadline = Deadline::after(self.desk.client.options().timeout_ms + 2000);
        while work.threads > 0 && !deadline.has_passed() {
            let waited = self.desk.wakes.wait_timeout(work, deadline.left());
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Keeps what is needed to put accounts and what was put back into a store that is lost. Whether it has been, since they
    /// were put back last: only what an operator removes is forgotten.
    fn remember(&mut self, session: &Session, everything: &StoreSnapshot) -> bool {
        for name in &everything.removed {
            self.accounts.remove(name);
        }
        for account in &everything.accounts {
            self.accounts.insert(account.name.clone(), account.clone());
        }
        let known = self.accounts.values().flat_map(|account| {
            let recipe = account.kind.token();
            recipe
                .put
                .is_some()
                .then(|| account.identity(recipe, &session.options))
        });
        let known: HashSet<CredentialKey> = known.collect();
        self.puts.retain(|identity, _| known.contains(identity));
        for (identity, row) in &everything.tokens {
            if let Some(put) = row.put.as_ref().filter(|_| known.contains(identity)) {
                self.puts.insert(identity.clone(), put.clone());
            }
        }
        let client = &self.desk.client;
        process::remember_only(
            client.handle(),
            client.path(),
            self.accounts.values(),
            &self.puts,
        );
        self.accounts.len() > everything.accounts.len()
    }

    /// Every credential that is kept.
    fn jobs(&self, session: &Session, everything: &StoreSnapshot) -> Vec<Job> {
        let rows: HashMap<&CredentialKey, &Row> = everything
            .tokens
            .iter()
            .map(|(identity, row)| (identity, row))
            .collect();
        let empty = Row::default();
        let mut seen = HashSet::new();
        let mut jobs = Vec::new();
        for account in &everything.accounts {
            for recipe in account.kind.recipes() {
                let identity = account.identity(recipe, &session.options);
                let name = name_of(account, recipe);
                let row = rows.get(&identity).copied();
                let is_wanted = self.wanted.contains(&name);
                let is_asked_for = recipe.credential == ACCESS_TOKEN
                    || row.is_some_and(|row| row.fetches > 0)
                    || is_wanted;
                if !is_asked_for || seen.contains(&identity) {
                    continue;
                }
                let (due_ms, lacking) = self.desk.due(session, &name, row.unwrap_or(&empty));
                let base_url = identity.base_url.clone();
                seen.insert(identity);
                jobs.push(Job {
                    errand: Errand { name, base_url },
                    due_ms,
                    lacking,
                    is_wanted,
                });
            }
        }
        jobs
    }
}

impl Desk {
    /// In how many milliseconds a credential is to be fetched, and whether it has no valid token.
    fn due(&self, session: &Session, name: &str, row: &Row) -> (i64, bool) {
        let now = Now::read();
        let boot_id = session.boot_id();
        let lacking = row.freshness(now, &boot_id) == Freshness::Spent;
        let held = self.held().get(name).map(|held| held.until_boot_ms);
        let held_ms = held.map_or(0, |until| until - now.boot_ms);
        let due_ms = if let Some(failure) = row.standing_failure(now, 0) {
            failure.retry_after_ms
        } else if lacking {
            held_ms
        } else {
            row.until_keeper_refresh_ms(now, &boot_id).max(held_ms)
        };
        (due_ms, lacking)
    }

    /// Rejects the stored token if it is the one that is meant. Whether it was.
    fn reject(&self, name: &str, fingerprint: &str) -> bool {
        let rejected = || -> Result<bool> {
            let session = self.client.session()?;
            let found = session.read_credential(Some(name))?;
            let Some(token) = &found.row.token else {
                return Ok(false);
            };
            if found.row.rejected || token_fingerprint(name, token) != fingerprint {
                return Ok(false);
            }
            session.reject(Some(name), token)?;
            Ok(true)
        };
        // A reader that is told nothing times out, and says so.
        rejected().unwrap_or(false)
    }

    /// Has threads fetch what is not under way yet. How many fetches there are then.
    fn begin<'j>(self: &Arc<Desk>, jobs: impl Iterator<Item = &'j Job>) -> usize {
        let mut work = self.work();
        for job in jobs {
            let errand = &job.errand;
            if !work.is_over && work.in_flight.insert(errand.name.clone()) {
                work.queue.push_back(errand.clone());
            }
            if job.is_wanted {
                work.queue
                    .make_contiguous()
                    .sort_by_key(|queued| queued.name != errand.name);
            }
        }
        let wanted = work.queue.len().saturating_sub(work.idle);
        for _ in 0..wanted.min(THREADS - work.threads) {
            let desk = self.clone();
            let thread = std::thread::Builder::new().name("wxtoken-keep".into());
            // With none at all the next pass tries again.
            if thread.spawn(move || desk.fetch_all()).is_ok() {
                work.threads += 1;
            }
        }
        self.wakes.notify_all();
        work.in_flight.len()
    }

    /// One thread: fetches what is in the queue, and ends after a while without work.
    fn fetch_all(&self) {
        let _leave = Leave(self);
        while let Some(errand) = self.next() {
            let _done = Done {
                desk: self,
                errand: &errand,
            };
            if let Some(outcome) = self.fetch(&errand.name) {
                let name = errand.name.clone();
                (self.tell)(&Kept { name, outcome });
            }
        }
    }

    /// Waits for something to fetch.
    fn next(&self) -> Option<Errand> {
        /// A thread that has had nothing to do for so long is not needed.
        const IDLE: std::time::Duration = std::time::Duration::from_secs(60);
        let mut work = self.work();
        loop {
            let place = work.queue.iter().position(|errand| {
                work.busy
                    .get(&errand.base_url)
                    .is_none_or(|busy| *busy < THREADS_OF_ONE)
            });
            if let Some(errand) = place.and_then(|place| work.queue.remove(place)) {
                *work.busy.entry(errand.base_url.clone()).or_default() += 1;
                return Some(errand);
            }
            if work.is_over {
                return None;
            }
            work.idle += 1;
            let waited = self.wakes.wait_timeout(work, IDLE);
            let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            work = woken;
            work.idle -= 1;
            if timeout.timed_out() && work.queue.is_empty() {
                return None;
            }
        }
    }

    /// None when there is nothing to tell: somebody else is at it, or it is as it was.
    fn fetch(&self, name: &str) -> Option<Outcome> {
        let session = match self.client.keeper_session() {
            Ok(session) => session,
            Err(e) => return Some(Outcome::Failed(e)),
        };
        match session.keep(name) {
            Ok(Some(token)) => {
                self.held().remove(name);
                Some(Outcome::Fetched {
                    expires_at: token.expires_at_s,
                })
            }
            Ok(None) => None,
            // The store holds it back, and each try is told.
            Err(e) if session.has_failed(name) => Some(Outcome::Failed(e)),
            Err(e) => self.hold(name, e),
        }
    }

    /// What the store does not hold back, as where its parent's token is what failed, is held back here, and told once.
    fn hold(&self, name: &str, e: Error) -> Option<Outcome> {
        let mut all = self.held();
        let before = all.get(name).filter(|held| held.message == e.message);
        let is_news = before.is_none();
        let hold_ms = match before {
            // A store that cannot be used may be well any moment.
            Some(held) if e.status != Status::Store => (held.hold_ms * 2).min(LONG_HOLD_MS),
            _ => HOLD_MS,
        };
        let held = Held {
            until_boot_ms: Now::read().boot_ms + hold_ms.max(e.retry_after_ms),
            hold_ms,
            status: e.status,
            message: e.message.clone(),
        };
        all.insert(name.into(), held);
        drop(all);
        is_news.then_some(Outcome::Failed(e))
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.work)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        lock(&self.held)
    }
}

// However a thread leaves, be it by a panic, nothing stays under way that nobody is at.

struct Leave<'a>(&'a Desk);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.work().threads -= 1;
        self.0.wakes.notify_all();
    }
}

struct Done<'a> {
    desk: &'a Desk,
    errand: &'a Errand,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut work = self.desk.work();
        work.in_flight.remove(&self.errand.name);
        if let Some(busy) = work.busy.get_mut(&self.errand.base_url) {
            *busy -= 1;
        }
        drop(work);
        self.desk.wakes.notify_all();
        // Where the socket is full it has been told.
        let _ = (&self.desk.done).write(&[1]);
    }
}

/// What tells a file from another of its name: a deleted one's inode is soon another's.
type FileOf = (u64, Option<SystemTime>);

fn file_of(path: &Path) -> Option<FileOf> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.ino(), meta.created().ok()))
}

fn name_of(account: &Account, recipe: &Recipe) -> String {
    if recipe.credential == ACCESS_TOKEN {
        return account.name.clone();
    }
    names::join(&account.name, recipe.credential)
}
