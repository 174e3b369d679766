//! What a changed configuration means for the process that runs.

use super::settings::{self, Change};
use super::{Config, Draft, Loaded, layers};

/// The keys whose values differ and count from the next start on only.
pub fn needs_restart(running: &Config, new: &Config) -> Vec<&'static str> {
    let differs = |written: fn(&Config) -> Option<String>| written(running) != written(new);
    let restart = settings::ALL.iter().filter(|setting| setting.change == Change::Restart);
    restart.filter(|setting| differs(setting.written)).map(|setting| setting.key).collect()
}

/// The new configuration as the running process can take it: what needs a restart stays as it is, and what is new must make
/// sense beside it.
pub fn reloadable(running: &Config, new: &Loaded) -> Draft {
    let mut loaded = new.clone();
    let restart = settings::ALL.iter().filter(|setting| setting.change == Change::Restart);
    restart.for_each(|setting| (setting.copy)(running, &mut loaded.config));
    let why = "keys that count from the next start on still have their values of before";
    let faults = layers::together(&loaded).into_iter().map(|fault| fault.help(why)).collect();
    Draft { loaded, faults }
}
