//! `wxtoken status --prometheus`, parsed by the grammar of the text exposition format.

use std::collections::{HashMap, HashSet};

use super::Desk;
use super::status::busy_desk;

/// One line that is not a comment.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// Parses a text as strictly as the format allows. Panics on an error.
fn read(text: &str) -> Vec<Sample> {
    assert!(text.ends_with('\n'));
    let mut samples = Vec::new();
    let mut types: HashMap<String, String> = HashMap::new();
    let mut helped = HashSet::new();
    let mut seen = HashSet::new();
    let mut group = String::new();
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(is_name(name) && !words.is_empty(), "{line}");
            assert!(helped.insert(name.to_owned()), "twice: {line}");
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, kind) = of.split_once(' ').unwrap();
            assert!(["gauge", "counter"].contains(&kind), "{line}");
            assert!(helped.contains(name), "no HELP before: {line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(
                types.insert(name.into(), kind.into()).is_none(),
                "twice: {line}"
            );
            group = name.to_owned();
        } else {
            let sample = sample(line);
            assert_eq!(sample.name, group, "outside of its group: {line}");
            let place = format!("{}{:?}", sample.name, sample.labels);
            assert!(seen.insert(place), "twice: {line}");
            samples.push(sample);
        }
    }
    samples
}

fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
    starts
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, behind) = rest.split_once("=\"").unwrap();
            assert!(is_name(label) && !label.contains(':'), "{line}");
            let mut value = String::new();
            let mut letters = behind.char_indices();
            let close = loop {
                match letters.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match letters.next().unwrap().1 {
                        'n' => '\n',
                        c @ ('\\' | '"') => c,
                        c => panic!("escaped {c}: {line}"),
                    }),
                    (_, c) => value.push(c),
                }
            };
            labels.push((label.to_owned(), value));
            rest = &behind[close + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap();
    }
    let value = rest.strip_prefix(' ').unwrap();
    assert!(!value.contains(' '), "{line}");
    Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().unwrap(),
    }
}

fn find(samples: &[Sample], name: &str, account: &str, credential: &str) -> Option<f64> {
    let has = |sample: &Sample, label: &str, value: &str| {
        sample.labels.iter().any(|(l, v)| l == label && v == value)
    };
    let found = samples.iter().find(|sample| {
        sample.name == name
            && (account.is_empty()
                || has(sample, "account", account) && has(sample, "credential", credential))
    });
    found.map(|sample| sample.value)
}

#[test]
fn the_metrics_follow_the_format_and_are_right() {
    let desk = busy_desk();
    let odd = "the \"odd\" \\ one";
    desk.register(odd, "official", "wx1");
    let text = desk.done(&["status", "--prometheus"]);
    let samples = read(&text);
    let of_all = |name: &str| find(&samples, name, "", "");
    assert_eq!(of_all("wxtoken_up"), Some(1.0));
    assert_eq!(of_all("wxtoken_keeper_running"), Some(0.0));
    assert_eq!(of_all("wxtoken_accounts"), Some(6.0));
    let of = |name: &str, account: &str| find(&samples, name, account, "access_token");
    assert_eq!(of("wxtoken_token_valid", "shop"), Some(1.0));
    assert_eq!(of("wxtoken_token_valid", odd), Some(1.0));
    assert_eq!(
        find(&samples, "wxtoken_token_valid", "shop", "jsapi_ticket"),
        Some(1.0)
    );
    assert_eq!(of("wxtoken_fetches_total", "shop"), Some(1.0));
    assert_eq!(of("wxtoken_token_valid", "服务号"), Some(0.0));
    assert_eq!(of("wxtoken_last_errcode", "服务号"), Some(40164.0));
    assert_eq!(of("wxtoken_failures_in_a_row", "服务号"), Some(1.0));
    assert!(of("wxtoken_retry_at_seconds", "服务号") > Some(1.7e9));
    assert_eq!(of("wxtoken_token_expires_at_seconds", "服务号"), None);
    assert_eq!(
        of("wxtoken_rejects_total", "returns-of-the-northern-warehouse"),
        Some(1.0)
    );
    let life = of("wxtoken_token_expires_at_seconds", "shop").unwrap()
        - of("wxtoken_token_fetched_at_seconds", "shop").unwrap();
    assert!((7100.0..=7200.0).contains(&life), "{life}");
}

#[test]
fn a_store_that_cannot_be_read_is_a_metric_and_an_exit_code() {
    let desk = Desk::new();
    let run = desk.run(&["status", "--prometheus"]);
    assert_eq!(run.code, 13);
    assert_eq!(find(&read(&run.out), "wxtoken_up", "", ""), Some(0.0));
}

#[test]
fn a_mistyped_name_is_not_reported_as_a_fault_of_the_store() {
    let desk = Desk::with_shop();
    for (words, code) in [
        (&["status", "--prometheus", "stall"][..], 12),
        (&["status", "--prometheus", "shop/nothing"], 2),
        (&["-o", "patience=1", "status", "--prometheus"], 11),
    ] {
        let run = desk.run(words);
        assert_eq!((run.code, run.out.as_str()), (code, ""), "{words:?}");
        assert!(run.err.starts_with("error: "), "{words:?}: {}", run.err);
    }
}

#[test]
fn a_named_credential_has_a_series_before_it_has_a_token() {
    let desk = Desk::with_shop();
    let text = desk.done(&["status", "--prometheus", "shop/jsapi_ticket"]);
    let valid = find(&read(&text), "wxtoken_token_valid", "shop", "jsapi_ticket");
    assert_eq!(valid, Some(0.0), "{text}");
}
