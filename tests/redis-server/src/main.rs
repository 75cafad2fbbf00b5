//! `beside-redis -- COMMAND`: runs a command with a real redis-server, for suites that are not written in Rust.
//!
//! The command receives `WXTOKEN_CASES_REDIS`, the path of the server's Unix socket. It also receives a private state
//! directory, where the library keeps keys and lock files of stores on a server. The command's exit code becomes this
//! program's.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicI32, Ordering};

use redis_server::RedisServer;

/// The process id of the command; 0 while there is none.
static COMMAND: AtomicI32 = AtomicI32::new(0);

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: beside-redis -- COMMAND [ARGUMENT]...");
        return ExitCode::from(2);
    };
    if let Err(error) = Command::new("redis-server").arg("--version").output() {
        eprintln!("cannot run redis-server: {error}: apt-get install redis-server");
        return ExitCode::FAILURE;
    }
    // A suite may run the tested programs as another user.
    let server = RedisServer::with(&["--unixsocketperm", "777"]);
    let everybody = Permissions::from_mode(0o755);
    std::fs::set_permissions(server.directory(), everybody).expect("a directory of ours");
    let state = tempfile::tempdir().expect("a state directory");
    wait_for_the_command_when_told_to_end();
    let child = Command::new(&program)
        .args(words)
        .env("WXTOKEN_CASES_REDIS", server.socket())
        .env("XDG_STATE_HOME", state.path())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("cannot run {}: {error}", program.display());
            return ExitCode::FAILURE;
        }
    };
    COMMAND.store(child.id().cast_signed(), Ordering::Relaxed);
    let status = child.wait().expect("a child to wait for");
    COMMAND.store(0, Ordering::Relaxed);
    let code = status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}

/// Passes SIGTERM on to the command. A terminal sends SIGINT to the command itself. The server is thus ended in every
/// case.
fn wait_for_the_command_when_told_to_end() {
    extern "C" fn pass_on(signal: libc::c_int) {
        let command = COMMAND.load(Ordering::Relaxed);
        if signal == libc::SIGTERM && command != 0 {
            // SAFETY: kill is async-signal-safe, and the child is waited for only after it is forgotten here.
            unsafe { libc::kill(command, libc::SIGTERM) };
        }
    }
    for signal in [libc::SIGTERM, libc::SIGINT] {
        // SAFETY: the handler only reads an atomic and calls kill.
        unsafe { libc::signal(signal, pass_on as *const () as libc::sighandler_t) };
    }
}
