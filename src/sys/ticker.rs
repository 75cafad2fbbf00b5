//! A descriptor that can be read from time to time, for who waits by poll() for what comes by no descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub struct Ticker(OwnedFd);

impl Ticker {
    pub fn new(each_ms: u64) -> io::Result<Ticker> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: it takes two numbers, and gives a descriptor that nothing else has, or -1.
        let timer = match unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) } {
            -1 => return Err(io::Error::last_os_error()),
            // SAFETY: as above.
            descriptor => unsafe { OwnedFd::from_raw_fd(descriptor) },
        };
        let each = libc::timespec {
            tv_sec: (each_ms / 1000) as _,
            tv_nsec: (each_ms % 1000 * 1_000_000) as libc::c_long,
        };
        let spec = libc::itimerspec {
            it_interval: each,
            it_value: each,
        };
        // SAFETY: an open timer, and a whole itimerspec.
        match unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(Ticker(timer)),
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// It cannot be read until the next tick.
    pub fn clear(&self) {
        let mut ticks = [0u8; 8];
        // SAFETY: eight bytes to write to. An error is that there was no tick.
        unsafe { libc::read(self.0.as_raw_fd(), ticks.as_mut_ptr().cast(), ticks.len()) };
    }
}
