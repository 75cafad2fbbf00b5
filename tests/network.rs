//! The way to a host: addresses, name servers, proxies, TLS, plain HTTP. A failure names its cause.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::wxtoken::ffi::wxtoken_status::*;
use common::{Child, Handle, Refusing, SECRET, World, bind, needs_root, outcome, set_env};
use serde_json::json;

/// A listener whose queue is full, so it accepts no more connections.
struct Deaf {
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

fn deaf(address: SocketAddr) -> Deaf {
    let listener = TcpListener::bind(address).unwrap();
    // SAFETY: a valid socket that is already listening.
    unsafe { libc::listen(listener.as_raw_fd(), 0) };
    let mut queue = Vec::new();
    while let Ok(one) =
        TcpStream::connect_timeout(&listener.local_addr().unwrap(), Duration::from_millis(100))
    {
        queue.push(one);
    }
    Deaf {
        _listener: listener,
        _queue: queue,
    }
}

fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.parse().unwrap()
}

/// Replaces a system file with this text, for this forked child alone.
fn replace(world: &World, system: &str, text: &str) {
    let name = Path::new(system).file_name().unwrap();
    let file = world.directory.path().join(name);
    std::fs::write(&file, text).unwrap();
    bind(&file, Path::new(system));
}

/// Opens a handle with its own store that trusts the simulator's certificates.
fn handle_at(world: &World, name: &str, options: &[(&str, &str)]) -> Handle {
    let handle = Handle::open(&world.directory.path().join(format!("{name}.db"))).unwrap();
    let ca = world.sim.ca_file().to_str().unwrap();
    handle.set("ca_file", ca).unwrap();
    // A loaded machine may stand still for seconds.
    handle.set("connect_timeout_ms", "30000").unwrap();
    handle.set("timeout_ms", "60000").unwrap();
    for (option, value) in options {
        handle.set(option, value).unwrap();
    }
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    handle
}

// --- addresses ---

const DEAD: [&str; 3] = ["::1", "127.0.0.2", "127.0.0.3"];

/// Puts a name with several addresses into /etc/hosts, and returns listeners for the dead ones at this port.
fn dead_before_good(world: &World, name: &str, port: u16) -> Vec<Deaf> {
    let lines = DEAD.iter().chain(&["127.0.0.1"]);
    let hosts: String = lines.map(|address| format!("{address} {name}\n")).collect();
    replace(world, "/etc/hosts", &hosts);
    let at = |ip: &&str| deaf(SocketAddr::new(ip.parse().unwrap(), port));
    DEAD.iter().map(at).collect()
}

/// The result of a get through a name with dead addresses before the good one. It includes the time taken if that was
/// long.
fn said_past_the_dead(world: &World, name: &str, port: u16, option: (&str, &str)) -> String {
    Child::fork(|| {
        let _dead = dead_before_good(world, name, port);
        let patient = [
            option,
            ("connect_timeout_ms", "60000"),
            ("timeout_ms", "60000"),
        ];
        let handle = handle_at(world, "a", &patient);
        let began = Instant::now();
        let said = outcome(handle.get("shop"));
        // The limit is far below the timeout that one dead address could cost.
        match began.elapsed() < Duration::from_secs(20) {
            true => said,
            false => format!("{:?}: {said}", began.elapsed()),
        }
    })
    .join()
}

/// Faults row 63: dead addresses before one that answers.
#[test]
fn dead_addresses_of_a_host_cost_a_fraction_of_a_second() {
    needs_root!();
    let world = World::with_account(json!({}));
    let port = port_of(world.sim.https());
    let url = format!("https://api.weixin.qq.com:{port}");
    let option = ("api_base_url", url.as_str());
    let said = said_past_the_dead(&world, "api.weixin.qq.com", port, option);
    assert!(world.accepts(&said), "{said}");
}

/// Faults row 63, for the name of a proxy.
#[test]
fn dead_addresses_of_a_proxy_cost_a_fraction_of_a_second() {
    needs_root!();
    let world = World::with_account(json!({}));
    let port = port_of(world.sim.proxy());
    let url = format!("http://proxy.test:{port}");
    let said = said_past_the_dead(&world, "proxy.test", port, ("proxy", url.as_str()));
    assert!(world.accepts(&said), "{said}");
}

#[test]
fn only_addresses_of_the_ip_version_are_used() {
    needs_root!();
    let world = World::with_account(json!({}));
    let port = port_of(world.sim.https());
    let said = Child::fork(|| {
        let name = "api.weixin.qq.com";
        replace(&world, "/etc/resolv.conf", "");
        replace(
            &world,
            "/etc/hosts",
            &format!("::1 {name}\n127.0.0.1 {name}\n"),
        );
        let _dead = deaf(SocketAddr::new("::1".parse().unwrap(), port));
        let url = format!("https://{name}:{port}");
        let get = |version: &str, url: &str| {
            let patience = if version == "6" { "2000" } else { "60000" };
            let options = [
                ("api_base_url", url),
                ("ip_version", version),
                ("connect_timeout_ms", patience),
            ];
            outcome(handle_at(&world, &format!("{version}{}", url.len()), &options).get("shop"))
        };
        let four = get("4", &url);
        let six = get("6", &url);
        format!("{four}\n{six}")
    })
    .join();
    let lines: Vec<&str> = said.lines().collect();
    assert!(world.accepts(lines[0]), "{said}");
    let dead = "no connection within connect_timeout_ms (2000 ms)";
    assert!(lines[1].contains(dead), "{said}");
}

// --- name servers ---

/// A name server on this child's loopback, in its own network namespace.
enum NameServer {
    /// Not running.
    Gone,
    Silent,
    /// Answers with this code.
    Answers(u8),
}

/// Enters a network namespace that has only loopback, with this IPv4 address.
fn own_network(address: [u8; 4]) {
    // SAFETY: unshares this forked child's network; an ifreq of zeros is a value, and both ioctls read and write one.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNET), 0);
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l' as libc::c_char;
        request.ifr_name[1] = b'o' as libc::c_char;
        let mut own: libc::sockaddr_in = std::mem::zeroed();
        own.sin_family = libc::AF_INET as libc::sa_family_t;
        own.sin_addr.s_addr = u32::from_ne_bytes(address);
        request.ifr_ifru.ifru_addr = std::mem::transmute_copy(&own);
        assert_eq!(libc::ioctl(socket, libc::SIOCSIFADDR, &request), 0);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        assert_eq!(libc::ioctl(socket, libc::SIOCSIFFLAGS, &request), 0);
        libc::close(socket);
    }
}

fn serve_names(server: &NameServer) {
    let code = match server {
        NameServer::Gone => return,
        NameServer::Silent => None,
        NameServer::Answers(code) => Some(*code),
    };
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let Some(code) = code else { continue };
            let mut answer = query[..length].to_vec();
            answer[2] = 0x81;
            answer[3] = 0x80 | code;
            answer[6..12].fill(0);
            // Only the question, without the additional record that the header no longer counts.
            let end = 12 + answer[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
            socket.send_to(&answer[..end], from).unwrap();
        }
    });
}

/// The result of a get with this name server.
fn said_of_names(
    world: &World,
    resolv_conf: &str,
    server: NameServer,
    name: &str,
    version: &str,
) -> String {
    Child::fork(|| {
        own_network([127, 0, 0, 1]);
        replace(world, "/etc/hosts", "127.0.0.1 localhost\n");
        replace(world, "/etc/resolv.conf", resolv_conf);
        serve_names(&server);
        // A loaded machine may answer late. The silent server never answers, so it gets a shorter timeout.
        let patience = match server {
            NameServer::Silent => "3000",
            NameServer::Gone | NameServer::Answers(_) => "30000",
        };
        let options = [
            ("connect_timeout_ms", patience),
            ("timeout_ms", "60000"),
            ("ip_version", version),
        ];
        outcome(handle_at(world, name, &options).get("shop"))
    })
    .join()
}

/// Faults row 64: a failed lookup.
#[test]
fn a_failed_name_lookup_says_why_it_failed() {
    needs_root!();
    let world = World::with_account(json!({}));
    const LOCAL: &str = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n";
    let cases = [
        (
            "unknown",
            LOCAL,
            NameServer::Answers(3),
            "DNS does not know the host api.weixin.qq.com",
        ),
        ("empty", LOCAL, NameServer::Answers(0), "no address of it"),
        (
            "failing",
            LOCAL,
            NameServer::Answers(2),
            "temporarily failed",
        ),
        (
            "refusing",
            LOCAL,
            NameServer::Answers(5),
            "temporarily failed",
        ),
        (
            "none",
            "",
            NameServer::Gone,
            "/etc/resolv.conf names no name server",
        ),
        (
            "gone",
            LOCAL,
            NameServer::Gone,
            "no name server can be reached",
        ),
        (
            "unrouted",
            "nameserver 10.1.1.1\n",
            NameServer::Gone,
            "no name server can be reached",
        ),
        (
            "slow",
            LOCAL,
            NameServer::Silent,
            "DNS did not answer within connect_timeout_ms (3000 ms)",
        ),
    ];
    for (name, resolv_conf, server, part) in cases {
        let said = said_of_names(&world, resolv_conf, server, name, "any");
        assert!(said.starts_with("WXTOKEN_E_NETWORK"), "{name}: {said}");
        assert!(said.contains(part), "{name}: {said}");
    }
    for version in ["4", "6"] {
        let said = said_of_names(&world, LOCAL, NameServer::Answers(0), version, version);
        let part = format!(
            "no IPv{version} address of the host api.weixin.qq.com, and ip_version is {version}"
        );
        assert!(said.contains(&part), "{said}");
    }
}

/// Faults row 64: a proxy that only other programs know.
#[test]
fn a_proxy_set_for_other_programs_is_named_when_a_host_is_unreachable() {
    needs_root!();
    let world = World::with_account(json!({}));
    let said = |number: usize, variables: &[(&str, &str)], options: &[(&str, &str)]| {
        Child::fork(|| {
            own_network([127, 0, 0, 1]);
            replace(&world, "/etc/resolv.conf", "");
            for (name, value) in variables {
                set_env(name, value);
            }
            outcome(handle_at(&world, &format!("p{number}"), options).get("shop"))
        })
        .join()
    };
    const URL: &str = "http://me:s3cret@10.0.0.1:3128";
    let url = URL;
    for (number, name) in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .into_iter()
        .enumerate()
    {
        let said = said(number, &[(name, url)], &[]);
        assert!(
            said.contains(&format!("{name} is set and not read here")),
            "{said}"
        );
        assert!(
            said.contains("WXTOKEN_PROXY") && !said.contains("s3cret"),
            "{said}"
        );
    }
    type Pairs = &'static [(&'static str, &'static str)];
    let quiet: [(Pairs, Pairs); 4] = [
        (&[("https_proxy", "")], &[]),
        (
            &[("https_proxy", URL), ("no_proxy", "localhost,.qq.com")],
            &[],
        ),
        (&[("https_proxy", URL)], &[("proxy", "http://127.0.0.1:1")]),
        (
            &[("https_proxy", URL)],
            &[("api_base_url", "http://127.0.0.1:1")],
        ),
    ];
    for (number, (variables, options)) in quiet.into_iter().enumerate() {
        let said = said(10 + number, variables, options);
        assert!(
            said.contains("E_NETWORK") && !said.contains("not read here"),
            "{said}"
        );
    }
}

// --- proxies ---

/// A listener that handles each connection with a function, and records it.
struct Peer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Peer {
    /// Starts a listener. `serve` returns the bytes to remember of a connection.
    fn start(serve: impl Fn(TcpStream) -> Vec<u8> + Clone + Send + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let all = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serve, seen) = (serve.clone(), seen.clone());
                std::thread::spawn(move || {
                    let what = serve(stream);
                    seen.lock().unwrap().push(what);
                });
            }
        });
        Peer { address, seen: all }
    }

    /// Reads an HTTP head, answers, and closes in order.
    fn that_answers(answer: &'static [u8]) -> Peer {
        Peer::start(move |mut stream| {
            let head = head_of(&mut stream);
            answer_and_hang_up(&mut stream, answer);
            head
        })
    }

    fn connections(&self) -> Vec<Vec<u8>> {
        self.seen.lock().unwrap().clone()
    }
}

/// Closes in order: closing a socket with unread data would reset the connection.
fn answer_and_hang_up(stream: &mut TcpStream, answer: &[u8]) {
    let _ = stream.write_all(answer);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

fn head_of(stream: &mut TcpStream) -> Vec<u8> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
        head.push(byte[0]);
    }
    head
}

const PASSWORD: &str = "pass%40word";

/// Faults row 65: proxies that fail.
#[test]
fn a_failure_at_a_proxy_is_blamed_on_the_proxy_with_its_cause() {
    let world = World::with_account(json!({}));
    let cases: [(&'static [u8], &str, &str, usize); 9] = [
        (
            b"HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
            "",
            "wants a user name and password (HTTP 407): it asks for Basic",
            1,
        ),
        (
            b"HTTP/1.1 407 x\r\nproxy-authenticate: Basic realm=\"x\"\r\n\r\n<html>",
            "me",
            "refused the user name and password (HTTP 407): it asks for Basic",
            1,
        ),
        (
            b"HTTP/1.1 407 x\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n",
            "",
            "it asks for Negotiate, NTLM; hint: Only Basic is supported",
            1,
        ),
        (
            b"HTTP/1.1 407 x\r\n\r\n",
            "",
            "it does not name a login scheme",
            1,
        ),
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            "",
            "refused to connect to api.weixin.qq.com:443: HTTP 403; the spare host",
            2,
        ),
        (
            b"HTTP/1.0 503 x\r\n\r\n",
            "me",
            "refused to connect to api.weixin.qq.com:443: HTTP 503; the spare host",
            2,
        ),
        (b"SSH-2.0-x\r\n", "", "something that is not HTTP", 1),
        (
            b"HTTP/1.1 200 x\r\n\r\nmore",
            "",
            "something that is not HTTP",
            1,
        ),
        (
            b"",
            "me",
            "closed the connection without an answer to CONNECT",
            1,
        ),
    ];
    for (number, (answer, user, part, connections)) in cases.into_iter().enumerate() {
        let peer = Peer::that_answers(answer);
        let url = match user {
            "" => format!("http://{}", peer.address),
            user => format!("http://{user}:{PASSWORD}@{}", peer.address),
        };
        let handle = handle_at(&world, &format!("{number}"), &[("proxy", &url)]);
        let failure = handle.get("shop").unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_NETWORK, "{failure:?}");
        let named = format!("the proxy {} ", peer.address);
        assert!(failure.message.contains(&named), "{failure:?}");
        assert!(failure.message.contains(part), "{failure:?}");
        assert!(
            !failure.message.contains("word@") && !failure.message.contains(PASSWORD),
            "{failure:?}"
        );
        common::wait_until("all are counted", || {
            peer.connections().len() >= connections
        });
        let heads = peer.connections();
        assert_eq!(heads.len(), connections, "{failure:?}");
        let head = String::from_utf8_lossy(&heads[0]).into_owned();
        assert!(head.starts_with("CONNECT api"), "{head}");
        // me:pass@word
        let login = "Proxy-Authorization: Basic bWU6cGFzc0B3b3Jk\r\n";
        assert_eq!(head.contains(login), user == "me", "{head}");
    }
}

/// Faults row 80: the proxy, or a host behind it, echoes the login.
#[test]
fn a_login_that_a_proxy_echoes_is_not_shown() {
    let world = World::with_account(json!({}));
    let of = |address: &str| format!("http://me:long-password@{address}");
    let peer = Peer::that_answers(
        b"HTTP/1.1 407 x\r\nProxy-Authenticate: long-password realm=\"x\"\r\n\r\n",
    );
    let url = of(&peer.address.to_string());
    let failure = handle_at(&world, "proxy", &[("proxy", &url)]).get("shop");
    let message = failure.unwrap_err().message;
    assert!(
        message.contains("its login scheme repeats the password"),
        "{message}"
    );
    assert!(!message.contains("long-p"), "{message}");

    // me:long-password, as the header has it.
    let errmsg = "got Proxy-Authorization: Basic bWU6bG9uZy1wYXNzd29yZA==";
    world.fault(json!({"kind": "errcode", "errcode": 40013, "errmsg": errmsg}));
    let url = of(world.sim.endpoints().proxy.strip_prefix("http://").unwrap());
    let failure = handle_at(&world, "host", &[("proxy", &url)]).get("shop");
    let failure = failure.unwrap_err();
    assert_eq!(failure.errcode, 40013, "{failure:?}");
    assert!(!failure.message.contains("bWU6"), "{failure:?}");
}

/// Faults row 65: no proxy at the address.
#[test]
fn an_absent_proxy_is_named() {
    let world = World::with_account(json!({}));
    let refusing = Refusing::new();
    let closed = refusing.address;
    for scheme in ["http", "socks5h"] {
        let url = format!("{scheme}://me:{PASSWORD}@{closed}");
        let failure = handle_at(&world, scheme, &[("proxy", &url)])
            .get("shop")
            .unwrap_err();
        let said = format!("the proxy {closed} cannot be reached: connection refused");
        assert!(failure.message.contains(&said), "{failure:?}");
        assert!(!failure.message.contains("spare"), "{failure:?}");
    }
    let url = "http://no-such-proxy.invalid:3128";
    let failure = handle_at(&world, "name", &[("proxy", url)])
        .get("shop")
        .unwrap_err();
    assert!(
        failure
            .message
            .contains("the proxy's host no-such-proxy.invalid"),
        "{failure:?}"
    );
    for bad in [
        "http://me:s3#cret@h:1",
        "http://me:s3@cret@h:1",
        "ftp://h:1",
        "http://h:1/path",
    ] {
        let failure = handle_at(&world, "bad", &[]).set("proxy", bad).unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_ARGUMENT, "{failure:?}");
        assert!(!failure.message.contains("cret"), "{failure:?}");
    }
}

/// A peer that sends the beginning of an answer, and then one byte after another without end.
fn drips(stream: TcpStream, beginning: &[u8]) -> Vec<u8> {
    drips_of(stream, beginning, b"x")
}

/// A peer that sends the beginning of an answer, and then the same part without end.
fn drips_of(mut stream: TcpStream, beginning: &[u8], part: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(beginning);
    let closed = |stream: &mut TcpStream| {
        stream
            .set_read_timeout(Some(Duration::from_millis(80)))
            .unwrap();
        matches!(stream.read(&mut [0; 512]), Ok(0))
    };
    while !closed(&mut stream) && stream.write_all(part).is_ok() {}
    Vec::new()
}

/// Faults row 28: each of these peers would go on for hours, a little at a time.
#[test]
fn every_wait_for_a_host_ends_in_time() {
    let world = World::with_account(json!({}));
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    let cases = [
        ("http", "HTTP/1.1 200 ", "x"),
        ("http", OK, "x"),
        ("http", OK, "a: b\r\n"),
        (
            "http",
            "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
            "x",
        ),
        (
            "http",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
        ),
        (
            "http",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            "x",
        ),
        ("http", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        // The first bytes of a TLS handshake record.
        ("https", "\x16\x03\x03\x3f\x7f\x02", "x"),
    ];
    let world = &world;
    std::thread::scope(|scope| {
        for (number, (scheme, beginning, part)) in cases.into_iter().enumerate() {
            scope.spawn(move || {
                let peer = Peer::start(move |stream| {
                    drips_of(stream, beginning.as_bytes(), part.as_bytes())
                });
                let base = format!("{scheme}://{}", peer.address);
                // A call that has less than a second left would not begin.
                let options = [
                    ("api_base_url", base.as_str()),
                    ("connect_timeout_ms", "60000"),
                    ("timeout_ms", "5000"),
                ];
                let handle = handle_at(world, &format!("drip{number}"), &options);
                let began = Instant::now();
                let failure = handle.get("shop").unwrap_err();
                assert_eq!(failure.status, WXTOKEN_E_TIMEOUT, "{number}: {failure:?}");
                assert!(
                    failure.message.contains("within timeout_ms (5000 ms)"),
                    "{failure:?}"
                );
                assert!(began.elapsed() < Duration::from_secs(20), "{number}");
            });
        }
    });
}

/// Faults row 65: the time limit of connecting, and that of the whole call.
#[test]
fn every_wait_for_a_proxy_ends_in_time() {
    let world = World::with_account(json!({}));
    let silent = || {
        Peer::start(|mut stream| {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            all
        })
    };
    let cases = [
        ("http", silent()),
        ("socks5h", silent()),
        (
            "http",
            Peer::start(|stream| drips(stream, b"HTTP/1.1 200 OK\r\nX: ")),
        ),
        (
            "socks5h",
            Peer::start(|stream| drips(stream, &[5, 0, 5, 0, 0, 3, 255])),
        ),
        // A TLS handshake that drips behind the proxy.
        (
            "http",
            Peer::start(|mut stream| {
                head_of(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let _ = stream.read(&mut [0; 512]);
                drips(stream, b"\x16\x03\x03\x3f\x7f\x02")
            }),
        ),
        // The proxy connects, and no TLS follows.
        (
            "http",
            Peer::start(|mut stream| {
                head_of(&mut stream);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let _ = stream.read_to_end(&mut Vec::new());
                Vec::new()
            }),
        ),
    ];
    let world = &world;
    std::thread::scope(|scope| {
        for (number, (scheme, peer)) in cases.into_iter().enumerate() {
            scope.spawn(move || {
                for (connect, whole, status) in [
                    ("300", "60000", WXTOKEN_E_NETWORK),
                    ("60000", "5000", WXTOKEN_E_TIMEOUT),
                ] {
                    let url = format!("{scheme}://{}", peer.address);
                    let options = [
                        ("proxy", url.as_str()),
                        ("connect_timeout_ms", connect),
                        ("timeout_ms", whole),
                    ];
                    let handle = handle_at(world, &format!("{number}-{connect}"), &options);
                    let began = Instant::now();
                    let failure = handle.get("shop").unwrap_err();
                    assert_eq!(failure.status, status, "{scheme} {number}: {failure:?}");
                    let limit = match status {
                        WXTOKEN_E_NETWORK => "within connect_timeout_ms (300 ms)",
                        _ => "within timeout_ms (5000 ms)",
                    };
                    assert!(failure.message.contains(limit), "{failure:?}");
                    let named = format!("the proxy {}", peer.address);
                    assert!(failure.message.contains(&named), "{failure:?}");
                    assert!(
                        began.elapsed() < Duration::from_secs(20),
                        "{scheme} {number}"
                    );
                }
            });
        }
    });
}

/// A SOCKS5 proxy that connects everything to `to`, and records the requested addresses.
fn socks(to: SocketAddr, login: Option<&'static str>, refusal: u8) -> Peer {
    Peer::start(move |mut stream| {
        let mut asked = Vec::new();
        let mut bytes = [0; 600];
        let method = if login.is_some() { 2 } else { 0 };
        let Ok(length) = stream.read(&mut bytes) else {
            return asked;
        };
        if !bytes[2.min(length)..length].contains(&method) {
            let _ = stream.write_all(&[5, 0xff]);
            return asked;
        }
        let _ = stream.write_all(&[5, method]);
        if let Some(login) = login {
            let Ok(length) = stream.read(&mut bytes) else {
                return asked;
            };
            let right = bytes[..length] == *login.as_bytes();
            let _ = stream.write_all(&[1, u8::from(!right)]);
            if !right {
                return asked;
            }
        }
        let Ok(length) = stream.read(&mut bytes) else {
            return asked;
        };
        asked.extend_from_slice(&bytes[..length]);
        let _ = stream.write_all(&[5, refusal, 0, 1, 0, 0, 0, 0, 0, 0]);
        if refusal == 0 {
            let mut other = TcpStream::connect(to).unwrap();
            let (mut from, mut back) = (stream.try_clone().unwrap(), other.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Write);
            });
            let _ = std::io::copy(&mut other, &mut stream);
        }
        asked
    })
}

#[test]
fn a_socks_proxy_reaches_the_host() {
    let world = World::with_account(json!({}));
    let to: SocketAddr = format!("127.0.0.1:{}", port_of(world.sim.https()))
        .parse()
        .unwrap();
    // The proxy resolves names.
    let peer = socks(to, None, 0);
    let url = format!("socks5h://{}", peer.address);
    let token = handle_at(&world, "name", &[("proxy", &url)])
        .get("shop")
        .unwrap();
    assert!(world.accepts(&token.value));
    common::wait_until("it is counted", || !peer.connections().is_empty());
    assert_eq!(
        peer.connections(),
        [b"\x05\x01\x00\x03\x11api.weixin.qq.com\x01\xbb".to_vec()]
    );
    // This host resolves names.
    let peer = socks(to, None, 0);
    let (url, base) = (
        format!("socks5://{}", peer.address),
        format!("https://localhost:{}", to.port()),
    );
    let options = [
        ("proxy", url.as_str()),
        ("api_base_url", &base),
        ("ip_version", "4"),
    ];
    handle_at(&world, "address", &options).get("shop").unwrap();
    common::wait_until("it is counted", || !peer.connections().is_empty());
    assert_eq!(peer.connections()[0][..8], [5, 1, 0, 1, 127, 0, 0, 1]);
    // With a login.
    let peer = socks(to, Some("\x01\x02me\x09pass@word"), 0);
    let url = format!("socks5h://me:{PASSWORD}@{}", peer.address);
    handle_at(&world, "login", &[("proxy", &url)])
        .get("shop")
        .unwrap();
}

#[test]
fn a_failure_at_a_socks_proxy_is_blamed_on_the_proxy_with_its_cause() {
    let world = World::with_account(json!({}));
    let to: SocketAddr = format!("127.0.0.1:{}", port_of(world.sim.https()))
        .parse()
        .unwrap();
    let login = Some("\x01\x02me\x09pass@word");
    let cases = [
        (socks(to, login, 0), "", "wants a user name and password"),
        (
            socks(to, login, 0),
            "me:wrong@",
            "refused the user name and password",
        ),
        (
            socks(to, None, 2),
            "",
            "did not connect to api.weixin.qq.com:443: its rules do not allow it",
        ),
        (
            socks(to, None, 5),
            "",
            "did not connect to api.weixin.qq.com:443: connection refused",
        ),
        (
            Peer::start(|mut stream| {
                let _ = stream.read(&mut [0; 512]);
                let _ = stream.write_all(b"HTTP/1.1 400 x\r\n\r\n");
                let _ = stream.read_to_end(&mut Vec::new());
                Vec::new()
            }),
            "",
            "does not speak SOCKS5",
        ),
    ];
    for (number, (peer, login, part)) in cases.into_iter().enumerate() {
        let url = format!("socks5h://{login}{}", peer.address);
        let failure = handle_at(&world, &format!("{number}"), &[("proxy", &url)])
            .get("shop")
            .unwrap_err();
        let named = format!("the proxy {} ", peer.address);
        assert!(failure.message.contains(&named), "{failure:?}");
        assert!(failure.message.contains(part), "{failure:?}");
        assert!(!failure.message.contains("wrong@"), "{failure:?}");
    }
}

// --- the spare host ---

/// The failure of the intended host comes first, whatever the spare host does.
#[test]
fn a_failure_of_the_spare_host_is_reported_after_the_first() {
    let world = World::with_account(json!({}));
    let refused = |hosts: &[&str]| world.sim.switches(json!({"proxy_refuse": hosts})).unwrap();
    let get = |name: &str| {
        let failure = handle_at(&world, name, &[("proxy", world.sim.proxy())]).get("shop");
        failure.unwrap_err()
    };
    refused(&["api.weixin.qq.com", "api2.weixin.qq.com"]);
    let failure = get("both");
    let first = "from https://api.weixin.qq.com: the proxy ";
    let second = "; the spare host https://api2.weixin.qq.com: the proxy ";
    assert!(
        failure.message.contains(first) && failure.message.contains(second),
        "{failure:?}"
    );
    refused(&["api.weixin.qq.com"]);
    world.fault(json!({"id": "wx1", "kind": "html"}));
    let failure = get("html");
    let second = "; the spare host https://api2.weixin.qq.com: the answer is not a token reply";
    assert_eq!(failure.status, WXTOKEN_E_NETWORK, "{failure:?}");
    assert!(
        failure.message.contains(first) && failure.message.contains(second),
        "{failure:?}"
    );
    // A refusal is the platform's answer, whichever host sends it.
    world.fault(json!({"id": "wx1", "kind": "errcode", "errcode": 40164, "errmsg": "invalid ip"}));
    let failure = get("errcode");
    assert_eq!(
        (failure.status, failure.errcode),
        (WXTOKEN_E_API, 40164),
        "{failure:?}"
    );
}

// --- TLS ---

#[test]
fn a_host_without_tls_is_distinguished_from_a_bad_certificate() {
    let world = World::with_account(json!({}));
    let plain = Peer::start(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        Vec::new()
    });
    let closes = Peer::start(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        Vec::new()
    });
    for (name, url) in [
        ("plain", format!("https://{}", plain.address)),
        ("closes", format!("https://{}", closes.address)),
        ("resets", world.sim.endpoints().reset_handshake.clone()),
    ] {
        let failure = handle_at(&world, name, &[("api_base_url", &url)])
            .get("shop")
            .unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_NETWORK, "{failure:?}");
        assert!(
            failure.message.contains("does not speak TLS"),
            "{name}: {failure:?}"
        );
        assert!(
            !failure.message.contains("certificate"),
            "{name}: {failure:?}"
        );
    }
}

// --- plain HTTP, and a path ---

/// A private gateway that answers with a token and records the request lines.
fn gateway(address: &str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let (at, lines) = (listener.local_addr().unwrap(), seen.clone());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = String::from_utf8(head_of(&mut stream)).unwrap();
            let line = head.lines().next().unwrap_or_default().to_owned();
            lines.lock().unwrap().push(line);
            let body = r#"{"access_token":"of-the-gateway","expires_in":7200}"#;
            let length = body.len();
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
            answer_and_hang_up(&mut stream, reply.as_bytes());
        }
    });
    (at, seen)
}

#[test]
fn a_base_url_may_have_a_path() {
    let world = World::new();
    let (address, seen) = gateway("127.0.0.1");
    for (name, path) in [("a", "/wx"), ("b", "/wx/v1/")] {
        let url = format!("http://{address}{path}");
        let handle = handle_at(&world, name, &[("api_base_url", &url)]);
        assert_eq!(handle.get("shop").unwrap().value, "of-the-gateway");
    }
    let lines = seen.lock().unwrap().clone();
    let expected =
        ["/wx", "/wx/v1"].map(|path| format!("POST {path}/cgi-bin/stable_token HTTP/1.1"));
    assert_eq!(lines, expected);
}

#[test]
fn plain_http_needs_a_private_address_or_an_option() {
    let world = World::new();
    let handle = handle_at(&world, "a", &[]);
    let refused = |url: &str| {
        let failure = handle.set("api_base_url", url).unwrap_err();
        assert_eq!(failure.status, WXTOKEN_E_ARGUMENT, "{failure:?}");
        failure.message
    };
    let said = refused("http://10.0.0.1");
    assert!(said.contains("allow_plain_http=1"), "{said}");
    handle.set("allow_plain_http", "1").unwrap();
    for url in [
        "http://8.8.8.8",
        "http://gateway.internal",
        "http://[2001:db8::1]",
    ] {
        refused(url);
    }
    handle.set("api_base_url", "http://10.0.0.1").unwrap();
    let failure = handle.set("allow_plain_http", "0").unwrap_err();
    assert!(failure.message.contains("api_base_url"), "{failure:?}");
}

/// Plain text over a private network needs an option, goes directly, and is logged once.
#[test]
fn plain_http_to_a_private_address_is_logged_once() {
    needs_root!();
    let world = World::new();
    let log: PathBuf = world.directory.path().join("stderr");
    let said = Child::fork(|| {
        own_network([10, 0, 0, 1]);
        let file = std::fs::File::create(&log).unwrap();
        // SAFETY: this child's stderr goes to the file.
        unsafe { libc::dup2(file.as_raw_fd(), 2) };
        let (address, seen) = gateway("10.0.0.1");
        let url = format!("http://{address}/wx");
        let get = |name: &str| {
            let options = [
                ("log", "info"),
                ("allow_plain_http", "1"),
                // A proxy is not used between this host and a private gateway.
                ("proxy", "http://127.0.0.1:1"),
                ("api_base_url", &url),
            ];
            outcome(handle_at(&world, name, &options).get("shop"))
        };
        let said = [get("a"), get("b")].join(" ");
        format!("{said} {}", seen.lock().unwrap().len())
    })
    .join();
    assert_eq!(said, "of-the-gateway of-the-gateway 2");
    let log = std::fs::read_to_string(&log).unwrap();
    assert_eq!(log.matches("in plain text").count(), 1, "{log}");
    assert!(
        log.contains("http://10.0.0.1:") && !log.contains(SECRET),
        "{log}"
    );
}
