//! What no guard's schema may have: each with its place and a message of its own.

use std::fmt::Write as _;

use serde_json::json;

use super::{JOB, job, load, refusal, with};

/// What is changed, and where the refusal is: a JSON Pointer, a line and a column.
#[rustfmt::skip] // One row, one line.
const REFUSED: &[(&str, &str, &str, &str)] = &[
    ("another draft", "draft/2020-12/schema", "draft/2019-09/schema", "at '/$schema' (line 2, column 3)"),
    ("draft 7", "https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#", "at '/$schema' (line 2, column 3)"),
    ("no draft", "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\",", "", "at '/$schema' (line 1, column 1)"),
    ("a name of another kind", "urn:patchgate:schema:job-update", "https://x.example/job", "at '/$id' (line 3, column 3)"),
    ("no name", "schema:job-update", "schema:", "at '/$id' (line 3, column 3)"),
    ("a keyword with a typo", "\"maxLength\": 10", "\"maxLenght\": 10", "at '/properties/owner/maxLenght' (line 21, column 60)"),
    ("a keyword in lower case", "  \"additionalProperties\": false,\n  \"minProperties\"", "  \"additionalproperties\": false,\n  \"minProperties\"", "at '/additionalproperties' (line 34, column 3)"),
    ("a keyword of another type", "\"minimum\": 1", "\"minLength\": 1", "at '/properties/copies/minLength' (line 23, column 36)"),
    ("a keyword that combines schemas", "\"minProperties\": 1", "\"anyOf\": [], \"minProperties\": 1", "at '/anyOf' (line 35, column 3)"),
    ("an anchor", "\"type\": \"integer\", \"minimum\"", "\"$anchor\": \"a\", \"type\": \"integer\", \"minimum\"", "at '/properties/copies/$anchor' (line 23, column 17)"),
    ("an open root", "  \"additionalProperties\": false,\n  \"minProperties\"", "  \"additionalProperties\": true,\n  \"minProperties\"", "at '/additionalProperties' (line 34, column 3)"),
    ("a root that does not say it is closed", "  \"additionalProperties\": false,\n  \"minProperties\"", "  \"minProperties\"", "at '' (line 1, column 1)"),
    ("an open object within", "      \"additionalProperties\": false\n", "      \"additionalProperties\": {}\n", "at '/properties/place/additionalProperties' (line 31, column 7)"),
    ("an object within that does not say it is closed", ",\n      \"additionalProperties\": false\n", "\n", "at '/properties/place' (line 27, column 5)"),
    ("an object without fields", "\"properties\": { \"floor\": { \"type\": \"integer\" }, \"room\": { \"type\": \"string\" } },", "", "at '/properties/place/properties' (line 27, column 5)"),
    ("an untyped value", "{ \"type\": \"integer\", \"minimum\"", "{ \"minimum\"", "at '/properties/copies' (line 23, column 5)"),
    ("an untyped item", "\"items\": { \"type\": \"string\", \"maxLength\": 4 }", "\"items\": {}", "at '/properties/labels/items' (line 22, column 34)"),
    ("an array without items", "\"items\": { \"type\": \"string\", \"maxLength\": 4 }, ", "", "at '/properties/labels/items' (line 22, column 5)"),
    ("a schema that is true", "{ \"type\": \"integer\", \"minimum\": 1, \"maximum\": 99 }", "true", "at '/properties/copies' (line 23, column 5)"),
    ("an unknown type", "\"type\": \"integer\", \"minimum\"", "\"type\": \"int\", \"minimum\"", "at '/properties/copies/type' (line 23, column 17)"),
    ("a body of another type", "\"type\": \"object\",\n  \"properties\"", "\"type\": [\"object\", \"array\"],\n  \"properties\"", "at '/type' (line 14, column 3)"),
    ("a pattern that looks ahead", "^[A-Z]{3}$", "^(?=A)[A-Z]{3}$", "at '/properties/code/pattern' (line 25, column 33)"),
    ("a pattern that refers back", "^[A-Z]{3}$", "^([A-Z])\\\\1$", "at '/properties/code/pattern' (line 25, column 33)"),
    ("a pattern that is none", "^[A-Z]{3}$", "^[A-Z{3}$", "at '/properties/code/pattern' (line 25, column 33)"),
    ("a pattern without end", "^[A-Z]{3}$", "^((([A-Z]{999}){999}){999})$", "at '/properties/code/pattern' (line 25, column 33)"),
    ("an unknown format", "\"date-time\"", "\"e-mail\"", "at '/properties/due/format' (line 24, column 32)"),
    ("a bound that is no number", "\"maximum\": 99", "\"maximum\": \"99\"", "at '/properties/copies/maximum' (line 23, column 50)"),
    ("a length below nothing", "\"maxLength\": 10", "\"maxLength\": -1", "at '/properties/owner/maxLength' (line 21, column 60)"),
    ("no values", "[\"open\", \"Open\", \"closed\", \"Closed\", \"onHold\", \"OnHold\"]", "[]", "at '/properties/state/enum' (line 18, column 7)"),
    ("a value of another type", "\"Closed\", \"onHold\"", "3, \"onHold\"", "at '/properties/state/enum/3' (line 18, column 42)"),
    ("a value twice", "\"Closed\", \"onHold\"", "\"open\", \"onHold\"", "at '/properties/state/enum/3' (line 18, column 42)"),
    ("a spelling of nothing", "\"OnHold\": \"onHold\"", "\"OnHold\": \"held\"", "at '/properties/state/x-canonical' (line 19, column 7)"),
    ("a spelling of a spelling", "\"OnHold\": \"onHold\"", "\"OnHold\": \"Open\"", "at '/properties/state/x-canonical' (line 19, column 7)"),
    ("two spellings of each other", "\"Open\": \"open\", \"Closed\": \"closed\"", "\"Open\": \"Closed\", \"Closed\": \"Open\"", "at '/properties/state/x-canonical' (line 19, column 7)"),
    ("a spelling of itself", "\"OnHold\": \"onHold\"", "\"OnHold\": \"OnHold\"", "at '/properties/state/x-canonical' (line 19, column 7)"),
    ("a bound of ours that is not there", "[\"minLength\", \"maxLength\"]", "[\"maxItems\"]", "at '/properties/owner/x-ours' (line 21, column 77)"),
    ("a field that must be there and is not known", "[\"floor\"]", "[\"flor\"]", "at '/properties/place/required' (line 30, column 7)"),
    ("a name in another case", "\"due\":", "\"Owner\": { \"type\": \"string\" }, \"due\":", "'Owner' stands twice"),
    ("an annotation as a field", "\"due\":", "\"@odata.etag\":", "at '/properties/@odata.etag' (line 24, column 5)"),
    ("an edit that changes nothing", "\"minProperties\": 1", "\"minProperties\": 0", "at '/minProperties' (line 35, column 3)"),
    ("another method", "\"PATCH\"", "\"PUT\"", "at '/x-guard' (line 5, column 3)"),
    ("an unknown member of the guard", "\"clouds\":", "\"cloud\": [], \"clouds\":", "at '/x-guard' (line 5, column 3)"),
    ("a path without a version", "/{version}/jobs/{jobId}", "/jobs/{jobId}", "at '/x-guard/paths' (line 7, column 5)"),
    ("a key without a pattern", "{ \"jobId\": { \"pattern\": \"[1-9][0-9]{0,18}\", \"example\": \"17\" } }", "{}", "at '/x-guard/keys' (line 9, column 5)"),
    ("a key's pattern that admits a slash", "[1-9][0-9]{0,18}", "[^x]+", "at '/x-guard/keys/jobId/pattern' (line 9, column 26)"),
    ("a key's example that does not match", "\"17\"", "\"017\"", "at '/x-guard/keys/jobId/example' (line 9, column 57)"),
    ("no cloud", "[\"global\"]", "[]", "at '/x-guard/clouds' (line 11, column 5)"),
    ("a header too few", "[\"Authorization\", \"Content-Type\"]", "[\"Authorization\"]", "at '/x-guard/requiredHeaders' (line 10, column 5)"),
    ("an empty entity type", "\"x.job\"", "\"\"", "at '/x-guard/entityType' (line 12, column 5)"),
    ("a header that is none", "\"Content-Type\"]", "\"Content-Type\", \"If Match\"]", "at '/x-guard/requiredHeaders/2' (line 10, column 58)"),
    ("a header twice", "\"Content-Type\"]", "\"Content-Type\", \"content-type\"]", "at '/x-guard/requiredHeaders/2' (line 10, column 58)"),
    ("a version twice", "\"beta\"]", "\"beta\", \"v1.0\"]", "at '/x-guard/versions/2' (line 8, column 34)"),
    ("a path twice", "[\"/{version}/jobs/{jobId}\"]", "[\"/{version}/jobs/{jobId}\", \"/{version}/jobs/{jobId}\"]", "at '/x-guard/paths/1' (line 7, column 42)"),
    ("a cloud twice", "[\"global\"]", "[\"global\", \"global\"]", "at '/x-guard/clouds/1' (line 11, column 26)"),
    ("a length that none has", "\"minLength\": 1", "\"minLength\": 11", "at '/properties/owner/minLength' (line 21, column 44)"),
    ("an unknown source", "\"x-guard\":", "\"x-source\": { \"url\": \"x\" }, \"x-guard\":", "at '/x-source' (line 5, column 3)"),
    ("an example that the schema refuses", "\"labels\": [\"a\"] }", "\"labels\": [] }", "self-test"),
    ("a name twice", "\"title\": \"Update job\",", "\"title\": \"Update job\", \"title\": \"x\",", "'title' stands twice"),
    ("a name twice in another case", "\"title\": \"Update job\",", "\"title\": \"Update job\", \"TITLE\": \"x\",", "'TITLE' stands twice"),
    ("a byte order mark", "{\n  \"$schema\"", "\u{feff}{\n  \"$schema\"", "the schema is not JSON"),
    ("a comma too many", "\"maximum\": 99 }", "\"maximum\": 99, }", "the schema is not JSON"),
    ("a comment", "\"minProperties\": 1", "// one\n\"minProperties\": 1", "the schema is not JSON"),
    ("a number beyond what JSON can tell apart", "\"maximum\": 99", "\"maximum\": 99999999999999999999", "the number at line 23, column 61"),
];

#[test]
fn a_schema_that_could_open_the_gate_is_not_loaded() {
    load(JOB);
    let (mut messages, mut wrong) = (String::new(), Vec::new());
    for (what, from, to, at) in REFUSED {
        let said = refusal(&job(from, to));
        if !said.starts_with(at) {
            wrong.push(format!("{what}: expected {at}, found {said}"));
        }
        writeln!(messages, "{what}: {said}").unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!("refusals", messages);
}

/// Fields that a schema may not have, and what is said of each.
#[test]
fn a_field_that_makes_no_sense_is_not_loaded() {
    #[rustfmt::skip] // One row, one line.
    let rows = [
        (json!({"type": ["string", "integer"], "enum": ["a", 1], "x-canonical": {"a": 1}}), "/x-canonical", "one string of 'enum' to another"),
        (json!({"type": "object", "properties": {}, "additionalProperties": false}), "/properties", "the fields of the object"),
        (json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false, "maxProperties": 0}), "/maxProperties", "1 or more"),
        (json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false, "minProperties": 2}), "/minProperties", "nothing would pass"),
        (json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false, "minProperties": 2, "maxProperties": 1}), "/minProperties", "nothing would pass"),
        (json!({"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 1}), "/minItems", "nothing would pass"),
        (json!({"type": "integer", "minimum": 2, "maximum": 1}), "/minimum", "'maximum'"),
        (json!({"type": "number", "minimum": 1, "exclusiveMaximum": 1}), "/minimum", "'exclusiveMaximum'"),
        (json!({"type": "number", "exclusiveMinimum": 1, "maximum": 1}), "/exclusiveMinimum", "'maximum'"),
        (json!({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 1}), "/exclusiveMinimum", "'exclusiveMaximum'"),
    ];
    for (made, at, words) in rows {
        let said = refusal(&with("/properties/made", made.clone()).to_string());
        assert!(
            said.starts_with(&format!("at '/properties/made{at}' ")) && said.contains(words),
            "{made}: {said}"
        );
    }
}

#[test]
fn a_schema_that_is_no_object_is_not_loaded() {
    for text in ["", "null", "true", "[]", "\"s\"", "{}", "{\"type\":\"object\"}"] {
        assert_ne!(refusal(text), "loads", "{text}");
    }
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    assert!(refusal(&deep).contains("nested"), "{}", refusal(&deep));
}

/// Whatever is written in the place of a keyword, nothing panics, and what loads is closed.
#[test]
fn any_value_at_any_keyword_is_taken_or_refused() {
    let values =
        [json!(null), json!(true), json!(-1), json!(1.5), json!("x"), json!([]), json!({}), json!([{}])];
    for keyword in [
        "type",
        "enum",
        "pattern",
        "format",
        "minLength",
        "items",
        "properties",
        "required",
        "$ref",
        "x-ours",
        "x-canonical",
        "title",
    ] {
        for value in &values {
            for field in ["state", "labels", "place", "copies"] {
                let said =
                    refusal(&with(&format!("/properties/{field}/{keyword}"), value.clone()).to_string());
                assert!(
                    said == "loads" || said.starts_with("at '/properties/") || said.starts_with("self-test"),
                    "{said}"
                );
            }
        }
    }
}
