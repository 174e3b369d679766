//! Who calls, as far as an emulator can tell.
//!
//! A token that has the form of a JWT is read for its permissions and its end; any other token is opaque and may do
//! everything. Signatures are **not** verified, nor are issuer and audience: this is no place for real data.
//!
//! Invariant: a call without exactly one bearer token is a 401.

use http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::errors::Problem;

/// The caller of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// What `lastModifiedBy` says after an edit by this caller.
    pub(crate) name: String,
    permissions: Permissions,
}

#[derive(Debug, PartialEq, Eq)]
enum Permissions {
    /// The token is opaque.
    All,
    /// The token's `scp` and `roles`.
    These(Vec<String>),
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    Read,
    Write,
}

/// The caller by its `Authorization` header.
pub(crate) fn caller(headers: &HeaderMap, now: Timestamp) -> Result<Caller, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (None, _) => return Err(Problem::unauthenticated("The request carries no access token.")),
        (Some(_), Some(_)) => {
            return Err(Problem::unauthenticated("The request carries more than one access token."));
        }
    };
    let token = value.to_str().ok().and_then(bearer);
    let token = token.ok_or_else(|| Problem::unauthenticated("The access token is not a bearer token."))?;
    match claims(token) {
        None => Ok(Caller { name: "opaque token".to_owned(), permissions: Permissions::All }),
        Some(claims) => by_claims(&claims, now),
    }
}

impl Caller {
    /// Whether the caller has a permission for what it wants.
    pub(crate) fn may(&self, wants: Wants) -> Result<(), Problem> {
        let enough: &[&str] = match wants {
            Wants::Read => &["SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"],
            Wants::Write => &["SecurityIncident.ReadWrite.All"],
        };
        match &self.permissions {
            Permissions::All => Ok(()),
            Permissions::These(names) if names.iter().any(|name| enough.contains(&name.as_str())) => Ok(()),
            Permissions::These(_) => Err(Problem::forbidden(format!(
                "The access token lacks the permission for this call: {}.",
                enough.join(" or ")
            ))),
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn by_claims(claims: &Map<String, Value>, now: Timestamp) -> Result<Caller, Problem> {
    if let Some(end) = claims.get("exp").and_then(Value::as_f64) {
        #[expect(clippy::cast_precision_loss, reason = "seconds of our time are exact in 53 bits")]
        if end <= now.as_second() as f64 {
            return Err(Problem::unauthenticated("The access token has expired."));
        }
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let scopes = text("scp").unwrap_or_default().split_ascii_whitespace().map(str::to_owned);
    let roles = claims.get("roles").and_then(Value::as_array).into_iter().flatten();
    let roles = roles.filter_map(Value::as_str).map(str::to_owned);
    let name =
        ["upn", "preferred_username", "app_displayname", "appid", "azp", "sub"].into_iter().find_map(text);
    Ok(Caller {
        name: name.unwrap_or("unnamed token").to_owned(),
        permissions: Permissions::These(scopes.chain(roles).collect()),
    })
}

/// The claims of a token that has the form of a JWT: three parts, the second a JSON object.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let mut parts = token.split('.');
    let (Some(head), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let (_, payload, _) = (base64url(head)?, base64url(payload)?, base64url(signature)?);
    serde_json::from_slice(&payload).ok()
}

/// Decodes base64url (RFC 4648, section 5) without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text.bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (text.len() % 4 != 1).then_some(decoded)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T08:00:00Z".parse().unwrap()
    }

    fn encoded(text: &str) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut out = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let mut word = [0u8; 4];
            word[1..=chunk.len()].copy_from_slice(chunk);
            let word = u32::from_be_bytes(word);
            for place in 0..=chunk.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
            }
        }
        out
    }

    fn jwt(claims: &str) -> String {
        format!("Bearer {}.{}.{}", encoded(r#"{"alg":"none"}"#), encoded(claims), encoded("x"))
    }

    fn call(value: &str) -> Result<Caller, Problem> {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        caller(&headers, now())
    }

    #[test]
    fn an_opaque_token_may_do_everything() {
        for value in
            ["Bearer opaque", "bearer a.b", "BEARER a.b.c", "Bearer e30.e30.e30.e30", "Bearer e30.bnVsbA.e30"]
        {
            let caller = call(value).unwrap();
            assert_eq!(caller.may(Wants::Write), Ok(()), "{value}");
        }
    }

    #[test]
    fn no_bearer_token_is_a_401() {
        for value in ["", "Bearer", "Bearer ", "Basic dTpw", "opaque"] {
            assert_eq!(call(value).unwrap_err().status, 401, "{value}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(caller(&headers, now()).unwrap_err().status, 401);
        for _ in 0..2 {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        }
        assert_eq!(caller(&headers, now()).unwrap_err().status, 401);
    }

    #[test]
    fn a_jwt_needs_the_permission() {
        let cases = [
            (r#"{"scp":"User.Read SecurityIncident.ReadWrite.All"}"#, true, true),
            (r#"{"roles":["SecurityIncident.ReadWrite.All"]}"#, true, true),
            (r#"{"scp":"SecurityIncident.Read.All"}"#, true, false),
            (r#"{"roles":["SecurityIncident.Read.All"],"scp":7}"#, true, false),
            (r#"{"scp":"User.Read"}"#, false, false),
            ("{}", false, false),
        ];
        for (claims, read, write) in cases {
            let caller = call(&jwt(claims)).unwrap();
            assert_eq!(caller.may(Wants::Read).is_ok(), read, "{claims}");
            assert_eq!(caller.may(Wants::Write).map_err(|problem| problem.code).is_ok(), write, "{claims}");
        }
    }

    #[test]
    fn a_jwt_ends() {
        let end = now().as_second();
        assert_eq!(call(&jwt(&format!(r#"{{"exp":{end}}}"#))).unwrap_err().status, 401);
        assert!(call(&jwt(&format!(r#"{{"exp":{}}}"#, end + 1))).is_ok());
        assert_eq!(call(&jwt(r#"{"upn":"ana@example.com"}"#)).unwrap().name, "ana@example.com");
    }

    #[test]
    fn base64url_is_decoded() {
        for text in ["", "a", "ab", "abc", "\u{fffd}~?>"] {
            assert_eq!(base64url(&encoded(text)).unwrap(), text.as_bytes());
        }
        for text in ["a", "ab=", "a b", "ä"] {
            assert_eq!(base64url(text), None, "{text}");
        }
    }
}
