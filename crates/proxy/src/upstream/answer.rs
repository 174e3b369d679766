//! Graph's answer on its way back: unchanged, but for what belongs to a connection, and links.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::client::Response;
use super::links::Links;
use super::stream::Stream;

/// Whether a field belongs to one connection (RFC 9110, 7.6.1).
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// An answer of Graph, its body still to come.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields, without those of the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Answer {
    /// `patience` is for each piece of the body.
    pub(super) fn of(response: Response, patience: Duration) -> Self {
        let (parts, body) = response.into_parts();
        let mut headers = parts.headers;
        // Most answers have one such field: nothing is allocated for it.
        let (mut first, mut gone) = (None, Vec::new());
        for (name, value) in &headers {
            // "3, 3" is 3 to the parser, and goes on to nobody like that (RFC 9110, 8.6): who writes the answer says it anew.
            if name == CONTENT_LENGTH && !value.as_bytes().iter().all(u8::is_ascii_digit) {
                gone.push(CONTENT_LENGTH);
            }
            if !is_hop_by_hop(name) {
                continue;
            }
            if let Some(another) = first.replace(name.clone()) {
                gone.push(another);
            }
            if name == TRANSFER_ENCODING {
                // The parser went by the chunks (RFC 9112, 6.3), and so must whoever reads it next.
                gone.push(CONTENT_LENGTH);
            } else if name == CONNECTION {
                let options = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
                let named = options.filter(|option| is_named(option));
                gone.extend(named.filter_map(|option| HeaderName::from_bytes(option).ok()));
            }
        }
        for name in first.iter().chain(&gone) {
            headers.remove(name);
        }
        Self { status: parts.status, headers, body: Body::Streamed(Stream::new(body, patience)) }
    }
}

/// Whether an option of a connection may be the name of a field that is not removed anyway.
fn is_named(option: &[u8]) -> bool {
    !option.eq_ignore_ascii_case(b"keep-alive") && !option.eq_ignore_ascii_case(b"close")
}

/// Whether a body is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The body of an answer to a caller.
#[derive(Debug)]
pub enum Body {
    /// The gateway's own words.
    Own(Bytes),
    /// Graph's, as they come.
    Streamed(Stream),
    /// Graph's, with links turned to the gateway.
    Linked(Stream, Links),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(stream) => Pin::new(stream).poll_frame(cx),
            Self::Linked(stream, links) => loop {
                let Poll::Ready(polled) = Pin::new(&mut *stream).poll_frame(cx) else { return Poll::Pending };
                let turned = match polled {
                    Some(Ok(frame)) => frame.into_data().map(|data| links.turn(&data)).unwrap_or_default(),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => {
                        let rest = links.rest();
                        return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest))));
                    }
                };
                if !turned.is_empty() {
                    return Poll::Ready(Some(Ok(Frame::data(turned))));
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_empty(),
            Self::Streamed(stream) => stream.is_end_stream(),
            Self::Linked(stream, links) => stream.is_end_stream() && links.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(stream) => stream.size_hint(),
            Self::Linked(..) => SizeHint::default(),
        }
    }
}
