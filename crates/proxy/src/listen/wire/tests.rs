use proptest::prelude::*;

use super::*;
use crate::listen::seen::Seen;

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n";

fn verdicts(bytes: &str, piece: usize) -> (Vec<Verdict>, Phase) {
    let (mut wire, seen) = (Wire::default(), Seen::default());
    for piece in bytes.as_bytes().chunks(piece) {
        wire.see(piece);
        seen.tell(&wire);
    }
    ((0..wire.heads()).map(|_| seen.verdict()).collect(), wire.phase())
}

#[test]
fn heads_and_bodies_are_followed() {
    let rows = [
        (String::new(), 0, Phase::New),
        ("\r\n".to_owned(), 0, Phase::New),
        (format!("{GET}\r\n\r\n\n\r\n"), 1, Phase::Between),
        ("G".to_owned(), 0, Phase::Head),
        (format!("{GET}\r\n"), 1, Phase::Between),
        (format!("{GET}\r\n{GET}\r\n\r\n{GET}"), 2, Phase::Head),
        (format!("{GET}Content-Length: 5\r\n\r\nabc"), 1, Phase::Body),
        (format!("{GET}Content-Length: 5\r\n\r\nabc\r\n{GET}\r\n"), 2, Phase::Between),
        (format!("{GET}Content-Length: 0\r\n\r\n{GET}\r\n"), 2, Phase::Between),
        (
            format!("{GET}Transfer-Encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n{GET}\r\n"),
            2,
            Phase::Between,
        ),
        (format!("{GET}Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n"), 1, Phase::Body),
        (format!("{GET}Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"), 1, Phase::Lost),
        (format!("{GET}Transfer-Encoding: chunked\r\n\r\nx\r\n"), 1, Phase::Lost),
        (format!("{GET}Transfer-Encoding: chunked\r\n\r\n1\r\nabc"), 1, Phase::Lost),
    ];
    for (bytes, heads, phase) in rows {
        for piece in [1, 2, 7, 1000] {
            assert_eq!(
                verdicts(&bytes, piece),
                (vec![Ok(()); heads], phase),
                "{bytes:?} in pieces of {piece}"
            );
        }
    }
}

#[test]
fn faults() {
    use FramingFault as F;
    let rows = [
        ("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", F::Fragment),
        ("GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n", F::TargetCharacter),
        ("GET /a\x7f HTTP/1.1\r\nHost: x\r\n\r\n", F::TargetCharacter),
        ("GET  /a HTTP/1.1\r\nHost: x\r\n\r\n", F::RequestLine),
        ("GET /a HTTP/1.1 \r\nHost: x\r\n\r\n", F::RequestLine),
        ("GET /a HTTP/2.0\r\nHost: x\r\n\r\n", F::RequestLine),
        ("GET /a\r\nHost: x\r\n\r\n", F::RequestLine),
        ("G(T /a HTTP/1.1\r\nHost: x\r\n\r\n", F::RequestLine),
        ("GET /a HTTP/1.1\nHost: x\r\n\r\n", F::BareLineFeed),
        ("GET /a HTTP/1.1\r\nHost: x\n\r\n", F::BareLineFeed),
        ("GET /a HTTP/1.1\r\nHost: x\r\n\n", F::BareLineFeed),
        ("GET /a HTTP/1.1\n\n", F::BareLineFeed),
        ("GET /a HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", F::FoldedLine),
        ("GET /a HTTP/1.1\r\nHo_st: x\r\n\r\n", F::FieldName),
        ("GET /a HTTP/1.1\r\nHost : x\r\n\r\n", F::FieldName),
        ("GET /a HTTP/1.1\r\nHost\r\n\r\n", F::FieldName),
        ("GET /a HTTP/1.1\r\nA: b\x01\r\n\r\n", F::FieldValue),
        ("GET /a HTTP/1.1\r\nA: b\rc\r\n\r\n", F::FieldValue),
        ("GET /a HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", F::SeveralLengths),
        ("GET /a HTTP/1.1\r\nContent-Length: +1\r\n\r\n", F::Length),
        ("GET /a HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", F::Length),
        ("GET /a HTTP/1.1\r\nContent-Length:\r\n\r\n", F::Length),
        ("GET /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", F::Length),
        ("GET /a HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", F::LengthAndEncoding),
        ("GET /a HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", F::TransferEncoding),
        (
            "GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            F::TransferEncoding,
        ),
        ("GET /a HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", F::TransferEncoding),
        ("GET /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", F::TransferEncoding),
    ];
    for (bytes, fault) in rows {
        for piece in [1, 3, 1000] {
            assert_eq!(
                verdicts(bytes, piece),
                (vec![Err(fault)], Phase::Lost),
                "{bytes:?} in pieces of {piece}"
            );
        }
    }
}

/// Only then may the parser be taken away.
#[test]
fn it_is_quiet_when_nothing_has_come_that_was_not_taken() {
    let edit = format!("{GET}Content-Length: 2\r\n\r\n");
    let rows = [
        (String::new(), 0, true),
        ("\r".to_owned(), 0, true),
        ("\r\n".to_owned(), 0, true),
        ("\r\nG".to_owned(), 0, false),
        ("G".to_owned(), 0, false),
        (format!("{GET}\r\n"), 0, false),
        (format!("{GET}\r\n"), 1, true),
        (format!("{GET}\r\n\r\n"), 1, true),
        (format!("{GET}\r\n{GET}\r\n"), 1, false),
        (format!("{GET}\r\n{GET}\r\n"), 2, true),
        (format!("{edit}a"), 1, false),
        (format!("{edit}ab"), 1, true),
        (format!("{edit}abc"), 1, false),
        (format!("{GET}Transfer-Encoding: chunked\r\n\r\n0\r\n"), 1, false),
        (format!("{GET}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 1, true),
        (format!("{GET}Transfer-Encoding: chunked\r\n\r\nx\r\n"), 1, false),
        ("GET  / HTTP/1.1\r\n\r\n".to_owned(), 1, false),
    ];
    for (bytes, taken, quiet) in rows {
        let (mut wire, seen) = (Wire::default(), Seen::default());
        wire.see(bytes.as_bytes());
        seen.tell(&wire);
        for _ in 0..taken {
            _ = seen.verdict();
        }
        assert_eq!(seen.is_quiet(), quiet, "{bytes:?}, {taken} taken");
    }
}

#[test]
fn a_request_that_was_not_seen_is_a_fault() {
    let (mut wire, seen) = (Wire::default(), Seen::default());
    assert_eq!(seen.verdict(), Err(FramingFault::OutOfStep));
    wire.see(format!("{GET}\r\n").as_bytes());
    seen.tell(&wire);
    assert_eq!([seen.verdict(), seen.verdict()], [Ok(()), Err(FramingFault::OutOfStep)]);
}

/// The verdict on a head as the grammar says it, line by line and character by character; nothing if it is no fault of one
/// line.
fn fault_by_the_grammar(head: &[u8]) -> Option<FramingFault> {
    use FramingFault as F;
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let mut lines = head.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r\n"));
    let Some(first) = lines.next().unwrap() else { return Some(F::BareLineFeed) };
    let parts: Vec<&[u8]> = first.split(|byte| *byte == b' ').collect();
    match parts[..] {
        [method, target, version] if !method.is_empty() && method.iter().all(token) => {
            if target.contains(&b'#') {
                return Some(F::Fragment);
            }
            if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
                return Some(F::TargetCharacter);
            }
            if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
                return Some(F::RequestLine);
            }
        }
        _ => return Some(F::RequestLine),
    }
    for line in lines {
        let Some(line) = line else { return Some(F::BareLineFeed) };
        if line.is_empty() {
            continue;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            return Some(F::FoldedLine);
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return Some(F::FieldName) };
        let (name, value) = line.split_at(colon);
        if name.is_empty() || !name.iter().all(|byte| token(byte) && *byte != b'_') {
            return Some(F::FieldName);
        }
        let control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
        if value[1..].trim_ascii().iter().any(control) {
            return Some(F::FieldValue);
        }
    }
    None
}

/// Lines of a head that are right, and any that are not.
fn any_head() -> impl Strategy<Value = Vec<u8>> {
    let any = proptest::collection::vec(any::<u8>(), 0..4);
    let odd = prop_oneof![
        6 => Just(b"".to_vec()),
        1 => any.clone(),
        2 => proptest::sample::select(b"\r\n\t :#_\x00\x0b\x0c\x7f\x80/(".to_vec()).prop_map(|byte| vec![byte]),
    ];
    let first = (odd.clone(), odd.clone(), odd.clone())
        .prop_map(|(a, b, c)| [b"GET".as_slice(), &a, b" /a", &b, b" HTTP/1.1", &c].concat());
    let field = (odd.clone(), odd.clone(), odd.clone(), odd)
        .prop_map(|(a, b, c, d)| [a.as_slice(), b"Ab", &b, b": x", &c, b"y", &d].concat());
    let end = || prop_oneof![6 => Just(b"\r\n".as_slice()), 1 => Just(b"\n".as_slice()), 1 => Just(b"\r\r\n".as_slice())];
    let fields = proptest::collection::vec((field, end()), 0..4);
    (first, end(), fields, end()).prop_map(|(mut head, end, fields, last)| {
        head.extend_from_slice(end);
        for (field, end) in fields {
            head.extend_from_slice(&field);
            head.extend_from_slice(end);
        }
        head.extend_from_slice(last);
        head
    })
}

proptest! {
    /// However quickly a head is looked through, what is refused is what the grammar refuses, for the same reason.
    #[test]
    fn heads_are_judged_by_the_grammar(bytes in any_head()) {
        // What is generated may begin with an empty line, or end before its end.
        prop_assume!(!bytes.starts_with(b"\r") && !bytes.starts_with(b"\n"));
        let Some(end) = end_of_head(&bytes, 0) else { return Ok(()) };
        let head = &bytes[..end];
        let fault = fault_by_the_grammar(head);
        prop_assert_eq!(framing(head).err(), fault, "{}", head.escape_ascii());
        let (whole, rest) = whole_head(&bytes).unwrap();
        prop_assert_eq!((whole.err(), rest), (fault, &bytes[end..]), "{}", bytes.escape_ascii());
    }

    /// Pieces do not matter, and nothing panics.
    #[test]
    fn pieces_do_not_matter(bytes in "(GET /a HTTP/1\\.[01]\r\n(Content-Length: [0-3]\r\n|Transfer-Encoding: chunked\r\n|A: b\r\n){0,2}\r\n[0-9a-f\r\n]{0,12}){1,3}", piece in 1usize..9) {
        prop_assert_eq!(verdicts(&bytes, piece), verdicts(&bytes, 10_000));
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut wire = Wire::default();
        bytes.chunks(7).for_each(|piece| wire.see(piece));
    }
}
