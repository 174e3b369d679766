use std::sync::Arc;

use patchgate_journal::FieldRules;
use patchgate_model::route::PathTemplate;
use patchgate_model::{GraphVersion, KeyPattern, Route};
use patchgate_validator::Schema;

use super::*;

fn schema(name: &str, path: &str, versions: &str, field: &str) -> Guarded {
    let text = format!(
        r#"{{"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:patchgate:schema:{name}", "title": "x",
        "x-guard": {{"method": "PATCH", "paths": ["{path}"], "versions": [{versions}],
        "keys": {{"id": {{"pattern": "[1-9][0-9]{{0,18}}", "example": "1"}}, "of": {{"pattern": "[a-z]+", "example": "a"}}}},
        "requiredHeaders": ["Authorization", "Content-Type"], "clouds": ["global"]}},
        "type": "object", "properties": {{"{field}": {{"type": "string"}}}},
        "additionalProperties": false, "minProperties": 1, "examples": [{{"{field}": "x"}}]}}"#
    );
    let schema = Arc::new(Schema::load(text.as_bytes()).unwrap());
    let guard = schema.guard();
    let pattern = |name: &str| guard.keys[name].pattern.clone();
    let routes =
        guard.paths.iter().map(|path| Arc::new(Route::new(path.clone(), guard.versions.clone(), pattern)));
    let routes = routes.collect();
    Guarded { schema, routes, required_headers: Vec::new(), record: FieldRules::default() }
}

fn read(path: &str) -> Arc<Route> {
    let safe = |_: &str| KeyPattern::parse(KeyPattern::SAFE_IDENTIFIER).unwrap();
    Arc::new(Route::new(PathTemplate::parse(path).unwrap(), GraphVersion::ALL.to_vec(), safe))
}

const BOTH: &str = r#""v1.0", "beta""#;

fn of_reads(paths: &[&str]) -> Vec<String> {
    let guards =
        [("guard[0].schema".to_owned(), schema("things", "/{version}/lab/things/{id}", BOTH, "name"))];
    let reads: Vec<_> =
        paths.iter().enumerate().map(|(at, path)| (format!("route[{at}].path"), read(path))).collect();
    conflicts(&guards, &reads).into_iter().map(|(key, conflict)| format!("{key}: {conflict}")).collect()
}

#[test]
fn reads_beside_a_guard() {
    for path in [
        "/{version}/lab/things/{id}",
        "/{version}/lab/things",
        "/{version}/lab/things/$count",
        "/{version}/lab/things/{id}/parts",
        "/{version}/lab",
        "/{version}/users/{userId}/photo/$value",
        "/{version}/users/{userId}/microsoft.graph.delta",
        "/{version}/$metadata",
    ] {
        assert_eq!(of_reads(&[path]), [""; 0], "{path}");
    }
}

#[test]
fn reads_around_a_guard() {
    for (path, word) in [
        ("/{version}/lab/things/{thing}", "overlaps"),
        ("/{version}/Lab/Things/{id}", "overlaps"),
        ("/{version}/{of}/things/{id}", "overlaps"),
        ("/{version}/lab/things/{id}/$value", "another form"),
        ("/{version}/lab/things/{id}/$ref", "the link"),
        ("/{version}/lab/things/$ref", "the link"),
        ("/{version}/lab/things/{id}/microsoft.graph.thing", "a type cast"),
        ("/{version}/lab/THINGS/{id}/microsoft.graph.thing", "a type cast"),
        ("/{version}/lab/microsoft.graph.lab/things/{id}/microsoft.graph.thing", "a type cast"),
        ("/{version}/lab/things/microsoft.graph.mergeThings", "a type cast, an action or a function"),
        ("/{version}/lab/things/mergeThings", "an action or function of the collection"),
        ("/{version}/lab/things/delta", "an action or function of the collection"),
        ("/{version}/$batch", "a batch"),
        ("/{version}/$BATCH", "a batch"),
        ("/{version}/$entity", "any resource"),
    ] {
        let told = of_reads(&[path]);
        assert!(
            told.len() == 1 && told[0].starts_with("route[0].path: ") && told[0].contains(word),
            "{path}: {told:?}"
        );
    }
}

#[test]
fn the_same_read_twice() {
    let told = of_reads(&["/{version}/lab/things", "/{version}/lab/Things"]);
    assert!(told.len() == 1 && told[0].starts_with("route[1].path: "), "{told:?}");
}

#[test]
fn guards_beside_each_other() {
    let of = |path: &str, versions: &str, field: &str| {
        let guards = [
            ("a".to_owned(), schema("things", "/{version}/lab/things/{id}", r#""v1.0""#, "name")),
            ("b".to_owned(), schema("other", path, versions, field)),
        ];
        let told = conflicts(&guards, &[]);
        told.into_iter().map(|(key, conflict)| format!("{key}: {conflict}")).collect::<Vec<_>>()
    };
    for (path, versions, field) in [
        ("/{version}/lab/parts/{id}", BOTH, "name"),
        ("/{version}/lab/things/{id}/parts/{of}", BOTH, "name"),
        ("/{version}/lab/things/{id}", r#""beta""#, "name"),
        ("/{version}/lab", BOTH, "name"),
    ] {
        assert_eq!(of(path, versions, field), [""; 0], "{path}");
    }
    for (path, field, words) in [
        ("/{version}/lab/things/{id}", "name", "and so does 'things'"),
        ("/{version}/lab/Things/{id}", "name", "overlaps"),
        ("/{version}/{of}/things/{id}", "name", "overlaps"),
        ("/{version}/lab/things/{id}/x.thing", "name", "a type cast"),
        ("/{version}/lab/things/{id}/$value", "name", "another form"),
        ("/{version}/lab/things/merge", "name", "an action or function of the collection"),
        ("/{version}/$batch", "name", "a batch"),
        ("/{version}/lab", "things", "its field 'things' reaches what 'things' guards"),
        ("/{version}/lab", "Things", "its field 'Things' reaches"),
    ] {
        let told = of(path, BOTH, field);
        assert!(told.iter().any(|line| line.starts_with("b: ") && line.contains(words)), "{path}: {told:?}");
    }
}
