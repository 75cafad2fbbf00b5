//! The contents of a row in the table of endpoints: where the endpoint is, its checks, and its result.
//!
//! The rows are in `table`. `checks` runs the checks in order, and `issue` hands out the credential.

use crate::{
    account::AccountSpec,
    errcodes::{Code, Host},
    kinds::{Kind, TokenKind},
    openapi::Openapi,
    service::Call,
    world::Switches,
};

/// An endpoint.
pub struct Route {
    /// The path. Rows that share a path differ in their `Check::Is`.
    pub path: &'static str,
    /// The host, which decides rules and wording.
    pub host: Host,
    /// Where its parameters are.
    pub sent: Sent,
    /// The checks, in this order.
    pub checks: &'static [Check],
    /// The result if no check refused.
    pub gives: Gives,
}

/// Where an endpoint reads its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// In the query of a GET.
    Get,
    /// In the query, with any method.
    Query,
    /// In the JSON object of a POST.
    Json,
    /// Nowhere: it is a POST without a body.
    Nowhere,
    /// In the query or a JSON object, with any method.
    Either,
}

/// One check, with the code of its refusal. Names are names of parameters.
pub enum Check {
    /// The parameter must be there.
    Has(&'static str, Code),
    /// The parameter must have this value.
    Is(&'static str, &'static str, Code),
    /// The parameter names an account of that kind.
    Account(Kind, &'static str, Code),
    /// The parameter names an account of that kind that authorized the owner of the bearer token.
    Child(Kind, &'static str, Code),
    /// The parameter is the secret of the account. 40125 stands for the value of the switch `wrong_secret_code`.
    Secret(&'static str, Code),
    /// The parameter is a ticket that was pushed to the account recently enough.
    Pushed {
        /// The parameter.
        name: &'static str,
        /// The time for which a pushed ticket works.
        good_for_ms: u64,
        /// The code for a ticket that was never pushed.
        unknown: Code,
        /// The code for a ticket that is too old.
        stale: Code,
    },
    /// The request carries a token of another endpoint.
    Bearer(Bearer),
    /// The parameter is the id of the owner of that token.
    SameId(&'static str, Code),
    /// The address is on the lists of the account and of the token's owner.
    Ip(Code),
}

/// A token that a request must carry.
pub struct Bearer {
    /// The place of the token.
    pub from: From,
    /// The endpoints whose tokens are accepted.
    pub kinds: &'static [TokenKind],
    /// The code for a missing token.
    pub missing: Code,
    /// The code for a value that does not look like a token, if the platform distinguishes this.
    pub malformed: Option<Code>,
    /// The code for a token that is unknown, revoked or superseded.
    pub unknown: Code,
    /// The code for an expired token.
    pub expired: Code,
}

/// The place of a token in a request.
pub enum From {
    /// In the query, under the first of these names that occurs.
    Query(&'static [&'static str]),
    /// In the query or the JSON body.
    Either(&'static str),
    /// In this header, after this prefix.
    Header(&'static str, &'static str),
}

/// The result of an endpoint.
pub enum Gives {
    /// A credential. The endpoint is a "token endpoint", whose requests are counted by id.
    Token(Credential),
    /// This JSON, as a business endpoint.
    Service(&'static str),
    /// This JSON, with a media_id in the place of `{id}`. The file of the multipart body is kept.
    Upload(&'static str),
    /// The file of a media_id.
    Download,
    /// Information about the account's calls, as a business endpoint.
    Openapi(Openapi),
}

/// A kind of token or ticket that an endpoint hands out.
pub struct Credential {
    /// Its name in `/tokens` and `/revoke`.
    pub kind: TokenKind,
    /// The beginning of its values.
    pub prefix: &'static str,
    /// The length of its values, including the prefix.
    pub length: usize,
    /// When a fetch mints.
    pub rule: Rule,
    /// The fate of the previous one.
    pub older: Older,
    /// The allowed fetches in a span of time.
    pub quota: Quota,
    /// Fetches per app in the quota's span, if all apps of a corp share the credential.
    pub per_corp: Option<u64>,
    /// Its place in a reply.
    pub reply: Fields,
}

/// When a fetch mints and when it repeats.
pub enum Rule {
    /// Every fetch mints.
    Mints,
    /// Repeats until the last minutes or until forced, by the rules of `/cgi-bin/stable_token`.
    Stable,
    /// Repeats while more than `window_ms` is left and the switch is on.
    Repeats {
        /// The window, scaled down for a short lifetime.
        window_ms: u64,
        /// The switch that decides whether it repeats at all.
        switch: fn(&Switches) -> bool,
    },
}

/// The fate of the previous token when a new one is minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// It works for the account's grace. The token before it stops working.
    Grace,
    /// It works until its own end, as older ones do, unless the account sets a grace.
    Lives,
}

/// Fetches in a span of time.
pub struct Quota {
    /// The span.
    pub span_ms: u64,
    /// The number of fetches.
    pub limit: u64,
    /// The account's setting that replaces `limit`.
    pub setting: fn(&AccountSpec) -> Option<u64>,
}

/// The names of the fields in a reply.
pub struct Fields {
    /// The JSON object that receives the fields.
    pub frame: &'static str,
    /// The inner object that contains them, if they are not at the top.
    pub inside: Option<&'static str>,
    /// The name of the token.
    pub token: &'static str,
    /// The name of the lifetime.
    pub expires: &'static str,
    /// Whether the lifetime is written as a string.
    pub is_text: bool,
    /// The name of the refresh token, if there is one. It is the account's secret.
    pub refresh: Option<&'static str>,
}

impl Route {
    /// The credential it hands out, if it is a token endpoint.
    pub fn credential(&self) -> Option<&Credential> {
        match &self.gives {
            Gives::Token(credential) => Some(credential),
            Gives::Service(_) | Gives::Upload(_) | Gives::Download | Gives::Openapi(_) => None,
        }
    }

    /// Whether the request has the values that distinguish this row from others with its path.
    pub fn is_meant(&self, call: &Call) -> bool {
        self.checks.iter().all(|check| match check {
            Check::Is(name, value, _) => call.param_sent(self.sent, name) == Some(value),
            _ => true,
        })
    }

    /// The parameter that names the account. Without one, the bearer token identifies it.
    pub fn id_name(&self) -> Option<&'static str> {
        self.checks.iter().find_map(|check| match check {
            Check::Account(_, name, _) | Check::Child(_, name, _) => Some(*name),
            _ => None,
        })
    }

    /// The parameters that must stay hidden: the secret and the pushed ticket.
    pub fn secret_names(&self) -> impl Iterator<Item = &'static str> {
        self.checks.iter().filter_map(|check| match check {
            Check::Secret(name, _) | Check::Pushed { name, .. } => Some(*name),
            _ => None,
        })
    }

    /// The token that its requests carry, if any.
    pub fn bearer(&self) -> Option<&Bearer> {
        self.checks.iter().find_map(|check| match check {
            Check::Bearer(bearer) => Some(bearer),
            _ => None,
        })
    }
}

impl Bearer {
    /// The token in the request.
    pub fn value<'a>(&self, call: &'a Call) -> Option<&'a str> {
        match &self.from {
            From::Query(names) => names.iter().find_map(|name| call.request.param(name)),
            From::Either(name) => call.param(name),
            From::Header(name, prefix) => call
                .request
                .header(name)?
                .strip_prefix(prefix)
                .filter(|value| !value.is_empty()),
        }
    }
}
