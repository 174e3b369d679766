//! What is measured: nginx, the plain proxies, and the gateway with more or less of its journal and its traces.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;

use crate::nginx::{self, Behind};
use crate::process::{Process, free_address, pinned};
use crate::{Result, requests};

/// A proxy under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    /// nginx, one worker
    Nginx,
    /// A plain hyper proxy on the gateway's upstream client
    Plain,
    /// The same, which parses each body and validates it in the usual way
    #[value(name = "plain-checking")]
    PlainChecking,
    /// The gateway, no traces, no record of any edit
    #[value(name = "gateway-unrecorded")]
    GatewayUnrecorded,
    /// The gateway, no traces, relaxed journal on a storage that drops everything
    #[value(name = "gateway-dropped")]
    GatewayDropped,
    /// The gateway, no traces, relaxed journal
    Gateway,
    /// The gateway, no traces, each edit on stable storage before it is sent
    #[value(name = "gateway-strict")]
    GatewayStrict,
    /// The gateway, one trace of a hundred
    #[value(name = "gateway-1")]
    Gateway1,
    /// The gateway, each trace
    #[value(name = "gateway-100")]
    Gateway100,
}

/// A proxy that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) subject: Subject,
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// Where the gateway's metrics are.
    pub(crate) admin: Option<SocketAddr>,
}

impl Subject {
    pub(crate) const ALL: [Self; 9] = [
        Self::Nginx,
        Self::Plain,
        Self::PlainChecking,
        Self::GatewayUnrecorded,
        Self::GatewayDropped,
        Self::Gateway,
        Self::GatewayStrict,
        Self::Gateway1,
        Self::Gateway100,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Plain => "plain hyper",
            Self::PlainChecking => "plain hyper, parses and validates",
            Self::GatewayUnrecorded => "gateway, nothing recorded",
            Self::GatewayDropped => "gateway, journal dropped",
            Self::Gateway => "gateway",
            Self::GatewayStrict => "gateway, strict journal",
            Self::Gateway1 => "gateway, traces 1 %",
            Self::Gateway100 => "gateway, traces 100 %",
        }
    }

    /// The part of traces that is kept.
    fn ratio(self) -> Option<&'static str> {
        match self {
            Self::Gateway1 => Some("0.01"),
            Self::Gateway100 => Some("1"),
            _ => None,
        }
    }

    /// Starts it on a core, and proves that it works.
    pub(crate) fn start(self, folder: &Path, core: usize, binary: &Path, behind: &Behind) -> Result<Running> {
        let upstream = format!("http://{}", behind.upstream);
        let (process, address, admin) = match self {
            Self::Nginx => {
                let (process, listen) = nginx::proxy(folder, core, behind.upstream)?;
                (process, listen, None)
            }
            Self::Plain | Self::PlainChecking => {
                let listen = free_address()?;
                let mut command = pinned(core, std::env::current_exe()?);
                command.args(["plain", &listen.to_string(), &upstream]);
                if self == Self::PlainChecking {
                    command.arg("--checks");
                }
                let mut process = Process::start(&mut command)?;
                process.until_it_listens(listen)?;
                (process, listen, None)
            }
            _ => {
                let (listen, admin) = (free_address()?, free_address()?);
                // All connections come from one address here, and stay longer than usual.
                let config = folder.join("gateway.toml");
                let text = "[limits]\nconnections = 20000\nconnections_per_address = 20000\n[timeouts]\nidle = \"10m\"\n";
                std::fs::write(&config, text)?;
                let kind = match self {
                    Self::GatewayUnrecorded => Some("--unrecorded"),
                    Self::GatewayDropped => Some("--drops"),
                    _ => None,
                };
                let mut command = if let Some(kind) = kind {
                    let mut command = pinned(core, std::env::current_exe()?);
                    command.args(["gateway", kind]);
                    command
                } else {
                    pinned(core, binary)
                };
                command.args(["run", "--listen", &listen.to_string(), "--admin", &admin.to_string()]);
                command.args(["--upstream", &upstream, "--config"]).arg(config);
                command.stdout(Stdio::null()).stderr(Stdio::null());
                // Beside each other they need a journal each.
                let durability = if self == Self::GatewayStrict { "strict" } else { "relaxed" };
                command.env("PATCHGATE_AUDIT__DIRECTORY", folder.join(format!("audit-{self:?}")));
                command.env("PATCHGATE_AUDIT__DURABILITY", durability);
                if let Some(ratio) = self.ratio() {
                    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", behind.collector));
                    command.env("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
                    command.env("OTEL_TRACES_SAMPLER_ARG", ratio);
                }
                let mut process = Process::start(&mut command)?;
                process.until_it_listens(listen)?;
                // Where nothing is recorded the journal has no figures.
                (process, listen, (self != Self::GatewayUnrecorded).then_some(admin))
            }
        };
        let request = requests::bytes(address, requests::SMALL, &requests::token(64));
        requests::once(&mut TcpStream::connect(address)?, &request)
            .map_err(|error| format!("{}: {error}", self.name()))?;
        Ok(Running { subject: self, process, address, admin })
    }
}
