//! The type of a recipe: how one credential is fetched, and to what it belongs.

use super::errcodes;
use super::forms::Forms;
use crate::hosts::Platform;
use crate::names::ACCESS_TOKEN;
use crate::options::Options;

/// The value of one request parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// This text.
    Text(&'static str),
    /// The account's appid, corpid or other id.
    Id,
    /// The account's secret.
    Secret,
    /// Whether a new token is wanted even while the old one is good.
    Force,
    /// The pushed secret, the recipe's own [`PushedSecret`].
    Put,
    /// The id of the account's parent.
    ParentId,
    /// The token of the account's parent.
    ParentToken,
}

/// The account whose token the request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentKind {
    None,
    /// The account's own access token.
    Own,
    /// The token of another account of this kind, which the account's field `parent` names.
    Account(&'static str),
}

/// The discriminator of a credential, besides its endpoint, base URL and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Nothing,
    /// The secret's fingerprint. Two secrets of one id are two apps with a credential each.
    Secret,
    /// The parent's id. Two parents have a credential each for one id.
    Parent,
    /// The discriminator of the account's access token.
    AsToken,
}

/// The cost of a fetch, besides the call itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchCost {
    /// Calls are plentiful, and a repeat harms nobody. So a fetch may do without a store.
    Repeatable,
    /// Calls are few, or their number is not known. So nothing is fetched unless the result can be stored.
    Scarce,
    /// A fetch revokes the previous token, after a grace period, or the refresh token that it used.
    RevokesPrevious,
}

/// A secret that comes after registration, by a push or with an authorization, and is stored sealed.
#[derive(Debug, PartialEq, Eq)]
pub struct PushedSecret {
    /// The field of `wxtoken_put`.
    pub field: &'static str,
    /// The life of such a secret in seconds. 0 means until it is revoked.
    pub lifetime_s: i64,
    /// The origin of the secret, for a message.
    pub source: &'static str,
}

/// A cheap call that tells whether the platform accepts a token. Its parameter is `access_token`.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenCheck {
    pub path: &'static str,
    /// The errcodes by which the platform refuses the token. Other errcodes say nothing about it.
    pub refused: &'static [i64],
    /// The JSON pointer to the array whose presence in the reply shows that the token is accepted.
    pub proof: &'static str,
}

/// One credential.
#[derive(Debug, PartialEq)]
pub struct Recipe {
    /// The kinds of account that have the credential. The row of an access token defines a kind, so it names one.
    pub kinds: &'static [&'static str],
    /// A description of such accounts, in the row of their access token.
    pub about: &'static str,
    /// The credential's name after the slash, or [`ACCESS_TOKEN`].
    pub credential: &'static str,
    /// The name of the endpoint in the credential key and in the report.
    pub endpoint: &'static str,
    pub platform: &'static Platform,
    pub path: &'static str,
    pub query: &'static [(&'static str, Value)],
    /// The headers: each has a name, a text before the value, and the value.
    pub headers: &'static [(&'static str, &'static str, Value)],
    /// The fields of a JSON object to post. If there are none, the request is a GET.
    pub body: &'static [(&'static str, Value)],
    /// Whether the request is a POST even without a body.
    pub posts_nothing: bool,
    /// The JSON pointer to the credential in the reply. `expires_in` is the pointer to its life in seconds.
    pub token: &'static str,
    pub expires_in: &'static str,
    /// The JSON pointer to the secret that replaces the pushed one, if the reply has it.
    pub renewed: Option<&'static str>,
    pub parent: ParentKind,
    /// The errcodes by which the platform refuses the parent's token.
    pub stale_parent: &'static [i64],
    /// The word by which the platform refuses the parent's token, where its codes are words.
    pub stale_parent_word: Option<&'static str>,
    pub scope: Scope,
    pub cost: FetchCost,
    /// The platform's name for the account's id.
    pub id_name: &'static str,
    /// The forms of that id and of the secret.
    pub forms: Forms,
    pub pushed: Option<PushedSecret>,
    /// The call that checks a token which callers reject, if there is one.
    pub check: Option<&'static TokenCheck>,
}

impl Recipe {
    /// Whether the platform can be made to return a new token while the old one is good.
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

    /// Whether a refusal says that the parent's token is no longer good. If the code is 0, the first word of the text
    /// is the code.
    pub fn refuses_parent(&self, code: i64, errmsg: &str) -> bool {
        let is_stale = match (code, self.stale_parent_word) {
            (0, Some(word)) => errmsg.split(':').next() == Some(word),
            _ => self.stale_parent.contains(&code),
        };
        self.parent != ParentKind::None && is_stale
    }

    /// The credential's name in a message.
    pub fn noun(&self) -> &'static str {
        match self.credential {
            ACCESS_TOKEN => "token",
            other => other,
        }
    }
}
