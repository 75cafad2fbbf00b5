//! The page's tables of accounts, of clients and of the server itself.

use maud::{Markup, html};
use wxtoken::tool::{Report, shown};

use super::frame::{class_of, with_commands};
use super::overview::{ClientLine, Line, Overview};
use super::troubles::{self, id_of};
use super::words::{Language, Words};
use crate::standing::{Life, Tone};

/// The most names in one cell.
const MOST_NAMES: usize = 5;

pub fn all(overview: &Overview, lines: &[Line], language: Language) -> Markup {
    let words = language.words();
    let report = overview.report.as_ref();
    html! {
        @if let Some(report) = report {
            (troubles::of_store(words, report))
            (troubles::of_accounts(report, lines, language))
            @if report.size() == 0 && overview.sees_all {
                p { (with_commands(words.no_account_help)) }
            }
            @if !lines.is_empty() { (accounts(words, report, lines)) }
        }
        (clients(words, overview))
        (server(words, overview))
    }
}

/// The table of accounts. It states ARIA roles, because a narrow screen shows rows as blocks, which removes the roles
/// of a table.
fn accounts(words: &Words, report: &Report, lines: &[Line]) -> Markup {
    html! {
        section aria-labelledby="accounts" {
            h2 #accounts { (words.accounts) " " span.count { (report.accounts.len()) } }
            table role="table" aria-labelledby="accounts" {
                thead role="rowgroup" { tr role="row" {
                    @for title in [words.account, words.life_left, words.fetched, words.fetched_by] {
                        th scope="col" role="columnheader" { (title) }
                    }
                } }
                tbody role="rowgroup" {
                    @for line in lines { (account_row(words, report, line)) }
                }
            }
        }
    }
}

fn account_row(words: &Words, report: &Report, line: &Line) -> Markup {
    let (account, token) = (line.account, line.token);
    let is_own = token.is_access_token();
    let tone = class_of(line.tone());
    html! {
        tr role="row" class=(if is_own { "own" } else { "ticket" }) {
            th scope="row" role="rowheader" {
                @if is_own {
                    span.name { (shown(&account.name)) }
                    @if account.current { " " span.badge { (words.current) } }
                    @if let Some(host) = line.host() { " " span.quiet { "@" (host) } }
                    span.id { (account.kind) " · " (shown(&account.id))
                        @if let Some(store) = &account.from { " · " ((words.comes_from)(&shown(store))) }
                    }
                } @else {
                    span.credential {
                        span.unseen { (shown(&account.name)) } "/" (token.credential)
                        @if let Some(host) = line.host() { " @" (host) }
                    }
                }
            }
            td.life role="cell" data-title=(words.life_left) {
                (life(words, line.life, tone))
                @if !line.troubles.is_empty() {
                    " " a href=(format!("#t{}", id_of(line))) id=(format!("w{}", id_of(line))) {
                        (words.see_why)
                        span.unseen { (words.colon) (shown(&account.name_of(token))) }
                    }
                }
            }
            td role="cell" data-title=(words.fetched) {
                @if let Some(at) = token.fetched_at {
                    ((words.ago)(&(words.span)(report.now - at)))
                } @else { span.quiet { "–" } }
            }
            td role="cell" data-title=(words.fetched_by) {
                @if token.fetched_by.is_empty() { span.quiet { "–" } } @else { (shown(&token.fetched_by)) }
            }
        }
    }
}

/// The bar of a token's life. It is a drawing, because the policy forbids styles, and its width is an attribute.
fn life(words: &Words, life: Life, tone: &str) -> Markup {
    let text = match life {
        Life::Left {
            share,
            seconds,
            is_due,
        } => {
            let percent = format!("{:.0}", (share * 100.0).ceil());
            let label = (words.share_left)(percent.parse().unwrap_or(0));
            return html! {
                svg.bar.(tone) viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=(label) {
                    rect.fill width=(percent) height="8" {}
                }
                span.left { ((words.span)(seconds)) }
                @if is_due { " " span.state.(tone) { (words.is_due) } }
            };
        }
        Life::Rejected { .. } => words.rejected.to_owned(),
        Life::Expired { seconds_ago } => (words.expired)(&(words.span)(seconds_ago)),
        Life::Ended => words.ended.to_owned(),
        Life::Waiting => words.waiting.to_owned(),
        Life::Failed => words.no_token.to_owned(),
        Life::NotFetched => words.not_fetched.to_owned(),
    };
    html! { span.state.(tone) { (text) } }
}

fn clients(words: &Words, overview: &Overview) -> Markup {
    let titles = [
        words.client,
        words.may_see,
        words.may_do,
        words.last_call,
        words.answered,
        words.unanswered,
    ];
    html! {
        section aria-labelledby="clients" {
            h2 #clients { (words.clients) " " span.count { (overview.clients.len()) } }
            table role="table" aria-labelledby="clients" {
                thead role="rowgroup" { tr role="row" {
                    @for title in titles { th scope="col" role="columnheader" { (title) } }
                } }
                tbody role="rowgroup" {
                    @for line in &overview.clients { (client_row(words, overview, line, titles)) }
                }
            }
            @if !overview.sees_all { p.quiet { (words.sees_itself) } }
        }
    }
}

fn client_row(words: &Words, overview: &Overview, line: &ClientLine, titles: [&str; 6]) -> Markup {
    let unanswered = line.calls.unanswered;
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { span.name { (line.name) } }
            td role="cell" data-title=(titles[1]) { (sees(words, line)) }
            td role="cell" data-title=(titles[2]) { (line.client.allow.join(", ")) }
            td role="cell" data-title=(titles[3]) {
                @if let Some(last) = &line.calls.last {
                    span.verb { (last.verb) @if let Some(account) = &last.account { " " (shown(account)) } }
                    " " span.state.(if last.result == "ok" { "good" } else { "bad" }) { (last.result) }
                    " " span.quiet { ((words.ago)(&(words.span)(overview.now - last.at))) }
                } @else { span.quiet { (words.no_call) } }
            }
            td.number role="cell" data-title=(titles[4]) { (line.calls.answered) }
            td.number role="cell" data-title=(titles[5]) {
                @if unanswered > 0 { span.state.bad { (unanswered) } } @else { "0" }
            }
        }
    }
}

fn sees(words: &Words, line: &ClientLine) -> Markup {
    let Some(names) = &line.client.accounts else {
        return html! { (words.all_accounts) };
    };
    let first: Vec<_> = names
        .iter()
        .take(MOST_NAMES)
        .map(|name| shown(name))
        .collect();
    html! {
        (first.join(", "))
        @if names.len() > MOST_NAMES { " " ((words.and_more)(names.len() - MOST_NAMES)) }
        @if names.is_empty() { span.quiet { "–" } }
    }
}

fn server(words: &Words, overview: &Overview) -> Markup {
    let [answered, refused, failed] = overview.calls;
    let fact = |title: &str, text: Markup| html! { div { dt { (title) } dd { (text) } } };
    html! {
        section aria-labelledby="server" {
            h2 #server { (words.server) }
            dl.card {
                (fact(words.version, html! { (env!("CARGO_PKG_VERSION")) }))
                (fact(words.running_for, html! { ((words.span)(overview.running_s)) }))
                @if let Some(report) = &overview.report {
                    (fact(words.keeper, keeper(words, report)))
                    (fact(words.store, html! { (shown(&report.store)) }))
                    @if let Some(server) = &report.server {
                        @let role = server.role.as_deref().unwrap_or(words.role_unknown);
                        (fact(words.store_server, html! { ((words.answers_in)(role, server.round_trip_ms)) }))
                    }
                    @if let Some(step) = report.clock_step {
                        @let ago = (words.span)(report.now - step.at);
                        (fact(words.clock_step, html! { ((words.clock_stepped)(step.by_ms, &ago)) }))
                    }
                } @else {
                    (fact(words.store, html! { span.state.bad { (words.store_unusable) } }))
                }
                (fact(words.calls, html! { ((words.calls_counted)(answered, refused, failed)) }))
            }
        }
    }
}

fn keeper(words: &Words, report: &Report) -> Markup {
    let (text, tone) = match report.keeper {
        Some(true) => (words.keeper_runs, Tone::Good),
        Some(false) => (words.keeper_does_not_run, Tone::Warning),
        None => (words.keeper_unknown, Tone::Quiet),
    };
    html! { span.state.(class_of(tone)) { (text) } }
}
