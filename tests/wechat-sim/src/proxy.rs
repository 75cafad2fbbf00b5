//! An HTTP CONNECT proxy that connects every host to the simulator's own TLS listener, and nowhere else.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
};

use crate::{
    http::{Reply, Request, read_request},
    world::Shared,
};

/// The treatment of a CONNECT.
enum Verdict {
    Tunnel,
    Refuse,
    Hang,
}

/// Serves one connection to the proxy.
pub async fn serve(shared: Shared, mut client: TcpStream, https: SocketAddr) {
    let mut buffer = Vec::new();
    let Ok(Some(request)) = read_request(&mut client, &mut buffer).await else {
        return;
    };
    if request.method != "CONNECT" {
        let reply = Reply::text(405, "text/plain", "this proxy only knows CONNECT\n");
        let _ = client
            .write_all(&[reply.head(true, true), reply.body].concat())
            .await;
        return;
    }
    match judge(&shared, &request) {
        Verdict::Tunnel => {
            let Ok(mut upstream) = TcpStream::connect(https).await else {
                return;
            };
            let greeting = client
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .await;
            if greeting.is_ok() && upstream.write_all(&buffer).await.is_ok() {
                let _ = copy_bidirectional(&mut client, &mut upstream).await;
            }
        }
        Verdict::Refuse => {
            let _ = client.write_all(&Reply::empty(502).head(true, true)).await;
        }
        Verdict::Hang => while !matches!(client.read(&mut [0; 512]).await, Ok(0) | Err(_)) {},
    }
}

fn judge(shared: &Shared, request: &Request) -> Verdict {
    let host = request
        .path
        .rsplit_once(':')
        .map_or(request.path.as_str(), |(host, _)| host)
        .to_ascii_lowercase();
    let mut world = shared.lock();
    *world
        .tally
        .all
        .proxy_connects
        .entry(host.clone())
        .or_default() += 1;
    if world.switches.proxy_refuse.contains(&host) {
        Verdict::Refuse
    } else if world.switches.proxy_hang.contains(&host) {
        Verdict::Hang
    } else {
        Verdict::Tunnel
    }
}
