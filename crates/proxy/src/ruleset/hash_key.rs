//! The key of hashed audit fields: read from its file, which must be its owner's alone. It is shown nowhere.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use patchgate_journal::{HashKey, ShortKey};

use crate::reason;

/// The most bytes of a key; more is another file.
const LONGEST: u64 = 4096;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum HashKeyError {
    /// The file can't be read.
    #[error("cannot read the key '{}': {}", path.display(), reason::of(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no regular file.
    #[error("the key '{}' is no regular file", path.display())]
    NoFile {
        /// What was named.
        path: PathBuf,
    },
    /// Others than its owner may read it.
    #[error("the key '{}' is not its owner's alone: its mode is {mode:04o}", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It has too few bytes.
    #[error("the key '{}' has {bytes} bytes, and needs at least 16", path.display())]
    Short {
        /// The file.
        path: PathBuf,
        /// How many it has.
        bytes: usize,
    },
    /// It has too many.
    #[error("'{}' has more than {LONGEST} bytes, and is no key", path.display())]
    Long {
        /// The file.
        path: PathBuf,
    },
}

impl HashKeyError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unreadable { source, .. } => match source.kind() {
                ErrorKind::PermissionDenied => {
                    "the key belongs to the user that runs the gateway, who must be able to read it: chown it to that user"
                }
                _ => "a relative path belongs to the folder of the configuration",
            },
            Self::NoFile { .. } => "name a file that holds the key and nothing else",
            Self::Exposed { .. } => "whoever reads the key can find hashed values by guessing; chmod 600 it",
            Self::Short { .. } | Self::Long { .. } => {
                "a key is random, such as what `openssl rand -hex 32` makes"
            }
        }
    }
}

/// Reads a key; line ends behind it are no part of it.
pub(super) fn read(file: &Path, folder: &Path) -> Result<HashKey, HashKeyError> {
    let path = folder.join(file);
    let unreadable = |source| HashKeyError::Unreadable { path: file.to_owned(), source };
    // A pipe would be waited for, and gives what is in it once.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(HashKeyError::NoFile { path: file.to_owned() });
    }
    let opened = File::open(&path).map_err(unreadable)?;
    if let Some(mode) = exposed(&opened.metadata().map_err(unreadable)?) {
        return Err(HashKeyError::Exposed { path: file.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    opened.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(HashKeyError::Long { path: file.to_owned() });
    }
    let end = bytes.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    HashKey::new(bytes.get(..end).unwrap_or_default())
        .map_err(|ShortKey(bytes)| HashKeyError::Short { path: file.to_owned(), bytes })
}

/// The permissions of a file of this user's that others may use, too. A file of somebody else's, such as one that a service
/// manager or a cluster puts there, is theirs to protect: `ssh` judges its keys so.
#[cfg(unix)]
fn exposed(file: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;

    let ours = file.uid() == rustix::process::geteuid().as_raw();
    (ours && file.mode() & 0o077 != 0).then_some(file.mode() & 0o7777)
}

/// There are no such permissions here.
#[cfg(not(unix))]
fn exposed(_: &std::fs::Metadata) -> Option<u32> {
    None
}
