//! One token fetch: builds the request from the recipe, tries the spare host when the first is out of reach, and turns
//! what comes back into a grant or into a failure with a verdict.

use serde_json::{Map, Value as Json};
use zeroize::Zeroizing;

use super::errcode::{Verdict, Wait};
use super::http::{self, Body, NoResponse, Response};
use super::recipe::{Method, Recipe, Value};
use super::reply::{self, Grant, Reply};
use crate::clock::Deadline;
use crate::error::{Error, Result, Status};
use crate::options::{API_BASE_URL, API_SPARE_URL, Options};
use crate::vault::Secret;

/// What to fetch, and for whom.
pub struct Fetch<'a> {
    pub recipe: &'static Recipe,
    /// The account's name, for messages.
    pub account: &'a str,
    pub id: &'a str,
    pub secret: &'a Secret,
    pub force: bool,
    /// How many fetches failed in a row before this one.
    pub failures: i64,
    pub options: &'a Options,
    pub deadline: &'a Deadline,
}

/// Why there is no token, and how long to hold off.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub wait: Wait,
    /// The platform has certainly not seen the request.
    pub unsent: bool,
}

pub fn fetch(fetch: &Fetch) -> std::result::Result<Grant, Failure> {
    let base = fetch.recipe.base_url(fetch.options);
    let response = fetch
        .send(base)
        .and_then(|first| match first {
            Err(none) if fetch.may_try_spare(base, &none) => fetch.send(API_SPARE_URL),
            other => Ok(other),
        })
        .map_err(|error| Failure {
            error,
            wait: Wait::Nobody,
            unsent: true,
        })?;
    match response {
        Ok(response) => fetch.read(response),
        Err(none) => Err(Failure {
            unsent: none.unsent,
            wait: if none.own_fault {
                Wait::Nobody
            } else {
                Wait::BackOff
            },
            ..fetch.failure(none.status, &none.why)
        }),
    }
}

impl Fetch<'_> {
    fn send(&self, base: &str) -> Result<std::result::Result<Response, NoResponse>> {
        http::send(
            base,
            self.recipe.path,
            &self.body(),
            self.options,
            self.deadline,
        )
    }

    fn may_try_spare(&self, base: &str, none: &NoResponse) -> bool {
        base == API_BASE_URL
            && none.status == Status::Network
            && (none.unsent || self.recipe.repeatable)
            && !self.deadline.has_passed()
    }

    fn body(&self) -> Body {
        let text = |value: &Value| match value {
            Value::Text(text) => Zeroizing::new((*text).to_owned()),
            Value::Id => Zeroizing::new(self.id.to_owned()),
            Value::Secret => self.secret.clone(),
            Value::Force => Zeroizing::new(self.force.to_string()),
        };
        let parameters = self.recipe.parameters;
        match self.recipe.method {
            Method::Query => Body::Query(
                parameters
                    .iter()
                    .map(|(name, value)| (*name, text(value)))
                    .collect(),
            ),
            Method::JsonBody => {
                let mut object = Map::new();
                for (name, value) in parameters {
                    let json = match value {
                        Value::Force => Json::Bool(self.force),
                        other => Json::String(text(other).to_string()),
                    };
                    object.insert((*name).into(), json);
                }
                Body::Json(Zeroizing::new(
                    Json::Object(object).to_string().into_bytes(),
                ))
            }
        }
    }

    fn read(&self, response: Response) -> std::result::Result<Grant, Failure> {
        match response.status {
            200 => {}
            300..=399 => {
                return Err(self.failure(
                    Status::Reply,
                    &format!("it answered HTTP {}, a redirect, which is never followed: correct the base URL", response.status),
                ));
            }
            other => {
                return Err(self.failure(Status::Reply, &format!("it answered HTTP {other}")));
            }
        }
        match reply::parse(self.recipe, &response.body) {
            Reply::Token(grant) => Ok(grant),
            Reply::Refusal { errcode, errmsg } => Err(self.refusal(errcode, &errmsg)),
            Reply::Unusable(why) => Err(self.failure(
                Status::Reply,
                &format!("the answer is no token reply: {why}"),
            )),
        }
    }

    fn refusal(&self, errcode: i64, errmsg: &str) -> Failure {
        let Verdict { wait, advice } = self.recipe.judge(errcode, self.failures);
        let said = self.harmless(errmsg);
        let mut error = Error::new(
            Status::Api,
            format!(
                "{} refused the token fetch of {}: errcode {errcode} \"{said}\": {advice}",
                self.host(),
                self.subject()
            ),
        );
        error.errcode = i32::try_from(errcode).unwrap_or(i32::MIN);
        Failure {
            error,
            wait,
            unsent: false,
        }
    }

    fn failure(&self, status: Status, why: &str) -> Failure {
        Failure {
            error: Error::new(
                status,
                format!(
                    "cannot fetch the token of {} from {}: {why}",
                    self.subject(),
                    self.host()
                ),
            ),
            wait: Wait::BackOff,
            unsent: false,
        }
    }

    fn subject(&self) -> String {
        format!(
            "account \"{}\" ({} {})",
            self.account, self.recipe.id_name, self.id
        )
    }

    fn host(&self) -> &str {
        self.recipe.base_url(self.options)
    }

    /// The platform's words on one line, cut to size, without our secret should a gateway echo it.
    fn harmless(&self, errmsg: &str) -> String {
        let mut text = errmsg.to_owned();
        if !self.secret.is_empty() {
            text = text.replace(self.secret.as_str(), "***");
        }
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(160)
            .collect()
    }
}
