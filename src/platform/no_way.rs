//! The failure to get a connection to a host. It passes through ureq as an error of its own. Nothing has been sent
//! yet.

use std::fmt;
use std::io;

use crate::proxy::Proxy;
use crate::sys;

/// A failure before the request is sent, in words.
#[derive(Debug, Default)]
pub struct NoWay {
    /// The failure in words. If time ran out, the caller adds the limit.
    pub what: String,
    pub advice: Option<String>,
    pub is_timeout: bool,
    /// Whether this process lacks memory, descriptors or threads.
    pub is_local: bool,
    pub is_tls: bool,
    /// Whether any other host would be unreachable too.
    pub is_general: bool,
}

impl NoWay {
    pub fn new(what: impl Into<String>) -> NoWay {
        NoWay {
            what: what.into(),
            ..NoWay::default()
        }
    }

    /// The failure of a proxy. It is the same for every host.
    pub fn proxy(proxy: &Proxy, what: impl fmt::Display) -> NoWay {
        NoWay {
            is_general: true,
            ..NoWay::new(format!("{} {what}", proxy.words()))
        }
    }

    pub fn advise(mut self, advice: impl Into<String>) -> NoWay {
        self.advice = Some(advice.into());
        self
    }

    pub fn timeout(mut self) -> NoWay {
        self.is_timeout = true;
        self
    }

    /// The failure if no address accepted a connection.
    pub fn no_connection(e: &io::Error) -> NoWay {
        match ran_out(e) {
            true => NoWay::new("no connection").timeout(),
            false => NoWay::io("", e),
        }
    }

    /// The failure of `doing` by this error. It names the error's kind, because the error's own message may quote
    /// what was sent.
    pub fn io(doing: &str, e: &io::Error) -> NoWay {
        NoWay {
            is_timeout: ran_out(e),
            is_local: is_local(e),
            ..NoWay::new(format!("{doing}{}", words(e)))
        }
    }
}

/// Describes an error without the text that was sent.
pub(super) fn words(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(code) => sys::os_message(&io::Error::from_raw_os_error(code)).to_lowercase(),
        None => e.kind().to_string(),
    }
}

/// Whether a socket's time limit ran out.
pub(super) fn ran_out(e: &io::Error) -> bool {
    use io::ErrorKind::{TimedOut, WouldBlock};
    // A connection on which the kernel gave up has an error number, so our limit is not the cause.
    e.kind() == WouldBlock || (e.kind() == TimedOut && e.raw_os_error().is_none())
}

/// Whether this process lacks memory or descriptors.
pub(super) fn is_local(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::OutOfMemory || e.raw_os_error() == Some(libc::EMFILE)
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for NoWay {}

impl From<NoWay> for ureq::Error {
    fn from(no_way: NoWay) -> ureq::Error {
        ureq::Error::Other(Box::new(no_way))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Faults row 33: other processes are not told of this failure.
    #[test]
    fn a_lack_of_memory_or_descriptors_concerns_this_process_alone() {
        let lacks = [
            io::ErrorKind::OutOfMemory.into(),
            io::Error::from_raw_os_error(libc::ENOMEM),
            io::Error::from_raw_os_error(libc::EMFILE),
        ];
        for lack in &lacks {
            assert!(is_local(lack) && NoWay::io("", lack).is_local, "{lack}");
        }
        for code in [libc::ECONNREFUSED, libc::ETIMEDOUT, libc::EPIPE] {
            assert!(!is_local(&io::Error::from_raw_os_error(code)));
        }
    }

    #[test]
    fn our_time_limit_is_told_apart_from_the_kernels() {
        for ours in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            assert!(ran_out(&ours.into()));
        }
        assert!(ran_out(&io::Error::from_raw_os_error(libc::EAGAIN)));
        assert!(!ran_out(&io::Error::from_raw_os_error(libc::ETIMEDOUT)));
    }
}
