//! Graph's error envelope, which every Graph SDK can read.

use jiff::Timestamp;
use serde::Serialize;

use crate::ids::{ClientRequestId, Generation, RequestId};
use crate::refusal::Refusal;

/// What an envelope says besides the refusal.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    /// When the request was received.
    pub received: Timestamp,
    /// The request's id.
    pub request_id: RequestId,
    /// The caller's own id, if it sent one.
    pub client_request_id: Option<&'a ClientRequestId>,
    /// The ruleset that decided.
    pub generation: Generation,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail<'a>>,
    #[serde(rename = "innerError")]
    inner: Inner<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    target: &'a str,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Inner<'a> {
    date: String,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_id: Option<&'a str>,
    source: &'a str,
    generation: u64,
}

/// The body of a refusal's answer: `application/json`.
pub fn render(refusal: &Refusal, stamp: Stamp<'_>) -> Vec<u8> {
    let violations = refusal.violations();
    let details = violations
        .iter()
        .map(|violation| Detail {
            code: violation.code().as_str(),
            target: &violation.target,
            message: violation.message(),
        })
        .collect();
    let envelope = Envelope {
        error: Error {
            code: refusal.code(),
            message: refusal.message(),
            target: violations.first().map(|violation| violation.target.as_str()),
            details,
            inner: Inner {
                // Graph writes UTC without a zone; an HTTP date would make some SDKs lose the whole error.
                date: stamp.received.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                request_id: stamp.request_id.to_string(),
                client_request_id: stamp.client_request_id.map(ClientRequestId::as_str),
                source: "patchgate",
                generation: stamp.generation.0,
            },
        },
    };
    // Strings and numbers alone: this does not fail.
    serde_json::to_vec(&envelope).unwrap_or_default()
}
