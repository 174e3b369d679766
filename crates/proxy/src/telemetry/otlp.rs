//! The exporters of traces and metrics: OTLP over HTTP or gRPC, as the configuration and the standard `OTEL_*` variables say.
//!
//! The variables win over the configuration. The SDK's builders win over the variables, so a builder value is set only where
//! the variable is not; and of some variables the SDK knows nothing, so they are read in [`variables`].

use std::thread;

use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::variables::{self, Signal};
use crate::config::{Otlp, OtlpProtocol};

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
    /// The exporter cannot be made.
    #[error(
        "telemetry.otlp: the exporter cannot be set up: {0}; an https collector needs this machine's CA certificates (the package is often called ca-certificates)"
    )]
    Exporter(#[from] ExporterBuildError),
    /// The client for a cleartext collector cannot be made.
    #[error("telemetry.otlp: the exporter cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
    /// The thread of the exporter does not start.
    #[error("telemetry: cannot start the exporter's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// How one signal is sent.
#[derive(Debug)]
pub(super) struct Route {
    signal: Signal,
    protocol: OtlpProtocol,
    /// The endpoint of the configuration; nothing where a variable has one, which the SDK then reads.
    endpoint: Option<String>,
}

/// The thread on which gRPC lives, of all signals; it ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Grpc(Option<(Handle, oneshot::Sender<()>)>);

impl Route {
    /// The way of a signal, if it is to go anywhere.
    pub(super) fn of(signal: Signal, configured: Option<&Otlp>) -> Result<Option<Self>, TelemetryError> {
        if variables::off(signal)? || (configured.is_none() && variables::endpoint(signal).is_none()) {
            return Ok(None);
        }
        variables::check(signal)?;
        let protocol = protocol(signal, configured)?;
        let endpoint = endpoint(signal, configured, protocol)?.map(ToOwned::to_owned);
        Ok(Some(Self { signal, protocol, endpoint }))
    }

    /// The exporter of traces.
    pub(super) fn spans(self, grpc: &mut Grpc) -> Result<SpanExporter, TelemetryError> {
        Ok(match self.protocol {
            OtlpProtocol::Http => {
                let builder = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
                let builder = match self.cleartext_client()? {
                    Some(client) => builder.with_http_client(client),
                    None => builder,
                };
                self.to(builder).build()?
            }
            OtlpProtocol::Grpc => {
                let runtime = grpc.runtime()?;
                let _inside = runtime.enter();
                self.to(SpanExporter::builder().with_tonic()).build()?
            }
        })
    }

    /// The exporter of metrics.
    pub(super) fn metrics(self, grpc: &mut Grpc) -> Result<MetricExporter, TelemetryError> {
        Ok(match self.protocol {
            OtlpProtocol::Http => {
                let builder = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
                let builder = match self.cleartext_client()? {
                    Some(client) => builder.with_http_client(client),
                    None => builder,
                };
                self.to(builder).build()?
            }
            OtlpProtocol::Grpc => {
                let runtime = grpc.runtime()?;
                let _inside = runtime.enter();
                self.to(MetricExporter::builder().with_tonic()).build()?
            }
        })
    }

    /// The client for a collector that is spoken to in cleartext. The exporter's own loads the platform's certificates
    /// before it knows whether it needs them, and fails on a machine that has none.
    fn cleartext_client(&self) -> Result<Option<reqwest::blocking::Client>, TelemetryError> {
        let variable = variables::endpoint(self.signal).map(|(_, url)| url);
        let is_cleartext =
            self.endpoint.as_ref().or(variable.as_ref()).is_some_and(|url| url.starts_with("http://"));
        if !is_cleartext {
            return Ok(None);
        }
        let client = reqwest::blocking::Client::builder().timeout(variables::timeout(self.signal));
        Ok(Some(client.tls_certs_only([]).build()?))
    }

    fn to<B: WithExportConfig>(&self, builder: B) -> B {
        match (&self.endpoint, self.protocol) {
            (None, _) => builder,
            (Some(endpoint), OtlpProtocol::Grpc) => builder.with_endpoint(endpoint),
            // A builder's endpoint is taken as it stands; that of a configuration is a base, as in the variable.
            (Some(endpoint), OtlpProtocol::Http) => {
                builder.with_endpoint(format!("{}{}", endpoint.trim_end_matches('/'), self.signal.path()))
            }
        }
    }
}

impl Grpc {
    fn runtime(&mut self) -> Result<Handle, TelemetryError> {
        if let Some((handle, _)) = &self.0 {
            return Ok(handle.clone());
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::Builder::new().name("telemetry-grpc".to_owned()).spawn(move || {
            // The sender is dropped, never used: an error is the end.
            _ = runtime.block_on(ended);
        })?;
        self.0 = Some((handle.clone(), end));
        Ok(handle)
    }
}

fn protocol(signal: Signal, configured: Option<&Otlp>) -> Result<OtlpProtocol, TelemetryError> {
    match variables::protocol(signal) {
        None => Ok(configured.map_or(OtlpProtocol::Http, |otlp| otlp.protocol)),
        Some((_, value)) if value == "http/protobuf" => Ok(OtlpProtocol::Http),
        Some((_, value)) if value == "grpc" => Ok(OtlpProtocol::Grpc),
        Some(variable) => Err(variables::wrong(variable, "'http/protobuf' or 'grpc'")),
    }
}

fn endpoint(
    signal: Signal,
    configured: Option<&Otlp>,
    protocol: OtlpProtocol,
) -> Result<Option<&str>, TelemetryError> {
    let expected = "the URL of a collector, such as 'http://localhost:4318', or ':4317' for grpc";
    let Some(variable) = variables::endpoint(signal) else {
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
