//! The names that callers pass: accounts, their ids and secrets, and credentials.

use crate::characters::{Allowed, flaws, remedy};
use crate::error::{Error, Hint, Result};

/// The credential that an account's name alone stands for.
pub const ACCESS_TOKEN: &str = "access_token";
pub const MAX_NAME: usize = 128;
pub const MAX_ID: usize = 128;
/// The length of the longest secret in bytes. It is the space that WeChat says to reserve for a token.
pub const MAX_SECRET: usize = 512;

pub fn check_account(name: &str) -> Result<()> {
    if name.is_empty()
        || name.len() > MAX_NAME
        || name.contains('/')
        || name.chars().any(char::is_control)
    {
        return Err(bad_name(name));
    }
    Ok(())
}

/// Checks the name of an account that is to be registered. An existing account keeps its name, even if it would fail
/// here.
pub fn check_new_account(name: &str) -> Result<()> {
    check_account(name)?;
    if name.starts_with('-') {
        let why = "it begins with a hyphen, as an option of a command does";
        return Err(Error::argument("invalid account name").because(why));
    }
    match flaws(name, Allowed::Text) {
        Some(_) => Err(bad_name(name)),
        None => Ok(()),
    }
}

fn bad_name(name: &str) -> Error {
    let limits = format!("must be 1 to {MAX_NAME} bytes without slashes and control characters");
    Error::argument("invalid account name").because(match flaws(name, Allowed::Text) {
        Some(flaws) => format!("it has {flaws}; {limits}"),
        None => limits,
    })
}

/// Splits `account` or `account/credential`. An account alone stands for its access token, and no name for the access
/// token of the current account.
pub fn split(name: Option<&str>) -> Result<(Option<&str>, &str)> {
    let Some(name) = name else {
        return Ok((None, ACCESS_TOKEN));
    };
    let (account, credential) = name.split_once('/').unwrap_or((name, ACCESS_TOKEN));
    check_account(account)?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if credential.is_empty() || credential.len() > MAX_NAME || !credential.bytes().all(is_word) {
        return Err(
            Error::argument(format!("invalid credential name after \"{account}/\""))
                .advise(format!("Use a name such as {account}/jsapi_ticket.")),
        );
    }
    Ok((Some(account), credential))
}

/// Checks the id of an account. `what` is the platform's word for the id, such as `appid`.
pub fn check_id(what: &str, account: &str, id: &str) -> Result<()> {
    check_word(what, account, id, MAX_ID)
}

/// Checks an app secret, or a field that is kept like one.
pub fn check_secret(what: &str, account: &str, secret: &str) -> Result<()> {
    check_word(what, account, secret, MAX_SECRET)
}

/// Checks an id or a secret. The error names the account, each wrong character and its place, and never shows the text.
fn check_word(what: &str, account: &str, word: &str, most: usize) -> Result<()> {
    let bad = flaws(word, Allowed::Ascii);
    if !word.is_empty() && word.len() <= most && bad.is_none() {
        return Ok(());
    }
    let why = match &bad {
        Some(flaws) => format!("it has {flaws}"),
        None if word.is_empty() => "it is empty".into(),
        None => format!("it has {} characters", word.len()),
    };
    let advice = match bad {
        Some(_) => remedy(word),
        None if word.is_empty() => {
            "Check that the variable or the file that it comes from has a value."
        }
        None => "Check that nothing else was pasted with it.",
    };
    Err(
        Error::argument(format!("invalid {what} of account \"{account}\""))
            .because(format!(
                "{why}; must be 1 to {most} printable ASCII characters without spaces"
            ))
            .advise(advice),
    )
}

/// Returns a noun with its article: “an appid”, “a corpid”.
pub fn with_article(noun: &str) -> String {
    let article = match noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        true => "an",
        false => "a",
    };
    format!("{article} {noun}")
}

/// Returns the name of an account's credential, such as `shop/jsapi_ticket`.
pub fn join(account: &str, credential: &str) -> String {
    format!("{account}/{credential}")
}

/// The similarity, from 0 to 1, from which a name is taken for a misspelling of another.
const ALIKE: f64 = 0.75;

/// Returns the known name that is most similar to an unknown one, if any is similar enough.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro(&given, &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// Returns advice on what to use instead of an unknown name: the most similar name, or else all of them after `all`,
/// such as “The options are”.
pub fn choose(given: &str, known: &[&str], all: &str) -> Hint {
    Hint::Do(match nearest(given, known.iter().copied()) {
        Some(near) => format!("Did you mean {near}?"),
        None => format!("{all} {}.", known.join(", ")),
    })
}

/// The length in bytes of the longest name that a message repeats. A secret is longer.
const MAX_REPEATED: usize = 30;

/// Returns an unknown name for a message, in quotes and after a space. Returns nothing if the text may be a secret that
/// was passed in the wrong argument.
pub fn repeated(given: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_./-".contains(&b);
    if given.is_empty() || given.len() > MAX_REPEATED || !given.bytes().all(is_plain) {
        return String::new();
    }
    format!(" \"{given}\"")
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
            assert!(check_secret("secret", "shop", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refused_text_is_not_shown_and_its_flaw_is_named() {
        for (bad, said) in [
            ("\u{FEFF}s3cr3t", "it has U+FEFF at the start"),
            ("s3cr3t\r", "it has a line end at the end"),
            ("\"s3cr3t\"", "it has quotes around it"),
            ("", "it is empty"),
        ] {
            for error in [
                check_id("appid", "shop", bad).unwrap_err(),
                check_secret("secret", "shop", bad).unwrap_err(),
            ] {
                let shown = error.for_c();
                assert!(shown.contains("of account \"shop\""), "{shown}");
                assert!(shown.contains(said), "{shown}");
                assert!(!shown.contains("s3cr3t"), "{shown}");
            }
        }
    }

    #[test]
    fn an_empty_or_long_text_is_refused_with_its_reason() {
        for (bad, why, advice) in [
            (String::new(), "it is empty", "has a value"),
            ("s".repeat(513), "it has 513 characters", "pasted with it"),
        ] {
            let shown = check_secret("secret", "shop", &bad).unwrap_err().for_c();
            assert!(shown.contains(why) && shown.contains(advice), "{shown}");
        }
        assert_eq!(with_article("appid"), "an appid");
        assert_eq!(with_article("corpid"), "a corpid");
    }

    #[test]
    fn a_new_name_has_no_flaw_and_an_old_one_can_still_be_named() {
        for bad in [
            "shop ",
            "\u{FEFF}shop",
            "\"shop\"",
            "sh\u{200B}op",
            "shop\u{A0}",
        ] {
            assert!(check_account(bad).is_ok(), "{bad:?}");
            let error = check_new_account(bad).unwrap_err();
            assert!(error.for_c().contains("it has "), "{error}");
        }
        assert!(check_new_account("服务号 1").is_ok());
        for bad in [
            "\u{202E}pohs",
            "\u{2066}shop",
            "sh\u{AD}op",
            "\u{3164}",
            "sh\u{2800}op",
            "shop\u{E0100}",
            " shop",
            "-n",
        ] {
            assert!(check_account(bad).is_ok(), "{bad:?}");
            assert!(check_new_account(bad).is_err(), "{bad:?}");
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
            assert!(check_id("appid", "shop", good).is_ok(), "{good:?}");
        }
        for bad in ["", "a b", "é", &"i".repeat(MAX_ID + 1)] {
            assert!(check_id("appid", "shop", bad).is_err(), "{bad:?}");
        }
        assert!(check_secret("secret", "shop", &"s".repeat(MAX_SECRET)).is_ok());
        let longest = join("shop", &"c".repeat(MAX_NAME));
        assert!(split(Some(&longest)).is_ok());
        assert!(split(Some(&format!("{longest}c"))).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_or_all() {
        let known = ["timeout_ms", "connect_timeout_ms", "log"];
        for (given, near) in [
            ("timeout", "timeout_ms"),
            ("TIMEOUT_MS", "timeout_ms"),
            ("timeout-ms", "timeout_ms"),
            ("conect_timeout_ms", "connect_timeout_ms"),
            ("colour", ""),
            ("", ""),
        ] {
            assert_eq!(nearest(given, known).unwrap_or_default(), near, "{given}");
        }
        assert_eq!(nearest("店铺一", ["店铺", "客户"]), Some("店铺"));
        let said = |given: &str| choose(given, &known, "The options are").for_c();
        assert_eq!(said("timeout"), "Did you mean timeout_ms?");
        let all = "The options are timeout_ms, connect_timeout_ms, log.";
        assert_eq!(said("colour"), all);
    }

    #[test]
    fn a_text_that_may_be_a_secret_is_not_repeated() {
        assert_eq!(repeated("time.out-_/9"), " \"time.out-_/9\"");
        assert_eq!(
            repeated(&"a".repeat(30)),
            format!(" \"{}\"", "a".repeat(30))
        );
        for hidden in [
            "",
            "a b",
            "a\n",
            "票",
            "a=b",
            &"a".repeat(31),
            &"0".repeat(32),
        ] {
            assert_eq!(repeated(hidden), "", "{hidden:?}");
        }
    }
}
