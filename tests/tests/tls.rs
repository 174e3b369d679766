//! TLS towards Graph: whose certificates are accepted, and that nothing is sent to anyone else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use patchgate_tests::client::Response;
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::tls::{Authority, Identity, TlsUpstream, authority, leaf};
use patchgate_tests::upstream::PLAIN;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use tempfile::TempDir;

/// A folder with a configuration that trusts `roots` alone.
fn folder(url: &str, roots: &[u8], more: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).expect("a file");
    write("roots.pem", roots);
    write(
        "patchgate.toml",
        format!("[upstream]\nurl = \"{url}\"\nroots = \"roots.pem\"\n\n{more}").as_bytes(),
    );
    folder
}

fn config(folder: &Path) -> String {
    folder.join("patchgate.toml").to_str().expect("a path in UTF-8").to_owned()
}

/// A gateway that trusts `roots` alone; the files are read at its start.
fn trusting(url: &str, roots: &str, more: &str) -> Gateway {
    let folder = folder(url, roots.as_bytes(), more);
    Gateway::start(&["--config", &config(folder.path())])
}

fn at(upstream: &TlsUpstream) -> String {
    format!("https://localhost:{}", upstream.port)
}

/// The answer to an edit that certainly was not sent.
fn unsent(answer: &Response, what: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (502, "UpstreamUnreachable"), "{what}");
    assert!(answer.message().contains("nothing was sent"), "{what}: {}", answer.message());
}

fn with(mut params: CertificateParams, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    change(&mut params);
    params
}

// Accepted.

#[test]
fn edits_arrive_where_the_named_roots_vouch_for_the_upstream() {
    let (root, other) = (Authority::root("root"), Authority::root("other"));
    let local = root.sign(&leaf(&["localhost"]));
    let between = root.below(authority("between")).sign(&leaf(&["localhost"]));
    let pinned = Identity::self_signed(&leaf(&["localhost"]));
    let several = format!("{}\n# the one that counts\n{}", other.pem(), root.pem());
    let all = rustls::ALL_VERSIONS;
    let mut http2 = local.server(all);
    http2.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    for (what, server, host, roots, name) in [
        ("a root", local.server(all), "localhost", root.pem(), Some("localhost")),
        ("TLS 1.2", local.server(&[&rustls::version::TLS12]), "localhost", root.pem(), Some("localhost")),
        ("TLS 1.3", local.server(&[&rustls::version::TLS13]), "localhost", root.pem(), Some("localhost")),
        ("a server that prefers HTTP/2", http2, "localhost", root.pem(), Some("localhost")),
        ("one of several roots", local.server(all), "localhost", several.as_str(), Some("localhost")),
        ("an authority between", between.server(all), "localhost", root.pem(), Some("localhost")),
        ("a named leaf", pinned.server(all), "localhost", pinned.pem(), Some("localhost")),
        ("an address", root.sign(&leaf(&["127.0.0.1"])).server(all), "127.0.0.1", root.pem(), None),
    ] {
        let upstream = TlsUpstream::start(server);
        let gateway = trusting(&format!("https://{host}:{}", upstream.port), roots, "");
        let answer = gateway.patch(INCIDENT, EDIT);
        assert_eq!((answer.status, answer.text().as_str()), (200, "{}"), "{what}");
        let arrived = upstream.arrived();
        let [edit] = arrived.as_slice() else { panic!("{what}: {} requests", arrived.len()) };
        assert_eq!(
            (edit.method.as_str(), edit.target.as_str(), edit.text().as_str()),
            ("PATCH", INCIDENT, EDIT),
            "{what}"
        );
        assert_eq!(edit.header("host"), Some(format!("{host}:{}", upstream.port).as_str()), "{what}");
        assert_eq!(upstream.handshakes(1), [Ok(name.map(str::to_owned))], "{what}");
    }
}

#[test]
fn one_connection_serves_several_edits() {
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let root = Authority::root("root");
        let upstream = TlsUpstream::start(root.sign(&leaf(&["localhost"])).server(versions));
        // Each worker has connections of its own.
        let gateway = trusting(&at(&upstream), root.pem(), "");
        let mut caller = gateway.connect();
        for _ in 0..10 {
            assert_eq!(caller.patch(INCIDENT, &[], EDIT).status, 200);
        }
        assert_eq!(upstream.arrived().len(), 10);
        assert_eq!(upstream.handshakes(1).len(), 1, "{versions:?}");
    }
}

#[test]
fn a_path_in_the_url_is_kept() {
    let root = Authority::root("root");
    let upstream = TlsUpstream::showing(&root.sign(&leaf(&["localhost"])));
    let gateway = trusting(&format!("{}/graph/", at(&upstream)), root.pem(), "");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert_eq!(gateway.get("/v1.0/security/incidents?$top=2").status, 200);
    let targets: Vec<String> = upstream.arrived().into_iter().map(|arrived| arrived.target).collect();
    assert_eq!(targets, [format!("/graph{INCIDENT}"), "/graph/v1.0/security/incidents?$top=2".to_owned()]);
}

#[test]
fn an_answer_that_anyone_could_have_cut_is_not_whole() {
    let root = Authority::root("root");
    for closes in [true, false] {
        let server = root.sign(&leaf(&["localhost"])).server(rustls::ALL_VERSIONS);
        // The end of the connection is the end of this answer: only TLS's own says that nobody cut it.
        let upstream = TlsUpstream::answering(server, move |_, session| {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{}";
            session.write_all(head.as_bytes()).expect("the answer is sent");
            if closes {
                session.conn.send_close_notify();
                session.flush().expect("the end is sent");
            }
            false
        });
        let gateway = trusting(&at(&upstream), root.pem(), "");
        let mut caller = gateway.connect();
        let length = EDIT.len();
        let request = format!(
            "PATCH {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{EDIT}"
        );
        caller.send(request.as_bytes());
        let answer = caller.rest();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.ends_with("\r\n0\r\n\r\n"), closes, "{answer}");
        assert_eq!(upstream.arrived().len(), 1, "an edit is sent once");
    }
}

// Refused.

#[test]
fn nothing_is_sent_to_an_upstream_that_cannot_prove_who_it_is() {
    let (root, same, unknown) =
        (Authority::root("root"), Authority::root("root"), Authority::root("unknown"));
    let local = || leaf(&["localhost"]);
    let expired = with(local(), |params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = with(local(), |params| params.not_before = date_time_ymd(3000, 1, 1));
    let client =
        with(local(), |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let old = with(authority("old"), |params| params.not_after = date_time_ymd(2020, 1, 1));
    let itself = Identity::self_signed(&local());
    let ruler = with(authority("ruler"), |params| params.subject_alt_names = local().subject_alt_names);
    let ruler = Identity::self_signed(&ruler);
    let (trusted, pem) = (root.pem(), ruler.pem().to_owned());
    for (what, identity, roots, reason) in [
        ("an unknown authority", unknown.sign(&local()), trusted, "UnknownIssuer"),
        ("an authority that took the name of the known one", same.sign(&local()), trusted, "BadSignature"),
        ("a wrong name", root.sign(&leaf(&["graph.microsoft.com"])), trusted, "not valid for name"),
        ("a longer name", root.sign(&leaf(&["localhost.example"])), trusted, "not valid for name"),
        ("an address for a name", root.sign(&leaf(&["127.0.0.1"])), trusted, "not valid for name"),
        ("no name but the common one", root.sign(&leaf(&[])), trusted, "not valid for name"),
        ("expired", root.sign(&expired), trusted, "expired"),
        ("not yet valid", root.sign(&early), trusted, "not valid yet"),
        ("signed by itself", itself, trusted, "UnknownIssuer"),
        ("an authority as a server", ruler, &pem, "CaUsedAsEndEntity"),
        ("signed by no authority", root.below(local()).sign(&local()), trusted, "EndEntityUsedAsCa"),
        ("below an expired authority", root.below(old).sign(&local()), trusted, "expired"),
        ("for clients alone", root.sign(&client), trusted, "extended key usage"),
    ] {
        let upstream = TlsUpstream::showing(&identity);
        let gateway = trusting(&at(&upstream), roots, "");
        unsent(&gateway.patch(INCIDENT, EDIT), what);
        unsent(&gateway.get(INCIDENT), what);
        // One for each request: nothing is tried again.
        let handshakes = upstream.handshakes(2);
        assert!(matches!(handshakes.as_slice(), [Err(_), Err(_)]), "{what}: {handshakes:?}");
        let (status, log) = gateway.stop();
        assert!(status.success(), "{what}: {status}");
        assert!(log.contains(reason), "{what}: no '{reason}' in {log}");
        assert_eq!(upstream.arrived(), [], "{what}");
    }
}

#[test]
fn nothing_is_sent_without_a_handshake() {
    type Peer = fn(&mut TcpStream);
    let rows: [(&str, Peer, &str); 4] = [
        ("it says nothing", |_| (), "no TLS handshake in time"),
        ("it speaks HTTP", |stream| stream.write_all(PLAIN).expect("it is sent"), "InvalidContentType"),
        (
            "it stops within a record",
            |stream| stream.write_all(&[22, 3, 3, 0]).expect("it is sent"),
            "in time",
        ),
        (
            "it sends an alert",
            |stream| stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).expect("it is sent"),
            "HandshakeFailure",
        ),
    ];
    let root = Authority::root("root");
    for (what, peer, reason) in rows {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let (send, received) = mpsc::channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                peer(&mut stream);
                let mut bytes = Vec::new();
                // A reset ends it as well.
                _ = stream.read_to_end(&mut bytes);
                _ = send.send(bytes);
            }
        });
        let gateway = trusting(&url, root.pem(), "[timeouts]\nhandshake = \"200ms\"\n");
        let begun = Instant::now();
        unsent(&gateway.patch(INCIDENT, EDIT), what);
        let took = begun.elapsed();
        if reason.contains("in time") {
            assert!(took >= Duration::from_millis(200), "{what}: {took:?}");
        }
        // Without the key it would be the default of five seconds.
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
        let bytes = received.recv_timeout(Duration::from_secs(30)).expect("the connection ends");
        assert_eq!(bytes.first(), Some(&22), "{what}: no handshake was begun");
        assert!(!bytes.windows(5).any(|window| window == b"PATCH"), "{what}: the edit was sent");
        let (_, log) = gateway.stop();
        assert!(log.contains(reason), "{what}: no '{reason}' in {log}");
        assert!(received.try_recv().is_err(), "{what}: it was tried again");
    }
}

// The file.

/// Runs what should not start to serve; what does, is ended.
fn refused_start(config: &str) -> Output {
    let mut command = gateway::command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.args(["--config", config]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    let mut ready = String::new();
    BufReader::new(child.stdout.as_mut().expect("output")).read_line(&mut ready).expect("its output");
    if !ready.is_empty() {
        child.kill().expect("it is killed");
    }
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(ready, "", "it started");
    output
}

#[test]
fn a_file_without_good_roots_is_refused_at_start() {
    let root = Authority::root("root");
    let good = root.pem();
    let block = |kind: &str, text: &str| format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n");
    for (what, roots) in [
        ("missing", None),
        ("empty", Some(Vec::new())),
        ("a text", Some(b"no certificate\n".to_vec())),
        ("bytes", Some((0..=255).collect())),
        ("a key", Some(block("PRIVATE KEY", "AAAA").into_bytes())),
        ("no base64", Some(block("CERTIFICATE", "!!!!").into_bytes())),
        ("no certificate within", Some(block("CERTIFICATE", "AAAA").into_bytes())),
        ("cut", Some(good.as_bytes()[..good.len() / 2].to_vec())),
        ("a good one, then garbage", Some(format!("{good}{}", block("CERTIFICATE", "AAAA")).into_bytes())),
        ("a good one, then a cut one", Some(format!("{good}{}", &good[..good.len() / 2]).into_bytes())),
    ] {
        let folder = folder("https://localhost:1", roots.as_deref().unwrap_or_default(), "");
        if roots.is_none() {
            std::fs::remove_file(folder.path().join("roots.pem")).expect("it is removed");
        }
        let output = refused_start(&config(folder.path()));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{what}: {said}");
        assert!(said.contains("upstream.roots") && said.contains("roots.pem"), "{what}: {said}");
        assert!(!said.contains("panicked"), "{what}: {said}");
    }
}
