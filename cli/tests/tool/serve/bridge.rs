//! Faults row 104, the bridge: `wxtoken keep --from` fills this host's file from a server or from Redis. Programs on
//! this host read the file, hold no key, and use no network.

use std::path::{Path, PathBuf};

use common::{Child as Forked, Handle, Token, outcome};
use wxtoken::ffi::wxtoken_status::*;

use super::*;

/// A host whose store is filled only by a bridge.
struct Host {
    bridge: std::process::Child,
    store: PathBuf,
    log: PathBuf,
}

impl Host {
    /// Starts a host with a bridge from a server or from another store.
    fn on(desk: &Desk, from: &str, key: Option<&str>) -> Host {
        let store = desk.path("host/tokens.db");
        std::fs::create_dir_all(store.parent().unwrap()).unwrap();
        let host = Host {
            bridge: start_bridge(desk, &store, from, key),
            store,
            log: desk.path("bridge.log"),
        };
        host.until_it_says("ready: ");
        host
    }

    fn until_it_says(&self, text: &str) {
        wait_until(&format!("the bridge says {text:?}"), || {
            std::fs::read_to_string(&self.log).unwrap().contains(text)
        });
    }

    /// A program of this host. It has no key, and the platform's address that it knows leads nowhere.
    fn program(&self) -> Handle {
        let handle = Handle::open(&self.store).unwrap();
        handle.set("api_base_url", "http://127.0.0.1:9").unwrap();
        handle.set("revalidate_ms", "0").unwrap();
        handle
    }

    /// Runs the doctor on this host, with long lines unwrapped.
    fn doctor(&self, desk: &Desk) -> super::super::Run {
        let mut command = desk.command(&["doctor", "--offline"]);
        command
            .env("WXTOKEN_STORE", &self.store)
            .env("COLUMNS", "400");
        finished(command, "")
    }

    fn stop(&mut self) {
        // SAFETY: the child is ours and has not been waited for.
        assert_eq!(
            unsafe { libc::kill(self.bridge.id() as i32, libc::SIGTERM) },
            0
        );
        assert_eq!(self.bridge.wait().unwrap().code(), Some(0));
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.bridge.kill();
        let _ = self.bridge.wait();
    }
}

fn start_bridge(desk: &Desk, store: &Path, from: &str, key: Option<&str>) -> std::process::Child {
    let mut command = desk.command(&["keep", "--from", from]);
    command.env("WXTOKEN_STORE", store);
    if let Some(key) = key {
        command.env("WXTOKEN_SERVER_KEY", key);
        // The bridge asks the server, and never the platform.
        command.env("WXTOKEN_API_BASE_URL", "http://127.0.0.1:9");
    }
    let log = std::fs::File::create(desk.path("bridge.log")).unwrap();
    command.stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap()
}

/// Waits for another token than `old`.
fn after(program: &Handle, old: &str) -> Token {
    let mut next = None;
    wait_until("another token comes", || {
        next = program.get("shop").ok().filter(|token| token.value != old);
        next.is_some()
    });
    next.unwrap()
}

#[test]
fn programs_read_a_file_that_a_bridge_fills_from_a_server() {
    let desk = Desk::with_shop();
    let key = desk.client("host1", &[]);
    let serving = Serving::start(&desk);
    let mut host = Host::on(&desk, &serving.url("http://"), Some(&key));
    let program = host.program();
    let token = program.get("shop").unwrap();
    assert!(desk.world.accepts(&token.value));
    assert_eq!(program.get_current().unwrap(), token);
    assert_eq!(serving.get("/v1/token/shop", &key).token(), token.value);
    assert_eq!(desk.world.minted(), 1);
    // The bridge brings a ticket when it is first asked for. The token of its parent stays on the server.
    let ticket = program.get("shop/jsapi_ticket").unwrap();
    assert_eq!(
        serving.get("/v1/token/shop/jsapi_ticket", &key).token(),
        ticket.value
    );
    let child = Forked::fork(|| outcome(host.program().get("shop")));
    assert_eq!(child.join(), token.value);
    // This host has no key, and its store has no secret.
    let files = std::fs::read_dir(host.store.parent().unwrap()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.retain(|name| name.to_string_lossy().ends_with(".key"));
    assert_eq!(names, [""; 0]);
    let doctor = host.doctor(&desk);
    let said = format!(
        "1 account that a bridge brings from {}",
        serving.url("http://")
    );
    assert!(
        doctor.code == 0 && doctor.out.contains(&said),
        "{}",
        doctor.out
    );
    assert!(
        !doctor.out.contains("everything that a fetch needs"),
        "{}",
        doctor.out
    );
    let report = program.report();
    assert_eq!(report["accounts"][0]["from"], serving.url("http://"));
    assert_eq!(report["accounts"][0]["has_secret"], false);

    // The rejection of a program goes to the server, which compares the token.
    desk.world.sim.revoke("wx1");
    program.reject("shop", &token.value).unwrap();
    let second = program.get("shop").unwrap();
    assert!(desk.world.accepts(&second.value), "{second:?}");
    assert_eq!(desk.world.minted(), 3);
    program.reject("shop", &token.value).unwrap();
    assert_eq!(program.get("shop").unwrap(), second);

    // A token that a program elsewhere has had replaced is replaced here too.
    desk.world.sim.advance(60_000);
    desk.world.sim.revoke("wx1");
    let due = "UPDATE weixin_token SET reject_fetch_at = 0";
    common::sqlite(&desk.world.store(), due);
    let body = json!({"token": second.value});
    assert_eq!(serving.post("/v1/reject/shop", &key, &body).status, 204);
    let third = serving.get("/v1/token/shop", &key).token();
    assert_eq!(after(&program, &second.value).value, third);
    assert_eq!(desk.world.minted(), 4);

    host.stop();
    let said = host.said() + &serving.end();
    has_none_of(&said, &[SECRET, &token.value, &second.value, &third, &key]);
}

#[test]
fn an_outage_of_the_upstream_is_seen_when_a_token_ends() {
    let desk = Desk::with_shop();
    let key = desk.client("host1", &[]);
    let mut serving = Serving::start(&desk);
    let url = serving.url("http://");
    let mut host = Host::on(&desk, &url, Some(&key));
    let program = host.program();
    program.set("timeout_ms", "4000").unwrap();
    let token = program.get("shop").unwrap();
    serving.kill();
    for _ in 0..20 {
        assert_eq!(program.get("shop").unwrap(), token);
    }
    host.until_it_says(&format!("failed {url}: "));
    // The token is rejected, and nothing can bring another one.
    program.reject("shop", &token.value).unwrap();
    let failed = program.get("shop").unwrap_err();
    assert_eq!(failed.status, WXTOKEN_E_STORE, "{failed:?}");
    assert!(failed.message.contains(&url), "{failed:?}");
    assert!(!failed.message.contains(&token.value), "{failed:?}");
    // Without a bridge, the doctor names the command that must run.
    host.stop();
    let doctor = host.doctor(&desk);
    assert_eq!(doctor.code, 1, "{}", doctor.out);
    assert!(
        doctor.out.contains(&format!("wxtoken keep --from {url}")),
        "{}",
        doctor.out
    );
    let cold = program.get("shop/jsapi_ticket").unwrap_err();
    assert_eq!(cold.status, WXTOKEN_E_STORE);
    assert!(cold.message.contains("wxtoken keep --from"), "{cold:?}");
    // The server and the bridge come back, and bring the successor of the rejected token.
    desk.world.sim.revoke("wx1");
    let address = url.trim_start_matches("http://").to_owned();
    wait_until("the port is free", || {
        std::net::TcpListener::bind(&address).is_ok()
    });
    let _again = Serving::with(&desk, &["--listen", &url]);
    host.bridge = start_bridge(&desk, &host.store, &url, Some(&key));
    let next = after(&program, &token.value);
    assert!(desk.world.accepts(&next.value));
    assert_eq!(desk.world.minted(), 2);
}

#[test]
fn accounts_come_and_go_with_what_the_client_may_see() {
    let desk = Desk::with_shop();
    let key = desk.client("host1", &["--accounts", "shop"]);
    let serving = Serving::start(&desk);
    let host = Host::on(&desk, &serving.url("http://"), Some(&key));
    let program = host.program();
    // A program may register the account at each start. Another account of this name is refused.
    program.get("shop").unwrap();
    program.register("shop", "official", "wx1", SECRET).unwrap();
    let other = program.register("shop", "official", "wx2", SECRET);
    assert_eq!(other.unwrap_err().status, WXTOKEN_E_ARGUMENT);
    desk.world.add("component", "wxc", json!({}));
    desk.register("platform", "component", "wxc");
    let none = program.get("platform").unwrap_err();
    assert_eq!(none.status, WXTOKEN_E_ACCOUNT, "the client does not see it");
    desk.done(&["client", "change", "host1", "--all-accounts"]);
    host.until_it_says("brought account platform");
    let put = program.put("platform", "verify_ticket", "ticket@@@x");
    let put = put.unwrap_err();
    assert_eq!(put.status, WXTOKEN_E_ARGUMENT, "{put:?}");
    assert!(put.message.contains(&serving.url("http://")), "{put:?}");
    // The upstream's message about a failure is passed on.
    let lacking = program.get("platform").unwrap_err();
    assert!(lacking.message.contains("ticket"), "{lacking:?}");
    assert_eq!(desk.run(&["account", "remove", "shop", "--yes"]).code, 0);
    host.until_it_says("removed account shop");
    let gone = program.get("shop").unwrap_err();
    assert_eq!(gone.status, WXTOKEN_E_ACCOUNT, "{gone:?}");
}

#[test]
fn a_bridge_leaves_the_accounts_of_its_own_store_alone() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    desk.register("second", "official", "wx2");
    let key = desk.client("host1", &[]);
    let serving = Serving::start(&desk);
    let store = desk.path("host/tokens.db");
    std::fs::create_dir_all(store.parent().unwrap()).unwrap();
    let own = Handle::open(&store).unwrap();
    own.set("api_base_url", desk.world.sim.http()).unwrap();
    own.register("shop", "official", "wx1", SECRET).unwrap();
    let host = Host::on(&desk, &serving.url("http://"), Some(&key));
    host.until_it_says("account \"shop\" of ");
    host.until_it_says("brought account second");
    let program = host.program();
    let second = program.get("second").unwrap();
    assert_eq!(serving.get("/v1/token/second", &key).token(), second.value);
    let report = program.report();
    let mut listed = report["accounts"].as_array().unwrap().iter();
    let shop = listed.find(|account| account["name"] == "shop").unwrap();
    assert_eq!(shop["from"], Value::Null);
    let itself = desk.run(&["keep", "--from", desk.world.store().to_str().unwrap()]);
    assert_eq!(itself.code, 11, "{}", itself.err);
    assert!(itself.err.contains("from itself"), "{}", itself.err);
}

#[test]
fn a_bridge_brings_tokens_from_redis_too() {
    let desk = Desk::on_redis();
    let from = desk.world.store();
    let host = Host::on(&desk, from.to_str().unwrap(), None);
    let program = host.program();
    let token = program.get("shop").unwrap();
    assert_eq!(desk.done(&["get", "shop"]).trim(), token.value);
    assert_eq!(desk.world.minted(), 1);
    desk.world.sim.revoke("wx1");
    program.reject("shop", &token.value).unwrap();
    let next = after(&program, &token.value);
    assert!(desk.world.accepts(&next.value));
    assert_eq!(desk.done(&["get", "shop"]).trim(), next.value);
    assert_eq!(desk.world.minted(), 2);
}
