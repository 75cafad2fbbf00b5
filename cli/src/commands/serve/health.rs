//! `/healthz`, `/readyz` and `/metrics`, for programs that watch the server. They name no account to strangers.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use wxtoken::tool::{AccountReport, Verb};

use super::admission::{Call, Refusal, bearer};
use super::origin::Origin;
use super::problem;
use super::server::Server;
use crate::ui::prometheus;

pub async fn alive() -> Response<Body> {
    text(StatusCode::OK, "ok\n".into())
}

/// The result of the last look for readiness. Strangers may ask too, so all of them share one look a second.
#[derive(Default)]
pub struct Readiness(tokio::sync::Mutex<Option<(Instant, Said)>>);

type Said = (StatusCode, String);

/// The time for which a look is good.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Whether the server can hand out every token.
pub async fn ready(State(server): State<Arc<Server>>) -> Response<Body> {
    let mut last = server.readiness.0.lock().await;
    let known = last
        .as_ref()
        .filter(|(at, _)| at.elapsed() < GOOD_FOR)
        .map(|(_, said)| said.clone());
    let (status, said) = match known {
        Some(said) => said,
        None => {
            let said = look(&server).await;
            *last = Some((Instant::now(), said.clone()));
            said
        }
    };
    text(status, said)
}

async fn look(server: &Server) -> Said {
    let unready = StatusCode::SERVICE_UNAVAILABLE;
    let report = match server.work.look(|store| store.report()).await {
        Ok(Ok(report)) if report.away.is_none() => report,
        _ => return (unready, "the store cannot be read\n".into()),
    };
    // An account whose token was never fetched has no row yet.
    let has_token = |account: &AccountReport| {
        let mut tokens = account.tokens.iter();
        tokens.any(|token| token.is_access_token() && token.is_valid())
    };
    let all = report.accounts.len();
    match report
        .accounts
        .iter()
        .filter(|account| !has_token(account))
        .count()
    {
        0 => (StatusCode::OK, "ready\n".into()),
        without => (
            unready,
            format!("{without} of {all} accounts without a token\n"),
        ),
    }
}

/// Answers a neighbour on this host, and elsewhere clients with the right `status`.
pub async fn metrics(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Response<Body> {
    let mut call = Call::begin(&server, &origin, "metrics");
    match measured(&mut call, &headers).await {
        // Monitoring looks every few seconds, so a success has no line in the audit.
        Ok(response) => response,
        Err(refusal) => {
            let response = problem::answer(&refusal);
            call.end(&Err(refusal));
            response
        }
    }
}

async fn measured(call: &mut Call<'_>, headers: &HeaderMap) -> Result<Response<Body>, Refusal> {
    let asker = call.find_asker(headers)?;
    let mut sees: Box<dyn Fn(&str) -> bool + Send> = Box::new(|_| true);
    let mut sees_all = true;
    if !asker.is_neighbour() {
        let caller = call.admit(bearer(headers)).await?;
        caller.require(Verb::Status)?;
        sees_all = caller.client.accounts.is_none();
        sees = Box::new(move |name| caller.client.sees(name));
    }
    let mut written = match call.server.work.look(|store| store.report()).await? {
        Ok(mut report) => {
            report.accounts.retain(|account| sees(&account.name));
            prometheus::write(&report)
        }
        Err(_) => prometheus::write_down(),
    };
    let counts = &call.server.counts;
    let _ = writeln!(
        written,
        "# HELP wxtoken_server_calls_total Calls to the server, by result.\n\
         # TYPE wxtoken_server_calls_total counter"
    );
    for (result, count) in [
        ("ok", &counts.served),
        ("refused", &counts.refused),
        ("failed", &counts.failed),
    ] {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(
            written,
            "wxtoken_server_calls_total{{result=\"{result}\"}} {count}"
        );
    }
    let own = call.client.as_deref();
    let is_seen = |client: &str| sees_all || own == Some(client);
    call.server.forwarding.counts.write(is_seen, &mut written);
    let mut response = text(StatusCode::OK, written);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    Ok(response)
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}
