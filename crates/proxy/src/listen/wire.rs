//! Watches the bytes of a caller's connection as they go by, for what the parser behind it accepts or hides and RFC 9112
//! tells a server to refuse.
//!
//! It follows the framing on its own, head by head: each head ends in a verdict, which the pipeline takes (`seen.rs`) when it
//! gets that request. After the first fault it looks no further, because the connection is closed behind that answer.
//!
//! INVARIANT: nothing is changed and nothing is held back here; the parser sees each byte.

use patchgate_model::refusal::FramingFault;

use crate::ascii::{FIELD_NAME, TARGET, TOKEN};

/// What was found in a head.
pub type Verdict = Result<(), FramingFault>;

/// A head longer than this is the parser's to refuse.
const LONGEST_HEAD: usize = 40 * 1024;
/// A line of chunked framing that is longer than this is nobody's.
const LONGEST_CHUNK_LINE: usize = 1024;

/// Where in the stream of requests a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not a byte of a request came yet.
    New,
    /// Between requests.
    Between,
    /// In a head.
    Head,
    /// In a body.
    Body,
    /// Not looked at any more.
    Lost,
}

/// The watcher of one connection.
#[derive(Debug, Default)]
pub struct Wire {
    state: State,
    heads: u64,
    /// Of the last body, as far as it has come.
    chunks: u64,
    several_chunks: bool,
    fault: Option<FramingFault>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    New,
    Between,
    Head(Vec<u8>),
    Sized(u64),
    Chunked(Chunked),
    Lost,
}

/// Chunked framing (RFC 9112, 7.1).
#[derive(Debug)]
enum Chunked {
    Size(Vec<u8>),
    Data(u64),
    /// The CR LF behind data; how much of it came.
    End(u8),
    Trailer(Vec<u8>),
}

impl Wire {
    /// Takes in the next bytes of the connection.
    pub fn see(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (state, rest) = match std::mem::replace(&mut self.state, State::Lost) {
                state @ (State::New | State::Between) => match bytes {
                    // Empty lines before a request line are to be ignored (RFC 9112, 2.2): nothing has come, and no deadline
                    // begins anew.
                    [b'\r' | b'\n', rest @ ..] => (state, rest),
                    // Nearly every head comes in one piece, and then nothing is copied.
                    _ => match whole_head(bytes) {
                        Some((framing, rest)) => (self.judge(framing), rest),
                        None => self.in_head(Vec::with_capacity(bytes.len()), bytes),
                    },
                },
                State::Head(head) => self.in_head(head, bytes),
                State::Sized(left) => {
                    match bytes.split_at_checked(usize::try_from(left).unwrap_or(usize::MAX)) {
                        Some((_, rest)) => (State::Between, rest),
                        None => (State::Sized(left - bytes.len() as u64), &[][..]),
                    }
                }
                State::Chunked(chunked) => {
                    let sized = matches!(chunked, Chunked::Size(_));
                    let next = chunked.next(bytes);
                    if sized && matches!(next, (State::Chunked(Chunked::Data(_)), _)) {
                        self.chunks += 1;
                        self.several_chunks |= self.chunks > 1;
                    }
                    next
                }
                State::Lost => (State::Lost, &[][..]),
            };
            self.state = state;
            bytes = rest;
        }
    }

    /// What is wrong with the last head.
    pub fn fault(&self) -> Option<FramingFault> {
        self.fault
    }

    /// How many heads have been seen whole.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether a body has come in more than one chunk.
    pub fn several_chunks(&self) -> bool {
        self.several_chunks
    }

    /// Where the connection is.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::New => Phase::New,
            State::Between => Phase::Between,
            State::Head(_) => Phase::Head,
            State::Sized(_) | State::Chunked(_) => Phase::Body,
            State::Lost => Phase::Lost,
        }
    }

    /// Whether not a byte of a next request has come.
    pub fn is_between(&self) -> bool {
        matches!(self.state, State::New | State::Between)
    }

    fn in_head<'b>(&mut self, mut head: Vec<u8>, bytes: &'b [u8]) -> (State, &'b [u8]) {
        let before = head.len();
        head.extend_from_slice(bytes);
        let Some(end) = end_of_head(&head, before.saturating_sub(3)) else {
            let state = if head.len() > LONGEST_HEAD { State::Lost } else { State::Head(head) };
            return (state, &[]);
        };
        let rest = bytes.get(end - before..).unwrap_or_default();
        (self.judge(framing(head.get(..end).unwrap_or_default())), rest)
    }

    /// Counts a whole head, and says what follows it.
    fn judge(&mut self, framing: Result<State, FramingFault>) -> State {
        self.heads += 1;
        self.chunks = 0;
        framing.unwrap_or_else(|fault| {
            self.fault = Some(fault);
            State::Lost
        })
    }
}

impl Chunked {
    fn next(self, bytes: &[u8]) -> (State, &[u8]) {
        match self {
            Self::Size(line) => match whole_line(line, bytes) {
                Line::More(line) => (State::Chunked(Self::Size(line)), &[]),
                Line::Wrong => (State::Lost, &[]),
                Line::Whole(line, rest) => match chunk_size(&line) {
                    None => (State::Lost, rest),
                    Some(0) => (State::Chunked(Self::Trailer(Vec::new())), rest),
                    Some(size) => (State::Chunked(Self::Data(size)), rest),
                },
            },
            Self::Data(left) => match bytes.split_at_checked(usize::try_from(left).unwrap_or(usize::MAX)) {
                Some((_, rest)) => (State::Chunked(Self::End(0)), rest),
                None => (State::Chunked(Self::Data(left - bytes.len() as u64)), &[]),
            },
            Self::End(came) => match (came, bytes) {
                (0, [b'\r', rest @ ..]) => (State::Chunked(Self::End(1)), rest),
                (1, [b'\n', rest @ ..]) => (State::Chunked(Self::Size(Vec::new())), rest),
                _ => (State::Lost, &[]),
            },
            Self::Trailer(line) => match whole_line(line, bytes) {
                Line::More(line) => (State::Chunked(Self::Trailer(line)), &[]),
                Line::Wrong => (State::Lost, &[]),
                Line::Whole(line, rest) if line.is_empty() => (State::Between, rest),
                Line::Whole(_, rest) => (State::Chunked(Self::Trailer(Vec::new())), rest),
            },
        }
    }
}

enum Line<'b> {
    More(Vec<u8>),
    Whole(Vec<u8>, &'b [u8]),
    Wrong,
}

/// Adds to a line of chunked framing until its CR LF.
fn whole_line(mut line: Vec<u8>, bytes: &[u8]) -> Line<'_> {
    let Some(end) = bytes.iter().position(|b| *b == b'\n') else {
        line.extend_from_slice(bytes);
        return if line.len() > LONGEST_CHUNK_LINE { Line::Wrong } else { Line::More(line) };
    };
    let (this, rest) = bytes.split_at(end + 1);
    line.extend_from_slice(this);
    match line.strip_suffix(b"\r\n") {
        Some(whole) if whole.len() <= LONGEST_CHUNK_LINE => Line::Whole(whole.to_vec(), rest),
        _ => Line::Wrong,
    }
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|b| *b == b';').next()?.trim_ascii_end();
    let valid = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
    valid.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

/// Behind the empty line that ends a head, as every lenient parser sees it.
fn end_of_head(head: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = memchr::memchr(b'\n', head.get(at..).unwrap_or_default()) {
        let next = at + found + 1;
        match head.get(next..).unwrap_or_default() {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => at = next,
        }
    }
    None
}

/// The framing of a head that lies there whole, and what is behind it.
///
/// A head with which nothing is wrong, as nearly all are, is gone through once, with its end still to be found.
fn whole_head(bytes: &[u8]) -> Option<(Result<State, FramingFault>, &[u8])> {
    if let Ok((state, rest)) = lines(bytes, true)
        && bytes.get(..bytes.len() - rest.len()).is_some_and(is_plain)
    {
        return Some((Ok(state), rest));
    }
    let (head, rest) = bytes.split_at_checked(end_of_head(bytes, 0)?)?;
    Some((framing(head), rest))
}

/// How the body behind a head is framed, or what is wrong with the head.
fn framing(head: &[u8]) -> Result<State, FramingFault> {
    lines(head, is_plain(head)).map(|(state, _)| state)
}

/// Goes through the lines of a head, and says what is behind the empty one that ends it; `plain` says that no line has a
/// character that must not be there.
fn lines(bytes: &[u8], plain: bool) -> Result<(State, &[u8]), FramingFault> {
    let (line, mut rest) = first_line(bytes)?;
    let version = request_line(line)?;
    let mut length = None;
    let mut chunked = false;
    loop {
        let (line, behind) = first_line(rest)?;
        rest = behind;
        if line.is_empty() {
            break;
        }
        let (name, value) = field(line, plain)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some() {
                return Err(FramingFault::SeveralLengths);
            }
            length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") || version == Version::Http10 {
                return Err(FramingFault::TransferEncoding);
            }
            chunked = true;
        }
    }
    let state = match (length, chunked) {
        (Some(_), true) => return Err(FramingFault::LengthAndEncoding),
        (None, true) => State::Chunked(Chunked::Size(Vec::new())),
        (None | Some(0), false) => State::Between,
        (Some(length), false) => State::Sized(length),
    };
    Ok((state, rest))
}

/// A line without its CR LF, and what is behind it.
fn first_line(bytes: &[u8]) -> Result<(&[u8], &[u8]), FramingFault> {
    let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
    match bytes.split_at_checked(end) {
        Some(([line @ .., b'\r', b'\n'], behind)) => Ok((line, behind)),
        _ => Err(FramingFault::BareLineFeed),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn request_line(line: &[u8]) -> Result<Version, FramingFault> {
    let wrong = FramingFault::RequestLine;
    let (line, version) = match line {
        [line @ .., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'] => (line, Some(Version::Http11)),
        [line @ .., b' ', b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'0'] => (line, Some(Version::Http10)),
        _ => (line.rsplitn(2, |byte| *byte == b' ').nth(1).ok_or(wrong)?, None),
    };
    let space = line.iter().position(|byte| !TOKEN.has(*byte)).unwrap_or_default();
    let (Some((_, [b' ', target @ ..])), 1..) = (line.split_at_checked(space), space) else {
        return Err(wrong);
    };
    if target.is_empty() || !TARGET.has_all(target) {
        return Err(match target {
            _ if target.contains(&b' ') => wrong,
            _ if target.contains(&b'#') => FramingFault::Fragment,
            _ => FramingFault::TargetCharacter,
        });
    }
    version.ok_or(wrong)
}

/// Whether a head has no control characters but tabs, and each CR and LF beside the other: then no line of it has one inside. It
/// is looked at as a whole: many bytes at once.
fn is_plain(head: &[u8]) -> bool {
    let unusual = |byte: u8| (byte < 0x20 && byte != b'\t' && byte != b'\r' && byte != b'\n') || byte == 0x7f;
    let apart = |(this, next): (&u8, &u8)| (*this == b'\r') != (*next == b'\n');
    let next = head.get(1..).unwrap_or_default();
    let found = head.iter().fold(false, |found, byte| found | unusual(*byte));
    !head.iter().zip(next).fold(found, |found, pair| found | apart(pair))
}

/// Name and value of a line; `plain` says that no value of this head has a character that must not be there.
fn field(line: &[u8], plain: bool) -> Result<(&[u8], &[u8]), FramingFault> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(FramingFault::FoldedLine);
    }
    let colon = line.iter().position(|b| !FIELD_NAME.has(*b)).unwrap_or_default();
    let (Some((name, [b':', value @ ..])), 1..) = (line.split_at_checked(colon), colon) else {
        return Err(FramingFault::FieldName);
    };
    let value = value.trim_ascii();
    if !plain && value.iter().any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
        return Err(FramingFault::FieldValue);
    }
    Ok((name, value))
}

/// `1*DIGIT`, and what fits.
fn content_length(value: &[u8]) -> Result<u64, FramingFault> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(FramingFault::Length)
}

#[cfg(test)]
mod tests;
