//! The lists of a configuration: `[[guard]]` and `[[route]]`. They stand in the file only.

use std::ops::Range;

use patchgate_journal::Keep;
use patchgate_model::quote::Quoted;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Place};
use super::file::{self, Read};
use super::value::Value;
use super::{Guard, Route};

/// A string in a list's item, with its place.
struct Text {
    value: String,
    span: Range<usize>,
}

/// Reads `[[guard]]`; an item is there only if it is whole.
pub(super) fn guards(value: &Spanned<DeValue<'_>>, read: &mut Read) {
    let mut guards = Vec::new();
    for Item { span, table, key } in items("guard", value, read) {
        known("[[guard]]", table, &["schema", "record"], read);
        let form = "the name of a schema that ships, or the path of one";
        let record = record(&format!("guard[{}].record", guards.len()), table, read);
        let Some(schema) = text(&key, "schema", form, &span, table, read) else { continue };
        read.places.insert(format!("guard[{}]", guards.len()), span);
        read.places.insert(format!("guard[{}].schema", guards.len()), schema.span);
        guards.push(Guard { schema: schema.value, record });
    }
    read.guards = Some(guards);
}

/// How the fields of a guard stand on record. The place of each is its name: whether it is a field, the schema says.
fn record(key: &str, table: &DeTable<'_>, read: &mut Read) -> Vec<(String, Keep)> {
    let Some(value) = table.get("record") else { return Vec::new() };
    let Some(fields) = value.get_ref().as_table() else {
        let message = format!("this is {}", file::kind(value.get_ref()));
        let fault = Fault::new(key, Place::File(value.span()), message);
        read.faults
            .push(fault.help(format!("expected a table with, for the name of a field, {}", Keep::form())));
        return Vec::new();
    };
    let mut rules = Vec::new();
    for (field, value) in fields {
        let key = of_field(key, field.get_ref());
        let keep = match value.get_ref() {
            DeValue::String(word) => Keep::parse(word),
            other => Err(format!("this is {}", file::kind(other))),
        };
        match keep {
            Ok(keep) => {
                read.places.insert(key, field.span());
                rules.push((field.get_ref().clone().into_owned(), keep));
            }
            Err(message) => {
                let fault = Fault::new(key, Place::File(value.span()), message);
                read.faults.push(fault.help(format!("expected {}", Keep::form())));
            }
        }
    }
    rules
}

/// The key of a field in a guard's `record`.
pub fn of_field(record: &str, field: &str) -> String {
    format!("{record}.{}", Quoted(field))
}

/// Reads `[[route]]`.
pub(super) fn routes(value: &Spanned<DeValue<'_>>, read: &mut Read) {
    let mut routes = Vec::new();
    for Item { span, table, key } in items("route", value, read) {
        known("[[route]]", table, &["methods", "path"], read);
        methods(&key, &span, table, read);
        let form = "a path such as \"/{version}/users/{userId}\"";
        let Some(path) = text(&key, "path", form, &span, table, read) else { continue };
        read.places.insert(format!("route[{}]", routes.len()), span);
        read.places.insert(format!("route[{}].path", routes.len()), path.span);
        routes.push(Route { path: path.value });
    }
    read.routes = Some(routes);
}

/// An item of a list.
struct Item<'v, 'i> {
    /// Such as `guard[0]`.
    key: String,
    span: Range<usize>,
    table: &'v DeTable<'i>,
}

/// The items of a list that are tables.
fn items<'v, 'i>(list: &str, value: &'v Spanned<DeValue<'i>>, read: &mut Read) -> Vec<Item<'v, 'i>> {
    read.places.insert(list.to_owned(), value.span());
    let Some(array) = value.get_ref().as_array() else {
        let fault =
            Fault::new(list, Place::File(value.span()), format!("this is {}", file::kind(value.get_ref())));
        read.faults.push(fault.help(format!("each {list} begins with a line [[{list}]]")));
        read.hide_unfit(value);
        return Vec::new();
    };
    let mut found = Vec::new();
    for (index, item) in array.iter().enumerate() {
        let key = format!("{list}[{index}]");
        if let Some(table) = item.get_ref().as_table() {
            found.push(Item { key, span: item.span(), table });
            continue;
        }
        let message = format!("this is {}", file::kind(item.get_ref()));
        let fault = Fault::new(key, Place::File(item.span()), message);
        read.faults.push(fault.help(format!("each {list} begins with a line [[{list}]]")));
    }
    found
}

fn known(at: &str, table: &DeTable<'_>, names: &[&str], read: &mut Read) {
    for (key, value) in table {
        if !names.contains(&key.get_ref().as_ref()) {
            read.unknown(at, key, value, names);
        }
    }
}

fn text(
    item_key: &str,
    name: &str,
    form: &str,
    item: &Range<usize>,
    table: &DeTable<'_>,
    read: &mut Read,
) -> Option<Text> {
    let Some(value) = table.get(name) else {
        let message = format!("there is no '{name}'");
        read.faults.push(
            Fault::new(item_key, Place::File(item.clone()), message).help(format!("'{name}' is {form}")),
        );
        return None;
    };
    let key = format!("{item_key}.{name}");
    match value.get_ref() {
        DeValue::String(text) if text.is_empty() => {
            read.faults.push(
                Fault::new(key, Place::File(value.span()), "it is empty").help(format!("expected {form}")),
            );
            None
        }
        DeValue::String(text) => Some(Text { value: text.clone().into_owned(), span: value.span() }),
        other => {
            let message = format!("this is {}", file::kind(other));
            read.faults
                .push(Fault::new(key, Place::File(value.span()), message).help(format!("expected {form}")));
            read.hide_unfit(value);
            None
        }
    }
}

/// A route's methods: `GET`, and nothing else, each time.
fn methods(item_key: &str, item: &Range<usize>, table: &DeTable<'_>, read: &mut Read) {
    let only = "expected [\"GET\"]: what can be configured besides guards is reading";
    let Some(value) = table.get("methods") else {
        let fault = Fault::new(item_key, Place::File(item.clone()), "there is no 'methods'");
        read.faults.push(fault.help(only));
        return;
    };
    let mut wrong = |span: Range<usize>, message: String, help: &str| {
        read.faults.push(Fault::new(format!("{item_key}.methods"), Place::File(span), message).help(help));
    };
    let Some(array) = value.get_ref().as_array() else {
        wrong(value.span(), format!("this is {}", file::kind(value.get_ref())), only);
        return;
    };
    if array.is_empty() {
        wrong(value.span(), "there is none".to_owned(), only);
    }
    for method in array {
        match method.get_ref() {
            DeValue::String(name) if name == "GET" => {}
            DeValue::String(name) if name.eq_ignore_ascii_case("GET") => {
                wrong(method.span(), format!("\"{name}\" is not a method; did you mean \"GET\"?"), only);
            }
            DeValue::String(name) if ["PATCH", "POST", "PUT", "DELETE"].contains(&name.as_ref()) => wrong(
                method.span(),
                format!("{name} writes, and what writes needs a guard: a route forwards a request as it is"),
                "add a [[guard]] with a schema for this path; patchgate checks updates by PATCH only",
            ),
            DeValue::String(name) => wrong(
                method.span(),
                format!("\"{}\" is not a method that can be configured", Quoted(name)),
                only,
            ),
            other => wrong(method.span(), format!("this is {}", file::kind(other)), only),
        }
    }
}
