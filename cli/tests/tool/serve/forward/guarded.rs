//! A client that holds a stand-in never learns the token or the secret, by any call, header, error or redirect.

use std::io::Read;

use super::*;

/// Returns the whole answer as it was sent.
fn raw(office: &Office, request: &str) -> Vec<u8> {
    let mut stream = office.serving.connect();
    stream.write_all(request.as_bytes()).unwrap();
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    read
}

fn get_raw(office: &Office, path: &str, headers: &str) -> Vec<u8> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    raw(office, &request)
}

fn holds(bytes: &[u8], what: &str) -> bool {
    bytes
        .windows(what.len())
        .any(|window| window == what.as_bytes())
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn unpacked(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn a_platform_that_repeats_the_token_does_not_make_it_known() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let real = office.real_token("wx1");
    let path = with_token(USER_INFO, &stand_in);
    let half = "x".repeat(16_000);
    let quoted = format!("{{\"errcode\":47001,\"errmsg\":\"in access_token={real}&a=1\"}}");
    let faults = [
        json!({"body": quoted}),
        json!({"status": 500, "body": format!("<html>{real}</html>"), "headers": {"Content-Type": "text/html"}}),
        json!({"body": format!("{half}{real}{half}"), "headers": {"Content-Type": "application/octet-stream"}}),
        json!({"body": format!("{}{real}", half.repeat(80)), "headers": {"Content-Type": "text/plain"}}),
        json!({"body": "{}", "headers": {"X-Said": real.clone()}}),
        json!({"body": "{}", "headers": {"Set-Cookie": format!("t={real}")}}),
        json!({"status": 302, "body": "", "headers": {"Location": format!("http://127.0.0.1:1/?t={real}")}}),
        json!({"bytes": packed(&quoted), "headers": {"Content-Encoding": "gzip", "Content-Type": "application/json"}}),
        json!({"bytes": packed(&quoted), "headers": {"Content-Encoding": "br", "Content-Type": "application/json"}}),
        json!({"body": format!("{{\"access_token\":\"another-token-1234\",\"expires_in\":7200}}")}),
        json!({"body": format!("{{\"authorization_info\":{{\"authorizer_refresh_token\":\"another-token-1234\"}}}}")}),
        json!({"kind": "redirect", "location": format!("http://127.0.0.1:1/?{real}"), "code": 301}),
    ];
    for (number, mut fault) in faults.into_iter().enumerate() {
        if fault.get("kind").is_none() {
            fault["kind"] = "raw".into();
        }
        fault["path"] = USER_INFO.into();
        office.desk.world.fault(fault.clone());
        let got = get_raw(&office, &path, "Accept-Encoding: gzip, br\r\n");
        assert!(got.starts_with(b"HTTP/1.1 "), "{number}: {got:?}");
        assert!(
            !holds(&got, &real),
            "{number}: {}",
            String::from_utf8_lossy(&got)
        );
        assert!(!holds(&got, "another-token-1234"), "{number}");
        let at = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&got[..at]).to_ascii_lowercase();
        assert!(
            !head.contains("location:") && !head.contains("set-cookie:"),
            "{head}"
        );
        if head.contains("content-encoding: gzip") {
            assert!(!unpacked(&got[at + 4..]).contains(&real), "{number}");
        }
        assert_eq!(
            office.desk.world.sim.faults_waiting(),
            0,
            "{number}: it was not asked"
        );
    }
    // The first reply has the stand-in in the place of the token.
    office
        .desk
        .world
        .fault(json!({"kind": "raw", "path": USER_INFO, "body": quoted}));
    let said = office.serving.wechat(&path);
    assert!(
        said.body
            .contains(&format!("in access_token={stand_in}&a=1")),
        "{said:?}"
    );
    office.end(&[&stand_in]);
}

#[test]
fn a_secret_that_the_platform_repeats_does_not_pass() {
    let office = Office::open();
    let login = format!(
        "/sns/jscode2session?appid=wx1&secret={}&js_code=c",
        office.key
    );
    let said = json!({"errcode": 40125, "errmsg": format!("invalid appsecret {SECRET}")});
    office
        .desk
        .world
        .fault(json!({"kind": "raw", "path": "/sns/jscode2session", "body": said.to_string()}));
    let got = office.serving.wechat(&login);
    assert_eq!(got.errcode(), 40125);
    assert!(!got.body.contains(SECRET), "{got:?}");
    office.end(&[]);
}

#[test]
fn calls_that_would_give_tokens_away_or_spend_are_not_made() {
    let office = Office::with(&[
        "--forward-paths",
        "/cgi-bin/*,/wxa/business/getuserphonenumber",
    ]);
    let stand_in = office.stand_in();
    for path in [
        "/cgi-bin/openapi/rid/get",
        "/cgi-bin/component/api_query_auth",
        "/cgi-bin/service/get_permanent_code",
        "/cgi-bin/corpgroup/corp/gettoken",
        "/cgi-bin/clear_quota",
        "/cgi-bin/clear_quota/v2",
        "/wxa/getwxacode",
        "/sns/userinfo2",
    ] {
        let refused = office
            .serving
            .wechat_post(&with_token(path, &stand_in), &json!({}));
        assert!(refused.errcode() != 0, "{path}: {refused:?}");
        assert!(office.seen(path).is_empty(), "{path}");
    }
    let path = with_token("/wxa/business/getuserphonenumber", &stand_in);
    let phone = office.serving.wechat_post(&path, &json!({"code": "c"}));
    assert_eq!(phone.errcode(), 0);
    office.end(&[&stand_in]);
}

#[test]
fn paths_that_two_programs_read_in_two_ways_go_nowhere() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let asked = || {
        office
            .desk
            .world
            .sim
            .requests(None)
            .as_array()
            .unwrap()
            .len()
    };
    let before = asked();
    for path in [
        "/cgi-bin/../cgi-bin/user/info",
        "/cgi-bin/%2e%2e/user/info",
        "/cgi-bin//user/info",
        "/cgi-bin/user%2finfo",
        "/cgi-bin/user/info;x",
        "/cgi-bin/user/info/",
        "//evil.example/cgi-bin/user/info",
        "http://evil.example/cgi-bin/user%2Finfo",
    ] {
        let got = get_raw(&office, &with_token(path, &stand_in), "");
        assert!(
            !got.starts_with(b"HTTP/1.1 200"),
            "{path}: {}",
            String::from_utf8_lossy(&got)
        );
    }
    // Another host in the request line is not asked.
    let got = get_raw(
        &office,
        &with_token("http://evil.example/cgi-bin/user/info", &stand_in),
        "",
    );
    assert!(holds(&got, "oDemo"), "{}", String::from_utf8_lossy(&got));
    assert_eq!(asked(), before + 1);
    office.end(&[&stand_in]);
}

#[test]
fn the_platform_is_told_nothing_of_the_clients_key_or_its_way() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let headers = format!(
        "Authorization: Bearer {}\r\nCookie: wxtoken=abcdefgh\r\nReferer: http://inside/\r\nX-Secret-Hop: 1\r\n\
         Connection: close, x-secret-hop\r\nTE: trailers\r\nAccept-Encoding: gzip;q=1.0, br\r\nUser-Agent: an-sdk/1\r\n\
         X-Mine: kept\r\nCF-Connecting-IP: 10.1.2.3\r\nTrue-Client-IP: 10.1.2.3\r\n",
        office.key
    );
    let path = with_token(USER_INFO, &stand_in);
    let request = format!("GET {path} HTTP/1.1\r\nHost: inside:1\r\n{headers}\r\n");
    let got = raw(&office, &request);
    assert!(holds(&got, "oDemo"), "{}", String::from_utf8_lossy(&got));
    let is_alone = holds(&got, "content-security-policy: sandbox\r\n");
    assert!(
        is_alone,
        "a document of the platform is not one of the page"
    );
    let seen = office.seen(USER_INFO);
    let headers = seen[0]["headers"].as_object().unwrap();
    for name in [
        "authorization",
        "cookie",
        "referer",
        "x-secret-hop",
        "te",
        "x-forwarded-for",
        "cf-connecting-ip",
        "true-client-ip",
    ] {
        assert!(!headers.contains_key(name), "{name} in {headers:?}");
    }
    assert_eq!(headers["user-agent"], "an-sdk/1");
    assert_eq!(headers["x-mine"], "kept");
    assert_eq!(headers["accept-encoding"], "gzip");
    assert_eq!(
        headers["host"],
        office.desk.world.sim.http().trim_start_matches("http://")
    );
    office.end(&[&stand_in]);
}

#[test]
fn a_packed_reply_passes_untouched_and_is_understood() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let path = with_token(USER_INFO, &stand_in);
    let said = packed("{\"openid\":\"oDemo\",\"city\":\"深圳\"}");
    let kind = json!({"Content-Encoding": "gzip", "Content-Type": "application/json"});
    office
        .desk
        .world
        .fault(json!({"kind": "raw", "path": USER_INFO, "bytes": said, "headers": kind}));
    let got = get_raw(&office, &path, "Accept-Encoding: gzip\r\n");
    assert!(got.ends_with(&said), "{}", String::from_utf8_lossy(&got));
    // A packed refusal is recognized.
    let refusal = packed("{\"errcode\":40001,\"errmsg\":\"invalid credential\"}");
    office
        .desk
        .world
        .fault(json!({"kind": "raw", "path": USER_INFO, "bytes": refusal, "headers": kind}));
    office.desk.world.sim.revoke("wx1");
    let got = get_raw(&office, &path, "Accept-Encoding: gzip\r\n");
    assert!(holds(&got, "oDemo"), "{}", String::from_utf8_lossy(&got));
    assert_eq!(office.desk.world.minted(), 2);
    office.end(&[&stand_in]);
}
