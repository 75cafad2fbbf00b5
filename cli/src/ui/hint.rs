//! Hints in commands. The library's hints name functions of C; here they name commands of `wxtoken`.

use wxtoken::tool::{Error, Hint};

use crate::ui::shell::quoted;

/// The command that registers an account.
pub const ADD: &str = "wxtoken account add NAME --kind KIND --id ID";

/// Returns a hint in whole sentences.
pub fn in_commands(hint: &Hint) -> String {
    let command = command(hint).unwrap_or_default();
    match hint {
        Hint::Register { .. } => {
            format!("Register it with `{command}`. `wxtoken account list` lists the accounts.")
        }
        Hint::RegisterAs { .. } => format!("Register it with `{command}`."),
        Hint::ChooseCurrent => format!(
            "Register an account with `{ADD}`, or make one the current one with `wxtoken account use NAME`."
        ),
        Hint::RegisterAgain { before, .. } => Hint::sentence(
            before,
            &format!("register the account again with `{command}`."),
        ),
        Hint::RegisterAll { before } => Hint::sentence(
            before,
            &format!("register the accounts again with `{ADD}`."),
        ),
        Hint::Put { field, before, .. } => {
            Hint::sentence(before, &format!("put the {field} with `{command}`."))
        }
        Hint::AllowAddress {
            address,
            list,
            account,
        } => {
            let allow = Hint::allow(address, list);
            match account {
                Some(_) => format!("{allow} Then run `{command}`."),
                None => allow,
            }
        }
        Hint::Retry { before, .. } => Hint::sentence(before, &format!("run `{command}`.")),
        Hint::Quota { account, before } => Hint::sentence(
            before,
            &format!(
                "see what is left with `{command}`. `{command} --clear` clears the quota, and needs no token. When the quota is cleared, run `wxtoken retry {}`.",
                quoted(account)
            ),
        ),
        // These do not name a function of C.
        Hint::Keep { .. } | Hint::Do(_) => hint.for_c(),
    }
}

/// Returns the one command that carries out a hint, if there is one.
pub fn command(hint: &Hint) -> Option<String> {
    let add = |account: &str, kind: &str, id: &str| {
        let account = quoted(account);
        format!("wxtoken account add {account} --kind {kind} --id {id}")
    };
    Some(match hint {
        Hint::Register { account } => add(account, "KIND", "ID"),
        Hint::RegisterAs { account, kind } => add(account, kind, "ID"),
        Hint::RegisterAgain {
            account, kind, id, ..
        } => add(account, kind, &quoted(id)),
        Hint::Put { account, field, .. } if field == "parent" => {
            format!("wxtoken put {} parent PARENT", quoted(account))
        }
        Hint::Put { account, field, .. } => format!("wxtoken put {} {field}", quoted(account)),
        Hint::Retry { account, .. }
        | Hint::AllowAddress {
            account: Some(account),
            ..
        } => format!("wxtoken retry {}", quoted(account)),
        Hint::Quota { account, .. } => format!("wxtoken quota {}", quoted(account)),
        _ => return None,
    })
}

/// Returns an error as `what: detail; hint: Sentence.`
pub fn in_one_line(error: &Error) -> String {
    match error.hint.as_deref() {
        Some(hint) => format!("{error}; hint: {}", in_commands(hint)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_a_command_that_can_be_typed() {
        let again = Hint::RegisterAgain {
            account: "my shop".into(),
            kind: "official".into(),
            id: "wx1".into(),
            before: Some("The secret is wrong.".into()),
        };
        assert_eq!(
            in_commands(&again),
            "The secret is wrong. Register the account again with \
             `wxtoken account add 'my shop' --kind official --id wx1`."
        );
        let parent = Hint::Put {
            account: "merchant".into(),
            field: "parent".into(),
            before: None,
        };
        assert_eq!(
            in_commands(&parent),
            "Put the parent with `wxtoken put merchant parent PARENT`."
        );
        let retry = Hint::Retry {
            account: "my shop".into(),
            before: Some("When it is mended,".into()),
        };
        assert_eq!(
            in_commands(&retry),
            "When it is mended, run `wxtoken retry 'my shop'`."
        );
        let quota = Hint::Quota {
            account: "my shop".into(),
            before: Some("None is left.".into()),
        };
        assert_eq!(
            in_commands(&quota),
            "None is left. See what is left with `wxtoken quota 'my shop'`. \
             `wxtoken quota 'my shop' --clear` clears the quota, and needs no token. When the quota is cleared, run `wxtoken retry 'my shop'`."
        );
        let allow = Hint::AllowAddress {
            address: None,
            list: "the list".into(),
            account: Some("shop".into()),
        };
        assert!(in_commands(&allow).ends_with("to the list. Then run `wxtoken retry shop`."));
        let failed = Error::argument("it is late").because("the clock says so");
        assert_eq!(
            in_one_line(&failed.advise("Hurry.")),
            "it is late: the clock says so; hint: Hurry."
        );
    }

    #[test]
    fn no_function_of_c_is_named() {
        let words = || Some("Look, or".to_owned());
        let (account, kind, id) = ("a".to_owned(), "work".to_owned(), "ww1".to_owned());
        for hint in [
            Hint::Register {
                account: account.clone(),
            },
            Hint::RegisterAs {
                account: account.clone(),
                kind: kind.clone(),
            },
            Hint::ChooseCurrent,
            Hint::RegisterAgain {
                account: account.clone(),
                kind,
                id,
                before: words(),
            },
            Hint::RegisterAll { before: words() },
            Hint::Put {
                account,
                field: "suite_ticket".into(),
                before: words(),
            },
            Hint::AllowAddress {
                address: Some("203.0.113.7".into()),
                list: "the list".into(),
                account: Some("a".into()),
            },
            Hint::Retry {
                account: "my shop".into(),
                before: words(),
            },
            Hint::Quota {
                account: "my shop".into(),
                before: words(),
            },
            Hint::Keep { user: None },
        ] {
            let said = in_commands(&hint);
            assert!(!said.contains("wxtoken_"), "{said}");
            assert!(said.ends_with('.'), "{said}");
        }
    }
}
