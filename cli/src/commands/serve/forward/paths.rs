//! Decides by the path whether a call is forwarded.

/// Calls whose replies would hold a token, a refresh token or a permanent code, and a call that shows an earlier
/// request.
const GIVE_TOKENS: [&str; 11] = [
    "/cgi-bin/component/api_get_authorizer_info",
    "/cgi-bin/component/api_get_authorizer_list",
    "/cgi-bin/component/api_query_auth",
    "/cgi-bin/corpgroup/corp/gettoken",
    "/cgi-bin/openapi/rid/get",
    "/cgi-bin/service/get_auth_info",
    "/cgi-bin/service/get_corp_token",
    "/cgi-bin/service/get_permanent_code",
    "/cgi-bin/service/get_provider_token",
    "/cgi-bin/service/v2/get_auth_info",
    "/cgi-bin/service/v2/get_permanent_code",
];

/// Calls that use up one of an account's ten resets a month. They are forwarded only if `--forward-paths` names them.
const SPEND: [&str; 4] = [
    "/cgi-bin/clear_quota",
    "/cgi-bin/clear_quota/v2",
    "/cgi-bin/component/clear_quota",
    "/cgi-bin/component/clear_quota/v2",
];

/// The prefix of calls about a user of the account. Their token is the user's, and they take the secret instead of
/// the account's token.
const OF_USERS: &str = "/sns/";

/// The paths that `--forward-paths` allows.
#[derive(Debug)]
pub struct Paths(Vec<Pattern>);

#[derive(Debug)]
enum Pattern {
    Is(String),
    Begins(String),
}

/// The decision on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    GoesOn,
    /// The call would give a token away, or clients may not use it.
    Withheld,
}

impl Paths {
    /// The paths that match one of the patterns. Without patterns, every path.
    pub fn of(patterns: &[String]) -> Paths {
        let patterns = patterns.iter().map(|text| match text.strip_suffix('*') {
            Some(begin) => Pattern::Begins(begin.to_owned()),
            None => Pattern::Is(text.clone()),
        });
        Paths(patterns.collect())
    }

    pub fn fate(&self, path: &str) -> Fate {
        let is_named = self.0.iter().any(|pattern| match pattern {
            Pattern::Is(text) => text == path,
            Pattern::Begins(begin) => path.starts_with(begin),
        });
        let spends = SPEND.contains(&path);
        let is_exact = || {
            let mut all = self.0.iter();
            all.any(|pattern| matches!(pattern, Pattern::Is(text) if text == path))
        };
        match () {
            () if GIVE_TOKENS.contains(&path) => Fate::Withheld,
            () if spends && !is_exact() => Fate::Withheld,
            () if self.0.is_empty() || is_named => Fate::GoesOn,
            () => Fate::Withheld,
        }
    }
}

/// The text in place of a path that may hold a secret.
pub const OTHER: &str = "other";

/// A path as the audit and the metrics show it. A long part, or one with many digits, may be a key, a token or a
/// secret, and is not a name of WeChat's.
pub fn shown(path: &str) -> &str {
    let may_be_seen = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        part.len() <= MOST_OF_A_PART && digits < MANY_DIGITS
    };
    match path.split('/').all(may_be_seen) {
        true => path,
        false => OTHER,
    }
}

/// The longest part that is shown. The longest known one has 35 letters: `getweanalysisappidmonthlyvisittrend`.
const MOST_OF_A_PART: usize = 40;
const MANY_DIGITS: usize = 6;

/// Whether the access_token of this call, and of its reply, belongs to a user and not to an account.
pub fn is_of_a_user(path: &str) -> bool {
    path.starts_with(OF_USERS)
}

/// The names of the parameters that hold an appid and its secret in this call.
pub fn takes_secret(path: &str) -> Option<(&'static str, &'static str)> {
    match path {
        "/sns/jscode2session" | "/sns/oauth2/access_token" => Some(("appid", "secret")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(patterns: &[&str]) -> Paths {
        Paths::of(
            &patterns
                .iter()
                .map(|one| one.to_string())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_list_lets_through_what_it_names() {
        let all = paths(&[]);
        let some = paths(&["/cgi-bin/user/info", "/wxa/*"]);
        for path in ["/cgi-bin/user/info", "/wxa/getwxacode"] {
            assert_eq!(all.fate(path), Fate::GoesOn);
            assert_eq!(some.fate(path), Fate::GoesOn);
        }
        for path in [
            "/cgi-bin/user/info2",
            "/cgi-bin/user/get",
            "/wxa",
            "/wxaapi/x",
        ] {
            assert_eq!(all.fate(path), Fate::GoesOn);
            assert_eq!(some.fate(path), Fate::Withheld, "{path}");
        }
    }

    #[test]
    fn a_path_with_a_key_a_token_or_a_secret_in_it_is_not_shown() {
        for path in [
            "/cgi-bin/user/info",
            "/datacube/getweanalysisappidmonthlyvisittrend",
            "/a/v2/b",
        ] {
            assert_eq!(shown(path), path);
        }
        for hidden in [
            "wxk_0123456789ab_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
            &"t".repeat(140),
        ] {
            assert_eq!(shown(&format!("/cgi-bin/{hidden}/x")), OTHER);
        }
    }

    #[test]
    fn calls_that_give_tokens_are_withheld_and_calls_that_spend_must_be_named() {
        for path in GIVE_TOKENS {
            for list in [paths(&[]), paths(&["/*"]), paths(&[path])] {
                assert_eq!(list.fate(path), Fate::Withheld, "{path}");
            }
        }
        for path in SPEND {
            assert_eq!(paths(&[]).fate(path), Fate::Withheld);
            assert_eq!(paths(&["/cgi-bin/*"]).fate(path), Fate::Withheld);
            assert_eq!(paths(&[path]).fate(path), Fate::GoesOn);
        }
    }
}
