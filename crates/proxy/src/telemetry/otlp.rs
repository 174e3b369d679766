//! The exporter of traces: OTLP over HTTP or gRPC, as the configuration and the standard `OTEL_*` variables say.
//!
//! The variables win over the configuration. The SDK's builders win over the variables, so a builder value is set only where
//! the variable is not; and of some variables the SDK knows nothing, so they are read in [`variables`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};

use super::variables;
use crate::config::{Otlp, OtlpProtocol};

/// The longest that the end of the process waits for a collector.
const FLUSH: Duration = Duration::from_secs(2);

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable or key says something that is not known.
    #[error("{name}: '{value}' is not accepted; expected {expected}")]
    Wrong {
        /// The variable or key.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it could say.
        expected: &'static str,
    },
    /// The exporter cannot be made; over HTTP not even for a cleartext endpoint, where no certificate can be trusted.
    #[error(
        "telemetry.otlp: the exporter cannot be set up: {0}; if this machine has no CA certificates, install them or use the protocol 'grpc'"
    )]
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
        if variables::off()? || (configured.is_none() && variables::endpoint().is_none()) {
            return Ok(None);
        }
        variables::check()?;
        let protocol = protocol(configured)?;
        let endpoint = endpoint(configured, protocol)?;
        let (exporter, runtime) = match protocol {
            OtlpProtocol::Http => (http(endpoint)?, None),
            OtlpProtocol::Grpc => {
                let (runtime, ended) = runtime()?;
                let _inside = runtime.enter();
                (grpc(endpoint)?, Some(ended))
            }
        };
        let exporter = Telling { exporter, fails: AtomicBool::new(false) };
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
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
            _ = done.send(provider.shutdown_with_timeout(FLUSH).is_ok());
        });
        let sent = started.is_ok() && waiting.recv_timeout(FLUSH).unwrap_or(false);
        if !sent {
            tracing::warn!("not all spans could be sent to the collector");
        }
    }
}

/// How traces are sent.
fn protocol(configured: Option<&Otlp>) -> Result<OtlpProtocol, TelemetryError> {
    match variables::protocol() {
        None => Ok(configured.map_or(OtlpProtocol::Http, |otlp| otlp.protocol)),
        Some((_, value)) if value == "http/protobuf" => Ok(OtlpProtocol::Http),
        Some((_, value)) if value == "grpc" => Ok(OtlpProtocol::Grpc),
        Some(variable) => Err(variables::wrong(variable, "'http/protobuf' or 'grpc'")),
    }
}

/// The endpoint of the configuration; nothing where a variable has one, which the SDK then reads.
fn endpoint(configured: Option<&Otlp>, protocol: OtlpProtocol) -> Result<Option<&str>, TelemetryError> {
    let expected = "the URL of a collector, such as 'http://localhost:4318', or ':4317' for grpc";
    let Some(variable) = variables::endpoint() else {
        let endpoint = configured.map(|otlp| otlp.endpoint.as_str());
        return match endpoint.filter(|endpoint| !variables::is_url(endpoint)) {
            None => Ok(endpoint),
            Some(wrong) => Err(variables::wrong(("telemetry.otlp.endpoint", wrong.to_owned()), expected)),
        };
    };
    // The variable's endpoint for gRPC may lack its scheme; the SDK adds one.
    let bare = protocol == OtlpProtocol::Grpc && !variable.1.contains("://");
    let url = if bare { format!("https://{}", variable.1) } else { variable.1.clone() };
    if variables::is_url(&url) { Ok(None) } else { Err(variables::wrong(variable, expected)) }
}

fn http(endpoint: Option<&str>) -> Result<SpanExporter, ExporterBuildError> {
    let builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
    match endpoint {
        // A builder's endpoint is taken as it stands; that of a configuration is a base, as in the variable.
        Some(endpoint) => {
            builder.with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/'))).build()
        }
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

/// Who speaks: what the variables say, else what the program is. `OTEL_SERVICE_NAME` must win over a `service.name` in
/// `OTEL_RESOURCE_ATTRIBUTES`, and in the SDK it does not; a builder value wins over both.
fn resource() -> Resource {
    let given = variables::resource_names();
    let is_given = |name: &str| given.iter().any(|given| given == name);
    let service = match variables::service_name() {
        None if is_given("service.name") => None,
        name => Some(name.unwrap_or_else(|| "patchgate".to_owned())),
    };
    let version = (!is_given("service.version")).then(|| env!("CARGO_PKG_VERSION").to_owned());
    let own = [("service.name", service), ("service.version", version)];
    let own = own.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?)));
    Resource::builder().with_attributes(own).build()
}

/// An exporter that says when the collector stops to take spans, and when it takes them again. The SDK says nothing.
#[derive(Debug)]
struct Telling {
    exporter: SpanExporter,
    fails: AtomicBool,
}

impl opentelemetry_sdk::trace::SpanExporter for Telling {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let failed = self.fails.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Err(error) if !failed => {
                tracing::warn!(%error, "the collector takes no spans; they are lost until it does");
            }
            Ok(()) if failed => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        result
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
