//! The C API in a form convenient for Rust tests, with a simulator and a store for each test. Also child processes by
//! fork.

use std::ffi::{CStr, CString, c_char};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::wxtoken::ffi::*;
use ::wxtoken::tool::options;
pub use redis_server::{Cluster, Fault, Proxy, RedisServer, TlsServer, Watched};
use serde_json::Value;
use wechat_sim::Simulator;

pub const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The options that lead requests to the simulator instead of the platforms.
pub fn base_url_options() -> impl Iterator<Item = &'static str> {
    let names = options().into_iter().map(|option| option.name);
    names.filter(|name| name.ends_with("_base_url"))
}

/// A failure as a caller of the C API sees it.
#[derive(Debug, Clone)]
pub struct Failure {
    pub status: wxtoken_status,
    pub errcode: i32,
    pub retry_after_ms: i64,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub value: String,
    pub expires_at: i64,
}

/// An open handle, freed on drop.
pub struct Handle(*mut wxtoken);

// SAFETY: the API lets any thread use a handle.
unsafe impl Send for Handle {}
// SAFETY: the API lets several threads use a handle at once.
unsafe impl Sync for Handle {}

fn text(value: &str) -> CString {
    CString::new(value).unwrap()
}

fn done(status: wxtoken_status, err: &wxtoken_error) -> Result<(), Failure> {
    if status == wxtoken_status::WXTOKEN_OK {
        return Ok(());
    }
    assert_eq!(status, err.status);
    // SAFETY: the library NUL-terminates the message.
    let message = unsafe { CStr::from_ptr(err.message.as_ptr()) };
    Err(Failure {
        status,
        errcode: err.errcode,
        retry_after_ms: err.retry_after_ms,
        message: message.to_str().unwrap().to_owned(),
    })
}

fn blank() -> wxtoken_error {
    wxtoken_error {
        status: wxtoken_status::WXTOKEN_OK,
        errcode: 0,
        retry_after_ms: 0,
        message: [0; 496],
    }
}

impl Handle {
    pub fn open(store: &Path) -> Result<Handle, Failure> {
        Handle::open_maybe(Some(store))
    }

    pub fn open_maybe(store: Option<&Path>) -> Result<Handle, Failure> {
        let mut out = ptr::null_mut();
        let mut err = blank();
        let path = store.map(|store| text(store.to_str().unwrap()));
        let path = path.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        // SAFETY: valid pointers.
        let status = unsafe { wxtoken_init(path, &mut out, &mut err) };
        done(status, &err).map(|()| Handle(out))
    }

    pub fn set(&self, option: &str, value: &str) -> Result<(), Failure> {
        let mut err = blank();
        let (option, value) = (text(option), text(value));
        // SAFETY: valid pointers, a live handle.
        let status = unsafe { wxtoken_set(self.0, option.as_ptr(), value.as_ptr(), &mut err) };
        done(status, &err)
    }

    pub fn register(&self, name: &str, kind: &str, id: &str, secret: &str) -> Result<(), Failure> {
        self.register_maybe(name, kind, id, Some(secret))
    }

    pub fn register_maybe(
        &self,
        name: &str,
        kind: &str,
        id: &str,
        secret: Option<&str>,
    ) -> Result<(), Failure> {
        let mut err = blank();
        let (name, kind, id) = (text(name), text(kind), text(id));
        let secret = secret.map(text);
        // SAFETY: valid pointers, a live handle.
        let status = unsafe {
            wxtoken_register(
                self.0,
                name.as_ptr(),
                kind.as_ptr(),
                id.as_ptr(),
                secret.as_ref().map_or(ptr::null(), |s| s.as_ptr()),
                &mut err,
            )
        };
        done(status, &err)
    }

    pub fn put_current(&self, name: &str) -> Result<(), Failure> {
        self.put_maybe(name, "current", None)
    }

    pub fn put(&self, name: &str, field: &str, value: &str) -> Result<(), Failure> {
        self.put_maybe(name, field, Some(value))
    }

    pub fn put_maybe(&self, name: &str, field: &str, value: Option<&str>) -> Result<(), Failure> {
        let mut err = blank();
        let (name, field) = (text(name), text(field));
        let value = value.map(text);
        let value = value.as_ref().map_or(ptr::null(), |v| v.as_ptr());
        // SAFETY: valid pointers, a live handle.
        let status = unsafe { wxtoken_put(self.0, name.as_ptr(), field.as_ptr(), value, &mut err) };
        done(status, &err)
    }

    pub fn get(&self, name: &str) -> Result<Token, Failure> {
        self.get_maybe(Some(name))
    }

    pub fn get_current(&self) -> Result<Token, Failure> {
        self.get_maybe(None)
    }

    fn get_maybe(&self, name: Option<&str>) -> Result<Token, Failure> {
        let mut err = blank();
        let mut token = wxtoken_token {
            expires_at: 0,
            length: 0,
            value: [0; 1024],
        };
        let name = name.map(text);
        let name: *const c_char = name.as_ref().map_or(ptr::null(), |n| n.as_ptr());
        // SAFETY: valid pointers, a live handle.
        let status = unsafe { wxtoken_get(self.0, name, &mut token, &mut err) };
        done(status, &err)?;
        // SAFETY: NUL-terminated on success.
        let value = unsafe { CStr::from_ptr(token.value.as_ptr()) };
        assert_eq!(value.count_bytes(), token.length);
        Ok(Token {
            value: value.to_str().unwrap().to_owned(),
            expires_at: token.expires_at,
        })
    }

    pub fn reject(&self, name: &str, token: &str) -> Result<(), Failure> {
        let mut err = blank();
        let (name, token) = (text(name), text(token));
        // SAFETY: valid pointers, a live handle.
        let status = unsafe { wxtoken_reject(self.0, name.as_ptr(), token.as_ptr(), &mut err) };
        done(status, &err)
    }

    pub fn report(&self) -> Value {
        let mut buffer = vec![0u8; 1 << 20];
        let mut needed = 0;
        let mut err = blank();
        // SAFETY: valid pointers, a live handle; the buffer has the length given.
        let status = unsafe {
            wxtoken_report(
                self.0,
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &mut needed,
                &mut err,
            )
        };
        done(status, &err).unwrap();
        serde_json::from_slice(&buffer[..needed - 1]).unwrap()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: made by wxtoken_init, freed once.
        unsafe { wxtoken_free(self.0) };
    }
}

/// A simulator, and an empty directory for a store.
pub struct World {
    pub sim: Simulator,
    pub directory: tempfile::TempDir,
    /// The server that has the store; None if the store is a file in the directory.
    pub redis: Option<RedisServer>,
}

impl Default for World {
    fn default() -> World {
        World {
            sim: Simulator::start(wechat_sim::Options::default()).unwrap(),
            directory: tempfile::tempdir().unwrap(),
            redis: None,
        }
    }
}

impl World {
    pub fn new() -> World {
        World::default()
    }

    /// Adds one account, `wx1`, with these settings as a JSON object.
    pub fn with_account(settings: Value) -> World {
        let world = World::new();
        world.add("official", "wx1", settings);
        world
    }

    /// Puts the store on its own server.
    pub fn on_redis() -> World {
        World::on(RedisServer::start())
    }

    pub fn on(server: RedisServer) -> World {
        // The key and the lock file lie there, not in the home directory of the user who runs the tests. The first test
        // sets it, before any thread of a test reads the environment: each test begins here.
        static STATE: std::sync::Once = std::sync::Once::new();
        STATE.call_once(|| {
            let state = std::env::temp_dir().join(format!("wxtoken-state-{}", std::process::id()));
            set_env("XDG_STATE_HOME", state.to_str().unwrap());
        });
        World {
            redis: Some(server),
            ..World::default()
        }
    }

    /// Puts the store on its own server and adds one account, `wx1`.
    pub fn on_redis_with_account(settings: Value) -> World {
        let world = World::on_redis();
        world.add("official", "wx1", settings);
        world
    }

    pub fn server(&self) -> &RedisServer {
        self.redis.as_ref().expect("a world on Redis")
    }

    /// Makes a forked child act as a process on another host that has the same key.
    pub fn become_host(&self, number: usize) {
        let state = std::env::var("XDG_STATE_HOME").unwrap();
        let key = std::fs::read_dir(format!("{state}/wxtoken")).unwrap();
        let ours = self.server().directory().file_name().unwrap();
        let is_ours = |name: &str| name.contains(ours.to_str().unwrap()) && name.ends_with(".key");
        let key = key
            .flatten()
            .find(|file| is_ours(file.file_name().to_str().unwrap()));
        if let Some(key) = key {
            set_env("WXTOKEN_KEY_FILE", key.path().to_str().unwrap());
        }
        let host = self.directory.path().join(format!("host{number}"));
        set_env("XDG_STATE_HOME", host.to_str().unwrap());
    }

    /// Changes every row on the server.
    pub fn change_rows(&self, change: impl Fn(&mut Value)) {
        let server = self.server();
        for key in server.run(&["ZRANGE", "wxtoken:{rows}", "0", "-1"]).list() {
            let text = server.run(&["GET", key.text()]);
            let mut stored: Value = serde_json::from_str(text.text()).unwrap();
            change(&mut stored["row"]);
            server.run(&["SET", key.text(), &stored.to_string()]);
        }
    }

    pub fn add(&self, kind: &str, id: &str, settings: Value) {
        let mut body = serde_json::json!({"kind": kind, "id": id, "secret": SECRET});
        for (key, value) in settings.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.sim.add_account(serde_json::from_value(body).unwrap());
    }

    pub fn store(&self) -> PathBuf {
        match &self.redis {
            Some(server) => server.url().into(),
            None => self.directory.path().join("tokens.db"),
        }
    }

    pub fn fault(&self, fault: Value) {
        self.sim.fault_json(fault).unwrap();
    }

    /// Opens a handle that talks to the simulator.
    pub fn open(&self) -> Handle {
        self.open_at(&self.store())
    }

    pub fn open_at(&self, store: &Path) -> Handle {
        let handle = Handle::open(store).unwrap();
        for option in base_url_options() {
            handle.set(option, self.sim.http()).unwrap();
        }
        handle
    }

    /// Opens a handle with `wx1` registered as `shop`.
    pub fn open_shop(&self, kind: &str) -> Handle {
        let handle = self.open();
        handle.register("shop", kind, "wx1", SECRET).unwrap();
        handle
    }

    pub fn minted(&self) -> u64 {
        self.sim.counters_of("wx1").minted
    }

    pub fn requests(&self) -> u64 {
        self.sim.counters_of("wx1").requests
    }

    /// Ends every token in the store, as the passing of time would.
    pub fn expire_all(&self) {
        if self.redis.is_some() {
            return self.change_rows(|row| {
                let fetched = row["fetched_at"].as_i64().unwrap();
                row["expires_at"] = (fetched + 1).into();
                row["refresh_at"] = fetched.into();
            });
        }
        let ended = "PRAGMA journal_mode = TRUNCATE; UPDATE weixin_token SET expires_at = fetched_at + 1, refresh_at = fetched_at";
        sqlite(&self.store(), ended);
    }

    /// Moves every token in the store past its refresh time, as the passing of time would. The tokens stay valid.
    pub fn pass_refresh_times(&self) {
        if self.redis.is_some() {
            return self.change_rows(|row| row["refresh_at"] = row["fetched_at"].clone());
        }
        let passed =
            "PRAGMA journal_mode = TRUNCATE; UPDATE weixin_token SET refresh_at = fetched_at";
        sqlite(&self.store(), passed);
    }

    /// Ends every back-off in the store, as the passing of time would.
    pub fn pass_back_offs(&self) {
        let passed = "PRAGMA journal_mode = TRUNCATE; UPDATE weixin_token SET failed_at = failed_at - 3700000";
        sqlite(&self.store(), passed);
    }

    /// Whether the platform has received a request for this id and not answered it yet.
    pub fn is_asked(&self, id: &str) -> bool {
        self.sim.counters_of(id).in_flight > 0
    }

    /// The number of times the platform was asked whether it accepts a token.
    pub fn checks(&self) -> u64 {
        let path = "/cgi-bin/get_api_domain_ip";
        let counters = self.sim.counters();
        counters.by_path.get(path).copied().unwrap_or_default()
    }

    /// Whether the platform accepts this token now.
    pub fn accepts(&self, token: &str) -> bool {
        let tokens = self.sim.tokens(None);
        tokens
            .as_array()
            .unwrap()
            .iter()
            .any(|t| t["token"] == token && t["valid"] == true)
    }
}

/// Changes a store from a separate process. A child that is forked while SQLite runs in this process could hang.
pub fn sqlite(store: &Path, sql: &str) {
    let ran = std::process::Command::new("sqlite3")
        .arg(store)
        .arg(sql)
        .output();
    let ran = ran.expect("sqlite3 runs: apt-get install sqlite3");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// An address that refuses connections while it is kept. No other program can be given its port meanwhile.
pub struct Refusing {
    pub address: SocketAddr,
    _bound: OwnedFd,
}

impl Refusing {
    pub fn new() -> Refusing {
        // SAFETY: a private socket, bound to an address that is passed whole, and never a listener.
        unsafe {
            let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            assert!(socket >= 0);
            let bound = OwnedFd::from_raw_fd(socket);
            let mut place: libc::sockaddr_in = std::mem::zeroed();
            place.sin_family = libc::AF_INET as libc::sa_family_t;
            place.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
            let mut length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            let at = (&raw mut place).cast();
            assert_eq!(libc::bind(socket, at, length), 0);
            assert_eq!(libc::getsockname(socket, at, &mut length), 0);
            let port = u16::from_be(place.sin_port);
            Refusing {
                address: (Ipv4Addr::LOCALHOST, port).into(),
                _bound: bound,
            }
        }
    }
}

impl Default for Refusing {
    fn default() -> Self {
        Refusing::new()
    }
}

/// Gets and rejects on eight threads, and repeatedly forks a child that gets. No child may hang or see a wrong token,
/// and one token is fetched.
pub fn fork_under_load(world: &World) {
    let handle = world.open_shop("official");
    handle.set("revalidate_ms", "0").unwrap();
    let token = handle.get("shop").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (handle, stop, token) = (&handle, &stop, &token);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if thread % 4 == 0 {
                        handle.reject("shop", "not the token").unwrap();
                    }
                    assert_eq!(handle.get("shop").unwrap(), *token);
                }
            });
        }
        let children = (0..400).map(|_| Child::fork(|| outcome(handle.get("shop"))).join());
        let wrong: Vec<String> = children.filter(|got| *got != token.value).collect();
        stop.store(true, Ordering::Relaxed);
        assert!(wrong.is_empty(), "{wrong:?}");
    });
    assert_eq!(world.requests(), 1);
}

/// Interrupts the calls of this process a thousand times a second, with a handler without SA_RESTART.
pub fn interrupt_all_the_time() {
    extern "C" fn tick(_: libc::c_int) {}
    // SAFETY: a handler that does nothing, on a timer of this process.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = tick as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut());
        let interval = libc::timeval {
            tv_sec: 0,
            tv_usec: 1000,
        };
        let timer = libc::itimerval {
            it_interval: interval,
            it_value: interval,
        };
        libc::syscall(libc::SYS_setitimer, libc::ITIMER_REAL, &timer, 0);
    }
}

/// Waits until `condition` holds, for another process and never for time to pass. Fails after two minutes, since some
/// machines stand still for one, or after TEST_PATIENCE_S seconds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let said = std::env::var("TEST_PATIENCE_S");
    let patience_s = said.map_or(120, |seconds| seconds.parse().unwrap());
    let start = std::time::Instant::now();
    while !condition() {
        assert!(
            start.elapsed().as_secs() < patience_s,
            "gave up waiting until {what}"
        );
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// The time for which a process has stood still since the start of this clock. Another thread measures it.
pub struct StandstillClock {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Duration>,
}

impl StandstillClock {
    pub fn start() -> StandstillClock {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut all = Duration::ZERO;
            while !ends.load(Ordering::Relaxed) {
                let slept = Instant::now();
                std::thread::sleep(Duration::from_millis(1));
                let gap = slept.elapsed();
                // A shorter gap is usual between two turns of a thread.
                if gap > Duration::from_millis(20) {
                    all += gap;
                }
            }
            all
        });
        StandstillClock { is_over, thread }
    }

    pub fn stop(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Runs a round until it yields a result. A round yields none if this machine stood still at the wrong moment.
pub fn until_unspoiled<T>(mut round: impl FnMut() -> Option<T>) -> T {
    const ROUNDS: usize = 20;
    let result = (0..ROUNDS).find_map(|_| round());
    result.expect("a machine that does not stand still in every round")
}

/// Seconds after which a child counts as hung.
const CHILD_S: u32 = 300;

/// A forked process that runs `work` and sends back its result.
pub struct Child {
    pub pid: i32,
    result: std::fs::File,
}

impl Child {
    pub fn fork(work: impl FnOnce() -> String) -> Child {
        use std::io::Write;
        use std::os::fd::FromRawFd;
        let mut ends = [0; 2];
        // SAFETY: the array holds two descriptors.
        assert_eq!(
            unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) },
            0
        );
        // SAFETY: the child only runs `work`, which uses the allocator and the library; the library supports fork.
        let pid = unsafe { libc::fork() };
        assert!(pid >= 0);
        if pid == 0 {
            // SAFETY: the write end is ours; alarm ends a child that hangs.
            let mut end = unsafe {
                libc::alarm(CHILD_S);
                std::fs::File::from_raw_fd(ends[1])
            };
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            let text = outcome.unwrap_or_else(|_| "panicked".into());
            let _ = end.write_all(text.as_bytes());
            // SAFETY: leaves without running any code of the parent.
            unsafe { libc::_exit(0) };
        }
        // SAFETY: closing the write end here lets the read end see the child's end; the read end becomes ours.
        let result = unsafe {
            libc::close(ends[1]);
            std::fs::File::from_raw_fd(ends[0])
        };
        Child { pid, result }
    }

    /// Returns the child's result once the child has ended; empty if the child was killed first.
    pub fn join(mut self) -> String {
        use std::io::Read;
        let mut text = String::new();
        self.result.read_to_string(&mut text).unwrap();
        let mut status = 0;
        // SAFETY: our own child.
        unsafe { libc::waitpid(self.pid, &mut status, 0) };
        let hung = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGALRM;
        assert!(!hung, "a child has not ended in {CHILD_S} s");
        text
    }

    /// Waits until this signal has stopped or ended the child.
    pub fn wait_for(&self, signal: i32) {
        assert!(self.is_halted_by(signal), "the child ends by itself");
    }

    /// Waits until the child has stopped or ended. Returns false if it ended by itself, and not by this signal.
    pub fn is_halted_by(&self, signal: i32) -> bool {
        // SAFETY: our own child; siginfo_t is plain data, and WNOWAIT leaves it to `join` to reap it.
        let told = unsafe {
            let mut told: libc::siginfo_t = std::mem::zeroed();
            let how = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
            assert_eq!(
                libc::waitid(libc::P_PID, self.pid as u32, &mut told, how),
                0
            );
            (told.si_code, told.si_status())
        };
        if told == (libc::CLD_EXITED, 0) {
            return false;
        }
        let expected = [libc::CLD_STOPPED, libc::CLD_KILLED];
        assert!(expected.contains(&told.0) && told.1 == signal, "{told:?}");
        true
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: our own child, not waited for yet.
        assert_eq!(unsafe { libc::kill(self.pid, signal) }, 0);
    }
}

/// Sets a variable in a forked child, or before there are threads. It avoids std, whose lock another thread of the
/// parent may have held.
pub fn set_env(name: &str, value: &str) {
    let (name, value) = (text(name), text(value));
    // SAFETY: the child has one thread.
    assert_eq!(unsafe { libc::setenv(name.as_ptr(), value.as_ptr(), 1) }, 0);
}

/// A child's report of a get: the token, or the failure.
pub fn outcome(result: Result<Token, Failure>) -> String {
    match result {
        Ok(token) => token.value,
        Err(failure) => format!("{:?}: {}", failure.status, failure.message),
    }
}

/// Ends a test that becomes another user, if this process may not. cargo shows its message. It also writes the test's
/// name to the file that WXTOKEN_NOT_RUN names, so that the suite can run it in a user namespace.
#[macro_export]
macro_rules! needs_root {
    () => {
        fn here() {}
        if !$crate::is_root() {
            return $crate::say_not_run(std::any::type_name_of_val(&here));
        }
    };
}

pub fn is_root() -> bool {
    // SAFETY: no preconditions.
    unsafe { libc::geteuid() == 0 }
}

/// Records the enclosing test; `here` is the type name of an item in it.
pub fn say_not_run(here: &str) {
    use std::io::Write;
    let test = here.strip_suffix("::here").unwrap();
    let said = format!("NOT RUN, for it becomes another user: {test}\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    if let Some(told) = std::env::var_os("WXTOKEN_NOT_RUN") {
        let file = std::fs::File::options().append(true).open(told);
        file.unwrap()
            .write_all(format!("{test}\n").as_bytes())
            .unwrap();
    }
}

/// The journal of a writer that is killed between its changes and its commit.
pub fn left_journal(store: &Path) -> Vec<u8> {
    let journal = PathBuf::from(format!("{}-journal", store.display()));
    let mut writer = std::process::Command::new("sqlite3")
        .arg(store)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let statements = "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN IMMEDIATE;\n\
                      UPDATE weixin_token SET refresh_at = 1;\n\
                      CREATE TABLE much (x); INSERT INTO much SELECT zeroblob(4000) FROM generate_series(1, 200);\n";
    let input = writer.stdin.as_mut().unwrap();
    std::io::Write::write_all(input, statements.as_bytes()).unwrap();
    let has_begun =
        || std::fs::read(&journal).is_ok_and(|journal| journal.starts_with(&[0xd9, 0xd5]));
    wait_until("the journal is there", has_begun);
    let left = std::fs::read(&journal).unwrap();
    writer.kill().unwrap();
    writer.wait().unwrap();
    left
}

/// Becomes `nobody` if this process is root. An ordinary user is as unprivileged already.
pub fn drop_privileges() {
    const NOBODY: u32 = 65534;
    if is_root() {
        // SAFETY: changes this process alone.
        unsafe {
            libc::setgroups(0, std::ptr::null());
            assert_eq!(libc::setgid(NOBODY), 0);
            assert_eq!(libc::setuid(NOBODY), 0);
        }
    }
}

/// Makes a system call fail in this forked child from now on, as on a file system that lacks a feature. Each entry has
/// the call's number, its second argument if that matters, and the error.
pub fn deny(calls: &[(libc::c_long, Option<i32>, i32)]) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
    let mut program = Vec::new();
    for (number, argument, error) in calls {
        let left = if argument.is_some() { 3 } else { 1 };
        program.push(step(LOAD, 0, 0));
        program.push(step(EQUAL, left, *number as u32));
        if let Some(argument) = argument {
            // The low half of the second argument.
            program.push(step(LOAD, 0, 24));
            program.push(step(EQUAL, 1, *argument as u32));
        }
        program.push(step(RETURN, 0, libc::SECCOMP_RET_ERRNO | *error as u32));
    }
    program.push(step(RETURN, 0, libc::SECCOMP_RET_ALLOW));
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: limits this process alone, with a program that outlives the calls.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program);
        assert_eq!(set, 0);
    }
}

/// Bind-mounts a file or directory over another one, for this forked child alone.
pub fn bind(from: &Path, to: &Path) {
    mount(Some(from), to, libc::MS_BIND);
}

/// Makes a directory read-only for this forked child alone.
pub fn make_read_only(directory: &Path) {
    bind(directory, directory);
    mount(
        None,
        directory,
        libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY,
    );
}

fn mount(from: Option<&Path>, to: &Path, flags: libc::c_ulong) {
    let path = |path: &Path| text(path.to_str().unwrap());
    let (from, to) = (from.map(path), path(to));
    let from = from.as_ref().map_or(ptr::null(), |from| from.as_ptr());
    let nothing = ptr::null();
    // SAFETY: valid strings; the mounts are those of a namespace of this process.
    unsafe {
        if flags & libc::MS_REMOUNT == 0 {
            assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
            let private = libc::MS_REC | libc::MS_PRIVATE;
            let root = text("/");
            let made = libc::mount(nothing, root.as_ptr(), nothing, private, nothing.cast());
            assert_eq!(made, 0);
        }
        let mounted = libc::mount(from, to.as_ptr(), nothing, flags, nothing.cast());
        assert_eq!(mounted, 0, "{}", std::io::Error::last_os_error());
    }
}
