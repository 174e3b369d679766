//! Corrections to what a page says: an overlay, applied to the schema of the page.
//!
//! INVARIANT: an entry changes something, says why and by which source, and names what it changes; one that lifts a limit on
//! values which nobody listed says so (`loosen`). An overlay that is wrong anywhere changes nothing, and all that is wrong
//! with it is told at once.

mod error;
mod property;

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};

pub use error::{OverlayError, Problem};

use super::table;
use crate::schema::describe::Correction;
use crate::schema::diff::{self, Change};
use crate::schema::{self, Schema};

/// An overlay, as it was read.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// The name of the schema that it corrects.
    pub corrects: String,
    /// The name of the corrected schema.
    pub name: String,
    /// The name of its file, without the folder: it stands in the corrected schema.
    pub file: String,
    /// SHA-256 of its file, in hexadecimal: it stands in the corrected schema.
    pub sha256: String,
    /// The corrections, in the order in which they are applied.
    pub entries: Vec<Entry>,
}

/// One correction.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The property that it is about.
    pub property: String,
    /// What it does.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// Who says so: a document that can be looked up.
    pub source: String,
    /// Whether it may lift a limit.
    pub loosen: bool,
}

/// What a correction does. The values of a collection, and the bounds of one value, are those of its items.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A property that the page lacks.
    AddProperty(NewProperty),
    /// A property whose type is another.
    ReplaceProperty(NewProperty),
    /// A property that an update can't set.
    RemoveProperty,
    /// A value of a list.
    AddValue(Value),
    /// A value that is none.
    RemoveValue(Value),
    /// A value that is spelled another way.
    ReplaceValue {
        /// The page's.
        value: Value,
        /// What it is.
        with: Value,
    },
    /// Null is a value.
    AllowNull,
    /// Null is no value.
    RefuseNull,
    /// A bound is another, or one is added.
    SetBound(Bound),
    /// There is no such bound.
    RemoveBound {
        /// The keyword.
        keyword: String,
    },
}

/// A property as a correction describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProperty {
    /// As in the type column of a page: `String`, `Int32 collection`, or the name of an enumeration.
    pub type_name: String,
    /// Whether null is a value.
    pub null: bool,
    /// The values of an enumeration.
    pub values: Vec<Value>,
    /// Its bounds, besides those that the deriver gives its type.
    pub bounds: Vec<Bound>,
}

/// A bound of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The keyword of JSON Schema.
    pub keyword: String,
    /// Its value.
    pub limit: Number,
    /// Whether it is patchgate's and not Graph's.
    pub ours: bool,
}

/// The keywords that a bound can have.
pub const BOUNDS: [&str; 8] = [
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
];

impl Action {
    /// The word for it in files.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AddProperty(_) => "add-property",
            Self::ReplaceProperty(_) => "replace-property",
            Self::RemoveProperty => "remove-property",
            Self::AddValue(_) => "add-value",
            Self::RemoveValue(_) => "remove-value",
            Self::ReplaceValue { .. } => "replace-value",
            Self::AllowNull => "allow-null",
            Self::RefuseNull => "refuse-null",
            Self::SetBound(_) => "set-bound",
            Self::RemoveBound { .. } => "remove-bound",
        }
    }

    /// What of the property it changes; no two entries may change the same.
    fn subjects(&self) -> Vec<String> {
        match self {
            Self::AddProperty(_) | Self::ReplaceProperty(_) | Self::RemoveProperty => {
                vec!["property".to_owned()]
            }
            Self::AddValue(value) | Self::RemoveValue(value) => vec![format!("value {value}")],
            Self::ReplaceValue { value, with } => vec![format!("value {value}"), format!("value {with}")],
            Self::AllowNull | Self::RefuseNull => vec!["null".to_owned()],
            Self::SetBound(Bound { keyword, .. }) | Self::RemoveBound { keyword } => vec![keyword.clone()],
        }
    }
}

/// Applies an overlay to a page's schema.
///
/// The result is a schema that loads, without the page's examples: those are the deriver's to prove. It names the overlay
/// and each correction with its reason and source.
pub fn apply(schema: &Value, overlay: &Overlay) -> Result<Value, Vec<OverlayError>> {
    let mut errors = Vec::new();
    let mut corrected = schema.clone();
    head(&mut corrected, overlay, &mut errors);
    let mut seen = BTreeMap::new();
    for (index, entry) in overlay.entries.iter().enumerate() {
        let fail = |member, problem| OverlayError { entry: Some(index), member, problem };
        for (member, text) in [("reason", &entry.reason), ("source", &entry.source)] {
            if text.trim().is_empty() {
                errors.push(fail(member, Problem::Unfounded));
            }
        }
        let subjects = entry.action.subjects();
        let again = subjects.iter().find_map(|s| seen.get(&(entry.property.clone(), s.clone())).copied());
        if let Some(first) = again {
            errors.push(fail("do", Problem::Twice { first }));
            continue;
        }
        seen.extend(subjects.into_iter().map(|subject| ((entry.property.clone(), subject), index)));
        let result = properties_of(&mut corrected)
            .ok_or(("property", Problem::NothingLeft))
            .and_then(|properties| correct(properties, entry, schema));
        if let Err((member, problem)) = result {
            errors.push(fail(member, problem));
        }
    }
    if errors.is_empty() && properties_of(&mut corrected).is_none_or(|properties| properties.is_empty()) {
        errors.push(OverlayError { entry: None, member: "", problem: Problem::NothingLeft });
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let whole = |problem| vec![OverlayError { entry: None, member: "", problem }];
    match Schema::load(corrected.to_string().as_bytes()) {
        Ok(_) => Ok(corrected),
        Err(error) => Err(whole(Problem::Unacceptable(error.to_string()))),
    }
}

/// The name of the corrected schema, and where it comes from.
fn head(schema: &mut Value, overlay: &Overlay, errors: &mut Vec<OverlayError>) {
    let mut fail = |member, problem| errors.push(OverlayError { entry: None, member, problem });
    let found = schema::name_in(schema).unwrap_or_default();
    if found != overlay.corrects {
        fail("corrects", Problem::OtherSchema { found: found.clone() });
    }
    if !schema::is_name(&overlay.name) || overlay.name == found {
        fail("name", Problem::Name);
    }
    if overlay.entries.is_empty() {
        fail("", Problem::Empty);
    }
    let Some(members) = schema.as_object_mut() else { return };
    members.insert("$id".to_owned(), json!(schema::id_of(&overlay.name)));
    members.shift_remove("examples");
    if let Some(source) = members.get_mut("x-source").and_then(Value::as_object_mut) {
        let corrections: Vec<_> = overlay.entries.iter().map(provenance).collect();
        let from = json!({"file": overlay.file, "sha256": overlay.sha256, "corrections": corrections});
        source.insert("overlay".to_owned(), from);
    }
}

/// How the corrected schema names a correction.
fn provenance(entry: &Entry) -> Value {
    let (value, with, bound) = match &entry.action {
        Action::AddValue(value) | Action::RemoveValue(value) => (Some(value), None, None),
        Action::ReplaceValue { value, with } => (Some(value), Some(with), None),
        Action::SetBound(Bound { keyword, .. }) | Action::RemoveBound { keyword } => {
            (None, None, Some(keyword))
        }
        _ => (None, None, None),
    };
    let correction = Correction {
        property: entry.property.clone(),
        action: entry.action.name().to_owned(),
        value: value.cloned(),
        with: with.cloned(),
        bound: bound.cloned(),
        reason: entry.reason.clone(),
        source: entry.source.clone(),
    };
    json!(correction)
}

fn properties_of(schema: &mut Value) -> Option<&mut Map<String, Value>> {
    schema.get_mut("properties")?.as_object_mut()
}

/// What is wrong with an entry, and with which member of it.
type Wrong = (&'static str, Problem);

/// Applies one entry to the properties, or leaves them as they are.
fn correct(properties: &mut Map<String, Value>, entry: &Entry, schema: &Value) -> Result<(), Wrong> {
    let name = &entry.property;
    let namespace = schema.pointer("/x-source/namespace").and_then(Value::as_str);
    if let Action::AddProperty(new) = &entry.action {
        if !table::is_property_name(name) {
            return Err(("property", Problem::PropertyName));
        }
        if let Some(there) = properties.keys().find(|other| other.eq_ignore_ascii_case(name)) {
            return Err(("property", Problem::PropertyExists { there: there.clone() }));
        }
        let property = property::new(name, new, namespace)?;
        may_loosen(entry, &[])?;
        properties.insert(name.clone(), property);
        return Ok(());
    }
    let Some(before) = properties.get(name) else {
        let names = properties.keys().map(String::as_str);
        let meant = patchgate_model::suggest::nearest(name, names).map(str::to_owned);
        return Err(("property", Problem::UnknownProperty { meant }));
    };
    let after = match &entry.action {
        Action::AddProperty(_) => return Ok(()),
        Action::RemoveProperty => {
            may_loosen(entry, &[])?;
            properties.shift_remove(name);
            return Ok(());
        }
        Action::ReplaceProperty(new) => property::new(name, new, namespace)?,
        action => property::changed(before, action)?,
    };
    if after == *before {
        return Err(("do", Problem::ChangesNothing));
    }
    let changes = diff::of_property(name, before, &after);
    // Where every value is listed, what bounded the others before is no limit any more.
    let listed = |at: &str| {
        let schema = if at.ends_with("[]") { after.get("items") } else { Some(&after) };
        schema.is_some_and(|schema| schema.get("enum").is_some())
    };
    let free: Vec<_> = changes.into_iter().filter(|change| !listed(&change.at)).collect();
    may_loosen(entry, &free)?;
    properties.insert(name.clone(), after);
    Ok(())
}

/// Whether the entry says that it lifts a limit, if and only if it does. What it adds by name lifts none.
fn may_loosen(entry: &Entry, changes: &[Change]) -> Result<(), Wrong> {
    let lifted = changes.iter().find(|change| change.what.is_limit() && change.effect.widens());
    match (entry.loosen, lifted) {
        (false, Some(change)) => Err(("do", Problem::Loosens { what: change.what.name() })),
        (true, None) => Err(("loosen", Problem::LoosensNothing)),
        _ => Ok(()),
    }
}
