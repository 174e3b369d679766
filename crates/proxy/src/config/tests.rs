use std::collections::BTreeSet;
use std::ffi::OsString;

use proptest::prelude::*;

use super::fault::Document;
use super::*;

fn document(text: &str) -> Document {
    Document { path: "a.toml".into(), text: text.to_owned(), hidden: Vec::new() }
}

fn inputs(variables: &[(&str, &str)], flags: Flags) -> Inputs {
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Inputs { variables: variables.collect(), flags }
}

fn of_text(text: &str) -> Result<Loaded, Faults> {
    layers::assemble(Some(document(text)), &Inputs::default()).accept()
}

fn lines(result: Result<Loaded, Faults>) -> Vec<String> {
    result.map_or_else(|faults| faults.lines(), |_| Vec::new())
}

#[test]
fn defaults_have_a_guard_and_reads() {
    let config = Config::told_nothing().unwrap();
    assert_eq!((config.guards.len(), config.routes.len()), (1, 2));
}

/// A configuration, and where and about what it is refused.
const WRONG: &[(&str, &str)] = &[
    ("[listen]\nadress = \"127.0.0.1:1\"\n", "a.toml:2:1: 'adress' is not a key of [listen]"),
    ("adress = 1\n", "a.toml:1:1: 'adress' is not a key of the configuration"),
    ("[limit]\n", "a.toml:1:2: 'limit' is not a table of the configuration"),
    ("[telemetry.otpl]\n", "a.toml:1:12: 'otpl' is not a key of [telemetry]"),
    ("limits = 1\n", "a.toml:1:10: limits: this is a number"),
    ("[limits.body]\nx = 1\n", "a.toml:1:1: limits.body: this is a table"),
    ("[listen]\naddress = \"localhost:1\"\n", "a.toml:2:11: listen.address: a name is no IP address"),
    ("[listen]\naddress = \"127.0.0.1\"\n", "a.toml:2:11: listen.address: a port is missing"),
    (
        "[listen]\naddress = \"127.0.0.1:65536\"\n",
        "a.toml:2:11: listen.address: its port is not a number up to 65535",
    ),
    ("[listen]\ninsecure = \"true\"\n", "a.toml:2:12: listen.insecure: this is a string"),
    ("[listen]\ninsecure = 2026-01-31\n", "a.toml:2:12: listen.insecure: this is a date or time"),
    ("[listen]\npublic_url = \"https://a/b\"\n", "a.toml:2:14: listen.public_url: it has a path"),
    ("[listen]\npublic_url = \"${HOST}\"\n", "a.toml:2:14: listen.public_url: this is not a URL"),
    ("[limits]\nbody = \"256\"\n", "a.toml:2:8: limits.body: a unit is missing"),
    ("[limits]\nbody = 256\n", "a.toml:2:8: limits.body: this is a number"),
    ("[limits]\nbody = \"0KiB\"\n", "a.toml:2:8: limits.body: it must be more than zero"),
    ("[limits]\nbody = \"-1KiB\"\n", "a.toml:2:8: limits.body: this is not a size"),
    ("[limits]\nbody = \"\"\n", "a.toml:2:8: limits.body: this is not a size"),
    ("[limits]\nbody = \"99999999999999TiB\"\n", "a.toml:2:8: limits.body: it may be 1TiB at most"),
    (
        "[limits]\nbody = \"1GiB\"\n",
        "a.toml:2:8: limits.body: a body of this size would never pass: it is more than limits.buffered",
    ),
    ("[limits]\nheader_lines = 101\n", "a.toml:2:16: limits.header_lines: it may be 100 at most"),
    (
        "[limits]\nheader_lines = 99999999999999999999\n",
        "a.toml:2:16: limits.header_lines: it may be 100 at most",
    ),
    (
        "[limits]\nheader_lines = -1\n",
        "a.toml:2:16: limits.header_lines: this is not a whole number from 1 on",
    ),
    ("[limits]\nheader_lines = 1.5\n", "a.toml:2:16: limits.header_lines: this is a number with a fraction"),
    ("[limits]\njson_depth = 0\n", "a.toml:2:14: limits.json_depth: it must be more than zero"),
    ("[limits]\nin_flight = 0\n", "a.toml:2:13: limits.in_flight: it must be more than zero"),
    (
        "[limits]\nheader_bytes = \"30KiB\"\n",
        "a.toml:2:16: limits.header_bytes: a target and the header lines together are more than the 32KiB that a head may have",
    ),
    ("[timeouts]\nidle = 60\n", "a.toml:2:8: timeouts.idle: this is a number"),
    ("[timeouts]\nidle = \"60\"\n", "a.toml:2:8: timeouts.idle: a unit is missing"),
    ("[timeouts]\nidle = \"0s\"\n", "a.toml:2:8: timeouts.idle: it must be more than zero"),
    ("[timeouts]\nidle = \"-1s\"\n", "a.toml:2:8: timeouts.idle: it must not be negative"),
    ("[timeouts]\nidle = \"1us\"\n", "a.toml:2:8: timeouts.idle: it must be 1ms at least"),
    ("[timeouts]\nidle = \"9999999999h\"\n", "a.toml:2:8: timeouts.idle: it may be 24h at most"),
    ("[timeouts]\nidle = \"99999999999999999999h\"\n", "a.toml:2:8: timeouts.idle: this is not a time"),
    ("[timeouts]\nidle = \"soon\"\n", "a.toml:2:8: timeouts.idle: this is not a time"),
    ("[timeouts]\nidle = \"2d\"\n", "a.toml:2:8: timeouts.idle: it may be 24h at most"),
    ("[audit]\nkeep_for = \"1mo\"\n", "a.toml:2:12: audit.keep_for: this is not a time"),
    ("[audit]\nkeep_for = \"400m\"\n", "a.toml:2:12: audit.keep_for: it must be 24h at least"),
    ("[audit]\nkeep_for = \"999999999999d\"\n", "a.toml:2:12: audit.keep_for: this is not a time"),
    ("[audit]\nsegment_age = \"-1d\"\n", "a.toml:2:15: audit.segment_age: it must not be negative"),
    ("[audit]\nsegment_bytes = \"1KiB\"\n", "a.toml:2:17: audit.segment_bytes: it must be 64KiB at least"),
    (
        "[audit]\nkeep_bytes = \"1MiB\"\n",
        "a.toml:2:14: audit.keep_bytes: it is less than 4 times audit.segment_bytes, and only whole segments go",
    ),
    (
        "[audit]\nkeep_for = \"1d\"\nsegment_age = \"25h\"\n",
        "a.toml:2:12: audit.keep_for: it is shorter than audit.segment_age, and only whole segments go",
    ),
    (
        "[timeouts]\ndrain_delay = \"30s\"\n",
        "a.toml:2:15: timeouts.drain_delay: it is not shorter than timeouts.drain, of which it is a part: nothing under way could finish",
    ),
    (
        "[upstream]\ncloud = \"us-gov-l6\"\n",
        "a.toml:2:9: upstream.cloud: this is none of the names that are known; did you mean \"us-gov-l4\"?",
    ),
    (
        "[upstream]\ncloud = \"global\"\nurl = \"https://a\"\n",
        "a.toml:3:7: upstream.url: 'upstream.cloud' is set, too",
    ),
    (
        "[upstream]\nurl = \"graph.example\"\n",
        "a.toml:2:7: upstream.url: it does not begin with https:// or http://",
    ),
    ("[log]\nformat = \"xml\"\n", "a.toml:2:10: log.format: this is none of the names that are known"),
    (
        "[telemetry]\notlp = { endpoint = \"localhost:4318\" }\n",
        "a.toml:2:21: telemetry.otlp.endpoint: it does not begin with https:// or http://",
    ),
    (
        "[telemetry]\notlp = { protocol = \"grpc\" }\n",
        "a.toml:2:21: telemetry.otlp.protocol: without telemetry.otlp.endpoint nothing is sent",
    ),
    (
        "[listen]\naddress = \"0.0.0.0:1\"\n",
        "a.toml:2:11: listen.address: 0.0.0.0:1 is not loopback, and without TLS tokens would be readable on the way",
    ),
    ("[listen]\naddress = \"127.0.0.1:4081\"\n", "admin.address: 127.0.0.1:4081 is listen.address, too"),
    (
        "[admin]\naddress = \"0.0.0.0:4080\"\n",
        "a.toml:2:11: admin.address: 0.0.0.0:4080 and listen.address, 127.0.0.1:4080, overlap: one of them is every address of this machine",
    ),
    (
        "[listen]\naddress = \"[::]:4081\"\ninsecure = true\n",
        "admin.address: 127.0.0.1:4081 and listen.address, [::]:4081, overlap: one of them is every address of this machine",
    ),
    (
        "'listen.address' = \"127.0.0.1:1\"\n",
        "a.toml:1:1: 'listen.address' is not a key of the configuration",
    ),
    ("\"\" = 1\n", "a.toml:1:1: '' is not a key of the configuration"),
    ("[listen]\n\"\" = 1\n", "a.toml:2:1: '' is not a key of [listen]"),
    ("[limits]\nbody = \"16K\"\n", "a.toml:2:8: limits.body: this is not a size"),
    ("[limits]\njson_depth = 0x8\n", "a.toml:2:14: limits.json_depth: this is a number that is not decimal"),
    (
        "[listen]\npublic_url = \"https://a:99999\"\n",
        "a.toml:2:14: listen.public_url: its port is not a number from 1 to 65535",
    ),
    (
        "[listen]\npublic_url = \"https://a:\"\n",
        "a.toml:2:14: listen.public_url: its port is not a number from 1 to 65535",
    ),
    (
        "[upstream]\nurl = \"https://a:0\"\n",
        "a.toml:2:7: upstream.url: its port is not a number from 1 to 65535",
    ),
    (
        "[upstream]\nurl = \"https://u@[::1]:x\"\n",
        "a.toml:2:7: upstream.url: its port is not a number from 1 to 65535",
    ),
    ("guard = 1\n", "a.toml:1:9: guard: this is a number"),
    ("[guard]\nschema = \"a\"\n", "a.toml:1:1: guard: this is a table"),
    ("[[guard]]\n", "a.toml:1:1: guard[0]: there is no 'schema'"),
    ("[[guard]]\nschema = \"\"\n", "a.toml:2:10: guard[0].schema: it is empty"),
    ("[[guard]]\nschema = [\"a\"]\n", "a.toml:2:10: guard[0].schema: this is a list"),
    ("[[guard]]\nschema = \"a\"\nrecords = 1\n", "a.toml:3:1: 'records' is not a key of [[guard]]"),
    ("[[guard]]\nschema = \"a\"\nrecord = 1\n", "a.toml:3:10: guard[0].record: this is a number"),
    (
        "[[guard]]\nschema = \"a\"\n[guard.record]\nx = \"Omit\"\n",
        "a.toml:4:5: guard[0].record.x: this is none of the names that are known; did you mean \"omit\"?",
    ),
    ("[[route]]\npath = \"/{version}/a\"\n", "a.toml:1:1: route[0]: there is no 'methods'"),
    ("[[route]]\nmethods = []\npath = \"/{version}/a\"\n", "a.toml:2:11: route[0].methods: there is none"),
    (
        "[[route]]\nmethods = \"GET\"\npath = \"/{version}/a\"\n",
        "a.toml:2:11: route[0].methods: this is a string",
    ),
    (
        "[[route]]\nmethods = [\"PUT\"]\npath = \"/{version}/a\"\n",
        "a.toml:2:12: route[0].methods: PUT writes, and what writes needs a guard: a route forwards a request as it is",
    ),
    (
        "[[route]]\nmethods = [\"HEAD\"]\npath = \"/{version}/a\"\n",
        "a.toml:2:12: route[0].methods: \"HEAD\" is not a method that can be configured",
    ),
    ("[listen]\ninsecure = true\ninsecure = true\n", "a.toml:3:1: this is not TOML: duplicate key"),
    ("[listen]\n[listen]\n", "a.toml:2:2: this is not TOML: duplicate key"),
    ("[listen\n", "a.toml:1:8: this is not TOML: unclosed table, expected `]`"),
];

#[test]
fn each_wrong_value_is_told_with_its_place() {
    for (text, expected) in WRONG {
        assert_eq!(lines(of_text(text)), [*expected], "{text}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let text = "[limits]\nbody = \"1\"\nbdy = 1\n[upstream]\ncloud = 1\n[[guard]]\nx = 1\n";
    let result =
        layers::assemble(Some(document(text)), &inputs(&[("PATCHGATE_X", "1")], Flags::default())).accept();
    let told = lines(result);
    assert_eq!(told.len(), 6, "{told:#?}");
    assert!(told.is_sorted_by_key(|line| !line.starts_with("a.toml")), "{told:#?}");
}

#[test]
fn what_stands_above_wins() {
    let text =
        "[listen]\naddress = \"127.0.0.1:1\"\n[limits]\nbody = \"1KiB\"\n[upstream]\ncloud = \"global\"\n";
    let variables =
        [("PATCHGATE_LISTEN__ADDRESS", "127.0.0.1:2"), ("PATCHGATE_ADMIN__ADDRESS", "127.0.0.1:3")];
    let flags = Flags {
        admin: Some("127.0.0.1:4".to_owned()),
        upstream: Some("https://a.example".to_owned()),
        ..Flags::default()
    };
    let loaded = layers::assemble(Some(document(text)), &inputs(&variables, flags)).accept().unwrap();
    let config = &loaded.config;
    assert_eq!(config.listen.address.port(), 2);
    assert_eq!(config.admin.address.port(), 4);
    assert_eq!(config.limits.body.0, 1024);
    assert_eq!((config.upstream.cloud, config.upstream.url.is_some()), (None, true));
    for (key, source) in [
        ("listen.address", "PATCHGATE_LISTEN__ADDRESS"),
        ("admin.address", "--admin"),
        ("limits.body", "a.toml:4"),
        ("upstream.cloud", "default"),
        ("upstream.url", "--upstream"),
        ("limits.header_lines", "default"),
    ] {
        assert_eq!(loaded.source_text(key), source, "{key}");
    }
}

#[test]
fn variables_that_are_wrong_are_told_by_name() {
    for (name, value, expected) in [
        ("PATCHGATE_LISTEN_ADDRESS", "127.0.0.1:1", "PATCHGATE_LISTEN_ADDRESS: this variable is not known"),
        ("PATCHGATE_GUARD__0__SCHEMA", "a", "PATCHGATE_GUARD__0__SCHEMA: lists cannot be set by a variable"),
        ("PATCHGATE_LIMITS__BODY", "12", "PATCHGATE_LIMITS__BODY: \"12\": a unit is missing"),
        ("PATCHGATE_LIMITS__BODY", "", "PATCHGATE_LIMITS__BODY: it is empty"),
        (
            "PATCHGATE_LOG__FORMAT",
            "JSON",
            "PATCHGATE_LOG__FORMAT: \"JSON\": this is none of the names that are known; did you mean \"json\"?",
        ),
        (
            "PATCHGATE_LISTEN__INSECURE",
            "1",
            "PATCHGATE_LISTEN__INSECURE: \"1\": this is neither true nor false",
        ),
        ("PATCHGATE_", "1", "PATCHGATE_: this variable is not known"),
        ("PATCHGATE_LIMITS", "1", "PATCHGATE_LIMITS: this variable is not known"),
        ("PATCHGATE_\u{1b}[31m", "1", "PATCHGATE_\\u{1b}[31m: this variable is not known"),
    ] {
        let result = layers::assemble(None, &inputs(&[(name, value)], Flags::default())).accept();
        assert_eq!(lines(result), [expected], "{name}");
    }
}

/// And what only looks like one is an error, like each variable that nobody knows.
#[test]
fn variables_that_kubernetes_sets_for_a_service_are_no_typing_errors() {
    for (name, value, is_link) in [
        ("PATCHGATE_SERVICE_HOST", "10.0.0.1", true),
        ("PATCHGATE_SERVICE_PORT", "4080", true),
        ("PATCHGATE_SERVICE_PORT_HTTP", "4080", true),
        ("PATCHGATE_PORT", "tcp://10.0.0.1:4080", true),
        ("PATCHGATE_PORT_4080_TCP", "tcp://10.0.0.1:4080", true),
        ("PATCHGATE_PORT_4080_TCP_PROTO", "tcp", true),
        ("PATCHGATE_PORT_4080_TCP_PORT", "4080", true),
        ("PATCHGATE_PORT_4080_SCTP_PORT", "4080", true),
        ("PATCHGATE_PORT_4080_TCP_ADDR", "10.0.0.1", true),
        ("PATCHGATE_ADMIN_PORT", "udp://10.0.0.1:4081", true),
        ("PATCHGATE_ADMIN_PORT_4081_TCP_ADDR", "10.0.0.1", true),
        ("PATCHGATE_ADMIN_SERVICE_HOST", "10.0.0.1", true),
        ("PATCHGATE_PORT", "8080", false),
        ("PATCHGATE_PORT", "http://10.0.0.1:4080", false),
        ("PATCHGATE_LISTEN_PORT", "9999", false),
        ("PATCHGATE_LISTEN_TCP_PORT", "9999", false),
        ("PATCHGATE_PORT_X", "1", false),
        ("PATCHGATE_LISTEN__PORT", "1", false),
        ("PATCHGATE_REPORT", "1", false),
    ] {
        let result = layers::assemble(None, &inputs(&[(name, value)], Flags::default())).accept();
        assert_eq!(lines(result).len(), usize::from(!is_link), "{name}={value}");
    }
}

/// How a time and a size are written again.
#[test]
fn units_are_those_that_people_write() {
    for (key, value, shown) in [
        ("audit.keep_for", "P400D", "400d"),
        ("audit.keep_for", "1d", "24h"),
        ("audit.keep_for", "1d 12h", "36h"),
        ("audit.keep_for", "2w", "14d"),
        ("audit.keep_for", "36500d", "36500d"),
        ("audit.segment_age", "1s", "1s"),
        ("audit.segment_age", "60m", "60m"),
        ("audit.segment_age", "1h", "60m"),
        ("timeouts.idle", "1d", "24h"),
        ("timeouts.idle", "1ms", "1ms"),
        ("timeouts.idle", "1m", "60s"),
        ("timeouts.idle", "2m", "2m"),
        ("audit.keep_bytes", "2048TiB", "it may be 1024TiB at most"),
        ("audit.keep_bytes", "2TiB", "2TiB"),
        ("audit.segment_bytes", "64KiB", "64KiB"),
        ("audit.segment_bytes", "65535B", "it must be 64KiB at least"),
    ] {
        let setting = settings::find(key).unwrap();
        let mut config = Config::default();
        let told = (setting.set)(&mut config, value).err().or_else(|| setting.written(&config));
        assert_eq!(told.as_deref(), Some(shown), "{key} = {value}");
    }
}

/// A value that is shown can be written: nothing is lost on the way, and nothing is shown that would not be read.
#[test]
fn what_is_shown_is_what_is_read() {
    let config = Config::told_nothing().unwrap();
    for setting in settings::ALL {
        let Some(text) = setting.written(&config) else { continue };
        let mut copy = config.clone();
        (setting.set)(&mut copy, &text).unwrap();
        assert_eq!(setting.written(&copy).as_deref(), Some(text.as_str()), "{}", setting.key);
    }
    let keys: BTreeSet<&str> = settings::ALL.iter().map(|setting| setting.key).collect();
    assert_eq!(keys.len(), settings::ALL.len(), "a key stands twice");
}

#[test]
fn addresses_that_do_not_overlap_have_one_port() {
    for (listen, admin) in [
        ("127.0.0.1:4080", "127.0.0.2:4080"),
        ("127.0.0.1:4080", "[::1]:4080"),
        ("[::1]:4080", "0.0.0.0:4080"),
        ("127.0.0.1:0", "0.0.0.0:0"),
    ] {
        let text = format!("[listen]\naddress = \"{listen}\"\n[admin]\naddress = \"{admin}\"\n");
        assert_eq!(lines(of_text(&text)), [""; 0], "{text}");
    }
}

/// Whatever is wrong with it, and wherever it stands.
#[test]
fn a_secret_beside_a_fault_is_not_shown() {
    for text in [
        "[upstream]\ncredentials = { kind = \"client-secret\", client_secret = \"hunter2\" }\n",
        "[upstream]\ncredentials.client_secret = \"hunter2\"\n",
        "redis = { password = \"hunter2\", more = { of = [\"hunter2\"] } }\n",
        "[[guard]]\nschema = \"a\"\nkey = { secret = \"hunter2\" }\n",
        "guard = { schema = \"a\", secret = \"hunter2\" }\n",
        "[[guard]]\nschema = { secret = \"hunter2\" }\n",
        "[upstream]\nurl = { password = \"hunter2\" }\n",
        "upstream = \"user:hunter2@a\"\n",
        "[upstream]\nurl = \"user:hunter2@a\"\n",
        "[upstream]\nurl = \"https://user:hunter2 and hunter2@a\"\n",
        "telemetry.otlp = { endpoint = \"http://otel:hunter2/abc@a:4318\" }\n",
        "telemetry.otlp = { endpoint = \"http://otel:hunter2/abc@a:4318\", protocoll = 1 }\n",
        "telemetry.otlp = { endpoint = \"http://otel:hunter2/abc@a:4318\"\n",
        "telemetry.otlp = { endpoint = \"http://otel:12/hunter2@a:4318\" }\n",
        "telemetry.otlp = { endpoint = \"http://otel:12?hunter2@a:4318\", protocoll = 1 }\n",
        "telemetry.otlp = { endpoint = \"http://otel:12#hunter2@a:4318\"\n",
        "[upstream]\nurl = \"https://hun/hunter2@a\"\n",
        "[upstream]\nurl = https://user:12 hunter2@a\n",
        "[listen]\npublic_url = \"https://user:12#hunter2@a\"\n",
    ] {
        let faults = of_text(text).unwrap_err();
        let said = faults.rendered(false);
        assert!(said.contains("-->") && !said.contains("hunter2"), "{text}: {said}");
        assert!(!faults.lines().concat().contains("hunter2"), "{text}");
    }
    for url in [
        "user:hunter2@a",
        "https://user:hunter2/b@a",
        "https://user:12/hunter2@a",
        "ftp://hunter2@a",
        "https://hunter2 @a",
    ] {
        let variables = [("PATCHGATE_TELEMETRY__OTLP__ENDPOINT", url)];
        let flags = Flags { upstream: Some(url.to_owned()), ..Flags::default() };
        let faults = layers::assemble(None, &inputs(&variables, flags)).accept().unwrap_err();
        assert!(faults.list.len() == 2 && !faults.rendered(false).contains("hunter2"), "{faults}");
    }
}

#[test]
fn secrets_are_in_no_output() {
    let text = "[upstream]\nurl = \"https://user:hunter2@a.example\"\npassword = \"hunter2\"\n\
                [telemetry]\notlp = { endpoint = \"http://user:hunter2@b.example\" }\n[nothing]\n";
    let faults = of_text(text).unwrap_err();
    let document = document(text);
    let shown =
        [faults.rendered(false), faults.rendered(true), faults.to_string(), faults.lines().join("\n")];
    for said in shown {
        assert!(!said.contains("hunter2"), "{said}");
    }
    let loaded = layers::assemble(
        Some(Document { text: text.replace("password", "#").replace("[nothing]", ""), ..document }),
        &Inputs::default(),
    )
    .accept()
    .unwrap();
    for said in [show::human(&loaded), show::as_json(&loaded).to_string(), format!("{:?}", loaded.config)] {
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_reload_takes_what_it_can_and_names_the_rest() {
    let before = of_text("[limits]\nbody = \"1KiB\"\nin_flight = 5\n").unwrap();
    let after = of_text("[limits]\nbody = \"2KiB\"\nin_flight = 6\n[timeouts]\nidle = \"1s\"\n").unwrap();
    assert_eq!(change::needs_restart(&before.config, &after.config), ["limits.in_flight", "timeouts.idle"]);
    let taken = change::reloadable(&before.config, &after).accept().unwrap().config;
    assert_eq!(
        (taken.limits.body.0, taken.limits.in_flight.0, taken.timeouts.idle.0.as_secs()),
        (2048, 5, 60)
    );
    assert!(change::needs_restart(&before.config, &taken).is_empty());

    // Each alone would start; this one is not for the process that runs.
    let after = of_text("[limits]\nbody = \"300MiB\"\nbuffered = \"1GiB\"\n").unwrap();
    let told = lines(change::reloadable(&before.config, &after).accept());
    assert!(told.len() == 1 && told[0].starts_with("a.toml:2:8: limits.body: "), "{told:?}");
}

/// Pieces of configurations, and of what is none.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("[listen]\n".to_owned()),
        Just("[[guard]]\n".to_owned()),
        Just("[[route]]\n".to_owned()),
        Just("address = ".to_owned()),
        Just("schema = ".to_owned()),
        Just("methods = [\"GET\", ".to_owned()),
        Just("\"127.0.0.1:1\"\n".to_owned()),
        Just("[limits]\nbody = \"1é\"\n".to_owned()),
        Just("\"\"\"\r\n".to_owned()),
        Just("\u{feff}{ x = [1, ".to_owned()),
        ".{0,8}",
        "[\\[\\]={}\"'.,#\\n\\r\\t a-z0-9é\u{202e}😀]{0,12}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is in a file, it is accepted, or each fault has a line and can be shown.
    #[test]
    fn any_text_is_accepted_or_told_what_is_wrong(text in pieces()) {
        if let Err(faults) = of_text(&text) {
            prop_assert!(!faults.list.is_empty());
            prop_assert_eq!(faults.lines().len(), faults.list.len());
            for fault in &faults.list {
                if let Place::File(span) = &fault.place {
                    prop_assert!(span.start <= text.len(), "{span:?} of {}", text.len());
                }
            }
            prop_assert!(faults.rendered(false).starts_with("error: "));
            prop_assert!(faults.rendered(true).contains("error"));
        }
    }

    /// Whatever a variable is called and says.
    #[test]
    fn any_variable_is_accepted_or_told_what_is_wrong(name in "PATCHGATE_[A-Z_0-9]{0,20}", value in ".{0,20}") {
        if let Err(faults) = layers::assemble(None, &inputs(&[(&name, &value)], Flags::default())).accept() {
            prop_assert!(faults.rendered(false).contains("PATCHGATE_"));
        }
    }

    /// A size or time that is accepted is shown as one that is accepted, and means the same.
    #[test]
    fn sizes_and_times_survive_being_shown(size in 1_u64..(1 << 40), millis in 1_u64..86_400_000) {
        use super::value::Value as _;
        let read = Size::<{ 1 << 40 }>::parse(&format!("{size}B")).unwrap();
        prop_assert_eq!(Size::<{ 1 << 40 }>::parse(&read.written().unwrap()).unwrap(), read);
        let read = Span::parse(&format!("{millis}ms")).unwrap();
        prop_assert_eq!(Span::parse(&read.written().unwrap()).unwrap(), read);
    }
}
