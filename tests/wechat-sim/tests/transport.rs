//! TLS, the proxy, the connections, and the control API, over real sockets.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};

use common::*;
use serde_json::{Value, json};
use ureq::{
    Agent, Proxy,
    tls::{Certificate, RootCerts, TlsConfig},
};
use wechat_sim::Simulator;

fn agent(sim: &Simulator, proxy: Option<&str>) -> Agent {
    let pem = std::fs::read(sim.ca_file()).unwrap();
    let roots = RootCerts::new_with_certs(&[Certificate::from_pem(&pem).unwrap()]);
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .proxy(proxy.map(|url| Proxy::new(url).unwrap()));
    config.build().new_agent()
}

fn fetch(agent: &Agent, url: &str) -> Result<Value, ureq::Error> {
    let text = agent.get(url).call()?.body_mut().read_to_string()?;
    Ok(serde_json::from_str(&text).unwrap())
}

#[test]
fn https_is_trusted_only_by_the_test_authority() {
    let sim = simulator();
    let url = format!("{}{CLASSIC}", sim.https());
    token(&fetch(&agent(&sim, None), &url).unwrap());
    let stranger = simulator();
    assert!(fetch(&agent(&stranger, None), &url).is_err());
    assert_eq!(sim.counters_of(APP).requests, 1);
}

#[test]
fn a_careful_client_sends_no_byte_to_a_bad_certificate() {
    let sim = simulator();
    let agent = agent(&sim, None);
    for name in [
        "wrong_host",
        "expired",
        "not_yet_valid",
        "self_signed",
        "unknown_ca",
    ] {
        let url = format!("{}{CLASSIC}", sim.bad_tls(name).unwrap());
        let error = fetch(&agent, &url).unwrap_err();
        assert!(error.to_string().contains("certificate"), "{name}: {error}");
    }
    let reset = format!("{}{CLASSIC}", sim.endpoints().reset_handshake);
    assert!(fetch(&agent, &reset).is_err());
    let counters = sim.counters();
    assert!(counters.bad_tls_bytes.values().all(|bytes| *bytes == 0));
    assert!(
        counters
            .bad_tls_connections
            .values()
            .all(|connections| *connections >= 1)
    );
    assert_eq!(
        (
            counters.bad_tls_bytes.len(),
            counters.bad_tls_connections.len()
        ),
        (5, 6)
    );
}

#[test]
fn a_careless_client_is_caught_by_the_bytes_it_sends() {
    let sim = simulator();
    let careless = TlsConfig::builder().disable_verification(true).build();
    let agent = Agent::config_builder()
        .tls_config(careless)
        .build()
        .new_agent();
    let url = format!("{}{CLASSIC}", sim.bad_tls("wrong_host").unwrap());
    let client = std::thread::spawn(move || fetch(&agent, &url).is_err());
    until(|| sim.counters().bad_tls_bytes["wrong_host"] > 0);
    drop(sim);
    assert!(client.join().unwrap());
}

#[test]
fn the_proxy_leads_wechats_hosts_to_the_simulator_by_default() {
    let sim = simulator();
    let agent = agent(&sim, Some(sim.proxy()));
    token(&fetch(&agent, &format!("https://qyapi.weixin.qq.com{WORK}")).unwrap());
    sim.switches(json!({"proxy_refuse": ["api.weixin.qq.com"]}))
        .unwrap();
    assert!(fetch(&agent, &format!("https://api.weixin.qq.com{CLASSIC}")).is_err());
    token(&fetch(&agent, &format!("https://api2.weixin.qq.com{CLASSIC}")).unwrap());
    let connects = sim.counters().proxy_connects;
    let hosts = [
        "api.weixin.qq.com",
        "api2.weixin.qq.com",
        "qyapi.weixin.qq.com",
    ];
    assert_eq!(
        connects.into_iter().collect::<Vec<_>>(),
        hosts.map(|host| (host.to_owned(), 1))
    );
}

#[test]
fn a_connection_serves_many_requests_until_either_side_closes_it() {
    let sim = simulator();
    let mut stream = connect(sim.http());
    for _ in 0..2 {
        write!(stream, "GET {CLASSIC} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
    }
    assert_eq!((sim.counters().connections, sim.counters().minted), (1, 2));
    sim.switches(json!({"keep_alive": false})).unwrap();
    write!(stream, "GET {CLASSIC} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(parts(&rest).0.contains("Connection: close"));
}

#[test]
fn connections_are_counted_by_the_user_of_the_peer() {
    use std::os::unix::fs::MetadataExt;
    let sim = simulator();
    get(&sim, CLASSIC);
    assert!(sim.counters().connections_by_uid.is_empty());
    sim.switches(json!({"peer_uids": true})).unwrap();
    get(&sim, CLASSIC);
    let me = std::fs::metadata("/proc/self").unwrap().uid().to_string();
    let by_uid = sim.counters().connections_by_uid;
    assert_eq!(by_uid.into_iter().collect::<Vec<_>>(), [(me, 1)]);
}

#[test]
fn the_control_port_does_what_the_methods_do() {
    let sim = simulator();
    let post = |path: &str, body: &str| json(&raw(sim.control_url(), "POST", path, body).unwrap());
    let ask = |path: &str| json(&raw(sim.control_url(), "GET", path, "").unwrap());
    let spec = json!({"id": "wxnew", "secret": "s", "kind": "official", "lifetime_ms": 3_599_500})
        .to_string();
    assert_eq!(post("/accounts", &spec)["ok"], true);
    let reply = get(
        &sim,
        "/cgi-bin/token?grant_type=client_credential&appid=wxnew&secret=s",
    );
    assert_eq!(reply["expires_in"], 3600);
    let tokens = ask("/tokens?id=wxnew");
    assert_eq!(
        (&tokens[0]["token"], &tokens[0]["kind"]),
        (&reply["access_token"], &json!("classic"))
    );
    assert_eq!(
        (&tokens[0]["slot"], &tokens[0]["valid"]),
        (&json!("current"), &json!(true))
    );
    assert_eq!(
        post("/revoke", r#"{"id":"wxnew","which":"all"}"#)["ok"],
        true
    );
    assert_eq!(verdict(&sim, &token(&reply)), 40001);
    assert_eq!(post("/advance", r#"{"ms":1500}"#)["ok"], true);
    assert_eq!(
        post("/faults", r#"{"kind":"empty","times":3}"#)["waiting"],
        1
    );
    assert_eq!(post("/faults/clear", "{}")["ok"], true);
    assert_eq!(
        post("/switches", r#"{"text_plain":true}"#)["text_plain"],
        true
    );
    assert_eq!(ask("/counters")["minted_by_id"], json!({"wxnew": 1}));
    assert_eq!(ask("/counters?id=wxnew")["minted"], 1);
    assert_eq!(
        ask("/counters?id=wxnew")["by_path"],
        json!({"/cgi-bin/token": {"requests": 1, "minted": 1}})
    );
    assert_eq!(ask("/")["https"], sim.https());
    let requests = ask("/requests?id=wxnew");
    assert_eq!(
        requests[0]["query"],
        "grant_type=client_credential&appid=wxnew&secret=***"
    );
    assert_eq!(post("/reset", "")["ok"], true);
    assert_eq!(ask("/counters")["requests"], 0);
}

#[test]
fn the_control_port_names_unknown_fields_and_kinds() {
    let sim = simulator();
    let refusal = |path: &str, body: &str| {
        let (head, body) = parts(&raw(sim.control_url(), "POST", path, body).unwrap());
        let error = serde_json::from_slice::<Value>(&body).unwrap()["error"]
            .as_str()
            .unwrap()
            .to_owned();
        format!("{} {error}", &head[9..12])
    };
    assert!(
        refusal("/faults", r#"{"kind":"hang","bytes":1}"#)
            .contains("400 fault: unknown field `bytes`")
    );
    assert!(refusal("/faults", r#"{"kind":"hiccup"}"#).contains("unknown variant `hiccup`"));
    assert!(
        refusal(
            "/accounts",
            r#"{"id":"a","secret":"b","kind":"official","colour":1}"#
        )
        .contains("`colour`")
    );
    assert!(refusal("/switches", r#"{"tls":false}"#).contains("400 unknown field `tls`"));
    assert!(refusal("/revoke", r#"{"id":"nobody"}"#).starts_with("404"));
    assert!(refusal("/revok", "{}").starts_with("404"));
}
