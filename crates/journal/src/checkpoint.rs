//! Checkpoints: the end of the chain, short enough to be kept elsewhere.
//!
//! Whoever can write to the directory can take the last records away, and what is left is a chain. That shows only beside
//! something that they can't write: a checkpoint that was kept in another place. `verify` takes such checkpoints and finds
//! each of them in the chain, or says that it is not there.

use std::fmt;
use std::str::FromStr;

use crate::chain::{Hash, Head};

/// A record that was there: its number and its hash, written `1042:` and 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint(pub Head);

/// A text that is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a checkpoint; it has the form NUMBER:HASH, with 64 hexadecimal digits")]
pub struct NoCheckpoint(String);

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.seq, self.0.hash)
    }
}

impl FromStr for Checkpoint {
    type Err = NoCheckpoint;

    fn from_str(text: &str) -> Result<Self, NoCheckpoint> {
        let parts = text.trim().split_once(':');
        let read = |(seq, hash): (&str, &str)| {
            let hash = Hash::parse(hash.to_ascii_lowercase().as_bytes())?;
            Some(Self(Head { seq: seq.parse().ok()?, hash }))
        };
        parts.and_then(read).ok_or_else(|| NoCheckpoint(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_read_as_it_is_written(seq in any::<u64>(), hash in any::<[u8; 32]>()) {
            let checkpoint = Checkpoint(Head { seq, hash: Hash(hash) });
            prop_assert_eq!(checkpoint.to_string().parse::<Checkpoint>(), Ok(checkpoint));
        }
    }
}
