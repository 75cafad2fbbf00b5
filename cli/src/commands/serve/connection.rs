//! Accepts connections while there is room, shakes hands, and reads requests within limits of time and size.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tower_service::Service;

use super::lanes::Lanes;
use super::listener::{Accepted, Listener};
use super::origin::{Origin, Peer};
use super::paced::Paced;
use super::tls::{Tls, names_of};

/// The longest idle time of a connection between two requests. The head of a request has less (`paced`).
const IDLE: Duration = Duration::from_secs(60);
/// The size limit of a request's head, in bytes.
const HEAD_BYTES: usize = 16 << 10;
/// The most fields in the head.
const HEAD_FIELDS: usize = 64;
/// The pause after a failed accept, for example when descriptors run out.
const REST: Duration = Duration::from_millis(50);

/// The number of open connections.
pub struct Connections {
    room: Arc<Semaphore>,
    most: u32,
}

impl Connections {
    pub fn new(most: u32) -> Connections {
        Connections {
            room: Arc::new(Semaphore::new(most as usize)),
            most,
        }
    }

    /// Waits until all connections are closed.
    pub async fn all_gone(&self) {
        let _ = self.room.acquire_many(self.most).await;
    }
}

/// Accepts connections until the server closes.
pub async fn accept(
    listener: Listener,
    tls: Option<Arc<Tls>>,
    router: Router,
    connections: Arc<Connections>,
    lanes: Arc<Lanes>,
    mut closing: watch::Receiver<bool>,
) {
    let tls = tls.filter(|_| listener.is_tls());
    loop {
        let taken = async {
            let place = connections.room.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            taken = taken => taken,
            () = closed(&mut closing) => return,
        };
        let Ok(place) = place else { return };
        let Ok(accepted) = accepted else {
            tokio::time::sleep(REST).await;
            continue;
        };
        let (tls, router, closing) = (tls.clone(), router.clone(), closing.clone());
        lanes.next().spawn(async move {
            serve(accepted, tls, router, closing).await;
            drop(place);
        });
    }
}

async fn serve(
    accepted: Accepted,
    tls: Option<Arc<Tls>>,
    router: Router,
    closing: watch::Receiver<bool>,
) {
    match (accepted, tls) {
        (Accepted::Unix(stream), _) => {
            let stream = UnixStream::from_std(stream);
            if let Ok(stream) = stream
                && let Ok(user) = stream.peer_cred()
            {
                let origin = origin(Peer::User(user.uid()), None);
                answer(stream, origin, router, closing).await;
            }
        }
        (Accepted::Tcp(stream, from), None) => {
            let Ok(stream) = TcpStream::from_std(stream) else {
                return;
            };
            let origin = origin(Peer::Ip(from.ip()), None);
            answer(stream, origin, router, closing).await;
        }
        (Accepted::Tcp(stream, from), Some(tls)) => {
            let Ok(stream) = TcpStream::from_std(stream) else {
                return;
            };
            if let Some(stream) = tls.accept(stream).await {
                let origin = origin(Peer::Ip(from.ip()), Some(names_of(&stream)));
                answer(stream, origin, router, closing).await;
            }
        }
    }
}

/// The origin of a connection. It has the names in the client's certificate if the connection uses TLS.
pub fn origin(peer: Peer, tls_names: Option<Vec<String>>) -> Origin {
    Origin {
        peer,
        is_over_tls: tls_names.is_some(),
        certificate_names: tls_names.unwrap_or_default().into(),
    }
}

/// Answers the requests of one connection, one after another.
pub async fn answer<S>(
    stream: S,
    origin: Origin,
    router: Router,
    mut closing: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, stage) = Paced::new(stream);
    let own_stage = stage.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(origin.clone());
        let (mut router, stage) = (router.clone(), stage.clone());
        async move {
            stage.head_is_there();
            let answered: Result<Response<_>, Infallible> = router.call(request).await;
            stage.is_answered();
            answered
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_FIELDS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // hyper would close a connection whose first request has not arrived yet, and a call would be lost.
    let may_end = async {
        closed(&mut closing).await;
        own_stage.past_head().await;
    };
    // An error is the other end's fault: its head is invalid or does not arrive.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = may_end => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Waits until the server closes.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await.is_ok();
}
