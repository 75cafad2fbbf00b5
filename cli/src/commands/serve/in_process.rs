//! The server without listeners, for `fuzz/`. Requests and connections come from this process.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use clap::Parser;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower_service::Service;
use wxtoken::tool::Store;

use super::audit::Audit;
pub use super::origin::Peer;
use super::server::Server;
use super::{connection, router};
use crate::args::{Cli, Command, Serve};
use crate::commands::keep::log::Log;
use crate::exit::Failure;

/// The parsed command line. It is kept, because parsing takes longer than a run.
static SERVE: LazyLock<Option<Serve>> = LazyLock::new(|| {
    let rate = u32::MAX.to_string();
    match Cli::try_parse_from(["wxtoken", "serve", "--rate", &rate]) {
        Ok(Cli {
            command: Command::Serve(serve),
            ..
        }) => Some(serve),
        _ => None,
    }
});

/// A server that is called by its own process.
pub struct InProcess {
    server: Arc<Server>,
    router: Router,
}

impl InProcess {
    /// Starts a server with the defaults of the command line, except the rate of calls. The fuzzer is faster than
    /// business servers are.
    pub fn start(store: Arc<Store>, audit: &Path) -> Result<InProcess, String> {
        let told = |failure: Failure| failure.error().to_string();
        let Some(serve) = &*SERVE else {
            return Err("the words are not those of serve".into());
        };
        let audit = Audit::start(Some(audit)).map_err(told)?;
        let server = Arc::new(Server::new(store, serve, audit, Log::new()));
        let router = router::of(server.clone());
        Ok(InProcess { server, router })
    }

    /// Returns the answer to a request.
    pub async fn answer(&self, peer: Peer, mut request: Request) -> Response<Body> {
        let origin = connection::origin(peer, None);
        request.extensions_mut().insert(origin);
        let Ok(response) = self.router.clone().call(request).await;
        response
    }

    /// Reads requests from a connection and answers them until it ends.
    pub async fn converse<S>(&self, peer: Peer, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (_open, closing) = watch::channel(false);
        let origin = connection::origin(peer, None);
        connection::answer(stream, origin, self.router.clone(), closing).await;
    }

    /// Writes the rest of the audit.
    pub fn end(self) {
        self.server.audit.end();
    }
}
