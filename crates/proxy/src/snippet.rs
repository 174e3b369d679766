//! What is wrong, as people read it: what, the line with a caret below it, what to do.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use patchgate_model::quote::acts;

/// Something wrong.
#[derive(Debug, Default)]
pub struct Message<'a> {
    /// What is wrong.
    pub title: Cow<'a, str>,
    /// What kind of trouble it is, for scripts.
    pub code: Option<&'a str>,
    /// Where it is, and what else is to be seen.
    pub excerpts: Vec<Excerpt<'a>>,
    /// What to do about it, a line each.
    pub help: Vec<Cow<'a, str>>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt<'a> {
    /// The file, as it was named.
    pub file: Cow<'a, str>,
    /// Where in it.
    pub at: At<'a>,
    /// What stands there and what could; or nothing.
    pub label: Cow<'a, str>,
}

/// Where in a file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum At<'a> {
    /// The bytes of its text; of several lines the first is marked.
    Text(Cow<'a, str>, Range<usize>),
    /// A line and a column, where there is no text to show.
    Place(usize, usize),
}

impl Message<'_> {
    /// For people; with colours, or without.
    pub fn rendered(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).render(&[self.group()])
    }

    fn group(&self) -> Group<'_> {
        let mut title = Level::ERROR.primary_title(self.title.as_ref());
        if let Some(code) = self.code {
            title = title.id(code);
        }
        let mut group = Group::with_title(title);
        for excerpt in &self.excerpts {
            let (file, label) = (excerpt.file.as_ref(), excerpt.label.as_ref());
            let label = (!label.is_empty()).then_some(label);
            group = match &excerpt.at {
                At::Text(text, span) => {
                    let (text, span) = inert(text, within(text, span));
                    let mark = AnnotationKind::Primary.span(span.clone()).label(label);
                    group.element(Snippet::source(whole(text, &span)).path(file).annotation(mark))
                }
                At::Place(line, column) => group
                    .element(Origin::path(file).line(*line).char_column(*column))
                    .elements(label.map(|label| Level::NOTE.message(label))),
            };
        }
        group.elements(self.help.iter().map(|line| Level::HELP.message(line.as_ref())))
    }
}

/// The text; the empty line behind its last line end is one, too, where it is what is to be shown.
fn whole<'a>(text: Cow<'a, str>, span: &Range<usize>) -> Cow<'a, str> {
    if span.start >= text.len() && text.ends_with('\n') { Cow::Owned(format!("{text} ")) } else { text }
}

/// The text without what would act on a terminal, and where the span is in it. In ASCII the renderer sees to it, elsewhere to some
/// of it.
fn inert(text: &str, span: Range<usize>) -> (Cow<'_, str>, Range<usize>) {
    let acts = |c: char| !c.is_ascii() && acts(c);
    if !text.contains(acts) {
        return (text.into(), span);
    }
    let mut inert = String::with_capacity(text.len() + 64);
    let mut show = |part: Option<&str>| {
        inert.extend(part.unwrap_or_default().chars().map(|c| if acts(c) { '\u{fffd}' } else { c }));
        inert.len()
    };
    let start = show(text.get(..span.start));
    let end = show(text.get(span.clone()));
    show(text.get(span.end..));
    (inert.into(), start..end)
}

/// The part of a span that is in the text and on its first line: a caret needs no more.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start);
    let line_end =
        text.get(start..).and_then(|rest| rest.find(['\n', '\r'])).map_or(text.len(), |at| start + at);
    start..floor(text, span.end).clamp(start, line_end)
}

/// The last boundary of characters that is not behind `at`.
pub fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// What may stand between a place and what was read there: a pipe, a quotation mark, the dress of Markdown.
const DRESS: usize = 4;

/// The bytes at a line and column (both from 1, columns in characters): up to the end of `read`, if it stands there, else one
/// character.
pub fn span_of(text: &str, line: usize, column: usize, read: &str) -> Range<usize> {
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

    fn message<'a>(text: &'a str, span: Range<usize>, label: &'a str) -> Message<'a> {
        let excerpt = Excerpt { file: "f".into(), at: At::Text(text.into(), span), label: label.into() };
        Message { title: "t".into(), code: Some("c"), excerpts: vec![excerpt], help: vec!["h".into()] }
    }

    #[test]
    fn what_is_cut_off_behind_a_line_end_is_shown_there() {
        for (text, place) in [("a\n", "f:2:1"), ("a\r\n", "f:2:1"), ("a", "f:1:2"), ("", "f:1:1")] {
            let shown = message(text, text.len()..text.len(), "").rendered(false);
            assert!(shown.contains(place), "{text:?}: {shown}");
        }
    }

    proptest! {
        #[test]
        fn any_text_and_span_can_be_shown(text in "[a-c|é\t\r\n\u{1b}\u{9b}\u{202e}\u{200b}\u{feff}😀 ]{0,80}", start in 0usize..90, length in 0usize..90) {
            let shown = message(&text, start..start + length, "l").rendered(false);
            prop_assert!(!shown.contains(|c| acts(c) && c != '\n'), "{shown:?}");
        }
    }
}
