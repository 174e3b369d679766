//! What is written to people: results on standard output, everything else on standard error, in colours where somebody sees
//! them.

use std::ffi::OsString;
use std::io::{self, Write};

use anstream::ColorChoice;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

use super::Failed;
use crate::config::Faults;

/// What stands out.
pub(super) const STRONG: Style = Style::new().bold();
/// What is good.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What is not.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Whether there are colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    /// What the arguments say, before they are understood: what is wrong with them has colours, too.
    pub(super) fn of_arguments(arguments: impl Iterator<Item = OsString>) -> Self {
        let mut choice = Self::Auto;
        let mut arguments = arguments.skip(1).take_while(|argument| argument != "--");
        while let Some(argument) = arguments.next() {
            let value = match argument.to_str() {
                Some("--color") => arguments.next().and_then(|value| value.into_string().ok()),
                Some(text) => text.strip_prefix("--color=").map(str::to_owned),
                None => None,
            };
            if let Some(known) = value.and_then(|value| Self::from_str(&value, false).ok()) {
                choice = known;
            }
        }
        choice
    }

    /// The same for clap.
    pub(super) fn for_clap(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }

    /// From now on it is so.
    pub(super) fn set(self) {
        let choice = match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::AlwaysAnsi,
            Self::Never => ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// Says something to people, on standard error.
pub(super) fn say(text: &str) {
    // If nobody can be told, there is nobody to tell so.
    _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Writes a result to standard output. A reader that has gone away is no error.
pub(super) fn print(text: &str) -> Result<(), Failed> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failed(format!("cannot write the result: {}", crate::reason::of(&error))))
        }
        _ => Ok(()),
    }
}

/// Shows what is wrong with a configuration; nothing is left to be said.
pub(super) fn show(faults: &Faults) -> Failed {
    say(faults.rendered(true).trim_end());
    Failed(String::new())
}
