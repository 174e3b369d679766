//! From a page of Microsoft Graph's reference to the schema of a guard.
//!
//! INVARIANT: a page ends in a schema or in an error with its place; nothing in between, and nothing guessed. The page's
//! facts go into the schema, its sentences do not.

mod bounds;
mod emit;
mod error;
mod example;
mod markdown;
pub mod overlay;
mod page;
mod path;
mod prose;
mod sections;
mod table;
mod types;
mod values;

use patchgate_model::{Cloud, GraphVersion, KeyPattern};
use serde_json::Value;

pub use error::{DeriveError, Note, Reason};
use example::Example;
use markdown::Place;
use overlay::{Overlay, OverlayError};

use crate::digest::sha256;
use crate::schema::{self, Schema};

/// The version of the deriver, in the provenance of each schema: it counts the changes to what the same page gives.
pub const DERIVER: &str = "1";

/// The largest page, in bytes. A caller that can know the size beforehand need not read a larger one.
pub const MAX_PAGE: usize = 4 * 1024 * 1024;

/// What a page can't say about its update.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The versions of Graph that have it; those of the page's own examples where nothing is told.
    pub versions: Option<Vec<GraphVersion>>,
    /// The patterns of keys, by their names in the paths.
    pub keys: Vec<(String, KeyPattern)>,
    /// The permission that a caller needs.
    pub permission: Option<String>,
    /// The clouds that have it; the worldwide one where nothing is told.
    pub clouds: Vec<Cloud>,
}

/// A schema, and what a reader of it should know about its page.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// The schema, its members in the order in which they are written.
    pub schema: Value,
    /// What was left out, renamed or taken in the stricter of two ways, in the order of the page.
    pub notes: Vec<Note>,
}

impl Derived {
    /// The schema as it is kept in files: the same bytes for the same page, two spaces deep, with a final new line.
    pub fn to_text(&self) -> String {
        format!("{:#}\n", self.schema)
    }
}

/// Why a page and its overlay gave no schema.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CorrectError {
    /// The page is to blame.
    #[error(transparent)]
    Page(#[from] DeriveError),
    /// The overlay is; all that is wrong with it.
    #[error("the overlay is wrong in {} places", .0.len())]
    Overlay(Vec<OverlayError>),
}

/// Derives the schema of a guard: the way of a page. `name` is what the guard will be called.
pub fn derive(name: &str, bytes: &[u8], told: &Told) -> Result<Derived, DeriveError> {
    let mut page = read(name, bytes, told)?;
    let mut proven = Vec::new();
    for example in std::mem::take(&mut page.examples) {
        proven.push(example.prove(&page.schema, &page.left_out, &mut page.notes)?);
    }
    loadable(page.with(proven))
}

/// The same, corrected by an overlay. An example of the page that only the page's own schema accepts is left out; one that
/// only the corrected schema accepts is as good as any.
pub fn derive_corrected(
    name: &str,
    bytes: &[u8],
    told: &Told,
    overlay: &Overlay,
) -> Result<Derived, CorrectError> {
    let mut page = read(name, bytes, told)?;
    let pure = page.schema;
    page.schema = overlay::apply(&pure, overlay).map_err(CorrectError::Overlay)?;
    let mut proven = Vec::new();
    for example in std::mem::take(&mut page.examples) {
        let place = example.place;
        match example.clone().prove(&page.schema, &page.left_out, &mut page.notes) {
            Ok(example) => proven.push(example),
            Err(error) => {
                example.prove(&pure, &page.left_out, &mut Vec::new()).map_err(|_| error)?;
                let text = "an example of the page is left out: the corrected schema refuses it".to_owned();
                page.notes.push(Note::new("exampleCorrected", place, text));
            }
        }
    }
    Ok(loadable(page.with(proven))?)
}

/// What is derived is what the gateway loads: a page of which that is not so is refused here, not there.
fn loadable(derived: Derived) -> Result<Derived, DeriveError> {
    match Schema::load(derived.schema.to_string().as_bytes()) {
        Ok(_) => Ok(derived),
        Err(error) => {
            let (read, expected) = (error.unplaced().to_string(), "what makes a schema that loads");
            Err(DeriveError::described(Reason::Unloadable, Place::START, &read, expected))
        }
    }
}

/// What a page says, its examples not yet held against it.
struct Unproven {
    schema: Value,
    examples: Vec<Example>,
    /// Rows that an update must not set.
    left_out: Vec<String>,
    notes: Vec<Note>,
}

impl Unproven {
    fn with(mut self, examples: Vec<Option<Value>>) -> Derived {
        let mut proven = Vec::new();
        for example in examples.into_iter().flatten() {
            if !proven.contains(&example) {
                proven.push(example);
            }
        }
        if let (false, Some(members)) = (proven.is_empty(), self.schema.as_object_mut()) {
            members.insert("examples".to_owned(), Value::Array(proven));
        }
        self.notes.sort_by_key(|note| note.line);
        Derived { schema: self.schema, notes: self.notes }
    }
}

/// Reads a page: a call for each step.
fn read(name: &str, bytes: &[u8], told: &Told) -> Result<Unproven, DeriveError> {
    let mut notes = Vec::new();
    if !schema::is_name(name) {
        return Err(DeriveError::new(Reason::GuardName, Place::START, name, "letters, digits and - _ ."));
    }
    let text = text(bytes)?;
    let markdown = markdown::read(text);
    let page = page::read(&markdown, &mut notes)?;
    let paths = path::read(&page.targets, &mut notes)?;
    let samples = samples(&page, &paths, &mut notes);
    let keys = paths.keys(&samples, told, &mut notes)?;
    let properties = table::read(page.table, page.namespace.as_deref(), &mut notes)?;
    let examples = examples(&page, &mut notes)?;
    let versions = versions(&page, &paths, told)?;
    let entity_type = entity_type(&page, &examples, &mut notes);
    let clouds = clouds(told);
    let schema = emit::schema(&emit::Guard {
        name,
        title: page.title.as_deref(),
        date: page.date.as_deref(),
        namespace: page.namespace.as_deref(),
        sha256: &sha256(bytes),
        deriver: DERIVER,
        paths: &paths,
        versions: &versions,
        keys: &keys,
        required_headers: &page.required_headers,
        permission: told.permission.as_deref(),
        clouds: &clouds,
        entity_type: entity_type.as_deref(),
        properties: &properties.listed,
    });
    Ok(Unproven { schema, examples, left_out: properties.left_out, notes })
}

/// The refusal of a page of so many bytes; a caller that knows the size beforehand need not read it.
pub fn too_large(bytes: u64) -> DeriveError {
    DeriveError::described(Reason::TooLarge, Place::START, &format!("{bytes} bytes"), "at most 4 MiB")
}

/// The page as text. A byte order mark at its beginning is Windows' way to save a file, and no part of the page.
fn text(bytes: &[u8]) -> Result<&str, DeriveError> {
    let fail = |reason, place, read: &str, expected: &str| {
        Err(DeriveError::described(reason, place, read, expected))
    };
    if bytes.len() > MAX_PAGE {
        return Err(too_large(bytes.len() as u64));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
            return fail(Reason::NotUtf8, end_of(&good), "bytes that are no character", "UTF-8");
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((before, _)) = text.split_once('\0') {
        return fail(Reason::Nul, end_of(before), "a NUL", "text");
    }
    if text.trim().is_empty() {
        return fail(
            Reason::Empty,
            Place::START,
            "nothing",
            "a page of Microsoft Graph's reference in Markdown",
        );
    }
    Ok(text)
}

/// The place right after a text.
fn end_of(text: &str) -> Place {
    let last = text.rsplit('\n').next().unwrap_or_default();
    Place { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}

/// The values of the keys in the page's own requests: as the page lists them, else as its targets have them.
fn samples(page: &page::Page<'_>, paths: &path::Paths, notes: &mut Vec<Note>) -> Vec<(String, String)> {
    let mut samples = Vec::new();
    for request in &page.requests {
        let (_, path) = path::split(&request.target);
        let Some(names) = paths.key_names(&path) else {
            let text = format!("the example's path '/{path}' is none of the page's paths");
            notes.push(Note::new("examplePath", request.place, text));
            continue;
        };
        if names.len() == request.sample_keys.len() {
            samples.extend(names.into_iter().zip(request.sample_keys.iter().cloned()));
        } else {
            samples.extend(paths.samples(&path));
        }
    }
    samples
}

/// The versions that have the update: as told, else those that the page's own targets name.
fn versions(
    page: &page::Page<'_>,
    paths: &path::Paths,
    told: &Told,
) -> Result<Vec<GraphVersion>, DeriveError> {
    let named = page.requests.iter().filter_map(|request| path::split(&request.target).0);
    let named: Vec<_> = named.chain(paths.versions.iter().copied()).collect();
    let wanted = told.versions.as_ref().filter(|versions| !versions.is_empty()).unwrap_or(&named);
    let versions: Vec<_> = GraphVersion::ALL.into_iter().filter(|version| wanted.contains(version)).collect();
    if versions.is_empty() {
        let place = page.targets.first().map_or(Place::START, |(place, _)| *place);
        let read = "no example with the whole address";
        return Err(DeriveError::described(
            Reason::NoVersion,
            place,
            read,
            "'v1.0' or 'beta' in an example's address",
        ));
    }
    Ok(versions)
}

/// The clouds that have the update, each once, however often it was told.
fn clouds(told: &Told) -> Vec<Cloud> {
    let mut clouds = Vec::new();
    for cloud in &told.clouds {
        if !clouds.contains(cloud) {
            clouds.push(*cloud);
        }
    }
    if clouds.is_empty() { vec![Cloud::Global] } else { clouds }
}

fn examples(page: &page::Page<'_>, notes: &mut Vec<Note>) -> Result<Vec<Example>, DeriveError> {
    let mut examples = Vec::new();
    for request in &page.requests {
        match request.example()? {
            Some(example) => examples.push(example),
            None => notes.push(Note::new("exampleEmpty", request.place, "an example has no body".to_owned())),
        }
    }
    if page.requests.is_empty() {
        notes.push(Note::new(
            "noExample",
            page.table.place,
            "the page has no example of its own to check".to_owned(),
        ));
    }
    Ok(examples)
}

/// The type that a body may state: the one that the page's own requests state, else the one of its answer.
fn entity_type(page: &page::Page<'_>, examples: &[Example], notes: &mut Vec<Note>) -> Option<String> {
    let mut stated = examples.iter().filter_map(|example| example.odata_type.as_deref());
    let first = stated.next().filter(|name| page::is_type(name));
    let agreed = first.filter(|first| stated.all(|other| other == *first));
    let answered = page.response_type.as_deref();
    if let (Some(sent), Some(answered)) = (agreed, answered)
        && sent != answered
        && let Some(request) = page.requests.first()
    {
        let text =
            format!("the example states '{sent}' and its answer '{answered}'; the guard goes by the example");
        notes.push(Note::new("entityType", request.place, text));
    }
    agreed.or(answered).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_would_not_load_is_not_derived() {
        let error = loadable(Derived { schema: json!({}), notes: Vec::new() }).unwrap_err();
        assert_eq!((error.code(), error.line, error.column), ("notLoadable", 1, 1));
        assert!(error.read.contains("$schema") && !error.read.contains("line"), "{error}");
    }
}
