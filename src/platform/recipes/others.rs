//! The recipes of other platforms of the same shape.

use super::*;

/// The fields that most rows of other platforms have in common.
const TOKEN: Recipe = Recipe {
    forms: forms::UNKNOWN,
    ..super::TOKEN
};

/// The codes by which Feishu refuses an access token, and an app's token.
const STALE_FEISHU: &[i64] = &[99_991_661, 99_991_663, 99_991_664];

/// The codes of an expired and an invalid token, in Douyin's older and newer numbers.
const STALE_DOUYIN: &[i64] = &[2_190_002, 2_190_008, 28_001_003, 28_001_008];

const STALE_DINGTALK: Option<&str> = Some("InvalidAuthentication");

const FEISHU_APP: &[(&str, Value)] = &[("app_id", Value::Id), ("app_secret", Value::Secret)];

/// The access token of one tenant's app, in Feishu and in Lark.
const FEISHU_TENANT_TOKEN: Recipe = Recipe {
    platform: &hosts::FEISHU,
    path: "/open-apis/auth/v3/tenant_access_token/internal",
    body: FEISHU_APP,
    token: "/tenant_access_token",
    expires_in: "/expire",
    id_name: "app_id",
    forms: forms::FEISHU,
    ..TOKEN
};

const FEISHU_APP_TOKEN: Recipe = Recipe {
    credential: "app_token",
    path: "/open-apis/auth/v3/app_access_token/internal",
    token: "/app_access_token",
    ..FEISHU_TENANT_TOKEN
};

const FEISHU_TICKET: Recipe = Recipe {
    credential: "jsapi_ticket",
    platform: &hosts::FEISHU,
    path: "/open-apis/jssdk/ticket/get",
    headers: &[("Authorization", "Bearer ", Value::ParentToken)],
    posts_nothing: true,
    token: "/data/ticket",
    expires_in: "/data/expire_in",
    stale_parent: STALE_FEISHU,
    id_name: "app_id",
    ..TICKET
};

/// The ticket that is fetched with the token of [`hosts::DOUYIN_OPEN`].
const DOUYIN_TICKET: Recipe = Recipe {
    kinds: &["douyin_stable"],
    platform: &hosts::DOUYIN_OPEN,
    headers: &[("access-token", "", Value::ParentToken)],
    token: "/data/ticket",
    expires_in: "/data/expires_in",
    stale_parent: STALE_DOUYIN,
    id_name: "client_key",
    ..TICKET
};

const QIDIAN_TICKET: Recipe = Recipe {
    kinds: &["qidian"],
    platform: &hosts::QIDIAN,
    path: "/cgi-bin/ticket/getticket",
    ..TICKET
};

pub(super) static RECIPES: &[Recipe] = &[
    Recipe {
        kinds: &["qq"],
        about: "a QQ mini program",
        endpoint: "qq_token",
        platform: &hosts::QQ,
        path: "/api/getToken",
        query: CLIENT_CREDENTIAL,
        cost: FetchCost::RevokesPrevious,
        ..TOKEN
    },
    Recipe {
        kinds: &["qqbot"],
        about: "a QQ bot",
        endpoint: "qqbot_token",
        platform: &hosts::QQBOT,
        path: "/app/getAppAccessToken",
        body: &[("appId", Value::Id), ("clientSecret", Value::Secret)],
        id_name: "appId",
        ..TOKEN
    },
    Recipe {
        kinds: &["douyin"],
        about: "a Douyin mini program; prefer douyin_stable",
        endpoint: "douyin_token",
        platform: &hosts::DOUYIN,
        path: "/api/apps/v2/token",
        body: CLIENT_CREDENTIAL,
        token: "/data/access_token",
        expires_in: "/data/expires_in",
        cost: FetchCost::RevokesPrevious,
        forms: forms::DOUYIN,
        ..TOKEN
    },
    Recipe {
        kinds: &["douyin_stable"],
        about: "a Douyin mini program or app",
        endpoint: "douyin_stable_token",
        platform: &hosts::DOUYIN_OPEN,
        path: "/oauth/stable_client_token/",
        body: &[
            ("client_key", Value::Id),
            ("client_secret", Value::Secret),
            ("grant_type", Value::Text("client_credential")),
        ],
        token: "/data/access_token",
        expires_in: "/data/expires_in",
        id_name: "client_key",
        ..TOKEN
    },
    Recipe {
        credential: "jsapi_ticket",
        endpoint: "douyin_js_ticket",
        path: "/js/getticket/",
        ..DOUYIN_TICKET
    },
    Recipe {
        credential: "open_ticket",
        endpoint: "douyin_open_ticket",
        path: "/open/getticket/",
        ..DOUYIN_TICKET
    },
    Recipe {
        kinds: &["douyin_game"],
        about: "a Douyin mini game",
        endpoint: "douyin_game_token",
        platform: &hosts::DOUYIN_GAME,
        path: "/mgplatform/api/apps/stable_token",
        body: &[
            ("grant_type", Value::Text("client_credential")),
            ("appid", Value::Id),
            ("secret", Value::Secret),
            ("force_refresh", Value::Force),
        ],
        token: "/data/access_token",
        expires_in: "/data/expires_in",
        forms: forms::DOUYIN,
        ..TOKEN
    },
    Recipe {
        kinds: &["dingtalk"],
        about: "an internal app of DingTalk",
        endpoint: "dingtalk_token",
        platform: &hosts::DINGTALK,
        path: "/v1.0/oauth2/accessToken",
        body: &[("appKey", Value::Id), ("appSecret", Value::Secret)],
        token: "/accessToken",
        expires_in: "/expireIn",
        id_name: "appKey",
        forms: forms::DINGTALK,
        ..TOKEN
    },
    Recipe {
        kinds: &["dingtalk_suite"],
        about: "a third-party app of DingTalk",
        endpoint: "dingtalk_suite_token",
        platform: &hosts::DINGTALK,
        path: "/v1.0/oauth2/suiteAccessToken",
        body: &[
            ("suiteKey", Value::Id),
            ("suiteSecret", Value::Secret),
            ("suiteTicket", Value::Put),
        ],
        token: "/accessToken",
        expires_in: "/expireIn",
        cost: FetchCost::Scarce,
        id_name: "suiteKey",
        pushed: Some(PushedSecret {
            field: "suite_ticket",
            lifetime_s: 0,
            source: "DingTalk pushes one about every 5 hours to the app's callback URL",
        }),
        ..TOKEN
    },
    Recipe {
        kinds: &["dingtalk"],
        credential: "jsapi_ticket",
        endpoint: "dingtalk_jsapi_ticket",
        platform: &hosts::DINGTALK,
        path: "/v1.0/oauth2/jsapiTickets",
        headers: &[("x-acs-dingtalk-access-token", "", Value::ParentToken)],
        posts_nothing: true,
        token: "/jsapiTicket",
        expires_in: "/expireIn",
        stale_parent: &[],
        stale_parent_word: STALE_DINGTALK,
        id_name: "appKey",
        ..TICKET
    },
    Recipe {
        kinds: &["feishu"],
        about: "a custom app of Feishu",
        endpoint: "feishu_tenant_token",
        ..FEISHU_TENANT_TOKEN
    },
    Recipe {
        kinds: &["feishu"],
        endpoint: "feishu_app_token",
        ..FEISHU_APP_TOKEN
    },
    Recipe {
        kinds: &["feishu", "feishu_tenant"],
        endpoint: "feishu_jsapi_ticket",
        ..FEISHU_TICKET
    },
    Recipe {
        kinds: &["feishu_store"],
        about: "a store app of Feishu",
        endpoint: "feishu_store_token",
        platform: &hosts::FEISHU,
        path: "/open-apis/auth/v3/app_access_token",
        body: &[
            ("app_id", Value::Id),
            ("app_secret", Value::Secret),
            ("app_ticket", Value::Put),
        ],
        token: "/app_access_token",
        expires_in: "/expire",
        cost: FetchCost::Scarce,
        id_name: "app_id",
        pushed: Some(PushedSecret {
            field: "app_ticket",
            lifetime_s: 0,
            source: "Feishu pushes one every hour to the app's request URL for events",
        }),
        forms: forms::FEISHU,
        ..TOKEN
    },
    Recipe {
        kinds: &["feishu_tenant"],
        about: "a tenant of a store app; no secret",
        endpoint: "feishu_store_tenant_token",
        platform: &hosts::FEISHU,
        path: "/open-apis/auth/v3/tenant_access_token",
        body: &[
            ("app_access_token", Value::ParentToken),
            ("tenant_key", Value::Id),
        ],
        token: "/tenant_access_token",
        expires_in: "/expire",
        parent: ParentKind::Account("feishu_store"),
        stale_parent: STALE_FEISHU,
        scope: Scope::Parent,
        id_name: "tenant_key",
        ..TOKEN
    },
    Recipe {
        kinds: &["lark"],
        about: "a custom app of Lark, which is Feishu overseas",
        endpoint: "lark_tenant_token",
        platform: &hosts::LARK,
        ..FEISHU_TENANT_TOKEN
    },
    Recipe {
        kinds: &["lark"],
        endpoint: "lark_app_token",
        platform: &hosts::LARK,
        ..FEISHU_APP_TOKEN
    },
    Recipe {
        kinds: &["lark"],
        endpoint: "lark_jsapi_ticket",
        platform: &hosts::LARK,
        ..FEISHU_TICKET
    },
    Recipe {
        kinds: &["xiaohongshu"],
        about: "a Xiaohongshu mini program",
        endpoint: "xiaohongshu_token",
        platform: &hosts::XIAOHONGSHU,
        path: "/api/rmp/token",
        body: &[("appid", Value::Id), ("secret", Value::Secret)],
        token: "/data/access_token",
        expires_in: "/data/expire_in",
        cost: FetchCost::RevokesPrevious,
        ..TOKEN
    },
    Recipe {
        kinds: &["baidu"],
        about: "a Baidu smart program",
        endpoint: "baidu_token",
        platform: &hosts::BAIDU,
        path: "/oauth/2.0/token",
        query: &[
            ("grant_type", Value::Text("client_credentials")),
            ("client_id", Value::Id),
            ("client_secret", Value::Secret),
            ("scope", Value::Text("smartapp_snsapi_base")),
        ],
        cost: FetchCost::Scarce,
        id_name: "client_id",
        ..TOKEN
    },
    Recipe {
        kinds: &["qidian"],
        about: "an account of QiDian",
        endpoint: "qidian_token",
        platform: &hosts::QIDIAN,
        path: "/cgi-bin/token",
        query: CLIENT_CREDENTIAL,
        cost: FetchCost::RevokesPrevious,
        ..TOKEN
    },
    Recipe {
        credential: "jsapi_ticket",
        endpoint: "qidian_jsapi_ticket",
        query: &[
            ("access_token", Value::ParentToken),
            ("type", Value::Text("jsapi")),
        ],
        ..QIDIAN_TICKET
    },
    Recipe {
        credential: "card_ticket",
        endpoint: "qidian_card_ticket",
        query: &[
            ("access_token", Value::ParentToken),
            ("type", Value::Text("wx_card")),
        ],
        ..QIDIAN_TICKET
    },
];
