//! Every key that has one value: how it is read, where it goes, how it is shown, and whether a reload takes it. One table.
//!
//! File, variables, flags, `config show`, suggestions and the reload all go by it. A new key is a row here, a field of
//! [`Config`], and a line in `deploy/patchgate.toml`. Lists stand in [`list`](super::list).

use super::Config;
use super::value::{Kind, Value};

/// What becomes of a changed value while the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A reload takes it.
    Reload,
    /// It counts from the next start on.
    Restart,
}

/// A key.
#[derive(Debug)]
pub struct Setting {
    /// Its path, such as `limits.body`.
    pub key: &'static str,
    /// What its value is in TOML.
    pub kind: Kind,
    /// What becomes of a change.
    pub change: Change,
    /// What is accepted, as words.
    pub form: fn() -> String,
    pub(super) set: fn(&mut Config, &str) -> Result<(), String>,
    pub(super) written: fn(&Config) -> Option<String>,
    pub(super) copy: fn(from: &Config, to: &mut Config),
}

impl Setting {
    /// The variable that sets it: `PATCHGATE_LIMITS__BODY`.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.key.replace('.', "__").to_uppercase())
    }

    /// The last part of its path.
    pub fn name(&self) -> &'static str {
        self.key.rsplit('.').next().unwrap_or(self.key)
    }

    /// The table in which it stands.
    pub fn table(&self) -> &'static str {
        self.key.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// Its value, safe to be shown; nothing where it has none.
    pub fn written(&self, config: &Config) -> Option<String> {
        (self.written)(config)
    }
}

/// How the name of each variable of patchgate's own begins.
pub const PREFIX: &str = "PATCHGATE_";

/// The key of that path.
pub fn find(key: &str) -> Option<&'static Setting> {
    ALL.iter().find(|setting| setting.key == key)
}

/// The names that a table has: keys, tables and lists.
pub fn names_in(table: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for setting in ALL {
        let rest = if table.is_empty() {
            Some(setting.key)
        } else {
            setting.key.strip_prefix(table).and_then(|rest| rest.strip_prefix('.'))
        };
        if let Some(name) = rest.and_then(|rest| rest.split('.').next())
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    if table.is_empty() {
        names.extend(["route", "guard"]);
    }
    names
}

macro_rules! setting {
    ($key:literal, $change:ident, $($field:ident).+, $type:ty) => {
        Setting {
            key: $key,
            kind: <$type as Value>::KIND,
            change: Change::$change,
            form: <$type as Value>::form,
            set: |config, text| {
                config.$($field).+ = <$type as Value>::parse(text)?;
                Ok(())
            },
            written: |config| config.$($field).+.written(),
            copy: |from, to| to.$($field).+.clone_from(&from.$($field).+),
        }
    };
}

/// All of them, in the order in which they are shown.
pub const ALL: &[Setting] = &[
    setting!("listen.address", Restart, listen.address, std::net::SocketAddr),
    setting!("listen.public_url", Reload, listen.public_url, Option<super::PublicUrl>),
    setting!("listen.insecure", Restart, listen.insecure, bool),
    setting!("admin.address", Restart, admin.address, std::net::SocketAddr),
    setting!("upstream.cloud", Restart, upstream.cloud, Option<patchgate_model::Cloud>),
    setting!("upstream.url", Restart, upstream.url, Option<super::Url>),
    setting!("upstream.roots", Restart, upstream.roots, Option<std::path::PathBuf>),
    setting!("upstream.insecure", Restart, upstream.insecure, bool),
    setting!("audit.directory", Restart, audit.directory, Option<std::path::PathBuf>),
    setting!("audit.durability", Restart, audit.durability, patchgate_journal::Durability),
    setting!("audit.hash_key", Reload, audit.hash_key, Option<std::path::PathBuf>),
    setting!("audit.keep_for", Restart, audit.keep_for, Option<super::RecordAge>),
    setting!("audit.keep_bytes", Restart, audit.keep_bytes, Option<super::JournalSize>),
    setting!("audit.segment_bytes", Restart, audit.segment_bytes, super::SegmentSize),
    setting!("audit.segment_age", Restart, audit.segment_age, super::SegmentAge),
    setting!("telemetry.otlp.endpoint", Restart, telemetry.endpoint, Option<super::Url>),
    setting!("telemetry.otlp.protocol", Restart, telemetry.protocol, super::OtlpProtocol),
    setting!("log.format", Restart, log.format, super::LogFormat),
    setting!("log.requests", Restart, log.requests, super::LogRequests),
    setting!("limits.header_bytes", Reload, limits.header_bytes, super::Size<{ super::HEAD_BYTES }>),
    setting!(
        "limits.header_lines",
        Reload,
        limits.header_lines,
        super::Count<{ crate::listen::HEADER_LINES }>
    ),
    setting!("limits.target_guard", Reload, limits.target_guard, super::Size<{ super::HEAD_BYTES }>),
    setting!("limits.target_read", Reload, limits.target_read, super::Size<{ super::HEAD_BYTES }>),
    setting!("limits.body", Reload, limits.body, super::Size),
    setting!("limits.json_depth", Reload, limits.json_depth, super::Count<64>),
    setting!("limits.connections", Restart, limits.connections, super::Count<1_000_000>),
    setting!(
        "limits.connections_per_address",
        Restart,
        limits.connections_per_address,
        super::Count<1_000_000>
    ),
    setting!("limits.in_flight", Restart, limits.in_flight, super::Count<1_000_000>),
    setting!("limits.buffered", Restart, limits.buffered, super::Size),
    setting!("timeouts.first_byte", Restart, timeouts.first_byte, super::Span),
    setting!("timeouts.header", Restart, timeouts.header, super::Span),
    setting!("timeouts.body", Restart, timeouts.body, super::Span),
    setting!("timeouts.connect", Restart, timeouts.connect, super::Span),
    setting!("timeouts.handshake", Restart, timeouts.handshake, super::Span),
    setting!("timeouts.answer", Restart, timeouts.answer, super::Span),
    setting!("timeouts.idle", Restart, timeouts.idle, super::Span),
    setting!("timeouts.drain", Restart, timeouts.drain, super::Span),
    setting!("timeouts.drain_delay", Restart, timeouts.drain_delay, super::Delay),
];
