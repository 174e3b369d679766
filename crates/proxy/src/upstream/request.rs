//! What goes upstream: target and host rebuilt, headers from the allow-list, the checked bytes.

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use patchgate_validator::Edit;

use super::origin::Origin;
use crate::ruleset::AdmittedRead;
use crate::telemetry::traces::ClientSpan;

/// A request with a whole body, as the client sends it.
pub(super) type Outgoing = Request<Full<Bytes>>;

/// The request for an edit.
pub(super) fn edit(origin: &Origin, edit: &Edit, headers: HeaderMap, span: &ClientSpan) -> Outgoing {
    request(origin, Method::PATCH, edit.resource().path(), headers, span, edit.bytes().clone())
}

/// The request for a read.
pub(super) fn read(origin: &Origin, read: &AdmittedRead, span: &ClientSpan) -> Outgoing {
    request(origin, Method::GET, &read.target(), read.headers().fields().clone(), span, Bytes::new())
}

fn request(
    origin: &Origin,
    method: Method,
    path: &str,
    headers: HeaderMap,
    span: &ClientSpan,
    body: Bytes,
) -> Outgoing {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    // A path that matched a route, and a query that was part of a parsed target, make a valid target.
    *request.uri_mut() = PathAndQuery::try_from(origin.target(path)).map(Uri::from).unwrap_or_default();
    *request.headers_mut() = headers;
    request.headers_mut().insert(HOST, origin.host_field().clone());
    span.inject(request.headers_mut());
    request
}
