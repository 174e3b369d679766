//! The sections of a page, found by their headings, and the annotations that say what a block of code is.
//!
//! INVARIANT: each block of the page is in one section. The tabs of an example begin none.

use serde_json::{Map, Value};

use super::error::Note;
use super::markdown::{Block, Markdown, Place};

/// The sections that are read, by their headings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Opening,
    Request,
    Headers,
    Body,
    Examples,
    Other,
}

/// A block, where it stands, and the annotation before it.
pub(super) struct Part<'a> {
    pub(super) section: Section,
    pub(super) block: &'a Block,
    pub(super) annotation: Option<Map<String, Value>>,
}

impl Part<'_> {
    /// What the annotation says that the code is.
    pub(super) fn block_type(&self) -> Option<&str> {
        self.annotation.as_ref()?.get("blockType")?.as_str()
    }

    pub(super) fn place(&self) -> Place {
        match self.block {
            Block::Heading { place, .. }
            | Block::Paragraph { place, .. }
            | Block::Code { place, .. }
            | Block::Html { place, .. } => *place,
            Block::Table(table) => table.place,
        }
    }
}

/// Says of each block in which section it is, and of code by which annotation.
pub(super) fn read<'a>(markdown: &'a Markdown, notes: &mut Vec<Note>) -> Vec<Part<'a>> {
    let mut section = Section::Opening;
    let mut pending = None;
    let mut parts = Vec::new();
    for block in &markdown.blocks {
        let mut annotation = None;
        match block {
            Block::Heading { level, text, .. } => {
                section = section_after(section, *level, text);
                pending = None;
            }
            Block::Html { place, text } => match annotation_of(text) {
                Some(Ok(found)) => pending = Some(found),
                Some(Err(())) => {
                    let text = "an annotation that is not JSON was not read";
                    notes.push(Note::new("annotation", *place, text.to_owned()));
                }
                None => {}
            },
            Block::Code { .. } => annotation = pending.take(),
            Block::Paragraph { .. } | Block::Table(_) => {}
        }
        parts.push(Part { section, block, annotation });
    }
    parts
}

/// A heading of the first two levels begins another section; deeper ones only by the names that pages give to sections.
fn section_after(section: Section, level: u8, text: &str) -> Section {
    let text = text.to_ascii_lowercase();
    let named = match text.trim().trim_end_matches(':') {
        "http request" | "http requests" => Some(Section::Request),
        "request headers" | "request header" | "optional request headers" | "required request headers" => {
            Some(Section::Headers)
        }
        "request body" => Some(Section::Body),
        "example" | "examples" => Some(Section::Examples),
        _ => None,
    };
    match (level, section) {
        // The title of the page.
        (1, Section::Opening) => Section::Opening,
        (1 | 2, _) => named.unwrap_or(Section::Other),
        (_, Section::Examples) => section,
        _ => named.unwrap_or(section),
    }
}

/// The JSON that pages keep in comments; nothing where a comment holds words.
fn annotation_of(html: &str) -> Option<Result<Map<String, Value>, ()>> {
    let inner = html.trim().strip_prefix("<!--")?.split("-->").next()?.trim();
    inner.starts_with('{').then(|| serde_json::from_str(inner).map_err(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_begin_sections() {
        let rows = [
            (Section::Opening, 1, "Update toy", Section::Opening),
            (Section::Opening, 2, "Permissions", Section::Other),
            (Section::Other, 2, "HTTP Request", Section::Request),
            (Section::Request, 2, "Optional request headers", Section::Headers),
            (Section::Headers, 2, "Request body:", Section::Body),
            (Section::Body, 3, "Delegated permissions", Section::Body),
            (Section::Body, 2, "Response", Section::Other),
            (Section::Other, 2, "Example", Section::Examples),
            (Section::Examples, 5, "Request", Section::Examples),
            (Section::Examples, 3, "Request headers", Section::Examples),
            (Section::Examples, 2, "See also", Section::Other),
            (Section::Other, 3, "Request body", Section::Body),
        ];
        for (before, level, text, after) in rows {
            assert_eq!(section_after(before, level, text), after, "{text}");
        }
    }

    #[test]
    fn an_annotation_is_for_the_next_code() {
        let page = super::super::markdown::read(
            "<!-- words -->\n<!-- {\"blockType\": \"request\"} -->\ntext\n```\na\n```\n```\nb\n```\n<!-- {\"blockType\": \"x\"} -->\n\n## H\n```\nc\n```\n<!-- {no -->\n",
        );
        let mut notes = Vec::new();
        let parts = read(&page, &mut notes);
        let code = parts.iter().filter(|part| matches!(part.block, Block::Code { .. }));
        assert_eq!(code.map(Part::block_type).collect::<Vec<_>>(), [Some("request"), None, None]);
        assert_eq!(notes.len(), 1);
    }
}
