//! What a second schema accepts that a first one refuses, and the other way round.
//!
//! INVARIANT: a document that the first schema accepts and the second refuses has a change that may be [narrower]
//! (`Effect::narrows`); one that goes the other way has a change that may be wider. Where two rules can't be compared, such
//! as two patterns, the change counts as both.
//!
//! [narrower]: Effect::narrows

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Schema;
use super::guard::Guard;
use super::shape::Shape;

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The property, such as `place.room` or `tags[]` for the items of `tags`; empty for the whole edit or its route.
    pub at: String,
    /// What differs.
    pub what: What,
    /// What the first schema has, if anything.
    pub before: Option<Value>,
    /// What the second schema has, if anything.
    pub after: Option<Value>,
    /// What it does to the edits that pass.
    pub effect: Effect,
}

/// What a difference does to the edits that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Edits pass that did not.
    Wider,
    /// Edits are refused that passed.
    Narrower,
    /// Either may be the case, or both.
    Either,
    /// The same edits pass.
    Same,
}

impl Effect {
    /// The word for tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wider => "wider",
            Self::Narrower => "narrower",
            Self::Either => "wider or narrower",
            Self::Same => "same",
        }
    }

    /// Whether an edit may be refused that passed.
    pub const fn narrows(self) -> bool {
        matches!(self, Self::Narrower | Self::Either)
    }

    /// Whether an edit may pass that was refused.
    pub const fn widens(self) -> bool {
        matches!(self, Self::Wider | Self::Either)
    }
}

/// What can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// A property.
    Property,
    /// That a property must be there.
    Required,
    /// A type other than null.
    Type,
    /// That null is a value.
    Null,
    /// A value of a list of values.
    Value,
    /// That there is a list of values.
    ValueList,
    /// Which documented value another spelling is forwarded as.
    Spelling,
    /// A bound or form, by its keyword.
    Bound(&'static str),
    /// The type as Graph names it.
    GraphType,
    /// A path of the route.
    Path,
    /// A version of Graph.
    Version,
    /// The pattern of a key.
    Key,
    /// A header that a request must have.
    Header,
    /// The permission that the update needs.
    Permission,
    /// A cloud in which Graph offers the update.
    Cloud,
    /// The type that a body may state.
    EntityType,
}

impl What {
    /// The word for tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Property => "property",
            Self::Required => "required",
            Self::Type => "type",
            Self::Null => "null",
            Self::Value => "value",
            Self::ValueList => "list of values",
            Self::Spelling => "spelling",
            Self::Bound(keyword) => keyword,
            Self::GraphType => "type in Graph",
            Self::Path => "path",
            Self::Version => "version",
            Self::Key => "key",
            Self::Header => "required header",
            Self::Permission => "permission",
            Self::Cloud => "cloud",
            Self::EntityType => "entity type",
        }
    }

    /// Whether it is a limit on values that are not listed one by one.
    pub(crate) const fn is_limit(self) -> bool {
        matches!(self, Self::Type | Self::ValueList | Self::Bound(_) | Self::Required)
    }
}

/// Keywords that admit less the higher they are.
const LEAST: [&str; 5] = ["minLength", "minItems", "minProperties", "minimum", "exclusiveMinimum"];
/// Keywords that admit less the lower they are.
const MOST: [&str; 5] = ["maxLength", "maxItems", "maxProperties", "maximum", "exclusiveMaximum"];
/// Keywords of which two values can't be compared.
const FORMS: [&str; 2] = ["pattern", "format"];

/// What differs from `before` to `after`: first the route, then the properties in their order.
pub fn diff(before: &Schema, after: &Schema) -> Vec<Change> {
    let mut found = Vec::new();
    guards(before.guard(), after.guard(), &mut found);
    values("", before.document(), after.document(), &mut found);
    found
}

/// The differences of one property's schema.
pub(crate) fn of_property(name: &str, before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    values(name, before, after, &mut found);
    found
}

fn change(at: &str, what: What, before: Option<Value>, after: Option<Value>, effect: Effect) -> Change {
    Change { at: at.to_owned(), what, before, after, effect }
}

/// Something that more of makes wider; the members of `before` and `after` that only one of them has.
fn members(what: What, before: &[&str], after: &[&str], found: &mut Vec<Change>) {
    let gone = before.iter().filter(|name| !after.contains(name));
    found.extend(gone.map(|name| change("", what, Some(json!(name)), None, Effect::Narrower)));
    let new = after.iter().filter(|name| !before.contains(name));
    found.extend(new.map(|name| change("", what, None, Some(json!(name)), Effect::Wider)));
}

fn guards(before: &Guard, after: &Guard, found: &mut Vec<Change>) {
    fn names<'a, T>(all: &'a [T], name: impl Fn(&'a T) -> &'a str) -> Vec<&'a str> {
        all.iter().map(name).collect()
    }
    let paths =
        |guard: &'_ Guard| guard.paths.iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>();
    let (paths_before, paths_after) = (paths(before), paths(after));
    members(What::Path, &names(&paths_before, String::as_str), &names(&paths_after, String::as_str), found);
    let versions = |guard: &'_ Guard| guard.versions.iter().map(|v| v.segment()).collect::<Vec<_>>();
    members(What::Version, &versions(before), &versions(after), found);
    let clouds = |guard: &'_ Guard| guard.clouds.iter().map(|cloud| cloud.name()).collect::<Vec<_>>();
    members(What::Cloud, &clouds(before), &clouds(after), found);

    for (name, key) in &before.keys {
        // A key that only one of them has belongs to a path that only one of them has.
        let other = after.keys.get(name).map(|key| key.pattern.as_str());
        if let Some(other) = other.filter(|other| *other != key.pattern.as_str()) {
            let (was, is) = (json!(key.pattern.as_str()), json!(other));
            found.push(change(name, What::Key, Some(was), Some(is), Effect::Either));
        }
    }
    let headers = |guard: &'_ Guard| {
        guard.required_headers.iter().map(|name| name.to_ascii_lowercase()).collect::<BTreeSet<_>>()
    };
    let (was, is) = (headers(before), headers(after));
    found.extend(
        is.difference(&was).map(|h| change("", What::Header, None, Some(json!(h)), Effect::Narrower)),
    );
    found.extend(was.difference(&is).map(|h| change("", What::Header, Some(json!(h)), None, Effect::Wider)));
    // Who has no permission is refused by Graph; to have none of the body's type stated refuses one that states it.
    one(What::Permission, before.permission.as_deref(), after.permission.as_deref(), Effect::Narrower, found);
    one(What::EntityType, before.entity_type.as_deref(), after.entity_type.as_deref(), Effect::Wider, found);
}

/// Something that is there once at most; `new` is what it does where there was none.
fn one(what: What, before: Option<&str>, after: Option<&str>, new: Effect, found: &mut Vec<Change>) {
    let effect = match (before, after) {
        (None, Some(_)) => new,
        (Some(_), None) if new == Effect::Wider => Effect::Narrower,
        (Some(_), None) => Effect::Wider,
        _ if before == after => return,
        _ => Effect::Either,
    };
    found.push(change("", what, before.map(|v| json!(v)), after.map(|v| json!(v)), effect));
}

/// The differences of two schemas of a value, and of what lies in it.
fn values(at: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else { return };
    types(at, before, after, found);
    listed(at, before, after, found);
    for keyword in LEAST.into_iter().chain(MOST).chain(FORMS).chain(["uniqueItems"]) {
        bound(at, keyword, before, after, found);
    }
    let graph_type = |schema: &'_ Map<String, Value>| schema.get("x-graph-type").cloned();
    if graph_type(before) != graph_type(after) {
        found.push(change(at, What::GraphType, graph_type(before), graph_type(after), Effect::Same));
    }
    if let (Some(before), Some(after)) = (before.get("items"), after.get("items")) {
        values(&format!("{at}[]"), before, after, found);
    }
    properties(at, before, after, found);
}

fn types(at: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<Change>) {
    let (was, is) = (type_names(before), type_names(after));
    let admits = |types: &[String], name: &str| {
        types.iter().any(|t| t == name || (name == "integer" && t == "number"))
    };
    // Every integer is a number.
    for name in was.iter().filter(|name| !admits(&is, name) && *name != "null") {
        found.push(change(at, What::Type, Some(json!(name)), None, Effect::Narrower));
    }
    for name in is.iter().filter(|name| !admits(&was, name) && *name != "null") {
        found.push(change(at, What::Type, None, Some(json!(name)), Effect::Wider));
    }
    match (null(before), null(after)) {
        (false, true) => found.push(change(at, What::Null, None, Some(Value::Null), Effect::Wider)),
        (true, false) => found.push(change(at, What::Null, Some(Value::Null), None, Effect::Narrower)),
        _ => {}
    }
}

fn type_names(schema: &Map<String, Value>) -> Vec<String> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Whether null passes: it must be a type, and in the list of values, where there is one.
fn null(schema: &Map<String, Value>) -> bool {
    let listed = schema.get("enum").and_then(Value::as_array).is_none_or(|list| list.contains(&Value::Null));
    listed && type_names(schema).iter().any(|name| name == "null")
}

/// The values of a list, spellings included, null not.
fn listed(at: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<Change>) {
    let list = |schema: &'_ Map<String, Value>| {
        let list = schema.get("enum")?.as_array()?;
        Some(list.iter().filter(|value| !value.is_null()).cloned().collect::<Vec<_>>())
    };
    let documented = |schema: &'_ Map<String, Value>, value: &Value| {
        schema.get("x-canonical")?.get(value.as_str()?).cloned()
    };
    let (was, is) = match (list(before), list(after)) {
        (None, None) => return,
        (Some(was), None) => {
            return found.push(change(at, What::ValueList, Some(Value::Array(was)), None, Effect::Wider));
        }
        (None, Some(is)) => {
            return found.push(change(at, What::ValueList, None, Some(Value::Array(is)), Effect::Narrower));
        }
        (Some(was), Some(is)) => (was, is),
    };
    // Another spelling that comes and goes with its value is not told beside it.
    let alone = |value: &Value, of: &Map<String, Value>, other: &[Value]| {
        !other.contains(value) && documented(of, value).is_none_or(|value| other.contains(&value))
    };
    for value in was.iter().filter(|value| alone(value, before, &is)) {
        found.push(change(at, What::Value, Some(value.clone()), None, Effect::Narrower));
    }
    for value in is.iter().filter(|value| alone(value, after, &was)) {
        found.push(change(at, What::Value, None, Some(value.clone()), Effect::Wider));
    }
    for value in was.iter().filter(|value| is.contains(value)) {
        let forwarded = |schema| documented(schema, value).unwrap_or_else(|| value.clone());
        let (was, is) = (forwarded(before), forwarded(after));
        if was != is {
            found.push(change(at, What::Spelling, Some(was), Some(is), Effect::Same));
        }
    }
}

fn bound(
    at: &str,
    keyword: &'static str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Change>,
) {
    // To ask for unique items with `false` is not to ask.
    let of = |schema: &'_ Map<String, Value>| schema.get(keyword).filter(|v| **v != json!(false)).cloned();
    let (was, is) = (of(before), of(after));
    let effect = match (&was, &is) {
        (None, None) => return,
        (None, Some(_)) => Effect::Narrower,
        (Some(_), None) => Effect::Wider,
        (Some(was), Some(is)) => match (was.as_f64(), is.as_f64()) {
            (Some(was), Some(is)) if was.total_cmp(&is).is_eq() => return,
            (Some(was), Some(is)) if (is > was) == LEAST.contains(&keyword) => Effect::Narrower,
            (Some(_), Some(_)) => Effect::Wider,
            _ if was == is => return,
            _ => Effect::Either,
        },
    };
    found.push(change(at, What::Bound(keyword), was, is, effect));
}

fn properties(at: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<Change>) {
    let none = Map::new();
    let of = |schema: &'_ Map<String, Value>| {
        schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_else(|| none.clone())
    };
    let (was, is) = (of(before), of(after));
    let path = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let described = |schema: &Value| json!(Shape::read(schema).described());
    for (name, schema) in &was {
        match is.get(name) {
            Some(other) => values(&path(name), schema, other, found),
            None => found.push(change(
                &path(name),
                What::Property,
                Some(described(schema)),
                None,
                Effect::Narrower,
            )),
        }
    }
    for (name, schema) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
        found.push(change(&path(name), What::Property, None, Some(described(schema)), Effect::Wider));
    }
    let required = |schema: &'_ Map<String, Value>| {
        let list = schema.get("required").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let (was, is) = (required(before), required(after));
    let must = || Some(json!(true));
    found.extend(
        is.difference(&was).map(|n| change(&path(n), What::Required, None, must(), Effect::Narrower)),
    );
    found.extend(was.difference(&is).map(|n| change(&path(n), What::Required, must(), None, Effect::Wider)));
}
