//! Links in the answers to reads: SDKs follow `@odata.nextLink` as it stands, past the gateway, unless it names the gateway.
//!
//! A reader of JSON text, fed piece by piece, that knows strings and nothing else. A string behind the name of a link whose
//! origin is the upstream's gets the gateway's; every other byte stays as it came.

use std::sync::Arc;

use bytes::Bytes;

use super::Origin;

/// The longest link that is looked at, in bytes; a longer one passes as it is.
const LONGEST: usize = 16 * 1024;
/// The names whose values are links; alone, or behind the name of a property.
const NAMES: [&str; 4] = ["@odata.nextLink", "@odata.deltaLink", "@nextLink", "@deltaLink"];

/// The state of one answer.
#[derive(Debug)]
pub struct Links {
    upstream: Arc<Origin>,
    here: String,
    place: Place,
    escaped: bool,
    /// A string that is still being read, quotes included; it has not been passed on.
    held: Vec<u8>,
    overlong: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside a string, and no link can follow.
    Outside,
    /// In a string.
    InString { link: bool },
    /// Behind a string that names a link: `:` and a string may follow.
    Named { colon: bool },
}

impl Links {
    /// Turns links below the base URL of `upstream` to the base URL `here`, which does not end with a slash.
    pub fn new(upstream: Arc<Origin>, here: String) -> Self {
        let place = Place::Outside;
        Self { upstream, here, place, escaped: false, held: Vec::new(), overlong: false }
    }

    /// The next piece of the answer, as far as it is decided.
    pub fn turn(&mut self, piece: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(piece.len() + 64);
        for &byte in piece {
            self.byte(byte, &mut out);
        }
        out.into()
    }

    /// What was held back, at the end.
    pub fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.held).into()
    }

    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.place {
            Place::InString { link } => self.in_string(byte, link, out),
            Place::Outside | Place::Named { .. } => match byte {
                b'"' => {
                    self.place = Place::InString { link: self.place == Place::Named { colon: true } };
                    self.held.push(byte);
                }
                b' ' | b'\t' | b'\r' | b'\n' => out.push(byte),
                b':' if self.place == (Place::Named { colon: false }) => {
                    self.place = Place::Named { colon: true };
                    out.push(byte);
                }
                _ => {
                    self.place = Place::Outside;
                    out.push(byte);
                }
            },
        }
    }

    fn in_string(&mut self, byte: u8, link: bool, out: &mut Vec<u8>) {
        if self.overlong {
            out.push(byte);
        } else {
            self.held.push(byte);
        }
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => {
                let held = std::mem::take(&mut self.held);
                let overlong = std::mem::take(&mut self.overlong);
                let names_link = !link && !overlong && is_link_name(&held);
                self.place = if names_link { Place::Named { colon: false } } else { Place::Outside };
                // Most strings are no links, and are not looked into.
                match (link && !overlong).then(|| self.turned(&held)).flatten() {
                    Some(turned) => out.extend_from_slice(&turned),
                    None => out.extend_from_slice(&held),
                }
                return;
            }
            _ => {}
        }
        // Of a string that is no link only the length of a name is of interest.
        let most = if link { LONGEST } else { 256 };
        if self.held.len() > most {
            out.append(&mut self.held);
            self.overlong = true;
        }
    }

    /// A link as a JSON string, turned, if it is the upstream's.
    fn turned(&self, string: &[u8]) -> Option<Vec<u8>> {
        let link: String = serde_json::from_slice(string).ok()?;
        let rest = self.upstream.rest_of(&link)?;
        serde_json::to_vec(&format!("{}{rest}", self.here)).ok()
    }
}

fn is_link_name(string: &[u8]) -> bool {
    if !string.contains(&b'@') && !string.contains(&b'\\') {
        return false;
    }
    serde_json::from_slice::<String>(string).is_ok_and(|name| NAMES.iter().any(|known| name.ends_with(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: &str = "https://graph.example/x";

    fn turned(text: &str, piece: usize) -> String {
        let mut links =
            Links::new(Arc::new(Origin::parse(UP, false).unwrap()), "http://gateway:4080".to_owned());
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            out.extend_from_slice(&links.turn(piece));
        }
        out.extend_from_slice(&links.rest());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn links_of_the_upstream_are_turned_and_nothing_else() {
        let rows = [
            (
                r#"{ "@odata.nextLink" : "https://graph.example/x/v1.0/a?$skip=2" , "value":[]}"#,
                r#"{ "@odata.nextLink" : "http://gateway:4080/v1.0/a?$skip=2" , "value":[]}"#,
            ),
            (
                r#"{"a":[{"b@odata.nextLink":"HTTPS://GRAPH.example/x/b"}],"@odata.deltaLink":"https:\/\/graph.example\/x\/c"}"#,
                r#"{"a":[{"b@odata.nextLink":"http://gateway:4080/b"}],"@odata.deltaLink":"http://gateway:4080/c"}"#,
            ),
            (
                r#"{"\u0040odata.nextLink":"https://graph.example/x/a"}"#,
                r#"{"\u0040odata.nextLink":"http://gateway:4080/a"}"#,
            ),
            (
                r#"{"@odata.nextLink":"https://graph.example:443/x/a"}"#,
                r#"{"@odata.nextLink":"http://gateway:4080/a"}"#,
            ),
            (
                r#"{"@odata.nextLink":"https://graph.example/x?a"}"#,
                r#"{"@odata.nextLink":"http://gateway:4080?a"}"#,
            ),
        ];
        for (text, expected) in rows {
            for piece in [1, 2, 3, 7, text.len()] {
                assert_eq!(turned(text, piece), expected, "in pieces of {piece}");
            }
        }
        for same in [
            r#"{"@odata.nextLink":"https://graph.example/xy/a"}"#,
            r#"{"@odata.nextLink":"https://graph.example.evil/x/a"}"#,
            r#"{"@odata.nextLink":"https://other.example/x/a"}"#,
            r#"{"@odata.nextLink":"https://graph.example:4430/x/a"}"#,
            r#"{"@odata.nextLink":"http://graph.example/x/a"}"#,
            r#"{"@odata.context":"https://graph.example/x/a"}"#,
            r#"{"text":"\"@odata.nextLink\":\"https://graph.example/x/a\""}"#,
            r#"["@odata.nextLink","https://graph.example/x/a"]"#,
            r#"{"@odata.nextLink":null,"a":"https://graph.example/x/a"}"#,
            r#"{"@odata.nextLink":["https://graph.example/x/a"]}"#,
            r#"{"@odata.nextLink":"https://graph.example/x/a"#,
            "not json \" at \\ all",
            "",
        ] {
            for piece in [1, 3, same.len().max(1)] {
                assert_eq!(turned(same, piece), same, "in pieces of {piece}");
            }
        }
        let long =
            format!(r#"{{"text":"{}","@odata.nextLink":"https://graph.example/x/a"}}"#, "y".repeat(100_000));
        assert!(turned(&long, 1000).ends_with(r#""http://gateway:4080/a"}"#));
    }
}
