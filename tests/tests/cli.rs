//! The command line: what it prints, where, and with which exit status.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use insta::assert_snapshot;
use patchgate_tests::client::Connection;
use patchgate_tests::gateway;
use patchgate_tests::process::until;
use serde_json::Value;
use tempfile::TempDir;

const GOOD: &str = r#"{"status":"Resolved","customTags":["a"]}"#;
const BAD: &str = r#"{"status":"Resolvd","assigned_to":null}"#;

/// What a command did, as a reader sees it; the name of the binary under test is that of the product.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Told {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace("patchgate-under-test", "patchgate");
        let told = Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!told.err.contains("panicked"), "{}", told.err);
        told
    }

    /// The result, where all went well.
    fn result(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""));
        self.out
    }

    /// The message, where the command could not be done.
    fn failure(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{}", self.err);
        assert!(!self.err.is_empty(), "nothing is said");
        self.err
    }
}

fn run(args: &[&str]) -> Told {
    Told::of(&gateway::run(args))
}

/// What a command says that should serve, and cannot.
fn unstarted(args: &[&str]) -> String {
    Told::of(&gateway::refused_start(gateway::command(args))).failure()
}

/// Files of a test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).expect("a file");
        self.path(name)
    }

    /// A text without the path of this folder.
    fn redacted(&self, text: &str) -> String {
        text.replace(self.0.path().to_str().expect("a path in UTF-8"), "{folder}")
    }
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pages").join(name)
}

fn page_text(name: &str) -> String {
    fs::read_to_string(page(name)).expect("the fixture page")
}

/// A command whose standard output nobody reads any more, with this on its standard input. Nothing of it is written before
/// the reader is gone.
fn unread(args: &[&str], input: &str) -> Output {
    let mut command = gateway::command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    drop(child.stdout.take());
    child.stdin.take().expect("input").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn fed(args: &[&str], input: &str) -> Told {
    let mut command = gateway::command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    child.stdin.take().expect("input").write_all(input.as_bytes()).expect("it reads");
    Told::of(&child.wait_with_output().expect("it ends"))
}

#[test]
fn help_reads_like_a_manual() {
    assert_snapshot!("help", run(&["--help"]).result());
    assert_snapshot!("help-run", run(&["run", "--help"]).result());
    assert_snapshot!("help-emulate", run(&["emulate", "--help"]).result());
    assert_snapshot!("help-check", run(&["check", "--help"]).result());
    assert_snapshot!("help-config", run(&["config", "--help"]).result());
    assert_snapshot!("help-config-check", run(&["config", "check", "--help"]).result());
    assert_snapshot!("help-config-show", run(&["config", "show", "--help"]).result());
    assert_snapshot!("help-completions", run(&["completions", "--help"]).result());
    assert_snapshot!("help-audit", run(&["audit", "--help"]).result());
    assert_snapshot!("help-audit-verify", run(&["audit", "verify", "--help"]).result());
    assert_snapshot!("help-audit-checkpoint", run(&["audit", "checkpoint", "--help"]).result());
    assert_snapshot!("help-audit-tail", run(&["audit", "tail", "--help"]).result());
    assert_snapshot!("help-audit-query", run(&["audit", "query", "--help"]).result());
    assert_snapshot!("help-schema", run(&["schema", "--help"]).result());
    assert_snapshot!("help-schema-derive", run(&["schema", "derive", "--help"]).result());
    assert_snapshot!("help-schema-show", run(&["schema", "show", "--help"]).result());
    assert_snapshot!("help-schema-diff", run(&["schema", "diff", "--help"]).result());
}

/// Each line is a command, or goes on with one behind a backslash: none is broken where it is too long.
#[test]
fn the_examples_of_the_help_can_be_copied() {
    let mut seen = 0;
    for command in [
        "",
        "run",
        "emulate",
        "check",
        "config check",
        "config show",
        "completions",
        "audit verify",
        "audit checkpoint",
        "audit tail",
        "audit query",
        "schema derive",
        "schema show",
        "schema diff",
    ] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = run(&args).result();
        let (_, examples) = help.split_once("Examples:\n").expect(command);
        let mut goes_on = false;
        for line in examples.lines().take_while(|line| !line.is_empty()) {
            let begins = if goes_on { &["      "][..] } else { &["  patchgate ", "  PATCHGATE_", "  echo "] };
            assert!(begins.iter().any(|begin| line.starts_with(begin)), "{command}: {line}");
            goes_on = line.ends_with('\\');
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}

#[test]
fn the_version_says_what_was_built_from_what() {
    let told = run(&["--version"]).result();
    let rest = told.strip_prefix(&format!("patchgate {} (commit ", env!("CARGO_PKG_VERSION"))).expect(&told);
    let (commit, target) = rest.trim_end().trim_end_matches(')').split_once(", ").expect(rest);
    assert!(!commit.is_empty() && commit.bytes().all(|b| b.is_ascii_alphanumeric()), "{told}");
    assert!(target.split('-').count() >= 3 && target.starts_with(std::env::consts::ARCH), "{told}");
    assert_eq!(run(&["-V"]).result(), told);
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let mut text = String::new();
    for args in [
        &["--nope"][..],
        &["rum"],
        &["--config"],
        &["run", "emulate"],
        &["emulate", "--listen", "127.0.0.1"],
        &["check"],
        &["check", "--format", "xml", "a.json"],
        &["schema"],
        &["schema", "derive"],
        &["schema", "derive", "a.md", "--version", "v3"],
        &["schema", "derive", "a.md", "--key", "jobId"],
        &["schema", "derive", "a.md", "--key", "jobId=[^/]+"],
        &["schema", "derive", "a.md", "--cloud", "mars"],
        &["schema", "show"],
        &["--listen", "127.0.0.1:0", "check", "a.json"],
        &["--config", "a.toml", "check", "a.json"],
        &["--log", "info", "config", "check"],
        &["--listen", "127.0.0.1:0", "config", "check"],
        &["audit"],
        &["audit", "query", "--since", "yesterday"],
        &["audit", "query", "--result", "done"],
        &["audit", "tail", "-n", "-1"],
        &["config"],
        &["config", "check", "--format", "xml"],
        &["completions"],
        &["completions", "klingon"],
        &["--color", "blue"],
    ] {
        let told = run(args).failure();
        writeln!(text, "$ patchgate {}\n{}", args.join(" "), told.trim_end()).expect("text");
    }
    assert_snapshot!("usage-errors", text);
}

#[test]
fn the_shipped_schema_is_shown() {
    assert_snapshot!("schema-show", run(&["schema", "show", "security-incident-update"]).result());
}

#[test]
fn a_schema_that_is_not_there_is_named() {
    let folder = Folder::new();
    let broken = folder.write("broken.json", "{\n");
    let open = folder.write("open.json", r#"{"type":"object"}"#);
    let mut text = String::new();
    for name in ["security-incident-updat", "nothing", "./nothing.json", &broken, &open] {
        text.push_str(&folder.redacted(&run(&["schema", "show", name]).failure()));
    }
    assert_snapshot!("schema-show-errors", text);
}

#[test]
fn check_decides_as_the_gateway_does() {
    let folder = Folder::new();
    let (good, bad) = (folder.write("good.json", GOOD), folder.write("bad.json", BAD));
    let broken = folder.write("broken.json", "{\"status\":\n");

    let told = run(&["check", &good]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    assert_snapshot!("check-good", folder.redacted(&told.out));

    let told = run(&["check", &bad]);
    assert_eq!((told.code, told.err.as_str()), (Some(1), ""));
    assert_snapshot!("check-bad", folder.redacted(&told.out));

    let told = run(&["check", "--guard", "security-incident-update", &good, &bad, &broken, &good]);
    assert_eq!((told.code, told.err.as_str()), (Some(1), ""));
    assert_snapshot!("check-several", folder.redacted(&told.out));

    let told = run(&["check", "--format", "json", &good, &bad, &broken]);
    assert_eq!((told.code, told.err.as_str()), (Some(1), ""));
    let decisions: Vec<Value> =
        told.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(decisions.len(), 3);
    assert_snapshot!("check-json", folder.redacted(&told.out));
}

#[test]
fn check_reads_standard_input() {
    let told = fed(&["check", "-"], BAD);
    assert_eq!((told.code, told.err.as_str()), (Some(1), ""));
    assert_snapshot!("check-input", told.out);
    assert_eq!(fed(&["check", "--format", "json", "-"], GOOD).code, Some(0));
    assert_eq!(fed(&["check", "-"], "").code, Some(1), "nothing is no JSON");
    let cut = fed(&["check", "-"], "{\"status\":\"active\",\n");
    assert!(cut.out.contains("line 2, column 1\n --> -:2:1\n"), "{}", cut.out);
}

#[test]
fn check_shows_nothing_that_acts_on_a_terminal() {
    let folder = Folder::new();
    let tags = ["\u{202e}gnirts", "\u{9b}31mRED"];
    let good = folder.write("g\u{9b}.json", &format!("{{\"customTags\":[\"{}\",\"{}\"]}}", tags[0], tags[1]));
    let bad = folder.write("b\u{9b}.json", &format!("{{\"status\":\"{}\", \"x\": 1}}", tags[1]));
    let files: [&str; 3] = [&good, &bad, "\u{9b}.json"];
    let acts = |c: char| c != '\n' && patchgate_model::quote::acts(c);
    let told = run(&[&["check"][..], &files].concat());
    assert!(!told.out.contains(acts) && !told.err.contains(acts), "{:?} {:?}", told.out, told.err);
    assert!(told.out.contains(r"\u202egnirts") && told.out.contains("\u{fffd}31mRED"), "{}", told.out);
    let told = run(&[&["check", "--format", "json"][..], &files].concat());
    assert!(!told.out.contains(acts), "{:?}", told.out);
    let first: Value = serde_json::from_str(told.out.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["file"], good.as_str());
    assert_eq!(first["edit"]["customTags"], Value::from(tags.to_vec()));
}

#[cfg(unix)]
#[test]
fn check_reads_no_more_of_a_body_than_it_may_have() {
    let told = run(&["check", "/dev/zero"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    assert!(told.out.contains("262144"), "{}", told.out);
}

#[test]
fn check_says_what_it_could_not_check() {
    let folder = Folder::new();
    let good = folder.write("good.json", GOOD);
    let mut text = String::new();
    for args in [
        &["check", &folder.path("nothing.json")][..],
        &["check", &folder.path(".")],
        &["check", "--guard", "security-incident-updat", &good],
        &["check", "--guard", "nothing", &good],
        &["check", "--config", &folder.path("nothing.toml"), &good],
    ] {
        text.push_str(&folder.redacted(&run(args).failure()));
    }
    assert_snapshot!("check-errors", text);

    // What was decided before is a result all the same; the status is that of what could not be checked.
    for first in [good, folder.write("bad.json", BAD)] {
        let told = run(&["check", &first, &folder.path("nothing.json")]);
        assert_eq!(told.code, Some(2));
        assert!(
            told.out.starts_with(&first) && told.err.contains("nothing.json"),
            "{}{}",
            told.out,
            told.err
        );
    }
}

#[test]
fn check_wants_to_know_which_of_several_guards() {
    let folder = Folder::new();
    let schema = folder.path("print-job-update.json");
    derive(&page("print-job-update.md"), &["--output", &schema]);
    let guards =
        "[[guard]]\nschema = \"security-incident-update\"\n[[guard]]\nschema = \"./print-job-update.json\"\n";
    let config = folder.write("patchgate.toml", guards);
    let good = folder.write("job.json", r#"{"copies":2}"#);
    let told = run(&["check", "--config", &config, &good]).failure();
    assert_eq!(
        told,
        "error: --guard is needed, as there are several: security-incident-update, print-job-update\n"
    );
    assert_eq!(run(&["check", "--config", &config, "--guard", "print-job-update", &good]).code, Some(0));
    assert_eq!(
        run(&["check", "--config", &config, "--guard", "security-incident-update", &good]).code,
        Some(1)
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for (input, code) in [(GOOD, 0), (BAD, 1)] {
        let output = unread(&["check", "-"], input);
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
    let fixture = page("security-incident-update.md");
    for args in [
        &["--help"][..],
        &["--version"],
        &["schema", "show", "security-incident-update"],
        &["schema", "derive", fixture.to_str().expect("a path")],
    ] {
        let mut command = gateway::command(args);
        command.stdout(closed_pipe());
        let output =
            command.stderr(Stdio::piped()).spawn().expect("it starts").wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

/// The writing end of a pipe that nobody reads: the input of a process that has ended.
fn closed_pipe() -> Stdio {
    let mut gone = Command::new("true").stdin(Stdio::piped()).spawn().expect("true");
    let pipe = gone.stdin.take().expect("input");
    gone.wait().expect("true ends");
    pipe.into()
}

fn derive(page: &Path, more: &[&str]) -> Told {
    let mut args = vec!["schema", "derive", page.to_str().expect("a path")];
    args.extend(more);
    run(&args)
}

#[test]
fn a_schema_goes_to_standard_output_or_to_a_file() {
    let folder = Folder::new();
    for name in ["security-incident-update.md", "print-job-update.md"] {
        let file = folder.path("schema.json");
        let printed = derive(&page(name), &[]);
        assert_eq!(printed.code, Some(0), "{}", printed.err);
        let written = derive(&page(name), &["--output", &file]);
        assert_eq!((written.code, written.out.as_str()), (Some(0), ""), "{}", written.err);
        assert_eq!(printed.err, written.err);
        assert_eq!(fs::read_to_string(&file).expect("the file"), printed.out);
        assert!(serde_json::from_str::<Value>(&printed.out).is_ok());
        // The same page, the same bytes; and what was there is replaced.
        assert_eq!(derive(&page(name), &[]).out, printed.out);
    }
    let notes = derive(&page("print-job-update.md"), &[]).err.replace(env!("CARGO_MANIFEST_DIR"), "{tests}");
    assert_snapshot!("derive-notes", notes);
}

#[test]
fn a_page_that_is_refused_writes_nothing() {
    let folder = Folder::new();
    let good = page_text("print-job-update.md");
    let mut text = String::new();
    for (name, page) in [
        ("no-patch.md", good.replace("PATCH /print", "POST /print")),
        ("no-table.md", good.replace('|', " ")),
        ("unknown-type.md", good.replace("|Int32|", "|Quantity|")),
        (
            "no-values.md",
            good.replace("Possible values are: `low`, `normal`, `high`, `unknownFutureValue`.", ""),
        ),
        ("twice.md", good.replace("|copies|Int32|", "|labels|Int32|")),
        (
            "wrong-example.md",
            good.replace("\"copies\": 2,\n  \"isHeld\"", "\"copies\": \"two\",\n  \"isHeld\""),
        ),
        ("empty.md", String::new()),
    ] {
        assert_ne!(page, good, "{name}");
        let page = folder.write(name, &page);
        let output = folder.path("out.json");
        text.push_str(&folder.redacted(&derive(Path::new(&page), &["--output", &output]).failure()));
        assert!(!Path::new(&output).exists(), "{name}: something was written");
        folder.write("before.json", "as it was");
        assert_eq!(derive(Path::new(&page), &["--output", &folder.path("before.json")]).code, Some(2));
        assert_eq!(fs::read_to_string(folder.path("before.json")).expect("the file"), "as it was", "{name}");
        assert_eq!(derive(Path::new(&page), &[]).out, "", "{name}");
    }
    let missing = derive(Path::new(&folder.path("nothing.md")), &["--output", &folder.path("out.json")]);
    text.push_str(&folder.redacted(&missing.failure()));
    assert!(!Path::new(&folder.path("out.json")).exists());
    assert_snapshot!("derive-errors", text);
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    let output = folder.path("nothing/out.json");
    let told = derive(&page("security-incident-update.md"), &["--output", &output]);
    assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
    assert_eq!(
        folder.redacted(&told.err),
        "error: cannot write '{folder}/nothing/out.json': there is no folder '{folder}/nothing'; make it first\n"
    );
}

#[test]
fn a_folder_of_pages_is_a_table() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("pages/more")).expect("a folder");
    fs::create_dir(folder.path("schemas")).expect("a folder");
    folder.write("pages/a.md", &page_text("security-incident-update.md"));
    folder.write("pages/more/b.md", &page_text("print-job-update.md"));
    folder.write("pages/more/c.md", "# Get thing\n\nNothing is updated here.\n");
    folder.write("pages/more/not-a-page.txt", "text");

    let run = |args: &[&str]| {
        // Where the folder lies must not show in how wide the table is.
        Told::of(&gateway::command(args).current_dir(folder.path("")).output().expect("the binary runs"))
    };
    let told = run(&["schema", "derive", "pages"]);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "a refused page is a row");
    assert_eq!(told.out.lines().filter(|line| line.contains(".md ")).count(), 3);
    assert_snapshot!("derive-folder", told.out);
    assert_eq!(fs::read_dir(folder.path("schemas")).expect("a folder").count(), 0);

    let written = run(&["schema", "derive", "pages", "--output", "schemas"]);
    assert_eq!((written.code, written.out), (Some(0), told.out));
    let mut names: Vec<_> = fs::read_dir(folder.path("schemas"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["a.json", "b.json"]);

    // A page that cannot be read is a row too, and the others are still derived.
    let told = run(&["schema", "derive", "pages/a.md", "nothing.md", "pages/more/b.md"]);
    assert_eq!(told.code, Some(2));
    assert_eq!(told.out.lines().filter(|line| line.contains(".md ")).count(), 3, "{}", told.out);
    assert_snapshot!("derive-unread", format!("{}{}", told.out, told.err));
}

#[test]
fn a_wrong_configuration_is_told_with_its_place() {
    let folder = Folder::new();
    let mut lax: Value =
        serde_json::from_str(&derive(&page("print-job-update.md"), &[]).out).expect("a schema");
    lax["additionalProperties"] = true.into();
    folder.write("lax.json", &lax.to_string());
    let mut typo: Value =
        serde_json::from_str(&derive(&page("print-job-update.md"), &[]).out).expect("a schema");
    typo["properties"]["copies"]["maximun"] = 3.into();
    folder.write("typo.json", &typo.to_string());
    let mut text = String::new();
    for (name, config) in [
        ("unknown key", "[listen]\nadress = \"127.0.0.1:0\"\n"),
        ("unknown table", "[limit]\nbody = \"1KiB\"\n"),
        ("wrong type", "\n[listen]\naddress = 4080\n"),
        ("no address", "[listen]\naddress = \"localhost:4080\"\n"),
        ("no unit", "[limits]\nbody = \"256\"\n"),
        ("bare number", "[timeouts]\nbody = 15\n"),
        ("no TOML", "[listen\n"),
        ("unknown guard", "[[guard]]\nschema = \"security-incident-updat\"\n"),
        ("missing schema file", "[[guard]]\nschema = \"./nothing.json\"\n"),
        ("open schema", "[[guard]]\nschema = \"./lax.json\"\n"),
        ("unknown keyword", "[[guard]]\nschema = \"./typo.json\"\n"),
        (
            "the same guard twice",
            "[[guard]]\nschema = \"security-incident-update\"\n[[guard]]\nschema = \"security-incident-update\"\n",
        ),
        ("no guard", "guard = []\n"),
        ("a route that writes", "[[route]]\nmethods = [\"PATCH\"]\npath = \"/{version}/users/{id}\"\n"),
        ("a route without a version", "[[route]]\nmethods = [\"GET\"]\npath = \"/users/{id}\"\n"),
        ("unknown cloud", "[upstream]\ncloud = \"us-gov\"\n"),
        ("cloud and URL", "[upstream]\ncloud = \"global\"\nurl = \"https://graph.example\"\n"),
        ("cloud without the update", "[upstream]\ncloud = \"china\"\n"),
        ("no URL", "[upstream]\nurl = \"graph.example\"\n"),
        ("a version in the URL", "[upstream]\nurl = \"https://graph.microsoft.com/v1.0/\"\n"),
        ("cleartext upstream", "[upstream]\nurl = \"http://192.0.2.1\"\n"),
        (
            "the gateway itself",
            "[listen]\naddress = \"127.0.0.1:4080\"\n[upstream]\nurl = \"http://127.0.0.1:4080\"\n",
        ),
        ("cleartext listener", "[listen]\naddress = \"0.0.0.0:0\"\n"),
        ("public URL", "[listen]\npublic_url = \"gateway.example\"\n"),
        ("no certificates", "[upstream]\nurl = \"https://192.0.2.1\"\nroots = \"nothing.pem\"\n"),
        ("depth", "[limits]\njson_depth = 0\n"),
        (
            "unknown protocol",
            "[telemetry]\notlp = { endpoint = \"http://127.0.0.1:1\", protocol = \"http\" }\n",
        ),
        ("unknown log format", "[log]\nformat = \"xml\"\n"),
        ("a level in the file", "[log]\nlevel = \"debug\"\n"),
    ] {
        let file = folder.write("patchgate.toml", config);
        let told = unstarted(&["run", "--admin", "127.0.0.1:0", "--config", &file]);
        write!(text, "{name}\n  {}", folder.redacted(&told).replace('\n', "\n  ").trim_end()).expect("text");
        text.push('\n');
    }
    assert_snapshot!("config-errors", text);
}

#[test]
fn flags_of_run_are_named_where_they_are_wrong() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let mut text = String::new();
    for args in [
        &["--config", &folder.path("nothing.toml")][..],
        &["--upstream", "gloabl"],
        &["--listen", "4080", "--admin", "localhost:4081"],
        &["--upstream", "china"],
        &["--upstream", "http://192.0.2.1"],
        &["--log", "patchgate=loud"],
        &["--log", "inof"],
        &["--log", "info,patchgate_proxy"],
        &["--log", "patchgat=debug"],
        &["--log", "hyper=debug"],
        &["--log", ""],
        &["--listen", &address],
        &["--admin", &address],
        &["--listen", "0.0.0.0:0"],
    ] {
        let mut all = vec!["run"];
        for (flag, free) in [("--listen", "127.0.0.1:0"), ("--admin", "127.0.0.1:0")] {
            if !args.contains(&flag) {
                all.extend([flag, free]);
            }
        }
        all.extend(args);
        let told = folder.redacted(&unstarted(&all)).replace(&address, "{taken}");
        writeln!(text, "$ patchgate {}\n{}", args.join(" "), told.trim_end()).expect("text");
    }
    assert_snapshot!("run-errors", folder.redacted(&text).replace(&address, "{taken}"));
}

/// What the machine does not allow is told at the place where it was written, whichever that is.
#[test]
fn what_the_machine_does_not_allow_is_told_with_its_source() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    folder.write("file", "");
    let of_file = |name: &str, text: &str| folder.write(name, text);
    let listen = of_file("listen.toml", &format!("[listen]\naddress = \"{address}\"\n"));
    let admin = of_file("admin.toml", &format!("[admin]\naddress = \"{address}\"\n"));
    let audit = of_file("audit.toml", "[audit]\ndirectory = \"file/audit\"\n");
    let (file, below) = (folder.path("file"), folder.path("file/audit"));
    let free = "127.0.0.1:0";
    let mut text = String::new();
    for (args, variable) in [
        (&["--config", &listen, "--admin", free][..], None),
        (&["--admin", free], Some(("PATCHGATE_LISTEN__ADDRESS", &address))),
        (&["--config", &admin, "--listen", free], None),
        (&["--listen", free], Some(("PATCHGATE_ADMIN__ADDRESS", &address))),
        (&["--config", &audit, "--listen", free, "--admin", free], None),
        (&["--listen", free, "--admin", free], Some(("PATCHGATE_AUDIT__DIRECTORY", &below))),
        (&["--listen", free, "--admin", free], Some(("XDG_STATE_HOME", &file))),
    ] {
        let mut command = gateway::command(&["run", "--log", "off"]);
        command.args(args).envs(variable);
        let told = Told::of(&gateway::refused_start(command)).failure();
        let variable = variable.map_or_else(String::new, |(name, value)| format!("{name}={value} "));
        writeln!(text, "$ {variable}patchgate {}\n{}", args.join(" "), told.trim_end()).expect("text");
    }
    let caret = "^".repeat(address.len());
    let text = folder.redacted(&text).replace(&address, "{taken}").replace(&caret, "^");
    assert_snapshot!("machine-errors", text);
}

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn emulate_serves_graph_and_ends_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let mut command = gateway::command(&["emulate", "--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut emulator = Running(command.spawn().expect("it starts"));
        let mut stdout = BufReader::new(emulator.0.stdout.take().expect("output"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the ready line");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(ready["ready"], true);
        let url = ready["listen"].as_str().expect("a URL").to_owned();
        let address = url.trim_start_matches("http://").parse().expect("an address");
        let answer = Connection::open(address).get("/v1.0/security/incidents/2972395", &[]);
        assert_eq!((answer.status, answer.json()["id"].as_str()), (200, Some("2972395")));

        gateway::signal(&emulator.0, signal);
        assert!(emulator.0.wait().expect("it ends").success(), "{signal}");
        let (mut out, mut err) = (String::new(), String::new());
        stdout.read_to_string(&mut out).expect("the output");
        emulator.0.stderr.take().expect("errors").read_to_string(&mut err).expect("the errors");
        assert_eq!(out, "", "one line for programs");
        assert!(err.contains(&url), "and one for people: {err}");
    }
}

/// An emulator that tells all of what it does, and where it listens.
fn emulator(listen: &str) -> (Running, SocketAddr) {
    let mut command = gateway::command(&["emulate", "--listen", listen]);
    command.env("RUST_LOG", "debug").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut emulator = Running(command.spawn().expect("it starts"));
    let mut line = String::new();
    BufReader::new(emulator.0.stdout.take().expect("output")).read_line(&mut line).expect("the ready line");
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    let url = ready["listen"].as_str().expect("a URL");
    (emulator, url.trim_start_matches("http://").parse().expect("an address"))
}

/// The end of an emulator, and what it told.
fn log_of(mut emulator: Running) -> String {
    assert!(emulator.0.wait().expect("it ends").success());
    let mut log = String::new();
    emulator.0.stderr.take().expect("errors").read_to_string(&mut log).expect("the log");
    log
}

#[test]
fn emulate_warns_where_it_can_be_reached_from_elsewhere() {
    for (listen, warns) in [("0.0.0.0:0", true), ("127.0.0.1:0", false)] {
        let (emulator, address) = emulator(listen);
        let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
        assert_eq!(Connection::open(here).get("/v1.0/security/incidents/2972395", &[]).status, 200);
        gateway::signal(&emulator.0, "TERM");
        let log = log_of(emulator);
        assert_eq!(log.contains("the address is not loopback"), warns, "{log}");
    }
}

#[test]
#[ignore = "long: half a minute of waiting"]
fn emulate_waits_for_no_head_where_it_can_be_reached_from_elsewhere() {
    let (_emulator, address) = emulator("0.0.0.0:0");
    let mut slow = Connection::open(SocketAddr::from(([127, 0, 0, 1], address.port())));
    slow.send(b"GET /v1.0");
    assert!(slow.is_closed());
}

#[test]
fn a_second_signal_ends_emulate_at_once() {
    let (emulator, address) = emulator("127.0.0.1:0");
    // An answer whose body takes for ever.
    let mut slow = Connection::open(address);
    slow.send(
        b"GET /v1.0/security/incidents HTTP/1.1\r\nHost: a\r\npatchgate-fault: delay_body = '1h'\r\n\r\n",
    );
    slow.read_until(b"\r\n\r\n");
    gateway::signal(&emulator.0, "TERM");
    until("it accepts nothing any more", || TcpStream::connect(address).is_err());
    gateway::signal(&emulator.0, "TERM");
    let log = log_of(emulator);
    // What it says where it waited for the answer, in vain.
    assert!(!log.contains("are cut"), "{log}");
}

#[test]
fn a_process_that_is_ready_can_be_told_to_end() {
    for args in [
        &["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"][..],
        &["emulate", "--listen", "127.0.0.1:0"],
    ] {
        // The signal comes right behind the line; a gap does not show each time.
        for _ in 0..10 {
            let mut command = gateway::command(args);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            let mut process = Running(command.spawn().expect("it starts"));
            let stdout = process.0.stdout.take().expect("output");
            // A shell that is there already is faster than starting `kill`.
            let mut killer = Command::new("sh");
            killer.args(["-c", "read line; kill -TERM \"$0\"", &process.0.id().to_string()]).stdin(stdout);
            assert!(killer.status().expect("a shell").success());
            let status = process.0.wait().expect("it ends");
            assert!(status.success(), "{}: {status}", args[0]);
        }
    }
}

#[test]
fn a_faults_file_that_is_wrong_is_told_with_its_place() {
    let folder = Folder::new();
    let help = run(&["emulate", "--help"]).result();
    let file = folder.write("unknown.toml", "[[fault]]\nx = 1\n");
    let told = unstarted(&["emulate", "--listen", "127.0.0.1:0", "--faults", &file]);
    let (_, keys) = told.lines().next().expect("a line").split_once("; there is ").expect("the keys");
    for key in keys.split(", ").map(|key| key.trim_matches('\'')) {
        assert!(help.contains(key), "the help does not say '{key}'");
    }
    assert!(keys.contains("pascal_case"), "{keys}");
    let mut text = String::new();
    for faults in
        ["[[fault]]\nstatsu = 429\n", "[[fault]]\nmatch = { method = 1 }\nstatus = 429\n", "[[fault\n"]
    {
        let file = folder.write("faults.toml", faults);
        let told = unstarted(&["emulate", "--listen", "127.0.0.1:0", "--faults", &file]);
        text.push_str(&folder.redacted(&told));
    }
    fs::write(folder.path("latin.toml"), b"# \xe9\n").expect("a file");
    for name in ["latin.toml", "nothing.toml"] {
        let told = unstarted(&["emulate", "--listen", "127.0.0.1:0", "--faults", &folder.path(name)]);
        text.push_str(&folder.redacted(&told));
    }
    assert_snapshot!("faults-errors", text);
}
