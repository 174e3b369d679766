//! What is done to the files of the audit record, by somebody or by a crash, is found, told of and outlived; and who may read
//! them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use patchgate_journal::Verdict;
use patchgate_tests::audited::Scene;
use patchgate_tests::callers::document;
use patchgate_tests::journal::{OnRecord, findings, segments};
use tempfile::TempDir;

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
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
        // What another file had to take the place of is told of at once.
        let told = output.lines().any(|line| line.contains("ERROR") && line.contains("somebody changed"));
        assert_eq!(told, index == 2 && said == "missing", "{what}: {output}");
        Scene::on(folder.path()).gateway.stop();
        let found = findings(folder.path());
        assert!(found.iter().any(|finding| finding.contains(said)), "{what}: {found:#?}");
        let record = OnRecord::read(folder.path());
        let documents: Vec<&str> = record.sent().iter().map(|sent| sent.document.as_str()).collect();
        let twice = record.strays.iter().filter(|stray| stray.starts_with("a second")).count();
        assert_eq!(twice, 0, "{what}: {:?}", record.strays);
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
    let record: serde_json::Value = serde_json::from_str(
        fs::read_to_string(segments(&directory).pop().expect("one"))
            .expect("text")
            .lines()
            .nth(1)
            .expect("an intent"),
    )
    .expect("JSON");
    assert_eq!(record["kind"], "intent");
}

#[test]
fn a_directory_that_others_can_write_to_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    for (mode, warned) in [(0o700, false), (0o750, false), (0o770, true), (0o777, true)] {
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).expect("permissions");
        let (status, output) = Scene::on(folder.path()).gateway.stop();
        assert!(status.success(), "{output}");
        let line = output.lines().find(|line| line.contains("others than its owner may write"));
        assert_eq!(line.is_some(), warned, "{mode:o}: {output}");
        let said = [folder.path().to_str().expect("a path"), &format!("{mode:04o}"), "chmod go-w", "WARN"];
        for words in said.iter().filter(|_| warned) {
            assert!(line.is_some_and(|line| line.contains(words)), "{line:?} does not say '{words}'");
        }
    }
}
