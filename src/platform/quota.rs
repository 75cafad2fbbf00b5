//! The calls of an account in WeChat's view: the rest of the day's quota, the record of one request, and the reset of
//! the day's counts. WeChat's pages are 查询API调用额度, 查询rid信息 and 使用AppSecret重置API调用次数.

use serde::Serialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::echo;
use super::http::{self, Request, SendError};
use super::kind::Kind;
use super::masked::masked;
use super::recipe::ParentKind;
use super::recipes::recipes;
use super::reply::{object_in, whole_number};
use super::request::{address_in, cut};
use crate::characters::shown;
use crate::clock::Deadline;
use crate::error::Status;
use crate::options::Options;
use crate::secrets::Secret;

/// The rest of the day's quota of one API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// The calls that the account may make in a day.
    pub daily_limit: i64,
    /// The calls that the account has made today.
    pub used: i64,
    /// The calls that the account may still make today.
    pub remain: i64,
    /// The limit in a short time, if the platform reports it.
    pub rate_limit: Option<RateLimit>,
    /// The limit in a short time of the third-party platform that calls for the account.
    pub component_rate_limit: Option<RateLimit>,
}

/// A limit of calls in a number of seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    /// The number of calls.
    pub call_count: i64,
    /// The number of seconds.
    pub refresh_second: i64,
}

/// The platform's record of a request, with every token and secret masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotedRequest {
    /// The time of the request, in Unix seconds.
    pub invoke_time: i64,
    /// The time that the request took, in milliseconds.
    pub cost_in_ms: i64,
    /// The parameters of the request's URL.
    pub request_url: String,
    /// The request's body.
    pub request_body: String,
    /// The body of the answer.
    pub response_body: String,
    /// The address from which the request came.
    pub client_ip: String,
}

/// The reason why a call has no result.
#[derive(Debug)]
pub enum AskError {
    /// The platform answered an errcode.
    Refused {
        errcode: i64,
        /// The errcode and the platform's message.
        said: String,
        /// This host's address as the platform sees it, if the message names it.
        address: Option<String>,
    },
    /// The platform did not answer, or its answer cannot be read.
    NoAnswer {
        status: Status,
        why: String,
        advice: Option<String>,
    },
}

/// The counts that are reset.
pub enum Cleared<'a> {
    /// The counts of an account that has a secret.
    Account { appid: &'a str },
    /// The counts of a third-party platform, or of an account that is authorized to it.
    Component {
        component_appid: &'a str,
        appid: Option<&'a str>,
    },
}

/// The target and the time limit of these calls.
pub struct Asked<'a> {
    pub base: &'a str,
    pub options: &'a Options,
    pub deadline: &'a Deadline,
}

/// The calls whose counts are shown first. They are the calls that this library makes for an account of this kind,
/// and the message that most accounts send.
pub fn usual_paths(kind: Kind) -> Vec<&'static str> {
    let own = kind
        .recipes()
        .filter(|recipe| !matches!(recipe.parent, ParentKind::Account(_)));
    let of_children = recipes().filter(|recipe| recipe.parent == ParentKind::Account(kind.name()));
    let check = kind.token().check.map(|check| check.path);
    let message = (kind.name() != "component").then_some("/cgi-bin/message/custom/send");
    let mut paths = Vec::new();
    let all = own.chain(of_children).map(|recipe| recipe.path);
    for path in all.chain(check).chain(message) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

impl Asked<'_> {
    /// Returns the rest of the day's quota of the API with this path.
    pub fn quota(&self, token: &Secret, path: &str) -> Result<Quota, AskError> {
        let body = json!({ "cgi_path": path });
        let answer = self.by_token("/cgi-bin/openapi/quota/get", token, &body)?;
        let quota = answer.get("quota").and_then(|quota| {
            let number = |name| quota.get(name).and_then(whole_number);
            Some(Quota {
                daily_limit: number("daily_limit")?,
                used: number("used")?,
                remain: number("remain")?,
                rate_limit: rate_limit(&answer, "rate_limit"),
                component_rate_limit: rate_limit(&answer, "component_rate_limit"),
            })
        });
        quota.ok_or_else(lacking)
    }

    /// Returns the platform's record of the request with this rid. The secrets in `known` and the token are masked.
    pub fn noted_request(
        &self,
        token: &Secret,
        rid: &str,
        known: &[&str],
    ) -> Result<NotedRequest, AskError> {
        let answer = self.by_token("/cgi-bin/openapi/rid/get", token, &json!({ "rid": rid }))?;
        let request = answer.get("request").filter(|request| request.is_object());
        let request = request.ok_or_else(lacking)?;
        let number = |name| request.get(name).and_then(whole_number).unwrap_or_default();
        let known: Vec<&str> = known.iter().copied().chain([token.as_str()]).collect();
        let text = |name| match request.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => masked(text, &known),
            Some(other) => masked(&other.to_string(), &known),
        };
        Ok(NotedRequest {
            invoke_time: number("invoke_time"),
            cost_in_ms: number("cost_in_ms"),
            request_url: text("request_url"),
            request_body: text("request_body"),
            response_body: text("response_body"),
            client_ip: text("client_ip"),
        })
    }

    /// Resets the day's counts, by the secret of the account or of its third-party platform.
    pub fn clear(&self, cleared: &Cleared, secret: &Secret) -> Result<(), AskError> {
        let (path, query, body) = match cleared {
            // WeChat's page lists these parameters in the body, but its example has them in the URL.
            Cleared::Account { appid } => (
                "/cgi-bin/clear_quota/v2",
                vec![
                    ("appid", Zeroizing::new((*appid).to_owned())),
                    ("appsecret", secret.clone()),
                ],
                json!({"appid": appid, "appsecret": secret.as_str()}),
            ),
            Cleared::Component {
                component_appid,
                appid,
            } => {
                let mut body =
                    json!({"component_appid": component_appid, "appsecret": secret.as_str()});
                if let Some(appid) = appid {
                    body["appid"] = json!(appid);
                }
                ("/cgi-bin/component/clear_quota/v2", Vec::new(), body)
            }
        };
        let answer = self.ask(path, query, &body, secret)?;
        match answer.get("errcode") {
            Some(_) => Ok(()),
            None => Err(lacking()),
        }
    }

    fn by_token(
        &self,
        path: &'static str,
        token: &Secret,
        body: &Value,
    ) -> Result<Value, AskError> {
        self.ask(path, vec![("access_token", token.clone())], body, token)
    }

    /// Posts a call. Returns the answer if its errcode is 0 or missing.
    fn ask(
        &self,
        path: &'static str,
        query: Vec<(&'static str, Secret)>,
        body: &Value,
        secret: &Secret,
    ) -> Result<Value, AskError> {
        let request = Request {
            path,
            query,
            headers: Vec::new(),
            body: Some(Zeroizing::new(body.to_string().into_bytes())),
            posts: true,
        };
        let response = http::send(self.base, &request, self.options, self.deadline);
        let response = response.map_err(no_response)?;
        if response.status != 200 {
            return Err(unreadable(format!("it answered HTTP {}", response.status)));
        }
        let answer = object_in(&response.body)
            .map_err(|why| unreadable(format!("the answer is not a reply: {why}")))?;
        match answer.get("errcode").map(whole_number) {
            None | Some(Some(0)) => Ok(answer),
            Some(Some(errcode)) => Err(refused(errcode, &answer, secret)),
            Some(None) => Err(unreadable("its errcode is not a number".into())),
        }
    }
}

fn rate_limit(answer: &Value, name: &str) -> Option<RateLimit> {
    let limit = answer.get(name)?;
    let number = |name| limit.get(name).and_then(whole_number);
    Some(RateLimit {
        call_count: number("call_count")?,
        refresh_second: number("refresh_second")?,
    })
}

/// The error of a refusal. A gateway may echo the request, so a message that repeats a part of the secret is left
/// out.
fn refused(errcode: i64, answer: &Value, secret: &Secret) -> AskError {
    let errmsg = answer.get("errmsg").and_then(Value::as_str);
    let errmsg = errmsg.unwrap_or_default().replace(char::is_control, " ");
    let said = match echo::repeats(&errmsg, [secret.as_str()]) {
        false => format!("errcode {errcode} \"{}\"", cut(&shown(&errmsg))),
        true => format!(
            "errcode {errcode}, with a text that is left out, since it repeats a part of a secret"
        ),
    };
    AskError::Refused {
        errcode,
        said,
        address: address_in(&errmsg),
    }
}

fn no_response(error: SendError) -> AskError {
    match error {
        SendError::Options(error) => AskError::NoAnswer {
            status: error.status,
            why: error.to_string(),
            advice: error.hint.map(|hint| hint.for_c()),
        },
        SendError::Transport(none) => AskError::NoAnswer {
            status: none.status,
            why: none.why,
            advice: none.advice,
        },
    }
}

fn unreadable(why: String) -> AskError {
    AskError::NoAnswer {
        status: Status::Reply,
        why,
        advice: None,
    }
}

fn lacking() -> AskError {
    unreadable("its answer lacks the field that was asked for".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_calls_are_those_that_the_library_makes_for_the_kind() {
        let of = |kind: &str| usual_paths(Kind::named(kind).unwrap());
        let official = of("official");
        assert_eq!(official[0], "/cgi-bin/stable_token");
        assert!(official.contains(&"/cgi-bin/ticket/getticket"));
        assert_eq!(of("official_classic")[0], "/cgi-bin/token");
        let component = of("component");
        assert_eq!(component[0], "/cgi-bin/component/api_component_token");
        assert!(component.contains(&"/cgi-bin/component/api_authorizer_token"));
        // These calls count for the component.
        let authorizer = of("authorizer");
        assert!(!authorizer.contains(&"/cgi-bin/component/api_authorizer_token"));
        for paths in [official, component, authorizer] {
            let mut once = paths.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), paths.len());
        }
    }

    #[test]
    fn words_that_repeat_the_token_are_left_out() {
        let token = Secret::new("50_Im7aBcDeFgHiJkLmNoPqRsTuVwXyZ".into());
        let said = |errmsg: &str| match refused(48001, &json!({"errmsg": errmsg}), &token) {
            AskError::Refused { said, .. } => said,
            AskError::NoAnswer { why, .. } => why,
        };
        assert_eq!(said("no\npermission"), "errcode 48001 \"no permission\"");
        let echoed = said(&format!("no permission for {}", &token[..10]));
        assert!(
            echoed.starts_with("errcode 48001, with a text that is left out"),
            "{echoed}"
        );
    }
}
