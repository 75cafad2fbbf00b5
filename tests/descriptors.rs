//! Hosts that close descriptors of the library, and the descriptors that children inherit.

use std::fs;
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Child, Handle, SECRET, World, drop_privileges, needs_root, outcome, wait_until};
use serde_json::json;

const BYTES: &[u8] = b"the host's own data\n";

/// The new owner of a descriptor number that the host closed.
#[derive(Clone, Copy, Debug)]
enum Successor {
    Data,
    Empty,
    Log,
    Socket,
    Pipe,
    Device,
    Nothing,
}

const SUCCESSORS: [Successor; 7] = [
    Successor::Data,
    Successor::Empty,
    Successor::Log,
    Successor::Socket,
    Successor::Pipe,
    Successor::Device,
    Successor::Nothing,
];

impl Successor {
    fn open(self, file: &Path) -> Option<OwnedFd> {
        let mut options = fs::File::options();
        options.read(true).write(true);
        match self {
            Successor::Data | Successor::Log => fs::write(file, BYTES).unwrap(),
            Successor::Empty => fs::write(file, "").unwrap(),
            _ => {}
        }
        Some(match self {
            Successor::Data | Successor::Empty => options.open(file).unwrap().into(),
            Successor::Log => {
                let log = options.custom_flags(libc::O_APPEND).open(file);
                log.unwrap().into()
            }
            Successor::Socket => std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
            Successor::Pipe => {
                let mut ends = [0; 2];
                // SAFETY: the array holds two descriptors; the read end stays open as long as the process.
                unsafe {
                    assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
                    OwnedFd::from_raw_fd(ends[1])
                }
            }
            Successor::Device => options.open("/dev/null").unwrap().into(),
            Successor::Nothing => return None,
        })
    }
}

/// A number that was the library's and is now the host's.
struct Stolen {
    fd: RawFd,
    inode: u64,
    file: PathBuf,
    is: Successor,
}

fn stat(fd: RawFd) -> Option<libc::stat> {
    // SAFETY: the struct is written to, and read only where the call succeeds.
    unsafe {
        let mut about = std::mem::zeroed();
        (libc::fstat(fd, &mut about) == 0).then_some(about)
    }
}

/// The descriptors of this process that refer to files in a directory.
fn descriptors(of: &Path) -> Vec<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    entries
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let target = fs::read_link(entry.path()).ok()?;
            let fd = entry.file_name().to_str()?.parse().ok()?;
            target.starts_with(of).then_some(fd)
        })
        .collect()
}

/// Closes each descriptor of the library on its store, and gives the number to another file.
fn steal(world: &World, elsewhere: &Path, is: Successor) -> Vec<Stolen> {
    let fds = descriptors(world.directory.path());
    assert!(!fds.is_empty(), "nothing to steal");
    fds.into_iter()
        .map(|fd| {
            let file = elsewhere.join(fd.to_string());
            let inode = match is.open(&file) {
                Some(successor) => {
                    // SAFETY: this is the host's bug: the number is not its own.
                    assert_eq!(unsafe { libc::dup2(successor.as_raw_fd(), fd) }, fd);
                    stat(fd).unwrap().st_ino
                }
                None => {
                    // SAFETY: this is the host's bug: the number is not its own.
                    unsafe { libc::close(fd) };
                    0
                }
            };
            Stolen {
                fd,
                inode,
                file,
                is,
            }
        })
        .collect()
}

impl Stolen {
    /// The damage to the host's file, in words; empty if there is none.
    fn harm(&self) -> String {
        let Some(about) = stat(self.fd) else {
            return match self.is {
                Successor::Nothing => String::new(),
                _ => format!("{} was closed", self.fd),
            };
        };
        match self.is {
            // The library may have received the number again.
            Successor::Nothing => return String::new(),
            _ if about.st_ino != self.inode => return format!("{} is another file", self.fd),
            _ => {}
        }
        // SAFETY: reads the position of a descriptor.
        let at = unsafe { libc::lseek(self.fd, 0, libc::SEEK_CUR) };
        let expected: &[u8] = match self.is {
            Successor::Data | Successor::Log => BYTES,
            Successor::Empty => b"",
            _ => return String::new(),
        };
        if at != 0 || fs::read(&self.file).unwrap() != expected {
            return format!("{} was used: offset {at}", self.fd);
        }
        String::new()
    }
}

fn names_in(store: &Path) -> String {
    let asked = Command::new("sqlite3")
        .arg(store)
        .arg("SELECT name FROM weixin_account ORDER BY name")
        .output()
        .unwrap();
    String::from_utf8(asked.stdout).unwrap().replace('\n', " ")
}

/// The number of files in the directory: the store, its journal, its key and its lock.
fn files_of(world: &World) -> usize {
    fs::read_dir(world.directory.path()).unwrap().count()
}

/// Returns an empty text if the shop has a token, or else the error message.
fn token_of(handle: &Handle) -> String {
    handle
        .get("shop")
        .map_or_else(|e| e.message, |_| String::new())
}

/// Makes one call, and describes what is wrong with its effect.
type Call = fn(&World, &Handle) -> String;

const CALLS: [(&str, Call); 7] = [
    ("get", |_, handle| token_of(handle)),
    ("register", |world, handle| {
        match handle.register("shop2", "official", "wx2", SECRET) {
            Ok(()) if names_in(&world.store()) == "component shop shop2 " => String::new(),
            Ok(()) => format!("OK, and in the store: {}", names_in(&world.store())),
            Err(e) => e.message,
        }
    }),
    ("reject", |_, handle| {
        let token = handle.get("shop").unwrap().value;
        match handle.reject("shop", &token) {
            Ok(()) => token_of(handle),
            Err(e) => e.message,
        }
    }),
    ("put", |_, handle| {
        let put = handle.put("component", "verify_ticket", "ticket@@@of-the-platform");
        put.map_or_else(|e| e.message, |()| String::new())
    }),
    ("report", |_, handle| {
        match handle.report()["accounts"].as_array().unwrap().len() {
            2 => String::new(),
            other => format!("{other} accounts"),
        }
    }),
    ("put_current", |_, handle| {
        let made = handle.put_current("component");
        made.map_or_else(|e| e.message, |()| String::new())
    }),
    ("open", |world, _| token_of(&world.open())),
];

/// Faults row 87: every call, with every new owner, in the process itself and in a child.
#[test]
fn a_descriptor_that_the_host_closed_is_neither_used_nor_closed_again() {
    for is in SUCCESSORS {
        for (name, call) in CALLS {
            for forks in [false, true] {
                let world = World::with_account(json!({}));
                world.add("official", "wx2", json!({}));
                let elsewhere = tempfile::tempdir().unwrap();
                let said = Child::fork(|| {
                    let handle = world.open_shop("official");
                    handle.set("revalidate_ms", "0").unwrap();
                    handle
                        .register("component", "component", "wxc", SECRET)
                        .unwrap();
                    handle.get("shop").unwrap();
                    let stolen = steal(&world, elsewhere.path(), is);
                    let harm = || stolen.iter().map(Stolen::harm).collect::<String>();
                    let in_child = if forks {
                        Child::fork(|| format!("{}{}", call(&world, &handle), harm())).join()
                    } else {
                        String::new()
                    };
                    let here = call(&world, &handle);
                    // The store stays in use, and nothing has been set aside.
                    let after = match handle.get("shop") {
                        Ok(_) if files_of(&world) == 4 => String::new(),
                        other => format!("{} {} files", outcome(other), files_of(&world)),
                    };
                    format!("{in_child}|{here}|{}|{after}", harm())
                })
                .join();
                assert_eq!(said, "|||", "{name}, {is:?}, forks: {forks}");
            }
        }
    }
}

/// Releases the thread that waits for the last round, after a panic too.
struct Ends<'a>(&'a AtomicUsize, usize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(self.1, Ordering::Relaxed);
    }
}

/// Faults row 87, during a transaction. The closed number may belong to a journal or a lock.
#[test]
fn closing_descriptors_at_any_moment_loses_no_account_and_fails_no_call() {
    const ROUNDS: usize = 100;
    let world = World::with_account(json!({}));
    let said = Child::fork(|| {
        let handle = world.open_shop("official");
        handle.set("revalidate_ms", "0").unwrap();
        handle.set("timeout_ms", "60000").unwrap();
        let round = AtomicUsize::new(0);
        let stolen = AtomicUsize::new(0);
        let mut failures = Vec::new();
        std::thread::scope(|scope| {
            // Once a round, a little later each time: from opening the files to the end of the commit.
            scope.spawn(|| {
                for seen in 1..=ROUNDS {
                    while round.load(Ordering::Relaxed) < seen {
                        std::thread::yield_now();
                    }
                    std::thread::sleep(Duration::from_micros(seen as u64 * 50));
                    for fd in descriptors(world.directory.path()) {
                        // SAFETY: this is the host's bug.
                        unsafe { libc::close(fd) };
                        stolen.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            let end = Ends(&round, ROUNDS);
            for seen in 1..=ROUNDS {
                round.store(seen, Ordering::Relaxed);
                let name = format!("a{seen:03}");
                let registered = handle.register(&name, "official", "wx1", SECRET);
                let got = registered.and_then(|()| handle.get("shop"));
                failures.extend(got.err().map(|e| e.message));
            }
            drop(end);
        });
        let names = names_in(&world.store());
        let kept = names.split(' ').filter(|name| name.starts_with('a'));
        let was_stolen = stolen.into_inner() > ROUNDS;
        format!("{} {was_stolen} {failures:?}", kept.count())
    })
    .join();
    assert_eq!(said, format!("{ROUNDS} true []"));
    assert_eq!(files_of(&world), 4, "nothing was set aside");
}

/// Faults row 87, during a fetch: the host closes one of the two descriptors of the leader's lock.
#[test]
fn a_leader_whose_lock_is_closed_still_excludes_other_processes() {
    for which in [0, 1] {
        let world = World::with_account(json!({}));
        world.fault(json!({"id": "wx1", "kind": "delay", "ms": 1500}));
        let asked = world.directory.path().join("asked");
        let leader = Child::fork(|| {
            let handle = world.open_shop("official_classic");
            std::thread::scope(|scope| {
                let got = scope.spawn(|| outcome(handle.get("shop")));
                wait_until("the test has seen the request", || asked.exists());
                let locks = descriptors(&world.store().with_added_extension("lock"));
                // SAFETY: this is the host's bug.
                unsafe { libc::close(locks[which]) };
                let other = Child::fork(|| outcome(world.open().get("shop"))).join();
                format!("{} {}", locks.len(), got.join().unwrap() == other)
            })
        });
        wait_until("the leader asks", || world.requests() == 1);
        fs::write(&asked, "").unwrap();
        assert_eq!(leader.join(), "2 true", "{which}");
        assert_eq!(world.requests(), 1, "{which}");
    }
}

/// Faults row 88: no generation of children inherits a descriptor.
#[test]
fn a_child_inherits_no_descriptor_of_the_store() {
    let world = World::with_account(json!({}));
    let said = Child::fork(|| {
        let handle = world.open_shop("official");
        handle.get("shop").unwrap();
        assert!(descriptors(world.directory.path()).len() > 1);
        // Each generation opens its own descriptors and leaves none to the next.
        fn next(world: &World, handle: &Handle, left: usize) -> String {
            Child::fork(|| {
                let inherited = descriptors(world.directory.path()).len();
                let said = token_of(handle);
                if inherited > 0 || !said.is_empty() || left == 0 {
                    return format!("{left} {inherited} {said}");
                }
                next(world, handle, left - 1)
            })
            .join()
        }
        handle.set("revalidate_ms", "0").unwrap();
        next(&world, &handle, 20)
    })
    .join();
    assert_eq!(said, "0 0 ");
}

/// Faults row 88: parent and child have the same process id, each in its own namespace.
#[test]
fn a_child_with_the_process_id_of_its_parent_inherits_no_descriptor_either() {
    needs_root!();
    /// Makes the next child the first process of a namespace, which has the number 1.
    fn number_children_from_one() {
        // SAFETY: concerns the children of this forked child alone.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWPID) }, 0);
    }
    let world = World::with_account(json!({}));
    let said = Child::fork(|| {
        number_children_from_one();
        let parent = Child::fork(|| {
            let handle = world.open_shop("official");
            handle.get("shop").unwrap();
            let ours = descriptors(world.directory.path()).len();
            number_children_from_one();
            let child = Child::fork(|| {
                let inherited = descriptors(world.directory.path()).len();
                format!("{} {inherited} {}", std::process::id(), token_of(&handle))
            });
            format!("{} {ours}|{}", std::process::id(), child.join())
        });
        parent.join()
    })
    .join();
    assert_eq!(said, "1 2|1 0 ");
}

/// Faults row 88, found by an audit: a child drops its privileges, and writes to the descriptors that it inherited.
#[test]
fn a_child_that_drops_its_privileges_cannot_write_to_the_store() {
    needs_root!();
    let world = World::with_account(json!({}));
    let said = Child::fork(|| {
        let handle = world.open_shop("official");
        handle.get("shop").unwrap();
        let ours = descriptors(world.directory.path());
        let child = Child::fork(|| {
            drop_privileges();
            let mut written = 0;
            for fd in &ours {
                // SAFETY: a write by number, as an intruder would do it.
                let mut file = unsafe { fs::File::from_raw_fd(*fd) };
                written += usize::from(file.write_all(b"EVIL").is_ok());
                let _ = file.into_raw_fd();
            }
            format!("{} {written}", ours.len())
        });
        child.join()
    })
    .join();
    assert_eq!(said, "2 0", "the store and its lock");
}

/// Faults row 90: sixteen stores have open files.
#[test]
fn a_process_with_many_stores_keeps_few_files_open() {
    const STORES: usize = 60;
    let world = World::with_account(json!({}));
    let said = Child::fork(|| {
        let handles: Vec<Handle> = (0..STORES)
            .map(|number| {
                let store = world.directory.path().join(format!("{number}.db"));
                let handle = world.open_at(&store);
                handle.set("revalidate_ms", "0").unwrap();
                handle.register("shop", "official", "wx1", SECRET).unwrap();
                handle
            })
            .collect();
        let mut most = 0;
        for _ in 0..3 {
            for handle in &handles {
                handle.get("shop").unwrap();
                most = most.max(descriptors(world.directory.path()).len());
            }
        }
        drop(handles);
        most = most.max(descriptors(world.directory.path()).len());
        // Sixteen databases and sixteen locks.
        format!("{}", most <= 34)
    })
    .join();
    assert_eq!(said, "true");
}

/// Faults row 90: more stores than that are in use at the same time.
#[test]
fn stores_that_were_in_use_at_the_same_time_close_their_files_afterwards() {
    const STORES: usize = 40;
    let world = World::with_account(json!({"delay_ms": 2000}));
    let said = Child::fork(|| {
        let handles: Vec<Handle> = (0..STORES)
            .map(|number| {
                let store = world.directory.path().join(format!("{number}.db"));
                let handle = world.open_at(&store);
                handle.register("shop", "official", "wx1", SECRET).unwrap();
                handle
            })
            .collect();
        std::thread::scope(|scope| {
            for handle in &handles {
                scope.spawn(|| handle.get("shop").unwrap());
            }
        });
        handles[0].report();
        // Sixteen databases and sixteen locks.
        format!("{}", descriptors(world.directory.path()).len() <= 34)
    })
    .join();
    assert_eq!(said, "true");
}
