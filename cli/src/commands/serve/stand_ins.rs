//! The keys of stand-ins, from the store's key file. The file is read again once a second, because it may change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wxtoken::tool::StandInKeys;

use super::admission::Refusal;
use super::work::Work;

/// The time for which the keys that were read are good.
const GOOD_FOR: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct StandIns(Mutex<Option<(Instant, Arc<StandInKeys>)>>);

impl StandIns {
    /// The keys. If the file cannot be read for now, the keys that were read last.
    pub async fn keys(&self, work: &Work) -> Result<Arc<StandInKeys>, Refusal> {
        let known = self.known();
        if let Some((at, keys)) = &known
            && at.elapsed() < GOOD_FOR
        {
            return Ok(keys.clone());
        }
        let read = work.look(|store| store.stand_in_keys()).await;
        let keys = match (read.map_err(Refusal::from), known) {
            (Ok(Ok(keys)), _) => Arc::new(keys),
            (_, Some((_, keys))) => keys,
            (Ok(Err(e)), None) => return Err(e.into()),
            (Err(refusal), None) => return Err(refusal),
        };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), keys.clone()));
        Ok(keys)
    }

    fn known(&self) -> Option<(Instant, Arc<StandInKeys>)> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}
