//! Starts the real binary, waits until it is ready, and ends it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Connection, Response};

/// A running gateway; it is killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    /// Where callers connect.
    pub listen: SocketAddr,
    /// Where health is.
    pub admin: SocketAddr,
    /// Where it forwards to.
    pub upstream: String,
    log: Option<JoinHandle<String>>,
    out: Option<JoinHandle<String>>,
    folder: Option<TempDir>,
    state: Option<PathBuf>,
}

/// The path of the binary under test, for `Command`.
pub fn binary() -> PathBuf {
    // The tests' own binary lies beside their folder `deps`.
    let here = std::env::current_exe().expect("the path of this test");
    let folder = here.parent().and_then(Path::parent).expect("target folder");
    folder.join(format!("patchgate-under-test{}", std::env::consts::EXE_SUFFIX))
}

/// A command of the binary, in an environment without variables that could change what it does.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(args).stdin(Stdio::null());
    // Each has a journal of its own.
    command.env("XDG_STATE_HOME", state_home());
    // Nor may a configuration of whoever runs the tests be found.
    command.env("XDG_CONFIG_HOME", std::env::temp_dir().join("patchgate-tests-no-such-folder"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("OTEL_")
            || name_text.starts_with("PATCHGATE_")
            || name_text.to_lowercase().ends_with("_proxy")
            || ["RUST_LOG", "NO_COLOR", "CLICOLOR_FORCE", "NOTIFY_SOCKET"].contains(&name_text.as_ref())
        {
            command.env_remove(&name);
        }
    }
    command
}

/// The command of another program that runs the binary: its path and `args` come last, the environment is that of [`command`].
pub fn command_through(mut other: Command, args: &[&str]) -> Command {
    let command = command(args);
    other.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => other.env(name, value),
            None => other.env_remove(name),
        };
    }
    other
}

/// A shell in which the binary writes its log to a file, which can be read while it runs; `first` is run before.
pub fn logging_to(log: &Path, first: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first} log=$1; shift; exec \"$@\" 2>\"$log\""), "sh"]).arg(log);
    shell
}

/// A folder that nobody else uses; it is not there yet. It goes with the process of this test.
fn state_home() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    static ALL: LazyLock<Kept> = LazyLock::new(|| {
        Kept::of(std::env::temp_dir().join(format!("patchgate-tests-state-{}", std::process::id())))
    });
    ALL.folder.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string())
}

/// A folder that is removed when this process ends, however it ends. A panic in another thread, `exit` and a signal drop
/// nothing, but the system closes a pipe: a shell waits for that.
#[derive(Debug)]
struct Kept {
    folder: PathBuf,
    /// Holds the pipe.
    #[cfg_attr(not(test), expect(dead_code, reason = "held until this process ends"))]
    shell: Child,
}

impl Kept {
    fn of(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut command = Command::new("sh");
        // Interrupted at the keyboard, the whole group is, and the folder still has to go.
        command.args(["-c", "trap '' INT TERM HUP; read -r _; rm -rf -- \"$0\""]).arg(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let shell = command.spawn().expect("a shell");
        Self { folder, shell }
    }
}

/// Runs a command of the binary to its end.
pub fn run(args: &[&str]) -> Output {
    command(args).output().expect("the binary runs")
}

/// Sends a process a signal by its short name. A shell has `kill` in it; as a program it is not on every machine.
pub fn signal(process: &Child, name: &str) {
    let process = process.id().to_string();
    let sent =
        Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &process]).status().expect("a shell");
    assert!(sent.success(), "SIG{name} was not sent");
}

/// Runs a command that should not start to serve; one that does, and says so, fails the test in place of running on.
pub fn refused_start(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut ready = String::new();
    let stdout = child.stdout.as_mut().expect("output");
    BufReader::new(stdout).read_line(&mut ready).expect("its output");
    if !ready.is_empty() {
        child.kill().expect("it is killed");
    }
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(ready, "", "it started: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Gateway {
    /// Starts `run` on free ports with further arguments, and returns when it accepts requests.
    pub fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// The same with variables of the environment.
    pub fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.args(args).envs(variables.iter().copied());
        Self::started_by(command)
    }

    /// The gateway that a command starts.
    pub fn started_by(mut command: Command) -> Self {
        let state = command.get_envs().find(|(name, _)| *name == "XDG_STATE_HOME");
        let state = state.and_then(|(_, folder)| folder.map(PathBuf::from));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let mut stderr = child.stderr.take().expect("stderr");
        let log = thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).expect("the log can be read");
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the ready line");
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            _ = child.wait();
            panic!("the gateway did not start: {}", log.join().expect("the log"));
        };
        let address = |name: &str| {
            let url = ready[name].as_str().expect("an address in the ready line");
            url.trim_start_matches("http://").parse().expect("an address")
        };
        let (listen, admin) = (address("listen"), address("admin"));
        let upstream = ready["upstream"].as_str().unwrap_or_default().to_owned();
        let out = thread::spawn(move || {
            let mut text = line;
            stdout.read_to_string(&mut text).expect("standard output can be read");
            text
        });
        Self { child, listen, admin, upstream, log: Some(log), out: Some(out), folder: None, state }
    }

    /// The same with the text of a configuration.
    pub fn configured(text: &str, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("patchgate.toml");
        std::fs::write(&file, text).expect("the configuration");
        let mut all = vec!["--config", file.to_str().expect("a path")];
        all.extend(args);
        let mut gateway = Self::start(&all);
        gateway.folder = Some(folder);
        gateway
    }

    /// The folder of its configuration, where that is a file.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }

    /// A gateway in front of `upstream`.
    pub fn before(upstream: SocketAddr) -> Self {
        Self::start(&["--upstream", &format!("http://{upstream}")])
    }

    /// A new connection of a caller.
    pub fn connect(&self) -> Connection {
        Connection::open(self.listen)
    }

    /// Sends a `PATCH` with all that it needs, on a connection of its own.
    pub fn patch(&self, target: &str, body: &str) -> Response {
        self.connect().patch(target, &[], body)
    }

    /// Sends a `GET` with all that it needs, on a connection of its own.
    pub fn get(&self, target: &str) -> Response {
        self.connect().get(target, &[])
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The process.
    pub fn process(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends SIGTERM, without waiting.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its short name, without waiting.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Ends it with SIGTERM, and returns how it ended and all that it wrote to standard output and error.
    pub fn stop(self) -> (ExitStatus, String) {
        self.terminate();
        self.wait()
    }

    /// Ends it, which is to go well, and returns all that it wrote.
    pub fn end_well(self) -> String {
        let (status, output) = self.stop();
        assert!(status.success(), "{status}: {output}");
        output
    }

    /// Waits for its end, and returns how it ended and all that it wrote to standard output and error.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("the process ends");
        let out = self.out.take().expect("output").join().expect("output");
        let log = self.log.take().expect("log").join().expect("log");
        (status, format!("{out}{log}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        // What a command did not name is not ours; it may be gone already.
        if let Some(state) = &self.state {
            _ = std::fs::remove_dir_all(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_goes_when_nobody_holds_the_pipe() {
        let outer = tempfile::tempdir().expect("a folder");
        let mut kept = Kept::of(outer.path().join("kept"));
        std::fs::create_dir_all(kept.folder.join("0/patchgate/audit")).expect("folders");
        drop(kept.shell.stdin.take());
        assert!(kept.shell.wait().expect("it ends").success());
        assert!(!kept.folder.exists());
    }
}
