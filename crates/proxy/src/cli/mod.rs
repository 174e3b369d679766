//! The command line: arguments to a command, a command to an exit status.
//!
//! Results go to standard output, everything else to standard error. Status 0 is success, 1 a "no" (an edit refused), 2 that
//! the question could not be answered (a wrong argument, file or configuration).

mod audit;
mod banner;
mod check;
mod completions;
mod config;
mod configured;
mod emulate;
mod inert;
mod output;
mod place;
mod run;
mod schema;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use output::{BAD, Colour, print, say};

/// The version, where it was built from, and what for.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("BUILD_COMMIT"), ", ", env!("BUILD_TARGET"), ")");

/// A gateway in front of Microsoft Graph that checks every edit of a guarded resource.
///
/// Without a command it runs the gateway.
#[derive(Debug, Parser)]
#[command(
    name = "patchgate",
    version = VERSION,
    max_term_width = 100,
    after_help = EXAMPLES
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
    /// Colours: auto, always or never; auto heeds `NO_COLOR` [default: auto]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = Colour::Auto,
        hide_possible_values = true,
        hide_default_value = true
    )]
    color: Colour,
}

const EXAMPLES: &str = "\
Examples:
  patchgate                                  run on the embedded Graph, and print what to try
  patchgate --upstream global                run in front of the real Graph
  patchgate check edit.json                  what would the gateway say to this body?
  patchgate config check                     is my configuration all right?
  patchgate schema show security-incident-update
  patchgate audit query --since 2h           who edited what in the last two hours?

Exit status: 0 done, 1 refused, 2 could not be done.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway (the default).
    ///
    /// The configuration is a TOML file, the variables PATCHGATE_* over it (`PATCHGATE_LISTEN__ADDRESS` for listen.address), and the
    /// flags over these. `patchgate config show` says what is in force.
    Run(run::Args),
    /// Run the embedded Graph alone.
    ///
    /// A bench for those who write tools.
    /// It answers the API of the guarded resource from memory, as leniently as Graph does; what is edited is gone with the
    /// process. No token is verified, but one that is a JWT must not have ended and must have the permission. It ends with SIGTERM or SIGINT, after the answers under way; a second one ends it at once.
    Emulate(emulate::Args),
    /// Say what the gateway would decide on a body, offline.
    ///
    /// The same code decides as in the gateway, with the same words; each violation is shown with its line and a caret below it.
    /// An edit that is allowed is shown as it would be forwarded.
    Check(check::Args),
    /// Derive a schema from a documentation page; show one, compare two.
    Schema(schema::Args),
    /// Verify the audit journal; follow it, find records in it.
    Audit(audit::Args),
    /// Check the configuration, or show what is in force.
    ///
    /// A configuration is a TOML file, the variables PATCHGATE_* over it (`PATCHGATE_LISTEN__ADDRESS` for listen.address), and the
    /// flags over these. Nothing in it is expanded.
    Config(config::Args),
    /// Print completions for a shell.
    ///
    /// The script completes commands, flags and their values. Where a shell looks for it differs; see the examples.
    Completions(completions::Args),
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
}

/// What a command could not do, in words for people; empty where all has been said.
#[derive(Debug)]
struct Failed(String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// The arguments, understood. Flags of `run` in front of another command would count for nothing: they are refused.
fn parse(arguments: &[OsString], colour: Colour) -> Result<Cli, clap::Error> {
    let mut command = Cli::command().color(colour.for_clap());
    let matches = command.try_get_matches_from_mut(arguments)?;
    if let Some(name) = matches.subcommand_name()
        && let Some(flag) = run::FLAGS.iter().find(|flag| matches.contains_id(flag))
    {
        let (words, takes) = innermost(&command, &matches, flag);
        let message = if takes {
            format!(
                "'--{flag}' stands in front of '{name}', where it means nothing; write it behind '{words}'"
            )
        } else {
            format!("'--{flag}' is a flag of 'run', and '{words}' does not take it; leave it out")
        };
        return Err(command.error(ErrorKind::ArgumentConflict, message));
    }
    Cli::from_arg_matches(&matches)
}

/// The words of the command that is meant, those of commands within commands included, and whether it takes a flag.
fn innermost(command: &clap::Command, matches: &ArgMatches, flag: &str) -> (String, bool) {
    let (mut command, mut matches, mut words) = (command, matches, Vec::new());
    while let Some((name, inside)) = matches.subcommand()
        && let Some(known) = command.find_subcommand(name)
    {
        (command, matches) = (known, inside);
        words.push(name);
    }
    let takes = command.get_arguments().any(|argument| argument.get_long() == Some(flag));
    (words.join(" "), takes)
}

/// Runs the command that the arguments name; the first of them is the program.
#[expect(clippy::needless_pass_by_value, reason = "they are the program's, and it ends with this")]
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let colour = Colour::of_arguments(arguments.iter().cloned());
    colour.set();
    let cli = match parse(&arguments, colour) {
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
        Some(Command::Audit(args)) => audit::run(args),
        Some(Command::Config(args)) => config::run(args),
        Some(Command::Completions(args)) => completions::run(&args),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(1),
        Err(Failed(message)) => {
            if !message.is_empty() {
                say(&format!("{BAD}error:{BAD:#} {message}"));
            }
            ExitCode::from(2)
        }
    }
}
