//! Faults of a configuration, each with its place, and how they are shown: the line, a caret below it, and what to do.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::path::PathBuf;

use super::url::masked;
use crate::snippet::{At, Excerpt, Message, floor};

/// The text of a configuration and where it stands.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
    /// The values of keys that nobody knows: they could be anything, and are not shown.
    pub hidden: Vec<Range<usize>>,
}

impl Document {
    /// The text as it may be shown: each byte of what may not is `*`, so that places stay.
    fn shown(&self) -> String {
        let mut bytes = masked(&self.text).into_bytes();
        for span in &self.hidden {
            let secret = bytes.iter_mut().skip(span.start).take(span.len());
            secret.filter(|byte| !byte.is_ascii_whitespace()).for_each(|byte| *byte = b'*');
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the file: these bytes of its text.
    File(Range<usize>),
    /// In a variable.
    Variable(String),
    /// In a flag.
    Flag(&'static str),
    /// In no text: something that is missing, or a default.
    Nowhere,
}

/// Something that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key that it is about, such as `limits.body`; empty where it is about none.
    pub key: String,
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub message: String,
    /// The place in a file that the configuration names, such as a schema.
    pub elsewhere: Option<Excerpt<'static>>,
    /// What is accepted, what was probably meant, what to do.
    pub help: Vec<String>,
}

/// All that is wrong with a configuration: at least one fault.
#[derive(Debug, Clone)]
pub struct Faults {
    /// The file, if there is one.
    pub document: Option<Document>,
    /// What is wrong, in the order of the file; what is in no file comes behind.
    pub list: Vec<Fault>,
}

impl Fault {
    /// A fault without help.
    pub fn new(key: impl Into<String>, place: Place, message: impl Into<String>) -> Self {
        Self { key: key.into(), place, message: message.into(), elsewhere: None, help: Vec::new() }
    }

    /// With a line of help.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(line.into());
        self
    }

    /// What is wrong and where, in one line.
    pub fn line(&self, document: Option<&Document>) -> String {
        let place = match (&self.place, document) {
            (Place::File(span), Some(document)) => {
                let (line, column) = line_and_column(&document.text, span.start);
                format!("{}:{line}:{column}: ", document.path.display())
            }
            _ => String::new(),
        };
        format!("{place}{}", self.title())
    }

    fn title(&self) -> String {
        let subject = match &self.place {
            Place::Variable(name) => name.as_str(),
            Place::Flag(name) => name,
            Place::File(_) | Place::Nowhere => &self.key,
        };
        let message = masked(&self.message);
        if subject.is_empty() { message } else { format!("{subject}: {message}") }
    }
}

impl Faults {
    /// Faults, put into their order.
    pub fn of(document: Option<Document>, mut list: Vec<Fault>) -> Self {
        list.sort_by_key(|fault| match &fault.place {
            Place::File(span) => (0, span.start),
            Place::Variable(_) => (1, 0),
            Place::Flag(_) => (2, 0),
            Place::Nowhere => (3, 0),
        });
        Self { document, list }
    }

    /// One fault that is in no text.
    pub fn one(message: impl Into<String>, help: &str) -> Self {
        Self { document: None, list: vec![Fault::new("", Place::Nowhere, message).help(help)] }
    }

    /// What is wrong, a line for each.
    pub fn lines(&self) -> Vec<String> {
        self.list.iter().map(|fault| fault.line(self.document.as_ref())).collect()
    }

    /// All faults for people; with colours, or without.
    pub fn rendered(&self, colours: bool) -> String {
        let mut text = String::new();
        for (number, fault) in self.list.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            // Writing to a string does not fail.
            _ = writeln!(text, "{}", self.message(fault).rendered(colours));
        }
        text
    }

    fn message<'a>(&'a self, fault: &'a Fault) -> Message<'a> {
        let mut excerpts = Vec::new();
        if let (Place::File(span), Some(document)) = (&fault.place, &self.document) {
            excerpts.push(Excerpt {
                file: document.path.display().to_string().into(),
                at: At::Text(document.shown().into(), span.clone()),
                label: "".into(),
            });
        }
        excerpts.extend(fault.elsewhere.clone());
        let help = fault.help.iter().map(|line| line.as_str().into()).collect();
        Message { title: fault.title().into(), code: None, excerpts, help }
    }
}

/// Line and column, from 1, the column in characters.
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..floor(text, offset)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rendered(false).trim_end())
    }
}

impl std::error::Error for Faults {}
