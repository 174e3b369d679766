//! What the gateway sends goes to whom it was told to: through no proxy of the environment, and after no redirect.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use patchgate_tests::collector::Protocol;
use patchgate_tests::gateway::Gateway;
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;

/// How long a test waits for what should come; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(1);
const PROXIES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// A listener that says who it is as soon as somebody connects, and hangs up.
fn telling(name: &'static str, tell: &Sender<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let tell = tell.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            drop(stream);
            // Nobody hears it any more behind the first.
            _ = tell.send(name);
        }
    });
    address
}

#[test]
fn nothing_goes_through_a_proxy_of_the_environment() {
    for (scheme, protocol) in [
        ("http", Protocol::Http),
        ("https", Protocol::Http),
        ("http", Protocol::Grpc),
        ("https", Protocol::Grpc),
    ] {
        let (tell, told) = mpsc::channel();
        let proxy = format!("http://{}", telling("the proxy", &tell));
        let collector = format!("{scheme}://{}", telling("the collector", &tell));
        let upstream = Upstream::start();
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.name()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ];
        variables.extend(PROXIES.map(|name| (name, proxy.as_str())));
        let url = format!("http://{}", upstream.address);
        let gateway = Gateway::start_with(&["--upstream", &url], &variables);
        assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
        upstream.wait_for(1);
        let first = told.recv_timeout(PATIENCE).expect("spans are sent");
        assert_eq!(first, "the collector", "{scheme}, {protocol:?}");
        drop(gateway);
        assert!(told.try_iter().all(|name| name == "the collector"), "{scheme}, {protocol:?}");
    }
}

#[test]
fn a_collector_that_redirects_takes_nothing() {
    let (tell, told) = mpsc::channel();
    let elsewhere = telling("elsewhere", &tell);
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://{elsewhere}/v1/traces\r\nContent-Length: 0\r\n\r\n"
    );
    let collector = Upstream::answering(move |_, stream| stream.write_all(answer.as_bytes()).is_ok());
    let url = format!("http://{}", collector.address);
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    let gateway = Gateway::start_with(&[], &variables);
    assert_eq!(gateway.get("/none").status, 404);
    collector.wait_for(1);
    let (status, log) = gateway.stop();
    assert!(status.success(), "{log}");
    assert!(log.contains("the collector takes no spans"), "{log}");
    assert_eq!(told.try_recv().ok(), None);
}
