//! The schema of what was read.
//!
//! INVARIANT: the same page and the same words told give the same bytes. The page's facts go in, its sentences do not.

use patchgate_model::{Cloud, GraphVersion};
use serde_json::{Map, Value, json};

use super::path::{Key, Paths};
use super::table::{Admits, Property};
use crate::forms::{BASE64, DURATION, TIME_OF_DAY};

/// What patchgate bounds where Microsoft states no bound; each is marked in the schema.
const MAX_TEXT: i64 = 512;
const MAX_ITEM_TEXT: i64 = 256;
const MAX_ITEMS: i64 = 100;
const MAX_BINARY: i64 = 262_144;

/// All that a schema says.
#[derive(Debug)]
pub(super) struct Guard<'a> {
    pub(super) name: &'a str,
    pub(super) title: Option<&'a str>,
    pub(super) date: Option<&'a str>,
    pub(super) namespace: Option<&'a str>,
    pub(super) sha256: &'a str,
    pub(super) deriver: &'a str,
    pub(super) paths: &'a Paths,
    pub(super) versions: &'a [GraphVersion],
    pub(super) keys: &'a [Key],
    pub(super) required_headers: &'a [String],
    pub(super) permission: Option<&'a str>,
    pub(super) clouds: &'a [Cloud],
    pub(super) entity_type: Option<&'a str>,
    pub(super) properties: &'a [Property],
}

/// Writes the schema, without examples.
pub(super) fn schema(guard: &Guard<'_>) -> Value {
    let properties: Map<_, _> = guard.properties.iter().map(|p| (p.name.clone(), property(p))).collect();
    let mut schema = Map::new();
    let mut put = |name: &str, value: Value| schema.insert(name.to_owned(), value);
    put("$schema", json!("https://json-schema.org/draft/2020-12/schema"));
    put("$id", json!(format!("urn:patchgate:schema:{}", guard.name)));
    put("title", json!(guard.title.unwrap_or(guard.name)));
    put("x-source", source(guard));
    put("x-guard", x_guard(guard));
    put("type", json!("object"));
    put("properties", Value::Object(properties));
    put("additionalProperties", json!(false));
    put("minProperties", json!(1));
    Value::Object(schema)
}

fn source(guard: &Guard<'_>) -> Value {
    let rows = [
        ("date", guard.date),
        ("namespace", guard.namespace),
        ("sha256", Some(guard.sha256)),
        ("deriver", Some(guard.deriver)),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect()
}

fn x_guard(guard: &Guard<'_>) -> Value {
    let paths: Vec<_> = guard.paths.all.iter().map(|path| path.template.as_str()).collect();
    let versions: Vec<_> = guard.versions.iter().map(|version| version.segment()).collect();
    let clouds: Vec<_> = guard.clouds.iter().map(|cloud| cloud.name()).collect();
    let key =
        |key: &Key| (key.name.clone(), json!({"pattern": key.pattern.as_str(), "example": key.example}));
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
    put("method", json!("PATCH"));
    put("paths", json!(paths));
    put("versions", json!(versions));
    put("keys", Value::Object(guard.keys.iter().map(key).collect()));
    put("requiredHeaders", json!(guard.required_headers));
    if let Some(permission) = guard.permission {
        put("permission", json!(permission));
    }
    put("clouds", json!(clouds));
    if let Some(entity_type) = guard.entity_type {
        put("entityType", json!(entity_type));
    }
    Value::Object(members)
}

/// The schema of one property.
pub(super) fn property(property: &Property) -> Value {
    let mut schema = if property.collection {
        let items = one(&property.admits, MAX_ITEM_TEXT).finish(false);
        let mut schema = Keywords::of("array");
        schema.put("items", Value::Object(items));
        schema.bound("maxItems", json!(MAX_ITEMS), true);
        schema
    } else {
        one(&property.admits, MAX_TEXT)
    }
    .finish(property.null);
    schema.insert("x-graph-type".to_owned(), json!(property.graph_type));
    Value::Object(schema)
}

/// The keywords for one value.
fn one(admits: &Admits, max_text: i64) -> Keywords {
    let text = |name: &str, value: &str| {
        let mut keywords = Keywords::of("string");
        keywords.put(name, json!(value));
        keywords
    };
    match admits {
        Admits::Text(stated) => {
            let mut keywords = Keywords::of("string");
            keywords.bound("maxLength", json!(stated.unwrap_or(max_text)), stated.is_none());
            keywords
        }
        Admits::Choice(values) => choice(values),
        Admits::Boolean => Keywords::of("boolean"),
        Admits::Integer { least, most, exact } => {
            let mut keywords = Keywords::of("integer");
            keywords.bound("minimum", json!(least), !exact);
            keywords.bound("maximum", json!(most), !exact);
            keywords
        }
        Admits::IntegerChoice(values) => {
            let mut keywords = Keywords::of("integer");
            keywords.put("enum", json!(values));
            keywords
        }
        Admits::Number { least, most } => {
            let mut keywords = Keywords::of("number");
            for (name, bound) in [("minimum", least), ("maximum", most)] {
                if let Some(bound) = bound {
                    keywords.put(name, json!(bound));
                }
            }
            keywords
        }
        Admits::DateTime => text("format", "date-time"),
        Admits::Date => text("format", "date"),
        Admits::TimeOfDay => text("pattern", TIME_OF_DAY),
        Admits::Duration => text("pattern", DURATION),
        Admits::Guid => text("format", "uuid"),
        Admits::Binary => {
            let mut keywords = text("pattern", BASE64);
            keywords.bound("maxLength", json!(MAX_BINARY), true);
            keywords
        }
    }
}

/// Each documented value, and its twin in Pascal case where that is another spelling and not itself documented.
fn choice(values: &[String]) -> Keywords {
    let values: Vec<_> = values.iter().map(|value| json!(value)).collect();
    let (accepted, canonical) = spellings(&values);
    let mut keywords = Keywords::of("string");
    keywords.put("enum", Value::Array(accepted));
    keywords.canonical = canonical;
    keywords
}

/// All accepted spellings of documented values, and which documented value each other spelling stands for.
pub(super) fn spellings(values: &[Value]) -> (Vec<Value>, Map<String, Value>) {
    let mut accepted = Vec::new();
    let mut canonical = Map::new();
    for value in values {
        accepted.push(value.clone());
        let twin = value.as_str().and_then(pascal_case).filter(|twin| !values.iter().any(|v| v == twin));
        if let Some(twin) = twin {
            accepted.push(json!(twin));
            canonical.insert(twin, value.clone());
        }
    }
    (accepted, canonical)
}

/// The keywords of a property in the order in which [`property`] writes them.
pub(super) fn in_order(members: Map<String, Value>) -> Map<String, Value> {
    let last = ["x-canonical", "x-ours", "x-graph-type"];
    let rank = |name: &str| match name {
        "type" => 0,
        "items" | "enum" | "pattern" | "format" => 1,
        _ => last.iter().position(|other| *other == name).map_or(2, |at| 3 + at),
    };
    let mut members: Vec<_> = members.into_iter().collect();
    members.sort_by_key(|(name, _)| rank(name));
    members.into_iter().collect()
}

fn pascal_case(value: &str) -> Option<String> {
    let first = value.chars().next().filter(char::is_ascii_lowercase)?;
    let rest = value.get(1..)?;
    Some(format!("{}{rest}", first.to_ascii_uppercase()))
}

/// Keywords in the order in which a schema has them.
struct Keywords {
    type_name: &'static str,
    members: Map<String, Value>,
    canonical: Map<String, Value>,
    ours: Vec<&'static str>,
}

impl Keywords {
    fn of(type_name: &'static str) -> Self {
        // The type's place is the first; what it says depends on null.
        let members = Map::from_iter([("type".to_owned(), Value::Null)]);
        Self { type_name, members, canonical: Map::new(), ours: Vec::new() }
    }

    fn put(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    fn bound(&mut self, name: &'static str, value: Value, ours: bool) {
        self.put(name, value);
        if ours {
            self.ours.push(name);
        }
    }

    fn finish(mut self, null: bool) -> Map<String, Value> {
        let type_name = if null { json!([self.type_name, "null"]) } else { json!(self.type_name) };
        self.put("type", type_name);
        if let (true, Some(Value::Array(accepted))) = (null, self.members.get_mut("enum")) {
            accepted.push(Value::Null);
        }
        if !self.canonical.is_empty() {
            let canonical = std::mem::take(&mut self.canonical);
            self.put("x-canonical", Value::Object(canonical));
        }
        if !self.ours.is_empty() {
            let ours = json!(self.ours);
            self.put("x-ours", ours);
        }
        self.members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_value_has_its_keywords() {
        let choice = || Admits::Choice(vec!["a".into(), "b".into(), "B".into(), "9".into(), String::new()]);
        let rows = [
            (
                Admits::Text(None),
                false,
                false,
                r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"T"}"#,
            ),
            (
                Admits::Text(Some(64)),
                false,
                true,
                r#"{"type":["string","null"],"maxLength":64,"x-graph-type":"T"}"#,
            ),
            (
                Admits::Text(None),
                true,
                false,
                r#"{"type":"array","items":{"type":"string","maxLength":256,"x-ours":["maxLength"]},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"T"}"#,
            ),
            (
                choice(),
                false,
                true,
                r#"{"type":["string","null"],"enum":["a","A","b","B","9","",null],"x-canonical":{"A":"a"},"x-graph-type":"T"}"#,
            ),
            (
                Admits::Choice(vec!["One".into()]),
                true,
                false,
                r#"{"type":"array","items":{"type":"string","enum":["One"]},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"T"}"#,
            ),
            (Admits::Boolean, false, false, r#"{"type":"boolean","x-graph-type":"T"}"#),
            (
                Admits::Integer { least: -1, most: 9, exact: false },
                false,
                false,
                r#"{"type":"integer","minimum":-1,"maximum":9,"x-ours":["minimum","maximum"],"x-graph-type":"T"}"#,
            ),
            (
                Admits::IntegerChoice(vec![2, 4]),
                false,
                false,
                r#"{"type":"integer","enum":[2,4],"x-graph-type":"T"}"#,
            ),
            (
                Admits::Number { least: None, most: None },
                false,
                false,
                r#"{"type":"number","x-graph-type":"T"}"#,
            ),
            (Admits::DateTime, false, false, r#"{"type":"string","format":"date-time","x-graph-type":"T"}"#),
            (Admits::Guid, false, false, r#"{"type":"string","format":"uuid","x-graph-type":"T"}"#),
        ];
        for (admits, collection, null, expected) in rows {
            let row = Property { name: "p".into(), graph_type: "T".into(), collection, null, admits };
            assert_eq!(property(&row).to_string(), expected);
        }
    }
}
