//! What a value can be: read from text whatever it was written in, and written again to be shown.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use patchgate_journal::{Durability, Keep};
use patchgate_model::Cloud;
use patchgate_model::suggest::nearest;

use super::{LogFormat, LogRequests, OtlpProtocol};

/// What a value is in TOML. In a variable or a flag each is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// An integer.
    Integer,
    /// A boolean.
    Boolean,
}

/// A value of one key.
pub(super) trait Value: Sized {
    /// What it is in TOML.
    const KIND: Kind;

    /// What is accepted, as words.
    fn form() -> String;

    /// Reads it; or says what is wrong, without saying the text again.
    fn parse(text: &str) -> Result<Self, String>;

    /// The text that would be read as this value, safe to be shown; nothing where there is none.
    fn written(&self) -> Option<String>;
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;

    fn form() -> String {
        T::form()
    }

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn written(&self) -> Option<String> {
        self.as_ref().and_then(T::written)
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Boolean;

    fn form() -> String {
        "true or false".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "this is neither true nor false".to_owned())
    }

    fn written(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for SocketAddr {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "an IP address and a port, such as \"127.0.0.1:4080\" or \"[::1]:4080\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            if text.starts_with("localhost:") {
                "a name is no IP address".to_owned()
            } else if text.parse::<IpAddr>().is_ok() {
                "a port is missing".to_owned()
            } else if text.rsplit_once(':').is_some_and(|(host, _)| is_address(host)) {
                "its port is not a number up to 65535".to_owned()
            } else {
                "this is not an IP address and a port".to_owned()
            }
        })
    }

    fn written(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Whether this is an address as it stands before a port.
fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host).parse::<IpAddr>().is_ok_and(|address| address.is_ipv6() == inner.is_some())
}

/// An address as the flag of a command has it that reads no configuration; or what is wrong, and what is accepted.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    SocketAddr::parse(text).map_err(|problem| format!("{problem}; expected {}", SocketAddr::form()))
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "the path of a file, relative to the folder of the configuration".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self::from(text)) }
    }

    fn written(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

/// One of a few names.
trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];
}

impl Choice for Cloud {
    const ALL: &'static [(&'static str, Self)] = &[
        (Self::Global.name(), Self::Global),
        (Self::UsGovL4.name(), Self::UsGovL4),
        (Self::UsGovL5.name(), Self::UsGovL5),
        (Self::China.name(), Self::China),
    ];
}

impl Choice for OtlpProtocol {
    const ALL: &'static [(&'static str, Self)] = &[("http/protobuf", Self::Http), ("grpc", Self::Grpc)];
}

impl Choice for Durability {
    const ALL: &'static [(&'static str, Self)] = &[("strict", Self::Strict), ("relaxed", Self::Relaxed)];
}

impl Choice for Keep {
    const ALL: &'static [(&'static str, Self)] =
        &[("value", Self::Value), ("hash", Self::Hash), ("omit", Self::Omit)];
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("human", Self::Human), ("json", Self::Json)];
}

impl Choice for LogRequests {
    const ALL: &'static [(&'static str, Self)] =
        &[("refused", Self::Refused), ("all", Self::All), ("off", Self::Off)];
}

impl<C: Choice> Value for C {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        let names: Vec<String> = C::ALL.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, before)) => format!("{} or {last}", before.join(", ")),
            None => String::new(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, value)) = C::ALL.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let near = nearest(text, C::ALL.iter().map(|(name, _)| *name));
        let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        Err(format!("this is none of the names that are known{near}"))
    }

    fn written(&self) -> Option<String> {
        C::ALL.iter().find(|(_, value)| value == self).map(|(name, _)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (text, why) in [
            ("localhost:4080", "a name is no IP address"),
            ("127.0.0.1", "a port is missing"),
            ("::1", "a port is missing"),
            ("127.0.0.1:", "its port is not a number up to 65535"),
            ("127.0.0.1:80000", "its port is not a number up to 65535"),
            ("[::1]:http", "its port is not a number up to 65535"),
            ("::1:80000", "this is not an IP address and a port"),
            ("[127.0.0.1]:80", "this is not an IP address and a port"),
            ("4080", "this is not an IP address and a port"),
        ] {
            assert_eq!(SocketAddr::parse(text).unwrap_err(), why, "{text}");
        }
    }
}
