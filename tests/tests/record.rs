//! What stands on record of a request: seen in the files of the journal, behind a gateway that runs.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use patchgate_journal::Directory;
use patchgate_journal::verify::verify;
use patchgate_tests::client::TOKEN;
use patchgate_tests::gateway::Gateway;
use patchgate_tests::rows::INCIDENT;
use patchgate_tests::upstream::{Arrived, Upstream};
use serde_json::{Value, json};

/// The example of the documentation page.
const EXAMPLE: &str =
    r#"{"classification":"TruePositive","determination":"MultiStagedAttack","customTags":["Demo"]}"#;

/// A gateway with a journal in a folder of its own.
fn recording(folder: &Path, upstream: &str) -> Gateway {
    let text = format!("[audit]\ndirectory = \"{}\"\n", folder.join("audit").display());
    Gateway::configured(&text, &["--upstream", upstream])
}

/// All records, in their order.
fn records(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(folder.join("audit"))
        .expect("the journal")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    let text: String = files.iter().map(|file| fs::read_to_string(file).expect("a segment")).collect();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Those of a kind.
fn of_kind(records: &[Value], kind: &str) -> Vec<Value> {
    records.iter().filter(|record| record["kind"] == kind).cloned().collect()
}

#[test]
fn an_edit_has_its_intent_and_its_outcome() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::answering(|_: &Arrived, stream: &mut TcpStream| {
        let answer = "HTTP/1.1 200 OK\r\nrequest-id: of-graph\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).is_ok()
    });
    let gateway = recording(folder.path(), &format!("http://{}", upstream.address));
    let answer = gateway.patch(INCIDENT, EXAMPLE);
    assert_eq!(answer.status, 200);
    // Both are on stable storage when the caller has the answer.
    let records = records(folder.path());
    let [intent, outcome] = &records[records.len() - 2..] else { panic!("{records:?}") };
    let sent = upstream.arrived();
    assert_eq!(intent["kind"], "intent");
    assert_eq!(intent["edit"].to_string(), sent[0].text(), "what was recorded is what was sent");
    assert_eq!(intent["guard"], "security-incident-update");
    assert_eq!(intent["route"], "/{version}/security/incidents/{incidentId}");
    assert_eq!(intent["resource"]["version"], "v1.0");
    assert_eq!(intent["resource"]["incidentId"], INCIDENT.rsplit('/').next().expect("an id"));
    assert_eq!((&intent["decision"], &intent["generation"]), (&json!("allow"), &json!(1)));
    assert_eq!(intent["schema"]["id"], "security-incident-update");
    assert_eq!(intent["caller"], json!({"known_by": "bearer"}));
    let id = answer.header("patchgate-request-id").expect("an id");
    for record in [intent, outcome] {
        assert_eq!(record["request_id"], id);
    }
    assert_eq!(outcome["kind"], "outcome");
    assert_eq!(
        (&outcome["status"], &outcome["result"], &outcome["upstream_request_id"]),
        (&json!(200), &json!("applied"), &json!("of-graph"))
    );
}

/// What Graph did, and what stands on record of it.
#[test]
fn each_outcome_has_its_word() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::answering(|request: &Arrived, stream: &mut TcpStream| {
        let status = request.text().split("say-").nth(1).and_then(|rest| rest.get(..3)).map(str::to_owned);
        match status.as_deref() {
            Some("cut") | None => false,
            Some(status) => {
                let answer = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).is_ok()
            }
        }
    });
    let gateway = recording(folder.path(), &format!("http://{}", upstream.address));
    for (say, status, result) in [
        ("200", Some(200), "applied"),
        ("204", Some(204), "applied"),
        ("302", Some(302), "refused"),
        ("400", Some(400), "refused"),
        ("403", Some(403), "refused"),
        ("429", Some(429), "refused"),
        ("500", Some(500), "failed"),
        ("503", Some(503), "failed"),
        ("cut", None, "unknown"),
    ] {
        let answer = gateway.patch(INCIDENT, &format!(r#"{{"customTags":["say-{say}"]}}"#));
        assert_eq!(answer.status, status.unwrap_or(502), "{say}");
        let outcome = of_kind(&records(folder.path()), "outcome").pop().expect("an outcome");
        assert_eq!(
            (outcome["status"].as_u64(), outcome["result"].as_str()),
            (status.map(u64::from), Some(result))
        );
    }
    drop(gateway);

    // Nobody listens there: provably nothing was sent.
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let gateway = recording(folder.path(), &format!("http://{nobody}"));
    assert_eq!(gateway.patch(INCIDENT, EXAMPLE).code(), "UpstreamUnreachable");
    let outcome = of_kind(&records(folder.path()), "outcome").pop().expect("an outcome");
    assert_eq!((&outcome["status"], &outcome["result"]), (&Value::Null, &json!("failed")));
}

#[test]
fn refusals_are_on_record_without_values_and_reads_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let gateway = recording(folder.path(), &format!("http://{}", upstream.address));
    let rows = [
        (r#"{"status":"hush-hush"}"#, json!(["invalidEnumValue /status"])),
        (r#"{"hushHush":"hush-hush"}"#, json!(["unknownField /?"])),
        (r#"{"status":"#, json!(["invalidJson"])),
        ("{}", json!(["emptyEdit"])),
    ];
    for (body, _) in &rows {
        assert_eq!(gateway.patch(INCIDENT, body).status, 400, "{body}");
    }
    assert_eq!(gateway.get(INCIDENT).status, 200);
    assert_eq!(gateway.get("/v1.0/users").status, 404);
    let (status, _) = gateway.stop();
    assert!(status.success());
    let records = records(folder.path());
    assert!(of_kind(&records, "intent").is_empty() && of_kind(&records, "outcome").is_empty());
    let refusals = of_kind(&records, "refusal");
    assert_eq!(refusals.len(), rows.len() + 1, "{refusals:?}");
    for ((body, reasons), refusal) in rows.iter().zip(&refusals) {
        assert_eq!((&refusal["reasons"], &refusal["code"]), (reasons, &json!("BadRequest")), "{body}");
        assert_eq!(refusal["decision"], "refuse");
    }
    assert_eq!(refusals.last().expect("one")["code"], "ResourceNotFound");
    let all = records.iter().map(Value::to_string).collect::<String>();
    assert!(!all.contains("hush") && !all.contains(TOKEN), "{all}");
    let report = verify(&Directory::new(folder.path().join("audit")), &[], &mut |_, _| ()).expect("read");
    assert!(report.findings.is_empty(), "{report:?}");
}

#[test]
fn a_second_gateway_is_told_who_has_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let url = format!("http://{}", upstream.address);
    let gateway = recording(folder.path(), &url);
    let mut second =
        patchgate_tests::gateway::command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    second.env("PATCHGATE_AUDIT__DIRECTORY", folder.path().join("audit"));
    let output = patchgate_tests::gateway::refused_start(second);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains(&format!("is in use by process {}", gateway.id())), "{said}");
    assert_eq!(gateway.patch(INCIDENT, EXAMPLE).status, 200);
}
