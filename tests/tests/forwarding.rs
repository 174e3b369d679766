//! What goes upstream, what comes back, and what happens when Graph does not answer.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use patchgate_tests::client::{Connection, Response, TOKEN};
use patchgate_tests::gateway::Gateway;
use patchgate_tests::rows::{self, EDIT, INCIDENT, Request, Text};
use patchgate_tests::upstream::{Arrived, PLAIN, Upstream};
use serde::Deserialize;

/// A gateway with a configuration.
fn configured(text: &str, upstream: &Upstream) -> Gateway {
    Gateway::configured(text, &["--upstream", &format!("http://{}", upstream.address)])
}

// The way there.

#[test]
fn exactly_the_listed_fields_go_upstream() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let passing = [
        ("Accept", "application/json;odata.metadata=full"),
        ("Accept-Language", "de-CH"),
        ("client-request-id", "c-1"),
        ("ConsistencyLevel", "eventual"),
        ("If-Match", "W/\"7\""),
        ("SdkVersion", "graph-dotnet/5.0"),
        ("User-Agent", "tool/1.0 (test)"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
        ("tracestate", "a=1,b=2"),
        ("Via", "1.0 fred, 1.1 p.example (a proxy)"),
    ];
    let dropped = [
        ("Accept-Encoding", "gzip, br"),
        ("Accept-Charset", "utf-16"),
        ("baggage", "user=me"),
        ("Cache-Control", "no-cache"),
        ("Connection", "keep-alive, X-Nominated, If-Match"),
        ("Cookie", "session=1"),
        ("Expect", "100-continue"),
        ("Forwarded", "for=1.2.3.4"),
        ("If-None-Match", "*"),
        ("Keep-Alive", "timeout=1"),
        ("Origin", "https://a.example"),
        ("OData-MaxVersion", "4.01"),
        ("Prefer", "return=minimal, respond-async, include-unknown-enum-members"),
        ("Prefer", "odata.maxpagesize=5; x=1, odata.maxpagesize=7, wait=10, Return=representation"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Range", "bytes=0-1"),
        ("Referer", "https://a.example/"),
        ("TE", "trailers"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Ms-Client-Principal", "me"),
        ("X-Nominated", "1"),
        ("X-Unknown", "1"),
    ];
    let sent: Vec<(&str, &str)> = passing.iter().chain(&dropped).copied().collect();
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let host = upstream.address.to_string();
    let token = format!("Bearer {TOKEN}");
    let mut common: Vec<(String, String)> =
        passing.iter().map(|(name, value)| own(&name.to_ascii_lowercase(), value)).collect();
    common.extend([own("host", &host), own("authorization", &token), own("accept-encoding", "identity")]);

    let mut connection = gateway.connect();
    assert_eq!(connection.patch(INCIDENT, &sent, &format!(" {EDIT} ")).status, 200);
    let mut edit = common.clone();
    edit.extend([
        own("content-type", "application/json"),
        own("content-length", &EDIT.len().to_string()),
        own("prefer", "return=minimal, include-unknown-enum-members, Return=representation"),
    ]);
    // Nothing waits for an answer to `Expect` on a read.
    let sent: Vec<(&str, &str)> = sent.into_iter().filter(|(name, _)| *name != "Expect").collect();
    assert_eq!(connection.get(&format!("{INCIDENT}?$select=id"), &sent).status, 200);
    let mut read = common;
    read.push(own(
        "prefer",
        "return=minimal, include-unknown-enum-members, odata.maxpagesize=7, Return=representation",
    ));

    let arrived = upstream.arrived();
    for (arrived, mut expected) in arrived.iter().zip([edit, read]) {
        let mut found = arrived.headers.clone();
        // The name of this process, which nobody knows before.
        let via = found.iter_mut().find(|(name, _)| name == "via").expect("a Via");
        let (before, own) = via.1.rsplit_once(", ").expect("those before, and the gateway");
        assert!(own.len() == 22 && own.starts_with("1.1 patchgate-"), "{own}");
        via.1 = before.to_owned();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", arrived.method);
    }
    let lines: Vec<(&str, &str, String)> =
        arrived.iter().map(|a| (a.method.as_str(), a.target.as_str(), a.text())).collect();
    let query = format!("{INCIDENT}?$select=id");
    assert_eq!(lines, [("PATCH", INCIDENT, EDIT.to_owned()), ("GET", &query, String::new())]);
}

#[test]
fn an_upstream_below_a_path_is_reached_there() {
    let upstream = Upstream::answering(|_, stream| {
        let host = stream.local_addr().expect("an address");
        let body = format!(r#"{{"@odata.nextLink":"http://{host}/graph/v1.0/security/incidents?$skip=2"}}"#);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .is_ok()
    });
    let gateway = Gateway::start(&["--upstream", &format!("http://{}/graph/", upstream.address)]);
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    let read = gateway.get("/v1.0/security/incidents?$top=2").json();
    let link = format!("http://{}/v1.0/security/incidents?$skip=2", gateway.listen);
    assert_eq!(read["@odata.nextLink"], link.as_str());
    let targets: Vec<String> = upstream.arrived().into_iter().map(|arrived| arrived.target).collect();
    assert_eq!(targets, [format!("/graph{INCIDENT}"), "/graph/v1.0/security/incidents?$top=2".to_owned()]);
}

/// An upstream that sends what it gets to the address that it is told of then.
fn leading_back() -> (Upstream, mpsc::Sender<SocketAddr>) {
    let (tell, told) = mpsc::channel();
    let (told, target) = (Mutex::new(told), OnceLock::<SocketAddr>::new());
    let upstream = Upstream::answering(move |arrived, stream| {
        let told = || told.lock().expect("no panic here").recv().expect("an address");
        let mut connection = Connection::open(*target.get_or_init(told));
        let fields = arrived.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let fields: String = fields.collect();
        let Arrived { method, target, .. } = arrived;
        connection.send(format!("{method} {target} HTTP/1.1\r\n{fields}\r\n{}", arrived.text()).as_bytes());
        let Some(answer) = connection.receive() else { return false };
        let head = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n\r\n", answer.status, answer.body.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&answer.body)).is_ok()
    });
    (upstream, tell)
}

/// It comes back once, however many gateways lie between.
#[test]
fn a_request_that_comes_back_is_refused() {
    for between in [false, true] {
        let (back, tell) = leading_back();
        let between = between.then(|| Gateway::before(back.address));
        let upstream = between.as_ref().map_or(back.address, |between| between.listen);
        let gateway =
            Gateway::configured("[limits]\nin_flight = 8\n", &["--upstream", &format!("http://{upstream}")]);
        tell.send(gateway.listen).expect("the upstream waits");
        for answer in [gateway.patch(INCIDENT, EDIT), gateway.get(INCIDENT)] {
            assert_eq!((answer.status, answer.code().as_str()), (400, "BadRequest"));
            assert!(answer.message().contains("come through this gateway before"), "{}", answer.message());
        }
        assert_eq!(back.arrived().len(), 2);
    }
}

#[test]
fn gateways_behind_one_another_are_no_loop() {
    let graph = Upstream::start();
    let inner = Gateway::before(graph.address);
    let outer = Gateway::before(inner.listen);
    assert_eq!((outer.patch(INCIDENT, EDIT).status, outer.get(INCIDENT).status), (200, 200));
    for arrived in graph.arrived() {
        let via: Vec<&str> = arrived.header("via").expect("a Via").split(", ").collect();
        assert!(via.len() == 2 && via[0] != via[1], "{via:?}");
    }
}

#[test]
fn proxies_of_the_environment_are_not_used() {
    let (upstream, other) = (Upstream::start(), Upstream::start());
    let proxy = format!("http://{}", other.address);
    let names = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let variables: Vec<(&str, &str)> = names.into_iter().map(|name| (name, proxy.as_str())).collect();
    let gateway = Gateway::start_with(&["--upstream", &format!("http://{}", upstream.address)], &variables);
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200);
    assert_eq!((upstream.arrived().len(), other.arrived().len()), (1, 0));
}

// The way back.

/// An answer of Graph.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    why: String,
    /// What stands before it on the wire.
    #[serde(default)]
    before: String,
    status: u16,
    fields: Vec<(String, Text)>,
    body: Option<Text>,
    chunks: Option<Vec<String>>,
    #[serde(default)]
    trailers: Vec<(String, String)>,
    until_closed: Option<String>,
    /// Names, in lower case, that the caller does not see as Graph said them.
    #[serde(default)]
    dropped: Vec<String>,
}

impl Row {
    fn write(&self, stream: &mut TcpStream) -> bool {
        let mut out = format!("{}HTTP/1.1 {} Whatever\r\n", self.before, self.status).into_bytes();
        for (name, value) in &self.fields {
            out.extend(format!("{name}: ").bytes());
            out.extend(value.bytes());
            out.extend(b"\r\n");
        }
        if let Some(body) = &self.body {
            out.extend(format!("Content-Length: {}\r\n\r\n", body.bytes().len()).bytes());
            out.extend(body.bytes());
        } else if let Some(chunks) = &self.chunks {
            out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in chunks {
                out.extend(format!("{:x}\r\n{chunk}\r\n", chunk.len()).bytes());
            }
            out.extend(b"0\r\n");
            for (name, value) in &self.trailers {
                out.extend(format!("{name}: {value}\r\n").bytes());
            }
            out.extend(b"\r\n");
        } else {
            out.extend(format!("\r\n{}", self.until_closed.as_deref().unwrap_or_default()).bytes());
        }
        stream.write_all(&out).is_ok() && self.until_closed.is_none()
    }

    fn whole_body(&self) -> Vec<u8> {
        match (&self.body, &self.chunks, &self.until_closed) {
            (Some(body), _, _) => body.bytes(),
            (_, Some(chunks), _) => chunks.concat().into(),
            (_, _, text) => text.clone().unwrap_or_default().into(),
        }
    }

    fn judge(&self, method: &str, answer: &Response) {
        let context = format!("{} to a {method}: {}", self.id, self.why);
        assert_eq!(answer.status, self.status, "{context}");
        assert_eq!(answer.body, self.whole_body(), "{context}");
        let framing = ["content-length", "transfer-encoding"];
        let kept = |name: &str| !self.dropped.iter().any(|dropped| dropped == name);
        let mut expected: Vec<(String, Vec<u8>)> = self
            .fields
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.bytes()))
            .filter(|(name, _)| kept(name))
            .collect();
        let said = |name: &str| expected.iter().any(|(known, _)| known == name);
        let own = |name: &str| {
            framing.contains(&name) || name == "patchgate-request-id" || (name == "date" && !said(name))
        };
        let lossy = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut found: Vec<(String, String)> =
            answer.headers.iter().filter(|(name, _)| !own(name)).cloned().collect();
        // Fields of one name keep their order; those of different names need not.
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected: Vec<(String, String)> =
            expected.iter().map(|(name, value)| (name.clone(), lossy(value))).collect();
        assert_eq!(found, expected, "{context}");
        let ids = answer.headers("patchgate-request-id");
        assert!(ids.len() == 1 && ids[0] != "forged", "{context}: {ids:?}");
    }
}

#[test]
fn answers_pass_unchanged() {
    let rows: Arc<Vec<Row>> = Arc::new(rows::lines("answers.jsonl"));
    let answers = Arc::clone(&rows);
    let upstream = Upstream::answering(move |request, stream| {
        let number = request.header("client-request-id").expect("the number of the row");
        answers[number.parse::<usize>().expect("a number")].write(stream)
    });
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    for (number, row) in rows.iter().enumerate() {
        let number = number.to_string();
        let fields = [("client-request-id", number.as_str())];
        row.judge("PATCH", &connection.patch(INCIDENT, &fields, EDIT));
        row.judge("GET", &connection.get(INCIDENT, &fields));
    }
    // Nothing was followed and nothing was sent again, and one connection served it all.
    assert_eq!(upstream.arrived().len(), 2 * rows.len());
}

#[test]
fn an_answer_is_passed_on_as_it_comes() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let upstream = Upstream::answering(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let first = write!(stream, "{head}9\r\n[\"first\",\r\n").is_ok();
        first
            && wait.lock().expect("one at a time").recv().is_ok()
            && write!(stream, "9\r\n\"second\"]\r\n0\r\n\r\n").is_ok()
    });
    let gateway = Gateway::before(upstream.address);
    for method in ["PATCH", "GET"] {
        let mut connection = gateway.connect();
        let body = if method == "PATCH" { EDIT } else { "" };
        let head = format!(
            "{method} {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(head.as_bytes());
        connection.read_until(b"first");
        go.send(()).expect("the upstream waits");
        assert_eq!(connection.receive().expect("an answer").text(), r#"["first","second"]"#, "{method}");
    }
}

#[test]
fn an_answer_that_breaks_off_is_not_made_whole() {
    for (answer, chunked) in [
        ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nonly this", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n",
            true,
        ),
    ] {
        let upstream = Upstream::answering(move |_, stream| {
            _ = stream.write_all(answer.as_bytes());
            false
        });
        let gateway = Gateway::before(upstream.address);
        for method in ["PATCH", "GET"] {
            let mut connection = gateway.connect();
            let body = if method == "PATCH" { EDIT } else { "" };
            let head = format!(
                "{method} {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            connection.send(head.as_bytes());
            let text = connection.rest();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            assert!(!text.ends_with("0\r\n\r\n"), "{method}: a whole answer: {text}");
            assert_eq!(text.contains("chunked"), chunked, "{method}: {text}");
        }
        assert_eq!(upstream.arrived().len(), 2, "an edit is not sent again");
    }
}

#[test]
fn a_coding_that_was_not_asked_for_is_refused_on_reads() {
    let said = Arc::new(Mutex::new(""));
    let coding = Arc::clone(&said);
    let upstream = Upstream::answering(move |_, stream| {
        let coding = *coding.lock().expect("a coding");
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{coding}Content-Length: 2\r\n\r\n{{}}"
        )
        .is_ok()
    });
    let gateway = Gateway::before(upstream.address);
    for (coding, read) in [
        ("", 200),
        ("Content-Encoding: identity\r\n", 200),
        ("Content-Encoding: Identity\r\n", 200),
        ("Content-Encoding: gzip\r\n", 502),
        ("Content-Encoding: br\r\n", 502),
        ("Content-Encoding: identity, gzip\r\n", 502),
        ("Content-Encoding: identity\r\nContent-Encoding: gzip\r\n", 502),
    ] {
        *said.lock().expect("a coding") = coding;
        let answer = gateway.get(INCIDENT);
        assert_eq!(answer.status, read, "{coding:?}: {}", answer.text());
        if read == 502 {
            assert_eq!(answer.code(), "UpstreamUnusable");
            assert_eq!(answer.header("content-encoding"), None);
        }
        // The answer to an edit has no links to follow: it passes as it is.
        assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200, "{coding:?}");
    }
}

#[test]
fn an_answer_too_many_reaches_nobody() {
    let upstream = Upstream::saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nownHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother",
    );
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    for _ in 0..20 {
        assert_eq!(connection.get(INCIDENT, &[]).text(), "own");
        let answer = connection.patch(INCIDENT, &[], EDIT);
        // What came too much may be noticed only when the connection is used again.
        assert!(answer.text() == "own" || answer.code() == "OutcomeUnknown", "{}", answer.text());
    }
}

#[test]
fn a_caller_of_http_1_0_gets_no_chunks() {
    let upstream = Upstream::saying(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    );
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    connection
        .send(format!("GET {INCIDENT} HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n").as_bytes());
    let answer = connection.receive().expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(answer.header("transfer-encoding"), None);
}

/// To it an answer without a length ends with the connection: with a reset, where that is too early.
#[test]
fn a_caller_of_http_1_0_hears_that_an_answer_broke_off() {
    let upstream = Upstream::answering(|request, stream| {
        let whole = request.header("client-request-id") == Some("whole");
        let end = if whole { "0\r\n\r\n" } else { "" };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        write!(stream, "{head}9\r\nonly this\r\n{end}").is_ok() && whole
    });
    let gateway = Gateway::before(upstream.address);
    for (id, expected) in [("whole", None), ("broken", Some(ErrorKind::ConnectionReset))] {
        for (method, body) in [("PATCH", EDIT), ("GET", "")] {
            let mut connection = gateway.connect();
            let head = format!(
                "{method} {INCIDENT} HTTP/1.0\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nclient-request-id: {id}\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            connection.send(head.as_bytes());
            connection.read_until(b"only this");
            let end = connection.stream().read(&mut [0]);
            assert_eq!(end.as_ref().err().map(std::io::Error::kind), expected, "{id}, {method}: {end:?}");
            assert!(!matches!(end, Ok(1)), "{id}, {method}");
        }
    }
}

// Links.

#[test]
fn a_list_is_walked_by_its_links_and_never_leaves_the_gateway() {
    let gateway = Gateway::start(&[]);
    for version in ["v1.0", "beta"] {
        let all = gateway.get(&format!("/{version}/security/incidents")).json();
        let ids = |page: &serde_json::Value| -> Vec<String> {
            let incidents = page["value"].as_array().expect("incidents").iter();
            incidents.map(|incident| incident["id"].as_str().expect("an id").to_owned()).collect()
        };
        let expected: HashSet<String> = ids(&all).into_iter().collect();
        assert!(expected.len() >= 12 && expected.contains("2972395"), "{expected:?}");

        let own = format!("http://{}", gateway.listen);
        let mut connection = gateway.connect();
        let mut target = format!("/{version}/security/incidents?$top=2");
        let mut seen = Vec::new();
        loop {
            let page = connection.get(&target, &[]);
            assert_eq!(page.status, 200, "{target}: {}", page.text());
            let page = page.json();
            seen.extend(ids(&page));
            assert!(seen.len() <= expected.len(), "the walk does not end");
            let Some(link) = page["@odata.nextLink"].as_str() else { break };
            target = link.strip_prefix(&own).unwrap_or_else(|| panic!("{link} leaves {own}")).to_owned();
        }
        assert_eq!(seen.len(), expected.len());
        assert_eq!(seen.into_iter().collect::<HashSet<_>>(), expected);
    }
}

#[test]
fn links_get_the_origin_under_which_the_caller_came_and_all_else_stays() {
    let upstream = Upstream::answering(|request, stream| {
        let up = format!("http://{}", stream.local_addr().expect("an address"));
        let body = format!(
            "{{ \"@odata.context\": \"{up}/v1.0/$metadata\",\n\"value\":[{{\"alerts@odata.nextLink\":\"{up}/v1.0/a?$skip=1\",\
             \"text\":\"{up}/x\",\"incidentWebUrl\":\"{up}/y\"}}],\"@odata.nextLink\":\"{up}/v1.0/security/incidents?$skiptoken=a%20b\",\
             \"@odata.deltaLink\":\"https:\\/\\/other.example\\/v1.0\" }}"
        );
        // A byte at a time: links may be cut anywhere.
        let framed = if request.header("client-request-id") == Some("whole") {
            format!("Content-Length: {}\r\n\r\n{body}", body.len())
        } else {
            let chunks: Vec<String> = body.chars().map(|c| format!("1\r\n{c}\r\n")).collect();
            format!("Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunks.concat())
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n";
        write!(stream, "{head}{framed}").is_ok()
    });
    let up = format!("http://{}", upstream.address);
    let expected = |here: &str| {
        format!(
            "{{ \"@odata.context\": \"{up}/v1.0/$metadata\",\n\"value\":[{{\"alerts@odata.nextLink\":\"{here}/v1.0/a?$skip=1\",\
             \"text\":\"{up}/x\",\"incidentWebUrl\":\"{up}/y\"}}],\"@odata.nextLink\":\"{here}/v1.0/security/incidents?$skiptoken=a%20b\",\
             \"@odata.deltaLink\":\"https:\\/\\/other.example\\/v1.0\" }}"
        )
    };
    let read = |gateway: &Gateway, host: &str, how: &str| {
        let mut connection = gateway.connect();
        let head = format!(
            "GET /v1.0/security/incidents HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer x\r\nclient-request-id: {how}\r\n\r\n"
        );
        connection.send(head.as_bytes());
        connection.receive().expect("an answer").text()
    };
    let gateway = Gateway::before(upstream.address);
    let public = configured("[listen]\npublic_url = \"https://gateway.example:443/\"\n", &upstream);
    for how in ["whole", "bytes"] {
        assert_eq!(read(&gateway, "tool.internal:8080", how), expected("http://tool.internal:8080"));
        assert_eq!(read(&public, "gateway.example", how), expected("https://gateway.example"));
    }
}

// No answer.

#[test]
fn an_upstream_that_is_down_got_nothing() {
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let gateway = Gateway::start(&["--upstream", &format!("http://{address}")]);
    for answer in [gateway.patch(INCIDENT, EDIT), gateway.get(INCIDENT)] {
        assert_eq!((answer.status, answer.code().as_str()), (502, "UpstreamUnreachable"));
        assert!(answer.message().contains("nothing was sent"), "{}", answer.message());
    }
}

#[test]
fn an_edit_without_a_whole_answer_is_sent_once_and_its_outcome_unknown() {
    for answer in [
        "",
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "nonsense\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let upstream = Upstream::answering(move |_, stream| {
            _ = stream.write_all(answer.as_bytes());
            false
        });
        let gateway = Gateway::before(upstream.address);
        let edit = gateway.patch(INCIDENT, EDIT);
        assert_eq!((edit.status, edit.code().as_str()), (502, "OutcomeUnknown"), "{answer:?}");
        assert_eq!(edit.header("retry-after"), None);
        assert_eq!(upstream.arrived().len(), 1, "{answer:?}");
        let read = gateway.get(INCIDENT);
        assert_eq!((read.status, read.code().as_str()), (502, "UpstreamUnusable"), "{answer:?}");
    }
}

#[test]
fn an_upstream_that_does_not_answer_in_time() {
    // It reads until the gateway gives up.
    let upstream = Upstream::answering(|_, stream| stream.read(&mut [0]).is_ok_and(|count| count > 0));
    let gateway = configured("[timeouts]\nanswer = \"100ms\"\n", &upstream);
    let edit = gateway.patch(INCIDENT, EDIT);
    assert_eq!((edit.status, edit.code().as_str()), (502, "OutcomeUnknown"));
    let read = gateway.get(INCIDENT);
    assert_eq!((read.status, read.code().as_str()), (504, "UpstreamTimeout"));
    assert_eq!(upstream.arrived().len(), 2);
}

#[test]
fn a_kept_connection_that_was_closed_costs_nothing() {
    let (closed, wait) = mpsc::channel();
    let closed = Mutex::new(closed);
    let upstream = Upstream::answering(move |_, stream| {
        _ = stream.write_all(PLAIN);
        end_and_wait_until_it_came(stream);
        _ = closed.lock().expect("one at a time").send(());
        false
    });
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    for number in 1..=50 {
        let answer = connection.patch(INCIDENT, &[], EDIT);
        assert_eq!(answer.status, 200, "edit {number}: {}", answer.text());
        wait.recv().expect("the upstream closed");
        assert_eq!(upstream.arrived().len(), number, "each edit arrives once");
    }
}

/// Ends a connection, and returns when the kernel of the other side knows of it; its program need not.
fn end_and_wait_until_it_came(stream: &mut TcpStream) {
    let ends = (stream.local_addr().expect("an address"), stream.peer_addr().expect("an address"));
    _ = stream.shutdown(Shutdown::Write);
    if cfg!(target_os = "linux") {
        let ends = format!(":{:04X} 0100007F:{:04X} ", ends.0.port(), ends.1.port());
        // Established, or the end is sent and not acknowledged.
        let under_way =
            |table: &str| ["01", "04"].iter().any(|state| table.contains(&format!("{ends}{state}")));
        while under_way(&std::fs::read_to_string("/proc/net/tcp").expect("the connections")) {
            thread::yield_now();
        }
    } else {
        _ = stream.read(&mut [0]);
    }
}

#[test]
fn an_edit_is_never_sent_twice_however_a_kept_connection_ends() {
    // Closed without telling anybody when: some edits meet a connection that is just going away.
    let upstream = Upstream::answering(|_, stream| {
        _ = stream.write_all(PLAIN);
        false
    });
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    for number in 0..200 {
        let id = number.to_string();
        let answer = connection.patch(INCIDENT, &[("client-request-id", &id)], EDIT);
        let count = upstream.arrived().iter().filter(|a| a.header("client-request-id") == Some(&id)).count();
        match answer.status {
            200 => assert_eq!(count, 1, "edit {number}"),
            _ => assert!(answer.code() == "OutcomeUnknown" && count <= 1, "edit {number}: {}", answer.text()),
        }
    }
}

// The caller.

#[test]
fn a_caller_who_hangs_up_changes_nothing_about_its_edit() {
    let (upstream, go) = Upstream::waiting();
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    connection.send(&Request::default().bytes());
    upstream.wait_for(1);
    drop(connection);
    // With unread bytes in its buffer a socket is closed by a reset instead.
    let mut connection = gateway.connect();
    connection.send(&[b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n", &*Request::default().bytes()].concat());
    upstream.wait_for(2);
    drop(connection);

    go.send(()).expect("the upstream waits");
    go.send(()).expect("the upstream waits");
    go.send(()).expect("the upstream waits");
    assert_eq!(gateway.patch(INCIDENT, EDIT).status, 200, "the gateway lives on");
    let (status, _) = gateway.stop();
    assert!(status.success());
    assert_eq!(upstream.arrived().len(), 3, "each edit was sent once");
}

#[test]
fn a_read_ends_with_its_caller() {
    let (ended, end) = mpsc::channel();
    let ended = Mutex::new(ended);
    // It says nothing, and tells when the gateway gives the connection up.
    let upstream = Upstream::answering(move |_, stream| {
        let given_up = stream.read(&mut [0]).is_ok_and(|count| count == 0);
        _ = ended.lock().expect("one at a time").send(given_up);
        false
    });
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    // The answer to the first is left unread: so the connection is closed by a reset.
    let read = format!("GET {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n");
    connection.send(format!("GET /nope HTTP/1.1\r\nHost: a\r\n\r\n{read}").as_bytes());
    upstream.wait_for(1);
    drop(connection);
    assert!(end.recv().expect("the upstream lives"), "the gateway closed its connection");
}

#[test]
fn an_edit_whose_body_never_came_whole_is_not_sent() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    let whole = Request::default().bytes();
    for cut in [1, EDIT.len()] {
        let mut connection = gateway.connect();
        connection.send(&whole[..whole.len() - cut]);
        drop(connection);
    }
    let (status, _) = gateway.stop();
    assert!(status.success());
    assert_eq!(upstream.arrived(), []);
}

#[test]
fn a_caller_who_has_said_everything_still_gets_its_answer() {
    let (upstream, go) = Upstream::waiting();
    let gateway = Gateway::before(upstream.address);
    for method in ["PATCH", "GET"] {
        let mut connection = gateway.connect();
        let edit = Request::default().bytes();
        let read = format!("GET {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n");
        connection.send(if method == "PATCH" { &edit } else { read.as_bytes() });
        connection.half_close();
        upstream.wait_for(if method == "PATCH" { 1 } else { 2 });
        go.send(()).expect("the upstream waits");
        assert_eq!(connection.receive().expect("an answer").status, 200, "{method}");
        assert!(connection.is_closed());
    }
}

/// To close over what nobody has read would take back what is still on its way.
#[test]
fn a_last_answer_reaches_a_caller_who_goes_on_sending() {
    const LENGTH: usize = 8 << 20;
    let upstream = Upstream::answering(|_, stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {LENGTH}\r\n\r\n");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b'x'; LENGTH])).is_ok()
    });
    let gateway = Gateway::before(upstream.address);
    for behind in ["\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut connection = gateway.connect();
        let last = format!(
            "GET {INCIDENT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n"
        );
        connection.send(last.as_bytes());
        connection.read_until(b"xxxx");
        connection.send(behind.as_bytes());
        assert_eq!(connection.receive().expect("an answer").body.len(), LENGTH, "{behind:?}");
        assert!(connection.is_closed(), "{behind:?}");
    }
}

#[test]
fn connections_are_kept_on_both_sides() {
    let opened = Arc::new(AtomicUsize::new(0));
    let ports = Arc::new(Mutex::new(HashSet::new()));
    let (count, seen) = (Arc::clone(&opened), Arc::clone(&ports));
    let upstream = Upstream::answering(move |_, stream| {
        let new = seen.lock().expect("ports").insert(stream.peer_addr().expect("an address").port());
        count.fetch_add(usize::from(new), Ordering::SeqCst);
        stream.write_all(PLAIN).is_ok()
    });
    let gateway = Gateway::before(upstream.address);
    let mut connection = gateway.connect();
    for _ in 0..20 {
        assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200);
        assert_eq!(connection.get(INCIDENT, &[]).status, 200);
    }
    assert_eq!(upstream.arrived().len(), 40);
    // An answer's body ends a moment before its connection is free again.
    let opened = opened.load(Ordering::SeqCst);
    assert!(opened < 10, "{opened} connections for 40 requests, one after another");
}

#[test]
fn many_callers_at_once_get_each_its_own_answer() {
    let upstream = Upstream::answering(|request: &Arrived, stream| {
        let body = request.text();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).is_ok()
    });
    let gateway = Gateway::before(upstream.address);
    let address = gateway.listen;
    thread::scope(|scope| {
        for caller in 0..16 {
            scope.spawn(move || {
                let mut connection = Connection::open(address);
                for number in 0..25 {
                    let body = format!(r#"{{"assignedTo":"caller {caller}, edit {number}"}}"#);
                    assert_eq!(connection.patch(INCIDENT, &[], &body).text(), body);
                }
            });
        }
    });
    let bodies: HashSet<String> = upstream.arrived().iter().map(Arrived::text).collect();
    assert_eq!((upstream.arrived().len(), bodies.len()), (400, 400));
}
