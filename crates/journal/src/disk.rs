//! A directory of the file system: for readers, and with its lock for the one writer.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;

use crate::platform::{self, device, identity};
use crate::segment::{LOCK, SegmentName};
use crate::storage::{Appending, Reading, Storage};

/// Why a directory can't be the journal's.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process writes there.
    #[error(
        "the audit directory '{}' is in use by {holder}; end that process, or give this one a directory of its own (audit.directory)",
        directory.display()
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
        /// Who holds the lock, as far as it says.
        holder: String,
    },
    /// The file system says no.
    #[error("the audit directory '{}': cannot {action}: {source}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// A journal's directory, to read from.
#[derive(Debug, Clone)]
pub struct Directory(PathBuf);

impl Directory {
    /// A directory; whether it is there shows when it is read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Reading for Directory {
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(SegmentName::parse) {
                match entry.metadata() {
                    Ok(metadata) => segments.push((name, metadata.len())),
                    // Taken away by retention meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        segments.sort_unstable();
        Ok(segments)
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let named = |error| named(name, &error);
        let mut file = platform::reading().open(self.0.join(name)).map_err(named)?;
        if !file.metadata().map_err(named)?.is_file() {
            return Err(named(io::Error::other("it is no regular file")));
        }
        file.seek(SeekFrom::Start(from)).map_err(named)?;
        Ok(Box::new(Segment { file, name: name.to_owned() }))
    }
}

/// A file whose errors say its name.
#[derive(Debug)]
struct Segment {
    file: File,
    name: String,
}

impl Read for Segment {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer).map_err(|error| named(&self.name, &error))
    }
}

/// An error of a file with its name; the kind stays.
fn named(name: &str, error: &io::Error) -> io::Error {
    if platform::is_link(error) {
        return io::Error::new(error.kind(), format!("'{name}': it is a symbolic link"));
    }
    io::Error::new(error.kind(), format!("'{name}': {error}"))
}

/// A journal's directory, locked by this process.
#[derive(Debug)]
pub struct Disk {
    directory: Directory,
    /// The file system on which the directory was at first.
    device: u64,
    lock: Mutex<File>,
}

impl Disk {
    /// Makes the directory if it is not there (mode 0700), and locks it. The lock ends with the process, however that ends.
    pub fn open(directory: &Path) -> Result<Self, DiskError> {
        let failed = |action: &'static str| {
            let directory = directory.to_owned();
            move |source| DiskError::Io { directory, action, source }
        };
        make(directory).map_err(failed("make it"))?;
        let device = device(&fs::metadata(directory).map_err(failed("read it"))?);
        let lock = match lock(directory) {
            Ok(lock) => lock,
            Err(Lock::Held(holder)) => {
                return Err(DiskError::Locked { directory: directory.to_owned(), holder });
            }
            Err(Lock::Io(source)) => return Err(failed("lock it")(source)),
        };
        Ok(Self { directory: Directory::new(directory), device, lock: Mutex::new(lock) })
    }

    /// The permissions of the directory, where others than its owner may write in it.
    pub(crate) fn shared(&self) -> Option<u32> {
        platform::shared(&fs::metadata(&self.directory.0).ok()?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.0.join(name)
    }
}

impl Reading for Disk {
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>> {
        self.directory.segments()
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        self.directory.read(name, from)
    }
}

impl Storage for Disk {
    fn reader(&self) -> Box<dyn Reading + Send> {
        Box::new(self.directory.clone())
    }

    fn check(&self) -> io::Result<()> {
        let metadata = fs::metadata(&self.directory.0)?;
        if device(&metadata) != self.device {
            return Err(io::Error::other(
                "another file system is mounted there than when the journal was opened",
            ));
        }
        if platform::is_read_only(&self.directory.0) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let mut held = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let ours = held.metadata()?;
        match fs::symlink_metadata(self.path(LOCK)) {
            Ok(there) if identity(&there) == identity(&ours) => Ok(()),
            // The directory was made anew, or emptied: whoever locks first has it.
            Ok(_) => Err(io::Error::other("the lock file was replaced by another process")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => match lock(&self.directory.0) {
                Ok(file) => {
                    *held = file;
                    Ok(())
                }
                Err(Lock::Held(holder)) => Err(io::Error::other(format!("it is in use by {holder}"))),
                Err(Lock::Io(error)) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        let file = appending().create_new(true).open(self.path(name))?;
        Ok(Box::new(DiskFile::new(file, self.path(name))?))
    }

    fn set_aside(&self, name: &str, bytes: u64) -> io::Result<()> {
        let path = self.path(name);
        let file = platform::options().write(true).create(true).truncate(false).open(&path)?;
        let filled = platform::set_aside(&file, bytes).unwrap_or_else(|| fill(&file, bytes));
        // A part of it would be taken for the whole.
        filled.and_then(|()| file.sync_all()).inspect_err(|_| _ = fs::remove_file(&path))
    }

    fn take_up(&self, set_aside: &str, name: &str) -> io::Result<Box<dyn Appending>> {
        let (from, to) = (self.path(set_aside), self.path(name));
        let file = appending().open(&from)?;
        if to.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if file.metadata()?.len() > 0 {
            // Filled, since its blocks could not be set aside otherwise: they are free now, and soon used again.
            // One that only appends may not cut everywhere.
            platform::options().write(true).open(&from)?.set_len(0)?;
        }
        fs::rename(&from, &to)?;
        Ok(Box::new(DiskFile::new(file, to)?))
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let file = platform::options().write(true).open(self.path(name))?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_directory(&self) -> io::Result<()> {
        platform::sync(&self.directory.0)
    }
}

/// A segment that is appended to.
#[derive(Debug)]
struct DiskFile {
    file: File,
    /// Of the file, which is nobody else's while it is open.
    identity: (u64, u64),
    path: PathBuf,
}

impl DiskFile {
    fn new(file: File, path: PathBuf) -> io::Result<Self> {
        let identity = identity(&file.metadata()?);
        Ok(Self { file, identity, path })
    }
}

impl Appending for DiskFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn check(&self, length: u64) -> io::Result<()> {
        // Each commit asks, so it is one call: what has the name is the file that is open, and its length that one's.
        let named = fs::symlink_metadata(&self.path)?;
        if identity(&named) != self.identity {
            return Err(io::Error::other("the segment was replaced by another file"));
        }
        if named.len() != length {
            let has = named.len();
            return Err(io::Error::other(format!(
                "the segment has {has} bytes, and {length} were written: somebody changed it"
            )));
        }
        Ok(())
    }
}

fn appending() -> OpenOptions {
    let mut options = platform::options();
    options.append(true);
    options
}

/// Makes a directory and what is missing above it, and makes their names durable.
fn make(directory: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut up = Some(directory);
    while let Some(path) = up.filter(|path| !path.as_os_str().is_empty()) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => break,
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(path),
            Err(error) => return Err(error),
        }
        up = path.parent();
    }
    for path in missing.into_iter().rev() {
        platform::make(path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        platform::sync(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Why there is no lock.
enum Lock {
    /// Somebody has it.
    Held(String),
    /// It could not be asked for.
    Io(io::Error),
}

fn lock(directory: &Path) -> Result<File, Lock> {
    let path = directory.join(LOCK);
    let mut options = platform::options();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(path).map_err(Lock::Io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Who has just locked it may not have written yet.
            _ = file.take(64).read_to_string(&mut text);
            let known = text.trim().parse::<u32>().ok();
            return Err(Lock::Held(known.map_or("another process".to_owned(), |id| format!("process {id}"))));
        }
        Err(TryLockError::Error(error)) => return Err(Lock::Io(error)),
    }
    // For people alone, so a full disk is no reason not to start.
    _ = file.set_len(0).and_then(|()| writeln!(file, "{}", process::id()));
    Ok(file)
}

fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    file.set_len(0)?;
    io::copy(&mut io::repeat(0).take(bytes), &mut file).map(|_| ())
}

#[cfg(all(test, unix))]
mod tests;
