//! What is said of a request: a closed set of facts, and one place that turns them into a log line.

use http::StatusCode;
use patchgate_model::{Generation, Refusal, RequestId, Resource};
use patchgate_validator::Edit;

use crate::config::LogRequests;
use crate::head::Head;

/// What is known of a request when it is answered.
#[derive(Debug)]
pub struct Told {
    /// Its id.
    pub request_id: RequestId,
    /// The ruleset that decided.
    pub generation: Generation,
    /// What its path names, if it names something.
    pub resource: Option<Resource>,
    /// The edit, if it was allowed.
    pub edit: Option<Edit>,
    /// Whether it was allowed.
    pub allowed: bool,
}

/// Writes the log line of a request, if it gets one.
pub fn request(
    which: LogRequests,
    head: &Head,
    told: &Told,
    trace: Option<&str>,
    status: StatusCode,
    refusal: Option<&Refusal>,
) {
    let wanted = match which {
        LogRequests::All => true,
        LogRequests::Refused => refusal.is_some(),
        LogRequests::Off => false,
    };
    if !wanted {
        return;
    }
    let request_id = told.request_id.to_string();
    let route = told.resource.as_ref().map(|resource| resource.route().template().as_str());
    let resource = told.resource.as_ref().and_then(Resource::shown_id);
    let method = match head.method.as_str() {
        known @ ("GET" | "PATCH" | "POST" | "PUT" | "DELETE" | "HEAD" | "OPTIONS") => known,
        _ => "other",
    };
    let (status, generation) = (status.as_u16(), told.generation.0);
    let Some(refusal) = refusal else {
        let fields = told.edit.as_ref().map(|edit| edit.field_names().collect::<Vec<_>>().join(" "));
        tracing::info!(
            request_id,
            trace_id = trace,
            method,
            route,
            resource,
            status,
            generation,
            fields,
            "passed"
        );
        return;
    };
    let violations: Vec<String> =
        refusal.violations().iter().map(|v| format!("{} {}", v.code().as_str(), v.known_target)).collect();
    let violations = (!violations.is_empty()).then(|| violations.join(", "));
    let code = refusal.code();
    tracing::info!(
        request_id,
        trace_id = trace,
        method,
        route,
        resource,
        status,
        code,
        generation,
        violations,
        "refused"
    );
}
