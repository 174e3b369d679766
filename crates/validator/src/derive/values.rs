//! The list of values in a description: where it begins, what belongs to it, where it ends.
//!
//! INVARIANT: a list is read whole or not at all. A value that stands near a list and is not in it, or a link where a
//! value should be, is an error.

use super::error::{DeriveError, Reason};
use super::markdown::Place;
use super::prose::{Prose, Token, is_name};

/// The values that a description lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) values: Vec<String>,
    /// Whether null is one of them.
    pub(super) null: bool,
    /// Whether nothing at all is one of them.
    pub(super) empty: bool,
    /// What is set apart as code further on and could be a value, but is not in the list.
    pub(super) behind: Vec<String>,
}

/// How sure a phrase is that values follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phrase {
    /// "Possible values", and the like: a list follows, or the page can't be understood.
    Announces,
    /// "Can be set to", and the like: prose, unless a value follows.
    MayHold,
    /// "Only … is supported".
    Only,
}

/// The list of a description, if there is one. A plain announcement outweighs softer phrases.
pub(super) fn listed(prose: &Prose, cell: Place) -> Result<Option<Listed>, DeriveError> {
    let mut announced: Option<(usize, Listed)> = None;
    let mut soft: Option<(usize, Listed)> = None;
    let mut at = 0;
    while at < prose.0.len() {
        if let Some((phrase, after)) = phrase(prose, at) {
            let list = match list_after(prose, phrase, after, cell) {
                // What follows a soft phrase and is no clear list is prose.
                Err(_) if phrase != Phrase::Announces => None,
                other => other?,
            };
            let known = if phrase == Phrase::Announces { &mut announced } else { &mut soft };
            match (&*known, list) {
                (None, list) => *known = list.map(|list| (after, list)),
                (Some((_, known)), Some(list)) if phrase == Phrase::Announces && *known != list => {
                    return Err(unclear(prose, at, cell, "one list of values"));
                }
                _ => {}
            }
            at = after;
        } else {
            at += 1;
        }
    }
    Ok(announced.or(soft).map(|(after, list)| Listed { behind: behind(prose, after, &list), ..list }))
}

/// The names in code from here on that are not in the list.
fn behind(prose: &Prose, from: usize, list: &Listed) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for at in from..prose.0.len() {
        let Some(Token::Value { text, code: true }) = prose.get(at) else { continue };
        let of_other = prose.word(at + 1).is_some_and(|word| {
            matches!(
                word.as_str(),
                "property" | "properties" | "header" | "parameter" | "resource" | "object"
            )
        });
        let known = list.has(text) || list.values.iter().any(|value| value.eq_ignore_ascii_case(text));
        if is_name(text) && text.parse::<f64>().is_err() && !known && !of_other && !names.contains(text) {
            names.push(text.clone());
        }
    }
    names
}

/// Whether the page says somewhere that its values follow.
pub(super) fn announced(prose: &Prose) -> bool {
    (0..prose.0.len()).any(|at| matches!(phrase(prose, at), Some((Phrase::Announces, _))))
}

/// Whether the page says that values can be combined.
pub(super) fn combines(prose: &Prose) -> bool {
    let phrases: [&[&str]; 5] = [
        &["multiple", "values"],
        &["more", "than", "one"],
        &["combination", "of"],
        &["comma-separated"],
        &["flags"],
    ];
    phrases.iter().any(|words| prose.says(words))
}

/// A phrase that begins here, and where it ends.
fn phrase(prose: &Prose, at: usize) -> Option<(Phrase, usize)> {
    const ADJECTIVES: [&str; 9] = [
        "possible",
        "allowed",
        "supported",
        "valid",
        "accepted",
        "acceptable",
        "permitted",
        "available",
        "property",
    ];
    const SOFT: [&[&str]; 6] = [
        &["can", "be", "set", "to"],
        &["may", "be", "set", "to"],
        &["can", "be", "one", "of"],
        &["must", "be", "one", "of"],
        &["should", "be", "one", "of"],
        &["one", "of", "the", "following"],
    ];
    let adjective = ADJECTIVES.into_iter().any(|word| {
        ["values", "value", "options", "settings"].iter().any(|noun| prose.reads(at, &[word, noun]))
    });
    if adjective {
        return Some((Phrase::Announces, at + 2));
    }
    if let Some(words) = SOFT.into_iter().find(|words| prose.reads(at, words)) {
        return Some((Phrase::MayHold, at + words.len()));
    }
    // "Must be" is about many things; about the value only where nothing else is named.
    let subject = at.checked_sub(1).and_then(|before| prose.get(before));
    let value = match subject {
        None | Some(Token::Stop) => true,
        Some(token) => {
            token.word().is_some_and(|word| matches!(word.as_str(), "it" | "value" | "values" | "property"))
        }
    };
    if value && prose.reads(at, &["must", "be"]) {
        return Some((Phrase::MayHold, at + 2));
    }
    (prose.reads(at, &["only"]) && matches!(prose.get(at + 1), Some(Token::Value { .. })))
        .then_some((Phrase::Only, at + 1))
}

/// The list after a phrase.
fn list_after(
    prose: &Prose,
    phrase: Phrase,
    after: usize,
    cell: Place,
) -> Result<Option<Listed>, DeriveError> {
    const FILLERS: [&str; 17] = [
        "are",
        "is",
        "include",
        "includes",
        "in",
        "the",
        "this",
        "collection",
        "property",
        "for",
        "following",
        "one",
        "of",
        "either",
        "value",
        "values",
        "as",
    ];
    let mut at = after;
    let mut verb = false;
    while let Some(token) = prose.get(at) {
        match token {
            Token::Word(word) if FILLERS.contains(&word.to_ascii_lowercase().as_str()) => {
                verb |= matches!(word.to_ascii_lowercase().as_str(), "are" | "is" | "include" | "includes");
            }
            Token::Mark(':') => verb = true,
            // "The possible values are the following." goes on in the next sentence.
            Token::Stop if verb && prose.reads(at.wrapping_sub(1), &["following"]) => {}
            _ => break,
        }
        at += 1;
    }
    match prose.get(at) {
        Some(Token::Item) => items(prose, at, cell).map(Some),
        Some(Token::Value { .. }) => run(prose, phrase, at, cell),
        Some(Token::Word(_)) if verb && prose.get(at.wrapping_sub(1)) == Some(&Token::Mark(':')) => {
            match plain_words(prose, at) {
                Some(list) => Ok(Some(list)),
                None => Err(missing(prose, at, cell)),
            }
        }
        _ if phrase == Phrase::Announces && verb => Err(missing(prose, at, cell)),
        _ => Ok(None),
    }
}

/// Values one after another, separated by commas and little words.
fn run(prose: &Prose, phrase: Phrase, first: usize, cell: Place) -> Result<Option<Listed>, DeriveError> {
    let mut list = Listed::default();
    let mut at = first;
    loop {
        match prose.get(at) {
            Some(Token::Value { text, .. }) => {
                list.take(text).map_err(|()| unclear(prose, at, cell, "one value"))?;
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("empty") => list.empty = true,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => list.null = true,
            Some(Token::Link(_)) => return Err(cut(prose, at, cell)),
            Some(Token::Word(word)) if is_open_end(word) => {
                return Err(unclear(prose, at, cell, "all values"));
            }
            _ => break,
        }
        at = skip_aside(prose, at + 1);
        while separates(prose.get(at)) {
            at += 1;
        }
    }
    if phrase == Phrase::MayHold && !ends(prose, at) {
        return Ok(None);
    }
    let rest = (at..prose.0.len()).take_while(|at| prose.get(*at) != Some(&Token::Stop));
    let mut words = Vec::new();
    for at in rest {
        match prose.get(at) {
            Some(Token::Value { text, code: true }) if !list.has(text) => {
                return Err(unclear(prose, at, cell, "the end of the list, or a value after a comma"));
            }
            Some(Token::Link(_)) if words.iter().any(|word: &String| leads_on(word)) => {
                return Err(cut(prose, at, cell));
            }
            Some(token) => words.extend(token.word()),
            None => {}
        }
    }
    let supported = words.iter().any(|word| matches!(word.as_str(), "supported" | "allowed" | "accepted"));
    Ok((phrase != Phrase::Only || supported).then_some(list).filter(|list| !list.values.is_empty()))
}

/// The first value of each item of an HTML list.
fn items(prose: &Prose, first: usize, cell: Place) -> Result<Listed, DeriveError> {
    let mut list = Listed::default();
    for at in first..prose.0.len() {
        match (prose.get(at), prose.get(at + 1)) {
            (Some(Token::Item), Some(Token::Value { text, .. })) => {
                list.take(text).map_err(|()| unclear(prose, at + 1, cell, "one value"))?;
            }
            (Some(Token::Item), Some(Token::Link(_))) => return Err(cut(prose, at + 1, cell)),
            (Some(Token::Item), _) => return Err(unclear(prose, at + 1, cell, "a value in code")),
            (Some(Token::ListEnd), _) => break,
            _ => {}
        }
    }
    Ok(list)
}

/// Values without any dress: single words with commas between them, to the end of the sentence.
fn plain_words(prose: &Prose, first: usize) -> Option<Listed> {
    let mut list = Listed::default();
    let mut separated = true;
    for at in first..prose.0.len() {
        match prose.get(at)? {
            Token::Stop => break,
            token if separates(Some(token)) => separated = true,
            Token::Word(word) if separated && is_name(word) && word.parse::<f64>().is_err() => {
                list.take(word).ok()?;
                separated = false;
            }
            _ => return None,
        }
    }
    (list.values.len() > 1).then_some(list)
}

impl Listed {
    fn take(&mut self, text: &str) -> Result<(), ()> {
        let text = text.trim_matches(['"', '\'']).trim();
        if text.eq_ignore_ascii_case("null") {
            self.null = true;
            return Ok(());
        }
        let strange = |c: char| c.is_control() || matches!(c, ',' | '=' | '|' | ';' | '…');
        if text.is_empty() || text.len() > 128 || text.contains(strange) || text.contains("...") {
            return Err(());
        }
        if !self.values.iter().any(|value| value == text) {
            self.values.push(text.to_owned());
        }
        Ok(())
    }

    fn has(&self, text: &str) -> bool {
        let text = text.trim_matches(['"', '\'']);
        matches!(text, "null" | "true" | "false") || self.values.iter().any(|value| value == text)
    }
}

/// Past a remark in parentheses, if one stands here.
fn skip_aside(prose: &Prose, at: usize) -> usize {
    if prose.get(at) != Some(&Token::Mark('(')) {
        return at;
    }
    let end = (at..prose.0.len()).find(|at| prose.get(*at) == Some(&Token::Mark(')')));
    end.map_or(at, |end| end + 1)
}

fn separates(token: Option<&Token>) -> bool {
    match token {
        Some(Token::Mark(c)) => matches!(c, ',' | ';' | '/' | '|' | '&'),
        Some(Token::Word(word)) => matches!(word.to_ascii_lowercase().as_str(), "and" | "or"),
        _ => false,
    }
}

/// Whether a list in prose is at its end: the sentence is, or the list with a comma or before a remark.
fn ends(prose: &Prose, at: usize) -> bool {
    let after_comma = at.checked_sub(1).and_then(|before| prose.get(before)) == Some(&Token::Mark(','));
    let next = prose.get(at);
    after_comma || matches!(next, None | Some(Token::Stop | Token::ListEnd | Token::Mark('(')))
}

/// Words with which a list says that it is not all.
fn is_open_end(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "others" | "other" | "more" | "etc" | "so" | "any")
}

/// Words that lead to a link with the rest of a list.
fn leads_on(word: &str) -> bool {
    matches!(
        word,
        "see" | "more" | "others" | "other" | "full" | "complete" | "all" | "rest" | "listed" | "values"
    )
}

/// An announcement without a list: cut, if a link stands where it should.
fn missing(prose: &Prose, at: usize, cell: Place) -> DeriveError {
    let mut sentence = (at..prose.0.len()).take_while(|at| prose.get(*at) != Some(&Token::Stop));
    match sentence.find(|at| matches!(prose.get(*at), Some(Token::Link(_)))) {
        Some(link) => cut(prose, link, cell),
        None => unclear(prose, at, cell, "the values, each in code"),
    }
}

fn cut(prose: &Prose, at: usize, cell: Place) -> DeriveError {
    fault(Reason::ValuesCut, prose, at, cell, "a value")
}

fn unclear(prose: &Prose, at: usize, cell: Place, expected: &str) -> DeriveError {
    fault(Reason::ValuesUnclear, prose, at, cell, expected)
}

fn fault(reason: Reason, prose: &Prose, at: usize, cell: Place, expected: &str) -> DeriveError {
    let place = prose.place(at).unwrap_or(cell);
    match prose.get(at) {
        Some(Token::Word(text) | Token::Value { text, .. } | Token::Link(text)) => {
            DeriveError::new(reason, place, text, expected)
        }
        Some(Token::Mark(mark)) => DeriveError::new(reason, place, &mark.to_string(), expected),
        Some(Token::Item) => DeriveError::described(reason, place, "an item", expected),
        Some(Token::Stop | Token::ListEnd) | None => {
            DeriveError::described(reason, place, "the end of the sentence", expected)
        }
    }
}
