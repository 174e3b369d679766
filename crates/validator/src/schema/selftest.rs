//! The self-test: what each guard must refuse is refused, and its own examples pass. A schema that compiles is not yet a
//! gate that is shut.

use std::borrow::Cow;

use serde_json::Value;

use super::shape::Shape;
use super::{Schema, SchemaError};
use crate::document::Document;
use crate::json;

/// A name that no schema has; [`run`] makes sure of it.
const UNKNOWN: &str = "patchgate-self-test";
/// A number that no list of values has.
const BAD_NUMBER: i64 = -8_005_391_772_046_117;

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
        let bad = [text(&unknown), Document::Number(BAD_NUMBER.into())];
        for value in bad.into_iter().filter(|_| shape.is_choice()) {
            if schema.accepts(&member(name, value)) {
                return Err(SchemaError::SelfTest(format!(
                    "'{name}' accepts a value that is not in its list"
                )));
            }
        }
        if shape.items().is_some_and(Shape::is_choice)
            && schema.accepts(&member(name, Document::Array(vec![text(&unknown)])))
        {
            return Err(SchemaError::SelfTest(format!("'{name}' accepts an item that is not in its list")));
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
        json::parse(text.as_bytes(), super::SCHEMA_DEPTH).map_err(|fault| SchemaError::not_json(&fault))?;
    match schema.violations(&document).first() {
        None => Ok(()),
        Some((_, violation)) => {
            let (code, target) = (violation.code().as_str(), &violation.target);
            Err(SchemaError::SelfTest(format!("it refuses its own example: {code} at '{target}'")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A schema that no lint has seen.
    fn unlinted(body: &Value) -> Schema {
        let mut schema = json!({
            "$id": "urn:patchgate:schema:toy",
            "x-guard": {
                "method": "PATCH", "paths": ["/{version}/toys"], "versions": ["v1.0"], "keys": {}, "clouds": ["global"],
                "requiredHeaders": ["Authorization", "Content-Type"],
            },
        });
        for (name, value) in body.as_object().unwrap() {
            schema[name] = value.clone();
        }
        Schema::prepare(schema, b"").unwrap()
    }

    /// What must be refused is refused by the test itself, whatever the lint would have said.
    #[test]
    fn a_gate_that_is_open_is_found() {
        let properties =
            json!({"kind": {"type": "string", "enum": ["a"]}, "size": {"type": "integer", "enum": [1]}});
        let closed = json!({"type": "object", "properties": properties, "additionalProperties": false, "minProperties": 1});
        assert!(run(&unlinted(&closed)).is_ok());
        #[rustfmt::skip] // One row, one line.
        let rows = [
            ("/additionalProperties", json!(true), "an unknown field"),
            ("/type", json!(["object", "array"]), "an array"),
            ("/type", json!(["object", "string"]), "a string"),
            ("/type", json!(["object", "null"]), "null"),
            ("/minProperties", json!(0), "an edit that changes nothing"),
            ("/properties/kind/enum", json!(["a", UNKNOWN]), "'kind' accepts a value"),
            ("/properties/size/enum", json!([1, BAD_NUMBER]), "'size' accepts a value"),
            ("/properties/tags", json!({"type": "array", "items": {"type": "string", "enum": ["a", UNKNOWN]}}), "'tags' accepts an item"),
            ("/examples", json!([{"kind": "b"}]), "its own example: invalidEnumValue at '/kind'"),
            ("/examples", json!(["s"]), "its own example: wrongType at ''"),
        ];
        for (pointer, value, said) in rows {
            let mut open = closed.clone();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            open.pointer_mut(parent).unwrap()[name] = value;
            let error = run(&unlinted(&open)).unwrap_err().to_string();
            assert!(error.contains(said), "{pointer}: {error}");
        }
        // A field of the very name that stands for an unknown one changes nothing.
        let mut named = closed;
        named["properties"][UNKNOWN] = json!({"type": "integer"});
        assert!(run(&unlinted(&named)).is_ok());
    }
}
