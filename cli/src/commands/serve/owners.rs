//! The owners of the platforms' tokens. To find the owner of a token takes a look at every account, and a stranger may
//! send any text as a token. So one look runs at a time, and the calls that wait for it share the next one.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;
use wxtoken::tool::{Result, TokenOwners};

use super::work::Busy;

#[derive(Default)]
pub struct Owners(Arc<Mutex<Option<Looked>>>);

/// A look: the time when it began, and its result.
type Looked = (Instant, Result<Arc<TokenOwners>>);

impl Owners {
    /// Returns the result of a look that began after this call. `look` runs unless another call's look did.
    pub async fn now(
        &self,
        look: impl Future<Output = Result<Arc<TokenOwners>>> + Send + 'static,
    ) -> Result<Arc<TokenOwners>> {
        let (last, came) = (self.0.clone(), Instant::now());
        // The look goes on if its caller leaves. Otherwise the next one would begin beside it.
        let looked = tokio::spawn(async move {
            let mut last = last.lock().await;
            if let Some((began, looked)) = &*last
                && *began >= came
            {
                return looked.clone();
            }
            let began = Instant::now();
            let looked = look.await;
            *last = Some((began, looked.clone()));
            looked
        });
        looked.await.unwrap_or_else(|_| Err(Busy.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    #[test]
    fn calls_that_wait_for_a_look_share_the_next_one() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.build().unwrap();
        runtime.block_on(async {
            let owners = Arc::new(Owners::default());
            let (looks, may_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
            let call = || {
                let (owners, looks, may_end) = (owners.clone(), looks.clone(), may_end.clone());
                tokio::spawn(async move {
                    let look = async move {
                        looks.fetch_add(1, Ordering::SeqCst);
                        may_end.acquire().await.unwrap().forget();
                        Ok(Arc::default())
                    };
                    owners.now(look).await
                })
            };
            let first = call();
            while looks.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            // Callers come during the look, and the one that looks leaves.
            let others: Vec<_> = (0..100).map(|_| call()).collect();
            first.abort();
            assert!(first.await.unwrap_err().is_cancelled());
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            assert_eq!(looks.load(Ordering::SeqCst), 1, "one look at a time");
            may_end.add_permits(1000);
            for other in others {
                assert!(other.await.unwrap().is_ok());
            }
            assert_eq!(looks.load(Ordering::SeqCst), 2);
        });
    }
}
