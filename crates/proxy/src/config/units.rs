//! Sizes, times and counts as people write them: a number and a unit, never a bare number where a unit could be meant.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::{SignedDuration, Span as Calendar, SpanRelativeTo};

use super::value::{Kind, Value};

/// The largest size that can be configured unless a key says less: 1 TiB, which no machine holds and no sum overflows.
const LARGEST: usize = 1 << 40;
/// The longest time that can be configured.
const LONGEST: Duration = Duration::from_hours(24);
/// The shortest time that is one.
const SHORTEST: Duration = Duration::from_millis(1);

/// A number of bytes, from `LEAST` to `MOST`, written as `256KiB` or `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<const MOST: usize = LARGEST, const LEAST: usize = 1>(pub usize);

/// A number of things, from one to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count<const MOST: usize>(pub usize);

/// A time, from 1 ms to 24 h, written as `5s`, `500ms` or `1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A time of days, from `LEAST` to `MOST` seconds, written as `400d` or `36h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age<const LEAST: u64, const MOST: u64>(pub Duration);

/// A time that may be zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delay(pub Duration);

impl<const MOST: usize, const LEAST: usize> Size<MOST, LEAST> {
    pub(super) const fn kib(count: usize) -> Self {
        Self(count * 1024)
    }
}

impl<const MOST: usize, const LEAST: usize> Value for Size<MOST, LEAST> {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        let (example, bounds) = match (LEAST, MOST) {
            (1, LARGEST) => ("16KiB", String::new()),
            (1, most) if most < LARGEST => ("16KiB", format!(", at most {}", size(most))),
            (1, most) => ("50GiB", format!(", at most {}", size(most))),
            (least, most) => ("64MiB", format!(", from {} to {}", size(least), size(most))),
        };
        format!("a size with a unit, such as \"{example}\"{bounds}")
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.ends_with(|c: char| c.is_ascii_digit()) {
            return Err("a unit is missing".to_owned());
        }
        // "16K" is 16000 for some and 16384 for others.
        if !text.ends_with(['B', 'b']) {
            return Err("this is not a size".to_owned());
        }
        let bytes = text.parse::<ByteSize>().map_err(|_| "this is not a size".to_owned())?.as_u64();
        match usize::try_from(bytes) {
            Ok(0) => Err("it must be more than zero".to_owned()),
            Ok(bytes) if bytes < LEAST => Err(format!("it must be {} at least", size(LEAST))),
            Ok(bytes) if bytes <= MOST => Ok(Self(bytes)),
            _ => Err(format!("it may be {} at most", size(MOST))),
        }
    }

    fn written(&self) -> Option<String> {
        Some(size(self.0))
    }
}

impl<const MOST: usize> Value for Count<MOST> {
    const KIND: Kind = Kind::Integer;

    fn form() -> String {
        format!("a whole number from 1 to {MOST}")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let digits: String = text.chars().filter(|c| *c != '_').collect();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err("this is not a whole number from 1 on".to_owned());
        }
        // What does not fit into the type is more than any limit.
        match digits.parse::<usize>().unwrap_or(usize::MAX) {
            0 => Err("it must be more than zero".to_owned()),
            count if count <= MOST => Ok(Self(count)),
            _ => Err(format!("it may be {MOST} at most")),
        }
    }

    fn written(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

impl Value for Span {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "a time with a unit, such as \"5s\" or \"500ms\", at most \"24h\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let span = duration(text, LONGEST)?;
        if span == Duration::ZERO {
            return Err("it must be more than zero".to_owned());
        }
        if span < SHORTEST { Err("it must be 1ms at least".to_owned()) } else { Ok(Self(span)) }
    }

    fn written(&self) -> Option<String> {
        Some(time(self.0))
    }
}

impl<const LEAST: u64, const MOST: u64> Value for Age<LEAST, MOST> {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        let [least, most] = [LEAST, MOST].map(|seconds| time(Duration::from_secs(seconds)));
        format!("a time with a unit, such as \"36h\" or \"30d\", from \"{least}\" to \"{most}\"")
    }

    fn parse(text: &str) -> Result<Self, String> {
        let least = Duration::from_secs(LEAST);
        let age = duration(text, Duration::from_secs(MOST))?;
        if age < least { Err(format!("it must be {} at least", time(least))) } else { Ok(Self(age)) }
    }

    fn written(&self) -> Option<String> {
        Some(time(self.0))
    }
}

impl Value for Delay {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "a time with a unit, such as \"5s\" or \"0s\", at most \"24h\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        duration(text, LONGEST).map(Self)
    }

    fn written(&self) -> Option<String> {
        Some(time(self.0))
    }
}

/// Reads a time; a negative one is none. A day has 24 hours.
fn duration(text: &str, longest: Duration) -> Result<Duration, String> {
    if text.trim_end().ends_with(|c: char| c.is_ascii_digit()) {
        return Err("a unit is missing".to_owned());
    }
    let days = |text: &str| -> Result<SignedDuration, jiff::Error> {
        text.parse::<Calendar>()?.to_duration(SpanRelativeTo::days_are_24_hours())
    };
    let span = text.parse().or_else(|_| days(text)).map_err(|_| "this is not a time".to_owned())?;
    let span = Duration::try_from(span).map_err(|_| "it must not be negative".to_owned())?;
    if span > longest { Err(format!("it may be {} at most", time(longest))) } else { Ok(span) }
}

/// A size in the largest unit in which it is a whole number.
fn size(bytes: usize) -> String {
    let units = [("TiB", 1_usize << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let fits = |unit: &&(&str, usize)| bytes >= unit.1 && bytes.is_multiple_of(unit.1);
    units
        .iter()
        .find(fits)
        .map_or_else(|| format!("{bytes}B"), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// A time in the largest unit in which it is a whole number.
fn time(span: Duration) -> String {
    const SECOND: u128 = 1_000_000_000;
    let nanos = span.as_nanos();
    let units = [
        ("d", 24 * 60 * 60 * SECOND),
        ("h", 60 * 60 * SECOND),
        ("m", 60 * SECOND),
        ("s", SECOND),
        ("ms", 1_000_000),
        ("us", 1000),
        ("ns", 1),
    ];
    // "60s" is how most people say it, and "24h".
    let fits = |unit: &&(&str, u128)| {
        let least = if unit.1 > SECOND { unit.1 + 1 } else { unit.1 };
        nanos >= least && nanos.is_multiple_of(unit.1)
    };
    if nanos == 0 {
        return "0s".to_owned();
    }
    units
        .iter()
        .find(fits)
        .map_or_else(|| format!("{nanos}ns"), |(name, unit)| format!("{}{name}", nanos / unit))
}
