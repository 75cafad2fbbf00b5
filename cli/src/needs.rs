//! What an account lacks before its token can be fetched.

use wxtoken::tool::{AccountReport, Hint, KindOfAccount, Report, kinds};

/// Something that is missing.
pub struct Lack {
    /// `needs its verify_ticket`.
    pub what: String,
    pub hint: Hint,
}

pub fn kind_of(account: &AccountReport) -> Option<KindOfAccount> {
    kinds().into_iter().find(|kind| kind.name == account.kind)
}

/// The first thing that is missing. Nothing is, where a bridge brings the tokens.
pub fn lack_of(account: &AccountReport, report: &Report) -> Option<Lack> {
    if account.from.is_some() {
        return None;
    }
    let put = |what: String, field: &str| {
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
            None => return put("needs its parent".into(), "parent"),
            Some(parent) if report.account(parent).is_none() => {
                return put(format!("its parent \"{parent}\" is gone"), "parent");
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
        return put(format!("needs its {field}"), field);
    }
    let good_until = secret.and_then(|secret| secret.good_until);
    let is_over = good_until.is_some_and(|until| until < report.now);
    if is_over {
        return put(format!("its {field} is too old"), field);
    }
    None
}
