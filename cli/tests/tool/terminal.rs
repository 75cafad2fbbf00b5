//! A program on its own terminal: the text that it shows, and the text that is typed.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

pub struct Terminal {
    child: Child,
    master: File,
    shown: String,
}

impl Terminal {
    pub fn run(mut command: Command, columns: u16, rows: u16) -> Terminal {
        let size = libc::winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let (mut master, mut slave) = (0, 0);
        // SAFETY: the pointers are valid; a null name and a null termios are allowed.
        let opened = unsafe {
            libc::openpty(
                &mut master,
                &mut slave,
                std::ptr::null_mut(),
                std::ptr::null(),
                &size,
            )
        };
        assert_eq!(opened, 0);
        // SAFETY: both descriptors are open, and owned by nothing else.
        let (master, slave) = unsafe { (File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        command.stdin(slave.try_clone().unwrap());
        command.stdout(slave.try_clone().unwrap());
        command.stderr(slave);
        // SAFETY: both calls may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                // A background job of a script ignores SIGINT, and a job of nohup ignores SIGHUP.
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    -1 => Err(std::io::Error::last_os_error()),
                    _ => Ok(()),
                }
            });
        }
        let child = command.spawn().unwrap();
        // This closes our copy of the other end, so that reading ends when the program does.
        drop(command);
        Terminal {
            child,
            master,
            shown: String::new(),
        }
    }

    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Waits until `what` has been shown.
    pub fn wait_for(&mut self, what: &str) {
        while !self.shown.contains(what) {
            assert!(
                self.read(),
                "{what:?} was never shown, but {:?}",
                self.shown
            );
        }
    }

    /// Waits for the end of the program. Returns all that was shown, and the exit code.
    pub fn finish(mut self) -> (String, Option<i32>) {
        while self.read() {}
        let status = self.child.wait().unwrap();
        (self.shown, status.code())
    }

    /// Reads what comes next. Returns false at the end.
    fn read(&mut self) -> bool {
        let mut waiting = libc::pollfd {
            fd: self.master.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: the pointer is to one valid pollfd.
        let ready = unsafe { libc::poll(&mut waiting, 1, 20_000) };
        assert!(ready > 0, "nothing more came after {:?}", self.shown);
        let mut bytes = [0; 4096];
        match self.master.read(&mut bytes) {
            Ok(0) => false,
            Ok(length) => {
                self.shown
                    .push_str(&String::from_utf8_lossy(&bytes[..length]));
                true
            }
            // The other end is closed.
            Err(e) if e.raw_os_error() == Some(libc::EIO) => false,
            Err(e) if e.kind() == ErrorKind::Interrupted => true,
            Err(e) => panic!("{e}"),
        }
    }
}
