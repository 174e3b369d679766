//! What is seen of the gateway's requests in traces, as a collector receives them from a real socket.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use insta::assert_snapshot;
use patchgate_tests::client::{Response, TOKEN};
use patchgate_tests::collector::{Collector, Protocol, Span, SpanKind};
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::upstream::Upstream;

const INCIDENT: &str = "/v1.0/security/incidents/2972395";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PARENT_UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
/// Where nobody listens, and connections are refused at once.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
const BODY: &str = r#"{"status":"active"}"#;
/// The spans of an edit that was sent: SERVER, CLIENT, and the waits for its intent and its outcome.
const EDIT: usize = 4;
/// The only span of that kind.
fn only(spans: &[Span], kind: SpanKind) -> &Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.kind == kind).collect();
    assert_eq!(found.len(), 1, "one {kind:?} span of {spans:#?}");
    found[0]
}

/// A span for a snapshot: the ids and ports, which must be those of the answer and of the sockets, get names.
fn shown(span: &Span, answer: &Response, ports: &[(u16, &str)]) -> String {
    let id = answer.header("patchgate-request-id").expect("an id in the answer");
    let mut text = span.to_string().replace(id, "{request-id}");
    for (port, name) in ports {
        text = text.replace(&port.to_string(), name);
    }
    text
}

#[test]
fn an_allowed_edit_is_a_server_and_a_client_span() {
    for protocol in Protocol::ALL {
        let (upstream, collector) = (Upstream::start(), Collector::start(protocol));
        let gateway = collector.traces_before(&upstream, &[]);
        let body = r#"{"classification":"TruePositive","customTags":["a"],"assignedTo":null}"#;
        let answer = gateway.connect().patch(INCIDENT, &[("User-Agent", "tool/1.0")], body);
        assert_eq!(answer.status, 200);

        let spans = collector.wait(EDIT);
        let (server, client) = (only(&spans, SpanKind::Server), only(&spans, SpanKind::Client));
        let ports = [(gateway.listen.port(), "{listen}"), (upstream.address.port(), "{upstream}")];
        assert_snapshot!("edit-allowed-server", shown(server, &answer, &ports));
        assert_snapshot!("edit-allowed-client", shown(client, &answer, &ports));
        assert_eq!(server.trace_id, client.trace_id);
        assert_eq!(server.parent_id, "");
        assert_eq!(client.parent_id, server.span_id);
        assert_eq!(server.resource["service.name"], "patchgate");
        assert_eq!(server.resource["service.version"], env!("CARGO_PKG_VERSION"));
    }
}

#[test]
fn a_refused_edit_is_a_server_span() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let gateway = collector.traces(&[], &[]);
        let answer = gateway.patch(INCIDENT, r#"{"statuss":1,"status":"Resolvd","customTags":["a",2]}"#);
        assert_eq!(answer.status, 400);
        let spans = collector.wait(1);
        let server = only(&spans, SpanKind::Server);
        assert_snapshot!("edit-refused", shown(server, &answer, &[(gateway.listen.port(), "{listen}")]));
        assert_eq!(spans.len(), 1);
    }
}

#[test]
fn a_read_is_a_server_and_a_client_span() {
    let (upstream, collector) = (Upstream::start(), Collector::start(Protocol::Http));
    let gateway = collector.traces_before(&upstream, &[]);
    let answer = gateway.get("/beta/security/incidents?$top=2&$filter=status%20eq%20'active'");
    assert_eq!(answer.status, 200);
    let spans = collector.wait(2);
    let ports = [(gateway.listen.port(), "{listen}"), (upstream.address.port(), "{upstream}")];
    assert_snapshot!("read-server", shown(only(&spans, SpanKind::Server), &answer, &ports));
    assert_snapshot!("read-client", shown(only(&spans, SpanKind::Client), &answer, &ports));
}

#[test]
fn refusals_before_the_body_are_server_spans_without_a_path_where_the_route_is_unknown() {
    let collector = Collector::start(Protocol::Http);
    let gateway = collector.traces(&[], &[]);
    let mut text = String::new();
    let fields = [("Authorization", format!("Bearer {TOKEN}"))];
    for (number, (method, target)) in [
        ("GET", "/v1.0/users/alice"),
        ("PATCH", "/v1.0/security/incidents/2972395/"),
        ("DELETE", INCIDENT),
        ("PURGE", INCIDENT),
        ("PATCH", "/v1.0/security/incidents/2972395?$select=id"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = gateway.connect().request(method, target, &fields, None);
        let span = collector.wait(number + 1).pop().expect("a span");
        let span = shown(&span, &answer, &[(gateway.listen.port(), "{listen}")]);
        write!(text, "{method} {target}\n{span}").expect("text");
    }
    assert_snapshot!("refused-by-the-head", text);
}

#[test]
fn answers_of_the_upstream_and_none_are_told_apart() {
    let collector = Collector::start(Protocol::Http);
    let failing = Upstream::saying("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let unknown = Upstream::saying("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let hanging_up = Upstream::answering(|_, _| false);
    let mut text = String::new();
    for (name, address) in [
        ("503", failing.address),
        ("404", unknown.address),
        ("no answer", hanging_up.address),
        ("no connection", NOBODY),
    ] {
        let before = collector.spans().len();
        let gateway = collector.traces(&["--upstream", &format!("http://{address}")], &[]);
        let answer = gateway.patch(INCIDENT, r#"{"status":"active"}"#);
        let spans = collector.wait(before + EDIT).split_off(before);
        writeln!(text, "{name}: {}", answer.status).expect("text");
        for kind in [SpanKind::Server, SpanKind::Client] {
            let span = only(&spans, kind);
            let outcome = ["error.type", "http.response.status_code", "patchgate.decision"]
                .map(|name| span.attributes.get(name).map_or_else(|| "none".to_owned(), ToString::to_string));
            writeln!(text, "  {kind:?} {} error: {}", outcome.join(" "), span.is_error).expect("text");
        }
    }
    assert_snapshot!("outcomes", text);
}

#[test]
fn a_key_that_may_be_a_name_is_not_shown() {
    let (upstream, collector) = (Upstream::start(), Collector::start(Protocol::Http));
    let folder = tempfile::tempdir().expect("a folder");
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pages/print-job-update.md");
    let schema = folder.path().join("print-job-update.json");
    let (page, schema) = (page.to_str().expect("a path"), schema.to_str().expect("a path"));
    let key = "jobId=[A-Za-z0-9_-]{1,64}";
    let derived = gateway::run(&["schema", "derive", page, "--key", key, "--output", schema]);
    assert!(derived.status.success(), "{}", String::from_utf8_lossy(&derived.stderr));
    let config = folder.path().join("patchgate.toml");
    let text =
        "[[guard]]\nschema = \"security-incident-update\"\n[[guard]]\nschema = \"./print-job-update.json\"\n";
    fs::write(&config, text).expect("a file");
    let url = format!("http://{}", upstream.address);
    let args = ["--upstream", &url, "--config", config.to_str().expect("a path")];
    let gateway = collector.traces(&args, &[]);
    let answer = gateway.patch("/v1.0/print/jobs/alice-smith", r#"{"copies":2}"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.arrived()[0].target, "/v1.0/print/jobs/alice-smith");

    let spans = collector.wait(EDIT);
    let ports = [(gateway.listen.port(), "{listen}"), (upstream.address.port(), "{upstream}")];
    assert_snapshot!("key-server", shown(only(&spans, SpanKind::Server), &answer, &ports));
    assert_snapshot!("key-client", shown(only(&spans, SpanKind::Client), &answer, &ports));
    let (status, output) = gateway.stop();
    assert!(status.success());
    assert!(!collector.raw().contains("alice") && !output.contains("alice"), "{output}");
}

#[test]
fn the_trace_of_the_caller_goes_on() {
    for protocol in Protocol::ALL {
        let (upstream, collector) = (Upstream::start(), Collector::start(protocol));
        let gateway = collector.traces_before(&upstream, &[]);
        let state = [("traceparent", PARENT), ("tracestate", "one=1,two=2"), ("tracestate", "three=3")];
        assert_eq!(gateway.connect().patch(INCIDENT, &state, r#"{"status":"active"}"#).status, 200);
        let spans = collector.wait(EDIT);
        let (server, client) = (only(&spans, SpanKind::Server), only(&spans, SpanKind::Client));
        assert_eq!((server.trace_id.as_str(), server.parent_id.as_str()), (TRACE, "b7ad6b7169203331"));
        assert_eq!(client.trace_id, TRACE);
        assert_eq!(server.trace_state, "one=1,two=2,three=3");
        let arrived = &upstream.arrived()[0];
        assert_eq!(arrived.headers("traceparent"), [format!("00-{TRACE}-{}-01", client.span_id)]);
        assert_eq!(arrived.headers("tracestate"), ["one=1,two=2,three=3"]);
    }
}

#[test]
fn without_a_usable_context_a_trace_begins() {
    let (upstream, collector) = (Upstream::start(), Collector::start(Protocol::Http));
    let gateway = collector.traces_before(&upstream, &[]);
    let contexts: [&[(&str, &str)]; 6] = [
        &[],
        &[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"), ("tracestate", "one=1")],
        &[("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")],
        &[("traceparent", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        &[("traceparent", "00-af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        &[("traceparent", PARENT), ("traceparent", PARENT_UNSAMPLED)],
    ];
    for (number, context) in contexts.into_iter().enumerate() {
        assert_eq!(gateway.connect().get(INCIDENT, context).status, 200);
        let spans = collector.wait(2 * (number + 1)).split_off(2 * number);
        let (server, client) = (only(&spans, SpanKind::Server), only(&spans, SpanKind::Client));
        assert_eq!(server.parent_id, "", "{context:?}");
        assert!(!server.trace_id.contains("af7651916cd43dd8448eb211c80319c"), "{context:?}");
        let arrived = &upstream.arrived()[number];
        let sent = format!("00-{}-{}-01", server.trace_id, client.span_id);
        assert_eq!(arrived.headers("traceparent"), [sent], "{context:?}");
        assert!(arrived.headers("tracestate").is_empty(), "{context:?}");
    }
}

#[test]
fn what_is_not_sampled_is_not_exported_and_its_trace_goes_on() {
    for protocol in Protocol::ALL {
        let (upstream, collector) = (Upstream::start(), Collector::start(protocol));
        let gateway = collector.traces_before(&upstream, &[]);
        let context = [("traceparent", PARENT_UNSAMPLED), ("tracestate", "one=1")];
        assert_eq!(gateway.connect().patch(INCIDENT, &context, r#"{"status":"active"}"#).status, 200);
        assert_eq!(gateway.patch(INCIDENT, r#"{"status":"active"}"#).status, 200);
        collector.wait(EDIT);
        gateway.end_well();
        let spans = collector.spans();
        assert_eq!(spans.len(), EDIT, "those of the second request: {spans:#?}");
        assert!(spans.iter().all(|span| span.trace_id != TRACE));
        let arrived = &upstream.arrived()[0];
        assert_goes_on_unsampled(&arrived.headers("traceparent"));
        assert_eq!(arrived.headers("tracestate"), ["one=1"]);
    }
}

fn assert_goes_on_unsampled(sent: &[&str]) {
    assert!(
        matches!(sent, [one] if one.starts_with(&format!("00-{TRACE}-")) && one.ends_with("-00")),
        "{sent:?}"
    );
}

#[test]
fn with_tracing_off_the_context_passes_as_it_came() {
    let context = [("traceparent", PARENT), ("tracestate", "one=1,two=2")];
    let collector = Collector::start(Protocol::Http);
    let url = collector.url();
    let off: [&[(&str, &str)]; 5] = [
        &[],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_SDK_DISABLED", "true")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_SDK_DISABLED", "TRUE")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_TRACES_EXPORTER", "none")],
    ];
    for variables in off {
        let upstream = Upstream::start();
        let gateway =
            Gateway::start_with(&["--upstream", &format!("http://{}", upstream.address)], variables);
        assert_eq!(gateway.connect().patch(INCIDENT, &context, r#"{"status":"active"}"#).status, 200);
        gateway.end_well();
        let arrived = &upstream.arrived()[0];
        assert_eq!(arrived.headers("traceparent"), [PARENT], "{variables:?}");
        assert_eq!(arrived.headers("tracestate"), ["one=1,two=2"], "{variables:?}");
        assert_eq!(collector.spans(), [], "{variables:?}");
    }
}

#[test]
fn the_sampler_is_a_variable() {
    let (upstream, collector) = (Upstream::start(), Collector::start(Protocol::Http));
    for sampler in [
        &[("OTEL_TRACES_SAMPLER", "always_off")][..],
        &[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")],
    ] {
        let gateway = collector.traces_before(&upstream, sampler);
        assert_eq!(gateway.connect().get(INCIDENT, &[("traceparent", PARENT)]).status, 200);
        gateway.end_well();
        assert_eq!(collector.spans(), [], "{sampler:?}");
    }
    for arrived in upstream.arrived() {
        assert_goes_on_unsampled(&arrived.headers("traceparent"));
    }
    let gateway = collector.traces_before(&upstream, &[("OTEL_TRACES_SAMPLER", "always_on")]);
    assert_eq!(gateway.connect().get(INCIDENT, &[("traceparent", PARENT_UNSAMPLED)]).status, 200);
    assert_eq!(collector.wait(2)[0].trace_id, TRACE);
}

/// A gateway whose record lies in a directory, and is as durable as that.
fn recorded(collector: &Collector, directory: &Path, durability: &str) -> Gateway {
    let directory = directory.to_str().expect("a path");
    let audit = [("PATCHGATE_AUDIT__DIRECTORY", directory), ("PATCHGATE_AUDIT__DURABILITY", durability)];
    collector.traces(&[], &audit)
}

/// What a gateway that ends has sent.
fn all(gateway: Gateway, collector: &Collector) -> Vec<Span> {
    gateway.end_well();
    collector.spans()
}

fn of(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == kind).collect()
}

#[test]
fn an_edit_that_waits_for_its_record_has_a_span_for_each_wait() {
    let (collector, folder) = (Collector::start(Protocol::Http), tempfile::tempdir().expect("a folder"));
    let gateway = recorded(&collector, folder.path(), "strict");
    assert_eq!(gateway.patch(INCIDENT, BODY).status, 200);
    assert_eq!(gateway.get(INCIDENT).status, 200);
    let spans = all(gateway, &collector);
    let (servers, waits) = (of(&spans, SpanKind::Server), of(&spans, SpanKind::Internal));
    let edit = servers.iter().find(|span| span.name.starts_with("PATCH")).expect("the edit's span");
    let said: Vec<_> =
        waits.iter().map(|span| (span.name.as_str(), span.text("patchgate.audit.record"))).collect();
    assert_eq!(said, [("audit", "intent"), ("audit", "outcome")], "a read has none");
    for wait in waits {
        assert_eq!((&wait.trace_id, &wait.parent_id), (&edit.trace_id, &edit.span_id));
        assert!(!wait.is_error && !wait.attributes.contains_key("error.type"));
    }
}

#[test]
fn where_nobody_waits_there_is_no_span() {
    let (collector, folder) = (Collector::start(Protocol::Http), tempfile::tempdir().expect("a folder"));
    let gateway = recorded(&collector, folder.path(), "relaxed");
    assert_eq!(gateway.patch(INCIDENT, BODY).status, 200);
    let spans = all(gateway, &collector);
    assert_eq!((spans.len(), of(&spans, SpanKind::Internal).len()), (2, 0), "{spans:#?}");
}

#[test]
fn a_record_that_cannot_be_written_is_an_error_of_its_span() {
    let (collector, folder) = (Collector::start(Protocol::Http), tempfile::tempdir().expect("a folder"));
    let directory = folder.path().join("audit");
    let gateway = recorded(&collector, &directory, "strict");
    fs::remove_dir_all(&directory).expect("it is there");
    assert_eq!(gateway.patch(INCIDENT, BODY).status, 503);
    let spans = all(gateway, &collector);
    let waits = of(&spans, SpanKind::Internal);
    let [wait] = waits.as_slice() else { panic!("one wait: {spans:#?}") };
    assert!(wait.is_error);
    assert_eq!(wait.text("error.type"), "record_unwritable");
}
