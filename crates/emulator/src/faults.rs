//! Faults: what goes wrong on purpose, read from TOML.
//!
//! Invariant: a fault that is not understood whole is refused; none is half applied.

mod written;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;

use self::written::Written;

/// A script of faults: which requests are answered badly, how, and how often.
///
/// ```toml
/// [[fault]]
/// match = { method = "PATCH", path = "/v1.0/security/incidents/*" }
/// times = 2
/// status = 503
/// retry_after = 1
/// ```
///
/// The first fault that matches a request and has times left befalls it, and only that one. A single request can ask
/// for a fault too, by a header with the same keys but `match` and `times`: `patchgate-fault: status = 503, retry_after = 1`.
/// It comes before those of the script. (The gateway drops this header: it is for those who talk to the emulator
/// directly.)
///
/// | key | value | |
/// |---|---|---|
/// | `match` | `{ method, path }` | which requests: each part is optional, no `match` is all. `path` is compared with the raw path without its query, and may end in `*` |
/// | `times` | number | how often; always, if absent |
/// | `apply` | true, false | whether the request is carried out before the fault befalls it. Unless said otherwise, it is not where `status`, `redirect`, `reset` or `never` stand for the answer, and is in all other cases |
/// | `status` | 200 to 599 | this answer, with Graph's envelope from 400 on |
/// | `retry_after` | seconds | a `Retry-After` in the answer |
/// | `redirect` | URL | a 302 (or `status`) with this `Location` |
/// | `informational` | 100 to 199, but 101 | an interim answer before the real one, at once |
/// | `delay_head` | duration | how long the answer's head takes. The request is carried out before, not after |
/// | `delay_body` | duration | how long each chunk of the body takes |
/// | `chunk_bytes` | number | the size of these chunks; 256 if absent |
/// | `cut_after` | bytes | the body breaks off after so many, and the connection is closed |
/// | `reset` | true | the connection is reset (RST) before any answer, or where `cut_after` cuts it |
/// | `never` | true | no answer, until the client closes |
/// | `body_bytes` | bytes | a body of that size, streamed |
/// | `content_type` | media type | this type, whatever the body is |
/// | `content_encoding` | coding | the answer claims this coding; the bytes stay as they are |
/// | `pascal_case` | true | enum values in PascalCase, as the documentation's own example has them |
///
/// A duration has a unit: `"500ms"`, `"1s"`, `"1m 30s"`. An unknown key is an error, and so is a fault that does nothing.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

/// Why a script of faults cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct FaultsError {
    line: usize,
    column: usize,
    message: String,
}

impl FaultsError {
    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Faults {
    /// Reads a script.
    pub fn from_toml(text: &str) -> Result<Self, FaultsError> {
        match toml::from_str::<Script>(text) {
            Ok(script) => Ok(Self { rules: script.fault }),
            Err(error) => Err(located(text, &error)),
        }
    }

    /// The fault that befalls a request, and one time less of it.
    pub(crate) fn pick(&self, method: &Method, path: &str) -> Option<&Fault> {
        let rule = self.rules.iter().find(|rule| rule.matches(method, path) && rule.take())?;
        Some(&rule.fault)
    }
}

/// What happens to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    apply: Option<bool>,
    pub(crate) status: Option<StatusCode>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) redirect: Option<HeaderValue>,
    pub(crate) informational: Option<StatusCode>,
    pub(crate) delay_head: Option<Duration>,
    pub(crate) delay_body: Option<Duration>,
    pub(crate) chunk_bytes: Option<NonZeroUsize>,
    pub(crate) cut_after: Option<u64>,
    pub(crate) ending: Ending,
    pub(crate) body_bytes: Option<u64>,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) content_encoding: Option<HeaderValue>,
    pub(crate) spelling: Spelling,
}

/// Whether an answer comes, and if not, what does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    #[default]
    Answer,
    Reset,
    Never,
}

/// How enum values are spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spelling {
    #[default]
    Documented,
    PascalCase,
}

impl Fault {
    /// Reads the header of a request.
    pub(crate) fn from_header(text: &str) -> Result<Self, String> {
        let one: One = toml::from_str(&format!("fault = {{ {text} }}")).map_err(|e| words(e.message()))?;
        if one.fault.is_of_a_script() {
            return Err("'match' and 'times' have no meaning for a single request".to_owned());
        }
        Rule::try_from(one.fault).map(|rule| rule.fault)
    }

    /// Whether the request is carried out.
    pub(crate) fn applies(&self) -> bool {
        let unanswered = match self.ending {
            Ending::Answer => false,
            Ending::Reset => self.cut_after.is_none(),
            Ending::Never => true,
        };
        self.apply.unwrap_or(!self.replaces() && !unanswered)
    }

    /// Whether the answer is the fault's own, and not Graph's.
    pub(crate) fn replaces(&self) -> bool {
        self.status.is_some() || self.redirect.is_some()
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Written")]
struct Rule {
    method: Option<Method>,
    path: Path,
    left: Option<AtomicU64>,
    fault: Fault,
}

#[derive(Debug)]
enum Path {
    Any,
    Exactly(String),
    StartsWith(String),
}

impl Rule {
    fn matches(&self, method: &Method, path: &str) -> bool {
        let path_fits = match &self.path {
            Path::Any => true,
            Path::Exactly(wanted) => path == wanted,
            Path::StartsWith(start) => path.starts_with(start.as_str()),
        };
        path_fits && self.method.as_ref().is_none_or(|wanted| wanted == method)
    }

    /// One time less; false where there was none left.
    fn take(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.left
            .as_ref()
            .is_none_or(|left| left.try_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    #[serde(default)]
    fault: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    fault: Written,
}

fn located(text: &str, error: &toml::de::Error) -> FaultsError {
    let at = error.span().map_or(0, |span| span.start);
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    FaultsError {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        message: words(error.message()),
    }
}

/// What the reader of TOML says, in the words of whoever writes a script.
fn words(said: &str) -> String {
    let said = said.replace('`', "'");
    if let Some((unknown, known)) =
        said.strip_prefix("unknown field ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("there is no key {unknown}; there is {}", known.trim_start_matches("one of "));
    }
    let wrong = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "));
    let Some((found, expected)) = wrong.and_then(|rest| rest.rsplit_once(", expected ")) else { return said };
    let expected = match expected {
        "a sequence" => "a list: write [[fault]]",
        "struct Matches" => "{ method = …, path = … }",
        "struct Written" | "struct Rule" => "a table: write [[fault]]",
        "a boolean" => "true or false",
        "u16" | "u64" | "usize" => "a whole number",
        "a nonzero u64" | "a nonzero usize" => "a whole number from 1 on",
        "a string" => "a text",
        other => other,
    };
    format!("expected {expected}, not {found}")
}

#[cfg(test)]
mod tests;
