//! The self-test: what each guard must refuse is refused, and its own examples pass. A schema that compiles is not yet a
//! gate that is shut.

use std::borrow::Cow;

use serde_json::Value;

use super::{Schema, SchemaError};
use crate::document::Document;
use crate::json;

/// A name that no schema has; [`run`] makes sure of it.
const UNKNOWN: &str = "patchgate-self-test";

pub(super) fn run(schema: &Schema) -> Result<(), SchemaError> {
    let mut unknown = UNKNOWN.to_owned();
    while schema.field_names().any(|name| name.eq_ignore_ascii_case(&unknown)) {
        unknown.push('-');
    }
    let text = |s: &str| Document::String(Cow::Owned(s.to_owned()));
    let member = |name: &str, value| Document::Object(vec![(Cow::Owned(name.to_owned()), value)]);
    let must_refuse = [
        ("an unknown field", member(&unknown, Document::Number(1.into()))),
        ("an array", Document::Array(Vec::new())),
        ("a string", text("s")),
        ("null", Document::Null),
        ("an edit that changes nothing", Document::Object(Vec::new())),
    ];
    for (what, document) in must_refuse {
        if schema.accepts(&document) {
            return Err(SchemaError::SelfTest(format!("it accepts {what}")));
        }
    }
    for (name, shape) in schema.shape.fields() {
        if !shape.documented_values().is_empty() && schema.accepts(&member(name, text(&unknown))) {
            return Err(SchemaError::SelfTest(format!("'{name}' accepts a value that is not in its list")));
        }
    }
    for example in &schema.examples {
        accept(schema, example)?;
    }
    Ok(())
}

fn accept(schema: &Schema, example: &Value) -> Result<(), SchemaError> {
    let text = example.to_string();
    let document =
        json::parse(text.as_bytes(), super::SCHEMA_DEPTH).map_err(|v| SchemaError::NotJson(v.message()))?;
    match schema.violations(&document).first() {
        None => Ok(()),
        Some((_, violation)) => {
            let (code, target) = (violation.code().as_str(), &violation.target);
            Err(SchemaError::SelfTest(format!("it refuses its own example: {code} at '{target}'")))
        }
    }
}
