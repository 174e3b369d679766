//! What stands where in a reference page: title, date, paths, headers, the table of properties, requests.
//!
//! INVARIANT: sections are found by their headings and requests by their annotations, wherever they stand; what a page
//! has besides is not looked at.

use serde_json::Value;

use super::error::{DeriveError, Note, Reason};
use super::example::{self, Request};
use super::markdown::{Block, Kind, Markdown, Place, Span, Table, plain};
use super::prose::Prose;
use super::sections::{self, Part, Section};
use super::table;

/// The parts of a page that say something about its update.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) title: Option<String>,
    /// As in ISO 8601.
    pub(super) date: Option<String>,
    pub(super) namespace: Option<String>,
    /// The targets of the `PATCH` lines.
    pub(super) targets: Vec<(Place, String)>,
    pub(super) required_headers: Vec<String>,
    pub(super) table: &'a Table,
    pub(super) requests: Vec<Request>,
    /// The type of what the page's example answer holds.
    pub(super) response_type: Option<String>,
}

/// Finds the parts of a page.
pub(super) fn read<'a>(markdown: &'a Markdown, notes: &mut Vec<Note>) -> Result<Page<'a>, DeriveError> {
    let parts = sections::read(markdown, notes);
    let targets = targets(&parts)?;
    let table = table_of_properties(&parts, notes)?;
    let front = |name: &str| {
        let value =
            markdown.front.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        value.filter(|value| !value.is_empty())
    };
    let date = front("ms.date");
    let iso = date.and_then(|date| iso_date(date));
    if let (Some(date), None) = (date, &iso) {
        notes.push(Note::new(
            "date",
            Place::START,
            format!("the date '{date}' is neither 'MM/DD/YYYY' nor 'YYYY-MM-DD'"),
        ));
    }
    Ok(Page {
        title: front("title").cloned().or_else(|| first_heading(&parts)),
        date: iso,
        namespace: namespace(&parts),
        targets,
        required_headers: required_headers(&parts, notes)?,
        table,
        requests: requests(&parts),
        response_type: response_type(&parts),
    })
}

/// The lines with `PATCH` in the section about the request.
fn targets(parts: &[Part<'_>]) -> Result<Vec<(Place, String)>, DeriveError> {
    let mut targets = Vec::new();
    let mut other = None;
    for part in parts.iter().filter(|part| part.section == Section::Request) {
        let Block::Code { place, text } = part.block else { continue };
        for (index, line) in text.lines().enumerate() {
            let at = |part: &str| {
                let before = line.find(part).and_then(|at| line.get(..at)).unwrap_or_default();
                Place { line: place.line + index, column: before.chars().count() + 1 }
            };
            match example::patch_target(line) {
                Some(target) => targets.push((at(target), target.to_owned())),
                None if !line.trim().is_empty() => other = other.or(Some((at(line.trim()), line))),
                None => {}
            }
        }
    }
    if !targets.is_empty() {
        return Ok(targets);
    }
    let expected = "'PATCH' and a path in a block of code under 'HTTP request'";
    if let Some((place, line)) = other {
        return Err(DeriveError::new(Reason::NoPatch, place, line, expected));
    }
    let section = parts.iter().find(|part| part.section == Section::Request);
    let read =
        if section.is_some() { "a section 'HTTP request' without it" } else { "no section 'HTTP request'" };
    Err(DeriveError::described(Reason::NoPatch, section.map_or(Place::START, Part::place), read, expected))
}

/// The one table of properties in the request body.
fn table_of_properties<'a>(parts: &[Part<'a>], notes: &mut Vec<Note>) -> Result<&'a Table, DeriveError> {
    let body: Vec<_> = parts.iter().filter(|part| part.section == Section::Body).collect();
    let mut found: Option<&'a Table> = None;
    let mut no_table = None;
    for part in &body {
        match part.block {
            Block::Table(table) if !table::is_of_properties(table) => {
                notes.push(Note::new(
                    "otherTable",
                    table.place,
                    "a table that lists no properties was not read".to_owned(),
                ));
            }
            Block::Table(table) => match found {
                None => found = Some(table),
                Some(first) => {
                    let expected = format!("one table of properties, as in line {}", first.place.line);
                    return Err(DeriveError::described(
                        Reason::SeveralTables,
                        table.place,
                        "another table",
                        expected,
                    ));
                }
            },
            Block::Paragraph { place, spans } => {
                let prose = Prose::of(spans);
                let pipes = spans
                    .iter()
                    .filter(|span| span.kind == Kind::Text)
                    .map(|span| span.text.matches('|').count());
                if pipes.sum::<usize>() > 1 {
                    let expected = "the row in a table, below its head and a line of dashes";
                    return Err(DeriveError::new(Reason::BrokenTable, *place, &plain(spans), expected));
                }
                no_table = no_table.or_else(|| other_body(*place, spans, &prose));
                if prose.says(&["when", "you", "create"]) {
                    let text =
                        "the page speaks of properties required on creation; none is required in an update";
                    notes.push(Note::new("createTable", *place, text.to_owned()));
                }
            }
            Block::Html { place, text } if text.to_ascii_lowercase().contains("<table") => {
                let expected = "a table in Markdown";
                no_table = no_table.or(Some(DeriveError::described(
                    Reason::NoTable,
                    *place,
                    "a table in HTML",
                    expected,
                )));
            }
            _ => {}
        }
    }
    open_type(parts)?;
    found.ok_or_else(|| {
        no_table.unwrap_or_else(|| {
            let read =
                if body.is_empty() { "no section 'Request body'" } else { "a section without a table" };
            let expected =
                "a table with the columns 'Property', 'Type' and 'Description' under 'Request body'";
            DeriveError::described(
                Reason::NoTable,
                body.first().map_or(Place::START, |part| part.place()),
                read,
                expected,
            )
        })
    })
}

/// A page that says of its resource that it is open can't be closed here.
fn open_type(parts: &[Part<'_>]) -> Result<(), DeriveError> {
    for part in parts.iter().filter(|part| matches!(part.section, Section::Opening | Section::Body)) {
        if let Block::Paragraph { place, spans } = part.block
            && Prose::of(spans).says(&["open", "type"])
        {
            return Err(DeriveError::new(
                Reason::OpenType,
                *place,
                &plain(spans),
                "a resource with known properties",
            ));
        }
    }
    Ok(())
}

/// Why a body without a table has none: because it is something else than an object.
fn other_body(place: Place, spans: &[Span], prose: &Prose) -> Option<DeriveError> {
    let array = prose.says(&["an", "array"]) || prose.says(&["json", "array"]);
    let binary = prose.says(&["binary"]) || prose.says(&["byte", "stream"]);
    let reason = if array { Reason::ArrayBody } else { binary.then_some(Reason::BinaryBody)? };
    Some(DeriveError::new(reason, place, &plain(spans), "one JSON object, its properties in a table"))
}

/// The header fields that every request must carry.
fn required_headers(parts: &[Part<'_>], notes: &mut Vec<Note>) -> Result<Vec<String>, DeriveError> {
    let mut required = vec!["Authorization".to_owned(), "Content-Type".to_owned()];
    for part in parts.iter().filter(|part| part.section == Section::Headers) {
        let Block::Table(table) = part.block else { continue };
        for row in &table.rows {
            let Some((name, rest)) = row.cells.split_first() else { continue };
            let spans: Vec<_> = rest.iter().flat_map(|cell| cell.spans.iter().cloned()).collect();
            let (name, prose) = (name.text(), Prose::of(&spans));
            let words = plain(&spans);
            if name.eq_ignore_ascii_case("content-type") && words.contains('/') && !words.contains("json") {
                return Err(DeriveError::new(Reason::BinaryBody, row.place, &words, "'application/json'"));
            }
            let known = required.iter().any(|known| known.eq_ignore_ascii_case(&name));
            if known || !prose.says(&["required"]) || prose.says(&["optional"]) {
                continue;
            }
            let conditional = ["if", "when", "for", "unless", "only", "in"]
                .iter()
                .any(|word| prose.says(&["required", word]));
            let token = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            if token && !conditional {
                required.push(name);
            } else {
                let text = format!("the header '{name}' is required in some cases; requests pass without it");
                notes.push(Note::new("header", row.place, text));
            }
        }
    }
    Ok(required)
}

/// Every `PATCH` request of the page that is annotated as one, or not annotated and among the examples.
fn requests(parts: &[Part<'_>]) -> Vec<Request> {
    let request = |part: &Part<'_>| {
        let Block::Code { place, text } = part.block else { return None };
        let wanted = match part.block_type() {
            Some(kind) => kind == "request",
            None => part.section == Section::Examples,
        };
        let keys = part.annotation.as_ref().and_then(|annotation| annotation.get("sampleKeys")?.as_array());
        let keys = keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        wanted.then(|| example::request(*place, text, keys)).flatten()
    };
    parts.iter().filter_map(request).collect()
}

fn response_type(parts: &[Part<'_>]) -> Option<String> {
    let typed = |part: &Part<'_>| {
        let name = part.annotation.as_ref()?.get("@odata.type")?.as_str()?.trim_start_matches('#');
        let known = part.block_type() == Some("response") && is_type(name);
        known.then(|| name.to_owned())
    };
    parts.iter().find_map(typed)
}

/// `namespace.name`.
pub(super) fn is_type(name: &str) -> bool {
    name.contains('.')
        && name
            .split('.')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// The word after `Namespace:`, wherever the paragraph goes on.
fn namespace(parts: &[Part<'_>]) -> Option<String> {
    let found = |part: &Part<'_>| {
        let Block::Paragraph { spans, .. } = part.block else { return None };
        let text = plain(spans);
        let name = text.strip_prefix("Namespace:")?.split_whitespace().next()?.trim_end_matches('.');
        is_type(name).then(|| name.to_owned())
    };
    parts.iter().filter(|part| part.section == Section::Opening).find_map(found)
}

fn first_heading(parts: &[Part<'_>]) -> Option<String> {
    parts.iter().find_map(|part| match part.block {
        Block::Heading { text, level: 1, .. } if !text.is_empty() => Some(text.clone()),
        _ => None,
    })
}

/// `MM/DD/YYYY` and `YYYY-MM-DD` to the latter.
fn iso_date(date: &str) -> Option<String> {
    let slashes: Vec<_> = date.split('/').collect();
    let dashes: Vec<_> = date.split('T').next()?.split('-').collect();
    let (([month, day, year], _) | (_, [year, month, day])) = (slashes.as_slice(), dashes.as_slice()) else {
        return None;
    };
    let number = |text: &str, most: u16| text.parse::<u16>().ok().filter(|n| (1..=most).contains(n));
    let (year, month, day) = (number(year, 9999)?, number(month, 12)?, number(day, 31)?);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_iso() {
        let rows = [
            ("09/09/2021", Some("2021-09-09")),
            ("3/7/2024", Some("2024-03-07")),
            ("2026-02-24", Some("2026-02-24")),
            ("2026-02-24T00:00:00Z", Some("2026-02-24")),
            ("13/01/2021", None),
            ("soon", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(iso_date(text).as_deref(), expected, "{text}");
        }
    }
}
