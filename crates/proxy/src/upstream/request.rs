//! What goes upstream: target and host rebuilt, headers from the allow-list, the checked bytes.

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use patchgate_validator::Edit;

use super::origin::Origin;
use crate::ruleset::{AdmittedRead, Outbound};
use crate::telemetry::traces::ClientSpan;

/// A request with a whole body, as the client sends it. It is handed on often, and so lies in one place.
pub(super) type Outgoing = Box<Request<Full<Bytes>>>;

/// The request for an edit.
pub(super) fn edit(origin: &Origin, edit: &Edit, outbound: Outbound, span: &ClientSpan) -> Outgoing {
    let (fields, parsed) = outbound.into_parts();
    let target = origin.target(edit.resource().path());
    // The same text need not be parsed twice.
    let target = match parsed.filter(|parsed| parsed.as_str() == target) {
        Some(parsed) => Uri::from(parsed),
        None => uri(&target),
    };
    request(origin, Method::PATCH, target, fields, span, edit.bytes().clone())
}

/// The request for a read.
pub(super) fn read(origin: &Origin, read: &AdmittedRead, span: &ClientSpan) -> Outgoing {
    let target = uri(&origin.target(&read.target()));
    request(origin, Method::GET, target, read.headers().fields().clone(), span, Bytes::new())
}

/// A path that matched a route, and a query that was part of a parsed target, make a valid target.
fn uri(target: &str) -> Uri {
    PathAndQuery::try_from(target).map(Uri::from).unwrap_or_default()
}

fn request(
    origin: &Origin,
    method: Method,
    target: Uri,
    headers: HeaderMap,
    span: &ClientSpan,
    body: Bytes,
) -> Outgoing {
    let mut request = Box::new(Request::new(Full::new(body)));
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, origin.host_field().clone());
    span.inject(request.headers_mut());
    request
}
