//! What is counted of the gateway's requests, as Prometheus reads it and as a collector receives it, and what must never be.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use patchgate_tests::client::{Connection, TOKEN};
use patchgate_tests::collector::{Collector, Point, Protocol};
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::upstream::Upstream;

const INCIDENT: &str = "/v1.0/security/incidents/2972395";
const EDIT: &str = r#"{"status":"active"}"#;
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
/// Where nobody listens, and connections are refused at once.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// How long a test waits for a value that should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The text at `/metrics`.
fn text(gateway: &Gateway) -> String {
    let answer = Connection::open(gateway.admin).get("/metrics", &[]);
    assert_eq!(answer.status, 200);
    answer.text()
}

/// All samples by name and labels.
fn samples(gateway: &Gateway) -> BTreeMap<String, f64> {
    let text = text(gateway);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

/// The samples whose names begin with `name`, as text; times and buckets are left out.
fn of(gateway: &Gateway, name: &str) -> Vec<String> {
    let counted = |series: &str| {
        let name = series.split('{').next().unwrap_or_default();
        !name.ends_with("_bucket") && !name.ends_with("_sum")
    };
    let samples = samples(gateway).into_iter();
    samples
        .filter(|(series, _)| series.starts_with(name) && counted(series))
        .map(|(series, value)| format!("{series} {value}"))
        .collect()
}

/// Waits until a sample has this value.
fn until(gateway: &Gateway, series: &str, value: f64) {
    let begun = Instant::now();
    loop {
        let samples = samples(gateway);
        let found = samples.get(series).copied();
        if found.is_some_and(|found| (found - value).abs() < f64::EPSILON) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{series} is {found:?}, not {value}: {samples:#?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn before(upstream: SocketAddr, keys: &str) -> Gateway {
    Gateway::configured(keys, &["--upstream", &format!("http://{upstream}")])
}

/// A gateway whose metrics go to this collector soon.
fn sending(collector: &Collector, more: &[(&str, &str)]) -> Gateway {
    let url = collector.url();
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", collector.protocol.name()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "20"),
    ];
    variables.extend(more);
    Gateway::start_with(&[], &variables)
}

fn lines(points: &[Point], name: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        points.iter().filter(|point| point.name == name).map(ToString::to_string).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn requests_by_route_status_and_decision() {
    let upstream = Upstream::start();
    let gateway = before(upstream.address, "");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    // On another worker or the same: the sums are those of the process.
    for _ in 0..8 {
        assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    }
    assert_eq!(gateway.get(INCIDENT).status, 200);
    let wrong = r#"{"status":"x","customTags":["a",1],"what":1,"ever":2}"#;
    assert_eq!(gateway.patch(INCIDENT, wrong).status, 400);
    assert_eq!(gateway.patch(INCIDENT, "{").status, 400);
    assert_eq!(gateway.patch("/v1.0/nothing", "{}").status, 404);
    let unknown = gateway.connect().request("BREW", INCIDENT, &[], None);
    assert_eq!(unknown.status, 405);

    let route = "/{version}/security/incidents/{incidentId}";
    let duration = "http_server_request_duration_seconds";
    assert_eq!(
        of(&gateway, duration),
        [
            format!(
                "{duration}_count{{error_type=\"BadRequest\",http_request_method=\"PATCH\",http_response_status_code=\"400\",http_route=\"{route}\",url_scheme=\"http\"}} 2"
            ),
            format!(
                "{duration}_count{{error_type=\"MethodNotAllowed\",http_request_method=\"_OTHER\",http_response_status_code=\"405\",http_route=\"{route}\",url_scheme=\"http\"}} 1"
            ),
            format!(
                "{duration}_count{{error_type=\"ResourceNotFound\",http_request_method=\"PATCH\",http_response_status_code=\"404\",url_scheme=\"http\"}} 1"
            ),
            format!(
                "{duration}_count{{http_request_method=\"GET\",http_response_status_code=\"200\",http_route=\"{route}\",url_scheme=\"http\"}} 1"
            ),
            format!(
                "{duration}_count{{http_request_method=\"PATCH\",http_response_status_code=\"200\",http_route=\"{route}\",url_scheme=\"http\"}} 9"
            ),
        ]
    );
    assert_eq!(
        of(&gateway, "patchgate_decisions"),
        [
            "patchgate_decisions_total{code=\"BadRequest\",decision=\"refuse\",route=\"/{version}/security/incidents/{incidentId}\"} 2",
            "patchgate_decisions_total{code=\"MethodNotAllowed\",decision=\"refuse\",route=\"/{version}/security/incidents/{incidentId}\"} 1",
            "patchgate_decisions_total{code=\"ResourceNotFound\",decision=\"refuse\"} 1",
            "patchgate_decisions_total{decision=\"allow\",route=\"/{version}/security/incidents/{incidentId}\"} 10",
        ]
    );
    assert_eq!(
        of(&gateway, "patchgate_violations"),
        [
            "patchgate_violations_total{code=\"invalidEnumValue\",field=\"status\"} 1",
            "patchgate_violations_total{code=\"invalidJson\"} 1",
            "patchgate_violations_total{code=\"unknownField\",field=\"?\"} 2",
            "patchgate_violations_total{code=\"wrongType\",field=\"customTags\"} 1",
        ]
    );
    assert_eq!(of(&gateway, "patchgate_ruleset_generation"), ["patchgate_ruleset_generation 1"]);
    // The buckets are those of the conventions, those of the journal's commits such that a disk's differ, and the last has all.
    let text = text(&gateway);
    let bounds = |of: &str| {
        let lines = text.lines().filter(|line| line.starts_with(of));
        lines.filter_map(|line| line.split("le=\"").nth(1)?.split('"').next()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        bounds(&format!("{duration}_bucket{{http_request_method=\"GET\"")),
        "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf"
    );
    assert_eq!(
        bounds("patchgate_audit_commit_duration_seconds_bucket"),
        "0.0001 0.00015 0.0002 0.0003 0.0005 0.0007 0.001 0.0015 0.002 0.003 0.005 0.007 0.01 0.015 0.02 0.03 0.05 0.07 0.1 \
         0.25 0.5 1 5 +Inf"
    );
}

#[test]
fn exchanges_by_what_came_of_them() {
    let answers = ["200 OK", "429 Too Many Requests", "503 Service Unavailable", "404 Not Found"];
    let next = Mutex::new(answers.into_iter());
    let upstream = Upstream::answering(move |_, stream| match next.lock().expect("one at a time").next() {
        Some(status) => write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").is_ok(),
        None => false,
    });
    let gateway = before(upstream.address, "");
    for status in [200, 429, 503, 404, 502] {
        assert_eq!(gateway.patch(INCIDENT, EDIT).status, status);
    }
    let shown = |gateway: &Gateway, port: u16| -> Vec<String> {
        let lines = of(gateway, "http_client_request_duration").into_iter();
        let constant = format!(
            "server_address=\"127.0.0.1\",server_port=\"{port}\",url_template=\"/{{version}}/security/incidents/{{incidentId}}\""
        );
        lines
            .map(|line| line.replace(&constant, "…").replace("http_client_request_duration_seconds", ""))
            .collect()
    };
    assert_eq!(
        shown(&gateway, upstream.address.port()),
        [
            "_count{error_type=\"404\",http_request_method=\"PATCH\",http_response_status_code=\"404\",…} 1",
            "_count{error_type=\"429\",http_request_method=\"PATCH\",http_response_status_code=\"429\",…} 1",
            "_count{error_type=\"503\",http_request_method=\"PATCH\",http_response_status_code=\"503\",…} 1",
            "_count{error_type=\"broken\",http_request_method=\"PATCH\",…} 1",
            "_count{http_request_method=\"PATCH\",http_response_status_code=\"200\",…} 1",
        ]
    );
    assert_eq!(
        of(&gateway, "patchgate_upstream_throttled"),
        [
            "patchgate_upstream_throttled_total{http_response_status_code=\"429\",route=\"/{version}/security/incidents/{incidentId}\"} 1",
            "patchgate_upstream_throttled_total{http_response_status_code=\"503\",route=\"/{version}/security/incidents/{incidentId}\"} 1",
        ]
    );
    // All were allowed, whatever came of them.
    assert_eq!(
        of(&gateway, "patchgate_decisions"),
        [
            "patchgate_decisions_total{decision=\"allow\",route=\"/{version}/security/incidents/{incidentId}\"} 5"
        ]
    );

    let gateway = before(NOBODY, "");
    assert_eq!(gateway.get(INCIDENT).status, 502);
    assert_eq!(shown(&gateway, 1), ["_count{error_type=\"unreachable\",http_request_method=\"GET\",…} 1"]);
}

#[test]
fn what_there_is_to_do() {
    let (go, wait) = mpsc::channel();
    let wait = Mutex::new(wait);
    let upstream = Upstream::answering(move |_, stream| {
        let told = wait.lock().expect("one at a time").recv().is_ok();
        told && stream.write_all(OK.as_bytes()).is_ok()
    });
    let gateway = before(upstream.address, "");
    for name in ["connections_open", "requests_in_flight", "buffered_bytes", "upstream_connections_idle"] {
        until(&gateway, &format!("patchgate_{name}"), 0.0);
    }
    thread::scope(|scope| {
        let mut connection = gateway.connect();
        let answered = scope.spawn(move || (connection.patch(INCIDENT, &[], EDIT).status, connection));
        upstream.wait_for(1);
        until(&gateway, "patchgate_connections_open", 1.0);
        until(&gateway, "patchgate_requests_in_flight", 1.0);
        until(&gateway, "patchgate_buffered_bytes", 19.0);
        until(&gateway, "patchgate_upstream_connections_idle", 0.0);
        go.send(()).expect("the upstream waits");
        let (status, connection) = answered.join().expect("an answer");
        assert_eq!(status, 200);
        until(&gateway, "patchgate_requests_in_flight", 0.0);
        until(&gateway, "patchgate_buffered_bytes", 0.0);
        until(&gateway, "patchgate_upstream_connections_idle", 1.0);
        until(&gateway, "patchgate_connections_open", 1.0);
        drop(connection);
        until(&gateway, "patchgate_connections_open", 0.0);
    });
}

#[test]
fn connections_that_a_deadline_or_a_limit_closed() {
    let large =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", 64 << 20);
    let upstream = Upstream::answering(move |_, stream| {
        let block = [b'x'; 1 << 14];
        stream.write_all(large.as_bytes()).is_ok() && (0..4096).all(|_| stream.write_all(&block).is_ok())
    });
    let keys = "[timeouts]\nfirst_byte = \"50ms\"\nheader = \"50ms\"\nidle = \"50ms\"\n";
    let gateway = before(upstream.address, keys);
    let closed = |reason: &str| format!("patchgate_connections_closed_total{{reason=\"{reason}\"}}");

    assert!(gateway.connect().is_closed());
    until(&gateway, &closed("first_byte"), 1.0);

    let mut connection = gateway.connect();
    connection.send(b"PATCH /");
    assert!(connection.is_closed());
    until(&gateway, &closed("header"), 1.0);

    let mut connection = gateway.connect();
    assert_eq!(connection.get("/none", &[]).status, 404);
    assert!(connection.is_closed());
    until(&gateway, &closed("idle"), 1.0);

    // A caller who asks for much and reads nothing.
    let mut connection = gateway.connect();
    connection.send(
        format!("GET {INCIDENT} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").as_bytes(),
    );
    until(&gateway, &closed("write"), 1.0);
    drop(connection);

    let gateway = before(upstream.address, "[limits]\nconnections = 1\n");
    let first = gateway.connect();
    assert!(gateway.connect().is_closed());
    until(&gateway, &closed("limit"), 1.0);
    assert_eq!(of(&gateway, "patchgate_connections_closed").len(), 1);
    drop(first);
    // A caller who closes by itself is not counted.
    until(&gateway, "patchgate_connections_open", 0.0);
    assert_eq!(of(&gateway, "patchgate_connections_closed").len(), 1);
}

/// An alert on the first event sees it come.
#[test]
fn what_is_rare_is_counted_from_nothing() {
    let gateway = before(NOBODY, "");
    for (name, series) in [
        ("patchgate_ruleset_reloads", ["{outcome=\"refused\"} 0", "{outcome=\"taken\"} 0"]),
        ("patchgate_parser_refusals", ["{reason=\"malformed\"} 0", "{reason=\"too_large\"} 0"]),
    ] {
        assert_eq!(of(&gateway, name), series.map(|labels| format!("{name}_total{labels}")));
    }
}

#[test]
fn what_the_parser_refuses_is_counted() {
    let gateway = before(NOBODY, "");
    let refused = |reason: &str| format!("patchgate_parser_refusals_total{{reason=\"{reason}\"}}");
    for bytes in ["\0\0\0\0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut connection = gateway.connect();
        connection.send(bytes.as_bytes());
        connection.rest();
    }
    until(&gateway, &refused("malformed"), 2.0);
    let mut connection = gateway.connect();
    _ = connection.try_send(format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(128 * 1024)).as_bytes());
    connection.rest();
    until(&gateway, &refused("too_large"), 1.0);
    assert_eq!(of(&gateway, "patchgate_parser_refusals").len(), 2);
    assert!(of(&gateway, "patchgate_decisions").is_empty(), "nothing else knows of them");
}

#[test]
fn prometheus_gets_its_text_without_a_collector() {
    for variables in [&[][..], &[("OTEL_SDK_DISABLED", "true")], &[("OTEL_METRICS_EXPORTER", "none")]] {
        let gateway = Gateway::start_with(&[], variables);
        assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
        let answer = Connection::open(gateway.admin).get("/metrics", &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        let text = answer.text();
        assert!(text.contains("# TYPE patchgate_decisions_total counter\n"), "{text}");
        assert!(text.contains("# TYPE http_server_request_duration_seconds histogram\n"), "{text}");
        assert!(text.contains("target_info{service_name=\"patchgate\""), "{text}");
        let mut connection = Connection::open(gateway.admin);
        assert_eq!(connection.patch("/metrics", &[], "{}").status, 405);
        let (status, output) = gateway.stop();
        assert!(status.success(), "{output}");
    }
}

#[test]
fn a_collector_receives_them_and_the_last_ones_at_the_end() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let gateway = sending(&collector, &[("OTEL_SERVICE_NAME", "soc-gateway")]);
        assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
        assert_eq!(gateway.patch(INCIDENT, "{}").status, 400);
        let points = collector.until_points(|points| lines(points, "patchgate.decisions").len() == 2);
        let route = "/{version}/security/incidents/{incidentId}";
        assert_eq!(
            lines(&points, "patchgate.decisions"),
            [
                format!("patchgate.decisions{{code=\"BadRequest\",decision=\"refuse\",route=\"{route}\"}} 1"),
                format!("patchgate.decisions{{decision=\"allow\",route=\"{route}\"}} 1"),
            ]
        );
        assert_eq!(lines(&points, "patchgate.violations"), ["patchgate.violations{code=\"emptyEdit\"} 1"]);
        assert_eq!(lines(&points, "http.server.request.duration").len(), 2);
        let duration = points.iter().find(|point| point.name == "http.client.request.duration").expect("one");
        assert_eq!((duration.unit.as_str(), duration.value, duration.is_delta), ("s", 1, false));
        assert_eq!(duration.bounds.first(), Some(&0.005));
        assert_eq!(duration.resource["service.name"], "soc-gateway");
        assert!(lines(&points, "patchgate.ruleset.generation") == ["patchgate.ruleset.generation{} 1"]);
        gateway.stop();

        // What came since the last export is sent at the end.
        let gateway = sending(&collector, &[("OTEL_METRIC_EXPORT_INTERVAL", "3600000")]);
        gateway.get("/none");
        gateway.get("/none");
        let (status, output) = gateway.stop();
        assert!(status.success(), "{output}");
        let decisions = lines(&collector.points(), "patchgate.decisions");
        assert_eq!(decisions, ["patchgate.decisions{code=\"ResourceNotFound\",decision=\"refuse\"} 2"]);
    }
}

#[test]
fn variables_say_where_metrics_go_and_how() {
    let (all, own) = (Collector::start(Protocol::Http), Collector::start(Protocol::Grpc));
    // A signal's own variables win.
    let (url, name) = (own.url(), own.protocol.name());
    let variables = [
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", name),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ];
    let gateway = sending(&all, &variables);
    gateway.get("/none");
    let points = own.until_points(|points| !lines(points, "patchgate.decisions").is_empty());
    assert!(points.iter().any(|point| point.is_delta));
    // What a collector has taken is still there for Prometheus.
    assert_eq!(of(&gateway, "patchgate_decisions").len(), 1);
    gateway.stop();
    assert_eq!((all.points(), all.spans(), own.spans()), (vec![], vec![], vec![]));

    // Switched off, alone or with all.
    for off in [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "true")] {
        let gateway = sending(&all, &[off]);
        gateway.get("/none");
        let (status, output) = gateway.stop();
        assert!(status.success(), "{output}");
        assert_eq!(all.points(), [], "{off:?}");
    }
    assert_eq!(all.spans().len(), 1, "traces do not go with them");
}

#[test]
fn a_variable_that_says_nothing_known_is_named() {
    for (name, value) in [
        ("OTEL_METRICS_EXPORTER", "prometheus"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "10s"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "sometimes"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
    ] {
        let mut command = gateway::command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env(name, value);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(name) && said.contains(value), "{said}");
    }
}

#[test]
fn nothing_that_a_caller_wrote_is_a_label() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let alone = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "none")];
        let gateway = sending(&collector, &alone);
        let extra =
            [("User-Agent", "secret-agent"), ("client-request-id", "secret-id"), ("X-Secret", "secret")];
        for (target, body) in [
            (INCIDENT, r#"{"assignedTo":"secret@corp.example","customTags":["secret"]}"#),
            (INCIDENT, r#"{"secretField":1,"status":"secretValue","customTags":[{"secretName":1}]}"#),
            (INCIDENT, r#"{"status":"secret","status":"secret"}"#),
            (INCIDENT, r#"{"@odata.type":"secret"}"#),
            (INCIDENT, r#"{"secret":secret"#),
            ("/v1.0/security/incidents/2972395/secret", "{}"),
            ("/v1.0/security/incidents/secret", "{}"),
            ("/secret/security/incidents/1", "{}"),
        ] {
            gateway.connect().patch(target, &extra, body);
        }
        gateway.connect().get("/v1.0/security/incidents?$filter=secret", &extra);
        gateway.connect().request("SECRET", INCIDENT, &[("Authorization", "Basic secret".to_owned())], None);
        let mut connection = gateway.connect();
        connection.send(b"secret\r\n\r\n");
        connection.rest();
        let text = text(&gateway);
        assert!(text.contains("patchgate_violations_total{code=\"unknownField\",field=\"?\"} 1"), "{text}");
        gateway.stop();
        assert!(!collector.points().is_empty());
        for (place, text) in [("/metrics", text), ("an export", collector.raw())] {
            for needle in ["secret", TOKEN, "corp.example", "2972395", "127.0.0.1:"] {
                assert!(!text.to_lowercase().contains(needle), "'{needle}' in {place}, {protocol:?}: {text}");
            }
        }
    }
}
