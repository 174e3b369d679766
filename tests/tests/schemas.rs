//! The commands under `schema`: corrections, what is shown, what differs, and how faults are told.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use insta::assert_snapshot;
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::rows::INCIDENT;
use patchgate_tests::upstream::Upstream;
use serde_json::Value;
use tempfile::TempDir;

const CORRECTED: &str = "security-incident-update.corrected";
const OVERLAY: &str = "schemas/overlays/security-incident-update.toml";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixture() -> String {
    fs::read_to_string(repository().join("tests/data/pages/security-incident-update.md"))
        .expect("the fixture page")
}

/// A folder with the fixture page as `security-incident-update.md` and the shipped overlay as `overlay.toml`; commands run in it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("security-incident-update.md", fixture());
        folder.write("overlay.toml", fs::read_to_string(repository().join(OVERLAY)).expect("the overlay"));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = gateway::command(args);
        command.current_dir(self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Told {
        Told::of(&self.command(args).output().expect("the binary runs"))
    }

    /// Derives the page with this overlay.
    fn corrected(&self, overlay: &str) -> Told {
        self.write("other.toml", overlay);
        self.run(&["schema", "derive", "security-incident-update.md", "--overlay", "other.toml"])
    }
}

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

    fn failure(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{}", self.err);
        self.err
    }

    fn result(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""));
        self.out
    }
}

/// An overlay with these entries.
fn overlay(entries: &str) -> String {
    format!("corrects = \"security-incident-update\"\nname = \"mine\"\n{entries}")
}

/// What only the corrected schema accepts, and how it goes upstream.
const CORRECTIONS: [(&str, &str); 16] = [
    (r#"{"determination":"confirmedActivity"}"#, "invalidEnumValue"),
    (r#"{"determination":"compromisedAccount"}"#, "invalidEnumValue"),
    (r#"{"status":"inProgress"}"#, "invalidEnumValue"),
    (r#"{"status":"awaitingAction"}"#, "invalidEnumValue"),
    (r#"{"classification":null}"#, "nullNotAllowed"),
    (r#"{"determination":null}"#, "nullNotAllowed"),
    (r#"{"description":"Seen twice."}"#, "unknownField"),
    (r#"{"description":null}"#, "unknownField"),
    (r#"{"displayName":"Phishing, again"}"#, "unknownField"),
    (r#"{"displayName":null}"#, "unknownField"),
    (r#"{"severity":"high"}"#, "unknownField"),
    (r#"{"severity":"informational"}"#, "unknownField"),
    (r#"{"summary":"Two mailboxes."}"#, "unknownField"),
    (r#"{"summary":null}"#, "unknownField"),
    (r#"{"resolvingComment":"Passwords were changed."}"#, "unknownField"),
    (r#"{"resolvingComment":null}"#, "unknownField"),
];

#[test]
fn one_line_of_configuration_switches_to_the_corrected_schema() {
    let upstream = Upstream::start();
    let url = format!("http://{}", upstream.address);
    let pure = Gateway::before(upstream.address);
    let line = format!("guard = [{{ schema = \"{CORRECTED}\" }}]\n");
    assert_eq!(line.lines().count(), 1);
    let corrected = Gateway::configured(&line, &["--upstream", &url]);
    for (body, code) in CORRECTIONS {
        let refused = pure.patch(INCIDENT, body);
        assert_eq!(refused.status, 400, "{body}");
        assert_eq!(refused.violations()[0].0, code, "{body}");
        let passed = corrected.patch(INCIDENT, body);
        assert_eq!(passed.status, 200, "{body}: {}", passed.text());
        assert_eq!(upstream.arrived().pop().expect("an edit").text(), body);
    }
    // Pascal case goes upstream as it is documented.
    assert_eq!(corrected.patch(INCIDENT, r#"{"status":"InProgress","severity":"High"}"#).status, 200);
    let arrived = upstream.arrived().pop().expect("an edit").text();
    assert_eq!(arrived, r#"{"status":"inProgress","severity":"high"}"#);
    // What the page has and Graph has not is refused now, and the right value is named.
    for (body, meant) in [
        (r#"{"determination":"confirmedUserActivity"}"#, "confirmedActivity"),
        (r#"{"determination":"compromisedUser"}"#, "compromisedAccount"),
        (r#"{"severity":null}"#, "severity"),
        (r#"{"status":null}"#, "status"),
        (r#"{"severity":"urgent"}"#, "informational"),
    ] {
        let refused = corrected.patch(INCIDENT, body);
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.text().contains(meant), "{}", refused.text());
    }
    // What both accept goes on as before, by the same routes.
    for gateway in [&pure, &corrected] {
        let body =
            r#"{"classification":"TruePositive","determination":"MultiStagedAttack","customTags":["Demo"]}"#;
        assert_eq!(gateway.patch(INCIDENT, body).status, 200);
        assert_eq!(gateway.patch("/beta/security/incidents/1", r#"{"assignedTo":null}"#).status, 200);
        assert_eq!(gateway.patch("/v1.0/security/incidents/x", r#"{"assignedTo":null}"#).status, 404);
    }
}

/// The embedded Graph, which knows no page, takes what the corrected schema lets pass.
#[test]
fn graph_takes_what_the_corrected_schema_lets_pass() {
    let gateway = Gateway::configured(&format!("guard = [{{ schema = \"{CORRECTED}\" }}]\n"), &[]);
    for (body, _) in CORRECTIONS.iter().filter(|(body, _)| !body.contains("awaitingAction")) {
        let answer = gateway.patch(INCIDENT, body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let (told, asked): (Value, Value) =
            (serde_json::from_str(&answer.text()).expect("JSON"), serde_json::from_str(body).expect("JSON"));
        for (name, value) in asked.as_object().expect("an object") {
            assert_eq!(told[name], *value, "{body}");
        }
    }
    // Who may set the value behind the sentinel is Graph's to say: the answer is not the gateway's.
    let answer = gateway.patch(INCIDENT, r#"{"status":"awaitingAction"}"#);
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("not a caller's to set"), "{}", answer.text());
}

/// The fixture page has the facts of the real one: everything but title, date and digest of the page is the same.
#[test]
fn the_fixture_page_and_the_overlay_give_the_shipped_corrected_schema() {
    let folder = Folder::new();
    fs::rename(folder.path("overlay.toml"), folder.path("security-incident-update.toml")).expect("a file");
    let derived = folder
        .run(&[
            "schema",
            "derive",
            "security-incident-update.md",
            "--version",
            "v1.0,beta",
            "--permission",
            "SecurityIncident.ReadWrite.All",
            "--cloud",
            "global,us-gov-l4,us-gov-l5",
            "--overlay",
            "security-incident-update.toml",
        ])
        .result();
    let shipped =
        fs::read_to_string(repository().join(format!("schemas/{CORRECTED}.json"))).expect("the schema");
    let (mut derived, mut shipped): (Value, Value) =
        (serde_json::from_str(&derived).expect("JSON"), serde_json::from_str(&shipped).expect("JSON"));
    for schema in [&mut derived, &mut shipped] {
        schema["title"] = "".into();
        schema["x-source"]["date"] = "".into();
        schema["x-source"]["sha256"] = "".into();
    }
    assert_eq!(format!("{derived:#}"), format!("{shipped:#}"), "derive schemas/ anew: just schema PAGE");
}

/// The overlay that `docs/schema-format.md` shows is one.
#[test]
fn the_overlay_of_the_documentation_works() {
    let text = fs::read_to_string(repository().join("docs/schema-format.md")).expect("the page");
    let example =
        text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let folder = Folder::new();
    let corrected: Value = serde_json::from_str(&folder.corrected(example).result()).expect("a schema");
    assert_eq!(corrected["$id"], "urn:patchgate:schema:security-incident-update.corrected");
    assert_eq!(corrected["x-source"]["overlay"]["corrections"][0]["do"], "replace-value");
}

#[test]
fn a_wrong_overlay_is_told_with_every_place_and_writes_nothing() {
    let folder = Folder::new();
    let why = "reason = \"x\"\nsource = \"x\"\n";
    let mut text = String::new();
    for (what, overlay) in [
        ("no TOML", "corrects = \"a\nname = 3 4\n".to_owned()),
        ("nothing", String::new()),
        ("no entry", overlay("")),
        (
            "another schema",
            overlay("").replace("-update", "-updat")
                + &format!("\n[[entry]]\ndo = \"allow-null\"\nproperty = \"status\"\n{why}"),
        ),
        (
            "unknown and missing members",
            overlay(
                "colour = 1\n\n[[entry]]\ndo = \"add-valu\"\n\n[[entry]]\ndo = \"add-value\"\nproprety = \"status\"\nvalue = 2.5\nreason = 3\n\n[[entry]]\n",
            ),
        ),
        (
            "an entry that is none",
            overlay(
                "entry = [3, { do = \"allow-null\", property = \"status\", reason = \"x\", source = \"x\", ours = true }]\n",
            ),
        ),
        (
            "what changes nothing, and what loosens",
            overlay(&format!(
                "\n[[entry]]\ndo = \"add-value\"\nproperty = \"status\"\nvalue = \"active\"\n{why}\
                 \n[[entry]]\ndo = \"allow-null\"\nproperty = \"assignedTo\"\n{why}\
                 \n[[entry]]\ndo = \"remove-bound\"\nproperty = \"customTags\"\nbound = \"maxItems\"\n{why}\
                 \n[[entry]]\ndo = \"set-bound\"\nproperty = \"assignedTo\"\nbound = \"maxLength\"\nlimit = 1_024\n{why}\
                 \n[[entry]]\ndo = \"allow-null\"\nproperty = \"classificaton\"\n{why}\
                 \n[[entry]]\ndo = \"allow-null\"\nproperty = \"determination\"\nloosen = true\n{why}"
            )),
        ),
    ] {
        let said = folder.corrected(&overlay).failure();
        write!(text, "# {what}\n{said}").expect("text");
        folder.write("before.json", "as it was");
        let args = [
            "schema",
            "derive",
            "security-incident-update.md",
            "--overlay",
            "other.toml",
            "--output",
            "before.json",
        ];
        assert_eq!(folder.run(&args).code, Some(2), "{what}");
        assert_eq!(folder.read("before.json"), "as it was", "{what}");
    }
    assert_snapshot!("overlay-errors", text);
}

#[test]
fn what_is_asked_wrongly_is_told_and_writes_nothing() {
    let folder = Folder::new();
    fs::create_dir(folder.path("pages")).expect("a folder");
    fs::create_dir(folder.path("more")).expect("a folder");
    fs::create_dir_all(folder.path("empty/inside")).expect("a folder");
    folder.write("pages/a.md", fixture());
    folder.write("more/a.md", fixture());
    folder.write("empty/page.html", "<p>");
    folder.write("not-utf8.toml", b"\xff");
    folder.write("file", "as it was");
    let page = "security-incident-update.md";
    let mut text = String::new();
    for args in [
        &["pages", "--overlay", "overlay.toml"][..],
        &[page, "pages/a.md", "--overlay", "overlay.toml"],
        &[page, "--overlay", "nothing.toml"],
        &[page, "--overlay", "pages"],
        &[page, "--overlay", "not-utf8.toml"],
        &["pages/a.md", "--overlay", "overlay.toml"],
        &[page, "--output", page],
        &[page, "--output", "./pages/../security-incident-update.md"],
        &[page, "--overlay", "overlay.toml", "--output", "overlay.toml"],
        &[page, "--output", "pages"],
        &["nothing.md"],
        &["empty"],
        &["empty", "empty/inside", "--output", "out"],
    ] {
        let said = folder.run(&[&["schema", "derive"], args].concat()).failure();
        writeln!(text, "$ patchgate schema derive {}\n{said}", args.join(" ")).expect("text");
    }
    // Where there is a table, it is told beside the fault.
    for args in [&["pages", "more", "--output", "out"][..], &["pages", page, "--output", "file"]] {
        let told = folder.run(&[&["schema", "derive"], args].concat());
        assert_eq!(told.code, Some(2), "{}", told.err);
        writeln!(text, "$ patchgate schema derive {}\n{}{}", args.join(" "), told.out, told.err)
            .expect("text");
    }
    assert_snapshot!("derive-asked-wrongly", text);
    assert_eq!(folder.read(page), fixture());
    assert_eq!(folder.read("file"), "as it was");
    assert!(!folder.path("out").exists());
}

#[test]
fn the_folder_for_schemas_is_made() {
    let folder = Folder::new();
    let args =
        ["schema", "derive", "security-incident-update.md", "security-incident-update.md", "--output", "a/b"];
    let told = folder.run(&args).result();
    assert!(told.ends_with("\n1 page: 1 schema, 0 refused\n"), "{told}");
    assert!(folder.read("a/b/security-incident-update.json").starts_with('{'));
}

/// What was there is there until all of the new one is.
#[cfg(unix)]
#[test]
fn a_schema_that_cannot_be_written_leaves_the_old_one() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let folder = Folder::new();
    folder.write("schema.json", "as it was");
    fs::set_permissions(folder.path("schema.json"), fs::Permissions::from_mode(0o640)).expect("it is ours");
    symlink("schema.json", folder.path("link.json")).expect("a link");
    let derive = |output| ["schema", "derive", "security-incident-update.md", "--output", output];
    // No file may have more than 512 or 1,024 bytes: the write breaks off, as on a disk that is full.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]).current_dir(folder.0.path());
    let told = gateway::command_through(shell, &derive("schema.json")).output().expect("it runs");
    let said = Told::of(&told).failure();
    assert!(said.contains("cannot write 'schema.json'"), "{said}");
    assert_eq!(folder.read("schema.json"), "as it was");
    let names = || {
        let entries = fs::read_dir(folder.0.path()).expect("a folder").map(|entry| entry.expect("an entry"));
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().into_string().expect("a name")).collect();
        names.sort();
        names
    };
    let before = ["link.json", "overlay.toml", "schema.json", "security-incident-update.md"];
    assert_eq!(names(), before);
    // Once there is room the schema takes its place, through a link, too, and with the rights that it had.
    folder.run(&derive("link.json")).result();
    assert!(folder.read("schema.json").starts_with('{') && folder.path("link.json").is_symlink());
    let mode = fs::metadata(folder.path("schema.json")).expect("a file").permissions().mode();
    assert_eq!((mode & 0o777, names()), (0o640, before.map(str::to_owned).to_vec()));
    // What is no file is written to as it is.
    assert_eq!(folder.run(&derive("/dev/null")).result(), "");
    assert!(folder.run(&derive("/dev/stdout")).result().starts_with('{'));
}

/// What is no page at all: each is a row in a table, and by itself a fault with its place.
#[test]
fn bytes_that_are_no_page_are_told() {
    let folder = Folder::new();
    folder.write("empty.md", "");
    folder.write("not-utf8.md", b"# Page\n\nCaf\xe9\n");
    folder.write("nul.md", b"# Page\n\na\0b\n");
    folder.write("large.md", vec![b'a'; 4 * 1024 * 1024 + 1]);
    folder.write("bom.md", format!("\u{feff}{}", fixture().replace("|:-----|", "|::::::")));
    let tables = "| customTags | String collection | Labels of your own, all of them at once. |\n";
    folder.write(
        "two-tables.md",
        fixture().replace(tables, &format!("{tables}\n|Property|Type|\n|-|-|\n|a|String|\n")),
    );
    folder.write(
        "cut.md",
        fixture().replace("`redirected`, `unknownFutureValue`.", "`redirected`, [more](../x.md)."),
    );
    folder.write("no-json.md", fixture().replace("\n}\n```", "\n```"));
    let names = ["empty", "not-utf8", "nul", "large", "bom", "two-tables", "cut", "no-json"]
        .map(|name| format!("{name}.md"));
    let mut text = String::new();
    for name in &names {
        text += &folder.run(&["schema", "derive", name]).failure();
    }
    let all: Vec<&str> = ["schema", "derive"].into_iter().chain(names.iter().map(String::as_str)).collect();
    text += &folder.run(&all).result();
    assert_snapshot!("no-pages", text);
}

#[test]
fn schemas_are_shown_as_tables_and_as_json() {
    assert_snapshot!("show-corrected", Told::of(&gateway::run(&["schema", "show", CORRECTED])).result());
    let json = Told::of(&gateway::run(&["schema", "show", CORRECTED, "--format", "json"])).result();
    assert_snapshot!("show-corrected-json", json);
    let job = repository().join("crates/validator/tests/data/job.json");
    assert_snapshot!(
        "show-by-hand",
        Told::of(&gateway::run(&["schema", "show", job.to_str().expect("a path")])).result()
    );
}

#[test]
fn schemas_are_compared() {
    let pure = "security-incident-update";
    let told = |args: &[&str], code| {
        let told = Told::of(&gateway::run(&[&["schema", "diff"], args].concat()));
        assert_eq!((told.code, told.err.as_str()), (Some(code), ""));
        told.out
    };
    assert_snapshot!("diff", told(&[pure, CORRECTED], 1));
    assert_snapshot!("diff-json", told(&[pure, CORRECTED, "--format", "json"], 1));
    assert_snapshot!("diff-same", told(&[pure, pure], 0));
    let json: Value = serde_json::from_str(&told(&[pure, pure, "--format", "json"], 0)).expect("JSON");
    assert_eq!(json["changes"], Value::Array(Vec::new()));
    // Only wider: whatever passed still passes.
    let folder = Folder::new();
    let entry = "\n[[entry]]\ndo = \"allow-null\"\nproperty = \"status\"\nreason = \"x\"\nsource = \"x\"\n";
    folder.write("mine.json", folder.corrected(&overlay(entry)).out);
    folder.write("pure.json", folder.run(&["schema", "derive", "security-incident-update.md"]).out);
    assert_eq!(folder.run(&["schema", "diff", "./pure.json", "./mine.json"]).code, Some(0));
    assert_eq!(folder.run(&["schema", "diff", "./mine.json", "./pure.json"]).code, Some(1));
    let said = folder.run(&["schema", "diff", "./mine.json", "./nothing.json"]).failure();
    assert_eq!(said, "error: cannot read the schema './nothing.json': there is no such file\n");
}

/// Colours are for terminals; a file or pipe gets plain text, whatever the variables say.
#[test]
fn what_is_no_terminal_gets_no_colours() {
    let folder = Folder::new();
    folder.write("bad.md", fixture().replace("| String |", "| Strng |"));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "xterm-256color"), ("COLORTERM", "truecolor")] {
        let output =
            folder.command(&["schema", "derive", "bad.md"]).env(name, value).output().expect("it runs");
        let said = Told::of(&output).failure();
        assert!(!said.contains('\u{1b}'), "{name}: {said:?}");
        assert!(said.contains("bad.md:46:16") && said.contains("perhaps 'String'"), "{said}");
    }
    // Asked to, it colours all the same, unless `NO_COLOR` forbids it.
    let coloured = |no: &str| {
        let mut command = folder.command(&["schema", "derive", "bad.md"]);
        command.env("CLICOLOR_FORCE", "1").env("NO_COLOR", no);
        Told::of(&command.output().expect("it runs")).failure().contains('\u{1b}')
    };
    assert!(coloured(""));
    assert!(!coloured("1"));
}

/// A reader that goes away is no error of these commands either; what they came to stays.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    for (args, code) in [
        (&["schema", "show", CORRECTED][..], 0),
        (&["schema", "diff", "security-incident-update", CORRECTED], 1),
        (&["schema", "derive", "."], 0),
    ] {
        let (reader, mut pipe) = std::io::pipe().expect("a pipe");
        drop(reader);
        // A process that another test is just starting holds the other end, too, until it runs its own program.
        while pipe.write_all(b"x").is_ok() {
            std::thread::yield_now();
        }
        let output = Folder::new().command(args).stdout(pipe).output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
