//! What the gateway says of its journal at `/metrics`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;

/// What the journal has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Journal {
    pub(crate) records: f64,
    pub(crate) commits: f64,
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
    Some(Journal {
        records: value("patchgate_audit_records_total")?,
        commits: value("patchgate_audit_commit_duration_seconds_count")?,
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
            patchgate_audit_commit_duration_seconds_count 8\n";
        assert_eq!(read(text), Some(Journal { records: 120.0, commits: 8.0 }));
        assert_eq!(read("HTTP/1.1 404 Not Found\r\n\r\n"), None);
    }
}
