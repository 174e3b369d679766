//! A record as a reader finds it. Whoever can write to the directory can write any line, so a line takes no more than a small
//! multiple of its length: the document stays the text that it is, and the rest is not long.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::Error as _;

use super::{Abandoned, Kind, Verdict};
use crate::chain::{Hash, Head};

/// The most bytes that a record has besides the document. The longest are those that begin a segment and say what is open.
const BESIDES: usize = 4 << 20;

/// A record, all of it. Members that this version does not know are passed over.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was written, by the clock of that moment. Order is `seq`'s alone.
    pub time: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// The request.
    #[serde(borrow, default)]
    pub request_id: Option<Cow<'a, str>>,
    /// The trace.
    #[serde(borrow, default)]
    pub trace_id: Option<Cow<'a, str>>,
    /// The caller.
    #[serde(borrow, default)]
    pub caller: Option<Caller<'a>>,
    /// The guard.
    #[serde(borrow, default)]
    pub guard: Option<Cow<'a, str>>,
    /// The route's template.
    #[serde(borrow, default)]
    pub route: Option<Cow<'a, str>>,
    /// The version and the keys of the path by their names.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// The document, as far as its values are kept: JSON, as it stands in the line.
    #[serde(skip)]
    pub edit: Option<&'a str>,
    /// Fields whose values are kept as a keyed hash.
    #[serde(default)]
    pub hashed: BTreeMap<String, String>,
    /// Fields whose values are not kept.
    #[serde(default)]
    pub omitted: Vec<String>,
    /// Whether it was allowed.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// Why.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// The code of a refusal.
    #[serde(borrow, default)]
    pub code: Option<Cow<'a, str>>,
    /// The status of the answer.
    #[serde(default)]
    pub status: Option<u16>,
    /// The number of the ruleset.
    #[serde(default)]
    pub generation: Option<u64>,
    /// The schema.
    #[serde(borrow, default)]
    pub schema: Option<Schema<'a>>,
    /// Graph's own id for the exchange.
    #[serde(borrow, default)]
    pub upstream_request_id: Option<Cow<'a, str>>,
    /// From the intent to the outcome, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// What became of the edit.
    #[serde(default)]
    pub result: Option<Verdict>,
    /// How many refusals this record stands for; 1 if it does not say.
    #[serde(default)]
    pub count: Option<u64>,
    /// When the first of them was.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// When the last was.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Why a checkpoint or recovery was written.
    #[serde(borrow, default)]
    pub why: Option<Cow<'a, str>>,
    /// The number of the segment in which a checkpoint or recovery stands.
    #[serde(default)]
    pub segment: Option<u64>,
    /// The ids of the intents without an outcome, on the record that begins a segment.
    #[serde(default)]
    pub open: Vec<String>,
}

/// A caller on record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Caller<'a> {
    /// Its id.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// How it is known.
    #[serde(borrow)]
    pub known_by: Cow<'a, str>,
}

/// A schema on record.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Schema<'a> {
    /// Its id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Its digest.
    #[serde(borrow)]
    pub digest: Cow<'a, str>,
}

/// A decision on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It was allowed.
    Allow,
    /// It was refused.
    Refuse,
}

impl Decision {
    /// The word on record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Refuse => "refuse",
        }
    }
}

impl<'a> Record<'a> {
    /// Reads a line without its line feed. It says nothing about the chain.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        let edit = edit(line);
        bounded(line, edit)?;
        // Behind the bound; it shows, too, that the document is JSON.
        let record = serde_json::from_slice(line)?;
        Ok(Self { edit, ..record })
    }
}

fn bounded(line: &[u8], edit: Option<&str>) -> Result<(), serde_json::Error> {
    let besides = line.len() - edit.map_or(0, str::len);
    if besides <= BESIDES {
        return Ok(());
    }
    Err(serde_json::Error::custom(format_args!(
        "it has {besides} bytes besides the document, more than any record of the journal"
    )))
}

/// The text of the member `edit`, if the line is the JSON of an object.
fn edit(line: &[u8]) -> Option<&str> {
    let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
    // The last string; where the value begins, once its name was that.
    let (mut string, mut begin) = (0..0, None);
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => {
                in_string = !in_string;
                string = if in_string { at + 1..at } else { string.start..at };
            }
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b':' if depth == 1 && line.get(string.clone()) == Some(b"edit".as_slice()) => {
                begin = Some(at + 1);
            }
            b',' if depth == 1 && begin.is_some() => return text(line.get(begin?..at)?),
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return text(line.get(begin?..at)?);
                }
            }
            _ => {}
        }
    }
    None
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim_ascii)
}

/// The little of a record that following the chain needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Brief<'a> {
    pub(crate) kind: Kind,
    #[serde(borrow, default)]
    pub(crate) request_id: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) begins: Option<Begins>,
    #[serde(default)]
    pub(crate) open: Vec<String>,
    #[serde(default)]
    pub(crate) abandoned: Vec<Abandoned>,
}

impl<'a> Brief<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        if line.len() > BESIDES {
            bounded(line, edit(line))?;
        }
        serde_json::from_slice(line)
    }
}

/// Where a chain begins, as a record says it.
#[derive(Debug, Deserialize)]
pub(crate) struct Begins {
    seq: u64,
    prev: String,
}

impl Begins {
    /// The end of what was taken away.
    pub(crate) fn head(&self) -> Option<Head> {
        Some(Head { seq: self.seq.checked_sub(1)?, hash: Hash::parse(self.prev.as_bytes())? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn the_document_is_found_as_it_stands(
            name in "\\PC{0,6}|[\"\\\\{}\\[\\]:,]{0,6}|edit",
            value in "\\PC{0,9}|[\"\\\\{}\\[\\]:,]{0,9}|edit",
            before in any::<bool>(),
        ) {
            let other = (name.as_str(), json!({"edit": [&value, {"edit": &name}]}));
            let document = json!({(&name): [&value, 1, null, {"edit": &value}], (&value): &name});
            let mut members = vec![("edit", document.clone())];
            if name != "edit" {
                members.insert(usize::from(!before), other);
            }
            let line: serde_json::Map<String, Value> =
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            for line in [serde_json::to_string(&line).unwrap(), serde_json::to_string_pretty(&line).unwrap()] {
                let found = edit(line.as_bytes()).unwrap();
                prop_assert_eq!(serde_json::from_str::<Value>(found).unwrap(), document.clone());
            }
        }

        #[test]
        fn nothing_makes_it_panic(line in "[\"\\\\{}\\[\\]:,edit]{0,40}") {
            _ = edit(line.as_bytes());
        }
    }

    #[test]
    fn a_record_that_is_long_besides_its_document_is_none() {
        let line = |edit: usize, reasons: usize| {
            let (edit, reasons) = ("0,".repeat(edit), r#""","#.repeat(reasons));
            format!(
                r#"{{"seq":1,"time":"2026-11-24T08:00:00Z","kind":"intent","edit":[{edit}0],"reasons":[{reasons}""]}}"#
            )
        };
        let long = line(5 << 20, 1);
        assert_eq!(Record::parse(long.as_bytes()).unwrap().edit.unwrap().len(), (10 << 20) + 3);
        Brief::parse(long.as_bytes()).unwrap();
        let long = line(1, 2 << 20);
        let error = Record::parse(long.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("more than any record of the journal"), "{error}");
        assert_eq!(Brief::parse(long.as_bytes()).unwrap_err().to_string(), error);
    }
}
