//! The lint: what a guard's schema may say. A keyword that is not known here is an error, so that a typo cannot open the
//! gate.

use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;
use serde_json::{Map, Value};

use super::refs::{self, Definitions};
use super::{SchemaError, compile, escape};

/// The draft, and the only one.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Members of the root besides the keywords of a value.
const ROOT: [&str; 6] = ["$schema", "$id", "$defs", "x-source", "x-guard", "examples"];
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
    match members.get("$schema") {
        Some(Value::String(draft)) if draft == DRAFT => {}
        Some(Value::String(other)) => {
            let problem = format!("'{}' is another draft; expected '{DRAFT}'", Quoted(other));
            return Err(SchemaError::lint("/$schema", problem));
        }
        _ => return Err(SchemaError::lint("/$schema", format!("expected '{DRAFT}'"))),
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
    let definitions = Definitions::of(members);
    match members.get("$defs") {
        None => {}
        Some(Value::Object(all)) => {
            for (name, schema) in all {
                one(schema, &format!("/$defs/{}", escape(name)), definitions)?;
            }
        }
        Some(_) => return Err(SchemaError::lint("/$defs", "expected an object of schemas")),
    }
    value(members, "", &ROOT, definitions)
}

/// Lints what should be the schema of one value.
fn one(schema: &Value, pointer: &str, definitions: Definitions<'_>) -> Lint {
    match schema {
        Value::Object(members) => value(members, pointer, &[], definitions),
        _ => Err(SchemaError::lint(pointer, "expected a schema, which is an object")),
    }
}

/// Lints the schema of one value; `more` are further members accepted here.
fn value(members: &Map<String, Value>, pointer: &str, more: &[&str], definitions: Definitions<'_>) -> Lint {
    let at = |keyword: &str| format!("{pointer}/{}", escape(keyword));
    if let Some(reference) = members.get("$ref") {
        definitions.target(reference, &at("$ref"))?;
        let other = members.keys().find(|name| *name != "$ref" && !refs::BESIDE.contains(&name.as_str()));
        return other.map_or(Ok(()), |name| {
            let beside = refs::BESIDE.join(", ");
            Err(SchemaError::lint(at(name), format!("beside '$ref' there may be {beside} alone")))
        });
    }
    let types = types(members, pointer)?;
    let has = |name: &str| types.contains(&name);
    let known = |word: &str| {
        word == "type"
            || more.contains(&word)
            || WORDS.contains(&word)
            || word == "x-ours"
            || (has("string") && STRING.contains(&word))
            || ((has("number") || has("integer")) && NUMBER.contains(&word))
            || (has("array") && ARRAY.contains(&word))
            || (has("object") && OBJECT.contains(&word))
    };
    for (keyword, written) in members {
        if !known(keyword) {
            let all =
                [&WORDS[..], &STRING, &NUMBER, &ARRAY, &OBJECT, &["type", "x-ours", "$ref"], more].concat();
            let meant = nearest(keyword, all.into_iter().filter(|word| known(word)));
            let meant = meant.map(|word| format!("; did you mean '{word}'?")).unwrap_or_default();
            let keyword_shown = Quoted(keyword);
            let of = types.join(" or ");
            let problem =
                format!("'{keyword_shown}' is not a keyword that a value of type {of} may have{meant}");
            return Err(SchemaError::lint(at(keyword), problem));
        }
        keyword_value(keyword, written, members, &types, &at(keyword))?;
    }
    if let Some((least, most)) = crossed(members) {
        return Err(SchemaError::lint(at(least), format!("with '{most}' beside it nothing would pass")));
    }
    if has("object") {
        object(members, pointer, definitions)?;
    }
    if has("array") {
        let Some(items) = members.get("items").filter(|items| items.is_object()) else {
            return Err(SchemaError::lint(at("items"), "expected a schema for the items of the array"));
        };
        one(items, &at("items"), definitions)?;
    }
    Ok(())
}

/// Two bounds that no value can keep at once.
fn crossed(members: &Map<String, Value>) -> Option<(&'static str, &'static str)> {
    let pairs = [
        ("minLength", "maxLength"),
        ("minItems", "maxItems"),
        ("minProperties", "maxProperties"),
        ("minimum", "maximum"),
        ("minimum", "exclusiveMaximum"),
        ("exclusiveMinimum", "maximum"),
        ("exclusiveMinimum", "exclusiveMaximum"),
    ];
    let bound = |name: &str| members.get(name).and_then(Value::as_f64);
    pairs.into_iter().find(|(least, most)| {
        let open = least.starts_with("exclusive") || most.starts_with("exclusive");
        match (bound(least), bound(most)) {
            (Some(from), Some(to)) => from > to || (open && from >= to),
            _ => false,
        }
    })
}

fn types<'v>(members: &'v Map<String, Value>, pointer: &str) -> Result<Vec<&'v str>, SchemaError> {
    let Some(written) = members.get("type") else {
        return Err(SchemaError::lint(pointer, "a value without 'type' would let anything pass"));
    };
    let wrong = || {
        let problem = "expected null, boolean, integer, number, string, array or object, or a list of them";
        SchemaError::lint(format!("{pointer}/type"), problem)
    };
    let names: Vec<&str> = match written {
        Value::String(one) => vec![one],
        Value::Array(several) => {
            several.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let known =
        |name: &&str| ["null", "boolean", "integer", "number", "string", "array", "object"].contains(name);
    if names.is_empty() || !names.iter().all(known) { Err(wrong()) } else { Ok(names) }
}

/// What a keyword's own value must be, where a wrong one would be silently ignored or open the gate.
fn keyword_value(
    keyword: &str,
    written: &Value,
    members: &Map<String, Value>,
    types: &[&str],
    pointer: &str,
) -> Lint {
    let wrong = |expected: &str| Err(SchemaError::lint(pointer, format!("expected {expected}")));
    let strings = |value: &Value| value.as_array().is_some_and(|a| a.iter().all(Value::is_string));
    match keyword {
        "title" | "description" | "$comment" | "x-graph-type" if !written.is_string() => wrong("a string"),
        "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties"
            if written.as_u64().is_none() =>
        {
            wrong("a whole number of 0 or more")
        }
        "maxProperties" if written == 0 => wrong("1 or more: without a field nothing is changed"),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" if !written.is_number() => {
            wrong("a number")
        }
        "uniqueItems" if !written.is_boolean() => wrong("true or false"),
        "enum" => values(written, types, pointer),
        "pattern" => match written.as_str() {
            None => wrong("a string"),
            Some(pattern) if compile::takes_pattern(pattern) => Ok(()),
            Some(_) => {
                let problem = "the linear engine does not take this pattern: it is broken or too large, or has look-around or back-references";
                Err(SchemaError::lint(pointer, problem))
            }
        },
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
            let listed = |name: &str| values.is_some_and(|values| values.iter().any(|value| value == name));
            // What a spelling stands for stands for itself: one step, and no way on or in a circle.
            let fits = |map: &Map<String, Value>| {
                let own = |name: &str| listed(name) && !map.contains_key(name);
                map.iter().all(|(other, documented)| listed(other) && documented.as_str().is_some_and(own))
            };
            if written.as_object().is_some_and(fits) {
                Ok(())
            } else {
                wrong("an object from one string of 'enum' to another, which is no such name itself")
            }
        }
        _ => Ok(()),
    }
}

/// The values of a list must be of the types beside it: another one would never pass, and is a mistake.
fn values(written: &Value, types: &[&str], pointer: &str) -> Lint {
    let Some(list) = written.as_array().filter(|list| !list.is_empty()) else {
        return Err(SchemaError::lint(pointer, "expected a list of values"));
    };
    for (index, value) in list.iter().enumerate() {
        let fits = |name: &&str| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            _ => false,
        };
        let problem = if !types.iter().any(fits) {
            format!("the value is not of type {}", types.join(" or "))
        } else if list.iter().take(index).any(|other| other == value) {
            "the value stands in the list twice".to_owned()
        } else {
            continue;
        };
        return Err(SchemaError::lint(format!("{pointer}/{index}"), problem));
    }
    Ok(())
}

fn object(members: &Map<String, Value>, pointer: &str, definitions: Definitions<'_>) -> Lint {
    let at = format!("{pointer}/additionalProperties");
    match members.get("additionalProperties") {
        Some(Value::Bool(false)) => {}
        // What is missing has no place of its own.
        None => {
            let problem =
                "an object without 'additionalProperties': false is open: it would let any field pass";
            return Err(SchemaError::lint(pointer, problem));
        }
        Some(_) => {
            return Err(SchemaError::lint(at, "expected false: an open object would let any field pass"));
        }
    }
    let properties = members.get("properties").and_then(Value::as_object);
    let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
        return Err(SchemaError::lint(format!("{pointer}/properties"), "expected the fields of the object"));
    };
    let least = members.get("minProperties").and_then(Value::as_u64).unwrap_or_default();
    if least > properties.len() as u64 {
        let problem = "it is more than there are fields: nothing would pass";
        return Err(SchemaError::lint(format!("{pointer}/minProperties"), problem));
    }
    for (name, schema) in properties {
        let at = format!("{pointer}/properties/{}", escape(name));
        // Names that differ in case alone are refused as JSON already.
        if name.starts_with('@') {
            return Err(SchemaError::lint(
                at,
                "an annotation is no field; '@odata.type' is checked by 'entityType'",
            ));
        }
        one(schema, &at, definitions)?;
    }
    match members.get("required") {
        None => Ok(()),
        Some(Value::Array(names))
            if names.iter().all(|n| n.as_str().is_some_and(|n| properties.contains_key(n))) =>
        {
            Ok(())
        }
        Some(_) => {
            let at = format!("{pointer}/required");
            Err(SchemaError::lint(at, "expected names of fields that stand under 'properties'"))
        }
    }
}
