//! The chain: each record holds the hash of the one before it, and its own.
//!
//! A line is `{"v":1,"seq":7,"prev":"…",` the record's own members `,"hash":"…"}` and a line feed. `hash` is SHA-256, in
//! hexadecimal, over the line without the line feed and without the `hash` member with its comma. `prev` is the `hash` of the
//! record before it; that of the first record is all zeros.
//!
//! What the chain alone can't show: that whole records are missing at its end. See [`checkpoint`](crate::checkpoint).

use std::fmt;

use sha2::{Digest, Sha256};

use crate::json;

/// The version of the format, the `v` of a record.
pub const FORMAT: u64 = 1;

const BEGIN: &[u8] = b"{\"v\":";
const SEQ: &[u8] = b",\"seq\":";
const PREV: &[u8] = b",\"prev\":\"";
const HASH: &[u8] = b",\"hash\":\"";
const HEX: usize = 64;
/// The length of `,"hash":"…"}`.
const SEAL: usize = HASH.len() + HEX + 2;

/// A SHA-256 hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What stands for the hash of no record.
    pub const NONE: Self = Self([0; 32]);

    /// Reads 64 lower-case hexadecimal digits.
    pub fn parse(hex: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        if hex.len() != HEX {
            return None;
        }
        let mut hash = Self::NONE;
        for (byte, pair) in hash.0.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (pair.first().copied().and_then(digit)?, pair.last().copied().and_then(digit)?);
            *byte = high << 4 | low;
        }
        Some(hash)
    }

    fn write(self, line: &mut Vec<u8>) {
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
        let mut hex = [0; HEX];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        line.extend_from_slice(&hex);
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The end of a chain: the number and the hash of its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The `seq` of the last record; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// The end of the chain that has no record yet.
    pub const START: Self = Self { seq: 0, hash: Hash::NONE };

    /// Whether a record is the next one.
    pub fn is_followed_by(&self, record: &Sealed<'_>) -> bool {
        Some(record.seq) == self.seq.checked_add(1) && record.prev == self.hash
    }
}

/// Appends the line of a record to `lines`, and returns the new end of the chain.
///
/// `body` are the record's own members, without brackets.
pub fn seal(head: Head, body: &[u8], lines: &mut Vec<u8>) -> Head {
    let from = lines.len();
    let seq = head.seq + 1;
    lines.extend_from_slice(BEGIN);
    json::number(lines, FORMAT);
    lines.extend_from_slice(SEQ);
    json::number(lines, seq);
    lines.extend_from_slice(PREV);
    head.hash.write(lines);
    lines.extend_from_slice(b"\",");
    lines.extend_from_slice(body);
    let mut hasher = Sha256::new();
    hasher.update(lines.get(from..).unwrap_or_default());
    hasher.update(b"}");
    let hash = Hash(hasher.finalize().into());
    lines.extend_from_slice(HASH);
    hash.write(lines);
    lines.extend_from_slice(b"\"}\n");
    Head { seq, hash }
}

/// A line whose hash is that of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// The number of the record.
    pub seq: u64,
    /// The hash of the record before it.
    pub prev: Hash,
    /// The hash of this one.
    pub hash: Hash,
    /// The whole line, a JSON object, without the line feed.
    pub line: &'a [u8],
}

impl Sealed<'_> {
    /// The end of the chain behind this record.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    /// The end of the chain before this record, as the record says it.
    pub fn before(&self) -> Head {
        Head { seq: self.seq.saturating_sub(1), hash: self.prev }
    }
}

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It does not begin and end as a record does.
    #[error("it is not a record of the journal")]
    Form,
    /// It is of a version that this program does not know.
    #[error("it has format version {0}, and this program reads version {FORMAT}; use a newer one")]
    Version(u64),
    /// It has been changed.
    #[error("its hash is not that of its content: the record was changed")]
    Hash,
}

/// Takes a line, without its line feed, apart and compares its hash.
pub fn open(line: &[u8]) -> Result<Sealed<'_>, Broken> {
    let (version, rest) = line.strip_prefix(BEGIN).and_then(number).ok_or(Broken::Form)?;
    if version != FORMAT {
        return Err(Broken::Version(version));
    }
    let (seq, rest) = rest.strip_prefix(SEQ).and_then(number).ok_or(Broken::Form)?;
    let rest = rest.strip_prefix(PREV).ok_or(Broken::Form)?;
    let prev = rest.get(..HEX).and_then(Hash::parse).ok_or(Broken::Form)?;
    let members =
        rest.get(HEX..).and_then(|rest| rest.strip_prefix(b"\",".as_slice())).ok_or(Broken::Form)?;
    // Behind the prefix, so that the two cannot overlap in a short line.
    if members.len() < SEAL {
        return Err(Broken::Form);
    }
    let (content, seal) = line.split_at(line.len() - SEAL);
    let hash = seal.strip_prefix(HASH).and_then(|seal| seal.strip_suffix(b"\"}")).and_then(Hash::parse);
    let hash = hash.ok_or(Broken::Form)?;
    let mut hasher = Sha256::new();
    hasher.update(content);
    hasher.update(b"}");
    if <[u8; 32]>::from(hasher.finalize()) != hash.0 {
        return Err(Broken::Hash);
    }
    Ok(Sealed { seq, prev, hash, line })
}

/// How many of the last bytes of a chain [`ends`] needs to see.
pub(crate) const END: usize = SEAL + 1;

/// Whether bytes end with the seal of the last record of a chain.
pub(crate) fn ends(bytes: &[u8], head: Head) -> bool {
    let mut seal = HASH.to_vec();
    head.hash.write(&mut seal);
    seal.extend_from_slice(b"\"}\n");
    bytes.ends_with(&seal)
}

/// A decimal number as it is written here: no sign, no leading zero.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    let value = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sealed(bodies: &[&str]) -> Vec<Vec<u8>> {
        let mut head = Head::START;
        bodies
            .iter()
            .map(|body| {
                let mut line = Vec::new();
                head = seal(head, body.as_bytes(), &mut line);
                line
            })
            .collect()
    }

    /// Whether lines are one chain from the start.
    fn holds(lines: &[Vec<u8>]) -> bool {
        let mut head = Head::START;
        lines.iter().all(|line| {
            let Some(line) = line.strip_suffix(b"\n") else { return false };
            let Ok(record) = open(line) else { return false };
            let follows = head.is_followed_by(&record);
            head = record.head();
            follows
        })
    }

    #[test]
    fn the_line_is_as_documented() {
        let line = sealed(&[r#""kind":"test""#]).remove(0);
        let text = String::from_utf8(line).unwrap();
        let zeros = "0".repeat(64);
        let content = format!(r#"{{"v":1,"seq":1,"prev":"{zeros}","kind":"test""#);
        let hash = Hash(Sha256::digest(format!("{content}}}")).into());
        assert_eq!(text, format!("{content},\"hash\":\"{hash}\"}}\n"));
    }

    #[test]
    fn any_changed_byte_is_found() {
        let lines = sealed(&[r#""a":1"#, r#""b":"two""#, r#""c":null"#]);
        for (index, line) in lines.iter().enumerate() {
            for position in 0..line.len() {
                for bit in 0..8 {
                    let mut changed = lines.clone();
                    changed[index][position] ^= 1 << bit;
                    // A change may have made two lines of one.
                    let changed = changed.concat();
                    let changed: Vec<Vec<u8>> =
                        changed.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                    assert!(!holds(&changed), "record {index}, byte {position}, bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_record_replaced_with_a_hash_of_its_own_is_found() {
        let mut lines = sealed(&[r#""a":1"#, r#""b":2"#, r#""c":3"#]);
        let before = open(lines[0].strip_suffix(b"\n").unwrap()).unwrap().head();
        lines[1].clear();
        seal(before, br#""b":7"#, &mut lines[1]);
        assert!(holds(&lines[..2]), "up to there it is a chain");
        assert!(!holds(&lines));
    }

    proptest! {
        #[test]
        fn removal_swap_and_repetition_are_found(
            bodies in prop::collection::vec("\"[a-z]{1,4}\":[0-9]{1,3}", 2..8),
            one in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
        ) {
            let lines = sealed(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
            prop_assert!(holds(&lines));
            let (one, other) = (one.index(lines.len()), other.index(lines.len()));
            let mut removed = lines.clone();
            removed.remove(one);
            // A chain that ends early is a chain; that its end is missing shows only beside a checkpoint.
            prop_assert_eq!(holds(&removed), one == lines.len() - 1);
            let mut swapped = lines.clone();
            swapped.swap(one, other);
            prop_assert_eq!(holds(&swapped), one == other);
            let mut repeated = lines.clone();
            repeated.insert(other, lines[one].clone());
            prop_assert!(!holds(&repeated));
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            _ = open(&bytes);
        }

        #[test]
        fn nothing_short_makes_it_panic(cut in 0usize..400) {
            let line = sealed(&[r#""kind":"test""#]).remove(0);
            prop_assert!(open(&line[..cut.min(line.len() - 2)]).is_err());
        }
    }
}
