//! What a row of the table of endpoints says: where an endpoint is, what it checks, and what it gives.
//!
//! The rows are in `table`. `checks` walks the checks in their order, `issue` hands out what is given.

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
    /// Its path. Rows of one path are told apart by what their `Check::Is` wants.
    pub path: &'static str,
    /// Whose rules and wording it follows.
    pub host: Host,
    /// Where its parameters lie.
    pub sent: Sent,
    /// What it refuses, in this order.
    pub checks: &'static [Check],
    /// What it does when nothing was refused.
    pub gives: Gives,
}

/// Where an endpoint looks for its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// In the query of a GET.
    Get,
    /// In the query, whatever the method.
    Query,
    /// In the JSON object of a POST.
    Json,
    /// Nowhere: a POST without a body.
    Nowhere,
    /// In the query or a JSON object, whatever the method.
    Either,
}

/// One thing an endpoint refuses. Each says with what code; names are those of parameters.
pub enum Check {
    /// The parameter must be there.
    Has(&'static str, Code),
    /// The parameter must have this value.
    Is(&'static str, &'static str, Code),
    /// It names an account of that kind.
    Account(Kind, &'static str, Code),
    /// It names an account of that kind that is authorized to the owner of the bearer token.
    Child(Kind, &'static str, Code),
    /// It is the secret of the account. 40125 stands for what the switch `wrong_secret_code` says.
    Secret(&'static str, Code),
    /// It is a ticket that was pushed to the account, and not longer ago than it is good for.
    Pushed {
        /// The parameter.
        name: &'static str,
        /// How long after its push a ticket works.
        good_for_ms: u64,
        /// The code for a ticket that was never pushed.
        unknown: Code,
        /// The code for one that is too old.
        stale: Code,
    },
    /// A token of another endpoint comes with the request.
    Bearer(Bearer),
    /// It is the id of the owner of that token.
    SameId(&'static str, Code),
    /// The address is on the lists of the account and of the token's owner.
    Ip(Code),
}

/// A token that a request must carry.
pub struct Bearer {
    /// Where.
    pub from: From,
    /// From which endpoints it may be.
    pub kinds: &'static [TokenKind],
    /// The code when there is none.
    pub missing: Code,
    /// The code for what does not even look like a token, where the platform looks.
    pub malformed: Option<Code>,
    /// The code for a token never heard of, revoked or superseded.
    pub unknown: Code,
    /// The code for one whose lifetime is over.
    pub expired: Code,
}

/// Where a request carries a token.
pub enum From {
    /// In the query, under the first of these names that is there.
    Query(&'static [&'static str]),
    /// In the query or the JSON body.
    Either(&'static str),
    /// In this header, after this prefix.
    Header(&'static str, &'static str),
}

/// What an endpoint does.
pub enum Gives {
    /// It hands out a credential: a "token endpoint", whose requests are counted by id.
    Token(Credential),
    /// It answers this JSON, as a business endpoint.
    Service(&'static str),
    /// It keeps the file of a multipart body, and answers this JSON with the media_id in the place of `{id}`.
    Upload(&'static str),
    /// It answers the file of a media_id.
    Download,
    /// It tells of the account's calls, as a business endpoint.
    Openapi(Openapi),
}

/// A kind of token or ticket, as an endpoint hands it out.
pub struct Credential {
    /// Its name in `/tokens` and `/revoke`.
    pub kind: TokenKind,
    /// What its values begin with.
    pub prefix: &'static str,
    /// How many characters its values have, the prefix counted.
    pub length: usize,
    /// When a fetch mints.
    pub rule: Rule,
    /// What becomes of the one before.
    pub older: Older,
    /// Fetches in a span of time.
    pub quota: Quota,
    /// All apps of a corp share it, and each may fetch it that often in the quota's span.
    pub per_corp: Option<u64>,
    /// How a reply holds it.
    pub reply: Fields,
}

/// When a fetch mints, and when it repeats.
pub enum Rule {
    /// Every fetch mints.
    Mints,
    /// The rules of `/cgi-bin/stable_token`: repeats until the last minutes or until forced.
    Stable,
    /// Repeats while more than `window_ms` is left and the switch is on.
    Repeats {
        /// Scaled down with a short lifetime.
        window_ms: u64,
        /// Whether it repeats at all.
        switch: fn(&Switches) -> bool,
    },
}

/// What becomes of the token before, when a new one is minted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// It works for the account's grace; the one before it no longer.
    Grace,
    /// It works until its own end, and so do those before, unless the account sets a grace.
    Lives,
}

/// Fetches in a span of time.
pub struct Quota {
    /// The span.
    pub span_ms: u64,
    /// How many.
    pub limit: u64,
    /// The account's setting, in place of `limit`.
    pub setting: fn(&AccountSpec) -> Option<u64>,
}

/// The names of the fields in a reply.
pub struct Fields {
    /// The JSON object the fields are put into.
    pub frame: &'static str,
    /// The object of the frame that they stand in, if not at the top.
    pub inside: Option<&'static str>,
    /// The token's.
    pub token: &'static str,
    /// The lifetime's.
    pub expires: &'static str,
    /// Whether the lifetime is written as a string.
    pub is_text: bool,
    /// The refresh token's, where there is one: it is the account's secret.
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

    /// Whether the request has the values that tell this row from others of its path.
    pub fn is_meant(&self, call: &Call) -> bool {
        self.checks.iter().all(|check| match check {
            Check::Is(name, value, _) => call.param_sent(self.sent, name) == Some(value),
            _ => true,
        })
    }

    /// The parameter that names the account; without one, the bearer token does.
    pub fn id_name(&self) -> Option<&'static str> {
        self.checks.iter().find_map(|check| match check {
            Check::Account(_, name, _) | Check::Child(_, name, _) => Some(*name),
            _ => None,
        })
    }

    /// The parameters that must not be seen: the secret and the pushed ticket.
    pub fn secret_names(&self) -> impl Iterator<Item = &'static str> {
        self.checks.iter().filter_map(|check| match check {
            Check::Secret(name, _) | Check::Pushed { name, .. } => Some(*name),
            _ => None,
        })
    }

    /// The token that its requests carry, if they do.
    pub fn bearer(&self) -> Option<&Bearer> {
        self.checks.iter().find_map(|check| match check {
            Check::Bearer(bearer) => Some(bearer),
            _ => None,
        })
    }
}

impl Bearer {
    /// The token that came with the request.
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
