//! Edits that pass and edits that are refused, through the real gateway.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use patchgate_tests::client::{Connection, Response};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::rows::{self, INCIDENT, Text};
use patchgate_tests::upstream::{Arrived, Upstream};
use serde::Deserialize;

/// What the documentation page lists, in its spelling and order.
const DOCUMENTED: [(&str, &[&str]); 3] = [
    (
        "classification",
        &["unknown", "falsePositive", "truePositive", "informationalExpectedActivity", "unknownFutureValue"],
    ),
    (
        "determination",
        &[
            "unknown",
            "apt",
            "malware",
            "securityPersonnel",
            "securityTesting",
            "unwantedSoftware",
            "other",
            "multiStagedAttack",
            "compromisedUser",
            "phishing",
            "maliciousUserActivity",
            "notMalicious",
            "notEnoughDataToValidate",
            "confirmedUserActivity",
            "lineOfBusinessApplication",
            "unknownFutureValue",
        ],
    ),
    ("status", &["active", "resolved", "redirected", "unknownFutureValue"]),
];

/// The closed list.
const CODES: [&str; 18] = [
    "unknownField",
    "invalidEnumValue",
    "wrongType",
    "nullNotAllowed",
    "tooLong",
    "tooShort",
    "tooManyItems",
    "tooFewItems",
    "duplicateItem",
    "outOfRange",
    "invalidFormat",
    "requiredField",
    "emptyEdit",
    "invalidValue",
    "invalidJson",
    "duplicateField",
    "tooDeep",
    "invalidNumber",
];

/// A body and what becomes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    why: String,
    body: Text,
    /// The body that goes upstream; none: it is refused.
    arrives: Option<Text>,
    /// Code and target of each violation, in their order.
    #[serde(default)]
    violations: Vec<(String, String)>,
}

/// Sends the rows of a file, and returns what was said to those that were refused.
fn play(file: &str, gateway: &Gateway, upstream: &Upstream, target: &str) -> (String, BTreeSet<String>) {
    let (mut said, mut codes) = (String::new(), BTreeSet::new());
    let mut connection = gateway.connect();
    for row in rows::lines::<Row>(file) {
        let before = upstream.arrived().len();
        let answer = patch(&mut connection, target, &row.body.bytes());
        let arrived = upstream.arrived();
        let context = format!("{}: {} ({})", row.id, answer.text(), row.why);
        if let Some(expected) = &row.arrives {
            assert_eq!(answer.status, 200, "{context}");
            assert_eq!(arrived.len(), before + 1, "{context}");
            assert_eq!(arrived[before].body, expected.bytes(), "{context}: {}", arrived[before].text());
        } else {
            assert_eq!((answer.status, answer.code().as_str()), (400, "BadRequest"), "{context}");
            assert_eq!(answer.violations(), row.violations, "{context}");
            assert_eq!(arrived.len(), before, "{context}");
            codes.extend(row.violations.into_iter().map(|(code, _)| code));
            tell(&mut said, &row.id, &answer);
        }
    }
    (said, codes)
}

/// Sends a body that may be no text.
fn patch(connection: &mut Connection, target: &str, body: &[u8]) -> Response {
    let head = format!(
        "PATCH {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nIf-Match: *\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head.as_bytes());
    connection.send(body);
    connection.receive().expect("an answer")
}

fn tell(said: &mut String, id: &str, answer: &Response) {
    let json = answer.json();
    let error = &json["error"];
    writeln!(said, "{id}: {}", error["message"].as_str().expect("a message")).expect("text");
    let details = error["details"].as_array().expect("details");
    assert_eq!(error["target"], details[0]["target"], "{id}: the target of the first");
    for detail in details {
        let text = |name: &str| detail[name].as_str().expect("a text").to_owned();
        writeln!(said, "  {} '{}': {}", text("code"), text("target"), text("message")).expect("text");
    }
}

/// A guard whose schema, written by hand, has the rules that the page's lacks.
fn every_rule(upstream: &Upstream) -> Gateway {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/every-rule.json");
    let text = format!("[[guard]]\nschema = '{}'\n", schema.display());
    Gateway::configured(&text, &["--upstream", &format!("http://{}", upstream.address)])
}

fn pascal(value: &str) -> String {
    format!("{}{}", value[..1].to_ascii_uppercase(), &value[1..])
}

#[test]
fn the_example_of_the_page_passes() {
    let gateway = Gateway::start(&[]);
    let body =
        r#"{"classification":"TruePositive","determination":"MultiStagedAttack","customTags":["Demo"]}"#;
    for version in ["v1.0", "beta"] {
        let answer = gateway.patch(&format!("/{version}/security/incidents/2972395"), body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let incident = answer.json();
        assert_eq!(incident["id"], "2972395");
        assert_eq!(incident["classification"], "truePositive");
        assert_eq!(incident["determination"], "multiStagedAttack");
        assert_eq!(incident["customTags"], serde_json::json!(["Demo"]));
        let read = gateway.get(&format!("/{version}/security/incidents/2972395")).json();
        assert_eq!(read["classification"], "truePositive", "it was applied");
    }
}

#[test]
fn every_documented_value_passes_in_both_spellings_and_arrives_as_documented() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    let mut expected = Vec::new();
    for (field, values) in DOCUMENTED {
        for value in values {
            for spelling in [(*value).to_owned(), pascal(value)] {
                let answer = connection.patch(INCIDENT, &[], &format!(r#"{{"{field}":"{spelling}"}}"#));
                assert_eq!(answer.status, 200, "{field} {spelling}: {}", answer.text());
                expected.push(format!(r#"{{"{field}":"{value}"}}"#));
            }
        }
    }
    assert_eq!(expected.len(), 2 * (5 + 16 + 4));
    assert_eq!(upstream.arrived().iter().map(Arrived::text).collect::<Vec<_>>(), expected);
}

#[test]
fn no_other_spelling_of_a_value_passes() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    for (field, values) in DOCUMENTED {
        for value in values {
            for other in [
                value.to_ascii_uppercase(),
                format!("{value} "),
                format!("{value},{value}"),
                format!("#{value}"),
            ] {
                let answer = connection.patch(INCIDENT, &[], &format!(r#"{{"{field}":"{other}"}}"#));
                assert_eq!(
                    answer.violations(),
                    [("invalidEnumValue".to_owned(), format!("/{field}"))],
                    "{other}"
                );
                let meant = format!("did you mean '{value}'?");
                assert!(other.contains(',') || answer.message().contains(&meant), "{}", answer.message());
            }
        }
    }
    assert_eq!(upstream.arrived(), []);
}

#[test]
fn rows_hold_and_every_code_has_its_sentence() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let (mut said, mut codes) = play("edits.jsonl", &gateway, &upstream, INCIDENT);

    let gateway = every_rule(&upstream);
    let (more_said, more_codes) = play("every-rule.jsonl", &gateway, &upstream, "/beta/samples/a");
    codes.extend(more_codes);
    assert_eq!(codes, CODES.iter().map(|code| (*code).to_owned()).collect());
    said.push_str(&more_said);
    insta::assert_snapshot!("violations", said);
}

#[test]
fn a_guard_can_need_a_header() {
    let upstream = Upstream::start();
    let gateway = every_rule(&upstream);
    let answer = gateway.patch("/beta/samples/a", r#"{"name":"ab"}"#);
    assert_eq!((answer.status, answer.message().as_str()), (400, "this update needs the header 'If-Match'"));
    assert_eq!(upstream.arrived(), []);
}

#[test]
fn twenty_violations_are_all_told_and_all_named() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let unknown: Vec<String> = (0..16).map(|number| format!("field{number}")).collect();
    let mut members = vec![
        r#""status":"nope""#.to_owned(),
        r#""classification":1"#.to_owned(),
        r#""determination":null"#.to_owned(),
        r#""customTags":"a""#.to_owned(),
    ];
    members.extend(unknown.iter().map(|name| format!(r#""{name}":{{}}"#)));
    let answer = gateway.patch(INCIDENT, &format!("{{{}}}", members.join(",")));
    assert_eq!(answer.status, 400);
    let mut expected: Vec<(String, String)> = vec![
        ("invalidEnumValue".into(), "/status".into()),
        ("wrongType".into(), "/classification".into()),
        ("nullNotAllowed".into(), "/determination".into()),
        ("wrongType".into(), "/customTags".into()),
    ];
    expected.extend(unknown.iter().map(|name| ("unknownField".to_owned(), format!("/{name}"))));
    assert_eq!(answer.violations(), expected);
    let message = answer.message();
    assert!(message.starts_with("20 problems in this update: "), "{message}");
    // Of an enum value that is wrong the value is quoted, and the field named.
    for name in
        unknown.iter().map(String::as_str).chain(["status", "classification", "determination", "customTags"])
    {
        assert!(message.contains(name), "'{name}' is not in: {message}");
    }
    assert_eq!(upstream.arrived(), []);
}

/// The sentences of a refusal: its message, and that of each detail.
fn said(answer: &Response) -> Vec<String> {
    let json = answer.json();
    let details = json["error"]["details"].as_array().expect("details");
    assert!(!details.is_empty(), "{json}");
    let sentences = details.iter().map(|detail| detail["message"].as_str().expect("a message").to_owned());
    std::iter::once(answer.message()).chain(sentences).collect()
}

#[test]
fn what_is_quoted_is_short_and_cannot_act() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let long = "n".repeat(10_000);
    let rows = [
        format!(r#"{{"{long}":1}}"#),
        format!(r#"{{"status":"{long}"}}"#),
        format!(r#"{{"{long}":1,"{long}":2}}"#),
        format!(r#"{{"a{long}":1,"b{long}":2,"status":"{long}"}}"#),
    ];
    for body in rows {
        let answer = gateway.patch(INCIDENT, &body);
        for text in said(&answer) {
            assert!(text.contains(&"n".repeat(60)), "{text}");
            assert!(!text.contains(&"n".repeat(65)), "{text}");
        }
    }
    let acting =
        r#"{"\u001b[31mred\u0007\r\n\u202egnirts\u200b":1,"status":"\u001b]0;title\u0007\u009b\u2028"}"#;
    let answer = gateway.patch(INCIDENT, acting);
    // The target is the name itself, as JSON escapes it; everything that is said is not.
    for text in said(&answer) {
        let acts = |c: char| c.is_control() || "\u{202e}\u{200b}\u{2028}".contains(c);
        assert!(!text.chars().any(acts), "{text:?}");
    }
    assert!(
        answer.message().contains(r"\u{1b}[31mred\u{7}\u{d}\u{a}\u{202e}gnirts\u{200b}"),
        "{}",
        answer.message()
    );
    assert!(answer.message().contains(r"\u{1b}]0;title\u{7}\u{9b}\u{2028}"), "{}", answer.message());
    assert_eq!(upstream.arrived(), []);
}

#[test]
fn the_envelope_is_what_graph_sdks_read() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    let mut ids = BTreeSet::new();
    for (sent, echoed) in [
        (None, None),
        (Some("a"), Some("a")),
        (Some("7f3a-~!\"'"), Some("7f3a-~!\"'")),
        (Some("has space"), None),
        (Some("caf\u{e9}"), None),
        (Some(""), None),
        (Some(&*"x".repeat(128)), Some(&*"x".repeat(128))),
        (Some(&*"x".repeat(129)), None),
    ] {
        let extra: Vec<(&str, &str)> = sent.map(|id| ("client-request-id", id)).into_iter().collect();
        let answer = connection.patch(INCIDENT, &extra, "{}");
        assert_eq!(answer.status, 400, "{sent:?}");
        assert_eq!(answer.headers("content-type"), ["application/json"]);
        let json = answer.json();
        let members = |value: &serde_json::Value| {
            value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(members(&json), ["error"]);
        assert_eq!(members(&json["error"]), ["code", "message", "target", "details", "innerError"]);
        assert_eq!(members(&json["error"]["details"][0]), ["code", "target", "message"]);
        let inner = &json["error"]["innerError"];
        let expected = ["date", "request-id", "client-request-id", "source", "generation"];
        let expected: Vec<&str> =
            expected.into_iter().filter(|name| echoed.is_some() || *name != "client-request-id").collect();
        assert_eq!(members(inner), expected);
        assert_eq!(inner["source"], "patchgate");
        assert_eq!(inner["generation"], 1);
        assert_eq!(inner["client-request-id"].as_str(), echoed);
        assert_eq!(answer.header("client-request-id"), echoed);

        // Graph writes UTC without a zone or fractions.
        let date = inner["date"].as_str().expect("a date");
        assert_eq!(date.len(), "2026-11-24T08:00:00".len(), "{date}");
        let date: DateTime = date.parse().expect("a date");
        let date = TimeZone::UTC.to_timestamp(date).expect("a time");
        let age = Timestamp::now().duration_since(date).unsigned_abs();
        assert!(age < Duration::from_mins(1), "{date} is not now");

        let id = inner["request-id"].as_str().expect("an id").to_owned();
        assert_eq!(answer.headers("request-id"), [&*id]);
        assert_eq!(answer.headers("patchgate-request-id"), [&*id]);
        assert_version_7(&id);
        ids.insert(id);
    }
    assert_eq!(ids.len(), 8, "each request has an id of its own");
}

#[test]
fn an_answer_of_graph_keeps_its_own_request_id_beside_ours() {
    let upstream = Upstream::saying(
        "HTTP/1.1 200 OK\r\nrequest-id: graph-1\r\nclient-request-id: caller-1\r\nContent-Length: 2\r\n\r\n{}",
    );
    let gateway = Gateway::before(upstream.address);
    let answer =
        gateway.connect().patch(INCIDENT, &[("client-request-id", "caller-1")], r#"{"status":"active"}"#);
    assert_eq!(answer.headers("request-id"), ["graph-1"]);
    assert_eq!(answer.headers("client-request-id"), ["caller-1"]);
    assert_version_7(answer.header("patchgate-request-id").expect("an id"));
    assert_eq!(upstream.arrived()[0].headers("client-request-id"), ["caller-1"]);
}

/// A `UUIDv7` (RFC 9562) of about now.
fn assert_version_7(id: &str) {
    let form = "xxxxxxxx-xxxx-7xxx-yxxx-xxxxxxxxxxxx";
    let fits = |(expected, found): (char, char)| match expected {
        'x' => found.is_ascii_digit() || ('a'..='f').contains(&found),
        'y' => "89ab".contains(found),
        other => found == other,
    };
    assert!(id.len() == form.len() && form.chars().zip(id.chars()).all(fits), "{id}");
    let milliseconds = i64::from_str_radix(&id.replace('-', "")[..12], 16).expect("hexadecimal digits");
    let made = Timestamp::from_millisecond(milliseconds).expect("a time");
    assert!(
        Timestamp::now().duration_since(made).unsigned_abs() < Duration::from_mins(1),
        "{id} is not of now"
    );
}

#[test]
fn accepted_media_types_arrive_as_plain_json() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    for kind in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON; Charset=\"UTF-8\"",
        "application/json ; charset=utf-8",
        "application/json;odata.metadata=minimal",
        "application/json;odata.metadata=none;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
        "application/json;IEEE754Compatible=true",
    ] {
        let fields = [("Authorization", "Bearer x".to_owned()), ("Content-Type", kind.to_owned())];
        let answer = gateway.connect().request("PATCH", INCIDENT, &fields, Some(r#"{"status":"active"}"#));
        assert_eq!(answer.status, 200, "{kind}");
    }
    for arrived in upstream.arrived() {
        assert_eq!(arrived.headers("content-type"), ["application/json"]);
    }
    assert_eq!(upstream.arrived().len(), 8);
}
