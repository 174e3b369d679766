//! The configuration, read again while requests are served: all or nothing, and no request notices.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use patchgate_tests::client::Connection;
use patchgate_tests::gateway::{Gateway, command};
use patchgate_tests::rows::{EDIT, INCIDENT};

/// Waits until something is so, without sleeping: the other process is asked again and again.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_mins(1), "it never was so: {what}");
        thread::yield_now();
    }
}

fn told(admin: SocketAddr, path: &str) -> String {
    let answer = Connection::open(admin).request("GET", path, &[], None);
    assert_eq!(answer.status, 200, "{path}");
    answer.text()
}

/// A configuration with a route that can be told from those of all others.
fn marked(mark: &str) -> String {
    format!(
        "[[guard]]\nschema = \"security-incident-update\"\n[[route]]\nmethods = [\"GET\"]\npath = \"/{{version}}/{mark}\"\n"
    )
}

/// Whether the rules with this mark are in force: what matches no route is told which routes there are.
fn in_force(gateway: &Gateway, mark: &str) -> bool {
    gateway.get("/v1.0/nothing").text().contains(&format!("/{{version}}/{mark}"))
}

/// Puts a file in the place of another, whole.
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).expect("a file");
    fs::rename(&beside, file).expect("the file is replaced");
}

fn metric(admin: SocketAddr, name: &str) -> u64 {
    let text = told(admin, "/metrics");
    let line =
        text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn a_hundred_reloads_good_and_bad_and_no_request_fails() {
    let gateway = Gateway::configured(&marked("start"), &[]);
    let file = gateway.folder().expect("a folder").join("patchgate.toml");
    let (done, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let generations = thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = gateway.connect();
                    let mut last = 0;
                    while !done.load(Ordering::Relaxed) {
                        let answer = connection.patch(INCIDENT, &[], EDIT);
                        assert_eq!(answer.status, 200, "{}", answer.text());
                        let refused = connection.patch(INCIDENT, &[], "{}");
                        let generation = refused.json()["error"]["innerError"]["generation"].as_u64();
                        let generation = generation.expect("a generation");
                        assert!(generation >= last, "{generation} after {last}");
                        last = generation;
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                    last
                })
            })
            .collect();
        for number in 0..50 {
            let good = format!("good{number}");
            replace(&file, &marked(&good));
            gateway.signal("HUP");
            until(&good, || in_force(&gateway, &good));
            until("trouble is over", || told(gateway.admin, "/readyz") == "ready\n");
            let bad = format!("bad{number}");
            replace(&file, &format!("{}{bad} = 1\n", marked("never")));
            gateway.signal("HUP");
            until(&bad, || told(gateway.admin, "/readyz").contains(&bad));
            assert!(in_force(&gateway, &good), "the last good one stays");
        }
        done.store(true, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().expect("a caller")).max()
    });
    assert!(passed.load(Ordering::Relaxed) >= 50, "there was hardly any load");
    assert!(generations.is_some_and(|last| last > 10), "{generations:?}");
    assert!(metric(gateway.admin, "patchgate_ruleset_reloads_total{outcome=\"refused\"}") >= 50);
    assert!(metric(gateway.admin, "patchgate_ruleset_reloads_total{outcome=\"taken\"}") >= 50);
    let generation = metric(gateway.admin, "patchgate_ruleset_generation");
    assert!((51..100).contains(&generation), "only good ones count: {generation}");
    let (status, log) = gateway.stop();
    assert!(status.success());
    assert!(log.contains("bad49") && !log.contains("panicked"), "{log}");
}

#[test]
fn a_file_that_changes_is_read_without_a_signal() {
    let gateway = Gateway::configured(&marked("start"), &[]);
    let file = gateway.folder().expect("a folder").join("patchgate.toml");
    // Written in place, and replaced.
    fs::write(&file, marked("written")).expect("a file");
    until("written", || in_force(&gateway, "written"));
    replace(&file, &marked("replaced"));
    until("replaced", || in_force(&gateway, "replaced"));
    // Gone, and back again as it was.
    let text = fs::read_to_string(&file).expect("the file");
    fs::remove_file(&file).expect("it is removed");
    until("it is missed", || told(gateway.admin, "/readyz").contains("there is no such file"));
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert!(in_force(&gateway, "replaced"));
    fs::write(&file, &text).expect("a file");
    until("it is back", || told(gateway.admin, "/readyz") == "ready\n");
    // Something else in its place for a while.
    fs::remove_file(&file).expect("it is removed");
    fs::create_dir(&file).expect("a folder");
    until("it is a folder", || told(gateway.admin, "/readyz").contains("it is a folder"));
    fs::remove_dir(&file).expect("it is removed");
    fs::write(&file, &text).expect("a file");
    until("it is a file again", || told(gateway.admin, "/readyz") == "ready\n");
}

#[test]
fn a_schema_that_changes_is_read_and_one_that_breaks_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/security-incident-update.json");
    let shipped = fs::read_to_string(shipped).expect("the schema");
    let (config, schema) = (folder.path().join("patchgate.toml"), folder.path().join("own.json"));
    fs::write(&schema, &shipped).expect("a file");
    fs::write(&config, "[[guard]]\nschema = \"./own.json\"\n").expect("a file");
    let gateway = Gateway::start(&["--config", config.to_str().expect("a path")]);
    let two = r#"{"customTags":["a","b"]}"#;
    assert_eq!(gateway.patch(INCIDENT, two).status, 200);
    replace(&schema, &shipped.replace("\"maxItems\": 100", "\"maxItems\": 1"));
    until("two are too many", || gateway.patch(INCIDENT, two).status == 400);
    replace(&schema, "{");
    until("it is broken", || told(gateway.admin, "/readyz").contains("own.json"));
    assert_eq!(gateway.patch(INCIDENT, two).status, 400, "the last good one stays");
    replace(&schema, &shipped);
    until("two are not too many", || gateway.patch(INCIDENT, two).status == 200);
}

/// A volume of Kubernetes: the files are links to `..data/NAME`, and `..data` is a link to a folder, which is swapped.
#[cfg(unix)]
#[test]
fn a_folder_whose_link_is_swapped_is_read() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().expect("a folder");
    let version = |name: &str, mark: &str| {
        fs::create_dir(folder.path().join(name)).expect("a folder");
        fs::write(folder.path().join(name).join("patchgate.toml"), marked(mark)).expect("a file");
        symlink(name, folder.path().join("..new")).expect("a link");
        fs::rename(folder.path().join("..new"), folder.path().join("..data")).expect("the link is swapped");
    };
    version("..1", "first");
    let config = folder.path().join("patchgate.toml");
    symlink("..data/patchgate.toml", &config).expect("a link");
    let gateway = Gateway::start(&["--config", config.to_str().expect("a path")]);
    assert!(in_force(&gateway, "first"));
    version("..2", "second");
    fs::remove_dir_all(folder.path().join("..1")).expect("the old one is removed");
    until("second", || in_force(&gateway, "second"));
}

#[test]
fn what_needs_a_restart_is_named() {
    let gateway = Gateway::configured(&marked("start"), &[]);
    let file = gateway.folder().expect("a folder").join("patchgate.toml");
    let text =
        format!("[limits]\nin_flight = 7\nbody = \"10KiB\"\n[timeouts]\nidle = \"7s\"\n{}", marked("next"));
    replace(&file, &text);
    gateway.signal("HUP");
    until("next", || in_force(&gateway, "next"));
    let (status, log) = gateway.stop();
    assert!(status.success());
    let line =
        log.lines().find(|line| line.contains("from the next start on")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("limits.in_flight, timeouts.idle") && !line.contains("limits.body"), "{line}");
}

#[test]
fn a_request_has_one_generation_from_its_start_to_its_end() {
    let gateway = Gateway::configured(&marked("start"), &[]);
    let file = gateway.folder().expect("a folder").join("patchgate.toml");
    let mut connection = gateway.connect();
    let head = format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        EDIT.len()
    );
    connection.send(head.as_bytes());
    assert_eq!(connection.interim(), 100, "the head was admitted");
    replace(&file, &format!("[limits]\nbody = \"1B\"\n{}", marked("next")));
    gateway.signal("HUP");
    until("next", || in_force(&gateway, "next"));
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 413, "a later request has the new limit");
    connection.send(EDIT.as_bytes());
    assert_eq!(connection.receive().expect("an answer").status, 200, "this one has the old");
}

#[test]
fn a_storm_of_signals_is_one_reload_after_the_other() {
    let gateway = Gateway::configured(&marked("start"), &[]);
    let file = gateway.folder().expect("a folder").join("patchgate.toml");
    let process = gateway.id();
    replace(&file, &marked("storm"));
    let kill = format!("i=0; while [ $i -lt 500 ]; do kill -HUP {process}; i=$((i+1)); done");
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    until("storm", || in_force(&gateway, "storm"));
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert!(gateway.stop().0.success());
}

/// A pipe gives what is in it once. It is read once, whole, and a reload says why it is refused.
#[cfg(target_os = "linux")]
#[test]
fn a_configuration_from_a_pipe_is_not_lost() {
    use std::io::Write as _;
    use std::process::Stdio;

    let folder = tempfile::tempdir().expect("a folder");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas/security-incident-update.json");
    let own = folder.path().join("own.json");
    fs::copy(schema, &own).expect("a schema");
    let text = format!("[limits]\nbody = \"3B\"\n[[guard]]\nschema = \"{}\"\n", own.display());
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut command =
        command(&["--config", "/dev/stdin", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.stdin(Stdio::from(reader));
    writer.write_all(text.as_bytes()).expect("it is written");
    drop(writer);
    let gateway = Gateway::started_by(command);
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 413, "the limit of the pipe");
    gateway.signal("HUP");
    until("it is refused", || told(gateway.admin, "/readyz").contains("no regular file"));
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 413, "the limit stays");
    assert!(gateway.stop().0.success());
}

/// systemd, as far as the process sees it: a socket that it tells its state to.
#[cfg(unix)]
#[test]
fn a_service_manager_is_told_of_start_reload_and_end() {
    use std::os::unix::net::UnixDatagram;

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let next = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).expect("a state");
        String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned()
    };
    let gateway = Gateway::start_with(&[], &[("NOTIFY_SOCKET", path.to_str().expect("a path"))]);
    assert_eq!(next(), "READY=1");
    gateway.signal("HUP");
    let reloading = next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    assert_eq!(next(), "READY=1");
    gateway.terminate();
    assert_eq!(next(), "STOPPING=1");
    assert!(gateway.wait().0.success());
}
