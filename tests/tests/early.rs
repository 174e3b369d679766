//! Answers that do not wait for the body: the connection ends behind them, and they say so. Who has not been told sends its next
//! request into a closed connection, and cannot know what became of it.

use patchgate_tests::client::TOKEN;
use patchgate_tests::gateway::Gateway;
use patchgate_tests::rows::{EDIT, INCIDENT};
use patchgate_tests::upstream::Upstream;

/// What is sent before the answer is awaited, what is answered, and whether the connection is kept.
struct Row {
    name: &'static str,
    sent: String,
    status: u16,
    kept: bool,
}

fn head(framing: &str) -> String {
    format!(
        "PATCH {INCIDENT} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\n{framing}\r\n\r\n"
    )
}

fn rows() -> Vec<Row> {
    let row = |name, sent, status, kept| Row { name, sent, status, kept };
    let sized = head(&format!("Content-Length: {}", EDIT.len()));
    let text = |request: &str| request.replace("application/json", "text/plain");
    let asking = |request: &str| request.replacen("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n", 1);
    let chunked = head("Transfer-Encoding: chunked");
    let chunk = format!("{chunked}{:x}\r\n{EDIT}\r\n0\r\n\r\n", EDIT.len());
    let chunks = |body: &str| {
        let (begin, end) = body.split_at(5);
        format!("{chunked}5\r\n{begin}\r\n{:x}\r\n{end}\r\n0\r\n\r\n", end.len())
    };
    // More than anybody writes, and than the watcher follows.
    let trailer =
        |chunk: &str| chunk.replace("\r\n0\r\n", &format!("\r\n0\r\nX-Late: {}\r\n", "x".repeat(2000)));
    vec![
        row("no JSON", text(&sized), 415, false),
        row("half a body that is no JSON", text(&sized) + &EDIT[..5], 415, false),
        row("larger than it may be", head("Content-Length: 300000"), 413, false),
        row("no credential", sized.replace("Authorization", "X-Other"), 401, false),
        row("no such route", sized.replace("security", "other"), 404, false),
        row("another method", sized.replace("PATCH", "PUT"), 405, false),
        row("a body that is not asked for", asking(&sized.replace("PATCH", "PUT")), 405, false),
        row("chunks to come", text(&chunked), 415, false),
        row("chunks that have come and are not read", text(&chunks(EDIT)), 415, false),
        row("a chunk that has come and is not read", text(&chunk), 415, true),
        row("a chunk that has come and was to be asked for", text(&asking(&chunk)), 415, false),
        row("chunks that are not read to their end", chunks(&" ".repeat(300_000)), 413, false),
        row("an edit", sized.clone() + EDIT, 200, true),
        row("chunks", chunks(EDIT), 200, true),
        row("what breaks the schema", sized.clone() + &EDIT.replace("active", "aktive"), 400, true),
        row("chunks that break the schema", chunks(&EDIT.replace("active", "aktive")), 400, true),
        row("an edit with a trailer like a book", trailer(&chunk), 200, false),
        row("what breaks the schema, with one", trailer(&chunk).replace("active", "aktive"), 400, false),
        row("a body that has come", text(&(sized.clone() + EDIT)), 415, true),
        row("no body at all", "GET /v1.0/other HTTP/1.1\r\nHost: gateway\r\n\r\n".to_owned(), 404, true),
    ]
}

#[test]
fn who_sends_on_after_an_early_no_was_told_that_the_connection_ends() {
    let upstream = Upstream::start();
    let gateway = Gateway::before(upstream.address);
    for Row { name, sent, status, kept } in rows() {
        let mut connection = gateway.connect();
        connection.send(sent.as_bytes());
        let answer = connection.receive().unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let said = answer.header("connection");
        if kept {
            assert_eq!(said, None, "{name}");
            assert_eq!(connection.patch(INCIDENT, &[], EDIT).status, 200, "{name}");
        } else {
            assert_eq!(said, Some("close"), "{name}");
            assert!(connection.is_closed(), "{name}");
        }
    }
}
