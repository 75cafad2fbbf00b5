//! The report: every account and token of the store, for people and monitors. It contains no secret and no token.

use std::collections::HashMap;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::account::{blamable, key_of};
use crate::characters::{json_shown, shown};
use crate::client::reject::contested;
use crate::client::session::Session;
use crate::clock::Now;
use crate::credential::{CredentialKey, Freshness, Row};
use crate::error::{Error, Result, Status};
use crate::names::{self, ACCESS_TOKEN};
use crate::platform::{PushedSecret, Recipe};
use crate::store::{Account, ServerReport, StoreSnapshot, UnknownAccount};

/// The contents of a store. Times are Unix seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The library's version.
    pub version: &'static str,
    /// The store's path, or its URL without the password.
    pub store: String,
    /// The server that holds the store. It is `None` for a file, and if the server does not answer.
    pub server: Option<ServerReport>,
    /// The reason why the store's server was not reached. The report then shows what this process saw in the store
    /// last. It is `None` if the server was reached, and for a file.
    #[serde(serialize_with = "write_reason")]
    pub away: Option<Error>,
    /// The last step of the server's clock that this process has seen. If another server has taken its place, the step
    /// is the difference between the two clocks. It is `None` without a step, and for a file.
    pub clock_step: Option<ClockStepReport>,
    /// The time of the report.
    pub now: i64,
    /// Whether a keeper listens. It is `None` if this process may not know.
    pub keeper: Option<bool>,
    /// The reason why this process may only read the store, and does not fetch. It is `None` if the process may fetch.
    #[serde(serialize_with = "write_reason")]
    pub reader: Option<Error>,
    /// The reason why the store cannot be written, if tokens live only in this process's memory because of that.
    pub degraded: Option<String>,
    /// The reason why no account is put into the store: another user may have made the store or its key, or may change
    /// them. Its tokens may come from anyone.
    #[serde(serialize_with = "write_reason")]
    pub not_trusted: Option<Error>,
    /// The accounts, sorted by name.
    pub accounts: Vec<AccountReport>,
    /// The accounts of a kind that this version does not know, sorted by name. Nothing is fetched for them here.
    pub unknown_accounts: Vec<UnknownAccountReport>,
}

/// A step of the server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockStepReport {
    /// The time of the step, by the clock after it.
    pub at: i64,
    /// The length of the step in milliseconds, negative for a step back.
    pub by_ms: i64,
}

/// An account of a kind that this version does not know. A newer version may have registered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownAccountReport {
    /// The account's name.
    pub name: String,
    /// The account's kind.
    pub kind: String,
    /// The account's appid, corpid and so on.
    pub id: String,
    /// Whether it is the current account, which a get without a name stands for.
    pub current: bool,
}

impl From<&UnknownAccount> for UnknownAccountReport {
    fn from(account: &UnknownAccount) -> UnknownAccountReport {
        UnknownAccountReport {
            name: account.name.clone(),
            kind: account.kind.clone(),
            id: account.id.clone(),
            current: account.current,
        }
    }
}

impl fmt::Display for UnknownAccountReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, kind) = (&self.name, &self.kind);
        write!(
            f,
            "account \"{name}\": kind \"{kind}\" is not known to this version: upgrade"
        )
    }
}

/// One account with its tokens.
#[derive(Clone, Debug, Serialize)]
pub struct AccountReport {
    /// The account's name.
    pub name: String,
    /// The account's kind, such as `official`.
    pub kind: &'static str,
    /// The account's appid, corpid and so on.
    pub id: String,
    /// The fingerprint of the secret. It tells two secrets apart.
    pub fingerprint: String,
    /// The upstream that a bridge brings the account's tokens from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether it is the current account, which a get without a name stands for.
    pub current: bool,
    /// Whether the account was registered with a secret.
    pub has_secret: bool,
    /// The account that its tokens are fetched with, if its kind has a parent.
    pub parent: Option<String>,
    /// The tokens and tickets that have been asked for, the access token first.
    pub tokens: Vec<TokenReport>,
}

/// One credential of an account.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenReport {
    /// The credential's name, such as `access_token` or `jsapi_ticket`.
    pub credential: &'static str,
    /// The endpoint that it is fetched from.
    pub endpoint: String,
    /// The base URL of that endpoint.
    pub base_url: String,
    /// Whether there is a valid token.
    pub state: TokenState,
    /// Whether the API refused the token.
    pub rejected: bool,
    /// The time when the token was fetched.
    pub fetched_at: Option<i64>,
    /// The program and process that fetched the token.
    pub fetched_by: String,
    /// The time when the token expires.
    pub expires_at: Option<i64>,
    /// The time from which on the next token is fetched.
    pub refresh_at: Option<i64>,
    /// The number of tokens that were fetched.
    pub fetches: i64,
    /// The number of times that callers reported a token as refused.
    pub rejects: i64,
    /// The number of rejections that the platform contradicted when the token was checked.
    pub false_rejects: i64,
    /// The time of the last false reject, if the platform has not refused the token since.
    pub false_reject_at: Option<i64>,
    /// The warning that another program fetches tokens for this account. It is set if the platform repeatedly ends
    /// tokens long before their time.
    #[serde(serialize_with = "write_error")]
    pub contested: Option<Error>,
    /// The number of tokens that were fetched by force today (UTC+8).
    pub forces_today: i64,
    /// The number of failed fetches since the last one that succeeded.
    pub failures_in_a_row: i64,
    /// The last failure, even if a fetch has succeeded since.
    #[serde(serialize_with = "write_error")]
    pub last_error: Option<Error>,
    /// The time when the platform refused this account's secret, unless a fetch with it has succeeded since.
    pub secret_refused_at: Option<i64>,
    /// The time of the next try after a failure.
    pub retry_at: Option<i64>,
    /// The put secret, if a fetch takes one.
    pub put: Option<PutReport>,
}

/// The state of a token, by what a get does with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// A get returns it.
    Fresh,
    /// A get returns it, and fetches the next one.
    Usable,
    /// A get has no valid token to return.
    #[default]
    None,
}

/// A put secret: its field and its times, not its value.
#[derive(Clone, Debug, Serialize)]
pub struct PutReport {
    /// The field, such as `verify_ticket`.
    pub field: &'static str,
    /// The time when it was put.
    pub at: Option<i64>,
    /// The time when it becomes too old, if that is known.
    pub good_until: Option<i64>,
    /// Whether the secret that it replaced is kept.
    pub has_before: bool,
}

impl Report {
    /// Returns the report as `wxtoken_report` writes it.
    pub fn to_json(&self) -> Result<String> {
        let json = serde_json::to_string(self).map_err(|e| {
            Error::new(Status::Internal, "cannot write the report").because(e.to_string())
        })?;
        Ok(json_shown(&json).into_owned())
    }

    /// Returns the account of this name.
    pub fn account(&self, name: &str) -> Option<&AccountReport> {
        let place = self
            .accounts
            .binary_search_by(|account| (*account.name).cmp(name));
        place.ok().map(|place| &self.accounts[place])
    }

    /// Returns the number of accounts of any kind.
    pub fn size(&self) -> usize {
        self.accounts.len() + self.unknown_accounts.len()
    }

    /// Returns the account of this name if this version does not know its kind.
    pub fn unknown_account(&self, name: &str) -> Option<&UnknownAccountReport> {
        let mut unknown = self.unknown_accounts.iter();
        unknown.find(|account| account.name == name)
    }

    /// Returns the current account, which a get without a name stands for.
    pub fn current(&self) -> Option<&AccountReport> {
        self.accounts.iter().find(|account| account.current)
    }

    /// Returns every credential with its account.
    pub fn rows(&self) -> impl Iterator<Item = (&AccountReport, &TokenReport)> {
        self.accounts
            .iter()
            .flat_map(|account| account.tokens.iter().map(move |token| (account, token)))
    }
}

impl AccountReport {
    /// Returns the name of one of the account's credentials, such as `shop/jsapi_ticket`.
    pub fn name_of(&self, token: &TokenReport) -> String {
        match token.credential {
            ACCESS_TOKEN => self.name.clone(),
            other => names::join(&self.name, other),
        }
    }
}

impl TokenReport {
    /// Returns the report of a credential that nobody has asked for.
    pub fn absent(credential: &'static str) -> TokenReport {
        TokenReport {
            credential,
            ..TokenReport::default()
        }
    }

    /// Returns whether this is the access token, which the account's name alone stands for.
    pub fn is_access_token(&self) -> bool {
        self.credential == ACCESS_TOKEN
    }

    /// Returns the last failure. Returns None if a fetch has succeeded since, or the account was registered again.
    pub fn failure(&self) -> Option<&Error> {
        let failed = |_: &&Error| self.failures_in_a_row > 0;
        self.last_error.as_ref().filter(failed)
    }

    /// Returns whether there is a valid token.
    pub fn is_valid(&self) -> bool {
        self.state != TokenState::None
    }
}

/// Makes the report of a store.
pub fn gather(session: &Session) -> Result<Report> {
    let shared = session.state.shared;
    let (seen, away) = look(session)?;
    let StoreSnapshot {
        accounts,
        unknown,
        mut rows,
        clients: _,
    } = seen;
    shared.unsaved.apply_all(&mut rows);
    let now = session.now();
    let mut of_key: HashMap<String, Vec<&(CredentialKey, Row)>> = HashMap::new();
    for entry in &rows {
        of_key.entry(entry.0.key_text()).or_default().push(entry);
    }
    let accounts = accounts
        .into_iter()
        .map(|account| describe_account(session, account, &of_key, now));
    Ok(Report {
        version: env!("CARGO_PKG_VERSION"),
        store: session.store_name().to_string(),
        server: match away {
            Some(_) => None,
            None => session
                .store()
                .report_server(&session.deadline)
                .and_then(Result::ok),
        },
        away,
        clock_step: session.store().clock_step().map(|step| ClockStepReport {
            at: seconds(step.at_wall_ms),
            by_ms: step.by_ms,
        }),
        now: seconds(now.wall_ms),
        keeper: session.store().keeper_channel().is_listened_to(),
        reader: session.why_reader(),
        degraded: shared.unsaved.reason(),
        not_trusted: session.why_not_trusted(),
        accounts: accounts.collect(),
        unknown_accounts: unknown.iter().map(Into::into).collect(),
    })
}

/// Returns the contents of the store. If the store cannot be read, returns what this process saw in it last, and the
/// error.
fn look(session: &Session) -> Result<(StoreSnapshot, Option<Error>)> {
    let there = session
        .restore_accounts()
        .and_then(|()| StoreSnapshot::of(session.store(), &session.deadline));
    match there {
        Ok(there) => Ok((there, None)),
        Err(why) if matches!(why.status, Status::Store | Status::Timeout) => {
            match session.store().last_seen() {
                Some(seen) => Ok((seen, Some(why))),
                None => Err(why),
            }
        }
        Err(why) => Err(why),
    }
}

fn describe_account(
    session: &Session,
    account: Account,
    rows: &HashMap<String, Vec<&(CredentialKey, Row)>>,
    now: Now,
) -> AccountReport {
    let mut listed = Vec::new();
    for recipe in account.kind.recipes() {
        let own = key_of(&account, recipe, &session.options);
        // Another handle may use other base URLs, which have tokens of their own.
        let of_account = rows.get(&own.key_text()).into_iter().flatten();
        listed.extend(of_account.map(|(key, row)| {
            let secret = blamable(&account, recipe);
            TokenReport {
                contested: contested(recipe, &account, row, now),
                ..describe_token(recipe, key, row, secret, now)
            }
        }));
    }
    let from = account.origin().map(str::to_owned);
    let fingerprint = match from {
        Some(_) => String::new(),
        None => account.fingerprint,
    };
    AccountReport {
        name: account.name,
        kind: account.kind.name(),
        id: account.id,
        fingerprint,
        from,
        current: account.current,
        has_secret: account.sealed.is_some(),
        parent: account.parent.map(|parent| parent.name),
        tokens: listed,
    }
}

fn describe_token(
    recipe: &Recipe,
    key: &CredentialKey,
    row: &Row,
    secret: &str,
    now: Now,
) -> TokenReport {
    let freshness = match recipe.check {
        Some(_) => row.freshness_for_bystander(now),
        None => row.freshness(now),
    };
    let state = match freshness {
        Freshness::Fresh => TokenState::Fresh,
        Freshness::Usable => TokenState::Usable,
        Freshness::Spent => TokenState::None,
    };
    let standing = row.standing_failure_of(secret, now, 0);
    let refusal = row.refusal_of(secret);
    // The refusal of another account's secret is not a failure of this account.
    let is_of_another = row
        .refusals
        .iter()
        .any(|known| known.secret != secret && known.error == row.last_error);
    let (failures_in_a_row, last_error) = match refusal {
        Some(own) if is_of_another || row.failures == 0 => {
            (row.failures.max(1), Some(own.to_error()))
        }
        None if is_of_another => (0, None),
        _ => (row.failures, last_error(row)),
    };
    TokenReport {
        credential: recipe.credential,
        endpoint: key.endpoint.clone(),
        base_url: key.base_url.clone(),
        state,
        rejected: row.rejected,
        fetched_at: moment(row.fetched_at),
        fetched_by: row.fetched_by.clone(),
        expires_at: moment(row.expires_at),
        refresh_at: moment(row.refresh_at),
        fetches: row.fetches,
        rejects: row.rejects,
        false_rejects: row.rejections.false_rejects,
        false_reject_at: moment(row.rejections.accepted_at),
        contested: None,
        forces_today: row.forces_today(now),
        failures_in_a_row,
        last_error,
        secret_refused_at: refusal.map(|refusal| seconds(refusal.at)),
        retry_at: standing.map(|e| seconds(now.wall_ms + e.retry_after_ms)),
        put: recipe.pushed.as_ref().map(|put| describe_put(put, row)),
    }
}

fn last_error(row: &Row) -> Option<Error> {
    if row.last_status == 0 {
        return None;
    }
    let mut error = Error::from_stored(Status::from_code(row.last_status), &row.last_error);
    error.errcode = i32::try_from(row.last_errcode).unwrap_or(i32::MIN);
    Some(error)
}

fn describe_put(put: &PushedSecret, row: &Row) -> PutReport {
    let at = row.pushed.as_ref().map(|kept| seconds(kept.at));
    PutReport {
        field: put.field,
        at,
        good_until: at
            .filter(|_| put.lifetime_s > 0)
            .map(|at| at + put.lifetime_s),
        has_before: row.pushed_before.is_some(),
    }
}

/// Writes a failure as the report has it, with functions of C in the hint.
fn write_error<S: Serializer>(error: &Option<Error>, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct LastError {
        status: &'static str,
        errcode: i32,
        message: String,
        hint: Option<String>,
    }
    let error = error.as_ref().map(|error| LastError {
        status: error.status.name(),
        errcode: error.errcode,
        message: shown(&error.to_string()).into_owned(),
        hint: error
            .hint
            .as_ref()
            .map(|hint| shown(&hint.for_c()).into_owned()),
    });
    error.serialize(to)
}

/// Writes a failure as one line without its hint.
fn write_reason<S: Serializer>(error: &Option<Error>, to: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(Error::to_string).serialize(to)
}

fn moment(wall_ms: i64) -> Option<i64> {
    (wall_ms != 0).then(|| seconds(wall_ms))
}

fn seconds(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(1000)
}
