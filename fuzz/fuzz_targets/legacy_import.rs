//! Any SQL values in the script's two tables. The file opens as a store, and keeps no clear secret.
#![no_main]

#[path = "../common.rs"]
mod common;

use std::process::{Command, Stdio};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.db");
    // Each part becomes a literal: a blob, cast to the type that its first byte selects.
    let mut values = bytes.split(|byte| *byte == b'|').map(|part| {
        let hex: String = part.iter().skip(1).map(|byte| format!("{byte:02x}")).collect();
        match part.first().map(|first| first % 5) {
            None | Some(0) => "NULL".to_owned(),
            Some(1) => format!("CAST(x'{hex}' AS TEXT)"),
            Some(2) => format!("CAST(CAST(x'{hex}' AS TEXT) AS INTEGER)"),
            Some(3) => format!("CAST(CAST(x'{hex}' AS TEXT) AS REAL)"),
            Some(_) => format!("x'{hex}'"),
        }
    });
    let mut next = || values.next().unwrap_or("NULL".into());
    let mut sql = String::from(
        "CREATE TABLE weixin_account (id, name, corpid, secret, current);
         CREATE TABLE weixin_token (id, access_token, expires_in, expires_on, is_expired);",
    );
    for table in ["weixin_account", "weixin_account", "weixin_token", "weixin_token"] {
        let row = [next(), next(), next(), next(), next()].join(", ");
        sql += &format!("INSERT INTO {table} VALUES ({row});");
    }
    sql += "INSERT INTO weixin_account VALUES (9, 'canary', 'wwcanary', 'the-clear-secret', 0);";
    // The sqlite3 tool makes it, because this process must not load a second SQLite.
    let made = Command::new("sqlite3").arg(&path).arg(sql).stderr(Stdio::null()).status();
    if !made.expect("the sqlite3 tool is needed").success() {
        return;
    }
    common::open(&path, |handle| {
        assert!(handle.is_some(), "the script's database did not open");
    });
    let file = std::fs::read(&path).unwrap();
    assert!(!file.windows(16).any(|window| window == b"the-clear-secret"));
});
