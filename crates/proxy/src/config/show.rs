//! The effective configuration: each value, and where it comes from. Secrets are masked by the types that hold them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fault::line_and_column;
use super::settings;
use super::value::{Kind, Value as _};
use super::{Loaded, Source, Upstream, of_field};

/// A value to be shown.
struct Row {
    key: String,
    value: Value,
    source: String,
    origin: Value,
}

/// A line for each value: key, value in TOML, source. What it means that no upstream is set stands below.
pub fn human(loaded: &Loaded) -> String {
    let rows: Vec<(String, String, String)> = rows(loaded)
        .into_iter()
        .map(|row| {
            let value = if row.value.is_null() { "(not set)".to_owned() } else { row.value.to_string() };
            (row.key, value, row.source)
        })
        .collect();
    let width =
        |of: fn(&(String, String, String)) -> &str| rows.iter().map(|row| of(row).chars().count()).max();
    let keys = width(|row| &row.0).unwrap_or(0);
    let values = width(|row| &row.1).unwrap_or(0).min(48);
    let mut text = String::new();
    for (key, value, source) in &rows {
        // Writing to a string does not fail.
        _ = writeln!(text, "{key:keys$}  {value:values$}  {source}");
    }
    if loaded.config.upstream.is_embedded() {
        _ = writeln!(text, "\nupstream: {}; edits stay in the process", Upstream::EMBEDDED);
    }
    text
}

/// One JSON object: the file, whether the upstream is the embedded one, and `values` in their order, each with `key`, `value`
/// and `source`.
pub fn as_json(loaded: &Loaded) -> Value {
    let values: Vec<Value> = rows(loaded)
        .into_iter()
        .map(|row| json!({"key": row.key, "value": row.value, "source": row.origin}))
        .collect();
    let file = loaded.document.as_ref().map(|document| document.path.display().to_string());
    json!({"file": file, "embedded_upstream": loaded.config.upstream.is_embedded(), "values": values})
}

fn rows(loaded: &Loaded) -> Vec<Row> {
    let mut rows: Vec<Row> = settings::ALL
        .iter()
        .map(|setting| {
            let value = setting.written(&loaded.config).map(|text| match setting.kind {
                Kind::Text => Value::String(text),
                Kind::Integer | Kind::Boolean => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            });
            row(loaded, setting.key.to_owned(), value.unwrap_or_default())
        })
        .collect();
    for (index, guard) in loaded.config.guards.iter().enumerate() {
        rows.push(row(loaded, format!("guard[{index}].schema"), guard.schema.clone().into()));
        for (field, keep) in &guard.record {
            let key = of_field(&format!("guard[{index}].record"), field);
            rows.push(row(loaded, key, keep.written().into()));
        }
    }
    for (index, route) in loaded.config.routes.iter().enumerate() {
        rows.push(row(loaded, format!("route[{index}].path"), route.path.clone().into()));
    }
    rows
}

fn row(loaded: &Loaded, key: String, value: Value) -> Row {
    let origin = match loaded.source(&key) {
        Source::Default => json!({"kind": "default"}),
        Source::File(span) => {
            let line = loaded.document.as_ref().map(|document| line_and_column(&document.text, span.start).0);
            json!({"kind": "file", "line": line})
        }
        Source::Variable(name) => json!({"kind": "variable", "name": name}),
        Source::Flag(name) => json!({"kind": "flag", "name": name}),
    };
    Row { source: loaded.source_text(&key), origin, value, key }
}
