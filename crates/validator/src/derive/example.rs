//! The page's own requests: read from their HTTP text, and held against the schema that was derived.
//!
//! INVARIANT: a page whose own example does not pass gives no schema. An error names the member, never its value.

use patchgate_model::{Fault, Violation};
use serde_json::{Map, Value};

use super::error::{DeriveError, Note, Reason};
use super::markdown::Place;
use crate::json;
use crate::schema::SCHEMA_DEPTH;

/// A request of the page.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) place: Place,
    /// The target, as it is written.
    pub(super) target: String,
    /// The keys of the target, where the page lists them.
    pub(super) sample_keys: Vec<String>,
    content_type: Option<(Place, String)>,
    /// Where the body begins, and the body.
    body: Option<(Place, String)>,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) place: Place,
    text: String,
    pub(super) members: Map<String, Value>,
    /// The type that it states of itself, without `#`.
    pub(super) odata_type: Option<String>,
}

/// The target of a line with the method `PATCH`, without the protocol that may follow it.
pub(super) fn patch_target(line: &str) -> Option<&str> {
    let target = line.trim().strip_prefix("PATCH")?;
    let target = target.strip_prefix([' ', '\t'])?.trim();
    let target = target.rsplit_once(" HTTP/").map_or(target, |(target, _)| target.trim());
    (!target.is_empty()).then_some(target)
}

/// Reads a block of code as a request with the method `PATCH`; anything else is not of interest.
pub(super) fn request(place: Place, code: &str, sample_keys: Vec<String>) -> Option<Request> {
    let line_at = |index: usize| Place { line: place.line + index, column: 1 };
    let mut lines = code.lines().enumerate().skip_while(|(_, line)| line.trim().is_empty()).peekable();
    let (first, line) = lines.next()?;
    let target = patch_target(line)?.to_owned();
    let mut content_type = None;
    while let Some((index, line)) = lines.peek() {
        // Some pages forget the empty line before the body.
        if line.trim().is_empty() || line.trim_start().starts_with(['{', '[']) {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-type")
        {
            content_type = Some((line_at(*index), value.trim().to_owned()));
        }
        lines.next();
    }
    let mut rest = lines.skip_while(|(_, line)| line.trim().is_empty());
    let body = rest.next().map(|(index, line)| {
        let text = rest.fold(line.to_owned(), |text, (_, line)| text + "\n" + line);
        (line_at(index), text)
    });
    Some(Request { place: line_at(first), target, sample_keys, content_type, body })
}

impl Request {
    /// Reads the body; nothing where the request has none.
    pub(super) fn example(&self) -> Result<Option<Example>, DeriveError> {
        if let Some((place, kind)) = &self.content_type
            && !kind.to_ascii_lowercase().contains("json")
        {
            return Err(DeriveError::new(Reason::BinaryBody, *place, kind, "'application/json'"));
        }
        let Some((place, text)) = &self.body else { return Ok(None) };
        let mut members = match serde_json::from_str(text) {
            Ok(Value::Object(members)) => members,
            Ok(Value::Array(_)) => {
                return Err(DeriveError::described(Reason::ArrayBody, *place, "an array", "a JSON object"));
            }
            Ok(_) => return Err(DeriveError::new(Reason::ExampleNotJson, *place, text, "a JSON object")),
            Err(error) => return Err(not_json(*place, text, &error)),
        };
        // Of a name that stands twice the first value is gone already; the gateway would refuse the whole.
        if let Err(Violation { fault: Fault::DuplicateField { name, place: at }, .. }) =
            json::parse(text.as_bytes(), SCHEMA_DEPTH)
        {
            let place = Place { line: place.line + at.line.saturating_sub(1), column: at.column };
            return Err(DeriveError::new(Reason::ExampleNotJson, place, &name, "each name once"));
        }
        let odata_type = members.shift_remove("@odata.type");
        let odata_type =
            odata_type.as_ref().and_then(Value::as_str).map(|name| name.trim_start_matches('#').to_owned());
        Ok(Some(Example { place: *place, text: text.clone(), members, odata_type }))
    }
}

fn invalid(place: Place, what: &str, faults: &[String]) -> DeriveError {
    let expected = format!("a value that the table admits ({})", faults.join("; "));
    DeriveError::new(Reason::ExampleInvalid, place, what, expected)
}

fn not_json(body: Place, text: &str, error: &serde_json::Error) -> DeriveError {
    let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
    let at = error.column().saturating_sub(1).min(line.len());
    let at = (0..=at).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
    let column = line.get(..at).map_or(0, |before| before.chars().count()) + 1;
    let place = Place { line: body.line + error.line().saturating_sub(1), column };
    if error.is_eof() {
        return DeriveError::described(
            Reason::ExampleNotJson,
            place,
            "the end of the example",
            "the rest of the JSON",
        );
    }
    DeriveError::new(Reason::ExampleNotJson, place, line.get(at..).unwrap_or_default(), "JSON")
}

impl Example {
    /// Holds the example against the schema; what is left of it is an example of the schema.
    pub(super) fn prove(
        mut self,
        schema: &Value,
        left_out: &[String],
        notes: &mut Vec<Note>,
    ) -> Result<Option<Value>, DeriveError> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
        for name in left_out.iter().filter(|name| !known(name)) {
            if self.members.shift_remove(name).is_some() {
                let text = format!("the example sends '{name}', which is left out of the schema");
                notes.push(Note::new("exampleLeftOut", self.place_of(name), text));
            }
        }
        if let Some(name) = self.members.keys().find(|name| !known(name)) {
            let (place, reason) = (self.place_of(name), Reason::ExampleUnknownField);
            let names = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
            return Err(DeriveError::new(reason, place, name, "a property of the table").perhaps(name, names));
        }
        if self.members.is_empty() {
            notes.push(Note::new(
                "exampleEmpty",
                self.place,
                "an example sets no property of the schema".to_owned(),
            ));
            return Ok(None);
        }
        let whole = Value::Object(self.members.clone());
        let Err(faults) = crate::schema::validate_example(schema, &whole) else { return Ok(Some(whole)) };
        Err(self.failed(schema, &faults))
    }

    /// The error at the first member that fails by itself.
    fn failed(&self, schema: &Value, faults: &[String]) -> DeriveError {
        for (name, value) in &self.members {
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            if let Err(faults) = crate::schema::validate_example(schema, &alone) {
                return invalid(self.place_of(name), name, &faults);
            }
        }
        invalid(self.place, "the whole example", faults)
    }

    /// The place of a member of the object: its name at depth one, not the same text elsewhere.
    fn place_of(&self, member: &str) -> Place {
        let mut place = Place { line: self.place.line, column: 0 };
        let (mut depth, mut string, mut escaped, mut value) =
            (0_usize, None::<(Place, String)>, false, false);
        for c in self.text.chars() {
            place.column += 1;
            match &mut string {
                Some((_, text)) if escaped || c != '"' => {
                    escaped = c == '\\' && !escaped;
                    text.push(c);
                }
                Some((start, text)) => {
                    if depth == 1 && !value && text == member {
                        return *start;
                    }
                    string = None;
                }
                None => match c {
                    '"' => string = Some((place, String::new())),
                    '{' | '[' => depth += 1,
                    '}' | ']' => depth = depth.saturating_sub(1),
                    ':' | ',' if depth == 1 => value = c == ':',
                    '\n' => place = Place { line: place.line + 1, column: 0 },
                    _ => {}
                },
            }
        }
        self.place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Place = Place { line: 10, column: 1 };

    #[test]
    fn requests_are_read() {
        let code = "\nPATCH https://h/v1.0/a HTTP/1.1\nContent-type: application/json\n\n\n{\n \"b\": 1}\n";
        let request = request(AT, code, vec![]).unwrap();
        assert_eq!((request.place.line, request.target.as_str()), (11, "https://h/v1.0/a"));
        let example = request.example().unwrap().unwrap();
        assert_eq!((example.place.line, example.members.len()), (15, 1));
        assert_eq!(example.place_of("b"), Place { line: 16, column: 2 });
        for other in ["GET /a\n", "PATCHES /a", "PATCH", "patch /a", "", "\n"] {
            assert!(super::request(AT, other, vec![]).is_none(), "{other}");
        }
        for bare in ["PATCH /a", "PATCH /a\nx: y\n", "PATCH /a\n\n \n"] {
            assert!(super::request(AT, bare, vec![]).unwrap().example().unwrap().is_none(), "{bare}");
        }
    }

    #[test]
    fn faults_have_their_place() {
        let rows = [
            ("PATCH /a\n\n{\"b\": 1,}", "exampleNotJson", 12, 9),
            ("PATCH /a\n{\n\"é\": x}", "exampleNotJson", 12, 6),
            ("PATCH /a\n\n{\"b\": ", "exampleNotJson", 12, 6),
            ("PATCH /a\n\n[]", "arrayBody", 12, 1),
            ("PATCH /a\n\n3", "exampleNotJson", 12, 1),
            ("PATCH /a\nContent-Type: image/png\n\nxx", "binaryBody", 11, 1),
        ];
        for (code, reason, line, column) in rows {
            let error = request(AT, code, vec![]).unwrap().example().unwrap_err();
            assert_eq!((error.code(), error.line, error.column), (reason, line, column), "{code}");
        }
    }

    #[test]
    fn members_are_found_at_depth_one() {
        let code = "PATCH /a\n\n{\n\"c\": {\"b\": \"d\"}, \"e\": \"d\", \"d\": \"\\\"b\",\n  \"b\": 2}";
        let example = request(AT, code, vec![]).unwrap().example().unwrap().unwrap();
        assert_eq!(example.place_of("b"), Place { line: 14, column: 3 });
        assert_eq!(example.place_of("d"), Place { line: 13, column: 28 });
        assert_eq!(example.place_of("zz"), example.place);
    }
}
