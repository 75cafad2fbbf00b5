//! What a stored failure says, and what to do about it: the library's words, taken apart for a screen.

use std::net::IpAddr;

use crate::exit::in_commands;
use crate::report::{Account, LastError};
use crate::ui::shell::quoted;

/// One failure.
pub struct Advice {
    /// What was said: `errcode 40164 "invalid ip …"`.
    pub what: String,
    /// What to do; None where the failure passes by itself.
    pub remedy: Option<String>,
}

/// The address that a platform sees this host by, and where it wants it listed.
pub struct Unlisted {
    /// None where the platform does not say.
    pub address: Option<IpAddr>,
    pub place: &'static str,
}

impl Advice {
    pub fn of(account: &Account, error: &LastError) -> Advice {
        let told = bare(account, &error.message);
        let (what, advice) = match told.rsplit_once("\": ") {
            Some((what, advice)) => (format!("{what}\""), Some(in_commands(advice))),
            None => (in_commands(told), None),
        };
        let remedy = match unlisted(error) {
            Some(unlisted) => Some(unlisted.remedy()),
            None => advice.map(|advice| with_command(account, &advice)),
        };
        Advice { what, remedy }
    }
}

/// The command that registers it again, where that is what it takes.
fn with_command(account: &Account, advice: &str) -> String {
    if !advice.contains("register the account again") {
        return advice.to_owned();
    }
    format!(
        "{advice}: wxtoken account add {} --kind {} --id {}",
        quoted(&account.name),
        account.kind,
        account.id
    )
}

/// Without what the row says already: who it is about.
fn bare<'a>(account: &Account, message: &'a str) -> &'a str {
    let subject = format!(" {})", account.id);
    let behind = message.split_once(&subject).map(|(_, rest)| rest);
    let behind = behind.and_then(|rest| rest.strip_prefix(": ").or(rest.strip_prefix(" from ")));
    behind.unwrap_or(message)
}

/// Whether the platform refuses this host's address.
pub fn unlisted(error: &LastError) -> Option<Unlisted> {
    let place = match error.errcode {
        40164 => "the account's IP allow list (公众平台 → 设置与开发 → 基本配置 → IP白名单)",
        60020 => "the app's trusted IPs (企业微信管理后台 → 应用管理 → 企业可信IP)",
        61004 => {
            "the platform's IP allow list (开放平台 → 第三方平台 → 开发配置 → 白名单IP地址列表)"
        }
        _ => return None,
    };
    // Behind the code stand the platform's words; before it, names of ours, which may look like addresses.
    let said = error
        .message
        .split_once("errcode ")
        .map_or("", |(_, said)| said);
    let mut words = said.split(|c: char| c.is_whitespace() || "\",;()".contains(c));
    let address = words.find_map(|word| word.trim_end_matches(['.', ':']).parse().ok());
    Some(Unlisted { address, place })
}

impl Unlisted {
    pub fn remedy(&self) -> String {
        match self.address {
            Some(address) => format!("add {address} to {}", self.place),
            None => format!(
                "add the address by which this host reaches the Internet to {}",
                self.place
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errcode: i64, message: &str) -> LastError {
        LastError {
            errcode,
            message: message.into(),
        }
    }

    #[test]
    fn the_address_is_found_where_the_platforms_say_it() {
        let api = "https://api.weixin.qq.com refused the token fetch of account \"10.0.0.9\" (appid wx1): errcode 40164 \
                   \"invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 6\": add it";
        let found = unlisted(&error(40164, api));
        let address = found
            .and_then(|unlisted| unlisted.address)
            .map(|a| a.to_string());
        assert_eq!(address.as_deref(), Some("203.0.113.7"));
        let work = "errcode 60020 \"not allow to access from your ip, hint: [1], from ip: 198.51.100.4, more info at https://…\"";
        let found = unlisted(&error(60020, work));
        let address = found
            .and_then(|unlisted| unlisted.address)
            .map(|a| a.to_string());
        assert_eq!(address.as_deref(), Some("198.51.100.4"));
        assert!(unlisted(&error(40125, "errcode 40125")).is_none());
    }
}
