//! Violations: what is wrong with a body, and the sentence that says so.
//!
//! All sentences about a body that a caller reads are here. Each says what was read, which rule it breaks, what would be
//! accepted and, where one is near, what was probably meant.

use std::fmt;

use serde::Serialize;

use crate::quote::Quoted;

/// The closed list of codes of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ViolationCode {
    /// A name that the schema does not have.
    UnknownField,
    /// A string that is not one of the accepted values.
    InvalidEnumValue,
    /// A value of another JSON type.
    WrongType,
    /// `null` where there must be a value.
    NullNotAllowed,
    /// A string with too many characters.
    TooLong,
    /// A string with too few characters.
    TooShort,
    /// An array, or object, with too many members.
    TooManyItems,
    /// An array, or object, with too few members.
    TooFewItems,
    /// Two equal items where each must differ.
    DuplicateItem,
    /// A number beyond its bounds.
    OutOfRange,
    /// A string that lacks the form it must have.
    InvalidFormat,
    /// A field that must be there and is not.
    RequiredField,
    /// A body that changes nothing.
    EmptyEdit,
    /// A value that breaks another rule.
    InvalidValue,
    /// Not JSON.
    InvalidJson,
    /// A name that stands twice in an object, ASCII case ignored.
    DuplicateField,
    /// Nested too deep.
    TooDeep,
    /// A number that readers of JSON do not agree on.
    InvalidNumber,
}

impl ViolationCode {
    /// The code as it stands in answers, traces and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownField => "unknownField",
            Self::InvalidEnumValue => "invalidEnumValue",
            Self::WrongType => "wrongType",
            Self::NullNotAllowed => "nullNotAllowed",
            Self::TooLong => "tooLong",
            Self::TooShort => "tooShort",
            Self::TooManyItems => "tooManyItems",
            Self::TooFewItems => "tooFewItems",
            Self::DuplicateItem => "duplicateItem",
            Self::OutOfRange => "outOfRange",
            Self::InvalidFormat => "invalidFormat",
            Self::RequiredField => "requiredField",
            Self::EmptyEdit => "emptyEdit",
            Self::InvalidValue => "invalidValue",
            Self::InvalidJson => "invalidJson",
            Self::DuplicateField => "duplicateField",
            Self::TooDeep => "tooDeep",
            Self::InvalidNumber => "invalidNumber",
        }
    }
}

/// One fault of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Where: a JSON Pointer (RFC 6901) into the body; empty for the body itself.
    pub target: String,
    /// The same with only names that the schema knows; an unknown name is `?`. This is what telemetry may show.
    pub known_target: String,
    /// What.
    pub fault: Fault,
}

/// All that is wrong with a body: at least one violation.
#[derive(Debug, Clone, PartialEq)]
pub struct Violations {
    listed: Vec<Violation>,
    total: usize,
}

impl Violations {
    /// The most violations told of one body; further ones are counted. A body is bounded, what is said of it must be too.
    pub const LISTED: usize = 100;

    /// What is wrong, if something is.
    pub fn new(mut violations: Vec<Violation>) -> Option<Self> {
        let total = violations.len();
        violations.truncate(Self::LISTED);
        (total > 0).then_some(Self { listed: violations, total })
    }

    /// The violations in the order of the body, [`LISTED`](Self::LISTED) at most.
    pub fn listed(&self) -> &[Violation] {
        &self.listed
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.total
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self { listed: vec![violation], total: 1 }
    }
}

/// A place in the text of a body; line and column count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// What a fault is, with all that its sentence needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// See [`ViolationCode::UnknownField`].
    UnknownField {
        /// The name that was read.
        name: String,
        /// The name that was probably meant.
        meant: Option<String>,
        /// The names there are.
        accepted: Vec<String>,
    },
    /// See [`ViolationCode::InvalidEnumValue`].
    InvalidEnumValue {
        /// The value that was read.
        value: String,
        /// The value that was probably meant.
        meant: Option<String>,
        /// The documented values.
        accepted: Vec<String>,
    },
    /// See [`ViolationCode::WrongType`].
    WrongType {
        /// The types that are accepted, such as `a string`.
        expected: Vec<&'static str>,
        /// The type that was read.
        found: &'static str,
    },
    /// See [`ViolationCode::NullNotAllowed`].
    NullNotAllowed {
        /// The types that are accepted.
        expected: Vec<&'static str>,
    },
    /// See [`ViolationCode::TooLong`].
    TooLong {
        /// The most characters (code points) that are accepted.
        limit: u64,
    },
    /// See [`ViolationCode::TooShort`].
    TooShort {
        /// The fewest characters that are accepted.
        limit: u64,
    },
    /// See [`ViolationCode::TooManyItems`].
    TooManyItems {
        /// The most that are accepted.
        limit: u64,
        /// What is counted: `item` or `field`.
        of: &'static str,
    },
    /// See [`ViolationCode::TooFewItems`].
    TooFewItems {
        /// The fewest that are accepted.
        limit: u64,
        /// What is counted: `item` or `field`.
        of: &'static str,
    },
    /// See [`ViolationCode::DuplicateItem`].
    DuplicateItem,
    /// See [`ViolationCode::OutOfRange`].
    OutOfRange {
        /// The bound, such as `at least 0`.
        bound: String,
    },
    /// See [`ViolationCode::InvalidFormat`].
    InvalidFormat {
        /// The form it must have.
        form: String,
    },
    /// See [`ViolationCode::RequiredField`].
    RequiredField {
        /// The name that is missing.
        name: String,
    },
    /// See [`ViolationCode::EmptyEdit`].
    EmptyEdit {
        /// The names there are.
        accepted: Vec<String>,
    },
    /// See [`ViolationCode::InvalidValue`].
    InvalidValue {
        /// What is accepted, such as `'#microsoft.graph.thing'`.
        accepted: String,
    },
    /// See [`ViolationCode::InvalidJson`].
    InvalidJson {
        /// What the reader says.
        reason: String,
        /// Where.
        place: Place,
    },
    /// See [`ViolationCode::DuplicateField`].
    DuplicateField {
        /// The name as it was read the second time.
        name: String,
        /// Where the second one is.
        place: Place,
    },
    /// See [`ViolationCode::TooDeep`].
    TooDeep {
        /// The most levels that are accepted.
        limit: usize,
        /// Where the level beyond begins.
        place: Place,
    },
    /// See [`ViolationCode::InvalidNumber`].
    InvalidNumber {
        /// Where.
        place: Place,
    },
}

impl Violation {
    /// Its code.
    pub fn code(&self) -> ViolationCode {
        match self.fault {
            Fault::UnknownField { .. } => ViolationCode::UnknownField,
            Fault::InvalidEnumValue { .. } => ViolationCode::InvalidEnumValue,
            Fault::WrongType { .. } => ViolationCode::WrongType,
            Fault::NullNotAllowed { .. } => ViolationCode::NullNotAllowed,
            Fault::TooLong { .. } => ViolationCode::TooLong,
            Fault::TooShort { .. } => ViolationCode::TooShort,
            Fault::TooManyItems { .. } => ViolationCode::TooManyItems,
            Fault::TooFewItems { .. } => ViolationCode::TooFewItems,
            Fault::DuplicateItem => ViolationCode::DuplicateItem,
            Fault::OutOfRange { .. } => ViolationCode::OutOfRange,
            Fault::InvalidFormat { .. } => ViolationCode::InvalidFormat,
            Fault::RequiredField { .. } => ViolationCode::RequiredField,
            Fault::EmptyEdit { .. } => ViolationCode::EmptyEdit,
            Fault::InvalidValue { .. } => ViolationCode::InvalidValue,
            Fault::InvalidJson { .. } => ViolationCode::InvalidJson,
            Fault::DuplicateField { .. } => ViolationCode::DuplicateField,
            Fault::TooDeep { .. } => ViolationCode::TooDeep,
            Fault::InvalidNumber { .. } => ViolationCode::InvalidNumber,
        }
    }

    /// Where in the text it is, for faults of the text itself.
    pub fn place(&self) -> Option<Place> {
        match self.fault {
            Fault::InvalidJson { place, .. }
            | Fault::DuplicateField { place, .. }
            | Fault::TooDeep { place, .. }
            | Fault::InvalidNumber { place } => Some(place),
            _ => None,
        }
    }

    /// The place as words: `'tags/3'`, or `the update` for the body itself.
    fn subject(&self) -> String {
        if self.target.is_empty() {
            "the update".to_owned()
        } else {
            format!("'{}'", Quoted(self.target.trim_start_matches('/')))
        }
    }

    /// The sentence for the caller. It quotes at most 64 characters of input.
    pub fn message(&self) -> String {
        let brief = self.brief();
        match &self.fault {
            Fault::UnknownField { accepted, .. }
            | Fault::InvalidEnumValue { accepted, .. }
            | Fault::EmptyEdit { accepted } => {
                let end = if brief.ends_with('?') { "" } else { "." };
                format!("{brief}{end} Accepted: {}", accepted.join(", "))
            }
            _ => brief,
        }
    }

    /// Code and place in words that telemetry and record may show: nothing of it is the caller's.
    pub fn known(&self) -> String {
        let code = self.code().as_str();
        // The body itself has no place in it.
        if self.known_target.is_empty() { code.to_owned() } else { format!("{code} {}", self.known_target) }
    }

    /// The sentence without the list of what would be accepted.
    pub fn brief(&self) -> String {
        let subject = self.subject();
        match &self.fault {
            Fault::UnknownField { name, meant, .. } => {
                format!("'{}' is not a field of this update{}", Quoted(name), did_you_mean(meant.as_deref()))
            }
            Fault::InvalidEnumValue { value, meant, .. } => {
                let name = with_article(&self.field_name());
                format!("'{}' is not {name}{}", Quoted(value), did_you_mean(meant.as_deref()))
            }
            Fault::WrongType { expected, found } => {
                format!("{subject} must be {}, not {found}", expected.join(" or "))
            }
            Fault::NullNotAllowed { expected } => {
                format!("{subject} must be {}: it cannot be null", expected.join(" or "))
            }
            Fault::TooLong { limit } => {
                format!("{subject} may have {} at most", counted(*limit, "character"))
            }
            Fault::TooShort { limit } => {
                format!("{subject} must have {} at least", counted(*limit, "character"))
            }
            Fault::TooManyItems { limit, of } => {
                format!("{subject} may have {} at most", counted(*limit, of))
            }
            Fault::TooFewItems { limit, of } => {
                format!("{subject} must have {} at least", counted(*limit, of))
            }
            Fault::DuplicateItem => format!("{subject} must not hold the same item twice"),
            Fault::OutOfRange { bound } => format!("{subject} must be {bound}"),
            Fault::InvalidFormat { form } => format!("{subject} must be {form}"),
            Fault::RequiredField { name } => format!("'{}' is required", Quoted(name)),
            Fault::EmptyEdit { .. } => "this update changes nothing".to_owned(),
            Fault::InvalidValue { accepted } => format!("{subject} is not accepted; accepted: {accepted}"),
            Fault::InvalidJson { reason, place } => format!("the body is not JSON: {reason} at {place}"),
            Fault::DuplicateField { name, place } => format!(
                "'{}' stands twice in an object, again at {place}; readers of JSON would not agree on its value",
                Quoted(name)
            ),
            Fault::TooDeep { limit, place } => {
                format!("the body is nested deeper than {limit} levels at {place}")
            }
            Fault::InvalidNumber { place } => format!(
                "the number at {place} is beyond what all readers of JSON agree on (9007199254740991 either way)"
            ),
        }
    }

    /// The name of the field at fault, for summaries; of an unknown field the name that was read.
    pub fn field(&self) -> Option<&str> {
        match &self.fault {
            Fault::UnknownField { name, .. }
            | Fault::RequiredField { name }
            | Fault::DuplicateField { name, .. } => Some(name),
            _ => self.target.strip_prefix('/').and_then(|rest| rest.split('/').next()),
        }
    }

    /// The last name of the target that is no index: an item of `/tags/3` is one of `tags`.
    fn field_name(&self) -> String {
        let is_index = |part: &&str| !part.bytes().all(|b| b.is_ascii_digit());
        self.known_target.rsplit('/').find(is_index).unwrap_or("value").to_owned()
    }
}

/// The end of a sentence that names what was read.
fn did_you_mean(meant: Option<&str>) -> String {
    meant.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default()
}

fn with_article(name: &str) -> String {
    let is_vowel = |first: char| "aeiouAEIOU".contains(first);
    format!("{} {name}", if name.starts_with(is_vowel) { "an" } else { "a" })
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests;
