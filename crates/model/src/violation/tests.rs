use super::*;

#[test]
fn sentences() {
    let names = || vec!["status".to_owned(), "tags".to_owned()];
    let violation =
        |target: &str, fault| Violation { target: target.to_owned(), known_target: target.to_owned(), fault };
    let place = Place { line: 2, column: 7 };
    let rows = [
        violation(
            "/Status",
            Fault::UnknownField { name: "Status".into(), meant: Some("status".into()), accepted: names() },
        ),
        violation("/x\x07", Fault::UnknownField { name: "x\x07".into(), meant: None, accepted: names() }),
        violation(
            "/status",
            Fault::InvalidEnumValue {
                value: "closd".into(),
                meant: Some("closed".into()),
                accepted: vec!["closed".into(), "open".into()],
            },
        ),
        violation(
            "/origin/0",
            Fault::InvalidEnumValue { value: "y".repeat(80), meant: None, accepted: vec!["a".into()] },
        ),
        violation("/tags/3", Fault::WrongType { expected: vec!["a string"], found: "a number" }),
        violation("", Fault::WrongType { expected: vec!["an object"], found: "an array" }),
        violation("/tags", Fault::NullNotAllowed { expected: vec!["an array"] }),
        violation("/name", Fault::TooLong { limit: 512 }),
        violation("/name", Fault::TooShort { limit: 1 }),
        violation("/tags", Fault::TooManyItems { limit: 100, of: "item" }),
        violation("/count", Fault::OutOfRange { bound: "at least 0".into() }),
        violation("", Fault::EmptyEdit { accepted: names() }),
        violation("", Fault::InvalidJson { reason: "expected value".into(), place }),
        violation("", Fault::DuplicateField { name: "status".into(), place }),
        violation("", Fault::TooDeep { limit: 8, place }),
        violation("", Fault::InvalidNumber { place }),
    ];
    let said: Vec<String> = rows.iter().map(|v| format!("{}: {}", v.code().as_str(), v.message())).collect();
    // The first row pins the form; the others must at least name their place and never pass on a control character.
    assert_eq!(
        said[0],
        "unknownField: 'Status' is not a field of this update; did you mean 'status'? Accepted: status, tags"
    );
    assert!(said.iter().all(|s| !s.chars().any(char::is_control)), "{said:#?}");
    assert!(said[3].contains("is not an origin") && said[3].len() < 160, "{}", said[3]);
    assert_eq!(said[4], "wrongType: 'tags/3' must be a string, not a number");
    assert_eq!(said[5], "wrongType: the update must be an object, not an array");
}
