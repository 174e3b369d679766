//! Corrections: what each does to the schema of the base page, and what is refused.

use patchgate_validator::Schema;
use patchgate_validator::derive::overlay::{Action, Bound, Entry, NewProperty, Overlay, OverlayError, apply};
use patchgate_validator::derive::{CorrectError, Derived, Told, derive_corrected};
use patchgate_validator::schema::diff::diff;
use proptest::prelude::*;
use serde_json::{Number, Value, json};

use super::rows::{BASE, LIST};
use super::{base, derived, load};

fn overlay(entries: Vec<Entry>) -> Overlay {
    Overlay {
        corrects: "toy-update".to_owned(),
        name: "toy-update.corrected".to_owned(),
        file: "toys.toml".to_owned(),
        sha256: "0".repeat(64),
        entries,
    }
}

fn entry(property: &str, action: Action) -> Entry {
    Entry {
        property: property.to_owned(),
        action,
        reason: "so it is".to_owned(),
        source: "the makers".to_owned(),
        loosen: false,
    }
}

fn loosening(property: &str, action: Action) -> Entry {
    Entry { loosen: true, ..entry(property, action) }
}

fn corrected(page: &str, entries: Vec<Entry>) -> Result<Derived, CorrectError> {
    derive_corrected("toy-update", page.as_bytes(), &Told::default(), &overlay(entries))
}

/// What is wrong, as an entry, a member and a sentence.
fn faults(entries: Vec<Entry>) -> Vec<String> {
    match corrected(BASE, entries) {
        Ok(_) => Vec::new(),
        Err(CorrectError::Page(error)) => vec![format!("page: {error}")],
        Err(CorrectError::Overlay(errors)) => errors.iter().map(words).collect(),
    }
}

fn words(error: &OverlayError) -> String {
    let entry = error.entry.map_or_else(|| "-".to_owned(), |index| index.to_string());
    let hint = error.problem.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{entry} {}: {error}{hint}", error.member)
}

fn new(type_name: &str) -> NewProperty {
    NewProperty { type_name: type_name.to_owned(), null: false, values: Vec::new(), bounds: Vec::new() }
}

fn bound(keyword: &str, limit: i64, ours: bool) -> Bound {
    Bound { keyword: keyword.to_owned(), limit: Number::from(limit), ours }
}

fn set(keyword: &str, limit: i64) -> Action {
    Action::SetBound(bound(keyword, limit, false))
}

fn drop_bound(keyword: &str) -> Action {
    Action::RemoveBound { keyword: keyword.to_owned() }
}

fn replace(value: &str, with: &str) -> Action {
    Action::ReplaceValue { value: json!(value), with: json!(with) }
}

#[test]
fn each_correction_changes_its_property() {
    let choice = NewProperty { values: vec![json!("big"), json!("Small")], null: true, ..new("toySize") };
    let numbers = NewProperty { values: vec![json!(2), json!(4)], ..new("Int32") };
    let bounded = NewProperty {
        bounds: vec![bound("maxLength", 9, true), bound("maxItems", 2, false)],
        ..new("String collection")
    };
    #[rustfmt::skip] // One row, one line.
    let rows = [
        (entry("kind", Action::AddValue(json!("bear"))), "kind", r#"{"type":"string","enum":["ball","Ball","doll","Doll","unknownFutureValue","UnknownFutureValue","bear","Bear"],"x-canonical":{"Ball":"ball","Doll":"doll","UnknownFutureValue":"unknownFutureValue","Bear":"bear"},"x-graph-type":"microsoft.graph.toys.toyKind"}"#),
        (entry("kind", Action::RemoveValue(json!("ball"))), "kind", r#"{"type":"string","enum":["doll","Doll","unknownFutureValue","UnknownFutureValue"],"x-canonical":{"Doll":"doll","UnknownFutureValue":"unknownFutureValue"},"x-graph-type":"microsoft.graph.toys.toyKind"}"#),
        (entry("kind", replace("ball", "globe")), "kind", r#"{"type":"string","enum":["globe","Globe","doll","Doll","unknownFutureValue","UnknownFutureValue"],"x-canonical":{"Globe":"globe","Doll":"doll","UnknownFutureValue":"unknownFutureValue"},"x-graph-type":"microsoft.graph.toys.toyKind"}"#),
        (entry("kind", replace("ball", "Ball")), "kind", r#"{"type":"string","enum":["Ball","doll","Doll","unknownFutureValue","UnknownFutureValue"],"x-canonical":{"Doll":"doll","UnknownFutureValue":"unknownFutureValue"},"x-graph-type":"microsoft.graph.toys.toyKind"}"#),
        (entry("kind", Action::AllowNull), "kind", r#"{"type":["string","null"],"enum":["ball","Ball","doll","Doll","unknownFutureValue","UnknownFutureValue",null],"x-canonical":{"Ball":"ball","Doll":"doll","UnknownFutureValue":"unknownFutureValue"},"x-graph-type":"microsoft.graph.toys.toyKind"}"#),
        (entry("owner", Action::RefuseNull), "owner", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
        (entry("owner", set("maxLength", 9)), "owner", r#"{"type":["string","null"],"maxLength":9,"x-graph-type":"String"}"#),
        (entry("owner", set("minLength", 1)), "owner", r#"{"type":["string","null"],"maxLength":512,"minLength":1,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
        (entry("tags", set("maxLength", 9)), "tags", r#"{"type":"array","items":{"type":"string","maxLength":9},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"String collection"}"#),
        (entry("tags", set("maxItems", 9)), "tags", r#"{"type":"array","items":{"type":"string","maxLength":256,"x-ours":["maxLength"]},"maxItems":9,"x-graph-type":"String collection"}"#),
        (loosening("tags", drop_bound("maxItems")), "tags", r#"{"type":"array","items":{"type":"string","maxLength":256,"x-ours":["maxLength"]},"x-graph-type":"String collection"}"#),
        (loosening("owner", set("maxLength", 1024)), "owner", r#"{"type":["string","null"],"maxLength":1024,"x-graph-type":"String"}"#),
        (loosening("kind", Action::ReplaceProperty(new("String"))), "kind", r#"{"type":"string","maxLength":512,"x-ours":["maxLength"],"x-graph-type":"String"}"#),
        (entry("owner", Action::ReplaceProperty(choice.clone())), "owner", r#"{"type":["string","null"],"enum":["big","Big","Small",null],"x-canonical":{"Big":"big"},"x-graph-type":"microsoft.graph.toys.toySize"}"#),
        (entry("size", Action::AddProperty(choice)), "size", r#"{"type":["string","null"],"enum":["big","Big","Small",null],"x-canonical":{"Big":"big"},"x-graph-type":"microsoft.graph.toys.toySize"}"#),
        (entry("size", Action::AddProperty(numbers)), "size", r#"{"type":"integer","enum":[2,4],"x-graph-type":"Int32"}"#),
        (entry("words", Action::AddProperty(bounded)), "words", r#"{"type":"array","items":{"type":"string","maxLength":9,"x-ours":["maxLength"]},"maxItems":2,"x-graph-type":"String collection"}"#),
        (entry("made", Action::AddProperty(new("Collection(Edm.Guid)"))), "made", r#"{"type":"array","items":{"type":"string","format":"uuid"},"maxItems":100,"x-ours":["maxItems"],"x-graph-type":"Guid collection"}"#),
        (entry("made", Action::AddProperty(new("DateTimeOffset (nullable)"))), "made", r#"{"type":["string","null"],"format":"date-time","x-graph-type":"DateTimeOffset"}"#),
        (entry("broken", Action::RemoveProperty), "broken", "null"),
    ];
    for (entry, property, expected) in rows {
        let what = format!("{entry:?}");
        let derived = corrected(BASE, vec![entry]).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(derived.schema["properties"][property].to_string(), expected, "{what}");
        load(&what, &derived);
    }
}

#[test]
fn a_corrected_schema_says_what_was_corrected() {
    let derived =
        corrected(BASE, vec![entry("kind", replace("ball", "globe")), entry("kind", Action::AllowNull)])
            .unwrap();
    let expected = json!({
        "file": "toys.toml",
        "sha256": "0".repeat(64),
        "corrections": [
            {"property": "kind", "do": "replace-value", "value": "ball", "with": "globe", "reason": "so it is", "source": "the makers"},
            {"property": "kind", "do": "allow-null", "reason": "so it is", "source": "the makers"},
        ],
    });
    assert_eq!(derived.schema["x-source"]["overlay"], expected);
    assert_eq!(derived.schema["$id"], "urn:patchgate:schema:toy-update.corrected");
    assert_eq!(derived.schema["examples"], json!([{"kind": "Doll", "tags": ["red"]}]));
    // Everything else is the page's.
    let mut found = derived.schema;
    let mut page = super::derived(BASE).unwrap().schema;
    for schema in [&mut found, &mut page] {
        schema["$id"] = Value::Null;
        schema["x-source"] = Value::Null;
        schema["properties"]["kind"] = Value::Null;
    }
    assert_eq!(found.to_string(), page.to_string());
}

#[test]
fn a_wrong_correction_is_refused() {
    let values = |type_name: &str, values: Value| NewProperty {
        values: values.as_array().unwrap().clone(),
        ..new(type_name)
    };
    let bounded = |type_name: &str, keyword: &str, limit| NewProperty {
        bounds: vec![bound(keyword, limit, false)],
        ..new(type_name)
    };
    let add = |new| Action::AddProperty(new);
    #[rustfmt::skip] // One row, one line.
    let rows = [
        // What no longer changes anything.
        (entry("kind", Action::AddValue(json!("ball"))), "value: the list has the value already: the entry changes nothing any more; take the entry out"),
        (entry("kind", replace("ball", "doll")), "with: the list has the value already: the entry changes nothing any more; take the entry out"),
        (entry("kind", Action::AddValue(json!("Ball"))), "value: it is another spelling of 'ball', and accepted as that; take the entry out"),
        (entry("kind", replace("ball", "Doll")), "with: it is another spelling of 'doll', and accepted as that; take the entry out"),
        (entry("owner", Action::AllowNull), "do: the entry changes nothing any more: the page says so itself; take the entry out"),
        (entry("kind", Action::RefuseNull), "do: the entry changes nothing any more: the page says so itself; take the entry out"),
        (entry("broken", Action::ReplaceProperty(new("Boolean"))), "do: the entry changes nothing any more: the page says so itself; take the entry out"),
        (entry("tags", drop_bound("minItems")), "bound: the property has no such bound: the entry changes nothing any more; take the entry out"),
        (entry("Owner", add(new("String"))), "property: the page has the property 'owner': nothing is left to add; take the entry out"),
        (entry("kind", Action::RemoveValue(json!("bal"))), "value: the value is not in the list; did you mean 'ball'?"),
        (entry("kind", replace("bear", "cub")), "value: the value is not in the list"),
        (entry("onwer", Action::RemoveProperty), "property: the page has no such property; did you mean 'owner'?"),
        // What lifts a limit and does not say so, or the other way round.
        (entry("owner", drop_bound("maxLength")), "do: the entry lifts a limit (maxLength) and does not say so; if it is meant, add 'loosen = true'"),
        (entry("owner", set("maxLength", 513)), "do: the entry lifts a limit (maxLength) and does not say so; if it is meant, add 'loosen = true'"),
        (entry("tags", set("maxLength", 257)), "do: the entry lifts a limit (maxLength) and does not say so; if it is meant, add 'loosen = true'"),
        (entry("kind", Action::ReplaceProperty(new("String"))), "do: the entry lifts a limit (list of values) and does not say so; if it is meant, add 'loosen = true'"),
        (entry("broken", Action::ReplaceProperty(new("String"))), "do: the entry lifts a limit (type) and does not say so; if it is meant, add 'loosen = true'"),
        (loosening("owner", set("maxLength", 511)), "loosen: the entry lifts no limit; leave 'loosen' out, so that it stands only where it matters"),
        (loosening("kind", Action::AddValue(json!("bear"))), "loosen: the entry lifts no limit; leave 'loosen' out, so that it stands only where it matters"),
        (loosening("made", add(new("String"))), "loosen: the entry lifts no limit; leave 'loosen' out, so that it stands only where it matters"),
        (loosening("owner", Action::RemoveProperty), "loosen: the entry lifts no limit; leave 'loosen' out, so that it stands only where it matters"),
        // What can't be.
        (entry("owner", Action::AddValue(json!("me"))), "property: the property has no list of values; 'replace-property' gives it one"),
        (entry("kind", Action::AddValue(json!(3))), "value: the values of the list are of another type"),
        (entry("broken", set("maxLength", 3)), "bound: a value of this property can't have such a bound"),
        (entry("kind", set("maxLength", 3)), "bound: a value of this property can't have such a bound"),
        (entry("owner", set("maxItems", 3)), "bound: a value of this property can't have such a bound"),
        (entry("owner", set("maxlength", 3)), "bound: it is no bound; a bound is one of minLength, maxLength, minItems, maxItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum"),
        (entry("owner", set("maxLength", -1)), "limit: a limit is a number that JSON can tell apart from its neighbours; of lengths and items, a whole one of 0 or more"),
        (loosening("owner", set("maxLength", i64::MAX)), "limit: a limit is a number that JSON can tell apart from its neighbours; of lengths and items, a whole one of 0 or more"),
        (entry("kind", Action::AddValue(json!("a\nb"))), "value: a value has no control characters"),
        (entry("made", add(values("toySize", json!(["a\u{1b}b"])))), "values: a value has no control characters"),
        (entry("owner", set("minLength", 513)), "limit: with it the bounds admit nothing"),
        (entry("made", add(new("Jsn object"))), "type: it is not a type that a property can have; a type is written as on a page: 'String', 'Int32 collection', or an enumeration's name with 'values'"),
        (entry("made", add(new("Stream"))), "type: it is not a type that a property can have; a type is written as on a page: 'String', 'Int32 collection', or an enumeration's name with 'values'"),
        (entry("made", add(new("Json"))), "type: it is not a type that a property can have; a type is written as on a page: 'String', 'Int32 collection', or an enumeration's name with 'values'"),
        (entry("made", add(new("toySize"))), "values: an enumeration needs its values"),
        (entry("made", add(values("Boolean", json!(["a"])))), "values: a property of this type has no list of values"),
        (entry("made", add(values("toySize", json!([1])))), "values: the values of this type are strings"),
        (entry("made", add(values("Int32", json!(["a"])))), "values: the values of this type are whole numbers"),
        (entry("made", add(values("Int16", json!([99999])))), "values: the values of this type are whole numbers"),
        (entry("made", add(values("toySize", json!(["a", "a"])))), "values: a value stands in the list twice"),
        (entry("made", add(bounded("Boolean", "maxLength", 1))), "bound: a value of this property can't have such a bound"),
        (entry("@odata.etag", add(new("String"))), "property: a property's name has letters, digits and _ alone, and begins with a letter or _"),
        (Entry { reason: " ".to_owned(), ..entry("kind", Action::AllowNull) }, "reason: an entry needs a reason and a source that say something"),
        (Entry { source: String::new(), ..entry("kind", Action::AllowNull) }, "source: an entry needs a reason and a source that say something"),
    ];
    for (entry, expected) in rows {
        let what = format!("{entry:?}");
        assert_eq!(faults(vec![entry]), [format!("0 {expected}")], "{what}");
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let page = derived(BASE).unwrap().schema;
    let mut wrong = overlay(vec![
        entry("kind", Action::AddValue(json!("ball"))),
        entry("kind", Action::AllowNull),
        entry("onwer", Action::RefuseNull),
        entry("kind", Action::RefuseNull),
        entry("kind", replace("ball", "globe")),
    ]);
    wrong.corrects = "doll-update".to_owned();
    wrong.name = "toy-update".to_owned();
    let errors: Vec<_> = apply(&page, &wrong).unwrap_err().iter().map(words).collect();
    assert_eq!(
        errors,
        [
            "- corrects: the overlay corrects another schema: the page gives 'toy-update'",
            "- name: the corrected schema needs a name of its own, of letters, digits and - _ .",
            "0 value: the list has the value already: the entry changes nothing any more; take the entry out",
            "2 property: the page has no such property; did you mean 'owner'?",
            "3 do: entry 2 already changes this: one of them would hide the other",
            "4 do: entry 1 already changes this: one of them would hide the other",
        ]
    );
    let empty: Vec<_> = apply(&page, &overlay(Vec::new())).unwrap_err().iter().map(words).collect();
    assert_eq!(empty, ["- : the overlay has no entry"]);
}

#[test]
fn nothing_is_left_where_everything_is_removed() {
    let all = ["owner", "kind", "tags", "broken"].map(|name| entry(name, Action::RemoveProperty)).to_vec();
    assert_eq!(faults(all), ["- : no property is left to change"]);
    let values =
        ["ball", "doll", "unknownFutureValue"].map(|v| entry("kind", Action::RemoveValue(json!(v)))).to_vec();
    assert_eq!(
        faults(values),
        ["2 value: it is the only value of the list; 'remove-property' leaves nothing to set"]
    );
}

/// The page's example is held against what is left of the page.
#[test]
fn examples_are_proven_against_the_corrected_schema() {
    // The corrected schema refuses what the page shows: the example is left out, and that is noted.
    let derived = corrected(BASE, vec![entry("kind", replace("doll", "puppet"))]).unwrap();
    assert_eq!(derived.schema.get("examples"), None);
    assert_eq!(
        derived.notes.iter().map(|note| (note.code, note.line)).collect::<Vec<_>>(),
        [("exampleCorrected", 52)]
    );
    // The page shows what its own table lacks: the correction makes it good.
    let page = base("\"tags\": [\"red\"]", "\"size\": 3");
    assert_eq!(super::derived(&page).unwrap_err().code(), "exampleUnknownField");
    let derived = corrected(&page, vec![entry("size", Action::AddProperty(new("Int32")))]).unwrap();
    assert_eq!(derived.schema["examples"], json!([{"kind": "Doll", "size": 3}]));
    // What neither admits is still the page's fault.
    let error = corrected(&page, vec![entry("kind", Action::AllowNull)]).unwrap_err();
    assert!(matches!(&error, CorrectError::Page(error) if error.code() == "exampleUnknownField"), "{error}");
    // A page that is refused for something else stays refused.
    let error = corrected(&base(LIST, ""), vec![entry("owner", Action::RefuseNull)]).unwrap_err();
    assert!(matches!(&error, CorrectError::Page(error) if error.code() == "enumWithoutValues"), "{error}");
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let property = prop::sample::select(vec!["owner", "kind", "tags", "broken", "made", "Owner"]);
    let value =
        prop::sample::select(vec![json!("ball"), json!("doll"), json!("Bear"), json!("bear"), json!(3)]);
    let keyword = prop::sample::select(vec!["minLength", "maxLength", "maxItems", "minimum", "pattern"]);
    let kind = prop::sample::select(vec!["String", "Int32", "toyKind", "Guid collection", "Json"]);
    let of = (kind, any::<bool>(), prop::collection::vec(value.clone(), 0..3), prop::option::of(0..600i64))
        .prop_map(|(kind, null, values, most)| NewProperty {
            null,
            values,
            bounds: most.map(|most| bound("maxLength", most, true)).into_iter().collect(),
            ..new(kind)
        });
    let action = prop_oneof![
        of.clone().prop_map(Action::AddProperty),
        of.prop_map(Action::ReplaceProperty),
        Just(Action::RemoveProperty),
        value.clone().prop_map(Action::AddValue),
        value.clone().prop_map(Action::RemoveValue),
        (value.clone(), value).prop_map(|(value, with)| Action::ReplaceValue { value, with }),
        Just(Action::AllowNull),
        Just(Action::RefuseNull),
        (keyword.clone(), -1..600i64).prop_map(|(keyword, limit)| set(keyword, limit)),
        keyword.prop_map(drop_bound),
    ];
    (property, action, any::<bool>())
        .prop_map(|(property, action, loosen)| Entry { loosen, ..entry(property, action) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever an overlay says, its result loads; it lifts a limit only where it says so, and it changes something.
    #[test]
    fn no_overlay_opens_a_gate_by_accident(entries in prop::collection::vec(any_entry(), 1..4)) {
        let page = derived(BASE).unwrap().schema;
        let said = entries.iter().any(|entry| entry.loosen);
        let Ok(corrected) = apply(&page, &overlay(entries)) else { return Ok(()) };
        let schema = Schema::load(corrected.to_string().as_bytes());
        prop_assert!(schema.is_ok(), "{:?}", schema.err());
        let page = Schema::load(page.to_string().as_bytes()).unwrap();
        let changes = diff(&page, &schema.unwrap());
        prop_assert!(!changes.is_empty());
        let limits = ["type", "list of values", "maxLength", "minLength", "maxItems", "minimum", "format", "pattern"];
        // What bounded values that are all listed now is no limit.
        let listed = |at: &str| changes.iter().any(|c| c.at == at && c.what.name() == "list of values" && c.after.is_some());
        let lifted = changes
            .iter()
            .any(|c| c.effect.widens() && limits.contains(&c.what.name()) && !listed(&c.at));
        prop_assert!(said || !lifted, "{changes:?}");
    }
}
