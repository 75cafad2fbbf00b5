//! What WeChat says of an account's calls: how many are left of the day, what it noted of one, and the day's counts set
//! back. WeChat's pages 查询API调用额度, 查询rid信息, 使用AppSecret重置API调用次数.

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

/// What is left of the day for one API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quota {
    /// How often the account may call it in a day.
    pub daily_limit: i64,
    /// How often it has.
    pub used: i64,
    /// How often it may still.
    pub remain: i64,
    /// How often it may in a short time, where the platform says so.
    pub rate_limit: Option<RateLimit>,
    /// The same for the third-party platform that calls for the account.
    pub component_rate_limit: Option<RateLimit>,
}

/// So many calls in so many seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    /// The calls.
    pub call_count: i64,
    /// The seconds.
    pub refresh_second: i64,
}

/// What the platform noted of a request, with every token and secret masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotedRequest {
    /// When it came, in Unix seconds.
    pub invoke_time: i64,
    /// How long it took, in milliseconds.
    pub cost_in_ms: i64,
    /// The parameters of its URL.
    pub request_url: String,
    /// What was posted.
    pub request_body: String,
    /// What was answered.
    pub response_body: String,
    /// From which address it came.
    pub client_ip: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// The platform answered an errcode.
    Refused {
        errcode: i64,
        /// It, and the platform's words.
        said: String,
        /// The address by which the platform sees this host, where it says so.
        address: Option<String>,
    },
    /// It did not answer, or not in a form that can be read.
    NoAnswer {
        status: Status,
        why: String,
        advice: Option<String>,
    },
}

/// Whose counts are set back.
pub enum Cleared<'a> {
    /// Those of an account that has a secret.
    Account { appid: &'a str },
    /// Those of a third-party platform, or of an account that is authorized to it.
    Component {
        component_appid: &'a str,
        appid: Option<&'a str>,
    },
}

/// Where these calls go, within what time.
pub struct Asked<'a> {
    pub base: &'a str,
    pub options: &'a Options,
    pub deadline: &'a Deadline,
}

/// The calls whose counts are looked at first: those that this library makes for an account of this kind, and the message
/// that most accounts send.
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
    /// What is left of the day for the API of this path.
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

    /// What the platform noted of the request of this rid. `known`: what must not be seen, beside the token.
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

    /// Sets the day's counts back, by the secret of the account or of its third-party platform.
    pub fn clear(&self, cleared: &Cleared, secret: &Secret) -> Result<(), AskError> {
        let (path, query, body) = match cleared {
            // The page has these parameters in the body, and its example has them in the URL.
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

    /// Posts, and gives an answer whose errcode is 0 or lacking.
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

/// A gateway may echo the request: words that repeat a part of the secret in it are left out.
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
    unreadable("its answer lacks what was asked for".into())
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
        // Counted at its component.
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
