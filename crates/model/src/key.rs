//! The pattern of a key in a path: which strings name a resource.
//!
//! INVARIANT: a key that matches can stand in a path as it is. It holds no separator, no percent sign, nothing that a
//! server could decode or normalise into something else.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// A compiled key pattern, anchored at both ends, matched in time linear in the key.
#[derive(Debug, Clone)]
pub struct KeyPattern {
    text: String,
    matcher: Matcher,
    shows: bool,
}

/// How a key is matched.
#[derive(Debug, Clone)]
enum Matcher {
    /// What nearly every pattern says, and cheaper than an automaton.
    Places(Places),
    Regex(Regex),
}

/// Why a key pattern was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum KeyPatternError {
    /// Not a regular expression of the linear engine.
    #[error("the key pattern '{text}' does not compile: {reason}")]
    Syntax {
        /// The pattern.
        text: String,
        /// What the engine says.
        reason: String,
    },
    /// It admits something that must not stand in a path segment.
    #[error(
        "the key pattern '{text}' admits {admitted}; a key may hold letters, digits and . _ ~ = ! : - only"
    )]
    Unsafe {
        /// The pattern.
        text: String,
        /// What it admits.
        admitted: String,
    },
}

impl KeyPattern {
    /// What a key may be where the page says nothing about it: letters, digits, `_` and `-`. No dot, so that a cast
    /// segment such as `namespace.type` is never taken for a key.
    pub const SAFE_IDENTIFIER: &'static str = "[A-Za-z0-9_-]{1,128}";

    /// Compiles a pattern. It is anchored here; it must not have anchors, look-around or back-references.
    pub fn parse(text: &str) -> Result<Self, KeyPatternError> {
        let syntax = |reason: String| KeyPatternError::Syntax { text: text.to_owned(), reason };
        let hir = regex_syntax::parse(text).map_err(|e| syntax(e.to_string()))?;
        let refuse = |admitted: String| Err(KeyPatternError::Unsafe { text: text.to_owned(), admitted });
        let mut alphabet = Alphabet::default();
        if let Err(admitted) = alphabet.admit(&hir) {
            return refuse(admitted);
        }
        if hir.properties().minimum_len() == Some(0) {
            return refuse("an empty key".to_owned());
        }
        let regex = Regex::new(&format!(r"\A(?:{text})\z")).map_err(|e| syntax(e.to_string()))?;
        for dots in [".", ".."] {
            if regex.is_match(dots) {
                return refuse(format!("'{dots}', which is a path segment of its own meaning"));
            }
        }
        let matcher = Places::of(&hir).map_or(Matcher::Regex(regex), Matcher::Places);
        let length = (hir.properties().minimum_len(), hir.properties().maximum_len());
        let guid = alphabet.only_hex_and_dash && length == (Some(36), Some(36));
        Ok(Self { text: text.to_owned(), matcher, shows: alphabet.only_digits || guid })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is a key.
    pub fn matches(&self, key: &str) -> bool {
        match &self.matcher {
            Matcher::Places(places) => places.match_all_of(key.as_bytes()),
            Matcher::Regex(regex) => regex.is_match(key),
        }
    }

    /// Whether a key may be shown in traces and logs: only where the pattern admits digits alone or GUIDs alone, since
    /// any other key may be a name or an address.
    pub fn shows(&self) -> bool {
        self.shows
    }

    /// A short key that matches, for examples where the page has none.
    pub fn example(&self) -> String {
        regex_syntax::parse(&self.text).map_or_else(|_| String::new(), |hir| shortest(&hir))
    }
}

/// A set of ASCII characters.
type Ascii = u128;

/// A pattern in which the place of a character says which it may be: the last part alone may have one length or another.
#[derive(Debug, Clone, Default)]
struct Places {
    /// For each of the first places.
    first: Vec<Ascii>,
    /// For each of those behind them, and how many there may be.
    rest: Ascii,
    most: usize,
    least: usize,
}

impl Places {
    /// With more of them an automaton is no worse.
    const MOST: usize = 64;

    fn of(hir: &Hir) -> Option<Self> {
        let mut places = Self::default();
        let parts = if let HirKind::Concat(parts) = hir.kind() { parts } else { std::slice::from_ref(hir) };
        for part in parts {
            if places.most > 0 {
                return None;
            }
            match part.kind() {
                HirKind::Literal(literal) => places.first.extend(literal.0.iter().map(|byte| bit(*byte))),
                HirKind::Class(_) => places.first.push(set(part)?),
                HirKind::Repetition(repetition) => {
                    let (least, most) = (repetition.min, repetition.max.unwrap_or(u32::MAX));
                    let (least, most) = (usize::try_from(least).ok()?, usize::try_from(most).ok()?);
                    if least == most && most <= Self::MOST {
                        places.first.extend(std::iter::repeat_n(set(&repetition.sub)?, most));
                    } else {
                        places = Self { rest: set(&repetition.sub)?, least, most, ..places };
                    }
                }
                _ => return None,
            }
        }
        (places.first.len() <= Self::MOST).then_some(places)
    }

    fn match_all_of(&self, key: &[u8]) -> bool {
        let Some((first, rest)) = key.split_at_checked(self.first.len()) else { return false };
        (self.least..=self.most).contains(&rest.len())
            && first.iter().zip(&self.first).all(|(byte, set)| bit(*byte) & set != 0)
            && rest.iter().all(|byte| bit(*byte) & self.rest != 0)
    }
}

/// The characters of a class, if all of them are ASCII.
fn set(hir: &Hir) -> Option<Ascii> {
    match hir.kind() {
        HirKind::Literal(literal) => match *literal.0 {
            [byte] => Some(bit(byte)),
            _ => None,
        },
        HirKind::Class(Class::Unicode(class)) => {
            let chars = class.ranges().iter().flat_map(|range| range.start()..=range.end());
            chars
                .map(|c| u8::try_from(c).ok().filter(u8::is_ascii).map(bit))
                .try_fold(0, |all, one| Some(all | one?))
        }
        _ => None,
    }
}

/// The set of one character; of none where the byte is no ASCII.
fn bit(byte: u8) -> Ascii {
    1_u128.checked_shl(byte.into()).unwrap_or_default()
}

/// What the characters of a pattern have in common.
#[derive(Debug)]
struct Alphabet {
    only_digits: bool,
    only_hex_and_dash: bool,
}

impl Default for Alphabet {
    fn default() -> Self {
        Self { only_digits: true, only_hex_and_dash: true }
    }
}

impl Alphabet {
    /// Takes in all characters of a pattern, or says which it must not have.
    fn admit(&mut self, hir: &Hir) -> Result<(), String> {
        match hir.kind() {
            HirKind::Empty => Ok(()),
            HirKind::Literal(literal) => {
                literal.0.iter().try_for_each(|byte| self.admit_char(char::from(*byte)))
            }
            HirKind::Class(Class::Unicode(class)) => class.ranges().iter().try_for_each(|range| {
                if range.end() > '\x7f' {
                    return Err(format!(
                        "characters outside ASCII ('{}' to '{}')",
                        range.start(),
                        range.end()
                    ));
                }
                (range.start()..=range.end()).try_for_each(|c| self.admit_char(c))
            }),
            HirKind::Class(Class::Bytes(_)) => Err("bytes".to_owned()),
            HirKind::Look(_) => Err("an anchor; patterns are anchored without it".to_owned()),
            HirKind::Repetition(repetition) => self.admit(&repetition.sub),
            HirKind::Capture(capture) => self.admit(&capture.sub),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().try_for_each(|p| self.admit(p))
            }
        }
    }

    fn admit_char(&mut self, c: char) -> Result<(), String> {
        self.only_digits &= c.is_ascii_digit();
        self.only_hex_and_dash &= c.is_ascii_hexdigit() || c == '-';
        if c.is_ascii_alphanumeric() || "._~=!:-".contains(c) { Ok(()) } else { Err(format!("{c:?}")) }
    }
}

/// The first of the shortest strings that a pattern admits.
fn shortest(hir: &Hir) -> String {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => String::new(),
        HirKind::Literal(literal) => String::from_utf8_lossy(&literal.0).into_owned(),
        HirKind::Class(Class::Unicode(class)) => {
            // A letter reads better in an example than a dash.
            let starts = || class.ranges().iter().map(regex_syntax::hir::ClassUnicodeRange::start);
            starts()
                .find(char::is_ascii_alphanumeric)
                .or_else(|| starts().next())
                .map(String::from)
                .unwrap_or_default()
        }
        HirKind::Repetition(repetition) => shortest(&repetition.sub).repeat(repetition.min as usize),
        HirKind::Capture(capture) => shortest(&capture.sub),
        HirKind::Concat(parts) => parts.iter().map(shortest).collect(),
        HirKind::Alternation(parts) => parts.iter().map(shortest).min_by_key(String::len).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses_patterns() {
        let rows = [
            ("[1-9][0-9]{0,18}", true, true, "1"),
            (KeyPattern::SAFE_IDENTIFIER, true, false, "0"),
            (
                "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                true,
                true,
                "00000000-0000-0000-0000-000000000000",
            ),
            ("(?:alpha|be)", true, false, "be"),
            (".+", false, false, ""),
            ("[^/]+", false, false, ""),
            ("[a-z.]+", false, false, ""),
            ("a*", false, false, ""),
            ("^[0-9]+$", false, false, ""),
            (r"\d+", false, false, ""),
            ("[0-9]+%", false, false, ""),
            ("a/b", false, false, ""),
            ("(a", false, false, ""),
            ("(?=a)a", false, false, ""),
        ];
        for (text, accepted, shows, example) in rows {
            match KeyPattern::parse(text) {
                Ok(pattern) => {
                    assert!(accepted, "{text} was accepted");
                    assert_eq!(pattern.shows(), shows, "{text}");
                    assert_eq!(pattern.example(), example, "{text}");
                    assert!(pattern.matches(example), "{text}");
                }
                Err(error) => assert!(!accepted, "{text}: {error}"),
            }
        }
    }

    #[test]
    fn keys_match_as_a_whole() {
        let pattern = KeyPattern::parse("[1-9][0-9]{0,18}").unwrap();
        for key in ["0", "01", "1\n", "12345678901234567890", "1a", "", "1/2", "\u{661}"] {
            assert!(!pattern.matches(key), "{key:?}");
        }
        assert!(pattern.matches("2972395"));
    }

    /// Where a place says which character it may be, that is what the automaton says.
    #[test]
    fn places_say_what_the_expression_says() {
        let rows = [
            ("[1-9][0-9]{0,18}", true),
            (KeyPattern::SAFE_IDENTIFIER, true),
            ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", true),
            ("a[bc]{2}d", true),
            ("x{3}-[0-9]+", true),
            ("[0-9]?", true),
            ("message", true),
            ("[ab]+c", false),
            ("[ab]{1,2}[bc]{1,2}", false),
            ("(?:alpha|be)", false),
            ("[a-c]{70}", true),
        ];
        let alphabet = ["0", "1", "9", "a", "b", "c", "d", "x", "-", "z", "\u{e9}", ""];
        for (text, placed) in rows {
            let hir = regex_syntax::parse(text).unwrap();
            let Some(places) = Places::of(&hir) else {
                assert!(!placed, "{text}");
                continue;
            };
            assert!(placed, "{text}");
            let regex = Regex::new(&format!(r"\A(?:{text})\z")).unwrap();
            let guid = "01234567-89ab-cdef-0123-456789abcdef";
            let mut keys =
                vec![guid.to_owned(), guid[1..].to_owned(), format!("{guid}0"), "message".to_owned()];
            for one in alphabet {
                keys.extend([one.repeat(20), one.repeat(70), one.repeat(128), one.repeat(129)]);
                for two in alphabet {
                    for three in alphabet {
                        keys.extend(alphabet.map(|four| [one, two, three, four].concat()));
                        keys.push(format!("xxx-{one}{two}{three}"));
                    }
                }
            }
            for key in keys {
                assert_eq!(places.match_all_of(key.as_bytes()), regex.is_match(&key), "{text} {key:?}");
            }
        }
    }
}
