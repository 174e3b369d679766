//! Admission: everything that can be decided before the body is read, in the order in which it is refused.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, Method};
use patchgate_model::refusal::CredentialFault;

use super::headers::Seen;
use super::{
    Admitted, AdmittedEdit, AdmittedRead, Caller, Credential, Guarded, HostFault, Limits, Misdirection,
    Outbound, Refusal, Resource, Ruleset, media_type,
};
use crate::head::{Head, Target};
use crate::{authority, via};

pub(super) fn admit<'h>(rules: &'h Ruleset, head: &'h Head, caller: Caller) -> Result<Admitted<'h>, Refusal> {
    let seen = Seen::of(&head.headers);
    size(&head.headers, &seen, rules.limits)?;
    host(rules, &seen)?;
    let target = target(head, rules.limits)?;
    let (path, query) = (target.path(), target.query());
    match named(rules, head, path)? {
        Named::Edit(guard, resource) => {
            if query.is_some() {
                return Err(Refusal::QueryOnEdit);
            }
            credential(caller.credential)?;
            edit_headers(&head.headers, &seen, guard, rules.limits)?;
            Ok(Admitted::Edit(AdmittedEdit {
                guard,
                resource,
                headers: &head.headers,
                target,
                json_depth: rules.limits.json_depth,
                body_limit: rules.limits.body,
            }))
        }
        Named::Read(resource) => {
            credential(caller.credential)?;
            read_headers(&seen)?;
            let query = query.map(str::to_owned);
            Ok(Admitted::Read(AdmittedRead { resource, query, headers: Outbound::of_read(&head.headers) }))
        }
    }
}

/// What target and method name together.
enum Named<'r> {
    Edit(&'r Guarded, Resource),
    Read(Resource),
}

fn size(headers: &HeaderMap, seen: &Seen<'_>, limits: Limits) -> Result<(), Refusal> {
    if headers.len() > limits.header_lines || seen.bytes > limits.header_bytes {
        return Err(Refusal::HeadersTooLarge { lines: limits.header_lines, bytes: limits.header_bytes });
    }
    Ok(())
}

fn host(rules: &Ruleset, seen: &Seen<'_>) -> Result<(), Refusal> {
    if seen.host.first().is_none() {
        return Err(Refusal::Host(HostFault::Missing));
    }
    let host = seen.host.only().ok_or(Refusal::Host(HostFault::Several))?.as_bytes();
    if !is_host(host) {
        return Err(Refusal::Host(HostFault::Malformed));
    }
    match &rules.public {
        Some(public) if !public.is_named_by(host) => Err(Refusal::Misdirected(Misdirection::OtherHost)),
        _ => Ok(()),
    }
}

/// A host with an optional port: no user name, and a port that is one.
fn is_host(text: &[u8]) -> bool {
    // A name or an IPv4 address, with or without a port, is what nearly always comes, and needs no parser.
    let end = text.iter().position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'-'));
    match end.and_then(|end| text.split_at_checked(end)) {
        None if !text.is_empty() => return true,
        Some(([_, ..], [b':', port @ ..])) if !port.is_empty() && port.iter().all(u8::is_ascii_digit) => {
            return std::str::from_utf8(port).is_ok_and(|port| port.parse::<u16>().is_ok());
        }
        _ => {}
    }
    Authority::try_from(text).is_ok_and(|authority| {
        let bare = authority.as_str() == authority.host();
        !authority.as_str().contains('@') && (bare || authority::port(&authority).is_some())
    })
}

fn target(head: &Head, limits: Limits) -> Result<&PathAndQuery, Refusal> {
    let target = match &head.target {
        Target::Origin(target) => target,
        Target::Absolute => return Err(Refusal::Misdirected(Misdirection::AbsoluteForm)),
        Target::Other => return Err(Refusal::TargetForm),
    };
    let limit = if head.method == Method::GET { limits.target_read } else { limits.target_guard };
    if target.as_str().len() > limit {
        return Err(Refusal::TargetTooLong(limit));
    }
    Ok(target)
}

/// The route of a path, exactly; otherwise the reason why there is none.
fn named<'r>(rules: &'r Ruleset, head: &Head, path: &str) -> Result<Named<'r>, Refusal> {
    // What is usual is looked for once.
    match head.method.as_str() {
        "PATCH" => {
            if let Some((guard, resource)) = rules.guarded(path) {
                return Ok(Named::Edit(guard, resource));
            }
        }
        "GET" => {
            if let Some(resource) = rules.read(path) {
                return Ok(Named::Read(resource));
            }
        }
        _ => {}
    }
    let edit = rules.guarded(path);
    let read = rules.read(path);
    if edit.is_none() && read.is_none() {
        let near = rules.all_routes().find_map(|route| route.near_miss(path));
        return Err(near.map_or_else(
            || Refusal::UnknownRoute(Arc::clone(&rules.known)),
            |resource| Refusal::NearMiss(resource.path().to_owned()),
        ));
    }
    Err(Refusal::Method(match (edit, read) {
        (Some(_), Some(_)) => "GET, PATCH",
        (Some(_), None) => "PATCH",
        _ => "GET",
    }))
}

fn credential(credential: Credential) -> Result<(), Refusal> {
    Err(Refusal::Credential(match credential {
        Credential::Bearer => return Ok(()),
        Credential::Missing => CredentialFault::Missing,
        Credential::Several => CredentialFault::Several,
        Credential::OtherScheme => CredentialFault::OtherScheme,
        Credential::Malformed => CredentialFault::Malformed,
    }))
}

fn edit_headers(
    headers: &HeaderMap,
    seen: &Seen<'_>,
    guard: &Guarded,
    limits: Limits,
) -> Result<(), Refusal> {
    common_headers(seen)?;
    if seen.encoded {
        return Err(Refusal::ContentCoding);
    }
    if !seen.content_type.only().is_some_and(|one| media_type::is_json(one.as_bytes())) {
        return Err(Refusal::MediaType);
    }
    // That there are a credential and a media type has just been seen.
    let present = |name: &HeaderName| *name == AUTHORIZATION || *name == CONTENT_TYPE;
    let missing =
        guard.required_headers.iter().position(|name| !present(name) && !headers.contains_key(name));
    if let Some(name) = missing.and_then(|at| guard.schema.guard().required_headers.get(at)) {
        return Err(Refusal::MissingHeader(name.clone()));
    }
    match content_length(seen) {
        Some(length) if length > limits.body as u64 => Err(Refusal::BodyTooLarge(limits.body)),
        _ => Ok(()),
    }
}

fn read_headers(seen: &Seen<'_>) -> Result<(), Refusal> {
    common_headers(seen)?;
    let body = seen.in_transfer || content_length(seen).is_some_and(|length| length > 0);
    if body { Err(Refusal::BodyOnRead) } else { Ok(()) }
}

fn common_headers(seen: &Seen<'_>) -> Result<(), Refusal> {
    if let Some(name) = seen.overriding {
        return Err(Refusal::OverridingHeader(name));
    }
    if seen.via.iter().any(|value| via::names_us(value)) {
        return Err(Refusal::Looped);
    }
    if seen.expects { Err(Refusal::Expectation) } else { Ok(()) }
}

fn content_length(seen: &Seen<'_>) -> Option<u64> {
    seen.content_length.first()?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the parser says alone.
    fn is_host_by_the_parser(text: &[u8]) -> bool {
        Authority::try_from(text).is_ok_and(|authority| {
            let bare = authority.as_str() == authority.host();
            !authority.as_str().contains('@') && (bare || authority::port(&authority).is_some())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The short way says what the long one would.
        #[test]
        fn hosts(text in r"([a-zA-Z0-9.\-]{0,5}|\[[0-9a-f:.]{0,6}\]?)(:{0,2}[0-9]{0,6})?[ -~\x80-\xff]{0,2}") {
            for text in [text.as_bytes(), text.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).as_bytes()] {
                prop_assert_eq!(is_host(text), is_host_by_the_parser(text), "{}", text.escape_ascii());
            }
        }
    }
}
