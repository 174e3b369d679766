//! How two schemas differ: rows, and what must hold of any two.

use std::fmt::Write as _;
use std::sync::Arc;

use patchgate_model::{GraphVersion, PathTemplate, Route};
use patchgate_validator::Schema;
use patchgate_validator::schema::diff::{Change, diff};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{JOB, job, load, with};

fn words(change: &Change) -> String {
    let side = |value: &Option<Value>| value.as_ref().map_or_else(|| "-".to_owned(), Value::to_string);
    format!(
        "{} [{}] {}: {} -> {}",
        change.effect.name(),
        change.what.name(),
        change.at,
        side(&change.before),
        side(&change.after)
    )
}

fn changes(before: &str, after: &str) -> Vec<String> {
    diff(&load(before), &load(after)).iter().map(words).collect()
}

/// A change to the schema, and what is told of it. The other way round it is told the other way.
#[rustfmt::skip] // One row, one line.
const ROWS: &[(&str, &str, &[&str])] = &[
    ("\"onHold\", \"OnHold\"]", "\"onHold\", \"OnHold\", \"gone\"]", &["wider [value] state: - -> \"gone\""]),
    ("\"closed\", \"Closed\", \"onHold\", \"OnHold\"],\n      \"x-canonical\": { \"Open\": \"open\", \"Closed\": \"closed\", ", "\"onHold\", \"OnHold\"],\n      \"x-canonical\": { \"Open\": \"open\", ", &["narrower [value] state: \"closed\" -> -"]),
    ("\"closed\", \"Closed\", \"onHold\", \"OnHold\"],\n      \"x-canonical\": { \"Open\": \"open\", \"Closed\": \"closed\", ", "\"closed\", \"onHold\", \"OnHold\"],\n      \"x-canonical\": { \"Open\": \"open\", ", &["narrower [value] state: \"Closed\" -> -"]),
    ("{ \"Open\": \"open\", ", "{ ", &["same [spelling] state: \"open\" -> \"Open\""]),
    ("\"type\": \"integer\", \"minimum\"", "\"type\": [\"integer\", \"null\"], \"minimum\"", &["wider [null] copies: - -> null"]),
    ("\"type\": \"integer\", \"minimum\"", "\"type\": \"number\", \"minimum\"", &["wider [type] copies: - -> \"number\""]),
    ("\"minimum\": 1", "\"minimum\": 2", &["narrower [minimum] copies: 1 -> 2"]),
    ("\"maximum\": 99", "\"maximum\": 100", &["wider [maximum] copies: 99 -> 100"]),
    ("\"minimum\": 1", "\"minimum\": 1.0", &[]),
    (", \"maximum\": 99", "", &["wider [maximum] copies: 99 -> -"]),
    ("\"maxItems\": 4, \"uniqueItems\": true", "\"maxItems\": 4", &["wider [uniqueItems] labels: true -> -"]),
    ("\"maxItems\": 4, \"uniqueItems\": true", "\"maxItems\": 3, \"uniqueItems\": true", &["narrower [maxItems] labels: 4 -> 3"]),
    ("\"maxLength\": 4", "\"maxLength\": 5", &["wider [maxLength] labels[]: 4 -> 5"]),
    ("^[A-Z]{3}$", "^[A-Z]{2}$", &["wider or narrower [pattern] code: \"^[A-Z]{3}$\" -> \"^[A-Z]{2}$\""]),
    ("\"format\": \"date-time\"", "\"format\": \"date\"", &["wider or narrower [format] due: \"date-time\" -> \"date\""]),
    (", \"format\": \"date-time\"", "", &["wider [format] due: \"date-time\" -> -"]),
    (", \"enum\": [\"color\", \"Color\", \"gray\"], \"x-canonical\": { \"Color\": \"color\" }", "", &["wider [list of values] kinds[]: [\"color\",\"Color\",\"gray\"] -> -"]),
    ("\"due\": { \"type\": \"string\", \"format\": \"date-time\" },", "", &["narrower [property] due: \"a string\" -> -"]),
    ("\"room\": { \"type\": \"string\" }", "\"room\": { \"type\": \"string\" }, \"door\": { \"type\": \"integer\" }", &["wider [property] place.door: - -> \"an integer\""]),
    ("\"required\": [\"floor\"]", "\"required\": [\"floor\", \"room\"]", &["narrower [required] place.room: - -> true"]),
    ("\"minProperties\": 1", "\"minProperties\": 2", &["narrower [minProperties] : 1 -> 2"]),
    ("[\"/{version}/jobs/{jobId}\"]", "[\"/{version}/jobs/{jobId}\", \"/{version}/me/jobs/{jobId}\"]", &["wider [path] : - -> \"/{version}/me/jobs/{jobId}\""]),
    ("[\"v1.0\", \"beta\"]", "[\"beta\"]", &["narrower [version] : \"v1.0\" -> -"]),
    ("[\"global\"]", "[\"global\", \"china\"]", &["wider [cloud] : - -> \"china\""]),
    ("[1-9][0-9]{0,18}", "[0-9]+", &["wider or narrower [key] jobId: \"[1-9][0-9]{0,18}\" -> \"[0-9]+\""]),
    ("\"Content-Type\"]", "\"content-type\", \"If-Match\"]", &["narrower [required header] : - -> \"if-match\""]),
    ("\"clouds\"", "\"permission\": \"Job.Write\", \"clouds\"", &["narrower [permission] : - -> \"Job.Write\""]),
    (",\n    \"entityType\": \"x.job\"", "", &["narrower [entity type] : \"x.job\" -> -"]),
    ("x.job", "x.task", &["wider or narrower [entity type] : \"x.job\" -> \"x.task\""]),
    ("\"title\": \"Update job\"", "\"title\": \"Change job\"", &[]),
    ("\"type\": \"integer\", \"minimum\"", "\"x-graph-type\": \"Int32\", \"type\": \"integer\", \"minimum\"", &["same [type in Graph] copies: - -> \"Int32\""]),
];

#[test]
fn each_change_is_told_with_what_it_does() {
    for (from, to, expected) in ROWS {
        let (before, after) = (JOB.to_owned(), job(from, to));
        assert_eq!(&changes(&before, &after), expected, "{to}");
        let back: Vec<String> = expected.iter().map(|told| reversed(told)).collect();
        assert_eq!(changes(&after, &before), back, "{to}, the other way round");
    }
}

/// What is told of a change the other way round.
fn reversed(told: &str) -> String {
    let (effect, rest) = told.split_once(" [").unwrap();
    let effect = match effect {
        "wider" => "narrower",
        "narrower" => "wider",
        other => other,
    };
    let (what, sides) = rest.split_once(": ").unwrap();
    let (before, after) = sides.split_once(" -> ").unwrap();
    // Every integer is a number: it is the other type that comes or goes.
    format!("{effect} [{what}: {after} -> {before}")
}

#[test]
fn several_changes_are_all_told() {
    let mut after: Value = serde_json::from_str(JOB).unwrap();
    after["properties"]["copies"] = json!({"type": "string", "maxLength": 3});
    after["properties"]["owner"] = json!({"type": ["string", "null"], "enum": ["me", null]});
    after["x-guard"]["versions"] = json!(["v1.0"]);
    let mut text = String::new();
    for line in changes(JOB, &after.to_string()) {
        writeln!(text, "{line}").unwrap();
    }
    insta::assert_snapshot!("several", text);
}

/// Null passes only where it is a type and, if there is a list, in the list.
#[test]
fn null_must_be_a_type_and_in_the_list() {
    let of =
        |types: Value, list: Value| with("/properties/due", json!({"type": types, "enum": list})).to_string();
    let plain = of(json!("string"), json!(["a"]));
    let half = of(json!(["string", "null"]), json!(["a"]));
    let whole = of(json!(["string", "null"]), json!(["a", null]));
    assert_eq!(changes(&plain, &half), Vec::<String>::new());
    assert_eq!(changes(&half, &whole), ["wider [null] due: - -> null"]);
}

/// A schema of a value, small enough that two of them have something in common.
fn any_value(depth: u32) -> BoxedStrategy<Value> {
    let number = prop::option::of(0..4u32);
    let text = (prop::option::of(0..3u32), prop::option::of(1..4u32), any::<bool>(), 0..3usize).prop_map(
        |(least, most, null, form)| {
            let mut schema = json!({"type": if null { json!(["string", "null"]) } else { json!("string") }});
            set(&mut schema, ("minLength", least), ("maxLength", most));
            if form == 1 {
                schema["pattern"] = json!("^a");
            }
            schema
        },
    );
    let choice = (prop::sample::subsequence(vec!["a", "A", "b", "bb"], 1..4), any::<bool>(), any::<bool>())
        .prop_map(|(values, null, listed)| {
            let mut list = json!(values);
            if null && listed {
                list.as_array_mut().unwrap().push(Value::Null);
            }
            let mut schema =
                json!({"type": if null { json!(["string", "null"]) } else { json!("string") }, "enum": list});
            if values.contains(&"a") && values.contains(&"A") {
                schema["x-canonical"] = json!({"A": "a"});
            }
            schema
        });
    let numeric =
        (any::<bool>(), number.clone(), number, any::<bool>()).prop_map(|(whole, least, most, open)| {
            let mut schema = json!({"type": if whole { "integer" } else { "number" }});
            set(&mut schema, (if open { "exclusiveMinimum" } else { "minimum" }, least), ("maximum", most));
            schema
        });
    let leaf = prop_oneof![text, choice, numeric, Just(json!({"type": "boolean"}))].boxed();
    if depth == 0 {
        return leaf;
    }
    let array = (any_value(0), prop::option::of(0..2u32), prop::option::of(0..3u32), any::<bool>()).prop_map(
        |(items, least, most, unique)| {
            let mut schema = json!({"type": "array", "items": items, "uniqueItems": unique});
            set(&mut schema, ("minItems", least), ("maxItems", most));
            schema
        },
    );
    prop_oneof![3 => leaf, 1 => array, 1 => any_object(depth - 1)].boxed()
}

/// Sets two bounds; of two that admit nothing the first.
fn set(schema: &mut Value, least: (&str, Option<u32>), most: (&str, Option<u32>)) {
    let open = u32::from(least.0.starts_with("exclusive"));
    let most = (most.0, most.1.filter(|most| least.1.is_none_or(|least| least + open <= *most)));
    for (keyword, value) in [least, most] {
        if let Some(value) = value {
            schema[keyword] = json!(value);
        }
    }
}

fn any_object(depth: u32) -> BoxedStrategy<Value> {
    let fields =
        prop::collection::btree_map(prop::sample::select(vec!["p", "q", "r"]), any_value(depth), 1..4);
    (fields, prop::sample::subsequence(vec!["p", "q", "r"], 0..2), prop::option::of(1..3u32), prop::option::of(1..3u32))
        .prop_map(|(fields, required, least, most)| {
            let required: Vec<_> = required.into_iter().filter(|name| fields.contains_key(name)).collect();
            let mut schema =
                json!({"type": "object", "properties": fields, "required": required, "additionalProperties": false});
            let least = least.filter(|least| *least as usize <= fields.len());
            set(&mut schema, ("minProperties", least), ("maxProperties", most));
            schema
        })
        .boxed()
}

fn any_schema() -> impl Strategy<Value = Schema> {
    (any_object(2), any::<bool>()).prop_map(|(mut schema, typed)| {
        let mut whole: Value = serde_json::from_str(JOB).unwrap();
        whole.as_object_mut().unwrap().remove("examples");
        for (name, value) in schema.as_object_mut().unwrap() {
            whole[name] = value.take();
        }
        whole["minProperties"] = json!(1);
        if !typed {
            whole["x-guard"].as_object_mut().unwrap().remove("entityType");
        }
        Schema::load(whole.to_string().as_bytes()).unwrap()
    })
}

/// Bodies that many of these schemas accept.
fn any_body() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!("a"),
        json!("A"),
        json!("b"),
        json!("bb"),
        json!(""),
        json!("aaaa"),
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(2.5),
        json!(3),
        json!(9),
    ]);
    let inner = leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from), fields(inner),]
    });
    (fields(inner), any::<u8>()).prop_map(|(mut body, typed)| {
        if typed < 32 {
            body["@odata.type"] = json!("#x.job");
        }
        body
    })
}

fn fields(of: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::btree_map(prop::sample::select(vec!["p", "q", "r"]), of, 0..3)
        .prop_map(|fields| json!(fields))
}

fn accepts(schema: &Arc<Schema>, body: &Value) -> bool {
    let template = PathTemplate::parse("/{version}/jobs/{jobId}").unwrap();
    let pattern = |name: &str| schema.guard().keys.get(name).unwrap().pattern.clone();
    let route = Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), pattern));
    schema.check(route.resource("/v1.0/jobs/17").unwrap(), body.to_string().as_bytes(), 8).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_schema_does_not_differ_from_itself(schema in any_schema()) {
        prop_assert_eq!(diff(&schema, &schema), Vec::new());
    }

    /// What one accepts and the other refuses is told in advance.
    #[test]
    fn whatever_may_be_refused_is_told(
        one in any_schema(),
        other in any_schema(),
        bodies in prop::collection::vec(any_body(), 40),
    ) {
        let changes = diff(&one, &other);
        let (one, other) = (Arc::new(one), Arc::new(other));
        let told = || changes.iter().map(words).collect::<Vec<_>>().join("\n");
        for body in bodies {
            match (accepts(&one, &body), accepts(&other, &body)) {
                (true, false) => prop_assert!(changes.iter().any(|c| c.effect.narrows()), "{body}\n{}", told()),
                (false, true) => prop_assert!(changes.iter().any(|c| c.effect.widens()), "{body}\n{}", told()),
                _ => {}
            }
        }
    }

    /// The way back is told of the same things, the other way round.
    #[test]
    fn the_way_back_has_as_many_changes(one in any_schema(), other in any_schema()) {
        let count = |changes: &[Change]| {
            let narrower = changes.iter().filter(|c| c.effect.narrows()).count();
            let wider = changes.iter().filter(|c| c.effect.widens()).count();
            (narrower, wider)
        };
        let (narrower, wider) = count(&diff(&one, &other));
        prop_assert_eq!(count(&diff(&other, &one)), (wider, narrower));
    }
}
