//! Where in the text of a body a violation is, and the line with a caret below it.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectPropName, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};
use patchgate_model::{Fault, Violation};

use crate::snippet::{At, Excerpt, Message, span_of};

/// The longest line that is shown; of a longer one the caret would be off the screen.
const LONGEST_LINE: usize = 200;

/// A violation as people read it: what, the line, a caret, what would be accepted.
pub(super) fn shown(name: &str, body: &str, violation: &Violation) -> String {
    let (title, help) = sentence(violation);
    let at = span(body, violation).map(|span| At::Text(body.into(), span));
    let message = Message {
        title: format!("{}: {title}", violation.code().as_str()).into(),
        code: None,
        excerpts: at.map(|at| Excerpt { file: name.into(), at, label: "".into() }).into_iter().collect(),
        help: help.map(Into::into).into_iter().collect(),
    };
    format!("{}\n", message.rendered(true))
}

/// The gateway's own words, what is wrong apart from what would be accepted.
fn sentence(violation: &Violation) -> (String, Option<String>) {
    let (brief, whole) = (violation.brief(), violation.message());
    let help = whole.strip_prefix(&brief).map(|rest| rest.trim_start_matches(['.', ' ']).to_owned());
    (brief, help.filter(|help| !help.is_empty()))
}

/// The part of the body that a violation is about; nothing where there is no one line to show.
pub(super) fn span(body: &str, violation: &Violation) -> Option<Range<usize>> {
    let span = match violation.place() {
        Some(place) => span_of(body, place.line, place.column, ""),
        None => pointed(body, violation)?,
    };
    let line_start = body.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line_end = body.get(span.start..)?.find(['\n', '\r']).map_or(body.len(), |at| span.start + at);
    let end = span.end.clamp(span.start, line_end);
    (line_end - line_start <= LONGEST_LINE).then_some(span.start..end)
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
        assert_eq!(span(&format!("{{\"a\": \"{}\"}}", "x".repeat(300)), &violation("/a", wrong())), None);
    }
}
