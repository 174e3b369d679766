//! `patchgate run`: the gateway, from its start to its end.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::signals::Signals;
use super::{Failed, Outcome, print, say};
use crate::admin::{self, Health};
use crate::config::Config;
use crate::gateway::{self, Gateway};
use crate::telemetry::logs;
use crate::telemetry::prometheus::Scrape;
use crate::telemetry::providers::Providers;

const EXAMPLES: &str = "\
Examples:
  patchgate                                  the embedded Graph as upstream, and a curl line to try
  patchgate run --config patchgate.toml
  patchgate --upstream global                the worldwide Graph
  patchgate --listen 127.0.0.1:0 --admin 127.0.0.1:0

When standard output is no terminal, one JSON line with the real addresses is written there as soon as requests are
accepted. SIGTERM and SIGINT end the process after the requests under way.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address that callers connect to [default: 127.0.0.1:4080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The address of health and metrics [default: 127.0.0.1:4081]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,
    /// Graph: a cloud (global, us-gov-l4, us-gov-l5) or a URL [default: the embedded Graph]
    #[arg(long, value_name = "CLOUD|URL")]
    upstream: Option<String>,
    /// What is logged, in the form of `RUST_LOG` [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

/// The line for programs that start the gateway.
#[derive(Serialize)]
struct ReadyLine<'a> {
    ready: bool,
    listen: String,
    admin: String,
    upstream: &'a str,
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    let mut config = match &args.config {
        Some(file) => Config::read(file)?,
        None => Config::told_nothing()?,
    };
    config.listen.address = args.listen.unwrap_or(config.listen.address);
    config.admin.address = args.admin.unwrap_or(config.admin.address);
    if let Some(upstream) = args.upstream {
        config.upstream.cloud = patchgate_model::Cloud::from_name(&upstream);
        config.upstream.url = config.upstream.cloud.is_none().then_some(upstream);
    }
    let _log = logs::start(config.log.format, args.log.as_deref())
        .map_err(|error| Failed(format!("--log: {error}")))?;
    // One provider for everything in the process that speaks TLS, exporters included. It is installed once.
    _ = rustls::crypto::aws_lc_rs::default_provider().install_default();

    let telemetry = Providers::start(config.telemetry.otlp.as_ref())?;
    let admin = gateway::bind(config.admin.address, "--admin (admin.address)")?;
    let admin_address = admin.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Before anybody is told that it is ready: a signal that comes then must be heard.
    let signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let gateway = gateway::start(&config, &telemetry.traces(), &telemetry.instruments())?;

    banner(&gateway, admin_address);
    if !io::stdout().is_terminal() {
        let line = ReadyLine {
            ready: true,
            listen: format!("http://{}", gateway.address),
            admin: format!("http://{admin_address}"),
            upstream: gateway.upstream.base(),
        };
        print(&format!("{}\n", serde_json::to_string(&line)?))?;
    }
    let ended = runtime.block_on(serve(&config, gateway, admin, telemetry.scrape(), signals))?;
    telemetry.shutdown();
    match ended {
        Ended::Drained => Ok(Outcome::Done),
        Ended::Late => Err(Failed(format!(
            "requests were still under way after {:?}, and were cut off",
            config.timeouts.drain.0
        ))),
        Ended::Broken => {
            Err(Failed("a worker ended without being told to; what it said stands above".to_owned()))
        }
        Ended::Hurried => {
            Err(Failed("a second signal: requests that were under way were cut off".to_owned()))
        }
    }
}

/// How the process came to its end.
enum Ended {
    Drained,
    Late,
    Hurried,
    Broken,
}

/// Serves until a signal, then drains: readiness fails at once; requests are served on for the delay, each answer closing
/// its connection; then what is under way may finish. A second signal ends it at once.
async fn serve(
    config: &Config,
    mut gateway: Gateway,
    admin: std::net::TcpListener,
    scrape: Scrape,
    mut signals: Signals,
) -> io::Result<Ended> {
    let health = Arc::new(Health::default());
    let admin = tokio::net::TcpListener::from_std(admin)?;
    tokio::spawn(admin::serve(admin, Arc::clone(&health), scrape));
    tokio::select! {
        () = signals.next() => {}
        () = gateway.broken() => return Ok(Ended::Broken),
    }
    health.drain();
    let deadline = config.timeouts.drain.0;
    tracing::info!(?deadline, "draining; a second signal ends at once");
    let drained = async {
        gateway.announce_end();
        tokio::time::sleep(config.timeouts.drain_delay.0).await;
        gateway.end().await;
    };
    Ok(tokio::select! {
        result = tokio::time::timeout(deadline, drained) => result.map_or(Ended::Late, |()| Ended::Drained),
        () = signals.next() => Ended::Hurried,
    })
}

/// What is running, for people.
fn banner(gateway: &Gateway, admin: SocketAddr) {
    let upstream = if gateway.embedded { "the embedded Graph, " } else { "" };
    say(&format!(
        "patchgate listens on http://{}, in front of {upstream}{}",
        gateway.address,
        gateway.upstream.base()
    ));
    say(&format!("health is on http://{admin}/readyz"));
    let rules = gateway.rules.load();
    for guard in rules.guards() {
        let schema = guard.schema();
        let date = schema.date().map(|date| format!(", documentation of {date}")).unwrap_or_default();
        let digest = schema.digest().get(..12).unwrap_or_default();
        say(&format!("guards {}{date}, schema sha256 {digest}…", schema.name()));
    }
    if !gateway.embedded {
        return;
    }
    let example = rules
        .guards()
        .iter()
        .find_map(|guard| Some((guard.example_path()?, guard.schema().examples().first()?)));
    if let Some((path, body)) = example {
        say("\nTry it:\n");
        say(&format!(
            "curl -sS -X PATCH 'http://{}{path}' -H 'Authorization: Bearer demo' -H 'Content-Type: application/json' -d '{}'",
            gateway.address,
            // In a shell's single quotes a single quote is the one thing to escape.
            body.to_string().replace('\'', "'\\''"),
        ));
        say("\nChange a value and see it refused. Ctrl-C ends.");
    }
}
