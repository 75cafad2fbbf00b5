//! What keeps every token of a store fresh, ahead of all others: for `wxtoken keep`.
//!
//! A keeper does what every process does on a get, by the same locks, leases and back-offs, only a little earlier, and
//! without being asked. So several are harmless, and one that dies is missed by nobody who may fetch for himself.
//! Those who may only read the store leave it messages in a FIFO.

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use crate::client::Client;
use crate::clock::Now;
use crate::error::{Error, Result, Status};
use crate::mailbox::{Message, token_fingerprint};
use crate::names;
use crate::process;
use crate::session::Session;
use crate::store::{Account, Everything};
use crate::sys::{Mailbox, OWNERS, access, describe, give_access};
use crate::token::{Freshness, Identity, Row};
use crate::tool::Failure;
use crate::wechat::{ACCESS_TOKEN, Recipe};

/// How many requests are under way at once.
const THREADS: usize = 8;
/// When to try again what failed without a word in the store, such as a ticket that was never put.
const HOLD_MS: i64 = 60_000;
/// When to look again at what somebody else is about to fetch.
const SOON_MS: i64 = 250;
/// How many messages one pass reads.
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
    Failed(Failure),
    /// A reader of the store was refused this token.
    Rejected,
}

/// What a pass left behind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pass {
    /// How many accounts there are.
    pub accounts: usize,
    /// How many tokens and tickets are kept.
    pub credentials: usize,
    /// How many of them have no valid token.
    pub lacking: usize,
    /// In how many milliseconds the next one is due.
    pub next_ms: i64,
}

/// See [the module](self).
pub struct Keeper<'a> {
    client: &'a Client,
    mailbox: Option<Mailbox>,
    /// Why there is none.
    no_mailbox: Option<Failure>,
    /// Who may read the store: its inode, its group and its mode, as the operator set them.
    access: Option<(u64, u32, u32)>,
    wanted: Vec<String>,
    held: Mutex<HashMap<String, Held>>,
}

struct Held {
    until_boot_ms: i64,
    message: String,
}

/// A credential that is to be kept.
struct Job {
    name: String,
    due_ms: i64,
    lacking: bool,
}

impl<'a> Keeper<'a> {
    /// Fails for a process that may not read the key or write the store.
    pub fn new(client: &'a Client) -> Result<Keeper<'a>> {
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
        let mut keeper = Keeper {
            client,
            mailbox: None,
            no_mailbox: None,
            access: None,
            wanted: Vec::new(),
            held: Mutex::default(),
        };
        keeper.open_mailbox();
        Ok(keeper)
    }

    /// A store that was lost or damaged has been made anew, for its owner alone: its readers get it back.
    fn open_to_readers(&mut self) {
        let store = self.client.path();
        let inode = std::fs::symlink_metadata(store).map_or(0, |meta| meta.ino());
        match (access(store), self.access) {
            // Of the same file it is the operator's will.
            (Some((_, OWNERS)), Some((before, group, mode)))
                if mode != OWNERS && inode != before =>
            {
                // What fails here is seen by the readers, who are told mode and owner.
                let _ = give_access(store, group, mode);
            }
            (Some((group, mode)), _) => self.access = Some((inode, group, mode)),
            (None, _) => {}
        }
    }

    fn open_mailbox(&mut self) {
        let paths = self.client.paths();
        if let Some(mailbox) = self.mailbox.as_ref().filter(|m| m.is_in_place()) {
            // The operator may have opened the store to its group since.
            let _ = mailbox.admit(&paths.store);
            return;
        }
        match Mailbox::open(&paths.mailbox, &paths.store) {
            Ok(mailbox) => {
                self.mailbox = Some(mailbox);
                self.no_mailbox = None;
            }
            Err(e) => {
                self.mailbox = None;
                self.no_mailbox = Some(Failure::from(Error::store(format!(
                    "cannot open mailbox {}: {e}: readers of the store cannot reach this keeper; its directory is {}",
                    paths.mailbox.display(),
                    describe(paths.mailbox.parent().unwrap_or(&paths.store))
                ))));
            }
        }
    }

    /// To wait for a message by poll(); None where there can be none.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.mailbox.as_ref().map(Mailbox::fd)
    }

    /// Why readers of the store cannot reach this keeper, if they cannot.
    pub fn no_mailbox(&self) -> Option<&Failure> {
        self.no_mailbox.as_ref()
    }

    /// The store has changed: what failed for want of something is tried again.
    pub fn store_changed(&self) {
        for held in self.held().values_mut() {
            held.until_boot_ms = 0;
        }
    }

    /// Reads the mail, and fetches all that is due; returns when that is done. `tell` hears of each thing that happens, from
    /// several threads at once. Once `is_over`, nothing new is begun.
    pub fn pass(
        &mut self,
        tell: &(dyn Fn(&Kept) + Sync),
        is_over: &(dyn Fn() -> bool + Sync),
    ) -> Result<Pass> {
        let session = self.client.early_session()?;
        session.put_back()?;
        self.open_to_readers();
        self.open_mailbox();
        self.read_mail(tell)?;
        let everything = session.store().all(session.call())?;
        process::remember_only(
            self.client.handle(),
            self.client.path(),
            &everything.accounts,
        );
        let (due, _) = self.jobs(&session, &everything);
        let fetched_any = !due.is_empty();
        self.work(due, tell, is_over);
        // What is due next, by what came of it.
        let everything = if fetched_any {
            let session = self.client.early_session()?;
            session.store().all(session.call())?
        } else {
            everything
        };
        self.wanted.clear();
        let (due, later) = self.jobs(&session, &everything);
        let next = later.iter().map(|job| job.due_ms).min();
        // What is due still, somebody else is at.
        let soon = (!due.is_empty()).then_some(SOON_MS);
        Ok(Pass {
            accounts: everything.accounts.len(),
            credentials: due.len() + later.len(),
            lacking: due.iter().chain(&later).filter(|job| job.lacking).count(),
            next_ms: soon.or(next).unwrap_or(HOLD_MS).max(1),
        })
    }

    fn read_mail(&mut self, tell: &(dyn Fn(&Kept) + Sync)) -> Result<()> {
        let Some(mailbox) = &mut self.mailbox else {
            return Ok(());
        };
        let mut seen = HashSet::new();
        for line in mailbox.read(MAIL) {
            // A crowd of readers says the same.
            if !seen.insert(line.clone()) {
                continue;
            }
            match Message::parse(&line) {
                Some(Message::Wanted(name)) => self.wanted.push(name),
                Some(Message::Rejected { name, fingerprint }) => {
                    if self.reject(&name, &fingerprint) {
                        tell(&Kept {
                            name: name.clone(),
                            outcome: Outcome::Rejected,
                        });
                    }
                    self.wanted.push(name);
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Rejects the stored token if it is the one that is meant. Whether it was.
    fn reject(&self, name: &str, fingerprint: &str) -> bool {
        let rejected = || -> Result<bool> {
            let session = self.client.session()?;
            let found = session.look(Some(name))?;
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

    /// Every credential that is kept: those that are due, and the others.
    fn jobs(&self, session: &Session, everything: &Everything) -> (Vec<Job>, Vec<Job>) {
        let rows: HashMap<&Identity, &Row> = everything
            .tokens
            .iter()
            .map(|(identity, row)| (identity, row))
            .collect();
        let empty = Row::default();
        let mut seen = HashSet::new();
        let mut due = Vec::new();
        let mut later = Vec::new();
        for account in &everything.accounts {
            for recipe in account.kind.recipes() {
                let identity = account.identity(recipe, &session.options);
                let name = name_of(account, recipe);
                let row = rows.get(&identity).copied();
                let is_asked_for = recipe.credential == ACCESS_TOKEN
                    || row.is_some_and(|row| row.fetches > 0)
                    || self.wanted.contains(&name);
                if !is_asked_for || !seen.insert(identity) {
                    continue;
                }
                let job = self.job(session, name, row.unwrap_or(&empty));
                if job.due_ms <= 0 {
                    due.push(job);
                } else {
                    later.push(job);
                }
            }
        }
        (due, later)
    }

    fn job(&self, session: &Session, name: String, row: &Row) -> Job {
        let now = Now::read();
        let boot_id = session.boot_id();
        let lacking = row.freshness(now, &boot_id) == Freshness::Spent;
        let held = self.held().get(&name).map(|held| held.until_boot_ms);
        let held_ms = held.map_or(0, |until| until - now.boot_ms);
        let due_ms = if let Some(failure) = row.standing_failure(now, 0) {
            failure.retry_after_ms
        } else if lacking {
            held_ms
        } else {
            row.until_early_refresh_ms(now, &boot_id).max(held_ms)
        };
        Job {
            name,
            due_ms,
            lacking,
        }
    }

    fn work(
        &self,
        due: Vec<Job>,
        tell: &(dyn Fn(&Kept) + Sync),
        is_over: &(dyn Fn() -> bool + Sync),
    ) {
        let threads = due.len().min(THREADS);
        let queue = Mutex::new(VecDeque::from(due));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let next = queue
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .pop_front();
                        let Some(job) = next.filter(|_| !is_over()) else {
                            return;
                        };
                        if let Some(outcome) = self.fetch(&job) {
                            tell(&Kept {
                                name: job.name,
                                outcome,
                            });
                        }
                    }
                });
            }
        });
    }

    /// None when there is nothing to tell: somebody else is at it, or it is as it was.
    fn fetch(&self, job: &Job) -> Option<Outcome> {
        let session = match self.client.early_session() {
            Ok(session) => session,
            Err(e) => return Some(Outcome::Failed(e.into())),
        };
        match session.keep(&job.name) {
            Ok(Some(token)) => {
                self.held().remove(&job.name);
                Some(Outcome::Fetched {
                    expires_at: token.expires_at_s,
                })
            }
            Ok(None) => None,
            Err(e) => self.hold(&job.name, e),
        }
    }

    /// What the store does not hold back is held back here, and told once.
    fn hold(&self, name: &str, e: Error) -> Option<Outcome> {
        if e.retry_after_ms > 0 {
            return Some(Outcome::Failed(e.into()));
        }
        let held = Held {
            until_boot_ms: Now::read().boot_ms + HOLD_MS,
            message: e.message.clone(),
        };
        let before = self.held().insert(name.into(), held);
        let is_news = before.is_none_or(|before| before.message != e.message);
        is_news.then(|| Outcome::Failed(e.into()))
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<String, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_of(account: &Account, recipe: &Recipe) -> String {
    if recipe.credential == ACCESS_TOKEN {
        return account.name.clone();
    }
    names::join(&account.name, recipe.credential)
}
