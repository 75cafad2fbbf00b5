//! What an account lacks before its token can be fetched.

use std::fmt;

use wxtoken::tool::{AccountReport, Hint, KindOfAccount, Report, kinds};

/// Something that is missing, and what to do.
pub struct Lack {
    pub what: Missing,
    pub hint: Hint,
}

/// What is missing. Said as `needs its verify_ticket`.
pub enum Missing {
    Parent,
    /// Of this name.
    ParentGone(String),
    /// A field that is put.
    Field(&'static str),
    FieldTooOld(&'static str),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::Parent => f.write_str("needs its parent"),
            Missing::ParentGone(parent) => write!(f, "its parent \"{parent}\" is gone"),
            Missing::Field(field) => write!(f, "needs its {field}"),
            Missing::FieldTooOld(field) => write!(f, "its {field} is too old"),
        }
    }
}

pub fn kind_of(account: &AccountReport) -> Option<KindOfAccount> {
    kinds().into_iter().find(|kind| kind.name == account.kind)
}

/// The first thing that is missing. Nothing is, where a bridge brings the tokens.
pub fn lack_of(account: &AccountReport, report: &Report) -> Option<Lack> {
    if account.from.is_some() {
        return None;
    }
    let put = |what: Missing, field: &str| {
        let hint = Hint::Put {
            account: account.name.clone(),
            field: field.into(),
            before: None,
        };
        Some(Lack { what, hint })
    };
    let needs = kind_of(account)?.needs;
    if needs.contains(&"parent") {
        match &account.parent {
            None => return put(Missing::Parent, "parent"),
            Some(parent) if report.account(parent).is_none() => {
                return put(Missing::ParentGone(parent.clone()), "parent");
            }
            Some(_) => {}
        }
    }
    let field = needs.iter().find(|field| **field != "parent")?;
    let mut tokens = account.tokens.iter();
    let secret = tokens
        .find(|token| token.is_access_token())
        .and_then(|token| token.put.as_ref());
    if secret.is_none_or(|secret| secret.at.is_none()) {
        return put(Missing::Field(field), field);
    }
    let good_until = secret.and_then(|secret| secret.good_until);
    let is_over = good_until.is_some_and(|until| until < report.now);
    if is_over {
        return put(Missing::FieldTooOld(field), field);
    }
    None
}
