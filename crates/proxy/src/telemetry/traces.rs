//! Traces: a SERVER span for each request, a CLIENT span for each exchange with Graph, an INTERNAL one for each wait for the
//! record, in the caller's trace.
//!
//! Made with the OpenTelemetry API alone; attributes are built only for a span that is recorded. With no exporter there is
//! no span, and the caller's trace context passes through as it came.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Array, Context, ContextGuard, KeyValue, StringValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use patchgate_model::{Refusal, Resource};

use super::events::Told;
use crate::head::Head;
use crate::upstream::Origin;

/// The longest `User-Agent` that is recorded, in characters.
const LONGEST_USER_AGENT: usize = 256;

/// What stands for any other method.
const OTHER_METHOD: &str = "_OTHER";

/// The fields of W3C trace context.
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Makes the spans of requests.
#[derive(Debug, Clone)]
pub struct Traces {
    tracer: Option<SdkTracer>,
}

/// The trace of one request, if there is one. It lies apart, since a span is large and most requests have none.
#[derive(Debug)]
pub struct Trace(Option<Box<Traced>>);

#[derive(Debug)]
struct Traced {
    tracer: SdkTracer,
    /// The context of the SERVER span.
    parent: Context,
    server: Span,
}

/// The part of a trace that an exchange with Graph needs, wherever it runs.
#[derive(Debug)]
pub struct ClientSpan(Exchange);

#[derive(Debug)]
enum Exchange {
    /// There is no trace.
    Untraced,
    /// The trace is not recorded: it goes on upstream as it is, and no span is made that nobody would see.
    Passed(SpanContext),
    /// Recorded.
    Recorded(Box<Span>),
}

/// The wait until a record is durable.
#[derive(Debug)]
pub struct AuditSpan(Option<Box<Span>>);

/// Where a request came in.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// The address that callers connect to.
    pub address: std::net::SocketAddr,
    /// The address of the caller.
    pub peer: std::net::IpAddr,
}

impl Traces {
    /// Spans go to this provider; without one there are none.
    pub fn new(provider: Option<&SdkTracerProvider>) -> Self {
        Self { tracer: provider.map(|provider| provider.tracer("patchgate")) }
    }

    /// Begins the trace of a request.
    pub fn begin(&self, head: &Head) -> Trace {
        let Some(tracer) = &self.tracer else { return Trace(None) };
        let remote =
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Incoming::of(&head.headers));
        let builder = tracer.span_builder(name_of(method(head.method.as_str()))).with_kind(SpanKind::Server);
        let server = tracer.build_with_context(builder, &remote);
        let parent = Context::new().with_remote_span_context(server.span_context().clone());
        Trace(Some(Box::new(Traced { tracer: tracer.clone(), parent, server })))
    }
}

impl Trace {
    /// The id of the trace, for the log.
    pub fn id(&self) -> Option<String> {
        let context = self.0.as_ref()?.server.span_context();
        context.is_valid().then(|| context.trace_id().to_string())
    }

    /// What is logged belongs to this trace, on this thread, until the guard is dropped.
    pub fn enter(&self) -> Option<ContextGuard> {
        let traced = self.0.as_deref()?;
        Some(traced.parent.clone().attach())
    }

    /// Begins the CLIENT span of an exchange.
    pub fn client(&self, verb: &'static str, resource: &Resource, origin: &Origin) -> ClientSpan {
        let Some(Traced { tracer, parent, server }) = self.0.as_deref() else {
            return ClientSpan(Exchange::Untraced);
        };
        // Every sampler decides by the trace, so what it said of the request holds for the exchange.
        if !server.is_recording() {
            return ClientSpan(Exchange::Passed(server.span_context().clone()));
        }
        let template = resource.route().template().as_str();
        let builder = tracer.span_builder(format!("{verb} {template}")).with_kind(SpanKind::Client);
        let mut span = tracer.build_with_context(builder, parent);
        span.set_attributes([
            KeyValue::new("http.request.method", verb),
            KeyValue::new("url.template", template.to_owned()),
            KeyValue::new("url.full", format!("{}{}", origin.base(), resource.shown_path())),
            KeyValue::new("server.address", origin.host().to_owned()),
            KeyValue::new("server.port", i64::from(origin.port())),
        ]);
        ClientSpan(Exchange::Recorded(Box::new(span)))
    }

    /// Begins the span of a wait for the record of an `intent` or an `outcome`.
    pub fn audit(&self, record: &'static str) -> AuditSpan {
        let recording = self.0.as_deref().filter(|traced| traced.server.is_recording());
        AuditSpan(recording.map(|Traced { tracer, parent, .. }| {
            let builder = tracer.span_builder("audit").with_kind(SpanKind::Internal);
            let mut span = tracer.build_with_context(builder, parent);
            span.set_attribute(KeyValue::new("patchgate.audit.record", record));
            Box::new(span)
        }))
    }

    /// Ends the SERVER span with what came of the request.
    pub fn end(
        self,
        head: &Head,
        entrance: &Entrance,
        told: &Told<'_>,
        status: StatusCode,
        refusal: Option<&Refusal>,
    ) {
        let Some(traced) = self.0 else { return };
        let mut span = traced.server;
        if !span.is_recording() {
            return;
        }
        let verb = method(head.method.as_str());
        span.set_attributes([
            KeyValue::new("http.request.method", verb),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("server.address", entrance.address.ip().to_string()),
            KeyValue::new("server.port", i64::from(entrance.address.port())),
            KeyValue::new("client.address", entrance.peer.to_string()),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
            KeyValue::new("patchgate.request.id", told.request_id.to_string()),
            KeyValue::new("patchgate.generation", i64::try_from(told.generation.0).unwrap_or(i64::MAX)),
            KeyValue::new("patchgate.decision", if told.allowed { "allow" } else { "refuse" }),
        ]);
        if let Some(agent) = user_agent(&head.headers) {
            span.set_attribute(KeyValue::new("user_agent.original", agent));
        }
        if let Some(resource) = &told.resource {
            let template = resource.route().template().as_str();
            span.update_name(format!("{} {template}", name_of(verb)));
            span.set_attribute(KeyValue::new("http.route", template.to_owned()));
            span.set_attribute(KeyValue::new("url.path", resource.shown_path()));
            if let Some(id) = resource.shown_id() {
                span.set_attribute(KeyValue::new("patchgate.resource.id", id));
            }
        }
        if let Some(guard) = &told.guard {
            span.set_attribute(KeyValue::new("patchgate.schema", guard.schema().name().to_owned()));
        }
        if let Some(edit) = &told.edit {
            span.set_attribute(strings("patchgate.edit.fields", edit.field_names()));
        }
        if let Some(refusal) = refusal {
            let violations = refusal.violations();
            span.set_attribute(KeyValue::new("error.type", refusal.code()));
            if !violations.is_empty() {
                span.set_attribute(strings(
                    "patchgate.violation.codes",
                    violations.iter().map(|v| v.code().as_str()),
                ));
                let targets = violations.iter().map(|v| v.known_target.as_str());
                span.set_attribute(strings("patchgate.violation.targets", targets));
            }
        } else if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_u16().to_string()));
        }
        if status.is_server_error() {
            span.set_status(Status::Error { description: Cow::Borrowed("") });
        }
        span.end();
    }
}

impl ClientSpan {
    /// Puts the trace context into the header of the outgoing request.
    pub fn inject(&self, headers: &mut HeaderMap) {
        let context = match &self.0 {
            Exchange::Untraced => return,
            Exchange::Passed(context) => context,
            Exchange::Recorded(span) => span.span_context(),
        };
        let context = Context::new().with_remote_span_context(context.clone());
        headers.remove(TRACESTATE);
        TraceContextPropagator::new().inject_context(&context, &mut HeadersMut(headers));
    }

    /// Graph answered.
    pub fn answered(self, status: StatusCode) {
        let Exchange::Recorded(mut span) = self.0 else { return };
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_client_error() || status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_u16().to_string()));
            span.set_status(Status::Error { description: Cow::Borrowed("") });
        }
        span.end();
    }

    /// Graph did not answer.
    pub fn failed(self, kind: &'static str) {
        let Exchange::Recorded(mut span) = self.0 else { return };
        span.set_attribute(KeyValue::new("error.type", kind));
        span.set_status(Status::Error { description: Cow::Borrowed(kind) });
        span.end();
    }
}

impl AuditSpan {
    /// Where nobody waits.
    pub const NONE: Self = Self(None);

    /// The record is durable, or is not, for a reason of the program's list.
    pub fn end(self, failed: Option<&'static str>) {
        let Some(mut span) = self.0 else { return };
        if let Some(why) = failed {
            span.set_attribute(KeyValue::new("error.type", why));
            span.set_status(Status::Error { description: Cow::Borrowed(why) });
        }
        span.end();
    }
}

/// What the caller's program calls itself. Some put a person's address there: then nothing of it is kept.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(http::header::USER_AGENT)?.to_str().ok()?;
    (!agent.contains('@')).then(|| agent.chars().take(LONGEST_USER_AGENT).collect())
}

fn strings<'a>(name: &'static str, values: impl Iterator<Item = &'a str>) -> KeyValue {
    let values: Vec<StringValue> = values.map(|value| StringValue::from(value.to_owned())).collect();
    KeyValue::new(name, Value::Array(Array::String(values)))
}

/// A method as the semantic conventions want it: one of a closed list.
pub(super) fn method(name: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "PATCH", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == name).unwrap_or(OTHER_METHOD)
}

/// A method in the name of a span.
fn name_of(method: &'static str) -> &'static str {
    if method == OTHER_METHOD { "HTTP" } else { method }
}

/// The trace context that came in, if it has the form of W3C's: the propagator takes what is shorter, too.
struct Incoming<'h> {
    parent: Option<&'h str>,
    state: String,
}

impl<'h> Incoming<'h> {
    fn of(headers: &'h HeaderMap) -> Self {
        let mut parents = headers.get_all(TRACEPARENT).iter();
        let parent = match (parents.next(), parents.next()) {
            (Some(one), None) => one.to_str().ok().filter(|text| is_traceparent(text)),
            _ => None,
        };
        // Several fields are one list.
        let states = headers.get_all(TRACESTATE).iter().filter_map(|value| value.to_str().ok());
        Self { parent, state: states.collect::<Vec<_>>().join(",") }
    }
}

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.parent,
            TRACESTATE => Some(self.state.as_str()).filter(|state| !state.is_empty()),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// `00-{32 digits}-{16 digits}-{2 digits}`; a later version may go on behind another dash.
fn is_traceparent(text: &str) -> bool {
    let lengths = [2, 32, 16, 2];
    let mut parts = text.splitn(5, '-');
    let digits = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let formed =
        lengths.iter().all(|length| parts.next().is_some_and(|part| part.len() == *length && digits(part)));
    formed && (parts.next().is_none() || !text.starts_with("00-"))
}

struct HeadersMut<'h>(&'h mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty state is set as well.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparents() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        for (text, accepted) in [
            (format!("00-{trace}-{span}-01"), true),
            (format!("00-{trace}-{span}-00"), true),
            (format!("cc-{trace}-{span}-01"), true),
            (format!("cc-{trace}-{span}-01-what-comes"), true),
            (format!("00-{trace}-{span}-01-more"), false),
            (format!("00-{trace}-{span}-1"), false),
            (format!("00-{trace}-{span}"), false),
            (format!("00-abc-{span}-01"), false),
            (format!("00-{trace}-+7ad6b7169203331-01"), false),
            (format!("00-{}-{span}-01", trace.to_uppercase()), false),
            (String::new(), false),
        ] {
            assert_eq!(is_traceparent(&text), accepted, "{text}");
        }
    }
}
