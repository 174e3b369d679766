//! The words of a description, and the few things that are read out of them: null and read-only.
//!
//! INVARIANT: a description is read as tokens, never by its sentences' letters; wording that is not known says nothing,
//! and where it could be read in two ways the stricter one counts.

use super::markdown::{Kind, Place, Span};

/// A piece of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word or a number.
    Word(String),
    /// Something set apart as a value: code, bold or in quotation marks.
    Value { text: String, code: bool },
    /// A link that is more than a value.
    Link(String),
    /// The beginning of an item of an HTML list.
    Item,
    /// The end of an HTML list.
    ListEnd,
    /// The end of a sentence.
    Stop,
    /// Any other character.
    Mark(char),
}

impl Token {
    /// The word, if it is one, also where it is set as code.
    pub(super) fn word(&self) -> Option<String> {
        match self {
            Self::Word(text) | Self::Value { text, .. } => Some(plain(text)),
            _ => None,
        }
    }
}

/// A word for comparison: in lower case, with the hyphen and the apostrophe of a keyboard.
fn plain(text: &str) -> String {
    text.to_ascii_lowercase().replace(['\u{2010}', '\u{2011}', '\u{2013}'], "-").replace('’', "'")
}

/// A description in pieces, each with its place.
#[derive(Debug)]
pub(super) struct Prose(pub(super) Vec<(Place, Token)>);

impl Prose {
    /// Takes spans apart.
    pub(super) fn of(spans: &[Span]) -> Self {
        let mut tokens = Vec::new();
        for span in spans {
            match &span.kind {
                Kind::Code | Kind::Link { code: true, .. } => {
                    tokens.push((span.place, Token::Value { text: span.text.trim().to_owned(), code: true }));
                }
                Kind::Link { .. } => tokens.push((span.place, Token::Link(span.text.clone()))),
                Kind::Strong if is_name(span.text.trim()) => {
                    tokens
                        .push((span.place, Token::Value { text: span.text.trim().to_owned(), code: false }));
                }
                Kind::Html => tokens.extend(html(&span.text).map(|token| (span.place, token))),
                Kind::Text | Kind::Strong => {
                    let mut text = Text { rest: &span.text, place: span.place, before: ' ' };
                    tokens.extend(std::iter::from_fn(|| text.next_token()));
                }
            }
        }
        Self(tokens)
    }

    pub(super) fn get(&self, at: usize) -> Option<&Token> {
        self.0.get(at).map(|(_, token)| token)
    }

    /// The place of a token, or of the last one.
    pub(super) fn place(&self, at: usize) -> Option<Place> {
        self.0.get(at).or(self.0.last()).map(|(place, _)| *place)
    }

    pub(super) fn word(&self, at: usize) -> Option<String> {
        self.get(at).and_then(Token::word)
    }

    /// Whether these words follow one another from here on.
    pub(super) fn reads(&self, at: usize, words: &[&str]) -> bool {
        words.iter().zip(at..).all(|(word, at)| self.word(at).as_deref() == Some(word))
    }

    /// Whether these words stand anywhere, and not under a "not".
    pub(super) fn says(&self, words: &[&str]) -> bool {
        (0..self.0.len()).any(|at| self.reads(at, words) && !self.negated(at))
    }

    /// Whether the page calls the property read-only.
    pub(super) fn read_only(&self) -> bool {
        let called = |at| match self.get(at) {
            Some(Token::Link(text)) => {
                matches!(plain(text.trim()).as_str(), "read-only" | "readonly" | "read only")
            }
            _ => [&["read-only"][..], &["readonly"], &["read", "only"]]
                .iter()
                .any(|words| self.reads(at, words)),
        };
        (0..self.0.len()).any(|at| called(at) && !self.negated(at) && !self.asked(at))
    }

    /// Whether the sentence is about whether something else is so: "Whether the folder is read-only", "True if it is …".
    fn asked(&self, at: usize) -> bool {
        let before = self.0.get(..at).unwrap_or_default().iter().rev().map(|(_, token)| token);
        let before = before.take_while(|token| **token != Token::Stop);
        let before: Vec<_> = before.map(|token| token.word().unwrap_or_default()).collect();
        let verb = matches!(before.first().map(String::as_str), Some("is" | "are"));
        // With an "if" at its beginning a sentence says when the property is.
        let asks =
            |(back, word): (usize, &String)| word == "whether" || (word == "if" && back + 1 < before.len());
        let itself = |word: &String| matches!(word.as_str(), "property" | "field" | "attribute" | "value");
        verb && before.iter().enumerate().any(asks) && !before.iter().any(itself)
    }

    /// Whether null is a value, by the page's words; nothing where they say nothing. One "not nullable" outweighs everything
    /// else.
    pub(super) fn nullable(&self) -> Option<bool> {
        let mut found = None;
        for at in 0..self.0.len() {
            let before = at.checked_sub(1).and_then(|before| self.word(before));
            let admitted = match self.word(at).as_deref() {
                Some("non-nullable" | "nonnullable" | "not-nullable") => return Some(false),
                Some("nullable") if self.answered_with_no(at + 1) => return Some(false),
                Some("nullable") => true,
                Some("null") => {
                    let after = self.word(at + 1);
                    matches!(before.as_deref(), Some("or" | "to" | "be"))
                        || matches!(after.as_deref(), Some("if" | "when" | "unless" | "otherwise" | "to"))
                }
                _ => continue,
            };
            if self.negated(at) || self.refused(at) {
                return Some(false);
            }
            if admitted {
                found = Some(true);
            }
        }
        found
    }

    /// Whether a "no" follows like an answer: "Nullable: no", "Nullable? No.".
    fn answered_with_no(&self, at: usize) -> bool {
        let whole = || matches!(self.get(at + 2), None | Some(Token::Stop));
        let asked = match self.get(at) {
            Some(Token::Mark(_)) => true,
            Some(Token::Stop) => whole(),
            _ => false,
        };
        asked && matches!(self.word(at + 1).as_deref(), Some("no" | "false" | "not"))
    }

    /// Whether a "not" stands shortly before, in the same sentence.
    fn negated(&self, at: usize) -> bool {
        let before = self.0.get(..at).unwrap_or_default().iter().rev().map(|(_, token)| token);
        let mut before = before.take_while(|token| **token != Token::Stop).take(6);
        before.any(|token| token.word().is_some_and(|word| is_negation(&word)))
    }

    /// Whether the rest of the sentence says that it is not allowed.
    fn refused(&self, at: usize) -> bool {
        let after = self.0.get(at + 1..).unwrap_or_default().iter().map(|(_, token)| token);
        let mut negated = false;
        for word in after.take_while(|token| **token != Token::Stop).filter_map(Token::word) {
            negated |= is_negation(&word);
            match word.as_str() {
                "allowed" | "supported" | "accepted" | "permitted" | "valid" if negated => return true,
                "disallowed" | "unsupported" | "rejected" | "forbidden" | "prohibited" | "invalid" => {
                    return true;
                }
                _ => {}
            }
        }
        false
    }
}

fn is_negation(word: &str) -> bool {
    matches!(word, "not" | "never" | "cannot" | "non" | "no" | "neither" | "nor") || word.ends_with("n't")
}

/// What an HTML tag says in a description. Line breaks and the rest are white space.
fn html(tag: &str) -> Option<Token> {
    let tag = tag.to_ascii_lowercase();
    match tag.trim_end_matches('>').split_whitespace().next() {
        Some("<li") => Some(Token::Item),
        Some("</ul" | "</ol") => Some(Token::ListEnd),
        _ => None,
    }
}

/// Whether this is one word such as a name or a value.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c)) && !text.ends_with('.')
}

/// Plain text on its way to tokens.
struct Text<'a> {
    rest: &'a str,
    place: Place,
    before: char,
}

impl Text<'_> {
    fn next_token(&mut self) -> Option<(Place, Token)> {
        let blank = self.rest.len() - self.rest.trim_start().len();
        if blank > 0 {
            self.take(blank);
        }
        let place = self.place;
        let first = self.rest.chars().next()?;
        let word = self.word_length();
        let token = if word > 0 {
            Token::Word(self.take(word))
        } else if let Some(length) = quoted(self.rest).filter(|_| !self.before.is_alphanumeric()) {
            let text = self.take(length);
            Token::Value { text: text.trim_matches(QUOTES).to_owned(), code: false }
        } else {
            self.take(first.len_utf8());
            let ends = self.rest.chars().next().is_none_or(char::is_whitespace);
            if matches!(first, '.' | '!' | '?') && ends { Token::Stop } else { Token::Mark(first) }
        };
        Some((place, token))
    }

    /// How many bytes of what follows are one word: letters and digits, and what stands between two of them.
    fn word_length(&self) -> usize {
        let mut end = 0;
        let mut last = self.before;
        let mut characters = self.rest.char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            let next = characters.peek().map(|(_, next)| *next);
            let inside = last.is_alphanumeric() && end > 0 && next.is_some_and(char::is_alphanumeric);
            let part = match c {
                '-' if end == 0 => next.is_some_and(|n| n.is_ascii_digit()) && !last.is_alphanumeric(),
                ',' => {
                    inside && last.is_ascii_digit() && thousands(self.rest.get(at + 1..).unwrap_or_default())
                }
                '+' => inside && matches!(last, 'e' | 'E'),
                '-' | '\u{2010}' | '\u{2011}' | '\'' | '’' | '.' => inside,
                // Between numbers it is a mark: "1–99".
                '\u{2013}' => inside && last.is_alphabetic() && next.is_some_and(char::is_alphabetic),
                _ => c.is_alphanumeric() || c == '_',
            };
            if !part {
                break;
            }
            end = at + c.len_utf8();
            last = c;
        }
        end
    }

    fn take(&mut self, length: usize) -> String {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.place.column += taken.chars().count();
        self.before = taken.chars().next_back().unwrap_or(' ');
        self.rest = rest;
        taken.to_owned()
    }
}

const QUOTES: [char; 6] = ['"', '\'', '“', '”', '‘', '’'];

/// How many bytes a single quoted word takes.
fn quoted(text: &str) -> Option<usize> {
    let close = match text.chars().next()? {
        c @ ('"' | '\'') => c,
        '“' => '”',
        '‘' => '’',
        _ => return None,
    };
    let open = text.chars().next()?.len_utf8();
    let (length, _) = text.get(open..)?.char_indices().take(128).find(|(_, c)| *c == close)?;
    is_name(text.get(open..open + length)?).then_some(open + length + close.len_utf8())
}

/// Three digits and no fourth: the next group of a large number.
fn thousands(text: &str) -> bool {
    text.chars().take_while(char::is_ascii_digit).count() == 3
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn prose(text: &str) -> Prose {
        let page = super::super::markdown::read(&format!("|A|\n|-|\n|{text}|\n"));
        let Some(super::super::markdown::Block::Table(table)) = page.blocks.first() else { panic!("{text}") };
        Prose::of(&table.rows[0].cells[0].spans)
    }

    #[test]
    fn null_is_a_value_only_where_the_page_says_so() {
        let rows = [
            ("Who has it, or null if nobody does.", Some(true)),
            ("Set to `null` to clear it.", Some(true)),
            ("Can be null.", Some(true)),
            ("Nullable.", Some(true)),
            ("Nullable: yes.", Some(true)),
            ("Nullable. No default.", Some(true)),
            ("The text; null when there is none.", Some(true)),
            ("Can be null. Empty strings aren't allowed.", Some(true)),
            ("Not nullable.", Some(false)),
            ("Non-nullable.", Some(false)),
            ("It cannot be null.", Some(false)),
            ("Can't be set to null.", Some(false)),
            ("Must not be empty or null.", Some(false)),
            ("Empty or null values aren't allowed.", Some(false)),
            ("Empty strings or null aren’t supported.", Some(false)),
            ("An empty text or null is not a valid value.", Some(false)),
            ("Empty or null is invalid.", Some(false)),
            ("Neither empty nor null.", Some(false)),
            ("Nullable? No: it is not nullable.", Some(false)),
            ("Nullable? No.", Some(false)),
            ("Nullable: no.", Some(false)),
            ("Nullable: `false`", Some(false)),
            ("Can be null. Once it is set, it cannot be null.", Some(false)),
            ("Behaves as if a null was seen.", None),
            ("Annulled.", None),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(prose(text).nullable(), expected, "{text}");
        }
    }

    #[test]
    fn read_only_is_read() {
        let rows = [
            ("Read-only.", true),
            ("Read\u{2010}only.", true),
            ("Read\u{2011}only.", true),
            ("Read\u{2013}only.", true),
            ("[Read-only](x.md).", true),
            ("[Read only](x.md)", true),
            ("This is read only", true),
            ("ReadOnly", true),
            ("Whether it is shared. Read-only.", true),
            ("Whether it is shared (read-only).", true),
            ("If it is shared, it is read-only.", true),
            ("Whether this property is read-only.", true),
            ("Whether the folder is read-only.", false),
            ("True if the folder is read-only.", false),
            ("Not read-only.", false),
            ("Read it only once", false),
        ];
        for (text, expected) in rows {
            assert_eq!(prose(text).read_only(), expected, "{text}");
        }
    }
}
