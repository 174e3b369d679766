//! What the log says of what happens, with all that whoever reads it needs.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;

use insta::assert_snapshot;
use patchgate_tests::audited::Scene;
use patchgate_tests::gateway::Gateway;
use patchgate_tests::process::until;
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;
use serde_json::Value;

/// The events of a log in JSON, in their order.
fn events(output: &str) -> Vec<Value> {
    let lines = output.lines().filter(|line| line.starts_with("{\"timestamp\""));
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Nobody edits meanwhile: that a directory is gone, and is back, is said without a request, and once each.
#[test]
fn a_journal_that_cannot_be_written_is_said_once_and_so_is_its_recovery() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, away) = (folder.path().join("audit"), folder.path().join("away"));
    let scene = Scene::on(&directory);
    for _ in 0..2 {
        fs::rename(&directory, &away).expect("it is moved");
        until("not ready", || scene.ready().status == 503);
        let shown = directory.display().to_string();
        assert!(scene.ready().text().contains(&shown), "{}", scene.ready().text());
        fs::rename(&away, &directory).expect("it is moved back");
        scene.wait_until_ready();
    }
    let (status, output) = scene.gateway.stop();
    assert!(status.success(), "{output}");
    let said: Vec<String> = events(&output)
        .iter()
        .filter(|event| event["directory"] == directory.display().to_string())
        .map(|event| format!("{} {} ({})", event["level"], event["message"], event["reason"]))
        .collect();
    let unwritable = "\"ERROR\" \"the audit journal cannot be written, and edits are refused until it can be; look at the \
                      directory, its permissions and its disk\" (\"No such file or directory\")";
    let writable = "\"INFO\" \"the audit journal can be written again, and edits are taken\" (null)";
    assert_eq!(said, [unwritable, writable, unwritable, writable], "{output}");
}

/// An event without ids: its level, its words, and the fields that tell one refusal from another.
fn told(event: &Value) -> String {
    let mut text = format!("{} {}", event["level"].as_str().expect("a level"), event["message"]);
    for name in ["status", "code", "cause", "violations", "sent"] {
        if !event[name].is_null() {
            write!(text, " {name}={}", event[name]).expect("text");
        }
    }
    text
}

/// A code of several causes says which it was, in a word that is not the caller's.
#[test]
fn a_refusal_says_its_cause() {
    let gateway = Gateway::start(&[]);
    let override_by = [("X-HTTP-Method-Override", "DELETE")];
    for (target, fields, body) in [
        ("/v1.0/security/incidents/2972395?hush=1", &[][..], EDIT),
        ("/v1.0/security/incidents/2972395/", &[], EDIT),
        (INCIDENT, &override_by, EDIT),
        (INCIDENT, &[], "{}"),
        (INCIDENT, &[], r#"{"status":"hush","hush":1}"#),
        ("/v1.0/hush", &[], EDIT),
    ] {
        gateway.connect().patch(target, fields, body);
    }
    let (_, output) = gateway.stop();
    let lines: Vec<String> =
        events(&output).iter().filter(|event| !event["request_id"].is_null()).map(told).collect();
    assert_snapshot!("causes", lines.join("\n"));
    assert!(!output.contains("hush"), "{output}");
}

/// What is said of an exchange and of its request can be joined, and an edit that may have been applied stands out.
#[test]
fn a_request_without_an_answer_is_told_with_the_id_of_its_request() {
    let hanging_up = Upstream::answering(|_, _| false);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut text = String::new();
    for (name, upstream) in [("no answer", hanging_up.address), ("no connection", nobody)] {
        let gateway = Gateway::before(upstream);
        let answers = [gateway.patch(INCIDENT, EDIT), gateway.get(INCIDENT)];
        let (_, output) = gateway.stop();
        writeln!(text, "{name}").expect("text");
        let events = events(&output);
        for answer in &answers {
            let id = answer.header("patchgate-request-id").expect("an id");
            for event in events.iter().filter(|event| event["request_id"] == id) {
                writeln!(text, "  {}", told(event)).expect("text");
            }
        }
    }
    assert_snapshot!("unanswered", text);
}

/// A trial without a configuration is no mistake; a configuration without an upstream may be one.
#[test]
fn a_configuration_without_an_upstream_is_warned_of() {
    let public = ("PATCHGATE_LISTEN__PUBLIC_URL", "https://gateway.example");
    for (name, gateway, warned) in [
        ("nothing", Gateway::start(&[]), false),
        ("a file", Gateway::configured("", &[]), true),
        ("a public URL", Gateway::start_with(&[], &[public]), true),
        ("an upstream", Gateway::configured("", &["--upstream", "http://127.0.0.1:1"]), false),
    ] {
        let (_, output) = gateway.stop();
        let warnings = events(&output)
            .iter()
            .filter(|event| event["level"] == "WARN")
            .filter(|event| event["message"].as_str().is_some_and(|said| said.starts_with("no upstream")))
            .count();
        assert_eq!(warnings, usize::from(warned), "{name}: {output}");
    }
}
