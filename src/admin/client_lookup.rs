//! The clients of a server, looked up at each call, so that a change takes effect at the next call. If the store cannot
//! be read, the clients of the last look are used.
//!
//! A look waits for its turn at the store. [`ClientLookup::known`] does not wait. It returns the clients of the last
//! look as long as the store's mark is unchanged ([`Store::mark`]).
//!
//! [`Store::mark`]: crate::store::Store::mark

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::brief::patience;
use crate::client::Client;
use crate::error::{Error, Result, Status};
use crate::server_clients::ClientSet;
use crate::store::{self, ChangeMark};

/// A server's lookup of its clients.
pub struct ClientLookup {
    client: Arc<Client>,
    last: ArcSwapOption<Seen>,
}

struct Seen {
    record: Option<String>,
    set: Arc<ClientSet>,
    /// The store's mark at that look, if the store has one.
    mark: Option<ChangeMark>,
}

impl ClientLookup {
    pub(crate) fn new(client: Arc<Client>) -> ClientLookup {
        ClientLookup {
            client,
            last: ArcSwapOption::empty(),
        }
    }

    /// Returns the current clients if they are known without a look at the store. Does not wait.
    pub fn known(&self) -> Option<Arc<ClientSet>> {
        let last = self.last.load();
        let seen = last.as_ref()?;
        let mark = seen.mark?;
        (self.client.store_mark() == Some(mark)).then(|| seen.set.clone())
    }

    /// Returns the current clients, after a look at the store.
    pub fn now(&self) -> Result<Arc<ClientSet>> {
        let last = self.last.load_full();
        let session = self.client.session()?;
        let by = patience(&session, last.is_some());
        let mut mark = None;
        let read = store::read(session.store(), &by, |there| {
            let record = there.clients()?;
            mark = there.mark();
            Ok(record)
        });
        match (read, last) {
            // Removing the last client leaves an empty record. A missing record was lost, and a keeper puts it back.
            (Ok(None), Some(seen)) if seen.record.is_some() => Ok(seen.set.clone()),
            (Ok(record), Some(seen)) if record == seen.record => {
                Ok(self.remember(record, seen.set.clone(), mark))
            }
            (Ok(record), _) => {
                let set = Arc::new(ClientSet::of_text(record.as_deref())?);
                Ok(self.remember(record, set, mark))
            }
            (Err(e), Some(seen)) if is_of_store(&e) => Ok(seen.set.clone()),
            (Err(e), _) => Err(e),
        }
    }

    fn remember(
        &self,
        record: Option<String>,
        set: Arc<ClientSet>,
        mark: Option<ChangeMark>,
    ) -> Arc<ClientSet> {
        self.last.store(Some(Arc::new(Seen {
            record,
            set: set.clone(),
            mark,
        })));
        set
    }
}

fn is_of_store(e: &Error) -> bool {
    matches!(e.status, Status::Store | Status::Timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server_clients::Verb;

    fn names(set: &ClientSet) -> Vec<&str> {
        set.all().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_clients_are_known_without_a_look_until_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.db");
        let client = Arc::new(Client::open(path.to_str()).unwrap());
        let lookup = ClientLookup::new(client.clone());
        assert!(lookup.known().is_none(), "nobody has looked yet");
        assert!(names(&lookup.now().unwrap()).is_empty());
        assert!(names(&lookup.known().unwrap()).is_empty());
        for round in 0..50 {
            let name = format!("web-{round}");
            client.add_server_client(&name, None, &Verb::ALL).unwrap();
            assert!(lookup.known().is_none(), "another client is there");
            assert_eq!(names(&lookup.now().unwrap()), [&name]);
            assert_eq!(names(&lookup.known().unwrap()), [&name]);
            client.remove_server_client(&name).unwrap();
            assert!(lookup.known().is_none(), "the client is gone");
            assert!(names(&lookup.now().unwrap()).is_empty());
        }
    }

    #[test]
    fn a_change_that_is_taken_back_leaves_no_mark() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.db");
        let client = Arc::new(Client::open(path.to_str()).unwrap());
        let lookup = ClientLookup::new(client.clone());
        client.add_server_client("web", None, &Verb::ALL).unwrap();
        lookup.now().unwrap();
        let before = std::fs::read(&path).unwrap();
        client.remove_server_client("web").unwrap();
        assert!(lookup.known().is_none());
        // SQLite restores the file like this from its journal after a crash.
        std::fs::write(&path, before).unwrap();
        assert_eq!(names(&lookup.now().unwrap()), ["web"]);
        assert_eq!(names(&lookup.known().unwrap()), ["web"]);
        client.remove_server_client("web").unwrap();
        assert!(names(&lookup.now().unwrap()).is_empty());
    }

    #[test]
    fn another_file_at_the_path_is_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.db");
        let client = Arc::new(Client::open(path.to_str()).unwrap());
        let lookup = ClientLookup::new(client);
        lookup.now().unwrap();
        let copy = directory.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        std::fs::rename(&copy, &path).unwrap();
        assert!(lookup.known().is_none());
        lookup.now().unwrap();
        assert!(lookup.known().is_some());
        std::fs::remove_file(&path).unwrap();
        assert!(lookup.known().is_none());
    }
}
