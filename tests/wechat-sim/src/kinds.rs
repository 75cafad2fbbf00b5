//! The kinds of accounts, and of their credentials.

use std::str::FromStr;

use serde::{
    Deserialize, Serialize,
    de::{IntoDeserializer, value::Error},
};

use crate::tokens::random_value;

/// The kind of an account, which decides its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An official account or mini program: classic and stable tokens, in separate slots.
    Official,
    /// An app of a WeCom corp.
    Work,
    /// A third-party platform of the open platform.
    Component,
    /// An account that authorized a component, its parent. Its secret is the refresh token.
    Authorizer,
    /// A WeCom third party's suite.
    Suite,
    /// A corp that authorized a suite, its parent. Its secret is the permanent code.
    WorkAuthorized,
    /// A WeCom service provider.
    Provider,
    /// A QQ mini program.
    Qq,
    /// A Douyin mini program.
    Douyin,
    /// A DingTalk app.
    Dingtalk,
    /// A Feishu or Lark app of one tenant.
    Feishu,
    /// A QQ bot.
    Qqbot,
    /// A Douyin mini program or app, at Douyin's open platform.
    DouyinStable,
    /// A Douyin mini game.
    DouyinGame,
    /// A third-party app of DingTalk.
    DingtalkSuite,
    /// A Feishu app for any tenant.
    FeishuStore,
    /// A tenant of a Feishu store app, its parent.
    FeishuTenant,
    /// A Xiaohongshu mini program.
    Xiaohongshu,
    /// A Baidu smart program.
    Baidu,
}

impl Kind {
    /// Whether it exists only with a parent: the component or suite that it authorized.
    pub fn needs_parent(self) -> bool {
        matches!(
            self,
            Kind::Authorizer | Kind::WorkAuthorized | Kind::FeishuTenant
        )
    }

    /// Whether it belongs to a WeCom corp, whose apps share some tickets.
    pub fn is_of_corp(self) -> bool {
        matches!(self, Kind::Work | Kind::WorkAuthorized)
    }

    /// The name of the secret in replies of the control API, for secrets that may be made up.
    pub fn made_up_name(self) -> &'static str {
        match self {
            Kind::Authorizer => "refresh_token",
            _ => "permanent_code",
        }
    }

    /// Makes up a refresh token or a permanent code.
    pub fn made_up_secret(self) -> String {
        match self {
            Kind::Authorizer => format!("refreshtoken@@@{}", random_value(43)),
            _ => random_value(43),
        }
    }
}

/// Parses the name that the kind has in JSON.
impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Kind::deserialize(text.into_deserializer())
    }
}

/// The credential an endpoint hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// `/cgi-bin/token`
    Classic,
    /// `/cgi-bin/stable_token`
    Stable,
    /// `/cgi-bin/gettoken`
    Work,
    /// `/cgi-bin/ticket/getticket?type=jsapi`
    JsapiTicket,
    /// `/cgi-bin/ticket/getticket?type=wx_card`
    CardTicket,
    /// `/cgi-bin/ticket/getticket?type=2`
    SdkTicket,
    /// `/cgi-bin/get_jsapi_ticket`
    WorkJsapiTicket,
    /// `/cgi-bin/ticket/get?type=agent_config`
    WorkAgentTicket,
    /// `/cgi-bin/component/api_component_token`
    Component,
    /// `/cgi-bin/component/api_authorizer_token`
    Authorizer,
    /// `/cgi-bin/service/get_suite_token`
    Suite,
    /// `/cgi-bin/service/get_corp_token`
    WorkAuthorized,
    /// `/cgi-bin/service/get_provider_token`
    Provider,
    /// `/api/getToken`
    Qq,
    /// `/api/apps/v2/token`
    Douyin,
    /// `/v1.0/oauth2/accessToken`
    Dingtalk,
    /// `/open-apis/auth/v3/tenant_access_token/internal`
    Feishu,
    /// `/cgi-bin/ticket/get?type=wx_card`
    WorkCardTicket,
    /// `/app/getAppAccessToken`
    Qqbot,
    /// `/oauth/stable_client_token/`
    DouyinStable,
    /// `/js/getticket/`
    DouyinJsapiTicket,
    /// `/open/getticket/`
    DouyinOpenTicket,
    /// `/mgplatform/api/apps/stable_token`
    DouyinGame,
    /// `/v1.0/oauth2/suiteAccessToken`
    DingtalkSuite,
    /// `/v1.0/oauth2/jsapiTickets`
    DingtalkJsapiTicket,
    /// `/open-apis/auth/v3/app_access_token/internal`
    FeishuApp,
    /// `/open-apis/jssdk/ticket/get`
    FeishuJsapiTicket,
    /// `/open-apis/auth/v3/app_access_token`
    FeishuStore,
    /// `/open-apis/auth/v3/tenant_access_token`
    FeishuTenant,
    /// `/api/rmp/token`
    Xiaohongshu,
    /// `/oauth/2.0/token`
    Baidu,
}
