//! Why a page gave no schema, and what was noticed about one that did.
//!
//! INVARIANT: a refusal has one reason of a closed list, a place in the page, what was read there and what was
//! expected. The name of the file is the caller's to add: the deriver never sees it.

use std::fmt;

use patchgate_model::quote::Quoted;
use patchgate_model::suggest::nearest;

use super::markdown::Place;

/// Why a page could not become a schema. Lines and columns begin with 1; columns count characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: read {read}, expected {expected}")]
pub struct DeriveError {
    /// What kind of trouble it is.
    pub reason: Reason,
    /// The line in the page.
    pub line: usize,
    /// The column in that line, in characters.
    pub column: usize,
    /// What stands there, quoted where it is the page's own text.
    pub read: String,
    /// What could have stood there.
    pub expected: String,
    /// What to do about it, where something can be done.
    pub hint: Option<&'static str>,
}

impl DeriveError {
    /// An error at a place that shows what the page has there.
    pub(super) fn new(reason: Reason, place: Place, read: &str, expected: impl Into<String>) -> Self {
        let read = match read.trim() {
            "" => "nothing".to_owned(),
            read => format!("'{}'", Quoted(read)),
        };
        Self {
            reason,
            line: place.line,
            column: place.column,
            read,
            expected: expected.into(),
            hint: reason.hint(),
        }
    }

    /// An error at a place where the page's own words would not help.
    pub(super) fn described(reason: Reason, place: Place, read: &str, expected: impl Into<String>) -> Self {
        Self { read: read.to_owned(), ..Self::new(reason, place, "", expected) }
    }

    /// Adds the one of the accepted names that was probably meant.
    pub(super) fn perhaps<'a>(mut self, read: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(name) = nearest(read, names) {
            self.expected = format!("{}; perhaps '{name}'", self.expected);
        }
        self
    }

    /// The stable name of the reason.
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }
}

/// One row for each reason: its name in code, its stable code, its sentence and its hint.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $says:literal, $hint:expr;)+) => {
        /// The closed list of reasons for which a page is refused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)+ }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// A name that does not change, for tables, tests and scripts.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)+ }
            }

            const fn hint(self) -> Option<&'static str> {
                match self { $(Self::$name => $hint,)+ }
            }
        }
    };
}

reasons! {
    /// More bytes than any page has.
    TooLarge = "tooLarge", "the page is too large", None;
    /// Nothing, or nothing but white space.
    Empty = "emptyPage", "the page is empty", None;
    /// Bytes that are not UTF-8.
    NotUtf8 = "notUtf8", "the page is not UTF-8", Some("save the page as UTF-8");
    /// A NUL, which no page has.
    Nul = "nulByte", "the page holds a NUL", Some("this looks like another encoding, or no text at all");
    /// A name, from that of the page's file, that no guard can have.
    GuardName = "guardName", "no guard can be called like the page's file", Some("rename the file");
    /// No line with `PATCH` and a path.
    NoPatch = "noPatchLine", "the page names no update", Some("only pages of updates (PATCH) can become a guard");
    /// `PATCH` lines, and none of them can be a route.
    NoRoute = "noRoute", "no path of the page can be a route", Some("keys stand alone in their segment, as in '/users/{id}'");
    /// A key told on the command line that no path has.
    UnknownKey = "unknownKey", "a key was told that no path has", None;
    /// Neither the page nor the command line says which versions of Graph have the update.
    NoVersion = "noVersion", "the page does not say which version of Graph it is about", Some("tell it with --version");
    /// No table of properties in the request body, or one without descriptions.
    NoTable = "noTable", "the page lists no properties", Some("pages that refer to the resource's page for its properties can't be derived");
    /// A column that would say which values a property takes.
    UnknownColumn = "unknownColumn", "a column of the table is not understood", Some("say it in the description, as 'Read-only.', 'Nullable.' or 'Possible values are: …'");
    /// More than one of them.
    SeveralTables = "severalTables", "the page lists properties twice", None;
    /// A part of a table that Markdown does not see as one.
    BrokenTable = "brokenTable", "a row is outside the table", Some("a blank line or a comment ends a table");
    /// A row that names no property, or has more cells than columns.
    UnreadableRow = "unreadableRow", "a row can't be read", None;
    /// Every row is read-only or a key.
    NoProperties = "noProperties", "no property of the page can be changed", None;
    /// The same name twice, or two names that differ only in case.
    DuplicateProperty = "duplicateProperty", "a property is listed twice", None;
    /// A type that the deriver does not know.
    UnknownType = "unknownType", "a type is unknown", Some("a named type needs its values in the description");
    /// An enumeration whose values the page does not list.
    EnumWithoutValues = "enumWithoutValues", "an enumeration has no values", Some("list them in the description, as 'Possible values are: …'");
    /// A type with properties of its own.
    ComplexType = "complexType", "a property has a structure of its own", Some("only single values and collections of them can be derived");
    /// A type that admits anything.
    OpenType = "openType", "a type is open", Some("a guard is closed: it needs every property by name");
    /// A property that is a stream of bytes.
    StreamType = "streamType", "a property is a stream", Some("streams are sent by themselves, not in a JSON update");
    /// A list of values that goes on elsewhere.
    ValuesCut = "valuesCut", "a list of values is cut by a link", Some("the values behind the link are unknown here");
    /// A list of values that can't be told from the words around it.
    ValuesUnclear = "valuesUnclear", "a list of values is not clear", Some("write it as 'Possible values are: `a`, `b`.'");
    /// Bounds that admit nothing, or something the type can't hold.
    BoundsUnclear = "boundsUnclear", "a range of values is not clear", None;
    /// A body that is an array.
    ArrayBody = "arrayBody", "the body is an array", Some("an update is one JSON object");
    /// A body that is not JSON.
    BinaryBody = "binaryBody", "the body is not JSON", Some("an update is one JSON object");
    /// An example that is not JSON.
    ExampleNotJson = "exampleNotJson", "the page's example is not JSON", None;
    /// An example with a property that the table lacks.
    ExampleUnknownField = "exampleUnknownField", "the page's example has a property that its table lacks", Some("one of the two is wrong on the page");
    /// An example that the derived schema refuses.
    ExampleInvalid = "exampleInvalid", "the page's example does not validate", Some("one of the two is wrong on the page");
    /// A schema that the gateway would not load.
    Unloadable = "notLoadable", "the schema of the page is not acceptable", None;
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says())
    }
}

/// Something about a page that a reader of its schema should know, and that is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The line in the page.
    pub line: usize,
    /// The stable name of what was noticed.
    pub code: &'static str,
    /// What was noticed, in a sentence.
    pub text: String,
}

impl Note {
    pub(super) fn new(code: &'static str, place: Place, text: String) -> Self {
        Self { line: place.line, code, text }
    }
}
