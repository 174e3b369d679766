//! Metrics: how many requests, with which outcome, how long they took, and how much there is to do.
//!
//! INVARIANT: a label is a name of the configuration or of a schema, or comes from a list in this program: never text of a
//! caller. What is counted for each request is bound to its labels the first time, so that later ones allocate nothing and
//! look nothing up that other workers look up, too.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Counter, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use patchgate_model::violation::{Violation, ViolationCode};
use patchgate_model::{Refusal, Resource};

use super::events::Answered;
use super::traces;
use crate::upstream::Origin;

/// The bounds that the semantic conventions advise for durations of HTTP, in seconds.
const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Bounds for what a disk takes, in seconds: a tenth of a millisecond is fast, a tenth of a second slow.
const DISK_SECONDS: [f64; 23] = [
    0.000_1, 0.000_15, 0.000_2, 0.000_3, 0.000_5, 0.000_7, 0.001, 0.001_5, 0.002, 0.003, 0.005, 0.007, 0.01,
    0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.25, 0.5, 1.0, 5.0,
];

/// The instruments of the process.
#[derive(Debug, Clone)]
pub struct Instruments {
    pub(super) meter: Meter,
    answers: Histogram<f64>,
    exchanges: Histogram<f64>,
    decisions: Counter<u64>,
    violations: Counter<u64>,
    parser_refusals: Counter<u64>,
    closed: Counter<u64>,
    accept_errors: Counter<u64>,
    throttled: Counter<u64>,
    reloads: Counter<u64>,
    audit_commits: Histogram<f64>,
}

/// What one worker counts with.
#[derive(Debug)]
pub struct Metrics {
    instruments: Instruments,
    kept: Mutex<Kept>,
}

/// Why the gateway closed the connection of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// No byte came in time.
    FirstByte,
    /// The rest of a head did not come in time.
    Header,
    /// No further request came in time.
    Idle,
    /// The caller took no bytes in time.
    Write,
    /// There were as many connections as there may be.
    Limit,
}

/// Why the parser refused a request by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParserRefusal {
    /// It is no HTTP/1.1.
    Malformed,
    /// Its head is larger than the parser takes.
    TooLarge,
}

impl ParserRefusal {
    fn label(self) -> KeyValue {
        let reason = match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
        };
        KeyValue::new("reason", reason)
    }
}

/// What was bound so far.
#[derive(Debug, Default)]
struct Kept {
    answers: Series<AnswerLabels, (BoundHistogram<f64>, BoundCounter<u64>)>,
    exchanges: Series<ExchangeLabels, BoundHistogram<f64>>,
    violations: Series<ViolationCode, BoundCounter<u64>>,
}

/// The labels of an answer, besides its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AnswerLabels {
    method: &'static str,
    status: StatusCode,
    code: Option<&'static str>,
    allowed: bool,
}

/// The labels of an exchange with Graph, besides its route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ExchangeLabels {
    verb: &'static str,
    outcome: Result<StatusCode, &'static str>,
}

/// Bound instruments by a name, which may be none, and further labels. There are few of them: to compare costs less than to hash.
#[derive(Debug)]
struct Series<L, B>(Vec<(Box<str>, L, B)>);

impl Instruments {
    /// Makes them.
    pub fn new(provider: &SdkMeterProvider) -> Self {
        let meter = provider.meter("patchgate");
        let seconds = |name, bounds: &[f64], description| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(description);
            histogram.with_boundaries(bounds.to_vec()).build()
        };
        let counter = |name, unit, description| {
            meter.u64_counter(name).with_unit(unit).with_description(description).build()
        };
        let instruments = Self {
            answers: seconds(
                "http.server.request.duration",
                &SECONDS,
                "From the head of a request to that of its answer.",
            ),
            exchanges: seconds(
                "http.client.request.duration",
                &SECONDS,
                "From the begin of an exchange with Graph to the head of its answer.",
            ),
            audit_commits: seconds(
                "patchgate.audit.commit.duration",
                &DISK_SECONDS,
                "Writing all that waited to the audit journal, its way to stable storage included.",
            ),
            decisions: counter("patchgate.decisions", "{decision}", "Requests by what was decided."),
            violations: counter("patchgate.violations", "{violation}", "What was wrong with bodies."),
            parser_refusals: counter(
                "patchgate.parser.refusals",
                "{refusal}",
                "Requests that the HTTP parser refused by itself.",
            ),
            closed: counter(
                "patchgate.connections.closed",
                "{connection}",
                "Connections of callers that a deadline or a limit closed.",
            ),
            accept_errors: counter(
                "patchgate.accept.errors",
                "{error}",
                "Times that no connection could be accepted, as when descriptors are used up.",
            ),
            throttled: counter(
                "patchgate.upstream.throttled",
                "{response}",
                "Answers of Graph with 429 or 503, which pass on.",
            ),
            reloads: counter("patchgate.ruleset.reloads", "{reload}", "Reloads by what came of them."),
            meter,
        };
        // What is rare and to be alerted on is there from the start: no rate is seen of a counter that begins at 1.
        for taken in [true, false] {
            instruments.reloads.add(0, &[outcome_label(taken)]);
        }
        for why in [ParserRefusal::Malformed, ParserRefusal::TooLarge] {
            instruments.parser_refusals.add(0, &[why.label()]);
        }
        instruments
    }

    /// The configuration was read again, and taken or refused.
    pub fn reloaded(&self, taken: bool) {
        self.reloads.add(1, &[outcome_label(taken)]);
    }

    /// Durations of the audit journal's commits.
    pub fn audit_commits(&self) -> Histogram<f64> {
        self.audit_commits.clone()
    }

    /// For one worker.
    pub fn for_worker(&self) -> Metrics {
        Metrics { instruments: self.clone(), kept: Mutex::default() }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, answered: &Answered<'_>) {
        let Answered { head, told, status, refusal, took, .. } = *answered;
        let labels = AnswerLabels {
            method: traces::method(head.method.as_str()),
            status,
            code: refusal.map(Refusal::code),
            allowed: told.allowed,
        };
        let route = told.resource.as_ref().map(|resource| resource.route().template().as_str());
        let mut kept = self.kept();
        let bind = || self.bind_answers(route, labels);
        kept.answers.with(route.unwrap_or_default(), labels, bind, |(durations, decisions)| {
            durations.record(took.as_secs_f64());
            decisions.add(1);
        });
        for violation in refusal.map(Refusal::violations).unwrap_or_default() {
            let (field, code) = (field(violation), violation.code());
            let bind = || self.bind_violations(field, code);
            kept.violations.with(field, code, bind, |counter| counter.add(1));
        }
    }

    /// An exchange with Graph ended: with the status of its answer, or without one.
    pub fn exchanged(
        &self,
        verb: &'static str,
        resource: &Resource,
        origin: &Origin,
        outcome: Result<StatusCode, &'static str>,
        took: Duration,
    ) {
        let route = resource.route().template().as_str();
        let labels = ExchangeLabels { verb, outcome };
        let bind = || self.bind_exchanges(route, origin, labels);
        self.kept().exchanges.with(route, labels, bind, |durations| durations.record(took.as_secs_f64()));
        if let Ok(status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)) = outcome {
            let labels = [route_label(route), status_label(status)];
            self.instruments.throttled.add(1, &labels);
        }
    }

    /// A connection was closed.
    pub fn closed(&self, why: Closed) {
        let reason = match why {
            Closed::FirstByte => "first_byte",
            Closed::Header => "header",
            Closed::Idle => "idle",
            Closed::Write => "write",
            Closed::Limit => "limit",
        };
        self.instruments.closed.add(1, &[KeyValue::new("reason", reason)]);
    }

    /// Connections could not be accepted for now.
    pub fn accept_failed(&self) {
        self.instruments.accept_errors.add(1, &[]);
    }

    /// The parser refused a request, which no other metric knows of.
    pub fn parser_refused(&self, why: ParserRefusal) {
        self.instruments.parser_refusals.add(1, &[why.label()]);
    }

    fn bind_answers(
        &self,
        route: Option<&str>,
        labels: AnswerLabels,
    ) -> (BoundHistogram<f64>, BoundCounter<u64>) {
        let AnswerLabels { method, status, code, allowed } = labels;
        let mut duration = vec![
            KeyValue::new("http.request.method", method),
            // The gateway speaks no TLS to its callers.
            KeyValue::new("url.scheme", "http"),
            status_label(status),
        ];
        let mut decision = vec![KeyValue::new("decision", if allowed { "allow" } else { "refuse" })];
        if let Some(route) = route {
            duration.push(KeyValue::new("http.route", route.to_owned()));
            decision.push(route_label(route));
        }
        match code {
            Some(code) => duration.push(KeyValue::new("error.type", code)),
            None if status.is_server_error() => duration.push(error_label(status)),
            None => {}
        }
        // What was allowed and got no answer was not refused: there is no code for it here.
        if let Some(code) = code.filter(|_| !allowed) {
            decision.push(KeyValue::new("code", code));
        }
        (self.instruments.answers.bind(&duration), self.instruments.decisions.bind(&decision))
    }

    fn bind_exchanges(&self, route: &str, origin: &Origin, labels: ExchangeLabels) -> BoundHistogram<f64> {
        let mut all = vec![
            KeyValue::new("http.request.method", labels.verb),
            KeyValue::new("url.template", route.to_owned()),
            KeyValue::new("server.address", origin.host().to_owned()),
            KeyValue::new("server.port", i64::from(origin.port())),
        ];
        match labels.outcome {
            Ok(status) => {
                all.push(status_label(status));
                if status.is_client_error() || status.is_server_error() {
                    all.push(error_label(status));
                }
            }
            Err(kind) => all.push(KeyValue::new("error.type", kind)),
        }
        self.instruments.exchanges.bind(&all)
    }

    fn bind_violations(&self, field: &str, code: ViolationCode) -> BoundCounter<u64> {
        let mut labels = vec![KeyValue::new("code", code.as_str())];
        if !field.is_empty() {
            labels.push(KeyValue::new("field", field.to_owned()));
        }
        self.instruments.violations.bind(&labels)
    }

    /// A worker is one thread: nobody else waits here.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Copy + PartialEq, B> Series<L, B> {
    fn with(&mut self, name: &str, labels: L, bind: impl FnOnce() -> B, record: impl FnOnce(&B)) {
        let known = self.0.iter().find(|(of, known, _)| **of == *name && *known == labels);
        if let Some((_, _, bound)) = known {
            record(bound);
            return;
        }
        let bound = bind();
        record(&bound);
        self.0.push((name.into(), labels, bound));
    }
}

impl<L, B> Default for Series<L, B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The field of the body in which a violation is: a name that the schema knows, or `?`; nothing for the body itself.
fn field(violation: &Violation) -> &str {
    violation.known_target.split('/').nth(1).unwrap_or_default()
}

/// A count as metrics take it.
pub(super) fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn outcome_label(taken: bool) -> KeyValue {
    KeyValue::new("outcome", if taken { "taken" } else { "refused" })
}

fn route_label(route: &str) -> KeyValue {
    KeyValue::new("route", route.to_owned())
}

fn status_label(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

fn error_label(status: StatusCode) -> KeyValue {
    KeyValue::new("error.type", status.as_u16().to_string())
}
