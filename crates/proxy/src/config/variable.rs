//! Variables that set no key: slips, and those of Kubernetes.

use std::ffi::OsStr;

use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;

use super::fault::{Fault, Place};
use super::settings::{self, Setting};

/// That nobody knows a variable, and what was probably meant. Its value is not said.
pub(super) fn unknown(name: &str, rest: &str) -> Fault {
    let fault = |message: &str| Fault::new("", Place::Variable(Quoted(name).to_string()), message);
    let first = rest.split('_').next().unwrap_or_default();
    if ["GUARD", "ROUTE", "GUARDS", "ROUTES"].contains(&first) {
        return fault("lists cannot be set by a variable").help("write [[guard]] and [[route]] in the file");
    }
    let known: Vec<String> = settings::ALL.iter().map(Setting::variable).collect();
    let near = nearest(name, known.iter().map(String::as_str));
    let near = near.map(|near| format!("did you mean {near}?"));
    fault("this variable is not known").help(near.unwrap_or_else(|| {
        "a variable is PATCHGATE_ and the key in capitals, with __ between its parts, such as \
         PATCHGATE_LISTEN__ADDRESS"
            .to_owned()
    }))
}

/// Whether Kubernetes may have set this variable: for a service called `patchgate…` it tells each container in the same
/// namespace its host and ports, in names such as `PATCHGATE_SERVICE_HOST` and `PATCHGATE_PORT_443_TCP_ADDR`. What it calls
/// `PATCHGATE_PORT` and `PATCHGATE_ADMIN_PORT` is a URL; with another value somebody meant a key.
pub(super) fn is_service_link(rest: &str, value: &OsStr) -> bool {
    if rest.contains("__") {
        return false;
    }
    let named = format!("_{rest}");
    if named.contains("_SERVICE_HOST") || named.contains("_SERVICE_PORT") {
        return true;
    }
    let is_port = |number: &str, protocol: &str| {
        number.parse::<u16>().is_ok() && ["TCP", "UDP", "SCTP"].contains(&protocol)
    };
    let words: Vec<&str> = rest.split('_').collect();
    match words.as_slice() {
        [.., "PORT", number, protocol] | [.., "PORT", number, protocol, "PROTO" | "PORT" | "ADDR"]
            if is_port(number, protocol) =>
        {
            true
        }
        [.., "PORT"] => {
            let url = value.to_string_lossy();
            ["tcp://", "udp://", "sctp://"].iter().any(|scheme| url.starts_with(scheme))
        }
        _ => false,
    }
}
