//! The mark of a store: the schema of its keys, and an id that no other store has.
//!
//! Each host keeps the mark in a file next to its lock file. A server may lose everything, and a program that has never
//! seen the store may be the first to open it again. That program writes the mark as it was. With a new id, no secret
//! that a running program puts back would open.

use serde::{Deserialize, Serialize};

use super::host_files::HostFiles;
use crate::error::Error;
use crate::store::RedisUrl;
use crate::sys::random;

const SCHEMA: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    schema: u32,
    pub id: String,
}

pub fn meta_key(prefix: &str) -> String {
    format!("{prefix}:{{meta}}")
}

impl Meta {
    pub fn new() -> Meta {
        let bytes = [random(), random()].concat();
        Meta {
            schema: SCHEMA,
            id: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Parses a mark. Refuses one that another program or a newer version has written.
    pub fn parse(url: &RedisUrl, text: &str) -> Result<Meta, Error> {
        let what = || Error::store(format!("cannot use store {url}"));
        let key = meta_key(&url.prefix);
        match serde_json::from_str::<Meta>(text) {
            Ok(meta) if meta.schema == SCHEMA => Ok(meta),
            Ok(meta) => Err(what()
                .because(format!(
                    "it has schema {}, newer than this library's {SCHEMA}",
                    meta.schema
                ))
                .advise("Upgrade libwxtoken.")),
            Err(_) => Err(what()
                .because(format!("the key {key} is another program's"))
                .advise("Name a prefix of the store's own in the URL: ?prefix=NAME.")),
        }
    }
}

/// The mark that this host has seen last.
pub struct KeptMark(HostFiles);

/// The file holds one mark, so its name needs nothing from a row.
const NO_ROW: &str = "";

impl KeptMark {
    pub fn of(url: &RedisUrl) -> KeptMark {
        KeptMark(HostFiles::at(
            url.state_directory.join(url.file_stem() + ".mark"),
        ))
    }

    pub fn read(&self) -> Option<Meta> {
        let kept: Option<Meta> = self.0.read(NO_ROW);
        kept.filter(|meta| meta.schema == SCHEMA)
    }

    pub fn keep(&self, meta: &Meta) {
        if self.read().as_ref() != Some(meta) {
            self.0.write(NO_ROW, meta);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_knows_the_mark_that_it_has_seen_last() {
        let directory = tempfile::tempdir().unwrap();
        let mut url = RedisUrl::parse("redis://h").unwrap().unwrap();
        url.state_directory = directory.path().into();
        let kept = KeptMark::of(&url);
        assert_eq!(kept.read(), None);
        for mark in [Meta::new(), Meta::new()] {
            kept.keep(&mark);
            assert_eq!(KeptMark::of(&url).read(), Some(mark));
        }
        // A newer version has kept its own.
        let newer = Meta {
            schema: SCHEMA + 1,
            ..Meta::new()
        };
        kept.keep(&newer);
        assert_eq!(kept.read(), None);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_mark_is_unique_and_a_foreign_one_is_refused() {
        let url = RedisUrl::parse("redis://:hush@h").unwrap().unwrap();
        let mark = Meta::new();
        assert_ne!(mark, Meta::new());
        assert_eq!(Meta::parse(&url, &mark.to_text()), Ok(mark.clone()));
        let newer = mark.to_text().replace("\"schema\":1", "\"schema\":2");
        for (text, said) in [
            (newer.as_str(), "schema 2, newer than this library's 1"),
            ("", "wxtoken:{meta} is another program's"),
            ("[]", "another program's"),
        ] {
            let error = Meta::parse(&url, text).unwrap_err().for_c();
            assert!(error.contains(said) && !error.contains("hush"), "{error}");
        }
    }
}
