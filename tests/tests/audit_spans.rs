//! The waits for the record, as spans of a trace.

use std::fs;
use std::path::Path;

use patchgate_tests::collector::{Collector, Protocol, Span, SpanKind};
use patchgate_tests::gateway::Gateway;

const INCIDENT: &str = "/v1.0/security/incidents/2972395";
const EDIT: &str = r#"{"status":"active"}"#;

fn traced(collector: &Collector, directory: &Path, durability: &str) -> Gateway {
    let (url, directory) = (collector.url(), directory.to_str().expect("a path"));
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", collector.protocol.name()),
        ("PATCHGATE_AUDIT__DIRECTORY", directory),
        ("PATCHGATE_AUDIT__DURABILITY", durability),
    ];
    Gateway::start_with(&[], &variables)
}

/// What a gateway that ends has sent.
fn all(gateway: Gateway, collector: &Collector) -> Vec<Span> {
    let (status, output) = gateway.stop();
    assert!(status.success(), "{status}: {output}");
    collector.spans()
}

fn of(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == kind).collect()
}

#[test]
fn an_edit_that_waits_for_its_record_has_a_span_for_each_wait() {
    let (collector, folder) = (Collector::start(Protocol::Http), tempfile::tempdir().expect("a folder"));
    let gateway = traced(&collector, folder.path(), "strict");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
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
    let gateway = traced(&collector, folder.path(), "relaxed");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    let spans = all(gateway, &collector);
    assert_eq!((spans.len(), of(&spans, SpanKind::Internal).len()), (2, 0), "{spans:#?}");
}

#[test]
fn a_record_that_cannot_be_written_is_an_error_of_its_span() {
    let (collector, folder) = (Collector::start(Protocol::Http), tempfile::tempdir().expect("a folder"));
    let directory = folder.path().join("audit");
    let gateway = traced(&collector, &directory, "strict");
    fs::remove_dir_all(&directory).expect("it is there");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 503);
    let spans = all(gateway, &collector);
    let waits = of(&spans, SpanKind::Internal);
    let [wait] = waits.as_slice() else { panic!("one wait: {spans:#?}") };
    assert!(wait.is_error);
    assert_eq!(wait.text("error.type"), "record_unwritable");
}
