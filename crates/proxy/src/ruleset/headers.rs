//! Header fields: which go upstream, and which must not come in at all.

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use patchgate_model::ClientRequestId;

/// The caller's own id of a request.
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What passes as it is, besides `client-request-id` and `Prefer`, which are looked into.
fn passes(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept"
            | "accept-language"
            | "authorization"
            | "consistencylevel"
            | "if-match"
            | "sdkversion"
            | "traceparent"
            | "tracestate"
            | "user-agent"
    )
}

/// What could give a request another method or URL behind the gateway.
const OVERRIDING: [&str; 8] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-method",
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-forwarded-uri",
];

/// The header of [`OVERRIDING`] that stands in these, if one does.
pub(super) fn overriding(headers: &HeaderMap) -> Option<&'static str> {
    // Nearly no request has a name of this kind, so the names are looked through once.
    let mut experimental = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-"));
    experimental.find_map(|name| OVERRIDING.into_iter().find(|overriding| *overriding == name))
}

/// The header fields that go upstream: what is on the list and nothing else.
#[derive(Debug, Clone)]
pub struct Outbound(HeaderMap);

impl Outbound {
    pub(super) fn of_edit(headers: &HeaderMap) -> Self {
        let mut outbound = Self::of(headers, false);
        outbound.0.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        outbound
    }

    pub(super) fn of_read(headers: &HeaderMap) -> Self {
        Self::of(headers, true)
    }

    fn of(headers: &HeaderMap, read: bool) -> Self {
        let mut outbound = HeaderMap::with_capacity(headers.len() + 2);
        for (name, value) in headers {
            if passes(name) && value.to_str().is_ok() {
                outbound.append(name, value.clone());
            }
        }
        let id = headers.get(&CLIENT_REQUEST_ID);
        if let Some(value) = id.filter(|value| ClientRequestId::parse(value.as_bytes()).is_some()) {
            outbound.insert(CLIENT_REQUEST_ID, value.clone());
        }
        if let Some(preferences) = preferences(headers, read) {
            outbound.insert(PREFER, preferences);
        }
        // Links in answers must be readable.
        outbound.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(token) = outbound.get_mut(AUTHORIZATION) {
            token.set_sensitive(true);
        }
        Self(outbound)
    }

    /// The fields.
    pub fn fields(&self) -> &HeaderMap {
        &self.0
    }

    /// The fields, to be sent.
    pub fn into_fields(self) -> HeaderMap {
        self.0
    }
}

/// The preferences (RFC 7240) that Graph may be told, token by token.
fn preferences(headers: &HeaderMap, read: bool) -> Option<HeaderValue> {
    let passes = |preference: &&str| {
        let name = preference.split(['=', ';']).next().unwrap_or_default().trim();
        let plain = !preference.contains(['"', '\\', ';']);
        let known = name.eq_ignore_ascii_case("return")
            || name.eq_ignore_ascii_case("include-unknown-enum-members")
            || (read && name.eq_ignore_ascii_case("odata.maxpagesize"));
        plain && known
    };
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let kept: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).filter(passes).collect();
    if kept.is_empty() { None } else { HeaderValue::try_from(kept.join(", ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        headers
    }

    #[test]
    fn only_what_is_on_the_list_goes_upstream() {
        let inbound = headers(&[
            ("host", "gateway"),
            ("authorization", "Bearer x"),
            ("accept", "*/*"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json; charset=utf-8"),
            ("content-length", "3"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "1.2.3.4"),
            ("connection", "authorization"),
            ("sdkversion", "graph-js/3"),
            ("if-match", "W/\"1\""),
            ("user-agent", "caf\u{e9}"),
            ("client-request-id", "has space"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("baggage", "user=me"),
            ("prefer", "return=minimal, respond-async, odata.maxpagesize=5"),
            ("prefer", "include-unknown-enum-members; x=\"y\", include-unknown-enum-members"),
        ]);
        let edit = Outbound::of_edit(&inbound);
        let mut names: Vec<&str> = edit.fields().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            [
                "accept",
                "accept-encoding",
                "authorization",
                "content-type",
                "if-match",
                "prefer",
                "sdkversion",
                "traceparent"
            ]
        );
        assert_eq!(edit.fields()["accept-encoding"], "identity");
        assert_eq!(edit.fields()["content-type"], "application/json");
        assert_eq!(edit.fields()["prefer"], "return=minimal, include-unknown-enum-members");
        assert!(edit.fields()["authorization"].is_sensitive());
        let read = Outbound::of_read(&inbound);
        assert_eq!(
            read.fields()["prefer"],
            "return=minimal, odata.maxpagesize=5, include-unknown-enum-members"
        );
        assert!(!read.fields().contains_key("content-type"));
    }
}
