//! A collector: takes OTLP from a real socket, over HTTP or over gRPC, and keeps spans, metrics and the log.

mod received;

use std::convert::Infallible;
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
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
pub use received::{Line, Point, Span, SpanKind};
use rustls::server::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::gateway::Gateway;
use crate::upstream::Upstream;

/// How long a test waits for spans that should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where spans, metrics and lines are sent, over HTTP and over gRPC.
const SPANS: [&str; 2] = ["/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"];
const METRICS: [&str; 2] = ["/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"];
const LINES: [&str; 2] = ["/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"];

/// A collector on a free port; it lives as long as the test's process.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub protocol: Protocol,
    scheme: &'static str,
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
    lines: Vec<Line>,
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
        Self::begin(protocol, None)
    }

    /// Starts one behind TLS; its certificate is to be that of `localhost`.
    pub fn behind_tls(protocol: Protocol, mut config: ServerConfig) -> Self {
        config.alpn_protocols = match protocol {
            Protocol::Http => vec![b"http/1.1".to_vec()],
            Protocol::Grpc => vec![b"h2".to_vec()],
        };
        Self::begin(protocol, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn begin(protocol: Protocol, tls: Option<TlsAcceptor>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a socket for tokio");
        let kept = Arc::<Kept>::default();
        let keeping = Arc::clone(&kept);
        thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, protocol, tls, keeping));
        });
        Self { address, protocol, scheme, kept }
    }

    /// A gateway whose spans are sent here at once.
    pub fn traces(&self, args: &[&str], more: &[(&str, &str)]) -> Gateway {
        let url = self.url();
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", self.protocol.name()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ];
        variables.extend(more);
        Gateway::start_with(args, &variables)
    }

    /// The same in front of an upstream.
    pub fn traces_before(&self, upstream: &Upstream, more: &[(&str, &str)]) -> Gateway {
        self.traces(&["--upstream", &format!("http://{}", upstream.address)], more)
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.address.port()),
            scheme => format!("{scheme}://{}", self.address),
        }
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

    /// All lines of the log so far.
    pub fn lines(&self) -> Vec<Line> {
        self.kept.lock().lines.clone()
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

async fn serve(listener: TcpListener, protocol: Protocol, tls: Option<TlsAcceptor>, kept: Arc<Kept>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let (kept, tls) = (Arc::clone(&kept), tls.clone());
        tokio::spawn(async move {
            let Some(tls) = tls else { return exchange(stream, protocol, &kept).await };
            // Else one of the two does not trust the other.
            if let Ok(stream) = tls.accept(stream).await {
                exchange(stream, protocol, &kept).await;
            }
        });
    }
}

async fn exchange<S>(stream: S, protocol: Protocol, kept: &Arc<Kept>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = TokioIo::new(stream);
    let answers = service_fn(|request| answer(request, protocol, Arc::clone(kept)));
    // A connection that breaks is the gateway's matter.
    match protocol {
        Protocol::Http => _ = http1::Builder::new().serve_connection(stream, answers).await,
        Protocol::Grpc => {
            _ = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, answers).await;
        }
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
    let path = request.uri().path().to_owned();
    let right = request.method() == Method::POST
        && [SPANS, METRICS, LINES].iter().any(|known| known[index] == path)
        && request.headers().get(CONTENT_TYPE).is_some_and(|value| value == media_type);
    let authorization = request.headers().get(AUTHORIZATION);
    let authorization = authorization.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let message = body.ok().filter(|_| right).and_then(|body| match protocol {
        Protocol::Http => Some(body),
        Protocol::Grpc => framed(&body),
    });
    let taken = message.and_then(|message| {
        let mut to = kept.lock();
        to.authorization = authorization;
        if path == SPANS[index] {
            to.spans.extend(received::spans(ExportTraceServiceRequest::decode(message.clone()).ok()?));
        } else if path == METRICS[index] {
            to.points = received::points(ExportMetricsServiceRequest::decode(message.clone()).ok()?);
        } else {
            to.lines.extend(received::lines(ExportLogsServiceRequest::decode(message.clone()).ok()?));
        }
        to.raw.extend_from_slice(&message);
        drop(to);
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
