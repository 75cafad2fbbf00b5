//! TLS listeners that a careful client must refuse. They count the bytes that arrive after the handshake.

use std::sync::Arc;

use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::{connection::reset_on_close, world::Shared};

/// The name under which `reset_handshake` connections are counted.
pub const RESET_HANDSHAKE: &str = "reset_handshake";

/// Presents the bad certificate, and counts the application bytes of a client that accepts it.
pub async fn serve(shared: Shared, tcp: TcpStream, name: &'static str, config: Arc<ServerConfig>) {
    count_connection(&shared, name);
    let Ok(mut tls) = TlsAcceptor::from(config).accept(tcp).await else {
        return;
    };
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = tls.read(&mut bytes).await {
        *shared
            .lock()
            .tally
            .all
            .bad_tls_bytes
            .entry(name.into())
            .or_default() += read as u64;
    }
}

/// Reads the ClientHello and answers it with RST.
pub async fn reset_handshake(shared: Shared, mut tcp: TcpStream) {
    count_connection(&shared, RESET_HANDSHAKE);
    let _ = tcp.read(&mut [0; 4096]).await;
    reset_on_close(&tcp);
}

fn count_connection(shared: &Shared, name: &str) {
    *shared
        .lock()
        .tally
        .all
        .bad_tls_connections
        .entry(name.into())
        .or_default() += 1;
}
