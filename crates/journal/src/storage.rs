//! What the journal needs of a file system.
//!
//! [`Disk`](crate::disk::Disk) is the real one; the tests have one that fails and loses what was not synced.

use std::fmt;
use std::io::{self, Read};

use crate::segment::SegmentName;

/// Reading a journal's directory. Needs no lock: segments are only appended to.
pub trait Reading {
    /// The segments in the order of the chain, each with its length in bytes.
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>>;

    /// The bytes of a file from a position on.
    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send + '_>>;
}

/// Writing into it. There is one writer: whoever opened the storage.
pub trait Storage: Reading + Send + fmt::Debug {
    /// A reader of the same directory, for another thread.
    fn reader(&self) -> Box<dyn Reading + Send>;

    /// Whether the directory is still the one that was opened, and still this writer's.
    fn check(&self) -> io::Result<()>;

    /// Makes a new file to append to; it is an error if it exists. Its name is durable only after
    /// [`sync_directory`](Self::sync_directory).
    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>>;

    /// Makes sure that there is a file with that much space set aside. It is an error if the disk does not have it.
    fn set_aside(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Gives a file with space set aside another name, to append to it within that space.
    fn take_up(&self, set_aside: &str, name: &str) -> io::Result<Box<dyn Appending>>;

    /// Cuts a file, and makes what is left durable. Space that was set aside behind it is free again, also where nothing is
    /// cut.
    fn truncate(&self, name: &str, length: u64) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names durable: those made, and those removed.
    fn sync_directory(&self) -> io::Result<()>;
}

/// A file that is appended to.
pub trait Appending: Send + fmt::Debug {
    /// Appends all bytes. After an error some of them may stand there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all that was appended durable. After an error nothing may be made of a later success: what was not durable
    /// before must be written anew elsewhere.
    fn sync(&mut self) -> io::Result<()>;

    /// Whether the file still has a name, and the length that was written.
    fn check(&self, length: u64) -> io::Result<()>;
}

/// Whether an error says that there is no space left.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
