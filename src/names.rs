//! What callers may name: accounts, their ids and secrets, and credentials.

use crate::error::{Error, Result};

/// The name of the credential that an account's name alone stands for.
pub const ACCESS_TOKEN: &str = "access_token";
pub const MAX_NAME: usize = 128;
pub const MAX_ID: usize = 128;
/// The longest secret, in bytes: what WeChat says to reserve for a token.
pub const MAX_SECRET: usize = 512;

pub fn check_account(name: &str) -> Result<()> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || name.contains('/')
        || name.chars().any(char::is_control)
    {
        return Err(Error::argument(format!(
            "an account name has 1 to {MAX_NAME} bytes, no slash and no control character"
        )));
    }
    Ok(())
}

/// Parts `account` or `account/credential`. An account alone stands for its access token, and no name for that of the
/// current account.
pub fn split(name: Option<&str>) -> Result<(Option<&str>, &str)> {
    let Some(name) = name else {
        return Ok((None, ACCESS_TOKEN));
    };
    let (account, credential) = name.split_once('/').unwrap_or((name, ACCESS_TOKEN));
    check_account(account)?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if credential.is_empty() || credential.len() > MAX_NAME || !credential.bytes().all(is_word) {
        return Err(Error::argument(format!(
            "behind the slash of \"{account}/…\" stands no credential's name, such as jsapi_ticket"
        )));
    }
    Ok((Some(account), credential))
}

pub fn check_id(what: &str, id: &str) -> Result<()> {
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::argument(format!(
            "an {what} has 1 to {MAX_ID} printable ASCII characters and no space"
        )));
    }
    Ok(())
}

/// An app secret, or a field that is kept like one.
pub fn check_secret(what: &str, secret: &str) -> Result<()> {
    if secret.is_empty()
        || secret.len() > MAX_SECRET
        || !secret.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(Error::argument(format!(
            "a {what} has 1 to {MAX_SECRET} printable ASCII characters and no space: check for a stray line end"
        )));
    }
    Ok(())
}

/// The name of an account's other credential.
pub fn join(account: &str, credential: &str) -> String {
    format!("{account}/{credential}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_secrets_have_limits() {
        assert!(check_account(&"n".repeat(128)).is_ok());
        for bad in ["", "a/b", "a\nb", &"n".repeat(129)] {
            assert!(check_account(bad).is_err(), "{bad:?}");
        }
        assert!(check_account("服务号 1").is_ok());
        for bad in ["", "a b", "a\n", "é", &"s".repeat(513)] {
            assert!(check_secret("secret", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_an_account_with_or_without_a_credential() {
        assert_eq!(split(None).unwrap(), (None, ACCESS_TOKEN));
        assert_eq!(split(Some("店铺")).unwrap(), (Some("店铺"), ACCESS_TOKEN));
        let ticket = split(Some("店铺/jsapi_ticket")).unwrap();
        assert_eq!(ticket, (Some("店铺"), "jsapi_ticket"));
        for bad in [
            "",
            "/",
            "/jsapi_ticket",
            "shop/",
            "shop/a/b",
            "shop/票",
            "shop/A",
        ] {
            assert!(split(Some(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ids_and_credentials_have_limits_too() {
        for good in ["wx1", &"i".repeat(MAX_ID)] {
            assert!(check_id("appid", good).is_ok(), "{good:?}");
        }
        for bad in ["", "a b", "é", &"i".repeat(MAX_ID + 1)] {
            assert!(check_id("appid", bad).is_err(), "{bad:?}");
        }
        assert!(check_secret("secret", &"s".repeat(MAX_SECRET)).is_ok());
        let longest = join("shop", &"c".repeat(MAX_NAME));
        assert!(split(Some(&longest)).is_ok());
        assert!(split(Some(&format!("{longest}c"))).is_err());
    }
}
