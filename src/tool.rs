//! The interface of the library to the command `wxtoken`: the calls of the C API, and the work of an operator. It is
//! not a promise to any other program.

use std::path::Path;
use std::sync::Arc;

use crate::client::Client;
use crate::credential::Freshness;
use crate::hosts::PLATFORMS;
use crate::platform::Kind;
use crate::store::Account;

pub use crate::admin::{
    AccountBrief, AccountLookup, ClientLookup, Copied, Paths, Place, Progress, QuotaAnswer,
    Removed, TokenOwners, check_api_path, rid_in,
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
    /// The value of the token.
    pub value: Box<str>,
    /// The expiry in Unix seconds, or 0 if none is known.
    pub expires_at: i64,
}

/// A token that a server passes on.
#[derive(Clone)]
pub struct LivingToken {
    /// The value of the token.
    pub value: Box<str>,
    /// The expiry in Unix seconds.
    pub expires_at: i64,
    /// The milliseconds for which the token may still be returned.
    pub left_ms: i64,
}

/// An account in the store.
pub struct AccountOfStore {
    /// The account's name.
    pub name: String,
    /// The account's kind, such as `official`.
    pub kind: &'static str,
    /// The account's appid, corpid and so on.
    pub id: String,
    /// Whether it is the current account, which a get without a name stands for.
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

/// A credential in the store.
pub struct Stored {
    /// The credential's name, such as `shop` or `shop/jsapi_ticket`.
    pub name: String,
    /// The token, if there is one that has not expired.
    pub token: Option<Box<str>>,
    /// Whether the API refused the token.
    pub rejected: bool,
    /// Whether a rejected token is checked before another one is fetched.
    pub is_checked: bool,
    /// Whether a get returns the token.
    pub is_served: bool,
    /// The milliseconds until another token may be fetched for a rejected one.
    pub until_fetch_ms: i64,
}

/// A kind of account.
#[derive(Clone, Debug)]
pub struct KindOfAccount {
    /// The kind's name, such as `official`.
    pub name: &'static str,
    /// The description of the kind in a few words.
    pub about: &'static str,
    /// The platform's word for the id, such as `appid`.
    pub id_name: &'static str,
    /// Whether accounts of this kind have a secret.
    pub has_secret: bool,
    /// The kind of their parent, if they have one.
    pub parent: Option<&'static str>,
    /// The fields that can be put, `current` first.
    pub fields: Vec<&'static str>,
    /// The fields that must be put before the first get.
    pub needs: Vec<&'static str>,
    /// The credentials that a get returns, such as `access_token` and `jsapi_ticket`.
    pub credentials: Vec<&'static str>,
}

/// Returns every kind of account.
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

/// Returns whether a credential is a secret that was put, or the one before it, and not a token of a platform.
pub fn is_put_secret(credential: &str) -> bool {
    let (field, _) = crate::client::put_field(credential);
    let mut pushed = Kind::all().filter_map(|kind| kind.token().pushed.as_ref());
    pushed.any(|put| put.field == field)
}

/// Fails if a new account could not be registered with any secret.
pub fn check_new_account(name: &str, kind: &str, id: &str) -> Result<()> {
    crate::client::check_new(name, kind, id).map(|_| ())
}

/// Returns every status: its number, its name, and its meaning.
pub fn statuses() -> Vec<(i32, &'static str, &'static str)> {
    Status::ALL
        .into_iter()
        .map(|status| (status as i32, status.name(), status.meaning()))
        .collect()
}

/// An option of a handle.
#[derive(Clone, Debug)]
pub struct OptionOfHandle {
    /// The option's name, such as `timeout_ms`.
    pub name: &'static str,
    /// The default, or a word for it, such as `8000` or `none`.
    pub default: String,
    /// The values that it takes, such as `1 to 600000 ms` or `a path`.
    pub range: String,
    /// The description of the option, in one line.
    pub help: &'static str,
}

/// Returns the name of the environment variable that names a proxy for other programs, such as `https_proxy`. This
/// library does not use it.
pub fn unread_proxy() -> Option<&'static str> {
    crate::proxy::UnreadProxy::of_environment().map(|unread| unread.variable)
}

/// Returns every sentence that a hint on an errcode may contain, in front of its command or instead of one.
pub fn errcode_sentences() -> Vec<&'static str> {
    crate::platform::errcodes::sentences()
}

/// Returns every option.
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

/// Tests the features that a store needs, and returns the names of those that a directory's file system lacks, such as
/// `hard links`. The test files are removed. Returns None if no file can be made.
pub fn lacks(directory: &Path) -> Option<Vec<&'static str>> {
    let lacks = crate::sys::probe(directory)?;
    Some(lacks.into_iter().map(crate::sys::Lack::name).collect())
}

/// An open store, and the callback for the progress of long tasks.
pub struct Store(Arc<Client>, Box<Progress>);

impl Store {
    /// Opens a store, and creates it if it does not exist. `None` is the default path.
    pub fn open(path: Option<&str>) -> Result<Store> {
        Ok(Store(Arc::new(Client::open(path)?), Box::new(|_, _| {})))
    }

    /// Returns the store with a callback for the progress of long tasks.
    pub fn telling(self, progress: Box<Progress>) -> Store {
        Store(self.0, progress)
    }

    /// Returns the location of the store of this name, without opening it.
    pub fn locate(store: Option<&str>) -> Result<Place> {
        Client::locate(store)
    }

    /// Inspects the file of a store, and changes nothing. Not for a store that this process has open.
    pub fn condition(path: &Path) -> Result<Condition> {
        crate::store::condition(path)
    }

    /// Returns the store's location.
    pub fn place(&self) -> Place {
        self.0.place()
    }

    /// Sets an option, as `wxtoken_set`.
    pub fn set(&self, option: &str, value: &str) -> Result<()> {
        self.0.set(option, value)
    }

    /// Registers an account, as `wxtoken_register`. Returns whether anything has changed.
    pub fn register(&self, name: &str, kind: &str, id: &str, secret: Option<&str>) -> Result<bool> {
        self.0.register(name, kind, id, secret)
    }

    /// Puts a field of an account, as `wxtoken_put`.
    pub fn put(&self, name: &str, field: &str, value: Option<&str>) -> Result<()> {
        self.0.put(name, field, value)
    }

    /// Gets a token, as `wxtoken_get`.
    pub fn get(&self, name: Option<&str>) -> Result<Token> {
        let served = self.0.get(name)?;
        Ok(Token {
            value: served.value,
            expires_at: served.expires_at_s,
        })
    }

    /// Gets a token with at least this much life left, after [`Store::get_known`] had none. If the stored token has
    /// less, a new one is fetched first. If the platform's tokens never live that long, the token is returned with the
    /// life it has.
    pub fn get_with_life(&self, name: &str, min_life_ms: i64) -> Result<LivingToken> {
        let served = self.0.get_with_life(name, min_life_ms)?;
        Ok(LivingToken {
            left_ms: served.left_ms(),
            expires_at: served.expires_at_s,
            value: served.value,
        })
    }

    /// Gets a token with at least this much life left from this process's memory alone. Returns None without such a
    /// token, or if a look at the store is due. The caller then calls [`Store::get_with_life`].
    pub fn get_known(&self, name: &str, min_life_ms: i64) -> Option<LivingToken> {
        let known = self.0.hit(Some(name.as_bytes()), |known| LivingToken {
            left_ms: known.left_ms(),
            expires_at: known.expires_at_s,
            value: known.value.clone(),
        });
        known.filter(|known| known.left_ms >= min_life_ms)
    }

    /// Returns the account of this name, or the current one.
    pub fn account(&self, name: Option<&str>) -> Result<AccountOfStore> {
        let session = self.0.session()?;
        Ok(session.read_credential(name)?.account.into())
    }

    /// Returns every account whose kind this version knows, sorted by name.
    pub fn accounts(&self) -> Result<Vec<AccountOfStore>> {
        let accounts = self.0.accounts()?.into_iter();
        Ok(accounts.map(AccountOfStore::from).collect())
    }

    /// Returns the name of the account that a get without a name stands for: the current one, or the only one that a
    /// server lets this program see. None if there is none.
    pub fn default_account(&self) -> Result<Option<String>> {
        let mut accounts = self.0.accounts_to_bring()?;
        let place = match accounts.len() {
            1 => Some(0),
            _ => accounts.iter().position(|account| account.current),
        };
        Ok(place.map(|place| accounts.swap_remove(place).name))
    }

    /// Returns what the store has of a credential. Does not fetch.
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

    /// Reports that the API refused a token, as `wxtoken_reject`.
    pub fn reject(&self, name: Option<&str>, token: &str) -> Result<()> {
        self.0.reject(name, token)
    }

    /// Checks this token with the platform, if its recipe has a check. Rejects it if the platform refuses it. Returns
    /// whether it did. A token that the platform accepts leaves no trace in the store.
    pub fn reject_if_refused(&self, name: &str, token: &str) -> Result<bool> {
        self.0.session()?.reject_if_refused(name, token)
    }

    /// Ends every back-off of an account, or of all accounts. Returns the names of the credentials.
    pub fn retry(&self, account: Option<&str>) -> Result<Vec<String>> {
        self.0.retry(account)
    }

    /// Returns the API paths of an account that are asked about if the caller names none.
    pub fn usual_paths(&self, account: &str) -> Result<Vec<&'static str>> {
        self.0.usual_paths(account)
    }

    /// Returns what is left for the day of an account's calls of one API.
    pub fn quota(&self, account: &str, path: &str) -> Result<QuotaAnswer> {
        self.0.quota(account, path)
    }

    /// Returns what WeChat noted about an account's request, by its rid. Tokens and secrets in it are masked.
    pub fn noted_request(&self, account: &str, rid: &str) -> Result<NotedRequest> {
        self.0.noted_request(account, rid)
    }

    /// Resets the day's counts of all APIs of an account. WeChat allows this ten times a month.
    pub fn clear_quota(&self, account: &str) -> Result<()> {
        self.0.clear_quota(account)
    }

    /// Returns the report that `wxtoken_report` writes.
    pub fn report(&self) -> Result<Report> {
        self.0.report()
    }

    /// Returns the clients of a server on this store.
    pub fn clients(&self) -> Result<ClientSet> {
        self.0.server_clients()
    }

    /// Adds a client that sees these accounts, or all accounts for None. Returns its key.
    pub fn add_client(
        &self,
        name: &str,
        accounts: Option<&[&str]>,
        allow: &[Verb],
    ) -> Result<NewKey> {
        self.0.add_server_client(name, accounts, allow)
    }

    /// Changes a client. A parameter of None leaves that property as it is. For the accounts, an inner None stands for
    /// all accounts.
    pub fn change_client(
        &self,
        name: &str,
        accounts: Option<Option<&[&str]>>,
        allow: Option<&[Verb]>,
    ) -> Result<()> {
        self.0.change_server_client(name, accounts, allow)
    }

    /// Adds a second key to a client, and returns it.
    pub fn rotate_client(&self, name: &str) -> Result<NewKey> {
        self.0.rotate_server_client(name)
    }

    /// Ends the older key of a client. Returns whether there was one.
    pub fn finish_client(&self, name: &str) -> Result<bool> {
        self.0.finish_server_client(name)
    }

    /// Removes a client.
    pub fn remove_client(&self, name: &str) -> Result<()> {
        self.0.remove_server_client(name)
    }

    /// Returns a server's lookup of the account that a call is about.
    pub fn account_lookup(&self) -> AccountLookup {
        AccountLookup::new(self.0.clone())
    }

    /// Returns a server's lookup of its clients, which is current at each call.
    pub fn client_lookup(&self) -> ClientLookup {
        ClientLookup::new(self.0.clone())
    }

    /// Removes an account from the store, and what only it used. A process that has registered it does not put it back.
    pub fn remove(&self, name: &str) -> Result<Removed> {
        self.0.remove(name)
    }

    /// Makes a new key, and seals every secret with it. Returns the number of secrets.
    pub fn rekey(&self) -> Result<usize> {
        self.0.rekey(&self.1)
    }

    /// Writes a copy of the store without tokens to a file of mode 0600, which must not exist yet. Returns the number
    /// of accounts.
    pub fn backup(&self, to: &Path) -> Result<usize> {
        self.0.backup(to, &self.1)
    }

    /// Replaces the contents of the store with those of a backup. Returns the number of accounts.
    pub fn restore(&self, from: &Path) -> Result<usize> {
        self.0.restore(from, &self.1)
    }

    /// Copies accounts, and what was put for them, into another store. With `replace`, accounts that differ there or
    /// were removed there become those of this store.
    pub fn copy_to(&self, to: &Store, replace: bool) -> Result<Copied> {
        self.0.copy_to(&to.0, replace, &self.1)
    }

    /// Fails if this process lacks a secret that fetching an account's token takes. The account's secret and the put
    /// fields must exist, and open with the key. Sends no request.
    pub fn check_secrets(&self, name: &str) -> Result<()> {
        self.0.check_secrets(name)
    }

    /// Returns the keys that make and verify stand-ins, from the current key file. Fails if there is none.
    pub fn stand_in_keys(&self) -> Result<StandInKeys> {
        self.0.stand_in_keys()
    }

    /// Returns the secret of an account, for a server that puts it into its clients' calls.
    pub fn secret(&self, name: &str) -> Result<Secret> {
        self.0.secret(name)
    }

    /// Returns whether a keeper reads this store's mailbox. Returns `None` if this process may not know.
    pub fn has_keeper(&self) -> Option<bool> {
        let session = self.0.session().ok()?;
        session.store().keeper_channel().is_listened_to()
    }

    /// Checks the server of a store on a server in detail. Changes nothing there.
    pub fn check_server(&self) -> Option<Result<ServerCheck>> {
        let session = self.0.session().ok()?;
        session.store().check_server(&session.deadline)
    }

    /// Returns the base URL of each platform, with the name of its option.
    pub fn base_urls(&self) -> Vec<(&'static str, String)> {
        let options = self.0.options();
        PLATFORMS
            .iter()
            .map(|platform| (platform.option, options.base_url(platform).to_owned()))
            .collect()
    }

    /// Returns the base URLs that this store's accounts use, with the names of their options.
    pub fn base_urls_in_use(&self) -> Result<Vec<(&'static str, String)>> {
        self.0.base_urls_in_use()
    }

    /// Returns the way to the host of a base URL, for a server that forwards calls to it.
    pub fn link(&self, base_url: &str) -> Result<PlatformLink> {
        PlatformLink::new(base_url, &self.0.options())
    }

    /// Looks a platform's host up, connects, and requests `/` without a secret or a token.
    pub fn probe(&self, base_url: &str) -> Result<Probe> {
        self.0.probe(base_url)
    }

    /// Makes a keeper of this store.
    pub fn keeper(&self, tell: EventSink) -> Result<Keeper> {
        Keeper::new(self.0.clone(), None, tell)
    }

    /// Makes a keeper of this store that brings the tokens of another store's accounts from there.
    pub fn bridge(&self, from: &Store, tell: EventSink) -> Result<Keeper> {
        Keeper::new(self.0.clone(), Some(from.0.clone()), tell)
    }
}
