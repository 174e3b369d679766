//! Graph's routes: a request and the store in, an answer out.
//!
//! Paths match as Graph matches them, in any case, with the key as a segment or in parentheses: what a careless
//! gateway lets pass, this emulator carries out.
//!
//! Invariant: pure but for the store. Time and request id come from the caller; an answer of 400 or more has changed
//! nothing.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Map, Value, json};

use crate::auth::{self, Wants};
use crate::errors::Problem;
use crate::incident::{Incident, Members, Version};
use crate::patch;
use crate::prefer::{Preferences, Return, preferences};
use crate::query::{Of, PAGE, Query, percent_decode};
use crate::store::Store;

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
    pub(crate) now: Timestamp,
    pub(crate) request_id: &'a str,
}

/// One answer, before it becomes bytes.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Value>,
}

const JSON_WITH_METADATA: HeaderValue = HeaderValue::from_static(
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const DIAGNOSTIC: HeaderValue = HeaderValue::from_static(
    r#"{"ServerInfo":{"DataCenter":"Memory","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"PATCHGATE"}}"#,
);

/// Graph's answer to a call.
pub(crate) fn answer(store: &mut Store, call: &Call<'_>) -> Answer {
    let mut answer = carry_out(store, call).unwrap_or_else(|problem| refuse(call, &problem));
    identify(&mut answer, call);
    answer
}

/// The answer that says a problem.
pub(crate) fn refusal(call: &Call<'_>, problem: &Problem) -> Answer {
    let mut answer = refuse(call, problem);
    identify(&mut answer, call);
    answer
}

fn carry_out(store: &mut Store, call: &Call<'_>) -> Result<Answer, Problem> {
    let caller = auth::caller(call.headers, call.now)?;
    let (version, target) = target(call.path)?;
    let preferences = preferences(call.headers);
    match (&target, call.method.as_str()) {
        (Target::Incidents, "GET") => {
            caller.may(Wants::Read)?;
            list(store, call, version, preferences)
        }
        (Target::Incident(id), "GET") => {
            caller.may(Wants::Read)?;
            let query = Query::parse(call.query, Of::One)?;
            let incident = store.get(id).ok_or_else(|| Problem::no_incident(id))?;
            let body = entity(call, version, &query, incident, preferences.members);
            Ok(ok(body, preferences.applied_to_read()))
        }
        (Target::Incident(id), "PATCH") => {
            caller.may(Wants::Write)?;
            edit(store, call, version, id, &caller.name, preferences)
        }
        (_, "PATCH" | "POST" | "PUT" | "DELETE" | "HEAD" | "OPTIONS") => {
            Err(Problem::method_not_allowed(target.methods()))
        }
        (_, other) => {
            Err(Problem::bad_request(format!("Requests of the method '{other}' are not supported.")))
        }
    }
}

fn edit(
    store: &mut Store,
    call: &Call<'_>,
    version: Version,
    id: &str,
    by: &str,
    preferences: Preferences,
) -> Result<Answer, Problem> {
    plain_json(call.headers)?;
    let changes = patch::read(call.body, version)?;
    let incident = store.edit(id, changes, by, call.now).ok_or_else(|| Problem::no_incident(id))?;
    let body = entity(call, version, &Query::default(), incident, preferences.members);
    let mut answer = ok(body, preferences.applied_to_edit());
    if preferences.returns == Return::Minimal {
        answer.status = StatusCode::NO_CONTENT;
        answer.body = None;
        answer.headers.remove(header::CONTENT_TYPE);
    }
    Ok(answer)
}

fn list(
    store: &Store,
    call: &Call<'_>,
    version: Version,
    preferences: Preferences,
) -> Result<Answer, Problem> {
    let query = Query::parse(call.query, Of::List)?;
    let accepts = |incident: &&Incident| query.filter.as_ref().is_none_or(|filter| filter.accepts(incident));
    let mut found: Vec<&Incident> = store.all().iter().filter(accepts).collect();
    if let Some(order) = query.order {
        found.sort_by(|a, b| order.compare(a, b));
    }
    let page = query.top.or(preferences.page).unwrap_or(PAGE).min(PAGE);
    let end = query.skip.saturating_add(page);
    let shown = found.iter().skip(query.skip).take(page);
    let shown: Vec<Value> = shown
        .map(|incident| Value::Object(selected(&query, incident.shown(version, preferences.members))))
        .collect();

    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(context(call, version, "")));
    if query.count {
        body.insert("@odata.count".to_owned(), json!(found.len()));
    }
    if page > 0 && end < found.len() {
        let link = format!("{}{}?{}", origin(call), call.path, query.next(end));
        body.insert("@odata.nextLink".to_owned(), json!(link));
    }
    body.insert("value".to_owned(), Value::Array(shown));
    let mut answer = ok(body, preferences.applied_to_read());
    if query.top.is_none()
        && let Some(size) = preferences.page
        && let Ok(applied) = HeaderValue::try_from(format!("odata.maxpagesize={}", size.min(PAGE)))
    {
        answer.headers.append("preference-applied", applied);
    }
    Ok(answer)
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Incidents,
    Incident(String),
}

impl Target {
    fn methods(&self) -> &'static str {
        match self {
            Self::Incidents => "GET",
            Self::Incident(_) => "GET, PATCH",
        }
    }
}

fn target(path: &str) -> Result<(Version, Target), Problem> {
    let unreadable = || Problem::bad_request("The path is not percent-encoded UTF-8.");
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut segments = Vec::new();
    for segment in path.split('/') {
        segments.push(percent_decode(segment).ok_or_else(unreadable)?);
    }
    let mut segments = segments.iter().map(String::as_str);
    let version = segments.next().unwrap_or_default();
    let version = [Version::V1, Version::Beta]
        .into_iter()
        .find(|known| known.segment().eq_ignore_ascii_case(version))
        .ok_or_else(|| Problem::bad_request(format!("There is no version '{version}' of this API.")))?;
    let no_segment = |segment: &str| Problem::bad_request(format!("There is no resource '{segment}' here."));
    match segments.next().unwrap_or_default() {
        security if security.eq_ignore_ascii_case("security") => {}
        other => return Err(no_segment(other)),
    }
    let collection = segments.next().unwrap_or_default();
    let (name, key) = match collection.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, key)) => (name, Some(key)),
        None => (collection, None),
    };
    if !name.eq_ignore_ascii_case("incidents") {
        return Err(no_segment(collection));
    }
    let quoted = |key: &str| key.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')).map(str::to_owned);
    let key = match key {
        Some(key) => Some(quoted(key).unwrap_or_else(|| key.to_owned())),
        None => segments.next().map(str::to_owned),
    };
    match segments.next() {
        Some(other) => Err(no_segment(other)),
        None => Ok((version, key.map_or(Target::Incidents, Target::Incident))),
    }
}

fn plain_json(headers: &HeaderMap) -> Result<(), Problem> {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::unsupported_media_type("The request body is encoded; it must come plain."));
    }
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::unsupported_media_type("The request body must be of the type application/json."))
}

fn entity(
    call: &Call<'_>,
    version: Version,
    query: &Query,
    incident: &Incident,
    members: Members,
) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("@odata.context".to_owned(), json!(context(call, version, "/$entity")));
    body.extend(selected(query, incident.shown(version, members)));
    body
}

/// Only what `$select` names; names that the type does not have select nothing.
fn selected(query: &Query, mut properties: Map<String, Value>) -> Map<String, Value> {
    if let Some(names) = &query.select {
        properties.retain(|property, _| {
            property.starts_with('@') || names.iter().any(|name| name.eq_ignore_ascii_case(property))
        });
    }
    properties
}

fn context(call: &Call<'_>, version: Version, of: &str) -> String {
    format!("{}/{}/$metadata#security/incidents{of}", origin(call), version.segment())
}

/// The origin under which the caller reached this server.
fn origin(call: &Call<'_>) -> String {
    let host = call.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

fn ok(body: Map<String, Value>, applied: Option<HeaderValue>) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, JSON_WITH_METADATA);
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    if let Some(applied) = applied {
        headers.insert("preference-applied", applied);
    }
    Answer { status: StatusCode::OK, headers, body: Some(Value::Object(body)) }
}

fn refuse(call: &Call<'_>, problem: &Problem) -> Answer {
    static SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
    let date = SECONDS.timestamp_to_string(&call.now);
    let client_request_id = call.headers.get("client-request-id").map(HeaderValue::as_bytes);
    let client_request_id = client_request_id.map_or_else(|| call.request_id.into(), String::from_utf8_lossy);
    let body = problem.envelope(date.trim_end_matches('Z'), call.request_id, &client_request_id);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.extend(problem.header.clone());
    Answer { status: problem.status, headers, body: Some(body) }
}

/// Puts on what every answer carries.
pub(crate) fn identify(answer: &mut Answer, call: &Call<'_>) {
    let request_id = HeaderValue::try_from(call.request_id).ok();
    let client_request_id = call.headers.get("client-request-id").cloned().or_else(|| request_id.clone());
    let headers = &mut answer.headers;
    headers.insert("x-ms-ags-diagnostic", DIAGNOSTIC);
    headers.extend(request_id.map(|id| (header::HeaderName::from_static("request-id"), id)));
    headers.extend(client_request_id.map(|id| (header::HeaderName::from_static("client-request-id"), id)));
}

#[cfg(test)]
mod tests;
