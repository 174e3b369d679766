//! The configuration as its user meets it: what is found, what is said of it, what is in force.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use insta::assert_snapshot;
use patchgate_tests::gateway::{self, Gateway};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A command that is run in a folder.
fn command_in(folder: &Path, args: &[&str]) -> Command {
    let mut command = gateway::command(args);
    command.current_dir(folder).env("XDG_CONFIG_HOME", folder.join("xdg"));
    command
}

fn run_in(folder: &Path, args: &[&str]) -> Output {
    command_in(folder, args).output().expect("the binary runs")
}

/// What was said on standard output and standard error, without the path of the folder.
fn said(folder: &Path, output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).replace(folder.to_str().expect("a path"), "{folder}");
        assert!(!text.contains("panicked"), "{text}");
        text
    };
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_file_is_the_one_here_else_the_one_of_the_platform_and_it_is_said_which() {
    let folder = folder();
    let here = folder.path();
    let show = || {
        let output = run_in(here, &["config", "show", "--format", "json"]);
        assert!(output.status.success());
        let (out, err) = said(here, &output);
        let told: Value = serde_json::from_str(&out).expect("JSON");
        let body = told["values"].as_array().expect("values").iter().find(|v| v["key"] == "limits.body");
        (body.expect("the key")["value"].as_str().expect("a value").to_owned(), err)
    };
    assert_eq!(show(), ("256KiB".to_owned(), String::new()));
    fs::create_dir_all(here.join("xdg/patchgate")).expect("a folder");
    fs::write(here.join("xdg/patchgate/patchgate.toml"), "[limits]\nbody = \"1KiB\"\n").expect("a file");
    assert_eq!(
        show(),
        ("1KiB".to_owned(), "configuration: {folder}/xdg/patchgate/patchgate.toml\n".to_owned())
    );
    fs::write(here.join("patchgate.toml"), "[limits]\nbody = \"2KiB\"\n").expect("a file");
    assert_eq!(show(), ("2KiB".to_owned(), "configuration: {folder}/patchgate.toml\n".to_owned()));
    // One that cannot be read is not passed over.
    fs::remove_file(here.join("patchgate.toml")).expect("removed");
    fs::create_dir(here.join("patchgate.toml")).expect("a folder");
    let output = run_in(here, &["config", "check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(here, &output).1.contains("it is a folder"));
}

#[test]
fn each_value_is_shown_with_its_source() {
    let folder = folder();
    let text = "[upstream]\nurl = \"https://user:hunter2@graph.example\"\n[limits]\nbody = \"1024B\"\n\
                [timeouts]\nidle = \"120s\"\n[telemetry]\notlp = { endpoint = \"http://u:hunter2@127.0.0.1:1\" }\n";
    fs::write(folder.path().join("a.toml"), text).expect("a file");
    let args = ["config", "show", "--config", "a.toml", "--listen", "[::1]:0"];
    let output = command_in(folder.path(), &args)
        .env("PATCHGATE_LOG__REQUESTS", "all")
        .env("PATCHGATE_TIMEOUTS__IDLE", "90s")
        .output()
        .expect("it runs");
    let (out, err) = said(folder.path(), &output);
    assert_eq!((output.status.code(), err.as_str()), (Some(0), ""));
    assert!(!out.contains("hunter2"), "{out}");
    assert_snapshot!("show", out);
    let output =
        command_in(folder.path(), &[&args[..], &["--format", "json"]].concat()).output().expect("it runs");
    let (out, _) = said(folder.path(), &output);
    assert!(!out.contains("hunter2"), "{out}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["file"], "a.toml");
    let of = |key: &str| {
        let value = told["values"].as_array().expect("values").iter().find(|value| value["key"] == key);
        value.unwrap_or_else(|| panic!("{key}")).clone()
    };
    assert_eq!(of("listen.address")["source"]["name"], "--listen");
    assert_eq!(
        (of("limits.body")["value"].as_str(), of("limits.body")["source"]["line"].as_u64()),
        (Some("1KiB"), Some(4))
    );
    assert_eq!(of("limits.json_depth")["value"], 8);
    assert_eq!(of("listen.insecure")["value"], false);
    assert_eq!(of("upstream.roots")["value"], Value::Null);
}

/// The path of a request begins with its version; that of the upstream must not end with one.
#[test]
fn an_upstream_has_no_version_in_it() {
    let folder = folder();
    for (url, write) in [
        ("https://graph.example/v1.0", Some("https://graph.example")),
        ("https://graph.example/here/Beta/", Some("https://graph.example/here")),
        ("https://graph.example/here", None),
        ("https://graph.example/v1.0/here", None),
        ("https://beta", None),
    ] {
        let output = run_in(folder.path(), &["config", "check", "--upstream", url]);
        let (_, err) = said(folder.path(), &output);
        match write {
            Some(write) => assert!(err.contains(&format!("help: write \"{write}\"")), "{url}: {err}"),
            None => assert_eq!(err, "", "{url}"),
        }
    }
}

/// Neither of its listeners is Graph: requests would come back, or tokens go to where health is.
#[test]
fn an_upstream_is_not_the_gateway_itself() {
    let folder = folder();
    for (url, itself) in [
        ("http://127.0.0.1:4080", Some("listen.address")),
        ("http://127.0.0.1:4081/graph", Some("admin.address")),
        ("http://127.0.0.1:4082", None),
    ] {
        let output = run_in(folder.path(), &["config", "check", "--upstream", url]);
        let (_, err) = said(folder.path(), &output);
        match itself {
            Some(key) => assert!(err.contains(&format!("is this gateway itself ({key})")), "{url}: {err}"),
            None => assert_eq!(err, "", "{url}"),
        }
    }
}

/// A configuration without an upstream is one of a gateway whose edits go nowhere: whoever looks at it is told so.
#[test]
fn an_upstream_that_nobody_named_is_said() {
    let folder = folder();
    for (name, text, embedded) in
        [("none.toml", "", true), ("one.toml", "[upstream]\nurl = \"https://graph.example\"\n", false)]
    {
        fs::write(folder.path().join(name), text).expect("a file");
        for command in ["check", "show"] {
            let args = ["config", command, "--config", name];
            let (out, _) = said(folder.path(), &run_in(folder.path(), &args));
            let says = out.contains("upstream: the embedded Graph, in memory");
            assert_eq!(says, embedded, "{command}: {out}");
            let json = [&args[..], &["--format", "json"]].concat();
            let (out, _) = said(folder.path(), &run_in(folder.path(), &json));
            let told: Value = serde_json::from_str(&out).expect("JSON");
            assert_eq!(told["embedded_upstream"], embedded, "{command}: {out}");
        }
    }
}

/// Files that are no configuration at all, and what is said.
#[test]
fn what_is_no_configuration_is_refused_in_words() {
    let folder = folder();
    let file = folder.path().join("a.toml");
    let mut text = String::new();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("a byte order mark", b"\xef\xbb\xbf[limits]\nbody = \"1\"\n"),
        ("not UTF-8", b"[limits]\nbody = \"\xff\"\n"),
        ("UTF-16", b"\xff\xfe[\0l\0]\0"),
        ("NUL", b"[limits]\n\0\n"),
        ("Windows line ends", b"[limits]\r\nbody = \"1\"\r\n"),
        ("JSON", b"{\"limits\": {}}\n"),
        ("control characters", b"\"\\u001b[31m\" = 1\n"),
        ("a key that is a path", b"limits.body = \"1\"\n"),
        ("a key twice", b"[limits]\nbody = \"1KiB\"\nbody = \"1KiB\"\n"),
        ("a table twice", b"[limits]\n[limits]\n"),
        ("unclosed", b"[limits]\nbody = \"1KiB\n"),
        ("expansion", b"[upstream]\nurl = \"${GRAPH}\"\n"),
    ] {
        fs::write(&file, bytes).expect("a file");
        let output = run_in(folder.path(), &["config", "check", "--config", "a.toml"]);
        let (out, err) = said(folder.path(), &output);
        let code = output.status.code().expect("a status");
        writeln!(text, "# {name}: {code}\n{out}{err}").expect("text");
    }
    let large = format!("# {}\n", "x".repeat(1024 * 1024));
    fs::write(&file, large).expect("a file");
    let output = run_in(folder.path(), &["config", "check", "--config", "a.toml"]);
    write!(text, "# too large\n{}", said(folder.path(), &output).1).expect("text");
    assert_snapshot!("no-configuration", text);
}

/// Guards and routes that would get around each other.
#[test]
fn what_gets_around_a_guard_is_refused() {
    let folder = folder();
    let route = |path: &str| format!("[[route]]\nmethods = [\"GET\"]\npath = \"/{{version}}{path}\"\n");
    let all: String = [
        "/security/incidents/{incidentId}/$value",
        "/security/incidents/{incidentId}/microsoft.graph.security.incident",
        "/security/incidents/mergeIncidents",
        "/security/incidents/microsoft.graph.security.mergeIncidents",
        "/security/Incidents/{incidentId}",
        "/security/incidents/{id}",
        "/$batch",
        "/security/incidents/$ref",
    ]
    .map(route)
    .concat();
    fs::write(folder.path().join("a.toml"), all).expect("a file");
    let output = run_in(folder.path(), &["config", "check", "--config", "a.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!("around", said(folder.path(), &output).1);
}

/// No guard has to do with it, and none is spoken of.
#[test]
fn routes_that_overlap_are_refused() {
    let folder = folder();
    let route = |path: &str| format!("[[route]]\nmethods = [\"GET\"]\npath = \"/{{version}}{path}\"\n");
    let both = ["/users/{id}", "/Users/{userId}"].map(route).concat();
    fs::write(folder.path().join("a.toml"), both).expect("a file");
    let output = run_in(folder.path(), &["config", "check", "--config", "a.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let (_, err) = said(folder.path(), &output);
    assert!(
        err.contains("route[1].path: '/{version}/Users/{userId}' overlaps '/{version}/users/{id}'"),
        "{err}"
    );
    assert!(err.contains("help: a request has one route; leave one of them out"), "{err}");
    assert!(!err.contains("guard"), "{err}");
}

#[test]
fn faults_are_told_to_programs_too() {
    let folder = folder();
    fs::write(folder.path().join("a.toml"), "[limits]\nbody = \"1\"\n").expect("a file");
    let output = command_in(folder.path(), &["config", "check", "--config", "a.toml", "--format", "json"])
        .env("PATCHGATE_LOG__FORMAT", "xml")
        .output()
        .expect("it runs");
    let (out, err) = said(folder.path(), &output);
    assert_eq!((output.status.code(), err.as_str()), (Some(2), ""));
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["accepted"], false);
    let faults = told["faults"].as_array().expect("faults");
    assert_eq!(faults.len(), 2, "{out}");
    let [first, second] = &faults[..] else { panic!("{out}") };
    assert_eq!(
        (&first["key"], &first["line"], &first["column"]),
        (&"limits.body".into(), &2.into(), &8.into())
    );
    assert_eq!(
        (&second["key"], &second["variable"]),
        (&"log.format".into(), &"PATCHGATE_LOG__FORMAT".into())
    );
    fs::write(folder.path().join("a.toml"), "").expect("a file");
    let output = run_in(folder.path(), &["config", "check", "--config", "a.toml", "--format", "json"]);
    assert_eq!(
        said(folder.path(), &output).0,
        "{\"accepted\":true,\"embedded_upstream\":true,\"faults\":[]}\n"
    );
}

#[test]
fn colours_are_where_somebody_sees_them() {
    let folder = folder();
    fs::write(folder.path().join("a.toml"), "x = 1\n").expect("a file");
    for (args, variable, coloured) in [
        (&["config", "check", "--config", "a.toml"][..], None, false),
        (&["config", "check", "--config", "a.toml", "--color", "always"], None, true),
        (&["--color=always", "config", "check", "--config", "a.toml"], None, true),
        (&["--color=always", "config", "check", "--config", "a.toml"], Some("NO_COLOR"), true),
        (&["config", "check", "--config", "a.toml", "--color", "never"], Some("CLICOLOR_FORCE"), false),
        (&["--color", "always", "--nope"], None, true),
    ] {
        let mut command = command_in(folder.path(), args);
        command.envs(variable.map(|name| (name, "1")));
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(output.stderr.contains(&0x1b), coloured, "{args:?} {variable:?}");
    }
}

#[test]
fn a_variable_is_over_the_file_and_a_flag_over_both_when_it_runs() {
    let file = "[limits]\nbody = \"1KiB\"\n";
    let folder = folder();
    let path = folder.path().join("a.toml");
    fs::write(&path, file).expect("a file");
    let gateway = Gateway::start_with(
        &["--config", path.to_str().expect("a path")],
        &[("PATCHGATE_LIMITS__BODY", "3B"), ("PATCHGATE_LISTEN__ADDRESS", "192.0.2.1:1")],
    );
    let refused = gateway.patch("/v1.0/security/incidents/1", r#"{"status":"active"}"#);
    assert_eq!(refused.status, 413);
}

/// Messages about the machine: what happened, where, what to do. Status 2, or a warning where it may pass.
#[test]
fn what_the_machine_lacks_is_said() {
    let folder = folder();
    let none = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
    let mut command = command_in(
        folder.path(),
        &["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", "https://192.0.2.1"],
    );
    command.envs(none);
    let output = gateway::refused_start(command);
    assert_eq!(output.status.code(), Some(2));
    let (_, err) = said(folder.path(), &output);
    assert!(err.contains("certificate store is empty") && err.contains("ca-certificates"), "{err}");
    assert!(err.contains("upstream.roots") && !err.contains("os error"), "{err}");

    let mut command = command_in(folder.path(), &["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.envs(none).env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://192.0.2.1");
    let output = gateway::refused_start(command);
    assert_eq!(output.status.code(), Some(2));
    let (_, err) = said(folder.path(), &output);
    assert!(err.contains("No CA certificates") && err.contains("ca-certificates"), "{err}");

    let config = "[upstream]\nurl = \"http://nothing.invalid\"\ninsecure = true\n";
    let gateway = Gateway::configured(config, &[]);
    assert_eq!(gateway.get("/v1.0/security/incidents/1").code(), "UpstreamUnreachable");
    let (status, log) = gateway.stop();
    assert!(status.success());
    assert!(log.contains("no answer from upstream"), "{log}");
}

#[test]
#[ignore = "needs /dev/full"]
fn a_result_that_cannot_be_written_is_an_error() {
    let folder = folder();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let output = command_in(folder.path(), &["config", "show"]).stdout(full).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(said(folder.path(), &output).1, "error: cannot write the result: the disk is full\n");
}

/// A line of the kernel's settings that can be written to and not read, by root neither, and one that is the other way round.
#[test]
#[ignore = "needs /proc/sys"]
fn what_this_user_may_not_do_is_said() {
    let (unread, unwritten) = ("/proc/sys/vm/compact_memory", "/proc/sys/kernel/ostype");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pages/print-job-update.md");
    let page = page.to_str().expect("a path");
    let folder = folder();
    let schema = format!("[[guard]]\nschema = \"{unread}\"\n");
    fs::write(folder.path().join("schema.toml"), schema).expect("a file");
    let key = format!("[audit]\nhash_key = \"{unread}\"\n");
    fs::write(folder.path().join("key.toml"), key).expect("a file");
    let roots = format!("[upstream]\ncloud = \"global\"\nroots = \"{unread}\"\n");
    fs::write(folder.path().join("roots.toml"), roots).expect("a file");
    for args in [
        &["config", "check", "--config", unread][..],
        &["config", "check", "--config", "schema.toml"],
        &["config", "check", "--config", "roots.toml"],
        &["config", "check", "--config", "key.toml"],
        &["check", unread],
        &["schema", "show", unread],
        &["schema", "derive", unread],
        &["schema", "derive", page, "--output", unwritten],
        &["emulate", "--listen", "127.0.0.1:0", "--faults", unread],
    ] {
        let output = run_in(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let (_, err) = said(folder.path(), &output);
        let path = if args.contains(&unwritten) { unwritten } else { unread };
        assert!(err.contains("this user may not do that") && err.contains(path), "{args:?}: {err}");
        assert!(err.contains("error: ") && !err.contains("os error"), "{args:?}: {err}");
        assert!(!err.contains("a relative path"), "that is not what is wrong: {args:?}: {err}");
    }
}

#[test]
fn a_schema_that_does_not_load_is_shown_with_its_line() {
    let folder = folder();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/security-incident-update.json");
    let shipped = fs::read_to_string(shipped).expect("the schema");
    let misspelt = shipped.replacen("\"maxLength\":", "\"maxLenght\":", 1);
    assert_ne!(misspelt, shipped);
    fs::write(folder.path().join("misspelt.json"), misspelt).expect("a file");
    fs::write(folder.path().join("cut.json"), shipped.get(..400).expect("a part")).expect("a file");
    let mut text = String::new();
    for schema in ["./misspelt.json", "./cut.json"] {
        let config = format!("[[guard]]\nschema = \"{schema}\"\n");
        fs::write(folder.path().join("patchgate.toml"), config).expect("a file");
        for args in [&["config", "check"][..], &["schema", "show", schema]] {
            let output = run_in(folder.path(), args);
            assert_eq!(output.status.code(), Some(2), "{args:?}");
            writeln!(text, "$ patchgate {}\n{}", args.join(" "), said(folder.path(), &output).1)
                .expect("text");
        }
    }
    assert_snapshot!("schema-lines", text);
}
