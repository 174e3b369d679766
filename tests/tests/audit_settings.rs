//! What can be set about the audit record: which values stand in it and how, and what is said of settings that can't be
//! followed. Seen from outside, in the files and in what the commands say of them. `audit_retention` has how long it is kept.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use insta::assert_snapshot;
use patchgate_tests::client::Response;
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::journal::segments;
use patchgate_tests::process::until;
use patchgate_tests::rows::INCIDENT;
use patchgate_tests::upstream::Upstream;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The key of these tests; the line feed behind it is no part of it.
const KEY: &str = "not-a-secret-0123456789\n";
/// HMAC-SHA-256 with that key over a field, a zero byte and a value, as `openssl dgst -sha256 -hmac` says it.
const HASHES: [(&str, &str, &str); 3] = [
    (
        "assignedTo",
        r#""alice@contoso.com""#,
        "hmac-sha256:4f949294acaa12f8db668e54e50ee140ce0b8086dd369915b131d411f51d8c84",
    ),
    (
        "customTags",
        r#"["Quarantine","Ünïcode"]"#,
        "hmac-sha256:5fb587850266b10cff602e147082b67f2f41d154493208601197c4cf71be0d9e",
    ),
    ("assignedTo", "null", "hmac-sha256:7b2d26dd9d129f979074aad274bde463156b82669ae4e47396b178727f810c5b"),
];
/// What must stand nowhere once a rule says so.
const PERSONAL: [&str; 3] = ["alice", "Quarantine", "Ünïcode"];
/// An edit of everything that a rule is about, with white space that no record has.
const EDIT: &str =
    r#"{ "assignedTo": "alice@contoso.com", "customTags": ["Quarantine", "Ünïcode"], "status": "Active" }"#;

/// A folder with a key, a configuration and a journal.
struct Place {
    folder: TempDir,
    upstream: Upstream,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder"), upstream: Upstream::start() };
        place.key(KEY, 0o600);
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn audit(&self) -> std::path::PathBuf {
        self.path().join("audit")
    }

    fn key(&self, text: &str, mode: u32) {
        let file = self.path().join("audit.key");
        _ = fs::remove_file(&file);
        fs::write(&file, text).expect("a key");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("its owner's");
    }

    /// A guard with rules, and keys of `[audit]`.
    fn configure(&self, record: &str, audit: &str) {
        let record = if record.is_empty() { String::new() } else { format!("record = {{ {record} }}\n") };
        let text = format!(
            "[audit]\ndirectory = \"audit\"\n{audit}\n[log]\nrequests = \"all\"\n\
             [[guard]]\nschema = \"security-incident-update\"\n{record}"
        );
        // Replaced whole, so that a gateway that looks never sees half of it.
        let beside = self.path().join("new.toml");
        fs::write(&beside, text).expect("a configuration");
        fs::rename(&beside, self.path().join("patchgate.toml")).expect("it is replaced");
    }

    fn start(&self) -> Gateway {
        let upstream = format!("http://{}", self.upstream.address);
        let file = self.path().join("patchgate.toml");
        Gateway::start(&[
            "--config",
            file.to_str().expect("a path"),
            "--upstream",
            &upstream,
            "--log",
            "trace",
        ])
    }

    /// Runs a command in the folder. What it says has no path of this machine.
    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let output: Output =
            gateway::command(args).current_dir(self.path()).output().expect("the binary runs");
        let text = [output.stdout, output.stderr].concat();
        let text =
            String::from_utf8(text).expect("UTF-8").replace(&self.path().display().to_string(), "{folder}");
        (output.status.code(), text)
    }

    /// What the commands say of the journal, in every form.
    fn told(&self) -> String {
        let mut told = String::new();
        for args in [
            &["audit", "query"][..],
            &["audit", "query", "--format", "json"],
            &["audit", "query", "--format", "csv"],
            &["audit", "tail", "-n", "1000"],
            &["audit", "verify"],
        ] {
            let (code, text) = self.run(args);
            assert_eq!(code, Some(0), "{args:?}: {text}");
            told += &text;
        }
        told
    }

    /// All records of a kind, in their order.
    fn records(&self, kind: &str) -> Vec<Value> {
        let text: String =
            segments(&self.audit()).iter().map(|file| fs::read_to_string(file).expect("a segment")).collect();
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        records.filter(|record| record["kind"] == kind).collect()
    }

    /// Fails if a value that is to be kept out of the record stands in any file of the journal.
    fn assert_kept_out(&self) {
        let mut seen = 0;
        for entry in fs::read_dir(self.audit()).expect("the journal") {
            let file = entry.expect("a file").path();
            let bytes = fs::read(&file).expect("a file");
            seen += bytes.len();
            for value in PERSONAL {
                let found = bytes.windows(value.len()).any(|text| text == value.as_bytes());
                assert!(!found, "{value} stands in {}", file.display());
            }
        }
        assert!(seen > 0, "nothing was looked at");
    }
}

fn assert_says_nothing(said: &str) {
    for secret in PERSONAL.iter().chain([&KEY.trim()]) {
        assert!(!said.contains(secret), "'{secret}' was said: {said}");
    }
}

fn edited(gateway: &Gateway, body: &str) -> Response {
    let answer = gateway.patch(INCIDENT, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// The generation that answers.
fn generation(gateway: &Gateway) -> u64 {
    gateway.patch(INCIDENT, "{}").json()["error"]["innerError"]["generation"].as_u64().expect("a generation")
}

#[test]
fn a_value_stands_on_record_as_it_is_as_a_hash_or_not_at_all() {
    let [owner, tags, _] = HASHES;
    let rows = [
        (
            "",
            json!({"assignedTo": "alice@contoso.com", "customTags": ["Quarantine", "Ünïcode"], "status": "active"}),
            json!({}),
            json!([]),
        ),
        (
            r#"assignedTo = "hash", customTags = "omit""#,
            json!({"status": "active"}),
            json!({"assignedTo": owner.2}),
            json!(["customTags"]),
        ),
        (
            r#"assignedTo = "hash", customTags = "hash", status = "value""#,
            json!({"status": "active"}),
            json!({"assignedTo": owner.2, "customTags": tags.2}),
            json!([]),
        ),
        (
            r#"assignedTo = "omit", customTags = "omit", status = "omit""#,
            json!({}),
            json!({}),
            json!(["assignedTo", "customTags", "status"]),
        ),
    ];
    for (rules, edit, hashed, omitted) in rows {
        let place = Place::new();
        place.configure(rules, "hash_key = \"audit.key\"");
        let gateway = place.start();
        edited(&gateway, EDIT);
        let sent = place.upstream.arrived().pop().expect("it was sent").text();
        assert!(sent.contains("alice@contoso.com"), "what is sent is whole: {sent}");
        // Refused for another field, with everything in it.
        let refused = EDIT.replace("Active", "Quarantine");
        assert_eq!(gateway.patch(INCIDENT, &refused).status, 400);
        let (status, said) = gateway.stop();
        assert!(status.success(), "{said}");
        let or = |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
        let [intent] = &place.records("intent")[..] else { panic!("one intent") };
        assert_eq!(intent["edit"], edit, "{rules}");
        assert_eq!(or(&intent["hashed"], json!({})), hashed, "{rules}");
        assert_eq!(or(&intent["omitted"], json!([])), omitted, "{rules}");
        let [refusal] = &place.records("refusal")[..] else { panic!("one refusal") };
        assert_eq!(refusal["reasons"], json!(["invalidEnumValue /status"]), "{rules}");
        // The process's log has no value whatever the rule is.
        assert_says_nothing(&said);
        // Reading the record needs no key.
        fs::remove_file(place.path().join("audit.key")).expect("removed");
        let told = place.told();
        if rules.is_empty() {
            assert!(told.contains("alice@contoso.com"), "{told}");
            continue;
        }
        place.assert_kept_out();
        assert_says_nothing(&told);
        for (field, _) in hashed.as_object().expect("an object") {
            assert!(told.contains("hashed: ") && told.contains(field), "{told}");
        }
        assert_eq!(told.contains("omitted: "), omitted != json!([]), "{told}");
    }
}

/// A hash is over the one document that is sent: what the caller writes otherwise is the same.
#[test]
fn a_hash_is_what_anybody_with_the_key_computes() {
    let place = Place::new();
    place.configure(r#"assignedTo = "hash", customTags = "hash""#, "hash_key = \"audit.key\"");
    let gateway = place.start();
    for (field, value, _) in HASHES {
        edited(&gateway, &format!("{{ \"{field}\" :\t{value} }}"));
    }
    edited(&gateway, r#"{"assignedTo":"\u0061lice@contoso.com"}"#);
    drop(gateway);
    let hashed: Vec<Value> = place.records("intent").iter().map(|intent| intent["hashed"].clone()).collect();
    let mut expected: Vec<Value> = HASHES.iter().map(|(field, _, hash)| json!({ *field: *hash })).collect();
    expected.push(expected[0].clone());
    assert_eq!(hashed, expected);
}

/// The line of the README with which an auditor finds out whether a hash is that of a value.
#[test]
#[ignore = "needs openssl"]
fn the_readmes_line_computes_a_hash() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("it");
    let lines: Vec<&str> = readme.lines().filter(|line| line.contains("openssl dgst")).collect();
    let [line] = lines[..] else { panic!("one such line: {lines:?}") };
    let place = Place::new();
    let output = std::process::Command::new("sh").args(["-c", line]).current_dir(place.path()).output();
    let said = String::from_utf8(output.expect("a shell").stdout).expect("UTF-8");
    let (field, value, hash) = HASHES[0];
    assert!(line.contains(field) && line.contains(value), "{line}");
    assert!(said.trim().ends_with(hash.trim_start_matches("hmac-sha256:")), "{said}");
}

#[test]
fn a_reload_takes_rules_and_key_over_with_its_generation() {
    let place = Place::new();
    let key = "hash_key = \"audit.key\"";
    place.configure("", key);
    let gateway = place.start();
    let mut last = generation(&gateway);
    let mut reloaded = |what: &str| {
        let next = last + 1;
        until(what, || generation(&gateway) == next);
        last = next;
        edited(&gateway, EDIT);
    };
    edited(&gateway, EDIT);
    place.configure(r#"assignedTo = "hash", customTags = "omit""#, key);
    reloaded("hashed");
    // Another key in the same file.
    place.key("another-secret-0123456789", 0o600);
    reloaded("another key");
    // What would be refused at a start is refused now, and the rules of before stay.
    place.key("short", 0o600);
    let ready = || patchgate_tests::client::Connection::open(gateway.admin).get("/readyz", &[]).text();
    until("the refusal", || ready().contains("audit.hash_key: the key 'audit.key' has 5 bytes"));
    edited(&gateway, EDIT);
    place.configure(r#"assignedTo = "omit", customTags = "omit""#, "");
    reloaded("omitted");
    let (_, said) = gateway.stop();
    assert!(!said.contains("secret"), "{said}");
    let intents = place.records("intent");
    let generations: Vec<_> = intents.iter().map(|intent| intent["generation"].clone()).collect();
    assert_eq!(generations, [1, 2, 3, 3, 4]);
    let hashes: Vec<_> = intents.iter().map(|intent| intent["hashed"]["assignedTo"].clone()).collect();
    assert_eq!((&hashes[0], &hashes[1], &hashes[4]), (&Value::Null, &json!(HASHES[0].2), &Value::Null));
    assert!(hashes[2].is_string() && hashes[2] != hashes[1] && hashes[3] == hashes[2], "{hashes:?}");
    assert_eq!(intents[0]["edit"]["assignedTo"], "alice@contoso.com");
    assert_eq!(intents[4]["omitted"], json!(["assignedTo", "customTags"]));
}

/// Whatever is wrong is told at once, with its place, and the key itself never is.
#[test]
fn what_cannot_be_followed_is_a_fault_of_the_configuration() {
    type Change = fn(&Place);
    let nothing: Change = |_| ();
    let hashed = r#"assignedTo = "hash""#;
    let named = "hash_key = \"audit.key\"";
    let rows: [(&str, &str, &str, Change); 17] = [
        (
            "a field that is none, and two that are",
            r#"assigned_to = "hash", status = "omit", customTags = "value""#,
            named,
            nothing,
        ),
        ("a word that is none", r#"assignedTo = "hashed", status = true"#, named, nothing),
        ("a name that acts on a terminal", r#""\u001b[31m" = "omit""#, "", nothing),
        ("no key", hashed, "", nothing),
        ("no file of that name", hashed, "hash_key = \"no.key\"", nothing),
        ("a short key", hashed, named, |place| place.key("0123456789abcde\n\n", 0o600)),
        ("an empty key, not needed", "", named, |place| place.key("\n", 0o600)),
        ("a large file", hashed, named, |place| place.key(&"k".repeat(5000), 0o600)),
        ("a folder", hashed, "hash_key = \".\"", nothing),
        ("a key that all may read", hashed, named, |place| place.key(KEY, 0o644)),
        ("a key that the group may read", hashed, named, |place| place.key(KEY, 0o640)),
        (
            "units",
            "",
            "keep_for = \"400\"\nkeep_bytes = 1\nsegment_bytes = \"64K\"\nsegment_age = \"1y\"",
            nothing,
        ),
        (
            "too little",
            "",
            "keep_for = \"400m\"\nkeep_bytes = \"0B\"\nsegment_bytes = \"63KiB\"\nsegment_age = \"1ms\"",
            nothing,
        ),
        (
            "too much",
            "",
            "keep_for = \"36501d\"\nkeep_bytes = \"1025TiB\"\nsegment_bytes = \"5GiB\"\nsegment_age = \"32d\"",
            nothing,
        ),
        ("few segments", "", "keep_bytes = \"255MiB\"", nothing),
        ("segments that outlast the records", "", "keep_for = \"2d\"\nsegment_age = \"3d\"", nothing),
        ("a key that is none", "", "retention = \"30d\"\nsegment_size = \"1MiB\"", nothing),
    ];
    let mut shown = String::new();
    for (what, record, audit, change) in rows {
        let place = Place::new();
        place.configure(record, audit);
        change(&place);
        let (code, said) = place.run(&["config", "check", "--config", "patchgate.toml"]);
        assert_eq!(code, Some(2), "{what}: {said}");
        assert!(!said.contains(KEY.trim()) && !said.contains('\u{1b}'), "{said}");
        writeln!(shown, "# {what}\n{said}").expect("text");
    }
    for record in ["record = \"hash\"\n", "record = [\"assignedTo\"]\n"] {
        let place = Place::new();
        let text = format!("[[guard]]\nschema = \"security-incident-update\"\n{record}");
        fs::write(place.path().join("patchgate.toml"), text).expect("a configuration");
        let (code, said) = place.run(&["config", "check", "--config", "patchgate.toml"]);
        assert_eq!(code, Some(2), "{said}");
        writeln!(shown, "# no table\n{said}").expect("text");
    }
    assert_snapshot!("faults", shown);
    // A start says the same.
    let place = Place::new();
    place.configure(hashed, named);
    place.key(KEY, 0o604);
    let mut command = gateway::command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.current_dir(place.path()).args(["--config", "patchgate.toml"]);
    let output = gateway::refused_start(command);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("is not its owner's alone: its mode is 0604"), "{said}");
    assert!(!place.audit().exists(), "nothing was opened");
}

#[test]
fn what_is_set_is_shown_and_a_variable_sets_it_too() {
    let place = Place::new();
    place.configure(
        r#"customTags = "omit", assignedTo = "hash""#,
        "hash_key = \"other.key\"\nkeep_for = \"400d\"\nkeep_bytes = \"50GiB\"\nsegment_bytes = \"1MiB\"\nsegment_age = \"90m\"",
    );
    let variables = [("PATCHGATE_AUDIT__HASH_KEY", "audit.key"), ("PATCHGATE_AUDIT__KEEP_FOR", "2w 48h")];
    let args = ["config", "show", "--config", "patchgate.toml"];
    let run = |args: &[&str]| {
        let mut command = gateway::command(args);
        command.current_dir(place.path()).envs(variables).output().expect("the binary runs")
    };
    let output = run(&args);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success() && !said.contains(KEY.trim()), "{said}");
    let ours = |line: &&str| line.starts_with("audit.") || line.starts_with("guard[0]");
    let lines: Vec<&str> = said.lines().filter(ours).collect();
    assert_snapshot!("shown", lines.join("\n"));
    // The file of the variable is there, the one of the configuration is not.
    let output = run(&["config", "check", "--config", "patchgate.toml"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
