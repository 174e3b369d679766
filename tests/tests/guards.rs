//! Guards of other resources: a page, three lines of configuration, and no code.

use std::fs;
use std::path::Path;

use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;
use serde_json::{Value, json};
use tempfile::TempDir;

const JOB: &str = "/v1.0/print/jobs/5d1f3c7e-42a9-4b0e-9c7d-2f6a8b1e0d34";
const EXAMPLE: &str = r##"{"@odata.type":"#microsoft.graph.printJob","displayName":null,"copies":2,"isHeld":true,"releaseDateTime":"2026-10-05T18:00:00Z","priority":"high","duplexMode":"FlipOnLongEdge"}"##;

/// A folder with the schema that is derived from the page of another resource.
fn derived() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pages/print-job-update.md");
    let schema = folder.path().join("print-job-update.json");
    let path = |path: &Path| path.to_str().expect("a path").to_owned();
    let output = gateway::run(&["schema", "derive", &path(&page), "--output", &path(&schema)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

/// A gateway with this configuration beside the derived schema.
fn beside(folder: &TempDir, text: &str, upstream: &Upstream) -> Gateway {
    let file = folder.path().join("patchgate.toml");
    fs::write(&file, text).expect("the configuration");
    let url = format!("http://{}", upstream.address);
    Gateway::start(&["--config", file.to_str().expect("a path"), "--upstream", &url])
}

const THREE_LINES: &str = "# The queue of the printers.\n[[guard]]\nschema = \"./print-job-update.json\"\n";

#[test]
fn a_page_and_three_lines_guard_another_resource() {
    assert_eq!(THREE_LINES.lines().count(), 3);
    let (folder, upstream) = (derived(), Upstream::start());
    let gateway = beside(&folder, THREE_LINES, &upstream);

    assert_eq!(gateway.patch(JOB, EXAMPLE).status, 200);
    let expected = r#"{"displayName":null,"copies":2,"isHeld":true,"releaseDateTime":"2026-10-05T18:00:00Z","priority":"high","duplexMode":"flipOnLongEdge"}"#;
    assert_eq!(upstream.arrived()[0].text(), expected);
    assert_eq!(upstream.arrived()[0].target, JOB);

    let mut connection = gateway.connect();
    for (field, values) in [
        ("priority", &["low", "normal", "high", "unknownFutureValue"]),
        ("duplexMode", &["oneSided", "flipOnLongEdge", "flipOnShortEdge", "unknownFutureValue"]),
    ] {
        for value in values {
            for spelling in [(*value).to_owned(), format!("{}{}", value[..1].to_uppercase(), &value[1..])] {
                let answer = connection.patch(JOB, &[], &format!(r#"{{"{field}":"{spelling}"}}"#));
                assert_eq!(answer.status, 200, "{field} {spelling}: {}", answer.text());
                let arrived = upstream.arrived().pop().expect("an edit");
                assert_eq!(arrived.text(), format!(r#"{{"{field}":"{value}"}}"#));
            }
        }
    }

    let seen = upstream.arrived().len();
    for (body, code, target) in [
        (r#"{"status":"active"}"#, "unknownField", "/status"),
        (r#"{"id":"x"}"#, "unknownField", "/id"),
        (r#"{"priority":"urgent"}"#, "invalidEnumValue", "/priority"),
        (r#"{"priority":"oneSided"}"#, "invalidEnumValue", "/priority"),
        (r#"{"duplexMode":"HIGH"}"#, "invalidEnumValue", "/duplexMode"),
        (r#"{"copies":0}"#, "outOfRange", "/copies"),
        (r#"{"copies":1000}"#, "outOfRange", "/copies"),
        (r#"{"copies":1.5}"#, "wrongType", "/copies"),
        (r#"{"copies":"2"}"#, "wrongType", "/copies"),
        (r#"{"isHeld":"true"}"#, "wrongType", "/isHeld"),
        (r#"{"isHeld":null}"#, "nullNotAllowed", "/isHeld"),
        (r#"{"releaseDateTime":"tomorrow"}"#, "invalidFormat", "/releaseDateTime"),
        (r#"{"labels":[1]}"#, "wrongType", "/labels/0"),
        (
            r##"{"@odata.type":"#microsoft.graph.security.incident","copies":1}"##,
            "invalidValue",
            "/@odata.type",
        ),
        ("{}", "emptyEdit", ""),
    ] {
        let answer = connection.patch(JOB, &[], body);
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.violations(), [(code.to_owned(), target.to_owned())], "{body}");
    }
    let long = format!(r#"{{"displayName":"{}"}}"#, "x".repeat(129));
    assert_eq!(connection.patch(JOB, &[], &long).violations()[0].0, "tooLong");
    assert_eq!(upstream.arrived().len(), seen);
}

#[test]
fn its_routes_are_its_own() {
    let (folder, upstream) = (derived(), Upstream::start());
    let gateway = beside(&folder, THREE_LINES, &upstream);
    let mut connection = gateway.connect();
    for (target, status) in [
        // The page's example is of one version; the key is a GUID.
        ("/beta/print/jobs/5d1f3c7e-42a9-4b0e-9c7d-2f6a8b1e0d34", 404),
        ("/v1.0/print/jobs/2972395", 404),
        ("/v1.0/print/jobs", 404),
        ("/v1.0/print/Jobs/5d1f3c7e-42a9-4b0e-9c7d-2f6a8b1e0d34", 400),
        ("/v1.0/print/jobs('5d1f3c7e-42a9-4b0e-9c7d-2f6a8b1e0d34')", 400),
        // What is guarded by default is guarded only where nothing else is said.
        (INCIDENT, 405),
    ] {
        let answer = connection.patch(target, &[], r#"{"copies":1}"#);
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
    let unknown = connection.patch("/v1.0/nothing", &[], EDIT).message();
    assert!(unknown.contains("PATCH /{version}/print/jobs/{jobId}"), "{unknown}");
    assert_eq!(connection.get(JOB, &[]).header("allow"), Some("PATCH"), "it was not configured as readable");
    assert_eq!(upstream.arrived(), []);
}

#[test]
fn two_guards_stand_side_by_side() {
    let (folder, upstream) = (derived(), Upstream::start());
    let text = "[[guard]]\nschema = \"security-incident-update\"\n[[guard]]\nschema = \"./print-job-update.json\"\n\
                [[route]]\nmethods = [\"GET\"]\npath = \"/{version}/print/jobs/{jobId}\"\n";
    let gateway = beside(&folder, text, &upstream);
    let mut connection = gateway.connect();
    let (job, incident) = (r#"{"copies":1}"#, EDIT);
    assert_eq!(connection.patch(INCIDENT, &[], incident).status, 200);
    assert_eq!(connection.patch(JOB, &[], job).status, 200);
    for (target, body) in [(INCIDENT, job), (JOB, incident)] {
        let answer = connection.patch(target, &[], body);
        assert_eq!(answer.violations()[0].0, "unknownField", "{target}: {}", answer.text());
    }
    // A route takes the pattern of its key from the guard with the same path, and routes are the configured ones alone.
    assert_eq!(connection.get(JOB, &[]).status, 200);
    assert_eq!(connection.get("/v1.0/print/jobs/2972395", &[]).status, 404);
    assert_eq!(connection.get(INCIDENT, &[]).status, 405);
    let targets: Vec<String> =
        upstream.arrived().into_iter().map(|a| format!("{} {}", a.method, a.target)).collect();
    assert_eq!(targets, [format!("PATCH {INCIDENT}"), format!("PATCH {JOB}"), format!("GET {JOB}")]);
}

/// What is done to a schema: the value at a JSON Pointer's member is set, or taken out.
struct Damage {
    why: &'static str,
    object: &'static str,
    member: &'static str,
    value: Option<Value>,
    /// Words of the error.
    says: &'static str,
}

fn damage(
    why: &'static str,
    object: &'static str,
    member: &'static str,
    value: impl Into<Option<Value>>,
    says: &'static str,
) -> Damage {
    Damage { why, object, member, value: value.into(), says }
}

/// What is done to a schema that is derived, each of which opens the gate or means nothing.
fn damages() -> Vec<Damage> {
    vec![
        damage("open", "", "additionalProperties", None, "additionalProperties"),
        damage("open on purpose", "", "additionalProperties", json!(true), "additionalProperties"),
        damage(
            "open to strings",
            "",
            "additionalProperties",
            json!({"type": "string"}),
            "additionalProperties",
        ),
        damage("a typo", "", "additionalproperties", json!(false), "additionalproperties"),
        damage("a typo further down", "/properties/priority", "emun", json!(["x"]), "emun"),
        damage("no type", "", "type", None, "/type"),
        damage("another type", "", "type", json!("array"), "/type"),
        damage("a field without a type", "/properties/copies", "type", None, "a value without 'type'"),
        damage("an array without items", "/properties/labels", "items", None, "/properties/labels"),
        damage("an empty edit", "", "minProperties", None, "minProperties"),
        damage("nothing", "", "minProperties", json!(0), "minProperties"),
        damage("another draft", "", "$schema", json!("http://json-schema.org/draft-07/schema#"), "$schema"),
        damage("a reference", "/properties/copies", "$ref", json!("#/properties/priority"), "$ref"),
        damage("a remote reference", "/properties/copies", "$ref", json!("http://127.0.0.1:1/x"), "$ref"),
        damage("a file", "/properties/copies", "$ref", json!("file:///etc/passwd"), "$ref"),
        damage("alternatives", "", "anyOf", json!([{"type": "object"}]), "anyOf"),
        damage(
            "names by pattern",
            "",
            "patternProperties",
            json!({".*": {"type": "string"}}),
            "patternProperties",
        ),
        damage(
            "a pattern that looks around",
            "/properties/displayName",
            "pattern",
            json!("^(?=a)a"),
            "/properties/displayName/pattern",
        ),
        damage(
            "a pattern that refers back",
            "/properties/displayName",
            "pattern",
            json!(r"(a)\1"),
            "/properties/displayName/pattern",
        ),
        damage("a pattern that is none", "/properties/displayName", "pattern", json!("("), "linear engine"),
        damage("a format that is not checked", "/properties/displayName", "format", json!("email"), "format"),
        damage("an example that does not pass", "", "examples", json!([{"copies": 0}]), "example"),
        damage("no guard", "", "x-guard", None, "x-guard"),
        damage("another method", "/x-guard", "method", json!("POST"), "POST"),
        damage("no path", "/x-guard", "paths", json!([]), "paths"),
        damage("a path without a version", "/x-guard", "paths", json!(["/print/jobs/{jobId}"]), "version"),
        damage("a key without a pattern", "/x-guard", "keys", json!({}), "jobId"),
        damage(
            "a key that admits slashes",
            "/x-guard/keys/jobId",
            "pattern",
            json!("[a-z/]+"),
            "/x-guard/keys",
        ),
        damage("a key that admits anything", "/x-guard/keys/jobId", "pattern", json!(".+"), "/x-guard/keys"),
        damage(
            "a key that admits dots alone",
            "/x-guard/keys/jobId",
            "pattern",
            json!("[.a-z]+"),
            "/x-guard/keys",
        ),
        damage("no version", "/x-guard", "versions", json!([]), "versions"),
        damage("an unknown version", "/x-guard", "versions", json!(["v2.0"]), "v2.0"),
        damage("an unknown member", "/x-guard", "path", json!("/x"), "path"),
        damage(
            "a spelling of no value",
            "/properties/priority",
            "x-canonical",
            json!({"Low": "lowest"}),
            "priority",
        ),
    ]
}

#[test]
fn a_schema_that_would_open_the_gate_does_not_load() {
    let folder = derived();
    let whole: Value =
        serde_json::from_slice(&fs::read(folder.path().join("print-job-update.json")).expect("a schema"))
            .expect("JSON");
    let rows = damages();
    let file = folder.path().join("damaged.json");
    let config = folder.path().join("damaged.toml");
    fs::write(&config, "[[guard]]\nschema = \"./damaged.json\"\n").expect("the configuration");
    let mut wrong = Vec::new();
    for row in rows {
        let mut schema = whole.clone();
        let object = schema.pointer_mut(row.object).and_then(Value::as_object_mut).expect(row.why);
        match row.value {
            Some(value) => _ = object.insert(row.member.to_owned(), value),
            None => _ = object.remove(row.member).expect(row.why),
        }
        fs::write(&file, schema.to_string()).expect("the schema");
        let said = refused_start(&config);
        let named = said.contains("./damaged.json") && said.contains(row.says);
        if !named {
            wrong.push(format!("{}: {said}", row.why));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is said by a gateway that must not start.
fn refused_start(config: &Path) -> String {
    let config = config.to_str().expect("a path");
    let mut child =
        gateway::command(&["run", "--config", config, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("the binary starts");
    // Standard output ends with the process, or begins with the ready line of a gateway that should not be there.
    let mut first = [0];
    let started =
        std::io::Read::read(child.stdout.as_mut().expect("stdout"), &mut first).expect("stdout") > 0;
    if started {
        _ = child.kill();
    }
    let output = child.wait_with_output().expect("the end");
    if started {
        return "it started".to_owned();
    }
    assert_eq!(output.status.code(), Some(2));
    String::from_utf8_lossy(&output.stderr).into_owned()
}
