//! The exporters of traces, metrics and the log: OTLP over HTTP or gRPC, as the configuration and the standard `OTEL_*` variables say.
//!
//! The variables win over the configuration. The SDK's builders win over the variables, so a builder value is set only where
//! the variable is not, or from it; and of some variables the SDK knows nothing, so they are read in [`variables`].
//!
//! INVARIANT: what is sent goes to the collector that was named and to nobody else: through no proxy of the environment, and
//! after no redirect. A password in its URL is in a header before a library sees the URL: at their finest levels they log it.

use std::collections::HashMap;
use std::thread;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig,
    WithHttpConfig, WithTonicConfig,
};
use reqwest::blocking::Client;
use reqwest::redirect;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::telling::{Keeping, Reason, whole};
use super::tls::Tls;
use super::variables::{self, Signal, Variable};
use crate::config::{Otlp, OtlpProtocol};

/// The key of a collector.
const KEY: &str = "telemetry.otlp.endpoint";
/// What an https collector needs.
const CERTIFICATES: &str = "an https collector needs this machine's CA certificates (the package is often called ca-certificates), \
     or those of a file in OTEL_EXPORTER_OTLP_CERTIFICATE";

/// What a query or a fragment would make of the path behind it.
const NO_QUERY: &str = "a URL that ends with its path, for that of a signal is put behind it; OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is taken as it stands";

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// A variable or key says something that is not known.
    #[error("{name}: '{value}' is not accepted; expected {expected}")]
    Wrong {
        /// The variable or key.
        name: &'static str,
        /// What it says, without what may be a password.
        value: String,
        /// What it could say.
        expected: &'static str,
    },
    /// A file that a variable names is of no use.
    #[error("{name}: the file '{path}' cannot be used: {reason}")]
    File {
        /// The variable.
        name: &'static str,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The exporter cannot be made.
    #[error("telemetry.otlp: the exporter cannot be set up: {}; {}", .0, CERTIFICATES)]
    Exporter(#[from] ExporterBuildError),
    /// The client for a collector over HTTP cannot be made.
    #[error("telemetry.otlp: the exporter cannot be set up: {}; {}", whole(.0), CERTIFICATES)]
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
    /// Where to, as a builder takes it: as it stands.
    endpoint: String,
    /// There is none in cleartext.
    tls: Option<Tls>,
    reason: Reason,
}

/// The thread on which gRPC lives, of all signals; it ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Grpc(Option<(Handle, oneshot::Sender<()>)>);

/// An exporter of some kind; their builders have nothing in common that a function could be told.
macro_rules! exporter {
    ($exporter:ident, $route:ident, $grpc:ident) => {
        Ok(match $route.protocol {
            OtlpProtocol::Http => $route.over_http($exporter::builder().with_http())?.build()?,
            OtlpProtocol::Grpc => {
                let runtime = $grpc.runtime()?;
                let _inside = runtime.enter();
                $route.over_grpc($exporter::builder().with_tonic())?.build()?
            }
        })
    };
}

impl Route {
    /// The way of a signal, if it is to go anywhere.
    pub(super) fn of(signal: Signal, configured: Option<&Otlp>) -> Result<Option<Self>, TelemetryError> {
        if variables::off(signal)? {
            return Ok(None);
        }
        let of_key = || configured.map(|otlp| (KEY, otlp.endpoint.clone()));
        let Some(named) = variables::endpoint(signal).or_else(of_key) else { return Ok(None) };
        variables::check(signal)?;
        let protocol = protocol(signal, configured)?;
        let endpoint = endpoint(signal, named, protocol)?;
        let tls = is_https(&endpoint).then(|| Tls::of(signal)).transpose()?;
        Ok(Some(Self { signal, protocol, endpoint, tls, reason: Reason::default() }))
    }

    /// Where the exporter keeps why an attempt failed, if it knows.
    pub(super) fn reason(&self) -> Reason {
        self.reason.clone()
    }

    /// The exporter of traces.
    pub(super) fn spans(self, grpc: &mut Grpc) -> Result<SpanExporter, TelemetryError> {
        exporter!(SpanExporter, self, grpc)
    }

    /// The exporter of metrics.
    pub(super) fn metrics(self, grpc: &mut Grpc) -> Result<MetricExporter, TelemetryError> {
        exporter!(MetricExporter, self, grpc)
    }

    /// The exporter of the log.
    pub(super) fn logs(self, grpc: &mut Grpc) -> Result<LogExporter, TelemetryError> {
        exporter!(LogExporter, self, grpc)
    }

    fn over_http<B: WithExportConfig + WithHttpConfig>(self, builder: B) -> Result<B, TelemetryError> {
        let client = Keeping { client: self.client()?, reason: self.reason() };
        let builder = builder.with_protocol(Protocol::HttpBinary).with_http_client(client);
        let (endpoint, credentials) = apart(self.endpoint)?;
        let text = credentials.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let headers = text.map(|text| (AUTHORIZATION.to_string(), text.to_owned()));
        Ok(builder.with_endpoint(endpoint).with_headers(HashMap::from_iter(headers)))
    }

    fn over_grpc<B: WithExportConfig + WithTonicConfig>(self, builder: B) -> Result<B, TelemetryError> {
        let builder = match &self.tls {
            Some(tls) => builder.with_tls_config(tls.grpc()),
            None => builder,
        };
        let (endpoint, credentials) = apart(self.endpoint)?;
        Ok(builder.with_endpoint(endpoint).with_metadata(MetadataMap::from_headers(credentials)))
    }

    /// The exporter's own client would go through the proxies of the environment, even to this machine, and after redirects.
    fn client(&self) -> Result<Client, reqwest::Error> {
        let client = Client::builder().timeout(variables::timeout(self.signal));
        let client = client.no_proxy().redirect(redirect::Policy::none());
        match &self.tls {
            Some(tls) => tls.http(client)?.build(),
            // In cleartext there is nobody to trust, and a machine without certificates may have a collector.
            None => client.tls_certs_only([]).build(),
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

/// Where a signal goes, of what was named by a variable or by the key. A variable of the signal's own is taken as it stands, the
/// others are a base.
fn endpoint(signal: Signal, named: Variable, protocol: OtlpProtocol) -> Result<String, TelemetryError> {
    let expected = "the URL of a collector, such as 'http://localhost:4318', or ':4317' for grpc";
    let (name, value) = &named;
    // The variable's endpoint for gRPC may lack its scheme.
    let bare = protocol == OtlpProtocol::Grpc && *name != KEY && !value.contains("://");
    let scheme = if variables::insecure(signal) { "http" } else { "https" };
    let url = if bare { format!("{scheme}://{value}") } else { value.clone() };
    let is_base = protocol == OtlpProtocol::Http && !signal.owns(name);
    if !variables::is_url(&url) {
        return Err(variables::wrong(named, expected));
    }
    if is_base && let Some((before, _)) = url.split_once(['?', '#']) {
        // There may be a secret in it.
        return Err(variables::wrong((name, format!("{before}?…")), NO_QUERY));
    }
    Ok(if is_base { format!("{}{}", url.trim_end_matches('/'), signal.path()) } else { url })
}

/// Whether a collector is spoken to with TLS.
fn is_https(endpoint: &str) -> bool {
    endpoint.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// An endpoint without the name and password that stand in it, and the header that these mean.
fn apart(endpoint: String) -> Result<(String, HeaderMap), reqwest::Error> {
    if !endpoint.contains('@') {
        return Ok((endpoint, HeaderMap::new()));
    }
    // A request that is never sent, for reqwest knows how a name and a password are decoded and written.
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let request = client.get(endpoint).build().map_err(reqwest::Error::without_url)?;
    let mut url = request.url().clone();
    // What could not be decoded is still there, and would be no use to the collector. A URL with a host has a place for both.
    _ = url.set_username("");
    _ = url.set_password(None);
    Ok((url.into(), request.headers().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_goes_from_the_url_into_a_header() {
        _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for (endpoint, plain, header) in [
            ("http://a.example:4318/v1/traces", "http://a.example:4318/v1/traces", None),
            ("http://a.example/p@q", "http://a.example/p@q", None),
            ("http://u:p@a.example:4318/v1/traces", "http://a.example:4318/v1/traces", Some("Basic dTpw")),
            ("https://u%40b:p%2Fq@[::1]:4317", "https://[::1]:4317/", Some("Basic dUBiOnAvcQ==")),
            ("http://%FF:p@a.example", "http://a.example/", None),
        ] {
            let (found, headers) = apart(endpoint.to_owned()).unwrap();
            let value = headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap());
            assert_eq!(
                (found.as_str(), value, headers.len()),
                (plain, header, usize::from(header.is_some()))
            );
        }
    }
}
