//! The kinds of account, and the credentials that each can have. The answers come from the recipe table.

use super::recipe::{ParentKind, Recipe, Value};
use super::recipes::recipes;
use crate::names::ACCESS_TOKEN;

/// A kind of account. It is the recipe of the kind's access token.
#[derive(Clone, Copy, Debug)]
pub struct Kind(&'static Recipe);

impl Kind {
    pub fn named(name: &str) -> Option<Kind> {
        let token = |recipe: &&Recipe| recipe.credential == ACCESS_TOKEN;
        recipes()
            .filter(token)
            .find(|recipe| recipe.kinds[0] == name)
            .map(Kind)
    }

    pub fn all() -> impl Iterator<Item = Kind> {
        recipes()
            .filter(|recipe| recipe.credential == ACCESS_TOKEN)
            .map(Kind)
    }

    pub fn name(self) -> &'static str {
        self.0.kinds[0]
    }

    /// The recipe of its access token.
    pub fn token(self) -> &'static Recipe {
        self.0
    }

    /// Every credential of an account of this kind, with its access token first.
    pub fn recipes(self) -> impl Iterator<Item = &'static Recipe> {
        let own = |recipe: &&Recipe| recipe.kinds.contains(&self.name());
        let (tokens, others): (Vec<_>, Vec<_>) = recipes()
            .filter(own)
            .partition(|recipe| recipe.credential == ACCESS_TOKEN);
        tokens.into_iter().chain(others)
    }

    pub fn recipe(self, credential: &str) -> Option<&'static Recipe> {
        recipes()
            .find(|recipe| recipe.credential == credential && recipe.kinds.contains(&self.name()))
    }

    pub fn has_secret(self) -> bool {
        self.0.takes(Value::Secret)
    }

    /// The kind that the parent of such an account must have.
    pub fn parent(self) -> Option<Kind> {
        match self.0.parent {
            ParentKind::Account(kind) => Kind::named(kind),
            ParentKind::None | ParentKind::Own => None,
        }
    }

    /// The fields of `wxtoken_put` that accounts of this kind have.
    pub fn fields(self) -> Vec<&'static str> {
        let mut fields = vec!["current", "retry"];
        fields.extend(self.needs());
        fields
    }

    /// The fields that must be put before the first get.
    pub fn needs(self) -> impl Iterator<Item = &'static str> {
        let parent = self.parent().map(|_| "parent");
        let pushed = self.0.pushed.as_ref().map(|put| put.field);
        parent.into_iter().chain(pushed)
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Kind) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use std::collections::HashSet;

    #[test]
    fn each_kind_leads_to_its_own_row() {
        for kind in Kind::all() {
            assert_eq!(kind.token().kinds, [kind.name()]);
            assert!(!kind.token().about.is_empty());
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert_eq!(kind.recipe(ACCESS_TOKEN), Some(kind.token()));
            assert_eq!(kind.recipes().next(), Some(kind.token()));
        }
    }

    #[test]
    fn rows_are_complete_and_do_not_collide() {
        let mut endpoints = HashSet::new();
        for recipe in recipes() {
            let name = recipe.endpoint;
            assert!(endpoints.insert(name), "{name} twice");
            for kind in recipe.kinds {
                assert!(Kind::named(kind).is_some(), "{name}: no kind {kind}");
            }
            assert!(recipe.path.starts_with('/') && recipe.token.starts_with('/'));
            assert_eq!(recipe.takes(Value::Put), recipe.pushed.is_some(), "{name}");
            assert_eq!(
                recipe.takes(Value::ParentToken),
                recipe.parent != ParentKind::None,
                "{name}"
            );
            let knows_stale = !recipe.stale_parent.is_empty() || recipe.stale_parent_word.is_some();
            assert_eq!(knows_stale, recipe.parent != ParentKind::None, "{name}");
            // An access token is fetched with another account's token or with none. The others take the account's own
            // token or none.
            let is_token = recipe.credential == ACCESS_TOKEN;
            match recipe.parent {
                ParentKind::None => {}
                ParentKind::Own => assert!(!is_token, "{name}"),
                ParentKind::Account(_) => assert!(is_token, "{name}"),
            }
            assert!(!recipe.posts_nothing || recipe.body.is_empty(), "{name}");
        }
    }

    /// Threads hold one link of a chain while they wait for the next. They cannot deadlock, because each chain ends.
    #[test]
    fn a_chain_of_parents_ends() {
        for kind in Kind::all() {
            let mut links = 0;
            let mut next = kind.parent();
            while let Some(parent) = next {
                links += 1;
                assert!(links < 8, "{} has an endless chain", kind.name());
                next = parent.parent();
            }
        }
    }

    #[test]
    fn a_kind_lists_what_its_accounts_have() {
        let kind = |name: &str| Kind::named(name).unwrap();
        assert!(kind("official").has_secret() && !kind("authorizer").has_secret());
        assert_eq!(kind("official").parent(), None);
        assert_eq!(kind("authorizer").parent(), Some(kind("component")));
        assert_ne!(kind("authorizer"), kind("component"));
        assert_eq!(kind("official").fields(), ["current", "retry"]);
        let fields = ["current", "retry", "parent", "refresh_token"];
        assert_eq!(kind("authorizer").fields(), fields);
    }

    #[test]
    fn a_recipe_knows_whether_it_can_force_and_what_refuses_its_parent() {
        let official = Kind::named("official").unwrap();
        let classic = Kind::named("official_classic").unwrap();
        assert!(official.token().can_force() && !classic.token().can_force());
        assert_eq!(official.token().noun(), "token");
        let ticket = official.recipe("jsapi_ticket").unwrap();
        assert_eq!(ticket.noun(), "jsapi_ticket");
        let code = ticket.stale_parent[0];
        assert!(ticket.refuses_parent(code, "") && !ticket.refuses_parent(1, ""));
        // This kind has no parent whose token could be refused.
        assert!(!official.token().refuses_parent(code, ""));
        let dingtalk = Kind::named("dingtalk").unwrap();
        let ticket = dingtalk.recipe("jsapi_ticket").unwrap();
        assert!(ticket.refuses_parent(0, "InvalidAuthentication: no"));
        for other in [
            "Forbidden: InvalidAuthentication",
            "InvalidAuthenticationX: no",
            "",
        ] {
            assert!(!ticket.refuses_parent(0, other), "{other}");
        }
        assert!(
            !dingtalk
                .token()
                .refuses_parent(0, "InvalidAuthentication: no")
        );
        let options = Options::default();
        let url = official.token().base_url(&options);
        assert_eq!(url, "https://api.weixin.qq.com");
    }
}
