//! The preferences of a request, and the answer's word about those that were followed.
//!
//! Invariant: what is not known here is ignored, as RFC 7240 asks.

use http::{HeaderMap, HeaderValue};

use crate::incident::Members;

/// What to answer an edit with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Return {
    /// Nothing was said: the whole incident.
    Unsaid,
    Representation,
    Minimal,
}

/// What a request prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preferences {
    pub(crate) returns: Return,
    pub(crate) members: Members,
    /// `odata.maxpagesize`.
    pub(crate) page: Option<usize>,
}

/// The preferences of all `Prefer` headers; of two for the same thing the first counts.
pub(crate) fn preferences(headers: &HeaderMap) -> Preferences {
    let mut found = Preferences { returns: Return::Unsaid, members: Members::Known, page: None };
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    for token in values.flat_map(|value| value.split(',')).map(str::trim) {
        let (name, value) = token.split_once('=').unwrap_or((token, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().trim_matches('"'));
        match (name.as_str(), value.to_ascii_lowercase().as_str()) {
            ("return", "minimal") if found.returns == Return::Unsaid => found.returns = Return::Minimal,
            ("return", "representation") if found.returns == Return::Unsaid => {
                found.returns = Return::Representation;
            }
            ("include-unknown-enum-members", "" | "true") => found.members = Members::All,
            ("odata.maxpagesize" | "maxpagesize", _) if found.page.is_none() => {
                found.page = value.parse().ok().filter(|size| *size > 0);
            }
            _ => {}
        }
    }
    found
}

impl Preferences {
    /// `Preference-Applied` of an answer to a read of one incident.
    pub(crate) fn applied_to_read(self) -> Option<HeaderValue> {
        let known = HeaderValue::from_static("include-unknown-enum-members");
        (self.members == Members::All).then_some(known)
    }

    /// `Preference-Applied` of an answer to an edit.
    pub(crate) fn applied_to_edit(self) -> Option<HeaderValue> {
        match (self.returns, self.members) {
            (Return::Minimal, _) => Some(HeaderValue::from_static("return=minimal")),
            (Return::Representation, Members::Known) => {
                Some(HeaderValue::from_static("return=representation"))
            }
            (Return::Representation, Members::All) => {
                Some(HeaderValue::from_static("return=representation, include-unknown-enum-members"))
            }
            (Return::Unsaid, _) => self.applied_to_read(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Preferences {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", HeaderValue::from_str(value).unwrap());
        }
        preferences(&headers)
    }

    #[test]
    fn preferences_are_read_from_all_headers() {
        let found =
            of(&["respond-async, Return=Minimal", "include-unknown-enum-members,odata.maxpagesize=3"]);
        let expected = Preferences { returns: Return::Minimal, members: Members::All, page: Some(3) };
        assert_eq!(found, expected);
        assert_eq!(found.applied_to_edit().unwrap(), "return=minimal");
        assert_eq!(found.applied_to_read().unwrap(), "include-unknown-enum-members");
    }

    #[test]
    fn what_is_unknown_is_ignored() {
        let expected = Preferences { returns: Return::Representation, members: Members::Known, page: None };
        let found =
            of(&["return=\"representation\", return=minimal, wait=10, odata.maxpagesize=x, ,=", "=a"]);
        assert_eq!(found, expected);
        assert_eq!(found.applied_to_edit().unwrap(), "return=representation");
        assert_eq!(found.applied_to_read(), None);
        assert_eq!(of(&[]).applied_to_edit(), None);
    }
}
