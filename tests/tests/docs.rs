//! What the documentation says is true: its commands work, its rules hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::{Gateway, command, run};
use patchgate_tests::rows::{EDIT, INCIDENT};
use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect(path)
}

/// The README's blocks of code in a language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let readme = read("README.md");
    let opening = format!("```{language}\n");
    let blocks = readme.split(&opening).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// The rows of the README's table under a heading of columns; cells without the marks of code.
fn table(columns: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let (_, rest) = readme.split_once(&format!("{columns}\n")).expect(columns);
    let rows = rest.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().replace('`', "");
    rows.map(|row| row.trim_matches('|').split('|').map(cell).collect()).collect()
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

/// What a program prints that is a block of the README, told where this gateway listens.
fn run_snippet(mut program: Command, folder: &Path, file: &str, snippet: &str, gateway: &Gateway) -> String {
    assert!(snippet.contains("127.0.0.1:4080"), "{snippet}");
    let path = folder.join(file);
    fs::write(&path, snippet.replace("127.0.0.1:4080", &gateway.listen.to_string())).expect("a file");
    let output = program.arg(path).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `SDK_PYTHON` is a Python that has it.
#[test]
#[ignore = "needs the Python SDK: SDK_PYTHON, a Python with msgraph-sdk"]
fn the_readmes_python_works_as_it_is_printed() {
    let python = std::env::var("SDK_PYTHON").expect("SDK_PYTHON");
    let folder = tempfile::tempdir().expect("a folder");
    let gateway = Gateway::start(&[]);
    let [snippet] = &blocks("python")[..] else { panic!("one block of Python") };
    let said = run_snippet(Command::new(python), folder.path(), "edit.py", snippet, &gateway);
    assert_eq!(said, "resolved ['Demo']\n");
}

/// `SDK_NODE_MODULES` is a folder `node_modules` that has it.
#[test]
#[ignore = "needs Node.js and the JavaScript SDK: SDK_NODE_MODULES, with @microsoft/microsoft-graph-client"]
#[cfg(unix)]
fn the_readmes_javascript_works_as_it_is_printed() {
    let modules = std::env::var("SDK_NODE_MODULES").expect("SDK_NODE_MODULES");
    let folder = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).expect("a link");
    let gateway = Gateway::start(&[]);
    let blocks = blocks("js");
    let [_over_tls, snippet] = &blocks[..] else { panic!("two blocks of JavaScript") };
    let said = run_snippet(Command::new("node"), folder.path(), "edit.mjs", snippet, &gateway);
    assert_eq!(said, "resolved [ 'Demo' ]\n");
}

#[test]
fn what_the_readme_says_is_refused_is() {
    let gateway = Gateway::start(&[]);
    let rows = table("| what is sent | answer | what the message says |");
    for row in &rows {
        let [sent, answer, says] = &row[..] else { panic!("{row:?}") };
        let (status, code) = answer.split_once(' ').expect("a status and a code");
        let (request, field) = sent.split_once(" with ").unwrap_or((sent, ""));
        let request = if request.starts_with('{') {
            format!("PATCH …/2972395 {request}")
        } else {
            request.to_owned()
        };
        let request = request.replace('…', "/v1.0/security/incidents");
        let mut words = request.splitn(3, ' ');
        let (method, target) = (words.next().expect("a method"), words.next().expect("a target"));
        let body = words.next().unwrap_or(r#"{"status":"active"}"#);
        let mut fields = vec![("Authorization", format!("Bearer {TOKEN}"))];
        fields.extend(field.split_once(": ").map(|(name, value)| (name, value.to_owned())));
        if method != "GET" {
            fields.push(("Content-Type", "application/json".to_owned()));
        }
        let response = gateway.connect().request(method, target, &fields, (method != "GET").then_some(body));
        let error = serde_json::from_slice::<Value>(&response.body).expect("JSON")["error"].take();
        assert_eq!(response.status.to_string(), status, "{sent}: {error}");
        let told = if error["details"][0].is_null() { &error["code"] } else { &error["details"][0]["code"] };
        assert_eq!(told, code, "{sent}: {error}");
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(says.as_str()), "{sent}: '{message}' does not say '{says}'");
    }
    assert!(rows.len() > 15, "{}", rows.len());
}

/// The text of one function of the source that has every code, and the codes in it.
fn codes(file: &str, from: &str) -> Vec<String> {
    let text = read(file);
    let (_, rest) = text.split_once(from).expect(from);
    let body = rest.split("\n    }\n").next().expect("a body");
    body.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What one function of a refusal says of each of its variants.
fn of_refusals(from: &str) -> Vec<(String, String)> {
    let text = read("crates/model/src/refusal.rs");
    let (_, rest) = text.split_once(from).expect(from);
    let (_, arms) =
        rest.split("\n    }\n").next().and_then(|body| body.split_once("match self {")).expect("arms");
    let arms = arms.split(",\n").filter_map(|arm| arm.split_once("=>"));
    let variant = |pattern: &str| {
        let name = pattern.trim().strip_prefix("Self::").expect("a variant");
        name.split(|c: char| !c.is_alphanumeric()).next().expect("a name").to_owned()
    };
    arms.flat_map(|(patterns, value)| {
        let value = value.trim().trim_matches('"').to_owned();
        patterns.split('|').map(move |pattern| (variant(pattern), value.clone())).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn each_code_of_an_error_is_explained() {
    let mut told: Vec<(String, String)> = table("| `error.code` | status | what it is | what to do |")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    told.sort();
    let statuses = of_refusals("pub fn status(&self)");
    let codes_of_refusals = of_refusals("pub fn code(&self)");
    assert_eq!(statuses.len(), codes_of_refusals.len());
    let status_of = |variant: &str| {
        statuses.iter().find(|(name, _)| name == variant).map(|(_, status)| status.clone()).expect("a status")
    };
    let mut refusals: Vec<(String, String)> =
        codes_of_refusals.into_iter().map(|(variant, code)| (code, status_of(&variant))).collect();
    // Nobody gets this one.
    refusals.retain(|(code, _)| code != "CallerGone");
    refusals.sort();
    refusals.dedup();
    assert_eq!(told, refusals);
    let readme = read("README.md");
    let violations = codes("crates/model/src/violation.rs", "pub const fn as_str(self)");
    for code in &violations {
        assert!(readme.contains(&format!("`{code}`")), "{code}");
    }
    assert!(violations.len() > 10, "{violations:?}");
}

#[test]
fn the_readmes_limits_are_those_that_are_in_force() {
    let told: Vec<(String, String)> = table("| what | key | by default | beyond it |")
        .into_iter()
        .map(|row| (row[1].clone(), row[2].clone()))
        .collect();
    let output = run(&["config", "show", "--format", "json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut in_force = Vec::new();
    for value in shown["values"].as_array().expect("values") {
        let key = value["key"].as_str().expect("a key");
        if key.starts_with("limits.") || key.starts_with("timeouts.") {
            let text = value["value"].as_str().map_or_else(|| value["value"].to_string(), str::to_owned);
            in_force.push((key.to_owned(), text));
        }
    }
    let sorted = |mut list: Vec<(String, String)>| {
        list.sort();
        list
    };
    assert_eq!(sorted(told), sorted(in_force));
}

/// A key as the README makes one.
fn secret(file: &Path) {
    fs::write(file, "not-a-secret-0123456789\n").expect("a key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("its owner's");
    }
}

/// Each block that is a configuration, and each command beside it, in one folder and in the order of the README.
#[test]
fn the_readmes_configurations_and_commands_work() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = repository().join("tests/data/pages/print-job-update.md");
    fs::copy(page, folder.path().join("print-job-update.md")).expect("the page");
    secret(&folder.path().join("audit.key"));
    // The journal of a gateway that has served an edit, where a user's is.
    let state = folder.path().join("state");
    let mut served = command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    served.env("PATCHGATE_AUDIT__DIRECTORY", state.join("patchgate/audit"));
    let served = Gateway::started_by(served);
    assert_eq!(served.patch(INCIDENT, EDIT).status, 200);
    served.stop();
    let mut ran = 0;
    let done = |line: &str, args: &[&str]| {
        // What follows for ever is asked for once.
        let args: Vec<&str> = args.iter().copied().filter(|arg| *arg != "-f").collect();
        let mut command = command(&args);
        command.current_dir(folder.path()).env("XDG_STATE_HOME", &state);
        let output = command.output().expect("it runs");
        let expected =
            if line.starts_with("patchgate schema diff") { [Some(0), Some(1)] } else { [Some(0); 2] };
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(expected.contains(&output.status.code()), "{line}: {error}");
    };
    for block in blocks("sh") {
        for line in block.lines().filter(|line| line.starts_with("patchgate ")) {
            let line = line.split('#').next().expect("a command").trim();
            let args: Vec<&str> = line.split(' ').skip(1).collect();
            if let ["run", ..] = &args[..] {
                let mut command = command(&args);
                command.current_dir(folder.path());
                command
                    .env("PATCHGATE_LISTEN__ADDRESS", "127.0.0.1:0")
                    .env("PATCHGATE_ADMIN__ADDRESS", "127.0.0.1:0");
                let gateway = Gateway::started_by(command);
                assert_eq!(gateway.upstream, "https://graph.microsoft.com");
            } else {
                if line.contains("--config") {
                    let first = blocks("toml").into_iter().next().expect("a configuration");
                    fs::write(folder.path().join("patchgate.toml"), first).expect("a file");
                }
                done(line, &args);
            }
            ran += 1;
        }
    }
    assert_eq!(ran, 10, "the README's commands");
    for (number, block) in blocks("toml").into_iter().enumerate() {
        let file = format!("{number}.toml");
        fs::write(folder.path().join(&file), &block).expect("a file");
        done(&block, &["config", "check", "--config", &file]);
    }
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

/// A file with a test that is ignored is in a recipe that asks for it.
#[test]
fn each_ignored_test_has_a_recipe() {
    let recipes = read("justfile");
    let asking: Vec<&str> =
        recipes.lines().filter(|line| line.ends_with("--ignored") || line.contains("--ignored ")).collect();
    let mut found = 0;
    for entry in fs::read_dir(repository().join("tests/tests")).expect("the tests") {
        let path = entry.expect("an entry").path();
        let is_ignoring = |path: &Path| {
            fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line.starts_with("#[ignore")))
        };
        if !is_ignoring(&path) {
            continue;
        }
        found += 1;
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
        let is_asked = asking.iter().any(|line| line.contains(&format!("--test {name} ")));
        assert!(is_asked, "no recipe runs the ignored tests of '{name}'");
    }
    assert!(found > 5, "{found}");
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

/// What is said to come with its first event comes with it, and all else is there from the start.
#[test]
fn each_metric_is_there_from_when_on_its_page_says() {
    let gateway = Gateway::start(&[]);
    let text = Connection::open(gateway.admin).get("/metrics", &[]).text();
    let document = read("docs/telemetry.md");
    let (_, told) = document.split_once("What is counted by an event (").expect("the sentence");
    let (told, _) = told.split_once(')').expect("its end");
    let mut rows = 0;
    for row in document.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, name, shown, kind @ ("counter" | "gauge" | "histogram"), ..] = cells[..] else { continue };
        let is_late =
            kind == "histogram" || told.contains(&format!("`{}`", name.trim_start_matches("patchgate.")));
        let is_there = text.contains(&format!("# TYPE {shown} "));
        assert_ne!(is_there, is_late, "{name}");
        rows += 1;
    }
    assert!(rows > 15, "{rows}");
}

/// Whatever stands in a record has its row.
#[test]
fn each_member_of_a_record_is_in_its_table() {
    let folder = tempfile::tempdir().expect("a folder");
    secret(&folder.path().join("audit.key"));
    let file = folder.path().join("patchgate.toml");
    let text = "[audit]\ndirectory = \"audit\"\nhash_key = \"audit.key\"\n[[guard]]\nschema = \"security-incident-update\"\n\
                record = { assignedTo = \"hash\", customTags = \"omit\" }\n";
    fs::write(&file, text).expect("a file");
    let gateway = Gateway::start(&["--config", file.to_str().expect("a path")]);
    let edit = r#"{"assignedTo":"a","customTags":["b"],"status":"active"}"#;
    assert_eq!(gateway.patch(INCIDENT, edit).status, 200);
    // So many in a second share a record.
    let mut connection = gateway.connect();
    for _ in 0..100 {
        assert_eq!(connection.patch(INCIDENT, &[], "{}").status, 400);
    }
    assert!(gateway.stop().0.success());
    let document = read("docs/record.md");
    let (_, rows) = document.split_once("| member | of | what it is |\n").expect("the table");
    let members = rows.lines().filter_map(|row| row.split('|').nth(1));
    let known: BTreeSet<&str> = members.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(folder.path().join("audit")).expect("the journal") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            for line in fs::read_to_string(&path).expect("a segment").lines() {
                let record: Value = serde_json::from_str(line).expect("JSON");
                seen.extend(record.as_object().expect("an object").keys().cloned());
            }
        }
    }
    for member in &seen {
        assert!(known.contains(member.as_str()), "'{member}' is not in docs/record.md");
    }
    assert!(seen.len() > 20, "{seen:?}");
}

/// A row behind an empty line is no row.
#[test]
fn no_table_is_broken_in_two() {
    let pages = [
        "docs/record.md",
        "README.md",
        "CHANGELOG.md",
        "ARCHITECTURE.md",
        "docs/http.md",
        "docs/schema-format.md",
        "docs/telemetry.md",
    ];
    for page in pages {
        let text = read(page);
        let lines: Vec<&str> = text.lines().collect();
        for (number, pair) in lines.windows(2).enumerate() {
            let begins = pair[0].is_empty() && pair[1].starts_with('|');
            let has_head =
                lines.get(number + 2).is_some_and(|line| line.starts_with("|-") || line.starts_with("| -"));
            assert!(!begins || has_head, "{page}:{}: {}", number + 2, pair[1]);
        }
    }
}

/// Whatever the gateway shows after some traffic has its row, with its labels.
#[test]
fn each_metric_is_in_its_table() {
    let gateway = Gateway::start(&[]);
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert_eq!(gateway.patch(INCIDENT, "{\"state\":1}").status, 400);
    let text = Connection::open(gateway.admin).get("/metrics", &[]).text();
    let document = read("docs/telemetry.md");
    let mut shown = 0;
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().expect("a name");
        assert!(document.contains(&format!("`{name}`")), "'{name}' is not in docs/telemetry.md");
        shown += 1;
    }
    assert!(shown > 12, "{text}");
}
