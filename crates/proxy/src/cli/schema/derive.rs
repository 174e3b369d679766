//! `patchgate schema derive`: one page to its schema; `pages` does several.

use std::ops::Range;
use std::path::{Path, PathBuf};

use patchgate_model::{Cloud, GraphVersion, KeyPattern};
use patchgate_validator::derive::overlay::{Overlay, OverlayError};
use patchgate_validator::derive::{self, CorrectError, DeriveError, Derived, MAX_PAGE, Told};

use super::files::{self, Content, shown};
use super::overlay::{self, Places};
use super::table::{counted, inert};
use super::{Failed, Outcome, pages, print, say};
use crate::reason;
use crate::snippet::{At, Excerpt, Message, span_of};

pub(super) const EXAMPLES: &str = "\
Examples:
  patchgate schema derive security-incident-update.md --version v1.0,beta \\
      --permission SecurityIncident.ReadWrite.All --cloud global,us-gov-l4,us-gov-l5 \\
      --output schema.json
  patchgate schema derive security-incident-update.md --overlay corrections.toml \\
      --output corrected.json
  patchgate schema derive api-reference/v1.0/api --output schemas

Exit status: 0 done, 2 the page was refused or could not be read; of several pages, 2 only if one could not be read.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
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
    /// Corrections to what the page says (TOML); for one page
    #[arg(long, value_name = "FILE.toml")]
    overlay: Option<PathBuf>,
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
    let told = Told {
        versions: (!args.versions.is_empty()).then_some(args.versions),
        keys: args.keys,
        permission: args.permission,
        clouds: args.clouds,
    };
    match (args.pages.as_slice(), &args.overlay) {
        ([page], overlay) if !page.is_dir() => one(page, &told, overlay.as_deref(), args.output.as_deref()),
        (_, Some(_)) => Err(Failed("--overlay: it corrects one page; name that page alone".to_owned())),
        (pages, None) => pages::run(pages, &told, args.output.as_deref()),
    }
}

fn one(page: &Path, told: &Told, overlay: Option<&Path>, output: Option<&Path>) -> Result<Outcome, Failed> {
    let inputs = [Some(page), overlay];
    if let Some(output) = output
        && let Some(input) = inputs.into_iter().flatten().find(|input| files::same(input, output))
    {
        return Err(Failed(format!("--output: '{}' is read, and would be overwritten", shown(input))));
    }
    let bytes = match read_page(page)? {
        Content::Bytes(bytes) => bytes,
        Content::TooLarge(size) => return Err(refused(page, None, &derive::too_large(size))),
    };
    let name = name_of(page);
    let derived = match overlay {
        None => derive::derive(&name, &bytes, told).map_err(|error| refused(page, Some(&bytes), &error))?,
        Some(file) => {
            let (text, overlay, places) = read_overlay(file)?;
            derive::derive_corrected(&name, &bytes, told, &overlay).map_err(|error| match error {
                CorrectError::Page(error) => refused(page, Some(&bytes), &error),
                CorrectError::Overlay(errors) => wrong_overlay(file, &text, &places, &errors),
            })?
        }
    };
    tell_notes(page, &derived);
    match output {
        None => print(&derived.to_text())?,
        Some(file) => files::write(file, &derived.to_text())?,
    }
    Ok(Outcome::Done)
}

fn tell_notes(page: &Path, derived: &Derived) {
    for note in &derived.notes {
        say(&format!("{}:{}: note: {} ({})", shown(page), note.line, inert(&note.text), note.code));
    }
}

/// Reads a page, or says why not.
fn read_page(page: &Path) -> Result<Content, Failed> {
    files::read(page, MAX_PAGE)
        .map_err(|error| Failed(format!("cannot read '{}': {}", shown(page), reason::of(&error))))
}

/// What the guard of a page is called.
pub(super) fn name_of(page: &Path) -> String {
    page.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Shows why a page was refused.
fn refused(page: &Path, bytes: Option<&[u8]>, error: &DeriveError) -> Failed {
    let text = bytes.and_then(|bytes| std::str::from_utf8(bytes).ok());
    // The deriver's columns are those of the page without a byte order mark.
    let text =
        text.map(|text| text.strip_prefix('\u{feff}').unwrap_or(text)).filter(|text| !text.trim().is_empty());
    let read = error.read.trim_matches('\'');
    let at = match text {
        Some(text) => At::Text(text.into(), span_of(text, error.line, error.column, read)),
        None => At::Place(error.line, error.column),
    };
    let file = shown(page);
    let label = format!("read {}, expected {}", error.read, error.expected).into();
    let message = Message {
        title: error.reason.to_string().into(),
        code: Some(error.code()),
        excerpts: vec![Excerpt { file: file.as_str().into(), at, label }],
        help: error.hint.map(Into::into).into_iter().collect(),
    };
    say(&message.rendered(true));
    Failed(format!("'{file}' is refused; nothing was written"))
}

fn read_overlay(file: &Path) -> Result<(String, Overlay, Places), Failed> {
    let shown_file = shown(file);
    let unreadable =
        |why: &dyn std::fmt::Display| Failed(format!("--overlay: cannot read '{shown_file}': {why}"));
    let bytes = match files::read(file, MAX_PAGE).map_err(|error| unreadable(&reason::of(&error)))? {
        Content::Bytes(bytes) => bytes,
        Content::TooLarge(size) => return Err(unreadable(&format!("it has {size} bytes, more than 4 MiB"))),
    };
    let sha256 = patchgate_validator::sha256(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not UTF-8"))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match overlay::read(&name, &text, sha256) {
        Ok((overlay, places)) => Ok((text, overlay, places)),
        Err(faults) => {
            let count = faults.len();
            for fault in faults {
                tell(&shown_file, &text, fault.span, fault.problem, fault.hint);
            }
            Err(wrong(&shown_file, count))
        }
    }
}

fn wrong_overlay(file: &Path, text: &str, places: &Places, errors: &[OverlayError]) -> Failed {
    let file = shown(file);
    for error in errors {
        tell(&file, text, places.of(error), error.problem.to_string(), error.problem.hint());
    }
    wrong(&file, errors.len())
}

fn tell(file: &str, text: &str, span: Range<usize>, title: String, help: Option<String>) {
    let at = At::Text(text.into(), span);
    let message = Message {
        title: title.into(),
        code: None,
        excerpts: vec![Excerpt { file: file.into(), at, label: "".into() }],
        help: help.map(Into::into).into_iter().collect(),
    };
    say(&format!("{}\n", message.rendered(true)));
}

fn wrong(file: &str, count: usize) -> Failed {
    let faults = counted(count, "fault", "faults");
    Failed(format!("--overlay: '{file}' has {faults}; nothing was written"))
}
