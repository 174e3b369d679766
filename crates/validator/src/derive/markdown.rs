//! Markdown as Microsoft Learn reads it: front matter, and a flat list of blocks, each with its place in the page.
//!
//! INVARIANT: nothing here knows what a page is about, and no text gets lost: what is not a heading, table, code or
//! comment is a paragraph.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, MetadataBlockKind, Options, Parser, Tag, TagEnd};

/// A line and a column of the page, both beginning with 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    /// Where a page begins; for what it lacks as a whole.
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

/// A page, split up.
#[derive(Debug)]
pub(super) struct Markdown {
    /// Name and value of each simple line of the front matter.
    pub(super) front: Vec<(String, String)>,
    pub(super) blocks: Vec<Block>,
}

#[derive(Debug)]
pub(super) enum Block {
    Heading { place: Place, level: u8, text: String },
    Paragraph { place: Place, spans: Vec<Span> },
    Code { place: Place, text: String },
    Html { place: Place, text: String },
    Table(Table),
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) place: Place,
    pub(super) header: Vec<Cell>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) cells: Vec<Cell>,
    /// What stands after the last column, which Markdown drops.
    pub(super) excess: String,
}

#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) place: Place,
    pub(super) spans: Vec<Span>,
    /// Where its source ends in the page.
    end: usize,
}

impl Cell {
    /// The words of the cell, without their dress.
    pub(super) fn text(&self) -> String {
        plain(&self.spans)
    }
}

/// A run of text in one dress.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) place: Place,
    pub(super) kind: Kind,
    pub(super) text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Code,
    Strong,
    /// A link, and whether its text is a single piece of code.
    Link {
        to: String,
        code: bool,
    },
    Html,
}

/// The words of some spans, trimmed; HTML tags are white space.
pub(super) fn plain(spans: &[Span]) -> String {
    let mut text = String::new();
    for span in spans {
        text.push_str(if span.kind == Kind::Html { " " } else { &span.text });
    }
    text.trim().to_owned()
}

/// Splits a page up.
pub(super) fn read(page: &str) -> Markdown {
    let lines = Lines::of(page);
    let (front, body) = front_matter(page);
    let mut reader = Reader {
        page,
        lines: &lines,
        spans: Vec::new(),
        verbatim: None,
        link: None,
        strong: 0,
        table: None,
        blocks: Vec::new(),
    };
    // The option for front matter is off here: with it, a rule further down the page would swallow what follows.
    let source = page.get(body..).unwrap_or_default();
    for (event, range) in Parser::new_ext(source, Options::ENABLE_TABLES).into_offset_iter() {
        reader.event(event, &(range.start + body..range.end + body));
    }
    reader.flush();
    Markdown { front, blocks: reader.blocks }
}

/// The simple `name: value` lines at the very beginning, and where the page goes on.
fn front_matter(page: &str) -> (Vec<(String, String)>, usize) {
    let mut parser = Parser::new_ext(page, Options::ENABLE_YAML_STYLE_METADATA_BLOCKS).into_offset_iter();
    let Some((Event::Start(Tag::MetadataBlock(MetadataBlockKind::YamlStyle)), range)) = parser.next() else {
        return (Vec::new(), 0);
    };
    let mut text = String::new();
    for (event, _) in parser {
        match event {
            Event::Text(part) => text.push_str(&part),
            _ => break,
        }
    }
    let entry = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        let quoted = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
        let value = match (quoted('"'), quoted('\'')) {
            (Some(inner), _) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
            (None, Some(inner)) => inner.replace("''", "'"),
            (None, None) => value.to_owned(),
        };
        (!name.starts_with([' ', '\t', '#'])).then(|| (name.trim().to_owned(), value))
    };
    (text.lines().filter_map(entry).collect(), range.end)
}

/// Where the lines of a page begin.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(page: &str) -> Self {
        let starts = std::iter::once(0).chain(page.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { starts }
    }

    fn place(&self, page: &str, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let column = page.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place { line, column }
    }
}

/// The way from events to blocks.
struct Reader<'a> {
    page: &'a str,
    lines: &'a Lines,
    /// Running text that is not yet in a block.
    spans: Vec<Span>,
    /// Code or HTML that is not yet at its end.
    verbatim: Option<(Place, String)>,
    link: Option<(String, Vec<Span>)>,
    strong: usize,
    table: Option<Table>,
    blocks: Vec<Block>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(text) | Event::Html(text) if self.verbatim.is_some() => self.verbatim(&text, range),
            Event::Text(text) if self.strong > 0 => self.push(Kind::Strong, &text, range),
            Event::Text(text) => self.push(Kind::Text, &text, range),
            Event::Code(text) => self.push(Kind::Code, &text, range),
            Event::Html(text) | Event::InlineHtml(text) => self.push(Kind::Html, &text, range),
            Event::SoftBreak | Event::HardBreak => self.push(Kind::Text, " ", range),
            Event::Rule => self.flush(),
            // Footnotes, task lists and mathematics are not switched on.
            Event::FootnoteReference(_)
            | Event::TaskListMarker(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: &Range<usize>) {
        match tag {
            Tag::Strong => self.strong += 1,
            Tag::Link { dest_url, .. } => {
                let before = std::mem::take(&mut self.spans);
                self.link = Some((dest_url.to_string(), before));
            }
            // Dress that says nothing, and parts of a table that say nothing by themselves.
            Tag::Emphasis | Tag::Strikethrough | Tag::Image { .. } | Tag::TableHead | Tag::TableCell => {}
            Tag::CodeBlock(_) | Tag::HtmlBlock => {
                self.flush();
                let mut place = self.place(range.start);
                // Where there is code, its first line follows the fence.
                place.line += usize::from(matches!(tag, Tag::CodeBlock(CodeBlockKind::Fenced(_))));
                self.verbatim = Some((place, String::new()));
            }
            Tag::Table(_) => {
                self.flush();
                self.table =
                    Some(Table { place: self.place(range.start), header: Vec::new(), rows: Vec::new() });
            }
            Tag::TableRow => {
                let row = Row { place: self.place(range.start), cells: Vec::new(), excess: String::new() };
                self.table.iter_mut().for_each(|table| table.rows.push(row.clone()));
            }
            _ => self.flush(),
        }
    }

    fn end(&mut self, tag: TagEnd, range: &Range<usize>) {
        match tag {
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Link => self.end_link(range),
            TagEnd::Emphasis | TagEnd::Strikethrough | TagEnd::Image | TagEnd::TableHead => {}
            TagEnd::CodeBlock => {
                let code = self.verbatim.take().map(|(place, text)| Block::Code { place, text });
                self.blocks.extend(code);
            }
            TagEnd::HtmlBlock => {
                let html = self.verbatim.take().map(|(place, text)| Block::Html { place, text });
                self.blocks.extend(html);
            }
            TagEnd::Heading(level) => self.end_heading(level, range),
            TagEnd::TableCell => {
                let source = self.page.get(range.clone()).unwrap_or_default();
                let blank = source.len() - source.trim_start().len();
                let cell = Cell {
                    // A cell of nothing but padding is where it begins.
                    place: self.place(range.start + if blank < source.len() { blank } else { 0 }),
                    spans: std::mem::take(&mut self.spans),
                    end: range.end,
                };
                if let Some(table) = &mut self.table {
                    table.rows.last_mut().map_or(&mut table.header, |row| &mut row.cells).push(cell);
                }
            }
            TagEnd::TableRow => self.end_row(range),
            TagEnd::Table => self.blocks.extend(self.table.take().map(Block::Table)),
            _ => self.flush(),
        }
    }

    /// A link becomes one span; code alone in a link is still code to whoever looks for values.
    fn end_link(&mut self, range: &Range<usize>) {
        let Some((to, before)) = self.link.take() else { return };
        let inner = std::mem::replace(&mut self.spans, before);
        let code = matches!(inner.as_slice(), [Span { kind: Kind::Code, .. }]);
        let text = plain(&inner);
        self.push(Kind::Link { to, code }, &text, range);
    }

    /// A heading of the page; the tabs of an example and underlined text are none.
    fn end_heading(&mut self, level: HeadingLevel, range: &Range<usize>) {
        let tab = |span: &Span| matches!(&span.kind, Kind::Link { to, .. } if to.starts_with("#tab/"));
        if self.spans.iter().any(tab) {
            self.spans.clear();
            return;
        }
        let source = self.page.get(range.clone()).unwrap_or_default();
        if !source.starts_with('#') && !source.trim_end().ends_with('=') {
            // A rule right under a paragraph: Markdown takes it for the underline of a heading, and Learn's tabs end so.
            return self.flush();
        }
        let text = plain(&std::mem::take(&mut self.spans));
        self.blocks.push(Block::Heading { place: self.place(range.start), level: level as u8, text });
    }

    fn end_row(&mut self, range: &Range<usize>) {
        let Some(row) = self.table.as_mut().and_then(|table| table.rows.last_mut()) else { return };
        let end = row.cells.last().map_or(range.start, |cell| cell.end);
        let rest = self.page.get(end..range.end).unwrap_or_default().trim();
        rest.strip_prefix('|').unwrap_or(rest).trim().clone_into(&mut row.excess);
    }

    fn verbatim(&mut self, text: &str, range: &Range<usize>) {
        let line = self.place(range.start).line;
        if let Some((place, so_far)) = &mut self.verbatim {
            if so_far.is_empty() {
                place.line = line;
            }
            so_far.push_str(text);
        }
    }

    fn push(&mut self, kind: Kind, text: &str, range: &Range<usize>) {
        match self.spans.last_mut() {
            // Escapes and entities split a text; it is read as one.
            Some(last) if last.kind == kind && matches!(kind, Kind::Text | Kind::Strong) => {
                last.text.push_str(text);
            }
            _ => {
                let place = self.place(range.start);
                self.spans.push(Span { place, kind, text: text.to_owned() });
            }
        }
    }

    /// Running text ends where another block begins or ends.
    fn flush(&mut self) {
        let spans = std::mem::take(&mut self.spans);
        if let Some(first) = spans.first() {
            self.blocks.push(Block::Paragraph { place: first.place, spans });
        }
    }

    fn place(&self, offset: usize) -> Place {
        self.lines.place(self.page, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_rules_and_front_matter_are_told_from_headings() {
        let page = "---\ntitle: \"A \\\"b\\\"\"\nms.date: 1\n---\n# One\n# [H](#tab/http)\n# [](#tab/x)\ntext\n---\n\n## Two\n---\na\n---\n";
        let page = read(page);
        assert_eq!(page.front, [("title".into(), "A \"b\"".into()), ("ms.date".into(), "1".into())]);
        let shapes: Vec<_> = page.blocks.iter().map(shape).collect();
        assert_eq!(shapes, ["h1 One", "p text", "h2 Two", "p a"]);
    }

    #[test]
    fn rows_know_what_did_not_fit() {
        let page = read(
            "|a|b|\n|-|-|\n|`x`|y \\| z|\n|x|y|z|\n|x|y|\n\n<!-- {\n1} -->\r\n```http\r\nPATCH /x\r\n\r\n{}\r\n```\r\n",
        );
        let shapes: Vec<_> = page.blocks.iter().map(shape).collect();
        let code = "c10 PATCH /x\n\n{}\n";
        assert_eq!(shapes, ["t x/y | z, x/y+z|, x/y", "x7 <!-- {\n1} -->\n", code]);
    }

    fn shape(block: &Block) -> String {
        match block {
            Block::Heading { level, text, .. } => format!("h{level} {text}"),
            Block::Paragraph { spans, .. } => format!("p {}", plain(spans)),
            Block::Code { place, text } => format!("c{} {text}", place.line),
            Block::Html { place, text } => format!("x{} {text}", place.line),
            Block::Table(table) => {
                let row = |row: &Row| {
                    let cells: Vec<_> = row.cells.iter().map(Cell::text).collect();
                    let plus = if row.excess.is_empty() { "" } else { "+" };
                    format!("{}{plus}{}", cells.join("/"), row.excess)
                };
                format!("t {}", table.rows.iter().map(row).collect::<Vec<_>>().join(", "))
            }
        }
    }
}
