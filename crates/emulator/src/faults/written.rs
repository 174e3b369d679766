//! A fault as it is written in TOML, and what it means.
//!
//! Invariant: every key is checked here; a [`Rule`] holds only what can be done.

use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use jiff::SignedDuration;
use serde::Deserialize;

use super::{Ending, Fault, Path, Rule, Spelling};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matches {
    method: Option<String>,
    path: Option<String>,
}

/// A fault as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(rename = "match")]
    matches: Option<Matches>,
    times: Option<NonZeroU64>,
    apply: Option<bool>,
    status: Option<Status>,
    retry_after: Option<u64>,
    redirect: Option<Text>,
    informational: Option<Interim>,
    delay_head: Option<Pause>,
    delay_body: Option<Pause>,
    chunk_bytes: Option<NonZeroUsize>,
    cut_after: Option<u64>,
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    never: bool,
    body_bytes: Option<u64>,
    content_type: Option<Text>,
    content_encoding: Option<Text>,
    #[serde(default)]
    pascal_case: bool,
}

impl Written {
    /// Whether it says which requests it is for, or how often.
    pub(super) fn is_of_a_script(&self) -> bool {
        self.matches.is_some() || self.times.is_some()
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "u16")]
struct Status(StatusCode);

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        let status = StatusCode::from_u16(number).ok().filter(|status| (200..600).contains(&status.as_u16()));
        status.map(Self).ok_or_else(|| format!("{number} is not a status from 200 to 599"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "u16")]
struct Interim(StatusCode);

impl TryFrom<u16> for Interim {
    type Error = String;

    fn try_from(number: u16) -> Result<Self, String> {
        let status = StatusCode::from_u16(number).ok().filter(StatusCode::is_informational);
        let status = status.filter(|status| *status != StatusCode::SWITCHING_PROTOCOLS);
        status.map(Self).ok_or_else(|| format!("{number} is not a status from 100 to 199 other than 101"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Text(HeaderValue);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        HeaderValue::try_from(&text).map(Self).map_err(|_| format!("'{text}' cannot stand in a header"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Pause(Duration);

impl TryFrom<String> for Pause {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let pause: Option<SignedDuration> = text.parse().ok();
        let pause = pause.and_then(|pause| Duration::try_from(pause).ok());
        pause.map(Self).ok_or_else(|| format!("'{text}' is not a duration like \"500ms\""))
    }
}

impl TryFrom<Written> for Rule {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let ending = match (written.reset, written.never) {
            (false, false) => Ending::Answer,
            (true, false) => Ending::Reset,
            (false, true) => Ending::Never,
            (true, true) => return Err("a fault either resets or never answers".to_owned()),
        };
        let fault = Fault {
            apply: written.apply,
            status: written.status.map(|status| status.0),
            retry_after: written.retry_after,
            redirect: written.redirect.map(|text| text.0),
            informational: written.informational.map(|status| status.0),
            delay_head: written.delay_head.map(|pause| pause.0),
            delay_body: written.delay_body.map(|pause| pause.0),
            chunk_bytes: written.chunk_bytes,
            cut_after: written.cut_after,
            ending,
            body_bytes: written.body_bytes,
            content_type: written.content_type.map(|text| text.0),
            content_encoding: written.content_encoding.map(|text| text.0),
            spelling: if written.pascal_case { Spelling::PascalCase } else { Spelling::Documented },
        };
        if (Fault { apply: None, chunk_bytes: None, ..fault.clone() }) == Fault::default() {
            return Err("this fault does nothing".to_owned());
        }
        let answered = fault.ending == Ending::Answer || fault.cut_after.is_some();
        if !fault.applies() && !fault.replaces() && answered && fault.ending != Ending::Never {
            return Err("without 'status' or 'redirect' there is no answer to a request that is not applied"
                .to_owned());
        }
        let matches = written.matches.unwrap_or_default();
        let path = matches.path.map_or(Ok(Path::Any), path)?;
        let method = matches.method.map(|name| method(&name)).transpose()?;
        Ok(Self { method, path, left: written.times.map(|times| AtomicU64::new(times.get())), fault })
    }
}

/// What could match no request is a slip, and the test that it is for would pass without its fault.
fn path(path: String) -> Result<Path, String> {
    if !path.starts_with('/') {
        return Err(format!("the path '{path}' has no '/' in front"));
    }
    if path.contains(['?', '#']) {
        return Err(format!("the path '{path}' has more than a path: it is compared without the query"));
    }
    match path.strip_suffix('*') {
        start if start.unwrap_or(&path).contains('*') => {
            Err(format!("the path '{path}' has a '*' that is not at its end"))
        }
        Some(start) => Ok(Path::StartsWith(start.to_owned())),
        None => Ok(Path::Exactly(path)),
    }
}

fn method(name: &str) -> Result<Method, String> {
    let upper = name.to_ascii_uppercase();
    match name.parse() {
        Ok(method) if name == upper => Ok(method),
        Ok(_) => Err(format!("'{name}' is not a method; did you mean '{upper}'?")),
        Err(_) => Err(format!("'{name}' is not a method")),
    }
}
