//! An overlay file (TOML): read with the place of everything in it, so that each fault can be shown where it is.
//!
//! What its entries mean is the validator's; here is only what TOML can say wrong: no TOML, unknown and missing members,
//! values of another type.

use std::collections::BTreeMap;
use std::ops::Range;

use patchgate_model::suggest::nearest;
use patchgate_validator::derive::overlay::{
    Action, BOUNDS, Bound, Entry, NewProperty, Overlay, OverlayError,
};
use serde_json::{Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong at a place of the file.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) span: Range<usize>,
    pub(super) problem: String,
    pub(super) hint: Option<String>,
}

/// Where everything stands in the file.
#[derive(Debug, Default)]
pub(super) struct Places {
    top: Members,
    entries: Vec<(Range<usize>, Members)>,
}

type Members = BTreeMap<String, Range<usize>>;

impl Places {
    /// Where an error of the validator is.
    pub(super) fn of(&self, error: &OverlayError) -> Range<usize> {
        let (whole, members) = match error.entry.and_then(|index| self.entries.get(index)) {
            Some((whole, members)) => (whole.clone(), members),
            None => (0..0, &self.top),
        };
        members.get(error.member).cloned().unwrap_or(whole)
    }
}

/// The words that an entry may `do`.
const ACTIONS: [&str; 10] = [
    "add-property",
    "replace-property",
    "remove-property",
    "add-value",
    "remove-value",
    "replace-value",
    "allow-null",
    "refuse-null",
    "set-bound",
    "remove-bound",
];

/// Reads an overlay; `file` is the name that the corrected schema gives it.
pub(super) fn read(file: &str, text: &str, sha256: String) -> Result<(Overlay, Places), Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let fault = |error: toml::de::Error| Fault {
            span: error.span().unwrap_or_default(),
            problem: error.message().to_owned(),
            hint: None,
        };
        return Err(errors.into_iter().map(fault).collect());
    }
    let mut faults = Vec::new();
    let mut places = Places { top: places_of(table.get_ref()), entries: Vec::new() };
    let mut top = Fields::of(table.get_ref(), 0..0);
    let (corrects, name) = (top.text("corrects", &mut faults), top.text("name", &mut faults));
    let mut entries = Vec::new();
    match top.take("entry").map(Spanned::get_ref) {
        Some(DeValue::Array(list)) => {
            for item in list {
                let DeValue::Table(table) = item.get_ref() else {
                    faults.push(wrong_type(item, "an entry, as '[[entry]]'"));
                    continue;
                };
                places.entries.push((item.span(), places_of(table)));
                entries.extend(entry(Fields::of(table, item.span()), &mut faults));
            }
        }
        Some(_) => top.fault("entry", "expected entries, each as '[[entry]]'", &mut faults),
        None => {}
    }
    top.end(&["corrects", "name", "entry"], &mut faults);
    match (corrects, name) {
        (Some(corrects), Some(name)) if faults.is_empty() => {
            Ok((Overlay { corrects, name, file: file.to_owned(), sha256, entries }, places))
        }
        _ => {
            faults.sort_by_key(|fault| fault.span.start);
            Err(faults)
        }
    }
}

fn entry(mut fields: Fields<'_>, faults: &mut Vec<Fault>) -> Option<Entry> {
    let word = fields.text("do", faults);
    let property = fields.text("property", faults);
    let (reason, source) = (fields.text("reason", faults), fields.text("source", faults));
    let loosen = fields.flag("loosen", faults);
    let word = word?;
    let mut known = vec!["do", "property", "reason", "source", "loosen"];
    let action = match word.as_str() {
        "add-property" | "replace-property" => {
            known.extend(["type", "null", "values", "ours"].into_iter().chain(BOUNDS));
            let new = new_property(&mut fields, faults);
            let add = word.starts_with("add");
            new.map(|new| if add { Action::AddProperty(new) } else { Action::ReplaceProperty(new) })
        }
        "remove-property" => Some(Action::RemoveProperty),
        "allow-null" => Some(Action::AllowNull),
        "refuse-null" => Some(Action::RefuseNull),
        "add-value" | "remove-value" => {
            known.push("value");
            let add = word.starts_with("add");
            let value = fields.value("value", faults);
            value.map(|value| if add { Action::AddValue(value) } else { Action::RemoveValue(value) })
        }
        "replace-value" => {
            known.extend(["value", "with"]);
            let (value, with) = (fields.value("value", faults), fields.value("with", faults));
            value.zip(with).map(|(value, with)| Action::ReplaceValue { value, with })
        }
        "set-bound" => {
            known.extend(["bound", "limit", "ours"]);
            let (keyword, limit) = (fields.text("bound", faults), fields.number("limit", faults));
            let ours = fields.flag("ours", faults);
            keyword.zip(limit).map(|(keyword, limit)| Action::SetBound(Bound { keyword, limit, ours }))
        }
        "remove-bound" => {
            known.push("bound");
            fields.text("bound", faults).map(|keyword| Action::RemoveBound { keyword })
        }
        other => {
            let problem = format!("an entry can't do this; it can do one of {}", ACTIONS.join(", "));
            let hint = nearest(other, ACTIONS).map(|name| format!("did you mean '{name}'?"));
            faults.push(Fault { span: fields.span("do"), problem, hint });
            return None;
        }
    };
    fields.end(&known, faults);
    Some(Entry { property: property?, action: action?, reason: reason?, source: source?, loosen })
}

fn new_property(fields: &mut Fields<'_>, faults: &mut Vec<Fault>) -> Option<NewProperty> {
    let type_name = fields.text("type", faults);
    let null = fields.flag("null", faults);
    let ours = fields.flag("ours", faults);
    let values = fields.values("values", faults);
    let mut bounds = Vec::new();
    for keyword in BOUNDS {
        if fields.has(keyword)
            && let Some(limit) = fields.number(keyword, faults)
        {
            bounds.push(Bound { keyword: keyword.to_owned(), limit, ours });
        }
    }
    Some(NewProperty { type_name: type_name?, null, values, bounds })
}

fn places_of(table: &DeTable<'_>) -> Members {
    table.iter().map(|(name, value)| (name.get_ref().to_string(), value.span())).collect()
}

/// The members of a table, taken out one by one.
struct Fields<'t> {
    whole: Range<usize>,
    members: BTreeMap<&'t str, (Range<usize>, &'t Spanned<DeValue<'t>>)>,
    taken: Vec<&'t str>,
}

impl<'t> Fields<'t> {
    fn of(table: &'t DeTable<'t>, whole: Range<usize>) -> Self {
        let members =
            table.iter().map(|(name, value)| (name.get_ref().as_ref(), (name.span(), value))).collect();
        Self { whole, members, taken: Vec::new() }
    }

    fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    fn span(&self, name: &str) -> Range<usize> {
        self.members.get(name).map_or_else(|| self.whole.clone(), |(_, value)| value.span())
    }

    fn fault(&self, name: &str, problem: &str, faults: &mut Vec<Fault>) {
        faults.push(Fault { span: self.span(name), problem: problem.to_owned(), hint: None });
    }

    fn take(&mut self, name: &'t str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.taken.push(name);
        self.members.get(name).map(|(_, value)| *value)
    }

    fn needed(&mut self, name: &'t str, faults: &mut Vec<Fault>) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = self.take(name);
        if value.is_none() {
            let whose = if self.whole.is_empty() { "the overlay" } else { "the entry" };
            self.fault(name, &format!("{whose} lacks '{name}'"), faults);
        }
        value
    }

    fn text(&mut self, name: &'t str, faults: &mut Vec<Fault>) -> Option<String> {
        let value = self.needed(name, faults)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            faults.push(wrong_type(value, "a string"));
        }
        text
    }

    fn flag(&mut self, name: &'t str, faults: &mut Vec<Fault>) -> bool {
        let Some(value) = self.take(name) else { return false };
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            faults.push(wrong_type(value, "true or false"));
        }
        flag.unwrap_or_default()
    }

    fn number(&mut self, name: &'t str, faults: &mut Vec<Fault>) -> Option<Number> {
        let value = self.needed(name, faults)?;
        let read = number(value.get_ref());
        if read.is_none() {
            let (span, problem) = (value.span(), "expected a number that fits in 64 bits".to_owned());
            faults.push(Fault { span, problem, hint: None });
        }
        read
    }

    fn value(&mut self, name: &'t str, faults: &mut Vec<Fault>) -> Option<Value> {
        let value = self.needed(name, faults)?;
        let read = listed(value.get_ref());
        if read.is_none() {
            faults.push(wrong_type(value, "a string or a whole number"));
        }
        read
    }

    fn values(&mut self, name: &'t str, faults: &mut Vec<Fault>) -> Vec<Value> {
        let Some(value) = self.take(name) else { return Vec::new() };
        let read =
            value.get_ref().as_array().and_then(|list| list.iter().map(|v| listed(v.get_ref())).collect());
        read.unwrap_or_else(|| {
            faults.push(wrong_type(value, "a list of strings or whole numbers"));
            Vec::new()
        })
    }

    /// Whatever was not taken is a member that there is none of.
    fn end(self, known: &[&str], faults: &mut Vec<Fault>) {
        for (name, (span, _)) in self.members {
            if !self.taken.contains(&name) {
                let hint = nearest(name, known.iter().copied()).map(|name| format!("did you mean '{name}'?"));
                let problem = format!("there is no '{name}' here; there is {}", known.join(", "));
                faults.push(Fault { span, problem, hint });
            }
        }
    }
}

fn wrong_type(value: &Spanned<DeValue<'_>>, expected: &str) -> Fault {
    let problem = format!("expected {expected}, not {}", value.get_ref().type_str());
    Fault { span: value.span(), problem, hint: None }
}

fn listed(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Integer(_) => number(value).map(Value::Number),
        _ => None,
    }
}

fn number(value: &DeValue<'_>) -> Option<Number> {
    match value {
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from)
        }
        DeValue::Float(float) => float.as_str().parse().ok().and_then(Number::from_f64),
        _ => None,
    }
}
