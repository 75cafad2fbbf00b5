//! The query of a forwarded call. Its parts stay as they were written, except for the values that are replaced.

use super::super::wechat::parameters::{Flaw, decoded};

/// The parts of a query, in their order.
#[derive(Debug)]
pub struct Query(Vec<Part>);

#[derive(Debug)]
struct Part {
    written: String,
    name: String,
    value: String,
}

impl Query {
    /// Parses a query. Fails if it cannot be read, or if it repeats one of the names in `once`.
    pub fn parse(text: &str, once: &[&str]) -> Result<Query, Flaw> {
        let mut parts: Vec<Part> = Vec::new();
        for written in text.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = written.split_once('=').unwrap_or((written, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let is_repeated = parts.iter().any(|part| part.name == name);
            if is_repeated && once.contains(&&*name) {
                return Err(Flaw);
            }
            parts.push(Part {
                written: written.to_owned(),
                name,
                value,
            });
        }
        Ok(Query(parts))
    }

    /// The value of a parameter. An empty value counts as absent, as in WeChat's API.
    pub fn get(&self, name: &str) -> Option<&str> {
        let part = self.0.iter().find(|part| part.name == name)?;
        Some(&*part.value).filter(|value| !value.is_empty())
    }

    /// The query to send. `put` returns the new value of a parameter, or None to leave it as it was written. `added`
    /// is appended. An empty parameter of its name is left out, because the platform would find two.
    pub fn written<'a>(
        &self,
        put: impl Fn(&str) -> Option<&'a str>,
        added: Option<(&str, &str)>,
    ) -> String {
        let mut query = String::new();
        let mut push = |part: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(part);
        };
        let is_added = |name: &str| added.is_some_and(|(added, _)| added == name);
        for part in self.0.iter().filter(|part| !is_added(&part.name)) {
            match put(&part.name) {
                Some(value) => push(&pair(&part.name, value)),
                None => push(&part.written),
            }
        }
        if let Some((name, value)) = added {
            push(&pair(name, value));
        }
        query
    }
}

fn pair(name: &str, value: &str) -> String {
    format!("{name}={}", encoded(value))
}

fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match is_plain(byte) {
            true => encoded.push(char::from(byte)),
            false => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: [&str; 1] = ["access_token"];

    #[test]
    fn other_parts_of_a_query_are_sent_as_they_were_written() {
        let written = "openid=o%2d1&access_token=wxs%5Fa&lang=zh_CN&lang=en&x&&y=%E5%BA%97+";
        let query = Query::parse(written, &ONCE).unwrap();
        assert_eq!(query.get("access_token"), Some("wxs_a"));
        assert_eq!((query.get("openid"), query.get("x")), (Some("o-1"), None));
        let put = |name: &str| (name == "access_token").then_some("real/1");
        assert_eq!(
            query.written(put, None),
            "openid=o%2d1&access_token=real%2F1&lang=zh_CN&lang=en&x&y=%E5%BA%97+"
        );
        let added = query.written(|_| None, Some(("secret", "a b")));
        assert!(added.ends_with("&y=%E5%BA%97+&secret=a%20b"));
        let empty = Query::parse("", &ONCE).unwrap();
        assert_eq!(
            empty.written(|_| None, Some(("access_token", "t"))),
            "access_token=t"
        );
        // An SDK without a token may still send its name.
        for without in [
            "access_token=&a=1",
            "a=1&access_token",
            "access%5Ftoken=&a=1",
        ] {
            let query = Query::parse(without, &ONCE).unwrap();
            assert_eq!(query.get("access_token"), None);
            assert_eq!(
                query.written(|_| None, Some(("access_token", "t"))),
                "a=1&access_token=t",
                "{without}"
            );
        }
    }

    #[test]
    fn a_token_parameter_must_not_be_repeated() {
        for query in [
            "access_token=a&access_token=b",
            "access_token=a&access%5ftoken=b",
            "a=%zz",
        ] {
            assert_eq!(Query::parse(query, &ONCE).err(), Some(Flaw), "{query}");
        }
    }
}
