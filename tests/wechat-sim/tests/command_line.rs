//! The binary: its ready line, its exit codes, and that it is gone when it should be.
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
fn serve_says_where_it_is_and_leaves_nothing_behind() {
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
    assert_eq!(line["bad_tls"].as_object().unwrap().len(), 4);
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
fn exec_hands_on_the_environment_and_the_exit_code() {
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
fn with_parent_death_it_does_not_outlive_who_started_it() {
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
    // Its end of the pipe closes when it exits.
    assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0);
}
