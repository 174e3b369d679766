//! A schema: loaded, linted and self-tested, or not at all.

mod compile;
pub mod describe;
pub mod diff;
mod guard;
mod lint;
mod selftest;
pub(crate) mod shape;

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
const SCHEMA_DEPTH: usize = 32;

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
    #[error("{0}")]
    NotJson(String),
    /// Something in it is not what a schema of a guard may have.
    #[error("at '{pointer}': {problem}")]
    Lint {
        /// Where: a JSON Pointer into the schema.
        pointer: String,
        /// What is wrong, and what is accepted.
        problem: String,
    },
    /// The validator does not take it.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// It accepts what each guard must refuse, or refuses its own examples.
    #[error("self-test: {0}")]
    SelfTest(String),
}

impl SchemaError {
    fn lint(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Lint { pointer: pointer.into(), problem: problem.into() }
    }
}

impl Schema {
    /// Loads a schema from its text: strict JSON, lint, compile, self-test.
    pub fn load(text: &[u8]) -> Result<Self, SchemaError> {
        let document = json::parse(text, SCHEMA_DEPTH)
            .map_err(|v| SchemaError::NotJson(v.message().replace("the body", "the schema")))?;
        let value = document.value();
        lint::check(&value)?;
        let name = guard::name(&value)?;
        let text_of = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let schema = Self {
            title: text_of("/title").unwrap_or_else(|| name.clone()),
            name,
            digest: sha256(text),
            source: describe::source(&value)?,
            guard: guard::read(&value)?,
            shape: Shape::read(&value),
            validator: compile::compile(&value)?,
            examples: value.get("examples").and_then(Value::as_array).cloned().unwrap_or_default(),
            document: value,
        };
        selftest::run(&schema)?;
        Ok(schema)
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

    /// The whole schema, as it was written.
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
