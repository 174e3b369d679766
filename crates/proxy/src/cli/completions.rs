//! `patchgate completions`: what a shell needs to complete the command line.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Failed, Outcome, print};

const EXAMPLES: &str = "\
Examples:
  patchgate completions bash > ~/.local/share/bash-completion/completions/patchgate
  patchgate completions zsh  > ~/.zfunc/_patchgate
  patchgate completions fish > ~/.config/fish/completions/patchgate.fish";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failed> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "patchgate", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
