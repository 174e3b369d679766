//! The standard `OTEL_*` variables: those that the SDK does not read, and a check of those where it would quietly take its
//! own default in place of a value that it does not know.

use std::env;

use http::Uri;

use super::otlp::TelemetryError;

/// Where traces go; the first that is set counts.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const COMPRESSIONS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION"];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
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

/// Whether the variables switch traces off.
pub(super) fn off() -> Result<bool, TelemetryError> {
    if set("OTEL_SDK_DISABLED").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
        return Ok(true);
    }
    match set("OTEL_TRACES_EXPORTER") {
        None => Ok(false),
        Some((_, value)) if value == "otlp" => Ok(false),
        Some((_, value)) if value == "none" => Ok(true),
        Some(variable) => Err(wrong(variable, "'otlp' or 'none'")),
    }
}

/// Where traces go.
pub(super) fn endpoint() -> Option<Variable> {
    first(ENDPOINTS)
}

/// How traces are sent.
pub(super) fn protocol() -> Option<Variable> {
    first(PROTOCOLS)
}

/// Refuses what the SDK would not understand.
pub(super) fn check() -> Result<(), TelemetryError> {
    if let Some(variable) =
        set("OTEL_TRACES_SAMPLER").filter(|(_, value)| !SAMPLERS.contains(&value.as_str()))
    {
        return Err(wrong(
            variable,
            "one of always_on, always_off, traceidratio, and these with parentbased_",
        ));
    }
    let ratio = |text: &str| text.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio));
    if let Some(variable) = set("OTEL_TRACES_SAMPLER_ARG").filter(|(_, value)| !ratio(value)) {
        return Err(wrong(variable, "the part of traces that is kept, from 0 to 1"));
    }
    if let Some(variable) = first(COMPRESSIONS).filter(|(_, value)| value != "none") {
        return Err(wrong(variable, "'none': spans are sent as they are"));
    }
    if let Some(variable) = first(TIMEOUTS).filter(|(_, value)| value.parse::<u64>().is_err()) {
        return Err(wrong(variable, "a number of milliseconds"));
    }
    Ok(())
}

/// Whether this is the URL of a collector.
pub(super) fn is_url(text: &str) -> bool {
    let known = |uri: &Uri| uri.scheme_str().is_some_and(|scheme| scheme == "http" || scheme == "https");
    text.parse::<Uri>().is_ok_and(|uri| known(&uri) && uri.host().is_some_and(|host| !host.is_empty()))
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

/// The refusal of what a variable says.
pub(super) fn wrong((name, value): Variable, expected: &'static str) -> TelemetryError {
    TelemetryError::Wrong { name, value, expected }
}

/// A variable that is set to something (the specification treats empty as unset).
fn set(name: &'static str) -> Option<Variable> {
    env::var(name).ok().filter(|value| !value.is_empty()).map(|value| (name, value))
}

fn first(names: [&'static str; 2]) -> Option<Variable> {
    names.into_iter().find_map(set)
}
