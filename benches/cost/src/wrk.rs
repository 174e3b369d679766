//! wrk: keep-alive connections that send the same request over and over.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::process::{Process, pinned};
use crate::{Result, requests};

/// What one run of wrk says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
}

/// Writes the script for a body.
pub(crate) fn script(folder: &Path, name: &str, body: &str, token: &str) -> Result<PathBuf> {
    let file = folder.join(format!("{name}.lua"));
    let text = format!(
        "wrk.method = 'PATCH'
        wrk.body = [==[{body}]==]
        wrk.headers['Content-Type'] = 'application/json'
        wrk.headers['Authorization'] = 'Bearer {token}'
        done = function(summary, latency)
            local e = summary.errors
            io.write(string.format('RUN %d %d %d %d %d\\n', summary.requests, summary.duration,
                latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
        end\n"
    );
    fs::write(&file, text)?;
    Ok(file)
}

/// Starts wrk, for a minute at most; what it says is not looked at.
pub(crate) fn start(core: usize, address: SocketAddr, script: &Path, connections: usize) -> Result<Process> {
    let mut command = pinned(core, "wrk");
    command.args(["--threads", "1", "--duration", "60s", "--connections", &connections.to_string()]);
    command.arg("--script").arg(script).arg(format!("http://{address}{}", requests::TARGET));
    Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))
}

/// Runs wrk; an answer that is not a success is an error.
pub(crate) fn run(
    core: usize,
    address: SocketAddr,
    script: &Path,
    connections: usize,
    seconds: u64,
) -> Result<Run> {
    let output = pinned(core, "timeout")
        .args(["--kill-after=5", &(seconds + 20).to_string(), "wrk", "--threads", "1"])
        .args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s"), "--script"])
        .arg(script)
        .arg(format!("http://{address}{}", requests::TARGET))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RUN "));
    let figures: Vec<f64> =
        line.unwrap_or_default().split(' ').filter_map(|figure| figure.parse().ok()).collect();
    let &[requests, micros, p50, p99, errors] = figures.as_slice() else {
        return Err(format!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr)).into());
    };
    if errors > 0.0 {
        return Err(format!("{errors} requests of {requests} failed").into());
    }
    Ok(Run { requests, seconds: micros / 1e6, p50: p50 / 1e3, p99: p99 / 1e3 })
}
