//! The things that an account lacks before its token can be fetched.

use std::fmt;

use wxtoken::tool::{AccountReport, Hint, KindOfAccount, Report, kinds};

/// A missing thing, and the hint on how to supply it.
pub struct Lack {
    pub what: Missing,
    pub hint: Hint,
}

/// A missing thing, shown as `needs its verify_ticket`.
pub enum Missing {
    Parent,
    /// The parent of this name was removed.
    ParentGone(String),
    /// The field of this name has not been put.
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

/// Returns the first thing that an account lacks. An account of a bridge lacks nothing.
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
