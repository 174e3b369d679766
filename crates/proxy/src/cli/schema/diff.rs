//! `patchgate schema diff`: what a second schema changes.

use patchgate_validator::Schema;
use patchgate_validator::schema::diff::{self, Change, Effect, What};
use serde_json::{Value, json};

use super::table::{aligned, wrapped};
use super::{Failed, Format, Outcome, files, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  patchgate schema diff security-incident-update ./security-incident-update.json
  patchgate schema diff security-incident-update security-incident-update.corrected --format json

Exit status: 0 whatever passed still passes, 1 something got narrower, 2 a schema could not be read.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The schema as it was: a name that ships with the gateway, or a path
    before: String,
    /// The schema as it is now
    after: String,
    /// How to answer
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

pub(super) fn run(args: &Args) -> Result<Outcome, Failed> {
    let (before, after) = (files::schema(&args.before)?, files::schema(&args.after)?);
    let changes = diff::diff(&before, &after);
    print(&match args.format {
        Format::Human => human(&before, &after, &changes),
        Format::Json => format!("{:#}\n", as_json(&before, &after, &changes)),
    })?;
    let narrower = changes.iter().any(|change| change.effect.narrows());
    Ok(if narrower { Outcome::Refused } else { Outcome::Done })
}

fn human(before: &Schema, after: &Schema, changes: &[Change]) -> String {
    let from = |word: &str, schema: &Schema| {
        let date = schema.date().map_or_else(|| "no date".to_owned(), |date| format!("page of {date}"));
        [word.to_owned(), schema.name().to_owned(), date, format!("SHA-256 {}", schema.digest())]
    };
    let head = aligned(None, [from("from", before), from("to", after)]);
    if changes.is_empty() {
        return format!("{head}\nno difference: the same edits pass\n");
    }
    let rows = changes.iter().map(|change| {
        let value = |value: &Option<Value>| value.as_ref().map(text).unwrap_or_default();
        let whole = if matches!(change.what, What::Bound(_)) { "(edit)" } else { "(route)" };
        let at = if change.at.is_empty() { whole } else { &change.at };
        [
            at.to_owned(),
            change.what.name().to_owned(),
            kind(change).to_owned(),
            change.effect.name().to_owned(),
            value(&change.before),
            value(&change.after),
        ]
    });
    let table = wrapped(Some(["property", "what", "change", "effect", "before", "after"]), rows);
    format!("{head}\n{table}\n{}\n", summary(changes))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

const fn kind(change: &Change) -> &'static str {
    match (&change.before, &change.after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    }
}

fn count(changes: &[Change], effect: Effect) -> usize {
    changes.iter().filter(|change| change.effect == effect).count()
}

fn summary(changes: &[Change]) -> String {
    let counts = [Effect::Wider, Effect::Narrower, Effect::Either, Effect::Same]
        .map(|effect| (count(changes, effect), effect.name()));
    let counts: Vec<_> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    counts.join(", ")
}

fn as_json(before: &Schema, after: &Schema, changes: &[Change]) -> Value {
    let from = |schema: &Schema| json!({"name": schema.name(), "sha256": schema.digest(), "source": schema.source()});
    let changes: Vec<_> = changes
        .iter()
        .map(|change| {
            json!({
                "property": change.at, "what": change.what.name(), "change": kind(change),
                "effect": change.effect.name(), "before": change.before, "after": change.after,
            })
        })
        .collect();
    json!({"before": from(before), "after": from(after), "changes": changes})
}
