//! Canonical JSON, written straight into a line's buffer.

/// Writes the members of an object, in the order of the calls.
pub(crate) struct Members<'a> {
    line: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Members<'a> {
    /// The members of an object whose brackets the caller writes.
    pub(crate) fn new(line: &'a mut Vec<u8>) -> Self {
        Self { line, first: true }
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        string(self.line, value);
        self
    }

    /// A member that stands there only with a value.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    pub(crate) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        number(self.line, value);
        self
    }

    /// A value that is canonical JSON already. If it has a control character, which canonical JSON has not, it is written
    /// as a string instead: a line break in it must not begin a line of its own.
    pub(crate) fn raw(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.name(name);
        // The least byte: the compiler compares many at once.
        if json.iter().min().is_none_or(|least| *least < 0x20) {
            string(self.line, &String::from_utf8_lossy(json));
        } else {
            self.line.extend_from_slice(json);
        }
        self
    }

    pub(crate) fn object(&mut self, name: &str, write: impl FnOnce(&mut Members<'_>)) -> &mut Self {
        self.name(name);
        self.line.push(b'{');
        write(&mut Members::new(self.line));
        self.line.push(b'}');
        self
    }

    pub(crate) fn texts<'t>(&mut self, name: &str, values: impl IntoIterator<Item = &'t str>) -> &mut Self {
        self.name(name);
        self.line.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.line.push(b',');
            }
            string(self.line, value);
        }
        self.line.push(b']');
        self
    }

    /// A list of objects; none at all where there are no items.
    pub(crate) fn objects<T>(
        &mut self,
        name: &str,
        items: &[T],
        write: impl Fn(&mut Members<'_>, &T),
    ) -> &mut Self {
        if items.is_empty() {
            return self;
        }
        self.name(name);
        self.line.push(b'[');
        for (index, item) in items.iter().enumerate() {
            self.line.extend_from_slice(if index > 0 { b",{" } else { b"{" });
            write(&mut Members::new(self.line), item);
            self.line.push(b'}');
        }
        self.line.push(b']');
        self
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.line.push(b',');
        }
        string(self.line, name);
        self.line.push(b':');
    }
}

fn string(line: &mut Vec<u8>, value: &str) {
    // Most have nothing to escape.
    if has_escapes(value.as_bytes()) {
        // Writing a string to a vector does not fail.
        _ = serde_json::to_writer(line, value);
    } else {
        line.push(b'"');
        line.extend_from_slice(value.as_bytes());
        line.push(b'"');
    }
}

/// Whether there is a control character, a quotation mark or a backslash: eight bytes at once, for most strings are short.
fn has_escapes(bytes: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const TOP: u64 = u64::from_ne_bytes([0x80; 8]);
    // The top bit of a byte says that it was below `bound`. A byte above one that was may say so, too: it does not matter which.
    let below = |eight: u64, bound: u64| eight.wrapping_sub(EACH * bound) & !eight;
    let is = |eight: u64, byte: u8| below(eight ^ (EACH * u64::from(byte)), 1);
    let (eights, rest) = bytes.as_chunks::<8>();
    let found = eights.iter().fold(0, |found, eight| {
        let eight = u64::from_ne_bytes(*eight);
        found | below(eight, 0x20) | is(eight, b'"') | is(eight, b'\\')
    });
    found & TOP != 0 || rest.iter().any(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\')
}

pub(crate) fn number(line: &mut Vec<u8>, value: u64) {
    let length = value.checked_ilog10().map_or(1, |zeros| zeros as usize + 1);
    let mut digits = [0; 20];
    let digits = digits.get_mut(..length).unwrap_or_default();
    fill(digits, value);
    line.extend_from_slice(digits);
}

/// Writes the last `N` digits of a number.
pub(crate) fn digits<const N: usize>(line: &mut Vec<u8>, value: u64) {
    let mut digits = [0; N];
    fill(&mut digits, value);
    line.extend_from_slice(&digits);
}

fn fill(digits: &mut [u8], mut value: u64) {
    for digit in digits.iter_mut().rev() {
        // A remainder of ten fits.
        *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).unwrap()
    }

    proptest! {
        #[test]
        fn strings_and_numbers_are_written_as_serde_json_does(
            text in any::<String>(),
            plain in "[ -~]{0,40}",
            value in any::<u64>(),
            small in 0u64..1000,
        ) {
            for text in [text, plain] {
                prop_assert_eq!(written(|line| string(line, &text)), serde_json::to_string(&text).unwrap());
            }
            for value in [value, small, 0, u64::MAX] {
                prop_assert_eq!(written(|line| number(line, value)), value.to_string());
            }
        }
    }
}
