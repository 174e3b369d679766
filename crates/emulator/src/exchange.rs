//! One request, from its head to the answer's: Graph's answer, and what a fault makes of it.
//!
//! Invariant: the only place that reads the clock. The request is carried out, if at all, before the first wait of a
//! fault.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use uuid::{NoContext, Uuid};

use crate::api::{self, Answer, Call};
use crate::body::{AnswerBody, Broken, Content, Manner};
use crate::errors::Problem;
use crate::faults::{Ending, Fault, Spelling};
use crate::incident::ENUM_PROPERTIES;
use crate::wire::Line;
use crate::{Shared, until};

/// The most bytes of a request's body, as Graph has it.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// The chunks of a slow body, unless a fault says otherwise.
const SLOW_CHUNK: usize = 256;
/// The header by which a request asks for a fault.
const FAULT_HEADER: &str = "patchgate-fault";

/// Answers one request, or breaks off as a fault wants.
pub(crate) async fn exchange(
    shared: &Shared,
    line: Arc<Line>,
    mut closing: watch::Receiver<bool>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Broken> {
    let (head, body) = request.into_parts();
    let now = Timestamp::now();
    let request_id = request_id(now).to_string();
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => None,
        Err(_) => return Err(Broken::Request),
    };
    let call = Call {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        body: body.as_deref().unwrap_or_default(),
        now,
        request_id: &request_id,
    };
    let fault = match asked_for(&head.headers) {
        Ok(asked) => {
            asked.or_else(|| shared.faults.pick(call.method, call.path).cloned()).unwrap_or_default()
        }
        Err(problem) => return Ok(response(api::refusal(&call, &problem), &Fault::default(), line)),
    };
    let real = fault.applies().then(|| match &body {
        Some(_) => carried_out(shared, &call),
        None => api::refusal(&call, &Problem::body_too_large()),
    });

    if let Some(status) = fault.informational {
        line.send_early(interim(status));
    }
    if let Some(delay) = fault.delay_head {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = until(&mut closing) => {}
        }
    }
    match fault.ending {
        Ending::Answer => {}
        Ending::Reset => {
            line.reset();
            if fault.cut_after.is_none() {
                return Err(Broken::Fault);
            }
        }
        Ending::Never => {
            // A client that closes drops this future.
            until(&mut closing).await;
            return Err(Broken::Shutdown);
        }
    }
    let answer = match real {
        Some(real) if !fault.replaces() => real,
        _ => scripted(&call, &fault),
    };
    Ok(response(answer, &fault, line))
}

/// The fault that a request asks for.
fn asked_for(headers: &HeaderMap) -> Result<Option<Fault>, Problem> {
    let Some(value) = headers.get(FAULT_HEADER) else { return Ok(None) };
    let fault = value.to_str().map_err(|_| "it is not text".to_owned()).and_then(Fault::from_header);
    let wrong =
        |message| Problem::bad_request(format!("The header '{FAULT_HEADER}' is not understood: {message}."));
    fault.map(Some).map_err(wrong)
}

fn carried_out(shared: &Shared, call: &Call<'_>) -> Answer {
    let mut store = shared.store.lock().unwrap_or_else(PoisonError::into_inner);
    api::answer(&mut store, call)
}

/// The answer that a fault gives in place of Graph's.
fn scripted(call: &Call<'_>, fault: &Fault) -> Answer {
    let status = match (fault.status, &fault.redirect) {
        (Some(status), _) => status,
        (None, Some(_)) => StatusCode::FOUND,
        (None, None) => StatusCode::OK,
    };
    if status.is_client_error() || status.is_server_error() {
        return api::refusal(call, &Problem::scripted(status));
    }
    let mut answer = Answer { status, headers: HeaderMap::new(), body: None };
    api::identify(&mut answer, call);
    answer
}

/// An answer as bytes, changed as a fault wants it.
fn response(answer: Answer, fault: &Fault, line: Arc<Line>) -> Response<AnswerBody> {
    let Answer { status, mut headers, body } = answer;
    // In place of what Graph says, not beside it.
    let own = [
        (header::RETRY_AFTER, fault.retry_after.map(HeaderValue::from)),
        (header::LOCATION, fault.redirect.clone()),
        (header::CONTENT_ENCODING, fault.content_encoding.clone()),
        (header::CONTENT_TYPE, fault.content_type.clone()),
    ];
    for (name, value) in own {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }

    let content = match (fault.body_bytes, body) {
        (Some(size), _) => Content::filled(size),
        (None, None) => Content::default(),
        (None, Some(mut body)) => {
            if fault.spelling == Spelling::PascalCase {
                pascal_case(&mut body);
            }
            Content::whole(Bytes::from(body.to_string()))
        }
    };
    let slow = fault.delay_body.map_or(Manner::PLAIN.chunk, |_| SLOW_CHUNK);
    let chunk = fault.chunk_bytes.map_or(slow, std::num::NonZeroUsize::get);
    let manner = Manner { pause: fault.delay_body, chunk, cut_after: fault.cut_after };

    let mut response = Response::new(AnswerBody::new(content, manner, line));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Spells all enum values in an answer as the documentation's own example does.
fn pascal_case(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(pascal_case),
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if ENUM_PROPERTIES.contains(&name.as_str()) => {
                        if let Some(first) = text.get_mut(..1) {
                            first.make_ascii_uppercase();
                        }
                    }
                    _ => pascal_case(value),
                }
            }
        }
        _ => {}
    }
}

/// An interim answer, as bytes.
fn interim(status: StatusCode) -> Bytes {
    let reason = status.canonical_reason().unwrap_or("Interim");
    Bytes::from(format!("HTTP/1.1 {} {reason}\r\n\r\n", status.as_u16()))
}

/// A fresh id, of the time of the request.
fn request_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn enum_values_alone_are_spelled_anew() {
        let mut body =
            json!({"value": [{"status": "active", "classification": null, "displayName": "status"}]});
        pascal_case(&mut body);
        let expected =
            json!({"value": [{"status": "Active", "classification": null, "displayName": "status"}]});
        assert_eq!(body, expected);
    }

    #[test]
    fn request_ids_differ() {
        assert_ne!(request_id(Timestamp::UNIX_EPOCH), request_id(Timestamp::UNIX_EPOCH));
    }
}
