//! The rows of the recipe table. A new credential, or a new kind of account, is a new row here.

mod others;

use super::forms;
use super::recipe::{FetchCost, ParentKind, PushedSecret, Recipe, Scope, TokenCheck, Value};
use crate::hosts;
use crate::names::ACCESS_TOKEN;

/// The fields that most rows have in common.
const TOKEN: Recipe = Recipe {
    kinds: &[],
    about: "",
    credential: ACCESS_TOKEN,
    endpoint: "",
    platform: &hosts::API,
    path: "",
    query: &[],
    headers: &[],
    body: &[],
    posts_nothing: false,
    token: "/access_token",
    expires_in: "/expires_in",
    renewed: None,
    parent: ParentKind::None,
    stale_parent: &[],
    stale_parent_word: None,
    scope: Scope::Nothing,
    cost: FetchCost::Repeatable,
    id_name: "appid",
    forms: forms::WECHAT,
    pushed: None,
    check: None,
};

const TICKET: Recipe = Recipe {
    token: "/ticket",
    parent: ParentKind::Own,
    stale_parent: STALE_API,
    scope: Scope::AsToken,
    cost: FetchCost::Scarce,
    ..TOKEN
};

/// The check of WeChat's page 获取微信API服务器IP. It takes the token of an account, an authorizer or a component.
const CHECK_API: Option<&TokenCheck> = Some(&TokenCheck {
    path: "/cgi-bin/get_api_domain_ip",
    refused: &[40001, 40014, 42001],
    proof: "/ip_list",
});

/// The check of WeCom's page 获取企业微信接口IP段. It takes the token of an app.
const CHECK_WORK: Option<&TokenCheck> = Some(&TokenCheck {
    path: "/cgi-bin/get_api_domain_ip",
    refused: &[40001, 40014, 42001, 42009, 40082],
    proof: "/ip_list",
});

const STALE_API: &[i64] = &[40001, 40014, 42001, 42006];

const STALE_WORK: &[i64] = &[40014, 42001, 42009, 40082];

const OFFICIAL: &[&str] = &["official", "official_classic", "authorizer"];

const WORK: &[&str] = &["work", "work_authorized"];

/// The query of the classic endpoint, and of those that were modelled on it.
const CLIENT_CREDENTIAL: &[(&str, Value)] = &[
    ("grant_type", Value::Text("client_credential")),
    ("appid", Value::Id),
    ("secret", Value::Secret),
];

/// Every credential: WeChat's here, and those of other platforms.
pub(super) fn recipes() -> impl Iterator<Item = &'static Recipe> + Clone {
    RECIPES.iter().chain(others::RECIPES)
}

static RECIPES: &[Recipe] = &[
    Recipe {
        kinds: &["official"],
        about: "service and subscription accounts, mini programs",
        endpoint: "stable_token",
        path: "/cgi-bin/stable_token",
        body: &[
            ("grant_type", Value::Text("client_credential")),
            ("appid", Value::Id),
            ("secret", Value::Secret),
            ("force_refresh", Value::Force),
        ],
        check: CHECK_API,
        ..TOKEN
    },
    Recipe {
        kinds: &["official_classic"],
        about: "like official, but each fetch ends the previous token",
        endpoint: "token",
        path: "/cgi-bin/token",
        query: CLIENT_CREDENTIAL,
        cost: FetchCost::RevokesPrevious,
        check: CHECK_API,
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
        kinds: OFFICIAL,
        credential: "sdk_ticket",
        endpoint: "getticket_sdk",
        path: "/cgi-bin/ticket/getticket",
        query: &[
            ("access_token", Value::ParentToken),
            ("type", Value::Text("2")),
        ],
        ..TICKET
    },
    Recipe {
        kinds: &["work"],
        about: "an app of a WeCom corporation",
        endpoint: "gettoken",
        platform: &hosts::WORK,
        path: "/cgi-bin/gettoken",
        query: &[("corpid", Value::Id), ("corpsecret", Value::Secret)],
        scope: Scope::Secret,
        id_name: "corpid",
        check: CHECK_WORK,
        forms: forms::WECOM,
        ..TOKEN
    },
    // The ticket belongs to the corporation, so all of its apps share one.
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
        kinds: WORK,
        credential: "card_ticket",
        endpoint: "ticket_wx_card",
        platform: &hosts::WORK,
        path: "/cgi-bin/ticket/get",
        query: &[
            ("access_token", Value::ParentToken),
            ("type", Value::Text("wx_card")),
        ],
        stale_parent: STALE_WORK,
        id_name: "corpid",
        ..TICKET
    },
    Recipe {
        kinds: &["component"],
        about: "a third-party platform",
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
        pushed: Some(PushedSecret {
            field: "verify_ticket",
            lifetime_s: 12 * 3600,
            source: "WeChat pushes one every 10 minutes to the platform's authorization URL",
        }),
        check: CHECK_API,
        ..TOKEN
    },
    Recipe {
        kinds: &["authorizer"],
        about: "an account that authorized a component; no secret",
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
        pushed: Some(PushedSecret {
            field: "refresh_token",
            lifetime_s: 0,
            source: "it comes with the authorization, by api_query_auth",
        }),
        check: CHECK_API,
        ..TOKEN
    },
    Recipe {
        kinds: &["suite"],
        about: "a WeCom third-party app",
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
        pushed: Some(PushedSecret {
            field: "suite_ticket",
            lifetime_s: 1800,
            source: "WeCom pushes one every 10 minutes to the suite's callback URL for commands",
        }),
        forms: forms::SUITE,
        ..TOKEN
    },
    Recipe {
        kinds: &["work_authorized"],
        about: "a corporation that has installed a suite",
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
        check: CHECK_WORK,
        forms: forms::CUSTOMER,
        ..TOKEN
    },
    Recipe {
        kinds: &["provider"],
        about: "a WeCom service provider",
        endpoint: "get_provider_token",
        platform: &hosts::WORK,
        path: "/cgi-bin/service/get_provider_token",
        body: &[("corpid", Value::Id), ("provider_secret", Value::Secret)],
        token: "/provider_access_token",
        cost: FetchCost::Scarce,
        id_name: "corpid",
        forms: forms::WECOM,
        ..TOKEN
    },
    // A credential that no platform issues, in the tests' build alone. A test shows by it that a new credential needs
    // only a row.
    #[cfg(feature = "failpoints")]
    Recipe {
        kinds: &["made_up"],
        about: "for the tests",
        endpoint: "made_up",
        path: "/made/up/token",
        query: &[("key", Value::Id)],
        body: &[("word", Value::Secret), ("magic", Value::Put)],
        token: "/deep/down/value",
        expires_in: "/deep/life",
        scope: Scope::Secret,
        id_name: "key",
        pushed: Some(PushedSecret {
            field: "magic",
            lifetime_s: 60,
            source: "the test puts one",
        }),
        forms: forms::UNKNOWN,
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
