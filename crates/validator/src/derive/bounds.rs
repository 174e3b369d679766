//! The bounds that a description states: a range of numbers, a number of characters.
//!
//! INVARIANT: a bound counts where its words can be read in one way; else nothing was stated. None is beyond the numbers that
//! JSON can tell apart.

use serde_json::Number;

use super::prose::{Prose, Token};
use super::types::{EXACT, EXACT_DOUBLE};

/// The least and the greatest value, as the page states them.
pub(super) type Range = (Number, Number);

/// The least and the greatest value, where the page states both.
pub(super) fn range(prose: &Prose) -> Option<Range> {
    let between = |word: &str| {
        matches!(word, "of" | "values" | "value" | "range" | "is" | "are" | "between" | "from" | "in" | "the")
    };
    (0..prose.0.len()).find_map(|at| {
        let phrase = prose.reads(at, &["valid", "values"]) || prose.reads(at, &["valid", "range"]);
        let mut at = phrase.then_some(at + 2)?;
        while prose.word(at).is_some_and(|word| between(&word)) || prose.get(at) == Some(&Token::Mark(':')) {
            at += 1;
        }
        let (from, to) = (number(prose, at)?, number(prose, at + 2)?);
        matches!(prose.word(at + 1).as_deref(), Some("to" | "and" | "through")).then_some((from, to))
    })
}

/// The bounds of whole numbers from `least` to `most`, and whether they are the page's or its type's; nothing where they admit
/// none.
pub(super) fn integers((from, to): &Range, least: i64, most: i64) -> Option<(i64, i64, bool)> {
    let (from, to) = (whole(from)?, whole(to)?);
    let (low, high) = (from.max(least), to.min(most));
    let clipped = |bound: i64, stated: i64| bound.abs() == EXACT && bound != stated;
    (low <= high).then_some((low, high, !clipped(low, from) && !clipped(high, to)))
}

/// A whole number; of one beyond 64 bits the nearest within.
fn whole(number: &Number) -> Option<i64> {
    let beyond = || number.as_f64().filter(|number| number.abs() > EXACT_DOUBLE);
    number.as_i64().or_else(|| beyond().map(|number| if number > 0.0 { i64::MAX } else { i64::MIN }))
}

/// The bounds of numbers; nothing where they admit none. A bound beyond the exact numbers bounds nothing: no body has such.
pub(super) fn numbers((from, to): &Range) -> Option<(Option<Number>, Option<Number>)> {
    let (low, high) = (from.as_f64()?, to.as_f64()?);
    let bound = |number: &Number, value: f64| (value.abs() <= EXACT_DOUBLE).then(|| number.clone());
    let admits = low <= high && low <= EXACT_DOUBLE && high >= -EXACT_DOUBLE;
    admits.then(|| (bound(from, low), bound(to, high)))
}

/// The greatest number of characters, where the page states one.
pub(super) fn max_length(prose: &Prose) -> Option<i64> {
    (0..prose.0.len()).find_map(|at| {
        let most = number(prose, at)?.as_i64().filter(|number| (1..=EXACT).contains(number))?;
        let before = (at.saturating_sub(5)..at).rev();
        let before: Vec<_> = before.take_while(|before| prose.get(*before) != Some(&Token::Stop)).collect();
        let words: Vec<_> = before.iter().filter_map(|before| prose.word(*before)).collect();
        let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
        let bounds = has(&["maximum", "max", "exceed", "limit", "limited", "most", "longer", "up"])
            || prose.reads(at + 2, &["or", "less"])
            || prose.reads(at + 2, &["or", "fewer"]);
        let least = has(&["minimum", "least", "min", "between", "from"]);
        // "10 lines of 80 characters" and "1 000" are no such number.
        let alone = !before.iter().any(|before| number(prose, *before).is_some());
        let characters = prose.word(at + 1).is_some_and(|word| word.starts_with("character"))
            || (has(&["length"]) && ends(prose, at + 1));
        (bounds && characters && alone && !least).then_some(most)
    })
}

/// Whether nothing follows that could be the unit of a number, or the rest of it.
fn ends(prose: &Prose, at: usize) -> bool {
    match prose.get(at) {
        None | Some(Token::Stop | Token::Item | Token::ListEnd | Token::Mark(')' | ';')) => true,
        Some(Token::Mark(',')) => number(prose, at + 1).is_none(),
        _ => false,
    }
}

fn number(prose: &Prose, at: usize) -> Option<Number> {
    let text = prose.word(at)?.replace(',', "");
    text.parse::<i64>().ok().map(Number::from).or_else(|| Number::from_f64(text.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::prose::tests::prose;
    use super::*;

    /// A text, its bounds for whole numbers of -1000 to 1000, and for any number.
    #[test]
    fn ranges_are_read() {
        let rows = [
            ("Valid values 1 to 99 Inherited from [x](y)", "1 to 99", "1 to 99"),
            ("Valid range of values is between `0` and `10` (inclusive)", "0 to 10", "0 to 10"),
            ("Valid values -5,000 to 5,000", "-1000 to 1000", "-5000 to 5000"),
            ("Valid values 0.5 to 1.5", "none", "0.5 to 1.5"),
            ("Valid values -9.2E+18 to 9.2E+18", "-1000 to 1000", "- to -"),
            ("Valid values 0 to 9223372036854775807", "0 to 1000", "0 to -"),
            ("Valid values 1E300 to 2E300", "none", "none"),
            ("Valid values 1 to 0", "none", "none"),
            ("Valid values 1 to many", "", ""),
            ("From 1 to 9", "", ""),
        ];
        for (text, whole, any) in rows {
            let Some(range) = range(&prose(text)) else {
                assert_eq!((whole, any), ("", ""), "{text}");
                continue;
            };
            let found = integers(&range, -1000, 1000).map(|(least, most, _)| format!("{least} to {most}"));
            assert_eq!(found.as_deref().unwrap_or("none"), whole, "{text}");
            let shown = |bound: Option<Number>| bound.map_or("-".to_owned(), |bound| bound.to_string());
            let found = numbers(&range).map(|(least, most)| format!("{} to {}", shown(least), shown(most)));
            assert_eq!(found.as_deref().unwrap_or("none"), any, "{text}");
        }
    }

    #[test]
    fn bounds_are_the_page_s_up_to_what_json_can_tell_apart() {
        let range = |from: i64, to: i64| (Number::from(from), Number::from(to));
        assert_eq!(integers(&range(0, i64::MAX), -EXACT, EXACT), Some((0, EXACT, false)));
        assert_eq!(integers(&range(-EXACT, EXACT), -EXACT, EXACT), Some((-EXACT, EXACT, true)));
        assert_eq!(integers(&range(0, i64::MAX), 0, 255), Some((0, 255, true)));
    }

    #[test]
    fn lengths_are_read() {
        let rows = [
            ("The maximum length is 1,024 characters.", Some(1024)),
            ("The maximum length is 64.", Some(64)),
            ("A text (maximum length: 64), in any language.", Some(64)),
            ("Maximum length 64, in any language.", Some(64)),
            ("Must not exceed 64 characters.", Some(64)),
            ("128 characters or fewer", Some(128)),
            ("Maximum of 16 characters", Some(16)),
            ("The 2nd of 3 names. Limited to 16 characters.", Some(16)),
            ("At least 8 characters", None),
            ("It is 28 characters long", None),
            ("Up to 30 days", None),
            ("The maximum length is 64 KB.", None),
            ("The maximum length is 255 bytes.", None),
            ("The maximum length is 255 UTF-16 units.", None),
            ("Max length: 1 000 characters", None),
            ("Max length: 1\u{a0}000", None),
            ("Max length: 1, 000", None),
            ("Limited to 10 lines of 80 characters.", None),
            ("Maximum length 9223372036854775807 characters", None),
        ];
        for (text, expected) in rows {
            assert_eq!(max_length(&prose(text)), expected, "{text}");
        }
    }
}
