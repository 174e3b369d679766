//! What is measured: nginx, the plain proxy, and the gateway with more or less of its traces.

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
}

impl Subject {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nginx, Self::Plain, Self::Gateway, Self::GatewayStrict, Self::Gateway1, Self::Gateway100];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Plain => "plain hyper",
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
            Self::Nginx | Self::Plain | Self::Gateway | Self::GatewayStrict => None,
        }
    }

    /// Starts it on a core, and proves that it works.
    pub(crate) fn start(self, folder: &Path, core: usize, binary: &Path, behind: &Behind) -> Result<Running> {
        let upstream = format!("http://{}", behind.upstream);
        let (process, address) = match self {
            Self::Nginx => nginx::proxy(folder, core, behind.upstream)?,
            Self::Plain => {
                let listen = free_address()?;
                let mut command = pinned(core, std::env::current_exe()?);
                let mut process = Process::start(command.args(["plain", &listen.to_string(), &upstream]))?;
                process.until_it_listens(listen)?;
                (process, listen)
            }
            Self::Gateway | Self::GatewayStrict | Self::Gateway1 | Self::Gateway100 => {
                let listen = free_address()?;
                // All connections come from one address here, and stay longer than usual.
                let config = folder.join("gateway.toml");
                let text = "[limits]\nconnections = 20000\nconnections_per_address = 20000\n[timeouts]\nidle = \"10m\"\n";
                std::fs::write(&config, text)?;
                let mut command = pinned(core, binary);
                command.args(["run", "--listen", &listen.to_string(), "--admin", "127.0.0.1:0"]);
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
                (process, listen)
            }
        };
        let request = requests::bytes(address, requests::SMALL, &requests::token(64));
        requests::once(&mut TcpStream::connect(address)?, &request)
            .map_err(|error| format!("{}: {error}", self.name()))?;
        Ok(Running { subject: self, process, address })
    }
}
