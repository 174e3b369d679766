//! References within a schema: `#/$defs/NAME`, and nothing else.

use serde_json::{Value, json};

use super::{JOB, load, refusal};

/// The schema with a field `made`, and these definitions.
fn with(made: &Value, definitions: &Value) -> String {
    let mut schema: Value = serde_json::from_str(JOB).unwrap();
    schema["properties"]["made"] = made.clone();
    schema["$defs"] = definitions.clone();
    schema.to_string()
}

#[test]
fn a_definition_is_as_good_as_what_it_says() {
    let word = json!({"type": "string", "maxLength": 3});
    let made = json!({"type": "array", "items": {"$ref": "#/$defs/word", "description": "one of them"}});
    let referring = load(&with(&made, &json!({"word": word})));
    let written =
        json!({"type": "array", "items": {"type": "string", "maxLength": 3, "description": "one of them"}});
    assert_eq!(referring.document()["properties"]["made"], written);
    assert_eq!(referring.document().get("$defs"), None);
    // Definitions lead to definitions, and names may need escapes.
    let definitions = json!({
        "a/b~c": {"type": "object", "properties": {"w": {"$ref": "#/$defs/word"}}, "additionalProperties": false},
        "word": word,
    });
    let nested = load(&with(&json!({"$ref": "#/$defs/a~1b~0c"}), &definitions));
    assert_eq!(nested.document()["properties"]["made"]["properties"]["w"], word);
}

#[test]
fn a_reference_that_leads_out_nowhere_or_in_a_circle_is_refused() {
    let word = json!({"type": "string"});
    let array_of = |name: &str| json!({"type": "array", "items": {"$ref": format!("#/$defs/{name}")}});
    #[rustfmt::skip] // One row, one line.
    let rows = [
        ("remote", json!({"$ref": "https://schemas.example/word.json"}), json!({"word": word}), "at '/properties/made/$ref'", "remote"),
        ("a file", json!({"$ref": "word.json#/$defs/word"}), json!({"word": word}), "at '/properties/made/$ref'", "remote"),
        ("dangling", json!({"$ref": "#/$defs/wrod"}), json!({"word": word}), "at '/properties/made/$ref'", "did you mean 'word'?"),
        ("dangling, no definitions", json!({"$ref": "#/$defs/word"}), json!({}), "at '/properties/made/$ref'", "dangling"),
        ("to another place", json!({"$ref": "#/properties/state"}), json!({"word": word}), "at '/properties/made/$ref'", "#/$defs/NAME"),
        ("to an anchor", json!({"$ref": "#word"}), json!({"word": word}), "at '/properties/made/$ref'", "#/$defs/NAME"),
        ("to itself", json!({"$ref": "#"}), json!({"word": word}), "at '/properties/made/$ref'", "circular"),
        ("no string", json!({"$ref": 3}), json!({"word": word}), "at '/properties/made/$ref'", "#/$defs/NAME"),
        ("a keyword beside it", json!({"$ref": "#/$defs/word", "maxLength": 3}), json!({"word": word}), "at '/properties/made/maxLength'", "alone"),
        ("a circle of one", json!({"$ref": "#/$defs/a"}), json!({"a": {"$ref": "#/$defs/a"}}), "at '/$defs/a/$ref'", "circular"),
        ("a circle of two", json!({"$ref": "#/$defs/a"}), json!({"a": array_of("b"), "b": array_of("a")}), "at '/$defs/b/items/$ref'", "'a' -> 'b' -> 'a'"),
        ("a definition with a typo", json!({"$ref": "#/$defs/a"}), json!({"a": {"type": "string", "maxLenght": 3}}), "at '/$defs/a/maxLenght'", "maxLength"),
        ("a definition without a type", json!({"$ref": "#/$defs/a"}), json!({"a": {}}), "at '/$defs/a'", "type"),
        ("an open definition", json!({"$ref": "#/$defs/a"}), json!({"a": {"type": "object", "properties": {}}}), "at '/$defs/a'", "open"),
        ("a definition that is none", json!({"$ref": "#/$defs/a"}), json!({"a": true}), "at '/$defs/a'", "expected a schema"),
        ("definitions that are none", json!({"type": "string"}), json!([]), "at '/$defs'", "an object"),
        ("a definition that nothing leads to", json!({"type": "string"}), json!({"word": word}), "at '/$defs/word'", "nothing leads"),
    ];
    for (what, made, definitions, at, word) in rows {
        let said = refusal(&with(&made, &definitions));
        assert!(said.starts_with(at) && said.contains(word), "{what}: {said}");
    }
}

/// Few definitions can stand for very many values.
#[test]
fn references_cannot_make_a_schema_that_is_too_large() {
    let twice = |next: usize| {
        let next = json!({"$ref": format!("#/$defs/d{next}")});
        json!({"type": "object", "properties": {"a": next, "b": next}, "additionalProperties": false})
    };
    let mut definitions: serde_json::Map<_, _> = (0..40).map(|n| (format!("d{n}"), twice(n + 1))).collect();
    definitions.insert("d40".to_owned(), json!({"type": "string"}));
    let said = refusal(&with(&json!({"$ref": "#/$defs/d0"}), &definitions.into()));
    assert!(said.contains("more than") || said.contains("deeper than"), "{said}");
    let chain = |n: usize| (format!("d{n}"), json!({"$ref": format!("#/$defs/d{}", n + 1)}));
    let mut definitions: serde_json::Map<_, _> = (0..5000).map(chain).collect();
    definitions.insert("d5000".to_owned(), json!({"type": "string"}));
    let said = refusal(&with(&json!({"$ref": "#/$defs/d0"}), &definitions.into()));
    assert!(said.contains("deeper than"), "{said}");
}
