//! The layers of a configuration: the defaults, the file over them, the variables over the file, the flags over all.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use patchgate_model::Cloud;
use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;

use super::Config;
use super::fault::{Document, Fault, Faults, Place, line_and_column};
use super::settings::{self, PREFIX, Setting};
use super::url::concealed;
use super::{HEAD_BYTES, file, variable};
use crate::reason;

/// The guards and routes where a configuration has none.
const DEFAULT: &str = include_str!("default.toml");
/// The most bytes of a configuration file; more is another file.
const LARGEST_FILE: u64 = 1024 * 1024;
/// What of a head is neither target nor header lines: the method, the version, line ends.
const HEAD_REST: usize = 1024;

/// How many segments a journal keeps at least: with fewer a good part of it would go at once.
const FEWEST_SEGMENTS: usize = 4;

/// What stands over the file.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// The environment.
    pub variables: Vec<(OsString, OsString)>,
    /// The flags.
    pub flags: Flags,
}

/// The flags that set a key, as they were written.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--listen`
    pub listen: Option<String>,
    /// `--admin`
    pub admin: Option<String>,
    /// `--upstream`: a cloud or a URL.
    pub upstream: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The program.
    Default,
    /// The file: these bytes of its text.
    File(Range<usize>),
    /// A variable.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

/// A configuration, and where each of its values comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file, if there is one.
    pub document: Option<Document>,
    sources: BTreeMap<String, Source>,
}

/// A configuration as far as it could be read, and what could not. Nobody gets one without asking for the other.
#[derive(Debug)]
pub struct Draft {
    pub(crate) loaded: Loaded,
    pub(crate) faults: Vec<Fault>,
}

impl Draft {
    /// The configuration, if nothing is wrong with its words.
    pub fn accept(self) -> Result<Loaded, Faults> {
        let Self { loaded, faults } = self;
        if faults.is_empty() { Ok(loaded) } else { Err(Faults::of(loaded.document, faults)) }
    }
}

impl Inputs {
    /// Those of this process.
    pub fn of_process(flags: Flags) -> Self {
        let ours = |name: &OsStr| name.to_string_lossy().starts_with(PREFIX);
        Self { variables: std::env::vars_os().filter(|(name, _)| ours(name)).collect(), flags }
    }
}

impl Loaded {
    /// Where a key's value comes from.
    pub fn source(&self, key: &str) -> &Source {
        self.sources.get(key).unwrap_or(&Source::Default)
    }

    /// A fault of a key's value, at the place where it was written.
    pub fn fault(&self, key: &str, message: impl Into<String>) -> Fault {
        Fault::new(key, self.source(key).place(), message)
    }

    /// A source as people write it: `default`, `patchgate.toml:12`, `PATCHGATE_LISTEN__ADDRESS`, `--listen`.
    pub fn source_text(&self, key: &str) -> String {
        match self.source(key) {
            Source::Default => "default".to_owned(),
            Source::File(span) => match &self.document {
                Some(document) => {
                    let (line, _) = line_and_column(&document.text, span.start);
                    format!("{}:{line}", document.path.display())
                }
                None => "default".to_owned(),
            },
            Source::Variable(name) => name.clone(),
            Source::Flag(name) => (*name).to_owned(),
        }
    }
}

impl Source {
    fn place(&self) -> Place {
        match self {
            Self::Default => Place::Nowhere,
            Self::File(span) => Place::File(span.clone()),
            Self::Variable(name) => Place::Variable(name.clone()),
            Self::Flag(name) => Place::Flag(name),
        }
    }

    /// The number of its layer.
    fn layer(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(_) => 1,
            Self::Variable(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

/// Reads a file, if there is one, and puts the rest over it.
pub fn load(path: Option<&Path>, inputs: &Inputs) -> Result<Draft, Faults> {
    let document = path.map(read).transpose()?;
    Ok(assemble(document, inputs))
}

fn read(path: &Path) -> Result<Document, Faults> {
    let shown = path.display();
    let unreadable = |error: &std::io::Error| {
        Faults::one(
            format!("cannot read the configuration '{shown}': {}", reason::of(error)),
            "name a file that this user can read with --config, or leave it out for the defaults",
        )
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        let message = format!("the configuration '{shown}' has more than 1 MiB");
        return Err(Faults::one(message, "this is not a configuration of patchgate"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default()).into_owned();
        let (line, column) = line_and_column(&before, before.len());
        let message = format!("the configuration '{shown}' is not UTF-8, at line {line}, column {column}");
        Faults::one(message, "save it as UTF-8, the one encoding of TOML")
    })?;
    Ok(Document { path: path.to_owned(), text, hidden: Vec::new() })
}

/// Puts the layers over each other. Pure.
pub fn assemble(document: Option<Document>, inputs: &Inputs) -> Draft {
    let read = document.as_ref().map(|document| file::read(&document.text)).unwrap_or_default();
    let folder = document.as_ref().and_then(|document| document.path.parent());
    let mut layers = Layers {
        text: document.as_ref().map(|document| document.text.as_str()).unwrap_or_default(),
        hidden: read.hidden,
        config: Config { folder: folder.map(Path::to_owned).unwrap_or_default(), ..Config::default() },
        sources: BTreeMap::new(),
        faults: read.faults,
    };
    for (setting, text, span) in read.values {
        layers.set(setting, &text, Source::File(span));
    }
    let default = file::read(DEFAULT);
    layers.config.guards = read.guards.or(default.guards).unwrap_or_default();
    layers.config.routes = read.routes.or(default.routes).unwrap_or_default();
    layers.sources.extend(read.places.into_iter().map(|(key, span)| (key, Source::File(span))));
    for (name, value) in &inputs.variables {
        layers.variable(name, value);
    }
    layers.flags(&inputs.flags);
    layers.one_upstream();

    let Layers { config, sources, mut faults, hidden, .. } = layers;
    let document = document.map(|document| Document { hidden, ..document });
    let loaded = Loaded { config, document, sources };
    faults.extend(together(&loaded));
    Draft { loaded, faults }
}

struct Layers<'t> {
    config: Config,
    sources: BTreeMap<String, Source>,
    faults: Vec<Fault>,
    /// The text of the file.
    text: &'t str,
    /// What of it must not be shown.
    hidden: Vec<Range<usize>>,
}

impl Layers<'_> {
    fn set(&mut self, setting: &'static Setting, text: &str, source: Source) {
        match (setting.set)(&mut self.config, text) {
            Ok(()) => _ = self.sources.insert(setting.key.to_owned(), source),
            Err(problem) => {
                // In a file the line is shown; elsewhere the words have to say it. Before an '@' may be a password.
                let message = match &source {
                    Source::File(span) => {
                        let at = self.text.get(span.clone()).and_then(|written| written.rfind('@'));
                        self.hidden.extend(at.map(|at| span.start + 1..span.start + at));
                        problem
                    }
                    Source::Default => problem,
                    _ => format!("\"{}\": {problem}", Quoted(&concealed(text))),
                };
                let fault = Fault::new(setting.key, source.place(), message);
                self.faults.push(fault.help(format!("expected {}", (setting.form)())));
            }
        }
    }

    fn variable(&mut self, name: &OsStr, value: &OsStr) {
        let shown = name.to_string_lossy().into_owned();
        let Some(rest) = shown.strip_prefix(PREFIX) else { return };
        if variable::is_service_link(rest, value) {
            tracing::debug!(
                variable = shown,
                "taken for one that Kubernetes sets for a service, and ignored"
            );
            return;
        }
        let Some(setting) = settings::ALL.iter().find(|setting| setting.variable() == shown) else {
            self.faults.push(variable::unknown(&shown, rest));
            return;
        };
        match value.to_str() {
            Some("") => {
                let fault = Fault::new(setting.key, Place::Variable(shown), "it is empty");
                self.faults.push(fault.help("unset it, or give it a value"));
            }
            Some(text) => self.set(setting, text, Source::Variable(shown)),
            None => {
                let fault = Fault::new(setting.key, Place::Variable(shown), "its value is not UTF-8");
                self.faults.push(fault.help(format!("expected {}", (setting.form)())));
            }
        }
    }

    fn flags(&mut self, flags: &Flags) {
        for (key, flag, text) in
            [("listen.address", "--listen", &flags.listen), ("admin.address", "--admin", &flags.admin)]
        {
            if let (Some(setting), Some(text)) = (settings::find(key), text) {
                self.set(setting, text, Source::Flag(flag));
            }
        }
        let Some(text) = &flags.upstream else { return };
        let clouds = || Cloud::ALL.into_iter().map(Cloud::name);
        let is_cloud = clouds().any(|name| name == text);
        if !is_cloud && !text.contains("://") {
            let near = nearest(text, clouds()).map(|near| format!("; did you mean \"{near}\"?"));
            let message = format!(
                "\"{}\" is neither a cloud nor a URL{}",
                Quoted(&concealed(text)),
                near.unwrap_or_default()
            );
            let names = clouds().collect::<Vec<_>>().join(", ");
            let help = format!("expected one of {names}, or a URL such as \"https://host\"");
            self.faults.push(Fault::new("upstream.url", Place::Flag("--upstream"), message).help(help));
            return;
        }
        let key = if is_cloud { "upstream.cloud" } else { "upstream.url" };
        if let Some(setting) = settings::find(key) {
            self.set(setting, text, Source::Flag("--upstream"));
        }
    }

    /// Cloud and URL exclude each other: the upper layer wins, and in one layer both are a contradiction.
    fn one_upstream(&mut self) {
        let (Some(cloud), Some(url)) = (self.sources.get("upstream.cloud"), self.sources.get("upstream.url"))
        else {
            return;
        };
        match cloud.layer().cmp(&url.layer()) {
            Ordering::Equal => {
                let fault = Fault::new("upstream.url", url.place(), "'upstream.cloud' is set, too");
                self.faults.push(fault.help("set one of them: a cloud of Graph by its name, or a URL"));
            }
            Ordering::Greater => {
                self.config.upstream.url = None;
                self.sources.remove("upstream.url");
            }
            Ordering::Less => {
                self.config.upstream.cloud = None;
                self.sources.remove("upstream.cloud");
            }
        }
    }
}

/// What is wrong with values that are each fine by themselves.
pub(super) fn together(loaded: &Loaded) -> Vec<Fault> {
    let Config { listen, admin, audit, limits, timeouts, telemetry, .. } = &loaded.config;
    let mut faults = Vec::new();
    if !listen.address.ip().is_loopback() && !listen.insecure {
        let message = format!(
            "{} is not loopback, and without TLS tokens would be readable on the way",
            listen.address
        );
        let fault = loaded.fault("listen.address", message);
        faults.push(
            fault.help("listen on a loopback address, or put TLS in front and set listen.insecure = true"),
        );
    }
    let (own, other) = (listen.address, admin.address);
    if own.port() == other.port()
        && own.port() != 0
        && (takes(own.ip(), other.ip()) || takes(other.ip(), own.ip()))
    {
        let message = if own == other {
            format!("{other} is listen.address, too")
        } else {
            format!(
                "{other} and listen.address, {own}, overlap: one of them is every address of this machine"
            )
        };
        let fault = loaded.fault("admin.address", message);
        faults.push(fault.help("choose another port for one of them"));
    }
    let target = limits.target_guard.0.max(limits.target_read.0);
    if limits.header_bytes.0 + target + HEAD_REST > HEAD_BYTES {
        let message = "a target and the header lines together are more than the 32KiB that a head may have";
        let fault = loaded.fault("limits.header_bytes", message);
        faults
            .push(fault.help("make limits.header_bytes, limits.target_read or limits.target_guard smaller"));
    }
    if limits.body.0 > limits.buffered.0 {
        let message = "a body of this size would never pass: it is more than limits.buffered";
        faults.push(loaded.fault("limits.body", message).help("make it smaller, or limits.buffered larger"));
    }
    if timeouts.drain_delay.0 >= timeouts.drain.0 {
        let message =
            "it is not shorter than timeouts.drain, of which it is a part: nothing under way could finish";
        let source = loaded.source("timeouts.drain_delay");
        let key = if *source == Source::Default { "timeouts.drain" } else { "timeouts.drain_delay" };
        faults.push(loaded.fault(key, message).help("make timeouts.drain longer"));
    }
    if audit.keep_for.is_some_and(|keep| keep.0 < audit.segment_age.0) {
        let message = "it is shorter than audit.segment_age, and only whole segments go";
        faults.push(
            loaded.fault("audit.keep_for", message).help("make it longer, or audit.segment_age shorter"),
        );
    }
    let least = audit.segment_bytes.0.saturating_mul(FEWEST_SEGMENTS);
    if audit.keep_bytes.is_some_and(|keep| keep.0 < least) {
        let message = format!(
            "it is less than {FEWEST_SEGMENTS} times audit.segment_bytes, and only whole segments go"
        );
        faults.push(
            loaded.fault("audit.keep_bytes", message).help("make it larger, or audit.segment_bytes smaller"),
        );
    }
    if telemetry.endpoint.is_none() && *loaded.source("telemetry.otlp.protocol") != Source::Default {
        let fault =
            loaded.fault("telemetry.otlp.protocol", "without telemetry.otlp.endpoint nothing is sent");
        faults.push(fault.help("set telemetry.otlp.endpoint, such as \"http://localhost:4318\""));
    }
    faults
}

/// Whether who listens on one address is connected to by the other, too. `[::]` takes IPv4 along, as systems have it by default.
pub(crate) fn takes(listening: IpAddr, other: IpAddr) -> bool {
    listening == other || (listening.is_unspecified() && (listening.is_ipv6() || other.is_ipv4()))
}
