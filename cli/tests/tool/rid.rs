//! `wxtoken quota --rid`: WeChat's record of a request, shown without its secrets.

use serde_json::json;

use super::quota::{SEND, calls, expect_no_secret, send, token};
use super::{Desk, parsed};

#[test]
fn a_pasted_errmsg_shows_the_record_without_its_secrets() {
    let desk = Desk::with_shop();
    let token = token(&desk, "shop");
    desk.world
        .fault(json!({"id": "wx1", "path": SEND, "kind": "errcode", "errcode": 45015}));
    let refused = send(&desk, &token);
    let errmsg = refused["errmsg"].as_str().unwrap();
    let rid = errmsg.rsplit("rid: ").next().unwrap();
    for pasted in [rid, errmsg, &refused.to_string()] {
        let run = desk.run(&["quota", "shop", "--rid", pasted]);
        assert_eq!((run.code, run.err.as_str()), (0, ""));
        for line in [
            "url      access_token=***&a=1\n",
            "from     127.0.0.1\n",
            r#""touser":"o1""#,
            r#""x":"***""#,
            r#""appsecret":"***""#,
            "45015",
            rid,
        ] {
            assert!(run.out.contains(line), "{line}: {}", run.out);
        }
        expect_no_secret(&run, &token);
    }
    let run = desk.run(&["quota", "shop", "--json", "--rid", errmsg]);
    let said = parsed(&run.out);
    assert_eq!(said["rid"], rid);
    assert_eq!(said["request"]["request_url"], "access_token=***&a=1");
    expect_no_secret(&run, &token);
    // This request contains the secret.
    desk.world.fault(
        json!({"id": "wx1", "path": "/cgi-bin/stable_token", "kind": "errcode", "errcode": 40002}),
    );
    desk.world.expire_all();
    let refused = desk.run(&["get", "shop"]);
    assert_eq!(refused.code, 17, "{}", refused.err);
    desk.done(&["retry", "shop"]);
    let run = desk.run(&["quota", "shop", "--rid", &refused.err]);
    assert!(
        run.out.contains(r#""secret":"***""#),
        "{}{}",
        run.out,
        run.err
    );
    expect_no_secret(&run, &token);
}

#[test]
fn an_unknown_rid_is_refused_with_a_reason() {
    let desk = Desk::with_shop();
    desk.world.add("official", "wx2", json!({}));
    desk.register("stall", "official", "wx2");
    let none = desk.run(&["quota", "shop", "--rid", "invalid credential"]);
    assert_eq!(none.code, 2);
    assert!(
        none.err.contains("617682e0-09059ac5-34a8e2ea"),
        "{}",
        none.err
    );
    assert_eq!(calls(&desk, "/cgi-bin/openapi/rid/get"), 0);
    let unknown = desk.run(&["quota", "shop", "--rid", "00000000-00000000-00000000"]);
    assert_eq!(unknown.code, 17);
    assert!(unknown.err.contains("7 days"), "{}", unknown.err);
    desk.world
        .fault(json!({"path": SEND, "kind": "errcode", "errcode": 45015}));
    let refused = send(&desk, &token(&desk, "shop"));
    let others = desk.run(&[
        "quota",
        "stall",
        "--rid",
        refused["errmsg"].as_str().unwrap(),
    ]);
    assert_eq!(others.code, 17);
    assert!(
        others.err.contains("another account's call"),
        "{}",
        others.err
    );
}
