//! The quota of an account: what is left of its calls for the day, resetting the counts, and WeChat's notes on one
//! request.

use crate::account::Credential;
use crate::client::Client;
use crate::client::session::Session;
use crate::clock::Deadline;
use crate::error::{Error, Hint, Result, Status};
use crate::hosts;
use crate::names;
use crate::options::LogLevel;
use crate::platform::errcodes::{self, Advice};
use crate::platform::{AskError, Asked, Cleared, NotedRequest, Quota, WechatHost, usual_paths};
use crate::secrets::Secret;

/// The errcodes for an API that WeChat does not count, or does not count for this account.
const NOT_COUNTED: [i64; 2] = [76021, 76022];
/// The length of the longest API path in bytes.
const MAX_PATH: usize = 256;

/// WeChat's answer about one API.
#[derive(Clone, Debug)]
pub enum QuotaAnswer {
    /// The calls that are left for the day.
    Counted(Quota),
    /// The API does not exist, or WeChat does not count it for this account.
    NotCounted {
        /// WeChat's errcode, which tells the two cases apart.
        errcode: i32,
        /// WeChat's message.
        said: String,
    },
}

impl Client {
    /// Returns the API paths that are asked about if the caller names none.
    pub fn usual_paths(&self, name: &str) -> Result<Vec<&'static str>> {
        let (_, found) = self.for_quota(name)?;
        Ok(usual_paths(found.account.kind))
    }

    pub fn quota(&self, name: &str, path: &str) -> Result<QuotaAnswer> {
        check_api_path(path)?;
        let doing = format!("say what is left of {path}");
        let asked = self.ask_with_token(name, &doing, |asked, token, _| asked.quota(token, path));
        match asked {
            Ok(quota) => Ok(QuotaAnswer::Counted(quota)),
            Err(e) if NOT_COUNTED.contains(&e.errcode.into()) => {
                let errcode = e.errcode;
                let said = e.detail.unwrap_or(e.what);
                Ok(QuotaAnswer::NotCounted { errcode, said })
            }
            Err(e) => Err(e),
        }
    }

    /// Returns what WeChat noted about the request with this rid. Tokens and secrets in it are masked.
    pub fn noted_request(&self, name: &str, rid: &str) -> Result<NotedRequest> {
        let doing = format!("say what it noted of rid {rid}");
        self.ask_with_token(name, &doing, |asked, token, known| {
            asked.noted_request(token, rid, known)
        })
    }

    /// Resets the day's counts of all APIs of an account, with its own secret or with that of its third-party platform.
    pub fn clear_quota(&self, name: &str) -> Result<()> {
        let (session, found) = self.for_quota(name)?;
        let holder = match found.account.kind.parent() {
            Some(kind) => Some(session.read_credential(Some(parent_of(&found, kind.name())?))?),
            None => None,
        };
        let holder = holder.as_ref().unwrap_or(&found);
        let secret = session.own_secret(holder)?;
        let secret = secret.ok_or_else(|| lacks_secret(holder))?;
        let (id, of) = (&found.account.id, &holder.account);
        let cleared = match of.kind.name() {
            "component" => Cleared::Component {
                component_appid: &of.id,
                appid: (of.id != *id).then_some(id),
            },
            _ => Cleared::Account { appid: id },
        };
        let failed = |e| failure(&found, "clear the day's counts", e, Some(holder));
        asked_of(&session, &found, &session.deadline)
            .clear(&cleared, &secret)
            .map_err(failed)?;
        let told = format!("cleared the day's counts of account \"{name}\"");
        session.log(LogLevel::Info, &told);
        Ok(())
    }

    /// Asks with the account's token. If WeChat does not take that token, asks once more with another one.
    fn ask_with_token<T>(
        &self,
        name: &str,
        doing: &str,
        ask: impl Fn(&Asked, &Secret, &[&str]) -> Result<T, AskError>,
    ) -> Result<T> {
        let (session, found) = self.for_quota(name)?;
        // A process that may not read the secret cannot reveal it either.
        let secret = session.own_secret(&found).ok().flatten();
        let known: Vec<&str> = secret.iter().map(|secret| secret.as_str()).collect();
        let asked = |token: &Secret| {
            let deadline = Deadline::after(session.options.timeout_ms);
            ask(&asked_of(&session, &found, &deadline), token, &known)
        };
        let token = self.token_of(name)?;
        let mut answer = asked(&token);
        if is_stale(&answer) {
            self.reject(Some(name), &token)?;
            let next = self.token_of(name)?;
            if next != token {
                answer = asked(&next);
            }
        }
        answer.map_err(|e| failure(&found, doing, e, None))
    }

    fn token_of(&self, name: &str) -> Result<Secret> {
        let token = self.get(Some(name))?;
        Ok(Secret::new(token.value.to_string()))
    }

    /// Returns the session and the credential of an account. Fails if the account's platform does not have these calls.
    fn for_quota(&self, name: &str) -> Result<(Session, Box<Credential>)> {
        names::check_account(name)?;
        let session = self.session()?;
        let found = session.read_credential(Some(name))?;
        match found.recipe.platform {
            platform if *platform == hosts::API => Ok((session, found)),
            platform => Err(no_such_call(&found, platform)),
        }
    }
}

/// Fails on a text that is not the path of an API.
pub fn check_api_path(path: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
    if path.starts_with('/') && path.len() <= MAX_PATH && path.chars().all(is_plain) {
        return Ok(());
    }
    let what = format!("invalid API path{}", names::repeated(path));
    let why = "must begin with / and contain only letters, digits, /, _, - and .";
    Err(Error::argument(what)
        .because(why)
        .advise("Leave out the host and the parameters, as in /cgi-bin/message/custom/send."))
}

/// Returns the last rid in the text of an error, or the text itself if it is a rid.
pub fn rid_in(text: &str) -> Option<&str> {
    let between = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    text.split(between).rfind(|word| {
        let groups: Vec<&str> = word.split('-').collect();
        let is_group =
            |group: &&str| group.len() == 8 && group.bytes().all(|b| b.is_ascii_hexdigit());
        groups.len() == 3 && groups.iter().all(is_group)
    })
}

fn asked_of<'a>(session: &'a Session, found: &Credential, deadline: &'a Deadline) -> Asked<'a> {
    Asked {
        base: found.recipe.base_url(&session.options),
        options: &session.options,
        deadline,
    }
}

fn is_stale<T>(answer: &Result<T, AskError>) -> bool {
    matches!(answer, Err(AskError::Refused { errcode, .. }) if WechatHost::Weixin.refuses_token_by(*errcode))
}

/// Returns the name of the account whose secret resets an authorizer's counts.
fn parent_of<'a>(found: &'a Credential, kind: &str) -> Result<&'a str> {
    let account = &found.account;
    match &account.parent {
        Some(parent) => Ok(&parent.name),
        None => Err(Error::new(
            Status::Account,
            format!("no parent has been put for account \"{}\"", account.name),
        )
        .because(format!(
            "its counts are cleared by the secret of its {kind}"
        ))
        .hint(Hint::Put {
            account: account.name.clone(),
            field: "parent".into(),
            before: None,
        })),
    }
}

fn lacks_secret(of: &Credential) -> Error {
    let account = &of.account;
    let what = format!(
        "the secret of account \"{}\" is not in this store",
        account.name
    );
    match account.origin() {
        Some(origin) => Error::new(Status::Secret, what)
            .because(format!("a bridge brings its tokens from {origin}"))
            .advise("Run the command on a host of that store."),
        None => Error::new(Status::Secret, what),
    }
}

fn no_such_call(found: &Credential, platform: &hosts::Platform) -> Error {
    let account = &found.account;
    let what = format!(
        "{} has no call that tells what is left of a quota",
        platform.name
    );
    let instead = match *platform == hosts::WORK {
        true => {
            "Find what calls too often: WeCom's errcode 45009 ends by itself, after a minute or within an hour. Its page 访问频率限制 has the limits."
        }
        false => "Look at the account's page in the platform's console.",
    };
    let kind = account.kind.name();
    Error::argument(what)
        .because(format!("account \"{}\" is of kind {kind}", account.name))
        .advise(instead)
}

/// Returns the error for something that WeChat did not do, with a hint. `by_secret` is the account whose secret was
/// sent, if one was.
fn failure(
    found: &Credential,
    doing: &str,
    error: AskError,
    by_secret: Option<&Credential>,
) -> Error {
    let account = format!(
        "account \"{}\" ({} {})",
        found.account.name, found.recipe.id_name, found.account.id
    );
    match error {
        AskError::NoAnswer {
            status,
            why,
            advice,
        } => {
            let what = format!("cannot ask WeChat to {doing}, for {account}");
            let error = Error::new(status, what).because(why);
            error.hint_if(advice.map(Hint::Do))
        }
        AskError::Refused {
            errcode,
            said,
            address,
        } => Error {
            errcode: i32::try_from(errcode).unwrap_or(i32::MIN),
            ..Error::new(
                Status::Api,
                format!("WeChat did not {doing}, for {account}"),
            )
        }
        .because(said)
        .hint(remedy(errcode, address, by_secret)),
    }
}

fn remedy(errcode: i64, address: Option<String>, by_secret: Option<&Credential>) -> Hint {
    let what = match errcode {
        48006 => {
            "The ten clears of this month are used up, including those in WeChat's console. The counts start again at midnight (UTC+8)."
        }
        45009 => "No calls that ask for counts are left for the day. A clear resets them too.",
        76001 => "WeChat keeps what it noted for 7 days. Check the rid.",
        76002 => "A rid looks like 617682e0-09059ac5-34a8e2ea.",
        76003 => "The rid is of another account's call. Name that account.",
        _ => match (errcodes::judge(&hosts::API, errcode, 0).advice, by_secret) {
            (Advice::Allow(list), _) => {
                return Hint::AllowAddress {
                    address,
                    list: list.into(),
                    account: None,
                };
            }
            (Advice::RegisterAgain(why), Some(holder)) => {
                return Hint::RegisterAgain {
                    account: holder.account.name.clone(),
                    kind: holder.account.kind.name().into(),
                    id: holder.account.id.clone(),
                    before: Some(why.into()),
                };
            }
            _ if WechatHost::Weixin.refuses_token_by(errcode) => {
                "WeChat does not take the account's token. Find what else fetches it, and see `wxtoken status`."
            }
            _ => "Look the errcode up in the platform's list of return codes.",
        },
    };
    Hint::Do(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rid_is_found_in_a_pasted_message() {
        let rid = "617682e0-09059ac5-34a8e2ea";
        for text in [
            rid.to_owned(),
            format!("  {rid}\n"),
            format!("reach max api daily quota limit rid: {rid}"),
            format!(r#"{{"errcode":45009,"errmsg":"api freq out of limit, rid: {rid}"}}"#),
            format!("2026-11-28 12:00:00 errcode 40013 \"invalid appid rid: {rid}\"; hint: …"),
            format!("first rid: 00000000-11111111-22222222, then rid: {rid}."),
        ] {
            assert_eq!(rid_in(&text), Some(rid), "{text}");
        }
        for text in [
            "",
            "rid: ",
            "617682e0-09059ac5",
            "617682e0-09059ac5-34a8e2e",
            "617682e0-09059ac5-34a8e2eg",
            "a617682e0-09059ac5-34a8e2ea",
            "617682e0-09059ac5-34a8e2ea-00000000",
        ] {
            assert_eq!(rid_in(text), None, "{text}");
        }
    }

    #[test]
    fn an_api_path_has_no_host_and_no_parameters() {
        for path in [
            "/cgi-bin/message/custom/send",
            "/wxa/getwxacodeunlimit",
            "/a_b-c.d/e2",
        ] {
            assert!(check_api_path(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "cgi-bin/token",
            "https://api.weixin.qq.com/cgi-bin/token",
            "/cgi-bin/token?appid=wx1",
            "/cgi-bin/tok en",
            "/接口",
            "/a\u{202E}b",
            &format!("/{}", "a".repeat(256)),
        ] {
            let error = check_api_path(path).unwrap_err();
            assert_eq!(error.status, Status::Argument, "{path}");
        }
    }
}
