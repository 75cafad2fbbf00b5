//! `wxtoken quota`: shows the calls left today, shows WeChat's record of one request, and clears the day's counts.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use wxtoken::tool::{NotedRequest, QuotaAnswer, RateLimit, Store, check_api_path, rid_in};

use crate::args::Quota;
use crate::exit::{ExitResult, Failure, NO};
use crate::ui::layout;
use crate::ui::output;
use crate::ui::shell::quoted;
use crate::ui::terminal::Terminal;
use crate::ui::time::moment;
use crate::ui::width::width;

/// WeChat's errcode when the day's calls are used up.
const USED_UP: i32 = 45009;
/// WeChat's errcode when no API has that path.
const NO_SUCH_API: i32 = 76021;

pub fn run(store: &Store, quota: &Quota) -> ExitResult {
    match &quota.rid {
        Some(pasted) => show_request(store, quota, pasted),
        None if quota.clear => clear(store, quota),
        None => show_counts(store, quota),
    }
}

fn show_counts(store: &Store, quota: &Quota) -> ExitResult {
    let name = &quota.name;
    for path in &quota.paths {
        check_api_path(path)?;
    }
    let paths: Vec<&str> = match quota.paths.is_empty() {
        true => store.usual_paths(name)?,
        false => quota.paths.iter().map(String::as_str).collect(),
    };
    let answers = paths
        .iter()
        .map(|path| Ok((*path, store.quota(name, path)?)));
    let answers: Vec<(&str, QuotaAnswer)> = answers.collect::<Result<_, Failure>>()?;
    if quota.json {
        let apis: Vec<Value> = answers.iter().map(in_json).collect();
        output::print_json(&json!({"name": name, "apis": apis}))?;
    } else {
        let unicode = Terminal::of_stdout().unicode;
        let lines = layout::in_columns(&table(&answers, unicode));
        let lines = lines.iter().map(|line| line.render(None, unicode) + "\n");
        output::print(&lines.collect::<String>())?;
    }
    let lacks =
        |(_, answer): &(&str, QuotaAnswer)| matches!(answer, QuotaAnswer::NotCounted { .. });
    match !quota.paths.is_empty() && answers.iter().any(lacks) {
        true => Ok(NO),
        false => Ok(0),
    }
}

fn in_json((path, answer): &(&str, QuotaAnswer)) -> Value {
    let mut api = match answer {
        QuotaAnswer::Counted(quota) => json!(quota),
        QuotaAnswer::NotCounted { errcode, said } => json!({"errcode": errcode, "why": said}),
    };
    api["path"] = json!(path);
    api
}

fn table(answers: &[(&str, QuotaAnswer)], unicode: bool) -> Vec<[String; 5]> {
    let mut rows = vec![["API", "USED", "LIMIT", "LEFT", "RATE"].map(str::to_owned)];
    let none = if unicode { "–" } else { "-" };
    rows.extend(answers.iter().map(|(path, answer)| {
        let [used, limit, left, rate] = match answer {
            QuotaAnswer::Counted(quota) => {
                let numbers = [quota.used, quota.daily_limit, quota.remain];
                let [used, limit, left] = numbers.map(|number| number.to_string());
                let own = quota.rate_limit.as_ref().map(rate);
                let of_component = quota.component_rate_limit.as_ref();
                let of_component =
                    of_component.map(|limit| format!("{} by its component", rate(limit)));
                let rates: Vec<String> = own.into_iter().chain(of_component).collect();
                [used, limit, left, rates.join(", ")]
            }
            QuotaAnswer::NotCounted { errcode, .. } => {
                let why = match *errcode {
                    NO_SUCH_API => "no such API",
                    _ => "not counted for this account",
                };
                let why = format!("{why} (errcode {errcode})");
                [none.into(), none.into(), none.into(), why]
            }
        };
        [(*path).to_owned(), used, limit, left, rate]
    }));
    for column in 1..4 {
        let widest = rows.iter().map(|row| width(&row[column])).max();
        for row in &mut rows {
            let blanks = widest.unwrap_or(0) - width(&row[column]);
            row[column].insert_str(0, &" ".repeat(blanks));
        }
    }
    rows
}

/// Returns a rate limit as `60/min`.
fn rate(limit: &RateLimit) -> String {
    match limit.refresh_second {
        1 => format!("{}/s", limit.call_count),
        60 => format!("{}/min", limit.call_count),
        seconds => format!("{}/{seconds}s", limit.call_count),
    }
}

fn show_request(store: &Store, quota: &Quota, pasted: &str) -> ExitResult {
    let Some(rid) = rid_in(pasted) else {
        return Err(Failure::usage("the value of --rid contains no rid").advise(
            "Give the rid at the end of WeChat's errmsg, such as 617682e0-09059ac5-34a8e2ea, or the whole errmsg in quotes.",
        ));
    };
    let noted = store.noted_request(&quota.name, rid)?;
    if quota.json {
        return output::print_json(&json!({"name": quota.name, "rid": rid, "request": noted}));
    }
    output::print_lines(&told(rid, &noted))
}

fn told(rid: &str, noted: &NotedRequest) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs().cast_signed());
    let lines = [
        ("rid", rid.to_owned()),
        ("at", moment(noted.invoke_time, now)),
        ("took", format!("{} ms", noted.cost_in_ms)),
        ("from", noted.client_ip.clone()),
        ("url", noted.request_url.clone()),
        ("request", noted.request_body.clone()),
        ("answer", noted.response_body.clone()),
    ];
    let lines = lines.iter().filter(|(_, text)| !text.is_empty());
    lines
        .map(|(what, text)| format!("{what:<9}{text}\n"))
        .collect()
}

fn clear(store: &Store, quota: &Quota) -> ExitResult {
    let name = &quota.name;
    // This fails if the account has no counts, before the question is asked.
    store.usual_paths(name)?;
    if !quota.yes {
        let account = store.account(Some(name))?;
        let question = format!(
            "Set the day's counts of all APIs of account \"{name}\" ({} {}) back to 0? This uses one of the ten clears that WeChat allows in a month.",
            account.kind, account.id
        );
        if !output::confirm(&question, "--yes")? {
            output::say_nothing_is_changed();
            return Ok(NO);
        }
    }
    store.clear_quota(name)?;
    let code = output::print_line(&format!(
        "{name}: the day's counts of all its APIs are 0 again; one of the month's ten clears is used"
    ))?;
    let report = store.report()?;
    let tokens = report.account(name).map(|account| &account.tokens);
    let mut failures = tokens
        .into_iter()
        .flatten()
        .filter_map(|token| token.failure());
    if failures.any(|failure| failure.errcode == USED_UP) {
        output::hint(&format!(
            "Run `wxtoken retry {}`, because the fetch of its token still waits.",
            quoted(name)
        ));
    }
    Ok(code)
}
