//! What the command `wxtoken` takes from the library: the calls of the C API, and what only an operator does. It is not a
//! promise to anyone else.

use std::path::Path;
use std::sync::Arc;

use crate::client::Client;
use crate::credential::Freshness;
use crate::hosts::PLATFORMS;
use crate::platform::Kind;
use crate::store::Account;

pub use crate::admin::{
    AccountBrief, AccountLookup, ClientLookup, Copied, Paths, Place, Progress, QuotaAnswer,
    Removed, check_api_path, rid_in,
};
pub use crate::characters::{json_shown, shown};
pub use crate::client::report::{
    AccountReport, PutReport, Report, TokenReport, TokenState, UnknownAccountReport,
};
pub use crate::error::{Error, Hint, Result, Status};
pub use crate::keeper::{EventSink, Keeper, KeeperEvent, Outcome, PassSummary};
pub use crate::names::choose;
pub use crate::platform::{
    NotedRequest, PlatformLink, Probe, Quota, RateLimit, Value as CallValue, WechatCall,
    WechatHost, host_of_kind, wechat_calls,
};
pub use crate::secrets::Secret;
pub use crate::server_clients::{
    ClientSet, GivenKey, NewKey, STAND_IN_LIFE_S, STAND_IN_PREFIX, ServerClient, StandIn,
    StandInFlaw, StandInKeys, Verb,
};
pub use crate::store::{Condition, QUARANTINED, Replica, ServerCheck, ServerReport};
pub use crate::sys::{
    fs_type, is_mount_point, is_protected, is_read_only, is_readable, is_writable, link_target,
    user_name,
};

/// The token of an account, or another credential.
pub struct Token {
    /// The token.
    pub value: Box<str>,
    /// When it ends, in Unix seconds; 0 where no end is known.
    pub expires_at: i64,
}

/// A token of a server.
#[derive(Clone)]
pub struct LivingToken {
    /// The token.
    pub value: Box<str>,
    /// When it ends, in Unix seconds.
    pub expires_at: i64,
    /// How long it may still be handed out.
    pub left_ms: i64,
}

/// An account as it is in the store.
pub struct AccountOfStore {
    /// Its name.
    pub name: String,
    /// Its kind: `official`.
    pub kind: &'static str,
    /// Its appid, corpid and so on.
    pub id: String,
    /// Whether a get without a name means it.
    pub current: bool,
}

impl From<Account> for AccountOfStore {
    fn from(account: Account) -> AccountOfStore {
        AccountOfStore {
            name: account.name,
            kind: account.kind.name(),
            id: account.id,
            current: account.current,
        }
    }
}

/// A credential as it is in the store.
pub struct Stored {
    /// The name that leads to it: `shop`, `shop/jsapi_ticket`.
    pub name: String,
    /// Its token, if there is one that has not expired.
    pub token: Option<Box<str>>,
    /// Whether the API refused that.
    pub rejected: bool,
    /// Whether the platform is asked about a rejected one before another is fetched.
    pub is_checked: bool,
    /// Whether a get gives it.
    pub is_served: bool,
    /// Of one that was refused: how long until another may be fetched.
    pub until_fetch_ms: i64,
}

/// A kind of account.
#[derive(Clone, Debug)]
pub struct KindOfAccount {
    /// Its name: `official`.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// What the platform calls the id: `appid`.
    pub id_name: &'static str,
    /// Whether its accounts have a secret.
    pub has_secret: bool,
    /// The kind that their parent is of, where they have one.
    pub parent: Option<&'static str>,
    /// What `put` takes, `current` first.
    pub fields: Vec<&'static str>,
    /// What of it must be put before the first get.
    pub needs: Vec<&'static str>,
    /// What `get` gives: `access_token`, `jsapi_ticket`.
    pub credentials: Vec<&'static str>,
}

/// Every kind of account.
pub fn kinds() -> Vec<KindOfAccount> {
    Kind::all()
        .map(|kind| KindOfAccount {
            name: kind.name(),
            about: kind.token().about,
            id_name: kind.token().id_name,
            has_secret: kind.has_secret(),
            parent: kind.parent().map(Kind::name),
            fields: kind.fields(),
            needs: kind.needs().collect(),
            credentials: kind.recipes().map(|recipe| recipe.credential).collect(),
        })
        .collect()
}

/// Fails on a new account that cannot be registered, whatever its secret.
pub fn check_new_account(name: &str, kind: &str, id: &str) -> Result<()> {
    crate::client::check_new(name, kind, id).map(|_| ())
}

/// Every status: its number, its name, and its meaning.
pub fn statuses() -> Vec<(i32, &'static str, &'static str)> {
    Status::ALL
        .into_iter()
        .map(|status| (status as i32, status.name(), status.meaning()))
        .collect()
}

/// An option of a handle.
#[derive(Clone, Debug)]
pub struct OptionOfHandle {
    /// Its name: `timeout_ms`.
    pub name: &'static str,
    /// Its default, or a word for it: `8000`, `none`.
    pub default: String,
    /// What it takes: `1 to 600000 ms`, `a path`.
    pub range: String,
    /// What it is, in one line.
    pub help: &'static str,
}

/// The variable of the environment that names a proxy for other programs, and not for this library: `https_proxy`.
pub fn unread_proxy() -> Option<&'static str> {
    crate::proxy::UnreadProxy::of_environment().map(|unread| unread.variable)
}

/// Every sentence that a hint on an errcode may hold, before its command or in the place of one.
pub fn errcode_sentences() -> Vec<&'static str> {
    crate::platform::errcodes::sentences()
}

/// Every option.
pub fn options() -> Vec<OptionOfHandle> {
    crate::options::TABLE
        .iter()
        .map(|row| OptionOfHandle {
            name: row.name,
            default: row.default(),
            range: row.range(),
            help: row.help,
        })
        .collect()
}

/// The names of the things that a store needs and the file system of a directory lacks: `hard links`. Tries each, with files
/// that are gone when this returns. None where no file can be made.
pub fn lacks(directory: &Path) -> Option<Vec<&'static str>> {
    let lacks = crate::sys::probe(directory)?;
    Some(lacks.into_iter().map(crate::sys::Lack::name).collect())
}

/// An open store, and what is told of long work on it.
pub struct Store(Arc<Client>, Box<Progress>);

impl Store {
    /// Opens a store, creating it when absent; `None` is the default place.
    pub fn open(path: Option<&str>) -> Result<Store> {
        Ok(Store(Arc::new(Client::open(path)?), Box::new(|_, _| {})))
    }

    /// The same, which tells how much of long work is done.
    pub fn telling(self, progress: Box<Progress>) -> Store {
        Store(self.0, progress)
    }

    /// Where the store of this name would be, without opening it.
    pub fn locate(store: Option<&str>) -> Result<Place> {
        Client::locate(store)
    }

    /// What the file of a store is. Reads it and changes nothing; not for a store that this process has open.
    pub fn condition(path: &Path) -> Result<Condition> {
        crate::store::condition(path)
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        self.0.place()
    }

    /// As `wxtoken_set`.
    pub fn set(&self, option: &str, value: &str) -> Result<()> {
        self.0.set(option, value)
    }

    /// As `wxtoken_register`. Whether anything has changed.
    pub fn register(&self, name: &str, kind: &str, id: &str, secret: Option<&str>) -> Result<bool> {
        self.0.register(name, kind, id, secret)
    }

    /// As `wxtoken_put`.
    pub fn put(&self, name: &str, field: &str, value: Option<&str>) -> Result<()> {
        self.0.put(name, field, value)
    }

    /// As `wxtoken_get`.
    pub fn get(&self, name: Option<&str>) -> Result<Token> {
        let served = self.0.get(name)?;
        Ok(Token {
            value: served.value,
            expires_at: served.expires_at_s,
        })
    }

    /// The same, of this name, for a server, when [`Store::get_known`] had none: one that lives shorter than this is fetched
    /// again first. Where the platform gives no more than that, it comes all the same.
    pub fn get_with_life(&self, name: &str, min_life_ms: i64) -> Result<LivingToken> {
        let served = self.0.get_with_life(name, min_life_ms)?;
        Ok(LivingToken {
            left_ms: served.left_ms(),
            expires_at: served.expires_at_s,
            value: served.value,
        })
    }

    /// The same from this process's memory alone. None where that knows none that is fresh, and where it is this caller's
    /// turn to look at the store: who gets None goes on with [`Store::get_with_life`].
    pub fn get_known(&self, name: &str, min_life_ms: i64) -> Option<LivingToken> {
        let known = self.0.hit(Some(name.as_bytes()), |known| LivingToken {
            left_ms: known.left_ms(),
            expires_at: known.expires_at_s,
            value: known.value.clone(),
        });
        known.filter(|known| known.left_ms >= min_life_ms)
    }

    /// The account of this name, or the current one.
    pub fn account(&self, name: Option<&str>) -> Result<AccountOfStore> {
        let session = self.0.session()?;
        Ok(session.read_credential(name)?.account.into())
    }

    /// Every account of a kind that this version knows, by name.
    pub fn accounts(&self) -> Result<Vec<AccountOfStore>> {
        let accounts = self.0.accounts()?.into_iter();
        Ok(accounts.map(AccountOfStore::from).collect())
    }

    /// What the store has of a credential. Asks nobody for another.
    pub fn stored(&self, name: Option<&str>) -> Result<Stored> {
        let session = self.0.session()?;
        let found = session.read_credential(name)?;
        let token = session.serve(&found.row);
        Ok(Stored {
            name: found.name(),
            token: token.map(|served| served.value),
            rejected: found.row.rejected,
            is_checked: found.recipe.check.is_some(),
            is_served: session.freshness(&found) != Freshness::Spent,
            until_fetch_ms: found.row.until_rejection_is_due_ms(session.now()),
        })
    }

    /// As `wxtoken_reject`.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        self.0.reject(name, token)
    }

    /// Asks the platform whether it takes this token, where it can be asked, and rejects the token if it does not. Whether it
    /// was rejected. A token that the platform takes leaves nothing in the store.
    pub fn reject_if_refused(&self, name: &str, token: &str) -> Result<bool> {
        self.0.session()?.reject_if_refused(name, token)
    }

    /// Ends every back-off of an account, or of all accounts. The names of the credentials whose back-off it was.
    pub fn retry(&self, account: Option<&str>) -> Result<Vec<String>> {
        self.0.retry(account)
    }

    /// The paths of the APIs of an account whose counts are looked at first.
    pub fn usual_paths(&self, account: &str) -> Result<Vec<&'static str>> {
        self.0.usual_paths(account)
    }

    /// What is left of the day of an account's calls of one API.
    pub fn quota(&self, account: &str, path: &str) -> Result<QuotaAnswer> {
        self.0.quota(account, path)
    }

    /// What WeChat noted of an account's request, by its rid. Tokens and secrets in it are masked.
    pub fn noted_request(&self, account: &str, rid: &str) -> Result<NotedRequest> {
        self.0.noted_request(account, rid)
    }

    /// Sets the day's counts of all APIs of an account back. WeChat allows it ten times a month.
    pub fn clear_quota(&self, account: &str) -> Result<()> {
        self.0.clear_quota(account)
    }

    /// What `wxtoken_report` writes.
    pub fn report(&self) -> Result<Report> {
        self.0.report()
    }

    /// The clients of a server on this store.
    pub fn clients(&self) -> Result<ClientSet> {
        self.0.server_clients()
    }

    /// Adds a client, which sees these accounts, or all where there is no list. Gives its key.
    pub fn add_client(
        &self,
        name: &str,
        accounts: Option<&[&str]>,
        allow: &[Verb],
    ) -> Result<NewKey> {
        self.0.add_server_client(name, accounts, allow)
    }

    /// Gives a client other rights. What is None stays; of the accounts, an inner None is all of them.
    pub fn change_client(
        &self,
        name: &str,
        accounts: Option<Option<&[&str]>>,
        allow: Option<&[Verb]>,
    ) -> Result<()> {
        self.0.change_server_client(name, accounts, allow)
    }

    /// Gives a client another key, beside the one that it has.
    pub fn rotate_client(&self, name: &str) -> Result<NewKey> {
        self.0.rotate_server_client(name)
    }

    /// Ends the older key of a client. Whether there was one.
    pub fn finish_client(&self, name: &str) -> Result<bool> {
        self.0.finish_server_client(name)
    }

    /// Takes a client out.
    pub fn remove_client(&self, name: &str) -> Result<()> {
        self.0.remove_server_client(name)
    }

    /// For a server: which account a call is about.
    pub fn account_lookup(&self) -> AccountLookup {
        AccountLookup::new(self.0.clone())
    }

    /// For a server: its clients as they are at each call.
    pub fn client_lookup(&self) -> ClientLookup {
        ClientLookup::new(self.0.clone())
    }

    /// Takes an account out of the store, with what only it has. A process that has registered it goes without it too.
    pub fn remove(&self, name: &str) -> Result<Removed> {
        self.0.remove(name)
    }

    /// Makes a new key and seals every secret with it. How many there were.
    pub fn rekey(&self) -> Result<usize> {
        self.0.rekey(&self.1)
    }

    /// Writes a copy of the store, without tokens, to a file that must not exist yet; mode 0600. How many accounts
    /// there were.
    pub fn backup(&self, to: &Path) -> Result<usize> {
        self.0.backup(to, &self.1)
    }

    /// Puts what a backup holds in the place of what is there. How many accounts that is.
    pub fn restore(&self, from: &Path) -> Result<usize> {
        self.0.restore(from, &self.1)
    }

    /// Copies accounts, and what was put for them, into another store. With `replace`, accounts that differ there, or were
    /// removed there, become those of this one.
    pub fn copy_to(&self, to: &Store, replace: bool) -> Result<Copied> {
        self.0.copy_to(&to.0, replace, &self.1)
    }

    /// Fails when this process lacks what fetching an account's token takes: its secret, or what is to be put, must be there
    /// and open with the key. Asks nobody.
    pub fn check_secrets(&self, name: &str) -> Result<()> {
        self.0.check_secrets(name)
    }

    /// What stand-ins are made by and known by, as the key file is now. Fails where there is none.
    pub fn stand_in_keys(&self) -> Result<StandInKeys> {
        self.0.stand_in_keys()
    }

    /// The secret of an account, for a server that puts it into the calls of its clients.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        self.0.secret(name)
    }

    /// Whether a keeper reads this store's mailbox; `None` where this process may not know.
    pub fn has_keeper(&self) -> Option<bool> {
        let session = self.0.session().ok()?;
        session.store().keeper_channel().is_listened_to()
    }

    /// The server of a store that has one, at length. Changes nothing there.
    pub fn check_server(&self) -> Option<Result<ServerCheck>> {
        let session = self.0.session().ok()?;
        session.store().check_server(&session.deadline)
    }

    /// The base URL of each platform, by its option's name.
    pub fn base_urls(&self) -> Vec<(&'static str, String)> {
        let options = self.0.options();
        PLATFORMS
            .iter()
            .map(|platform| (platform.option, options.base_url(platform).to_owned()))
            .collect()
    }

    /// Which of them this store's accounts are with, in the same words.
    pub fn base_urls_in_use(&self) -> Result<Vec<(&'static str, String)>> {
        self.0.base_urls_in_use()
    }

    /// The way to the host of a base URL, for a server that forwards calls to it.
    pub fn link(&self, base_url: &str) -> Result<PlatformLink> {
        PlatformLink::new(base_url, &self.0.options())
    }

    /// Looks a platform's host up, connects, and asks for `/` with neither secret nor token.
    pub fn probe(&self, base_url: &str) -> Result<Probe> {
        self.0.probe(base_url)
    }

    /// What keeps this store's tokens fresh.
    pub fn keeper(&self, tell: EventSink) -> Result<Keeper> {
        Keeper::new(self.0.clone(), None, tell)
    }

    /// The same, which brings the tokens of another store's accounts from there.
    pub fn bridge(&self, from: &Store, tell: EventSink) -> Result<Keeper> {
        Keeper::new(self.0.clone(), Some(from.0.clone()), tell)
    }
}
