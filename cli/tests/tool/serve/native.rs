//! The native API.

use super::*;

#[test]
fn many_gets_of_many_clients_are_one_fetch() {
    let desk = Desk::with_shop();
    let keys: Vec<String> = (0..4).map(|n| desk.client(&format!("c{n}"), &[])).collect();
    let serving = Serving::start(&desk);
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..16)
            .map(|n| {
                let (key, serving) = (&keys[n % keys.len()], &serving);
                scope.spawn(move || {
                    let mut stream = serving.connect();
                    let mut last = String::new();
                    for _ in 0..20 {
                        let answer = ask(&mut stream, "GET", "/v1/token/shop", &bearer(key), "");
                        last = answer.token();
                    }
                    last
                })
            })
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert!(desk.world.accepts(&tokens[0]));
    assert_eq!(desk.world.minted(), 1);
    let answer = serving.get("/v1/token/shop", &keys[0]);
    let said = answer.json();
    assert!(
        answer.body.starts_with("{\"name\":\"shop\",\"token\":\""),
        "{answer:?}"
    );
    let left = said["expires_in"].as_i64().unwrap();
    assert!((6000..=7200).contains(&left), "{said}");
    assert!(said["expires_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // The ticket is fetched with the same token.
    let ticket = serving.get("/v1/token/shop/jsapi_ticket", &keys[0]);
    assert_eq!(ticket.json()["name"], "shop/jsapi_ticket");
    assert_eq!(desk.world.minted(), 2);
    let written = serving.end();
    assert_eq!(written.matches("\"verb\":\"get\"").count(), 16 * 20 + 2);
    let mut canaries = vec![SECRET, &tokens[0]];
    canaries.extend(keys.iter().map(String::as_str));
    has_none_of(&written, &canaries);
}

#[test]
fn each_refusal_has_its_status() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let idle = desk.client("idle", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    for wrong in ["", "nonsense", &format!("{key}x")] {
        let answer = serving.get("/v1/token/shop", wrong);
        assert_eq!((answer.status, answer.error()), (401, "STORE"));
    }
    let answer = serving.get("/v1/token/shop", &idle);
    assert_eq!((answer.status, answer.error()), (403, "STORE"));
    let answer = serving.get("/v1/status", &key);
    assert_eq!(answer.status, 403);
    for path in ["/v1/token/stall", "/v1/token/stall/jsapi_ticket"] {
        let answer = serving.get(path, &key);
        assert_eq!((answer.status, answer.error()), (404, "ACCOUNT"), "{path}");
        // The answer names neither the store nor other accounts.
        assert!(
            !answer.body.contains("shop") && !answer.body.contains("tokens.db"),
            "{answer:?}"
        );
    }
    assert_eq!(serving.get("/v1/token/shop/nothing", &key).status, 400);
    assert_eq!(serving.get("/v1/nothing", &key).status, 404);
    assert_eq!(serving.post("/v1/token/shop", &key, &json!({})).status, 405);
    for body in [
        json!({}),
        json!({"token": ""}),
        json!({"token": 1}),
        json!([]),
    ] {
        let answer = serving.post("/v1/reject/shop", &key, &body);
        assert_eq!((answer.status, answer.error()), (400, "ARGUMENT"), "{body}");
    }
    assert_eq!(desk.world.minted(), 1);
}

#[test]
fn a_platforms_error_comes_with_its_errcode_and_a_time() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let fault = json!({"id": "wx1", "kind": "errcode", "errcode": 40164, "times": 1000});
    desk.world.fault(fault);
    let serving = Serving::start(&desk);
    let answer = serving.get("/v1/token/shop", &key);
    assert_eq!((answer.status, answer.error()), (502, "API"));
    let said = &answer.json()["error"];
    assert_eq!(said["errcode"], 40164);
    let wait = said["retry_after_ms"].as_i64().unwrap();
    assert!(wait > 0 && said["hint"].as_str().is_some(), "{said}");
    let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 1 && seconds * 1000 >= wait, "{answer:?}");
    // The failure stands for all clients, so no further call goes to the platform.
    let before = desk.world.requests();
    assert_eq!(serving.get("/v1/token/shop", &key).status, 502);
    assert_eq!(desk.world.requests(), before);
    assert_eq!(serving.get("/healthz", "").body, "ok\n");
    assert_eq!(serving.get("/readyz", "").status, 503);
}

#[test]
fn an_error_of_the_key_file_does_not_name_the_file() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &["--allow", "get,reject"]);
    let serving = Serving::start(&desk);
    let token = serving.get("/v1/token/shop", &key).token();
    let file = desk.path("tokens.db.key");
    std::fs::rename(&file, desk.path("moved")).unwrap();
    desk.world.sim.revoke("wx1");
    serving.post("/v1/reject/shop", &key, &json!({"token": token}));
    let refused = serving.get("/v1/token/shop", &key);
    assert_eq!((refused.status, refused.error()), (503, "SECRET"));
    assert!(!refused.body.contains("tokens.db"), "{refused:?}");
    serving.until_it_says(file.to_str().unwrap());
}

#[test]
fn a_rejected_token_is_replaced_by_comparison() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let first = serving.get("/v1/token/shop", &key).token();
    assert!(desk.world.sim.revoke("wx1"));
    let reject = |token: &str| serving.post("/v1/reject/shop", &key, &json!({"token": token}));
    let done = reject(&first);
    assert_eq!((done.status, done.body.as_str()), (204, ""));
    let second = serving.get("/v1/token/shop", &key).token();
    assert_ne!(first, second);
    assert!(desk.world.accepts(&second));
    assert_eq!(desk.world.minted(), 2);
    // The first token has been replaced by now.
    assert_eq!(reject(&first).status, 204);
    assert_eq!(serving.get("/v1/token/shop", &key).token(), second);
    assert_eq!(desk.world.minted(), 2);
    let mute = desk.client("mute", &["--allow", "get"]);
    let refused = serving.post("/v1/reject/shop", &mute, &json!({"token": second}));
    assert_eq!(refused.status, 403);
    has_none_of(&serving.end(), &[&first, &second, &key, SECRET]);
}

#[test]
fn a_client_puts_a_pushed_secret_and_sees_the_status() {
    let desk = Desk::with_shop();
    desk.world.add("component", "wxc", json!({}));
    desk.register("platform", "component", "wxc");
    let key = desk.client(
        "push",
        &["--accounts", "platform", "--allow", "get,put,status"],
    );
    let serving = Serving::start(&desk);
    let (ticket, _) = desk.world.sim.push("wxc", 0).unwrap();
    let put = |path: &str, value: &str| {
        let body = json!({"value": value}).to_string();
        ask(&mut serving.connect(), "PUT", path, &bearer(&key), &body)
    };
    assert_eq!(serving.get("/v1/token/platform", &key).error(), "SECRET");
    let done = put("/v1/put/platform/verify_ticket", &ticket);
    assert_eq!(done.status, 204, "{done:?}");
    let token = serving.get("/v1/token/platform", &key).token();
    assert!(desk.world.accepts(&token));
    assert_eq!(put("/v1/put/platform/current", "x").status, 400);
    assert_eq!(put("/v1/put/shop/verify_ticket", "x").status, 404);
    let status = serving.get("/v1/status", &key).json();
    let accounts = status["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1, "{status}");
    assert_eq!(accounts[0]["name"], "platform");
    has_none_of(&status.to_string(), &[&token, &ticket, SECRET]);
    has_none_of(&serving.end(), &[&token, &ticket, &key, SECRET]);
}

#[test]
fn a_put_secret_is_given_only_to_a_client_that_may_get_and_put() {
    let desk = Desk::with_shop();
    desk.world.add("component", "wxc", json!({}));
    desk.register("platform", "component", "wxc");
    let refresh = format!("refreshtoken@@@{SECRET}");
    let spec = json!({"kind": "authorizer", "id": "wxa", "parent": "wxc", "secret": refresh});
    desk.world.sim.post("/accounts", spec).unwrap();
    desk.register_authorizer("customer", "wxa");
    let pusher = desk.client("pusher", &["--allow", "get,put"]);
    let usual = desk.client("usual", &[]);
    let forwarded = desk.client("forwarded", &["--allow", "forward,put"]);
    let serving = Serving::start(&desk);
    let (ticket, _) = desk.world.sim.push("wxc", 0).unwrap();
    for (path, value) in [
        ("platform/verify_ticket", &ticket),
        ("customer/refresh_token", &refresh),
    ] {
        let body = json!({ "value": value }).to_string();
        let put = format!("/v1/put/{path}");
        let done = ask(&mut serving.connect(), "PUT", &put, &bearer(&pusher), &body);
        assert_eq!(done.status, 204, "{done:?}");
        let path = format!("/v1/token/{path}");
        assert_eq!(serving.get(&path, &pusher).token(), *value);
        let before = format!("{path}_before");
        for path in [&path, &before] {
            for key in [&usual, &forwarded] {
                let refused = serving.get(path, key);
                assert_eq!((refused.status, refused.error()), (403, "STORE"));
            }
        }
    }
    // Tickets of the platform are not secrets.
    let path = "/v1/token/customer/jsapi_ticket";
    assert_eq!(
        serving.get(path, &usual).token(),
        serving.get(path, &forwarded).token()
    );
    has_none_of(&serving.end(), &[&ticket, &refresh]);
}

#[test]
fn monitoring_needs_no_key_on_this_host() {
    let desk = Desk::with_shop();
    let serving = Serving::start(&desk);
    assert_eq!(serving.get("/healthz", "").status, 200);
    wait_until("the token is there", || {
        serving.get("/readyz", "").status == 200
    });
    let metrics = serving.get("/metrics", "").body;
    for line in [
        "wxtoken_token_valid",
        "wxtoken_server_calls_total{result=\"ok\"}",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[test]
fn names_are_read_as_urls_write_them() {
    let desk = Desk::new();
    desk.world.add("official", "wx1", json!({}));
    desk.register("店铺 1", "official", "wx1");
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let path = "/v1/token/%E5%BA%97%E9%93%BA%201";
    assert_eq!(serving.get(path, &key).json()["name"], "店铺 1");
    assert_eq!(desk.world.minted(), 1);
}
