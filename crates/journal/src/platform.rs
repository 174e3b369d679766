//! What systems call by different names. On Unix a file is made for its owner alone, symbolic links are not followed, and a file
//! knows whether it was replaced; elsewhere the standard library has no word for these, and the directory's own permissions
//! must do.

#[cfg(not(unix))]
pub(crate) use other::*;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
    use std::path::Path;

    use rustix::fs::{Access, OFlags};
    use rustix::io::Errno;

    /// Options under which a symbolic link in the place of a file is an error, and a file that is made is the owner's alone.
    pub(crate) fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.mode(0o600).custom_flags(flag(OFlags::NOFOLLOW));
        options
    }

    /// The same for reading; a pipe in the place of a file is not waited for.
    pub(crate) fn reading() -> OpenOptions {
        let mut options = options();
        options.read(true).custom_flags(flag(OFlags::NOFOLLOW | OFlags::NONBLOCK));
        options
    }

    fn flag(flag: OFlags) -> i32 {
        i32::try_from(flag.bits()).unwrap_or_default()
    }

    /// Whether an error says that there is a symbolic link.
    pub(crate) fn is_link(error: &io::Error) -> bool {
        Errno::from_io_error(error) == Some(Errno::LOOP)
    }

    /// The file system of a file.
    pub(crate) fn device(metadata: &Metadata) -> u64 {
        metadata.dev()
    }

    /// What tells a file from all others, whatever its name.
    pub(crate) fn identity(metadata: &Metadata) -> (u64, u64) {
        (metadata.dev(), metadata.ino())
    }

    /// The permissions of a directory, where others than its owner may write in it.
    pub(crate) fn shared(directory: &Metadata) -> Option<u32> {
        let mode = directory.mode() & 0o7777;
        (mode & 0o022 != 0).then_some(mode)
    }

    /// Whether a directory lies on a file system that takes no writes, for whomever.
    pub(crate) fn is_read_only(directory: &Path) -> bool {
        rustix::fs::access(directory, Access::WRITE_OK) == Err(Errno::ROFS)
    }

    /// Makes a directory for its owner alone.
    pub(crate) fn make(directory: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).recursive(true).create(directory)
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync(directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    /// Sets space aside behind a file, or says that the file system can't.
    #[cfg(target_os = "linux")]
    pub(crate) fn set_aside(file: &File, bytes: u64) -> Option<io::Result<()>> {
        match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, bytes) {
            Err(Errno::OPNOTSUPP) => None,
            done => Some(done.map_err(io::Error::from)),
        }
    }

    /// Other systems have no word for space behind the end of a file.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn set_aside(_: &File, _: u64) -> Option<io::Result<()>> {
        None
    }
}

#[cfg(not(unix))]
mod other {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(crate) fn options() -> OpenOptions {
        OpenOptions::new()
    }

    pub(crate) fn reading() -> OpenOptions {
        let mut options = options();
        options.read(true);
        options
    }

    pub(crate) fn is_link(_: &io::Error) -> bool {
        false
    }

    pub(crate) fn device(_: &Metadata) -> u64 {
        0
    }

    pub(crate) fn identity(_: &Metadata) -> (u64, u64) {
        (0, 0)
    }

    pub(crate) fn shared(_: &Metadata) -> Option<u32> {
        None
    }

    pub(crate) fn is_read_only(_: &Path) -> bool {
        false
    }

    pub(crate) fn make(directory: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).create(directory)
    }

    pub(crate) fn sync(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn set_aside(_: &File, _: u64) -> Option<io::Result<()>> {
        None
    }
}
