//! One connection to the service: reads requests, carries out plans, and misbehaves on the wire if a plan says so.
//!
//! The count of requests in flight drops before the last byte is written. A client that starts its next request on that
//! byte is therefore never counted twice. The count also drops when the client disappears during a delay.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::server::TlsStream;

use crate::{
    http::read_request,
    reshape::Delivery,
    service::{Door, Plan, receive},
    world::{Shared, World},
};

/// The bytes that a client may send ahead while its reply is delayed.
const MAX_AHEAD: usize = 1024 * 1024;

/// A connection, with TLS or without.
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Makes the connection end with RST instead of FIN when it is dropped.
pub fn reset_on_close(tcp: &TcpStream) {
    // If this fails, the connection ends with FIN, and the test that wanted RST fails.
    let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
}

/// Serves the connection until either side closes it.
pub async fn serve(shared: Shared, mut stream: Stream, peer: SocketAddr, door: Door, log: bool) {
    let mut buffer = Vec::new();
    while let Ok(Some(request)) = read_request(&mut stream, &mut buffer).await {
        let (plan, flight, close) = {
            let mut world = shared.lock();
            let plan = receive(&mut world, &request, peer, door);
            let flight = plan
                .is_token
                .then(|| take_off(&mut world, plan.id.as_deref(), stream.tcp()));
            (plan, flight, request.close || !world.switches.keep_alive)
        };
        if log {
            eprintln!("wechat-sim: {}", plan.summary);
        }
        let in_flight = InFlight {
            shared: shared.clone(),
            flight,
        };
        let kept = carry_out(plan, &mut stream, &mut buffer, in_flight, close).await;
        if !matches!(kept, Ok(true)) {
            return;
        }
    }
}

/// Carries out a plan. Returns whether the connection can serve another request.
async fn carry_out(
    plan: Plan,
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    mut in_flight: InFlight,
    close: bool,
) -> io::Result<bool> {
    if plan.delay_ms > 0 {
        hold_back(
            stream,
            buffer,
            Duration::from_millis(plan.delay_ms),
            &mut in_flight,
        )
        .await;
    }
    match plan.delivery {
        Delivery::Whole => {
            // A scripted reply may promise more bytes than it has. Only closing lets the client notice.
            let close = close || plan.reply.close;
            let mut bytes = plan.reply.head(close, true);
            bytes.extend_from_slice(&plan.reply.body);
            in_flight.end();
            stream.write_all(&bytes).await?;
            stream.flush().await?;
            if close {
                stream.shutdown().await?;
            }
            return Ok(!close);
        }
        Delivery::Hang => while !matches!(stream.read(&mut [0; 512]).await, Ok(0) | Err(_)) {},
        Delivery::Reset => reset_on_close(stream.tcp()),
        Delivery::Close => {}
        Delivery::Drip { bytes, tick_ms } => {
            stream.write_all(&plan.reply.head(true, true)).await?;
            for piece in plan.reply.body.chunks(bytes) {
                stream.flush().await?;
                hold_back(
                    stream,
                    buffer,
                    Duration::from_millis(tick_ms),
                    &mut in_flight,
                )
                .await;
                stream.write_all(piece).await?;
            }
            in_flight.end();
            stream.shutdown().await?;
        }
        Delivery::EndlessBody { tick_ms } => {
            stream.write_all(&plan.reply.head(true, false)).await?;
            stream.write_all(&plan.reply.body).await?;
            flood(stream, &[b'x'; 64], tick_ms).await?;
        }
        Delivery::EndlessHeaders { tick_ms } => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            flood(
                stream,
                b"X-Endless: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
                tick_ms,
            )
            .await?;
        }
    }
    Ok(false)
}

/// Waits, and notices if the client closes meanwhile. The reply is written in any case, since the client may have
/// closed only its own half.
async fn hold_back(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    span: Duration,
    in_flight: &mut InFlight,
) {
    let timer = sleep(span);
    tokio::pin!(timer);
    let mut listening = true;
    loop {
        tokio::select! {
            () = &mut timer => return,
            read = stream.read_buf(buffer), if listening => {
                if matches!(read, Ok(0) | Err(_)) {
                    in_flight.end();
                    listening = false;
                }
                listening &= buffer.len() < MAX_AHEAD;
            }
        }
    }
}

/// Writes the same bytes until the client closes: once per tick, or in blocks at full speed.
async fn flood(stream: &mut Stream, bytes: &[u8], tick_ms: u64) -> io::Result<()> {
    let block = if tick_ms > 0 {
        bytes.to_vec()
    } else {
        bytes.repeat(64)
    };
    loop {
        stream.write_all(&block).await?;
        stream.flush().await?;
        if tick_ms > 0 {
            sleep(Duration::from_millis(tick_ms)).await;
        } else {
            // Other connections need their turn.
            tokio::task::yield_now().await;
        }
    }
}

fn take_off(world: &mut World, id: Option<&str>, tcp: &TcpStream) -> u64 {
    let key = world.flights.begin(id, tcp);
    if let Some(id) = id {
        let flights = world.flights.count_of(id);
        world.tally.saw_in_flight(id, flights);
    }
    key
}

/// Keeps a token request in flight for as long as it lives.
struct InFlight {
    shared: Shared,
    flight: Option<u64>,
}

impl InFlight {
    fn end(&mut self) {
        if let Some(key) = self.flight.take() {
            self.shared.lock().flights.end(key);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.end();
    }
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
