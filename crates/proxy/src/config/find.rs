//! Which file is the configuration, where none is named.

use std::env;
use std::path::PathBuf;

use etcetera::BaseStrategy;

/// The name under which a configuration is looked for.
const NAME: &str = "patchgate.toml";

/// The file, if there is one: in the working directory, else in the platform's folder for configurations (on Linux
/// `$XDG_CONFIG_HOME/patchgate`, else `~/.config/patchgate`).
pub fn find() -> Option<PathBuf> {
    let here = PathBuf::from(NAME);
    // Something of that name that cannot be read is an error later, not a reason to look elsewhere.
    if here.symlink_metadata().is_ok() {
        return Some(env::current_dir().map(|folder| folder.join(NAME)).unwrap_or(here));
    }
    platform().filter(|file| file.symlink_metadata().is_ok())
}

/// Where the platform wants it to be.
pub fn platform() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.config_dir().join("patchgate").join(NAME))
}
