//! An incident: its properties, the values of its enums, and how it is shown.
//!
//! Invariant: an enum property holds a member of its enumeration, in the documented spelling.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// The type that answers and bodies name in `@odata.type`.
pub(crate) const ODATA_TYPE: &str = "#microsoft.graph.security.incident";
/// What a caller sees in place of a member that it did not ask for, and what it must not send.
pub(crate) const SENTINEL: &str = "unknownFutureValue";
/// The properties that hold a member of an enumeration.
pub(crate) const ENUM_PROPERTIES: [&str; 4] = ["classification", "determination", "severity", "status"];

/// A version of Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    Beta,
}

impl Version {
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }
}

/// One of Graph's enumerations: names and numbers as in its CSDL, and the older names of the page.
pub(crate) struct Enumeration {
    pub(crate) name: &'static str,
    members: &'static [(&'static str, u16)],
    /// Members that came after the sentinel: shown only to callers who ask for them.
    pub(crate) after_sentinel: &'static [&'static str],
}

impl Enumeration {
    /// The documented spelling of a member, however its letters are cased. A number in a string counts as the
    /// member with that number, since Graph's own library reads enums so.
    pub(crate) fn member(&self, text: &str) -> Option<&'static str> {
        let number: Option<u16> = text.parse().ok();
        self.members
            .iter()
            .find(|(name, value)| name.eq_ignore_ascii_case(text) || number == Some(*value))
            .map(|(name, _)| *name)
    }
}

pub(crate) static CLASSIFICATION: Enumeration = Enumeration {
    name: "microsoft.graph.security.alertClassification",
    members: &[
        ("unknown", 0),
        ("falsePositive", 10),
        ("truePositive", 20),
        ("informationalExpectedActivity", 30),
        (SENTINEL, 39),
    ],
    after_sentinel: &[],
};

pub(crate) static DETERMINATION: Enumeration = Enumeration {
    name: "microsoft.graph.security.alertDetermination",
    members: &[
        ("unknown", 0),
        ("apt", 10),
        ("malware", 20),
        ("securityPersonnel", 30),
        ("securityTesting", 40),
        ("unwantedSoftware", 50),
        ("other", 60),
        ("multiStagedAttack", 70),
        ("compromisedAccount", 80),
        ("compromisedUser", 80),
        ("phishing", 90),
        ("maliciousUserActivity", 100),
        ("notMalicious", 110),
        ("notEnoughDataToValidate", 120),
        ("confirmedActivity", 130),
        ("confirmedUserActivity", 130),
        ("lineOfBusinessApplication", 140),
        (SENTINEL, 149),
    ],
    after_sentinel: &[],
};

pub(crate) static STATUS: Enumeration = Enumeration {
    name: "microsoft.graph.security.incidentStatus",
    members: &[
        ("active", 1),
        ("resolved", 2),
        ("inProgress", 4),
        ("redirected", 64),
        (SENTINEL, 127),
        ("awaitingAction", 128),
    ],
    after_sentinel: &["awaitingAction"],
};

pub(crate) static SEVERITY: Enumeration = Enumeration {
    name: "microsoft.graph.security.alertSeverity",
    members: &[
        ("unknown", 0),
        ("informational", 32),
        ("low", 64),
        ("medium", 128),
        ("high", 256),
        (SENTINEL, 511),
    ],
    after_sentinel: &[],
};

/// A comment on an incident.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are Graph's")]
pub(crate) struct Comment {
    pub(crate) comment: String,
    pub(crate) created_by_display_name: String,
    #[serde(deserialize_with = "timestamp")]
    pub(crate) created_date_time: Timestamp,
}

/// A query that beta recommends for an incident.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HuntingQuery {
    pub(crate) kql_text: String,
}

/// One incident, as it is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are Graph's")]
pub(crate) struct Incident {
    pub(crate) id: String,
    pub(crate) incident_web_url: String,
    pub(crate) tenant_id: String,
    pub(crate) redirect_incident_id: Option<String>,
    pub(crate) display_name: Option<String>,
    #[serde(deserialize_with = "timestamp")]
    pub(crate) created_date_time: Timestamp,
    #[serde(deserialize_with = "timestamp")]
    pub(crate) last_update_date_time: Timestamp,
    pub(crate) assigned_to: Option<String>,
    pub(crate) classification: Option<String>,
    pub(crate) determination: Option<String>,
    pub(crate) status: String,
    pub(crate) severity: String,
    pub(crate) custom_tags: Vec<String>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) system_tags: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) resolving_comment: Option<String>,
    pub(crate) last_modified_by: Option<String>,
    pub(crate) priority_score: Option<i32>,
    pub(crate) recommended_actions: Option<String>,
    pub(crate) recommended_hunting_queries: Vec<HuntingQuery>,
}

/// Which members of evolvable enumerations a caller sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Members {
    /// Those before the sentinel; later ones appear as the sentinel.
    Known,
    /// All, since the caller said that it can deal with them.
    All,
}

impl Incident {
    /// The incident as an answer shows it.
    pub(crate) fn shown(&self, version: Version, members: Members) -> Map<String, Value> {
        let hidden = members == Members::Known && STATUS.after_sentinel.contains(&self.status.as_str());
        let status = if hidden { SENTINEL } else { self.status.as_str() };
        let comments: Vec<Value> = self.comments.iter().map(comment_shown).collect();
        let pairs = [
            ("@odata.type", json!(ODATA_TYPE)),
            ("id", json!(self.id)),
            ("tenantId", json!(self.tenant_id)),
            ("incidentWebUrl", json!(self.incident_web_url)),
            ("redirectIncidentId", json!(self.redirect_incident_id)),
            ("displayName", json!(self.display_name)),
            ("createdDateTime", json!(instant(self.created_date_time))),
            ("lastUpdateDateTime", json!(instant(self.last_update_date_time))),
            ("assignedTo", json!(self.assigned_to)),
            ("classification", json!(self.classification)),
            ("determination", json!(self.determination)),
            ("status", json!(status)),
            ("severity", json!(self.severity)),
            ("customTags", json!(self.custom_tags)),
            ("comments", Value::Array(comments)),
            ("systemTags", json!(self.system_tags)),
            ("description", json!(self.description)),
            ("summary", json!(self.summary)),
            ("resolvingComment", json!(self.resolving_comment)),
            ("lastModifiedBy", json!(self.last_modified_by)),
            ("priorityScore", json!(self.priority_score)),
        ];
        let mut map: Map<String, Value> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        if version == Version::Beta {
            let queries = self.recommended_hunting_queries.iter();
            let queries = queries.map(|query| json!({"kqlText": query.kql_text})).collect();
            map.insert("recommendedActions".to_owned(), json!(self.recommended_actions));
            map.insert("recommendedHuntingQueries".to_owned(), Value::Array(queries));
        }
        map
    }
}

fn comment_shown(comment: &Comment) -> Value {
    json!({
        "comment": comment.comment,
        "createdByDisplayName": comment.created_by_display_name,
        "createdDateTime": instant(comment.created_date_time),
    })
}

/// A time as Graph writes it: UTC, with seven digits of a second.
pub(crate) fn instant(time: Timestamp) -> String {
    static PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(7));
    PRINTER.timestamp_to_string(&time)
}

fn timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_in_any_spelling() {
        for text in ["truePositive", "TruePositive", "TRUEPOSITIVE", "20"] {
            assert_eq!(CLASSIFICATION.member(text), Some("truePositive"), "{text}");
        }
        for text in ["", "truepositiv", "21", "-1", "20 ", "truePositive,unknown"] {
            assert_eq!(CLASSIFICATION.member(text), None, "{text}");
        }
    }

    #[test]
    fn both_names_of_a_renamed_member_stay_as_they_are() {
        for text in ["compromisedUser", "compromisedAccount", "confirmedUserActivity", "confirmedActivity"] {
            assert_eq!(DETERMINATION.member(text), Some(text));
        }
    }

    #[test]
    fn times_have_seven_digits() {
        let time: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        assert_eq!(instant(time), "2026-11-24T08:00:00.0000000Z");
    }
}
