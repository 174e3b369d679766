//! To the validator: draft pinned, nothing retrieved, regular expressions in linear time, formats checked.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use super::SchemaError;
use crate::document::Strict;

pub(super) fn compile(schema: &Value) -> Result<Validator<Strict>, SchemaError> {
    jsonschema::options_for::<Strict>()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        // The default engine gives up on long input, and then takes it for a match.
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| SchemaError::Compile(error.masked().to_string()))
}
