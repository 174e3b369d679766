//! Strict JSON: what all readers agree on (RFC 8259, I-JSON RFC 7493), read once, bounded.
//!
//! Refused besides what is no JSON: a byte order mark, names that differ only in ASCII case, nesting beyond the limit,
//! numbers beyond the integers of an IEEE double, NUL in a string, anything behind the value. Each of them is read
//! differently by some reader that could stand behind the gateway.

mod place;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use patchgate_model::violation::Place;
use patchgate_model::{Fault, Violation};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::document::Document;
use place::Read;

/// The largest integer that each double up to it can tell from its neighbours.
const SAFE_INTEGER: u64 = (1 << 53) - 1;
/// The same as a double; exact.
const SAFE_DOUBLE: f64 = 9_007_199_254_740_991.0;
/// From this many members on, names are compared through a set.
const MANY_MEMBERS: usize = 16;

/// Reads one JSON value, nested at most `depth` levels of arrays and objects.
pub(crate) fn parse(bytes: &[u8], depth: usize) -> Result<Document<'_>, Violation> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let reason = "it is not UTF-8".to_owned();
            return Err(violation(Fault::InvalidJson { reason, place: place::behind(valid) }));
        }
    };
    let not_json = |reason: &str, place| violation(Fault::InvalidJson { reason: reason.to_owned(), place });
    if text.starts_with('\u{feff}') {
        return Err(not_json("it begins with a byte order mark", Place { line: 1, column: 1 }));
    }
    if text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
        return Err(not_json("it is empty", Place { line: 1, column: 1 }));
    }
    let trouble = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut document = Document::Null;
    let seed = Level { left: depth, trouble: &trouble }.into(&mut document);
    let read = seed.deserialize(&mut reader).and_then(|()| reader.end());
    read.map(|()| document).map_err(|error| {
        let read = Read::until(text, &error);
        match trouble.take() {
            Some(Trouble::Duplicate(name)) => violation(Fault::DuplicateField { name, place: read.string() }),
            Some(Trouble::TooDeep) => violation(Fault::TooDeep { limit: depth, place: read.bracket() }),
            Some(Trouble::Number) => violation(Fault::InvalidNumber { place: read.number() }),
            Some(Trouble::Nul) => not_json("a string has a NUL character", read.string()),
            None => {
                let said = error.to_string();
                // serde_json puts the place behind its words; ours stands there in characters instead of bytes.
                match said.split(" at line ").next().unwrap_or_default() {
                    "number out of range" => violation(Fault::InvalidNumber { place: read.number() }),
                    // Its words for the two halves are about how it reads them.
                    "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
                        not_json("an escape is half of a surrogate pair", read.place)
                    }
                    reason => not_json(reason, read.place),
                }
            }
        }
    })
}

fn violation(fault: Fault) -> Violation {
    Violation { target: String::new(), known_target: String::new(), fault }
}

/// What this reader finds and `serde_json` would let pass.
enum Trouble {
    Duplicate(String),
    TooDeep,
    Number,
    Nul,
}

/// How deep a reader is: `left` levels may follow below.
#[derive(Clone, Copy)]
struct Level<'t> {
    left: usize,
    trouble: &'t RefCell<Option<Trouble>>,
}

/// Reads a value into its place. A value that is returned is moved from hand to hand, which takes longer than to read it.
struct Slot<'d, 'b, 't> {
    level: Level<'t>,
    place: &'d mut Document<'b>,
}

impl<'t> Level<'t> {
    fn into<'d, 'b>(self, place: &'d mut Document<'b>) -> Slot<'d, 'b, 't> {
        Slot { level: self, place }
    }

    /// Stops the reader; the words never show, the trouble does.
    fn stop<E: serde::de::Error>(self, trouble: Trouble) -> E {
        self.trouble.replace(Some(trouble));
        E::custom("refused")
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(self.stop(Trouble::TooDeep)),
        }
    }

    /// A string that had escapes. One without can hold no control character, or it is no JSON.
    fn unescaped<E: serde::de::Error>(self, text: &str) -> Result<Cow<'static, str>, E> {
        if text.contains('\0') { Err(self.stop(Trouble::Nul)) } else { Ok(Cow::Owned(text.to_owned())) }
    }

    fn integer<'b, E: serde::de::Error>(self, magnitude: u64, number: Number) -> Result<Document<'b>, E> {
        if magnitude > SAFE_INTEGER { Err(self.stop(Trouble::Number)) } else { Ok(Document::Number(number)) }
    }
}

impl<'b> DeserializeSeed<'b> for Slot<'_, 'b, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'b> Visitor<'b> for Slot<'_, 'b, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        *self.place = Document::Null;
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        *self.place = Document::Bool(value);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        *self.place = self.level.integer(value, Number::from(value))?;
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        *self.place = self.level.integer(value.unsigned_abs(), Number::from(value))?;
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        // A large integer arrives here too, already rounded.
        match Number::from_f64(value) {
            Some(number) if value.abs() <= SAFE_DOUBLE => *self.place = Document::Number(number),
            _ => return Err(self.level.stop(Trouble::Number)),
        }
        Ok(())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'b str) -> Result<(), E> {
        *self.place = Document::String(Cow::Borrowed(value));
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        *self.place = Document::String(self.level.unescaped(value)?);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'b>>(self, mut items: A) -> Result<(), A::Error> {
        let below = self.level.deeper()?;
        let mut first = Document::Null;
        if items.next_element_seed(below.into(&mut first))?.is_none() {
            // An empty list takes no memory, however many there are.
            *self.place = Document::Array(Vec::new());
            return Ok(());
        }
        // Places are made ahead, where they lie: to push one after the other would move each.
        let (mut places, mut read) = (vec![first], 1);
        loop {
            let Some(place) = places.get_mut(read) else {
                places.resize_with(if read < 16 { 4 * read } else { 2 * read }, || Document::Null);
                continue;
            };
            if items.next_element_seed(below.into(place))?.is_none() {
                break;
            }
            read += 1;
        }
        places.truncate(read);
        *self.place = Document::Array(places);
        Ok(())
    }

    fn visit_map<A: MapAccess<'b>>(self, mut members: A) -> Result<(), A::Error> {
        let below = self.level.deeper()?;
        let mut read: Vec<(Cow<'b, str>, Document<'b>)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key_seed(Name(self.level))? {
            let again = if read.len() < MANY_MEMBERS {
                read.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name))
            } else {
                if seen.is_empty() {
                    seen.extend(read.iter().map(|(other, _)| other.to_ascii_lowercase()));
                }
                !seen.insert(name.to_ascii_lowercase())
            };
            if again {
                return Err(self.level.stop(Trouble::Duplicate(name.into_owned())));
            }
            let (_, place) = read.push_mut((name, Document::Null));
            members.next_value_seed(below.into(place))?;
        }
        *self.place = Document::Object(read);
        Ok(())
    }
}

/// Reads the name of a member, borrowed where it has no escapes.
struct Name<'t>(Level<'t>);

impl<'b> DeserializeSeed<'b> for Name<'_> {
    type Value = Cow<'b, str>;

    fn deserialize<D: Deserializer<'b>>(self, deserializer: D) -> Result<Cow<'b, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'b> Visitor<'b> for Name<'_> {
    type Value = Cow<'b, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, name: &'b str) -> Result<Cow<'b, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Cow<'b, str>, E> {
        self.0.unescaped(name)
    }
}

#[cfg(test)]
mod tests;
