//! What happens to the audit directory while a gateway writes there, or before it starts. Where an edit can't be put on record
//! it is refused and nothing is sent; reads go on; the gateway recovers by itself.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use patchgate_journal::Verdict;
use patchgate_tests::audited::{Scene, assert_refusal, holding, send_held};
use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::gateway::{self, Gateway, refused_start};
use patchgate_tests::journal::{OnRecord, findings, gateway_on, report, segments};
use patchgate_tests::mount::Mount;
use patchgate_tests::process::{limit_files, until};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;

/// Room for the journal's reserve and as much again.
const SMALL_DISK: u64 = 8 << 20;
/// More edits than fit into what may be left of a page that a segment has begun.
const FEW_EDITS: u64 = 64;

#[test]
fn a_second_gateway_on_the_directory_is_told_who_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene::on(folder.path());
    let output = refused_start(gateway_on(folder.path(), &scene.upstream));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let holder = format!("process {}", scene.gateway.id());
    for words in [holder.as_str(), "audit.directory", folder.path().to_str().expect("a path")] {
        assert!(said.contains(words), "{said} does not say '{words}'");
    }
    assert_eq!(scene.edit(1).status, 200, "the first one goes on");
    scene.end(folder.path());
    assert_eq!(findings(folder.path()), [""; 0]);
}

/// Only a gateway that starts begins a journal.
#[test]
fn a_start_that_fails_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("state/audit");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let rows: [(&[&str], &str); 5] = [
        (&["--listen", &taken, "--admin", "127.0.0.1:0"], "--listen: cannot listen"),
        (&["--listen", "127.0.0.1:0", "--admin", &taken], "--admin: cannot listen"),
        (&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--upstream", "nowhere"], "upstream"),
        (&["--listen", "0.0.0.0:0", "--admin", "127.0.0.1:0"], "listen.insecure"),
        (&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log", "=="], "--log"),
    ];
    for (args, said) in rows {
        let mut command = gateway::command(&[&["run"], args].concat());
        command.env("PATCHGATE_AUDIT__DIRECTORY", &directory);
        let output = refused_start(command);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said), "{error} does not say '{said}'");
        assert!(!folder.path().join("state").exists(), "{args:?}");
    }
}

/// The kinds of the records, in their order.
fn kinds(directory: &Path) -> Vec<String> {
    let mut kinds = Vec::new();
    for segment in segments(directory) {
        let text = fs::read_to_string(segment).expect("a segment");
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let why = record["why"].as_str().map(|why| format!(" {why}")).unwrap_or_default();
            kinds.push(format!("{}{why}", record["kind"].as_str().expect("a kind")));
        }
    }
    kinds
}

#[test]
fn a_start_that_fails_behind_the_journal_closes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = gateway_on(folder.path(), &Upstream::start());
    // Nobody can be told that it is ready.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = command.stdout(full).stderr(Stdio::piped()).output().expect("it runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("the disk is full"), "{error}");
    assert_eq!(kinds(folder.path()), ["checkpoint start", "checkpoint end"]);
}

/// What is under way at the end and takes too long is cut off, and that nobody knows its outcome is on record with it.
#[test]
fn an_edit_that_the_end_cuts_off_is_unknown_on_record() {
    for (durability, signals) in [("strict", 1), ("relaxed", 1), ("strict", 2)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (upstream, held, go) = holding();
        let mut command = gateway_on(folder.path(), &upstream);
        command.env("PATCHGATE_AUDIT__DURABILITY", durability);
        command.env("PATCHGATE_TIMEOUTS__DRAIN", if signals == 1 { "100ms" } else { "1h" });
        let scene = Scene { gateway: Gateway::started_by(command), upstream };
        assert_eq!(scene.edit(1).status, 200);
        let mut caller = send_and_leave_unanswered(&scene, &held);
        scene.gateway.terminate();
        if signals == 2 {
            let listen = scene.gateway.listen;
            until("draining", || TcpStream::connect(listen).is_err());
            scene.gateway.terminate();
        }
        let (status, output) = scene.gateway.wait();
        assert_eq!(status.code(), Some(2), "{output}");
        assert!(output.contains("cut off"), "{output}");
        assert!(caller.receive().is_none(), "nobody knows what to answer");
        drop(go);
        let assert_unknown = || {
            let record = OnRecord::read(folder.path());
            record.assert_closed(durability);
            let held =
                record.edits.values().find(|edit| edit.sent.document == held).expect("it is on record");
            assert_eq!(held.outcomes, [Verdict::Unknown], "{durability}");
            assert_eq!(findings(folder.path()), [""; 0]);
        };
        assert_unknown();
        assert_eq!(kinds(folder.path()).last().map(String::as_str), Some("checkpoint end"));
        Scene::on(folder.path()).gateway.stop();
        assert_unknown();
    }
}

#[test]
fn a_directory_that_cannot_be_had_ends_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    for directory in [file.clone(), file.join("below")] {
        let output = refused_start(gateway_on(&directory, &Upstream::start()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for words in ["audit", directory.to_str().expect("a path"), "Not a directory"] {
            assert!(said.to_lowercase().contains(&words.to_lowercase()), "{said} does not say '{words}'");
        }
    }
}

#[test]
fn a_directory_that_is_moved_away_refuses_edits_until_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, away) = (folder.path().join("audit"), folder.path().join("away"));
    let scene = Scene::on(&directory);
    assert_eq!(scene.edit(1).status, 200);
    fs::rename(&directory, &away).expect("it is moved");
    scene.assert_refuses("No such file");
    scene.assert_refuses("No such file");
    fs::rename(&away, &directory).expect("it is moved back");
    scene.wait_until_ready();
    assert_eq!(scene.edit(2).status, 200);
    let record = scene.end(&directory);
    assert_eq!(findings(&directory), [""; 0]);
    assert_eq!(record.refusals.get("ServiceUnavailable"), Some(&2), "refusals are on record later");
}

/// Nobody edits meanwhile: it is not for an edit to find out.
#[test]
fn a_directory_that_is_gone_shows_before_an_edit_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, away) = (folder.path().join("audit"), folder.path().join("away"));
    for durability in ["strict", "relaxed"] {
        let upstream = Upstream::start();
        let mut command = gateway_on(&directory, &upstream);
        command.env("PATCHGATE_AUDIT__DURABILITY", durability);
        let scene = Scene { gateway: Gateway::started_by(command), upstream };
        assert_eq!(scene.edit(1).status, 200);
        fs::rename(&directory, &away).expect("it is moved");
        until("not ready", || scene.ready().status == 503);
        assert!(scene.ready().text().contains("No such file"), "{}", scene.ready().text());
        fs::rename(&away, &directory).expect("it is moved back");
        scene.wait_until_ready();
        assert_eq!(scene.edit(2).status, 200);
        let record = scene.end(&directory);
        assert_eq!(findings(&directory), [""; 0]);
        assert!(record.refusals.is_empty(), "no edit had to find out: {:?}", record.refusals);
        fs::remove_dir_all(&directory).expect("it is removed");
    }
}

#[test]
fn a_directory_that_is_removed_is_taken_again_once_it_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("audit");
    let scene = Scene::on(&directory);
    assert_eq!(scene.edit(1).status, 200);
    fs::remove_dir_all(&directory).expect("it is removed");
    scene.assert_refuses("No such file");
    fs::create_dir(&directory).expect("it is made");
    scene.wait_until_ready();
    assert_eq!(scene.edit(2).status, 200);
    let (status, output) = scene.gateway.stop();
    assert!(status.success(), "{output}");
    // The first edit is gone with its record, and that can be seen.
    let found = findings(&directory);
    assert!(found.iter().any(|finding| finding.contains("segments are missing")), "{found:?}");
    assert_eq!(OnRecord::read(&directory).sent().len(), 1);
}

#[test]
fn files_that_cannot_grow_refuse_edits_until_they_can() {
    let folder = tempfile::tempdir().expect("a folder");
    let (upstream, held, go) = holding();
    let scene = Scene { gateway: Gateway::started_by(gateway_on(folder.path(), &upstream)), upstream };
    assert_eq!(scene.edit(1).status, 200);
    let in_flight = send_held(&scene, &held);
    limit_files(scene.gateway.id(), Some(0));
    scene.assert_refuses("File too large");
    // Its outcome waits in memory; its caller is told what Graph said all the same.
    go.send(()).expect("upstream waits");
    assert_eq!(in_flight.join().expect("an answer").status, 200);
    scene.assert_refuses("File too large");
    limit_files(scene.gateway.id(), None);
    scene.wait_until_ready();
    assert_eq!(scene.edit(2).status, 200);
    let record = scene.end(folder.path());
    assert_eq!(findings(folder.path()), [""; 0]);
    assert!(record.edits.values().all(|edit| edit.outcomes == [Verdict::Applied]), "{:#?}", record.edits);
}

#[test]
fn an_outcome_that_was_held_in_memory_is_unknown_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let (upstream, held, go) = holding();
    let scene = Scene { gateway: Gateway::started_by(gateway_on(folder.path(), &upstream)), upstream };
    let in_flight = send_held(&scene, &held);
    limit_files(scene.gateway.id(), Some(0));
    scene.assert_refuses("File too large");
    go.send(()).expect("upstream waits");
    assert_eq!(in_flight.join().expect("an answer").status, 200);
    let mut gateway = scene.gateway;
    gateway.process().kill().expect("it runs");
    drop(gateway);
    Scene::on(folder.path());
    assert_eq!(only_outcomes(folder.path()), [Verdict::Unknown]);
}

#[test]
fn an_end_while_nothing_can_be_written_is_an_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let (upstream, held, go) = holding();
    let scene = Scene { gateway: Gateway::started_by(gateway_on(folder.path(), &upstream)), upstream };
    let in_flight = send_held(&scene, &held);
    limit_files(scene.gateway.id(), Some(0));
    scene.assert_refuses("File too large");
    go.send(()).expect("upstream waits");
    assert_eq!(in_flight.join().expect("an answer").status, 200);
    let (status, output) = scene.gateway.stop();
    assert!(status.success(), "{output}");
    assert!(output.contains("the outcome of an edit is not on record yet"), "{output}");
    // The edit that was refused is counted, and nowhere on record.
    let lost = output.lines().find(|line| line.contains("refusals have no record"));
    assert!(lost.is_some_and(|line| line.contains("\"refusals\":1")), "{output}");
    Scene::on(folder.path());
    assert_eq!(only_outcomes(folder.path()), [Verdict::Unknown]);
}

/// Sends the edit whose answer is kept back, and returns once upstream has it. The connection is the caller's to leave.
fn send_and_leave_unanswered(scene: &Scene, held: &str) -> Connection {
    let (address, length) = (scene.gateway.listen, held.len());
    let count = scene.upstream.arrived().len();
    let mut caller = Connection::open(address);
    let fields = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json");
    let text = format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: {address}\r\n{fields}\r\nContent-Length: {length}\r\n\r\n"
    );
    caller.send(format!("{text}{held}").as_bytes());
    scene.upstream.wait_for(count + 1);
    caller
}

#[test]
fn an_edit_whose_caller_is_gone_has_its_outcome() {
    let folder = tempfile::tempdir().expect("a folder");
    let (upstream, held, go) = holding();
    let scene = Scene { gateway: Gateway::started_by(gateway_on(folder.path(), &upstream)), upstream };
    drop(send_and_leave_unanswered(&scene, &held));
    go.send(()).expect("upstream waits");
    until("on record", || only_outcomes(folder.path()) == [Verdict::Applied]);
    scene.end(folder.path());
}

/// The outcomes of the one edit that is on record, in a chain that holds.
fn only_outcomes(directory: &Path) -> Vec<Verdict> {
    assert_eq!(findings(directory), [""; 0]);
    let record = OnRecord::read(directory);
    assert_eq!(record.edits.len(), 1, "{record:#?}");
    record.edits.into_values().flat_map(|edit| edit.outcomes).collect()
}

/// Sends edits until the disk is full to the last byte, and one is refused.
fn edit_until_refused(scene: &Scene) {
    for number in 100..100 + FEW_EDITS {
        let answer = scene.edit(number);
        if answer.status != 200 {
            return assert_refusal(&answer);
        }
    }
    panic!("{FEW_EDITS} edits were recorded on a full disk");
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_full_disk_refuses_edits_and_takes_the_outcomes_of_those_in_flight() {
    let disk = Mount::of_bytes(SMALL_DISK);
    let directory = disk.path().join("audit");
    let (upstream, held, go) = holding();
    let scene = Scene { gateway: Gateway::started_by(gateway_on(&directory, &upstream)), upstream };
    assert_eq!(scene.edit(1).status, 200);
    let in_flight = send_held(&scene, &held);
    let filler = disk.fill();
    edit_until_refused(&scene);
    scene.assert_refuses("No space left");
    go.send(()).expect("upstream waits");
    assert_eq!(in_flight.join().expect("an answer").status, 200, "the reserve has room for its outcome");
    let outcome = |record: &OnRecord| {
        let edit = record.edits.values().find(|edit| edit.sent.document == held).expect("it is on record");
        edit.outcomes.clone()
    };
    assert_eq!(outcome(&OnRecord::read(&directory)), [Verdict::Applied], "while the disk is full");
    scene.assert_refuses("No space left");
    fs::remove_file(filler).expect("it is removed");
    scene.wait_until_ready();
    assert_eq!(scene.edit(2).status, 200);
    let record = scene.end(&directory);
    assert_eq!(findings(&directory), [""; 0]);
    assert!(record.edits.values().all(|edit| edit.outcomes == [Verdict::Applied]), "{:#?}", record.edits);
    assert!(record.refusals.get("ServiceUnavailable") >= Some(&3), "{:?}", record.refusals);
}

#[test]
#[ignore = "needs root, to mount a small disk"]
fn a_start_on_a_full_disk_serves_reads_and_recovers() {
    let disk = Mount::of_bytes(SMALL_DISK);
    let directory = disk.path().join("audit");
    Scene::on(&directory).end(&directory);
    let filler = disk.fill();
    let scene = Scene::on(&directory);
    scene.assert_refuses("No space left");
    fs::remove_file(filler).expect("it is removed");
    scene.wait_until_ready();
    assert_eq!(scene.edit(1).status, 200);
    scene.end(&directory);
    assert_eq!(findings(&directory), [""; 0]);
}

/// A gateway that is root and, unlike root, may do no more to a file than its permissions say.
fn bound_by_permissions(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--bounding-set", "-dac_override,-dac_read_search"]).arg(command.get_program());
    bound.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    bound
}

fn allow(directory: &Path, mode: u32) {
    fs::set_permissions(directory, fs::Permissions::from_mode(mode)).expect("permissions");
}

#[test]
#[ignore = "needs root and setpriv"]
fn a_directory_made_read_only_refuses_edits_once_a_new_file_is_needed() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("audit");
    let upstream = Upstream::start();
    let gateway = Gateway::started_by(bound_by_permissions(&gateway_on(&directory, &upstream)));
    let scene = Scene { gateway, upstream };
    assert_eq!(scene.edit(1).status, 200);
    allow(&directory, 0o500);
    assert_eq!(scene.edit(2).status, 200, "the segment is open, and can be written");
    let segment = segments(&directory).pop().expect("a segment");
    let away = folder.path().join("away");
    fs::rename(&segment, &away).expect("root may");
    scene.assert_refuses("Permission denied");
    fs::rename(&away, &segment).expect("root may");
    scene.assert_refuses("Permission denied");
    allow(&directory, 0o700);
    scene.wait_until_ready();
    assert_eq!(scene.edit(3).status, 200);
    scene.end(&directory);
    assert_eq!(findings(&directory), [""; 0]);

    allow(&directory, 0o500);
    let output = refused_start(bound_by_permissions(&gateway_on(&directory, &Upstream::start())));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in
        ["PATCHGATE_AUDIT__DIRECTORY", "Permission denied", "help: make it a directory of this user's own"]
    {
        assert!(said.contains(words), "{said} does not say '{words}'");
    }
    allow(&directory, 0o700);
}

#[test]
fn relaxed_keeps_what_it_could_not_write_and_then_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let (directory, away) = (folder.path().join("audit"), folder.path().join("away"));
    let upstream = Upstream::start();
    let mut command = gateway_on(&directory, &upstream);
    command.env("PATCHGATE_AUDIT__DURABILITY", "relaxed");
    let scene = Scene { gateway: Gateway::started_by(command), upstream };
    assert_eq!(scene.edit(0).status, 200);
    fs::rename(&directory, &away).expect("it is moved");
    let mut number = 0;
    until("refused", || {
        number += 1;
        scene.edit(number).status == 503
    });
    scene.assert_refuses("No such file");
    fs::rename(&away, &directory).expect("it is moved back");
    scene.wait_until_ready();
    assert_eq!(scene.edit(number + 1).status, 200);
    // Those too that were sent before it noticed.
    scene.end(&directory);
    assert_eq!(findings(&directory), [""; 0]);
}

#[test]
fn relaxed_writes_though_nothing_more_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstream = Upstream::start();
    let mut command = gateway_on(folder.path(), &upstream);
    command.env("PATCHGATE_AUDIT__DURABILITY", "relaxed");
    let mut gateway = Gateway::started_by(command);
    let answer = gateway.patch(INCIDENT, EDIT);
    let id = answer.header("patchgate-request-id").expect("an id").to_owned();
    let outcomes = |id: &str| OnRecord::read(folder.path()).edits.get(id).map(|edit| edit.outcomes.clone());
    until("on record", || outcomes(&id) == Some(vec![Verdict::Applied]));
    gateway.process().kill().expect("it runs");
    drop(gateway);
    Scene::on(folder.path());
    assert_eq!(outcomes(&id), Some(vec![Verdict::Applied]));
    assert_eq!(report(folder.path()).open, 0);
    assert_eq!(findings(folder.path()), [""; 0]);
}
