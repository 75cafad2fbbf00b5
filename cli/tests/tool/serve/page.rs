//! The page at `/`, as any HTTP client sees it. tests/page looks at it in a browser.

use super::others::Authority;
use super::*;

/// The origin of this host: `ask` sends `Host: server`.
const FROM_HERE: &str = "Origin: http://server\r\n";
const FORM: &str = "id=\"sign-in\"";
const PAGE: &str = "id=\"live\"";

impl Serving {
    fn sign_in(&self, key: &str, headers: &str) -> Answer {
        ask(
            &mut self.connect(),
            "POST",
            "/",
            headers,
            &format!("user=wxtoken&key={key}"),
        )
    }

    /// Signs in, and returns the cookie of the session.
    fn session(&self, key: &str) -> String {
        let answer = self.sign_in(key, FROM_HERE);
        assert_eq!(answer.status, 303, "{answer:?}");
        let set = answer.header("set-cookie").unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    fn page(&self, cookie: &str) -> Answer {
        self.page_with(&format!("Cookie: {cookie}\r\n"))
    }

    fn page_with(&self, headers: &str) -> Answer {
        ask(&mut self.connect(), "GET", "/", headers, "")
    }
}

fn desks() -> [Desk; 2] {
    [Desk::with_shop(), Desk::on_redis()]
}

#[test]
fn a_key_with_the_right_status_opens_the_page_for_twelve_hours() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let form = serving.page_with("");
    assert_eq!(form.status, 200);
    assert!(
        form.body.contains(FORM) && !form.body.contains(PAGE),
        "{form:?}"
    );
    let answer = serving.sign_in(&key, FROM_HERE);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
    let set = answer.header("set-cookie").unwrap();
    let (cookie, flags) = set.split_once("; ").unwrap();
    assert_eq!(
        flags, "Path=/; Max-Age=43200; HttpOnly; SameSite=Strict",
        "{set}"
    );
    let page = serving.page(cookie);
    assert_eq!(page.status, 200);
    for said in [PAGE, ">shop<", "wx1", "Signed in as", ">ops<", "running"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    for answer in [&form, &page] {
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.split("; ").any(|one| one == part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        // The page has nothing inline that its policy would have to allow.
        for inline in [
            "<style",
            " style=",
            "<script>",
            " onclick=",
            "http://",
            "https://",
        ] {
            assert!(!answer.body.contains(inline), "{inline}: {}", answer.body);
        }
    }
    for (path, kind) in [
        ("/page.css", "text/css"),
        ("/page.js", "text/javascript"),
        ("/page.svg", "image/svg+xml"),
    ] {
        let file = serving.get(path, "");
        assert_eq!(
            (file.status, file.header("content-type")),
            (200, Some(kind))
        );
    }
}

#[test]
fn a_head_request_has_the_head_of_the_page_and_no_body() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let cookie = serving.session(&key);
    let mut stream = serving.connect();
    let request =
        format!("HEAD / HTTP/1.1\r\nHost: server\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut read = String::new();
    stream.read_to_string(&mut read).unwrap();
    assert!(read.starts_with("HTTP/1.1 200"), "{read}");
    assert!(
        read.contains("content-security-policy") && read.ends_with("\r\n\r\n"),
        "{read}"
    );
    assert!(!read.contains("<html"), "{read}");
}

#[test]
fn no_page_shows_a_token_a_key_or_a_secret() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    let wrong = "f".repeat(32);
    let add = [
        "account", "add", "stall", "--kind", "official", "--id", "wx2",
    ];
    assert_eq!(desk.run_with(&add, &wrong).code, 0);
    let key = desk.client("ops", &["--allow", "status,get,reject"]);
    let serving = Serving::start(&desk);
    let token = serving.get("/v1/token/shop", &key).token();
    let ticket = serving.get("/v1/token/shop/jsapi_ticket", &key).token();
    serving.post("/v1/reject/shop", &key, &json!({"token": token}));
    let cookie = serving.session(&key);
    let (_, session) = cookie.split_once('=').unwrap();
    let canaries = [&token, &ticket, &key, &wrong, session, SECRET];
    for language in ["en", "zh-CN"] {
        let headers = format!("Cookie: {cookie}\r\nAccept-Language: {language}\r\n");
        let page = serving.page_with(&headers);
        for said in ["jsapi_ticket", "40125", "stall"] {
            assert!(page.body.contains(said), "{said}: {}", page.body);
        }
        has_none_of(&page.body, &canaries);
        has_none_of(&page.head, &canaries);
    }
    let refused = serving.sign_in(&key[..key.len() - 1], FROM_HERE);
    has_none_of(&(refused.head + &refused.body), &[&key[..key.len() - 1]]);
    has_none_of(&serving.end(), &canaries);
}

#[test]
fn a_session_ends_with_its_client_its_key_and_its_right() {
    for desk in desks() {
        let key = desk.client("ops", &["--allow", "status"]);
        let serving = Serving::start(&desk);
        let is_open = |cookie: &str| {
            let page = serving.page(cookie);
            assert_eq!(page.status, 200);
            page.body.contains(PAGE)
        };
        let old = serving.session(&key);
        let new_key = desk.run(&["client", "rotate", "ops"]).out;
        let new = serving.session(new_key.trim_end());
        assert!(is_open(&old) && is_open(&new));
        desk.done(&["client", "rotate", "ops", "--finish"]);
        let over = serving.page(&old);
        assert!(
            over.body.contains(FORM) && over.body.contains("The session has ended"),
            "{over:?}"
        );
        assert!(is_open(&new));

        desk.done(&["client", "change", "ops", "--allow", "get"]);
        assert!(!is_open(&new));
        desk.done(&["client", "change", "ops", "--allow", "status"]);
        assert!(!is_open(&new), "it has ended, and does not come back");

        let new = serving.session(new_key.trim_end());
        assert!(is_open(&new));
        desk.done(&["client", "remove", "ops", "--yes"]);
        assert!(!is_open(&new));
        desk.client("ops", &["--allow", "status"]);
        assert!(!is_open(&new), "another client of this name is another");
    }
}

#[test]
fn signing_out_ends_the_session() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let (cookie, other) = (serving.session(&key), serving.session(&key));
    let headers = format!("{FROM_HERE}Cookie: {cookie}\r\n");
    let out = ask(&mut serving.connect(), "POST", "/sign-out", &headers, "");
    assert_eq!((out.status, out.header("location")), (303, Some("/")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(serving.page(&cookie).body.contains(FORM));
    assert!(serving.page(&other).body.contains(PAGE));
    // A client that signs in again leaves no session behind.
    let headers = format!("{FROM_HERE}Cookie: {other}\r\n");
    assert_eq!(serving.sign_in(&key, &headers).status, 303);
    assert!(serving.page(&other).body.contains(FORM));
}

#[test]
fn a_form_of_another_site_is_refused() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let cookie = serving.session(&key);
    for headers in [
        "",
        "Origin: null\r\n",
        "Origin: http://evil.example\r\n",
        "Origin: https://server\r\n",
        "Origin: http://server.evil.example\r\n",
        "Origin: http://server\r\nSec-Fetch-Site: cross-site\r\n",
        "Origin: http://server\r\nSec-Fetch-Site: same-site\r\n",
    ] {
        let refused = serving.sign_in(&key, headers);
        assert_eq!(refused.status, 403, "{headers}: {refused:?}");
        assert!(refused.header("set-cookie").is_none(), "{headers}");
        let headers = format!("{headers}Cookie: {cookie}\r\n");
        let out = ask(&mut serving.connect(), "POST", "/sign-out", &headers, "");
        assert_eq!(out.status, 403, "{headers}: {out:?}");
    }
    assert!(serving.page(&cookie).body.contains(PAGE));
    // Behind a proxy that rewrites the host, the browser's own header counts.
    let by_proxy = "Origin: https://tokens.example.com\r\nSec-Fetch-Site: same-origin\r\n";
    assert_eq!(serving.sign_in(&key, by_proxy).status, 303);
}

#[test]
fn wrong_keys_at_the_form_are_slowed_with_all_others() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let plain = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let guess = |n: usize| {
        let mut wrong = key.clone();
        wrong.replace_range(50..54, &format!("{n:04}"));
        wrong
    };
    let refused = serving.sign_in(&guess(0), FROM_HERE);
    assert_eq!(refused.status, 401);
    assert!(
        refused.body.contains(FORM) && refused.body.contains("does not know this key"),
        "{refused:?}"
    );
    assert!(refused.header("set-cookie").is_none());
    let may_not = serving.sign_in(&plain, FROM_HERE);
    assert_eq!(may_not.status, 403);
    assert!(
        may_not.body.contains("may not see the status"),
        "{may_not:?}"
    );
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let guessing: Vec<_> = (0..64)
            .map(|n| {
                let (serving, wrong) = (&serving, guess(n));
                scope.spawn(move || match n % 2 {
                    0 => serving.sign_in(&wrong, FROM_HERE).status,
                    _ => serving.get("/v1/status", &wrong).status,
                })
            })
            .collect();
        // A client with the key is let in meanwhile.
        assert_eq!(serving.sign_in(&key, FROM_HERE).status, 303);
        guessing
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    });
    for status in [401, 429] {
        assert!(
            statuses.iter().step_by(2).any(|one| *one == status),
            "{statuses:?}"
        );
    }
    assert!(
        statuses.iter().all(|status| [401, 429].contains(status)),
        "{statuses:?}"
    );
    has_none_of(&serving.end(), &[&key, &guess(7), &key[17..]]);
}

#[test]
fn a_malformed_form_or_cookie_opens_nothing() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let cookie = serving.session(&key);
    let value = cookie.split_once('=').unwrap().1;
    for wrong in [
        "wxtoken=".to_owned(),
        format!("wxtoken={key}"),
        format!("wxtoken={}", value.to_uppercase()),
        format!("wxtoken={}", &value[1..]),
        format!("other={value}"),
        format!("__Host-wxtoken={value}"),
        format!("wxtoken=x; {cookie}"),
        "x".repeat(8000),
    ] {
        let page = serving.page(&wrong);
        assert!(page.body.contains(FORM), "{wrong}: {page:?}");
    }
    let post = |body: &str| ask(&mut serving.connect(), "POST", "/", FROM_HERE, body).status;
    let long = format!("key={}", "x".repeat(100_000));
    for (body, status) in [
        ("", 401),
        ("key", 401),
        ("key=%ff", 401),
        (&format!("key={key}&key={key}"), 401),
        (&long, 400),
    ] {
        assert_eq!(post(body), status, "{body}");
    }
    let bearer = serving.get("/", &key);
    assert!(
        bearer.body.contains(FORM),
        "a key in the head is no session"
    );
    let proxied = serving.page_with(&format!("Cookie: {cookie}\r\nX-Forwarded-For: 1.1.1.1\r\n"));
    assert_eq!(proxied.status, 400);
    assert!(!proxied.body.contains(PAGE));
}

#[test]
fn a_client_sees_its_own_accounts_and_itself_alone() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    desk.register("second", "official", "wx2");
    let all = desk.client("ops", &["--allow", "status"]);
    let one = desk.client("owner", &["--accounts", "second", "--allow", "status"]);
    let serving = Serving::start(&desk);
    let page = serving.page(&serving.session(&one)).body;
    for seen in ["second", "wx2", "owner"] {
        assert!(page.contains(seen), "{seen}: {page}");
    }
    for hidden in [">shop<", "wx1", ">ops<"] {
        assert!(!page.contains(hidden), "{hidden}: {page}");
    }
    let page = serving.page(&serving.session(&all)).body;
    for seen in ["second", ">shop<", ">ops<", ">owner<"] {
        assert!(page.contains(seen), "{seen}: {page}");
    }
    let cookie = serving.session(&one);
    desk.run(&["account", "remove", "second", "--yes"]);
    let page = serving.page(&cookie).body;
    assert!(page.contains("This client sees no account"), "{page}");
}

#[test]
fn names_and_a_platforms_words_are_text_and_nothing_else() {
    let desk = Desk::new();
    let name = "<img src=x onerror=alert(1)>\"'&`";
    desk.world.add("official", "wx1", json!({}));
    desk.register(name, "official", "wx1");
    desk.world
        .fault(json!({"kind": "errcode", "errcode": 40164, "times": 0,
        "errmsg": "<script>alert(2)</script> `</code>` \u{202e}"}));
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let cookie = serving.session(&key);
    for language in ["en", "zh"] {
        let page = serving
            .page_with(&format!(
                "Cookie: {cookie}\r\nAccept-Language: {language}\r\n"
            ))
            .body;
        assert!(
            page.contains("&lt;img src=x onerror=alert(1)&gt;"),
            "{page}"
        );
        assert!(page.contains("&lt;script&gt;alert(2)&lt;"), "{page}");
        for raw in ["<img", "<script>", "alert(2)</script>", "\u{202e}"] {
            assert!(!page.contains(raw), "{raw}: {page}");
        }
    }
}

#[test]
fn a_failure_is_told_with_its_remedy_in_either_language() {
    let desk = Desk::with_shop();
    desk.world
        .add("official", "wx2", json!({"allow_ips": ["10.0.0.1"]}));
    desk.register("far", "official", "wx2");
    desk.world.add("component", "wxc", json!({}));
    desk.register("platform", "component", "wxc");
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let cookie = serving.session(&key);
    let page = |language: &str| {
        serving
            .page_with(&format!(
                "Cookie: {cookie}\r\nAccept-Language: {language}\r\n"
            ))
            .body
    };
    let english = page("en");
    for said in [
        "<html lang=\"en\">",
        "2 of 3 accounts have no valid token",
        "errcode 40164",
        "Then run <code>wxtoken retry far</code>.",
        "It needs its verify_ticket",
        "<code>wxtoken put platform verify_ticket</code>",
    ] {
        assert!(english.contains(said), "{said}: {english}");
    }
    let chinese = page("zh-TW,zh;q=0.9,en;q=0.8");
    for said in [
        "<html lang=\"zh-CN\">",
        "3 个账号中有 2 个没有有效的 access_token",
        "errcode 40164",
        "然后运行 <code>wxtoken retry far</code>。",
        "尚未写入 verify_ticket",
    ] {
        assert!(chinese.contains(said), "{said}: {chinese}");
    }
    // A choice is remembered, and takes precedence over the browser's languages.
    let chosen = ask(
        &mut serving.connect(),
        "GET",
        "/?language=zh-CN",
        &format!("Cookie: {cookie}\r\n"),
        "",
    );
    assert_eq!((chosen.status, chosen.header("location")), (303, Some("/")));
    let set = chosen.header("set-cookie").unwrap();
    let language = set.split(';').next().unwrap();
    let both = serving.page(&format!("{cookie}; {language}")).body;
    assert!(both.contains("<html lang=\"zh-CN\">"), "{both}");
}

#[test]
fn the_last_call_of_each_client_is_there() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let web = desk.client("web", &["--accounts", "shop"]);
    desk.client("idle", &[]);
    let serving = Serving::start(&desk);
    serving.get("/v1/token/shop", &web);
    serving.get("/v1/token/shop/jsapi_ticket", &web);
    assert_eq!(serving.wechat(&classic("wx1", &web)).status, 200);
    assert_eq!(serving.get("/v1/status", &web).status, 403);
    let page = serving.page(&serving.session(&key)).body;
    let row = |name: &str| {
        let after = page
            .split(&format!("class=\"name\">{name}<"))
            .nth(1)
            .unwrap();
        after.split("</tr>").next().unwrap().to_owned()
    };
    let of_web = row("web");
    for said in [
        ">status<",
        ">not allowed<",
        ">3<",
        ">1<",
        ">shop<",
        "get, reject",
    ] {
        assert!(of_web.contains(said), "{said}: {of_web}");
    }
    assert!(row("idle").contains("none since the start"), "{page}");
    assert!(row("ops").contains("sign-in"), "{page}");
}

#[test]
fn the_audit_tells_of_sign_ins_and_of_views_once_a_minute() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    serving.page_with("");
    serving.sign_in("wxk_wrong", FROM_HERE);
    serving.sign_in(&key, "Origin: http://evil.example\r\n");
    let cookie = serving.session(&key);
    for _ in 0..20 {
        serving.page(&cookie);
    }
    let headers = format!("{FROM_HERE}Cookie: {cookie}\r\n");
    ask(&mut serving.connect(), "POST", "/sign-out", &headers, "");
    let audit = serving.audit.clone();
    serving.end();
    let written = std::fs::read_to_string(audit).unwrap();
    let lines: Vec<(Value, Value, Value)> = written
        .lines()
        .map(parsed)
        .map(|line| {
            (
                line["verb"].clone(),
                line["client"].clone(),
                line["result"].clone(),
            )
        })
        .collect();
    let views = lines.iter().filter(|line| line.0 == "page").count();
    // A machine that stalls may take longer than a minute.
    assert!((1..20).contains(&views), "{written}");
    for expected in [
        (json!("sign-in"), Value::Null, json!("unknown")),
        (json!("sign-in"), Value::Null, json!("from elsewhere")),
        (json!("sign-in"), json!("ops"), json!("ok")),
        (json!("page"), json!("ops"), json!("ok")),
        (json!("sign-out"), json!("ops"), json!("ok")),
    ] {
        assert!(lines.contains(&expected), "{expected:?}: {written}");
    }
    has_none_of(&written, &[&key, cookie.split_once('=').unwrap().1]);
}

#[test]
fn over_tls_the_cookie_never_goes_without_it_and_a_certificate_needs_none() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    desk.client("desk.example.com", &["--allow", "status"]);
    desk.client("crm.example.com", &[]);
    let authority = Authority::new();
    let serving = authority.serving(&desk);
    let ask_by = |own: Option<&(String, String)>, method: &str, headers: &str, body: &str| {
        let mut stream = authority.connect(&serving, own).unwrap();
        ask(&mut stream, method, "/", headers, body)
    };
    let body = format!("key={key}");
    let answer = ask_by(None, "POST", "Origin: https://server\r\n", &body);
    assert_eq!(answer.status, 303, "{answer:?}");
    let set = answer.header("set-cookie").unwrap();
    assert!(
        set.starts_with("__Host-wxtoken=") && set.ends_with("; Secure"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap();
    let page = ask_by(None, "GET", &format!("Cookie: {cookie}\r\n"), "");
    assert!(page.body.contains(PAGE), "{page:?}");
    let own = authority.sign("desk.example.com");
    let page = ask_by(Some(&own), "GET", "", "");
    assert!(
        page.body.contains(PAGE) && !page.body.contains("Sign out"),
        "{page:?}"
    );
    let other = authority.sign("crm.example.com");
    assert!(ask_by(Some(&other), "GET", "", "").body.contains(FORM));
}

#[test]
fn behind_a_proxy_with_tls_the_cookie_is_as_over_tls() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::with(&desk, &BEHIND_A_PROXY);
    let by_proxy =
        "Origin: https://server\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";
    let answer = serving.sign_in(&key, by_proxy);
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(answer.header("set-cookie").unwrap().ends_with("; Secure"));
}

#[test]
fn while_the_store_is_away_the_page_says_so() {
    let desk = Desk::on_redis();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let cookie = serving.session(&key);
    assert!(serving.page(&cookie).body.contains(">shop<"));
    desk.world.server().freeze();
    let page = serving.page(&cookie);
    desk.world.server().thaw();
    for said in [PAGE, "The store’s server is away", ">shop<"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    wait_until("it is back", || {
        !serving
            .page(&cookie)
            .body
            .contains("The store’s server is away")
    });
}

#[test]
fn a_store_that_cannot_be_read_is_said_without_the_name_of_a_file() {
    let desk = Desk::with_shop();
    let key = desk.client("ops", &["--allow", "status"]);
    let serving = Serving::start(&desk);
    let cookie = serving.session(&key);
    let store = desk.world.store();
    std::fs::remove_file(&store).unwrap();
    std::fs::create_dir(&store).unwrap();
    let page = serving.page(&cookie);
    assert_eq!(page.status, 503, "{page:?}");
    assert!(
        page.body.contains("The server cannot use its store"),
        "{page:?}"
    );
    has_none_of(&page.body, &[store.to_str().unwrap()]);
}
