//! Header fields: which go upstream, and which must not come in at all.

use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HeaderName, VIA};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use patchgate_model::ClientRequestId;

use crate::via;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How a field passes.
enum Passage {
    /// It does not.
    None,
    /// As it is, unless `Connection` names it.
    Free,
    /// As it is, whatever `Connection` says: without it the edit would do more than the caller asked for.
    Condition,
    /// As it is, and it never shows.
    Token,
    /// The caller's own id of the request, if it is one.
    Id,
    /// Preference by preference.
    Preferences,
    /// With this gateway behind the others.
    Way,
}

fn passage(name: &HeaderName) -> Passage {
    match name.as_str() {
        "accept" | "accept-language" | "consistencylevel" | "sdkversion" | "traceparent" | "tracestate"
        | "user-agent" => Passage::Free,
        "if-match" => Passage::Condition,
        "authorization" => Passage::Token,
        "client-request-id" => Passage::Id,
        "prefer" => Passage::Preferences,
        "via" => Passage::Way,
        _ => Passage::None,
    }
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

/// What admission asks of the header fields, found in one pass over them: to look each name up costs more.
#[derive(Debug, Default)]
pub(super) struct Seen<'h> {
    /// Names and values, each with colon, space, CR and LF.
    pub(super) bytes: usize,
    pub(super) host: Values<'h>,
    pub(super) content_type: Values<'h>,
    pub(super) content_length: Values<'h>,
    /// There is a `Content-Encoding`.
    pub(super) encoded: bool,
    /// There is a `Transfer-Encoding`.
    pub(super) in_transfer: bool,
    /// There is an `Expect` other than `100-continue`.
    pub(super) expects: bool,
    /// The name of [`OVERRIDING`] that stands there, if one does.
    pub(super) overriding: Option<&'static str>,
    /// Who has forwarded the request.
    pub(super) via: Vec<&'h HeaderValue>,
}

/// The values of a field.
#[derive(Debug, Default)]
pub(super) struct Values<'h> {
    first: Option<&'h HeaderValue>,
    more: bool,
}

impl<'h> Seen<'h> {
    pub(super) fn of(headers: &'h HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            seen.bytes += name.len() + value.len() + 4;
            match name {
                "host" => seen.host.add(value),
                "content-type" => seen.content_type.add(value),
                "content-length" => seen.content_length.add(value),
                "content-encoding" => seen.encoded = true,
                "transfer-encoding" => seen.in_transfer = true,
                "via" => seen.via.push(value),
                "expect" => seen.expects |= !value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
                _ if name.starts_with("x-") && seen.overriding.is_none() => {
                    seen.overriding = OVERRIDING.into_iter().find(|overriding| *overriding == name);
                }
                _ => {}
            }
        }
        seen
    }
}

impl<'h> Values<'h> {
    fn add(&mut self, value: &'h HeaderValue) {
        self.more = self.first.is_some();
        self.first.get_or_insert(value);
    }

    /// The first of them.
    pub(super) fn first(&self) -> Option<&'h HeaderValue> {
        self.first
    }

    /// The only one.
    pub(super) fn only(&self) -> Option<&'h HeaderValue> {
        self.first.filter(|_| !self.more)
    }
}

/// The header fields that go upstream: what is on the list and nothing else.
#[derive(Debug, Clone)]
pub struct Outbound {
    fields: HeaderMap,
    /// The target of the edit, as the caller's was parsed.
    target: Option<PathAndQuery>,
}

impl Outbound {
    /// Fields that are `needed` pass whatever `Connection` says; `room` is an empty map.
    pub(super) fn of_edit(
        headers: &HeaderMap,
        target: &PathAndQuery,
        needed: &[HeaderName],
        room: HeaderMap,
    ) -> Self {
        let mut fields = passed(headers, false, needed, room);
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self { fields, target: Some(target.clone()) }
    }

    pub(super) fn of_read(headers: &HeaderMap) -> Self {
        Self { fields: passed(headers, true, &[], HeaderMap::new()), target: None }
    }

    /// The fields.
    pub fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// The fields, to be sent, and a target that may be the same as that of the edit.
    pub fn into_parts(self) -> (HeaderMap, Option<PathAndQuery>) {
        (self.fields, self.target)
    }
}

/// Puts into `outbound` what passes.
fn passed(headers: &HeaderMap, read: bool, needed: &[HeaderName], mut outbound: HeaderMap) -> HeaderMap {
    outbound.reserve(headers.len() + 3);
    let (mut preferred, mut before) = (Vec::new(), Vec::new());
    let (mut identified, mut named) = (false, false);
    for (name, value) in headers {
        match passage(name) {
            Passage::None => named |= *name == CONNECTION,
            // What is needed, or says when an edit may be applied, is never left out: then more would happen than was asked for.
            Passage::Free if value.to_str().is_err() && !needed.contains(name) => {}
            Passage::Free | Passage::Condition => _ = outbound.append(name, value.clone()),
            // Admission has looked into it.
            Passage::Token => {
                let mut token = value.clone();
                token.set_sensitive(true);
                outbound.append(name, token);
            }
            // The first one counts.
            Passage::Id if std::mem::replace(&mut identified, true) => {}
            Passage::Id if !ClientRequestId::is_one(value.as_bytes()) => {}
            Passage::Id => _ = outbound.insert(name, value.clone()),
            Passage::Preferences => preferred.push(value),
            Passage::Way => before.push(value),
        }
    }
    if let Some(preferences) = preferences(&preferred, read) {
        outbound.insert(PREFER, preferences);
    }
    outbound.insert(VIA, via::after(&before));
    if named {
        remove_named(headers, needed, &mut outbound);
    }
    // Links in answers must be readable.
    outbound.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    outbound
}

/// Removes what the caller says is for the next hop alone (RFC 9110, 7.6.1), where an edit can do without it.
fn remove_named(headers: &HeaderMap, needed: &[HeaderName], outbound: &mut HeaderMap) {
    let values = headers.get_all(CONNECTION).into_iter().map(HeaderValue::as_bytes);
    for option in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let Ok(name) = HeaderName::from_bytes(option.trim_ascii()) else { continue };
        if matches!(passage(&name), Passage::Free) && !needed.contains(&name) {
            outbound.remove(name);
        }
    }
}

/// The preferences (RFC 7240) that Graph may be told, token by token.
fn preferences(values: &[&HeaderValue], read: bool) -> Option<HeaderValue> {
    if values.is_empty() {
        return None;
    }
    let passes = |preference: &&str| {
        let name = preference.split(['=', ';']).next().unwrap_or_default().trim();
        let plain = !preference.contains(['"', '\\', ';']);
        let known = name.eq_ignore_ascii_case("return")
            || name.eq_ignore_ascii_case("include-unknown-enum-members")
            || (read && name.eq_ignore_ascii_case("odata.maxpagesize"));
        plain && known
    };
    let values = values.iter().filter_map(|value| value.to_str().ok());
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
        let target = PathAndQuery::from_static("/a");
        let edit = Outbound::of_edit(&inbound, &target, &[], HeaderMap::new());
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
                "traceparent",
                "via"
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

    /// An entity tag may have bytes that are no ASCII (RFC 9110, 8.8.3); without its condition the edit would always be made.
    #[test]
    fn what_an_edit_depends_on_passes_byte_for_byte() {
        let needed = [HeaderName::from_static("sdkversion")];
        let odd = HeaderValue::from_bytes(b"\"caf\xe9\"").unwrap();
        let mut inbound = HeaderMap::new();
        for name in ["if-match", "sdkversion", "accept"] {
            inbound.append(name, odd.clone());
        }
        let target = PathAndQuery::from_static("/a");
        let edit = Outbound::of_edit(&inbound, &target, &needed, HeaderMap::new());
        assert_eq!(edit.fields().get("if-match"), Some(&odd));
        assert_eq!(edit.fields().get("sdkversion"), Some(&odd));
        assert!(!edit.fields().contains_key("accept"));
    }

    #[test]
    fn what_is_for_the_next_hop_alone_stays_here() {
        let fields = [
            ("authorization", "Bearer x"),
            ("if-match", "*"),
            ("prefer", "return=minimal"),
            ("accept", "*/*"),
            ("sdkversion", "x"),
            ("tracestate", "a=1"),
            ("user-agent", "x"),
        ];
        let target = PathAndQuery::from_static("/a");
        let needed = [HeaderName::from_static("user-agent")];
        for (connection, gone) in [
            (&["keep-alive"][..], &[][..]),
            (&["SDKVersion"], &["sdkversion"]),
            (&["close, Accept,,no token, ", "\ttracestate"], &["accept", "tracestate"]),
            (&["Authorization, If-Match, Prefer, User-Agent, Content-Type, Accept-Encoding"], &[]),
        ] {
            let mut inbound = headers(&fields);
            for value in connection {
                inbound.append(CONNECTION, HeaderValue::from_static(value));
            }
            let edit = Outbound::of_edit(&inbound, &target, &needed, HeaderMap::new());
            let missing: Vec<&str> = fields
                .iter()
                .map(|(name, _)| *name)
                .filter(|name| !edit.fields().contains_key(*name))
                .collect();
            assert_eq!(missing, gone, "{connection:?}");
            assert!(["content-type", "accept-encoding"].iter().all(|own| edit.fields().contains_key(*own)));
        }
    }
}
