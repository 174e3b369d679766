//! What is said of a request: a closed set of facts, and one place that turns them into metrics and a log line.

use std::time::Duration;

use http::StatusCode;
use patchgate_model::{Credential, Generation, Refusal, RequestId, Resource, Violation};
use patchgate_validator::Edit;
use tracing::Level;

use super::metrics::Metrics;
use super::traces::Trace;
use crate::config::LogRequests;
use crate::head::Head;
use crate::ruleset::Guarded;

/// What is known of a request when it is answered.
#[derive(Debug)]
pub struct Told<'a> {
    /// Its id.
    pub request_id: RequestId,
    /// What it brings for Graph, as far as was looked.
    pub credential: Credential,
    /// The ruleset that decided.
    pub generation: Generation,
    /// What its path names, if it names something.
    pub resource: Option<Resource>,
    /// The guard of an edit, once its head was admitted.
    pub guard: Option<&'a Guarded>,
    /// The edit, once it was checked.
    pub edit: Option<Edit>,
    /// Whether it was allowed.
    pub allowed: bool,
}

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// Its head.
    pub head: &'a Head,
    /// What is known of it.
    pub told: &'a Told<'a>,
    /// Its trace.
    pub trace: &'a Trace,
    /// The status of the answer.
    pub status: StatusCode,
    /// Why it was refused, or got no answer of Graph.
    pub refusal: Option<&'a Refusal>,
    /// From its head to that of the answer.
    pub took: Duration,
}

/// Counts a request that was answered, and writes its log line, if it gets one.
pub fn answered(which: LogRequests, metrics: &Metrics, answered: &Answered<'_>) {
    metrics.answered(answered);
    log(which, answered);
}

fn log(which: LogRequests, answered: &Answered<'_>) {
    let Answered { head, told, trace, status, refusal, .. } = *answered;
    let wanted = match which {
        LogRequests::All => true,
        LogRequests::Refused => refusal.is_some(),
        LogRequests::Off => false,
    };
    // Nothing is put into words that nobody reads.
    let read = || match refusal {
        Some(Refusal::OutcomeUnknown) => tracing::enabled!(Level::WARN),
        _ => tracing::enabled!(Level::INFO),
    };
    if !wanted || !read() {
        return;
    }
    let _entered = trace.enter();
    let (request_id, trace_id) = (told.request_id.to_string(), trace.id());
    let route = told.resource.as_ref().map(|resource| resource.route().template().as_str());
    let resource = told.resource.as_ref().and_then(Resource::shown_id);
    let method = match head.method.as_str() {
        known @ ("GET" | "PATCH" | "POST" | "PUT" | "DELETE" | "HEAD" | "OPTIONS") => known,
        _ => "other",
    };
    let (status, generation) = (status.as_u16(), told.generation.0);
    let Some(refusal) = refusal else {
        let fields = told.edit.as_ref().map(|edit| edit.field_names().collect::<Vec<_>>().join(" "));
        tracing::info!(request_id, trace_id, method, route, resource, status, generation, fields, "passed");
        return;
    };
    let (code, cause) = (refusal.code(), refusal.cause());
    macro_rules! line {
        ($level:ident, $message:literal $(, $more:ident)?) => {
            tracing::$level!(
                request_id, trace_id, method, route, resource, status, code, cause, generation, $($more,)? $message
            )
        };
    }
    match refusal {
        Refusal::OutcomeUnknown => {
            line!(warn, "the edit was sent and no whole answer came: it may have been applied");
        }
        _ if told.allowed => line!(info, "allowed, and not answered"),
        _ => {
            let violations: Vec<String> = refusal.violations().iter().map(Violation::known).collect();
            let violations = (!violations.is_empty()).then(|| violations.join(", "));
            line!(info, "refused", violations);
        }
    }
}
