//! Queries of WeChat's calls as SDKs and strangers write them, and the meaning of each.

use super::*;

#[test]
fn a_call_may_be_written_in_every_way_that_queries_are() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let escaped: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let grant = "grant_type=client_credential";
    let long = "x".repeat(12_000);
    let token = serving.wechat(&classic("wx1", &key)).json()["access_token"].clone();
    assert!(token.is_string());
    for query in [
        // PowerWeChat sorts nothing, and adds an empty parameter.
        format!("secret={key}&neededText=&appid=wx1&{grant}"),
        format!("appid=wx1&{grant}&secret={escaped}"),
        format!("%61ppid=%77x1&gr%61nt_type=client%5Fcredential&secret={key}"),
        format!("&&appid=wx1&&{grant}&secret={key}&"),
        format!("appid=wx1&{grant}&secret={key}&unknown&also=+&also_%E5%BA%97=%E5%BA%97"),
        format!("{grant}&appid=wx1&secret={key}&lang=zh_CN&random={long}"),
    ] {
        for method in ["GET", "POST"] {
            let path = format!("/cgi-bin/token?{query}");
            let answer = ask(&mut serving.connect(), method, &path, "", "");
            assert_eq!(answer.status, 200, "{method} {path}");
            assert_eq!(answer.json()["access_token"], token, "{method} {path}");
        }
    }
    assert_eq!(desk.world.minted(), 1);
    has_none_of(&serving.end(), &[&key, &escaped]);
}

#[test]
fn a_nearly_valid_call_is_refused_without_a_request() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let grant = "grant_type=client_credential";
    let before = desk.world.sim.counters().requests;
    for (query, code) in [
        // A parameter that is given twice is refused, even with equal values.
        (format!("{grant}&appid=wx1&appid=wx1&secret={key}"), 40097),
        (format!("{grant}&{grant}&appid=wx1&secret={key}"), 40097),
        (format!("{grant}&appid=wx1&secret=&secret={key}"), 40097),
        (format!("{grant}&appid=wx1&secret={key}&x=%"), 40097),
        (format!("{grant}&appid=wx1&secret={key}&x=%E5%BA"), 40097),
        (format!("{grant}&appid=wx1&secret={key}+"), 40125),
        (format!("{grant}&appid=wx1&secret=%20{key}"), 40125),
        (format!("{grant}&appid=wx1&secret={key}%00"), 40125),
        (format!("{grant}&appid=wx1+&secret={key}"), 40013),
        (format!("{grant}&appid=wx1%00&secret={key}"), 40013),
        (format!("{grant}&appid=WX1&secret={key}"), 40013),
        (format!("{grant}&appid=shop&secret={key}"), 40013),
        (format!("{grant}&APPID=wx1&secret={key}"), 41002),
        (format!("{grant}&appid[]=wx1&secret={key}"), 41002),
        (format!("{grant};appid=wx1;secret={key}"), 41002),
        (format!("{grant}&appid=wx1&secret[]={key}"), 41004),
        (format!("grant_type=&appid=wx1&secret={key}"), 40002),
        (
            format!("grant_type=client+credential&appid=wx1&secret={key}"),
            40002,
        ),
        (String::new(), 41002),
        ("&&&==&=".into(), 40097),
    ] {
        let path = format!("/cgi-bin/token?{query}");
        let answer = serving.wechat(&path);
        assert_eq!(answer.errcode(), code, "{path}: {answer:?}");
    }
    // A form in the body is not read. The parameters of WeChat's call are in the query.
    let form = format!("{grant}&appid=wx1&secret={key}");
    let answer = ask(&mut serving.connect(), "POST", "/cgi-bin/token", "", &form);
    assert_eq!(answer.errcode(), 41002);
    let head = ask(&mut serving.connect(), "PUT", &classic("wx1", &key), "", "");
    assert_eq!(head.errcode(), 43001);
    assert_eq!(desk.world.sim.counters().requests, before);
    has_none_of(&serving.end(), &[&key]);
}

#[test]
fn a_query_that_is_longer_than_a_head_may_be_is_refused_and_others_are_served() {
    let desk = Desk::with_shop();
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let long = format!("{}&x={}", classic("wx1", &key), "x".repeat(40_000));
    let mut stream = serving.connect();
    let request = format!("GET {long} HTTP/1.1\r\nHost: server\r\n\r\n");
    // The server may hang up before it has read everything.
    let _ = stream.write_all(request.as_bytes());
    if let Ok(refused) = answer(&mut stream) {
        assert!((400..=431).contains(&refused.status), "{refused:?}");
    }
    assert_eq!(desk.world.minted(), 1, "the keeper's");
    assert!(serving.wechat(&classic("wx1", &key)).json()["access_token"].is_string());
    has_none_of(&serving.end(), &[&key]);
}

#[test]
fn a_refusal_has_the_form_of_the_platforms_own() {
    let desk = Desk::with_shop();
    desk.world.add("work", "ww1", json!({}));
    desk.register("corp", "work", "ww1");
    let key = desk.client("web", &[]);
    let serving = Serving::start(&desk);
    let platform = || {
        let address = desk
            .world
            .sim
            .http()
            .trim_start_matches("http://")
            .to_owned();
        TcpStream::connect(address).unwrap()
    };
    for path in [
        classic("wx1", "wrong"),
        classic("wx7", &key),
        "/cgi-bin/token?appid=wx1&secret=x".to_owned(),
        "/cgi-bin/stable_token".to_owned(),
        "/cgi-bin/gettoken?corpid=ww1&corpsecret=wrong".to_owned(),
        // Only a client with a key learns which ids exist.
        format!("/cgi-bin/gettoken?corpid=ww7&corpsecret={key}"),
    ] {
        let ours = serving.wechat(&path);
        let theirs = ask(&mut platform(), "GET", &path, "", "");
        assert_eq!(ours.errcode(), theirs.errcode(), "{path}");
        assert_eq!(
            ours.header("content-type"),
            theirs.header("content-type"),
            "{path}"
        );
        let begins = |answer: &Answer| answer.body.starts_with("{\"errcode\":");
        assert!(begins(&ours) && begins(&theirs), "{ours:?} {theirs:?}");
        assert_eq!(ours.json().as_object().unwrap().len(), 2, "{ours:?}");
    }
}
