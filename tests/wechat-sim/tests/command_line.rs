//! The binary: its ready line, its exit codes, its pushes, and its end.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn sim(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wechat-sim"));
    command.args(arguments);
    command
}

fn ready(child: &mut Child) -> Value {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn serve_prints_its_address_and_leaves_nothing_behind() {
    let mut child = sim(&["serve", "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let line = ready(&mut child);
    let ca = line["ca_file"].as_str().unwrap().to_owned();
    assert!(
        std::fs::read_to_string(&ca)
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    assert_eq!(line["pid"], child.id());
    assert_eq!(line["bad_tls"].as_object().unwrap().len(), 5);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!std::path::Path::new(&ca).exists());
}

#[test]
fn an_address_beyond_loopback_is_refused() {
    let output = sim(&["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("for loopback only")
    );
}

#[test]
fn exec_passes_on_the_environment_and_the_exit_code() {
    let script = r#"test -f "$WXSIM_CA" && test "$WXSIM_HTTP" && test "$WXSIM_HTTPS" && test "$WXSIM_CONTROL" &&
        test "$WXSIM_PROXY" && test "$WXSIM_READY" && exit 7"#;
    assert_eq!(
        sim(&["exec", "--", "sh", "-c", script])
            .status()
            .unwrap()
            .code(),
        Some(7)
    );
    assert_eq!(
        sim(&["exec", "--", "sh", "-c", "kill -9 $$"])
            .status()
            .unwrap()
            .code(),
        Some(137)
    );
    assert_eq!(
        sim(&["exec", "--", "/no/such/command"])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .code(),
        Some(1)
    );
}

#[test]
fn with_parent_death_it_does_not_outlive_its_parent() {
    let script = r#""$0" serve --quiet --parent-death & wait"#;
    let mut shell = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_wechat-sim")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(shell.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    shell.kill().unwrap();
    shell.wait().unwrap();
    assert!(line.starts_with('{'), "{line}");
    // The pipe closes when the binary exits.
    assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn push_prints_what_wechat_would_push() {
    let simulator = wechat_sim::Simulator::start(wechat_sim::Options::default()).unwrap();
    let push = |arguments: &[&str]| {
        let output = sim(&["push"])
            .args(arguments)
            .env("WXSIM_CONTROL", simulator.control_url())
            // The control API is on loopback, so no proxy is used.
            .env("http_proxy", "http://127.0.0.1:1")
            .output()
            .unwrap();
        let lines =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), lines.trim_end().to_owned())
    };
    let (code, xml) = push(&["wxdemocomponent01"]);
    assert_eq!(code, Some(0), "{xml}");
    assert!(
        xml.starts_with("<xml><AppId>wxdemocomponent01</AppId>"),
        "{xml}"
    );
    let (_, ticket) = push(&["wwdemosuite000001", "--ticket-only"]);
    let (_, stale) = push(&["wwdemosuite000001", "--ticket-only", "--age-ms", "1800000"]);
    let fetch = |ticket: &str| {
        let body = serde_json::json!({
            "suite_id": "wwdemosuite000001", "suite_secret": "demo-suitesecret-00000000000000000000000001",
            "suite_ticket": ticket,
        });
        let url = format!("{}/cgi-bin/service/get_suite_token", simulator.http());
        let mut reply = ureq::post(&url).send(body.to_string()).unwrap();
        let text = reply.body_mut().read_to_string().unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["errcode"].clone()
    };
    assert_eq!((fetch(&ticket), fetch(&stale)), (0.into(), 40085.into()));
    let (code, message) = push(&["nobody"]);
    assert!(
        code == Some(1) && message.contains("no component, suite or store app nobody"),
        "{message}"
    );
    let (code, message) = push(&["x", "--control", "http://10.0.0.1:80"]);
    assert!(code == Some(2) && message.contains("loopback"), "{message}");
}

#[test]
fn an_account_of_any_kind_can_be_parsed() {
    let accounts = [
        "authorizer:wx2@wx1:refreshtoken@@@a:b",
        "work_authorized:ww2@ww1:code",
        "dingtalk:ding1:secret",
    ];
    for account in accounts {
        account.parse::<wechat_sim::AccountSpec>().unwrap();
    }
    let spec: wechat_sim::AccountSpec = accounts[0].parse().unwrap();
    assert_eq!(
        (
            spec.id.as_str(),
            spec.parent.as_deref(),
            spec.secret.as_str()
        ),
        ("wx2", Some("wx1"), "refreshtoken@@@a:b")
    );
    for wrong in [
        "authorizer:wx2:secret",
        "nothing:a:b",
        "official:a",
        "official::b",
    ] {
        wrong.parse::<wechat_sim::AccountSpec>().unwrap_err();
    }
}

#[test]
fn the_manual_names_every_demo_account() {
    let manual = String::from_utf8(sim(&["--help"]).output().unwrap().stdout).unwrap();
    for spec in wechat_sim::demo_accounts() {
        for named in [Some(&spec.id), Some(&spec.secret), spec.parent.as_ref()] {
            assert!(named.is_none_or(|text| manual.contains(text)), "{spec:?}");
        }
    }
}
