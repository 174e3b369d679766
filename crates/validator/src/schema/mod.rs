//! A schema: loaded, linted and self-tested, or not at all.

mod compile;
pub mod describe;
pub mod diff;
mod guard;
mod lint;
mod place;
mod refs;
mod selftest;
pub(crate) mod shape;

use std::fmt;

use jsonschema::Validator;
use patchgate_model::Violation;
use serde_json::Value;

pub use guard::{Guard, Key};
pub(crate) use guard::{id_of, is_name, name_in};

use crate::digest::sha256;
use crate::document::{Document, Strict};
use crate::json;
use crate::violations;
use describe::Source;
use shape::Shape;

/// How deep a schema document may be nested.
pub(crate) const SCHEMA_DEPTH: usize = 32;

/// A guard's schema, ready to check bodies.
#[derive(Debug)]
pub struct Schema {
    name: String,
    title: String,
    digest: String,
    source: Source,
    guard: Guard,
    shape: Shape,
    validator: Validator<Strict>,
    document: Value,
    examples: Vec<Value>,
}

/// Why a schema was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It is not strict JSON.
    #[error("{message}")]
    NotJson {
        /// What is wrong, with its place as words.
        message: String,
        /// Where in its text.
        place: Place,
    },
    /// Something in it is not what a schema of a guard may have.
    #[error("at '{pointer}'{place}: {problem}")]
    Lint {
        /// Where: a JSON Pointer into the schema.
        pointer: String,
        /// Where in its text.
        place: Place,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// The validator does not take it.
    #[error("at '{pointer}': it does not compile: {problem}")]
    Compile {
        /// Where: a JSON Pointer into the schema, its references in place.
        pointer: String,
        /// What the validator says.
        problem: String,
    },
    /// It accepts what each guard must refuse, or refuses its own examples.
    #[error("self-test: {0}")]
    SelfTest(String),
}

/// A place in a schema's text; both are 0 where there is no text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { Ok(()) } else { write!(f, " (line {}, column {})", self.line, self.column) }
    }
}

impl SchemaError {
    fn not_json(fault: &Violation) -> Self {
        let place = fault.place().map(|place| Place { line: place.line, column: place.column });
        let message = fault.message().replace("the body", "the schema");
        Self::NotJson { message, place: place.unwrap_or_default() }
    }

    /// Where in the text it is, and the name that stands there, if it is one; nothing where it is in no one place.
    pub fn place(&self) -> Option<(Place, &str)> {
        let (place, name) = match self {
            Self::NotJson { place, .. } => (*place, ""),
            Self::Lint { pointer, place, .. } => (*place, pointer.rsplit('/').next().unwrap_or_default()),
            Self::Compile { .. } | Self::SelfTest(_) => return None,
        };
        (place.line > 0).then_some((place, name))
    }

    fn lint(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Lint { pointer: pointer.into(), place: Place::default(), problem: problem.into() }
    }

    /// What a library says of a value, which it may quote as it stands.
    fn said(pointer: &str, error: &dyn std::error::Error) -> Self {
        Self::lint(pointer, error.to_string().replace(char::is_control, "?"))
    }

    /// The same without its place, for whoever has no text to look at.
    pub(crate) fn unplaced(self) -> Self {
        match self {
            Self::Lint { pointer, problem, .. } => Self::lint(pointer, problem),
            other => other,
        }
    }

    /// The same, with its place in the text that was read.
    fn placed(self, text: &[u8]) -> Self {
        match (self, std::str::from_utf8(text)) {
            (Self::Lint { pointer, problem, .. }, Ok(text)) => {
                let (line, column) = place::of(text, &pointer);
                Self::Lint { pointer, place: Place { line, column }, problem }
            }
            (other, _) => other,
        }
    }
}

impl Schema {
    /// Loads a schema from its text: strict JSON, lint, references, compile, self-test.
    pub fn load(text: &[u8]) -> Result<Self, SchemaError> {
        let document = json::parse(text, SCHEMA_DEPTH).map_err(|fault| SchemaError::not_json(&fault))?;
        let written = document.value();
        let schema = lint::check(&written)
            .and_then(|()| refs::in_place(&written))
            .and_then(|whole| Self::prepare(whole, text))
            .map_err(|error| error.placed(text))?;
        selftest::run(&schema)?;
        Ok(schema)
    }

    /// Makes a schema of a document without references.
    fn prepare(document: Value, text: &[u8]) -> Result<Self, SchemaError> {
        let name = guard::name(&document)?;
        let title = document.get("title").and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            title: title.unwrap_or_else(|| name.clone()),
            name,
            digest: sha256(text),
            source: describe::source(&document)?,
            guard: guard::read(&document)?,
            shape: Shape::read(&document),
            validator: compile::compile(&document)?,
            examples: document.get("examples").and_then(Value::as_array).cloned().unwrap_or_default(),
            document,
        })
    }

    /// The guard's name: the end of `$id`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the update is called.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// SHA-256 of the schema's text, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The date of the page it was derived from (ISO 8601), if it was derived and the page has one.
    pub fn date(&self) -> Option<&str> {
        self.source.date.as_deref()
    }

    /// Where it comes from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What it says about the resource.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The whole schema, what its references lead to in their place.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Edits that pass, as the page shows them.
    pub fn examples(&self) -> &[Value] {
        &self.examples
    }

    /// The name of the `index`th field, in the order of the schema.
    pub(crate) fn field(&self, index: usize) -> Option<&str> {
        self.shape.fields().get(index).map(|(name, _)| name.as_str())
    }

    /// The names of all fields, in the order of the schema.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.shape.fields().iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn accepts(&self, document: &Document<'_>) -> bool {
        self.validator.is_valid(document)
    }

    /// What is wrong with a document, in its order, each with the index of the member in which it is.
    pub(crate) fn violations(&self, document: &Document<'_>) -> Vec<(Option<usize>, Violation)> {
        violations::placed(&self.validator, &self.shape, document)
    }
}

/// Checks one example against a schema that is being derived; says what is wrong without the example's values.
pub(crate) fn validate_example(schema: &Value, example: &Value) -> Result<(), Vec<String>> {
    let shape = Shape::read(schema);
    let validator = compile::compile(schema).map_err(|error| vec![error.to_string()])?;
    let text = example.to_string();
    let document = json::parse(text.as_bytes(), SCHEMA_DEPTH).map_err(|v| vec![v.message()])?;
    let said: Vec<String> = violations::of(&validator, &shape, &document)
        .iter()
        .map(|v| format!("{} at '{}'", v.code().as_str(), v.target))
        .collect();
    if said.is_empty() { Ok(()) } else { Err(said) }
}

/// A name as a segment of a JSON Pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
