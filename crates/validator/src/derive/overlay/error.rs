//! What is wrong with an overlay. The file, line and column are the reader's to add: they stand in the file's text.

/// Something wrong with an overlay.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{problem}")]
pub struct OverlayError {
    /// Which entry, counted from 0; none where it is the overlay as a whole.
    pub entry: Option<usize>,
    /// Which member of it; empty where it is none in particular.
    pub member: &'static str,
    /// What is wrong.
    pub problem: Problem,
}

/// The closed list of what can be wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// It corrects another schema.
    #[error("the overlay corrects another schema: the page gives '{found}'")]
    OtherSchema {
        /// The name of the schema at hand.
        found: String,
    },
    /// The corrected schema can't be called so.
    #[error("the corrected schema needs a name of its own, of letters, digits and - _ .")]
    Name,
    /// It has no entry.
    #[error("the overlay has no entry")]
    Empty,
    /// An entry without a reason or source.
    #[error("an entry needs a reason and a source that say something")]
    Unfounded,
    /// Two entries about the same thing.
    #[error("entry {} already changes this: one of them would hide the other", first + 1)]
    Twice {
        /// The other entry, counted from 0.
        first: usize,
    },
    /// Every property is removed.
    #[error("no property is left to change")]
    NothingLeft,
    /// The schema has no such property.
    #[error("the page has no such property")]
    UnknownProperty {
        /// The nearest name.
        meant: Option<String>,
    },
    /// No name of a property.
    #[error("a property's name has letters, digits and _ alone, and begins with a letter or _")]
    PropertyName,
    /// The schema has the property that is to be added.
    #[error("the page has the property '{there}': nothing is left to add")]
    PropertyExists {
        /// Its name there.
        there: String,
    },
    /// The schema says already what the entry says.
    #[error("the entry changes nothing any more: the page says so itself")]
    ChangesNothing,
    /// A type that the deriver does not know.
    #[error("it is not a type that a property can have")]
    Type,
    /// An enumeration without values, or another type with values.
    #[error("{0}")]
    Values(&'static str),
    /// The property has no list of values.
    #[error("the property has no list of values; 'replace-property' gives it one")]
    NoList,
    /// The list lacks the value.
    #[error("the value is not in the list")]
    UnknownValue {
        /// The nearest value.
        meant: Option<String>,
    },
    /// The list has the value.
    #[error("the list has the value already: the entry changes nothing any more")]
    ValueExists,
    /// The value is how another one is spelled, too; beside it the two would be told apart.
    #[error("it is another spelling of '{of}', and accepted as that")]
    Spelling {
        /// The value.
        of: String,
    },
    /// It would leave nothing in the list.
    #[error("it is the only value of the list; 'remove-property' leaves nothing to set")]
    LastValue,
    /// A keyword that is no bound.
    #[error("it is no bound; a bound is one of {}", super::BOUNDS.join(", "))]
    UnknownBound,
    /// A bound of another type.
    #[error("a value of this property can't have such a bound")]
    BoundOfOther,
    /// The property lacks the bound.
    #[error("the property has no such bound: the entry changes nothing any more")]
    NoBound,
    /// A bound that is no length or number of items, or is beyond what JSON can tell apart.
    #[error(
        "a limit is a number that JSON can tell apart from its neighbours; of lengths and items, a whole one of 0 or more"
    )]
    Limit,
    /// The bounds admit nothing.
    #[error("with it the bounds admit nothing")]
    AdmitsNothing,
    /// It lifts a limit, and does not say so.
    #[error("the entry lifts a limit ({what}) and does not say so")]
    Loosens {
        /// Which limit.
        what: &'static str,
    },
    /// It says that it lifts a limit, and does not.
    #[error("the entry lifts no limit")]
    LoosensNothing,
    /// The whole does not load.
    #[error("the corrected schema is not acceptable: {0}")]
    Unacceptable(String),
}

impl Problem {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let fixed = match self {
            Self::UnknownProperty { meant: Some(name) } | Self::UnknownValue { meant: Some(name) } => {
                return Some(format!("did you mean '{name}'?"));
            }
            Self::Type => {
                "a type is written as on a page: 'String', 'Int32 collection', or an enumeration's name with 'values'"
            }
            Self::ChangesNothing
            | Self::ValueExists
            | Self::Spelling { .. }
            | Self::PropertyExists { .. }
            | Self::NoBound => "take the entry out",
            Self::Loosens { .. } => "if it is meant, add 'loosen = true'",
            Self::LoosensNothing => "leave 'loosen' out, so that it stands only where it matters",
            _ => return None,
        };
        Some(fixed.to_owned())
    }
}
