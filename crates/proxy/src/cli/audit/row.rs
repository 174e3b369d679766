//! A record or an edit as a row: of a table for people, of a CSV file for spreadsheets.

use std::borrow::Cow;

use patchgate_journal::Verdict;
use patchgate_journal::query::{About, Found};
use patchgate_journal::record::read::{Decision, Record};

use crate::cli::inert::inert;

/// The longest cell of a table, in characters.
const LONGEST: usize = 200;

/// The head of a table.
pub(super) const TITLE: &str = "\
TIME                      KIND        RESULT        CALLER            RESOURCE                          REQUEST                               DETAILS
";

/// A record, or an edit as one.
pub(super) struct Row<'r> {
    /// The record; of an edit its intent, with what its outcome says.
    record: Cow<'r, Record<'r>>,
    about: Cow<'r, About>,
    kind: &'static str,
    /// What became of an edit; what was decided, where a record says no more.
    result: &'static str,
}

impl<'r> Row<'r> {
    pub(super) fn of(found: &Found<'r>) -> Self {
        match *found {
            Found::Record { record, about, .. } => Self {
                record: Cow::Borrowed(record),
                about: Cow::Borrowed(about),
                kind: record.kind.as_str(),
                result: record.result.map(Verdict::as_str).unwrap_or_default(),
            },
            Found::Edit { intent, outcome } => {
                let mut record = intent.clone();
                if let Some(outcome) = outcome {
                    record.status = outcome.status;
                    record.duration_ms = outcome.duration_ms;
                    record.upstream_request_id.clone_from(&outcome.upstream_request_id);
                }
                Self {
                    record: Cow::Owned(record),
                    about: Cow::Owned(About::of(intent)),
                    kind: "edit",
                    result: outcome.and_then(|outcome| outcome.result).map_or("open", Verdict::as_str),
                }
            }
        }
    }
}

/// A row as a line of a table. Columns have a fixed width, since what comes later is not known yet; a longer cell moves those
/// behind it.
pub(super) fn table(row: &Row<'_>) -> String {
    let Row { record, about, kind, .. } = row;
    let cell = |text: &str| cut(&inert(text)).into_owned();
    let caller = about.caller.as_deref().or(about.known_by.as_deref()).unwrap_or("-");
    let keys = about.resource.iter().filter(|(name, _)| *name != "version").map(|(_, key)| key.as_str());
    let resource = about.guard.iter().map(String::as_str).chain(keys).collect::<Vec<_>>().join(" ");
    let line = format!(
        "{:.3}  {:<10}  {:<12}  {:<16}  {:<32}  {:<36}  {}",
        record.time,
        kind,
        result(row),
        cell(caller),
        cell(if resource.is_empty() { "-" } else { &resource }),
        cell(record.request_id.as_deref().unwrap_or("-")),
        cell(&details(record)),
    );
    format!("{}\n", line.trim_end())
}

/// What came of it, or was decided, with the status.
fn result(row: &Row<'_>) -> String {
    let decided = row.record.decision.map_or("-", Decision::as_str);
    let word = if row.result.is_empty() { decided } else { row.result };
    row.record.status.map_or_else(|| word.to_owned(), |status| format!("{word} {status}"))
}

/// What else there is to say.
fn details(record: &Record<'_>) -> String {
    let mut parts = Vec::new();
    // No more of it than is shown.
    parts.extend(record.edit.map(|edit| cut(edit).into_owned()));
    if !record.hashed.is_empty() {
        let names: Vec<&str> = record.hashed.keys().map(String::as_str).collect();
        parts.push(format!("hashed: {}", names.join(", ")));
    }
    if !record.omitted.is_empty() {
        parts.push(format!("omitted: {}", record.omitted.join(", ")));
    }
    parts.extend(record.code.as_deref().map(str::to_owned));
    if !record.reasons.is_empty() {
        parts.push(record.reasons.join(", "));
    }
    parts.extend(record.count.map(|count| format!("{count} of them")));
    parts.extend(record.duration_ms.map(|millis| format!("{millis} ms")));
    parts.extend(record.why.as_deref().map(str::to_owned));
    parts.join("; ")
}

/// The columns of a CSV file.
pub(super) const COLUMNS: [&str; 26] = [
    "seq",
    "time",
    "kind",
    "request_id",
    "trace_id",
    "caller",
    "known_by",
    "guard",
    "route",
    "resource",
    "decision",
    "result",
    "status",
    "code",
    "reasons",
    "edit",
    "hashed",
    "omitted",
    "duration_ms",
    "upstream_request_id",
    "generation",
    "schema",
    "count",
    "since",
    "until",
    "why",
];

/// A row of a CSV file, safe to be opened in a spreadsheet.
pub(super) fn csv(row: &Row<'_>) -> [String; 26] {
    let Row { record, about, kind, result } = row;
    let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let own = |text: &Option<String>| text.clone().unwrap_or_default();
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let time = |time: jiff::Timestamp| format!("{time:.6}");
    let pairs = |pairs: &std::collections::BTreeMap<String, String>| {
        let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(" ")
    };
    [
        record.seq.to_string(),
        time(record.time),
        (*kind).to_owned(),
        text(&record.request_id),
        text(&record.trace_id),
        own(&about.caller),
        own(&about.known_by),
        own(&about.guard),
        own(&about.route),
        pairs(&about.resource),
        about.decision.map(Decision::as_str).unwrap_or_default().to_owned(),
        (*result).to_owned(),
        number(record.status.map(u64::from)),
        text(&record.code),
        record.reasons.join(" "),
        record.edit.unwrap_or_default().to_owned(),
        pairs(&record.hashed),
        record.omitted.join(" "),
        number(record.duration_ms),
        text(&record.upstream_request_id),
        number(record.generation),
        record.schema.as_ref().map(|schema| schema.id.clone().into_owned()).unwrap_or_default(),
        number(record.count),
        record.since.map(time).unwrap_or_default(),
        record.until.map(time).unwrap_or_default(),
        text(&record.why),
    ]
    .map(|cell| no_formula(inert_cell(cell)))
}

/// A spreadsheet takes a cell that begins so for a formula, the wide forms among them; behind an apostrophe it is text.
fn no_formula(cell: String) -> String {
    let formula = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    if cell.starts_with(formula) { format!("'{cell}") } else { cell }
}

/// The same cell where there is nothing to change: some are long.
fn inert_cell(cell: String) -> String {
    match inert(&cell) {
        Cow::Borrowed(_) => cell,
        Cow::Owned(inert) => inert,
    }
}

fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_spreadsheet() {
        for (cell, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1", "'＝1"),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(no_formula(cell.to_owned()), expected);
        }
        assert_eq!(cut(&"é".repeat(201)), format!("{}…", "é".repeat(200)));
        assert_eq!(cut(&"é".repeat(200)), "é".repeat(200));
    }
}
