//! The environment, as `secure_getenv` has it: a program with more rights than its caller reads nothing of what the caller put
//! there.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;

/// Whether the system says that this program has rights that its caller lacks: by a set-user-ID or set-group-ID file, or by
/// capabilities of the file.
pub fn is_secure() -> bool {
    // SAFETY: getauxval takes a number and reads what the kernel gave to this process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// A variable of the environment. None in a secure program: its caller could name another host for the secrets.
pub fn variable(name: &str) -> Option<OsString> {
    if is_secure() {
        return None;
    }
    std::env::var_os(name)
}

/// The variables whose names begin so, each without that; the first of those that have one name. As [`variable`] has it.
///
/// One pass over the list that `getenv` goes through for each name, and no copy of what else is there.
pub fn variables(prefix: &str) -> Vec<(OsString, OsString)> {
    unsafe extern "C" {
        static environ: *const *const c_char;
    }
    let mut found: Vec<(OsString, OsString)> = Vec::new();
    if is_secure() {
        return found;
    }
    // SAFETY: the list ends with NULL, and each entry with NUL. A thread that changes it meanwhile is as bad for getenv.
    let mut next = unsafe { environ };
    // SAFETY: as above.
    while let Some(entry) = unsafe { next.as_ref() }.filter(|entry| !entry.is_null()) {
        // SAFETY: as above.
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
        // SAFETY: it was not the last.
        next = unsafe { next.add(1) };
    }
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// Nothing else of the library reads the environment.
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
        // The other is for tests alone.
        assert_eq!(readers, ["environment.rs", "failpoint.rs"]);
    }
}
