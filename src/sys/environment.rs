//! The environment, read as `secure_getenv` does. A program with more rights than its caller ignores what the caller
//! set.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;

/// Returns whether this program has rights that its caller lacks, by the file's set-user-ID or set-group-ID bit or its
/// capabilities.
pub fn is_secure() -> bool {
    // SAFETY: getauxval takes a number, and reads what the kernel passed to this process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Returns a variable of the environment. Returns None in a secure program, whose caller could send the secrets to
/// another host.
pub fn variable(name: &str) -> Option<OsString> {
    if is_secure() {
        return None;
    }
    std::env::var_os(name)
}

/// Returns the variables with this prefix, without the prefix. Of several with one name, the first counts. A secure
/// program gets none.
///
/// This makes one pass over the list that `getenv` searches for each name, and copies no other variable.
pub fn variables(prefix: &str) -> Vec<(OsString, OsString)> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut found: Vec<(OsString, OsString)> = Vec::new();
    if is_secure() {
        return found;
    }
    // SAFETY: the list ends with NULL, and each entry with NUL. If a thread changes it meanwhile, getenv is not safe
    // either.
    let mut next = unsafe { environ };
    // SAFETY: the pointer is to an entry of the list, or to the NULL at its end.
    while let Some(entry) = unsafe { next.as_ref() }.filter(|entry| !entry.is_null()) {
        // SAFETY: the entry is not NULL, and ends with NUL.
        let entry = unsafe { CStr::from_ptr(*entry) };
        if let Some(rest) = entry.to_bytes().strip_prefix(prefix.as_bytes())
            && let Some(equals) = rest.iter().position(|byte| *byte == b'=')
        {
            let own = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
            let (name, value) = (own(&rest[..equals]), own(&rest[equals + 1..]));
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, value));
            }
        }
        // SAFETY: this entry was not the end of the list.
        next = unsafe { next.add(1) };
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// No other code of the library reads the environment.
    #[test]
    fn one_place_reads_the_environment() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut readers = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read_to_string(&path)
                    .is_ok_and(|text| text.contains(concat!("env::", "var")))
                {
                    readers.push(path.file_name().unwrap().to_owned());
                }
            }
        }
        readers.sort();
        // failpoint.rs is for tests alone.
        assert_eq!(readers, ["environment.rs", "failpoint.rs"]);
    }
}
