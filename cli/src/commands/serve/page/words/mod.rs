//! The texts of the page. `english` and `chinese` fill in the same fields. The names of verbs, kinds and fields, and
//! a platform's own messages, are the same in both.

mod advice;
mod chinese;
mod english;

pub use self::advice::remedy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    /// The language's tag in HTML and HTTP.
    pub fn tag(self) -> &'static str {
        self.words().tag
    }

    pub fn tagged(tag: &str) -> Option<Language> {
        [Language::English, Language::Chinese]
            .into_iter()
            .find(|language| language.tag() == tag)
    }

    pub fn other(self) -> Language {
        match self {
            Language::English => Language::Chinese,
            Language::Chinese => Language::English,
        }
    }

    /// The language that an Accept-Language prefers. English if it names neither.
    pub fn accepted(header: &str) -> Language {
        let mut best = (Language::English, 0.0);
        for part in header.split(',') {
            let mut words = part.split(';').map(str::trim);
            let tag = words.next().unwrap_or_default().to_ascii_lowercase();
            let language = match tag.split('-').next() {
                Some("zh") => Language::Chinese,
                Some("en") => Language::English,
                _ => continue,
            };
            let weight = words.find_map(|word| word.strip_prefix("q="));
            let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            if weight > best.1 {
                best = (language, weight);
            }
        }
        best.0
    }

    pub fn words(self) -> &'static Words {
        match self {
            Language::English => &english::WORDS,
            Language::Chinese => &chinese::WORDS,
        }
    }
}

/// The texts of the page. A text between backticks is a command.
pub struct Words {
    pub tag: &'static str,
    /// The language's own name, for readers who do not know the other one.
    pub own_name: &'static str,
    pub title: &'static str,
    pub skip: &'static str,
    pub signed_in_as: &'static str,
    pub sign_out: &'static str,
    /// The mark between a word and its subject.
    pub colon: &'static str,
    pub as_of: &'static str,
    pub reload: &'static str,
    pub stale: &'static str,

    pub sign_in: &'static str,
    pub sign_in_lead: &'static str,
    pub key: &'static str,
    pub key_help: &'static str,
    pub wrong_key: &'static str,
    pub too_many_wrong_keys: &'static str,
    pub may_not: &'static str,
    pub too_many_calls: &'static str,
    pub sent_from_elsewhere: &'static str,
    pub forwarded: &'static str,
    pub session_over: &'static str,
    pub busy: &'static str,
    pub store_unusable: &'static str,

    pub all_valid: &'static str,
    pub all_valid_but: fn(usize) -> String,
    pub without_token: fn(usize, usize) -> String,
    pub no_account: &'static str,
    pub no_account_help: &'static str,
    pub sees_no_account: &'static str,

    pub to_do: &'static str,
    pub no_valid_token: &'static str,
    pub still_valid: &'static str,
    pub failed: &'static str,
    pub failed_times: fn(i64) -> String,
    pub next_try_in: fn(&str) -> String,
    pub next_get_tries: &'static str,
    pub remedy: &'static str,
    pub contested: &'static str,
    pub falsely_rejected: fn(&str, usize) -> String,
    pub needs_parent: &'static str,
    pub parent_gone: fn(&str) -> String,
    pub needs_field: fn(&str) -> String,
    pub field_too_old: fn(&str) -> String,
    pub unknown_kind: fn(&str) -> String,

    pub accounts: &'static str,
    pub account: &'static str,
    pub life_left: &'static str,
    pub share_left: fn(u32) -> String,
    pub fetched: &'static str,
    pub fetched_by: &'static str,
    pub current: &'static str,
    pub comes_from: fn(&str) -> String,
    pub is_due: &'static str,
    pub rejected: &'static str,
    pub expired: fn(&str) -> String,
    pub ended: &'static str,
    pub waiting: &'static str,
    pub no_token: &'static str,
    pub not_fetched: &'static str,
    pub see_why: &'static str,

    pub clients: &'static str,
    pub sees_itself: &'static str,
    pub client: &'static str,
    pub may_see: &'static str,
    pub all_accounts: &'static str,
    pub and_more: fn(usize) -> String,
    pub may_do: &'static str,
    pub last_call: &'static str,
    pub no_call: &'static str,
    pub answered: &'static str,
    pub unanswered: &'static str,

    pub server: &'static str,
    pub version: &'static str,
    pub running_for: &'static str,
    pub keeper: &'static str,
    pub keeper_runs: &'static str,
    pub keeper_does_not_run: &'static str,
    pub keeper_unknown: &'static str,
    pub store: &'static str,
    pub store_server: &'static str,
    pub clock_step: &'static str,
    pub clock_stepped: fn(i64, &str) -> String,
    pub answers_in: fn(&str, f64) -> String,
    pub role_unknown: &'static str,
    pub calls: &'static str,
    pub calls_counted: fn(u64, u64, u64) -> String,
    pub away: &'static str,
    pub degraded: &'static str,
    pub reader: &'static str,
    pub not_trusted: &'static str,

    pub ago: fn(&str) -> String,
    pub span: fn(i64) -> String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_preferred_language_of_the_two_is_used() {
        for (header, language) in [
            ("", Language::English),
            ("fr", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB,en;q=0.9,zh;q=0.8", Language::English),
            ("fr, zh-TW;q=0.5", Language::Chinese),
            ("en;q=0.1, ZH;q=0.2", Language::Chinese),
            ("zh;q=0, fr", Language::English),
            ("zh;q=x", Language::English),
        ] {
            assert_eq!(Language::accepted(header), language, "{header}");
        }
    }

    #[test]
    fn each_language_is_found_by_its_tag() {
        for language in [Language::English, Language::Chinese] {
            assert_eq!(Language::tagged(language.tag()), Some(language));
            assert_eq!(language.other().other(), language);
        }
        assert_eq!(Language::tagged("fr"), None);
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let chinese = Language::Chinese.words().span;
        assert_eq!(chinese(59), "59 秒");
        assert_eq!(chinese(125), "2 分 05 秒");
        assert_eq!(chinese(6480), "1 小时 48 分");
        assert_eq!(chinese(90_000), "1 天 1 小时");
    }
}
