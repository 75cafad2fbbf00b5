//! The page's troubles and remedies, of the store and of each account.

use maud::{Markup, html};
use wxtoken::tool::{Error, Report, UnknownAccountReport, shown};

use super::frame::{class_of, with_commands};
use super::overview::Line;
use super::words::{Language, Words, remedy};
use crate::needs::{Lack, Missing};
use crate::standing::{Tone, Trouble};

/// The troubles of the store as a whole.
pub fn of_store(words: &Words, report: &Report) -> Markup {
    let away = report
        .away
        .as_ref()
        .map(|why| (words.away, why.to_string()));
    let degraded = report
        .degraded
        .as_ref()
        .map(|why| (words.degraded, why.clone()));
    let reader = report
        .reader
        .as_ref()
        .filter(|_| report.keeper != Some(true));
    let reader = reader.map(|why| (words.reader, why.to_string()));
    let distrust = report.not_trusted.as_ref();
    let distrust = distrust.map(|why| (words.not_trusted, why.to_string()));
    html! {
        @for (what, why) in away.into_iter().chain(degraded).chain(reader).chain(distrust) {
            p.notice.warning { b { (what) } (words.colon) (shown(&why)) }
        }
    }
}

/// A card for each trouble, with its remedy.
pub fn of_accounts(report: &Report, lines: &[Line], language: Language) -> Markup {
    let words = language.words();
    let mut troubled: Vec<&Line> = lines
        .iter()
        .filter(|line| !line.troubles.is_empty())
        .collect();
    // Accounts without a token come first.
    troubled.sort_by_key(|line| std::cmp::Reverse(worst(line)));
    if troubled.is_empty() && report.unknown_accounts.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="to-do" {
            h2 #to-do { (words.to_do) }
            ul.cards {
                @for line in &troubled {
                    li.card.(class_of(worst(line))) id=(format!("t{}", id_of(line))) {
                        h3 { (shown(&line.account.name_of(line.token))) (badge(words, worst(line))) }
                        @for trouble in &line.troubles { (trouble_told(trouble, language)) }
                    }
                }
                @for account in &report.unknown_accounts { (unknown(words, account)) }
            }
        }
    }
}

fn worst(line: &Line) -> Tone {
    let troubles = line.troubles.iter().map(Trouble::tone);
    troubles.max().unwrap_or(Tone::Quiet)
}

fn badge(words: &Words, tone: Tone) -> Markup {
    let text = match tone {
        Tone::Bad => words.no_valid_token,
        _ => words.still_valid,
    };
    html! { " " span.badge.(class_of(tone)) { (text) } }
}

fn unknown(words: &Words, account: &UnknownAccountReport) -> Markup {
    html! {
        li.card.warning {
            h3 { (shown(&account.name)) (badge(words, Tone::Warning)) }
            p { ((words.unknown_kind)(&shown(&account.kind))) }
        }
    }
}

fn trouble_told(trouble: &Trouble, language: Language) -> Markup {
    let words = language.words();
    match trouble {
        Trouble::Lacks(Lack { what, hint }) => {
            let what = match what {
                Missing::Parent => words.needs_parent.to_owned(),
                Missing::ParentGone(parent) => (words.parent_gone)(&shown(parent)),
                Missing::Field(field) => (words.needs_field)(field),
                Missing::FieldTooOld(field) => (words.field_too_old)(field),
            };
            html! { p { (what) } (remedy_told(words, &remedy(hint, language))) }
        }
        Trouble::Fails {
            error,
            times,
            next_in,
            ..
        } => {
            let what = match times {
                0 | 1 => words.failed.to_owned(),
                more => (words.failed_times)(*more),
            };
            let next = match next_in {
                Some(seconds) => (words.next_try_in)(&(words.span)(*seconds)),
                None => words.next_get_tries.to_owned(),
            };
            html! {
                p { (what) (words.colon) q lang="en" { (cause(error)) } " " span.quiet { (next) } }
                (advice(words, error, language))
            }
        }
        Trouble::Contested(error) => html! {
            p { (words.contested) (words.colon) q lang="en" { (cause(error)) } }
            (advice(words, error, language))
        },
        Trouble::FalselyRejected { seconds_ago, times } => {
            let ago = (words.span)(*seconds_ago);
            html! { p { ((words.falsely_rejected)(&ago, *times)) } }
        }
    }
}

fn cause(error: &Error) -> String {
    shown(error.detail.as_ref().unwrap_or(&error.what)).into_owned()
}

fn advice(words: &Words, error: &Error, language: Language) -> Markup {
    match error.hint.as_deref() {
        Some(hint) => remedy_told(words, &remedy(hint, language)),
        None => html! {},
    }
}

fn remedy_told(words: &Words, remedy: &str) -> Markup {
    html! { p.remedy { b { (words.remedy) } (words.colon) (with_commands(&shown(remedy))) } }
}

/// The id by which a row links to its card.
pub fn id_of(line: &Line) -> String {
    format!("{}-{}", line.number, line.place)
}
