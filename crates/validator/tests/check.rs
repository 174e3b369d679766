//! Bytes to a checked edit or to violations, over a schema written by hand.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::sync::Arc;

use patchgate_model::{GraphVersion, PathTemplate, Resource, Route, Violations};
use patchgate_validator::{Edit, Schema};
use proptest::prelude::*;
use serde_json::Value;

const SCHEMA: &str = include_str!("data/job.json");

fn schema() -> Arc<Schema> {
    Arc::new(Schema::load(SCHEMA.as_bytes()).unwrap())
}

fn resource(schema: &Schema) -> Resource {
    let template = PathTemplate::parse("/{version}/jobs/{jobId}").unwrap();
    let route =
        Route::new(template, GraphVersion::ALL.to_vec(), |name| schema.guard().keys[name].pattern.clone());
    Arc::new(route).resource("/v1.0/jobs/17").unwrap()
}

fn check(body: &str) -> Result<Edit, Violations> {
    let schema = schema();
    let resource = resource(&schema);
    schema.check(resource, body.as_bytes(), 8)
}

fn violations(body: &str) -> Vec<String> {
    let said =
        |v: &patchgate_model::Violation| format!("{} {} {}", v.code().as_str(), v.target, v.known_target);
    check(body).err().map(|v| v.listed().iter().map(said).collect()).unwrap_or_default()
}

#[test]
fn one_violation_for_each_rule_in_the_order_of_the_document() {
    let rows: &[(&str, &[&str])] = &[
        (r#"{"state":"opne"}"#, &["invalidEnumValue /state /state"]),
        (r#"{"state":7}"#, &["wrongType /state /state"]),
        (r#"{"state":null}"#, &["nullNotAllowed /state /state"]),
        (r#"{"owner":7}"#, &["wrongType /owner /owner"]),
        (r#"{"owner":"12345678901"}"#, &["tooLong /owner /owner"]),
        (r#"{"owner":""}"#, &["tooShort /owner /owner"]),
        (
            r#"{"labels":["a",1,"b",null]}"#,
            &["wrongType /labels/1 /labels/1", "nullNotAllowed /labels/3 /labels/3"],
        ),
        (r#"{"labels":["a","b","c","d","e"]}"#, &["tooManyItems /labels /labels"]),
        (r#"{"labels":[]}"#, &["tooFewItems /labels /labels"]),
        (r#"{"labels":["a","a"]}"#, &["duplicateItem /labels /labels"]),
        (
            r#"{"labels":["a","a","b","c","d"]}"#,
            &["tooManyItems /labels /labels", "duplicateItem /labels /labels"],
        ),
        (r#"{"labels":"a"}"#, &["wrongType /labels /labels"]),
        (r#"{"copies":0}"#, &["outOfRange /copies /copies"]),
        (r#"{"copies":1.5}"#, &["wrongType /copies /copies"]),
        (r#"{"due":"tomorrow"}"#, &["invalidFormat /due /due"]),
        (r#"{"code":"x"}"#, &["invalidFormat /code /code"]),
        (r#"{"kinds":["coler"]}"#, &["invalidEnumValue /kinds/0 /kinds/0"]),
        (r#"{"place":{"room":"1"}}"#, &["requiredField /place /place"]),
        (r#"{"place":{"floor":1,"door":2}}"#, &["unknownField /place/door /place/?"]),
        (r#"{"place":{}}"#, &["requiredField /place /place"]),
        ("{}", &["emptyEdit  "]),
        (r##"{"@odata.type":"#x.job"}"##, &["emptyEdit  "]),
        (r#"{"@odata.type":"x.task","state":"open"}"#, &["invalidValue /@odata.type /@odata.type"]),
        (
            r#"{"a":1,"state":"opne","@odata.type":"x.task","owner":7,"b":2}"#,
            &[
                "unknownField /a /?",
                "invalidEnumValue /state /state",
                "invalidValue /@odata.type /@odata.type",
                "wrongType /owner /owner",
                "unknownField /b /?",
            ],
        ),
        (r#"{"@odata.type":"x.task"}"#, &["emptyEdit  ", "invalidValue /@odata.type /@odata.type"]),
        (r#"{"@odata.type":7,"state":"open"}"#, &["invalidValue /@odata.type /@odata.type"]),
        (r#"{"@type":"x.job","state":"open"}"#, &["unknownField /@type /?"]),
        (r#"{"place":{"@odata.type":"x.job","floor":1}}"#, &["unknownField /place/@odata.type /place/?"]),
        ("[]", &["wrongType  "]),
        ("null", &["nullNotAllowed  "]),
        (r#""s""#, &["wrongType  "]),
        (r#"{"a/b~c":1}"#, &["unknownField /a~1b~0c /?"]),
        (
            r#"{"Z":1,"state":"opne","a":2,"labels":[1],"copies":0,"M":3}"#,
            &[
                "unknownField /Z /?",
                "invalidEnumValue /state /state",
                "unknownField /a /?",
                "wrongType /labels/0 /labels/0",
                "outOfRange /copies /copies",
                "unknownField /M /?",
            ],
        ),
        (r#"{"state":"open","State":"closed"}"#, &["duplicateField  "]),
        ("{", &["invalidJson  "]),
    ];
    for (body, expected) in rows {
        assert_eq!(violations(body), *expected, "{body}");
    }
}

#[test]
fn messages_name_what_was_meant() {
    let said = |body: &str| check(body).unwrap_err().listed()[0].message();
    assert_eq!(
        said(r#"{"state":"Opn"}"#),
        "'Opn' is not a state; did you mean 'open'? Accepted: open, closed, onHold"
    );
    assert_eq!(
        said(r#"{"state":"ON_HOLD"}"#),
        "'ON_HOLD' is not a state; did you mean 'onHold'? Accepted: open, closed, onHold"
    );
    assert_eq!(
        said(r#"{"Owner":"x"}"#),
        "'Owner' is not a field of this update; did you mean 'owner'? Accepted: state, owner, labels, copies, due, code, kinds, place"
    );
    assert_eq!(said(r#"{"owner":7}"#), "'owner' must be a string or null, not a number");
}

/// What is said of a body where the schema has this field, too.
fn said_of(made: &str, body: &str) -> Vec<String> {
    let mut schema: Value = serde_json::from_str(SCHEMA).unwrap();
    schema["properties"]["made"] = serde_json::from_str(made).unwrap();
    let schema = Arc::new(Schema::load(schema.to_string().as_bytes()).unwrap());
    let found = schema.check(resource(&schema), format!("{{\"made\":{body}}}").as_bytes(), 8).err();
    found.iter().flat_map(Violations::listed).map(patchgate_model::Violation::message).collect()
}

#[test]
fn a_sentence_says_what_would_be_accepted() {
    let rows: &[(&str, &str, &[&str])] = &[
        (r#"{"type":"integer","enum":[1,2]}"#, "3", &["'made' is not accepted; accepted: 1, 2"]),
        (
            r#"{"type":["string","integer"],"enum":["one",1,"One"],"x-canonical":{"One":"one"}}"#,
            "2",
            &["'made' is not accepted; accepted: one, 1"],
        ),
        (
            r#"{"type":["string","integer"],"enum":["one",1]}"#,
            "\"1\"",
            &["'1' is not a made. Accepted: one, 1"],
        ),
        (r#"{"type":["string","null"],"enum":["a"]}"#, "1", &["'made' must be a string, not a number"]),
        (
            r#"{"type":["string","null"],"enum":["a"]}"#,
            "null",
            &["'made' must be a string: it cannot be null"],
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"additionalProperties":false,"minProperties":1}"#,
            "{}",
            &["'made' must have 1 field at least"],
        ),
        (
            r#"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"additionalProperties":false,"maxProperties":1}"#,
            r#"{"a":1,"b":2}"#,
            &["'made' may have 1 field at most"],
        ),
        (
            r#"{"type":"object","properties":{"7":{"type":"integer"}},"additionalProperties":false}"#,
            r#"{"7":"x"}"#,
            &["'made/7' must be an integer, not a string"],
        ),
        (
            r#"{"type":"string","pattern":"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,12})?)?$"}"#,
            "\"8:00\"",
            &["'made' must be a time of day without a zone, such as '08:00:00'"],
        ),
        (
            r#"{"type":"string","pattern":"^[a-z]*$","minLength":3,"format":"date"}"#,
            "\"A\"",
            &[
                "'made' must have 3 characters at least",
                "'made' must be a date, such as '2026-01-31'",
                "'made' must be of the form '^[a-z]*$'",
            ],
        ),
        (
            r#"{"type":"string","pattern":"^[a-z]*$","minLength":3,"format":"date"}"#,
            "1",
            &["'made' must be a string, not a number"],
        ),
        (r#"{"type":"string","pattern":"^[A-Z]$"}"#, "\"a\"", &["'made' must be of the form '^[A-Z]$'"]),
    ];
    for (made, body, expected) in rows {
        assert_eq!(said_of(made, body), *expected, "{made} {body}");
    }
}

#[test]
fn an_edit_has_the_documented_spelling_and_the_order_of_the_caller() {
    let body = " {\"labels\" : [\"\\u0041\", \"é\\n\"],\n\"state\":\"OnHold\", \"@odata.type\":\"#x.job\", \"kinds\":[\"Color\"], \"owner\":null, \"copies\": 3}";
    let edit = check(body).unwrap();
    let expected = r#"{"labels":["A","é\n"],"state":"onHold","kinds":["color"],"owner":null,"copies":3}"#;
    assert_eq!(std::str::from_utf8(edit.bytes()).unwrap(), expected);
    let fields: Vec<(&str, &str)> =
        edit.fields().map(|(name, value)| (name, std::str::from_utf8(value).unwrap())).collect();
    assert_eq!(fields[1], ("state", "\"onHold\""));
    assert_eq!(edit.field_names().collect::<Vec<_>>(), ["labels", "state", "kinds", "owner", "copies"]);
    assert_eq!(edit.resource().path(), "/v1.0/jobs/17");
}

#[test]
fn what_is_said_is_bounded() {
    let fields: Vec<String> = (0..5000).map(|i| format!("\"unknown{i}\":1")).collect();
    let found = check(&format!("{{{}}}", fields.join(","))).unwrap_err();
    assert_eq!((found.total(), found.listed().len()), (5000, Violations::LISTED));
    let items = vec!["1"; 50_000].join(",");
    let found = check(&format!("{{\"labels\":[{items}]}}")).unwrap_err();
    let codes: Vec<&str> = found.listed().iter().map(|v| v.code().as_str()).collect();
    assert_eq!(codes[0], "tooManyItems");
    assert!(
        found.total() <= 7,
        "what is wrong with items that must not be there is not of interest: {codes:?}"
    );
    let items = vec!["\"coler\""; 500].join(",");
    let found = check(&format!("{{\"kinds\":[{items}]}}")).unwrap_err();
    assert_eq!((found.total(), found.listed().len()), (500, Violations::LISTED));
    assert!(
        found.listed().iter().all(|v| v.message().ends_with("did you mean 'color'? Accepted: color, gray"))
    );
    let named = check(&format!("{{\"{}\":1}}", "\u{e9}".repeat(50_000))).unwrap_err();
    assert_eq!(named.listed()[0].target, format!("/{}\u{2026}", "\u{e9}".repeat(64)));
    let long = check(&format!("{{\"state\":\"{}\"}}", "x\\u001b".repeat(10_000))).unwrap_err();
    let message = long.listed()[0].message();
    assert!(message.len() < 700 && !message.contains('\u{1b}'), "{message}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("open".to_owned()),
        Just("OnHold".to_owned()),
        Just("color".to_owned()),
        "\\PC{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let name = prop_oneof![
            Just("state".to_owned()),
            Just("owner".to_owned()),
            Just("labels".to_owned()),
            Just("copies".to_owned()),
            Just("kinds".to_owned()),
            Just("place".to_owned()),
            "[a-z@.]{1,8}",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// An edit that keeps to the schema, or nearly: some of its fields, each mostly with a value that it takes.
fn any_edit() -> impl Strategy<Value = Value> {
    use proptest::collection::vec;
    use proptest::sample::select;
    let value = |strategy: BoxedStrategy<Value>| prop_oneof![12 => strategy, 1 => any_json()];
    let texts = |texts: &[&'static str]| select(texts.to_vec()).prop_map(Value::from).boxed();
    let place = (any::<i32>(), proptest::option::of("[a-z]{1,3}"))
        .prop_map(|(floor, room)| serde_json::json!({"floor": floor, "room": room.unwrap_or_default()}));
    let fields = [
        ("state", texts(&["open", "Open", "closed", "OnHold"])),
        ("owner", prop_oneof![Just(Value::Null), "\\PC{1,11}".prop_map(Value::from)].boxed()),
        ("labels", vec("[a-z]{1,4}", 1..5).prop_map(Value::from).boxed()),
        ("copies", (0..101).prop_map(Value::from).boxed()),
        ("due", texts(&["2026-01-31T08:00:00Z", "2026-01-31T08:00:00.5+01:00", "2026-02-30T08:00:00Z"])),
        ("code", "[A-Z]{3}".prop_map(Value::from).boxed()),
        ("kinds", vec(select(vec!["color", "Color", "gray"]), 0..4).prop_map(Value::from).boxed()),
        ("place", place.boxed()),
        ("other", any_json().boxed()),
    ];
    let member = |(name, strategy): (&'static str, BoxedStrategy<Value>)| {
        let often = if name == "other" { 0.05 } else { 0.3 };
        proptest::option::weighted(often, value(strategy))
            .prop_map(move |value| Some((name.to_owned(), value?)))
    };
    let members: Vec<_> = fields.into_iter().map(member).collect();
    members.prop_map(|members| Value::Object(members.into_iter().flatten().collect()))
}

/// The edits that are drawn are worth it: a good part passes, and not all.
#[test]
fn what_is_drawn_is_like_an_edit() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let edits = (0..300).map(|_| any_edit().new_tree(&mut runner).unwrap().current().to_string());
    let accepted = edits.filter(|body| check(body).is_ok()).count();
    assert!((90..270).contains(&accepted), "{accepted} of 300");
}

/// A string as it can stand in a document: characters as they are, and escapes.
fn any_literal() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        any::<char>()
            .prop_filter("escaped or forbidden", |c| *c >= ' ' && !matches!(c, '"' | '\\'))
            .prop_map(String::from),
        proptest::sample::select(vec!["\u{7f}", "\u{2028}", "/", "'", "<"]).prop_map(str::to_owned),
        proptest::sample::select(vec![
            r"\n",
            r"\t",
            r"\/",
            r#"\""#,
            r"\\",
            r"\u001f",
            r"\u0041",
            r"\ud83d\ude00"
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(character, 1..6).prop_map(|characters| characters.concat())
}

proptest! {
    /// What goes out is the same string, and JSON, whether it had to be read character by character or not.
    #[test]
    fn strings_go_out_as_a_serializer_writes_them(literal in any_literal()) {
        let body = format!("{{\"owner\":\"{literal}\"}}");
        let value: Value = serde_json::from_str(&body).unwrap();
        let edit = check(&body).unwrap();
        let written = value.to_string();
        prop_assert_eq!(edit.bytes(), written.as_bytes());
    }

    /// What is accepted re-parses to the same value (but for spelling), and checking the forwarded bytes changes nothing.
    #[test]
    fn checking_again_changes_nothing(value in prop_oneof![3 => any_edit(), 1 => any_json()]) {
        let body = value.to_string();
        match check(&body) {
            Ok(edit) => {
                let forwarded: Value = serde_json::from_slice(edit.bytes()).unwrap();
                let again = check(std::str::from_utf8(edit.bytes()).unwrap()).unwrap();
                prop_assert_eq!(again.bytes(), edit.bytes());
                let text = body.to_lowercase();
                prop_assert_eq!(forwarded.to_string().to_lowercase(), text);
            }
            Err(violations) => prop_assert!(violations.total() > 0),
        }
    }

    /// The hand-over to the validator agrees with the validator on `serde_json`'s own values.
    #[test]
    fn agrees_with_the_validator_on_plain_values(value in prop_oneof![3 => any_edit(), 1 => any_json()]) {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let names_twice = |v: &Value| v.as_object().is_some_and(|m| {
            m.keys().any(|a| a == "@odata.type" || m.keys().filter(|b| a.eq_ignore_ascii_case(b)).count() > 1)
        });
        prop_assume!(!names_twice(&value) && !value.as_object().is_some_and(|m| m.values().any(names_twice)));
        prop_assert_eq!(check(&value.to_string()).is_ok(), validator.is_valid(&value));
    }
}
