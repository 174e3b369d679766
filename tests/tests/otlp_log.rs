//! The log by OTLP: the lines of standard error, in their traces, and none of the sending itself.

use patchgate_tests::collector::{Collector, Line, Protocol};
use patchgate_tests::gateway::{self, Gateway};
use serde_json::Value;

const INCIDENT: &str = "/v1.0/security/incidents/2972395";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The only line with that message.
fn only<'l>(lines: &'l [Line], message: &str) -> &'l Line {
    let found: Vec<&Line> = lines.iter().filter(|line| line.message == message).collect();
    assert_eq!(found.len(), 1, "one '{message}' of {lines:#?}");
    found[0]
}

#[test]
fn a_line_says_the_same_on_standard_error_and_by_otlp() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let gateway = collector.traces(&[], &[]);
        let answer = gateway.connect().patch(INCIDENT, &[("traceparent", PARENT)], r#"{"status":"Resolvd"}"#);
        assert_eq!(answer.status, 400);
        let output = gateway.end_well();
        let lines = collector.lines();
        let line = only(&lines, "refused");
        let own: Value = output
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .find(|line: &Value| line["message"] == "refused")
            .expect("the same line on standard error");
        for (name, value) in own.as_object().expect("an object") {
            match name.as_str() {
                "timestamp" => {}
                "message" => assert_eq!(value, &line.message),
                "level" => assert_eq!(value, &line.level),
                "target" => assert_eq!(value, &line.target),
                _ => assert_eq!(Some(value), line.attributes.get(name), "{name}"),
            }
        }
        assert_eq!(line.attributes["violations"], "invalidEnumValue /status");
        assert_eq!((line.trace_id.as_str(), line.event.as_str()), (TRACE, ""));
        assert_eq!(line.resource["service.name"], "patchgate");
    }
}

/// Also where everything is logged: else each export would have lines of its own, which are exported.
#[test]
fn no_line_of_a_library_is_sent() {
    for protocol in Protocol::ALL {
        let collector = Collector::start(protocol);
        let gateway = collector.traces(&[], &[("RUST_LOG", "trace"), ("OTEL_BLRP_SCHEDULE_DELAY", "5")]);
        gateway.get("/none");
        let output = gateway.end_well();
        assert!(output.contains("\"target\":\"hyper"), "the libraries do log: {output}");
        let lines = collector.lines();
        only(&lines, "refused");
        assert!(lines.iter().all(|line| line.target.starts_with("patchgate")), "{lines:#?}");
    }
}

#[test]
fn the_variables_say_whether_and_where_to() {
    let (all, logs) = (Collector::start(Protocol::Http), Collector::start(Protocol::Grpc));
    let gateway = all.traces(&[], &[("OTEL_LOGS_EXPORTER", "none")]);
    gateway.get("/none");
    gateway.end_well();
    assert_eq!((all.lines().len(), all.spans().len()), (0, 1));

    let url = logs.url();
    let own =
        [("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", url.as_str()), ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")];
    let gateway = Gateway::start_with(&[], &own);
    gateway.get("/none");
    gateway.end_well();
    // Without a trace there is none to name.
    assert_eq!((only(&logs.lines(), "refused").trace_id.as_str(), logs.spans().len()), ("", 0));

    for (name, value) in [("OTEL_LOGS_EXPORTER", "console"), ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "gzip")]
    {
        let mut command = gateway::command(&["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env(name, value);
        let output = gateway::refused_start(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(name) && said.contains(value), "{said}");
    }
}
