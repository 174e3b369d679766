//! The body of a PATCH, read as leniently as Graph reads it: it is not the gateway's double.
//!
//! Names and enum values match in any case; of two equal names the last counts; annotations and properties that
//! nobody can write are passed over; `unknownFutureValue` counts as absent. What Graph refuses is refused: names that
//! the type does not have, values of another type, null where there is none, members after the sentinel.
//!
//! Invariant: a `Change` holds an enum value only in its documented spelling.

use serde_json::{Map, Value};

use crate::errors::Problem;
use crate::incident::{
    CLASSIFICATION, DETERMINATION, Enumeration, Incident, ODATA_TYPE, SENTINEL, SEVERITY, STATUS, Version,
};

/// One property of an incident and its new value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    AssignedTo(Option<String>),
    Classification(Option<&'static str>),
    CustomTags(Vec<String>),
    Description(Option<String>),
    Determination(Option<&'static str>),
    DisplayName(Option<String>),
    ResolvingComment(Option<String>),
    Severity(&'static str),
    Status(&'static str),
    Summary(Option<String>),
}

/// Properties that the type has and no caller can write through PATCH.
const READ_ONLY: [&str; 10] = [
    "id",
    "comments",
    "createdDateTime",
    "incidentWebUrl",
    "lastModifiedBy",
    "lastUpdateDateTime",
    "priorityScore",
    "redirectIncidentId",
    "systemTags",
    "tenantId",
];
/// Those that only beta has.
const READ_ONLY_BETA: [&str; 2] = ["recommendedActions", "recommendedHuntingQueries"];

/// The changes that a body asks for, in its order; or the first thing that is wrong with it.
pub(crate) fn read(body: &[u8], version: Version) -> Result<Vec<Change>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::bad_request("The request has no body; an update takes a JSON object."));
    }
    let members: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| Problem::bad_request("The request body is not a JSON object."))?;
    let mut changes = Vec::new();
    for (name, value) in members {
        if name.contains('@') {
            annotation(&name, &value)?;
        } else {
            changes.extend(change(&name, value, version)?);
        }
    }
    Ok(changes)
}

impl Change {
    pub(crate) fn apply(self, incident: &mut Incident) {
        match self {
            Self::AssignedTo(text) => incident.assigned_to = text,
            Self::Classification(member) => incident.classification = member.map(str::to_owned),
            Self::CustomTags(tags) => incident.custom_tags = tags,
            Self::Description(text) => incident.description = text,
            Self::Determination(member) => incident.determination = member.map(str::to_owned),
            Self::DisplayName(text) => incident.display_name = text,
            Self::ResolvingComment(text) => incident.resolving_comment = text,
            Self::Severity(member) => member.clone_into(&mut incident.severity),
            Self::Status(member) => member.clone_into(&mut incident.status),
            Self::Summary(text) => incident.summary = text,
        }
    }
}

fn annotation(name: &str, value: &Value) -> Result<(), Problem> {
    if name != "@odata.type" {
        return Ok(());
    }
    let is_incident = value.as_str().is_some_and(|text| {
        text.trim_start_matches('#').eq_ignore_ascii_case(ODATA_TYPE.trim_start_matches('#'))
    });
    if is_incident {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "The '@odata.type' of the body does not fit: it must be '{ODATA_TYPE}'."
    )))
}

fn change(name: &str, value: Value, version: Version) -> Result<Option<Change>, Problem> {
    let is = |property: &str| name.eq_ignore_ascii_case(property);
    let change = match name.to_ascii_lowercase().as_str() {
        "assignedto" => Change::AssignedTo(text("assignedTo", value)?),
        "description" => Change::Description(text("description", value)?),
        "displayname" => Change::DisplayName(text("displayName", value)?),
        "resolvingcomment" => Change::ResolvingComment(text("resolvingComment", value)?),
        "summary" => Change::Summary(text("summary", value)?),
        "customtags" => Change::CustomTags(texts("customTags", value)?),
        "classification" => match member("classification", &CLASSIFICATION, &value)? {
            Given::Absent => return Ok(None),
            Given::Null => Change::Classification(None),
            Given::Member(member) => Change::Classification(Some(member)),
        },
        "determination" => match member("determination", &DETERMINATION, &value)? {
            Given::Absent => return Ok(None),
            Given::Null => Change::Determination(None),
            Given::Member(member) => Change::Determination(Some(member)),
        },
        "severity" => match member("severity", &SEVERITY, &value)? {
            Given::Absent => return Ok(None),
            Given::Null => return Err(no_null("severity")),
            Given::Member(member) => Change::Severity(member),
        },
        "status" => match member("status", &STATUS, &value)? {
            Given::Absent => return Ok(None),
            Given::Null => return Err(no_null("status")),
            Given::Member(member) => Change::Status(member),
        },
        _ if READ_ONLY.into_iter().any(is) => return Ok(None),
        _ if version == Version::Beta && READ_ONLY_BETA.into_iter().any(is) => return Ok(None),
        _ => {
            return Err(Problem::bad_request(format!(
                "The property '{name}' does not exist on type '{}'. An update takes only properties of that type.",
                ODATA_TYPE.trim_start_matches('#')
            )));
        }
    };
    Ok(Some(change))
}

enum Given {
    /// The sentinel: as if the property were not there.
    Absent,
    Null,
    Member(&'static str),
}

fn member(property: &str, of: &Enumeration, value: &Value) -> Result<Given, Problem> {
    let given = match value {
        Value::Null => return Ok(Given::Null),
        Value::String(given) => given,
        _ => return Err(wrong_type(property, of.name)),
    };
    match of.member(given) {
        Some(SENTINEL) => Ok(Given::Absent),
        Some(member) if of.after_sentinel.contains(&member) => Err(Problem::bad_request(format!(
            "The value '{member}' of the property '{property}' is not a caller's to set."
        ))),
        Some(member) => Ok(Given::Member(member)),
        None => Err(Problem::bad_request(format!(
            "The value '{given}' of the property '{property}' is no member of '{}'.",
            of.name
        ))),
    }
}

fn text(property: &str, value: Value) -> Result<Option<String>, Problem> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(wrong_type(property, "Edm.String")),
    }
}

fn texts(property: &str, value: Value) -> Result<Vec<String>, Problem> {
    let wrong = || wrong_type(property, "Collection(Edm.String)");
    match value {
        Value::Null => Err(no_null(property)),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

fn wrong_type(property: &str, expected: &str) -> Problem {
    Problem::bad_request(format!("The value of the property '{property}' cannot be read as '{expected}'."))
}

fn no_null(property: &str) -> Problem {
    Problem::bad_request(format!("The property '{property}' is not nullable, so null is no value for it."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_v1(body: &str) -> Result<Vec<Change>, Problem> {
        read(body.as_bytes(), Version::V1)
    }

    #[test]
    fn the_pages_own_spelling_and_any_other_are_read() {
        let expected = vec![
            Change::Classification(Some("truePositive")),
            Change::Determination(Some("multiStagedAttack")),
            Change::CustomTags(vec!["Demo".to_owned()]),
        ];
        for body in [
            r#"{"classification":"TruePositive","determination":"MultiStagedAttack","customTags":["Demo"]}"#,
            r#"{"Classification":"truePositive","DETERMINATION":"MULTISTAGEDATTACK","customtags":["Demo"]}"#,
            r##"{"@odata.type":"#microsoft.graph.security.incident","classification":"20","determination":"70","customTags":["Demo"],"x@odata.type":1}"##,
        ] {
            assert_eq!(read_v1(body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn lenient_where_graph_is() {
        let cases = [
            ("{}", vec![]),
            (r#"{"status":"unknownFutureValue","classification":"UnknownFutureValue"}"#, vec![]),
            (r#"{"id":"1","comments":[],"tenantId":null}"#, vec![]),
            (r#"{"status":"active","status":"resolved"}"#, vec![Change::Status("resolved")]),
            (r#"{"assignedTo":null}"#, vec![Change::AssignedTo(None)]),
            (r#"{"classification":null}"#, vec![Change::Classification(None)]),
            (
                r#"{"determination":"compromisedAccount"}"#,
                vec![Change::Determination(Some("compromisedAccount"))],
            ),
            (r#"{"determination":"CompromisedUser"}"#, vec![Change::Determination(Some("compromisedUser"))]),
            (r#"{"status":"inProgress"}"#, vec![Change::Status("inProgress")]),
            (r#"{"severity":"High"}"#, vec![Change::Severity("high")]),
            (r#"{"customTags":[]}"#, vec![Change::CustomTags(vec![])]),
            (r#"{"summary":"a"}"#, vec![Change::Summary(Some("a".to_owned()))]),
        ];
        for (body, expected) in cases {
            assert_eq!(read_v1(body).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn strict_where_graph_is() {
        let cases = [
            ("", "no body"),
            (" \r\n", "no body"),
            ("[]", "not a JSON object"),
            ("{", "not a JSON object"),
            ("{} x", "not a JSON object"),
            (
                r#"{"assigned_to":"a"}"#,
                "'assigned_to' does not exist on type 'microsoft.graph.security.incident'",
            ),
            (r#"{"recommendedActions":"a"}"#, "does not exist"),
            (r#"{"status":null}"#, "not nullable"),
            (r#"{"severity":null}"#, "not nullable"),
            (r#"{"customTags":null}"#, "not nullable"),
            (r#"{"customTags":[1]}"#, "Collection(Edm.String)"),
            (r#"{"customTags":"a"}"#, "Collection(Edm.String)"),
            (r#"{"assignedTo":1}"#, "Edm.String"),
            (r#"{"status":2}"#, "incidentStatus"),
            (r#"{"status":"awaitingAction"}"#, "not a caller's"),
            (r#"{"status":"closed"}"#, "'closed'"),
            (r#"{"status":"active,resolved"}"#, "no member"),
            (r##"{"@odata.type":"#microsoft.graph.incident"}"##, "@odata.type"),
        ];
        for (body, expected) in cases {
            let problem = read_v1(body).unwrap_err();
            assert_eq!(problem.status, 400);
            assert!(problem.message.contains(expected), "{body}: {}", problem.message);
        }
        assert_eq!(read(br#"{"recommendedActions":"a"}"#, Version::Beta).unwrap(), vec![]);
    }
}
