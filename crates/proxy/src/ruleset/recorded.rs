//! What of a guard's edits stands on record: the rules of the configuration, held against the fields of the schema.

use patchgate_journal::{FieldRules, HashKey, Keep, NoKey};
use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;
use patchgate_validator::Schema;

/// What is wrong with the rule of one field.
#[derive(Debug, thiserror::Error)]
pub enum RecordFault {
    /// The schema has no such field.
    #[error("'{}' is not a field of '{guard}'", Quoted(field))]
    UnknownField {
        /// The name.
        field: String,
        /// The guard.
        guard: String,
        /// The nearest field there is.
        meant: Option<String>,
        /// All fields, as words.
        fields: String,
    },
    /// There is no key to make its hash with.
    #[error("a hash needs a key, and 'audit.hash_key' is not set")]
    NoKey,
}

impl RecordFault {
    /// What to do about it.
    pub fn help(&self) -> Vec<String> {
        match self {
            Self::UnknownField { guard, meant, fields, .. } => {
                let meant = meant.as_ref().map(|meant| format!("did you mean '{meant}'?"));
                meant.into_iter().chain([format!("'{guard}' has: {fields}")]).collect()
            }
            Self::NoKey => vec![
                "set audit.hash_key to a file with a random key, made by `openssl rand -hex 32`, or use \"omit\""
                    .to_owned(),
            ],
        }
    }
}

/// The rules for the fields of a schema; or all that is wrong with them, by the names of the fields.
pub(super) fn rules(
    written: &[(String, Keep)],
    schema: &Schema,
    key: Option<&HashKey>,
) -> Result<FieldRules, Vec<(String, RecordFault)>> {
    let mut faults = Vec::new();
    for (field, keep) in written {
        if !schema.field_names().any(|name| name == field) {
            faults.push((field.clone(), not_a_field(field, schema)));
        } else if *keep == Keep::Hash && key.is_none() {
            faults.push((field.clone(), RecordFault::NoKey));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let fields = written.iter().map(|(field, keep)| (field.as_str(), *keep));
    FieldRules::new(fields, key).map_err(|NoKey(field)| vec![(field, RecordFault::NoKey)])
}

fn not_a_field(field: &str, schema: &Schema) -> RecordFault {
    RecordFault::UnknownField {
        field: field.to_owned(),
        guard: schema.name().to_owned(),
        meant: nearest(field, schema.field_names()).map(str::to_owned),
        fields: schema.field_names().collect::<Vec<_>>().join(", "),
    }
}
