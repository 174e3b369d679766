use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;

#[test]
fn one_writer_and_the_second_is_told_who() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("a/b");
    let first = Disk::open(&directory).unwrap();
    let error = Disk::open(&directory).unwrap_err();
    let pid = process::id();
    assert!(error.to_string().contains(&format!("in use by process {pid};")), "{error}");
    drop(first);
    Disk::open(&directory).unwrap();
}

#[test]
fn files_are_the_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("a/b");
    let disk = Disk::open(&directory).unwrap();
    disk.create("file").unwrap();
    disk.set_aside("aside", 4096).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [folder.path().join("a"), directory.clone()] {
        assert_eq!(mode(&path), 0o700, "{}", path.display());
    }
    for name in ["file", "aside", LOCK] {
        assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
    }
    for (mode, shared) in [(0o700, None), (0o755, None), (0o720, Some(0o720)), (0o1777, Some(0o1777))] {
        fs::set_permissions(&directory, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(disk.shared(), shared, "{mode:o}");
    }
}

#[test]
fn sees_what_is_done_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path()).unwrap();
    let mut file = disk.create("file").unwrap();
    file.append(b"abc").unwrap();
    file.check(3).unwrap();
    assert!(disk.create("file").is_err(), "a second file of the same name");
    File::options().write(true).open(disk.path("file")).unwrap().set_len(1).unwrap();
    assert!(file.check(3).is_err(), "truncated");
    fs::rename(disk.path("file"), disk.path("other")).unwrap();
    assert!(file.check(1).is_err(), "renamed");
    fs::write(disk.path("file"), "a").unwrap();
    assert!(file.check(1).is_err(), "replaced");
    fs::remove_file(disk.path("file")).unwrap();
    assert!(file.check(1).is_err(), "removed");
}

#[test]
fn a_directory_made_anew_is_locked_anew() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("audit");
    let disk = Disk::open(&directory).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    assert!(disk.check().is_err());
    fs::create_dir(&directory).unwrap();
    disk.check().unwrap();
    assert!(Disk::open(&directory).is_err());
    fs::remove_dir_all(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    let other = Disk::open(&directory).unwrap();
    assert!(disk.check().is_err(), "the lock of another is not ours");
    drop(other);
}

#[test]
fn what_is_no_file_is_not_read_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, at) = (Directory::new(folder.path()), |name: &str| folder.path().join(name));
    fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", at("link")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, at("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for name in ["folder", "link", "pipe", "nothing"] {
        let error = directory.read(name, 0).err().unwrap();
        assert!(error.to_string().starts_with(&format!("'{name}': ")), "{error}");
    }
}

#[test]
fn space_set_aside_becomes_a_segment() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path()).unwrap();
    disk.set_aside("aside", 65536).unwrap();
    assert!(fs::metadata(disk.path("aside")).unwrap().blocks() * 512 >= 65536);
    let mut file = disk.take_up("aside", "file").unwrap();
    file.append(b"abc").unwrap();
    file.check(3).unwrap();
    assert_eq!(fs::read(disk.path("file")).unwrap(), b"abc");
    assert!(!disk.path("aside").exists());
    let blocks = || fs::metadata(disk.path("file")).unwrap().blocks() * 512;
    assert!(blocks() >= 65536);
    disk.truncate("file", 3).unwrap();
    assert!(blocks() < 65536, "the space is free again");
}
