//! The client key by which a server knows this program. It is an option's value, or is read from a file at each call,
//! so that a rotated key takes effect by itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::characters::{Allowed, flaws};
use crate::error::{Error, Result};
use crate::options::Options;
use crate::sys;

/// The most bytes that are read from the file. A client key has about 60.
const MOST_BYTES: u64 = 1024;

/// Returns the client key, or None if none is set. A server may know a client on the same host by its user.
pub fn client_key(options: &Options) -> Result<Option<Zeroizing<String>>> {
    let named = &options.server_key.0;
    if !named.is_empty() {
        return Ok(Some(named.clone()));
    }
    let file = options.server_key_file.as_deref();
    file.map(read).transpose()
}

fn read(path: &Path) -> Result<Zeroizing<String>> {
    let what = || Error::argument(format!("cannot use server_key_file {}", path.display()));
    let mut text = Zeroizing::new(String::new());
    sys::require_readable_file(path)
        .and_then(|()| File::open(path))
        .and_then(|file| file.take(MOST_BYTES).read_to_string(&mut text))
        .map_err(|e| {
            what()
                .because(sys::os_message(&e))
                .advise("Correct the option server_key_file.")
        })?;
    let key = text.trim_end_matches(['\r', '\n']);
    if key.is_empty() || flaws(key, Allowed::Ascii).is_some() {
        return Err(what()
            .because("it does not hold one client key")
            .advise("Write the key that wxtoken client add printed into it, and nothing else."));
    }
    Ok(Zeroizing::new(key.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_from_the_option_or_from_the_current_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let mut options = Options::default();
        assert_eq!(client_key(&options).unwrap(), None);
        options.server_key_file = Some(path.clone());
        let error = client_key(&options).unwrap_err();
        assert!(error.for_c().contains("server_key_file"), "{error}");
        for key in ["wxk_1_a", "wxk_1_b"] {
            std::fs::write(&path, format!("{key}\r\n")).unwrap();
            assert_eq!(client_key(&options).unwrap().unwrap().as_str(), key);
        }
        for bad in ["", "\n", "two\nlines\n", " wxk", "\u{FEFF}wxk"] {
            std::fs::write(&path, bad).unwrap();
            let error = client_key(&options).unwrap_err();
            assert!(!error.for_c().contains("wxk"), "{error}");
        }
        options.set("server_key", "wxk_1_c").unwrap();
        assert_eq!(client_key(&options).unwrap().unwrap().as_str(), "wxk_1_c");
    }
}
