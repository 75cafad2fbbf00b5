//! Faults row 42: hosts share a store on a server, and their wall clocks are hours wrong and step. The server's clock
//! counts.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Handle, World, wait_until};
use redis_server::RedisServer;
use serde_json::json;

const LIFETIME_MS: i64 = 6000;
/// A token is fetched again when a tenth of its life is left. A stall between the server and this host can make that a
/// second earlier. A wrong clock makes it hours.
const LEAST_AGE_MS: u128 = 4400;
const HOURS_S: [i64; 3] = [3 * 3600, -3 * 3600, 0];

/// A library that shifts the wall clock of a process.
fn wrong_clock(world: &World) -> PathBuf {
    let built = world.directory.path().join("wrong_clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("clocks/wrong_clock.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let done = Command::new(&compiler)
        .args([
            "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
        ])
        .arg(&built)
        .arg(source)
        .arg("-ldl")
        .output()
        .unwrap_or_else(|e| panic!("{compiler} runs (apt-get install gcc): {e}"));
    assert!(done.status.success(), "{done:?}");
    built
}

fn boot_ms() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one struct.
    assert_eq!(
        unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &mut now) },
        0
    );
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// The program of each host: it gets until told to end, then reports when it first saw and last asked for each token.
#[test]
#[ignore = "a part of another test"]
fn host() {
    let of = |name: &str| std::env::var(name).unwrap();
    let handle = Handle::open(Path::new(&of("TEST_STORE"))).unwrap();
    handle.set("api_base_url", &of("TEST_URL")).unwrap();
    handle.set("revalidate_ms", "20").unwrap();
    let mut seen: HashMap<String, (i64, i64)> = HashMap::new();
    while !Path::new(&of("TEST_ENDS")).exists() {
        // This process may stand still between the get and the look at the clock.
        let asked = boot_ms();
        let token = handle.get("shop").unwrap().value;
        seen.entry(token).or_insert((boot_ms(), asked)).1 = asked;
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut said = String::new();
    for (token, (first, last)) in seen {
        writeln!(said, "seen {token} {first} {last}").unwrap();
    }
    println!("{said}");
}

#[test]
fn hosts_with_wrong_clocks_waste_no_token_and_serve_no_expired_one() {
    let world = World::on_redis_with_account(json!({"lifetime_ms": LIFETIME_MS}));
    let began = Instant::now();
    let shop = world.open_shop("official_classic");
    drop(shop);
    let key = key_of(&world);
    let clock = wrong_clock(&world);
    let [steps, ends] = ["steps", "ends"].map(|name| world.directory.path().join(name));
    let hosts = HOURS_S.map(|wrong_by| {
        let state = world.directory.path().join(format!("state{wrong_by}"));
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "host", "--ignored", "--nocapture"])
            .env("LD_PRELOAD", &clock)
            .env("WRONG_BY_S", wrong_by.to_string())
            .env("WRONG_STEPS_AT", &steps)
            .env("TEST_STORE", world.store())
            .env("TEST_URL", world.sim.http())
            .env("TEST_ENDS", &ends)
            .env("WXTOKEN_KEY_FILE", &key)
            .env("XDG_STATE_HOME", state)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    wait_until("two tokens were fetched", || world.minted() >= 2);
    std::fs::write(&steps, "").unwrap();
    wait_until("two more were fetched", || world.minted() >= 4);
    std::fs::write(&ends, "").unwrap();
    let took = began.elapsed();
    let mut seen: HashMap<String, (i64, i64)> = HashMap::new();
    for host in hosts {
        let done = host.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success(), "{said} {done:?}");
        for line in said.lines().filter_map(|line| line.strip_prefix("seen ")) {
            let words: Vec<&str> = line.split(' ').collect();
            let [first, last] = [words[1], words[2]].map(|ms| ms.parse::<i64>().unwrap());
            let known = seen.entry(words[0].to_owned()).or_insert((first, last));
            *known = (known.0.min(first), known.1.max(last));
        }
    }
    // A token is older than the first get of it.
    for (first, last) in seen.values() {
        assert!(
            last - first <= LIFETIME_MS,
            "handed out {} ms long",
            last - first
        );
    }
    let minted = u128::from(world.minted());
    assert_eq!(minted, seen.len() as u128);
    let most = took.as_millis() / LEAST_AGE_MS + 1;
    assert!(minted <= most, "{minted} tokens in {took:?}");
    assert_eq!(u128::from(world.requests()), minted);
}

/// A world on a server whose clock is half an hour ahead, and the file that sets it back by an hour.
fn on_a_wrong_server(settings: serde_json::Value) -> (World, World, PathBuf) {
    let place = World::new();
    let clock = wrong_clock(&place);
    let steps = place.directory.path().join("steps");
    let server = RedisServer::within(&[
        ("LD_PRELOAD", clock.to_str().unwrap()),
        ("WRONG_BY_S", "1800"),
        ("WRONG_STEPS_AT", steps.to_str().unwrap()),
    ]);
    let world = World::on(server);
    world.add("official", "wx1", settings);
    (place, world, steps)
}

/// The server's own clock is set back. The report mentions the step.
#[test]
fn a_step_of_the_servers_clock_is_reported_and_costs_no_token() {
    let (_place, world, steps) = on_a_wrong_server(json!({}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let token = handle.get("shop").unwrap();
    assert_eq!(handle.report()["clock_step"], serde_json::Value::Null);
    std::fs::write(&steps, "").unwrap();
    wait_until("the step is seen", || {
        assert_eq!(handle.get("shop").unwrap().value, token.value);
        !handle.report()["clock_step"].is_null()
    });
    let step = handle.report()["clock_step"].clone();
    let by_ms = step["by_ms"].as_i64().unwrap();
    assert!((-3_610_000..=-3_590_000).contains(&by_ms), "{step}");
    assert_eq!(world.minted(), 1);
}

/// The server's own clock is set back. A token lives by the smaller remainder.
#[test]
fn a_step_of_the_servers_clock_lengthens_no_token() {
    let (_place, world, steps) = on_a_wrong_server(json!({"lifetime_ms": LIFETIME_MS}));
    let handle = world.open_shop("official_classic");
    handle.set("revalidate_ms", "0").unwrap();
    let token = handle.get("shop").unwrap();
    // The first look at the store finds the token as it was written.
    handle.get("shop").unwrap();
    std::fs::write(&steps, "").unwrap();
    wait_until("the token has expired", || !world.accepts(&token.value));
    let next = handle.get("shop").unwrap();
    assert!(world.accepts(&next.value));
}

/// The key that this host created.
fn key_of(world: &World) -> PathBuf {
    let state = std::env::var("XDG_STATE_HOME").unwrap();
    let ours = world.server().directory().file_name().unwrap().to_owned();
    let ours = ours.to_str().unwrap().to_owned();
    let files = std::fs::read_dir(format!("{state}/wxtoken")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    let key = files.find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.contains(&ours) && name.ends_with(".key")
    });
    key.unwrap()
}
