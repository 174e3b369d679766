//! Where in a text a fault is: at the beginning of what is wrong, not where the reader stopped.

use patchgate_model::violation::Place;

/// The place behind these bytes.
pub(super) fn behind(bytes: &[u8]) -> Place {
    let text = String::from_utf8_lossy(bytes);
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place { line, column }
}

/// What `serde_json` had read when it gave up.
pub(super) struct Read<'t> {
    /// It counts columns in bytes; this is where it was in characters.
    pub(super) place: Place,
    before: &'t [u8],
}

impl<'t> Read<'t> {
    pub(super) fn until(text: &'t str, error: &serde_json::Error) -> Self {
        let line = error.line().max(1);
        let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let rest = text.as_bytes().get(start..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let at = start + error.column().saturating_sub(1).min(length);
        let until = |end: usize| text.as_bytes().get(..end).unwrap_or(text.as_bytes());
        Self { place: behind(until(at)), before: until(start + error.column()) }
    }

    /// The beginning of the last number.
    pub(super) fn number(&self) -> Place {
        let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        self.back_to(|before| {
            let end = before.iter().rposition(part)?;
            Some(before.get(..end)?.iter().rposition(|byte| !part(byte)).map_or(0, |at| at + 1))
        })
    }

    /// The beginning of the last string.
    pub(super) fn string(&self) -> Place {
        self.back_to(|before| {
            let mut end = before.iter().rposition(|byte| *byte == b'"')?;
            loop {
                let within = before.get(..end)?;
                end = within.iter().rposition(|byte| *byte == b'"')?;
                // Within the string a quotation mark is escaped: an odd number of backslashes stands before it.
                let escapes = within.get(..end)?.iter().rev().take_while(|byte| **byte == b'\\').count();
                if escapes % 2 == 0 {
                    return Some(end);
                }
            }
        })
    }

    /// The last bracket that opens an array or an object.
    pub(super) fn bracket(&self) -> Place {
        self.back_to(|before| before.iter().rposition(|byte| matches!(byte, b'[' | b'{')))
    }

    fn back_to(&self, start: impl FnOnce(&[u8]) -> Option<usize>) -> Place {
        let found = start(self.before).and_then(|start| self.before.get(..start));
        found.map_or(self.place, behind)
    }
}
