//! To the validator: draft pinned, nothing retrieved, regular expressions in linear time, formats checked.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value, json};

use super::SchemaError;
use crate::document::Strict;

pub(super) fn compile(schema: &Value) -> Result<Validator<Strict>, SchemaError> {
    build(schema).map_err(|error| {
        let pointer = error.instance_path().to_string();
        SchemaError::Compile { pointer, problem: error.masked().to_string() }
    })
}

/// Whether the engine takes a pattern: one that matches in linear time, whatever it is held against.
pub(super) fn takes_pattern(pattern: &str) -> bool {
    build(&json!({"pattern": pattern})).is_ok()
}

fn build(schema: &Value) -> Result<Validator<Strict>, jsonschema::ValidationError<'_>> {
    jsonschema::options_for::<Strict>()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        // The default engine gives up on long input, and then takes it for a match.
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
}
