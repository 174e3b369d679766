//! The standard `OTEL_*` variables: those that the SDK does not read, and a check of those where it would quietly take its
//! own default in place of a value that it does not know.

use std::env;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, Uri};

use super::otlp::TelemetryError;
use crate::authority::{has_port_or_none, may_be_cut_short};
use crate::config::concealed;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Spans.
    Traces,
    /// Metrics.
    Metrics,
    /// Lines of the log.
    Logs,
}

/// Variables of one kind: those of each signal, and that of all; a signal's own wins.
struct Names {
    traces: &'static str,
    metrics: &'static str,
    logs: &'static str,
    all: &'static str,
}

/// Those of a kind, whose name stands at their end.
macro_rules! names {
    ($kind:literal) => {
        Names {
            traces: concat!("OTEL_EXPORTER_OTLP_TRACES_", $kind),
            metrics: concat!("OTEL_EXPORTER_OTLP_METRICS_", $kind),
            logs: concat!("OTEL_EXPORTER_OTLP_LOGS_", $kind),
            all: concat!("OTEL_EXPORTER_OTLP_", $kind),
        }
    };
}

const ENDPOINT: Names = names!("ENDPOINT");
const PROTOCOL: Names = names!("PROTOCOL");
const COMPRESSION: Names = names!("COMPRESSION");
const TIMEOUT: Names = names!("TIMEOUT");
const INSECURE: Names = names!("INSECURE");
const CERTIFICATE: Names = names!("CERTIFICATE");
const CLIENT_CERTIFICATE: Names = names!("CLIENT_CERTIFICATE");
const CLIENT_KEY: Names = names!("CLIENT_KEY");
const HEADERS: Names = names!("HEADERS");
/// How long spans and lines wait, and how many of them.
const SPANS_WAIT: [&str; 3] =
    ["OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"];
const LINES_WAIT: [&str; 3] =
    ["OTEL_BLRP_SCHEDULE_DELAY", "OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE"];
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const TEMPORALITIES: [&str; 3] = ["cumulative", "delta", "lowmemory"];
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// A variable and what it says.
pub(super) type Variable = (&'static str, String);

impl Signal {
    /// Its path under the base URL of a collector.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }

    fn exporter(self) -> &'static str {
        match self {
            Self::Traces => "OTEL_TRACES_EXPORTER",
            Self::Metrics => "OTEL_METRICS_EXPORTER",
            Self::Logs => "OTEL_LOGS_EXPORTER",
        }
    }

    /// Whether a variable names a collector for this signal alone.
    pub(super) fn owns(self, variable: &str) -> bool {
        self.own(&ENDPOINT) == variable
    }

    fn own(self, names: &Names) -> &'static str {
        match self {
            Self::Traces => names.traces,
            Self::Metrics => names.metrics,
            Self::Logs => names.logs,
        }
    }

    fn find(self, names: &Names) -> Option<Variable> {
        set(self.own(names)).or_else(|| set(names.all))
    }
}

/// Whether the variables switch a signal off.
pub(super) fn off(signal: Signal) -> Result<bool, TelemetryError> {
    if set("OTEL_SDK_DISABLED").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
        return Ok(true);
    }
    match set(signal.exporter()) {
        None => Ok(false),
        Some((_, value)) if value == "otlp" => Ok(false),
        Some((_, value)) if value == "none" => Ok(true),
        Some(variable) => Err(wrong(variable, "'otlp' or 'none'")),
    }
}

/// Where a signal goes.
pub(super) fn endpoint(signal: Signal) -> Option<Variable> {
    signal.find(&ENDPOINT)
}

/// How a signal is sent.
pub(super) fn protocol(signal: Signal) -> Option<Variable> {
    signal.find(&PROTOCOL)
}

/// Whether an endpoint for gRPC without a scheme is one in cleartext.
pub(super) fn insecure(signal: Signal) -> bool {
    signal.find(&INSECURE).is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
}

/// The file of those who may vouch for a collector.
pub(super) fn certificate(signal: Signal) -> Option<Variable> {
    signal.find(&CERTIFICATE)
}

/// The file of the certificate that a collector is shown.
pub(super) fn client_certificate(signal: Signal) -> Option<Variable> {
    signal.find(&CLIENT_CERTIFICATE)
}

/// The file of the key to it.
pub(super) fn client_key(signal: Signal) -> Option<Variable> {
    signal.find(&CLIENT_KEY)
}

/// How long an attempt to send may take; the SDK's own default where nobody says.
pub(super) fn timeout(signal: Signal) -> Duration {
    let given = signal.find(&TIMEOUT).and_then(|(_, value)| value.parse().ok());
    given.map_or(opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT, Duration::from_millis)
}

/// Refuses what the SDK would not understand.
pub(super) fn check(signal: Signal) -> Result<(), TelemetryError> {
    match signal {
        Signal::Traces => check_sampler()?,
        Signal::Metrics => check_reader()?,
        Signal::Logs => check_waiting(LINES_WAIT, "a number of lines")?,
    }
    let plain = match signal {
        Signal::Traces => "'none': spans are sent as they are",
        Signal::Metrics => "'none': metrics are sent as they are",
        Signal::Logs => "'none': lines are sent as they are",
    };
    refuse(signal.find(&COMPRESSION), |value| value == "none", plain)?;
    refuse(signal.find(&TIMEOUT), |value| value.parse::<u64>().is_ok(), "a number of milliseconds")?;
    let is_known = |value: &str| ["true", "false"].iter().any(|known| known.eq_ignore_ascii_case(value));
    refuse(signal.find(&INSECURE), is_known, "true or false")?;
    match signal.find(&HEADERS) {
        // What it says may be a secret.
        Some((name, list)) if !list.split(',').all(is_header) => {
            let expected = "name=value, with a comma between several";
            Err(TelemetryError::Wrong { name, value: "***".to_owned(), expected })
        }
        _ => Ok(()),
    }
}

/// Whether this is a header field as a variable has it, or nothing.
fn is_header(text: &str) -> bool {
    let is_name = |name: &str| HeaderName::from_bytes(name.trim().as_bytes()).is_ok();
    text.trim().is_empty()
        || text.split_once('=').is_some_and(|(name, value)| is_name(name) && !value.trim().is_empty())
}

fn check_sampler() -> Result<(), TelemetryError> {
    refuse(
        set("OTEL_TRACES_SAMPLER"),
        |value| SAMPLERS.contains(&value),
        "one of always_on, always_off, traceidratio, and these with parentbased_",
    )?;
    refuse(
        set("OTEL_TRACES_SAMPLER_ARG"),
        |value| value.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)),
        "the part of traces that is kept, from 0 to 1",
    )?;
    check_waiting(SPANS_WAIT, "a number of spans")
}

fn check_waiting([delay, counts @ ..]: [&'static str; 3], count: &'static str) -> Result<(), TelemetryError> {
    refuse(set(delay), |value| value.parse::<u64>().is_ok(), "a number of milliseconds")?;
    let is_count = |value: &str| value.parse::<usize>().is_ok_and(|count| count > 0);
    counts.into_iter().try_for_each(|name| refuse(set(name), is_count, count))
}

fn check_reader() -> Result<(), TelemetryError> {
    refuse(
        set(TEMPORALITY),
        |value| TEMPORALITIES.iter().any(|known| known.eq_ignore_ascii_case(value)),
        "one of cumulative, delta, lowmemory",
    )?;
    refuse(
        set("OTEL_METRIC_EXPORT_INTERVAL"),
        |value| value.parse::<u64>().is_ok_and(|interval| interval > 0),
        "a number of milliseconds",
    )
}

/// Refuses a variable that is set to what does not fit.
fn refuse(
    variable: Option<Variable>,
    fits: impl FnOnce(&str) -> bool,
    expected: &'static str,
) -> Result<(), TelemetryError> {
    match variable {
        Some(variable) if !fits(&variable.1) => Err(wrong(variable, expected)),
        _ => Ok(()),
    }
}

/// Whether this is the URL of a collector.
pub(super) fn is_url(text: &str) -> bool {
    let known = |uri: &Uri| uri.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
    let is_host = |authority: &Authority| !authority.host().is_empty() && has_port_or_none(authority);
    let is_read = text.parse::<Uri>().is_ok_and(|uri| known(&uri) && uri.authority().is_some_and(is_host));
    is_read && !may_be_cut_short(text)
}

/// The name of the process.
pub(super) fn service_name() -> Option<String> {
    set("OTEL_SERVICE_NAME").map(|(_, name)| name)
}

/// The names of the attributes of the process that `OTEL_RESOURCE_ATTRIBUTES` gives.
pub(super) fn resource_names() -> Vec<String> {
    let list = set("OTEL_RESOURCE_ATTRIBUTES").map(|(_, list)| list).unwrap_or_default();
    list.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.trim().to_owned())).collect()
}

/// The refusal of what a variable says. In a URL that could not be read may be a password.
pub(super) fn wrong((name, value): Variable, expected: &'static str) -> TelemetryError {
    TelemetryError::Wrong { name, value: concealed(&value).into_owned(), expected }
}

/// A variable that is set to something (the specification treats empty as unset).
fn set(name: &'static str) -> Option<Variable> {
    env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (name, value))
}
