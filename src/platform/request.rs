//! One token fetch. It builds the request from the recipe, and tries the spare host when the first one cannot be
//! reached. The result is a grant, or a failure with a verdict.

use std::net::IpAddr;

use serde_json::{Map, Value as Json};
use zeroize::Zeroizing;

use super::echo;
use super::errcodes::{Advice, ErrcodeRule, Wait};
use super::http::{self, Request, Response, SendError, TransportError};
use super::recipe::{FetchCost, Recipe, Value};
use super::reply::{self, Grant, Reply};
use crate::characters::shown;
use crate::clock::Deadline;
use crate::error::{Error, Hint, Result, Status};
use crate::options::Options;
use crate::secrets::Secret;

/// The longest text of a refusal that is passed on, in bytes.
const MAX_REFUSAL: usize = 300;
/// The longest `rid` that is kept when the text is cut, in bytes.
const MAX_RID: usize = 64;

/// The secrets that a recipe may take.
#[derive(Default)]
pub struct FetchSecrets {
    /// The account's secret, if the recipe takes one.
    pub secret: Option<Secret>,
    /// The pushed secret, if the recipe takes one.
    pub pushed: Option<Secret>,
}

/// The token with which another one is fetched.
pub struct ParentToken {
    pub id: String,
    pub token: Secret,
}

/// The parameters of one fetch.
pub struct Fetch<'a> {
    pub recipe: &'static Recipe,
    /// The account's name, for messages.
    pub account: &'a str,
    /// The account's kind, for messages.
    pub kind: &'a str,
    pub id: &'a str,
    pub fetch_secrets: &'a FetchSecrets,
    pub parent: Option<&'a ParentToken>,
    pub force: bool,
    /// The number of failures in a row before this fetch.
    pub failures: i64,
    pub options: &'a Options,
    pub deadline: &'a Deadline,
}

/// The failure of a fetch, and how long to hold off.
#[derive(Debug)]
pub struct FetchError {
    pub error: Error,
    pub wait: Wait,
    /// Whether the platform has certainly not seen the request.
    pub not_sent: bool,
    /// Whether the platform refused the parent's token.
    pub stale_parent: bool,
    /// Whether the platform refused the account's secret.
    pub blames_secret: bool,
}

pub fn fetch(fetch: &Fetch) -> Result<Grant, FetchError> {
    let meant = match fetch.send(fetch.host()) {
        Ok(response) => return fetch.read(response),
        Err(SendError::Options(error)) => return Err(unusable_options(error)),
        Err(SendError::Transport(none)) => none,
    };
    let Some(spare) = fetch.spare(&meant) else {
        return Err(fetch.not_reached(meant));
    };
    match fetch.send(spare) {
        Ok(response) => fetch.read(response).map_err(|of_spare| {
            // An errcode comes from the platform, whichever host passes it on. Anything else is a failure of the
            // spare host.
            match of_spare.error.status {
                Status::Api => of_spare,
                _ => {
                    let why = of_spare.error.detail.unwrap_or_default();
                    fetch.not_reached(meant).and_spare(spare, &why, false)
                }
            }
        }),
        // A file that the options name has disappeared meanwhile.
        Err(SendError::Options(_)) => Err(fetch.not_reached(meant)),
        Err(SendError::Transport(none)) => {
            Err(fetch
                .not_reached(meant)
                .and_spare(spare, &none.why, none.not_sent))
        }
    }
}

fn unusable_options(error: Error) -> FetchError {
    FetchError {
        error,
        wait: Wait::NotShared,
        not_sent: true,
        stale_parent: false,
        blames_secret: false,
    }
}

impl FetchError {
    /// Adds that the spare host failed too.
    fn and_spare(mut self, spare: &str, why: &str, not_sent: bool) -> FetchError {
        self.not_sent &= not_sent;
        let meant = self.error.detail.unwrap_or_default();
        self.error.detail = Some(match meant == why {
            true => format!("{meant}; the spare host {spare} likewise"),
            false => format!("{meant}; the spare host {spare}: {why}"),
        });
        self
    }
}

impl Fetch<'_> {
    fn send(&self, base: &str) -> Result<Response, SendError> {
        http::send(base, &self.request(), self.options, self.deadline)
    }

    /// The platform's spare host, if it is worth a try.
    fn spare(&self, none: &TransportError) -> Option<&'static str> {
        let platform = self.recipe.platform;
        let may = self.host() == platform.base_url
            && none.status == Status::Network
            && (none.not_sent || self.recipe.cost != FetchCost::RevokesPrevious)
            && !none.is_general
            && !self.deadline.has_passed();
        platform.fallback_url.filter(|_| may)
    }

    /// The failure of the host that was meant.
    fn not_reached(&self, none: TransportError) -> FetchError {
        let mut failure = self.failure(none.status, &none.why);
        failure.not_sent = none.not_sent;
        failure.error.hint = none.advice.map(|advice| Box::new(Hint::Do(advice)));
        if none.is_local {
            failure.wait = Wait::NotShared;
        }
        failure
    }

    fn request(&self) -> Request {
        let query = self.recipe.query.iter();
        let body = (!self.recipe.body.is_empty()).then(|| {
            let mut object = Map::new();
            for (name, value) in self.recipe.body {
                let json = match value {
                    Value::Force => Json::Bool(self.force),
                    other => Json::String(self.text(*other).to_string()),
                };
                object.insert((*name).into(), json);
            }
            Zeroizing::new(Json::Object(object).to_string().into_bytes())
        });
        let headers = self.recipe.headers.iter();
        Request {
            path: self.recipe.path,
            query: query
                .map(|(name, value)| (*name, self.text(*value)))
                .collect(),
            headers: headers
                .map(|(name, prefix, value)| {
                    let value = self.text(*value);
                    (*name, Zeroizing::new(format!("{prefix}{}", *value)))
                })
                .collect(),
            body,
            posts: !self.recipe.body.is_empty() || self.recipe.posts_nothing,
        }
    }

    fn text(&self, value: Value) -> Secret {
        let text = match value {
            Value::Text(text) => Some(text),
            Value::Id => Some(self.id),
            Value::Secret => self.fetch_secrets.secret.as_deref().map(String::as_str),
            Value::Put => self.fetch_secrets.pushed.as_deref().map(String::as_str),
            Value::Force => Some(if self.force { "true" } else { "false" }),
            Value::ParentId => self.parent.map(|parent| parent.id.as_str()),
            Value::ParentToken => self.parent.map(|parent| parent.token.as_str()),
        };
        Zeroizing::new(text.unwrap_or_default().to_owned())
    }

    fn read(&self, response: Response) -> Result<Grant, FetchError> {
        match response.status {
            200 => {}
            300..=399 => {
                let status = response.status;
                let why = format!("it answered HTTP {status}, a redirect, which is never followed");
                let mut failure = self.failure(Status::Reply, &why);
                let option = self.recipe.platform.option;
                failure.error = failure
                    .error
                    .advise(format!("Correct the option {option}."));
                return Err(failure);
            }
            400..=499 if self.recipe.platform.refuses_by_status => {
                return Err(match reply::parse(self.recipe, &response.body) {
                    Reply::Refusal { errcode, errmsg } => self.refusal(errcode, &errmsg),
                    _ => self.http_status(response.status),
                });
            }
            other => return Err(self.http_status(other)),
        }
        match reply::parse(self.recipe, &response.body) {
            Reply::Token(grant) => Ok(grant),
            Reply::Refusal { errcode, errmsg } => Err(self.refusal(errcode, &errmsg)),
            Reply::Unusable(why) => Err(self.failure(
                Status::Reply,
                &format!("the answer is not a token reply: {why}"),
            )),
        }
    }

    fn http_status(&self, status: u16) -> FetchError {
        self.failure(Status::Reply, &format!("it answered HTTP {status}"))
    }

    fn refusal(&self, errcode: i64, errmsg: &str) -> FetchError {
        let ErrcodeRule {
            wait,
            advice,
            blames_secret,
        } = self.recipe.judge(errcode, errmsg, self.failures);
        let said = self.said(errcode, errmsg);
        let what = format!(
            "{} refused the {} request for {}",
            self.asked(),
            self.recipe.noun(),
            self.subject()
        );
        let mut error = Error::new(Status::Api, what)
            .because(said)
            .hint(self.hint(advice, errmsg));
        error.errcode = i32::try_from(errcode).unwrap_or(i32::MIN);
        FetchError {
            error,
            wait,
            not_sent: false,
            stale_parent: self.recipe.refuses_parent(errcode, errmsg),
            blames_secret: blames_secret && self.recipe.takes(Value::Secret),
        }
    }

    fn failure(&self, status: Status, why: &str) -> FetchError {
        FetchError {
            error: Error::new(
                status,
                format!(
                    "cannot fetch the {} of {} from {}",
                    self.recipe.noun(),
                    self.subject(),
                    self.host()
                ),
            )
            .because(why),
            wait: Wait::BackOff,
            not_sent: false,
            stale_parent: false,
            blames_secret: false,
        }
    }

    fn subject(&self) -> String {
        format!(
            "account \"{}\" ({} {})",
            self.account, self.recipe.id_name, self.id
        )
    }

    /// The advice of an errcode, for this account.
    fn hint(&self, advice: Advice, errmsg: &str) -> Hint {
        let account = self.account.to_owned();
        match (advice, &self.recipe.pushed) {
            (Advice::RegisterAgain(why), _) => Hint::RegisterAgain {
                account,
                kind: self.kind.into(),
                id: self.id.into(),
                before: Some(why.into()),
            },
            (Advice::Put(why), Some(put)) => Hint::Put {
                account,
                field: put.field.into(),
                before: Some(why.into()),
            },
            (Advice::Allow(list), _) => Hint::AllowAddress {
                address: address_in(errmsg),
                list: list.into(),
                account: Some(account),
            },
            (Advice::Retry(why), _) => Hint::Retry {
                account,
                before: Some(why.into()),
            },
            (Advice::Quota(why), _) => Hint::Quota {
                account,
                before: Some(why.into()),
            },
            (Advice::Do(what) | Advice::Put(what), _) => Hint::Do(what.into()),
        }
    }

    /// The name of the platform. It is followed by the base URL if that is not the platform's own.
    fn asked(&self) -> String {
        let platform = self.recipe.platform;
        match self.host() {
            host if host == platform.base_url => platform.name.into(),
            host => format!("{} at {host}", platform.name),
        }
    }

    fn host(&self) -> &str {
        self.recipe.base_url(self.options)
    }

    /// The platform's code and message on one line, cut to size. A gateway may echo the request, so a message that
    /// repeats a part of a secret is left out.
    fn said(&self, errcode: i64, errmsg: &str) -> String {
        let on_one_line = |text: &str| text.replace(char::is_control, " ");
        let text = on_one_line(errmsg);
        let code = match errcode {
            // The code of such a platform is a word, with which its text begins.
            0 => on_one_line(errmsg.split(": ").next().unwrap_or_default()),
            number => format!("errcode {number}"),
        };
        if !self.repeats_a_secret(&cut(&text)) {
            let text = cut(&shown(&text));
            return match errcode {
                0 => format!("\"{text}\""),
                _ => format!("{code} \"{text}\""),
            };
        }
        let code = match self.repeats_a_secret(&cut(&code)) {
            true => "a code".into(),
            false => cut(&shown(&code)),
        };
        format!("{code}, with a text that is left out, since it repeats a part of a secret")
    }

    /// Whether a text holds a part of a secret in the request, or of the login at the proxy.
    fn repeats_a_secret(&self, text: &str) -> bool {
        let own = [&self.fetch_secrets.secret, &self.fetch_secrets.pushed];
        let own = own.into_iter().flatten();
        let parent = self.parent.map(|parent| &parent.token);
        let login = self.options.proxy.as_ref().and_then(|p| p.login.as_ref());
        let secrets = own.chain(parent).chain(login.map(|(_, password)| password));
        echo::repeats(text, secrets.map(|secret| secret.as_str()))
    }
}

/// Cuts a text to [`MAX_REFUSAL`] bytes. The `rid` at its end is kept, because WeChat's support asks for it.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= MAX_REFUSAL {
        return text.into();
    }
    let rid = text.rfind("rid: ").map_or("", |at| &text[at..]);
    let end = match rid.len() {
        1..=MAX_RID => format!("… {rid}"),
        _ => String::new(),
    };
    let room = MAX_REFUSAL - end.len();
    let start = text.floor_char_boundary(room);
    format!("{}{end}", &text[..start])
}

/// This host's address, if the platform's message names it.
pub(super) fn address_in(errmsg: &str) -> Option<String> {
    let between = |c: char| c.is_whitespace() || "\",;()[]".contains(c);
    let mut words = errmsg.split(between);
    let address: IpAddr = words.find_map(|word| word.trim_end_matches(['.', ':']).parse().ok())?;
    Some(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusals_text_is_cut_at_300_bytes_and_keeps_its_rid() {
        let rid = "rid: 6565a1b2-0123abcd-89ef4567";
        for letter in ["x", "码", "\u{1f600}"] {
            for count in 0..400 {
                let words = letter.repeat(count);
                let whole = format!("{words} {rid}");
                let text = cut(&whole);
                assert!(text.len() <= 300 && text.ends_with(rid), "{text}");
                assert_eq!(text == whole, whole.len() <= 300, "{text}");
                assert!(words.starts_with(&cut(&words)));
                assert!(cut(&words).len() >= words.len().min(297));
            }
        }
        // A text that merely begins like a rid is cut like any other.
        let long = format!("rid: {}", "x".repeat(400));
        assert_eq!(cut(&long), long[..300]);
    }

    #[test]
    fn the_address_is_found_where_the_platforms_say_it() {
        let found = |errmsg: &str| address_in(errmsg);
        let api = "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 6";
        assert_eq!(found(api).as_deref(), Some("203.0.113.7"));
        let work = "not allow to access from your ip, hint: [1], from ip: 198.51.100.4, more info at https://…";
        assert_eq!(found(work).as_deref(), Some("198.51.100.4"));
        let ipv6 = "access clientip is not registered, requestIP: 2001:db8::7.";
        assert_eq!(found(ipv6).as_deref(), Some("2001:db8::7"));
        assert_eq!(found("invalid ip"), None);
    }
}
