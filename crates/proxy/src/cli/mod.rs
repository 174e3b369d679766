//! The command line: arguments to a command, a command to an exit status.
//!
//! Results go to standard output, everything else to standard error. Status 0 is success, 1 a "no" (an edit refused), 2 that
//! the question could not be answered (a wrong argument, file or configuration).

mod check;
mod emulate;
mod run;
mod schema;
mod signals;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A gateway in front of Microsoft Graph that checks every edit of a guarded resource.
///
/// Without a command it runs the gateway.
#[derive(Debug, Parser)]
#[command(name = "patchgate", version, max_term_width = 100, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
}

const EXAMPLES: &str = "\
Examples:
  patchgate                                  run on the embedded Graph, and print what to try
  patchgate --upstream global                run in front of the real Graph
  patchgate check edit.json                  what would the gateway say to this body?
  patchgate schema show security-incident-update

Exit status: 0 done, 1 refused, 2 could not be done.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default).
    Run(run::Args),
    /// Run the embedded Graph alone.
    Emulate(emulate::Args),
    /// Say what the gateway would decide on a body, offline.
    Check(check::Args),
    /// Derive a schema from a documentation page; show one, compare two.
    Schema(schema::Args),
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
}

/// What a command could not do, in words for people.
#[derive(Debug)]
struct Failed(String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; a usage error is status 2, as clap has it.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            _ = error.print();
            return ExitCode::from(code);
        }
    };
    let result = match cli.command {
        None => run::run(cli.run),
        Some(Command::Run(args)) => run::run(args),
        Some(Command::Emulate(args)) => emulate::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Schema(args)) => schema::run(args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(Failed(message)) => {
            say(&format!("patchgate: {message}"));
            ExitCode::from(2)
        }
    }
}

/// Says something to people, on standard error.
fn say(text: &str) {
    // If nobody can be told, there is nobody to tell so.
    _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a result to standard output. A reader that has gone away is no error.
fn print(text: &str) -> Result<(), Failed> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failed(format!("cannot write the result: {error}")))
        }
        _ => Ok(()),
    }
}
