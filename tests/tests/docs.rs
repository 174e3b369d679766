//! What the documentation says is true: its commands work, its rules hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchgate_tests::gateway::{Gateway, command, run};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect(path)
}

/// The one line of the README that begins with `curl`.
fn curl_line() -> String {
    let readme = read("README.md");
    let lines: Vec<&str> = readme.lines().filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), 1, "the README has one curl line");
    lines[0].to_owned()
}

/// It listens where the README says, so only one test of all may do this.
#[test]
#[ignore = "needs curl"]
fn the_readmes_curl_line_works_as_it_is_printed() {
    // As the README has it: no argument, no configuration.
    let gateway = Gateway::started_by(command(&[]));
    let output = Command::new("sh").args(["-c", &curl_line()]).output().expect("a shell");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let incident: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(incident["classification"], "truePositive", "{incident}");
    let (status, log) = gateway.stop();
    assert!(status.success());
    assert!(log.lines().any(|line| line == curl_line()), "the banner prints the same line:\n{log}");
}

#[test]
fn the_readme_opens_with_the_two_commands() {
    let readme = read("README.md");
    let block = readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block");
    let commands: Vec<&str> =
        block.lines().filter_map(|line| line.split('#').next()).map(str::trim).collect();
    assert_eq!(commands, ["cargo run --release", "cargo test --workspace"]);
}

#[test]
fn the_deployed_configuration_loads() {
    let folder = tempfile::tempdir().expect("a folder");
    let body = folder.path().join("edit.json");
    fs::write(&body, r#"{"status":"Resolved"}"#).expect("a file");
    let config = repository().join("deploy/patchgate.toml");
    let config = config.to_str().expect("a path");
    let output = run(&["check", "--config", config, body.to_str().expect("a path")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Uncommented, the deployed configuration says every key there is: none is missing, and none is one that is not known.
#[test]
fn the_deployed_configuration_is_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = read("deploy/patchgate.toml");
    let shown: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line))
        // A cloud and a URL exclude each other.
        .filter(|line| !line.starts_with("cloud"))
        .collect();
    let full = folder.path().join("full.toml");
    fs::write(&full, shown.join("\n")).expect("a file");
    let output = run(&["config", "show", "--format", "json", "--config", full.to_str().expect("a path")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let values = told["values"].as_array().expect("values");
    let missing: Vec<&str> = values
        .iter()
        .filter(|value| value["source"]["kind"] != "file")
        .filter_map(|value| value["key"].as_str())
        .filter(|key| *key != "upstream.cloud")
        .collect();
    assert_eq!(missing, [""; 0]);
    assert!(values.len() > 30, "{}", values.len());
}

/// Whether a comment is a key that was commented out: `name = value` or `[name]`.
fn is_key(line: &str) -> bool {
    let name = line.split('=').next().unwrap_or_default().trim();
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    line.starts_with('[') || (line.contains('=') && plain(name))
}

/// Another resource is guarded by its schema and three lines of configuration, never by code.
#[test]
fn no_code_of_the_gateway_names_the_resource_that_it_guards_by_default() {
    let mut open: Vec<PathBuf> = ["model", "validator", "proxy"]
        .iter()
        .map(|name| repository().join("crates").join(name).join("src"))
        .collect();
    let mut seen = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        // The examples of the help are words for people.
        let is_help = path.components().any(|part| part.as_os_str() == "cli");
        if path.extension().is_none_or(|extension| extension != "rs") || is_help {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&path).expect("source").to_lowercase();
        for word in ["incident", "assignedto", "classification", "determination", "customtags"] {
            assert!(!text.contains(word), "{} says '{word}'", path.display());
        }
    }
    assert!(seen > 30, "only {seen} files were looked at");
}

/// The fixture page has the facts of the real one in other words: everything but title, date and digest is the same.
#[test]
fn the_fixture_page_gives_the_shipped_schema() {
    let page = repository().join("tests/data/pages/security-incident-update.md");
    let clouds = "global,us-gov-l4,us-gov-l5";
    let args =
        ["--version", "v1.0,beta", "--permission", "SecurityIncident.ReadWrite.All", "--cloud", clouds];
    let output =
        command(&["schema", "derive", page.to_str().expect("a path")]).args(args).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut derived: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut shipped: serde_json::Value =
        serde_json::from_str(&read("schemas/security-incident-update.json")).expect("JSON");
    for schema in [&mut derived, &mut shipped] {
        schema["title"] = "".into();
        schema["x-source"]["date"] = "".into();
        schema["x-source"]["sha256"] = "".into();
    }
    assert_eq!(
        format!("{derived:#}"),
        format!("{shipped:#}"),
        "derive schemas/ anew from the documentation page: just schema PAGE (the command stands in `justfile`)"
    );
}
