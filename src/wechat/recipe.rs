//! The recipe table: how each kind of account gets its access token. A new credential is a new row.

use super::errcode;
use crate::options::Options;

/// The kinds of account, by their names in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Service and subscription accounts and mini programs, by the stable endpoint.
    Official,
    /// The same accounts by the classic endpoint, where each fetch supersedes the token before it.
    OfficialClassic,
    /// An app of a WeCom corporation.
    Work,
}

/// Whose errcodes a reply speaks, and which option holds the base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    Official,
    Work,
}

/// What goes into one request parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    Text(&'static str),
    Id,
    Secret,
    /// Whether a new token is wanted even while the old one is good.
    Force,
}

/// How parameters travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Query,
    JsonBody,
}

/// One credential.
#[derive(Debug, PartialEq, Eq)]
pub struct Recipe {
    pub kind: Kind,
    /// The kind's name in the API and in the store.
    pub name: &'static str,
    /// The endpoint's name in a token's identity and in the report.
    pub endpoint: &'static str,
    pub platform: Platform,
    pub path: &'static str,
    pub method: Method,
    pub parameters: &'static [(&'static str, Value)],
    pub token_field: &'static str,
    /// What the platform calls the account's id.
    pub id_name: &'static str,
    /// Two secrets of one id are two apps with a token each.
    pub keyed_by_secret: bool,
    /// A second fetch by someone who did not know of the first does no harm.
    pub repeatable: bool,
}

impl Recipe {
    /// Whether the platform can be told to give a new token while the old one is good.
    pub fn can_force(&self) -> bool {
        self.parameters
            .iter()
            .any(|(_, value)| *value == Value::Force)
    }

    pub fn base_url<'a>(&self, options: &'a Options) -> &'a str {
        match self.platform {
            Platform::Official => &options.api_base_url,
            Platform::Work => &options.work_base_url,
        }
    }

    pub fn judge(&self, code: i64, failures: i64) -> errcode::Verdict {
        errcode::judge(self.platform, code, failures)
    }
}

static RECIPES: [Recipe; 3] = [
    Recipe {
        kind: Kind::Official,
        name: "official",
        endpoint: "stable_token",
        platform: Platform::Official,
        path: "/cgi-bin/stable_token",
        method: Method::JsonBody,
        parameters: &[
            ("grant_type", Value::Text("client_credential")),
            ("appid", Value::Id),
            ("secret", Value::Secret),
            ("force_refresh", Value::Force),
        ],
        token_field: "access_token",
        id_name: "appid",
        keyed_by_secret: false,
        repeatable: true,
    },
    Recipe {
        kind: Kind::OfficialClassic,
        name: "official_classic",
        endpoint: "token",
        platform: Platform::Official,
        path: "/cgi-bin/token",
        method: Method::Query,
        parameters: &[
            ("grant_type", Value::Text("client_credential")),
            ("appid", Value::Id),
            ("secret", Value::Secret),
        ],
        token_field: "access_token",
        id_name: "appid",
        keyed_by_secret: false,
        repeatable: false,
    },
    Recipe {
        kind: Kind::Work,
        name: "work",
        endpoint: "gettoken",
        platform: Platform::Work,
        path: "/cgi-bin/gettoken",
        method: Method::Query,
        parameters: &[("corpid", Value::Id), ("corpsecret", Value::Secret)],
        token_field: "access_token",
        id_name: "corpid",
        keyed_by_secret: true,
        repeatable: true,
    },
];

impl Kind {
    pub fn recipe(self) -> &'static Recipe {
        match self {
            Kind::Official => &RECIPES[0],
            Kind::OfficialClassic => &RECIPES[1],
            Kind::Work => &RECIPES[2],
        }
    }

    pub fn name(self) -> &'static str {
        self.recipe().name
    }

    pub fn named(name: &str) -> Option<Kind> {
        RECIPES.iter().find(|r| r.name == name).map(|r| r.kind)
    }

    /// The names, for a message.
    pub fn names() -> String {
        let names: Vec<&str> = RECIPES.iter().map(|r| r.name).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_leads_to_its_own_row() {
        for recipe in &RECIPES {
            assert_eq!(recipe.kind.recipe(), recipe);
            assert_eq!(Kind::named(recipe.name), Some(recipe.kind));
        }
    }
}
