//! Keys for other purposes, derived from those of the key file. A derived key does not reveal the file's key.

use ring::hmac;

use super::key_file::Vault;
use crate::error::{Error, Result, Status};

impl Vault {
    /// Derives one key for each key of the file, the current one first. Fails if the file does not exist, and does not
    /// make one.
    pub fn derive(&self, purpose: &str) -> Result<Vec<hmac::Key>> {
        let Some(keys) = self.read()? else {
            let what = format!("cannot read key file {}", self.path().display());
            return Err(Error::new(Status::Secret, what)
                .because("it does not exist")
                .advise("Give this host the key file of the store."));
        };
        let derived = keys.iter().map(|key| {
            let own = hmac::Key::new(hmac::HMAC_SHA256, &**key);
            let tag = hmac::sign(&own, format!("wxtoken {purpose}").as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
        });
        Ok(derived.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_of_the_file_gives_its_own_and_each_purpose_another() {
        let directory = tempfile::tempdir().unwrap();
        let vault = Vault::at(directory.path().join("tokens.db.key"));
        assert_eq!(vault.derive("a").err().unwrap().status, Status::Secret);
        assert!(!vault.exists());
        let tags = |vault: &Vault, purpose: &str| -> Vec<Vec<u8>> {
            let keys = vault.derive(purpose).unwrap();
            keys.iter()
                .map(|key| hmac::sign(key, b"x").as_ref().to_vec())
                .collect()
        };
        vault.create().unwrap();
        let before = tags(&vault, "a");
        assert_eq!(before, tags(&vault, "a"));
        assert_ne!(before, tags(&vault, "b"));
        vault.begin_rotation().unwrap();
        let both = tags(&vault, "a");
        assert_eq!((both.len(), &both[1]), (2, &before[0]));
        vault.finish_rotation().unwrap();
        assert_eq!(tags(&vault, "a"), both[..1]);
    }
}
