//! THE way of a request, one call for each step:
//!
//! caller → admit (target, method, headers) → read body → strict JSON, schema → forward → respond
//!
//! A refusal leaves at the step that finds it. Steps never call steps.

use std::sync::Arc;

use http::header::HOST;
use http::{Request, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use patchgate_model::envelope::Stamp;
use patchgate_model::{ClientRequestId, Refusal, RequestId};
use uuid::{NoContext, Uuid};

use crate::gateway::Worker;
use crate::head::{Head, Target};
use crate::ruleset::{Admitted, Ruleset};
use crate::telemetry::events::{self, Told};
use crate::telemetry::traces::{Entrance, Trace};
use crate::upstream::{Answer, Body};
use crate::{body, caller, respond};

/// Answers one request, whatever it is.
pub async fn handle(worker: Arc<Worker>, entrance: Entrance, request: Request<Incoming>) -> Response<Body> {
    let rules = worker.rules.load_full();
    let (head, incoming) = taken_apart(request);
    let trace = worker.traces.begin(&head);
    let mut told = Told {
        request_id: RequestId::from_uuid(Uuid::new_v7(uuid::Timestamp::now(NoContext))),
        generation: rules.generation(),
        resource: None,
        edit: None,
        allowed: false,
    };

    let result = way(&worker, &rules, &head, incoming, &trace, &mut told).await;

    let refusal = result.as_ref().err().cloned();
    let response = match result {
        Ok(answer) => respond::answer(answer, told.request_id),
        Err(refusal) => {
            let client_request_id = head.headers.get("client-request-id").map(http::HeaderValue::as_bytes);
            let client_request_id = client_request_id.and_then(ClientRequestId::parse);
            let stamp = Stamp {
                received: head.received,
                request_id: told.request_id,
                client_request_id: client_request_id.as_ref(),
                generation: told.generation,
            };
            respond::refusal(&refusal, stamp)
        }
    };
    let trace_id = trace.id();
    events::request(worker.log_requests, &head, &told, trace_id.as_deref(), response.status(), refusal.as_ref());
    trace.end(&head, &entrance, &told, response.status(), refusal.as_ref());
    response
}

/// From the head to Graph's answer, or to the refusal.
async fn way(
    worker: &Arc<Worker>,
    rules: &Arc<Ruleset>,
    head: &Head,
    incoming: Incoming,
    trace: &Trace,
    told: &mut Told,
) -> Result<Answer, Refusal> {
    told.resource = head.target.path().and_then(|path| rules.route_of(path));
    let caller = caller::identify(&head.headers);
    match rules.admit(head, caller)? {
        Admitted::Read(read) => {
            told.allowed = true;
            worker.upstream.read(&read, &here(worker, head), trace).await
        }
        Admitted::Edit(admitted) => {
            let bytes = body::read(incoming, admitted.body_limit(), worker.body_deadline).await?;
            let edit = admitted.decide(&bytes)?;
            told.allowed = true;
            told.edit = Some(edit.clone());
            // In a task of its own: the edit is sent and its answer awaited, even if the caller is gone.
            let (sending, trace) = (Arc::clone(worker), trace.for_task());
            let exchange = worker.tasks.spawn(async move {
                sending.upstream.forward(edit, admitted.headers(), &trace).await
            });
            // A task that did not end by itself has sent who knows what.
            exchange.await.unwrap_or(Err(Refusal::OutcomeUnknown))
        }
    }
}

fn taken_apart(request: Request<Incoming>) -> (Head, Incoming) {
    let (parts, body) = request.into_parts();
    let head = Head {
        method: parts.method,
        target: Target::of(&parts.uri),
        headers: parts.headers,
        received: Timestamp::now(),
    };
    (head, body)
}

/// The base URL under which the caller reached the gateway.
fn here(worker: &Worker, head: &Head) -> String {
    let host = || head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    worker.public_url.clone().unwrap_or_else(|| format!("http://{}", host()))
}
