//! From a refusal, or Graph's answer, to the answer that the caller gets.

use http::header::{
    ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use patchgate_model::envelope::{self, Stamp};
use patchgate_model::refusal::RecordFault;
use patchgate_model::{Refusal, RequestId};

use crate::upstream::{Answer, Body};

const PATCHGATE_REQUEST_ID: HeaderName = HeaderName::from_static("patchgate-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// Graph's answer, with this request's id.
pub fn answer(answer: Answer, request_id: RequestId) -> Response<Body> {
    let mut response = Response::new(answer.body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.headers_mut().insert(PATCHGATE_REQUEST_ID, id(request_id));
    response
}

/// The gateway's own "no".
pub fn refusal(refusal: &Refusal, stamp: Stamp<'_>) -> Response<Body> {
    let mut response = Response::new(Body::Own(envelope::render(refusal, stamp).into()));
    *response.status_mut() =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(PATCHGATE_REQUEST_ID, id(stamp.request_id));
    headers.insert(REQUEST_ID, id(stamp.request_id));
    if let Some(theirs) =
        stamp.client_request_id.and_then(|theirs| HeaderValue::try_from(theirs.as_str()).ok())
    {
        headers.insert(CLIENT_REQUEST_ID, theirs);
    }
    particular(refusal, headers);
    response
}

/// Says that an answer is the last one of its connection.
pub fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Fields that one kind of refusal needs.
fn particular(refusal: &Refusal, headers: &mut HeaderMap) {
    match refusal {
        // The rest of a body that did not come in time is not waited for.
        Refusal::Framing(_) | Refusal::BodyTimeout => close(headers),
        Refusal::Method(allow) => _ = headers.insert(ALLOW, HeaderValue::from_static(allow)),
        Refusal::Credential(_) => _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        Refusal::ContentCoding => _ = headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        Refusal::Overloaded | Refusal::Unrecorded(RecordFault::Busy) => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Refusal::Unrecorded(RecordFault::Unwritable) => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
}

fn id(request_id: RequestId) -> HeaderValue {
    let mut buffer = [0; 36];
    // Hexadecimal digits and dashes make a header value.
    HeaderValue::from_str(request_id.encode(&mut buffer)).unwrap_or_else(|_| HeaderValue::from_static(""))
}
