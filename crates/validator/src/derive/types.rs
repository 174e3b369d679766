//! The type column: which type a cell names.
//!
//! INVARIANT: a spelling that is not known is no type. What means the same gets one name here, so that pages that mean
//! the same give the same schema.

use super::error::{DeriveError, Reason};
use super::markdown::{Cell, Kind, Span};

/// What the cell says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TypeName {
    pub(super) one: One,
    pub(super) collection: bool,
    /// Whether the cell itself says that null is a value.
    pub(super) null: bool,
}

/// The type of a single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum One {
    Text,
    Boolean,
    Integer(&'static str, i64, i64),
    Number(&'static str),
    DateTime,
    Date,
    TimeOfDay,
    Duration,
    Guid,
    Binary,
    /// A type with a name of its own: an enumeration, if the page lists its values.
    Named {
        name: String,
        linked: Linked,
    },
}

/// Where the name of a type leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Linked {
    No,
    /// To a page, of a resource.
    Page,
    /// To a section of a page, as the values of enumerations are.
    Section,
}

impl One {
    /// The name under which the schema has it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Text => "String",
            Self::Boolean => "Boolean",
            Self::Integer(name, ..) | Self::Number(name) => name,
            Self::DateTime => "DateTimeOffset",
            Self::Date => "Date",
            Self::TimeOfDay => "TimeOfDay",
            Self::Duration => "Duration",
            Self::Guid => "Guid",
            Self::Binary => "Binary",
            Self::Named { name, .. } => name,
        }
    }
}

impl TypeName {
    /// The name under which the schema has it.
    pub(super) fn described(&self) -> String {
        let one = self.one.name();
        if self.collection { format!("{one} collection") } else { one.to_owned() }
    }
}

/// The names of all types that a page need not explain.
pub(super) const NAMES: [&str; 16] = [
    "String",
    "Boolean",
    "Int32",
    "Int64",
    "Int16",
    "Byte",
    "SByte",
    "Double",
    "Single",
    "Decimal",
    "DateTimeOffset",
    "Date",
    "TimeOfDay",
    "Duration",
    "Guid",
    "Binary",
];

/// JSON numbers are exact up to here; whole numbers beyond are refused before they meet a schema.
pub(super) const EXACT: i64 = 9_007_199_254_740_991;
/// The same as a double; exact.
pub(super) const EXACT_DOUBLE: f64 = 9_007_199_254_740_991.0;

/// Reads a type cell. `namespace` is the page's, in which a bare name lives.
pub(super) fn read(cell: &Cell, namespace: Option<&str>) -> Result<TypeName, DeriveError> {
    let link = cell.spans.iter().find_map(link_of);
    named(&cell.text(), link, namespace)
        .map_err(|(reason, expected)| DeriveError::new(reason, cell.place, &cell.text(), expected))
}

/// The type of a name: its text, and where a link on it leads. Or why it is none, and what would be one.
pub(super) fn named(
    whole: &str,
    link: Option<&str>,
    namespace: Option<&str>,
) -> Result<TypeName, (Reason, &'static str)> {
    // A space that does not break is one.
    let whole = whole.split_whitespace().collect::<Vec<_>>().join(" ");
    let (text, null) = strip_null(&whole);
    let (text, collection) = strip_collection(text);
    // A link whose target the page forgot is shown with its brackets.
    let bracketed = |t: &'_ str| t.strip_suffix("][]").or(t.strip_suffix(']')).map(str::len);
    let text = text.strip_prefix('[').and_then(|t| t.get(..bracketed(t)?)).unwrap_or(text).trim();
    let (text, called_enum) = strip_suffix(text, " enum").map_or((text, false), |text| (text.trim(), true));
    let name = strip_prefix(text, "edm.").unwrap_or(text);

    let one = match name.to_ascii_lowercase().as_str() {
        "string" => One::Text,
        "boolean" | "bool" => One::Boolean,
        "int32" | "int" | "integer" => One::Integer("Int32", i32::MIN.into(), i32::MAX.into()),
        "int16" => One::Integer("Int16", i16::MIN.into(), i16::MAX.into()),
        "byte" => One::Integer("Byte", 0, u8::MAX.into()),
        "sbyte" => One::Integer("SByte", i8::MIN.into(), i8::MAX.into()),
        "int64" => One::Integer("Int64", -EXACT, EXACT),
        "double" => One::Number("Double"),
        "single" | "float" => One::Number("Single"),
        "decimal" => One::Number("Decimal"),
        "number" => One::Number("Number"),
        "datetimeoffset" => One::DateTime,
        "date" => One::Date,
        "timeofday" => One::TimeOfDay,
        "duration" => One::Duration,
        "guid" => One::Guid,
        "binary" => One::Binary,
        "stream" => return Err((Reason::StreamType, "a value that JSON can hold")),
        "json" | "object" | "untyped" | "any" | "dynamic" | "opentype" | "microsoft.graph.json" => {
            return Err((Reason::OpenType, "a type with known values"));
        }
        _ if is_qualified(name) => {
            let linked = match link {
                Some(to) if to.contains('#') => Linked::Section,
                Some(_) => Linked::Page,
                None if called_enum => Linked::Section,
                None if whole.starts_with('[') => Linked::Page,
                None => Linked::No,
            };
            One::Named { name: qualify(name, namespace), linked }
        }
        _ => {
            return Err((
                Reason::UnknownType,
                "a type such as 'String', 'Boolean', 'String collection' or the name of an enumeration",
            ));
        }
    };
    Ok(TypeName { one, collection, null })
}

fn link_of(span: &Span) -> Option<&str> {
    match &span.kind {
        Kind::Link { to, .. } => Some(to),
        _ => None,
    }
}

/// A bare name lives in the namespace that the page states.
fn qualify(name: &str, namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
        _ => name.to_owned(),
    }
}

/// `name` or `namespace.name`.
fn is_qualified(name: &str) -> bool {
    name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn strip_null(text: &str) -> (&str, bool) {
    for suffix in [" or null", " (nullable)", ", nullable", " nullable"] {
        if let Some(rest) = strip_suffix(text, suffix) {
            return (rest.trim(), true);
        }
    }
    (text, false)
}

fn strip_collection(text: &str) -> (&str, bool) {
    let inner = strip_prefix(text, "collection(").and_then(|rest| rest.strip_suffix(')'));
    let inner =
        inner.or_else(|| strip_suffix(text, " collection")).or_else(|| strip_prefix(text, "collection of "));
    inner.map_or((text, false), |inner| (inner.trim(), true))
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::super::markdown::{self, Block};
    use super::*;

    #[test]
    fn spellings_of_types() {
        let rows = [
            ("String", "String"),
            ("string", "String"),
            ("Edm.String", "String"),
            ("`String`", "String"),
            ("**String**", "String"),
            ("String collection", "String[]"),
            ("String Collection", "String[]"),
            ("Collection(String)", "String[]"),
            ("Collection(Edm.String)", "String[]"),
            ("Collection of String", "String[]"),
            ("[String](x) collection", "String[]"),
            ("String (nullable)", "String?"),
            ("String\u{a0}collection", "String[]"),
            ("Collection  of&nbsp;String", "String[]"),
            ("int", "Int32"),
            ("Int64", "Int64"),
            ("GUID", "Guid"),
            ("widgetKind", "microsoft.graph.toys.widgetKind"),
            ("microsoft.graph.toys.widgetKind", "microsoft.graph.toys.widgetKind"),
            ("[microsoft.graph.toys.widgetKind](a.md#kinds)", "microsoft.graph.toys.widgetKind"),
            ("[widgetKind](a.md) collection", "microsoft.graph.toys.widgetKind[]"),
            ("Collection([widgetKind](a.md))", "microsoft.graph.toys.widgetKind[]"),
            ("widgetKind enum", "microsoft.graph.toys.widgetKind"),
            ("[widgetKind]", "microsoft.graph.toys.widgetKind"),
            ("Stream", "streamType"),
            ("Json", "openType"),
            ("Object", "openType"),
            ("Edm.Untyped", "openType"),
            ("%unique_string%", "unknownType"),
            ("String, Int32", "unknownType"),
            ("Collection(Collection(String))", "unknownType"),
            ("", "unknownType"),
        ];
        for (text, expected) in rows {
            let page = markdown::read(&format!("|A|B|\n|-|-|\n|x|{text}|\n"));
            let Some(Block::Table(table)) = page.blocks.first() else { panic!("{text}") };
            let found = match read(&table.rows[0].cells[1], Some("microsoft.graph.toys")) {
                Ok(found) => {
                    let plural = if found.collection { "[]" } else { "" };
                    format!("{}{plural}{}", found.one.name(), if found.null { "?" } else { "" })
                }
                Err(error) => error.code().to_owned(),
            };
            assert_eq!(found, expected, "{text}");
        }
    }
}
