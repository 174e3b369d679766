//! The disk under the journal: which file system it is, and how long its own `fdatasync` takes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::pinned;
use crate::{Result, requests};

/// About as long as a record is: an intent of the small body has 780 bytes, an outcome 380.
const RECORD: usize = 600;
/// How many records a sync has to carry, at most, for the disk's own figure.
const BATCH: usize = 16;
/// How many syncs in a round: half a second of them, where one takes as long as on a usual disk.
const COUNT: usize = 2000;

/// What `fdatasync` took, with an append before each.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Syncs {
    /// Milliseconds.
    pub(crate) mean: f64,
    /// Milliseconds.
    pub(crate) p50: f64,
    /// Milliseconds.
    pub(crate) p99: f64,
}

/// The type of the file system on which a folder lies. What keeps nothing is refused: its syncs cost nothing.
pub(crate) fn file_system(folder: &Path) -> Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let kind = kind(&mounts, &folder).ok_or("the folder lies on no file system")?;
    if matches!(kind, "tmpfs" | "ramfs") {
        return Err(
            format!("'{}' lies on {kind}; name a folder on a disk (--folder)", folder.display()).into()
        );
    }
    Ok(kind.to_owned())
}

/// The type of the last mount on the longest path above a folder.
fn kind<'m>(mounts: &'m str, folder: &Path) -> Option<&'m str> {
    let above = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        // A blank in a path stands there as a number in base 8.
        let (path, kind) = (fields.next()?.replace("\\040", " "), fields.next()?);
        let path = PathBuf::from(path);
        folder.starts_with(&path).then(|| (path.components().count(), kind))
    });
    above.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// Measures the disk in a process of its own, on the core of the proxy under test.
pub(crate) fn measure(core: usize, folder: &Path, connections: usize) -> Result<Syncs> {
    let bytes = (RECORD * connections.min(BATCH)).to_string();
    let output = pinned(core, std::env::current_exe()?)
        .arg("sync")
        .arg(folder)
        .args([&bytes, &COUNT.to_string()])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    let &[mean, p50, p99] = figures.as_slice() else {
        return Err(format!("the disk was not measured: {}", String::from_utf8_lossy(&output.stderr)).into());
    };
    Ok(Syncs { mean, p50, p99 })
}

/// Appends and syncs, as the journal does, and prints mean, median and 99th percentile in milliseconds.
pub(crate) fn sync(folder: &Path, bytes: usize, count: usize) -> Result<()> {
    let path = folder.join("sync");
    let mut file = File::options().append(true).create_new(true).open(&path)?;
    let buffer = requests::token(bytes);
    let syncing = (0..count).map(|_| {
        let begun = Instant::now();
        file.write_all(buffer.as_bytes())?;
        file.sync_data()?;
        Ok(begun.elapsed())
    });
    let times = syncing.collect::<Result<Vec<_>>>();
    fs::remove_file(&path)?;
    let Syncs { mean, p50, p99 } = syncs(times?).ok_or("no syncs, no figures")?;
    println!("{mean} {p50} {p99}");
    Ok(())
}

fn syncs(mut times: Vec<Duration>) -> Option<Syncs> {
    times.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().map(milliseconds);
    let count = u32::try_from(times.len()).ok()?;
    let mean = times.iter().sum::<Duration>().checked_div(count).map(milliseconds)?;
    Some(Syncs { mean, p50: at(50)?, p99: at(99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/a\\040disk xfs rw 0 0\n";
        for (folder, expected) in [
            ("/var/lib", "ext4"),
            ("/tmp", "tmpfs"),
            ("/tmp/other", "tmpfs"),
            ("/tmp/a disk/journal", "xfs"),
            ("/tmpfile", "ext4"),
        ] {
            assert_eq!(kind(mounts, Path::new(folder)), Some(expected), "{folder}");
        }
    }

    #[test]
    fn a_percentile_is_that_of_the_sorted_times() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(syncs(times), Some(Syncs { mean: 50.5, p50: 51.0, p99: 100.0 }));
        assert_eq!(syncs(Vec::new()), None);
    }
}
