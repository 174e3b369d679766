//! Several pages: a table of what became of each, and the schemas of those that gave one.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use patchgate_validator::derive::{self, DeriveError, Derived, MAX_PAGE, Told};
use serde_json::Value;

use super::derive::name_of;
use super::files::{self, Content, shown};
use super::table::{aligned, counted};
use super::{Failed, Outcome, print};
use crate::reason;

/// What became of a page.
enum Became {
    Schema(Box<Derived>),
    Refused(DeriveError),
    Unread(String),
}

pub(super) fn run(given: &[PathBuf], told: &Told, output: Option<&Path>) -> Result<Outcome, Failed> {
    let pages: Vec<_> = all_pages(given)?.into_iter().map(|page| (became(&page, told), page)).collect();
    let rows = pages.iter().map(|(became, page)| row(became, page));
    let table = aligned(Some(["page", "result", "line", "guard or reason"]), rows);
    print(&format!("{table}\n{}\n", summary(&pages)))?;
    if let Some(folder) = output {
        write_all(&pages, folder)?;
    }
    let unread = pages.iter().filter(|(became, _)| matches!(became, Became::Unread(_))).count();
    if unread == 0 {
        return Ok(Outcome::Done);
    }
    Err(Failed(format!("{} could not be read", counted(unread, "page", "pages"))))
}

/// The pages, and those in folders, in the order of their names, each once.
fn all_pages(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failed> {
    let mut pages = Vec::new();
    let mut open: Vec<_> = given.iter().filter(|path| path.is_dir()).cloned().collect();
    pages.extend(given.iter().filter(|path| !path.is_dir()).cloned());
    while let Some(folder) = open.pop() {
        let unreadable =
            |error: io::Error| Failed(format!("cannot read '{}': {}", shown(&folder), reason::of(&error)));
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            // A link to a folder may lead back here.
            if entry.file_type().map_err(unreadable)?.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") && !path.is_dir() {
                pages.push(path);
            }
        }
    }
    if pages.is_empty() {
        let folders: Vec<_> = given.iter().map(|folder| format!("'{}'", shown(folder))).collect();
        return Err(Failed(format!("there is no page in {}: no file there ends in .md", folders.join(", "))));
    }
    pages.sort();
    pages.dedup();
    Ok(pages)
}

fn became(page: &Path, told: &Told) -> Became {
    match files::read(page, MAX_PAGE) {
        Err(error) => Became::Unread(format!("it cannot be read: {}", reason::of(&error))),
        Ok(Content::TooLarge(size)) => Became::Refused(derive::too_large(size)),
        Ok(Content::Bytes(bytes)) => match derive::derive(&name_of(page), &bytes, told) {
            Ok(derived) => Became::Schema(Box::new(derived)),
            Err(error) => Became::Refused(error),
        },
    }
}

fn row(became: &Became, page: &Path) -> [String; 4] {
    let (result, line, what) = match became {
        Became::Schema(derived) => {
            let properties = derived.schema.get("properties").and_then(Value::as_object);
            let fields = counted(properties.map_or(0, serde_json::Map::len), "field", "fields");
            let notes = counted(derived.notes.len(), "note", "notes");
            ("schema", String::new(), format!("{}: {fields}, {notes}", name_of(page)))
        }
        Became::Refused(error) => {
            (error.code(), error.line.to_string(), format!("{}: read {}", error.reason, error.read))
        }
        Became::Unread(why) => ("unread", String::new(), why.clone()),
    };
    [shown(page), result.to_owned(), line, what]
}

/// How many of each.
fn summary(pages: &[(Became, PathBuf)]) -> String {
    let mut codes = BTreeMap::new();
    let (mut schemas, mut refused, mut unread) = (0, 0, 0);
    for (became, _) in pages {
        match became {
            Became::Schema(_) => schemas += 1,
            Became::Unread(_) => unread += 1,
            Became::Refused(error) => {
                refused += 1;
                *codes.entry(error.code()).or_insert(0_usize) += 1;
            }
        }
    }
    let mut codes: Vec<_> = codes.into_iter().collect();
    codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let codes: Vec<_> = codes.into_iter().map(|(code, count)| format!("{count} {code}")).collect();
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    let unread = if unread == 0 { String::new() } else { format!(", {unread} unread") };
    let pages = counted(pages.len(), "page", "pages");
    format!("{pages}: {}, {refused} refused{codes}{unread}", counted(schemas, "schema", "schemas"))
}

/// Writes the schemas into a folder, which is made where it is missing. Nothing is written where two pages would be one file.
fn write_all(pages: &[(Became, PathBuf)], folder: &Path) -> Result<(), Failed> {
    let mut files = BTreeMap::new();
    for (became, page) in pages {
        let Became::Schema(derived) = became else { continue };
        let file = folder.join(format!("{}.json", name_of(page)));
        if let Some((other, _)) = files.insert(file.clone(), (page, derived)) {
            let pages = format!("'{}' and '{}'", shown(other), shown(page));
            return Err(Failed(format!(
                "--output: {pages} would both be '{}'; nothing was written. Derive each folder by itself",
                shown(&file)
            )));
        }
    }
    fs::create_dir_all(folder).map_err(|error| {
        Failed(format!("--output: '{}' is no folder to write to: {}", shown(folder), reason::of(&error)))
    })?;
    for (file, (_, derived)) in files {
        files::write(&file, &derived.to_text())?;
    }
    Ok(())
}
