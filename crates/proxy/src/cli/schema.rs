//! `patchgate schema`: derive a schema from a documentation page, or show one.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use patchgate_model::{Cloud, GraphVersion, KeyPattern};
use patchgate_validator::Schema;
use patchgate_validator::derive::{self, Derived, MAX_PAGE, Told};
use serde_json::Value;

use super::{Failed, Outcome, print, say};
use crate::ruleset::build;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Derive a schema from a page of the Graph reference, in Markdown as Microsoft publishes it
    ///
    /// One page: the schema goes to standard output, or to the file of --output; on an error nothing is written. Several
    /// pages, or a folder: a table of what became of each goes to standard output, and the schemas, one file each, to the
    /// folder of --output.
    #[command(after_help = DERIVE_EXAMPLES)]
    Derive(Derive),
    /// Show a schema as a table
    #[command(
        after_help = "Examples:\n  patchgate schema show security-incident-update\n  patchgate schema show ./ticket.json"
    )]
    Show {
        /// The name of a schema that ships with the gateway, or the path of one
        schema: String,
    },
}

const DERIVE_EXAMPLES: &str = "\
Examples:
  patchgate schema derive security-incident-update.md --version v1.0,beta \\
      --permission SecurityIncident.ReadWrite.All --cloud global,us-gov-l4,us-gov-l5 --output schema.json
  patchgate schema derive api-reference/v1.0/api --output schemas

Exit status: 0 done, 2 the page was refused or could not be read; of several pages, 2 only if one could not be read.";

#[derive(Debug, clap::Args)]
struct Derive {
    /// Pages, or a folder of them
    #[arg(required = true, value_name = "PAGE.md|DIR")]
    pages: Vec<PathBuf>,
    /// The versions of Graph [default: that of the page's own example]
    #[arg(long = "version", value_name = "VERSION", value_delimiter = ',', value_parser = version)]
    versions: Vec<GraphVersion>,
    /// The pattern of a key of the path, such as 'incidentId=[1-9][0-9]{0,18}'
    #[arg(long = "key", value_name = "NAME=PATTERN", value_parser = key)]
    keys: Vec<(String, KeyPattern)>,
    /// The permission that the update needs
    #[arg(long, value_name = "NAME")]
    permission: Option<String>,
    /// The clouds in which Graph offers the update [default: global]
    #[arg(long = "cloud", value_name = "NAME", value_delimiter = ',', value_parser = cloud)]
    clouds: Vec<Cloud>,
    /// Where to write: a file, or a folder for several pages
    #[arg(long, value_name = "FILE|DIR")]
    output: Option<PathBuf>,
}

fn version(text: &str) -> Result<GraphVersion, String> {
    GraphVersion::from_segment(text).ok_or_else(|| "expected v1.0 or beta".to_owned())
}

fn cloud(text: &str) -> Result<Cloud, String> {
    let names = || Cloud::ALL.map(Cloud::name).join(", ");
    Cloud::from_name(text).ok_or_else(|| format!("expected one of {}", names()))
}

fn key(text: &str) -> Result<(String, KeyPattern), String> {
    let (name, pattern) = text.split_once('=').ok_or("expected NAME=PATTERN")?;
    let pattern = KeyPattern::parse(pattern).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), pattern))
}

pub(super) fn run(args: Args) -> Result<Outcome, Failed> {
    match args.command {
        Command::Show { schema } => show(&build::schema(&schema, Path::new(""))?),
        Command::Derive(args) => {
            let told = Told {
                versions: (!args.versions.is_empty()).then_some(args.versions),
                keys: args.keys,
                permission: args.permission,
                clouds: args.clouds,
            };
            match args.pages.as_slice() {
                [page] if !page.is_dir() => derive_one(page, &told, args.output.as_deref()),
                pages => derive_several(pages, &told, args.output.as_deref()),
            }
        }
    }
}

fn derive_one(page: &Path, told: &Told, output: Option<&Path>) -> Result<Outcome, Failed> {
    let derived = derived(page, told)?.map_err(Failed)?;
    for note in &derived.notes {
        say(&format!("{}:{}: note: {} ({})", page.display(), note.line, note.text, note.code));
    }
    match output {
        None => print(&derived.to_text())?,
        Some(file) => write(file, &derived)?,
    }
    Ok(Outcome::Done)
}

fn derive_several(pages: &[PathBuf], told: &Told, output: Option<&Path>) -> Result<Outcome, Failed> {
    let mut unread = false;
    for page in all_pages(pages)? {
        let shown = page.display();
        let row = match derived(&page, told) {
            Err(Failed(reason)) => {
                unread = true;
                reason
            }
            Ok(Err(refusal)) => refusal,
            Ok(Ok(derived)) => {
                if let Some(folder) = output {
                    write(&folder.join(name_of(&page)).with_extension("json"), &derived)?;
                }
                let fields = derived
                    .schema
                    .pointer("/properties")
                    .and_then(Value::as_object)
                    .map_or(0, serde_json::Map::len);
                format!("{shown}: schema with {fields} fields, {} notes", derived.notes.len())
            }
        };
        print(&format!("{row}\n"))?;
    }
    if unread { Err(Failed("a page could not be read".to_owned())) } else { Ok(Outcome::Done) }
}

/// The pages, and those in folders, in the order of their names.
fn all_pages(given: &[PathBuf]) -> Result<Vec<PathBuf>, Failed> {
    let mut pages = Vec::new();
    let mut open = given.to_vec();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let list =
                fs::read_dir(&path).map_err(|e| Failed(format!("cannot read '{}': {e}", path.display())))?;
            for entry in list {
                let entry = entry?.path();
                if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "md") {
                    open.push(entry);
                }
            }
        } else {
            pages.push(path);
        }
    }
    pages.sort();
    Ok(pages)
}

/// A page's schema or the refusal of the page; the outer error is that it could not be read.
fn derived(page: &Path, told: &Told) -> Result<Result<Derived, String>, Failed> {
    let unreadable =
        |error: &dyn std::fmt::Display| Failed(format!("cannot read '{}': {error}", page.display()));
    let size = fs::metadata(page).map_err(|error| unreadable(&error))?.len();
    if size > MAX_PAGE as u64 {
        return Ok(Err(format!("{}: refused unread: it has {size} bytes, more than 4 MiB", page.display())));
    }
    let bytes = fs::read(page).map_err(|error| unreadable(&error))?;
    let result = derive::derive(&name_of(page), &bytes, told);
    Ok(result.map_err(|error| {
        let hint = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("{}:{}:{}: {}: {error}{hint}", page.display(), error.line, error.column, error.code())
    }))
}

fn name_of(page: &Path) -> String {
    page.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn write(file: &Path, derived: &Derived) -> Result<(), Failed> {
    fs::write(file, derived.to_text())
        .map_err(|error| Failed(format!("cannot write '{}': {error}", file.display())))
}

fn show(schema: &Schema) -> Result<Outcome, Failed> {
    let guard = schema.guard();
    let mut text = format!("{}: {}\n", schema.name(), schema.title());
    let mut line = |name: &str, value: &str| {
        // Writing to a string does not fail.
        _ = writeln!(text, "  {name:<14} {value}");
    };
    for path in &guard.paths {
        line("route", &format!("PATCH {}", path.as_str()));
    }
    line("versions", &guard.versions.iter().map(|v| v.segment()).collect::<Vec<_>>().join(", "));
    for (name, key) in &guard.keys {
        line("key", &format!("{name}: {}, such as {}", key.pattern.as_str(), key.example));
    }
    line("headers", &guard.required_headers.join(", "));
    line("permission", guard.permission.as_deref().unwrap_or("not stated"));
    line("clouds", &guard.clouds.iter().map(|cloud| cloud.name()).collect::<Vec<_>>().join(", "));
    line("entity type", guard.entity_type.as_deref().unwrap_or("not stated"));
    line("page", schema.date().unwrap_or("no date"));
    line("sha256", schema.digest());
    text.push_str("\nfields\n");
    for field in schema.fields() {
        // Writing to a string does not fail.
        _ = writeln!(text, "  {:<18} {}", field.name, field.kind);
        if !field.values.is_empty() {
            _ = writeln!(text, "  {:<18} {}", "", field.values.join(", "));
        }
    }
    print(&text)?;
    Ok(Outcome::Done)
}
