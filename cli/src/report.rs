//! The library's report, read into what the screens need. No token and no secret is in it.

use serde_json::Value;
use wxtoken::tool::{KindOfAccount, Store, kinds};

use crate::exit::Failure;

/// The credential that an account's name alone stands for.
pub const ACCESS_TOKEN: &str = "access_token";

pub struct Report {
    pub version: String,
    pub store: String,
    pub now: i64,
    /// None where this process may not know.
    pub keeper: Option<bool>,
    pub degraded: Option<String>,
    pub accounts: Vec<Account>,
}

pub struct Account {
    pub name: String,
    pub kind: String,
    pub id: String,
    pub current: bool,
    pub parent: Option<String>,
    /// Its access token first, known to the store or not.
    pub tokens: Vec<Token>,
}

#[derive(Default)]
pub struct Token {
    pub credential: String,
    pub base_url: String,
    /// fresh, usable or none.
    pub state: String,
    pub rejected: bool,
    pub fetched_at: Option<i64>,
    pub fetched_by: String,
    pub expires_at: Option<i64>,
    pub fetches: i64,
    pub rejects: i64,
    pub forces_today: i64,
    pub failures: i64,
    pub error: Option<LastError>,
    pub retry_at: Option<i64>,
    pub put_at: Option<i64>,
    pub put_good_until: Option<i64>,
}

pub struct LastError {
    pub errcode: i64,
    pub message: String,
}

impl Report {
    pub fn of(store: &Store) -> Result<Report, Failure> {
        Ok(Report::read(&json(store)?))
    }

    pub fn read(report: &Value) -> Report {
        Report {
            version: text(&report["version"]),
            store: text(&report["store"]),
            now: number(&report["now"]),
            keeper: report["keeper"].as_bool(),
            degraded: report["degraded"].as_str().map(str::to_owned),
            accounts: list(&report["accounts"])
                .iter()
                .map(Account::read)
                .collect(),
        }
    }

    pub fn current(&self) -> Option<&str> {
        let current = self.accounts.iter().find(|account| account.current);
        current.map(|account| account.name.as_str())
    }

    pub fn names(&self) -> Vec<String> {
        self.accounts
            .iter()
            .map(|account| account.name.clone())
            .collect()
    }

    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.name == name)
    }

    pub fn rows(&self) -> impl Iterator<Item = (&Account, &Token)> {
        self.accounts
            .iter()
            .flat_map(|account| account.tokens.iter().map(move |token| (account, token)))
    }
}

/// The report as it is.
pub fn json(store: &Store) -> Result<Value, Failure> {
    let written = store.report()?;
    serde_json::from_str(&written)
        .map_err(|_| Failure::Io("the library's report is no JSON".into()))
}

impl Account {
    fn read(account: &Value) -> Account {
        let mut tokens: Vec<Token> = list(&account["tokens"]).iter().map(Token::read).collect();
        if !tokens.iter().any(|token| token.credential == ACCESS_TOKEN) {
            tokens.insert(0, Token::none(ACCESS_TOKEN));
        }
        Account {
            name: text(&account["name"]),
            kind: text(&account["kind"]),
            id: text(&account["id"]),
            current: account["current"].as_bool() == Some(true),
            parent: account["parent"].as_str().map(str::to_owned),
            tokens,
        }
    }

    pub fn kind(&self) -> Option<KindOfAccount> {
        kinds().into_iter().find(|kind| kind.name == self.kind)
    }

    /// What it needs before its token can be fetched: what is missing, and the command that mends it.
    pub fn lacks(&self, report: &Report) -> Option<(String, String)> {
        let name = crate::ui::shell::quoted(&self.name);
        let fields = self.kind()?.fields;
        if fields.contains(&"parent") {
            let command = format!("wxtoken put {name} parent PARENT");
            match &self.parent {
                None => return Some(("needs its parent".into(), command)),
                Some(parent) if report.account(parent).is_none() => {
                    return Some((format!("its parent \"{parent}\" is gone"), command));
                }
                Some(_) => {}
            }
        }
        let field = fields
            .iter()
            .find(|field| !["current", "parent"].contains(field))?;
        let command = format!("wxtoken put {name} {field}");
        let token = self
            .tokens
            .iter()
            .find(|token| token.credential == ACCESS_TOKEN)?;
        if token.put_at.is_none() {
            return Some((format!("needs its {field}"), command));
        }
        let is_over = token.put_good_until.is_some_and(|until| until < report.now);
        is_over.then(|| (format!("its {field} is too old"), command))
    }
}

impl Token {
    /// One that was never fetched.
    pub fn none(credential: &str) -> Token {
        Token {
            credential: credential.into(),
            state: "none".into(),
            ..Token::default()
        }
    }

    fn read(token: &Value) -> Token {
        let error = &token["last_error"];
        Token {
            credential: text(&token["credential"]),
            base_url: text(&token["base_url"]),
            state: text(&token["state"]),
            rejected: token["rejected"].as_bool() == Some(true),
            fetched_at: token["fetched_at"].as_i64(),
            fetched_by: text(&token["fetched_by"]),
            expires_at: token["expires_at"].as_i64(),
            fetches: number(&token["fetches"]),
            rejects: number(&token["rejects"]),
            forces_today: number(&token["forces_today"]),
            failures: number(&token["failures_in_a_row"]),
            error: (!error.is_null()).then(|| LastError {
                errcode: number(&error["errcode"]),
                message: text(&error["message"]),
            }),
            retry_at: token["retry_at"].as_i64(),
            put_at: token["put"]["at"].as_i64(),
            put_good_until: token["put"]["good_until"].as_i64(),
        }
    }

    pub fn is_valid(&self) -> bool {
        self.state != "none"
    }
}

/// For a screen: a process may have a name that would move its cursor.
fn text(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
