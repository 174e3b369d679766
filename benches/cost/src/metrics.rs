//! What the gateway says of its journal at `/metrics`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;

/// What the journal has done so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Journal {
    pub(crate) records: f64,
    pub(crate) commits: f64,
    /// How many commits took at most so many seconds, ascending.
    buckets: Vec<(f64, f64)>,
}

impl Journal {
    /// What 99 of 100 commits since took at most, in milliseconds; between two bounds they count as evenly spread.
    pub(crate) fn p99_since(&self, before: &Self) -> Option<f64> {
        let wanted = (self.commits - before.commits) * 0.99;
        let mut lower = (0.0, 0.0);
        for (after, before) in self.buckets.iter().zip(&before.buckets) {
            let upper = (after.0, after.1 - before.1);
            if upper.1 >= wanted && upper.1 > lower.1 {
                let seconds = lower.0 + (upper.0 - lower.0) * (wanted - lower.1) / (upper.1 - lower.1);
                return Some(seconds * 1e3).filter(|milliseconds| milliseconds.is_finite());
            }
            lower = upper;
        }
        None
    }
}

/// Asks a gateway.
pub(crate) fn journal(admin: SocketAddr) -> Result<Journal> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(
        format!("GET /metrics HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    read(&text).ok_or_else(|| format!("no figures of the journal at {admin}").into())
}

fn read(text: &str) -> Option<Journal> {
    let value = |name: &str| {
        let of = |line: &str| line.strip_prefix(name)?.rsplit_once([' ', '}'])?.1.trim().parse().ok();
        text.lines().filter(|line| !line.starts_with('#')).find_map(of)
    };
    let bucket = |line: &str| {
        let (bound, count) =
            line.strip_prefix("patchgate_audit_commit_duration_seconds_bucket{")?.split_once("} ")?;
        let bound = bound.rsplit_once("le=\"")?.1.split_once('"')?.0;
        Some((bound.parse().ok()?, count.trim().parse().ok()?))
    };
    Some(Journal {
        records: value("patchgate_audit_records_total")?,
        commits: value("patchgate_audit_commit_duration_seconds_count")?,
        buckets: text.lines().filter_map(bucket).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# TYPE patchgate_audit_records_total counter\n\
            patchgate_audit_records_total 120\n\
            patchgate_audit_commit_duration_seconds_bucket{le=\"0.1\"} 7\n\
            patchgate_audit_commit_duration_seconds_bucket{le=\"+Inf\"} 8\n\
            patchgate_audit_commit_duration_seconds_count 8\n";
        let buckets = vec![(0.1, 7.0), (f64::INFINITY, 8.0)];
        assert_eq!(read(text), Some(Journal { records: 120.0, commits: 8.0, buckets }));
        assert_eq!(read("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }

    #[test]
    fn the_slowest_of_a_hundred_are_those_since() {
        let at = |counts: [f64; 3]| Journal {
            records: 0.0,
            commits: counts[2],
            buckets: [0.001, 0.002, f64::INFINITY].into_iter().zip(counts).collect(),
        };
        let before = at([100.0, 100.0, 100.0]);
        for (after, expected) in [
            ([200.0, 200.0, 200.0], Some(0.99)),
            ([100.0, 200.0, 200.0], Some(1.99)),
            ([198.0, 200.0, 200.0], Some(1.5)),
            ([100.0, 150.0, 200.0], None),
            ([100.0, 100.0, 100.0], None),
        ] {
            assert_eq!(at(after).p99_since(&before), expected, "{after:?}");
        }
    }
}
