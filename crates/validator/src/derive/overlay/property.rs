//! What a correction does to the schema of one property.

use serde_json::{Map, Value, json};

use super::super::emit;
use super::super::table::{Admits, Property};
use super::super::types::{self, EXACT, EXACT_DOUBLE, One};
use super::{Action, BOUNDS, Bound, NewProperty, Problem, Wrong};

/// The schema of a property that the page lacks or describes wrongly.
pub(super) fn new(name: &str, new: &NewProperty, namespace: Option<&str>) -> Result<Value, Wrong> {
    let unknown = || ("type", Problem::Type);
    let type_name = types::named(&new.type_name, None, namespace).map_err(|_| unknown())?;
    let texts =
        || new.values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let wrong = |words| ("values", Problem::Values(words));
    let admits = match (&type_name.one, new.values.is_empty()) {
        (One::Text | One::Named { .. }, false) => {
            Admits::Choice(texts().ok_or_else(|| wrong("the values of this type are strings"))?)
        }
        (One::Named { .. }, true) => return Err(wrong("an enumeration needs its values")),
        (One::Integer(_, least, most), false) => {
            let fits = |value: &Value| value.as_i64().filter(|n| (least..=most).contains(&n));
            let numbers = new.values.iter().map(fits).collect::<Option<_>>();
            Admits::IntegerChoice(numbers.ok_or_else(|| wrong("the values of this type are whole numbers"))?)
        }
        (_, false) => return Err(wrong("a property of this type has no list of values")),
        (One::Text, true) => Admits::Text(None),
        (One::Integer(_, least, most), true) => {
            Admits::Integer { least: *least, most: *most, exact: *most != EXACT }
        }
        (One::Boolean, true) => Admits::Boolean,
        (One::Number(_), true) => Admits::Number { least: None, most: None },
        (One::DateTime, true) => Admits::DateTime,
        (One::Date, true) => Admits::Date,
        (One::TimeOfDay, true) => Admits::TimeOfDay,
        (One::Duration, true) => Admits::Duration,
        (One::Guid, true) => Admits::Guid,
        (One::Binary, true) => Admits::Binary,
    };
    let twice = |(at, value): (usize, &Value)| new.values.iter().take(at).any(|other| other == value);
    if new.values.iter().enumerate().any(twice) {
        return Err(wrong("a value stands in the list twice"));
    }
    if new.values.iter().filter_map(Value::as_str).any(|text| text.chars().any(char::is_control)) {
        return Err(wrong("a value has no control characters"));
    }
    let property = emit::property(&Property {
        name: name.to_owned(),
        graph_type: type_name.described(),
        collection: type_name.collection,
        null: new.null || type_name.null,
        admits,
    });
    let Value::Object(mut members) = property else { return Err(unknown()) };
    for bound in &new.bounds {
        set_bound(&mut members, bound)?;
    }
    Ok(Value::Object(emit::in_order(members)))
}

/// The schema of a property after a correction of something within it.
pub(super) fn changed(before: &Value, action: &Action) -> Result<Value, Wrong> {
    let Value::Object(before) = before else { return Err(("property", Problem::BoundOfOther)) };
    let mut members = before.clone();
    match action {
        Action::AddValue(value) => change_values(&mut members, |values, spellings| {
            fresh(values, value, "value")?;
            is_no_spelling(spellings, value, "value")?;
            values.push(value.clone());
            Ok(())
        })?,
        Action::RemoveValue(value) => change_values(&mut members, |values, _| {
            let at = place(values, value)?;
            if values.len() == 1 {
                return Err(("value", Problem::LastValue));
            }
            values.remove(at);
            Ok(())
        })?,
        Action::ReplaceValue { value, with } => change_values(&mut members, |values, spellings| {
            let at = place(values, value)?;
            fresh(values, with, "with")?;
            // A value's own other spelling may take its place: then there is but the one.
            spellings.retain(|_, of| of != value);
            is_no_spelling(spellings, with, "with")?;
            values.splice(at..=at, [with.clone()]);
            Ok(())
        })?,
        Action::AllowNull => set_null(&mut members, true),
        Action::RefuseNull => set_null(&mut members, false),
        Action::SetBound(bound) => set_bound(&mut members, bound)?,
        Action::RemoveBound { keyword } => {
            let target = target_of(&mut members, keyword)?;
            if target.shift_remove(keyword).is_none() {
                return Err(("bound", Problem::NoBound));
            }
            mark(target, keyword, false);
        }
        // These make a property; they don't change one.
        Action::AddProperty(_) | Action::ReplaceProperty(_) | Action::RemoveProperty => {}
    }
    Ok(Value::Object(emit::in_order(members)))
}

fn fresh(values: &[Value], value: &Value, member: &'static str) -> Result<(), Wrong> {
    let same_kind = values.first().is_none_or(|first| first.is_string() == value.is_string());
    if value.as_str().is_some_and(|text| text.chars().any(char::is_control)) {
        return Err((member, Problem::Values("a value has no control characters")));
    }
    if !same_kind {
        return Err((member, Problem::Values("the values of the list are of another type")));
    }
    if values.contains(value) { Err((member, Problem::ValueExists)) } else { Ok(()) }
}

/// Beside the value that it stands for, a spelling would be a value of its own.
fn is_no_spelling(spellings: &Map<String, Value>, value: &Value, member: &'static str) -> Result<(), Wrong> {
    match value.as_str().and_then(|text| spellings.get(text)?.as_str()) {
        Some(of) => Err((member, Problem::Spelling { of: of.to_owned() })),
        None => Ok(()),
    }
}

fn place(values: &[Value], value: &Value) -> Result<usize, Wrong> {
    values.iter().position(|other| other == value).ok_or_else(|| {
        let names = values.iter().filter_map(Value::as_str);
        let meant = value.as_str().and_then(|value| patchgate_model::suggest::nearest(value, names));
        ("value", Problem::UnknownValue { meant: meant.map(str::to_owned) })
    })
}

/// The items of a collection, else the property itself.
fn single(members: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    if members.get("items").is_some_and(Value::is_object) {
        members.get_mut("items")?.as_object_mut()
    } else {
        Some(members)
    }
}

/// Changes the documented values of a list, told which other spellings there are; their spellings follow.
fn change_values(
    members: &mut Map<String, Value>,
    change: impl FnOnce(&mut Vec<Value>, &mut Map<String, Value>) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let no_list = || ("property", Problem::NoList);
    let target = single(members).ok_or_else(no_list)?;
    let Some(listed) = target.get("enum").and_then(Value::as_array) else {
        return Err(no_list());
    };
    let mut spellings = target.get("x-canonical").and_then(Value::as_object).cloned().unwrap_or_default();
    let other = |value: &Value| value.as_str().is_some_and(|text| spellings.contains_key(text));
    let null = listed.contains(&Value::Null);
    let mut values: Vec<_> = listed.iter().filter(|v| !v.is_null() && !other(v)).cloned().collect();
    change(&mut values, &mut spellings)?;
    let (mut accepted, canonical) = emit::spellings(&values);
    if null {
        accepted.push(Value::Null);
    }
    target.insert("enum".to_owned(), Value::Array(accepted));
    if canonical.is_empty() {
        target.shift_remove("x-canonical");
    } else {
        target.insert("x-canonical".to_owned(), Value::Object(canonical));
    }
    *target = emit::in_order(std::mem::take(target));
    Ok(())
}

/// Lets null be a value of the property, or not.
fn set_null(members: &mut Map<String, Value>, allowed: bool) {
    let mut types = match members.get("type") {
        Some(Value::Array(several)) => several.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let null = json!("null");
    types.retain(|name| *name != null);
    if allowed {
        types.push(null);
    }
    let one = types.first().filter(|_| types.len() == 1).cloned();
    members.insert("type".to_owned(), one.unwrap_or(Value::Array(types)));
    if let Some(Value::Array(accepted)) = members.get_mut("enum") {
        accepted.retain(|value| !value.is_null());
        if allowed {
            accepted.push(Value::Null);
        }
    }
}

fn set_bound(members: &mut Map<String, Value>, bound: &Bound) -> Result<(), Wrong> {
    let Bound { keyword, limit, ours } = bound;
    let target = target_of(members, keyword)?;
    let counts = !keyword.ends_with("imum");
    let exact = limit.as_f64().is_some_and(|limit| limit.abs() <= EXACT_DOUBLE);
    if !exact || (counts && limit.as_u64().is_none()) {
        return Err(("limit", Problem::Limit));
    }
    target.insert(keyword.clone(), Value::Number(limit.clone()));
    mark(target, keyword, *ours);
    let number = |name: &str| target.get(name).and_then(Value::as_f64);
    let least = ["minLength", "minItems", "minimum", "exclusiveMinimum"];
    let most = ["maxLength", "maxItems", "maximum", "exclusiveMaximum"];
    for (least, most) in least.iter().zip(most) {
        if let (Some(from), Some(to)) = (number(least), number(most))
            && (from > to || (least.starts_with("ex") && from >= to))
        {
            return Err(("limit", Problem::AdmitsNothing));
        }
    }
    *target = emit::in_order(std::mem::take(target));
    Ok(())
}

/// Where a bound stands: beside the items of a collection, or beside the value that it is about.
fn target_of<'m>(
    members: &'m mut Map<String, Value>,
    keyword: &str,
) -> Result<&'m mut Map<String, Value>, Wrong> {
    if !BOUNDS.contains(&keyword) {
        return Err(("bound", Problem::UnknownBound));
    }
    let other = || ("bound", Problem::BoundOfOther);
    let target = if keyword.ends_with("Items") { Some(members) } else { single(members) };
    let target = target.ok_or_else(other)?;
    let kinds: &[&str] = match keyword {
        "minLength" | "maxLength" => &["string"],
        "minItems" | "maxItems" => &["array"],
        _ => &["integer", "number"],
    };
    let has = |kind: &&str| match target.get("type") {
        Some(Value::Array(several)) => several.iter().any(|name| name == kind),
        Some(one) => one == kind,
        None => false,
    };
    if target.contains_key("enum") || !kinds.iter().any(has) {
        return Err(other());
    }
    Ok(target)
}

/// Says of a bound that it is patchgate's, or that it is not.
fn mark(target: &mut Map<String, Value>, keyword: &str, ours: bool) {
    let mut names = match target.shift_remove("x-ours") {
        Some(Value::Array(names)) => names,
        _ => Vec::new(),
    };
    names.retain(|name| name != keyword);
    if ours {
        names.push(json!(keyword));
    }
    if !names.is_empty() {
        target.insert("x-ours".to_owned(), Value::Array(names));
    }
}
