//! A store in Redis or Valkey, for any number of hosts: the same calls, errors and guarantees as on one host.
//!
//! # What is kept there
//!
//! With the prefix `wxtoken` of the URL:
//!
//! - `wxtoken:{meta}`: the schema, and an id that no other store has (`meta`). Another program's key, or a newer schema, is
//!   refused and left as it is.
//! - `wxtoken:{accounts}`: a hash with a field for each account and for each removed name (`codec`).
//! - `wxtoken:{row:HASH}`: one string for each credential, with the whole row. It has no time to live.
//! - `wxtoken:{rows}`: the names of these keys, the oldest first; for reports, and for nothing that a fetch depends on.
//! - `wxtoken:{clients}`: one string, the clients of a server (`clients`).
//! - `wxtoken:{mail}` and `wxtoken:{keeper}`: the way of readers to a keeper (`mail`).
//!
//! Secrets are sealed as in a file, with the store's id in the authenticated data. The key is a file on each host that
//! fetches; a host without it is a reader.
//!
//! # Why it is right
//!
//! - **One write, one comparison.** A change reads a record, applies the rule in Rust, and writes by a script that compares the
//!   exact bytes that were read (of the accounts: a random version that each change replaces). A counter would not do: a
//!   replica that starts again from its last dump goes back in time, and counters repeat. Each write has a random mark in its
//!   bytes, so that no two writes are alike. One script touches one key.
//! - **A lost reply.** What was asked is asked once more over a new connection. If the bytes that were to be written are
//!   there, they were written. Otherwise the change is made again on what is there.
//! - **Only a master decides.** What a change reads comes with ROLE in the same exchange, and a replica does not take the
//!   write. A replica may serve a token that is good.
//! - **The lock is for efficiency.** The lease in the row excludes, by the server's clock (`clock`). On one host a lock file
//!   stands beside it, so that a killed leader is replaced at once (`host_lock`). There is no Redlock.
//! - **A lease ends** by the server's clock, and for whoever has watched it for its whole length (`lease_watch`).
//! - **A claim that was lost is not a claim by another.** After FLUSHALL or a failover the row is empty at the save: the
//!   intent goes back in with the token, as for a file that was deleted (`client::fetch`).
//! - **A master is found by its sentinels** at each new connection, and must say itself that it is one (`sentinel`).
//! - **A refresh token is not lost.** A new one is kept on this host before it is written, and a replica is waited for where there
//!   is one. It goes back in where the server has forgotten it (`kept_secret`).
//! - **A server that is away** (`server`): after a failed connect one try a second in a process. What this process saw last, and
//!   what another of this host has fetched since (`kept_row`), is served meanwhile, and a change fails with `E_STORE`: then the rules of `client::lead` apply, as for a file that cannot
//!   be written.
//!
//! # The client
//!
//! RESP is written and read here (`resp`), over the connections of `platform::stream`: their names are looked up within the
//! deadline, each system call ends with it, interrupted calls go on, and SIGPIPE is blocked. The crate `redis` (1.8.1) was
//! measured and not taken. It adds 149 kB to a library of one call, and 30 crates, of which the ICU tables of its URL parser
//! are the most. Its parser has no limit on the size of a reply. Of all it does, this store needs two functions. All of this folder adds
//! 240 kB to a library of 3.8 MB.
//!
//! Connections are used outside of the fork lock, one exchange at a time, and dropped at the first error. Each script's answer
//! repeats a random mark of its question: a reply to another question is taken for none. Scripts are called by EVALSHA, and
//! sent by EVAL where they are not known. Nothing asks for SCRIPT LOAD, CLIENT, HELLO or pub/sub, which proxies refuse.

mod clients;
mod clock;
mod cluster;
mod codec;
mod converse;
mod greeting;
mod host_files;
mod host_lock;
mod inspect;
mod kept_row;
mod kept_secret;
mod lease_watch;
mod link;
mod mail;
mod meta;
mod question;
mod records;
mod refusal;
mod resp;
mod script;
mod sentinel;
mod server;
mod without_scripts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use self::codec::{VERSION, changes, row_key, row_of, row_to_bytes, set_of};
use self::host_files::HostFiles;
use self::host_lock::HostLock;
use self::kept_row::KeptRows;
use self::kept_secret::KeptSecrets;
use self::lease_watch::LeaseWatch;
use self::mail::MailBox;
use self::question::{Question, Role};
use self::records::{Change, Look, Remembered};
use self::resp::Reply;
use self::script::{CHANGE_FIELDS, COMPARE_AND_SET, DELETE, GET};
use self::server::Server;
use super::{
    Access, Account, Accounts, ClockStep, Commit, KeeperChannel, LeaderLock, Opening, Read,
    RedisUrl, ServerCheck, ServerReport, Store, StoreName, StoreSnapshot,
};
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};
use crate::sync::lock;
use crate::sys::random;

/// Fields of the accounts that one script writes: each is two arguments.
const MOST_FIELDS: usize = 100_000;

pub struct RedisStore {
    name: StoreName,
    server: Arc<Server>,
    host_lock: HostLock,
    kept_secrets: KeptSecrets,
    kept_rows: KeptRows,
    mailbox: MailBox,
    remembered: Remembered,
    lease_watch: LeaseWatch,
    /// Whether an account was seen whose secret is sealed.
    has_secrets: AtomicBool,
}

impl RedisStore {
    pub fn open(url: &RedisUrl, opening: Opening, by: &Deadline) -> Result<RedisStore> {
        let server = Arc::new(Server::new(url, &opening.options)?);
        let store = RedisStore {
            name: StoreName::Redis(url.clone()),
            mailbox: MailBox {
                server: server.clone(),
                key_owner: "a user who may read the key file".into(),
            },
            server,
            host_lock: HostLock::of(url),
            kept_secrets: KeptSecrets(HostFiles::of(url, "put")),
            kept_rows: KeptRows(HostFiles::of(url, "row")),
            remembered: Remembered::default(),
            lease_watch: LeaseWatch::default(),
            has_secrets: AtomicBool::new(false),
        };
        // The clock and the mark of the store come with any answer.
        Look { store: &store, by }.account(None)?;
        Ok(store)
    }

    /// The state directory of a test.
    #[cfg(test)]
    pub fn lock_in(&mut self, directory: &std::path::Path) {
        self.host_lock = HostLock::at(directory.join("lock"));
        self.kept_secrets = KeptSecrets(HostFiles::at(directory.join("put-")));
        self.kept_rows = KeptRows(HostFiles::at(directory.join("row-")));
    }

    fn prefix(&self) -> &str {
        &self.server.url.prefix
    }

    fn accounts_key(&self) -> String {
        format!("{}:{{accounts}}", self.prefix())
    }

    fn rows_key(&self) -> String {
        format!("{}:{{rows}}", self.prefix())
    }

    fn note_secret(&self, account: &Account) {
        if account.sealed.is_some() {
            self.has_secrets.store(true, Ordering::Relaxed);
        }
    }

    /// Writes one row if it is as it was. Gives what is there instead, if it is not, and not what was to be written either.
    fn compare_and_set(
        &self,
        key: &str,
        old: &[u8],
        new: &[u8],
        has_new_secret: bool,
        by: &Deadline,
    ) -> Result<Option<Vec<u8>>> {
        // Listed before it is there: a row that is not listed would be missed in a report.
        let now = self.now().wall_ms.to_string();
        let list = Question::plain(&["ZADD", &self.rows_key(), "NX", &now, key]);
        let set = Question::script(&COMPARE_AND_SET, key, &[old, new]);
        let role = match has_new_secret {
            true => Role::MasterAndReplica,
            false => Role::Master,
        };
        let values = self.server.ask(&[list, set], role, by, "cannot write")?;
        let mut answer = values.into_iter().nth(1).unwrap_or_default().into_iter();
        let is_done = answer.next().and_then(|one| one.number()) == Some(1);
        let there = answer.next().and_then(Reply::bytes).unwrap_or_default();
        Ok((!is_done && there != new).then_some(there))
    }
}

impl Store for RedisStore {
    fn name(&self) -> &StoreName {
        &self.name
    }

    fn read(&self, by: &Deadline, look: &mut dyn FnMut(&dyn Read) -> Result<()>) -> Result<()> {
        look(&Look { store: self, by })
    }

    fn change_row(
        &self,
        key: &CredentialKey,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Row) -> Result<Commit>,
    ) -> Result<()> {
        let name = row_key(self.prefix(), key);
        let get = Question::script(&GET, &name, &[]);
        let values = self.server.ask(&[get], Role::Master, by, "cannot read")?;
        let first = values.into_iter().flatten().next();
        let mut old = first.and_then(Reply::bytes).unwrap_or_default();
        loop {
            let there = row_of(&self.server.url, &old)?;
            let mut row = there.map(|(_, row)| row).unwrap_or_default();
            self.lease_watch.judge(&name, &mut row, self.now());
            let store = self.id().unwrap_or_default();
            let pushed = row.pushed.clone();
            let mut is_given_back = self.kept_secrets.give_back(&name, &store, &mut row);
            is_given_back |= self.kept_rows.apply(&name, &mut row);
            if change(&mut row)? == Commit::No && !is_given_back {
                return Ok(());
            }
            let has_new_secret = row.pushed != pushed;
            if has_new_secret {
                self.kept_secrets.keep(&name, &store, &row);
            }
            let new = row_to_bytes(key, &row)?;
            match self.compare_and_set(&name, &old, &new, has_new_secret, by)? {
                None => {
                    self.remembered.note_row(&name, &new);
                    self.kept_rows.forget(&name);
                    return Ok(());
                }
                Some(there) => old = there,
            }
        }
    }

    fn change_accounts(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut dyn Accounts) -> Result<Commit>,
    ) -> Result<()> {
        loop {
            let look = Look { store: self, by };
            let fields = look.fields(Role::Master)?;
            let before = set_of(&self.server.url, &fields)?;
            let mut changed = Change {
                look,
                set: before.clone(),
            };
            if change(&mut changed)? == Commit::No {
                return Ok(());
            }
            let changes = changes(&before, &changed.set)?;
            if changes.is_empty() {
                return Ok(());
            }
            self.remembered.forget_accounts();
            let version = fields.get(VERSION).cloned().unwrap_or_default();
            if self.write_fields(&version, changes, by)? {
                return Ok(());
            }
        }
    }

    fn change_clients(
        &self,
        by: &Deadline,
        change: &mut dyn FnMut(&mut Option<String>) -> Result<Commit>,
    ) -> Result<()> {
        self.change_clients_record(by, change)
    }

    fn delete_row(&self, key: &CredentialKey, by: &Deadline) -> Result<()> {
        let name = row_key(self.prefix(), key);
        self.kept_secrets.forget(&name);
        self.kept_rows.forget(&name);
        let delete = Question::script(&DELETE, &name, &[]);
        let unlist = Question::plain(&["ZREM", &self.rows_key(), &name]);
        self.server
            .ask(&[delete, unlist], Role::Master, by, "cannot write")?;
        Ok(())
    }

    fn keep_for_host(&self, key: &CredentialKey, row: &Row) {
        self.kept_rows.keep(&row_key(self.prefix(), key), row);
    }

    fn kept_for_host(&self, key: &CredentialKey) -> Option<Row> {
        self.kept_rows.read(&row_key(self.prefix(), key))
    }

    fn try_lead(&self, key: &CredentialKey, slot: i64) -> Result<Option<LeaderLock<'_>>> {
        self.host_lock.try_lead(&row_key(self.prefix(), key), slot)
    }

    fn await_leader(
        &self,
        key: &CredentialKey,
        slot: i64,
        by: &Deadline,
        doing: &str,
    ) -> Result<()> {
        self.host_lock
            .await_leader(&row_key(self.prefix(), key), slot, by, doing)
    }

    fn now(&self) -> Now {
        self.server.now()
    }

    fn clock_step(&self) -> Option<ClockStep> {
        self.server.clock.step()
    }

    fn last_seen(&self) -> Option<StoreSnapshot> {
        Some(self.remembered.snapshot(&self.server.url))
    }

    fn id(&self) -> Option<String> {
        Some(lock(&self.server.meta).as_ref()?.id.clone())
    }

    fn access(&self) -> Access {
        // Whoever may log in may write, as far as shows before a try.
        Access::Writer
    }

    fn why_reader(&self, _: &Deadline) -> Option<Error> {
        None
    }

    fn has_secrets_of_other_hosts(&self) -> bool {
        self.has_secrets.load(Ordering::Relaxed)
    }

    fn keeper_channel(&self) -> &dyn KeeperChannel {
        &self.mailbox
    }

    fn report_server(&self, by: &Deadline) -> Option<Result<ServerReport>> {
        Some(self.server_in_short(by))
    }

    fn check_server(&self, by: &Deadline) -> Option<Result<ServerCheck>> {
        Some(self.server_at_length(by))
    }

    fn close_idle(&self) {
        self.server.close_idle();
        self.host_lock.close_idle();
    }
}

impl RedisStore {
    /// Writes fields of the accounts. False when another process has changed them meanwhile.
    fn write_fields(
        &self,
        version: &[u8],
        changes: BTreeMap<String, Vec<u8>>,
        by: &Deadline,
    ) -> Result<bool> {
        if changes.len() > MOST_FIELDS {
            return Err(Error::store(format!("cannot write store {}", self.name))
                .because(format!("more than {MOST_FIELDS} accounts change at once")));
        }
        let next = [random(), random()].concat();
        let mut args: Vec<&[u8]> = vec![version, &next];
        for (field, value) in &changes {
            args.extend([field.as_bytes(), value]);
        }
        let write = Question::script(&CHANGE_FIELDS, &self.accounts_key(), &args);
        let values = self
            .server
            .ask(&[write], Role::Master, by, "cannot write")?;
        let done = values.into_iter().flatten().next();
        Ok(done.and_then(|one| one.number()) == Some(1))
    }
}
