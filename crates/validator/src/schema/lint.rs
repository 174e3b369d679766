//! The lint: what a guard's schema may say. A keyword that is not known here is an error, so that a typo cannot open the
//! gate.

use serde_json::{Map, Value};

use super::SchemaError;

/// The draft, and the only one.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Members of the root besides the keywords of a value.
const ROOT: [&str; 5] = ["$schema", "$id", "x-source", "x-guard", "examples"];
/// Keywords for people.
const WORDS: [&str; 4] = ["title", "description", "$comment", "x-graph-type"];
/// Keywords of each JSON type.
const STRING: [&str; 6] = ["minLength", "maxLength", "pattern", "format", "enum", "x-canonical"];
const NUMBER: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum"];
const ARRAY: [&str; 4] = ["items", "minItems", "maxItems", "uniqueItems"];
const OBJECT: [&str; 5] =
    ["properties", "required", "additionalProperties", "minProperties", "maxProperties"];
/// Formats that the validator checks.
const FORMATS: [&str; 5] = ["date-time", "date", "time", "duration", "uuid"];

type Lint = Result<(), SchemaError>;

/// Lints a whole schema document.
pub(super) fn check(schema: &Value) -> Lint {
    let Value::Object(members) = schema else {
        return Err(SchemaError::lint("", "expected an object"));
    };
    if members.get("$schema").and_then(Value::as_str) != Some(DRAFT) {
        return Err(SchemaError::lint("/$schema", format!("expected '{DRAFT}'")));
    }
    if members.get("type").and_then(Value::as_str) != Some("object") {
        return Err(SchemaError::lint("/type", "expected 'object': a body is an object"));
    }
    if members.get("minProperties").and_then(Value::as_u64).is_none_or(|least| least == 0) {
        return Err(SchemaError::lint("/minProperties", "expected 1 or more: an edit changes something"));
    }
    if !matches!(members.get("examples"), None | Some(Value::Array(_))) {
        return Err(SchemaError::lint("/examples", "expected an array"));
    }
    value(members, "", &ROOT)
}

/// Lints the schema of one value; `more` are further members accepted here.
fn value(members: &Map<String, Value>, pointer: &str, more: &[&str]) -> Lint {
    let at = |keyword: &str| format!("{pointer}/{}", keyword.replace('~', "~0").replace('/', "~1"));
    let types = types(members, &at("type"))?;
    let has = |name: &str| types.contains(&name);
    for (keyword, written) in members {
        let word = keyword.as_str();
        let known = keyword == "type"
            || more.contains(&word)
            || WORDS.contains(&word)
            || word == "x-ours"
            || (has("string") && STRING.contains(&word))
            || ((has("number") || has("integer")) && NUMBER.contains(&word))
            || (has("array") && ARRAY.contains(&word))
            || (has("object") && OBJECT.contains(&word));
        if !known {
            let problem =
                format!("'{keyword}' is not a keyword that a value of type {} may have", types.join(" or "));
            return Err(SchemaError::lint(at(keyword), problem));
        }
        keyword_value(keyword, written, members, &at(keyword))?;
    }
    if has("object") {
        object(members, pointer)?;
    }
    if has("array") {
        let Some(Value::Object(items)) = members.get("items") else {
            return Err(SchemaError::lint(at("items"), "expected a schema for the items of the array"));
        };
        value(items, &at("items"), &[])?;
    }
    Ok(())
}

fn types<'v>(members: &'v Map<String, Value>, pointer: &str) -> Result<Vec<&'v str>, SchemaError> {
    let wrong = || SchemaError::lint(pointer, "expected a type: each value must have one");
    let names: Vec<&str> = match members.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => {
            several.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let known =
        |name: &&str| ["null", "boolean", "integer", "number", "string", "array", "object"].contains(name);
    if names.is_empty() || !names.iter().all(known) { Err(wrong()) } else { Ok(names) }
}

/// What a keyword's own value must be, where a wrong one would be silently ignored or open the gate.
fn keyword_value(keyword: &str, written: &Value, members: &Map<String, Value>, pointer: &str) -> Lint {
    let wrong = |expected: &str| Err(SchemaError::lint(pointer, format!("expected {expected}")));
    let strings = |value: &Value| value.as_array().is_some_and(|a| a.iter().all(Value::is_string));
    match keyword {
        "enum" if written.as_array().is_none_or(Vec::is_empty) => wrong("a list of values"),
        "format" if !FORMATS.iter().any(|f| written == f) => wrong(&format!("one of {}", FORMATS.join(", "))),
        "x-ours" => {
            let named = |name: &Value| name.as_str().is_some_and(|name| members.contains_key(name));
            if strings(written) && written.as_array().is_some_and(|names| names.iter().all(named)) {
                Ok(())
            } else {
                wrong("the names of keywords that stand beside it")
            }
        }
        "x-canonical" => {
            let values = members.get("enum").and_then(Value::as_array);
            let listed = |name: &Value| values.is_some_and(|values| values.contains(name));
            let fits = |(other, documented): (&String, &Value)| {
                listed(&Value::String(other.clone())) && listed(documented) && documented != other
            };
            if written.as_object().is_some_and(|map| map.iter().all(fits)) {
                Ok(())
            } else {
                wrong("an object from one value of 'enum' to another")
            }
        }
        _ => Ok(()),
    }
}

fn object(members: &Map<String, Value>, pointer: &str) -> Lint {
    if members.get("additionalProperties") != Some(&Value::Bool(false)) {
        let at = format!("{pointer}/additionalProperties");
        return Err(SchemaError::lint(at, "expected false: an open object would let any field pass"));
    }
    let Some(Value::Object(properties)) = members.get("properties") else {
        return Err(SchemaError::lint(format!("{pointer}/properties"), "expected the fields of the object"));
    };
    for (name, schema) in properties {
        let at = format!("{pointer}/properties/{}", name.replace('~', "~0").replace('/', "~1"));
        let Value::Object(schema) = schema else {
            return Err(SchemaError::lint(at, "expected a schema"));
        };
        value(schema, &at, &[])?;
    }
    let again = properties.keys().find(|name| {
        properties.keys().filter(|other| other.eq_ignore_ascii_case(name)).count() > 1
            || name.starts_with('@')
    });
    match again {
        Some(name) => {
            let problem = format!("'{name}' differs from another field in case alone, or is an annotation");
            Err(SchemaError::lint(format!("{pointer}/properties"), problem))
        }
        None => Ok(()),
    }
}
