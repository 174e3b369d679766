//! The requests that are sent, and one that proves that a proxy works.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::Result;

/// What is edited.
pub(crate) const TARGET: &str = "/v1.0/security/incidents/2972395";

/// An edit of about 120 bytes.
pub(crate) const SMALL: &str = r#"{"status":"resolved","classification":"truePositive","determination":"phishing","assignedTo":"analyst@contoso.com"}"#;

/// An edit of 2 KB: fifty tags.
pub(crate) fn large() -> String {
    let tags: Vec<String> = (0..50).map(|n| format!("\"campaign-{n:02}-of-the-autumn-wave-2024\"")).collect();
    format!(r#"{{"status":"active","customTags":[{}]}}"#, tags.join(","))
}

/// A bearer token of so many bytes. Those of Graph have some 1,500 to 2,500.
pub(crate) fn token(bytes: usize) -> String {
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9-".chars().cycle().take(bytes).collect()
}

/// A request as bytes.
pub(crate) fn bytes(address: SocketAddr, body: &str, token: &str) -> Vec<u8> {
    let mut head = format!("PATCH {TARGET} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n");
    // Writing to a string does not fail.
    _ = write!(head, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    head.into_bytes()
}

/// Sends one request on a connection and takes its whole answer in.
pub(crate) fn once(stream: &mut TcpStream, request: &[u8]) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        let text = String::from_utf8_lossy(&answer);
        if count == 0 {
            return Err(format!("the answer breaks off: {text}").into());
        }
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if !head.starts_with("HTTP/1.1 200") {
            return Err(format!("not the answer that was expected: {text}").into());
        }
        if body.len() >= length.ok_or("an answer without a length")? {
            return Ok(());
        }
    }
}
