//! A limit on the time that a body may stand still. The time counts only while somebody waits for more of the body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

pub struct Stillness {
    limit: Duration,
    end: Pin<Box<Sleep>>,
    is_waiting: bool,
}

impl Stillness {
    pub fn of(limit: Duration) -> Stillness {
        Stillness {
            limit,
            end: Box::pin(sleep(limit)),
            is_waiting: false,
        }
    }

    /// Returns the data that arrived, or None if none has arrived for too long.
    pub fn judge<T>(&mut self, came: Poll<T>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Poll::Ready(came) = came {
            self.is_waiting = false;
            return Poll::Ready(Some(came));
        }
        if !self.is_waiting {
            self.is_waiting = true;
            self.end.as_mut().reset(Instant::now() + self.limit);
        }
        self.end.as_mut().poll(cx).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::advance;

    const LIMIT: Duration = Duration::from_secs(60);

    async fn nothing_comes(stillness: &mut Stillness) -> Poll<Option<()>> {
        poll_fn(|cx| Poll::Ready(stillness.judge(Poll::<()>::Pending, cx))).await
    }

    #[test]
    fn time_counts_while_somebody_waits_and_restarts_when_data_arrives() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut stillness = Stillness::of(LIMIT);
            // Nobody has waited in this time.
            advance(LIMIT * 3).await;
            assert!(nothing_comes(&mut stillness).await.is_pending());
            advance(LIMIT / 2).await;
            assert!(nothing_comes(&mut stillness).await.is_pending());
            let came = poll_fn(|cx| Poll::Ready(stillness.judge(Poll::Ready(7), cx))).await;
            assert_eq!(came, Poll::Ready(Some(7)));
            advance(LIMIT * 3).await;
            assert!(nothing_comes(&mut stillness).await.is_pending());
            advance(LIMIT * 2).await;
            assert_eq!(nothing_comes(&mut stillness).await, Poll::Ready(None));
        });
    }
}
