//! The recipe table: how each credential is had. A new one is a new row, and nothing else.

use super::errcodes;
use crate::hosts::{self, Platform};
use crate::names::ACCESS_TOKEN;
use crate::options::Options;

/// What goes into one request parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Text(&'static str),
    Id,
    Secret,
    /// Whether a new token is wanted even while the old one is good.
    Force,
    /// What was put: the recipe's own [`PushedSecret`].
    Put,
    ParentId,
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

/// One credential.
#[derive(Debug, PartialEq)]
pub struct Recipe {
    /// The kinds of account that have it. An access token's row makes its kind: it has one.
    pub kinds: &'static [&'static str],
    /// Its name: what stands behind the slash, or [`ACCESS_TOKEN`].
    pub credential: &'static str,
    /// Its endpoint's name in the identity and in the report.
    pub endpoint: &'static str,
    pub platform: &'static Platform,
    pub path: &'static str,
    pub query: &'static [(&'static str, Value)],
    /// A JSON object to be posted; with none, the request is a GET.
    pub body: &'static [(&'static str, Value)],
    /// Where the reply holds it and its life in seconds, as JSON pointers.
    pub token: &'static str,
    pub expires_in: &'static str,
    /// Where the reply holds what is to replace what was put, if it does.
    pub renewed: Option<&'static str>,
    pub parent: ParentKind,
    /// The errcodes by which the platform refuses the parent's token.
    pub stale_parent: &'static [i64],
    pub scope: Scope,
    pub cost: FetchCost,
    /// What the platform calls the account's id.
    pub id_name: &'static str,
    pub put: Option<PushedSecret>,
}

/// What most rows have in common.
const TOKEN: Recipe = Recipe {
    kinds: &[],
    credential: ACCESS_TOKEN,
    endpoint: "",
    platform: &hosts::API,
    path: "",
    query: &[],
    body: &[],
    token: "/access_token",
    expires_in: "/expires_in",
    renewed: None,
    parent: ParentKind::None,
    stale_parent: &[],
    scope: Scope::Nothing,
    cost: FetchCost::Repeatable,
    id_name: "appid",
    put: None,
};

const TICKET: Recipe = Recipe {
    token: "/ticket",
    parent: ParentKind::Own,
    stale_parent: STALE_API,
    scope: Scope::AsToken,
    cost: FetchCost::Scarce,
    ..TOKEN
};

const STALE_API: &[i64] = &[40001, 40014, 42001, 42006];
const STALE_WORK: &[i64] = &[40014, 42001, 42009, 40082];
const OFFICIAL: &[&str] = &["official", "official_classic", "authorizer"];
const WORK: &[&str] = &["work", "work_authorized"];

/// What the classic endpoint takes, and those that were made after it.
const CLIENT_CREDENTIAL: &[(&str, Value)] = &[
    ("grant_type", Value::Text("client_credential")),
    ("appid", Value::Id),
    ("secret", Value::Secret),
];

static RECIPES: &[Recipe] = &[
    Recipe {
        kinds: &["official"],
        endpoint: "stable_token",
        path: "/cgi-bin/stable_token",
        body: &[
            ("grant_type", Value::Text("client_credential")),
            ("appid", Value::Id),
            ("secret", Value::Secret),
            ("force_refresh", Value::Force),
        ],
        ..TOKEN
    },
    Recipe {
        kinds: &["official_classic"],
        endpoint: "token",
        path: "/cgi-bin/token",
        query: CLIENT_CREDENTIAL,
        cost: FetchCost::RevokesPrevious,
        ..TOKEN
    },
    Recipe {
        kinds: OFFICIAL,
        credential: "jsapi_ticket",
        endpoint: "getticket_jsapi",
        path: "/cgi-bin/ticket/getticket",
        query: &[
            ("access_token", Value::ParentToken),
            ("type", Value::Text("jsapi")),
        ],
        ..TICKET
    },
    Recipe {
        kinds: OFFICIAL,
        credential: "card_ticket",
        endpoint: "getticket_wx_card",
        path: "/cgi-bin/ticket/getticket",
        query: &[
            ("access_token", Value::ParentToken),
            ("type", Value::Text("wx_card")),
        ],
        ..TICKET
    },
    Recipe {
        kinds: &["work"],
        endpoint: "gettoken",
        platform: &hosts::WORK,
        path: "/cgi-bin/gettoken",
        query: &[("corpid", Value::Id), ("corpsecret", Value::Secret)],
        scope: Scope::Secret,
        id_name: "corpid",
        ..TOKEN
    },
    // Belongs to the corporation: all its apps share one.
    Recipe {
        kinds: WORK,
        credential: "jsapi_ticket",
        endpoint: "get_jsapi_ticket",
        platform: &hosts::WORK,
        path: "/cgi-bin/get_jsapi_ticket",
        query: &[("access_token", Value::ParentToken)],
        stale_parent: STALE_WORK,
        scope: Scope::Nothing,
        id_name: "corpid",
        ..TICKET
    },
    Recipe {
        kinds: WORK,
        credential: "agent_ticket",
        endpoint: "ticket_agent_config",
        platform: &hosts::WORK,
        path: "/cgi-bin/ticket/get",
        query: &[
            ("access_token", Value::ParentToken),
            ("type", Value::Text("agent_config")),
        ],
        stale_parent: STALE_WORK,
        id_name: "corpid",
        ..TICKET
    },
    Recipe {
        kinds: &["component"],
        endpoint: "api_component_token",
        path: "/cgi-bin/component/api_component_token",
        body: &[
            ("component_appid", Value::Id),
            ("component_appsecret", Value::Secret),
            ("component_verify_ticket", Value::Put),
        ],
        token: "/component_access_token",
        cost: FetchCost::RevokesPrevious,
        id_name: "component_appid",
        put: Some(PushedSecret {
            field: "verify_ticket",
            lifetime_s: 12 * 3600,
            source: "WeChat pushes one every 10 minutes to the platform's authorization URL",
        }),
        ..TOKEN
    },
    Recipe {
        kinds: &["authorizer"],
        endpoint: "api_authorizer_token",
        path: "/cgi-bin/component/api_authorizer_token",
        query: &[("access_token", Value::ParentToken)],
        body: &[
            ("component_appid", Value::ParentId),
            ("authorizer_appid", Value::Id),
            ("authorizer_refresh_token", Value::Put),
        ],
        token: "/authorizer_access_token",
        renewed: Some("/authorizer_refresh_token"),
        parent: ParentKind::Account("component"),
        stale_parent: STALE_API,
        scope: Scope::Parent,
        cost: FetchCost::RevokesPrevious,
        id_name: "authorizer_appid",
        put: Some(PushedSecret {
            field: "refresh_token",
            lifetime_s: 0,
            source: "it comes with the authorization, by api_query_auth",
        }),
        ..TOKEN
    },
    Recipe {
        kinds: &["suite"],
        endpoint: "get_suite_token",
        platform: &hosts::WORK,
        path: "/cgi-bin/service/get_suite_token",
        body: &[
            ("suite_id", Value::Id),
            ("suite_secret", Value::Secret),
            ("suite_ticket", Value::Put),
        ],
        token: "/suite_access_token",
        cost: FetchCost::Scarce,
        id_name: "suite_id",
        put: Some(PushedSecret {
            field: "suite_ticket",
            lifetime_s: 1800,
            source: "WeCom pushes one every 10 minutes to the suite's callback URL for commands",
        }),
        ..TOKEN
    },
    Recipe {
        kinds: &["work_authorized"],
        endpoint: "get_corp_token",
        platform: &hosts::WORK,
        path: "/cgi-bin/service/get_corp_token",
        query: &[("suite_access_token", Value::ParentToken)],
        body: &[
            ("auth_corpid", Value::Id),
            ("permanent_code", Value::Secret),
        ],
        parent: ParentKind::Account("suite"),
        stale_parent: STALE_WORK,
        scope: Scope::Secret,
        id_name: "auth_corpid",
        ..TOKEN
    },
    Recipe {
        kinds: &["provider"],
        endpoint: "get_provider_token",
        platform: &hosts::WORK,
        path: "/cgi-bin/service/get_provider_token",
        body: &[("corpid", Value::Id), ("provider_secret", Value::Secret)],
        token: "/provider_access_token",
        cost: FetchCost::Scarce,
        id_name: "corpid",
        ..TOKEN
    },
    Recipe {
        kinds: &["qq"],
        endpoint: "qq_token",
        platform: &hosts::QQ,
        path: "/api/getToken",
        query: CLIENT_CREDENTIAL,
        cost: FetchCost::RevokesPrevious,
        ..TOKEN
    },
    Recipe {
        kinds: &["douyin"],
        endpoint: "douyin_token",
        platform: &hosts::DOUYIN,
        path: "/api/apps/v2/token",
        body: CLIENT_CREDENTIAL,
        token: "/data/access_token",
        expires_in: "/data/expires_in",
        cost: FetchCost::RevokesPrevious,
        ..TOKEN
    },
    Recipe {
        kinds: &["dingtalk"],
        endpoint: "dingtalk_token",
        platform: &hosts::DINGTALK,
        path: "/v1.0/oauth2/accessToken",
        body: &[("appKey", Value::Id), ("appSecret", Value::Secret)],
        token: "/accessToken",
        expires_in: "/expireIn",
        id_name: "appKey",
        ..TOKEN
    },
    Recipe {
        kinds: &["feishu"],
        endpoint: "feishu_tenant_token",
        platform: &hosts::FEISHU,
        path: "/open-apis/auth/v3/tenant_access_token/internal",
        body: &[("app_id", Value::Id), ("app_secret", Value::Secret)],
        token: "/tenant_access_token",
        expires_in: "/expire",
        id_name: "app_id",
        ..TOKEN
    },
    // In the tests' build only: a credential that nobody issues, for the test that a row is all it takes.
    #[cfg(feature = "failpoints")]
    Recipe {
        kinds: &["made_up"],
        endpoint: "made_up",
        path: "/made/up/token",
        query: &[("key", Value::Id)],
        body: &[("word", Value::Secret), ("magic", Value::Put)],
        token: "/deep/down/value",
        expires_in: "/deep/life",
        scope: Scope::Secret,
        id_name: "key",
        put: Some(PushedSecret {
            field: "magic",
            lifetime_s: 60,
            source: "the test puts one",
        }),
        ..TOKEN
    },
    #[cfg(feature = "failpoints")]
    Recipe {
        kinds: &["made_up"],
        credential: "made_up_ticket",
        endpoint: "made_up_ticket",
        path: "/made/up/ticket",
        query: &[("token", Value::ParentToken)],
        ..TICKET
    },
];

impl Recipe {
    /// Whether the platform can be told to give a new token while the old one is good.
    pub fn can_force(&self) -> bool {
        self.takes(Value::Force)
    }

    pub fn takes(&self, value: Value) -> bool {
        let mut parameters = self.query.iter().chain(self.body);
        parameters.any(|(_, taken)| *taken == value)
    }

    pub fn base_url<'a>(&self, options: &'a Options) -> &'a str {
        options.base_url(self.platform)
    }

    pub fn judge(&self, code: i64, failures: i64) -> errcodes::ErrcodeRule {
        if self.refuses_parent(code) {
            return errcodes::STALE_PARENT;
        }
        errcodes::judge(self.platform, code, failures)
    }

    /// Whether an errcode says that the parent's token is no longer good.
    pub fn refuses_parent(&self, code: i64) -> bool {
        self.parent != ParentKind::None && self.stale_parent.contains(&code)
    }

    /// What to call it in a message.
    pub fn noun(&self) -> &'static str {
        match self.credential {
            ACCESS_TOKEN => "token",
            other => other,
        }
    }
}

/// A kind of account: the recipe of its access token.
#[derive(Clone, Copy, Debug)]
pub struct Kind(&'static Recipe);

impl Kind {
    pub fn named(name: &str) -> Option<Kind> {
        let token = |recipe: &&Recipe| recipe.credential == ACCESS_TOKEN;
        RECIPES
            .iter()
            .filter(token)
            .find(|recipe| recipe.kinds[0] == name)
            .map(Kind)
    }

    pub fn all() -> impl Iterator<Item = Kind> {
        RECIPES
            .iter()
            .filter(|recipe| recipe.credential == ACCESS_TOKEN)
            .map(Kind)
    }

    /// The names, for a message.
    pub fn names() -> String {
        let names: Vec<&str> = Kind::all().map(Kind::name).collect();
        names.join(", ")
    }

    pub fn name(self) -> &'static str {
        self.0.kinds[0]
    }

    /// The recipe of its access token.
    pub fn token(self) -> &'static Recipe {
        self.0
    }

    /// StoreSnapshot an account of this kind can have, its access token first.
    pub fn recipes(self) -> impl Iterator<Item = &'static Recipe> {
        let own = |recipe: &&Recipe| recipe.kinds.contains(&self.name());
        let (tokens, others): (Vec<_>, Vec<_>) = RECIPES
            .iter()
            .filter(own)
            .partition(|recipe| recipe.credential == ACCESS_TOKEN);
        tokens.into_iter().chain(others)
    }

    pub fn recipe(self, credential: &str) -> Option<&'static Recipe> {
        RECIPES
            .iter()
            .find(|recipe| recipe.credential == credential && recipe.kinds.contains(&self.name()))
    }

    pub fn has_secret(self) -> bool {
        self.0.takes(Value::Secret)
    }

    /// The kind that its parent must be of.
    pub fn parent(self) -> Option<Kind> {
        match self.0.parent {
            ParentKind::Account(kind) => Kind::named(kind),
            ParentKind::None | ParentKind::Own => None,
        }
    }

    /// The fields of `wxtoken_put` that its accounts have.
    pub fn fields(self) -> Vec<&'static str> {
        let mut fields = vec!["current"];
        fields.extend(self.parent().map(|_| "parent"));
        fields.extend(self.0.put.as_ref().map(|put| put.field));
        fields
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_kind_leads_to_its_own_row() {
        for kind in Kind::all() {
            assert_eq!(kind.token().kinds, [kind.name()]);
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(kind.recipe(ACCESS_TOKEN), Some(kind.token()));
            assert_eq!(kind.recipes().next(), Some(kind.token()));
        }
    }

    #[test]
    fn rows_are_complete_and_do_not_collide() {
        let mut endpoints = HashSet::new();
        for recipe in RECIPES {
            let name = recipe.endpoint;
            assert!(endpoints.insert(name), "{name} twice");
            for kind in recipe.kinds {
                assert!(Kind::named(kind).is_some(), "{name}: no kind {kind}");
            }
            assert!(recipe.path.starts_with('/') && recipe.token.starts_with('/'));
            assert_eq!(recipe.takes(Value::Put), recipe.put.is_some(), "{name}");
            assert_eq!(
                recipe.takes(Value::ParentToken),
                recipe.parent != ParentKind::None,
                "{name}"
            );
            assert_eq!(
                recipe.stale_parent.is_empty(),
                recipe.parent == ParentKind::None,
                "{name}"
            );
            assert_eq!(
                recipe.parent == ParentKind::Own,
                recipe.credential != ACCESS_TOKEN,
                "{name}"
            );
        }
    }

    /// So a chain of parents ends, and threads that hold one link while they wait for the next cannot wait in a circle.
    #[test]
    fn a_chain_of_parents_ends() {
        for kind in Kind::all() {
            let mut links = 0;
            let mut next = kind.parent();
            while let Some(parent) = next {
                links += 1;
                assert!(links < 8, "{} has an endless chain", kind.name());
                next = parent.parent();
            }
        }
    }

    #[test]
    fn a_kind_says_what_its_accounts_have() {
        let kind = |name: &str| Kind::named(name).unwrap();
        assert!(kind("official").has_secret() && !kind("authorizer").has_secret());
        assert_eq!(kind("official").parent(), None);
        assert_eq!(kind("authorizer").parent(), Some(kind("component")));
        assert_ne!(kind("authorizer"), kind("component"));
        assert_eq!(kind("official").fields(), ["current"]);
        let fields = ["current", "parent", "refresh_token"];
        assert_eq!(kind("authorizer").fields(), fields);
        assert!(Kind::names().starts_with("official, "));
        assert_eq!(Kind::names().split(", ").count(), Kind::all().count());
    }

    #[test]
    fn a_recipe_says_what_it_can_and_what_refuses_it() {
        let official = Kind::named("official").unwrap();
        let classic = Kind::named("official_classic").unwrap();
        assert!(official.token().can_force() && !classic.token().can_force());
        assert_eq!(official.token().noun(), "token");
        let ticket = official.recipe("jsapi_ticket").unwrap();
        assert_eq!(ticket.noun(), "jsapi_ticket");
        let code = ticket.stale_parent[0];
        assert!(ticket.refuses_parent(code) && !ticket.refuses_parent(1));
        // Which has no parent to refuse.
        assert!(!official.token().refuses_parent(code));
        let options = Options::default();
        let url = official.token().base_url(&options);
        assert_eq!(url, "https://api.weixin.qq.com");
    }
}
