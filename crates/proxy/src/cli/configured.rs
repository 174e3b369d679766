//! Where the configuration of a command comes from: `--config`, else a file that is found, else the defaults; the variables and
//! flags over it.

use std::path::PathBuf;

use super::output::say;
use crate::config::{Flags, Inputs, find};

/// `--config`
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration file (TOML) [default: patchgate.toml here, else in the user's configuration folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The flags that set a key of the configuration.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Overrides {
    /// The address that callers connect to [default: 127.0.0.1:4080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The address of health and metrics [default: 127.0.0.1:4081]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    /// Graph: a cloud (global, us-gov-l4, us-gov-l5) or a URL [default: the embedded Graph]
    #[arg(long, value_name = "CLOUD|URL")]
    upstream: Option<String>,
}

impl ConfigFile {
    /// The file; one that nobody named is said.
    pub(super) fn file(&self) -> Option<PathBuf> {
        if self.config.is_some() {
            return self.config.clone();
        }
        let found = find::find()?;
        say(&format!("configuration: {}", found.display()));
        Some(found)
    }
}

impl From<Overrides> for Inputs {
    fn from(Overrides { listen, admin, upstream }: Overrides) -> Self {
        Self::of_process(Flags { listen, admin, upstream })
    }
}
