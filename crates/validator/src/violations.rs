//! What the validator finds, as violations: one for each rule that is broken, in the order of the document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::paths::LocationSegment;
use jsonschema::{ValidationError, Validator};
use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;
use patchgate_model::{Fault, Violation, Violations};

use crate::document::{Document, Strict};
use crate::forms;
use crate::schema::shape::Shape;

/// Where a fault is, in the order of the document: the index of the member or item on each level.
type Position = Vec<usize>;

/// All violations of a document.
pub(crate) fn of(validator: &Validator<Strict>, shape: &Shape, document: &Document<'_>) -> Vec<Violation> {
    placed(validator, shape, document).into_iter().map(|(_, violation)| violation).collect()
}

/// The same, each with the index of the document's member in which it is; none for the document itself.
pub(crate) fn placed(
    validator: &Validator<Strict>,
    shape: &Shape,
    document: &Document<'_>,
) -> Vec<(Option<usize>, Violation)> {
    let mut found = BTreeMap::new();
    for error in validator.iter_errors(document) {
        let path = error.instance_path();
        let Some(mut place) = Place::find(path.segments(), shape, document) else { continue };
        if let Kind::AdditionalProperties { .. } = error.kind() {
            for (position, violation) in place.unknown_fields() {
                found.insert((position, Rank::Other, found.len()), Found::Unknown(violation));
            }
            continue;
        }
        let position = std::mem::take(&mut place.position);
        found.insert((position, Rank::of(error.kind()), found.len()), Found::Broken(place, error));
    }
    // A value of another type, or one that is in no list, may break every other rule too: that says it all.
    let mut decided = None;
    let mut listed = Vec::new();
    for ((position, rank, _), found) in found {
        if decided.as_ref() == Some(&position) {
            continue;
        }
        let member = position.first().copied();
        if rank <= Rank::Enum {
            decided = Some(position);
        }
        let violation = match found {
            Found::Unknown(violation) => violation,
            Found::Broken(place, error) if listed.len() < Violations::LISTED => place.violation(error.kind()),
            // Nobody reads it: it counts.
            Found::Broken(place, _) => place.broken(Fault::InvalidValue { accepted: String::new() }),
        };
        listed.push((member, violation));
    }
    listed
}

/// What was found at a place, before it is put into words.
enum Found<'a> {
    Unknown(Violation),
    Broken(Place<'a>, ValidationError<'a>),
}

/// For a document that is refused though nothing was found in it.
pub(crate) fn unspecific() -> Violation {
    let accepted = "what the schema of this route describes".to_owned();
    Violation { target: String::new(), known_target: String::new(), fault: Fault::InvalidValue { accepted } }
}

/// The order in which the faults of one place are told, and which of them say it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Type,
    Enum,
    Size,
    Form,
    Other,
}

impl Rank {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Type { .. } => Self::Type,
            Kind::Enum { .. } => Self::Enum,
            Kind::MinLength { .. }
            | Kind::MaxLength { .. }
            | Kind::MinItems { .. }
            | Kind::MaxItems { .. }
            | Kind::MinProperties { .. }
            | Kind::MaxProperties { .. } => Self::Size,
            Kind::Format { .. } => Self::Form,
            _ => Self::Other,
        }
    }
}

/// A place in document and schema at once.
struct Place<'a> {
    position: Position,
    target: String,
    known_target: String,
    document: &'a Document<'a>,
    shape: Option<&'a Shape>,
}

impl<'a> Place<'a> {
    fn find<'s>(
        mut segments: impl Iterator<Item = LocationSegment<'s>>,
        shape: &'a Shape,
        document: &'a Document<'a>,
    ) -> Option<Self> {
        let root = Self {
            position: Position::new(),
            target: String::new(),
            known_target: String::new(),
            document,
            shape: Some(shape),
        };
        segments.try_fold(root, |place, segment| match segment {
            LocationSegment::Property(name) => place.member(&name),
            // A field may be called like a number.
            LocationSegment::Index(index) if matches!(place.document, Document::Object(_)) => {
                place.member(&index.to_string())
            }
            LocationSegment::Index(index) => place.item(index),
        })
    }

    fn member(self, name: &str) -> Option<Self> {
        let Document::Object(members) = self.document else { return None };
        let index = members.iter().position(|(known, _)| known == name)?;
        let (_, document) = members.get(index)?;
        let shape = self.shape.and_then(|shape| shape.field(name)).map(|(_, shape)| shape);
        let known = if shape.is_some() { escape(name) } else { "?".to_owned() };
        Some(Self {
            target: format!("{}/{}", self.target, escape(name)),
            known_target: format!("{}/{known}", self.known_target),
            position: [self.position, vec![index]].concat(),
            document,
            shape,
        })
    }

    fn item(self, index: usize) -> Option<Self> {
        let Document::Array(items) = self.document else { return None };
        Some(Self {
            target: format!("{}/{index}", self.target),
            known_target: format!("{}/{index}", self.known_target),
            position: [self.position, vec![index]].concat(),
            document: items.get(index)?,
            shape: self.shape.and_then(Shape::items),
        })
    }

    fn field_names(&self) -> Vec<String> {
        self.shape.iter().flat_map(|shape| shape.fields()).map(|(name, _)| name.clone()).collect()
    }

    /// The validator reports all unknown members of an object as one error.
    fn unknown_fields(&self) -> Vec<(Position, Violation)> {
        let (Document::Object(members), Some(shape)) = (self.document, self.shape) else { return Vec::new() };
        let accepted = self.field_names();
        let unknown = members.iter().enumerate().filter(|(_, (name, _))| shape.field(name).is_none());
        unknown
            .enumerate()
            .map(|(nth, (index, (name, _)))| {
                // Far down the list nobody reads suggestions, and they cost more than all the rest.
                let meant = if nth < 100 { nearest(name, accepted.iter().map(String::as_str)) } else { None };
                let fault = Fault::UnknownField {
                    name: name.clone().into_owned(),
                    meant: meant.map(str::to_owned),
                    accepted: if nth < 100 { accepted.clone() } else { Vec::new() },
                };
                let violation = Violation {
                    target: format!("{}/{}", self.target, escape(&shortened(name))),
                    known_target: format!("{}/?", self.known_target),
                    fault,
                };
                ([self.position.clone(), vec![index]].concat(), violation)
            })
            .collect()
    }

    fn violation(self, kind: &Kind) -> Violation {
        let fault = self.fault(kind);
        self.broken(fault)
    }

    fn broken(self, fault: Fault) -> Violation {
        Violation { target: self.target, known_target: self.known_target, fault }
    }

    fn fault(&self, kind: &Kind) -> Fault {
        let expected = || self.shape.map(Shape::expected).unwrap_or_default();
        match kind {
            Kind::Type { .. } | Kind::Enum { .. } if *self.document == Document::Null => {
                Fault::NullNotAllowed { expected: expected() }
            }
            Kind::Type { .. } => {
                let mut expected = expected();
                if self.shape.is_some_and(Shape::nullable) {
                    expected.push("null");
                }
                Fault::WrongType { expected, found: self.document.kind() }
            }
            Kind::Enum { .. } => self.not_in_enum(),
            Kind::MaxLength { limit } => Fault::TooLong { limit: *limit },
            Kind::MinLength { limit } => Fault::TooShort { limit: *limit },
            Kind::MaxItems { limit } => Fault::TooManyItems { limit: *limit, of: "item" },
            Kind::MinItems { limit } => Fault::TooFewItems { limit: *limit, of: "item" },
            Kind::MaxProperties { limit } => Fault::TooManyItems { limit: *limit, of: "field" },
            Kind::MinProperties { .. } if self.changes_nothing() => {
                Fault::EmptyEdit { accepted: self.field_names() }
            }
            Kind::MinProperties { limit } => Fault::TooFewItems { limit: *limit, of: "field" },
            Kind::UniqueItems => Fault::DuplicateItem,
            Kind::Minimum { limit } => Fault::OutOfRange { bound: format!("at least {limit}") },
            Kind::Maximum { limit } => Fault::OutOfRange { bound: format!("at most {limit}") },
            Kind::ExclusiveMinimum { limit } => Fault::OutOfRange { bound: format!("more than {limit}") },
            Kind::ExclusiveMaximum { limit } => Fault::OutOfRange { bound: format!("less than {limit}") },
            Kind::Format { format } => Fault::InvalidFormat { form: forms::of_format(format).to_owned() },
            Kind::Pattern { pattern } => {
                let words = forms::of_pattern(pattern).map(str::to_owned);
                Fault::InvalidFormat { form: words.unwrap_or_else(|| format!("of the form '{pattern}'")) }
            }
            Kind::Required { property } => {
                let name = property.as_str().map_or_else(|| property.to_string(), str::to_owned);
                Fault::RequiredField { name }
            }
            _ => Fault::InvalidValue { accepted: "what the schema of this route describes".to_owned() },
        }
    }

    /// An object within may be empty, and the update change something all the same.
    fn changes_nothing(&self) -> bool {
        self.target.is_empty() && matches!(self.document, Document::Object(members) if members.is_empty())
    }

    fn not_in_enum(&self) -> Fault {
        let accepted = self.shape.map(|shape| shape.accepted().to_vec()).unwrap_or_default();
        let Document::String(value) = self.document else {
            return Fault::InvalidValue { accepted: accepted.join(", ") };
        };
        let spellings: Vec<(&str, &str)> = self.shape.iter().flat_map(|shape| shape.spellings()).collect();
        let near = nearest(value, spellings.iter().map(|(other, _)| *other));
        let documented = spellings.iter().find(|(other, _)| Some(*other) == near).map(|(_, value)| *value);
        Fault::InvalidEnumValue {
            value: value.clone().into_owned(),
            meant: documented.map(str::to_owned),
            accepted,
        }
    }
}

/// A name that nobody knows, as far as it is shown back: a pointer is no place for a quarter of a megabyte.
fn shortened(name: &str) -> Cow<'_, str> {
    match name.char_indices().nth(Quoted::LIMIT) {
        Some((end, _)) => Cow::Owned(format!("{}…", name.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(name),
    }
}

/// Cuts arrays down to one item more than they may have: that they are too long is said all the same, and what is wrong with
/// a hundred thousand items more need not be found out.
pub(crate) fn cut(document: &mut Document<'_>, shape: &Shape) {
    match document {
        Document::Array(items) => {
            if let Some(most) = shape.most_items() {
                items.truncate(most.saturating_add(1));
            }
            if let Some(shape) = shape.items() {
                for item in items {
                    cut(item, shape);
                }
            }
        }
        Document::Object(members) => {
            for (name, value) in members {
                if let Some((_, shape)) = shape.field(name) {
                    cut(value, shape);
                }
            }
        }
        Document::Null | Document::Bool(_) | Document::Number(_) | Document::String(_) => {}
    }
}

/// A name as a segment of a JSON Pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
