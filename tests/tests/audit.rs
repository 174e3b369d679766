//! The audit journal from the command line: verified, followed, searched.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;
use patchgate_journal::chain::{self, Head};
use patchgate_journal::segment::SegmentName;
use patchgate_journal::{Asked, FieldRules, Journal, Outcome, Settings, Who};
use patchgate_model::{
    Generation, GraphVersion, KeyPattern, PathTemplate, Recordable, RequestId, Resource, Route,
};
use patchgate_tests::gateway;
use patchgate_tests::process::resident;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

/// How long a test waits for what should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(1);

const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The bodies of a journal of three segments: an edit that was applied; a refusal by a caller whose name is a formula; an edit
/// with characters that act on a terminal, of which nobody knows what came of it, and a flood of refusals; an open intent.
const SEGMENTS: [&[&str]; 3] = [
    &[
        r#""time":"2026-11-24T08:00:00.000000Z","kind":"checkpoint","why":"begun","segment":1,"begins":{"seq":1,"prev":"NONE"}"#,
        r#""time":"2026-11-24T08:00:01.000000Z","kind":"intent","request_id":"a","trace_id":"0123","caller":{"id":"soar","known_by":"api-key"},"guard":"thing-update","route":"/{version}/things/{thingId}","resource":{"version":"v1.0","thingId":"7"},"edit":{"state":"closed"},"hashed":{"owner":"9c1d"},"omitted":["note"],"decision":"allow","reasons":["default"],"generation":1,"schema":{"id":"thing","digest":"0d5f"}"#,
        r#""time":"2026-11-24T08:00:01.250000Z","kind":"outcome","request_id":"a","trace_id":"0123","status":204,"upstream_request_id":"graph-1","duration_ms":250,"result":"applied""#,
        r#""time":"2026-11-24T09:00:00.000000Z","kind":"refusal","request_id":"b","caller":{"id":"=1+1","known_by":"api-key"},"guard":"thing-update","route":"/{version}/things/{thingId}","resource":{"version":"beta","thingId":"8"},"decision":"refuse","reasons":["invalidEnumValue /state"],"code":"BadRequest","status":400,"generation":1"#,
    ],
    &[
        r#""time":"2026-11-24T10:00:00.000000Z","kind":"checkpoint","why":"a segment is full","segment":2,"begins":{"seq":1,"prev":"NONE"}"#,
        "\"time\":\"2026-11-24T10:00:01.000000Z\",\"kind\":\"intent\",\"request_id\":\"c\",\"caller\":{\"id\":\"-tool\",\"known_by\":\"api-key\"},\"guard\":\"thing-update\",\"resource\":{\"version\":\"v1.0\",\"thingId\":\"7\"},\"edit\":{\"state\":\"\\u001b[31m\u{9b}31m\u{202e}\"},\"decision\":\"allow\",\"reasons\":[\"default\",\"night\"],\"generation\":2",
        r#""time":"2026-11-24T10:00:31.000000Z","kind":"outcome","request_id":"c","result":"unknown""#,
        r#""time":"2026-11-24T11:00:00.000000Z","kind":"refusal","caller":{"known_by":"nobody"},"decision":"refuse","code":"TooManyRequests","count":17,"since":"2026-11-24T10:59:59.000000Z","until":"2026-11-24T10:59:59.900000Z""#,
    ],
    &[
        r#""time":"2026-11-24T12:00:00.000000Z","kind":"checkpoint","why":"a segment is full","segment":3,"begins":{"seq":1,"prev":"NONE"}"#,
        r#""time":"2026-11-24T12:00:01.000000Z","kind":"intent","request_id":"d","caller":{"id":"soar","known_by":"api-key"},"guard":"thing-update","resource":{"version":"v1.0","thingId":"9"},"edit":{"state":"closed"},"decision":"allow","reasons":[],"generation":2"#,
    ],
];

/// A journal in a folder of its own.
struct Made {
    folder: TempDir,
    names: Vec<String>,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut head, mut names) = (Head::START, Vec::new());
        for (number, bodies) in (1..).zip(SEGMENTS) {
            let name = SegmentName { number, first: head.seq + 1 }.to_string();
            let mut lines = Vec::new();
            for body in bodies {
                head = chain::seal(head, body.replace("NONE", NONE).as_bytes(), &mut lines);
            }
            fs::write(folder.path().join(&name), lines).expect("a segment");
            names.push(name);
        }
        Self { folder, names }
    }

    fn path(&self) -> &str {
        text(self.folder.path())
    }

    fn tamper(&self, segment: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.path().join(&self.names[segment]);
        let mut bytes = fs::read(&path).expect("a segment");
        change(&mut bytes);
        fs::write(&path, bytes).expect("a segment");
    }

    fn lose(&self, segment: usize) {
        fs::remove_file(self.folder.path().join(&self.names[segment])).expect("a segment");
    }

    /// Runs a command on it. The folder's path, which is another each time, is named `{journal}`.
    fn run(&self, args: &[&str]) -> Told {
        let mut all = vec!["audit"];
        all.extend(args);
        all.push(self.path());
        let told = run(&all);
        let redacted = |text: &str| text.replace(self.path(), "{journal}");
        Told { out: redacted(&told.out), err: redacted(&told.err), ..told }
    }

    /// The numbers of the records that a query finds.
    fn found(&self, args: &[&str]) -> Vec<u64> {
        let mut all = vec!["query", "--format", "json"];
        all.extend(args);
        let told = self.run(&all);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{args:?}");
        told.out.lines().map(seq).collect()
    }
}

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Told {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let told = Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!told.err.contains("panicked"), "{}", told.err);
        told
    }

    /// All of it, for a snapshot.
    fn shown(&self) -> String {
        let code = self.code.expect("it ended by itself");
        format!("{}{}exit status {code}\n", self.out, self.err)
    }

    /// The same as one of several.
    fn told_of(&self, what: &str, shown: &mut String) {
        writeln!(shown, "== {what}\n{}", self.shown()).expect("text");
    }
}

fn run(args: &[&str]) -> Told {
    Told::of(&gateway::run(args))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn seq(line: &str) -> u64 {
    let record: Value = serde_json::from_str(line).expect("JSON");
    record["seq"].as_u64().expect("a number")
}

/// Takes out a line, counted from 0.
fn without_line(bytes: &mut Vec<u8>, line: usize) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    lines.remove(line);
    *bytes = lines.concat();
}

#[test]
fn a_sound_journal_is_said_to_be_sound() {
    let made = Made::new();
    assert_snapshot!("sound", made.run(&["verify"]).shown());
    let told = made.run(&["verify", "--format", "json"]);
    let report: Value = serde_json::from_str(&told.out).expect("JSON");
    assert_snapshot!("sound-json", format!("{report:#}"));
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
}

type Change = fn(&Made);

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let rows: [(&str, Change); 9] = [
        ("a changed byte", |made| {
            made.tamper(0, |bytes| {
                let at = bytes.windows(6).position(|text| text == b"closed").expect("a value");
                bytes[at] = b'C';
            });
        }),
        ("a missing segment", |made| made.lose(1)),
        ("the first segment missing", |made| made.lose(0)),
        ("a removed record", |made| made.tamper(1, |bytes| without_line(bytes, 2))),
        ("a record twice", |made| {
            made.tamper(0, |bytes| {
                let again = bytes.clone();
                bytes.extend(again.split_inclusive(|byte| *byte == b'\n').nth(2).expect("a line"));
            });
        }),
        ("a torn end in the middle", |made| made.tamper(0, |bytes| bytes.truncate(bytes.len() - 9))),
        ("a torn end, as a crash leaves it", |made| made.tamper(2, |bytes| bytes.truncate(bytes.len() - 9))),
        ("records taken away at the end", |made| made.tamper(2, |bytes| without_line(bytes, 1))),
        ("garbage that acts on a terminal", |made| {
            made.tamper(1, |bytes| bytes.extend(b"\x1b[31m\xff\xfe\0\n".repeat(2)));
        }),
    ];
    let mut shown = String::new();
    for (what, change) in rows {
        let made = Made::new();
        change(&made);
        made.run(&["verify"]).told_of(what, &mut shown);
    }
    assert!(!shown.contains('\u{1b}'));
    assert_snapshot!("unsound", shown);
}

#[test]
fn findings_have_their_places_in_json() {
    let made = Made::new();
    made.tamper(1, |bytes| without_line(bytes, 2));
    let told = made.run(&["verify", "--format", "json"]);
    assert_eq!(told.code, Some(1));
    let report: Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(report["sound"], false);
    assert_eq!(report["findings"][0]["segment"], made.names[1]);
    assert_eq!(report["findings"][0]["line"], 3);
    assert_eq!(report["findings"][0]["seq"], 8);
}

#[test]
fn a_checkpoint_shows_what_the_chain_cannot() {
    let made = Made::new();
    let printed = made.run(&["checkpoint"]);
    assert_eq!((printed.code, printed.err.as_str()), (Some(0), ""));
    let kept = printed.out.trim();
    let other = tempfile::tempdir().expect("a folder");
    let file = other.path().join("checkpoints");
    fs::write(&file, format!("# kept\n\n{kept}\n{kept}\n")).expect("a file");
    let file = text(&file);
    let forged = format!("10:{}", "ab".repeat(32));
    let mut shown = String::new();
    for (what, args) in [
        ("the right one", ["verify", "--checkpoint", kept]),
        ("in a file", ["verify", "--checkpoint", file]),
        ("another hash", ["verify", "--checkpoint", &forged]),
        ("no checkpoint", ["verify", "--checkpoint", "10:abc"]),
    ] {
        made.run(&args).told_of(what, &mut shown);
    }
    made.tamper(2, |bytes| without_line(bytes, 1));
    assert_eq!(made.run(&["verify"]).code, Some(0));
    made.run(&["verify", "--checkpoint", kept]).told_of("taken away", &mut shown);
    fs::write(file, "10:abc\n").expect("a file");
    made.run(&["verify", "--checkpoint", file]).told_of("a wrong file", &mut shown);
    fs::write(file, "\n").expect("a file");
    made.run(&["verify", "--checkpoint", file]).told_of("an empty file", &mut shown);
    assert_snapshot!("checkpoints", shown.replace(text(other.path()), "{other}"));

    // Where nothing is left but what was kept elsewhere, that says it.
    let nothing = tempfile::tempdir().expect("a folder");
    assert_eq!(run(&["audit", "verify", text(nothing.path()), "--checkpoint", kept]).code, Some(1));

    made.lose(1);
    let told = made.run(&["checkpoint"]);
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""), "{}", told.err);
}

#[test]
fn what_retention_took_away_is_not_missing_and_not_vouched_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let before = Head { seq: 100, hash: chain::Hash([7; 32]) };
    let begin = format!(
        r#""time":"2026-11-24T12:00:00.000000Z","kind":"checkpoint","why":"retention","segment":9,"begins":{{"seq":101,"prev":"{}"}}"#,
        before.hash
    );
    let mut lines = Vec::new();
    chain::seal(before, begin.as_bytes(), &mut lines);
    fs::write(folder.path().join(SegmentName { number: 9, first: 101 }.to_string()), lines)
        .expect("a segment");
    let mut shown = String::new();
    for kept in [format!("100:{}", before.hash), format!("99:{}", before.hash), format!("100:{NONE}")] {
        let told = run(&["audit", "verify", text(folder.path()), "--checkpoint", &kept]);
        told.told_of(&kept, &mut shown);
    }
    assert_snapshot!("retention", shown.replace(text(folder.path()), "{journal}"));
}

#[test]
fn what_cannot_be_read_is_status_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let segment = SegmentName { number: 1, first: 1 }.to_string();
    for name in ["empty", "other", "folder", "link", "no-record"] {
        fs::create_dir(at(name)).expect("a folder");
    }
    fs::write(at("file"), "").expect("a file");
    fs::write(at("other/readme.txt"), "hello").expect("a file");
    fs::create_dir(at("folder").join(&segment)).expect("a folder");
    std::os::unix::fs::symlink("/dev/zero", at("link").join(&segment)).expect("a link");
    fs::write(at("no-record").join(&segment), "").expect("a file");
    let mut shown = String::new();
    for name in ["nothing", "empty", "other", "file", "folder", "link", "no-record"] {
        for command in ["verify", "checkpoint", "tail", "query"] {
            let told = run(&["audit", command, text(&at(name))]);
            assert_eq!((told.code, told.out.lines().count() < 2), (Some(2), true), "{command} {name}");
            write!(shown, "{command} {name}: {}", told.err).expect("text");
        }
    }
    assert_snapshot!("unreadable", shown.replace(text(folder.path()), "{folder}"));
}

#[test]
fn without_a_directory_it_is_that_of_the_user() {
    let made = Made::new();
    let state = tempfile::tempdir().expect("a folder");
    fs::create_dir(state.path().join("patchgate")).expect("a folder");
    fs::rename(made.path(), state.path().join("patchgate/audit")).expect("moved");
    let mut command = gateway::command(&["audit", "verify"]);
    let told = Told::of(&command.env("XDG_STATE_HOME", state.path()).output().expect("it runs"));
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(told.err, format!("audit journal: {}/patchgate/audit\n", text(state.path())));
}

#[test]
fn a_query_filters() {
    let made = Made::new();
    let all: Vec<u64> = (1..=10).collect();
    let rows: [(&str, &[u64]); 27] = [
        ("", &all),
        ("--resource 7", &[2, 3, 6, 7]),
        ("--resource v1.0", &[]),
        ("--caller soar", &[2, 3, 10]),
        ("--caller nobody", &[]),
        ("--caller soar --resource 9", &[10]),
        ("--decision allow", &[2, 3, 6, 7, 10]),
        ("--decision refuse", &[4, 8]),
        // Only an outcome says it, and the edit is found.
        ("--result applied", &[2, 3]),
        ("--result applied --kind intent", &[2]),
        ("--result applied --kind outcome", &[3]),
        ("--result applied --kind refusal", &[]),
        ("--result applied --caller=-tool", &[]),
        ("--result unknown --resource 7", &[6, 7]),
        ("--result unknown --resource 8", &[]),
        ("--kind checkpoint", &[1, 5, 9]),
        ("--kind recovery", &[]),
        ("--kind outcome --caller soar", &[3]),
        ("--request-id c", &[6, 7]),
        // An edit has the time of its intent: the outcome stands behind this one, and before that one.
        ("--since 2026-11-24T10:00:30Z --resource 7", &[]),
        ("--since 2026-11-24T10:00:01Z --until 2026-11-24T10:00:30Z", &[6, 7]),
        ("--until 2026-11-24T08:00:01.25Z", &[1, 2, 3]),
        ("--since 2026-11-24T09:00:00+01:00 --until 2026-11-24T10:00:00Z", &[1, 2, 3, 4]),
        ("--since 2026-11-24 --until 2026-11-25", &all),
        ("--since 2026-11-25", &[]),
        // Seventeen refusals in one record, which was written behind the last of them.
        ("--since 2026-11-24T10:59:59.5Z --until 2026-11-24T11:00:00Z", &[8]),
        ("--since 2026-11-24T11:00:00Z --until 2026-11-24T12:00:00Z", &[]),
    ];
    for (args, expected) in rows {
        assert_eq!(made.found(&args.split_whitespace().collect::<Vec<_>>()), expected, "{args}");
    }
    for (since, until) in
        [("2026-11-25", "2026-11-24"), ("2026-11-24", "2026-11-24T01:00:00+01:00"), ("2h", "3h")]
    {
        let told = made.run(&["query", "--format", "csv", "--since", since, "--until", until]);
        assert_eq!((told.code, told.out.as_str()), (Some(2), ""), "{since} to {until}");
        assert!(told.err.starts_with("error: no time lies between: --since is "), "{}", told.err);
    }
    // By the clock of the machine all of it is either before or after.
    let (since, until) = (made.found(&["--since", "1h"]), made.found(&["--until", "1h"]));
    assert!((since.is_empty() && until == all) || (until.is_empty() && since == all));
}

#[test]
fn what_is_shown() {
    let made = Made::new();
    for format in ["table", "json", "csv"] {
        let told = made.run(&["query", "--format", format]);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
        let acts = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
        assert_eq!(told.out.chars().find(acts), None, "{format}");
        assert_snapshot!(format!("query-{format}"), told.out);
    }
    assert_snapshot!("query-outcomes", made.run(&["query", "--kind", "outcome"]).shown());
    assert_snapshot!("query-nothing", made.run(&["query", "--caller", "somebody"]).shown());
}

#[test]
fn json_is_the_record_as_it_stands() {
    let made = Made::new();
    let written: Vec<Value> = made
        .names
        .iter()
        .flat_map(|name| {
            let text = fs::read_to_string(made.folder.path().join(name)).expect("a segment");
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>()
        })
        .collect();
    let told = made.run(&["query", "--format", "json"]);
    let shown: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(shown, written);
    let told = made.run(&["tail", "--format", "json", "-n", "1000"]);
    let shown: Vec<Value> = told.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(shown, written);
}

#[test]
fn lines_that_are_no_records_are_left_out_and_counted() {
    let made = Made::new();
    made.tamper(0, |bytes| {
        let at = bytes.windows(6).position(|text| text == b"closed").expect("a value");
        bytes[at] = b'C';
    });
    let told = made.run(&["query", "--format", "json"]);
    assert_eq!(told.out.lines().map(seq).collect::<Vec<_>>(), [1, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert!(told.err.starts_with("1 lines are no records"), "{}", told.err);
    assert_eq!(told.code, Some(0));
    // One that is torn is being written only in the newest segment.
    for (segment, last, said) in [(0, 4, "1 lines are no records"), (2, 10, "")] {
        let made = Made::new();
        made.tamper(segment, |bytes| bytes.truncate(bytes.len() - 9));
        let told = made.run(&["query", "--format", "json"]);
        let expected: Vec<u64> = (1..=10).filter(|seq| *seq != last).collect();
        assert_eq!(told.out.lines().map(seq).collect::<Vec<_>>(), expected);
        assert!(told.err.starts_with(said) && told.err.is_empty() == said.is_empty(), "{}", told.err);
    }
}

#[test]
fn a_tail_shows_the_last_records() {
    let made = Made::new();
    for (lines, expected) in [
        ("0", vec![]),
        ("1", vec![10]),
        ("3", vec![8, 9, 10]),
        ("7", (4..=10).collect()),
        ("99", (1..=10).collect()),
    ] {
        let told = made.run(&["tail", "--format", "json", "-n", lines]);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
        assert_eq!(told.out.lines().map(seq).collect::<Vec<_>>(), expected, "-n {lines}");
    }
    assert_snapshot!("tail", made.run(&["tail", "-n", "4"]).shown());
}

/// Whoever can write to the directory can write any record; reading it takes a few times its length and no more.
#[test]
fn a_long_record_takes_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = "0,".repeat(5 << 20);
    let intent = SEGMENTS[0][1].replace(r#"{"state":"closed"}"#, &format!("[{values}0]"));
    let begin = SEGMENTS[0][0].replace("NONE", NONE);
    let (mut head, mut lines) = (Head::START, Vec::new());
    for body in [&begin, &intent, SEGMENTS[0][2]] {
        head = chain::seal(head, body.as_bytes(), &mut lines);
    }
    let length = lines.len() as u64;
    fs::write(folder.path().join(SegmentName { number: 1, first: 1 }.to_string()), lines).expect("a segment");
    let journal = text(folder.path());
    for args in [
        ["query", "--format", "csv", journal].as_slice(),
        &["query", "--format", "json", journal],
        // It stays when it has shown all.
        &["tail", "-f", journal],
    ] {
        let mut command = gateway::command(&[&["audit"], args].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("output"));
        let record =
            (&mut out).bytes().map(|byte| byte.expect("output")).skip_while(|byte| *byte != b'[').take(150);
        assert_eq!(record.count(), 150, "{args:?}");
        // What is left of it waits to be read, and the record has been taken apart.
        let peak = resident(child.id()).peak;
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        assert!(peak < 6 * length + (50 << 20), "{args:?}: {peak} bytes for a record of {length}");
        println!("{args:?}: {peak} bytes for a record of {length}");
    }
    let told = run(&["audit", "verify", journal]);
    assert_eq!(told.code, Some(0), "{}", told.err);
}

#[test]
fn a_record_that_is_none_of_the_journals_is_said_with_its_place() {
    let made = Made::new();
    made.tamper(2, |bytes| {
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        let line = text.lines().next_back().expect("a line");
        let head = chain::open(line.as_bytes()).expect("a record").head();
        let reasons = r#""","#.repeat(2 << 20);
        let body = SEGMENTS[2][1].replace(r#""reasons":[]"#, &format!(r#""reasons":[{reasons}""]"#));
        chain::seal(head, body.as_bytes(), bytes);
    });
    let told = made.run(&["verify"]);
    assert_eq!(told.code, Some(1));
    let place = format!("{}, line 3, record 11: its content cannot be read", made.names[2]);
    assert!(told.out.contains(&place), "{}", told.out);
    let told = made.run(&["query", "--format", "json"]);
    assert_eq!(told.out.lines().map(seq).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert!(told.err.starts_with("1 lines are no records"), "{}", told.err);
}

/// A finding repeats words of a record, and whoever can write to the directory can write any.
#[test]
fn nothing_in_a_finding_acts_on_a_terminal() {
    let made = Made::new();
    made.tamper(2, |bytes| {
        let text = String::from_utf8(bytes.clone()).expect("UTF-8");
        let line = text.lines().next_back().expect("a line");
        let mut head = chain::open(line.as_bytes()).expect("a record").head();
        for kind in ["outcome", "\u{9b}31m"] {
            let body = SEGMENTS[1][2].replace("outcome", kind).replace(r#""c""#, "\"\u{9b}31m\u{202e}\"");
            head = chain::seal(head, body.as_bytes(), bytes);
        }
    });
    let acts = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    for format in ["human", "json"] {
        let told = made.run(&["verify", "--format", format]);
        assert_eq!(told.code, Some(1), "{}", told.err);
        assert_eq!(told.out.chars().find(acts), None, "{format}");
    }
    let report: Value = serde_json::from_str(&made.run(&["verify", "--format", "json"]).out).expect("JSON");
    let message = report["findings"][0]["message"].as_str().expect("a message");
    assert!(message.ends_with("request \u{9b}31m\u{202e}"), "{message:?}");
}

/// An edit of something.
#[derive(Debug, Clone)]
struct Edit(Resource);

impl Edit {
    fn new() -> Self {
        let template = PathTemplate::parse("/{version}/things/{thingId}").expect("a template");
        let pattern = |_: &str| KeyPattern::parse("[1-9][0-9]*").expect("a pattern");
        let route = Arc::new(Route::new(template, GraphVersion::ALL.to_vec(), pattern));
        Self(route.resource("/v1.0/things/7").expect("a resource"))
    }
}

impl Recordable for Edit {
    fn guard(&self) -> &'static str {
        "thing-update"
    }
    fn resource(&self) -> &Resource {
        &self.0
    }
    fn schema_id(&self) -> &'static str {
        "thing"
    }
    fn schema_digest(&self) -> &'static str {
        "0d5f"
    }
    fn document(&self) -> &'static [u8] {
        br#"{"state":"closed"}"#
    }
    fn each_field(&self, see: &mut dyn FnMut(&str, &[u8])) {
        see("state", b"\"closed\"");
    }
}

/// Records and closes edits of these numbers.
fn edits(journal: &Journal, numbers: std::ops::Range<u128>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for number in numbers {
        let asked = Asked {
            request_id: RequestId::from_uuid(Uuid::from_u128(number)),
            trace_id: None,
            caller: Who { id: Some("soar"), known_by: "api-key" },
            generation: Generation(1),
            fields: FieldRules::NONE,
        };
        runtime.block_on(async {
            let intent = journal.record(Edit::new(), &asked, &["default"]).await.expect("recorded");
            intent.close(Outcome::answered(204, Some("graph"))).await.expect("recorded");
        });
    }
}

fn open(directory: &Path) -> Journal {
    let settings = Settings { segment_bytes: 4 << 10, ..Settings::default() };
    Journal::open(directory, settings).expect("a journal").0
}

/// A command that goes on, and the lines of its standard output as they come.
fn following(args: &[&str]) -> (Child, Receiver<String>) {
    let mut command = gateway::command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let out = BufReader::new(child.stdout.take().expect("output"));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || out.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    (child, receiver)
}

#[test]
fn a_tail_follows_a_writer_over_segments_until_it_is_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    edits(&journal, 0..2);
    let args = ["audit", "tail", "-f", "-n", "2", "--format", "json", text(folder.path())];
    let (mut child, lines) = following(&args);
    let next = || seq(&lines.recv_timeout(PATIENCE).expect("a line"));
    assert_eq!([next(), next()], [4, 5]);
    let writer = thread::spawn(move || {
        edits(&journal, 2..40);
        journal.close();
    });
    // Each edit is two records; a segment's first is one more, and one ends the journal.
    let mut last = 5;
    for _ in 0..2 * 38 {
        last += 1;
        assert_eq!(next(), last);
    }
    writer.join().expect("the writer");
    let segments = fs::read_dir(folder.path()).expect("a folder").count();
    assert!(segments > 5, "{segments}");
    gateway::signal(&child, "INT");
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), status.signal()), (None, Some(2)));
    let mut err = String::new();
    child.stderr.take().expect("errors").read_to_string(&mut err).expect("UTF-8");
    assert_eq!(err, "");
    // And what a gateway writes is what the commands read.
    let told = run(&["audit", "verify", text(folder.path())]);
    assert_eq!(told.code, Some(0), "{}", told.out);
    let told = run(&["audit", "query", "--caller", "soar", "--format", "json", text(folder.path())]);
    assert_eq!(told.out.lines().count(), 80);
}

#[test]
fn a_tail_ends_when_nobody_reads_it() {
    let made = Made::new();
    for format in ["human", "json"] {
        let mut command = gateway::command(&["audit", "tail", "-f", "--format", format, made.path()]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("output"));
        out.read_line(&mut String::new()).expect("a line");
        // Nothing more comes into the journal.
        drop(out);
        let told = Told::of(&child.wait_with_output().expect("it ends"));
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_query_that_nobody_reads_is_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = open(folder.path());
    edits(&journal, 0..300);
    journal.close();
    for format in ["table", "json", "csv"] {
        let args = ["audit", "query", "--format", format, text(folder.path())];
        let mut child =
            gateway::command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let told = Told::of(&child.wait_with_output().expect("it ends"));
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{format}");
    }
}
