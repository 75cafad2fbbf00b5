//! The HTTP configuration that all requests share.
//!
//! ureq reads the environment whenever it makes a configuration, and a host program may change the environment at any
//! time. So the configuration is made once per process, where the library reads the environment anyway, and never for a
//! request.

use ureq::config::Config;

use crate::sys::AtomicRef;

/// The size in bytes of the longest reply, and of the longest head of a reply.
pub const MAX_BYTES: usize = 16 * 1024;

pub const USER_AGENT: &str = concat!("libwxtoken/", env!("CARGO_PKG_VERSION"));

/// Returns the common configuration: no redirects, no idle connections, every size bounded. A request adds its time
/// limits and its way to the host.
pub fn common() -> &'static Config {
    // A lock could be held by another thread at a fork. If two threads come first, one configuration is made
    // needlessly.
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
        // The way to the host includes the proxy. Without this line ureq takes one from the environment.
        .proxy(None)
        .user_agent(USER_AGENT)
        .build()
}
