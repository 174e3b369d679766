//! A JSON text as it was read: strings borrowed from it, members in their order, no name twice.
//!
//! It lives as long as the check of one body and never leaves this crate.

use std::borrow::Cow;
use std::slice;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object};
use jsonschema_value::LazyInstance;
use serde_json::{Number, Value};

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Document<'b> {
    Null,
    Bool(bool),
    Number(Number),
    /// Borrowed where it stands in the text as it is, without an escape; so are the names of members.
    String(Cow<'b, str>),
    Array(Vec<Document<'b>>),
    Object(Vec<(Cow<'b, str>, Document<'b>)>),
}

impl Document<'_> {
    /// What it is, for a sentence.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The same value, owned.
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(b) => Value::Bool(*b),
            Self::Number(n) => Value::Number(n.clone()),
            Self::String(s) => Value::String(s.clone().into_owned()),
            Self::Array(items) => Value::Array(items.iter().map(Document::value).collect()),
            Self::Object(members) => Value::Object(
                members.iter().map(|(name, v)| (name.clone().into_owned(), v.value())).collect(),
            ),
        }
    }
}

/// Lets `jsonschema` read a [`Document`] where it stands, without building a [`Value`].
pub(crate) struct Strict;

impl Json for Strict {
    type Node<'a> = &'a Document<'a>;
    type PreparedKey = String;
    type StringBuffer = ();
    const ACYCLIC: bool = true;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>((): &mut (), string: &str, f: impl FnOnce(Self::Node<'_>) -> T) -> T {
        f(&Document::String(Cow::Borrowed(string)))
    }
}

impl<'a> Node<'a, Strict> for &'a Document<'a> {
    type Object = &'a [(Cow<'a, str>, Document<'a>)];
    type Array = &'a [Document<'a>];
    type Number = &'a Number;

    fn as_object(&self) -> Option<Self::Object> {
        if let Document::Object(members) = self { Some(members) } else { None }
    }

    fn as_array(&self) -> Option<Self::Array> {
        if let Document::Array(items) = self { Some(items) } else { None }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        if let Document::String(s) = self { Some(Cow::Borrowed(s)) } else { None }
    }

    fn as_number(&self) -> Option<&'a Number> {
        if let Document::Number(n) = self { Some(n) } else { None }
    }

    fn as_boolean(&self) -> Option<bool> {
        if let Document::Bool(b) = self { Some(*b) } else { None }
    }

    fn is_null(&self) -> bool {
        matches!(self, Document::Null)
    }

    fn json_type(&self) -> JsonType {
        match self {
            Document::Null => JsonType::Null,
            Document::Bool(_) => JsonType::Boolean,
            Document::Number(_) => JsonType::Number,
            Document::String(_) => JsonType::String,
            Document::Array(_) => JsonType::Array,
            Document::Object(_) => JsonType::Object,
        }
    }

    /// The default counts each string's characters. One has one to four bytes, so hardly any has to be counted.
    fn string_length_within(&self, min: u64, max: u64) -> Option<bool> {
        let Document::String(text) = self else { return None };
        let (most, least) = (text.len() as u64, text.len().div_ceil(4) as u64);
        if most < min || least > max {
            return Some(false);
        }
        let counted = || (min..=max).contains(&(text.chars().count() as u64));
        Some((min <= least && most <= max) || counted())
    }

    /// The default would build a [`Value`] for each value of an `enum`.
    fn equals_value(&self, expected: &Value) -> bool {
        match (self, expected) {
            (Document::Null, Value::Null) => true,
            (Document::Bool(a), Value::Bool(b)) => a == b,
            (Document::String(a), Value::String(b)) => a == b,
            (Document::Number(_) | Document::Array(_) | Document::Object(_), _) => {
                jsonschema_value::cmp::equal(&self.value(), expected)
            }
            _ => false,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Owned(self.value())
    }

    /// The value in an error is never shown, so none is built.
    fn lazy_value(&self) -> LazyInstance<'a> {
        LazyInstance::Ready(Cow::Borrowed(&Value::Null))
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Document<'_>>(self) as usize))
    }
}

/// The members of an object, as `jsonschema` wants them.
pub(crate) struct Members<'a>(slice::Iter<'a, (Cow<'a, str>, Document<'a>)>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a Document<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (name.as_ref(), value))
    }
}

impl<'a> Object<'a, Strict> for &'a [(Cow<'a, str>, Document<'a>)] {
    type Node = &'a Document<'a>;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn get(&self, key: &String) -> Option<Self::Node> {
        self.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn members(&self) -> Self::MembersIter {
        Members(self.iter())
    }
}

impl<'a> Array<'a, Strict> for &'a [Document<'a>] {
    type Node = &'a Document<'a>;
    type ElementsIter = slice::Iter<'a, Document<'a>>;

    fn len(&self) -> usize {
        <[_]>::len(self)
    }

    fn elements(&self) -> Self::ElementsIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_in_characters_whether_they_have_to_be_counted_or_not() {
        for (text, min, max, within) in [
            ("", 0, 0, true),
            ("", 1, 5, false),
            ("ab", 0, 2, true),
            ("abc", 0, 2, false),
            ("ab", 3, 9, false),
            ("h\u{e9}llo", 5, 5, true),
            ("h\u{e9}llo", 6, 9, false),
            ("h\u{e9}llo", 0, 4, false),
            ("\u{1f980}\u{1f980}", 2, 2, true),
            ("\u{1f980}\u{1f980}", 3, 8, false),
            ("\u{1f980}\u{1f980}\u{1f980}", 0, 2, false),
        ] {
            let document = Document::String(Cow::Borrowed(text));
            assert_eq!((&document).string_length_within(min, max), Some(within), "{text} {min} {max}");
        }
        assert_eq!((&Document::Null).string_length_within(0, 1), None);
    }
}
