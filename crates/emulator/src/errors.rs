//! What Graph answers when it says no: one envelope for everything.
//!
//! Invariant: an error answer always has `code`, `message` and `innerError` with `date`, `request-id` and
//! `client-request-id`. The sentences are this project's own, the codes are Graph's.

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// A refusal by the emulated Graph.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// A header that belongs to the status.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), header: None }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        let challenge = HeaderValue::from_static(
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\"",
        );
        let mut problem = Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message);
        problem.header = Some((header::WWW_AUTHENTICATE, challenge));
        problem
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    pub(crate) fn no_incident(id: &str) -> Self {
        let message = format!("There is no incident '{id}' in this tenant.");
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let message = format!("This resource takes {allow} only.");
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message);
        problem.header = Some((header::ALLOW, HeaderValue::from_static(allow)));
        problem
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLarge", "The request body is larger than 4 MiB.")
    }

    pub(crate) fn unsupported_media_type(message: &str) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// A scripted answer: the code follows from the status.
    pub(crate) fn scripted(status: StatusCode) -> Self {
        let message = format!("The emulator was told to answer {}.", status.as_u16());
        let code = match status {
            StatusCode::UNAUTHORIZED => return Self::unauthenticated(&message),
            StatusCode::BAD_REQUEST => "BadRequest",
            StatusCode::FORBIDDEN => "Forbidden",
            StatusCode::NOT_FOUND => "ResourceNotFound",
            StatusCode::CONFLICT => "Conflict",
            StatusCode::PRECONDITION_FAILED => "PreconditionFailed",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequests",
            StatusCode::INTERNAL_SERVER_ERROR => "InternalServerError",
            StatusCode::BAD_GATEWAY => "BadGateway",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailable",
            StatusCode::GATEWAY_TIMEOUT => "GatewayTimeout",
            _ => "UnknownError",
        };
        Self::new(status, code, message)
    }

    /// The envelope. `date` is without a zone, as Graph writes it.
    pub(crate) fn envelope(&self, date: &str, request_id: &str, client_request_id: &str) -> Value {
        json!({"error": {
            "code": self.code,
            "message": self.message,
            "innerError": {"date": date, "request-id": request_id, "client-request-id": client_request_id},
        }})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_what_sdks_read() {
        let problem = Problem::bad_request("no");
        let expected = json!({"error": {"code": "BadRequest", "message": "no", "innerError": {
            "date": "2026-11-24T08:00:00", "request-id": "a", "client-request-id": "b"}}});
        assert_eq!(problem.envelope("2026-11-24T08:00:00", "a", "b"), expected);
    }
}
