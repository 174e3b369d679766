//! The exporter of traces: OTLP over HTTP or gRPC, as the configuration and the standard `OTEL_*` variables say.
//!
//! The variables win over the configuration. The SDK's builders win over the variables, so a builder value is set only where
//! the variable is not; and of some variables the SDK knows nothing, so they are read here.

use std::env;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::config::{Otlp, OtlpProtocol};

/// The longest that the end of the process waits for a collector.
const FLUSH: Duration = Duration::from_secs(2);

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable or key says something that is not known.
    #[error("{name}: '{value}' is not known; expected one of {expected}")]
    Unknown {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it could say.
        expected: &'static str,
    },
    /// The exporter does not take the endpoint or another value.
    #[error("telemetry.otlp: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// The thread of the exporter does not start.
    #[error("telemetry: cannot start the exporter's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// A running exporter; [`shutdown`](Self::shutdown) sends what it still has.
#[derive(Debug)]
pub struct Exporter {
    provider: SdkTracerProvider,
    /// Ends the thread on which gRPC lives.
    _runtime: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Exporter {
    /// Starts the exporter, if traces are to go anywhere.
    pub fn start(configured: Option<&Otlp>) -> Result<Option<Self>, TelemetryError> {
        let Some(protocol) = protocol(configured)? else { return Ok(None) };
        let endpoint = configured.filter(|_| !any_set(&ENDPOINTS)).map(|otlp| otlp.endpoint.as_str());
        let (exporter, runtime) = match protocol {
            OtlpProtocol::Http => (http(endpoint)?, None),
            OtlpProtocol::Grpc => {
                let (runtime, ended) = runtime()?;
                let _inside = runtime.enter();
                (grpc(endpoint)?, Some(ended))
            }
        };
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Some(Self { provider, _runtime: runtime }))
    }

    /// The provider of tracers.
    pub fn provider(&self) -> &SdkTracerProvider {
        &self.provider
    }

    /// Sends what is left, for two seconds at most, whatever the collector does.
    pub fn shutdown(self) {
        let (done, waiting) = mpsc::channel();
        let provider = self.provider.clone();
        // On a thread of its own: a shutdown that waits for itself must not hold up the process.
        let started = thread::Builder::new().name("telemetry-flush".to_owned()).spawn(move || {
            if let Err(error) = provider.shutdown_with_timeout(FLUSH) {
                tracing::warn!(%error, "not all spans could be sent");
            }
            _ = done.send(());
        });
        if started.is_ok() {
            _ = waiting.recv_timeout(FLUSH);
        }
    }
}

const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// How traces are exported; nothing if they are not.
fn protocol(configured: Option<&Otlp>) -> Result<Option<OtlpProtocol>, TelemetryError> {
    if set("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    match set("OTEL_TRACES_EXPORTER").as_deref() {
        None | Some("otlp") => {}
        Some("none") => return Ok(None),
        Some(other) => {
            return Err(TelemetryError::Unknown {
                name: "OTEL_TRACES_EXPORTER",
                value: other.to_owned(),
                expected: "otlp, none",
            });
        }
    }
    if configured.is_none() && !any_set(&ENDPOINTS) {
        return Ok(None);
    }
    let variable = PROTOCOLS.into_iter().find_map(|name| set(name).map(|value| (name, value)));
    match variable {
        None => Ok(Some(configured.map_or(OtlpProtocol::Http, |otlp| otlp.protocol))),
        Some((_, value)) if value == "http/protobuf" => Ok(Some(OtlpProtocol::Http)),
        Some((_, value)) if value == "grpc" => Ok(Some(OtlpProtocol::Grpc)),
        Some((name, value)) => Err(TelemetryError::Unknown { name, value, expected: "http/protobuf, grpc" }),
    }
}

/// A variable that is set to something (the specification treats empty as unset).
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn any_set(names: &[&str]) -> bool {
    names.iter().any(|name| set(name).is_some())
}

fn http(endpoint: Option<&str>) -> Result<SpanExporter, ExporterBuildError> {
    let builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    match endpoint {
        // A builder's endpoint is taken as it stands; that of a configuration is a base, as in the variable.
        Some(endpoint) => builder.with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/'))).build(),
        None => builder.build(),
    }
}

fn grpc(endpoint: Option<&str>) -> Result<SpanExporter, ExporterBuildError> {
    let builder = SpanExporter::builder().with_tonic();
    match endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint).build(),
        None => builder.build(),
    }
}

/// A thread with a runtime for gRPC, which lives until the sender is dropped.
fn runtime() -> Result<(tokio::runtime::Handle, tokio::sync::oneshot::Sender<()>), TelemetryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    thread::Builder::new().name("telemetry-grpc".to_owned()).spawn(move || {
        // The sender is dropped, never used: an error is the end.
        _ = runtime.block_on(ended);
    })?;
    Ok((handle, end))
}

/// Who speaks: the SDK reads `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` by itself, builder values would win.
fn resource() -> Resource {
    let named = set("OTEL_SERVICE_NAME").is_some()
        || set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let builder = Resource::builder();
    let builder = if named { builder } else { builder.with_service_name("patchgate") };
    builder.with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build()
}
