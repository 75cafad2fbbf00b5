//! The library as a client: a program names the server as its store, and makes the same calls as with any store.

use std::net::TcpListener;
use std::path::Path;
use std::time::Instant;

use common::{Child, Handle, StandstillClock, outcome};
use wxtoken::ffi::wxtoken_status::*;

use super::others::Authority;
use super::*;

/// Opens a handle on a server with this key.
fn open(url: &str, key: &str) -> Handle {
    let handle = Handle::open(Path::new(url)).unwrap();
    handle.set("server_key", key).unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    handle
}

#[test]
fn a_program_names_a_server_as_its_store_and_calls_what_it_always_calls() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &["--allow", "get,reject,status,put"]);
    let authority = Authority::new();
    let (certificate, private) = authority.sign("localhost");
    let [ca, cert, tls_key, socket] =
        ["ca.pem", "cert.pem", "key.pem", "s.sock"].map(|name| desk.path(name));
    std::fs::write(&ca, &authority.pem).unwrap();
    std::fs::write(&cert, certificate).unwrap();
    std::fs::write(&tls_key, private).unwrap();
    let serving = Serving::with(
        &desk,
        &[
            "--listen",
            "http://127.0.0.1:0",
            "--listen",
            &format!("unix:{}", socket.display()),
            "--listen",
            "https://127.0.0.1:0",
            "--tls-cert",
            cert.to_str().unwrap(),
            "--tls-key",
            tls_key.to_str().unwrap(),
        ],
    );
    let tls = serving.url("https://").replace("127.0.0.1", "localhost");
    let unix = format!("unix:{}", socket.display());
    let mut token = String::new();
    for url in [&serving.url("http://"), &unix, &tls] {
        let handle = open(url, &key);
        handle.set("ca_file", ca.to_str().unwrap()).unwrap();
        let got = handle.get("shop").unwrap();
        assert!(desk.world.accepts(&got.value), "{url}");
        assert_eq!(handle.get("shop").unwrap(), got);
        assert_eq!(handle.get_current().unwrap(), got);
        let child = Child::fork(|| outcome(handle.get("shop")));
        assert_eq!(child.join(), got.value, "a child asks by itself");
        // A program may register at each start, which changes nothing. It cannot create another account.
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        let other = handle.register("shop", "official", "wx2", SECRET);
        assert_eq!(other.unwrap_err().status, WXTOKEN_E_ARGUMENT);
        let none = handle.register("new", "official", "wx1", SECRET);
        assert_eq!(none.unwrap_err().status, WXTOKEN_E_ACCOUNT);
        let report = handle.report();
        assert_eq!(report["store"], **url);
        assert_eq!(report["accounts"][0]["tokens"][0]["fetches"], 1);
        token = got.value;
    }
    assert_eq!(desk.world.minted(), 1);
    // A rejection counts for every client.
    let [one, other] = [&serving.url("http://"), &unix].map(|url| open(url, &key));
    desk.world.sim.revoke("wx1");
    one.reject("shop", &token).unwrap();
    let next = one.get("shop").unwrap();
    assert!(desk.world.accepts(&next.value));
    other.reject("shop", &token).unwrap();
    assert_eq!(other.get("shop").unwrap(), next, "it is an older one");
    assert_eq!(desk.world.minted(), 2);
    let written = serving.end();
    has_none_of(&written, &[SECRET, &token, &next.value, &key]);
}

#[test]
fn a_refusal_is_reported_without_the_key() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let idle = desk.client("idle", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let url = serving.url("http://");
    let refused = |key: &str, name: &str| {
        let failed = open(&url, key).get(name).unwrap_err();
        assert!(!failed.message.contains(key), "{failed:?}");
        assert!(!failed.message.contains(SECRET), "{failed:?}");
        failed
    };
    assert_eq!(refused("wxk_nobody", "shop").status, WXTOKEN_E_STORE);
    assert_eq!(refused(&idle, "shop").status, WXTOKEN_E_STORE);
    assert_eq!(refused(&key, "stall").status, WXTOKEN_E_ACCOUNT);
    // The platform's message comes with its code and its remedy.
    desk.world.add("official", "wx2", json!({}));
    desk.register("other", "official", "wx2");
    desk.world
        .fault(json!({"id": "wx2", "kind": "errcode", "errcode": 40164, "times": 1000}));
    let failed = refused(&key, "other");
    assert_eq!((failed.status, failed.errcode), (WXTOKEN_E_API, 40164));
    assert!(failed.message.contains("hint: "), "{failed:?}");
    // A key may be in a file too. A key that was removed is refused from the next look on.
    let file = desk.path("client.key");
    std::fs::write(&file, format!("{key}\n")).unwrap();
    let handle = Handle::open(Path::new(&url)).unwrap();
    handle
        .set("server_key_file", file.to_str().unwrap())
        .unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    handle.get("shop").unwrap();
    assert_eq!(desk.run(&["client", "remove", "web", "--yes"]).code, 0);
    // On a slow machine the server may not answer in 100 ms. A good token is handed out then.
    let mut failed = None;
    wait_until("the key is refused", || {
        failed = handle.get("shop").err();
        failed.is_some()
    });
    let failed = failed.unwrap();
    assert_eq!(failed.status, WXTOKEN_E_STORE, "{failed:?}");
    let new = desk.client("web2", &[]);
    std::fs::write(&file, new).unwrap();
    handle.get("shop").unwrap();
    // An operator works on the host of the store.
    let mut command = desk.command(&["account", "list", "--store", &url]);
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("is a wxtoken server"), "{said}");
}

#[test]
fn the_command_gets_a_token_from_a_server_with_the_name_that_it_stands_for() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    desk.register("other", "official", "wx2");
    let all = desk.client("all", &[]);
    let one = desk.client("one", &["--accounts", "other"]);
    let serving = Serving::start(&desk);
    let url = serving.url("http://");
    for (key, name) in [(&all, "shop"), (&one, "other")] {
        let mut command = desk.command(&["get", "--json", "--store", &url]);
        command.env("WXTOKEN_SERVER_KEY", key);
        let run = finished(command, "");
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        let said = parsed(&run.out);
        assert_eq!(said["name"], name);
        assert!(desk.world.accepts(said["token"].as_str().unwrap()));
    }
    serving.end();
}

#[test]
fn a_refused_call_with_a_body_gets_its_answer_each_time() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &["--accounts", "shop"]);
    let unix = format!("unix:{}", desk.path("s.sock").display());
    let _serving = Serving::with(&desk, &["--listen", &unix]);
    let handle = open(&unix, &key);
    // An answer in front of the body would close the connection, and at times the client would see no answer.
    for _ in 0..100 {
        let unseen = handle.reject("stall", "a token").unwrap_err();
        assert_eq!(unseen.status, WXTOKEN_E_ACCOUNT, "{unseen:?}");
        let refused = handle.put("shop", "retry", "1").unwrap_err();
        assert_eq!(refused.status, WXTOKEN_E_STORE);
        assert!(refused.message.contains("may not put"), "{refused:?}");
    }
}

#[test]
fn a_good_token_is_handed_out_while_the_server_is_away() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let mut serving = Serving::start(&desk);
    let url = serving.url("http://");
    let handle = open(&url, &key);
    let token = handle.get("shop").unwrap();
    assert_eq!(handle.get_current().unwrap(), token);
    let longest = || {
        let clock = StandstillClock::start();
        let times = (0..20).map(|_| {
            let began = Instant::now();
            assert_eq!(handle.get("shop").unwrap(), token);
            began.elapsed()
        });
        let longest = times.max().unwrap();
        longest.saturating_sub(clock.stop())
    };
    serving.signal(libc::SIGSTOP);
    let stopped = longest();
    serving.signal(libc::SIGCONT);
    serving.kill();
    let gone = longest();
    // The wait is 100 ms, plus the time that the machine needs.
    println!("the longest get of a good token: {stopped:?} stopped, {gone:?} gone");
    assert!(stopped < Duration::from_secs(3) && gone < Duration::from_secs(3));
    // A rejection that does not reach the server takes no good token away.
    handle.reject("shop", "another token").unwrap_err();
    assert_eq!(handle.get("shop").unwrap(), token);
    // The token that is rejected is not handed out again, under any name.
    assert_eq!(handle.get_current().unwrap(), token);
    handle.reject("shop", &token.value).unwrap_err();
    for failed in [handle.get("shop"), handle.get_current()] {
        assert_eq!(failed.unwrap_err().status, WXTOKEN_E_STORE);
    }
    let cold = Child::fork(|| {
        let failed = open(&url, &key).get("shop").unwrap_err();
        format!("{:?} {}", failed.status, failed.message)
    })
    .join();
    assert!(
        cold.contains("E_STORE") && cold.contains("wxtoken serve"),
        "{cold}"
    );
    // The server comes back at its old address.
    let address = url.trim_start_matches("http://").to_owned();
    wait_until("the port is free", || TcpListener::bind(&address).is_ok());
    let _again = Serving::with(&desk, &["--listen", &url]);
    wait_until("the server is found again", || {
        handle.reject("shop", "another token").is_ok()
    });
    assert_eq!(handle.get("shop").unwrap(), token);
    assert_eq!(desk.world.minted(), 1);
}

#[test]
fn threads_that_ask_for_a_token_nobody_has_are_one_call() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let handle = open(&serving.url("http://"), &key);
    handle.set("revalidate_ms", "60000").unwrap();
    desk.world
        .fault(json!({"id": "wx1", "kind": "delay", "ms": 300, "times": 1}));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| handle.get("shop").unwrap());
        }
    });
    assert_eq!(desk.world.minted(), 1);
    let written = serving.end();
    assert_eq!(written.matches("\"verb\":\"get\"").count(), 1, "{written}");
}
