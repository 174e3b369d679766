//! Sizes and times as people write them: a number and a unit, never a bare number.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A number of bytes, more than zero, written as `256KiB` or `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

impl Size {
    pub(super) const fn kib(count: usize) -> Self {
        Self(count * 1024)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let form = "a size with a unit, such as '256KiB'";
        if !text.ends_with(['B', 'b']) {
            return Err(D::Error::custom(format!("'{text}' lacks a unit; expected {form}")));
        }
        let size: ByteSize = text.parse().map_err(|_| D::Error::custom(format!("'{text}' is not {form}")))?;
        match usize::try_from(size.as_u64()) {
            Ok(0) => Err(D::Error::custom(format!("'{text}' must be more than zero"))),
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(D::Error::custom(format!("'{text}' is larger than this machine can address"))),
        }
    }
}

/// A time, more than zero, written as `5s`, `500ms` or `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A time that may be zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delay(pub Duration);

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        duration(&text).map(Self).map_err(D::Error::custom)
    }
}

/// Reads a time; a negative one is none.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time with a unit, such as '5s' or '500ms'");
    let span: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span).map_err(|_| format!("'{text}' must be more than zero"))
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match duration(&text) {
            Err(error) => Err(D::Error::custom(error)),
            Ok(span) if span > Duration::ZERO => Ok(Self(span)),
            Ok(_) => Err(D::Error::custom(format!("'{text}' must be more than zero"))),
        }
    }
}
