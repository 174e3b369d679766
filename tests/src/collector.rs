//! A collector: takes OTLP from a real socket, over HTTP or over gRPC, and keeps spans and metrics.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::{self, Display, Write as _};
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, number_data_point};
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use opentelemetry_proto::tonic::trace::v1::{self as otlp};
use prost::Message;
use serde_json::Value;

/// How long a test waits for spans that should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where spans and metrics are sent, over HTTP and over gRPC.
const SPANS: [&str; 2] = ["/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"];
const METRICS: [&str; 2] = ["/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"];

/// A collector on a free port; it lives as long as the test's process.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub protocol: Protocol,
    kept: Arc<Kept>,
}

/// How spans are sent to a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Protobuf over HTTP/1.1.
    Http,
    /// gRPC.
    Grpc,
}

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

#[derive(Debug, Default)]
struct Kept {
    received: Mutex<Received>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Received {
    spans: Vec<Span>,
    /// Those of the last export.
    points: Vec<Point>,
    /// What its `Authorization` said.
    authorization: Option<String>,
    raw: Vec<u8>,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Http, Self::Grpc];

    /// Its name in variables and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }
}

impl Collector {
    /// Starts one.
    pub fn start(protocol: Protocol) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let kept = Arc::<Kept>::default();
        let keeping = Arc::clone(&kept);
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, protocol, keeping));
        });
        Self { address, protocol, kept }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until the spans that arrived are what a test waits for, and returns them.
    pub fn until(&self, enough: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let received = self.kept.lock();
        let (received, waited) = self
            .kept
            .more
            .wait_timeout_while(received, PATIENCE, |received| !enough(&received.spans))
            .expect("no panic in the collector");
        assert!(
            !waited.timed_out(),
            "these spans came, and not the ones that should:\n{:#?}",
            received.spans
        );
        received.spans.clone()
    }

    /// Waits for that many spans, and returns all.
    pub fn wait(&self, count: usize) -> Vec<Span> {
        self.until(|spans| spans.len() >= count)
    }

    /// All spans so far. A gateway that ended has sent all that it had.
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().spans.clone()
    }

    /// Waits until the points of the last export are what a test waits for, and returns them.
    pub fn until_points(&self, enough: impl Fn(&[Point]) -> bool) -> Vec<Point> {
        let received = self.kept.lock();
        let (received, waited) = self
            .kept
            .more
            .wait_timeout_while(received, PATIENCE, |received| !enough(&received.points))
            .expect("no panic in the collector");
        assert!(!waited.timed_out(), "these points came last, and not those wanted:\n{:#?}", received.points);
        received.points.clone()
    }

    /// The points of the last export so far.
    pub fn points(&self) -> Vec<Point> {
        self.kept.lock().points.clone()
    }

    /// What `Authorization` of the last export said.
    pub fn authorization(&self) -> Option<String> {
        self.kept.lock().authorization.clone()
    }

    /// Each byte of each export, lossily as text: where a secret would be found in whatever part of it.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.kept.lock().raw).into_owned()
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().expect("no panic in the collector")
    }
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

async fn serve(listener: TcpListener, protocol: Protocol, kept: Arc<Kept>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let kept = Arc::clone(&kept);
        tokio::spawn(async move {
            let stream = TokioIo::new(stream);
            let answers = service_fn(|request| answer(request, protocol, Arc::clone(&kept)));
            // A connection that breaks is the gateway's matter.
            match protocol {
                Protocol::Http => _ = http1::Builder::new().serve_connection(stream, answers).await,
                Protocol::Grpc => {
                    _ = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answers).await;
                }
            }
        });
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(
    request: Request<Incoming>,
    protocol: Protocol,
    kept: Arc<Kept>,
) -> Result<Answer, Infallible> {
    let (index, media_type) = match protocol {
        Protocol::Http => (0, "application/x-protobuf"),
        Protocol::Grpc => (1, "application/grpc"),
    };
    let path = request.uri().path();
    let spans = path == SPANS[index];
    let right = request.method() == Method::POST
        && (spans || path == METRICS[index])
        && request.headers().get(CONTENT_TYPE).is_some_and(|value| value == media_type);
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let message = body.ok().filter(|_| right).and_then(|body| match protocol {
        Protocol::Http => Some(body),
        Protocol::Grpc => framed(&body),
    });
    let taken = message.and_then(|message| {
        kept.lock().authorization = authorization;
        if spans {
            keep_spans(&kept, ExportTraceServiceRequest::decode(message.clone()).ok()?);
        } else {
            keep_points(&kept, ExportMetricsServiceRequest::decode(message.clone()).ok()?);
        }
        kept.lock().raw.extend_from_slice(&message);
        kept.more.notify_all();
        Some(())
    });
    let mut response = Response::new(UnsyncBoxBody::default());
    if taken.is_none() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(response);
    }
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    // An answer without fields is an empty message: nothing over HTTP, an empty frame and a status over gRPC.
    if protocol == Protocol::Grpc {
        let trailers =
            HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
        let frame = Full::new(Bytes::from_static(&[0; 5]));
        *response.body_mut() = frame.with_trailers(ready(Some(Ok(trailers)))).boxed_unsync();
    }
    Ok(response)
}

/// The one message of a unary call: a flag, its length in four bytes, itself.
fn framed(body: &Bytes) -> Option<Bytes> {
    let (flag, length, message) = (body.first()?, body.get(1..5)?, body.slice(5..));
    let length = u32::from_be_bytes(length.try_into().ok()?);
    (*flag == 0 && usize::try_from(length).ok()? == message.len()).then_some(message)
}

fn keep_spans(kept: &Kept, export: ExportTraceServiceRequest) {
    let mut received = kept.lock();
    for group in export.resource_spans {
        let resource = attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        let spans = group.scope_spans.into_iter().flat_map(|scope| scope.spans);
        received.spans.extend(spans.map(|span| Span::of(span, &resource)));
    }
}

fn keep_points(kept: &Kept, export: ExportMetricsServiceRequest) {
    let mut points = Vec::new();
    for group in export.resource_metrics {
        let resource = attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            points.extend(Point::all(metric, &resource));
        }
    }
    kept.lock().points = points;
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
