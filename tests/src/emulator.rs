//! Starts the emulator of Graph alone, from the real binary, with a script of faults.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::gateway;

/// A running `patchgate emulate`; it is killed when dropped.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Emulator {
    /// Starts it with the text of a script.
    pub fn start(faults: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("faults.toml");
        std::fs::write(&file, faults).expect("the script");
        let file = file.to_str().expect("a path");
        let mut command = gateway::command(&["emulate", "--listen", "127.0.0.1:0", "--faults", file]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary starts");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("output");
        BufReader::new(stdout).read_line(&mut line).expect("the ready line");
        let ready: Value = serde_json::from_str(&line).expect("it starts");
        let url = ready["listen"].as_str().expect("a URL");
        let address = url.trim_start_matches("http://").parse().expect("an address");
        Self { child, address, _folder: folder }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
