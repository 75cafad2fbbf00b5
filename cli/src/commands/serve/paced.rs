//! A connection that must not be slow. The head of a request has a time limit from its first byte on, and so has the
//! reading of an answer. hyper's own timer would also count the time between two requests, which a client that keeps
//! its connection may take.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

/// The time limit of a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// The time limit until the other end reads on.
const TAKING: Duration = Duration::from_secs(20);

/// The stage of a connection: between requests, in a head, or answering.
#[derive(Clone)]
pub struct Stage(Arc<Inside>);

struct Inside {
    at: AtomicU8,
    past_head: Notify,
}

const BETWEEN: u8 = 0;
const IN_HEAD: u8 = 1;
const ANSWERING: u8 = 2;

impl Stage {
    pub fn head_is_there(&self) {
        self.0.at.store(ANSWERING, Ordering::SeqCst);
        self.0.past_head.notify_waiters();
    }

    pub fn is_answered(&self) {
        self.0.at.store(BETWEEN, Ordering::Relaxed);
    }

    /// Waits until no head is arriving. The first head counts from the beginning of the connection. A head that is
    /// late ends the connection.
    pub async fn past_head(&self) {
        loop {
            let past_head = self.0.past_head.notified();
            if self.0.at.load(Ordering::SeqCst) != IN_HEAD {
                return;
            }
            past_head.await;
        }
    }
}

pub struct Paced<S> {
    stream: S,
    stage: Stage,
    head: Pin<Box<Sleep>>,
    taking: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    /// Wraps a stream. The time of the first head begins at once.
    pub fn new(stream: S) -> (Paced<S>, Stage) {
        let stage = Stage(Arc::new(Inside {
            at: AtomicU8::new(IN_HEAD),
            past_head: Notify::new(),
        }));
        let paced = Paced {
            stream,
            stage: stage.clone(),
            head: Box::pin(sleep(HEAD)),
            taking: None,
        };
        (paced, stage)
    }

    fn is_in(&self, stage: u8) -> bool {
        self.stage.0.at.load(Ordering::Relaxed) == stage
    }

    /// Passes on the result of a write, or fails if the write has stalled for too long.
    fn unless_stalled<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.taking = None;
            return written;
        }
        let taking = self.taking.get_or_insert_with(|| Box::pin(sleep(TAKING)));
        taking.as_mut().poll(cx).map(|()| Err(late()))
    }
}

fn late() -> io::Error {
    io::Error::from(io::ErrorKind::TimedOut)
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.is_in(BETWEEN) && buffer.filled().len() > before {
            self.stage.0.at.store(IN_HEAD, Ordering::SeqCst);
            self.head.as_mut().reset(Instant::now() + HEAD);
        }
        if !self.is_in(IN_HEAD) {
            return read;
        }
        // A head that arrives too slowly is late too.
        match self.head.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(late())),
            Poll::Pending => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stalled(written, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.unless_stalled(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.unless_stalled(shut, cx)
    }
}
