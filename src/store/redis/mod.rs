//! A store in Redis or Valkey, for any number of hosts. It has the same calls, errors and guarantees as a store on
//! one host.
//!
//! # The keys
//!
//! With the prefix `wxtoken` of the URL:
//!
//! - `wxtoken:{meta}`: the schema, and an id that no other store has (`meta`). If another program or a newer schema
//!   owns the key, the store is refused and left as it is. A lost one is written again with the same id.
//! - `wxtoken:{accounts}`: a hash with a field for each account and for each removed name (`codec`).
//! - `wxtoken:{row:HASH}`: one string for each credential, with the whole row. It has no expiry.
//! - `wxtoken:{rows}`: the names of the row keys, the oldest first. Reports use it, and fetches do not depend on it.
//! - `wxtoken:{clients}`: one string, the clients of a server (`clients`).
//! - `wxtoken:{mail}` and `wxtoken:{keeper}`: the channel from readers to a keeper (`mail`).
//!
//! Secrets are sealed as in a file, with the store's id in the authenticated data. The key is a file on each host
//! that fetches. A host without the key is a reader.
//!
//! # Why it is correct
//!
//! - **One write, one comparison.** A change reads a record, applies the rule in Rust, and writes by a script. The
//!   script writes only if the record still has the exact bytes that were read. For the accounts it compares a random
//!   version that each change replaces. A counter would not do: a replica that restarts from its last dump goes back
//!   in time, and counters repeat. Each write has a random mark in its bytes, so no two writes are alike. One script
//!   touches one key.
//! - **A lost reply.** The question is asked once more over a new connection. If the new bytes are there, they were
//!   written. Otherwise the change is made again on the record that is there.
//! - **Only a master decides.** A change reads its record together with ROLE, in one exchange, and a replica does not
//!   take the write. A replica may serve a token that is still good.
//! - **The lock is for efficiency.** The lease in the row excludes, by the server's clock (`clock`). On one host a
//!   lock file adds to it, so that a killed leader is replaced at once (`host_lock`). Redlock is not used.
//! - **A lease ends** by the server's clock. It also ends for a process that has watched it for its whole length
//!   (`lease_watch`).
//! - **A token ends** by the server's clock. For a process that has seen it, it also ends when the time that it had
//!   left has passed (`token_watch`).
//! - **A claim that was lost is not a claim by another.** After FLUSHALL or a failover, the row is empty when the
//!   token is saved. The intent is then written again with the token, as for a file that was deleted
//!   (`client::fetch`).
//! - **A master is found by its sentinels** at each new connection, and must say itself that it is one (`sentinel`).
//! - **A refresh token is not lost.** A new one is kept on this host before it is written. The write then waits for a
//!   replica, if there is one. If the server forgets the token, it is written again (`kept_secret`).
//! - **A server that is away** (`server`) is tried once a second by each process. Meanwhile a look returns the
//!   records that this process saw last, and tokens that other processes of this host have fetched since
//!   (`kept_row`). A change fails with `E_STORE`. The rules of `client::lead` then apply, as for a file that cannot
//!   be written.
//!
//! # The client
//!
//! This folder writes and reads RESP itself (`resp`), over the connections of `platform::stream`. Those look names up
//! within the deadline, end each system call with it, resume interrupted calls, and block SIGPIPE. The crate `redis`
//! (1.8.1) was measured and rejected. It adds 149 kB to a library of one call, and 30 crates, most of them for the
//! ICU tables of its URL parser. Its parser does not limit the size of a reply. This store needs two of its
//! functions. This whole folder adds 240 kB to a library of 3.8 MB.
//!
//! Connections are used outside of the fork lock, one exchange at a time, and dropped at the first error. The answer
//! of each script repeats a random mark of its question, so an answer to another question is refused. Scripts are
//! called by EVALSHA, and sent by EVAL to a server that does not know them. The store does not use SCRIPT LOAD,
//! CLIENT, HELLO or pub/sub, which proxies refuse.

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
mod token_watch;
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
use self::token_watch::TokenWatch;
use super::{
    Access, Account, Accounts, ClockStep, Commit, KeeperChannel, LeaderLock, Opening, Read,
    RedisUrl, ServerCheck, ServerReport, Store, StoreName, StoreSnapshot,
};
use crate::clock::{Deadline, Now};
use crate::credential::{CredentialKey, Row};
use crate::error::{Error, Result};
use crate::sync::lock;
use crate::sys::random;

/// The most fields of the accounts that one script writes. Each field takes two arguments.
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
    token_watch: TokenWatch,
    /// Whether this process has seen an account with a sealed secret.
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
            token_watch: TokenWatch::default(),
            has_secrets: AtomicBool::new(false),
        };
        // Any answer brings the store's clock and mark.
        Look { store: &store, by }.account(None)?;
        Ok(store)
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

    /// Writes a row if its bytes are still `old`. Returns None if the row now has the bytes `new`, else the bytes
    /// that are there.
    fn compare_and_set(
        &self,
        key: &str,
        old: &[u8],
        new: &[u8],
        has_new_secret: bool,
        by: &Deadline,
    ) -> Result<Option<Vec<u8>>> {
        // The key is listed before the row is written, because a report would miss a row that is not listed.
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
            self.token_watch.judge(&name, &mut row, self.now());
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
        // A user who may log in counts as a writer. Only a write shows whether the ACL forbids it.
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
    /// Writes fields of the accounts. Returns false if another process has changed them meanwhile.
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
