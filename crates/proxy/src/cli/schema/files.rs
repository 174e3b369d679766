//! Files in and out, bounded.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::path::Path;
use std::process;

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

/// Writes a file as a whole: when that fails, what was there stays.
pub(super) fn write(file: &Path, text: &str) -> Result<(), Failed> {
    replace(file, text).map_err(|error| {
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

fn replace(file: &Path, text: &str) -> io::Result<()> {
    match fs::metadata(file) {
        Ok(known) if known.is_file() => {
            // Who may not write to the file may not replace it.
            File::options().write(true).open(file)?;
            // A link goes on leading to it.
            match by_another(&file.canonicalize()?, text, Some(known.permissions())) {
                // The folder takes no other file, or this one is mounted into it by itself.
                Err(error) if is_of_folder(&error) => fs::write(file, text),
                other => other,
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !file.is_symlink() => {
            by_another(file, text, None)
        }
        // A device or a pipe is no file to be replaced.
        _ => fs::write(file, text),
    }
}

/// Writes another file beside it, which takes its place when it is whole and on the disk.
fn by_another(file: &Path, text: &str, permissions: Option<Permissions>) -> io::Result<()> {
    let other = file.with_file_name(format!(".patchgate-{}.tmp", process::id()));
    // One of that name is left of a process that was ended while it wrote.
    _ = fs::remove_file(&other);
    let written = whole(&other, text, permissions).and_then(|()| fs::rename(&other, file));
    if written.is_err() {
        _ = fs::remove_file(&other);
    }
    written
}

fn whole(file: &Path, text: &str, permissions: Option<Permissions>) -> io::Result<()> {
    let mut open = File::create_new(file)?;
    open.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions {
        open.set_permissions(permissions)?;
    }
    open.sync_all()
}

fn is_of_folder(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy | CrossesDevices)
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
