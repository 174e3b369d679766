//! `patchgate emulate`: the embedded Graph alone, for tool authors.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;

use patchgate_emulator::{Emulator, Faults};
use tokio::sync::oneshot;

use super::signals::Signals;
use super::{Failed, Outcome, print, say};
use crate::config::address;
use crate::gateway;
use crate::snippet::{At, Excerpt, Message, span_of};
use crate::telemetry::logs;

const EXAMPLES: &str = "\
Examples:
  patchgate emulate
  patchgate emulate --listen 127.0.0.1:4090 --faults faults.toml

A faults file scripts what goes wrong:
  [[fault]]
  match = { method = \"PATCH\" }
  times = 2
  status = 429
  retry_after = 3

The first fault that matches a request and has times left befalls it. What one can say:
  match = { method, path }    which requests; the path may end in *
  times                       how often; always, if absent
  apply                       true: the request is carried out before, false: it is not
  status, retry_after         this answer, with this Retry-After in seconds
  redirect                    a 302, or the status, to this URL
  informational               an interim answer before the real one, such as 103
  delay_head                  how long the answer's head takes, such as \"500ms\"
  delay_body, chunk_bytes     how long each chunk of the body takes, and its size
  cut_after                   the body breaks off after so many bytes
  reset, never                true: the connection is reset; no answer ever comes
  body_bytes                  a body of that size
  content_type                this media type, whatever the body is
  content_encoding            the answer claims this coding
  pascal_case                 true: enum values as the documentation's example has them

A single request can ask for one, too: patchgate-fault: status = 503, retry_after = 1";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4090", value_parser = address)]
    listen: SocketAddr,
    /// Scripted faults (TOML)
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failed> {
    let _log =
        logs::start(crate::config::LogFormat::Auto, None, None).map_err(|error| Failed(error.to_string()))?;
    let emulator = match &args.faults {
        None => Emulator::new(),
        Some(file) => {
            let shown = file.display();
            let text = std::fs::read_to_string(file).map_err(|error| {
                Failed(format!("--faults: cannot read '{shown}': {}", crate::reason::of(&error)))
            })?;
            let faults = Faults::from_toml(&text).map_err(|error| {
                let span = span_of(&text, error.line(), error.column(), "");
                let file = shown.to_string().into();
                let excerpt = Excerpt { file, at: At::Text(text.as_str().into(), span), label: "".into() };
                let title = format!("--faults: {}", error.message()).into();
                say(&Message { title, excerpts: vec![excerpt], ..Message::default() }.rendered(true));
                Failed(String::new())
            })?;
            Emulator::with_faults(faults)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    let listener = gateway::bind(args.listen, "--listen")?;
    let address = listener.local_addr()?;
    say(&format!("the embedded Graph listens on http://{address}"));
    if !address.ip().is_loopback() {
        tracing::warn!(
            "the address is not loopback: whoever reaches it is served, with any token and without a limit"
        );
    }
    if !io::stdout().is_terminal() {
        print(&format!("{{\"ready\":true,\"listen\":\"http://{address}\"}}\n"))?;
    }
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (end, told) = oneshot::channel();
        let serving = emulator.serve(listener, async move {
            // The sender goes with this function: an error is the end, too.
            _ = told.await;
        });
        let signalled = async {
            signals.end().await;
            _ = end.send(());
            signals.end().await;
        };
        tokio::select! {
            () = serving => {}
            // A second signal does not wait for answers.
            () = signalled => {}
        }
        io::Result::Ok(())
    })?;
    Ok(Outcome::Done)
}
