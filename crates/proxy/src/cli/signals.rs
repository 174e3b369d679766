//! The signals that a process of patchgate hears.

use std::io;

/// A signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// SIGTERM, SIGINT, or Ctrl-C: end.
    End,
    /// SIGHUP: read the configuration again.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "there is no such signal; a changed file is noticed all the same")
    )]
    Reload,
}

/// SIGTERM, SIGINT and SIGHUP, heard from the moment this is made.
#[cfg(unix)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// To be made inside a runtime, before anybody is told that the process is ready.
    pub(super) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // Sent where a file may not grow (`LimitFSIZE=`), it ends a process that does not hear it. Heard, the write fails, and
        // the journal says so; nobody needs to wait for it.
        _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Resolves with the next one.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.terminate.recv() => Heard::End,
            _ = self.interrupt.recv() => Heard::End,
            _ = self.hangup.recv() => Heard::Reload,
        }
    }
}

/// Ctrl-C, heard from the moment this is made.
#[cfg(windows)]
pub(super) struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    /// To be made inside a runtime, before anybody is told that the process is ready.
    pub(super) fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    /// Resolves with the next one.
    pub(super) async fn next(&mut self) -> Heard {
        _ = self.0.recv().await;
        Heard::End
    }
}

impl Signals {
    /// Resolves with the next one that ends the process.
    pub(super) async fn end(&mut self) {
        while self.next().await != Heard::End {}
    }
}
