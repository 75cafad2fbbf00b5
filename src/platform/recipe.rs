//! What a recipe is: how one credential is had, and what it belongs to.

use super::errcodes;
use super::forms::Forms;
use crate::hosts::Platform;
use crate::names::ACCESS_TOKEN;
use crate::options::Options;

/// What goes into one request parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// This text.
    Text(&'static str),
    /// The account's appid, corpid and so on.
    Id,
    /// The account's secret.
    Secret,
    /// Whether a new token is wanted even while the old one is good.
    Force,
    /// What was put: the recipe's own [`PushedSecret`].
    Put,
    /// The id of the account's parent.
    ParentId,
    /// The token of the parent.
    ParentToken,
}

/// Whose token the request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentKind {
    None,
    /// The account's own access token.
    Own,
    /// That of another account, of this kind, which the account's field `parent` names.
    Account(&'static str),
}

/// What a credential belongs to, beside endpoint, base URL and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Nothing,
    /// Two secrets of one id are two apps with a credential each.
    Secret,
    /// Two parents have a credential each for one id.
    Parent,
    /// The same as the account's access token.
    AsToken,
}

/// What a fetch costs, beside the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchCost {
    /// There are plenty, and a repeat harms nobody: a fetch may do without a store.
    Repeatable,
    /// There are few calls, or nobody knows: no fetch without a place to put what comes.
    Scarce,
    /// What was had before ends by it: the token, after a grace, or the refresh token.
    RevokesPrevious,
}

/// A secret that comes after registration, from a push or with an authorization, and is sealed in the store.
#[derive(Debug, PartialEq, Eq)]
pub struct PushedSecret {
    /// The field of `wxtoken_put`.
    pub field: &'static str,
    /// How long one is good; 0 is until it is revoked.
    pub lifetime_s: i64,
    /// Where it comes from, for a message.
    pub source: &'static str,
}

/// A cheap call that tells whether the platform takes a token. Its parameter is `access_token`.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenCheck {
    pub path: &'static str,
    /// The errcodes by which it refuses the token. Any other says nothing about that.
    pub refused: &'static [i64],
    /// The array in the reply that shows that it takes the token, as a JSON pointer.
    pub proof: &'static str,
}

/// One credential.
#[derive(Debug, PartialEq)]
pub struct Recipe {
    /// The kinds of account that have it. An access token's row makes its kind: it has one.
    pub kinds: &'static [&'static str],
    /// What an account of that kind is, in the row of its access token.
    pub about: &'static str,
    /// Its name: what stands behind the slash, or [`ACCESS_TOKEN`].
    pub credential: &'static str,
    /// Its endpoint's name in the identity and in the report.
    pub endpoint: &'static str,
    pub platform: &'static Platform,
    pub path: &'static str,
    pub query: &'static [(&'static str, Value)],
    /// Each with its name and what stands in front of the value.
    pub headers: &'static [(&'static str, &'static str, Value)],
    /// A JSON object to be posted; with none, the request is a GET.
    pub body: &'static [(&'static str, Value)],
    /// A POST all the same, without a body.
    pub posts_nothing: bool,
    /// Where the reply holds it and its life in seconds, as JSON pointers.
    pub token: &'static str,
    pub expires_in: &'static str,
    /// Where the reply holds what is to replace what was put, if it does.
    pub renewed: Option<&'static str>,
    pub parent: ParentKind,
    /// The errcodes by which the platform refuses the parent's token.
    pub stale_parent: &'static [i64],
    /// The same where the platform's codes are words.
    pub stale_parent_word: Option<&'static str>,
    pub scope: Scope,
    pub cost: FetchCost,
    /// What the platform calls the account's id.
    pub id_name: &'static str,
    /// How it spells that id and the secret.
    pub forms: Forms,
    pub pushed: Option<PushedSecret>,
    /// Whether a token that callers reject can be looked at first.
    pub check: Option<&'static TokenCheck>,
}

impl Recipe {
    /// Whether the platform can be told to give a new token while the old one is good.
    pub fn can_force(&self) -> bool {
        self.takes(Value::Force)
    }

    pub fn takes(&self, value: Value) -> bool {
        let mut parameters = self.query.iter().chain(self.body);
        let mut headers = self.headers.iter();
        parameters.any(|(_, taken)| *taken == value) || headers.any(|(_, _, taken)| *taken == value)
    }

    pub fn base_url<'a>(&self, options: &'a Options) -> &'a str {
        options.base_url(self.platform)
    }

    pub fn judge(&self, code: i64, errmsg: &str, failures: i64) -> errcodes::ErrcodeRule {
        if self.refuses_parent(code, errmsg) {
            return errcodes::STALE_PARENT;
        }
        errcodes::judge(self.platform, code, failures)
    }

    /// Whether an errcode, or the word that a text begins with where the code is 0, says that the parent's token is no
    /// longer good.
    pub fn refuses_parent(&self, code: i64, errmsg: &str) -> bool {
        let is_stale = match (code, self.stale_parent_word) {
            (0, Some(word)) => errmsg.split(':').next() == Some(word),
            _ => self.stale_parent.contains(&code),
        };
        self.parent != ParentKind::None && is_stale
    }

    /// What to call it in a message.
    pub fn noun(&self) -> &'static str {
        match self.credential {
            ACCESS_TOKEN => "token",
            other => other,
        }
    }
}
