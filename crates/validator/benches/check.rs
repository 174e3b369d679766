//! From the bytes of a body to a checked edit, beside what everybody does: `serde_json` to a `Value`, and `is_valid` of the
//! same schema. The goal: for a small body, no more than that.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use jsonschema::{Draft, PatternOptions, Validator};
use patchgate_model::{Resource, Route};
use patchgate_validator::Schema;
use serde_json::Value;

const SCHEMA: &[u8] = include_bytes!("../../../schemas/security-incident-update.json");
const SMALL: &str = r#"{"status":"resolved","classification":"truePositive","determination":"phishing","assignedTo":"analyst@contoso.com"}"#;
const WRONG: &str = r#"{"status":"resolvd","classification":7,"determination":"fishing","assignedTo":["a"],"severity":"high"}"#;
const DEPTH: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let schema = Arc::new(Schema::load(SCHEMA)?);
    let resource = resource(&schema)?;
    let usual = usual(SCHEMA)?;
    let tags: Vec<String> = (0..50).map(|n| format!("\"campaign-{n:02}-of-the-autumn-wave-2024\"")).collect();
    let large = format!(r#"{{"status":"active","customTags":[{}]}}"#, tags.join(","));

    let mut criterion = Criterion::default().configure_from_args();
    for (name, body, violations) in
        [("small", SMALL, 0), ("2 KB, 50 tags", large.as_str(), 0), ("5 violations", WRONG, 5)]
    {
        let found = schema.check(resource.clone(), body.as_bytes(), DEPTH).err();
        let found = found.map_or(0, |violations| violations.listed().len());
        let valid = usual.is_valid(&serde_json::from_str(body)?);
        if found != violations || valid != (violations == 0) {
            return Err(format!("'{name}' has {found} violations instead of {violations}").into());
        }
        let mut group = criterion.benchmark_group(name);
        group.bench_function("strict JSON and check", |b| {
            b.iter(|| schema.check(resource.clone(), black_box(body.as_bytes()), DEPTH).is_ok());
        });
        group.bench_function("serde_json::Value and is_valid", |b| {
            b.iter(|| {
                let value = serde_json::from_slice::<Value>(black_box(body.as_bytes()));
                value.is_ok_and(|value| usual.is_valid(&value))
            });
        });
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

fn resource(schema: &Schema) -> Result<Resource, Box<dyn Error>> {
    let guard = schema.guard();
    let template = guard.paths.first().ok_or("a schema without a path")?.clone();
    let key = guard.keys.values().next().ok_or("a schema without a key")?;
    let route = Route::new(template, guard.versions.clone(), |_| key.pattern.clone());
    Ok(Arc::new(route).resource("/v1.0/security/incidents/2972395").ok_or("not a path of the schema")?)
}

/// The same schema, compiled with the same options.
fn usual(schema: &[u8]) -> Result<Validator, Box<dyn Error>> {
    let schema: Value = serde_json::from_slice(schema)?;
    Ok(jsonschema::options()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)?)
}
