//! The head of a request as a plain value: what the core decides on before a byte of the body is read.

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;

/// A request's head. It is made of an HTTP request, or by whoever wants to know what the gateway would decide.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method, compared byte for byte.
    pub method: Method,
    /// The target as it was sent.
    pub target: Target,
    /// The header fields.
    pub headers: HeaderMap,
    /// When the request was received: the only clock the core sees.
    pub received: Timestamp,
}

/// A request target (RFC 9112, 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A path that begins with `/`, with an optional query, undecoded.
    Origin(PathAndQuery),
    /// A whole URL.
    Absolute,
    /// `*`, or a bare authority.
    Other,
}

impl Target {
    /// The path, undecoded, if the target has one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Origin(target) => Some(target.path()),
            Self::Absolute | Self::Other => None,
        }
    }

    /// The form and text of a parsed target. `Uri` keeps path and query as they were sent; a fragment, which must not be
    /// there, it has cut off.
    pub fn of(uri: Uri) -> Self {
        let parts = uri.into_parts();
        match (parts.scheme, parts.authority, parts.path_and_query) {
            (Some(_), ..) => Self::Absolute,
            (None, None, Some(target)) if target.as_str().starts_with('/') => Self::Origin(target),
            _ => Self::Other,
        }
    }
}
