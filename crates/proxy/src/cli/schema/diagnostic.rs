//! A fault in a file, shown with the line that it is in. In colour on a terminal, plain text elsewhere.

use std::io;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use anstream::{AutoStream, ColorChoice};

/// Something wrong in a file.
#[derive(Debug)]
pub(super) struct Diagnostic<'a> {
    /// The file, as it was named.
    pub(super) file: &'a str,
    /// What kind of trouble it is, for scripts.
    pub(super) code: Option<&'a str>,
    /// What is wrong.
    pub(super) title: String,
    pub(super) at: At<'a>,
    /// What stands there and what could.
    pub(super) label: String,
    /// What to do about it.
    pub(super) help: Option<String>,
}

/// Where in the file it is.
#[derive(Debug)]
pub(super) enum At<'a> {
    /// The bytes of its text.
    Text(&'a str, Range<usize>),
    /// A line and a column, where there is no text to show.
    Place(usize, usize),
}

impl Diagnostic<'_> {
    /// The fault as text for standard error.
    pub(super) fn render(&self) -> String {
        let choice = AutoStream::choice(&io::stderr());
        let styled = !matches!(choice, ColorChoice::Never);
        self.with(&if styled { Renderer::styled() } else { Renderer::plain() })
    }

    fn with(&self, renderer: &Renderer) -> String {
        let mut title = Level::ERROR.primary_title(self.title.as_str());
        if let Some(code) = self.code {
            title = title.id(code);
        }
        let mut group: Group<'_> = match &self.at {
            At::Text(text, span) => {
                let mark = AnnotationKind::Primary.span(within(text, span)).label(self.label.as_str());
                title.element(Snippet::source(*text).path(self.file).annotation(mark))
            }
            At::Place(line, column) => title
                .element(Origin::path(self.file).line(*line).char_column(*column))
                .element(Level::NOTE.message(self.label.as_str())),
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

/// The span, within the text and its characters.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let boundary =
        |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = boundary(span.start);
    start..boundary(span.end).max(start)
}

/// What may stand between a place and what was read there: a pipe, a quotation mark, the dress of Markdown.
const DRESS: usize = 4;

/// The bytes at a line and column (both from 1, columns in characters): up to the end of `read`, if it stands there, else one
/// character.
pub(super) fn span_of(text: &str, line: usize, column: usize, read: &str) -> Range<usize> {
    let start_of_line = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum::<usize>();
    let line = text.get(start_of_line..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let in_line = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let rest = line.get(in_line..).unwrap_or_default();
    let start = start_of_line + in_line;
    let length = match rest.find(read).filter(|at| !read.is_empty() && *at <= DRESS) {
        Some(at) => at + read.len(),
        None => rest.chars().next().map_or(0, char::len_utf8),
    };
    start..start + length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_found() {
        let text = "ab\r\né|Kind|\n";
        for (line, column, read, expected) in [
            (1, 1, "ab", 0..2),
            (2, 2, "Kind", 6..11),
            (2, 3, "Kind", 7..11),
            (2, 3, "Other", 7..8),
            (2, 1, "", 4..6),
            (2, 8, "", 12..12),
            (9, 9, "x", 13..13),
        ] {
            assert_eq!(span_of(text, line, column, read), expected, "{line}:{column}");
        }
    }

    proptest! {
        #[test]
        fn any_text_and_span_can_be_shown(text in "[a-c|é\t\r\n\u{1b}\u{202e}😀 ]{0,80}", start in 0usize..90, length in 0usize..90) {
            let diagnostic = Diagnostic {
                file: "f",
                code: Some("c"),
                title: "t".to_owned(),
                at: At::Text(&text, start..start + length),
                label: "l".to_owned(),
                help: Some("h".to_owned()),
            };
            let shown = diagnostic.with(&Renderer::plain());
            prop_assert!(!shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown:?}");
        }
    }
}
