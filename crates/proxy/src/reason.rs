//! Why the system would not do something, in words without its numbers.

use std::io::{Error, ErrorKind};

/// The reason of an error of a file or socket.
pub(crate) fn of(error: &Error) -> String {
    let words = match error.kind() {
        ErrorKind::NotFound => "there is no such file",
        ErrorKind::PermissionDenied => "this user may not do that",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::NotADirectory => "a part of its path is no folder",
        ErrorKind::AlreadyExists => "something of that name is there already",
        // Of a file that was to be read as text.
        ErrorKind::InvalidData => "it is not UTF-8",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::AddrInUse => "another process listens there",
        ErrorKind::AddrNotAvailable => "this machine does not have that address",
        _ => {
            return plain(&error.to_string());
        }
    };
    words.to_owned()
}

/// A text of the system without the numbers of its errors: ` (os error 2)`.
pub(crate) fn plain(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, rest| plain + rest.split_once(')').map_or("", |(_, after)| after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_left_out() {
        #[cfg(target_os = "linux")]
        for (number, words) in [
            (2, "there is no such file"),
            (13, "this user may not do that"),
            (17, "something of that name is there already"),
            (21, "it is a folder"),
            (28, "the disk is full"),
            (98, "another process listens there"),
            (24, "Too many open files"),
        ] {
            assert_eq!(of(&Error::from_raw_os_error(number)), words);
        }
        assert_eq!(plain("no (os error 2) at 'x' (os error 3)"), "no at 'x'");
        assert_eq!(plain("no"), "no");
    }
}
