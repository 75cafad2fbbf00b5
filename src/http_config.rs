//! What all requests have in common.
//!
//! ureq reads the environment whenever a configuration is made, and a host may change that at any time. So the configuration
//! is made once in a process, where the library reads the environment anyway, and never for a request.

use ureq::config::Config;

use crate::sys::AtomicRef;

/// The longest reply, and the longest head of one, that is read.
pub const MAX_BYTES: usize = 16 * 1024;

pub const USER_AGENT: &str = concat!("libwxtoken/", env!("CARGO_PKG_VERSION"));

/// No redirects, no idle connections, every size bounded. Time limits and the way to a host are a request's own.
pub fn common() -> &'static Config {
    // A lock could be held by another thread at a fork. Of two threads that come first, one makes it for nothing.
    static KNOWN: AtomicRef<Config> = AtomicRef::none();
    KNOWN.get().unwrap_or_else(|| {
        let made = Box::leak(Box::new(make()));
        KNOWN.set(Some(made));
        made
    })
}

fn make() -> Config {
    Config::builder()
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_response_header_size(MAX_BYTES)
        .input_buffer_size(2 * MAX_BYTES)
        .max_idle_connections(0)
        // The way has the proxy. Without this line ureq takes one from the environment.
        .proxy(None)
        .user_agent(USER_AGENT)
        .build()
}
