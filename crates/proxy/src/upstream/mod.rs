//! Graph, as the gateway reaches it: one way out for edits, another for reads.
//!
//! INVARIANT: [`Upstream::forward`] sends the bytes of an [`Edit`] that is on record, to the resource of that edit, and
//! nothing else. Host and target come from the configuration and the edit, never from the caller.

mod answer;
pub mod client;
mod connect;
mod links;
pub mod origin;
#[cfg(feature = "bench")]
pub mod plain;
mod request;
pub mod roots;
mod stream;

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName};
use patchgate_journal::{Closing, Outcome, RecordedIntent};
use patchgate_model::{Refusal, RequestId, Resource};
use patchgate_validator::Edit;

pub use answer::{Answer, Body};
pub use client::{Client, Failure, Sent};
pub use links::Links;
pub use origin::Origin;

use crate::audit;
use crate::ruleset::{AdmittedRead, Outbound};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::{ClientSpan, Trace};

/// Graph's own id of a request.
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// A worker's way to Graph: its origin, and the connections of this worker.
#[derive(Debug)]
pub struct Upstream {
    origin: Arc<Origin>,
    client: Arc<Client>,
    metrics: Arc<Metrics>,
}

/// An edit that was sent, or could not be; its outcome is on its way to the record.
#[derive(Debug)]
#[must_use = "what Graph said is had by `recorded` alone"]
pub struct Forwarded {
    answer: Result<Box<Answer>, Refusal>,
    closing: Closing,
    request_id: RequestId,
}

impl Upstream {
    /// A way with no connection yet.
    pub fn new(origin: Arc<Origin>, client: Arc<Client>, metrics: Arc<Metrics>) -> Self {
        Self { origin, client, metrics }
    }

    /// Sends an edit, once, and waits for the head of Graph's answer.
    ///
    /// It is sent again only where it provably was not sent. To be run where it ends, whoever waits for it
    /// ([`Outliving`](crate::outlive::Outliving)).
    ///
    /// No `async fn`, which would keep what it takes a second time for as long as it lasts.
    pub fn forward(
        &self,
        intent: RecordedIntent<Edit>,
        outbound: Outbound,
        request_id: RequestId,
        trace: &Trace,
    ) -> impl Future<Output = Forwarded> {
        let begun = intent.recorded_at();
        let span = trace.client("PATCH", intent.edit().resource(), &self.origin);
        let request = request::edit(&self.origin, intent.edit(), outbound, &span);
        async move {
            let result = pin!(self.client.send(request, begun)).await;
            let result = self
                .told("PATCH", intent.edit().resource(), begun, span, result)
                .inspect_err(|failure| unanswered(failure, request_id, trace));
            let outcome = match &result {
                Ok(answer) => Outcome::answered(answer.status.as_u16(), graphs_id(&answer.headers)),
                Err(Failure { sent: Sent::No, .. }) => Outcome::not_sent(),
                Err(Failure { sent: Sent::Maybe, .. }) => Outcome::unknown(),
            };
            let closing = intent.close(outcome);
            let answer = result.map_err(|failure| match failure.sent {
                Sent::No => Refusal::UpstreamUnreachable,
                Sent::Maybe => Refusal::OutcomeUnknown,
            });
            Forwarded { answer, closing, request_id }
        }
    }

    /// Reads, and gives links in the answer the origin under which the caller reached the gateway.
    pub async fn read(
        &self,
        read: &AdmittedRead,
        here: &str,
        request_id: RequestId,
        trace: &Trace,
    ) -> Result<Box<Answer>, Refusal> {
        let begun = Instant::now();
        let span = trace.client("GET", read.resource(), &self.origin);
        let request = request::read(&self.origin, read, &span);
        let result = pin!(self.client.send(request, begun)).await;
        let answer = self
            .told("GET", read.resource(), begun, span, result)
            .inspect_err(|failure| unanswered(failure, request_id, trace))
            .map_err(|failure| match failure {
                Failure { sent: Sent::No, .. } => Refusal::UpstreamUnreachable,
                Failure { timed_out: true, .. } => Refusal::UpstreamTimeout,
                Failure { .. } => Refusal::UpstreamBroken,
            })?;
        let mut codings = answer.headers.get_all(CONTENT_ENCODING).iter();
        let encoded = codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if encoded {
            return Err(Refusal::UpstreamUnusable);
        }
        Ok(with_links(answer, &self.origin, here))
    }

    /// Tells metrics and trace what came of an exchange.
    fn told(
        &self,
        verb: &'static str,
        resource: &Resource,
        begun: Instant,
        span: ClientSpan,
        result: Result<client::Response, Failure>,
    ) -> Result<Box<Answer>, Failure> {
        let outcome = result.as_ref().map(client::Response::status).map_err(Failure::kind);
        self.metrics.exchanged(verb, resource, &self.origin, outcome, begun.elapsed());
        match result {
            Ok(response) => {
                span.answered(response.status());
                Ok(Box::new(Answer::of(response, self.client.patience())))
            }
            Err(failure) => {
                span.failed(failure.kind());
                Err(failure)
            }
        }
    }
}

impl Forwarded {
    /// What Graph said, once the outcome is on record. There is no other way to it.
    pub async fn recorded(self, trace: &Trace) -> Result<Box<Answer>, Refusal> {
        let Self { answer, closing, request_id } = self;
        pin!(audit::closed(closing, request_id, trace)).await;
        answer
    }
}

/// Says why there was no answer, with the ids that its request's own line has.
fn unanswered(failure: &Failure, request_id: RequestId, trace: &Trace) {
    let Failure { sent, reason, .. } = failure;
    let _entered = trace.enter();
    tracing::warn!(%request_id, trace_id = trace.id(), ?sent, reason, "no answer from upstream");
}

/// Graph's own id of the request.
fn graphs_id(headers: &HeaderMap) -> Option<&str> {
    // To go past a few fields costs less than to look a name up.
    headers.iter().find(|(name, _)| **name == REQUEST_ID)?.1.to_str().ok()
}

/// Links are looked for in JSON alone.
fn with_links(answer: Box<Answer>, origin: &Arc<Origin>, here: &str) -> Box<Answer> {
    let Answer { status, mut headers, body } = *answer;
    let body = match body {
        Body::Streamed(stream) if answer::is_json(&headers) => {
            headers.remove(CONTENT_LENGTH);
            Body::Linked(stream, Links::new(Arc::clone(origin), here.to_owned()))
        }
        body => body,
    };
    Box::new(Answer { status, headers, body })
}
