//! Every credential of the recipe table runs through the same life. Also the chains they form, and an invented
//! credential.

use std::io::{Read, Write};
use std::net::TcpListener;

use ::wxtoken::ffi::wxtoken_status::{self, *};
use ::wxtoken::tool::kinds;
use ::wxtoken::{Failpoint, arm};
use common::{Child, Handle, SECRET, World, outcome, sqlite, until_unspoiled, wait_until};
use serde_json::{Value, json};

/// One credential, and its possible wrong requests.
struct Row {
    kind: &'static str,
    /// "" for the access token.
    credential: &'static str,
    path: &'static str,
    /// The errcode of a used-up quota; 0 if the platform's codes are words.
    quota: i32,
    /// The errcodes for a wrong secret of the account, and for an unknown id.
    wrong_secret: Option<i32>,
    wrong_id: Option<i32>,
}

const ROW: Row = Row {
    kind: "",
    credential: "",
    path: "",
    quota: 45009,
    wrong_secret: None,
    wrong_id: None,
};

/// Every row of the recipe table, once for each kind that has it.
const ROWS: &[Row] = &[
    Row {
        kind: "official",
        path: "/cgi-bin/stable_token",
        wrong_secret: Some(40125),
        wrong_id: Some(40013),
        ..ROW
    },
    Row {
        kind: "official",
        credential: "jsapi_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "official",
        credential: "card_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "official",
        credential: "sdk_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "official_classic",
        path: "/cgi-bin/token",
        wrong_secret: Some(40125),
        wrong_id: Some(40013),
        ..ROW
    },
    Row {
        kind: "official_classic",
        credential: "jsapi_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "official_classic",
        credential: "card_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "official_classic",
        credential: "sdk_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "work",
        path: "/cgi-bin/gettoken",
        wrong_secret: Some(40001),
        wrong_id: Some(40013),
        ..ROW
    },
    Row {
        kind: "work",
        credential: "jsapi_ticket",
        path: "/cgi-bin/get_jsapi_ticket",
        ..ROW
    },
    Row {
        kind: "work",
        credential: "agent_ticket",
        path: "/cgi-bin/ticket/get",
        ..ROW
    },
    Row {
        kind: "component",
        path: "/cgi-bin/component/api_component_token",
        wrong_secret: Some(40125),
        wrong_id: Some(40013),
        ..ROW
    },
    Row {
        kind: "authorizer",
        path: "/cgi-bin/component/api_authorizer_token",
        ..ROW
    },
    Row {
        kind: "authorizer",
        credential: "jsapi_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "authorizer",
        credential: "card_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "authorizer",
        credential: "sdk_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "suite",
        path: "/cgi-bin/service/get_suite_token",
        wrong_secret: Some(40080),
        wrong_id: Some(40083),
        ..ROW
    },
    Row {
        kind: "work_authorized",
        path: "/cgi-bin/service/get_corp_token",
        wrong_secret: Some(40084),
        wrong_id: Some(40084),
        ..ROW
    },
    Row {
        kind: "work_authorized",
        credential: "jsapi_ticket",
        path: "/cgi-bin/get_jsapi_ticket",
        ..ROW
    },
    Row {
        kind: "work_authorized",
        credential: "agent_ticket",
        path: "/cgi-bin/ticket/get",
        ..ROW
    },
    Row {
        kind: "provider",
        path: "/cgi-bin/service/get_provider_token",
        wrong_secret: Some(40001),
        wrong_id: Some(40013),
        ..ROW
    },
    Row {
        kind: "qq",
        path: "/api/getToken",
        wrong_secret: Some(40125),
        wrong_id: Some(40013),
        ..ROW
    },
    Row {
        kind: "douyin",
        path: "/api/apps/v2/token",
        wrong_secret: Some(40017),
        wrong_id: Some(40015),
        ..ROW
    },
    Row {
        kind: "dingtalk",
        path: "/v1.0/oauth2/accessToken",
        wrong_secret: Some(0),
        wrong_id: Some(0),
        ..ROW
    },
    Row {
        kind: "feishu",
        path: "/open-apis/auth/v3/tenant_access_token/internal",
        quota: 99_991_400,
        wrong_secret: Some(10014),
        wrong_id: Some(10003),
        ..ROW
    },
    Row {
        kind: "work",
        credential: "card_ticket",
        path: "/cgi-bin/ticket/get",
        ..ROW
    },
    Row {
        kind: "work_authorized",
        credential: "card_ticket",
        path: "/cgi-bin/ticket/get",
        ..ROW
    },
    Row {
        kind: "qqbot",
        path: "/app/getAppAccessToken",
        wrong_secret: Some(100_016),
        wrong_id: Some(100_007),
        ..ROW
    },
    Row {
        kind: "douyin_stable",
        path: "/oauth/stable_client_token/",
        quota: 10_020,
        wrong_secret: Some(10_013),
        wrong_id: Some(10_003),
        ..ROW
    },
    Row {
        kind: "douyin_stable",
        credential: "jsapi_ticket",
        path: "/js/getticket/",
        quota: 10_020,
        ..ROW
    },
    Row {
        kind: "douyin_stable",
        credential: "open_ticket",
        path: "/open/getticket/",
        quota: 10_020,
        ..ROW
    },
    Row {
        kind: "douyin_game",
        path: "/mgplatform/api/apps/stable_token",
        quota: 28_005_139,
        wrong_secret: Some(28_001_038),
        wrong_id: Some(28_001_038),
        ..ROW
    },
    Row {
        kind: "dingtalk",
        credential: "jsapi_ticket",
        path: "/v1.0/oauth2/jsapiTickets",
        ..ROW
    },
    Row {
        kind: "dingtalk_suite",
        path: "/v1.0/oauth2/suiteAccessToken",
        wrong_secret: Some(0),
        wrong_id: Some(0),
        ..ROW
    },
    Row {
        kind: "feishu",
        credential: "app_token",
        path: "/open-apis/auth/v3/app_access_token/internal",
        quota: 99_991_400,
        ..ROW
    },
    Row {
        kind: "feishu",
        credential: "jsapi_ticket",
        path: "/open-apis/jssdk/ticket/get",
        quota: 99_991_400,
        ..ROW
    },
    Row {
        kind: "feishu_store",
        path: "/open-apis/auth/v3/app_access_token",
        quota: 99_991_400,
        wrong_secret: Some(10_014),
        wrong_id: Some(10_003),
        ..ROW
    },
    Row {
        kind: "feishu_tenant",
        path: "/open-apis/auth/v3/tenant_access_token",
        quota: 99_991_400,
        ..ROW
    },
    Row {
        kind: "feishu_tenant",
        credential: "jsapi_ticket",
        path: "/open-apis/jssdk/ticket/get",
        quota: 99_991_400,
        ..ROW
    },
    Row {
        kind: "lark",
        path: "/open-apis/auth/v3/tenant_access_token/internal",
        quota: 99_991_400,
        wrong_secret: Some(10_014),
        wrong_id: Some(10_003),
        ..ROW
    },
    Row {
        kind: "lark",
        credential: "app_token",
        path: "/open-apis/auth/v3/app_access_token/internal",
        quota: 99_991_400,
        ..ROW
    },
    Row {
        kind: "lark",
        credential: "jsapi_ticket",
        path: "/open-apis/jssdk/ticket/get",
        quota: 99_991_400,
        ..ROW
    },
    Row {
        kind: "xiaohongshu",
        path: "/api/rmp/token",
        ..ROW
    },
    Row {
        kind: "baidu",
        path: "/oauth/2.0/token",
        wrong_secret: Some(0),
        wrong_id: Some(0),
        ..ROW
    },
    Row {
        kind: "qidian",
        path: "/cgi-bin/token",
        wrong_secret: Some(40125),
        wrong_id: Some(40013),
        ..ROW
    },
    Row {
        kind: "qidian",
        credential: "jsapi_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
    Row {
        kind: "qidian",
        credential: "card_ticket",
        path: "/cgi-bin/ticket/getticket",
        ..ROW
    },
];

#[test]
fn every_credential_of_the_recipe_table_has_a_row_here() {
    let shipped = kinds().into_iter().filter(|kind| kind.name != "made_up");
    let credentials = shipped.flat_map(|kind| {
        let of_kind = kind.credentials.into_iter();
        of_kind.map(move |credential| (kind.name, credential))
    });
    let in_rows = |kind: &str, credential: &str| {
        let mut rows = ROWS.iter().filter(|row| row.kind == kind);
        match credential {
            "access_token" => rows.any(|row| row.credential.is_empty()),
            other => rows.any(|row| row.credential == other),
        }
    };
    let missing: Vec<_> = credentials.filter(|(k, c)| !in_rows(k, c)).collect();
    assert!(missing.is_empty(), "ROWS lacks {missing:?}");
}

const REFRESH_TOKEN: &str = "refreshtoken@@@of-the-authorization";
const PARENT: &str = "parent1";

impl Row {
    fn name(&self) -> String {
        match self.credential {
            "" => "own".into(),
            credential => format!("own/{credential}"),
        }
    }

    fn says(&self) -> String {
        format!("{} {}", self.kind, self.name())
    }

    fn parent(&self) -> Option<(&'static str, &'static str)> {
        match self.kind {
            "authorizer" => Some(("component", "verify_ticket")),
            "work_authorized" => Some(("suite", "suite_ticket")),
            "feishu_tenant" => Some(("feishu_store", "app_ticket")),
            _ => None,
        }
    }

    /// The field that is pushed to accounts of this kind.
    fn pushed(&self) -> Option<&'static str> {
        match self.kind {
            "component" => Some("verify_ticket"),
            "suite" | "dingtalk_suite" => Some("suite_ticket"),
            "feishu_store" => Some("app_ticket"),
            _ => None,
        }
    }

    /// Whether it is fetched with another token: the account's own, or its parent's.
    fn is_fetched_with_a_token(&self) -> bool {
        match self.credential {
            "" => self.parent().is_some(),
            "app_token" => false,
            _ => true,
        }
    }

    fn has_secret(&self) -> bool {
        !matches!(self.kind, "authorizer" | "feishu_tenant")
    }

    /// A world with the account at the platform, and its parent if it has one.
    fn world(&self, settings: Value) -> World {
        let world = World::new();
        if let Some((kind, _)) = self.parent() {
            world.add(kind, PARENT, json!({}));
        }
        self.settle(&world, settings);
        world
    }

    /// Adds the account, or changes its settings.
    fn settle(&self, world: &World, mut settings: Value) {
        if self.parent().is_some() {
            settings["parent"] = json!(PARENT);
        }
        if self.kind == "authorizer" {
            settings["secret"] = json!(REFRESH_TOKEN);
        }
        // The simulator distinguishes platforms by path, and these paths belong to another platform.
        let kind = match self.kind {
            "official_classic" | "qidian" => "official",
            "lark" => "feishu",
            kind => kind,
        };
        world.add(kind, "id1", settings);
    }

    /// Opens the store with the account registered and every required field put.
    fn open(&self, world: &World) -> Handle {
        let handle = world.open();
        self.register(&handle, "id1", SECRET);
        if let Some((kind, field)) = self.parent() {
            handle.register("above", kind, PARENT, SECRET).unwrap();
            let (ticket, _) = world.sim.push(PARENT, 0).unwrap();
            handle.put("above", field, &ticket).unwrap();
            handle.put("own", "parent", "above").unwrap();
        }
        if self.kind == "authorizer" {
            handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
        }
        if let Some(field) = self.pushed() {
            self.put_push(world, &handle, field);
        }
        handle
    }

    fn register(&self, handle: &Handle, id: &str, secret: &str) {
        let secret = self.has_secret().then_some(secret);
        handle.register_maybe("own", self.kind, id, secret).unwrap();
    }

    fn put_push(&self, world: &World, handle: &Handle, field: &str) {
        let (ticket, _) = world.sim.push("id1", 0).unwrap();
        handle.put("own", field, &ticket).unwrap();
    }

    /// The state in the report: fresh, usable, none.
    fn state(&self, handle: &Handle) -> String {
        let credential = match self.credential {
            "" => "access_token",
            other => other,
        };
        let report = handle.report();
        let accounts = report["accounts"].as_array().unwrap().iter();
        let own = accounts.filter(|account| account["name"] == "own");
        let tokens = own.flat_map(|account| account["tokens"].as_array().unwrap());
        let states: Vec<&Value> = tokens
            .filter(|token| token["credential"] == credential)
            .map(|token| &token["state"])
            .collect();
        assert_eq!(states.len(), 1, "{report}");
        states[0].as_str().unwrap().to_owned()
    }

    fn minted(&self, world: &World) -> u64 {
        let counters = world.sim.counters_of("id1");
        counters.by_path.get(self.path).map_or(0, |at| at.minted)
    }

    fn requests(&self, world: &World) -> u64 {
        let counters = world.sim.counters_of("id1");
        counters.by_path.get(self.path).map_or(0, |at| at.requests)
    }
}

/// Runs a step for every row of the table, several at once, each in its own world.
fn for_each_row(step: impl Fn(&Row) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(row) =
                    ROWS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    step(row);
                }
            });
        }
    });
}

fn of_id(world: &World, id: &str, path: &str) -> (u64, u64) {
    let counters = world.sim.counters_of(id);
    counters
        .by_path
        .get(path)
        .map_or((0, 0), |at| (at.requests, at.minted))
}

#[test]
fn each_credential_is_fetched_once_and_then_read_by_this_process_and_others() {
    for_each_row(|row| {
        let world = row.world(json!({}));
        let handle = row.open(&world);
        let first = handle.get(&row.name()).unwrap();
        assert!(world.accepts(&first.value), "{}", row.says());
        for _ in 0..3 {
            assert_eq!(handle.get(&row.name()).unwrap(), first);
        }
        let elsewhere = Child::fork(|| outcome(world.open().get(&row.name()))).join();
        assert_eq!(elsewhere, first.value, "{}", row.says());
        assert_eq!(row.minted(&world), 1, "{}", row.says());
        assert_eq!(row.requests(&world), 1, "{}", row.says());
    });
}

/// The header carries the token with its prefix. The body is empty, in a POST too.
#[test]
fn the_token_is_sent_in_a_header_where_the_platform_requires_it() {
    for (kind, credential, header, prefix, method) in [
        ("douyin_stable", "open_ticket", "access-token", "", "GET"),
        (
            "dingtalk",
            "jsapi_ticket",
            "x-acs-dingtalk-access-token",
            "",
            "POST",
        ),
        ("feishu", "jsapi_ticket", "authorization", "Bearer ", "POST"),
        ("lark", "jsapi_ticket", "authorization", "Bearer ", "POST"),
    ] {
        let row = row(kind, credential);
        let world = row.world(json!({}));
        let handle = row.open(&world);
        let token = handle.get("own").unwrap().value;
        handle.get(&row.name()).unwrap();
        let requests = world.sim.requests(Some("id1"));
        let sent = requests.as_array().unwrap().last().unwrap();
        assert_eq!(
            (&sent["method"], &sent["path"]),
            (&json!(method), &json!(row.path))
        );
        let headers = sent["headers"].as_object().unwrap();
        let value = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(header))
            .map(|(_, value)| value.as_str().unwrap());
        assert!(value == Some(&format!("{prefix}{token}")), "{}", row.says());
        assert_eq!((&sent["query"], &sent["body"]), (&json!(""), &json!("")));
    }
}

/// Before the token's end, or at its end if the platform repeats the token until then: one mint for each new token.
#[test]
fn each_credential_is_refreshed_in_its_soft_window_by_one_mint() {
    refreshes_each("0");
}

/// A background thread of the library refreshes the credential, and fetches the parent's token if needed.
#[test]
fn each_credential_is_refreshed_in_the_background_by_one_mint() {
    refreshes_each("1");
}

fn refreshes_each(background: &str) {
    for_each_row(|row| {
        let world = row.world(json!({"lifetime_ms": 3000}));
        let handle = row.open(&world);
        handle.set("revalidate_ms", "0").unwrap();
        handle.set("background_refresh", background).unwrap();
        let first = handle.get(&row.name()).unwrap();
        let before = row.minted(&world);
        row.settle(&world, json!({"lifetime_ms": 60_000}));
        let mut latest = first.clone();
        wait_until("there is another", || {
            latest = handle.get(&row.name()).unwrap();
            latest.value != first.value
        });
        assert!(world.accepts(&latest.value), "{}", row.says());
        assert_eq!(row.minted(&world), before + 1, "{}", row.says());
    });
}

#[test]
fn each_expired_credential_is_fetched_once_for_all_callers() {
    for_each_row(|row| {
        let world = row.world(json!({"lifetime_ms": 2000}));
        let handle = row.open(&world);
        handle.set("refresh_ahead_s", "0").unwrap();
        let first = handle.get(&row.name()).unwrap();
        // One mint, unless a slow machine received the first token already spent.
        let before = row.minted(&world);
        // The next token must outlive this test on any machine.
        row.settle(&world, json!({"lifetime_ms": 60_000}));
        wait_until("it has expired", || row.state(&handle) == "none");
        // A platform that repeats its token may do so once more in its last instant.
        let another = || {
            let mut next = handle.get(&row.name()).unwrap();
            wait_until("there is another", || {
                next = handle.get(&row.name()).unwrap();
                next.value != first.value
            });
            next.value
        };
        let others: Vec<Child> = (0..3).map(|_| Child::fork(another)).collect();
        let next = another();
        for other in others {
            assert_eq!(other.join(), next, "{}", row.says());
        }
        let requests = world.sim.requests(Some("id1"));
        assert_eq!(row.minted(&world), before + 1, "{}: {requests}", row.says());
    });
}

#[test]
fn each_credential_is_replaced_once_when_the_api_refuses_it() {
    for_each_row(|row| {
        let world = row.world(json!({}));
        let handle = row.open(&world);
        let first = handle.get(&row.name()).unwrap();
        world
            .sim
            .post("/revoke", json!({"id": "id1", "which": "all"}))
            .unwrap();
        handle.reject(&row.name(), &first.value).unwrap();
        let next = handle.get(&row.name()).unwrap();
        assert_ne!(next.value, first.value, "{}", row.says());
        assert!(world.accepts(&next.value), "{}", row.says());
        // A late complaint about the same token changes nothing.
        handle.reject(&row.name(), &first.value).unwrap();
        assert_eq!(handle.get(&row.name()).unwrap(), next);
        assert_eq!(row.minted(&world), 2, "{}", row.says());
    });
}

#[test]
fn a_used_up_quota_is_reported_shared_and_waited_for() {
    // On a busy machine the two seconds may pass before the next request. The step then runs again in a new world.
    for_each_row(|row| while !quota_is_waited_for(row) {});
}

/// Whether the second process asked within the waiting time.
fn quota_is_waited_for(row: &Row) -> bool {
    let world = row.world(json!({}));
    let handle = row.open(&world);
    world.fault(
        json!({"id": "id1", "path": row.path, "kind": "errcode", "errcode": row.quota, "times": 0}),
    );
    let asked = std::time::Instant::now();
    let failure = handle.get(&row.name()).unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_API, "{}", row.says());
    // The codes of DingTalk are words, so its errcode is 0.
    assert_eq!(failure.errcode, row.quota, "{}", row.says());
    assert!(failure.retry_after_ms > 0, "{}: {failure:?}", row.says());
    assert!(
        failure.message.contains("\"own\""),
        "{}: {failure:?}",
        row.says()
    );
    let other = Child::fork(|| outcome(world.open().get(&row.name()))).join();
    assert!(other.contains("WXTOKEN_E_API"), "{}: {other}", row.says());
    let in_time = asked.elapsed().as_millis() < failure.retry_after_ms as u128;
    if in_time {
        assert_eq!(row.requests(&world), 1, "{}", row.says());
    }
    in_time
}

#[test]
fn a_wrong_secret_or_id_is_reported_and_costs_one_call() {
    for_each_row(|row| {
        let wrongs = [
            (row.wrong_secret, "id1", "not-the-secret"),
            (row.wrong_id, "id2", SECRET),
        ];
        for (errcode, id, secret) in wrongs {
            let Some(errcode) = errcode else { continue };
            let world = row.world(json!({}));
            let handle = row.open(&world);
            row.register(&handle, id, secret);
            if let (Some(field), "id2") = (row.pushed(), id) {
                handle.put("own", field, "of-another-platform").unwrap();
            }
            let failure = handle.get("own").unwrap_err();
            let got = (failure.status, failure.errcode);
            assert_eq!(got, (WXTOKEN_E_API, errcode), "{}: {failure:?}", row.says());
            assert!(!failure.message.contains(secret), "{failure:?}");
            assert!(failure.message.contains("register"), "{failure:?}");
            let again = handle.get("own").unwrap_err();
            assert_eq!(again.message, failure.message);
            assert_eq!(of_id(&world, id, row.path).0, 1, "{}", row.says());
            row.register(&handle, "id1", SECRET);
            handle.get("own").unwrap();
        }
    });
}

/// The messages for a wrong name, a field that a kind lacks, and an invalid value. They show the given text and the
/// nearest known one, except where the text may be a secret in the wrong argument.
#[test]
fn a_misspelt_name_gets_the_nearest_one_suggested_and_no_secret_is_repeated() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let register = |kind: &str| handle.register("x", kind, "wx2", SECRET);
    let misspelt = [
        (
            handle.get("shpo").map(|_| ()),
            "account \"shpo\" not found in store",
            "Did you mean \"shop\"?",
        ),
        (
            handle.get("shop/jsapi_tikcet").map(|_| ()),
            "account \"shop\" of kind official has no credential \"jsapi_tikcet\"",
            "Did you mean jsapi_ticket?",
        ),
        (
            register("offical"),
            "unknown kind \"offical\"",
            "Did you mean official?",
        ),
        (
            handle.put("shop", "curent", "1"),
            "account \"shop\" of kind official has no field \"curent\"",
            "Did you mean current?",
        ),
        (
            handle.set("timeout", "1"),
            "unknown option \"timeout\"",
            "Did you mean timeout_ms?",
        ),
    ];
    for (failed, what, hint) in misspelt {
        let message = failed.unwrap_err().message;
        assert!(message.starts_with(what), "{message}");
        assert!(message.ends_with(&format!("; hint: {hint}")), "{message}");
    }
    let misplaced = [
        register(SECRET),
        handle.put("shop", SECRET, "1"),
        handle.set(SECRET, "1"),
    ];
    for failed in misplaced {
        let message = failed.unwrap_err().message;
        assert!(!message.contains(SECRET), "{message}");
    }
}

#[test]
fn a_credential_that_an_account_lacks_is_refused_with_a_list_of_those_it_has() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let wrong: [(&str, &[&str]); 3] = [
        (
            "shop/agent_ticket",
            &["official", "jsapi_ticket", "card_ticket", "sdk_ticket"],
        ),
        ("shop/refresh_token", &["official", "access_token"]),
        ("shop/Jsapi", &["credential", "jsapi_ticket"]),
    ];
    for (name, words) in wrong {
        let failure = handle.get(name).unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_ARGUMENT, "{failure:?}");
        for word in words {
            assert!(failure.message.contains(word), "{word}: {failure:?}");
        }
        assert_eq!(
            handle.reject(name, "T").unwrap_err().status,
            WXTOKEN_E_ARGUMENT
        );
    }
    let failure = handle.put("shop", "verify_ticket", "T").unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_ARGUMENT);
    assert!(
        failure.message.contains("It takes current, retry."),
        "{failure:?}"
    );
    assert_eq!(
        handle.get("shop/access_token").unwrap(),
        handle.get("shop").unwrap()
    );
    assert_eq!(world.requests(), 1);
}

// --- chains ---

fn authorizer() -> &'static Row {
    row("authorizer", "")
}

fn row(kind: &str, credential: &str) -> &'static Row {
    ROWS.iter()
        .find(|row| row.kind == kind && row.credential == credential)
        .unwrap()
}

const COMPONENT_PATH: &str = "/cgi-bin/component/api_component_token";
const SUITE_PATH: &str = "/cgi-bin/service/get_suite_token";

/// Ticket, authorizer token, component token: 16 threads and processes want the last one, and each link is fetched
/// once.
#[test]
fn a_cold_crowd_fetches_each_link_of_a_chain_once() {
    for (row, above) in [
        (row("authorizer", "jsapi_ticket"), COMPONENT_PATH),
        (row("work_authorized", "agent_ticket"), SUITE_PATH),
    ] {
        let world = row.world(json!({"delay_ms": 50}));
        let handle = row.open(&world);
        let processes: Vec<Child> = (0..4)
            .map(|_| {
                Child::fork(|| {
                    let handle = &handle;
                    let got: Vec<String> = std::thread::scope(|scope| {
                        let threads: Vec<_> = (0..4)
                            .map(|_| scope.spawn(move || outcome(handle.get(&row.name()))))
                            .collect();
                        threads.into_iter().map(|t| t.join().unwrap()).collect()
                    });
                    got.join(" ")
                })
            })
            .collect();
        let ticket = handle.get(&row.name()).unwrap().value;
        for process in processes {
            let got = process.join();
            assert!(got.split(' ').all(|token| token == ticket), "{got}");
        }
        assert_eq!(of_id(&world, PARENT, above), (1, 1), "{}", row.says());
        let counters = world.sim.counters_of("id1");
        assert_eq!(
            (counters.requests, counters.minted),
            (2, 2),
            "{}",
            row.says()
        );
    }
}

/// Threads and processes ask at every link at once, from both ends, while tokens are revoked and rejected.
#[test]
fn a_crowd_at_every_link_neither_hangs_nor_fails() {
    let row = row("authorizer", "jsapi_ticket");
    let world = row.world(json!({"lifetime_ms": 3000}));
    world.add("component", PARENT, json!({"lifetime_ms": 2000}));
    let handle = row.open(&world);
    handle.set("revalidate_ms", "0").unwrap();
    let names = ["own/jsapi_ticket", "own", "above", "own/card_ticket"];
    let crowd = || {
        handle.set("timeout_ms", "60000").unwrap();
        let until = std::time::Instant::now() + std::time::Duration::from_secs(4);
        let failed: Vec<String> = std::thread::scope(|scope| {
            let handle = &handle;
            let threads: Vec<_> = (0..8)
                .map(|number: usize| {
                    scope.spawn(move || {
                        let mut turn = number;
                        while std::time::Instant::now() < until {
                            turn += 1;
                            let name = names[turn % names.len()];
                            match handle.get(name) {
                                Ok(token) if turn.is_multiple_of(97) => {
                                    handle.reject(name, &token.value).unwrap();
                                }
                                Ok(_) => {}
                                Err(failure) => return Some(format!("{name}: {failure:?}")),
                            }
                        }
                        None
                    })
                })
                .collect();
            let ended = threads.into_iter().map(|thread| thread.join().unwrap());
            ended.flatten().collect()
        });
        format!("failed: {failed:?}")
    };
    let processes = [Child::fork(crowd), Child::fork(crowd)];
    assert_eq!(crowd(), "failed: []");
    for process in processes {
        assert_eq!(process.join(), "failed: []");
    }
}

/// At every link, the token that fetches the next one has been revoked. It is rejected, and fetched again once.
#[test]
fn a_parent_refused_during_a_fetch_is_fetched_again_once() {
    for row in ROWS.iter().filter(|row| row.is_fetched_with_a_token()) {
        let world = row.world(json!({}));
        let handle = row.open(&world);
        let (above, id) = match (row.credential, row.parent()) {
            ("", Some(_)) => ("above", PARENT),
            _ => ("own", "id1"),
        };
        let revoked = handle.get(above).unwrap();
        world
            .sim
            .post("/revoke", json!({"id": id, "which": "all"}))
            .unwrap();
        let token = handle.get(&row.name()).unwrap();
        assert!(world.accepts(&token.value), "{}", row.says());
        assert_ne!(handle.get(above).unwrap(), revoked, "{}", row.says());
        assert_eq!(
            (row.requests(&world), row.minted(&world)),
            (2, 1),
            "{}",
            row.says()
        );
    }
}

/// A platform that accepts no token at all is asked twice, and then not asked for a while.
#[test]
fn a_parent_refused_twice_is_a_failure_that_backs_off() {
    until_unspoiled(|| {
        let row = row("official", "jsapi_ticket");
        let world = row.world(json!({}));
        let handle = row.open(&world);
        handle.get("own").unwrap();
        world.fault(
            json!({"id": "id1", "path": row.path, "kind": "errcode", "errcode": 40001, "times": 0}),
        );
        let asked = std::time::Instant::now();
        let failure = handle.get(&row.name()).unwrap_err();
        assert_eq!((failure.status, failure.errcode), (WXTOKEN_E_API, 40001));
        assert!((1..=2500).contains(&failure.retry_after_ms), "{failure:?}");
        for _ in 0..10 {
            handle.get(&row.name()).unwrap_err();
        }
        if asked.elapsed().as_millis() >= failure.retry_after_ms as u128 {
            return None;
        }
        assert_eq!(row.requests(&world), 2);
        assert!(of_id(&world, "id1", "/cgi-bin/stable_token").0 <= 2);
        Some(())
    });
}

#[test]
fn an_error_names_the_link_that_failed_and_what_to_do() {
    let row = row("authorizer", "jsapi_ticket");
    let world = row.world(json!({}));
    let handle = world.open();
    let fails = |status: wxtoken_status, words: &[&str]| {
        let failure = handle.get("own/jsapi_ticket").unwrap_err();
        assert_eq!(failure.status, status, "{failure:?}");
        for word in words {
            assert!(failure.message.contains(word), "{word}: {failure:?}");
        }
        assert!(!failure.message.contains(REFRESH_TOKEN));
    };
    fails(WXTOKEN_E_ACCOUNT, &["\"own\"", "wxtoken_register"]);
    row.register(&handle, "id1", SECRET);
    fails(
        WXTOKEN_E_ACCOUNT,
        &["no parent", "\"own\"", "component", "docs/credentials.md"],
    );
    handle
        .register("above", "component", PARENT, SECRET)
        .unwrap();
    handle.put("own", "parent", "above").unwrap();
    let ticket = [
        "no verify_ticket",
        "\"above\"",
        "every 10 minutes",
        "jsapi_ticket of account \"own\"",
    ];
    fails(WXTOKEN_E_SECRET, &ticket);
    let (pushed, _) = world.sim.push(PARENT, 0).unwrap();
    handle.put("above", "verify_ticket", &pushed).unwrap();
    fails(
        WXTOKEN_E_SECRET,
        &["no refresh_token", "\"own\"", "authorization"],
    );
    handle.put("own", "refresh_token", "wrong-one").unwrap();
    fails(
        WXTOKEN_E_API,
        &["61023", "authorized again", "needed for the jsapi_ticket"],
    );
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    handle.get("own/jsapi_ticket").unwrap();
    let counters = world.sim.counters_of("id1");
    assert_eq!((counters.requests, counters.minted), (3, 2), "{counters:?}");
}

#[test]
fn a_chain_ends_within_one_deadline() {
    let row = row("authorizer", "jsapi_ticket");
    let world = row.world(json!({"delay_ms": 700}));
    world.fault(json!({"id": PARENT, "kind": "delay", "ms": 700}));
    let handle = row.open(&world);
    handle.set("timeout_ms", "1000").unwrap();
    // Each link alone would finish in time, so a deadline for each link would yield a ticket.
    let failure = handle.get(&row.name()).unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_TIMEOUT, "{failure:?}");
}

/// While a ticket is good, a platform that is unreachable at any link causes no error.
#[test]
fn a_ticket_past_its_refresh_time_is_served_while_its_parent_is_unavailable() {
    let row = row("official", "jsapi_ticket");
    let world = row.world(json!({}));
    let handle = row.open(&world);
    handle.set("revalidate_ms", "0").unwrap();
    let ticket = handle.get(&row.name()).unwrap();
    world.fault(json!({"id": "id1", "kind": "status", "code": 503, "times": 0}));
    world.pass_refresh_times();
    let tokens = handle.report()["accounts"][0]["tokens"].clone();
    let mut tokens = tokens.as_array().unwrap().iter();
    assert!(tokens.all(|token| token["state"] == "usable"));
    for _ in 0..5 {
        assert_eq!(handle.get(&row.name()).unwrap(), ticket);
    }
    assert!(world.sim.counters_of("id1").requests > 2, "none was tried");
}

/// The parent's token takes most of the time of an early refresh. The rest is not spent on a request that is likely to
/// time out, and whose answer would then be lost.
#[test]
fn a_refresh_with_hardly_any_time_left_makes_no_request() {
    let row = row("official", "jsapi_ticket");
    let world = row.world(json!({}));
    let handle = row.open(&world);
    handle.set("revalidate_ms", "0").unwrap();
    let ticket = handle.get(&row.name()).unwrap();
    sqlite(
        &world.store(),
        "PRAGMA journal_mode = TRUNCATE; UPDATE weixin_token SET refresh_at = fetched_at; UPDATE weixin_token SET expires_at = fetched_at + 1 WHERE endpoint = 'stable_token'",
    );
    world.fault(json!({"id": "id1", "kind": "delay", "ms": 1500}));
    handle.set("timeout_ms", "2000").unwrap();
    let asked = row.requests(&world);
    assert_eq!(handle.get(&row.name()).unwrap(), ticket);
    assert_eq!(row.requests(&world), asked);
    handle.set("timeout_ms", "8000").unwrap();
    handle.get(&row.name()).unwrap();
    assert_eq!(row.requests(&world), asked + 1);
}

// --- who shares what ---

#[test]
fn apps_of_a_corporation_share_only_the_credentials_of_the_corporation() {
    let world = World::new();
    world.add("work", "corp1", json!({"secret": "first-app"}));
    world.add("work", "corp1", json!({"secret": "second-app"}));
    let handle = world.open();
    handle
        .register("mail", "work", "corp1", "first-app")
        .unwrap();
    handle
        .register("crm", "work", "corp1", "second-app")
        .unwrap();
    let jsapi = handle.get("mail/jsapi_ticket").unwrap();
    assert_eq!(handle.get("crm/jsapi_ticket").unwrap(), jsapi);
    let agent = handle.get("mail/agent_ticket").unwrap();
    assert_ne!(handle.get("crm/agent_ticket").unwrap(), agent);
    assert_eq!(of_id(&world, "corp1", "/cgi-bin/get_jsapi_ticket"), (1, 1));
    assert_eq!(of_id(&world, "corp1", "/cgi-bin/ticket/get"), (2, 2));
}

#[test]
fn an_authorizer_of_two_platforms_has_a_token_and_a_refresh_token_for_each() {
    let world = World::new();
    let handle = world.open();
    for number in ["1", "2"] {
        let (above, own) = (format!("above{number}"), format!("own{number}"));
        let refresh = format!("refresh-{number}");
        let parent = format!("component{number}");
        world.add("component", &parent, json!({}));
        world.add(
            "authorizer",
            "wx1",
            json!({"parent": parent, "secret": refresh}),
        );
        handle
            .register(&above, "component", &parent, SECRET)
            .unwrap();
        let (ticket, _) = world.sim.push(&parent, 0).unwrap();
        handle.put(&above, "verify_ticket", &ticket).unwrap();
        handle
            .register_maybe(&own, "authorizer", "wx1", None)
            .unwrap();
        handle.put(&own, "parent", &above).unwrap();
        handle.put(&own, "refresh_token", &refresh).unwrap();
    }
    let tokens = ["own1", "own2"].map(|name| handle.get(name).unwrap().value);
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(handle.get("own1/refresh_token").unwrap().value, "refresh-1");
    assert_eq!(handle.get("own2/refresh_token").unwrap().value, "refresh-2");
    // A third name for the first pair shares both.
    handle
        .register_maybe("own3", "authorizer", "wx1", None)
        .unwrap();
    handle.put("own3", "parent", "above1").unwrap();
    assert_eq!(handle.get("own3").unwrap().value, tokens[0]);
    assert_eq!(handle.get("own3/refresh_token").unwrap().value, "refresh-1");
    assert_eq!(world.sim.counters_of("wx1").minted, 2);
}

// --- pushed secrets ---

#[test]
fn a_renewed_refresh_token_is_saved_with_the_token_and_used_next() {
    let row = authorizer();
    let world = row.world(json!({}));
    world
        .sim
        .switches(json!({"refresh_token_changes": true}))
        .unwrap();
    let handle = row.open(&world);
    let first = handle.get("own").unwrap();
    let renewed = handle.get("own/refresh_token").unwrap();
    assert_ne!(renewed.value, REFRESH_TOKEN);
    assert_eq!(renewed.expires_at, 0);
    assert_eq!(
        handle.get("own/refresh_token_before").unwrap().value,
        REFRESH_TOKEN
    );
    // A program that puts the first refresh token at each start does not undo that.
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    assert_eq!(handle.get("own/refresh_token").unwrap(), renewed);
    world.sim.revoke("id1");
    handle.reject("own", &first.value).unwrap();
    handle.get("own").unwrap();
    assert_ne!(handle.get("own/refresh_token").unwrap(), renewed);
    assert_eq!(row.minted(&world), 2);
    let bytes = std::fs::read(world.store()).unwrap();
    for secret in [REFRESH_TOKEN, &renewed.value] {
        assert!(!contains(&bytes, secret), "in the clear");
        assert!(!handle.report().to_string().contains(secret));
    }
    let own = &handle.report()["accounts"][1];
    assert_eq!(own["tokens"][0]["put"]["field"], "refresh_token");
    assert!(own["tokens"][0]["put"]["at"].is_i64());
}

/// A renewed authorization ends the current token and brings a new refresh token.
#[test]
fn only_a_different_refresh_token_causes_another_fetch() {
    let row = authorizer();
    let world = row.world(json!({}));
    let handle = row.open(&world);
    handle.set("revalidate_ms", "0").unwrap();
    let first = handle.get("own").unwrap();
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    assert_eq!(handle.get("own").unwrap(), first, "the same one");
    let (refresh, _) = world.sim.authorize("id1", None).unwrap();
    handle.put("own", "refresh_token", &refresh).unwrap();
    let next = handle.get("own").unwrap();
    assert_ne!(next.value, first.value);
    assert!(world.accepts(&next.value));
    assert_eq!(row.minted(&world), 2);
    // A pushed ticket ends no token either.
    for (kind, field) in [("component", "verify_ticket"), ("suite", "suite_ticket")] {
        let row = self::row(kind, "");
        let world = row.world(json!({}));
        let handle = row.open(&world);
        handle.set("revalidate_ms", "0").unwrap();
        let first = handle.get("own").unwrap();
        row.put_push(&world, &handle, field);
        assert_eq!(handle.get("own").unwrap(), first, "{field}");
        assert_eq!(row.minted(&world), 1, "{field}");
    }
}

#[test]
fn a_reply_without_a_refresh_token_keeps_the_stored_one() {
    let row = authorizer();
    let world = row.world(json!({}));
    world.fault(json!({"id": "id1", "kind": "no_refresh_token"}));
    let handle = row.open(&world);
    handle.get("own").unwrap();
    assert_eq!(
        handle.get("own/refresh_token").unwrap().value,
        REFRESH_TOKEN
    );
}

/// A leader killed after the commit leaves both, and one killed before it leaves neither.
#[test]
fn token_and_refresh_token_are_committed_together() {
    for (point, is_saved) in [(Failpoint::Saving, false), (Failpoint::Saved, true)] {
        let row = authorizer();
        let world = row.world(json!({}));
        world
            .sim
            .switches(json!({"refresh_token_changes": true}))
            .unwrap();
        let handle = row.open(&world);
        handle.get("above").unwrap();
        let child = Child::fork(|| {
            arm(point, libc::SIGKILL);
            outcome(handle.get("own"))
        });
        assert_eq!(child.join(), "");
        let refresh = handle.get("own/refresh_token").unwrap().value;
        assert_eq!(refresh != REFRESH_TOKEN, is_saved, "{point:?}");
        match is_saved {
            true => assert!(world.accepts(&handle.get("own").unwrap().value)),
            // The platform has ended the old one: the account must be authorized again.
            false => assert_eq!(handle.get("own").unwrap_err().errcode, 61023),
        }
    }
}

/// A late leader's token is dropped. Its refresh token is kept, since the platform accepts no other by now.
#[test]
fn a_late_refresh_token_is_not_lost() {
    until_unspoiled(late_refresh_token_is_kept);
}

fn late_refresh_token_is_kept() -> Option<()> {
    let row = authorizer();
    let world = row.world(json!({}));
    let switch = json!({"refresh_token_changes": true});
    world.sim.switches(switch).unwrap();
    let handle = row.open(&world);
    handle.get("above").unwrap();
    handle.set("timeout_ms", "1500").unwrap();
    let began = std::time::Instant::now();
    let late = Child::fork(|| {
        arm(Failpoint::Replied, libc::SIGSTOP);
        outcome(handle.get("own"))
    });
    let is_stopped = late.is_halted_by(libc::SIGSTOP);
    if row.minted(&world) == 0 || began.elapsed().as_millis() > 1400 {
        // Its time may have been up before the platform answered.
        if is_stopped {
            late.signal(libc::SIGKILL);
        }
        late.join();
        return None;
    }
    handle.set("timeout_ms", "8000").unwrap();
    // The lease runs out, and another process fetches with the refresh token that was put.
    assert_eq!(handle.get("own").unwrap_err().errcode, 61023);
    late.signal(libc::SIGCONT);
    late.join();
    let token = handle.get("own").unwrap();
    assert!(world.accepts(&token.value));
    assert_ne!(
        handle.get("own/refresh_token").unwrap().value,
        REFRESH_TOKEN
    );
    assert_eq!(row.minted(&world), 2);
    Some(())
}

/// A refresh token put while a leader learns that the previous one is refused is not delayed by that failure.
#[test]
fn a_refresh_token_put_during_a_fetch_is_used_at_once() {
    let row = authorizer();
    let world = row.world(json!({}));
    let handle = row.open(&world);
    handle.get("above").unwrap();
    handle.put("own", "refresh_token", "wrong-one").unwrap();
    let leader = Child::fork(|| {
        arm(Failpoint::Replied, libc::SIGSTOP);
        outcome(handle.get("own"))
    });
    leader.wait_for(libc::SIGSTOP);
    handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
    leader.signal(libc::SIGCONT);
    assert!(leader.join().contains("61023"));
    assert!(world.accepts(&handle.get("own").unwrap().value));
}

/// A leader that has read the row before another refresh token is put does not send the previous one.
#[test]
fn a_refresh_token_put_just_before_a_claim_is_the_one_that_is_sent() {
    for moment in [Failpoint::Looked, Failpoint::Locked] {
        let row = authorizer();
        let world = row.world(json!({}));
        let handle = row.open(&world);
        handle.get("above").unwrap();
        handle.put("own", "refresh_token", "wrong-one").unwrap();
        let leader = Child::fork(|| {
            arm(moment, libc::SIGSTOP);
            outcome(handle.get("own"))
        });
        leader.wait_for(libc::SIGSTOP);
        handle.put("own", "refresh_token", REFRESH_TOKEN).unwrap();
        leader.signal(libc::SIGCONT);
        let got = leader.join();
        assert!(world.accepts(&got), "{moment:?}: {got}");
        assert_eq!(handle.get("own").unwrap().value, got);
    }
}

#[test]
fn deauthorization_is_reported_until_the_account_is_authorized_again() {
    let row = authorizer();
    let world = row.world(json!({}));
    let handle = row.open(&world);
    let token = handle.get("own").unwrap();
    world.sim.deauthorize("id1", None).unwrap();
    handle.reject("own", &token.value).unwrap();
    let failure = handle.get("own").unwrap_err();
    assert_eq!((failure.status, failure.errcode), (WXTOKEN_E_API, 61003));
    assert!(failure.message.contains("authorize"), "{failure:?}");
    let (refresh, _) = world.sim.authorize("id1", None).unwrap();
    handle.put("own", "refresh_token", &refresh).unwrap();
    assert!(world.accepts(&handle.get("own").unwrap().value));
    assert_eq!(row.minted(&world), 2);

    let row = self::row("work_authorized", "");
    let world = row.world(json!({}));
    let handle = row.open(&world);
    let token = handle.get("own").unwrap();
    world.sim.deauthorize("id1", None).unwrap();
    handle.reject("own", &token.value).unwrap();
    let failure = handle.get("own").unwrap_err();
    assert_eq!((failure.status, failure.errcode), (WXTOKEN_E_API, 40084));
    let (code, _) = world.sim.authorize("id1", None).unwrap();
    handle
        .register("own", "work_authorized", "id1", &code)
        .unwrap();
    assert!(world.accepts(&handle.get("own").unwrap().value));
}

/// Tickets that were never pushed, were pushed too long ago, or were put too long ago.
#[test]
fn a_wrong_or_old_ticket_is_reported_until_the_next_one_arrives() {
    let cases = [
        ("component", "verify_ticket", 61006, 61005, 13 * 60),
        ("suite", "suite_ticket", 40085, 40085, 31),
    ];
    for (kind, field, wrong, expired, minutes) in cases {
        let row = row(kind, "");
        let world = row.world(json!({}));
        let handle = world.open();
        row.register(&handle, "id1", SECRET);
        // Of several changes within a minute, only the first is tried at once.
        let a_minute_passes = || {
            let failed = "UPDATE weixin_token SET failed_at = failed_at - 60000";
            sqlite(&world.store(), failed);
        };
        handle.put("own", field, "never-pushed").unwrap();
        assert_eq!(handle.get("own").unwrap_err().errcode, wrong);
        let (old, _) = world.sim.push("id1", minutes * 60_000).unwrap();
        handle.put("own", field, &old).unwrap();
        let failure = handle.get("own").unwrap_err();
        assert_eq!(failure.errcode, expired, "{failure:?}");
        let remedy = format!("pushes the next one, put the field {field}");
        assert!(failure.message.contains(&remedy), "{failure:?}");
        assert!(!failure.message.contains(&old));

        a_minute_passes();
        let (ticket, _) = world.sim.push("id1", 0).unwrap();
        handle.put("own", field, &ticket).unwrap();
        handle.get("own").unwrap();
        // Time passes without a push.
        world.sim.advance(minutes * 60_000);
        sqlite(
            &world.store(),
            &format!(
                "UPDATE weixin_token SET put_at = put_at - {}",
                minutes * 60_000
            ),
        );
        let token = handle.get("own").unwrap();
        world
            .sim
            .post("/revoke", json!({"id": "id1", "which": "all"}))
            .unwrap();
        handle.reject("own", &token.value).unwrap();
        let failure = handle.get("own").unwrap_err();
        assert_eq!(failure.errcode, expired, "{failure:?}");
        assert!(failure.message.contains("minutes ago"), "{failure:?}");
        a_minute_passes();
        let (ticket, _) = world.sim.push("id1", 0).unwrap();
        handle.put("own", field, &ticket).unwrap();
        handle.get("own").unwrap();
    }
}

/// Another process uses the pushed secret, and a lost store gets it back from a live handle.
#[test]
fn a_pushed_secret_survives_the_process_and_the_store() {
    for row in [row("component", ""), row("suite", ""), authorizer()] {
        let world = row.world(json!({}));
        drop(row.open(&world));
        let elsewhere = Child::fork(|| outcome(world.open().get("own"))).join();
        assert!(world.accepts(&elsewhere), "{}: {elsewhere}", row.says());

        let world = row.world(json!({}));
        world
            .sim
            .switches(json!({"refresh_token_changes": true}))
            .unwrap();
        let handle = row.open(&world);
        handle.set("revalidate_ms", "0").unwrap();
        handle.get("own").unwrap();
        std::fs::remove_file(world.store()).unwrap();
        let after = handle.get("own").unwrap();
        assert!(world.accepts(&after.value), "{}", row.says());
        assert_eq!(row.requests(&world), 2, "{}", row.says());
    }
}

/// The handle that registered the parent is live, so the parent is restored.
#[test]
fn a_parent_that_a_live_handle_registered_is_restored() {
    for row in [authorizer(), row("work_authorized", "")] {
        let world = row.world(json!({}));
        let handle = row.open(&world);
        sqlite(
            &world.store(),
            "DELETE FROM weixin_account WHERE name = 'above'",
        );
        let token = handle.get("own").unwrap();
        assert!(world.accepts(&token.value), "{}", row.says());
    }
}

#[test]
fn an_error_names_a_parent_that_is_missing_or_of_the_wrong_kind() {
    for row in [authorizer(), row("work_authorized", "")] {
        let world = row.world(json!({}));
        drop(row.open(&world));
        let handle = world.open();
        sqlite(
            &world.store(),
            "DELETE FROM weixin_account WHERE name = 'above'",
        );
        let failure = handle.get("own").unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_ACCOUNT, "{failure:?}");
        for word in ["\"above\"", "\"own\"", "wxtoken_register"] {
            assert!(failure.message.contains(word), "{failure:?}");
        }
        handle
            .register("above", "official", PARENT, SECRET)
            .unwrap();
        let failure = handle.get("own").unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_ACCOUNT, "{failure:?}");
        assert!(failure.message.contains("official"), "{failure:?}");
        assert_eq!(row.requests(&world), 0);
        let (kind, _) = row.parent().unwrap();
        handle.register("above", kind, PARENT, SECRET).unwrap();
        assert!(
            world.accepts(&handle.get("own").unwrap().value),
            "{}",
            row.says()
        );
    }
}

#[test]
fn a_pushed_secret_is_returned_only_to_processes_that_can_read_the_key() {
    let row = authorizer();
    let world = row.world(json!({}));
    let handle = row.open(&world);
    let token = handle.get("own").unwrap();
    assert_eq!(
        handle.get("own/refresh_token").unwrap().value,
        REFRESH_TOKEN
    );
    let ticket = handle.get("above/verify_ticket").unwrap();
    assert!(ticket.value.starts_with("ticket@@@") && ticket.expires_at > 0);
    let missing = handle.get("own/refresh_token_before").unwrap_err();
    assert_eq!(missing.status, WXTOKEN_E_SECRET);
    let key = world.directory.path().join("tokens.db.key");
    std::fs::rename(&key, world.directory.path().join("elsewhere")).unwrap();
    let reader = world.open();
    assert_eq!(reader.get("own").unwrap(), token);
    let failure = reader.get("own/refresh_token").unwrap_err();
    assert_eq!(failure.status, WXTOKEN_E_SECRET);
    assert!(!failure.message.contains(REFRESH_TOKEN));
}

/// A gateway may echo the request. The secrets that were sent at each link are not passed on.
#[test]
fn a_platform_that_echoes_a_token_or_ticket_is_not_quoted() {
    let row = row("authorizer", "jsapi_ticket");
    let world = row.world(json!({}));
    let handle = row.open(&world);
    let component = handle.get("above").unwrap().value;
    let own = handle.get("own").unwrap().value;
    let ticket = handle.get("above/verify_ticket").unwrap().value;
    let fails = |path: &str, name: &str, echo: &[&str]| {
        let errmsg = echo.join(" ");
        world.fault(json!({"path": path, "kind": "errcode", "errcode": 61004, "errmsg": errmsg}));
        let failure = handle.get(name).unwrap_err();
        assert_eq!(failure.errcode, 61004);
        let told = "errcode 61004, with a text that is left out";
        assert!(failure.message.contains(told), "{failure:?}");
        for secret in echo {
            assert!(!failure.message.contains(secret), "{failure:?}");
        }
    };
    fails(row.path, "own/jsapi_ticket", &[&own]);
    let authorizer = "/cgi-bin/component/api_authorizer_token";
    world.sim.revoke("id1");
    handle.reject("own", &own).unwrap();
    fails(authorizer, "own", &[REFRESH_TOKEN, &component]);
    world.sim.revoke(PARENT);
    handle.reject("above", &component).unwrap();
    fails(COMPONENT_PATH, "above", &[&ticket, SECRET]);
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

// --- an invented credential ---

/// The build for tests has two more rows in the recipe table, and no other code for them. This test is their platform.
#[test]
fn a_new_credential_needs_only_a_row_in_the_recipe_table() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let platform = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for reply in [
            r#"{"deep":{"down":{"value":"MADE-UP-1"},"life":7200}}"#,
            r#"{"ticket":"MADE-UP-TICKET","expires_in":7200}"#,
        ] {
            seen.push(answer(&listener, reply));
        }
        seen
    });
    let world = World::new();
    let handle = world.open();
    handle
        .set("api_base_url", &format!("http://{address}"))
        .unwrap();
    handle.register("own", "made_up", "key1", "hush").unwrap();
    let failure = handle.get("own").unwrap_err();
    assert!(
        failure.message.contains("no magic has been put"),
        "{failure:?}"
    );
    handle.put("own", "magic", "abracadabra").unwrap();
    assert_eq!(
        handle.get("own/made_up_ticket").unwrap().value,
        "MADE-UP-TICKET"
    );
    assert_eq!(handle.get("own").unwrap().value, "MADE-UP-1");
    let tokens = handle.report()["accounts"][0]["tokens"].clone();
    assert_eq!(tokens.as_array().unwrap().len(), 2);
    assert_eq!(tokens[0]["put"]["field"], "magic");
    let seen = platform.join().unwrap();
    assert!(
        seen[0].starts_with("POST /made/up/token?key=key1 "),
        "{seen:?}"
    );
    assert!(
        seen[0].ends_with(r#"{"magic":"abracadabra","word":"hush"}"#),
        "{seen:?}"
    );
    assert!(
        seen[1].starts_with("GET /made/up/ticket?token=MADE-UP-1 "),
        "{seen:?}"
    );
}

/// Reads one request, headers and body, and answers it.
fn answer(listener: &TcpListener, reply: &str) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).unwrap();
        request.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&request);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        let expected = text
            .to_ascii_lowercase()
            .split_once("content-length: ")
            .and_then(|(_, rest)| rest.split("\r\n").next()?.parse::<usize>().ok())
            .unwrap_or(0);
        if length == 0 || body.is_some_and(|length| length >= expected) {
            break;
        }
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        reply.len()
    );
    stream.write_all((head + reply).as_bytes()).unwrap();
    String::from_utf8(request).unwrap()
}
