//! The paths of calls that `wxtoken serve` forwards, as given on the command line.

/// Whether every program reads this path in the same way: no escapes, no empty segments, no segments of dots only.
pub fn is_plain(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-.".contains(&byte);
    let Some(rest) = path.strip_prefix('/') else {
        return false;
    };
    path.len() <= 200
        && path.bytes().all(is_plain)
        && rest
            .split('/')
            .all(|part| !part.is_empty() && part.bytes().any(|byte| byte != b'.'))
}

/// Parses a pattern of `--forward-paths`: a path, or the beginning of paths followed by `*`.
pub fn pattern(text: &str) -> Result<String, String> {
    let path = text.strip_suffix('*').unwrap_or(text);
    let path = path.strip_suffix('/').unwrap_or(path);
    match is_plain(path) || text == "/*" {
        true => Ok(text.to_owned()),
        false => {
            Err("write a path such as /cgi-bin/user/info, or a beginning such as /wxa/*".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_reading() {
        for plain in ["/cgi-bin/user/info", "/wxa/a_b-c.d", "/a"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in [
            "",
            "/",
            "//",
            "/a//b",
            "/a/",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a%2fb",
            "/a;b",
            "/a\\b",
            "a/b",
            "/店",
            "/a b",
            "/a?b",
            "/...",
        ] {
            assert!(!is_plain(other), "{other}");
        }
        assert!(!is_plain(&format!("/{}", "a".repeat(200))));
    }

    #[test]
    fn a_pattern_is_a_path_or_a_beginning() {
        for fine in ["/cgi-bin/user/info", "/wxa/*", "/cgi-bin/media*", "/*"] {
            assert_eq!(pattern(fine).as_deref(), Ok(fine));
        }
        for bad in [
            "",
            "*",
            "cgi-bin",
            "/a*b",
            "/a/../b",
            "/a/**",
            "https://a/b",
        ] {
            assert!(pattern(bad).is_err(), "{bad}");
        }
    }
}
