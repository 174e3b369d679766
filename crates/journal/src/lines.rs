//! Lines of a segment, one at a time: a segment of any size is read in the memory of its longest line.

use std::io::{self, BufRead, Read as _};

/// A longer line is none that the journal wrote; it is taken in pieces.
const LONGEST: u64 = 64 << 20;

/// Reads lines and keeps count of where they stand.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
    offset: u64,
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// Where it begins, in bytes.
    pub(crate) from: u64,
    /// Its bytes without the line feed.
    pub(crate) bytes: &'a [u8],
    /// Whether there was a line feed.
    pub(crate) whole: bool,
}

impl Line<'_> {
    /// Where the next line begins.
    pub(crate) fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64 + u64::from(self.whole)
    }
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), number: 0, offset: 0 }
    }

    /// The next line; the last one may not be whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let length = (&mut self.reader).take(LONGEST).read_until(b'\n', &mut self.line)?;
        if length == 0 {
            return Ok(None);
        }
        let from = self.offset;
        self.number += 1;
        self.offset += length as u64;
        let (bytes, whole) = match self.line.strip_suffix(b"\n") {
            Some(bytes) => (bytes, true),
            None => (self.line.as_slice(), false),
        };
        Ok(Some(Line { number: self.number, from, bytes, whole }))
    }
}
