//! What a collector receives, as tests look at it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, number_data_point};
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_proto::tonic::trace::v1::{self as otlp};
use serde_json::Value;

/// A span as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The name.
    pub name: String,
    /// The kind.
    pub kind: SpanKind,
    /// The id of the trace, in hexadecimal digits.
    pub trace_id: String,
    /// The id of the span.
    pub span_id: String,
    /// The id of the parent; empty for a root.
    pub parent_id: String,
    /// The W3C trace state.
    pub trace_state: String,
    /// Whether the status is an error.
    pub is_error: bool,
    /// The attributes.
    pub attributes: BTreeMap<String, Value>,
    /// The attributes of the process that it comes from.
    pub resource: BTreeMap<String, Value>,
}

/// A point of a metric as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The name of the metric.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The attributes.
    pub attributes: BTreeMap<String, Value>,
    /// The value; of a histogram, how many there were.
    pub value: u64,
    /// The bounds of a histogram.
    pub bounds: Vec<f64>,
    /// Whether the value is the change since the last one.
    pub is_delta: bool,
    /// The attributes of the process that it comes from.
    pub resource: BTreeMap<String, Value>,
}

/// A line of the log as it was received.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The message.
    pub message: String,
    /// The level.
    pub level: String,
    /// The part of the program.
    pub target: String,
    /// The name of the event; a line has none.
    pub event: String,
    /// The id of its trace, in hexadecimal digits; empty without one.
    pub trace_id: String,
    /// The attributes.
    pub attributes: BTreeMap<String, Value>,
    /// The attributes of the process that it comes from.
    pub resource: BTreeMap<String, Value>,
}

impl Span {
    /// An attribute as text; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn of(span: otlp::Span, resource: &BTreeMap<String, Value>) -> Self {
        Self {
            kind: span.kind(),
            is_error: span.status.as_ref().is_some_and(|status| status.code() == SpanStatus::Error),
            name: span.name,
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_id: hex(&span.parent_span_id),
            trace_state: span.trace_state,
            attributes: attributes(span.attributes),
            resource: resource.clone(),
        }
    }
}

impl Point {
    fn all(metric: Metric, resource: &BTreeMap<String, Value>) -> Vec<Self> {
        let delta = |temporality| temporality == i32::from(AggregationTemporality::Delta);
        let point = |list, value, bounds, is_delta| Self {
            name: metric.name.clone(),
            unit: metric.unit.clone(),
            attributes: attributes(list),
            value,
            bounds,
            is_delta,
            resource: resource.clone(),
        };
        let whole = |value: Option<number_data_point::Value>| match value {
            Some(number_data_point::Value::AsInt(value)) => u64::try_from(value).expect("no negative number"),
            other => panic!("a number of a kind that no metric has: {other:?}"),
        };
        match metric.data.expect("data") {
            Data::Gauge(gauge) => {
                let points = gauge.data_points.into_iter();
                points.map(|p| point(p.attributes, whole(p.value), Vec::new(), false)).collect()
            }
            Data::Sum(sum) => {
                let is_delta = delta(sum.aggregation_temporality);
                let points = sum.data_points.into_iter();
                points.map(|p| point(p.attributes, whole(p.value), Vec::new(), is_delta)).collect()
            }
            Data::Histogram(histogram) => {
                let is_delta = delta(histogram.aggregation_temporality);
                let points = histogram.data_points.into_iter();
                points.map(|p| point(p.attributes, p.count, p.explicit_bounds, is_delta)).collect()
            }
            other => panic!("a metric of a kind that no metric is: {other:?}"),
        }
    }
}

/// `name{attribute=value,…} value`.
impl Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attributes: Vec<String> =
            self.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "{}{{{}}} {}", self.name, attributes.join(","), self.value)
    }
}

/// For snapshots: everything but the ids.
impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = if self.is_error { ", error" } else { "" };
        writeln!(f, "{} {}{status}", self.kind.as_str_name().trim_start_matches("SPAN_KIND_"), self.name)?;
        self.attributes.iter().try_for_each(|(name, value)| writeln!(f, "  {name}: {value}"))
    }
}

/// The spans of an export.
pub(super) fn spans(export: ExportTraceServiceRequest) -> impl Iterator<Item = Span> {
    export.resource_spans.into_iter().flat_map(|group| {
        let resource = attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| Span::of(span, &resource))
    })
}

/// The points of an export.
pub(super) fn points(export: ExportMetricsServiceRequest) -> Vec<Point> {
    let mut points = Vec::new();
    for group in export.resource_metrics {
        let resource = attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            points.extend(Point::all(metric, &resource));
        }
    }
    points
}

/// The lines of an export.
pub(super) fn lines(export: ExportLogsServiceRequest) -> impl Iterator<Item = Line> {
    export.resource_logs.into_iter().flat_map(|group| {
        let resource = attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        group.scope_logs.into_iter().flat_map(move |scope| {
            let (target, resource) =
                (scope.scope.map(|scope| scope.name).unwrap_or_default(), resource.clone());
            scope.log_records.into_iter().map(move |record| Line {
                message: match record.body.map(json) {
                    Some(Value::String(text)) => text,
                    other => panic!("a line without a text: {other:?}"),
                },
                level: record.severity_text,
                target: target.clone(),
                event: record.event_name,
                trace_id: hex(&record.trace_id),
                attributes: attributes(record.attributes),
                resource: resource.clone(),
            })
        })
    })
}

fn attributes(list: Vec<KeyValue>) -> BTreeMap<String, Value> {
    list.into_iter().map(|pair| (pair.key, pair.value.map_or(Value::Null, json))).collect()
}

fn json(value: AnyValue) -> Value {
    match value.value {
        None => Value::Null,
        Some(Any::StringValue(text)) => text.into(),
        Some(Any::BoolValue(flag)) => flag.into(),
        Some(Any::IntValue(number)) => number.into(),
        Some(Any::DoubleValue(number)) => number.into(),
        Some(Any::ArrayValue(items)) => items.values.into_iter().map(json).collect(),
        Some(other) => panic!("an attribute of a kind that no attribute has: {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}
