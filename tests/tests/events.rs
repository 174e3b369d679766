//! What the log says of what happens, with all that whoever reads it needs.

use std::fs;

use patchgate_tests::audited::Scene;
use patchgate_tests::process::until;
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
