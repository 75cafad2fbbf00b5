//! The report: every account and token of the store, for people and monitors. No secret, no token.

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

/// What there is in a store. Times are Unix seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The library's version.
    pub version: &'static str,
    /// Where the store is.
    pub store: String,
    /// The server of a store that has one; `None` for a file, and where the server does not answer.
    pub server: Option<ServerReport>,
    /// Why the server of the store is not reached. What follows is then what this process has seen of the store last; `None`
    /// where it was reached, and for a file.
    #[serde(serialize_with = "write_reason")]
    pub away: Option<Error>,
    /// The last step of the server's clock that this process has seen, or the difference to the clock of another server that has
    /// taken its place; `None` where there was none, and for a file.
    pub clock_step: Option<ClockStepReport>,
    /// When this was written.
    pub now: i64,
    /// Whether a keeper listens; `None` where this process may not know.
    pub keeper: Option<bool>,
    /// The reason why this process may only read the store, and does not fetch; `None` for one that does.
    #[serde(serialize_with = "write_reason")]
    pub reader: Option<Error>,
    /// Why the store cannot be written, when tokens live in this process's memory for that reason.
    pub degraded: Option<String>,
    /// The reason why no account is put into the store: a stranger may have made it or its key, or may change them. Its tokens
    /// may be anybody's.
    #[serde(serialize_with = "write_reason")]
    pub not_trusted: Option<Error>,
    /// By their names.
    pub accounts: Vec<AccountReport>,
    /// Those of a kind that this version does not know, by their names. Nothing is fetched for them here.
    pub unknown_accounts: Vec<UnknownAccountReport>,
}

/// A step of a server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClockStepReport {
    /// When, by the clock as it is after it.
    pub at: i64,
    /// By how much, negative for a step back.
    pub by_ms: i64,
}

/// An account of a kind that this version does not know, as a newer one may leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnknownAccountReport {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its appid, corpid and so on.
    pub id: String,
    /// Whether a get without a name means it.
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

/// One account.
#[derive(Clone, Debug, Serialize)]
pub struct AccountReport {
    /// Its name.
    pub name: String,
    /// Its kind: `official`.
    pub kind: &'static str,
    /// Its appid, corpid and so on.
    pub id: String,
    /// By which two secrets can be told apart.
    pub fingerprint: String,
    /// The store that a bridge brings its tokens from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether a get without a name means it.
    pub current: bool,
    /// Whether it was registered with a secret.
    pub has_secret: bool,
    /// The account that its requests are made with, where its kind has one.
    pub parent: Option<String>,
    /// Those that somebody has asked for, its access token first.
    pub tokens: Vec<TokenReport>,
}

/// One credential.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TokenReport {
    /// Its name: `access_token`, `jsapi_ticket`.
    pub credential: &'static str,
    /// The endpoint that gives it.
    pub endpoint: String,
    /// Where that is.
    pub base_url: String,
    /// Whether there is a token that is valid now.
    pub state: TokenState,
    /// Whether the API refused it.
    pub rejected: bool,
    /// When it was fetched.
    pub fetched_at: Option<i64>,
    /// By which program and process.
    pub fetched_by: String,
    /// When it ends.
    pub expires_at: Option<i64>,
    /// From when on the next one is fetched.
    pub refresh_at: Option<i64>,
    /// How many were fetched.
    pub fetches: i64,
    /// How often callers said that the API refused one.
    pub rejects: i64,
    /// How many of these the platform contradicted, when it was asked.
    pub false_rejects: i64,
    /// When it last did, unless it has refused the token since.
    pub false_reject_at: Option<i64>,
    /// The platform ends tokens long before their time, again and again: somebody else fetches them.
    #[serde(serialize_with = "write_error")]
    pub contested: Option<Error>,
    /// How many were fetched by force today (UTC+8).
    pub forces_today: i64,
    /// Fetches that failed since the last that did not.
    pub failures_in_a_row: i64,
    /// The last failure, also when a fetch has come off since.
    #[serde(serialize_with = "write_error")]
    pub last_error: Option<Error>,
    /// When the platform refused this account's secret, unless a fetch with it has come off since.
    pub secret_refused_at: Option<i64>,
    /// When the next fetch is tried after a failure.
    pub retry_at: Option<i64>,
    /// The secret that was put, where a fetch takes one.
    pub put: Option<PutReport>,
}

/// What a get does about a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// Hands it out.
    Fresh,
    /// Hands it out, and fetches the next one.
    Usable,
    /// There is none.
    #[default]
    None,
}

/// That something was put, and when; not what.
#[derive(Clone, Debug, Serialize)]
pub struct PutReport {
    /// The field: `verify_ticket`.
    pub field: &'static str,
    /// When it was put.
    pub at: Option<i64>,
    /// When it is too old, where that is known.
    pub good_until: Option<i64>,
    /// Whether the one that it replaced is kept.
    pub has_before: bool,
}

impl Report {
    /// As `wxtoken_report` writes it.
    pub fn to_json(&self) -> Result<String> {
        let json = serde_json::to_string(self).map_err(|e| {
            Error::new(Status::Internal, "cannot write the report").because(e.to_string())
        })?;
        Ok(json_shown(&json).into_owned())
    }

    /// The account of this name.
    pub fn account(&self, name: &str) -> Option<&AccountReport> {
        let place = self
            .accounts
            .binary_search_by(|account| (*account.name).cmp(name));
        place.ok().map(|place| &self.accounts[place])
    }

    /// How many accounts there are, of whatever kind.
    pub fn size(&self) -> usize {
        self.accounts.len() + self.unknown_accounts.len()
    }

    /// The account of this name, where this version does not know its kind.
    pub fn unknown_account(&self, name: &str) -> Option<&UnknownAccountReport> {
        let mut unknown = self.unknown_accounts.iter();
        unknown.find(|account| account.name == name)
    }

    /// The account that a get without a name means.
    pub fn current(&self) -> Option<&AccountReport> {
        self.accounts.iter().find(|account| account.current)
    }

    /// Every credential, with its account.
    pub fn rows(&self) -> impl Iterator<Item = (&AccountReport, &TokenReport)> {
        self.accounts
            .iter()
            .flat_map(|account| account.tokens.iter().map(move |token| (account, token)))
    }
}

impl AccountReport {
    /// The name that leads to one of its credentials.
    pub fn name_of(&self, token: &TokenReport) -> String {
        match token.credential {
            ACCESS_TOKEN => self.name.clone(),
            other => names::join(&self.name, other),
        }
    }
}

impl TokenReport {
    /// A credential that nobody has asked for.
    pub fn absent(credential: &'static str) -> TokenReport {
        TokenReport {
            credential,
            ..TokenReport::default()
        }
    }

    /// Whether it is its account's own token: the one that the account's name alone stands for.
    pub fn is_access_token(&self) -> bool {
        self.credential == ACCESS_TOKEN
    }

    /// The last failure, unless it is over: a fetch has come off since, or the account was registered again.
    pub fn failure(&self) -> Option<&Error> {
        let failed = |_: &&Error| self.failures_in_a_row > 0;
        self.last_error.as_ref().filter(failed)
    }

    /// Whether there is one that a get hands out.
    pub fn is_valid(&self) -> bool {
        self.state != TokenState::None
    }
}

/// Gathers it.
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

/// What is in the store; or what was in it when this process saw it last, and why.
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
        // Another handle may use other base URLs: each is a token of its own.
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
    // The refusal of another account's secret is not this one's failure.
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
        forces_today: row.forces,
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

/// A failure as the report has it, with functions of C in the hint.
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

/// A reason in one line, without its hint.
fn write_reason<S: Serializer>(error: &Option<Error>, to: S) -> Result<S::Ok, S::Error> {
    error.as_ref().map(Error::to_string).serialize(to)
}

fn moment(wall_ms: i64) -> Option<i64> {
    (wall_ms != 0).then(|| seconds(wall_ms))
}

fn seconds(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(1000)
}
