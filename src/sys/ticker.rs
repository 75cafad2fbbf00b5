//! A descriptor that becomes readable at regular times. It is for a thread that waits in poll() for something without a
//! descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

pub struct Ticker(OwnedFd);

impl Ticker {
    pub fn new(each_ms: u64) -> io::Result<Ticker> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: timerfd_create takes two numbers, and returns a descriptor that nothing else has, or -1.
        let timer = match unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) } {
            -1 => return Err(io::Error::last_os_error()),
            // SAFETY: timerfd_create has returned the descriptor, which nothing else has.
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
        // SAFETY: the timer is open, and the itimerspec is complete.
        match unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, std::ptr::null_mut()) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(Ticker(timer)),
        }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Clears the ticks, so that the descriptor is not readable until the next one.
    pub fn clear(&self) {
        let mut ticks = [0u8; 8];
        // SAFETY: there are eight bytes to write to. An error means that no tick was due.
        unsafe { libc::read(self.0.as_raw_fd(), ticks.as_mut_ptr().cast(), ticks.len()) };
    }
}
