//! What is sent to a collector when it hangs, fails or is not there, and at the end; and what must never be.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use patchgate_tests::client::TOKEN;
use patchgate_tests::collector::{Collector, Protocol, SpanKind};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::upstream::Upstream;

const INCIDENT: &str = "/v1.0/security/incidents/2972395";
/// Where nobody listens, and connections are refused at once.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// Far more than the flush may take; only a gateway that hangs needs it.
const END: Duration = Duration::from_secs(20);
/// The spans of an edit that was sent: SERVER, CLIENT, and the waits for its intent and its outcome.
const EDIT: usize = 4;
#[test]
fn the_end_of_the_process_sends_what_is_left() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let gateway = collector.traces(&[], &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
        assert_eq!(gateway.patch(INCIDENT, r#"{"status":"active"}"#).status, 200);
        assert_eq!(collector.spans(), [], "nothing is sent before its time");
        let (status, output) = gateway.stop();
        assert!(status.success(), "{output}");
        assert_eq!(collector.spans().len(), EDIT, "{protocol:?}");
    }
}

#[test]
fn a_collector_that_hangs_is_no_matter() {
    for protocol in Protocol::ALL {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (accepted, accepting) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let accepted = accepted.clone();
                // It reads all that comes, and says nothing.
                thread::spawn(move || {
                    let mut bytes = [0; 1024];
                    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {
                        _ = accepted.send(());
                    }
                });
            }
        });
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
        ];
        let gateway = Gateway::start_with(&[], &variables);
        assert_eq!(gateway.get(INCIDENT).status, 200);
        accepting.recv_timeout(Duration::from_mins(1)).expect("the exporter sends something");
        // Now an export hangs, and there are far more spans than the queue holds.
        assert_answers_and_ends(gateway, protocol);
    }
}

#[test]
fn a_collector_that_is_not_there_is_no_matter() {
    let plain = Collector::start(Protocol::Http);
    let urls = [
        // Refuses connections.
        format!("http://{NOBODY}"),
        // Nobody's: packets get lost, or there is no way.
        "http://192.0.2.1:4318".to_owned(),
        "http://no-such-host.invalid:4318".to_owned(),
        // Does not speak TLS.
        format!("https://{}", plain.address),
    ];
    // All at once, since each of them takes the whole time of the flush.
    thread::scope(|scope| {
        for url in &urls {
            for protocol in Protocol::ALL {
                scope.spawn(move || {
                    let variables = [
                        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
                        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
                        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
                        ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
                        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"),
                    ];
                    let output = assert_answers_and_ends(Gateway::start_with(&[], &variables), protocol);
                    // It is not told once for each batch.
                    let told = output.matches("the collector takes no spans").count();
                    assert!(told <= 1, "{url}, {protocol:?}: {output}");
                });
            }
        }
    });
}

#[test]
fn what_is_lost_is_logged_once() {
    for (what, off, delay) in [
        ("spans", "OTEL_LOGS_EXPORTER", "OTEL_BSP_SCHEDULE_DELAY"),
        ("log lines", "OTEL_TRACES_EXPORTER", "OTEL_BLRP_SCHEDULE_DELAY"),
    ] {
        let exports = AtomicUsize::new(0);
        let collector = Upstream::answering(move |_, stream| {
            let status =
                if exports.fetch_add(1, Ordering::Relaxed) < 2 { "400 Bad Request" } else { "200 OK" };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").is_ok()
        });
        let url = format!("http://{}", collector.address);
        let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), (off, "none"), (delay, "20")];
        let gateway = Gateway::start_with(&[], &variables);
        for export in 1..=4 {
            gateway.get("/none");
            collector.wait_for(export);
        }
        let (status, output) = gateway.stop();
        assert!(status.success());
        let told = [format!("the collector takes no {what}"), format!("the collector takes {what} again")];
        assert_eq!(told.map(|told| output.matches(&told).count()), [1, 1], "{output}");
    }
}

/// Many requests, each answered, and a clean end; what was logged.
fn assert_answers_and_ends(gateway: Gateway, protocol: Protocol) -> String {
    let mut connection = gateway.connect();
    for number in 0..200 {
        assert_eq!(connection.get(INCIDENT, &[]).status, 200, "request {number}, {protocol:?}");
    }
    drop(connection);
    let begun = Instant::now();
    let (status, output) = gateway.stop();
    assert!(status.success(), "{status}, {protocol:?}: {output}");
    assert!(begun.elapsed() < END, "{:?} to end, {protocol:?}: {output}", begun.elapsed());
    assert!(!output.contains("panicked"), "{output}");
    output
}

#[test]
fn a_machine_without_certificates_can_have_a_collector() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let none = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];
        let gateway = collector.traces(&[], &none);
        assert_eq!(gateway.get(INCIDENT).status, 200);
        collector.wait(2);
    }
}

#[test]
fn nothing_of_a_value_a_token_or_a_person_is_exported_or_logged() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n{\"answer\":\"secret-reply\"}";
    for protocol in Protocol::ALL {
        let (upstream, collector) = (Upstream::saying(answer), Collector::start(protocol));
        let variables = [("RUST_LOG", "trace"), ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret-collector-key")];
        let gateway = collector.traces_before(&upstream, &variables);
        let extra = [
            ("User-Agent", "bot/1.0 (secret-person@corp.example)"),
            ("From", "secret-person@corp.example"),
            ("client-request-id", "secret-request"),
            ("Cookie", "session=secret-cookie"),
            ("X-Secret-Header", "secret-header"),
        ];
        let mut sent = 0;
        for (target, body) in [
            (
                INCIDENT,
                r#"{"assignedTo":"secret-person@corp.example","customTags":["secret-tag"],"status":"active"}"#,
            ),
            (
                INCIDENT,
                r#"{"status":"secretValue","secretField":1,"customTags":["secret-tag",{"secretName":1}]}"#,
            ),
            (INCIDENT, r#"{"status":"secretValue","status":"secretOther"}"#),
            (INCIDENT, r#"{"status":secretText"#),
            ("/v1.0/security/incidents/2972395/secret-part", "{}"),
            ("/v1.0/security/incidents/2972395?$filter=secret", "{}"),
            ("/v1.0/Security/incidents/2972395;secret=1", "{}"),
            ("/v1.0/security/incidents/secret-person@corp.example", "{}"),
        ] {
            gateway.connect().patch(target, &extra, body);
            sent += 1;
        }
        gateway.connect().get("/v1.0/security/incidents?$filter=assignedTo%20eq%20'secret-person'", &extra);
        gateway.connect().request(
            "SECRET",
            INCIDENT,
            &[("Authorization", "Basic secret-basic".to_owned())],
            None,
        );
        sent += 2;
        let spans = collector.until(|spans| {
            let of = |kind| spans.iter().filter(|span| span.kind == kind).count();
            (of(SpanKind::Server), of(SpanKind::Client)) == (sent, 2)
        });
        assert!(spans.iter().any(|span| span.text("patchgate.decision") == "allow"));
        let (status, output) = gateway.stop();
        assert!(status.success());
        assert!(output.contains("TRACE"), "the log is that of RUST_LOG=trace");
        for (place, text) in [("an export", collector.raw()), ("the log", output)] {
            for needle in ["secret", TOKEN, "corp.example"] {
                let found = text.to_lowercase().find(needle);
                let around =
                    found.map(|at| text.chars().skip(at.saturating_sub(300)).take(600).collect::<String>());
                assert_eq!(around, None, "'{needle}' in {place}, {protocol:?}");
            }
        }
    }
}
