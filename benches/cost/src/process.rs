//! Processes that are measured: pinned to a core, ended with this program, and what `/proc` says of them.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;

/// The descriptors that a process may have open, if this one may give it so many.
const DESCRIPTORS: u64 = 20_000;
/// How long a process may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that is killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// A command on one core. It is killed by the system if this program dies without ending it.
pub(crate) fn pinned(core: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "prlimit"]).arg(format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}"));
    command.args(["taskset", "--cpu-list", &core.to_string()]).arg(program).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("OTEL_") || name_text.starts_with("PATCHGATE_") || name_text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Process {
    /// Starts a command.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let child = command.spawn().map_err(|error| format!("cannot start {command:?}: {error}"))?;
        Ok(Self { child })
    }

    /// The running child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until something listens on the address.
    pub(crate) fn until_it_listens(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("a process ended before it listened on {address}: {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("nothing listens on {address}").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// It stands still from now on, or goes on.
    pub(crate) fn stand_still(&self, still: bool) -> Result<()> {
        let signal = if still { Signal::STOP } else { Signal::CONT };
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// User and system time of all its threads, in seconds. The wrappers replace themselves by the program, so the id is its.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name may hold blanks; behind its bracket the third field follows.
        let (_, fields) = stat.rsplit_once(')').ok_or("no /proc/PID/stat")?;
        let mut times = fields.split_whitespace().skip(11);
        let (user, system): (f64, f64) = (number(times.next())?, number(times.next())?);
        // Linux shows these in hundredths, whatever the kernel's own clock is.
        Ok((user + system) / 100.0)
    }

    /// The memory that it has in RAM, in KiB.
    pub(crate) fn resident(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        number(line.and_then(|line| line.split_whitespace().next()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn number<T: std::str::FromStr<Err: Error + 'static>>(text: Option<&str>) -> Result<T> {
    Ok(text.ok_or("a figure is missing in /proc")?.parse::<T>()?)
}
