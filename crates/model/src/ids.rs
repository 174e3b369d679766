//! The ids that tie the views of one request together.

use std::fmt;

use uuid::Uuid;

/// The id of a request: a `UUIDv7` (RFC 9562), so that ids sort by time. It is the `patchgate-request-id` of the answer
/// and the id in trace, log and record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// Takes over an id that the edge has made of the clock and of randomness.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The 36 characters of the id.
    pub fn encode<'a>(&self, buffer: &'a mut [u8; 36]) -> &'a str {
        self.0.as_hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// The caller's own id for a request (`client-request-id`): 1 to 128 visible ASCII characters, else it is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRequestId(String);

impl ClientRequestId {
    /// The id in a header value, if it is one.
    pub fn parse(value: &[u8]) -> Option<Self> {
        Self::is_one(value).then(|| Self(String::from_utf8_lossy(value).into_owned()))
    }

    /// Whether a header value is such an id.
    pub fn is_one(value: &[u8]) -> bool {
        (1..=128).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
    }

    /// The id as the caller sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The number of a ruleset in the life of a process: 1 for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);
