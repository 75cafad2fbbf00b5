//! The WeChat calls by which credentials are fetched, taken from the recipe table. A server that answers them in
//! WeChat's place uses them.

use super::kind::Kind;
use super::recipe::{ParentKind, Recipe, Value};
use super::recipes::recipes;
use crate::hosts;
use crate::names::ACCESS_TOKEN;

/// The host whose form a reply has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WechatHost {
    /// `api.weixin.qq.com`
    Weixin,
    /// `qyapi.weixin.qq.com`
    Wecom,
}

impl WechatHost {
    /// The host's name in messages.
    pub fn name(self) -> &'static str {
        self.platform().name
    }

    /// The option that holds the host's base URL.
    pub fn option(self) -> &'static str {
        self.platform().option
    }

    /// Whether the host refuses a call's token by this errcode.
    pub fn refuses_token_by(self, errcode: i64) -> bool {
        let own = recipes().filter(|recipe| host_of(recipe) == Some(self));
        let mut checks = own.filter_map(|recipe| recipe.check);
        checks.any(|check| check.refused.contains(&errcode))
    }

    fn platform(self) -> &'static hosts::Platform {
        match self {
            WechatHost::Weixin => &hosts::API,
            WechatHost::Wecom => &hosts::WORK,
        }
    }
}

/// The host of accounts of a kind. None for kinds of other platforms.
pub fn host_of_kind(kind: &str) -> Option<WechatHost> {
    host_of(Kind::named(kind)?.token())
}

/// One call.
#[derive(Clone, Debug)]
pub struct WechatCall {
    /// The host that has the call.
    pub host: WechatHost,
    /// The path. Calls with the same path are told apart by a text in their query.
    pub path: &'static str,
    /// Whether the call is a POST of a JSON object.
    pub posts: bool,
    /// The parameters of the query.
    pub query: &'static [(&'static str, Value)],
    /// The parameters in the JSON object.
    pub body: &'static [(&'static str, Value)],
    /// The kinds of account that the call may be about.
    pub kinds: Vec<&'static str>,
    /// The credential that the call returns, such as `access_token` or `jsapi_ticket`.
    pub credential: &'static str,
    /// The field of the reply that holds the credential.
    pub token_field: &'static str,
    /// The field of the reply that holds the replacement of the secret that was sent.
    pub renewed_field: Option<&'static str>,
    /// Whether a reply of success begins with errcode 0 and errmsg ok.
    pub says_ok: bool,
}

/// Every such call.
pub fn wechat_calls() -> Vec<WechatCall> {
    recipes()
        .filter_map(|recipe| {
            let host = host_of(recipe)?;
            Some(WechatCall {
                host,
                path: recipe.path,
                posts: !recipe.body.is_empty(),
                query: recipe.query,
                body: recipe.body,
                kinds: kinds_of(recipe),
                credential: recipe.credential,
                token_field: recipe.token.strip_prefix('/')?,
                renewed_field: recipe.renewed.and_then(|field| field.strip_prefix('/')),
                says_ok: says_ok(recipe, host),
            })
        })
        .collect()
}

fn host_of(recipe: &Recipe) -> Option<WechatHost> {
    // The tests' build has a recipe that WeChat lacks.
    if !recipe.path.starts_with("/cgi-bin/") {
        return None;
    }
    if recipe.platform == &hosts::API {
        Some(WechatHost::Weixin)
    } else if recipe.platform == &hosts::WORK {
        Some(WechatHost::Wecom)
    } else {
        None
    }
}

/// The kinds of account that a call serves, the recipe's own first. The classic and the stable call return the same
/// field for the same id. A caller may use either, whichever of these kinds its account has.
fn kinds_of(recipe: &Recipe) -> Vec<&'static str> {
    let mut kinds = recipe.kinds.to_vec();
    if recipe.credential == ACCESS_TOKEN && recipe.parent == ParentKind::None {
        let is_alike = |other: &&Recipe| {
            other.credential == ACCESS_TOKEN
                && other.parent == ParentKind::None
                && other.platform == recipe.platform
                && other.token == recipe.token
                && other.id_name == recipe.id_name
        };
        for other in recipes().filter(is_alike) {
            let new = other.kinds.iter().filter(|kind| !kinds.contains(kind));
            let new: Vec<&str> = new.copied().collect();
            kinds.extend(new);
        }
    }
    kinds
}

/// Whether a reply of success begins with errcode 0. Replies with tickets do. Replies with WeCom's tokens do, unless
/// the token is fetched with another one.
fn says_ok(recipe: &Recipe, host: WechatHost) -> bool {
    recipe.credential != ACCESS_TOKEN
        || (host == WechatHost::Wecom && recipe.parent == ParentKind::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_classic_and_the_stable_call_serve_both_kinds() {
        let calls = wechat_calls();
        let of = |path: &str| {
            let found = calls.iter().find(|call| call.path == path);
            found.unwrap().kinds.clone()
        };
        assert_eq!(
            of("/cgi-bin/stable_token"),
            ["official", "official_classic"]
        );
        assert_eq!(of("/cgi-bin/token"), ["official_classic", "official"]);
        assert_eq!(of("/cgi-bin/gettoken"), ["work"]);
    }

    #[test]
    fn no_two_calls_are_the_same_and_other_platforms_have_none() {
        let calls = wechat_calls();
        let mut seen = Vec::new();
        for call in &calls {
            let texts: Vec<_> = call
                .query
                .iter()
                .filter(|(_, value)| matches!(value, Value::Text(_)))
                .collect();
            let key = (call.path, format!("{texts:?}"));
            assert!(!seen.contains(&key), "{key:?}");
            seen.push(key);
        }
        assert!(calls.iter().all(|call| call.path.starts_with("/cgi-bin/")));
        assert_eq!(calls.len(), 14);
    }
}
