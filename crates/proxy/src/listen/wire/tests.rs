use proptest::prelude::*;

use super::*;

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n";

fn verdicts(bytes: &str, piece: usize) -> (Vec<Verdict>, Phase) {
    let mut wire = Wire::default();
    for piece in bytes.as_bytes().chunks(piece) {
        wire.see(piece);
    }
    (wire.verdicts.iter().copied().collect(), wire.phase())
}

#[test]
fn heads_and_bodies_are_followed() {
    let rows = [
        (String::new(), 0, Phase::New),
        ("\r\n".to_owned(), 0, Phase::Between),
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

#[test]
fn a_request_that_was_not_seen_is_a_fault() {
    assert_eq!(Wire::default().verdict(), Err(FramingFault::OutOfStep));
}

proptest! {
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
