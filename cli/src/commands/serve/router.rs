//! The routes of the server, and the common parts of all answers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::routing::{any, get, post, put};
use axum::{Extension, Router};
use wxtoken::tool::{Error, WechatHost};

use super::admission::Refusal;
use super::origin::Origin;
use super::server::Server;
use super::{forward, health, native, page, problem, wechat};

/// The time limit of a request's body.
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
    router = with_platforms_paths(router, &server, None);
    for (prefix, host) in [
        ("/weixin", WechatHost::Weixin),
        ("/qyapi", WechatHost::Wecom),
    ] {
        router = router.nest(
            prefix,
            with_platforms_paths(Router::new(), &server, Some(host)),
        );
    }
    router
        .method_not_allowed_fallback(|| async { unknown(StatusCode::METHOD_NOT_ALLOWED) })
        .layer(from_fn(uncached))
        .with_state(server)
}

/// Adds WeChat's calls that are answered here, and forwards every other path to the platform. A prefix names one of
/// the two platforms.
fn with_platforms_paths(
    mut router: Router<Arc<Server>>,
    server: &Server,
    host: Option<WechatHost>,
) -> Router<Arc<Server>> {
    let calls = server.wechat_calls.iter();
    let calls = calls.filter(|call| host.is_none_or(|host| call.host == host));
    let mut paths: Vec<&str> = calls.map(|call| call.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        router = router.route(path, any(wechat::answer));
    }
    router.fallback(
        move |State(server): State<Arc<Server>>,
              Extension(origin): Extension<Origin>,
              request: Request| { forward::answer(server, origin, host, request) },
    )
}

/// Marks an answer as one that caches must not keep.
async fn uncached(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

pub fn unknown(status: StatusCode) -> Response<Body> {
    let error = Error::argument("the server has no such call")
        .advise("The paths are /v1/token/ACCOUNT, /v1/account/ACCOUNT, /v1/reject/ACCOUNT, /v1/put/ACCOUNT/FIELD, /v1/status, and WeChat's own.");
    let mut response = problem::answer(&Refusal::Failed(error));
    *response.status_mut() = status;
    response
}
