//! Finds out who sends a request. It refuses nothing: admission does, in its place.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use patchgate_model::{Caller, Credential};

use crate::ascii::BEARER;

/// The sender of a request with these headers.
pub fn identify(headers: &HeaderMap) -> Caller {
    Caller { credential: credential(headers) }
}

fn credential(headers: &HeaderMap) -> Credential {
    // To go past a few fields costs less than to look a name up.
    let mut values = headers.iter().filter(|(name, _)| *name == AUTHORIZATION).map(|(_, value)| value);
    let Some(value) = values.next() else { return Credential::Missing };
    if values.next().is_some() {
        return Credential::Several;
    }
    let value = value.as_bytes();
    let scheme_end = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(scheme_end);
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Credential::OtherScheme;
    }
    if is_token(rest.trim_ascii_start()) { Credential::Bearer } else { Credential::Malformed }
}

/// `b64token` of RFC 6750, 2.1.
fn is_token(bytes: &[u8]) -> bool {
    let body = bytes.iter().rposition(|b| *b != b'=').map_or(0, |last| last + 1);
    let (body, _padding) = bytes.split_at(body);
    !body.is_empty() && BEARER.has_all(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials() {
        for (values, expected) in [
            (&[][..], Credential::Missing),
            (&["Bearer abc.d-e_f~+/="], Credential::Bearer),
            (&["bearer x"], Credential::Bearer),
            (&["Bearer  x"], Credential::Bearer),
            (&["Bearer"], Credential::Malformed),
            (&["Bearer "], Credential::Malformed),
            (&["Bearer a b"], Credential::Malformed),
            (&["Bearer a,Bearer b"], Credential::Malformed),
            (&["Bearer ="], Credential::Malformed),
            (&["Basic eDp5"], Credential::OtherScheme),
            (&["Bearerx y"], Credential::OtherScheme),
            (&[""], Credential::OtherScheme),
            (&["Bearer a", "Bearer a"], Credential::Several),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(identify(&headers).credential, expected, "{values:?}");
        }
    }
}
