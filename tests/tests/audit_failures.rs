//! What happens to the audit directory while a gateway writes there, or before it starts. Where an edit can't be put on record
//! it is refused and nothing is sent; reads go on; the gateway recovers by itself; what was done to the files is found.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use patchgate_journal::Verdict;
use patchgate_tests::callers::document;
use patchgate_tests::client::{Connection, Response};
use patchgate_tests::gateway::{Gateway, refused_start};
use patchgate_tests::journal::{OnRecord, Sent, findings, gateway_on, report, segments};
use patchgate_tests::mount::Mount;
use patchgate_tests::process::{limit_files, until};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::{PLAIN, Upstream};
use serde_json::Value;
use tempfile::TempDir;

/// Room for the journal's reserve and as much again.
const SMALL_DISK: u64 = 8 << 20;
/// More edits than fit into what may be left of a page that a segment has begun.
const FEW_EDITS: u64 = 64;

/// A gateway with a journal, and what it forwards to.
struct Scene {
    gateway: Gateway,
    upstream: Upstream,
}

impl Scene {
    fn on(directory: &Path) -> Self {
        let upstream = Upstream::start();
        let gateway = Gateway::started_by(gateway_on(directory, &upstream));
        Self { gateway, upstream }
    }

    fn edit(&self, number: u64) -> Response {
        self.gateway.patch(INCIDENT, &document(0, 0, number))
    }

    fn ready(&self) -> Response {
        Connection::open(self.gateway.admin).get("/readyz", &[])
    }

    fn wait_until_ready(&self) {
        until("ready again", || self.ready().status == 200);
    }

    /// Edits that upstream saw.
    fn arrived(&self) -> Vec<Sent> {
        let mut arrived: Vec<Sent> = self.upstream.arrived().iter().filter_map(Sent::arrived).collect();
        arrived.sort_unstable();
        arrived
    }

    /// Edits are refused with a sentence that says why, nothing is sent; reads go on; it lives, and says that it is not ready.
    fn assert_refuses(&self, why: &str) {
        let before = self.arrived();
        assert_refusal(&self.edit(1000));
        assert_eq!(self.arrived(), before, "a refused edit was sent");
        let read = self.gateway.get(INCIDENT);
        assert_eq!(read.status, 200, "{}", read.text());
        let ready = self.ready();
        assert_eq!(ready.status, 503, "{}", ready.text());
        assert!(ready.text().contains("audit") && ready.text().contains(why), "{}", ready.text());
        assert_eq!(Connection::open(self.gateway.admin).get("/healthz", &[]).status, 200);
    }

    /// Ends in peace: what upstream saw is what is on record, each edit with its outcome.
    fn end(self, directory: &Path) -> OnRecord {
        let arrived = self.arrived();
        let (status, output) = self.gateway.stop();
        assert!(status.success(), "{output}");
        let record = OnRecord::read(directory);
        record.assert_closed("at the end");
        assert_eq!(record.sent(), arrived.iter().collect::<Vec<_>>());
        record
    }
}

fn assert_refusal(answer: &Response) {
    assert_eq!((answer.status, answer.code().as_str()), (503, "ServiceUnavailable"), "{}", answer.text());
    for words in ["cannot write its audit record", "nothing was sent"] {
        assert!(answer.message().contains(words), "'{}' does not say '{words}'", answer.message());
    }
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

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
    let record = OnRecord::read(folder.path());
    let outcomes: Vec<_> = record.edits.values().map(|edit| edit.outcomes.as_slice()).collect();
    assert_eq!(outcomes, [[Verdict::Unknown]]);
    assert_eq!(findings(folder.path()), [""; 0]);
}

/// An upstream that keeps back its answer to the edit `held` until it is told to go on.
fn holding() -> (Upstream, String, mpsc::Sender<()>) {
    let held = document(0, 1, 0);
    let (go, wait) = mpsc::channel();
    let (wait, kept) = (Mutex::new(wait), held.clone());
    let upstream = Upstream::answering(move |request, stream| {
        if request.text() == kept {
            wait.lock().expect("no panic").recv().expect("the test goes on");
        }
        stream.write_all(PLAIN).is_ok()
    });
    (upstream, held, go)
}

/// Sends the edit whose answer is kept back, and returns once upstream has it.
fn send_held(scene: &Scene, held: &str) -> thread::JoinHandle<Response> {
    let count = scene.upstream.arrived().len();
    let (address, document) = (scene.gateway.listen, held.to_owned());
    let sender = thread::spawn(move || Connection::open(address).patch(INCIDENT, &[], &document));
    scene.upstream.wait_for(count + 1);
    sender
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
    assert!(said.contains("Permission denied") && said.contains("audit"), "{said}");
    allow(&directory, 0o700);
}

/// A directory with three segments, of which a gateway writes to the last.
fn three_segments() -> (TempDir, Scene) {
    let folder = tempfile::tempdir().expect("a folder");
    for start in [10, 20] {
        let scene = Scene::on(folder.path());
        (start..start + 4).for_each(|number| assert_eq!(scene.edit(number).status, 200));
        let (status, output) = scene.gateway.stop();
        assert!(status.success(), "{output}");
    }
    let scene = Scene::on(folder.path());
    (30..34).for_each(|number| assert_eq!(scene.edit(number).status, 200));
    assert_eq!(segments(folder.path()).len(), 3);
    assert_eq!(findings(folder.path()), [""; 0]);
    (folder, scene)
}

fn swap(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).expect("a segment");
    assert!(text.contains(from), "{text}");
    let inode = fs::OpenOptions::new().write(true).truncate(true).open(file);
    inode.and_then(|mut file| file.write_all(text.replacen(from, to, 1).as_bytes())).expect("it is written");
}

#[test]
fn what_is_done_to_a_segment_under_a_running_gateway_is_found() {
    type Change = fn(&Path);
    let rows: [(&str, usize, Change, &str); 6] = [
        ("an old one is deleted", 1, |file| fs::remove_file(file).expect("removed"), "missing"),
        ("the first one is deleted", 0, |file| fs::remove_file(file).expect("removed"), "missing"),
        ("an old one is edited", 1, |file| swap(file, "0/0/21", "0/0/99"), "changed"),
        ("the one in use is edited", 2, |file| swap(file, "0/0/31", "0/0/99"), "changed"),
        ("the one in use is deleted", 2, |file| fs::remove_file(file).expect("removed"), "missing"),
        (
            "the one in use is cut",
            2,
            |file| {
                let text = fs::read_to_string(file).expect("a segment");
                let lines = text.split_inclusive('\n').count() - 2;
                let kept: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
                let file = fs::OpenOptions::new().write(true).open(file).expect("a segment");
                file.set_len(u64::try_from(kept).expect("a length")).expect("cut");
            },
            "missing",
        ),
    ];
    for (what, index, change, said) in rows {
        let (folder, scene) = three_segments();
        change(&segments(folder.path())[index]);
        // Callers do not notice: there is a place to write.
        for number in 40..44 {
            let answer = scene.edit(number);
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        }
        assert_eq!(scene.ready().status, 200, "{what}");
        let found = findings(folder.path());
        assert!(found.iter().any(|finding| finding.contains(said)), "{what}: {found:#?}");
        // Nor does it go away with another start, and what was recorded since is there.
        let (status, output) = scene.gateway.stop();
        assert!(status.success(), "{what}: {output}");
        Scene::on(folder.path()).gateway.stop();
        let found = findings(folder.path());
        assert!(found.iter().any(|finding| finding.contains(said)), "{what}: {found:#?}");
        let record = OnRecord::read(folder.path());
        let documents: Vec<&str> = record.sent().iter().map(|sent| sent.document.as_str()).collect();
        for number in 40..44 {
            assert!(documents.contains(&document(0, 0, number).as_str()), "{what}: {number} is lost");
        }
    }
}

#[test]
fn a_torn_tail_is_kept_beside_and_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene::on(folder.path());
    (1..4).for_each(|number| assert_eq!(scene.edit(number).status, 200));
    let mut gateway = scene.gateway;
    gateway.process().kill().expect("it runs");
    drop(gateway);
    let segment = segments(folder.path()).pop().expect("a segment");
    let bytes = fs::read(&segment).expect("a segment");
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("two lines") + 1;
    let cut = last + (bytes.len() - last) / 2;
    let file = fs::OpenOptions::new().write(true).open(&segment).expect("a segment");
    file.set_len(cut as u64).expect("cut");

    let scene = Scene::on(folder.path());
    assert_eq!(scene.edit(4).status, 200);
    assert_eq!(findings(folder.path()), [""; 0]);
    let side: Vec<String> = names(folder.path()).into_iter().filter(|name| name.contains(".torn-")).collect();
    let name = segment.file_name().expect("a name").to_str().expect("text");
    assert_eq!(side, [format!("{name}.torn-1")]);
    assert_eq!(fs::read(folder.path().join(&side[0])).expect("the side file"), bytes[last..cut]);
    let record = OnRecord::read(folder.path());
    let [recovery] = record.recoveries.as_slice() else { panic!("{:#?}", record.recoveries) };
    let expected = serde_json::json!([{"segment": 1, "from": last, "bytes": cut - last, "file": side[0]}]);
    assert_eq!(recovery["cut"], expected);
    // The line that was cut was an outcome, which nobody knows now.
    let unknown = |record: &OnRecord| -> Vec<String> {
        let edits = record.edits.values().filter(|edit| edit.outcomes == [Verdict::Unknown]);
        edits.map(|edit| edit.sent.document.clone()).collect()
    };
    assert_eq!(unknown(&record), [document(0, 0, 3)]);
    let (status, output) = scene.gateway.stop();
    assert!(status.success(), "{output}");
    assert!(output.contains(&side[0]), "the log tells of the side file: {output}");
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

#[test]
fn records_are_the_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = folder.path().join("above/audit");
    let scene = Scene::on(&directory);
    assert_eq!(scene.edit(1).status, 200);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    for name in names(&directory) {
        assert_eq!(mode(&directory.join(&name)), 0o600, "{name}");
    }
    let record: Value = serde_json::from_str(
        fs::read_to_string(segments(&directory).pop().expect("one"))
            .expect("text")
            .lines()
            .nth(1)
            .expect("an intent"),
    )
    .expect("JSON");
    assert_eq!(record["kind"], "intent");
}
