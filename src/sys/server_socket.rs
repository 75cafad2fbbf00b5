//! A socket to a server on this host, and the check of whether an idle connection is still usable.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::connect::{connect, new_socket};

/// Connects to a socket in the file system. If the listener's queue is full, tries again until the time is over.
pub fn connect_unix(path: &Path, within: Duration) -> io::Result<TcpStream> {
    let end = Instant::now() + within;
    // SAFETY: a sockaddr_un is a plain struct of integers, for which all zeros is a value.
    let mut raw: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    raw.sun_family = libc::AF_UNIX as libc::sa_family_t;
    let bytes = path.as_os_str().as_bytes();
    // The path must end with a zero byte.
    if bytes.len() >= raw.sun_path.len() || bytes.contains(&0) {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (place, byte) in raw.sun_path.iter_mut().zip(bytes) {
        *place = *byte as libc::c_char;
    }
    let socket = new_socket(libc::AF_UNIX)?;
    loop {
        match connect(&socket, &raw) {
            Ok(()) => {
                socket.set_nonblocking(false)?;
                return Ok(socket);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.raw_os_error() == Some(libc::EAGAIN) => {
                if Instant::now() >= end {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                std::thread::sleep(Duration::from_millis(5).min(within));
            }
            Err(e) => return Err(e),
        }
    }
}

/// Returns whether a socket has input now. Its end and an error count as input.
pub fn has_input(socket: BorrowedFd) -> bool {
    let mut polled = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: there is one entry, whose descriptor is open. The call does not wait.
    unsafe { libc::poll(&mut polled, 1, 0) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_socket_in_the_file_system_is_reached_within_the_time() {
        use std::io::Write;
        use std::os::unix::net::UnixListener;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let failed = |path: &Path| connect_unix(path, LONG).unwrap_err().kind();
        assert_eq!(failed(&path), io::ErrorKind::NotFound);
        let listener = UnixListener::bind(&path).unwrap();
        connect_unix(&path, LONG).unwrap().write_all(b"x").unwrap();
        // SAFETY: the descriptor is open and listens already.
        unsafe { libc::listen(listener.as_raw_fd(), 0) };
        let mut fill = Vec::new();
        let full = loop {
            match connect_unix(&path, Duration::from_millis(20)) {
                Ok(filler) => fill.push(filler),
                Err(e) => break e.kind(),
            }
        };
        assert_eq!(full, io::ErrorKind::TimedOut);
        assert!(connect_unix(Path::new(&"x".repeat(200)), LONG).is_err());
    }
}
