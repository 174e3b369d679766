//! Which collector is spoken to, and how: what the configuration and the variables say, and what they may not say.

use std::fs;

use insta::assert_snapshot;
use patchgate_tests::collector::{Collector, Protocol};
use patchgate_tests::gateway::{self, Gateway};
use patchgate_tests::tls::{Authority, leaf};
use tempfile::TempDir;

/// Variables of the environment.
type Variables<'v> = &'v [(&'v str, &'v str)];
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
        let gateway = collector.traces(&[], variables);
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
        gateway.end_well();

        let gateway =
            Gateway::start_with(&["--config", path], &[soon, ("OTEL_EXPORTER_OTLP_ENDPOINT", &named.url())]);
        gateway.get("/none");
        named.wait(1);
        gateway.end_well();

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
        gateway.end_well();

        // The protocol alone.
        write(if protocol == Protocol::Http { "grpc" } else { "http/protobuf" });
        let gateway = Gateway::start_with(
            &["--config", path],
            &[soon, ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name())],
        );
        gateway.get("/none");
        configured.wait(2);
        gateway.end_well();
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
            gateway.end_well();
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
        let gateway = collector.traces(&[], &variables);
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
        let gateway = collector.traces(&[], &[("SSL_CERT_FILE", &file("root.pem"))]);
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
fn why_a_collector_takes_nothing_is_said() {
    let [root, other] = ["root", "other"].map(Authority::root);
    let (_folder, file) = files(&[("other.pem", other.pem())]);
    for protocol in Protocol::ALL {
        let server = root.sign(&leaf(&["localhost"])).server(rustls::ALL_VERSIONS);
        let untrusted = Collector::behind_tls(protocol, server).url();
        let refusing = "http://127.0.0.1:1/secret".to_owned();
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
