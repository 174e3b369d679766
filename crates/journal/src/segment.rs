//! The names of the files in a journal's directory.
//!
//! A segment is `00000007-0000000000000101.jsonl`: its number, and the `seq` of its first record. No clock is in a name, so
//! names sort in the order of the chain whatever the clock does (as text up to the 99,999,999th). Numbers only grow; one may be left out.

use std::fmt;

/// The file that one process locks.
pub const LOCK: &str = "lock";

/// The file whose space is kept back for the outcomes of edits in flight.
pub const RESERVE: &str = "reserve";

/// The name of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentName {
    /// Its number, from 1.
    pub number: u64,
    /// The `seq` of its first record.
    pub first: u64,
}

impl SegmentName {
    /// Reads a file's name.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, first) = text.strip_suffix(".jsonl")?.split_once('-')?;
        let name = Self { number: number.parse().ok()?, first: first.parse().ok()? };
        // One segment has one name: so many zeros, and no more.
        (name.number > 0 && name.first > 0 && name.to_string() == text).then_some(name)
    }

    /// The side file for the `n`th tail that was cut off this segment, from 1.
    pub fn torn(&self, n: usize) -> String {
        format!("{self}.torn-{n}")
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}-{:016}.jsonl", self.number, self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (number, first) in [(1, 1), (7, 101), (99_999_999, u64::MAX), (123_456_789, 5)] {
            let name = SegmentName { number, first };
            assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        }
    }

    #[test]
    fn other_files_are_no_segments() {
        for name in [
            "lock",
            "reserve",
            "00000001-0000000000000001.jsonl.torn-1",
            "1-1.jsonl",
            "00000001-0000000000000001.json",
            "+0000001-0000000000000001.jsonl",
            "000000001-0000000000000001.jsonl",
            "00000001-00000000000000001.jsonl",
            "00000000-0000000000000001.jsonl",
            "00000001-0000000000000000.jsonl",
        ] {
            assert_eq!(SegmentName::parse(name), None, "{name}");
        }
    }
}
