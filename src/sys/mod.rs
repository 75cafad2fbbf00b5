//! The calls of the operating system: fork handling, file locks, SQLite's files, signal shields, clocks.
//!
//! This is one of the two places with `unsafe` (the other is `ffi`). It knows nothing of tokens or HTTP, and of SQLite
//! only its file interface.

mod connect;
mod environment;
mod failpoint;
mod fifo;
mod file;
mod fork;
mod inbox;
mod kept_ref;
mod lock;
mod lookup;
mod own_file;
mod owner;
mod place;
mod server_socket;
mod signal;
#[cfg(feature = "redis")]
mod ticker;
mod trust;
mod vfs;

use std::fs::File;
use std::io::Read;

pub use connect::connect_first;
pub use environment::{is_secure, variable, variables};
pub use failpoint::{Failpoint, hit_failpoint};
#[cfg(feature = "failpoints")]
pub use failpoint::{arm, held, hold, let_go};
#[cfg(test)]
pub use fifo::MAX_MESSAGE;
pub use fifo::{NotSent, has_reader, send};
pub use file::{
    FileId, create_private, create_private_directory, describe, is_denied, is_readable,
    is_writable, link_target, make_private, me, os_message, owner_name, owner_uid,
    require_plain_file, require_readable_file, user_name, write_stderr,
};
pub use fork::{AtomicRef, ForkGuarded, ForkLock, away_from_fork, generation, outside};
pub use inbox::{Mailbox, OWNER_ONLY, give_access};
pub use kept_ref::KeptRef;
pub use lock::LockFile;
pub use lookup::{NoAddress, look_up};
pub use own_file::{OwnFile, OwnSocket, again_while_lost, count_open, is_lost};
pub use owner::{NotGiven, Owner, follow, give};
pub use place::{
    Lack, fs_type, is_mount_point, is_protected, is_read_only, is_unsupported, lacking, probe,
    rename_new, sync_directory,
};
pub use server_socket::{connect_unix, has_input};
pub use signal::BlockedSignals;
#[cfg(feature = "redis")]
pub use ticker::Ticker;
pub use trust::Distrust;
pub use vfs::{file_of, store_vfs, take_lost};

/// Returns the advice for a thread that could not be started.
pub fn no_thread_advice(e: &std::io::Error) -> &'static str {
    match e.raw_os_error() {
        // These are answers of a seccomp filter, which no limit changes.
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
            "Let the process start threads: a seccomp filter forbids clone and clone3."
        }
        Some(libc::ENOMEM) => "Give the process more memory.",
        _ => "Raise the limit of processes (ulimit -u, or pids.max of the cgroup).",
    }
}

/// Reads a clock, in milliseconds.
#[inline(always)]
pub fn clock_ms(clock: libc::clockid_t) -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec to write to. The clocks asked for exist on every supported Linux.
    unsafe { libc::clock_gettime(clock, &mut now) };
    // The nanoseconds of a second fit into 32 bits, where a division by a constant is a multiplication.
    now.tv_sec * 1000 + i64::from(now.tv_nsec as u32 / 1_000_000)
}

/// Returns the id of this boot. It is empty if it cannot be read: in a chroot without /proc, or without free
/// descriptors. A forked child reads it again, like everything that its parent knew of the host.
pub fn boot_id() -> &'static str {
    struct BootId {
        generation: u64,
        id: String,
    }
    // Not a OnceLock: a child that is forked while another thread fills one would wait for ever.
    static KNOWN: AtomicRef<BootId> = AtomicRef::none();
    let known = KNOWN.get();
    if let Some(known) = known.filter(|known| known.generation == generation()) {
        return &known.id;
    }
    match std::fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(id) => {
            let known: &'static BootId = Box::leak(Box::new(BootId {
                generation: generation(),
                id: id.trim().to_owned(),
            }));
            KNOWN.set(Some(known));
            &known.id
        }
        Err(_) => "",
    }
}

/// Returns eight random bytes from the kernel. Unlike a generator in memory, the two sides of a fork never share them.
pub fn random() -> [u8; 8] {
    let mut bytes = [0u8; 8];
    // SAFETY: the buffer is valid for its length. Requests of up to 256 bytes are never cut short. The call is made by
    // number, since glibc has a function for it only since 2.25.
    let got = unsafe {
        let flags = libc::GRND_NONBLOCK;
        libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), flags)
    };
    if got < 0 {
        // The kernel does not have the call, or has just started. Zeros would only cost jitter.
        let _ = File::open("/dev/urandom").and_then(|mut device| device.read_exact(&mut bytes));
    }
    bytes
}

/// Returns this process's program name and id, such as `php-fpm8.2[4711]`. It tells which process fetched a token.
pub fn process_label() -> String {
    let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    format!("{}[{}]", name.trim_end(), std::process::id())
}
