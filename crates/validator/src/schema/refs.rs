//! Local references, `{"$ref": "#/$defs/NAME"}`: checked, and put in place before a schema is compiled.
//!
//! INVARIANT: nothing is fetched, nothing leads in a circle, and what comes out has no reference left.

use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;
use serde_json::{Map, Value};

use super::SchemaError;

/// What may stand beside a reference: words, which bind nobody.
pub(super) const BESIDE: [&str; 4] = ["title", "description", "$comment", "x-graph-type"];
/// How deep a schema may be nested once its references are in place; no body is deeper.
const DEPTH: usize = 64;
/// How many references may be put in place.
const MOST: usize = 1000;

/// A schema's definitions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definitions<'v>(Option<&'v Map<String, Value>>);

impl<'v> Definitions<'v> {
    /// Those of a schema.
    pub(super) fn of(schema: &'v Map<String, Value>) -> Self {
        Self(schema.get("$defs").and_then(Value::as_object))
    }

    fn names(self) -> impl Iterator<Item = &'v str> {
        self.0.into_iter().flat_map(|all| all.keys().map(String::as_str))
    }

    /// The definition that a reference at `pointer` leads to.
    pub(super) fn target(
        self,
        reference: &Value,
        pointer: &str,
    ) -> Result<(&'v str, &'v Value), SchemaError> {
        let wrong = |problem: String| SchemaError::lint(pointer, problem);
        let Some(reference) = reference.as_str() else {
            return Err(wrong("expected '#/$defs/NAME'".to_owned()));
        };
        let shown = Quoted(reference);
        let Some(fragment) = reference.strip_prefix('#') else {
            return Err(wrong(format!(
                "'{shown}' is a remote reference: nothing is fetched; put what it leads to under '$defs'"
            )));
        };
        if fragment.is_empty() || fragment == "/" {
            return Err(wrong(format!("'{shown}' is a circular reference: it leads to the schema itself")));
        }
        let Some(name) = fragment.strip_prefix("/$defs/") else {
            return Err(wrong(format!("'{shown}' does not lead to a definition: expected '#/$defs/NAME'")));
        };
        let name = name.replace("~1", "/").replace("~0", "~");
        self.0
            .and_then(|all| all.get_key_value(&name))
            .map(|(name, schema)| (name.as_str(), schema))
            .ok_or_else(|| {
                let meant = nearest(&name, self.names()).map(|name| format!("; did you mean '{name}'?"));
                wrong(format!(
                    "'{shown}' is a dangling reference: there is no such definition{}",
                    meant.unwrap_or_default()
                ))
            })
    }
}

/// The schema with what its references lead to in their place, and without definitions. It passed the lint.
pub(super) fn in_place(schema: &Value) -> Result<Value, SchemaError> {
    let Value::Object(members) = schema else { return Ok(schema.clone()) };
    if !members.contains_key("$defs") {
        return Ok(schema.clone());
    }
    let mut members = members.clone();
    let definitions = members.shift_remove("$defs");
    let definitions = Definitions(definitions.as_ref().and_then(Value::as_object));
    let mut walk = Walk { definitions, open: Vec::new(), used: Vec::new(), count: 0 };
    let mut whole = Map::new();
    for (name, value) in members {
        // The other members of the root hold no schemas.
        let value = if name == "properties" { walk.properties(&value, "/properties", 1)? } else { value };
        whole.insert(name, value);
    }
    if let Some(name) = definitions.names().find(|name| !walk.used.contains(name)) {
        let at = format!("/$defs/{}", super::escape(name));
        return Err(SchemaError::lint(at, "nothing leads to this definition"));
    }
    Ok(Value::Object(whole))
}

struct Walk<'v> {
    definitions: Definitions<'v>,
    /// The definitions that are being put in place, from the outermost on.
    open: Vec<&'v str>,
    used: Vec<&'v str>,
    count: usize,
}

impl Walk<'_> {
    fn properties(&mut self, properties: &Value, pointer: &str, depth: usize) -> Result<Value, SchemaError> {
        let Value::Object(properties) = properties else { return Ok(properties.clone()) };
        let mut whole = Map::new();
        for (name, schema) in properties {
            let at = format!("{pointer}/{}", super::escape(name));
            whole.insert(name.clone(), self.value(schema, &at, depth + 1)?);
        }
        Ok(Value::Object(whole))
    }

    fn value(&mut self, schema: &Value, pointer: &str, depth: usize) -> Result<Value, SchemaError> {
        let Value::Object(members) = schema else { return Ok(schema.clone()) };
        if depth > DEPTH {
            return Err(SchemaError::lint(
                pointer,
                format!("with its references it is nested deeper than {DEPTH}"),
            ));
        }
        if let Some(reference) = members.get("$ref") {
            return self.reference(reference, members, pointer, depth);
        }
        let mut whole = Map::new();
        for (name, value) in members {
            let at = format!("{pointer}/{name}");
            let value = match name.as_str() {
                "properties" => self.properties(value, &at, depth)?,
                "items" => self.value(value, &at, depth + 1)?,
                _ => value.clone(),
            };
            whole.insert(name.clone(), value);
        }
        Ok(Value::Object(whole))
    }

    fn reference(
        &mut self,
        reference: &Value,
        beside: &Map<String, Value>,
        pointer: &str,
        depth: usize,
    ) -> Result<Value, SchemaError> {
        let at = format!("{pointer}/$ref");
        let (name, target) = self.definitions.target(reference, &at)?;
        if self.open.contains(&name) {
            let way = [self.open.as_slice(), &[name]].concat().join("' -> '");
            return Err(SchemaError::lint(at, format!("'#/$defs/{name}' is a circular reference: '{way}'")));
        }
        self.count += 1;
        if self.count > MOST {
            return Err(SchemaError::lint(at, format!("with its references it has more than {MOST} parts")));
        }
        self.open.push(name);
        if !self.used.contains(&name) {
            self.used.push(name);
        }
        let mut whole = self.value(target, &format!("/$defs/{}", super::escape(name)), depth + 1)?;
        self.open.pop();
        if let Value::Object(whole) = &mut whole {
            let words = beside.iter().filter(|(name, _)| *name != "$ref");
            whole.extend(words.map(|(name, value)| (name.clone(), value.clone())));
        }
        Ok(whole)
    }
}
