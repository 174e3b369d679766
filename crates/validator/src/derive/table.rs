//! The table of properties, row by row: what each property admits.
//!
//! INVARIANT: a row becomes a property, or a note that it was left out, or an error. None is dropped in silence.

use std::collections::BTreeMap;

use serde_json::Number;

use super::bounds::{self, Range};
use super::error::{DeriveError, Note, Reason};
use super::markdown::{Cell, Kind, Place, Row, Table};
use super::prose::Prose;
use super::types::{self, EXACT, Linked, One, TypeName};
use super::values::{self, Listed};

/// A property that an update may set.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: String,
    /// The type as the schema names it.
    pub(super) graph_type: String,
    pub(super) collection: bool,
    pub(super) null: bool,
    pub(super) admits: Admits,
}

/// What one value may be. Collections hold such values.
#[derive(Debug, PartialEq)]
pub(super) enum Admits {
    /// Text; the length that the page states, if any.
    Text(Option<i64>),
    Choice(Vec<String>),
    Boolean,
    /// Whole numbers, and whether the bounds are the page's or its type's.
    Integer {
        least: i64,
        most: i64,
        exact: bool,
    },
    IntegerChoice(Vec<i64>),
    /// Numbers; the bounds that the page states, if any.
    Number {
        least: Option<Number>,
        most: Option<Number>,
    },
    DateTime,
    Date,
    TimeOfDay,
    Duration,
    Guid,
    Binary,
}

/// The properties of a table, and the names that are left out.
#[derive(Debug)]
pub(super) struct Properties {
    pub(super) listed: Vec<Property>,
    /// Rows that the page has and an update must not set.
    pub(super) left_out: Vec<String>,
}

/// Which column holds what.
#[derive(Debug, Clone, Copy)]
struct Columns {
    name: usize,
    type_name: usize,
    description: usize,
}

/// Whether a table lists properties.
pub(super) fn is_of_properties(table: &Table) -> bool {
    name_and_type(&titles(table)).is_some()
}

fn titles(table: &Table) -> Vec<String> {
    table.header.iter().map(|cell| cell.text().to_ascii_lowercase()).collect()
}

fn find(titles: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| titles.iter().position(|title| title == name))
}

fn name_and_type(titles: &[String]) -> Option<(usize, usize)> {
    let name = find(titles, &["property", "properties", "parameter", "name", "property name"])?;
    Some((name, find(titles, &["type", "data type"])?))
}

/// Finds the columns. The description is needed, since it bounds the values; what else would bound them is an error.
fn columns(table: &Table, notes: &mut Vec<Note>) -> Result<Columns, DeriveError> {
    let titles = titles(table);
    let Some((name, type_name)) = name_and_type(&titles) else {
        let expected = "columns 'Property' and 'Type'";
        return Err(DeriveError::described(Reason::NoTable, table.place, "a table", expected));
    };
    let others = table.header.iter().zip(&titles).enumerate();
    let mut others = others.filter(|(at, _)| *at != name && *at != type_name);
    let Some(description) = find(&titles, &["description", "value"]) else {
        let expected = "a column 'Description'";
        let error = match others.next() {
            Some((_, (cell, _))) => DeriveError::new(Reason::NoTable, cell.place, &cell.text(), expected),
            None => DeriveError::described(Reason::NoTable, table.place, "a table without it", expected),
        };
        return Err(DeriveError { hint: None, ..error });
    };
    for (at, (cell, title)) in others.filter(|(at, _)| *at != description) {
        if bounds_values(title) {
            let expected = "columns 'Property', 'Type' and 'Description' that say it all";
            return Err(DeriveError::new(Reason::UnknownColumn, cell.place, &cell.text(), expected));
        }
        let empty = |row: &Row| row.cells.get(at).is_none_or(|cell| cell.text().is_empty());
        if !title.is_empty() || !table.rows.iter().all(empty) {
            let text = format!("the column '{}' was not read", cell.text());
            notes.push(Note::new("otherColumn", cell.place, text));
        }
    }
    Ok(Columns { name, type_name, description })
}

/// Whether a column of this title, in lower case, would say which values a property takes, or that it takes none.
fn bounds_values(title: &str) -> bool {
    let mut words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let bounds = |word: &str| {
        matches!(
            word,
            "read"
                | "readonly"
                | "write"
                | "writable"
                | "writeable"
                | "updatable"
                | "updateable"
                | "editable"
                | "mutable"
                | "access"
                | "null"
                | "nullable"
                | "value"
                | "values"
                | "enum"
        )
    };
    !title.starts_with("default") && words.any(bounds)
}

/// Reads a table of properties.
pub(super) fn read(
    table: &Table,
    namespace: Option<&str>,
    notes: &mut Vec<Note>,
) -> Result<Properties, DeriveError> {
    let columns = columns(table, notes)?;
    let mut properties = Properties { listed: Vec::new(), left_out: Vec::new() };
    let mut seen = BTreeMap::new();
    for row in &table.rows {
        let Some(name) = name(row, columns, notes)? else { continue };
        if let Some(first) = seen.insert(name.to_ascii_lowercase(), row.place.line) {
            let expected = format!("a name that differs from the one in line {first}");
            return Err(DeriveError::new(Reason::DuplicateProperty, row.place, &name, expected));
        }
        let empty = Vec::new();
        let description = row.cells.get(columns.description).map_or(&empty, |cell| &cell.spans);
        let prose = Prose::of(description);
        let key = name == "id" || prose.says(&["key", "of", "the", "entity"]);
        if key || prose.read_only() {
            let (code, why) =
                if key { ("key", "it is the key") } else { ("readOnly", "the page calls it read-only") };
            notes.push(Note::new(code, row.place, format!("'{name}' is left out: {why}")));
            properties.left_out.push(name);
            continue;
        }
        properties.listed.push(property(name, row, columns, &prose, namespace, notes)?);
    }
    if properties.listed.is_empty() {
        let read = "a table without any";
        return Err(DeriveError::described(
            Reason::NoProperties,
            table.place,
            read,
            "properties that an update can set",
        ));
    }
    Ok(properties)
}

/// The name of a row's property; nothing for a row that is there for people.
fn name(row: &Row, columns: Columns, notes: &mut Vec<Note>) -> Result<Option<String>, DeriveError> {
    if !row.excess.is_empty() {
        let place = row.cells.last().map_or(row.place, |cell| cell.place);
        let error = DeriveError::new(Reason::UnreadableRow, place, &row.excess, "the end of the row");
        return Err(DeriveError { hint: Some(r"a '|' within a cell is written '\|'"), ..error });
    }
    let Some(cell) = row.cells.get(columns.name) else { return Ok(None) };
    let text = cell.text();
    if row.cells.iter().all(|cell| cell.text().is_empty()) {
        return Ok(None);
    }
    let others_empty = row.cells.iter().filter(|cell| !cell.text().is_empty()).count() == 1;
    if others_empty && !text.is_empty() && is_dressed(cell) {
        notes.push(Note::new("heading", row.place, format!("'{text}' is a heading within the table")));
        return Ok(None);
    }
    let bare = text.strip_suffix("(deprecated)").unwrap_or(&text).trim();
    if bare == "@odata.type" {
        notes.push(Note::new(
            "annotation",
            row.place,
            "'@odata.type' is no property; the gateway checks it".to_owned(),
        ));
        return Ok(None);
    }
    let good = is_property_name(bare);
    if good && !others_empty {
        return Ok(Some(bare.to_owned()));
    }
    let expected = if good { "a type beside the name" } else { "the name of a property" };
    Err(DeriveError::new(Reason::UnreadableRow, cell.place, &text, expected))
}

/// Whether a property can be called so.
pub(super) fn is_property_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether all of a cell is bold.
fn is_dressed(cell: &Cell) -> bool {
    cell.spans.iter().all(|span| span.kind == Kind::Strong || span.text.trim().is_empty())
}

fn property(
    name: String,
    row: &Row,
    columns: Columns,
    prose: &Prose,
    namespace: Option<&str>,
    notes: &mut Vec<Note>,
) -> Result<Property, DeriveError> {
    let Some(cell) = row.cells.get(columns.type_name) else {
        return Err(DeriveError::described(Reason::UnknownType, row.place, "nothing", "a type"));
    };
    let type_name = types::read(cell, namespace)?;
    let place = row.cells.get(columns.description).map_or(cell.place, |cell| cell.place);
    let list = match type_name.one {
        One::Text | One::Named { .. } => values::listed(prose, place)?,
        One::Integer(..) if bounds::range(prose).is_none() => values::listed(prose, place)?,
        // The other types say all there is to say about their values.
        _ => None,
    };
    // What forbids null outweighs what admits it, wherever the page says either.
    let null = prose.nullable().unwrap_or(type_name.null || list.as_ref().is_some_and(|list| list.null));
    let chosen = list.as_ref().is_some_and(|list| !list.values.is_empty());
    if chosen && values::combines(prose) {
        let text = format!("'{name}' can combine values on the page; the schema admits one at a time");
        notes.push(Note::new("combined", row.place, text));
    }
    if let Some(list) = list.as_ref().filter(|list| chosen && !list.behind.is_empty()) {
        let names = list.behind.join("', '");
        let text = format!(
            "'{name}': the page names '{names}' behind the list of values, which is taken as it stands"
        );
        notes.push(Note::new("valuesBehindList", row.place, text));
    }
    let number = matches!(type_name.one, One::Integer(..) | One::Number(_));
    if number && !chosen && bounds::range(prose).is_none() && values::announced(prose) {
        let text = format!("'{name}': what the page says of its values was not read; any of its type passes");
        notes.push(Note::new("valuesLeftOut", row.place, text));
    }
    let graph_type = type_name.described();
    let admits = admits(&type_name, list, prose, cell, place)?;
    Ok(Property { name, graph_type, collection: type_name.collection, null, admits })
}

/// What a single value of a property may be.
fn admits(
    type_name: &TypeName,
    list: Option<Listed>,
    prose: &Prose,
    cell: &Cell,
    description: Place,
) -> Result<Admits, DeriveError> {
    let list = list.filter(|list| !list.values.is_empty());
    Ok(match &type_name.one {
        One::Text => match list {
            // An empty collection has no empty value in it.
            Some(list) => Admits::Choice(with_empty(list, !type_name.collection)),
            None => Admits::Text(bounds::max_length(prose)),
        },
        One::Named { name, linked } => match list {
            Some(list) => Admits::Choice(with_empty(list, false)),
            None => return Err(without_values(name, *linked, cell)),
        },
        One::Integer(_, least, most) => match (list, bounds::range(prose)) {
            (Some(list), _) => Admits::IntegerChoice(integers(&list, *least, *most, description)?),
            (None, Some(range)) => {
                let bounds = bounds::integers(&range, *least, *most);
                let (least, most, exact) = bounds.ok_or_else(|| unclear(&range, description))?;
                Admits::Integer { least, most, exact }
            }
            (None, None) => {
                let exact = *most != EXACT;
                Admits::Integer { least: *least, most: *most, exact }
            }
        },
        One::Number(_) => {
            let bounds = bounds::range(prose)
                .map(|range| bounds::numbers(&range).ok_or_else(|| unclear(&range, description)));
            let (least, most) = bounds.transpose()?.unwrap_or_default();
            Admits::Number { least, most }
        }
        One::Boolean => Admits::Boolean,
        One::DateTime => Admits::DateTime,
        One::Date => Admits::Date,
        One::TimeOfDay => Admits::TimeOfDay,
        One::Duration => Admits::Duration,
        One::Guid => Admits::Guid,
        One::Binary => Admits::Binary,
    })
}

fn unclear((from, to): &Range, place: Place) -> DeriveError {
    DeriveError::new(Reason::BoundsUnclear, place, &format!("{from} to {to}"), "bounds that admit a value")
}

fn with_empty(list: Listed, empty: bool) -> Vec<String> {
    let mut values = list.values;
    if empty && list.empty {
        values.push(String::new());
    }
    values
}

fn integers(list: &Listed, least: i64, most: i64, place: Place) -> Result<Vec<i64>, DeriveError> {
    let integer = |text: &String| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number
            .ok_or_else(|| DeriveError::new(Reason::ValuesUnclear, place, text, "a whole number of the type"))
    };
    let mut integers = Vec::new();
    for value in list.values.iter().map(integer) {
        // A page may write one number in two ways.
        let value = value?;
        if !integers.contains(&value) {
            integers.push(value);
        }
    }
    Ok(integers)
}

/// Why a named type without values is refused: by where its name leads.
fn without_values(name: &str, linked: Linked, cell: &Cell) -> DeriveError {
    let (reason, expected) = match linked {
        Linked::Page => (Reason::ComplexType, "a single value, or values in the description"),
        Linked::Section => (Reason::EnumWithoutValues, "its values in the description"),
        Linked::No if cell.text().contains('.') && name.contains('.') => {
            (Reason::EnumWithoutValues, "its values in the description")
        }
        Linked::No => (
            Reason::UnknownType,
            "a type such as 'String', or the name of an enumeration with its values in the description",
        ),
    };
    let error = DeriveError::new(reason, cell.place, &cell.text(), expected);
    if reason == Reason::UnknownType { error.perhaps(&cell.text(), types::NAMES) } else { error }
}
