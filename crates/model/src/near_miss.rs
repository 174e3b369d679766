//! Other spellings of a route: never routed, only recognised, so that a refusal can name the canonical form.

use std::sync::Arc;

use crate::cloud::GraphVersion;
use crate::route::{Resource, Route, Segment};

impl Route {
    /// The resource that a target would name if a server decoded and normalised it, as Graph's own front end might.
    ///
    /// Undone, once: percent-encoding, `\` for `/`, repeated and trailing slashes, dot segments, matrix parameters,
    /// `name('key')` for `name/key`, ASCII case, leading zeros of a number.
    pub fn near_miss(self: &Arc<Self>, target: &str) -> Option<Resource> {
        let segments = normalised(target);
        if segments.len() != self.template().segments().len() {
            return None;
        }
        let mut patterns = self.keys().iter();
        let mut version = None;
        let mut keys = Vec::new();
        for (segment, part) in self.template().segments().iter().zip(&segments) {
            match segment {
                Segment::Literal(literal) => part.eq_ignore_ascii_case(literal).then_some(())?,
                Segment::Version => {
                    let known =
                        GraphVersion::ALL.into_iter().find(|v| part.eq_ignore_ascii_case(v.segment()))?;
                    version = Some(self.version(known.segment())?);
                }
                Segment::Key(_) => {
                    let pattern = patterns.next()?;
                    let without_zeros = part.trim_start_matches('0');
                    let key = [part.as_str(), without_zeros].into_iter().find(|key| pattern.matches(key))?;
                    keys.push(key.to_owned());
                }
            }
        }
        self.resource_of(version?, &keys)
    }
}

/// The segments of a target as a lenient server would see them.
fn normalised(target: &str) -> Vec<String> {
    let decoded = percent_decoded(target);
    let path = decoded.split(['?', '#']).next().unwrap_or_default().replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    for part in path.split('/') {
        let part = part.split(';').next().unwrap_or_default().trim();
        match part {
            "" | "." => {}
            ".." => _ = segments.pop(),
            _ => match key_in_parentheses(part) {
                Some((name, key)) => segments.extend([name, key]),
                None => segments.push(part.to_owned()),
            },
        }
    }
    segments
}

/// `name('key')`, `name(key)` or `name(id='key')`.
fn key_in_parentheses(segment: &str) -> Option<(String, String)> {
    let (name, rest) = segment.strip_suffix(')')?.split_once('(')?;
    let value = rest.split_once('=').map_or(rest, |(_, value)| value);
    Some((name.to_owned(), value.trim().trim_matches('\'').to_owned()))
}

/// Percent-decoding, once; what is no UTF-8 then becomes a character that matches nothing.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |b: &u8| char::from(*b).to_digit(16);
        match (first, after) {
            (b'%', [a, b, after @ ..]) if hex(a).is_some() && hex(b).is_some() => {
                let value = hex(a).unwrap_or(0) * 16 + hex(b).unwrap_or(0);
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
                rest = after;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyPattern;
    use crate::route::PathTemplate;

    #[test]
    fn other_spellings_are_recognised_and_other_resources_are_not() {
        let template = PathTemplate::parse("/{version}/security/things/{thingId}").unwrap();
        let route = Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), |_| {
            KeyPattern::parse("[1-9][0-9]{0,18}").unwrap()
        }));
        let near = [
            "/v1.0/security/things/12/",
            "/v1.0//security/things/12",
            "/V1.0/Security/THINGS/12",
            "/v1%2E0/security/things/12",
            "/v1.0/security%2fthings/12",
            "/v1.0/security\\things\\12",
            "/v1.0/security/./things/x/../12",
            "/v1.0/security/things;a=b/12;c",
            "/v1.0/security/things('12')",
            "/v1.0/security/things(12)",
            "/v1.0/security/things(id='12')",
            "/v1.0/security/things/0012",
            "/v1.0/security/things/%31%32",
            "/v1.0/security/things/12%20",
            "/v1.0/security/things/12%3F$select=x",
        ];
        for target in near {
            let found = route.near_miss(target);
            assert_eq!(found.as_ref().map(Resource::path), Some("/v1.0/security/things/12"), "{target}");
        }
        for target in [
            "/v1.0/security/things/12/$value",
            "/v1.0/security/things/12/$ref",
            "/v1.0/security/things/12/microsoft.graph.thing",
            "/v1.0/security/things/12/name",
            "/v1.0/security/things",
            "/v1.0/security/things/0",
            "/v1.0/security/things/%2531",
            "/v3/security/things/12",
            "/",
            "",
            "*",
        ] {
            assert!(route.near_miss(target).is_none(), "{target}");
        }
    }
}
