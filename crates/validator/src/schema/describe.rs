//! A schema described for people and scripts: each property with what it accepts, and where the schema comes from.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::shape::Shape;
use super::{Schema, SchemaError};
use crate::forms;

/// A property, or the items of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Property {
    /// Its name, such as `place.room`, or `tags[]` for the items of `tags`.
    pub name: String,
    /// Its type in words, such as `a string or null`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The type as Graph names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graph_type: Option<String>,
    /// Whether null is a value.
    pub null: bool,
    /// Whether it must be there.
    pub required: bool,
    /// The documented values, where they are listed; without null.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// Other accepted spellings, each with the value that it is forwarded as.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub spellings: Map<String, Value>,
    /// Its bounds and forms.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<Bound>,
}

/// A bound or form of a value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    /// The keyword of JSON Schema.
    pub keyword: String,
    /// Its value.
    pub value: Value,
    /// Whether it is patchgate's and not Graph's.
    pub ours: bool,
}

impl Bound {
    /// The bound in words, such as `at most 512 characters`.
    pub fn words(&self) -> String {
        let count = |one: &str| {
            let plural = if self.value == 1 { "" } else { "s" };
            format!("{} {one}{plural}", self.value)
        };
        let text = self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned);
        let words = match self.keyword.as_str() {
            "minLength" => format!("at least {}", count("character")),
            "maxLength" => format!("at most {}", count("character")),
            "minItems" => format!("at least {}", count("item")),
            "maxItems" => format!("at most {}", count("item")),
            "minProperties" => format!("at least {} of its fields", self.value),
            "maxProperties" => format!("at most {} of its fields", self.value),
            "minimum" => format!("at least {text}"),
            "maximum" => format!("at most {text}"),
            "exclusiveMinimum" => format!("more than {text}"),
            "exclusiveMaximum" => format!("less than {text}"),
            "uniqueItems" => "each item once".to_owned(),
            "pattern" => forms::of_pattern(&text).map_or_else(|| format!("like {text}"), str::to_owned),
            other => format!("{other} {text}"),
        };
        if self.ours { format!("{words} (ours)") } else { words }
    }
}

/// Where a schema comes from; nothing of it is known of one that was written by hand.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The date of the page (ISO 8601).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// The namespace of its types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// SHA-256 of the page, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The version of the deriver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deriver: Option<String>,
    /// The overlay that corrected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlay: Option<SourceOverlay>,
}

/// An overlay that corrected a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceOverlay {
    /// The name of its file.
    pub file: String,
    /// SHA-256 of its file, in hexadecimal.
    pub sha256: String,
    /// What it corrects, in its order.
    pub corrections: Vec<Correction>,
}

/// One correction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correction {
    /// The property.
    pub property: String,
    /// What is done to it.
    #[serde(rename = "do")]
    pub action: String,
    /// The value that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The value in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Value>,
    /// The bound that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<String>,
    /// Why.
    pub reason: String,
    /// Who says so.
    pub source: String,
}

/// Reads `x-source`.
pub(super) fn source(schema: &Value) -> Result<Source, SchemaError> {
    match schema.get("x-source") {
        None => Ok(Source::default()),
        Some(written) => {
            serde_json::from_value(written.clone()).map_err(|error| SchemaError::said("/x-source", &error))
        }
    }
}

/// Keywords of a property that are told as bounds.
const BOUNDS: [&str; 13] = [
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// The properties of a schema in its order, each followed by what lies in it.
pub fn properties(schema: &Schema) -> Vec<Property> {
    let mut found = Vec::new();
    within("", schema.document(), &mut found);
    found
}

fn within(at: &str, schema: &Value, found: &mut Vec<Property>) {
    let required = schema.get("required").and_then(Value::as_array);
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let required = required.is_some_and(|names| names.iter().any(|other| other == name));
        one(&path, property, required, found);
    }
}

fn one(name: &str, schema: &Value, required: bool, found: &mut Vec<Property>) {
    let shape = Shape::read(schema);
    let spellings = schema.get("x-canonical").and_then(Value::as_object).cloned().unwrap_or_default();
    let listed = schema.get("enum").and_then(Value::as_array);
    let other = |value: &&Value| value.as_str().is_some_and(|text| spellings.contains_key(text));
    let values = listed.into_iter().flatten().filter(|v| !v.is_null() && !other(v)).cloned().collect();
    let ours = schema.get("x-ours").and_then(Value::as_array);
    let bound = |keyword: &&'static str| {
        let value = schema.get(*keyword)?.clone();
        let ours = ours.is_some_and(|names| names.iter().any(|name| name == *keyword));
        // That items need not be unique is no bound.
        (value != Value::Bool(false)).then(|| Bound { keyword: (*keyword).to_owned(), value, ours })
    };
    found.push(Property {
        kind: shape.described(),
        graph_type: schema.get("x-graph-type").and_then(Value::as_str).map(str::to_owned),
        null: shape.nullable(),
        required,
        values,
        bounds: BOUNDS.iter().filter_map(bound).collect(),
        spellings,
        name: name.to_owned(),
    });
    if let Some(items) = schema.get("items") {
        one(&format!("{name}[]"), items, false, found);
    }
    within(name, schema, found);
}
