//! The HTML around the tables: the head, the header, and the form to sign in. maud escapes every text.

use chrono::{DateTime, SecondsFormat};
use maud::{DOCTYPE, Markup, html};
use wxtoken::tool::Status;

use super::super::admission::Refusal;
use super::overview::{Overview, Summary, lines, summary};
use super::tables;
use super::words::{Language, Words};
use crate::standing::Tone;

/// The message above the form.
pub enum Notice<'a> {
    SessionOver,
    Refused(&'a Refusal),
}

impl Notice<'_> {
    fn text(&self, words: &'static Words) -> &'static str {
        let refusal = match self {
            Notice::SessionOver => return words.session_over,
            Notice::Refused(refusal) => refusal,
        };
        match refusal {
            Refusal::Forwarded => words.forwarded,
            Refusal::FromElsewhere => words.sent_from_elsewhere,
            Refusal::Unknown | Refusal::NotSeen => words.wrong_key,
            Refusal::TooManyWrongKeys => words.too_many_wrong_keys,
            Refusal::NotAllowed(_) => words.may_not,
            Refusal::TooManyCalls(_) => words.too_many_calls,
            Refusal::Failed(error) if error.retry_after_ms > 0 => words.busy,
            Refusal::Failed(error) if error.status == Status::Argument => words.wrong_key,
            Refusal::Failed(_) => words.store_unusable,
        }
    }
}

pub fn sign_in_form(language: Language, notice: Option<Notice>) -> Markup {
    let words = language.words();
    let header = html! { (other_language(language)) };
    let main = html! {
        form #sign-in.card method="post" action="/" {
            h1 { (words.sign_in) }
            @if let Some(notice) = &notice {
                p #notice.notice.bad role="alert" { (with_commands(notice.text(words))) }
            }
            p { (words.sign_in_lead) }
            label for="key" { (words.key) }
            // A browser can save the key as a password if there is a user name.
            input name="user" type="text" autocomplete="username" value="wxtoken" hidden;
            input #key name="key" type="password" required autofocus autocomplete="current-password"
                spellcheck="false" aria-describedby="key-help";
            p #key-help.quiet { (with_commands(words.key_help)) }
            button type="submit" { (words.sign_in) }
        }
    };
    document(language, &header, &main, false)
}

/// The whole page, for a client that may see it.
pub fn whole(overview: &Overview, language: Language, has_session: bool) -> Markup {
    let words = language.words();
    let lines = overview.report.as_ref().map(lines).unwrap_or_default();
    let summed = overview
        .report
        .as_ref()
        .map(|report| summary(report, &lines));
    let header = html! {
        (other_language(language))
        span.who { (words.signed_in_as) " " b { (overview.caller) } }
        @if has_session {
            form method="post" action="/sign-out" { button.plain type="submit" { (words.sign_out) } }
        }
    };
    let main = html! {
        div #summary.(class_of(summed.as_ref().map_or(Tone::Bad, |one| one.tone))) role="status" {
            (headline(words, overview, summed.as_ref()))
        }
        p.when.quiet {
            span #as-of { (words.as_of) " " (moment(overview.now)) }
            noscript { " · " a href="/" { (words.reload) } }
        }
        p #stale.notice.bad role="alert" hidden { (words.stale) }
        div #live { (tables::all(overview, &lines, language)) }
    };
    document(language, &header, &main, true)
}

fn headline(words: &Words, overview: &Overview, summary: Option<&Summary>) -> Markup {
    let text = match summary {
        None => words.store_unusable.to_owned(),
        Some(Summary { accounts: 0, .. }) => match overview.sees_all {
            true => words.no_account.to_owned(),
            false => words.sees_no_account.to_owned(),
        },
        Some(one) if one.without_token > 0 => {
            (words.without_token)(one.without_token, one.accounts)
        }
        Some(one) if one.troubled > 0 => (words.all_valid_but)(one.troubled),
        Some(_) => words.all_valid.to_owned(),
    };
    html! { h1 { (text) } }
}

fn document(language: Language, header: &Markup, main: &Markup, refreshes: bool) -> Markup {
    let words = language.words();
    html! {
        (DOCTYPE)
        html lang=(words.tag) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { "wxtoken · " (words.title) }
                link rel="icon" href="/page.svg" type="image/svg+xml";
                link rel="stylesheet" href="/page.css";
                @if refreshes {
                    script src="/page.js" defer {}
                    noscript { meta http-equiv="refresh" content="60"; }
                }
            }
            body {
                a.skip href="#main" { (words.skip) }
                header {
                    div.inside {
                        a.brand href="/" { "wxtoken" }
                        span.title { (words.title) }
                        (header)
                    }
                }
                main #main tabindex="-1" { (main) }
            }
        }
    }
}

fn other_language(language: Language) -> Markup {
    let other = language.other();
    let href = format!("/?language={}", other.tag());
    html! {
        a.language href=(href) lang=(other.tag()) hreflang=(other.tag()) { (other.words().own_name) }
    }
}

pub fn class_of(tone: Tone) -> &'static str {
    match tone {
        Tone::Quiet => "quiet",
        Tone::Good => "good",
        Tone::Warning => "warning",
        Tone::Bad => "bad",
    }
}

/// Text with each command between backticks.
pub fn with_commands(text: &str) -> Markup {
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A time in UTC, because the server does not know the reader's time zone.
pub fn moment(seconds: i64) -> Markup {
    let at = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    html! {
        time datetime=(at.to_rfc3339_opts(SecondsFormat::Secs, true)) {
            (at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_between_backticks_is_a_command_and_everything_is_escaped() {
        let drawn = with_commands("run `wxtoken <b>` & wait").into_string();
        assert_eq!(drawn, "run <code>wxtoken &lt;b&gt;</code> &amp; wait");
        assert_eq!(with_commands("`").into_string(), "<code></code>");
    }
}
