//! The configuration: what was written in the file, the environment and the flags, with the defaults of what was not, and
//! where each value comes from.
//!
//! The way of a configuration: [`find`] says which file; [`file`] takes its text apart; [`layers`] puts the variables and
//! flags over it; [`Plan`](crate::plan::Plan) finds out what the values mean together. Each collects all faults there are;
//! [`fault`] shows them with their places.
//!
//! INVARIANT: unknown keys are errors, also in variables: a typo must not open the gate. Nothing in a value is expanded.

pub mod change;
pub mod fault;
mod file;
pub mod find;
pub mod layers;
mod list;
pub mod settings;
pub mod show;
mod units;
mod url;
mod value;
mod variable;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use patchgate_journal::{Durability, Keep};
use patchgate_model::Cloud;

pub use fault::{Fault, Faults, Place};
pub use layers::{Draft, Flags, Inputs, Loaded, Source};
pub use list::of_field;
pub use units::{Age, Count, Delay, Size, Span};
pub(crate) use url::concealed;
pub use url::{PublicUrl, Url};
pub(crate) use value::address;

/// A whole configuration.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where callers connect.
    pub listen: Listen,
    /// Health.
    pub admin: Admin,
    /// Graph, or what stands for it.
    pub upstream: Upstream,
    /// What may pass besides the guards.
    pub routes: Vec<Route>,
    /// What is checked.
    pub guards: Vec<Guard>,
    /// The record of all edits.
    pub audit: Audit,
    /// Traces and metrics.
    pub telemetry: Telemetry,
    /// The process's own log.
    pub log: Log,
    /// Sizes.
    pub limits: Limits,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// The folder to which relative paths in the configuration belong.
    pub folder: PathBuf,
}

/// `[listen]`
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address that callers connect to.
    pub address: SocketAddr,
    /// The URL that callers use, for links in lists; else the request's own authority.
    pub public_url: Option<PublicUrl>,
    /// Accepts cleartext on an address that is not loopback.
    pub insecure: bool,
}

/// `[admin]`
#[derive(Debug, Clone)]
pub struct Admin {
    /// The address of health and metrics.
    pub address: SocketAddr,
}

/// `[upstream]`
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// A cloud of Graph by name.
    pub cloud: Option<Cloud>,
    /// A URL instead.
    pub url: Option<Url>,
    /// Certificates to trust instead of the platform's: a PEM file.
    pub roots: Option<PathBuf>,
    /// Accepts cleartext to an address that is not loopback.
    pub insecure: bool,
}

impl Upstream {
    /// What is said of an upstream that nobody named.
    pub const EMBEDDED: &str = "the embedded Graph, in memory";

    /// Whether nobody named one, so that edits stay in this process.
    pub fn is_embedded(&self) -> bool {
        self.cloud.is_none() && self.url.is_none()
    }
}

/// `[[route]]`: a read. There is no other method that could be configured: whatever writes needs a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The path template.
    pub path: String,
}

/// `[[guard]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The name of a schema that ships with the gateway, or the path of one.
    pub schema: String,
    /// How the values of its fields stand on record, in the order of their names; others, as they are.
    pub record: Vec<(String, Keep)>,
}

/// The size of a segment of the journal.
pub type SegmentSize = Size<{ 4 << 30 }, { 64 << 10 }>;
/// The size of the whole journal.
pub type JournalSize = Size<{ 1 << 50 }>;
/// The age of a segment of the journal.
pub type SegmentAge = Age<1, { 31 * DAY }>;
/// The age of a record. Less than a day is a slip of the unit, and would empty the journal.
pub type RecordAge = Age<DAY, { 36_500 * DAY }>;

const DAY: u64 = 24 * 60 * 60;

/// `[audit]`
#[derive(Debug, Clone)]
pub struct Audit {
    /// The journal's directory; else one in the user's state directory.
    pub directory: Option<PathBuf>,
    /// When a record counts as recorded.
    pub durability: Durability,
    /// The file with the key of values that stand on record as a hash.
    pub hash_key: Option<PathBuf>,
    /// How long records are kept; else for ever.
    pub keep_for: Option<RecordAge>,
    /// The most bytes of all records; else there is no most.
    pub keep_bytes: Option<JournalSize>,
    /// A segment of this size is followed by another.
    pub segment_bytes: SegmentSize,
    /// So is one of this age.
    pub segment_age: SegmentAge,
}

/// `[telemetry]`; the `OTEL_*` variables win.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// The collector's URL; without one nothing is sent.
    pub endpoint: Option<Url>,
    /// How to speak to it.
    pub protocol: OtlpProtocol,
}

/// A collector.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// Its URL.
    pub endpoint: String,
    /// How to speak to it.
    pub protocol: OtlpProtocol,
}

/// A transport of OTLP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP, usually port 4318.
    #[default]
    Http,
    /// gRPC, usually port 4317.
    Grpc,
}

/// `[log]`
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// For whom the log is written.
    pub format: LogFormat,
    /// Which requests get a line.
    pub requests: LogRequests,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogRequests {
    /// Those that were refused.
    #[default]
    Refused,
    /// All.
    All,
    /// None.
    Off,
}

/// The most bytes of a head that the HTTP parser takes; what stands above is refused by it without an envelope.
pub const HEAD_BYTES: usize = 32 * 1024;

/// `[limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// All header lines of a request together.
    pub header_bytes: Size<HEAD_BYTES>,
    /// The number of header lines; the parser takes no more.
    pub header_lines: Count<100>,
    /// The target of an edit.
    pub target_guard: Size<HEAD_BYTES>,
    /// The target of a read.
    pub target_read: Size<HEAD_BYTES>,
    /// The body of an edit.
    pub body: Size,
    /// How deep a body may be nested.
    pub json_depth: Count<64>,
    /// The connections of callers.
    pub connections: Count<1_000_000>,
    /// The connections of one address.
    pub connections_per_address: Count<1_000_000>,
    /// The requests that are answered at once.
    pub in_flight: Count<1_000_000>,
    /// The bytes of bodies that are held at once.
    pub buffered: Size,
}

/// `[timeouts]`
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// From a connection to its first byte.
    pub first_byte: Span,
    /// From the first byte of a head to its last.
    pub header: Span,
    /// From when a body is first waited for to its last byte.
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

impl Config {
    /// The configuration of a process that was told nothing.
    pub fn told_nothing() -> Result<Self, Faults> {
        layers::assemble(None, &Inputs::default()).accept().map(|loaded| loaded.config)
    }
}

impl Telemetry {
    /// Where traces and metrics go, if anywhere.
    pub fn collector(&self) -> Option<Otlp> {
        let endpoint = self.endpoint.as_ref()?.expose().to_owned();
        Some(Otlp { endpoint, protocol: self.protocol })
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

impl Default for Audit {
    fn default() -> Self {
        Self {
            directory: None,
            durability: Durability::default(),
            hash_key: None,
            keep_for: None,
            keep_bytes: None,
            segment_bytes: Size::kib(64 * 1024),
            segment_age: Age(Duration::from_secs(DAY)),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: Size::kib(16),
            header_lines: Count(64),
            target_guard: Size::kib(2),
            target_read: Size::kib(8),
            body: Size::kib(256),
            json_depth: Count(8),
            connections: Count(10_000),
            connections_per_address: Count(1000),
            in_flight: Count(1000),
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
mod tests;
