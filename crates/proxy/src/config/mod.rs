//! The configuration, as it was written, with the defaults of what was not.
//!
//! Unknown keys are errors: a typo must not open the gate. What a value means is checked where it is used, in
//! [`ruleset::build`](crate::ruleset::build) and by the listeners, before anything starts.

mod units;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchgate_model::Cloud;
use serde::Deserialize;

pub use units::{Delay, Size, Span};

/// The guards and routes where a configuration has none.
const DEFAULT: &str = include_str!("default.toml");

/// A whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where callers connect.
    pub listen: Listen,
    /// Health.
    pub admin: Admin,
    /// Graph, or what stands for it.
    pub upstream: Upstream,
    /// What may pass besides the guards.
    #[serde(rename = "route")]
    pub routes: Option<Vec<Route>>,
    /// What is checked.
    #[serde(rename = "guard")]
    pub guards: Option<Vec<Guard>>,
    /// Traces.
    pub telemetry: Telemetry,
    /// The process's own log.
    pub log: Log,
    /// Sizes.
    pub limits: Limits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The folder to which relative paths in the configuration belong.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// `[listen]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// The address that callers connect to.
    pub address: SocketAddr,
    /// The URL that callers use, for links in lists; else the request's own authority.
    pub public_url: Option<String>,
    /// Accepts cleartext on an address that is not loopback.
    pub insecure: bool,
}

/// `[admin]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// The address of health.
    pub address: SocketAddr,
}

/// `[upstream]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Upstream {
    /// A cloud of Graph by name.
    pub cloud: Option<Cloud>,
    /// A URL instead.
    pub url: Option<String>,
    /// Certificates to trust instead of the platform's: a PEM file.
    pub roots: Option<PathBuf>,
    /// Accepts cleartext to an address that is not loopback.
    pub insecure: bool,
}

/// `[[route]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The methods; only `GET`, whatever writes needs a guard.
    pub methods: Vec<ReadMethod>,
    /// The path template.
    pub path: String,
}

/// A method that only reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ReadMethod {
    /// `GET`
    #[serde(rename = "GET")]
    Get,
}

/// `[[guard]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// The name of a schema that ships with the gateway, or the path of one.
    pub schema: String,
}

/// `[telemetry]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Where traces go; nowhere if it is left out. The `OTEL_*` variables win.
    pub otlp: Option<Otlp>,
}

/// `telemetry.otlp`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// The collector's URL.
    pub endpoint: String,
    /// How to speak to it.
    #[serde(default)]
    pub protocol: OtlpProtocol,
}

/// A transport of OTLP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP, usually port 4318.
    #[default]
    #[serde(rename = "http/protobuf")]
    Http,
    /// gRPC, usually port 4317.
    #[serde(rename = "grpc")]
    Grpc,
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For whom the log is written.
    pub format: LogFormat,
    /// Which requests get a line.
    pub requests: LogRequests,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, else JSON.
    #[default]
    Auto,
    /// For people.
    Human,
    /// A JSON object a line.
    Json,
}

/// Which requests get a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogRequests {
    /// Those that were refused.
    #[default]
    Refused,
    /// All.
    All,
    /// None.
    Off,
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// All header lines of a request together.
    pub header_bytes: Size,
    /// The number of header lines.
    pub header_lines: usize,
    /// The target of an edit.
    pub target_guard: Size,
    /// The target of a read.
    pub target_read: Size,
    /// The body of an edit.
    pub body: Size,
    /// How deep a body may be nested.
    pub json_depth: usize,
    /// The connections of callers.
    pub connections: usize,
    /// The connections of one address.
    pub connections_per_address: usize,
    /// The requests that are answered at once.
    pub in_flight: usize,
    /// The bytes of bodies that are held at once.
    pub buffered: Size,
}

/// `[timeouts]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From a connection to its first byte.
    pub first_byte: Span,
    /// From the first byte of a head to its last.
    pub header: Span,
    /// From the first byte of a body to its last.
    pub body: Span,
    /// Connecting to Graph.
    pub connect: Span,
    /// The TLS handshake with Graph.
    pub handshake: Span,
    /// From an edit or read sent to the head of its answer.
    pub answer: Span,
    /// A kept-alive connection on which nothing happens, on either side.
    pub idle: Span,
    /// The end of the process: what is under way may finish.
    pub drain: Span,
    /// How long requests are still served at the end, so that those who send them notice.
    pub drain_delay: Delay,
}

/// Why a configuration was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration '{}': {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something it cannot say.
    #[error("in the configuration '{}', {place}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The place in it.
        place: String,
        /// What is wrong.
        message: String,
    },
}

impl Config {
    /// Reads a configuration file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        match Self::parse(&text) {
            Ok(config) => Ok(Self { folder, ..config }),
            Err(error) => Err(ConfigError::Wrong {
                path: path.to_owned(),
                place: place(&text, error.span().map_or(0, |span| span.start)),
                message: error.message().to_owned(),
            }),
        }
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut config: Self = toml::from_str(text)?;
        if config.guards.is_none() || config.routes.is_none() {
            let default: Self = toml::from_str(DEFAULT)?;
            config.guards = config.guards.or(default.guards);
            config.routes = config.routes.or(default.routes);
        }
        Ok(config)
    }

    /// The configuration of a process that was told nothing.
    pub fn told_nothing() -> Result<Self, ConfigError> {
        Self::parse("").map_err(|error| ConfigError::Wrong {
            path: PathBuf::from("default.toml"),
            place: place(DEFAULT, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })
    }
}

fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            admin: Admin::default(),
            upstream: Upstream::default(),
            routes: None,
            guards: None,
            telemetry: Telemetry::default(),
            log: Log::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            folder: PathBuf::new(),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 4080)), public_url: None, insecure: false }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 4081)) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: Size::kib(16),
            header_lines: 64,
            target_guard: Size::kib(2),
            target_read: Size::kib(8),
            body: Size::kib(256),
            json_depth: 8,
            connections: 10_000,
            connections_per_address: 1000,
            in_flight: 1000,
            buffered: Size::kib(256 * 1024),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = |s| Span(Duration::from_secs(s));
        Self {
            first_byte: seconds(5),
            header: seconds(5),
            body: seconds(15),
            connect: seconds(5),
            handshake: seconds(5),
            answer: seconds(30),
            idle: seconds(60),
            drain: seconds(30),
            drain_delay: Delay::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_have_a_guard_and_reads() {
        let config = Config::told_nothing().unwrap();
        assert_eq!(config.guards.unwrap().len(), 1);
        assert_eq!(config.routes.unwrap().len(), 2);
    }

    #[test]
    fn wrong_files_are_told_by_place() {
        let folder = std::env::temp_dir();
        for (text, place, word) in [
            ("[listen]\nadress = \"127.0.0.1:1\"\n", "line 2, column 1", "adress"),
            ("[limits]\nbody = \"256\"\n", "line 2, column 8", "unit"),
            ("[limits]\nbody = \"0KiB\"\n", "line 2, column 8", "more than"),
            ("[timeouts]\nidle = 60\n", "line 2, column 8", "string"),
            ("[timeouts]\nidle = \"-1s\"\n", "line 2, column 8", "more than"),
            ("[[route]]\nmethods = [\"POST\"]\npath = \"/{version}/a\"\n", "line 2, column 12", "GET"),
            ("[upstream]\ncloud = \"mars\"\n", "line 2, column 9", "global"),
            ("[listen\n", "line 1, column 8", ""),
        ] {
            let error = Config::parse(text).unwrap_err();
            let at = super::place(text, error.span().unwrap().start);
            assert_eq!(at, place, "{text}: {error}");
            assert!(error.message().contains(word), "{text}: {error}");
        }
        assert!(matches!(
            Config::read(&folder.join("no-such-file.toml")),
            Err(ConfigError::Unreadable { .. })
        ));
    }
}
