//! Where in a text of JSON a pointer leads.

use serde::Deserialize;
use serde::de::IgnoredAny;

/// The line and column (from 1, columns in characters) of what a JSON Pointer leads to: a member's name, an item's first
/// character. Where it leads nowhere, those of the last thing on its way. The text is JSON.
pub(super) fn of(text: &str, pointer: &str) -> (usize, usize) {
    let mut at = skip(text, 0);
    let mut found = at;
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        let Some((name, value)) = step(text, at, &token) else { break };
        (found, at) = (name, value);
    }
    let before = text.get(..found).unwrap_or_default();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

/// From an object or array at `at` to its member or item: where that begins, and where its value does.
fn step(text: &str, at: usize, token: &str) -> Option<(usize, usize)> {
    let object = match text.as_bytes().get(at)? {
        b'{' => true,
        b'[' => false,
        _ => return None,
    };
    let mut at = skip(text, at + 1);
    let mut index = 0_usize;
    loop {
        if matches!(text.as_bytes().get(at)?, b'}' | b']') {
            return None;
        }
        let (start, mut name) = (at, index.to_string());
        if object {
            let end;
            (name, end) = read::<String>(text, at)?;
            at = skip(text, skip(text, end) + 1);
        }
        if name == token {
            return Some((start, at));
        }
        let (IgnoredAny, end) = read(text, at)?;
        at = skip(text, end);
        if text.as_bytes().get(at)? == &b',' {
            at = skip(text, at + 1);
        }
        index += 1;
    }
}

/// A value at `at`, and where it ends.
fn read<'t, T: Deserialize<'t>>(text: &'t str, at: usize) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text.get(at..)?).into_iter();
    let value = values.next()?.ok()?;
    Some((value, at + values.byte_offset()))
}

/// The next place that is no white space.
fn skip(text: &str, at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    at + (rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len())
}

#[cfg(test)]
mod tests {
    #[test]
    fn pointers_lead_to_places() {
        let text = "{ \"a\": [1, {\"é/\": {}, \"b\" : \"x,}\" }],\r\n  \"c\": -1.5e3 ,\"d\":null}";
        for (pointer, place) in [
            ("", (1, 1)),
            ("/a", (1, 3)),
            ("/a/0", (1, 9)),
            ("/a/1", (1, 12)),
            ("/a/1/é~1", (1, 13)),
            ("/a/1/b", (1, 23)),
            ("/a/1/nothing", (1, 12)),
            ("/a/7", (1, 3)),
            ("/c", (2, 3)),
            ("/d", (2, 16)),
            ("/d/e", (2, 16)),
            ("/nothing/at/all", (1, 1)),
        ] {
            assert_eq!(super::of(text, pointer), place, "{pointer}");
        }
    }
}
