//! What others wrote, on a terminal: shown so that nothing in it acts.

use std::borrow::Cow;
use std::fmt::Write as _;

use patchgate_model::quote::Quoted;

/// A text in which nothing acts on a terminal.
pub(super) fn inert(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return text.into();
    }
    text.chars().map(|c| Quoted(c.encode_utf8(&mut [0; 4])).to_string()).collect::<String>().into()
}

/// A line of JSON in which nothing acts on a terminal: the same JSON.
pub(super) fn inert_json(line: &str) -> Cow<'_, str> {
    if is_plain(line) {
        return line.into();
    }
    let mut inert = String::with_capacity(line.len() + 64);
    for c in line.chars() {
        if c < ' ' {
            // In JSON it stands between values alone.
            inert.push(' ');
        } else if Quoted(c.encode_utf8(&mut [0; 4])).to_string().len() > c.len_utf8() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                _ = write!(inert, "\\u{unit:04x}");
            }
        } else {
            inert.push(c);
        }
    }
    inert.into()
}

/// Whether there is nothing to look at more closely.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_on_a_terminal() {
        for (text, expected) in [
            ("plain é", "plain é"),
            ("a\u{1b}[31m\n", "a\\u{1b}[31m\\u{a}"),
            ("\u{9b}31m\u{202e}\u{7f}", "\\u{9b}31m\\u{202e}\\u{7f}"),
        ] {
            assert_eq!(inert(text), expected);
        }
        let line = "{\"a\":\t\"é\u{9b}\u{202e}\u{7f}\\u001b\"}";
        let shown = inert_json(line);
        assert_eq!(shown, "{\"a\": \"é\\u009b\\u202e\\u007f\\u001b\"}");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&shown), parse(line));
    }
}
