//! What the strict reader takes, and where it says that it does not.

use proptest::prelude::*;

use super::*;

fn fault(text: impl AsRef<[u8]>) -> String {
    match parse(text.as_ref(), 8) {
        Ok(document) => format!("accepted {document:?}"),
        Err(violation) => violation.code().as_str().to_owned(),
    }
}

/// Texts on which readers of JSON differ; each is refused.
#[test]
fn known_differences_between_readers() {
    let rows: &[(&str, &[u8])] = &[
        ("invalidJson", b""),
        ("invalidJson", b" \n"),
        ("invalidJson", b"\xef\xbb\xbf{}"),
        ("invalidJson", b"{\"a\":\"\xff\"}"),
        ("invalidJson", b"{\"a\":\"\xc0\xaf\"}"),
        ("invalidJson", b"{\"a\":\"\xed\xa0\x80\"}"),
        ("invalidJson", b"\xff\xfe{\x00}\x00"),
        ("invalidJson", b"{\"a\":1,}"),
        ("invalidJson", b"[1,]"),
        ("invalidJson", b"{'a':1}"),
        ("invalidJson", b"{a:1}"),
        ("invalidJson", b"{\"a\":1}{"),
        ("invalidJson", b"{\"a\":1}{}"),
        ("invalidJson", b"{} //"),
        ("invalidJson", b"/**/{}"),
        ("invalidJson", b"{\"a\":01}"),
        ("invalidJson", b"{\"a\":+1}"),
        ("invalidJson", b"{\"a\":.5}"),
        ("invalidJson", b"{\"a\":5.}"),
        ("invalidJson", b"{\"a\":0x1}"),
        ("invalidJson", b"{\"a\":NaN}"),
        ("invalidJson", b"{\"a\":Infinity}"),
        ("invalidJson", b"{\"a\":-Infinity}"),
        ("invalidJson", b"{\"a\":True}"),
        ("invalidJson", b"{\"a\":\"\t\"}"),
        ("invalidJson", b"{\"a\":\"\n\"}"),
        ("invalidJson", b"{\"a\":\"\\x41\"}"),
        ("invalidJson", b"{\"a\":\"\\ud800\"}"),
        ("invalidJson", b"{\"a\":\"\\udc00\\ud800\"}"),
        ("invalidJson", b"{\"a\":\"\\u0000\"}"),
        ("invalidJson", b"{\"a\\u0000\":1}"),
        ("invalidJson", b"{\"a\":1\x00}"),
        ("invalidJson", b"{\"a\":1}\x00"),
        ("invalidJson", b"\xc2\xa0{}"),
        ("invalidJson", b"{\"a\" 1}"),
        ("invalidJson", b"{\"a\":1"),
        ("invalidJson", b"{1:1}"),
        ("duplicateField", b"{\"a\":1,\"a\":2}"),
        ("duplicateField", b"{\"a\":1,\"\\u0061\":2}"),
        ("duplicateField", b"{\"a\":1,\"A\":2}"),
        ("duplicateField", b"{\"x\":[{\"a\":1,\"b\":0,\"A\":1}]}"),
        ("tooDeep", b"[[[[[[[[[1]]]]]]]]]"),
        ("invalidNumber", b"1e999"),
        ("invalidNumber", b"-1e999"),
        ("invalidNumber", b"9007199254740992"),
        ("invalidNumber", b"-9007199254740993"),
        ("invalidNumber", b"18446744073709551617"),
        ("invalidNumber", b"1e300"),
    ];
    for (code, text) in rows {
        assert_eq!(fault(text), *code, "{}", String::from_utf8_lossy(text));
    }
    for text in
        ["[[[[[[[[1]]]]]]]]", "9007199254740991", "-0", "0.1", "1e-400", "\"\\ud83d\\ude00\"", " {}\r\n"]
    {
        assert!(parse(text.as_bytes(), 8).is_ok(), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(fault(deep), "tooDeep");
    let many: Vec<String> = (0..40).map(|i| format!("\"k{i}\":1")).collect();
    assert_eq!(fault(format!("{{{},\"K3\":2}}", many.join(","))), "duplicateField");
    assert!(parse(format!("{{{}}}", many.join(",")).as_bytes(), 8).is_ok());
}

#[test]
fn places_count_lines_and_characters() {
    for (text, line, column) in [
        ("{\"a\":1,\n \"é\":x}", 2, 6),
        ("\u{feff}{}", 1, 1),
        // What is wrong begins here, wherever the reader stopped.
        ("{\"a\":1,\n \"é\":1,\"a\" :2}", 2, 8),
        ("{\"a\":1,\n\"A\"\n\n :2}", 2, 1),
        (r#"{"a":1,"\"a\\":0,"\"A\\" :2}"#, 1, 18),
        ("{\"a\":1,\"a\"}", 1, 8),
        ("[1,\n 9007199254740993 ]", 2, 2),
        ("{\"é\":-1e999}", 1, 6),
        ("9007199254740993", 1, 1),
        ("[[[[[[[[\n[\n\n[1", 2, 1),
        ("[[[[[[[[ {}", 1, 10),
        ("{\"é\": \"\\\"\\u0000\" }", 1, 7),
    ] {
        let place = parse(text.as_bytes(), 8).unwrap_err().place().unwrap();
        assert_eq!((place.line, place.column), (line, column), "{text}");
    }
    let place = parse(b"{\n\"a\":\"\xff\"}", 8).unwrap_err().place().unwrap();
    assert_eq!((place.line, place.column), (2, 6));
}

#[test]
fn half_of_a_pair_is_told_as_such() {
    for text in [r#""\ud800""#, r#""\udc00""#, r#""\ud800\n""#, r#""\ud800\u0041""#] {
        let said = parse(text.as_bytes(), 8).unwrap_err().message();
        assert!(said.contains("an escape is half of a surrogate pair at line 1"), "{said}");
    }
}

/// A text of JSON in any dress; one in four with a character that is too much or another.
fn json_like() -> impl Strategy<Value = String> {
    use proptest::collection::vec;
    use proptest::sample::select;
    let part = select(vec![
        "a",
        "A",
        "b",
        "é",
        "\u{1f600}",
        r"\n",
        r"\u0041",
        r"\ud83d\ude00",
        r"\\",
        r#"\""#,
        r"\/",
    ]);
    let string = vec(part, 0..3).prop_map(|parts| format!("\"{}\"", parts.concat()));
    let number = "-?(0|[1-9][0-9]{0,6})(\\.[0-9]{1,4})?([eE][+-]?[0-9])?";
    let word = select(vec!["null", "true", "false"]).prop_map(str::to_owned);
    let leaf = prop_oneof![word, number, string.clone()];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        let spaced =
            (select(vec!["", " ", "\n", "\t "]), inner).prop_map(|(space, inner)| space.to_owned() + &inner);
        let member = (string.clone(), spaced.clone()).prop_map(|(name, value)| format!("{name} :{value}"));
        prop_oneof![
            vec(spaced, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            vec(member, 0..4).prop_map(|members| format!("{{{}\n}}", members.join(", "))),
        ]
    });
    let wrong = (any::<proptest::sample::Index>(), any::<bool>(), select(vec!["", ",", "\"", "0", "}", "x"]));
    (value, proptest::option::weighted(0.25, wrong)).prop_map(|(text, wrong)| {
        let Some((at, instead, scrap)) = wrong else { return text };
        let mut characters: Vec<String> = text.chars().map(String::from).collect();
        let at = at.index(characters.len());
        characters[at] = if instead { scrap.to_owned() } else { scrap.to_owned() + &characters[at] };
        characters.concat()
    })
}

/// The texts that are drawn are worth it: most are JSON, and not all.
#[test]
fn what_is_drawn_is_like_json() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let accepted = (0..400).filter(|_| {
        let text = json_like().new_tree(&mut runner).unwrap().current();
        parse(text.as_bytes(), 8).is_ok()
    });
    let accepted = accepted.count();
    assert!((160..390).contains(&accepted), "{accepted} of 400");
}

proptest! {
    /// Whatever is accepted is what `serde_json` reads, and it is written and read again unchanged.
    #[test]
    fn accepted_means_the_same_to_serde_json(text in json_like()) {
        if let Ok(document) = parse(text.as_bytes(), 8) {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(document.value(), value.clone());
            let written = value.to_string();
            prop_assert_eq!(parse(written.as_bytes(), 8).unwrap().value(), value);
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, 3);
    }
}
