//! A platform's reply on its way back. A short text is read whole and examined. Everything else is passed on as it
//! arrives. A token or a secret passes in neither.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, header, response};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use memchr::memmem::Finder;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep, timeout};
use wxtoken::tool::{Error, Status};

use super::needles::Needles;
use super::outgoing::Limits;
use super::stillness::Stillness;

/// The longest text that is examined, in bytes. The limit applies to it as it arrives, and unpacked.
const LOOKED_AT: usize = 1 << 20;
const UNPACKED: u64 = 8 << 20;
/// Fields by which a reply would give a lasting secret away.
static GIVEN_AWAY: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["access_token\"", "refresh_token\"", "permanent_code\""].map(Finder::new));
static ERRCODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"errcode\""));

/// A reply, as far as it has been read.
pub struct Reply {
    pub head: response::Parts,
    pub body: Incoming,
    /// The part of the body that has been read.
    read: Vec<u8>,
    /// Whether that part is a whole text.
    is_whole: bool,
    /// The text, if the body is packed.
    unpacked: Option<Vec<u8>>,
    is_packed: bool,
}

impl Reply {
    /// Reads the head, and the body if it is a short text.
    pub async fn read(response: Response<Incoming>, limits: Limits) -> Result<Reply, Error> {
        let (mut head, body) = response.into_parts();
        if head.status.is_redirection() {
            return Err(unusable("it is a redirect, which is not followed"));
        }
        let packing = head.headers.get(header::CONTENT_ENCODING);
        let is_packed = match packing.map(|packing| packing.as_bytes()) {
            None | Some(b"identity") => false,
            Some(b"gzip") => true,
            Some(_) => return Err(unusable("it is packed in a way that was not asked for")),
        };
        // The length is written again. In a reply with chunks, the header would be another length.
        head.headers = end_to_end(&head.headers, &["content-length"]);
        // A browser may be led here with a stand-in. A document of the platform must not act as one of the page.
        let alone = header::HeaderValue::from_static("sandbox");
        head.headers.insert(header::CONTENT_SECURITY_POLICY, alone);
        let mut reply = Reply {
            head,
            body,
            read: Vec::new(),
            is_whole: false,
            unpacked: None,
            is_packed,
        };
        if reply.body.size_hint().lower() > limits.most {
            return Err(unusable("it is longer than replies may be"));
        }
        if reply.is_text() && reply.body.size_hint().lower() <= LOOKED_AT as u64 {
            let read = timeout(limits.whole(), reply.read_text(limits)).await;
            read.map_err(|_| stood_still())??;
        }
        Ok(reply)
    }

    async fn read_text(&mut self, limits: Limits) -> Result<(), Error> {
        loop {
            let frame = timeout(limits.idle, self.body.frame()).await;
            match frame.map_err(|_| stood_still())? {
                None => break,
                Some(Err(_)) => return Err(unusable("it was cut off")),
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.read.extend_from_slice(&data);
                }
            }
            if self.read.len() as u64 > limits.most {
                return Err(unusable("it is longer than replies may be"));
            }
            if self.read.len() > LOOKED_AT {
                return Ok(());
            }
        }
        if self.is_packed {
            let text = unpacked(&self.read);
            self.unpacked = Some(text.ok_or_else(|| unusable("it cannot be unpacked"))?);
        }
        self.is_whole = true;
        Ok(())
    }

    /// The text, if it was read whole.
    fn text(&self) -> Option<&[u8]> {
        let text = self.unpacked.as_ref().unwrap_or(&self.read);
        self.is_whole.then_some(text)
    }

    /// Whether the reply is a text by its type. Errors are texts, whatever the call returns otherwise.
    fn is_text(&self) -> bool {
        let kind = self.head.headers.get(header::CONTENT_TYPE);
        let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) else {
            return true;
        };
        let kind = kind.to_ascii_lowercase();
        let is_one = |word: &&str| kind.contains(*word);
        kind.starts_with("text/") || ["json", "xml", "javascript"].iter().any(is_one)
    }

    /// The errcode of the reply, or 0 if it has none.
    pub fn errcode(&self) -> i64 {
        let Some(object) = self.object() else {
            return 0;
        };
        object.get("errcode").and_then(Value::as_i64).unwrap_or(0)
    }

    fn object(&self) -> Option<Value> {
        let text = self.text()?;
        ERRCODE.find(text)?;
        serde_json::from_slice(text.trim_ascii_start()).ok()
    }

    /// Whether the reply has a field that no client may see.
    pub fn gives_away(&self) -> bool {
        let text = self.text().unwrap_or_default();
        GIVEN_AWAY.iter().any(|field| field.find(text).is_some())
    }

    /// The text in a field, if the reply is a JSON object.
    pub fn field(&self, name: &str) -> Option<String> {
        let object: Value = serde_json::from_slice(self.text()?).ok()?;
        object.get(name)?.as_str().map(str::to_owned)
    }

    /// The answer to the client. `turn` is released when a long body has passed.
    pub fn passed_on(
        self,
        needles: Needles,
        limits: Limits,
        turn: OwnedSemaphorePermit,
    ) -> Response<Body> {
        let mut head = self.head;
        for value in head.headers.values_mut() {
            if needles.are_in(value.as_bytes()) {
                let clean = needles.replaced(value.as_bytes());
                *value = header::HeaderValue::from_bytes(&clean)
                    .unwrap_or(header::HeaderValue::from_static(""));
            }
        }
        let text = self.unpacked.as_ref().unwrap_or(&self.read);
        let body = match self.is_whole {
            true if needles.are_in(text) => {
                head.headers.remove(header::CONTENT_ENCODING);
                Body::from(needles.replaced(text))
            }
            true => Body::from(self.read),
            false => Body::new(Guarded {
                length: (self.body.size_hint().exact()).map(|rest| rest + self.read.len() as u64),
                begin: Some(self.read.into()).filter(|begin: &Bytes| !begin.is_empty()),
                rest: self.body,
                held: Vec::new(),
                needles,
                left: limits.most,
                stillness: Stillness::of(limits.idle),
                lasts: Box::pin(sleep(limits.whole())),
                ended: false,
                _turn: turn,
            }),
        };
        Response::from_parts(head, body)
    }
}

/// A body that is passed on as it arrives, without the texts that must not pass.
struct Guarded {
    begin: Option<Bytes>,
    rest: Incoming,
    /// The end of the data so far, which may begin a text that must not pass.
    held: Vec<u8>,
    needles: Needles,
    length: Option<u64>,
    left: u64,
    stillness: Stillness,
    lasts: Pin<Box<Sleep>>,
    ended: bool,
    _turn: OwnedSemaphorePermit,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            let data = match self.next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(e))) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(e)));
                }
                Poll::Ready(Some(Ok(data))) => data,
                Poll::Ready(None) => {
                    self.ended = true;
                    let held = std::mem::take(&mut self.held);
                    return Poll::Ready(match held.is_empty() {
                        true => None,
                        false => Some(Ok(Frame::data(held.into()))),
                    });
                }
            };
            match self.cleared(data) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(e) => {
                    self.ended = true;
                    return Poll::Ready(Some(Err(e)));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Guarded {
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some(begin) = self.begin.take() {
            return Poll::Ready(Some(Ok(begin)));
        }
        let came = Pin::new(&mut self.rest).poll_frame(cx);
        match self.stillness.judge(came, cx) {
            Poll::Ready(Some(frame)) => Poll::Ready(frame.map(|frame| match frame {
                Ok(frame) => Ok(frame.into_data().unwrap_or_default()),
                Err(_) => Err(unusable("it was cut off")),
            })),
            Poll::Ready(None) => Poll::Ready(Some(Err(stood_still()))),
            Poll::Pending => self
                .lasts
                .as_mut()
                .poll(cx)
                .map(|()| Some(Err(stood_still()))),
        }
    }

    /// The part of the data that may pass. Fails if the data holds a text that must not, and the answer breaks off
    /// there.
    fn cleared(&mut self, data: Bytes) -> Result<Bytes, Error> {
        let left = self.left.checked_sub(data.len() as u64);
        self.left = left.ok_or_else(|| unusable("it is longer than replies may be"))?;
        let data = match self.held.is_empty() {
            true => data,
            false => {
                let mut joined = std::mem::take(&mut self.held);
                joined.extend_from_slice(&data);
                joined.into()
            }
        };
        if self.needles.are_in(&data) {
            return Err(unusable("it holds what no client is to see"));
        }
        let begun = self.needles.begun_at_end_of(&data);
        let whole = data.len() - begun;
        self.held = data[whole..].to_vec();
        Ok(data.slice(..whole))
    }
}

fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let unpacker = flate2::read::MultiGzDecoder::new(bytes);
    let read = unpacker.take(UNPACKED + 1).read_to_end(&mut text);
    (read.is_ok() && text.len() as u64 <= UNPACKED).then_some(text)
}

/// Headers for one hop only, and cookies, which a platform's API does not have.
const OF_A_HOP: [&str; 13] = [
    "connection",
    "cookie",
    "keep-alive",
    "location",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "refresh",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The headers that are passed on: all except those of a hop and those in `but`.
pub fn end_to_end(headers: &HeaderMap, but: &[&str]) -> HeaderMap {
    let of_connection = headers.get_all(header::CONNECTION);
    let of_connection = of_connection.iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> = of_connection
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let mut kept = HeaderMap::with_capacity(headers.keys_len() + 2);
    for (name, value) in headers {
        let text = name.as_str();
        let ends_here =
            OF_A_HOP.contains(&text) || but.contains(&text) || named.iter().any(|one| one == text);
        if !ends_here {
            kept.append(name, value.clone());
        }
    }
    kept
}

fn unusable(why: &str) -> Error {
    Error::new(Status::Reply, "the platform's reply cannot be passed on").because(why)
}

fn stood_still() -> Error {
    Error::new(Status::Timeout, "the platform's reply stood still")
}
