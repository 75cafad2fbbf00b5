//! The effect of the host's limits and habits on the library, and of the library on the host.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Child, Handle, SECRET, World, drop_privileges, needs_root, outcome};
use serde_json::json;

fn limit(resource: libc::__rlimit_resource_t, most: u64) {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    // SAFETY: limits the calling process, a forked child.
    assert_eq!(unsafe { libc::setrlimit(resource, &limit) }, 0);
}

/// Opens the directory to all users, so that a child can create its store there as another user.
fn open_to_all(world: &World) {
    let all = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(world.directory.path(), all).unwrap();
}

/// Faults row 14: no thread can be started.
#[test]
fn a_name_lookup_fails_if_no_thread_can_be_started() {
    let world = World::with_account(json!({}));
    open_to_all(&world);
    // By name, because only a name lookup needs a thread.
    let url = world.sim.http().replace("127.0.0.1", "localhost");
    let said = Child::fork(|| {
        drop_privileges();
        let handle = world.open();
        handle.set("api_base_url", &url).unwrap();
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        limit(libc::RLIMIT_NPROC, 0);
        outcome(handle.get("shop"))
    })
    .join();
    assert!(
        said.contains("E_NETWORK") && said.contains("no thread"),
        "{said}"
    );
}

/// Faults row 64: a seccomp filter, as containers have one. No higher limit removes it.
#[test]
fn a_seccomp_filter_that_forbids_threads_is_not_reported_as_a_limit() {
    let world = World::with_account(json!({}));
    let url = world.sim.http().replace("127.0.0.1", "localhost");
    let handle = world.open();
    handle.set("api_base_url", &url).unwrap();
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    for (error, part) in [
        (libc::EPERM, "a seccomp filter forbids clone"),
        (libc::EACCES, "a seccomp filter forbids clone"),
        (libc::EAGAIN, "ulimit -u"),
    ] {
        let said = Child::fork(|| {
            let calls = [libc::SYS_clone, libc::SYS_clone3];
            common::deny(&calls.map(|call| (call, None, error)));
            outcome(handle.get("shop"))
        })
        .join();
        assert!(
            said.contains("E_NETWORK") && said.contains("no thread"),
            "{said}"
        );
        assert!(said.contains(part), "{said}");
        assert_eq!(said.contains("ulimit"), error == libc::EAGAIN, "{said}");
    }
    // The failure is not shared with other processes.
    handle.get("shop").unwrap();
}

/// The program that `a_kernel_without_the_newer_system_calls_is_sufficient` runs.
#[test]
#[ignore = "a part of another test"]
fn old_kernel_helper() {
    let of = |name: &str| std::env::var(name).unwrap();
    let handle = Handle::open(of("TEST_STORE").as_ref()).unwrap();
    handle.set("api_base_url", &of("TEST_URL")).unwrap();
    handle.register("shop", "official", "wx1", SECRET).unwrap();
    println!("got: {}", outcome(handle.get("shop")));
}

/// Linux 3.15, and a seccomp filter that is older than the kernel.
#[test]
fn a_kernel_without_the_newer_system_calls_is_sufficient() {
    let world = World::with_account(json!({}));
    let newer = [
        libc::SYS_getrandom,
        libc::SYS_statx,
        libc::SYS_memfd_create,
        libc::SYS_copy_file_range,
        libc::SYS_clone3,
        libc::SYS_close_range,
        libc::SYS_openat2,
        libc::SYS_faccessat2,
    ];
    let keys = [1, 2].map(|number| {
        let store = world.store().with_file_name(format!("{number}.db"));
        let mut helper = Command::new(std::env::current_exe().unwrap());
        helper
            .args(["--exact", "old_kernel_helper", "--ignored", "--nocapture"])
            .env("TEST_STORE", &store)
            .env("TEST_URL", world.sim.http());
        // SAFETY: limits the child alone, before it becomes the helper.
        unsafe {
            helper.pre_exec(move || {
                common::deny(&newer.map(|call| (call, None, libc::ENOSYS)));
                Ok(())
            });
        }
        let ran = helper.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        let token = said
            .split_once("got: ")
            .map_or("", |(_, rest)| rest.lines().next().unwrap_or(""));
        assert!(
            world.accepts(token),
            "{said}{}",
            String::from_utf8_lossy(&ran.stderr)
        );
        std::fs::read(store.with_file_name(format!("{number}.db.key"))).unwrap()
    });
    assert_ne!(keys[0], keys[1], "the keys are not random");
}

/// Faults row 14, for the background refresh, which callers can do without.
#[test]
fn a_background_refresh_that_cannot_start_a_thread_leaves_the_token_in_use() {
    let world = World::with_account(json!({}));
    open_to_all(&world);
    let said = Child::fork(|| {
        drop_privileges();
        let handle = world.open_shop("official_classic");
        handle.set("background_refresh", "1").unwrap();
        handle.set("revalidate_ms", "0").unwrap();
        let token = handle.get("shop").unwrap();
        world.pass_refresh_times();
        let aged = handle.report()["accounts"][0]["tokens"][0]["state"] == "usable";
        limit(libc::RLIMIT_NPROC, 0);
        let again = handle.get("shop").unwrap();
        (aged && again == token).to_string()
    })
    .join();
    assert_eq!(said, "true");
    assert_eq!(world.requests(), 1);
}

/// Faults row 15: no descriptor is free.
#[test]
fn without_free_descriptors_known_tokens_are_served_and_other_calls_fail() {
    let world = World::with_account(json!({}));
    world.add("official", "wx2", json!({}));
    let handle = world.open_shop("official");
    handle.register("other", "official", "wx2", SECRET).unwrap();
    let said = Child::fork(|| {
        handle.set("revalidate_ms", "0").unwrap();
        let token = handle.get("shop").unwrap();
        limit(libc::RLIMIT_NOFILE, 3);
        let known = handle.get("shop").unwrap() == token;
        // The moved file cannot be opened again, and the token is still good.
        std::fs::rename(world.store(), world.directory.path().join("moved")).unwrap();
        let known = known && handle.get("shop").unwrap() == token;
        format!("{known} {}", outcome(handle.get("other")))
    })
    .join();
    assert!(said.starts_with("true WXTOKEN_E_"), "{said}");
    assert_eq!(world.sim.counters_of("wx2").requests, 0);
}

/// Faults row 35: the host sets its environment in a loop.
#[test]
fn a_host_may_change_its_environment_during_calls() {
    let world = World::with_account(json!({}));
    for number in 0..40 {
        world.add("official", &format!("id{number}"), json!({}));
    }
    let said = Child::fork(|| {
        let stop = AtomicBool::new(false);
        let handle = world.open();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    common::set_env(
                        &format!("VARIABLE_{}", turn % 20_000),
                        &"x".repeat(turn % 200),
                    );
                }
            });
            for number in 0..40 {
                let id = format!("id{number}");
                handle.register(&id, "official", &id, SECRET).unwrap();
                handle.get(&id).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
        });
        "done".into()
    })
    .join();
    assert_eq!(said, "done");
}

/// Faults row 36: 32 writers share one store.
#[test]
fn thirty_two_writers_on_one_store_all_succeed() {
    let world = World::with_account(json!({}));
    world.open_shop("official");
    let store = world.store();
    let children: Vec<Child> = (0..32)
        .map(|writer| {
            Child::fork(|| {
                // A machine with a busy processor and disk may delay one write for half a minute.
                common::set_env("WXTOKEN_TIMEOUT_MS", "200000");
                let handle = Handle::open(&store).unwrap();
                let mut slowest = Duration::ZERO;
                for turn in 0..10 {
                    let began = Instant::now();
                    let (name, secret) = (format!("writer-{writer}"), format!("secret-{turn}"));
                    if let Err(failure) = handle.register(&name, "work", "ww1", &secret) {
                        return format!("{failure:?}");
                    }
                    slowest = slowest.max(began.elapsed());
                }
                format!("slowest write {} ms", slowest.as_millis())
            })
        })
        .collect();
    let said: Vec<String> = children.into_iter().map(Child::join).collect();
    println!("{said:?}");
    assert!(
        said.iter().all(|line| line.starts_with("slowest write")),
        "{said:?}"
    );
    assert_eq!(
        world.open().report()["accounts"].as_array().unwrap().len(),
        33
    );
}

#[test]
fn a_log_line_to_a_pipe_without_a_reader_does_not_kill_the_host() {
    let world = World::with_account(json!({}));
    let handle = world.open();
    let said = Child::fork(|| {
        let mut ends = [0; 2];
        // SAFETY: stderr of this child becomes a pipe without a reader; SIGPIPE is as in a C host.
        unsafe {
            libc::pipe(ends.as_mut_ptr());
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            libc::dup2(ends[1], 2);
            libc::close(ends[0]);
        }
        handle.set("log", "info").unwrap();
        handle.register("shop", "official", "wx1", SECRET).unwrap();
        "alive".into()
    })
    .join();
    assert_eq!(said, "alive");
}

#[test]
fn a_key_file_that_cannot_be_written_does_not_kill_the_host() {
    let world = World::with_account(json!({}));
    let handle = world.open();
    let said = Child::fork(|| {
        limit(libc::RLIMIT_FSIZE, 0);
        match handle.register("shop", "official", "wx1", SECRET) {
            Ok(()) => "registered".into(),
            Err(failure) => format!("{:?}: {}", failure.status, failure.message),
        }
    })
    .join();
    assert!(
        said.starts_with("WXTOKEN_E_STORE: cannot create key file"),
        "{said}"
    );
}

#[test]
fn nothing_is_written_to_stdout_and_no_signal_disposition_changes() {
    let world = World::with_account(json!({}));
    let handle = world.open_shop("official");
    let said = Child::fork(|| {
        let dispositions = || -> Vec<usize> {
            (1..32)
                .map(|signal| {
                    // SAFETY: only reads what is set.
                    unsafe {
                        let mut action: libc::sigaction = std::mem::zeroed();
                        libc::sigaction(signal, std::ptr::null(), &mut action);
                        action.sa_sigaction
                    }
                })
                .collect()
        };
        let before = dispositions();
        let mut ends = [0; 2];
        // SAFETY: stdout of this child becomes an empty pipe.
        unsafe {
            libc::pipe(ends.as_mut_ptr());
            libc::fcntl(ends[0], libc::F_SETFL, libc::O_NONBLOCK);
            libc::dup2(ends[1], 1);
        }
        handle.set("log", "debug").unwrap();
        handle.get("shop").unwrap();
        let mut byte = 0u8;
        // SAFETY: reads into one byte, and does not wait.
        let read = unsafe { libc::read(ends[0], (&raw mut byte).cast(), 1) };
        let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
        format!("{} {read} {threads}", dispositions() == before)
    })
    .join();
    assert_eq!(said, "true -1 1");
}

/// The program that `a_set_user_id_program_takes_nothing_from_its_callers_environment` runs.
#[test]
#[ignore = "a part of another test"]
fn set_user_id_helper() {
    let of = |name: &str| std::env::var(name).unwrap();
    // SAFETY: reads a number that the kernel set.
    println!("secure: {}", unsafe { libc::getauxval(libc::AT_SECURE) });
    match Handle::open_maybe(None) {
        Ok(_) => println!("without a path: opened"),
        Err(failure) => println!("without a path: {}", failure.message),
    }
    let handle = Handle::open(of("TEST_STORE").as_ref()).unwrap();
    handle.set("proxy", &of("TEST_PROXY")).unwrap();
    handle.set("ca_file", &of("TEST_CA_FILE")).unwrap();
    println!("got: {}", outcome(handle.get("shop")));
    // Exits at once: the leak sanitizer would trace this process at its end, and the kernel lets only root trace such a
    // process.
    // SAFETY: takes nothing from Rust, and the output ends with a line.
    unsafe { libc::_exit(0) }
}

/// Faults row 75: a set-user-ID program uses the library.
#[test]
fn a_set_user_id_program_takes_nothing_from_its_callers_environment() {
    needs_root!();
    const OWNER: u32 = 1;
    const CALLER: u32 = 65534;
    let world = World::with_account(json!({}));
    let directory = world.directory.path();
    chown(directory, Some(OWNER), Some(OWNER)).unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(directory, 0o755);
    drop(world.open_shop("official"));
    let helper = directory.join("helper");
    // Another process copies it. If a child forked by a concurrent test had the copy open for writing, it could not be
    // executed.
    let copied = Command::new("cp")
        .args([std::env::current_exe().unwrap().as_path(), &helper])
        .status();
    assert!(copied.unwrap().success());
    chown(&helper, Some(OWNER), Some(OWNER)).unwrap();
    mode(&helper, 0o4755);
    let home = directory.join("home");
    std::fs::create_dir(&home).unwrap();
    mode(&home, 0o777);
    let ca_file = directory.join("ca.pem");
    std::fs::copy(world.sim.ca_file(), &ca_file).unwrap();
    mode(&ca_file, 0o644);

    let evil = TcpListener::bind("127.0.0.1:0").unwrap();
    evil.set_nonblocking(true).unwrap();
    let evil_url = format!("http://{}", evil.local_addr().unwrap());
    let ran = Command::new(&helper)
        .args(["--exact", "set_user_id_helper", "--ignored", "--nocapture"])
        .env_clear()
        .env("TEST_STORE", world.store())
        .env("TEST_PROXY", world.sim.proxy())
        .env("TEST_CA_FILE", &ca_file)
        .env("WXTOKEN_STORE", home.join("mine.db"))
        .env("WXTOKEN_API_BASE_URL", &evil_url)
        .env("WXTOKEN_KEY_FILE", home.join("key"))
        .env("WXTOKEN_TIMEOUT_MS", "not a number")
        .env("HOME", &home)
        .env("XDG_STATE_HOME", &home)
        .uid(CALLER)
        .gid(CALLER)
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    if said.contains("secure: 0") {
        // The file system for temporary files ignores set-user-ID bits.
        fn here() {}
        return common::say_not_run(std::any::type_name_of_val(&here));
    }
    assert!(ran.status.success(), "{ran:?}");
    assert!(said.contains("secure: 1"), "{said}");
    let refused = "without a path: no store is named, and the environment is not read: this program has rights that its \
                   caller lacks (set-user-ID, set-group-ID or capabilities); hint: Pass the path of the store";
    assert!(said.contains(refused), "{said}");
    let (_, got) = said.split_once("got: ").unwrap();
    let got = got.lines().next().unwrap();
    assert!(world.accepts(got), "{said}");
    assert!(evil.accept().is_err(), "another host was asked");
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0);
}
