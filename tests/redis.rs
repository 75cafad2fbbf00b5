//! The C API on a store in Redis: the promises for a file also hold on a server, for processes of one host and of
//! several.

use std::path::Path;
use std::time::Duration;

use ::wxtoken::ffi::wxtoken_status::*;
use ::wxtoken::tool::Store;
use common::{Child, Handle, Proxy, RedisServer, SECRET, TlsServer, World, outcome, wait_until};
use serde_json::{Value, json};

fn row(handle: &Handle) -> Value {
    handle.report()["accounts"][0]["tokens"][0].clone()
}

#[test]
fn one_token_is_fetched_and_shared_by_handles_processes_and_hosts() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official");
    let token = handle.get("shop").unwrap();
    assert!(world.accepts(&token.value));
    assert_eq!(world.open().get("shop").unwrap(), token);
    assert_eq!(handle.get_current().unwrap(), token);
    for host in 0..2 {
        let child = Child::fork(|| {
            world.become_host(host);
            outcome(world.open().get("shop"))
        });
        assert_eq!(child.join(), token.value);
    }
    assert_eq!(world.minted(), 1);
    let report = handle.report();
    assert_eq!(report["store"], world.server().url());
    assert_eq!(report["accounts"][0]["name"], "shop");
    assert_eq!(report["reader"], Value::Null);
}

#[test]
fn a_usable_token_is_refreshed_by_the_caller_that_finds_it() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let first = handle.get("shop").unwrap();
    world.pass_refresh_times();
    assert_eq!(row(&handle)["state"], "usable");
    let second = handle.get("shop").unwrap();
    assert_ne!(first.value, second.value);
    assert_eq!(world.minted(), 2);
    assert_eq!(handle.get("shop").unwrap(), second);
}

#[test]
fn a_failure_is_shared_by_every_process_and_host() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open();
    handle.register("shop", "official", "wx1", "wrong").unwrap();
    let children: Vec<Child> = (0..12)
        .map(|number| {
            Child::fork(|| {
                world.become_host(number % 3);
                outcome(world.open().get("shop"))
            })
        })
        .collect();
    for child in children {
        let said = child.join();
        assert!(said.contains("E_API") && said.contains("40125"), "{said}");
    }
    assert_eq!(world.requests(), 1);
}

#[test]
fn a_rejected_token_is_replaced_once_for_all_hosts() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official_classic");
    let first = handle.get("shop").unwrap();
    world.sim.revoke("wx1");
    handle.reject("shop", &first.value).unwrap();
    let second = handle.get("shop").unwrap();
    assert_ne!(second.value, first.value);
    let other = Child::fork(|| {
        world.become_host(1);
        let handle = world.open();
        // It has the old token, and rejects it too late.
        handle.reject("shop", &first.value).unwrap();
        outcome(handle.get("shop"))
    });
    assert_eq!(other.join(), second.value);
    assert_eq!(world.minted(), 2);
}

#[test]
fn tickets_and_the_current_account_are_kept_on_the_server() {
    let world = World::on_redis_with_account(json!({}));
    world.add("official", "wx2", json!({}));
    let handle = world.open_shop("official");
    handle.register("other", "official", "wx2", SECRET).unwrap();
    handle.put_current("other").unwrap();
    assert_eq!(handle.get_current().unwrap(), handle.get("other").unwrap());
    let ticket = handle.get("shop/jsapi_ticket").unwrap();
    let elsewhere = Child::fork(|| {
        world.become_host(1);
        let handle = world.open();
        outcome(handle.get("shop/jsapi_ticket")) + " " + &outcome(handle.get_current())
    });
    let current = handle.get_current().unwrap();
    assert_eq!(
        elsewhere.join(),
        format!("{} {}", ticket.value, current.value)
    );
}

#[test]
fn each_prefix_and_each_database_is_a_separate_store() {
    let world = World::on_redis_with_account(json!({}));
    let url = world.server().url();
    world.open_shop("official");
    for other in [format!("{url}?prefix=p"), format!("{url}?db=1")] {
        let handle = world.open_at(Path::new(&other));
        assert_eq!(handle.get("shop").unwrap_err().status, WXTOKEN_E_ACCOUNT);
        assert_eq!(handle.report()["store"], other);
    }
}

#[test]
fn a_secret_on_the_server_is_sealed_for_this_store_alone() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official");
    handle.get("shop").unwrap();
    let server = world.server();
    let accounts = server.run(&["HGETALL", "wxtoken:{accounts}"]);
    assert!(!format!("{accounts:?}").contains(SECRET));
    for key in server.run(&["KEYS", "*"]).list() {
        assert!(!key.text().contains("wx1"), "{key:?}");
        assert!(key.text().starts_with("wxtoken:{"), "{key:?}");
        let ttl = server.run(&["PTTL", key.text()]);
        assert_eq!(format!("{ttl:?}"), "Integer(-1)", "{key:?}");
    }
    // Copied into another store, the secret does not open, although the key is the same.
    let other = format!("{}?prefix=p", server.url());
    let there = Child::fork(|| {
        world.become_host(1);
        let handle = world.open_at(Path::new(&other));
        server.run(&["COPY", "wxtoken:{accounts}", "p:{accounts}"]);
        outcome(handle.get("shop"))
    });
    let said = there.join();
    assert!(
        said.contains("E_SECRET") && said.contains("damaged"),
        "{said}"
    );
}

#[test]
fn a_host_without_the_key_is_a_reader_and_creates_no_key() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official");
    let reader = |work: &dyn Fn(&Handle) -> String| {
        Child::fork(|| {
            let host = world.directory.path().join("keyless");
            common::set_env("XDG_STATE_HOME", host.to_str().unwrap());
            let handle = world.open();
            work(&handle)
        })
        .join()
    };
    let said = reader(&|reader| outcome(reader.get("shop")));
    assert!(
        said.contains("E_SECRET") && said.contains("has no key"),
        "{said}"
    );
    assert!(
        said.contains("Copy the key file") || said.contains("wxtoken keep"),
        "{said}"
    );
    let said = reader(&|reader| {
        let failed = reader.register("mine", "official", "wx9", SECRET);
        let failed = failed.unwrap_err();
        format!("{:?} {}", failed.status, failed.message)
    });
    assert!(
        said.contains("E_SECRET") && said.contains("Copy the key file"),
        "{said}"
    );
    let token = handle.get("shop").unwrap();
    assert_eq!(reader(&|reader| outcome(reader.get("shop"))), token.value);
    assert_eq!(world.minted(), 1);
}

#[test]
fn a_reader_gets_its_token_from_a_keeper_on_another_host() {
    let world = World::on_redis_with_account(json!({}));
    world.open_shop("official");
    let keeper = Child::fork(|| {
        let store = Store::open(world.store().to_str()).unwrap();
        store.set("api_base_url", world.sim.http()).unwrap();
        let mut keeper = store.keeper(std::sync::Arc::new(|_| {})).unwrap();
        loop {
            let _ = keeper.pass();
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    wait_until("the keeper has fetched", || world.minted() == 1);
    let said = Child::fork(|| {
        let host = world.directory.path().join("keyless");
        common::set_env("XDG_STATE_HOME", host.to_str().unwrap());
        let handle = world.open();
        let first = handle.get("shop").unwrap();
        handle.reject("shop", &first.value).unwrap();
        outcome(handle.get("shop"))
    })
    .join();
    assert!(world.accepts(&said), "{said}");
    keeper.signal(libc::SIGKILL);
    keeper.join();
}

/// Faults row 98: keepers on several hosts, and a reader without the key.
#[test]
fn keepers_on_several_hosts_fetch_no_more_than_one() {
    let world = World::on_redis_with_account(json!({"delay_ms": 200}));
    world.open_shop("official_classic");
    let passes = |number: usize| world.directory.path().join(format!("passes-{number}"));
    let keepers: Vec<Child> = (0..3)
        .map(|number| {
            Child::fork(|| {
                world.become_host(number);
                let store = Store::open(world.store().to_str()).unwrap();
                store.set("api_base_url", world.sim.http()).unwrap();
                let mut keeper = store.keeper(std::sync::Arc::new(|_| {})).unwrap();
                for pass in 1.. {
                    let _ = keeper.pass();
                    std::fs::write(passes(number), pass.to_string()).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                }
                String::new()
            })
        })
        .collect();
    let made = |number| {
        let text = std::fs::read_to_string(passes(number)).unwrap_or_default();
        text.parse().unwrap_or(0)
    };
    let wait_for_passes = || {
        let before: Vec<u64> = (0..3).map(made).collect();
        wait_until("each keeper has made two whole passes", || {
            (0..3).all(|number| made(number) >= before[number] + 3)
        });
    };
    wait_until("one has fetched", || world.minted() > 0);
    wait_for_passes();
    assert_eq!(world.minted(), 1, "cold");
    world.sim.revoke("wx1");
    let told = Child::fork(|| {
        let host = world.directory.path().join("keyless");
        common::set_env("XDG_STATE_HOME", host.to_str().unwrap());
        let handle = world.open();
        let first = handle.get("shop").unwrap();
        handle.reject("shop", &first.value).unwrap();
        outcome(handle.get("shop"))
    });
    let told = told.join();
    wait_for_passes();
    let other = world.open().get("shop").unwrap();
    assert!(world.accepts(&other.value), "{told}");
    assert_eq!(world.minted(), 2, "after one rejection");
    for keeper in keepers {
        keeper.signal(libc::SIGKILL);
        keeper.join();
    }
}

#[test]
fn a_password_is_taken_from_the_url_and_never_shown() {
    let world = World::on(RedisServer::with(&["--requirepass", "hush-hush"]));
    world.add("official", "wx1", json!({}));
    let socket = world.server().socket();
    let at = |login: &str| format!("redis+unix://{login}{}", socket.display());
    let handle = world.open_at(Path::new(&at(":hush-hush@")));
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    handle.get("shop").unwrap();
    let report = handle.report().to_string();
    assert!(
        !report.contains("hush") && report.contains(":***@"),
        "{report}"
    );
    let wrong = Handle::open(Path::new(&at(":hush-no@"))).err().unwrap();
    assert_eq!(wrong.status, WXTOKEN_E_STORE);
    assert!(
        wrong
            .message
            .contains("does not take this user name and password"),
        "{wrong:?}"
    );
    assert!(!wrong.message.contains("hush"), "{wrong:?}");
    let none = Handle::open(Path::new(&at(""))).err().unwrap();
    assert!(none.message.contains("asks for a password"), "{none:?}");
    let file = world.directory.path().join("password");
    std::fs::write(&file, "hush-hush\n").unwrap();
    let by_file = Child::fork(|| {
        common::set_env("WXTOKEN_STORE_PASSWORD_FILE", file.to_str().unwrap());
        outcome(world.open_at(Path::new(&at(""))).get("shop"))
    });
    assert_eq!(by_file.join(), handle.get("shop").unwrap().value);
}

/// WAIT and ASKING are refused without a message to the caller.
#[test]
fn the_rights_in_the_manual_suffice_for_every_command() {
    let line_of = |page: &'static str| {
        let mut lines = page.lines().map(str::trim);
        lines.find(|line| line.starts_with("ACL SETUSER")).unwrap()
    };
    let line = line_of(include_str!("../docs/scale-out.md"));
    assert_eq!(line, line_of(include_str!("../docs/scale-out.zh-CN.md")));
    let world = World::on_redis_with_account(json!({}));
    let server = world.server();
    server.run(&line.split(' ').collect::<Vec<_>>());
    for command in [&["WAIT", "1", "200"][..], &["ASKING"]] {
        let said = server.run(&[&["ACL", "DRYRUN", "wxtoken"][..], command].concat());
        assert_eq!(said.text(), "OK", "{command:?}");
    }
    let socket = server.socket().display().to_string();
    let url = format!("redis+unix://wxtoken:PASSWORD@{socket}");
    let handle = world.open_at(Path::new(&url));
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    assert!(world.accepts(&handle.get("shop").unwrap().value));
    // A message about a missing right has the same line.
    server.run(&["ACL", "SETUSER", "wxtoken", "-evalsha", "-eval"]);
    let failed = Handle::open(Path::new(&format!("{url}?db=1"))).err();
    let said = failed.unwrap().message;
    let (_, rights) = line.split_once(" ~").unwrap();
    assert!(said.contains(rights), "{said}");
}

#[test]
fn a_store_is_backed_up_and_restored_from_a_server_to_a_file_and_back() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official");
    let token = handle.get("shop").unwrap();
    let store = Store::open(world.store().to_str()).unwrap();
    let key = store.place().key;
    let backup = world.directory.path().join("backup");
    store.backup(&backup).unwrap();
    let file = world.directory.path().join("tokens.db");
    std::fs::copy(&key, world.directory.path().join("tokens.db.key")).unwrap();
    let into_file = Store::open(file.to_str()).unwrap();
    assert_eq!(into_file.restore(&backup).unwrap(), 1);
    into_file.check_secrets("shop").unwrap();
    // Another server has another id, and secrets are bound to the id.
    let other = RedisServer::start();
    let into_server = Store::open(Some(&other.url())).unwrap();
    into_server.set("key_file", key.to_str().unwrap()).unwrap();
    into_server.set("api_base_url", world.sim.http()).unwrap();
    assert_eq!(into_server.restore(&backup).unwrap(), 1);
    let requests = world.requests();
    let fetched = into_server.get(Some("shop")).unwrap();
    assert!(world.accepts(&fetched.value));
    assert_eq!(world.requests(), requests + 1, "a backup holds no token");
    assert_eq!(handle.get("shop").unwrap(), token);
}

#[test]
fn keys_are_changed_on_a_server_as_in_a_file() {
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official");
    let store = Store::open(world.store().to_str()).unwrap();
    let before = std::fs::read(store.place().key).unwrap();
    assert_eq!(store.rekey().unwrap(), 1);
    assert_ne!(std::fs::read(store.place().key).unwrap(), before);
    store.check_secrets("shop").unwrap();
    handle.get("shop").unwrap();
}

#[test]
fn a_store_of_another_program_or_a_newer_version_is_refused_and_left_alone() {
    for (meta, said) in [
        ("{\"schema\":2,\"id\":\"x\"}", "newer than this library's 1"),
        ("hello", "another program's"),
    ] {
        let world = World::on_redis();
        world.server().run(&["SET", "wxtoken:{meta}", meta]);
        let failed = Handle::open(&world.store()).err().unwrap();
        assert_eq!(failed.status, WXTOKEN_E_STORE);
        assert!(failed.message.contains(said), "{failed:?}");
        assert_eq!(world.server().run(&["GET", "wxtoken:{meta}"]).text(), meta);
        assert_eq!(world.server().run(&["KEYS", "*"]).list().len(), 1);
    }
    // The schema becomes newer while the store is open.
    let world = World::on_redis_with_account(json!({}));
    let handle = world.open_shop("official");
    let newer = "{\"schema\":2,\"id\":\"x\"}";
    world.server().run(&["SET", "wxtoken:{meta}", newer]);
    let failed = handle.register("b", "official", "wx2", SECRET).unwrap_err();
    assert!(failed.message.contains("Upgrade libwxtoken"), "{failed:?}");
}

#[test]
fn a_server_can_be_reached_by_port() {
    let world = World::on_redis_with_account(json!({}));
    let proxy = Proxy::to(&world.server().socket());
    let url = format!("{}/0", proxy.url());
    let handle = world.open_at(Path::new(&url));
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    let token = handle.get("shop").unwrap();
    handle.set("revalidate_ms", "0").unwrap();
    // A read that takes more than 100 ms closes its connection.
    common::wait_until("one connection serves calls one after another", || {
        let before = proxy.connections();
        for _ in 0..20 {
            assert_eq!(handle.get("shop").unwrap(), token);
        }
        proxy.connections() == before
    });
}

#[test]
fn a_server_reached_by_tls_must_prove_its_identity() {
    let world = World::on_redis_with_account(json!({}));
    let (proxy, ca) = Proxy::by_tls(&world.server().socket());
    let file = world.directory.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    let url = proxy.url();
    let stranger = Handle::open(Path::new(&url)).err().unwrap();
    assert_eq!(stranger.status, WXTOKEN_E_STORE);
    assert!(
        stranger
            .message
            .contains("an authority that is not trusted here"),
        "{stranger:?}"
    );
    let plain = url.replace("rediss", "redis");
    let refused = Handle::open(Path::new(&plain)).err().unwrap();
    assert_eq!(refused.status, WXTOKEN_E_STORE, "{refused:?}");
    let said = Child::fork(|| {
        common::set_env("WXTOKEN_CA_FILE", file.to_str().unwrap());
        let handle = world.open_at(Path::new(&url));
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        outcome(handle.get("shop"))
    })
    .join();
    assert!(world.accepts(&said), "{said}");
    assert_eq!(world.minted(), 1);
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_the_one_in_the_url() {
    let world = World::with_account(json!({}));
    let tls = TlsServer::start();
    let file = |name: &str| tls.file(name).display().to_string();
    let said = |url: String| {
        Child::fork(|| {
            common::set_env("WXTOKEN_CA_FILE", &file("ca.pem"));
            match Handle::open(Path::new(&url)) {
                Ok(_) => "opened".into(),
                Err(failure) => format!("{} {}", failure.status as i32, failure.message),
            }
        })
        .join()
    };
    let refused = said(tls.url());
    assert!(refused.starts_with("3 "), "{refused}");
    let certificate = format!("{}?ssl_certfile={}", tls.url(), file("client.pem"));
    for (key, expected) in [
        ("client.key", "opened"),
        ("other.key", "it is not that of the certificate"),
        ("ca.pem", "holds no private key"),
        ("none.key", "cannot read"),
    ] {
        let url = format!("{certificate}&ssl_keyfile={}", file(key));
        let said = said(url);
        assert!(said.contains(expected), "{key}: {said}");
        assert!(!said.contains("PRIVATE"), "{key}: {said}");
    }
    drop(world);
}
