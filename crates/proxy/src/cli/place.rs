//! Where in the text of a body a violation is, and the line with a caret below it.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectPropName, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};
use patchgate_model::{Fault, Violation};

use crate::config::fault::line_and_column;
use crate::snippet::{At, Excerpt, Message, span_of};

/// The longest line that is shown; of a longer one the caret would be off the screen.
const LONGEST_LINE: usize = 200;

/// A violation as people read it: what, the line, a caret, what would be accepted. A body that is no text has no line to be
/// shown.
pub(super) fn shown(name: &str, body: Option<&str>, violation: &Violation) -> String {
    let (title, help) = sentence(violation);
    let at = body.and_then(|body| Some((body, span(body, violation)?)));
    let at = match at {
        Some((body, span)) if is_short(body, &span) => Some(At::Text(body.into(), span)),
        _ => of(body, violation).map(|(line, column)| At::Place(line, column)),
    };
    let message = Message {
        title: format!("{}: {title}", violation.code().as_str()).into(),
        code: None,
        excerpts: at.map(|at| Excerpt { file: name.into(), at, label: "".into() }).into_iter().collect(),
        help: help.map(Into::into).into_iter().collect(),
    };
    format!("{}\n", message.rendered(true))
}

/// The line and column of a violation, where it has one place.
pub(super) fn of(body: Option<&str>, violation: &Violation) -> Option<(usize, usize)> {
    let known = violation.place().map(|place| (place.line, place.column));
    known.or_else(|| body.and_then(|body| Some(line_and_column(body, span(body, violation)?.start))))
}

/// The gateway's own words, what is wrong apart from what would be accepted.
fn sentence(violation: &Violation) -> (String, Option<String>) {
    let (brief, whole) = (violation.brief(), violation.message());
    let help = whole.strip_prefix(&brief).map(|rest| rest.trim_start_matches(['.', ' ']).to_owned());
    (brief, help.filter(|help| !help.is_empty()))
}

/// The part of the body that a violation is about, on its first line; nothing where there is no such part.
fn span(body: &str, violation: &Violation) -> Option<Range<usize>> {
    let span = match violation.place() {
        Some(place) => span_of(body, place.line, place.column, ""),
        None => pointed(body, violation)?,
    };
    let line_end = line_of(body, span.start).end;
    Some(span.start..span.end.clamp(span.start, line_end.max(span.start)))
}

/// Whether the line can be shown with a caret below it.
fn is_short(body: &str, span: &Range<usize>) -> bool {
    line_of(body, span.start).len() <= LONGEST_LINE
}

/// The line around a byte, without its end.
fn line_of(body: &str, at: usize) -> Range<usize> {
    let (before, after) = body.split_at_checked(at).unwrap_or((body, ""));
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find(['\n', '\r']).map_or(body.len(), |end| before.len() + end);
    start..end
}

/// Where a JSON Pointer leads: to a value, or to a name that is at fault itself.
fn pointed(body: &str, violation: &Violation) -> Option<Range<usize>> {
    // The body is strict JSON here: it was read as such before anything had a pointer.
    let parsed =
        jsonc_parser::parse_to_ast(body, &CollectOptions::default(), &ParseOptions::default()).ok()?;
    let mut value = parsed.value.as_ref()?;
    let mut name = None;
    for segment in violation.target.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        (name, value) = match value {
            Value::Object(object) => member(object, &segment)?,
            Value::Array(array) => (None, array.elements.get(segment.parse::<usize>().ok()?)?),
            _ => return None,
        };
    }
    let is_name = matches!(violation.fault, Fault::UnknownField { .. });
    Some(match (name, value) {
        (Some(name), _) if is_name => name,
        // Of what has more than one line the first character is enough.
        (_, Value::Object(_) | Value::Array(_)) => value.range().start..value.range().start + 1,
        _ => value.range().start..value.range().end,
    })
}

fn member<'v, 'a>(object: &'v Object<'a>, name: &str) -> Option<(Option<Range<usize>>, &'v Value<'a>)> {
    let property = object.properties.iter().find(|property| property.name.as_str() == name)?;
    let range = match &property.name {
        ObjectPropName::String(name) => name.range,
        ObjectPropName::Word(name) => name.range,
    };
    Some((Some(range.start..range.end), &property.value))
}

#[cfg(test)]
mod tests {
    use patchgate_model::violation::Place;

    use super::*;

    fn violation(target: &str, fault: Fault) -> Violation {
        Violation { target: target.to_owned(), known_target: String::new(), fault }
    }

    #[test]
    fn what_a_violation_is_about() {
        let body = "{\n  \"a/b\": [1, \"é\", {\"c\": null}],\n  \"d\": {}\n}";
        let wrong = || Fault::WrongType { expected: vec!["a string"], found: "a number" };
        let unknown = || Fault::UnknownField { name: "d".to_owned(), meant: None, accepted: Vec::new() };
        let place = |line, column| Fault::InvalidNumber { place: Place { line, column } };
        for (target, fault, expected) in [
            ("", wrong(), Some("{")),
            ("/a~1b", wrong(), Some("[")),
            ("/a~1b/1", wrong(), Some("\"é\"")),
            ("/a~1b/2/c", wrong(), Some("null")),
            ("/d", wrong(), Some("{")),
            ("/d", unknown(), Some("\"d\"")),
            ("/e", unknown(), None),
            ("/a~1b/7", wrong(), None),
            ("", place(2, 15), Some("é")),
            ("", place(9, 9), Some("")),
        ] {
            let found = span(body, &violation(target, fault));
            assert_eq!(found.map(|span| &body[span]), expected, "{target}");
        }
    }

    #[test]
    fn a_place_is_told_where_its_line_is_not_shown() {
        let wrong = violation("/a", Fault::WrongType { expected: vec!["a number"], found: "a string" });
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(300));
        assert_eq!(of(Some(&long), &wrong), Some((1, 7)));
        let said = shown("f", Some(&long), &wrong);
        assert!(said.contains("f:1:7") && !said.contains("xx"), "{said}");
        // What is no text has a place all the same.
        let place = Place { line: 2, column: 3 };
        let fault = violation("", Fault::InvalidJson { reason: "it is not UTF-8".to_owned(), place });
        assert_eq!(of(None, &fault), Some((2, 3)));
        assert!(shown("f", None, &fault).contains("f:2:3"), "{}", shown("f", None, &fault));
    }
}
