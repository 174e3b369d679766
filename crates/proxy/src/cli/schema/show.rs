//! `patchgate schema show`: a schema as tables, with where it comes from.

use std::fmt::Write as _;

use patchgate_model::PathTemplate;
use patchgate_validator::Schema;
use patchgate_validator::schema::describe::{self, Correction, Property, SourceOverlay};
use serde_json::{Value, json};

use super::table::{aligned, inert, wrapped};
use super::{Failed, Format, Outcome, files, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  patchgate schema show security-incident-update
  patchgate schema show ./ticket.json --format json";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The name of a schema that ships with the gateway, or the path of one
    schema: String,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failed> {
    let schema = files::schema(&args.schema)?;
    print(&match args.format {
        Format::Human => human(&schema),
        Format::Json => format!("{:#}\n", as_json(&schema)),
    })?;
    Ok(Outcome::Done)
}

fn human(schema: &Schema) -> String {
    let mut text = format!("{}: {}\n\n", schema.name(), inert(schema.title()));
    text += &aligned(None, head(schema).into_iter().map(|(name, value)| [name.to_owned(), value]));
    let properties = describe::properties(schema);
    let overlay = schema.source().overlay.as_ref();
    let page = if schema.source().sha256.is_some() { "page" } else { "" };
    let rows = properties.iter().map(|property| row(property, overlay, page));
    // Writing to a string does not fail.
    _ = write!(text, "\n{}", wrapped(Some(["property", "type", "accepts", "from"]), rows));
    if let Some(overlay) = overlay {
        let rows = overlay.corrections.iter().map(|correction| {
            let c = correction.clone();
            [c.property.clone(), words(&c), c.reason, c.source]
        });
        _ = write!(text, "\n{}", wrapped(Some(["property", "correction", "reason", "source"]), rows));
    }
    text
}

/// What a correction does, in words.
fn words(correction: &Correction) -> String {
    let mut words = correction.action.clone();
    for value in correction.value.iter().map(text).chain(correction.bound.clone()) {
        words = format!("{words} {value}");
    }
    if let Some(with) = &correction.with {
        words = format!("{words} with {}", text(with));
    }
    words
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The route and where the schema comes from.
fn head(schema: &Schema) -> Vec<(&'static str, String)> {
    let (guard, source) = (schema.guard(), schema.source());
    let mut rows = Vec::new();
    for path in &guard.paths {
        rows.push(("route", format!("PATCH {}", path.as_str())));
    }
    rows.push(("versions", guard.versions.iter().map(|v| v.segment()).collect::<Vec<_>>().join(", ")));
    for (name, key) in &guard.keys {
        rows.push(("key", format!("{name}: {}, such as {}", key.pattern.as_str(), key.example)));
    }
    rows.push(("headers", guard.required_headers.join(", ")));
    rows.push(("permission", guard.permission.clone().unwrap_or_else(|| "not stated".to_owned())));
    rows.push(("clouds", guard.clouds.iter().map(|cloud| cloud.name()).collect::<Vec<_>>().join(", ")));
    rows.push(("entity type", guard.entity_type.clone().unwrap_or_else(|| "not stated".to_owned())));
    match &source.sha256 {
        None => rows.push(("page", "none: written by hand".to_owned())),
        Some(sha256) => {
            let date = source.date.as_deref().unwrap_or("no date");
            rows.push(("page", format!("{date}, SHA-256 {sha256}")));
            rows.push(("deriver", source.deriver.clone().unwrap_or_else(|| "not stated".to_owned())));
        }
    }
    if let Some(overlay) = &source.overlay {
        rows.push(("overlay", format!("{}, SHA-256 {}", overlay.file, overlay.sha256)));
    }
    rows.push(("schema", format!("SHA-256 {}", schema.digest())));
    rows
}

fn row(property: &Property, overlay: Option<&SourceOverlay>, page: &str) -> [String; 4] {
    let mut accepts: Vec<String> = property.values.iter().map(text).collect();
    accepts.extend(property.bounds.iter().map(describe::Bound::words));
    let required = if property.required { ", required" } else { "" };
    // What a correction says of a collection it says of its items.
    let name = property.name.split(['.', '[']).next().unwrap_or_default();
    let corrections = overlay.into_iter().flat_map(|overlay| &overlay.corrections);
    let corrections: Vec<_> =
        corrections.filter(|c| c.property == name).map(|correction| correction.action.as_str()).collect();
    let from = if corrections.is_empty() { page.to_owned() } else { corrections.join(", ") };
    [property.name.clone(), format!("{}{required}", property.kind), accepts.join(", "), from]
}

fn as_json(schema: &Schema) -> Value {
    let guard = schema.guard();
    let names = |names: Vec<&str>| Value::from(names);
    let keys = guard
        .keys
        .iter()
        .map(|(name, key)| (name.clone(), json!({"pattern": key.pattern.as_str(), "example": key.example})));
    json!({
        "name": schema.name(),
        "title": schema.title(),
        "sha256": schema.digest(),
        "source": schema.source(),
        "guard": {
            "method": "PATCH",
            "paths": names(guard.paths.iter().map(PathTemplate::as_str).collect()),
            "versions": names(guard.versions.iter().map(|version| version.segment()).collect()),
            "keys": Value::Object(keys.collect()),
            "requiredHeaders": guard.required_headers,
            "permission": guard.permission,
            "clouds": names(guard.clouds.iter().map(|cloud| cloud.name()).collect()),
            "entityType": guard.entity_type,
        },
        "properties": describe::properties(schema),
    })
}
