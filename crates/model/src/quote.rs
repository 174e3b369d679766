//! How a caller's own words are shown back: short, and unable to act on a terminal or a log.

use std::fmt::{self, Write as _};

/// Shows at most [64](Quoted::LIMIT) characters of input; control and direction-changing characters are escaped.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl Quoted<'_> {
    /// The longest input shown whole, in characters.
    pub const LIMIT: usize = 64;
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut characters = self.0.chars();
        for c in characters.by_ref().take(Self::LIMIT) {
            if acts(c) {
                write!(f, "\\u{{{:x}}}", u32::from(c))?;
            } else {
                f.write_char(c)?;
            }
        }
        if characters.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Control characters, line separators, and characters that change direction or show nothing.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_little_and_nothing_that_acts() {
        assert_eq!(Quoted("a\x1b[31m\u{202e}é").to_string(), "a\\u{1b}[31m\\u{202e}é");
        // All that change direction, as Unicode lists them (Bidi_Control).
        for c in ('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain(['\u{61c}', '\u{200e}', '\u{200f}'])
        {
            assert!(acts(c), "{:x}", u32::from(c));
        }
        assert_eq!(Quoted(&"x".repeat(64)).to_string(), "x".repeat(64));
        assert_eq!(Quoted(&"é".repeat(65)).to_string(), format!("{}…", "é".repeat(64)));
    }
}
