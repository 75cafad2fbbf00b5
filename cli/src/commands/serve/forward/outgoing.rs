//! The body of a forwarded call. A short one is kept, so that the call can be repeated. A long one is passed on as it
//! arrives.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, sleep_until, timeout};
use wxtoken::tool::{Error, Status};

use super::stillness::Stillness;

/// The longest body that is kept, in bytes.
pub const KEPT: usize = 1 << 20;

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes in all.
    pub most: u64,
    /// The longest time without any bytes.
    pub idle: Duration,
}

impl Limits {
    /// The longest time in all.
    pub fn whole(self) -> Duration {
        self.idle * 20
    }
}

/// A body on its way to a platform.
pub enum Outgoing {
    Kept(Bytes),
    /// A body that can be sent once.
    Passing(Option<Passing>),
}

impl Outgoing {
    /// Reads a body up to the length that may be kept.
    pub async fn take(body: Body, limits: Limits) -> Result<Outgoing, Error> {
        let taken = timeout(limits.whole(), Outgoing::take_begin(body, limits)).await;
        taken.map_err(|_| stood_still())?
    }

    async fn take_begin(mut body: Body, limits: Limits) -> Result<Outgoing, Error> {
        let length = body.size_hint();
        if length.lower() > limits.most {
            return Err(too_long(limits.most));
        }
        let mut begin = Vec::new();
        if length.lower() <= KEPT as u64 {
            loop {
                let frame = timeout(limits.idle, body.frame())
                    .await
                    .map_err(|_| stood_still())?;
                match frame {
                    None => return Ok(Outgoing::Kept(begin.into())),
                    Some(Err(_)) => return Err(cut_off()),
                    Some(Ok(frame)) => {
                        begin.extend_from_slice(&frame.into_data().unwrap_or_default())
                    }
                }
                if begin.len() > KEPT {
                    break;
                }
            }
        }
        let taken = begin.len() as u64;
        Ok(Outgoing::Passing(Some(Passing {
            begin: Some(begin.into()).filter(|begin: &Bytes| !begin.is_empty()),
            rest: body,
            left: limits.most.saturating_sub(taken),
            length: length.exact(),
            stillness: Stillness::of(limits.idle),
            taken: Taken::default(),
        })))
    }

    /// Waits until the platform has neither taken more of the body nor answered for `limit`. Never ends for a kept
    /// body.
    pub fn stalls(&self, limit: Duration) -> impl Future<Output = ()> + use<> {
        let taken = match self {
            Outgoing::Passing(Some(passing)) => Some(passing.taken.clone()),
            _ => None,
        };
        async move {
            match taken {
                Some(taken) => taken.stalls(limit).await,
                None => std::future::pending().await,
            }
        }
    }

    /// The body to send. A kept one can be sent again.
    pub fn body(&mut self) -> Body {
        match self {
            Outgoing::Kept(bytes) => Body::from(bytes.clone()),
            Outgoing::Passing(passing) => passing.take().map_or_else(Body::empty, Body::new),
        }
    }

    pub fn is_kept(&self) -> bool {
        matches!(self, Outgoing::Kept(_))
    }
}

/// A body that is passed on: the part that was read, and the rest as it arrives.
pub struct Passing {
    begin: Option<Bytes>,
    rest: Body,
    left: u64,
    length: Option<u64>,
    stillness: Stillness,
    taken: Taken,
}

/// The time when the platform took the last part of a body. None while it waits for the client.
#[derive(Clone)]
struct Taken(Arc<Mutex<Option<Instant>>>);

impl Default for Taken {
    fn default() -> Taken {
        Taken(Arc::new(Mutex::new(Some(Instant::now()))))
    }
}

impl Taken {
    fn note(&self, at: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    async fn stalls(&self, limit: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let end = last.unwrap_or(now) + limit;
            if end <= now {
                return;
            }
            sleep_until(end).await;
        }
    }
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(begin) = self.begin.take() {
            self.taken.note(Some(Instant::now()));
            return Poll::Ready(Some(Ok(Frame::data(begin))));
        }
        let this = &mut *self;
        let came = Pin::new(&mut this.rest).poll_frame(cx);
        this.taken.note(came.is_ready().then(Instant::now));
        let frame = match this.stillness.judge(came, cx) {
            Poll::Ready(Some(frame)) => frame,
            Poll::Ready(None) => return Poll::Ready(Some(Err(stood_still()))),
            Poll::Pending => return Poll::Pending,
        };
        Poll::Ready(match frame {
            None => None,
            Some(Err(_)) => Some(Err(cut_off())),
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                match self.left.checked_sub(data.len() as u64) {
                    Some(left) => {
                        self.left = left;
                        Some(Ok(Frame::data(data)))
                    }
                    None => Some(Err(too_long(0))),
                }
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

fn stood_still() -> Error {
    Error::new(Status::Timeout, "the body of the request stood still")
}

fn cut_off() -> Error {
    Error::argument("the body of the request was cut off")
}

fn too_long(most: u64) -> Error {
    let error = Error::argument("the body of the request is too long");
    match most {
        0 => error,
        most => error.because(format!("it has more than {} MiB", most >> 20)),
    }
}
