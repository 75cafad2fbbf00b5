//! Which path is whose, and what every answer has in common.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::routing::{any, get, post, put};
use wxtoken::tool::Error;

use super::admission::Refusal;
use super::server::Server;
use super::{health, native, page, problem, wechat};

/// How long the body of a request may take to come.
pub const BODY_TIME: Duration = Duration::from_secs(5);

pub fn of(server: Arc<Server>) -> Router {
    let mut router = Router::new()
        .route("/v1/account", get(native::accounts))
        .route("/v1/account/{account}", get(native::account))
        .route("/v1/token", get(native::current_token))
        .route("/v1/token/{account}", get(native::token))
        .route("/v1/token/{account}/{credential}", get(native::token))
        .route("/v1/reject", post(native::reject_current))
        .route("/v1/reject/{account}", post(native::reject))
        .route("/v1/reject/{account}/{credential}", post(native::reject))
        .route("/v1/put/{account}/{field}", put(native::put))
        .route("/v1/status", get(native::status))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .merge(page::routes());
    let mut paths: Vec<&str> = server.wechat_calls.iter().map(|call| call.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        router = router.route(path, any(wechat::answer));
    }
    router
        .fallback(|| async { unknown(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async { unknown(StatusCode::METHOD_NOT_ALLOWED) })
        .layer(from_fn(uncached))
        .with_state(server)
}

/// Nothing on the way keeps an answer.
async fn uncached(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn unknown(status: StatusCode) -> Response<Body> {
    let error = Error::argument("the server has no such call")
        .advise("The paths are /v1/token/ACCOUNT, /v1/account/ACCOUNT, /v1/reject/ACCOUNT, /v1/put/ACCOUNT/FIELD, /v1/status, and WeChat's own.");
    let mut response = problem::answer(&Refusal::Failed(error));
    *response.status_mut() = status;
    response
}
