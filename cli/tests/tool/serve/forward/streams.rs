//! Bodies are passed on as they arrive, in bounded memory. A call ends when either side goes away.

use super::*;

const MIB: usize = 1 << 20;
const UPLOAD: &str = "/cgi-bin/media/upload";

/// A file in which no part repeats.
fn file(length: usize) -> Vec<u8> {
    let words =
        (0u64..).flat_map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
    words.take(length).collect()
}

fn multipart(file: &[u8]) -> Vec<u8> {
    let mut body =
        b"--frontier\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.bin\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n"
            .to_vec();
    body.extend(file);
    body.extend(b"\r\n--frontier--\r\n");
    body
}

fn upload_head(token: &str, length: usize) -> String {
    format!(
        "POST {UPLOAD}?access_token={token}&type=file HTTP/1.1\r\nHost: x\r\n\
         Content-Type: multipart/form-data; boundary=frontier\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// A connection on which the head of an upload was sent, and none of its body.
fn begin_upload(office: &Office, token: &str, length: usize) -> TcpStream {
    let mut stream = office.serving.connect();
    let head = upload_head(token, length);
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn upload(office: &Office, token: &str, file: &[u8]) -> Answer {
    let body = multipart(file);
    let mut stream = begin_upload(office, token, body.len());
    stream.write_all(&body).unwrap();
    answer(&mut stream).unwrap()
}

/// The head of an answer, and its body as bytes.
fn download(office: &Office, path: &str) -> (String, Vec<u8>) {
    let mut stream = office.serving.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut read = Vec::new();
    // A body without end is read only so far.
    stream.take(40 << 20).read_to_end(&mut read).unwrap();
    let at = read
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(read[..at].to_vec()).unwrap();
    (head, read.split_off(at + 4))
}

/// The peak of the server's memory, in KiB.
fn peak_kib(serving: &Serving) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.child.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Makes a call that has one second. A machine that stands still may take that long.
fn expect_an_answer(office: &Office, stand_in: &str) {
    let is_answered = |_| {
        let began = std::time::Instant::now();
        let answer = office.serving.wechat(&with_token(USER_INFO, stand_in));
        let is_answered = answer.json()["openid"] == "oDemo";
        // A call whose turn does not come waits for five seconds.
        assert!(
            is_answered || began.elapsed() < Duration::from_secs(5),
            "{answer:?}"
        );
        is_answered
    };
    assert!((0..5).any(is_answered), "{}", office.serving.audited());
}

fn descriptors(serving: &Serving) -> usize {
    let all = std::fs::read_dir(format!("/proc/{}/fd", serving.child.id())).unwrap();
    all.count()
}

#[test]
fn media_of_twenty_mib_and_more_pass_both_ways_in_bounded_memory() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let small = upload(&office, &stand_in, &file(10_000));
    assert_eq!(small.errcode(), 0, "{small:?}");
    let before = peak_kib(&office.serving);
    let sent = file(30 * MIB + 17);
    for _ in 0..2 {
        let stored = upload(&office, &stand_in, &sent);
        let id = text(&stored, "media_id");
        let path = format!("/cgi-bin/media/get?access_token={stand_in}&media_id={id}");
        let (head, got) = download(&office, &path);
        assert!(head.contains("attachment; filename=\"file.bin\""), "{head}");
        assert!(got == sent, "{} bytes came back", got.len());
    }
    let grown = peak_kib(&office.serving) - before;
    assert!(grown < 16 * 1024, "the server took {grown} KiB more");
    let real = office.real_token("wx1");
    let query = office.seen(UPLOAD)[0]["query"].as_str().unwrap().to_owned();
    assert_eq!(query, format!("access_token={real}&type=file"));
    let strange = format!("/cgi-bin/media/get?access_token={stand_in}&media_id=none");
    assert_eq!(office.serving.wechat(&strange).errcode(), 40007);
    office.end(&[&stand_in]);
}

#[test]
fn a_long_upload_with_a_dead_token_is_not_repeated_and_the_next_one_has_another() {
    let office = Office::open();
    let stand_in = office.stand_in();
    office.desk.world.sim.revoke("wx1");
    let long = file(2 * MIB);
    assert_eq!(upload(&office, &stand_in, &long).errcode(), 40001);
    assert_eq!(upload(&office, &stand_in, &long).errcode(), 0);
    assert_eq!(office.seen(UPLOAD).len(), 2);
    office.end(&[&stand_in]);
    // A short upload is kept, and repeated.
    let office = Office::open();
    let stand_in = office.stand_in();
    office.desk.world.sim.revoke("wx1");
    assert_eq!(upload(&office, &stand_in, &file(1000)).errcode(), 0);
    assert_eq!(office.seen(UPLOAD).len(), 2);
    office.end(&[&stand_in]);
}

#[test]
fn a_body_beyond_the_limit_is_refused() {
    let office = Office::with(&["--forward-max-mib", "2"]);
    let stand_in = office.stand_in();
    let mut stream = begin_upload(&office, &stand_in, 3 * MIB);
    let refused = answer(&mut stream).unwrap();
    assert_eq!(refused.errcode(), -1);
    assert!(office.seen(UPLOAD).is_empty());
    // A reply that never ends is cut off at the limit.
    office
        .desk
        .world
        .fault(json!({"kind": "endless_body", "path": USER_INFO}));
    let (head, got) = download(&office, &with_token(USER_INFO, &stand_in));
    assert!(
        got.len() > MIB && got.len() <= 3 * MIB,
        "{} bytes after {head}",
        got.len()
    );
    office.end(&[&stand_in]);
}

#[test]
fn a_client_that_goes_in_the_middle_takes_the_platforms_connection_with_it() {
    let office = Office::open();
    let stand_in = office.stand_in();
    assert_eq!(
        office
            .serving
            .wechat(&with_token(USER_INFO, &stand_in))
            .status,
        200
    );
    let before = descriptors(&office.serving);
    for _ in 0..20 {
        // The client goes in an upload, and in a download that never ends.
        let mut stream = begin_upload(&office, &stand_in, 20 * MIB);
        stream.write_all(&file(3 * MIB)).unwrap();
        drop(stream);
        office
            .desk
            .world
            .fault(json!({"kind": "endless_body", "tick_ms": 1, "path": USER_INFO}));
        let mut stream = office.serving.connect();
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: x\r\n\r\n",
            with_token(USER_INFO, &stand_in)
        );
        stream.write_all(request.as_bytes()).unwrap();
        wait_until("the platform is asked", || {
            office.desk.world.sim.faults_waiting() == 0
        });
    }
    wait_until("no connection is left behind", || {
        descriptors(&office.serving) <= before + 2
    });
    assert!(office.seen(UPLOAD).is_empty(), "no upload came whole");
    assert_eq!(
        office
            .serving
            .wechat(&with_token(USER_INFO, &stand_in))
            .status,
        200
    );
    office.end(&[&stand_in]);
}

#[test]
fn a_platform_that_goes_in_the_middle_ends_the_call_and_costs_no_token() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let path = with_token(USER_INFO, &stand_in);
    for kind in ["reset_before", "close_before", "reset_after", "close_after"] {
        office
            .desk
            .world
            .fault(json!({"kind": kind, "path": USER_INFO}));
        let got = office.serving.wechat(&path);
        assert!(got.errcode() == -1, "{kind}: {got:?}");
    }
    for kind in [
        "html",
        "huge_header",
        "endless_headers",
        "bom",
        "truncated_json",
    ] {
        let mut fault = json!({"kind": kind, "path": USER_INFO});
        if kind == "huge_header" {
            fault["bytes"] = (1 << 20).into();
        }
        office.desk.world.fault(fault);
        let got = download(&office, &path);
        assert!(!got.0.is_empty(), "{kind}");
    }
    let sent = upload(&office, &stand_in, &file(1000));
    let id = text(&sent, "media_id");
    // The platform goes in the middle of a file. The client gets a body that is visibly cut off.
    let media = format!("/cgi-bin/media/get?access_token={stand_in}&media_id={id}");
    let long = json!({"kind": "raw", "path": "/cgi-bin/media/get", "body": "x".repeat(1000),
        "headers": {"Content-Length": "100000", "Content-Type": "image/jpeg"}});
    office.desk.world.fault(long);
    let (head, got) = download(&office, &media);
    assert!(
        head.to_ascii_lowercase().contains("content-length: 100000"),
        "{head}"
    );
    assert!(got.len() < 100_000);
    assert_eq!(office.serving.wechat(&path).json()["openid"], "oDemo");
    assert_eq!(office.desk.world.minted(), 1);
    office.end(&[&stand_in]);
}

#[test]
fn a_body_that_stands_still_does_not_hold_its_turn() {
    let office = Office::with(&["--forward-timeout-s", "1", "--forward-at-once", "1"]);
    let stand_in = office.stand_in();
    let mut slow = begin_upload(&office, &stand_in, 5000);
    slow.write_all(b"--frontier").unwrap();
    expect_an_answer(&office, &stand_in);
    assert_eq!(answer(&mut slow).unwrap().errcode(), -1);
    office.end(&[&stand_in]);
}

#[test]
fn a_long_upload_that_the_platform_does_not_answer_does_not_hold_its_turn() {
    let office = Office::with(&["--forward-timeout-s", "1", "--forward-at-once", "1"]);
    let stand_in = office.stand_in();
    office
        .desk
        .world
        .fault(json!({"kind": "hang", "path": UPLOAD}));
    let body = multipart(&file(3 * MIB));
    let mut hung = begin_upload(&office, &stand_in, body.len());
    hung.write_all(&body).unwrap();
    wait_until("the platform has it", || {
        office.desk.world.sim.faults_waiting() == 0
    });
    // A call waits for a turn for at most 5 seconds. A whole upload may take 20.
    let other = office.serving.wechat(&with_token(USER_INFO, &stand_in));
    assert_eq!(other.json()["openid"], "oDemo", "{other:?}");
    assert_eq!(answer(&mut hung).unwrap().errcode(), -1);
    office.end(&[&stand_in]);
}

/// A forwarder removes a Content-Length that chunks override (RFC 9112, 6.3).
#[test]
fn a_reply_with_two_lengths_has_its_own_and_the_next_one_is_read_as_it_is() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let said = r#"{"openid":"oDemo"}"#;
    let body = format!("{:x}\r\n{said}\r\n0\r\n\r\n", said.len());
    let headers = json!({"Transfer-Encoding": "chunked", "Content-Length": "5", "Content-Type": "application/json"});
    office
        .desk
        .world
        .fault(json!({"kind": "raw", "path": USER_INFO, "headers": headers, "body": body}));
    let mut stream = office.serving.connect();
    let got = ask(
        &mut stream,
        "GET",
        &with_token(USER_INFO, &stand_in),
        "",
        "",
    );
    assert_eq!(got.body, said, "{got:?}");
    assert_eq!(ask(&mut stream, "GET", "/healthz", "", "").body, "ok\n");
    office.end(&[&stand_in]);
}

/// The client of .NET, and so Senparc, asks before it sends a file, quotes the boundary, and names the file twice.
#[test]
fn an_upload_that_waits_to_be_asked_for_passes() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let head = upload_head(&stand_in, 0)
        .replace("boundary=frontier", "boundary=\"frontier\"")
        .replace("Content-Length: 0\r\n", "Expect: 100-continue\r\n");
    let sent = file(3 * MIB);
    let body = multipart(&sent);
    let named = b"filename=\"a.bin\"";
    let at = body
        .windows(named.len())
        .position(|one| one == named)
        .unwrap()
        + named.len();
    let body = [&body[..at], b"; filename*=utf-8''a.bin", &body[at..]].concat();
    let head = head.trim_end().to_owned() + &format!("\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stream = office.serving.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let asked = answer(&mut stream).unwrap();
    assert_eq!(asked.status, 100, "{asked:?}");
    stream.write_all(&body).unwrap();
    let stored = answer(&mut stream).unwrap();
    let id = text(&stored, "media_id");
    let path = format!("/cgi-bin/media/get?access_token={stand_in}&media_id={id}");
    assert!(download(&office, &path).1 == sent);
    let headers = office.seen(UPLOAD)[0]["headers"].clone();
    assert!(headers.get("expect").is_none(), "{headers}");
    office.end(&[&stand_in]);
}

#[test]
fn a_body_that_drips_ends_with_the_time_that_a_whole_one_has() {
    let office = Office::with(&["--forward-timeout-s", "1", "--forward-at-once", "1"]);
    let stand_in = office.stand_in();
    let mut slow = begin_upload(&office, &stand_in, 5000);
    // This sends until the server hangs up. The answer may be lost, because the client is still sending.
    let hangs_up = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        slow.write_all(b"-").is_err()
    });
    assert!(hangs_up, "it has dripped for 50 s");
    wait_until("the end of the call is audited", || {
        let audit = office.serving.audited();
        audit
            .lines()
            .any(|line| line.contains(UPLOAD) && line.contains("E_TIMEOUT"))
    });
    expect_an_answer(&office, &stand_in);
    assert!(office.seen(UPLOAD).is_empty());
    office.end(&[&stand_in]);
}

#[test]
fn connections_to_the_platform_are_kept_and_shared() {
    let office = Office::open();
    let stand_in = office.stand_in();
    let path = with_token(USER_INFO, &stand_in);
    office.serving.wechat(&path);
    let before = office.desk.world.sim.counters().connections;
    let mut stream = office.serving.connect();
    for _ in 0..200 {
        assert_eq!(ask(&mut stream, "GET", &path, "", "").status, 200);
    }
    let made = office.desk.world.sim.counters().connections - before;
    assert!(made <= 4, "{made} connections for 200 calls");
    office.end(&[&stand_in]);
}

#[test]
fn a_platform_is_reached_by_tls_and_an_unknown_certificate_stops_the_call() {
    let office = Office::open();
    let (sim, ca) = (
        &office.desk.world.sim,
        office.desk.world.sim.ca_file().to_owned(),
    );
    let https = sim.https().to_owned();
    let with = |name: &str, url: String, ca: Option<&std::path::Path>| {
        Serving::named(
            &office.desk,
            name,
            &["--listen", "http://127.0.0.1:0"],
            |command| {
                command.env("WXTOKEN_API_BASE_URL", url);
                if let Some(ca) = ca {
                    command.env("WXTOKEN_CA_FILE", ca);
                }
            },
        )
    };
    let trusting = with("trusting", https.clone(), Some(&ca));
    let stand_in = stand_in(&trusting, &office.key);
    let path = with_token(USER_INFO, &stand_in);
    for _ in 0..3 {
        assert_eq!(trusting.wechat(&path).json()["openid"], "oDemo");
    }
    assert!(office.seen(USER_INFO).iter().all(|one| one["tls"] == true));
    let before = office.seen(USER_INFO).len();
    let wary = with("wary", https, None);
    let refused = wary.wechat(&path);
    assert_eq!(refused.errcode(), -1, "{refused:?}");
    assert_eq!(office.seen(USER_INFO).len(), before);
    office.end(&[&stand_in]);
}
