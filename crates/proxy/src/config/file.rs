//! The text of a configuration file, taken apart: each value with its place, and all that cannot be in it.

use std::collections::BTreeMap;
use std::ops::Range;

use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::fault::{Fault, Place};
use super::settings::{self, Setting};
use super::value::Kind;
use super::{Guard, Route, list};

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// The values of single keys, as text, with their places.
    pub(super) values: Vec<(&'static Setting, String, Range<usize>)>,
    /// The guards, if it has any list of them.
    pub(super) guards: Option<Vec<Guard>>,
    /// The routes, if it has any list of them.
    pub(super) routes: Option<Vec<Route>>,
    /// Where tables and the items of lists are, by their paths.
    pub(super) places: BTreeMap<String, Range<usize>>,
    /// What must not be shown: the values of keys that nobody knows, and what may be a password.
    pub(super) hidden: Vec<Range<usize>>,
    /// What is wrong.
    pub(super) faults: Vec<Fault>,
}

/// Reads a file's text.
pub(super) fn read(text: &str) -> Read {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut read = Read::default();
    if errors.is_empty() {
        read.table("", table.get_ref());
    } else {
        // What follows from a syntax error would be noise.
        read.faults = errors.iter().map(|error| syntax(text, error)).collect();
    }
    read
}

fn syntax(text: &str, error: &toml::de::Error) -> Fault {
    let end = text.trim_end().len();
    let span = error.span().unwrap_or(end..end);
    let message = format!("this is not TOML: {}", error.message());
    Fault::new("", Place::File(span), message)
}

impl Read {
    fn table(&mut self, at: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            // A dot in quotes is part of a name, not a way into a table.
            if name.is_empty() || name.contains('.') {
                self.unknown(&shown(at), key, value, &settings::names_in(at));
            } else if let Some(setting) = settings::find(&path) {
                self.value(setting, value);
            } else if path == "guard" {
                list::guards(value, self);
            } else if path == "route" {
                list::routes(value, self);
            } else if settings::names_in(&path).is_empty() {
                self.unknown(&shown(at), key, value, &settings::names_in(at));
            } else if let Some(inner) = value.get_ref().as_table() {
                self.table(&path, inner);
            } else {
                let message = format!("this is {}", kind(value.get_ref()));
                let names = settings::names_in(&path).join(", ");
                let help = format!("expected a table, [{path}], with: {names}");
                self.faults.push(Fault::new(path, Place::File(value.span()), message).help(help));
                self.hide_unfit(value);
            }
        }
    }

    fn value(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let span = value.span();
        let text = match (setting.kind, value.get_ref()) {
            (Kind::Text, DeValue::String(text)) => text.clone().into_owned(),
            (Kind::Integer, DeValue::Integer(number)) if number.radix() == 10 => {
                number.as_str().trim_start_matches('+').to_owned()
            }
            (Kind::Boolean, DeValue::Boolean(value)) => value.to_string(),
            (kind, other) => {
                let mut fault =
                    Fault::new(setting.key, Place::File(span), format!("this is {}", self::kind(other)))
                        .help(format!("expected {}", (setting.form)()));
                if let (Kind::Integer | Kind::Boolean, DeValue::String(_)) = (kind, other) {
                    fault = fault.help("write it without quotes");
                }
                self.faults.push(fault);
                self.hide_unfit(value);
                return;
            }
        };
        self.values.push((setting, text, span));
    }

    /// Hides a value, in a table all values: the names in it are to be read.
    fn hide(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => table.values().for_each(|value| self.hide(value)),
            _ => self.hidden.push(value.span()),
        }
    }

    /// Hides what may be a secret in a value that is not of the kind that its key has.
    pub(super) fn hide_unfit(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(_) | DeValue::Array(_) => self.hide(value),
            DeValue::String(text) if text.contains('@') => self.hide(value),
            _ => {}
        }
    }

    /// A key that nobody knows. Its value is not said.
    pub(super) fn unknown(
        &mut self,
        at: &str,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        names: &[&str],
    ) {
        self.hide(value);
        let name = key.get_ref().as_ref();
        let is_table = value.get_ref().is_table() && at.is_empty();
        let what = match (at, is_table) {
            ("", true) => format!("'{}' is not a table of the configuration", Quoted(name)),
            ("", false) => format!("'{}' is not a key of the configuration", Quoted(name)),
            _ => format!("'{}' is not a key of {at}", Quoted(name)),
        };
        let mut fault = Fault::new("", Place::File(key.span()), what);
        // The same name in another table is a better guess than another name in this one.
        let elsewhere = settings::ALL.iter().find(|setting| setting.name() == name);
        if let Some(near) = nearest(name, names.iter().copied()) {
            fault = fault.help(format!("did you mean '{near}'?"));
        } else if let Some(other) = elsewhere {
            fault = fault.help(format!("'{name}' is a key of [{}]", other.table()));
        }
        // Who looks for it looks here.
        if at == "[log]" {
            fault = fault.help("what is logged is said by --log, else by the variable RUST_LOG");
        }
        let whole = if at.is_empty() { "the configuration" } else { at };
        self.faults.push(fault.help(format!("{whole} has: {}", names.join(", "))));
    }
}

/// A table as it is written; nothing for the whole file.
fn shown(table: &str) -> String {
    if table.is_empty() { String::new() } else { format!("[{table}]") }
}

/// What a value is, as words.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(number) if number.radix() != 10 => "a number that is not decimal",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
