//! The page at `/`. It shows the state of every account, failures and their remedies, the clients' calls, and the
//! state of keeper and store. The server draws it whole, and it works without its script. The script only fetches it
//! again and replaces the parts that changed. The page shows no token and changes nothing.
//!
//! A client with the right `status` signs in with its key and gets a cookie (`session`). It sees what `/v1/status`
//! would return to it, and sees other clients only if it sees all accounts. A client that is known by its certificate
//! or its user needs no session.
//!
//! `browser` reads the browser's headers, and `overview` collects the facts. `frame`, `tables` and `troubles` make
//! the HTML, and `words` has the text.

mod browser;
mod frame;
mod overview;
mod session;
mod tables;
mod troubles;
mod words;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use axum::routing::{get, post};
use axum::{Extension, Router};
use maud::Markup;
use wxtoken::tool::{ClientSet, GivenKey, Verb};

use self::browser::Browser;
use self::frame::{Notice, sign_in_form};
use self::overview::Overview;
use self::session::Sessions;
use self::words::Language;
use super::admission::{Call, Caller, Refusal};
use super::limits::Buckets;
use super::native::bytes;
use super::origin::Origin;
use super::problem;
use super::server::Server;
use super::wechat::parameters::Parameters;

/// The policy forbids everything from elsewhere, everything inline, and frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// The lines per second in the audit of a page that refreshes itself: one a minute.
const LINES_PER_SECOND: f64 = 1.0 / 60.0;

/// The state that the page keeps from one request to the next.
pub struct Page {
    sessions: Sessions,
    /// Limits the lines of the audit on views, by client.
    views: Buckets<String>,
}

impl Page {
    pub fn new() -> Page {
        Page {
            sessions: Sessions::default(),
            views: Buckets::new(LINES_PER_SECOND, 1.0),
        }
    }
}

pub fn routes() -> Router<Arc<Server>> {
    let file = |kind: &'static str, text: &'static str| {
        get(move || async move { with_type(Response::new(Body::from(text)), kind) })
    };
    Router::new()
        .route("/", get(view).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/page.css", file("text/css", include_str!("page.css")))
        .route("/page.js", file("text/javascript", include_str!("page.js")))
        .route("/page.svg", file("image/svg+xml", include_str!("page.svg")))
}

async fn view(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let mut call = Call::begin(&server, &origin, "page");
    let asker = call.find_asker(&headers);
    let browser = Browser::of(&call, &headers);
    let query = Parameters::of_query(uri.query().unwrap_or_default()).unwrap_or_default();
    if let Some(language) = query.get("language").and_then(Language::tagged) {
        return home(&browser.set_language(language));
    }
    let seen = match asker {
        Ok(_) => look(&mut call, &browser).await,
        Err(refusal) => Err(refusal),
    };
    match seen {
        // A request for the form to sign in has no line in the audit.
        Ok(Seen::Form(form)) => form,
        Ok(Seen::Page(page, outcome)) => {
            call.end(&outcome);
            page
        }
        Err(refusal) => refuse(call, refusal, browser.language()),
    }
}

enum Seen {
    Form(Response<Body>),
    Page(Response<Body>, Result<(), Refusal>),
}

async fn look(call: &mut Call<'_>, browser: &Browser<'_>) -> Result<Seen, Refusal> {
    let clients = call.clients().await?;
    let language = browser.language();
    let caller = match browser.session() {
        Some(cookie) => match of_session(call, &clients, cookie) {
            Some(caller) => Some(caller?),
            None => {
                call.server.page.sessions.end(cookie);
                let form = sign_in_form(language, Some(Notice::SessionOver));
                return Ok(Seen::Form(html(StatusCode::OK, form)));
            }
        },
        None => call.admit_without_key().await?,
    };
    let Some(caller) = caller.filter(|caller| caller.client.may(Verb::Status)) else {
        return Ok(Seen::Form(html(
            StatusCode::OK,
            sign_in_form(language, None),
        )));
    };
    let views = &call.server.page.views;
    call.is_audited = views.take(&caller.name, Instant::now()).is_ok();
    let report = call.server.work.long(|store| store.report()).await?;
    let (report, outcome) = match report {
        Ok(report) => (Some(report), Ok(())),
        Err(error) => (None, Err(error.into())),
    };
    let overview = Overview::of(call.server, &clients, &caller, report);
    let status = match outcome {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let page = frame::whole(&overview, language, browser.session().is_some());
    Ok(Seen::Page(html(status, page), outcome))
}

/// The client of this session, while its key is valid and it may see the status.
fn of_session(
    call: &mut Call<'_>,
    clients: &ClientSet,
    cookie: &str,
) -> Option<Result<Caller, Refusal>> {
    let key = call.server.page.sessions.key_of(cookie, Instant::now())?;
    let (name, client) = clients.of_given_key(&key)?;
    client.may(Verb::Status).then(|| call.take(name, client))
}

async fn sign_in(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    request: Request,
) -> Response<Body> {
    let mut call = Call::begin(&server, &origin, "sign-in");
    let headers = request.headers().clone();
    let asker = call.find_asker(&headers);
    let browser = Browser::of(&call, &headers);
    let begun = match asker {
        Ok(_) => begin(&mut call, &browser, request.into_body()).await,
        Err(refusal) => Err(refusal),
    };
    match begun {
        Ok(cookie) => {
            call.end(&Ok(()));
            home(&browser.set_session(&cookie))
        }
        Err(refusal) => refuse(call, refusal, browser.language()),
    }
}

/// Begins a session. Returns its cookie.
async fn begin(call: &mut Call<'_>, browser: &Browser<'_>, body: Body) -> Result<String, Refusal> {
    if !browser.sends_from_here() {
        return Err(Refusal::FromElsewhere);
    }
    let body = bytes(body).await?;
    let form = std::str::from_utf8(&body).unwrap_or_default();
    let form = Parameters::of_query(form).unwrap_or_default();
    let key = GivenKey::parse(form.get("key").unwrap_or_default().trim());
    let clients = call.clients().await?;
    let known = key.as_ref().and_then(|key| clients.of_given_key(key));
    let (Some(key), Some((name, client))) = (&key, known) else {
        return Err(call.refuse_stranger().await);
    };
    let caller = call.take(name, client)?;
    caller.require(Verb::Status)?;
    let sessions = &call.server.page.sessions;
    // The browser's session before this one must not live on unseen.
    if let Some(before) = browser.session() {
        sessions.end(before);
    }
    Ok(sessions.begin(key.clone(), Instant::now())?)
}

async fn sign_out(
    State(server): State<Arc<Server>>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Response<Body> {
    let mut call = Call::begin(&server, &origin, "sign-out");
    let asker = call.find_asker(&headers);
    let browser = Browser::of(&call, &headers);
    let is_ours = asker.and_then(|_| match browser.sends_from_here() {
        true => Ok(()),
        false => Err(Refusal::FromElsewhere),
    });
    if let Err(refusal) = is_ours {
        return refuse(call, refusal, browser.language());
    }
    if let Some(cookie) = browser.session() {
        if let Ok(clients) = call.clients().await {
            of_session(&mut call, &clients, cookie);
        }
        server.page.sessions.end(cookie);
        call.end(&Ok(()));
    }
    home(&browser.set_session(""))
}

/// Shows the form again, with the reason.
fn refuse(call: Call, refusal: Refusal, language: Language) -> Response<Body> {
    let mut response = problem::answer(&refusal);
    let form = sign_in_form(language, Some(Notice::Refused(&refusal)));
    *response.body_mut() = Body::from(form.into_string());
    call.end(&Err(refusal));
    as_page(response)
}

/// Redirects to the page, by a request of its own.
fn home(cookie: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_static("/"));
    set_cookie(response, cookie)
}

fn set_cookie(mut response: Response<Body>, line: &str) -> Response<Body> {
    if let Ok(line) = HeaderValue::from_str(line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}

fn html(status: StatusCode, page: Markup) -> Response<Body> {
    let mut response = Response::new(Body::from(page.into_string()));
    *response.status_mut() = status;
    as_page(response)
}

fn as_page(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    let policy = HeaderValue::from_static(POLICY);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // Without any referrer, a browser would not say that a form is sent from here either.
    let referrer = HeaderValue::from_static("same-origin");
    headers.insert(header::REFERRER_POLICY, referrer);
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(name, HeaderValue::from_static("same-origin"));
    }
    with_type(response, "text/html; charset=utf-8")
}

fn with_type(mut response: Response<Body>, kind: &'static str) -> Response<Body> {
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
