//! The parameters of a WeChat call, from its query or its JSON object. An empty one counts as absent, as in WeChat's
//! API.

use serde_json::{Map, Value};

#[derive(Debug, Default)]
pub struct Parameters(Vec<(String, Given)>);

#[derive(Debug)]
enum Given {
    Text(String),
    True,
}

/// The flaw of a query that repeats a name, or cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw;

impl Parameters {
    pub fn of_query(query: &str) -> Result<Parameters, Flaw> {
        let mut seen: Vec<String> = Vec::new();
        let mut all: Vec<(String, Given)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            // Two programs could read different values of a repeated name.
            if seen.contains(&name) {
                return Err(Flaw);
            }
            seen.push(name.clone());
            if !value.is_empty() {
                all.push((name, Given::Text(value)));
            }
        }
        Ok(Parameters(all))
    }

    pub fn of_object(fields: Map<String, Value>) -> Parameters {
        let all = fields.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) if !text.is_empty() => Some((name, Given::Text(text))),
            Value::Bool(true) => Some((name, Given::True)),
            _ => None,
        });
        Parameters(all.collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        match self.find(name)? {
            Given::Text(text) => Some(text),
            Given::True => None,
        }
    }

    pub fn is_true(&self, name: &str) -> bool {
        matches!(self.find(name), Some(Given::True))
    }

    fn find(&self, name: &str) -> Option<&Given> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, given)| given)
    }

    /// Whether the call has exactly these texts, not counting parameters that every call of the path has.
    pub fn has_texts_of(
        &self,
        taken: &[(&'static str, wxtoken::tool::CallValue)],
        but: &[&str],
    ) -> bool {
        taken.iter().all(|(name, value)| match value {
            wxtoken::tool::CallValue::Text(text) if !but.contains(name) => {
                self.get(name) == Some(text)
            }
            _ => true,
        })
    }
}

/// Decodes a name or a value of a query.
pub fn decoded(text: &str) -> Result<String, Flaw> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = (high, low) else {
                    return Err(Flaw);
                };
                u8::try_from(high * 16 + low).map_err(|_| Flaw)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| Flaw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_as_forms_are() {
        let read = Parameters::of_query("a=1&b=%E5%BA%97+x&&c&d=&e=%2b=").unwrap();
        assert_eq!(read.get("a"), Some("1"));
        assert_eq!(read.get("b"), Some("店 x"));
        assert_eq!((read.get("c"), read.get("d")), (None, None));
        assert_eq!(read.get("e"), Some("+="));
    }

    #[test]
    fn a_query_that_repeats_a_name_is_refused() {
        for query in [
            "a=1&a=2",
            "a=1&%61=2",
            "a=&a=1",
            "a=%",
            "a=%zz",
            "a=%ff",
            "a=%c3%28",
        ] {
            assert_eq!(Parameters::of_query(query).err(), Some(Flaw), "{query}");
        }
    }

    #[test]
    fn an_objects_texts_count_and_true_differs_from_its_word() {
        let fields = serde_json::json!({"a": "1", "b": true, "c": "true", "d": 1, "e": ""});
        let Value::Object(fields) = fields else {
            unreachable!()
        };
        let read = Parameters::of_object(fields);
        assert_eq!(read.get("a"), Some("1"));
        assert!(read.is_true("b") && !read.is_true("c") && !read.is_true("d"));
        assert_eq!((read.get("d"), read.get("e")), (None, None));
    }
}
