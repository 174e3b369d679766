//! Files in and out, bounded.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use patchgate_validator::Schema;

use super::table::inert;
use super::{Failed, say};
use crate::reason;
use crate::ruleset::build;
use crate::snippet::Message;

/// What became of a file that was to be read.
pub(super) enum Content {
    Bytes(Vec<u8>),
    /// It is larger than it may be, by its size in bytes or as far as it was read.
    TooLarge(u64),
}

/// Reads a file of `most` bytes at most; a larger one is not read.
pub(super) fn read(path: &Path, most: usize) -> io::Result<Content> {
    let file = File::open(path)?;
    let most = most as u64;
    let size = file.metadata()?.len();
    if size > most {
        return Ok(Content::TooLarge(size));
    }
    // A pipe or a device does not say its size.
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    let size = bytes.len() as u64;
    Ok(if size > most { Content::TooLarge(size) } else { Content::Bytes(bytes) })
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), Failed> {
    fs::write(file, text).map_err(|error| {
        let missing = file.parent().filter(|folder| {
            // That of a bare name is empty, and it is where the process is.
            error.kind() == io::ErrorKind::NotFound && !folder.as_os_str().is_empty() && !folder.exists()
        });
        let why = match missing {
            Some(folder) => format!("there is no folder '{}'; make it first", shown(folder)),
            None => reason::of(&error),
        };
        Failed(format!("cannot write '{}': {why}", shown(file)))
    })
}

/// Whether two paths lead to the same file.
pub(super) fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// The schema of that name or path.
pub(super) fn schema(name: &str) -> Result<Schema, Failed> {
    build::schema(name, Path::new("")).map_err(|error| {
        let excerpts = error.excerpt().into_iter().collect();
        let message = Message { title: error.to_string().into(), excerpts, ..Message::default() };
        say(&message.rendered(true));
        Failed(String::new())
    })
}

/// A path as it is shown: what is in its name cannot act on a terminal.
pub(super) fn shown(path: &Path) -> String {
    inert(&path.display().to_string())
}
