//! What a schema says of each value, in the form that sentences and spellings need.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value's types, fields, items and documented values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    types: Vec<String>,
    fields: Vec<(String, Shape)>,
    items: Option<Box<Shape>>,
    most_items: Option<usize>,
    choice: bool,
    /// The documented values in words, numbers among them.
    accepted: Vec<String>,
    /// Those that are strings.
    documented: Vec<String>,
    spellings: BTreeMap<String, String>,
    /// The first bytes of those spellings: most values that are not among them begin with another one.
    initials: Vec<Option<u8>>,
}

impl Shape {
    /// Reads a schema that passed the lint.
    pub(crate) fn read(schema: &Value) -> Self {
        let strings = |value: &Value| match value {
            Value::String(one) => vec![one.clone()],
            Value::Array(several) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let of = |keyword: &str| schema.get(keyword);
        let fields = of("properties").and_then(Value::as_object).into_iter().flatten();
        let spellings: BTreeMap<String, String> = of("x-canonical")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(other, documented)| Some((other.clone(), documented.as_str()?.to_owned())))
            .collect();
        let list = of("enum").and_then(Value::as_array);
        let mut types = of("type").map(strings).unwrap_or_default();
        // Null is none of the types where there is a list without it.
        types.retain(|name| name != "null" || list.is_none_or(|list| list.contains(&Value::Null)));
        let listed = list.into_iter().flatten().filter(|value| !value.is_null());
        let spelled = |value: &str| spellings.contains_key(value);
        let listed: Vec<_> = listed.filter(|value| !value.as_str().is_some_and(spelled)).collect();
        let text = |value: &&Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let documented = listed.iter().filter_map(|value| value.as_str()).map(str::to_owned).collect();
        let accepted = listed.iter().map(text).collect();
        let mut initials: Vec<_> = spellings.keys().map(|other| initial(other)).collect();
        initials.dedup();
        Self {
            types,
            fields: fields.map(|(name, schema)| (name.clone(), Self::read(schema))).collect(),
            items: of("items").map(|schema| Box::new(Self::read(schema))),
            most_items: of("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok()),
            choice: list.is_some(),
            accepted,
            documented,
            spellings,
            initials,
        }
    }

    /// The fields of an object, in the order of the schema.
    pub(crate) fn fields(&self) -> &[(String, Shape)] {
        &self.fields
    }

    /// A field by its name, and its place in the order of the schema.
    pub(crate) fn field(&self, name: &str) -> Option<(usize, &Shape)> {
        let index = self.fields.iter().position(|(known, _)| known == name)?;
        self.fields.get(index).map(|(_, shape)| (index, shape))
    }

    /// The items of an array.
    pub(crate) fn items(&self) -> Option<&Shape> {
        self.items.as_deref()
    }

    /// The most items of an array.
    pub(crate) fn most_items(&self) -> Option<usize> {
        self.most_items
    }

    /// Whether there is a list of values.
    pub(crate) fn is_choice(&self) -> bool {
        self.choice
    }

    /// The documented values of an enum in words, whatever their type.
    pub(crate) fn accepted(&self) -> &[String] {
        &self.accepted
    }

    /// All accepted spellings of an enum's values, with the documented one of each.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = (&str, &str)> {
        let documented = self.documented.iter().map(|value| (value.as_str(), value.as_str()));
        documented.chain(self.spellings.iter().map(|(other, value)| (other.as_str(), value.as_str())))
    }

    /// The documented spelling, of a value that is spelled another way.
    pub(crate) fn documented(&self, value: &str) -> Option<&str> {
        if !self.initials.contains(&initial(value)) {
            return None;
        }
        self.spellings.get(value).map(String::as_str)
    }

    /// The types, as words; `null` is left out unless it is the only one.
    pub(crate) fn expected(&self) -> Vec<&'static str> {
        let words: Vec<&'static str> =
            self.types.iter().filter(|t| *t != "null").map(|t| type_word(t)).collect();
        if words.is_empty() { vec!["null"] } else { words }
    }

    /// The type in words, such as `an array of strings` or `a string or null`.
    pub(crate) fn described(&self) -> String {
        let of = self.items().map(|items| format!(", each {}", items.described())).unwrap_or_default();
        let null = if self.nullable() { " or null" } else { "" };
        format!("{}{of}{null}", self.expected().join(" or "))
    }

    /// Whether `null` is among the types, and in the list of values where there is one.
    pub(crate) fn nullable(&self) -> bool {
        self.types.iter().any(|t| t == "null")
    }
}

fn initial(value: &str) -> Option<u8> {
    value.bytes().next()
}

fn type_word(name: &str) -> &'static str {
    match name {
        "array" => "an array",
        "boolean" => "a boolean",
        "integer" => "an integer",
        "number" => "a number",
        "object" => "an object",
        "string" => "a string",
        _ => "null",
    }
}
