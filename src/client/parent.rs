//! The parent's token: for a ticket its account's access token, for an authorizer its component's token. `get` has the
//! rules of such chains.

use super::lead::{LeadResult, ParentCredential};
use super::register::load_account;
use super::session::Session;
use crate::account::Credential;
use crate::credential::Freshness;
use crate::error::{Error, Hint, Result, Status};
use crate::platform::{Kind, ParentKind, ParentToken};
use crate::process::cache::CachedToken;
use crate::secrets::Secret;

impl Session {
    /// Runs `fetch` with the parent's token. If the platform does not accept that token, runs it once more with another
    /// one.
    pub(super) fn with_parent(
        &self,
        found: &Credential,
        if_busy: IfBusy,
        fetch: impl Fn(ParentCredential) -> Result<LeadResult>,
    ) -> Result<LeadResult> {
        let parent = match found.account.origin() {
            // The upstream has the parent.
            Some(_) => None,
            None => self.parent_token(found, if_busy)?,
        };
        let Some(parent) = parent else {
            return fetch(ParentCredential {
                token: None,
                may_be_stale: false,
            });
        };
        let first = fetch(ParentCredential {
            token: Some(&parent),
            may_be_stale: true,
        })?;
        if !matches!(first, LeadResult::StaleParent) {
            return Ok(first);
        }
        self.reject(Some(parent_name(found)?), &parent.token)?;
        let next = self.parent_token(found, if_busy)?;
        fetch(ParentCredential {
            token: next.as_ref(),
            may_be_stale: false,
        })
    }

    /// Returns the token that a credential is fetched with, if its recipe takes one.
    pub(super) fn parent_token(
        &self,
        found: &Credential,
        if_busy: IfBusy,
    ) -> Result<Option<ParentToken>> {
        let id = match found.recipe.parent {
            ParentKind::None => return Ok(None),
            ParentKind::Own => found.account.id.clone(),
            ParentKind::Account(kind) => self.parent_id(found, kind)?,
        };
        let name = parent_name(found)?;
        let token = self.token_of_parent(name, if_busy);
        let token = token.map_err(|e| needed_for(e, found))?;
        Ok(Some(ParentToken {
            id,
            token: Secret::new(token.value.to_string()),
        }))
    }

    pub(super) fn token_of_parent(&self, name: &str, if_busy: IfBusy) -> Result<CachedToken> {
        let cache = &self.state.cache;
        let revalidate_ms = self.options.revalidate_ms;
        if let Some(token) = cache.hit(Some(name.as_bytes()), revalidate_ms, CachedToken::clone) {
            return Ok(token);
        }
        if if_busy == IfBusy::Wait {
            return self.get(Some(name));
        }
        let stamp = cache.stamp();
        let found = self.read_credential(Some(name))?;
        if self.freshness(&found) != Freshness::Spent
            && let Some(token) = self.publish(Some(name), stamp, &found.row)
        {
            return Ok(token);
        }
        if let Some(error) = self.standing_failure(&found) {
            return Err(error);
        }
        let what = format!("the token of account \"{name}\" is being fetched");
        self.try_lead(Some(name), found)?
            .ok_or_else(|| Error::new(Status::Timeout, what))
    }

    /// Returns the id of the account's parent. Fails if the parent is missing or of the wrong kind.
    pub(super) fn parent_id(&self, found: &Credential, kind: &str) -> Result<String> {
        let child = &found.account.name;
        let name = parent_name(found)?;
        let there = found.account.parent.as_ref().and_then(|p| p.there.as_ref());
        if there.is_none() {
            // Fails if the parent is of a kind that this version does not know.
            load_account(self, name)?;
        }
        match there {
            Some((known, id)) if Some(*known) == Kind::named(kind) => Ok(id.clone()),
            Some((other, _)) => Err(Error::new(
                Status::Account,
                format!("the parent of account \"{child}\" is of the wrong kind"),
            )
            .because(format!(
                "\"{name}\" is of kind {}, not {kind}",
                other.name()
            ))
            .hint(put_parent(child))),
            None => Err(Error::new(
                Status::Account,
                format!(
                    "the parent \"{name}\" of account \"{child}\" is not in store {}",
                    self.store_name()
                ),
            )
            .hint(Hint::RegisterAs {
                account: name.into(),
                kind: kind.into(),
            })),
        }
    }
}

/// The choice of waiting while another thread or process fetches the parent's token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IfBusy {
    Wait,
    /// Do not wait: there is a valid token to go on with.
    GiveUp,
}

/// Returns the name of the account that the parent's token belongs to.
pub(super) fn parent_name(found: &Credential) -> Result<&str> {
    match (&found.recipe.parent, &found.account.parent) {
        (ParentKind::Account(_), Some(parent)) => Ok(&parent.name),
        (ParentKind::Account(kind), None) => Err(Error::new(
            Status::Account,
            format!(
                "no parent has been put for account \"{}\"",
                found.account.name
            ),
        )
        .because(format!("it is fetched with the token of its {kind}"))
        .hint(put_parent(&found.account.name))),
        _ => Ok(&found.account.name),
    }
}

pub(super) fn put_parent(account: &str) -> Hint {
    Hint::Put {
        account: account.into(),
        field: "parent".into(),
        before: None,
    }
}

/// Adds to the error of a parent's token what that token is needed for.
pub(super) fn needed_for(mut error: Error, found: &Credential) -> Error {
    error.what += &format!(
        " (needed for the {} of account \"{}\")",
        found.recipe.noun(),
        found.account.name
    );
    error
}
