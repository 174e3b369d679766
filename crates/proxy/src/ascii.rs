//! Sets of ASCII characters, as the grammars of HTTP name them.

/// A set of characters, asked byte by byte.
#[derive(Debug)]
pub struct CharacterSet([bool; 256]);

/// `tchar` of RFC 9110, 5.6.2.
pub static TOKEN: CharacterSet = CharacterSet::letters_digits_and(b"!#$%&'*+-.^_`|~");

/// What the name of a field is made of: a token without `_`, which some servers behind take for `-`.
pub static FIELD_NAME: CharacterSet = CharacterSet::letters_digits_and(b"!#$%&'*+-.^`|~");

/// What a `b64token` of RFC 6750, 2.1, is made of, but for the padding.
pub static BEARER: CharacterSet = CharacterSet::letters_digits_and(b"-._~+/");

/// What may stand in a request target (RFC 9112, 3.2), and some more that a server is not told to refuse: all that can be
/// seen but `#`.
pub static TARGET: CharacterSet = CharacterSet::letters_digits_and(b"!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~");

impl CharacterSet {
    const fn letters_digits_and(mut marks: &[u8]) -> Self {
        let (mut set, mut byte) = ([false; 256], 0_u8);
        while let Some((member, _)) = set.split_at_mut(byte as usize).1.split_first_mut() {
            *member = byte.is_ascii_alphanumeric();
            if byte == u8::MAX {
                break;
            }
            byte += 1;
        }
        while let Some((mark, rest)) = marks.split_first() {
            if let Some((member, _)) = set.split_at_mut(*mark as usize).1.split_first_mut() {
                *member = true;
            }
            marks = rest;
        }
        Self(set)
    }

    /// Whether it has this byte.
    pub fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// Whether it has all of these. Tokens are long and nearly always valid: to look at each byte costs less than to ask behind
    /// each whether to stop.
    pub fn has_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().fold(true, |all, byte| all & self.has(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_have_what_they_name() {
        for byte in 0..=u8::MAX {
            let alphanumeric = byte.is_ascii_alphanumeric();
            assert_eq!(TOKEN.has(byte), alphanumeric || b"!#$%&'*+-.^_`|~".contains(&byte), "{byte}");
            assert_eq!(FIELD_NAME.has(byte), TOKEN.has(byte) && byte != b'_', "{byte}");
            assert_eq!(BEARER.has(byte), alphanumeric || b"-._~+/".contains(&byte), "{byte}");
            assert_eq!(TARGET.has(byte), byte.is_ascii_graphic() && byte != b'#', "{byte}");
        }
    }
}
