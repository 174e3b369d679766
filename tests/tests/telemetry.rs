//! What is seen of the gateway's requests in traces, as a collector receives them from a real socket, and what must never be.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use patchgate_tests::client::{Response, TOKEN};
use patchgate_tests::collector::{Collector, Protocol, Span, SpanKind};
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::tls::{Authority, leaf};
use patchgate_tests::upstream::Upstream;
use tempfile::TempDir;

const INCIDENT: &str = "/v1.0/security/incidents/2972395";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PARENT_UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
/// Where nobody listens, and connections are refused at once.
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// Far more than the flush may take; only a gateway that hangs needs it.
const END: Duration = Duration::from_secs(20);

/// The spans of an edit that was sent: SERVER, CLIENT, and the waits for its intent and its outcome.
const EDIT: usize = 4;

/// Variables of the environment.
type Variables<'v> = &'v [(&'v str, &'v str)];

/// A gateway whose spans go to this collector at once.
fn traced(collector: &Collector, args: &[&str], more: &[(&str, &str)]) -> Gateway {
    let url = collector.url();
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", collector.protocol.name()),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
    ];
    variables.extend(more);
    Gateway::start_with(args, &variables)
}

/// The same in front of `upstream`.
fn traced_before(upstream: &Upstream, collector: &Collector, more: &[(&str, &str)]) -> Gateway {
    traced(collector, &["--upstream", &format!("http://{}", upstream.address)], more)
}

/// Ends a gateway, which sends what it still has.
fn assert_ends(gateway: Gateway) {
    let (status, output) = gateway.stop();
    assert!(status.success(), "{status}: {output}");
}

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
        let gateway = traced_before(&upstream, &collector, &[]);
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
        let gateway = traced(&collector, &[], &[]);
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
    let gateway = traced_before(&upstream, &collector, &[]);
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
    let gateway = traced(&collector, &[], &[]);
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
        let gateway = traced(&collector, &["--upstream", &format!("http://{address}")], &[]);
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
    let gateway = traced(&collector, &args, &[]);
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
        let gateway = traced_before(&upstream, &collector, &[]);
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
    let gateway = traced_before(&upstream, &collector, &[]);
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
        let gateway = traced_before(&upstream, &collector, &[]);
        let context = [("traceparent", PARENT_UNSAMPLED), ("tracestate", "one=1")];
        assert_eq!(gateway.connect().patch(INCIDENT, &context, r#"{"status":"active"}"#).status, 200);
        assert_eq!(gateway.patch(INCIDENT, r#"{"status":"active"}"#).status, 200);
        collector.wait(EDIT);
        assert_ends(gateway);
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
        assert_ends(gateway);
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
        let gateway = traced_before(&upstream, &collector, sampler);
        assert_eq!(gateway.connect().get(INCIDENT, &[("traceparent", PARENT)]).status, 200);
        assert_ends(gateway);
        assert_eq!(collector.spans(), [], "{sampler:?}");
    }
    for arrived in upstream.arrived() {
        assert_goes_on_unsampled(&arrived.headers("traceparent"));
    }
    let gateway = traced_before(&upstream, &collector, &[("OTEL_TRACES_SAMPLER", "always_on")]);
    assert_eq!(gateway.connect().get(INCIDENT, &[("traceparent", PARENT_UNSAMPLED)]).status, 200);
    assert_eq!(collector.wait(2)[0].trace_id, TRACE);
}

#[test]
fn the_process_is_named_by_variables() {
    let collector = Collector::start(Protocol::Http);
    let rows: [(Variables<'_>, [&str; 3]); 4] = [
        (&[("OTEL_SERVICE_NAME", "soc-gateway")], ["soc-gateway", env!("CARGO_PKG_VERSION"), "null"]),
        (
            &[(
                "OTEL_RESOURCE_ATTRIBUTES",
                "deployment.environment.name=test, service.name=soc, service.version=9",
            )],
            ["soc", "9", "test"],
        ),
        (
            &[("OTEL_SERVICE_NAME", "first"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=second")],
            ["first", env!("CARGO_PKG_VERSION"), "null"],
        ),
        // A name that ends like the one that counts.
        (
            &[("OTEL_RESOURCE_ATTRIBUTES", "my.service.name=x")],
            ["patchgate", env!("CARGO_PKG_VERSION"), "null"],
        ),
    ];
    for (number, (variables, expected)) in rows.into_iter().enumerate() {
        let gateway = traced(&collector, &[], variables);
        gateway.get("/none");
        let span = collector.wait(number + 1).pop().expect("a span");
        let found = ["service.name", "service.version", "deployment.environment.name"].map(|name| {
            span.resource.get(name).map_or("null", |value| value.as_str().expect("a text")).to_owned()
        });
        assert_eq!(found, expected, "{variables:?}");
    }
}

#[test]
fn the_configuration_names_a_collector_and_variables_win() {
    for protocol in Protocol::ALL {
        let (configured, named) = (Collector::start(protocol), Collector::start(protocol));
        let http = Collector::start(Protocol::Http);
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("patchgate.toml");
        let path = config.to_str().expect("a path");
        let write = |protocol: &str| {
            let text = format!(
                "[telemetry]\notlp = {{ endpoint = \"{}/\", protocol = \"{protocol}\" }}\n",
                configured.url()
            );
            fs::write(&config, text).expect("a file");
        };
        let soon = ("OTEL_BSP_SCHEDULE_DELAY", "20");
        write(protocol.name());

        let gateway = Gateway::start_with(&["--config", path], &[soon]);
        gateway.get("/none");
        configured.wait(1);
        assert_ends(gateway);

        let gateway =
            Gateway::start_with(&["--config", path], &[soon, ("OTEL_EXPORTER_OTLP_ENDPOINT", &named.url())]);
        gateway.get("/none");
        named.wait(1);
        assert_ends(gateway);

        // The variable of the signal wins over that of all signals, and is taken as it stands.
        let url = format!("{}/v1/traces", http.url());
        let variables = [
            soon,
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ];
        let gateway = Gateway::start_with(&["--config", path], &variables);
        gateway.get("/none");
        http.wait(1);
        assert_ends(gateway);

        // The protocol alone.
        write(if protocol == Protocol::Http { "grpc" } else { "http/protobuf" });
        let gateway = Gateway::start_with(
            &["--config", path],
            &[soon, ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name())],
        );
        gateway.get("/none");
        configured.wait(2);
        assert_ends(gateway);
        assert_eq!((configured.spans().len(), named.spans().len(), http.spans().len()), (2, 1, 1));
    }
}

/// Wherever its URL stands; and what the variable of the headers says wins.
#[test]
fn a_name_and_a_password_in_the_url_of_a_collector_are_its_credentials() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let url = format!("http://otel:hunter%2F2@{}", collector.address);
        let own = if protocol == Protocol::Http { format!("{url}/v1/traces") } else { url.clone() };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("patchgate.toml");
        let text =
            format!("[telemetry]\notlp = {{ endpoint = \"{url}\", protocol = \"{}\" }}\n", protocol.name());
        fs::write(&file, text).expect("a file");
        let configured = ["--config", file.to_str().expect("a path")];
        let (soon, named) =
            (("OTEL_BSP_SCHEDULE_DELAY", "20"), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()));
        let basic = "Basic b3RlbDpodW50ZXIvMg==";
        let other = ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20other");
        let rows: [(&[&str], Variables<'_>, &str); 4] = [
            (&configured, &[soon], basic),
            (&[], &[soon, named, ("OTEL_EXPORTER_OTLP_ENDPOINT", &url)], basic),
            (&[], &[soon, named, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &own)], basic),
            (&configured, &[soon, other], "Bearer other"),
        ];
        for (number, (args, variables, expected)) in rows.into_iter().enumerate() {
            let gateway = Gateway::start_with(args, variables);
            gateway.get("/none");
            collector.wait(number + 1);
            assert_eq!(collector.authorization().as_deref(), Some(expected), "{variables:?}");
            assert_ends(gateway);
        }
    }
}

/// Files of certificates and keys, by their names.
fn files(list: &[(&str, &str)]) -> (TempDir, impl Fn(&str) -> String + use<>) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in list {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let path = folder.path().to_owned();
    (folder, move |name| path.join(name).to_str().expect("a path").to_owned())
}

/// A signal's own variable wins.
#[test]
fn a_collector_and_the_gateway_know_each_other_by_the_certificates_of_the_variables() {
    let [root, other, callers] = ["root", "other", "callers"].map(Authority::root);
    let own = callers.sign(&leaf(&["gateway"]));
    let list = [
        ("root.pem", root.pem()),
        ("other.pem", other.pem()),
        ("own.pem", own.pem()),
        ("own.key", &own.key_pem()),
    ];
    let (_folder, file) = files(&list);
    for protocol in Protocol::ALL {
        let collector =
            Collector::behind_tls(protocol, root.sign(&leaf(&["localhost"])).server_for(&callers));
        let variables: [(&str, &str); 4] = [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &file("other.pem")),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", &file("root.pem")),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &file("own.pem")),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &file("own.key")),
        ];
        let gateway = traced(&collector, &[], &variables);
        gateway.get("/none");
        collector.wait(1);
    }
}

#[test]
fn a_collector_is_trusted_as_the_platform_says() {
    let root = Authority::root("root");
    let (_folder, file) = files(&[("root.pem", root.pem())]);
    for protocol in Protocol::ALL {
        let server = root.sign(&leaf(&["localhost"])).server(rustls::ALL_VERSIONS);
        let collector = Collector::behind_tls(protocol, server);
        let gateway = traced(&collector, &[], &[("SSL_CERT_FILE", &file("root.pem"))]);
        gateway.get("/none");
        collector.wait(1);
    }
}

#[test]
fn a_certificate_that_is_of_no_use_is_named() {
    const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    const CLIENT: &str = "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE";
    const KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
    let root = Authority::root("root");
    let (one, two) = (root.sign(&leaf(&["one"])), root.sign(&leaf(&["two"])));
    let list = [("one.pem", one.pem()), ("two.key", &two.key_pem()), ("empty.pem", "")];
    let (_folder, file) = files(&list);
    let (one, two, empty, none) = (file("one.pem"), file("two.key"), file("empty.pem"), file("none.pem"));
    let unfit =
        |name: &str, file: &str, why: &str| format!("{name}: the file '{file}' cannot be used: {why}");
    let rows: [(Variables<'_>, String); 7] = [
        (&[(CERTIFICATE, &none)], unfit(CERTIFICATE, &none, "there is no such file")),
        (&[(CERTIFICATE, &empty)], unfit(CERTIFICATE, &empty, "there is no certificate in it")),
        (&[(CLIENT, &one)], format!("{CLIENT}: '{one}' is not accepted; expected its key in {KEY}, too")),
        (
            &[(KEY, &two)],
            format!(
                "{KEY}: '{two}' is not accepted; expected its certificate in OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, too"
            ),
        ),
        (&[(CLIENT, &two), (KEY, &two)], unfit(CLIENT, &two, "there is no certificate in it")),
        (&[(CLIENT, &one), (KEY, &one)], unfit(KEY, &one, "there is no private key in it")),
        (
            &[(CLIENT, &one), (KEY, &two)],
            unfit(KEY, &two, &format!("it is not the key to the certificate of {CLIENT}")),
        ),
    ];
    for (variables, expected) in rows {
        for args in [&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"][..], &["config", "check"]]
        {
            let mut command = gateway::command(args);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "https://localhost:1").envs(variables.iter().copied());
            let output = gateway::refused_start(command);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{variables:?}: {said}");
            assert!(said.starts_with(&format!("error: {expected}")), "{said}");
        }
        // In cleartext nobody asks for them.
        let mut check = gateway::command(&["config", "check"]);
        check.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1").envs(variables.iter().copied());
        assert!(check.output().expect("it runs").status.success(), "{variables:?}");
    }
}

/// What is said at the start of where traces go is what comes of the variables and the configuration together.
#[test]
fn that_traces_go_nowhere_is_said_where_they_do() {
    let to = |name| (name, "http://127.0.0.1:1");
    let unset = Some("set telemetry.otlp.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT");
    let off = Some("OTEL_SDK_DISABLED or OTEL_TRACES_EXPORTER says so");
    let config = "[telemetry]\notlp = { endpoint = \"http://127.0.0.1:1\" }\n";
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("patchgate.toml");
    fs::write(&file, config).expect("a file");
    let configured = ["--config", file.to_str().expect("a path")];
    let none = ("OTEL_TRACES_EXPORTER", "none");
    let rows: [(&[&str], Variables<'_>, Option<&str>); 7] = [
        (&[], &[], unset),
        (&[], &[to("OTEL_EXPORTER_OTLP_ENDPOINT")], None),
        (&[], &[to("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")], None),
        (&[], &[to("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")], unset),
        (&configured, &[], None),
        (&configured, &[none], off),
        (&[], &[to("OTEL_EXPORTER_OTLP_ENDPOINT"), none], off),
    ];
    for (args, variables, said) in rows {
        let (_, output) = Gateway::start_with(args, variables).stop();
        let found = output.lines().find_map(|line| line.strip_prefix("traces go nowhere: "));
        assert_eq!(found, said, "{args:?} {variables:?}: {output}");
    }
}

#[test]
fn a_variable_that_says_nothing_known_is_named() {
    let mut text = String::new();
    for variables in [
        &[("OTEL_TRACES_EXPORTER", "jaeger")][..],
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
        &[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "GRPC")],
        &[("OTEL_TRACES_SAMPLER", "sometimes")],
        &[("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "10%")],
        &[("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "1.5")],
        &[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")],
        &[("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "10s")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:notaport")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:65536"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "tcp://localhost:4318")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://localhost"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
        &[("OTEL_EXPORTER_OTLP_INSECURE", "yes")],
        &[("OTEL_BSP_SCHEDULE_DELAY", "5s")],
        &[("OTEL_BSP_MAX_QUEUE_SIZE", "0")],
        &[("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "0")],
    ] {
        let mut command = gateway::command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").envs(variables.iter().copied());
        let output = gateway::refused_start(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{variables:?}: {said}");
        assert!(output.stdout.is_empty());
        assert!(variables.iter().any(|(name, value)| said.contains(&format!("{name}: '{value}'"))), "{said}");
        let mut check = gateway::command(&["config", "check"]);
        check.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").envs(variables.iter().copied());
        let checked = check.output().expect("it runs");
        assert_eq!(checked.status.code(), Some(2), "{variables:?}");
        assert_eq!(String::from_utf8_lossy(&checked.stderr), said, "`config check` says the same");
        text.push_str(&said);
    }
    assert_snapshot!("wrong-variables", text);
}

/// What stands before `@` is a password, whatever else is wrong.
#[test]
fn a_variable_that_says_nothing_known_has_no_password_in_its_words() {
    for url in [
        "ftp://user:hunter2@127.0.0.1",
        "http://user:hunter2/abc@127.0.0.1:1",
        "http://user:12/hunter2@127.0.0.1:1",
        "user:hunter2@127.0.0.1",
        "http://user:hunter2 @127.0.0.1",
    ] {
        for args in [&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"][..], &["config", "check"]]
        {
            let mut command = gateway::command(args);
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url);
            let output = gateway::refused_start(command);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{url}: {said}");
            assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT: '***@127.0.0.1"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

/// What is a secret where all is right is one where something is wrong.
#[test]
fn of_a_wrong_variable_no_secret_is_said() {
    const HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    for (name, value, said) in [
        (HEADERS, "x-key=secret", None),
        (HEADERS, " x-key = secret ,authorization=Bearer%20secret,", None),
        (HEADERS, "x-key: secret", Some("'***' is not")),
        (HEADERS, "x-key=secret,secret", Some("'***' is not")),
        (HEADERS, "x key=secret", Some("'***' is not")),
        (HEADERS, "x-key=", Some("'***' is not")),
        (OWN, "http://127.0.0.1:1/v1/traces?key=secret", None),
        (BASE, "http://127.0.0.1:1/?key=secret", Some("'http://127.0.0.1:1/?…' is not")),
        (BASE, "http://127.0.0.1:1#secret", Some("'http://127.0.0.1:1?…' is not")),
    ] {
        let mut command = gateway::command(&["config", "check"]);
        command.env(BASE, "http://127.0.0.1:1").env(name, value);
        let output = command.output().expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), said.is_none(), "{value}: {told}");
        let expected = said.map(|said| format!("{name}: {said}")).unwrap_or_default();
        assert!(!told.contains("secret") && told.contains(&expected), "{value}: {told}");
    }
}

#[test]
fn a_wrong_endpoint_in_the_configuration_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("patchgate.toml");
    for protocol in Protocol::ALL {
        let text = format!(
            "[telemetry]\notlp = {{ endpoint = \"localhost:4318\", protocol = \"{}\" }}\n",
            protocol.name()
        );
        fs::write(&config, text).expect("a file");
        let path = config.to_str().expect("a path");
        let output =
            gateway::refused_start(gateway::command(&["run", "--admin", "127.0.0.1:0", "--config", path]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("telemetry.otlp.endpoint") && said.contains("localhost:4318"), "{said}");
    }
}

#[test]
fn the_end_of_the_process_sends_what_is_left() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let gateway = traced(&collector, &[], &[("OTEL_BSP_SCHEDULE_DELAY", "3600000")]);
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

#[test]
fn why_a_collector_takes_nothing_is_said() {
    let [root, other] = ["root", "other"].map(Authority::root);
    let (_folder, file) = files(&[("other.pem", other.pem())]);
    for protocol in Protocol::ALL {
        let server = root.sign(&leaf(&["localhost"])).server(rustls::ALL_VERSIONS);
        let untrusted = Collector::behind_tls(protocol, server).url();
        let refusing = format!("http://{NOBODY}/secret");
        for (url, why) in [(untrusted, "UnknownIssuer\""), (refusing, "Connection refused\"")] {
            let variables: [(&str, &str); 3] = [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", &file("other.pem")),
            ];
            let gateway = Gateway::start_with(&[], &variables);
            gateway.get("/none");
            let (status, output) = gateway.stop();
            assert!(status.success(), "{output}");
            let told = output.lines().find(|line| line.contains("the collector takes no spans"));
            assert!(told.is_some_and(|line| line.contains(why)), "{url}, {protocol:?}: {output}");
            assert!(!output.contains("secret"), "{output}");
        }
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
        let gateway = traced(&collector, &[], &none);
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
        let gateway = traced_before(&upstream, &collector, &variables);
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
