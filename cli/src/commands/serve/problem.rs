//! The form of an error in the native API, and its HTTP status.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};
use wxtoken::tool::{Error, Hint, Status};

use super::admission::Refusal;
use crate::ui::hint::in_commands;

/// A JSON answer. Caches must not keep it, because it is for one client only.
pub fn json_answer(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

pub fn answer(refusal: &Refusal) -> Response<Body> {
    let error = told(refusal);
    let mut response = json_answer(status_of(refusal), body_of(&error).to_string());
    if error.retry_after_ms > 0 {
        let seconds = (error.retry_after_ms + 999) / 1000;
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    if matches!(refusal, Refusal::Unknown) {
        let bearer = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
    }
    response
}

fn body_of(error: &Error) -> Value {
    json!({"error": {
        "status": error.status.name(),
        "errcode": error.errcode,
        "message": error.to_string(),
        "hint": error.hint.as_ref().map(|hint| in_commands(hint)),
        "retry_after_ms": error.retry_after_ms,
    }})
}

fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Forwarded => StatusCode::BAD_REQUEST,
        Refusal::FromElsewhere => StatusCode::FORBIDDEN,
        Refusal::Unknown => StatusCode::UNAUTHORIZED,
        Refusal::TooManyWrongKeys | Refusal::TooManyCalls(_) => StatusCode::TOO_MANY_REQUESTS,
        Refusal::NotAllowed(_) => StatusCode::FORBIDDEN,
        Refusal::NotSeen => StatusCode::NOT_FOUND,
        Refusal::Failed(error) => match error.status {
            Status::Argument => StatusCode::BAD_REQUEST,
            Status::Account => StatusCode::NOT_FOUND,
            Status::Store | Status::Secret => StatusCode::SERVICE_UNAVAILABLE,
            Status::Network | Status::Reply | Status::Api => StatusCode::BAD_GATEWAY,
            Status::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Status::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

fn lacks_a_field(error: &Error) -> bool {
    error.status == Status::Account && matches!(error.hint.as_deref(), Some(Hint::Put { .. }))
}

/// Whether an error is about the key file, which it then names. Other errors of secrets say that one is missing.
pub fn is_of_key_file(error: &Error) -> bool {
    let words = ["key file ", "has no key "];
    error.status == Status::Secret && words.iter().any(|words| error.what.contains(words))
}

/// The error that a client sees. It does not name the store's files, nor accounts that the client does not see.
fn told(refusal: &Refusal) -> Error {
    let store = |what: &str| Error::store(what);
    match refusal {
        Refusal::Forwarded => {
            let what = "a proxy speaks for another here, and is not trusted";
            Error::argument(what).advise(
                "Start the server with --trusted-proxy, or let the proxy reach it over https.",
            )
        }
        Refusal::FromElsewhere => Error::argument("the form was not sent from this server"),
        Refusal::Unknown => store("the server does not know this key").advise(
            "Give the client's key: the option server_key_file, or Authorization: Bearer wxk_…",
        ),
        Refusal::TooManyWrongKeys => Error {
            retry_after_ms: 2000,
            ..store("too many wrong keys have come from this address")
        },
        Refusal::NotAllowed(verb) => {
            let what = format!("this client may not {}", verb.name());
            store(&what)
                .advise("On the server, allow it with `wxtoken client change NAME --allow …`.")
        }
        Refusal::NotSeen => Error::new(Status::Account, "there is no such account for this client"),
        Refusal::TooManyCalls(wait) => Error {
            retry_after_ms: i64::try_from(wait.as_millis()).unwrap_or(0).max(1),
            ..store("this client makes more calls than it may")
        },
        // The error names a missing field that the client may put.
        Refusal::Failed(error) if lacks_a_field(error) => error.clone(),
        Refusal::Failed(error) if error.status == Status::Account => {
            Error::new(Status::Account, "there is no such account for this client")
        }
        Refusal::Failed(error) if error.status == Status::Store && error.retry_after_ms == 0 => {
            store("the server cannot use its store").advise("Look into the server's log.")
        }
        Refusal::Failed(error) if is_of_key_file(error) => Error::new(
            Status::Secret,
            "the server cannot use a secret of this account",
        )
        .advise("Look into the server's log."),
        Refusal::Failed(error) => error.clone(),
    }
}
