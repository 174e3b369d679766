//! Scripts of faults, read and refused.

use std::time::Duration;

use http::Method;

use super::{Ending, Fault, Faults, Spelling};

fn fault(text: &str) -> Fault {
    Fault::from_header(text).unwrap()
}

#[test]
fn every_key_is_read() {
    let all = fault(
        r#"apply = true, status = 429, retry_after = 3, redirect = "https://example.com/", informational = 103,
           delay_head = "500ms", delay_body = "1m 2s", chunk_bytes = 1, cut_after = 10, reset = true,
           body_bytes = 1073741824, content_type = "text/html", content_encoding = "gzip", pascal_case = true"#,
    );
    assert!(all.applies() && all.replaces());
    assert_eq!(all.status.unwrap(), 429);
    assert_eq!(all.retry_after, Some(3));
    assert_eq!(all.redirect.unwrap(), "https://example.com/");
    assert_eq!(all.informational.unwrap(), 103);
    assert_eq!(all.delay_head, Some(Duration::from_millis(500)));
    assert_eq!(all.delay_body, Some(Duration::from_secs(62)));
    assert_eq!(all.chunk_bytes.unwrap().get(), 1);
    assert_eq!(all.cut_after, Some(10));
    assert_eq!(all.ending, Ending::Reset);
    assert_eq!(all.body_bytes, Some(1 << 30));
    assert_eq!(all.content_type.unwrap(), "text/html");
    assert_eq!(all.content_encoding.unwrap(), "gzip");
    assert_eq!(all.spelling, Spelling::PascalCase);
    assert_eq!(fault("never = true").ending, Ending::Never);
}

#[test]
fn a_request_is_carried_out_unless_the_fault_is_the_answer() {
    for (text, applies) in [
        ("delay_head = '1s'", true),
        ("cut_after = 0", true),
        ("cut_after = 0, reset = true", true),
        ("pascal_case = true", true),
        ("status = 503", false),
        ("redirect = '/'", false),
        ("reset = true", false),
        ("never = true", false),
        ("never = true, cut_after = 1", false),
        ("status = 503, apply = true", true),
        ("never = true, apply = true", true),
    ] {
        assert_eq!(fault(text).applies(), applies, "{text}");
    }
}

#[test]
fn a_script_picks_the_first_that_fits_and_has_times_left() {
    let faults = Faults::from_toml(
        r#"
        [[fault]]
        match = { method = "PATCH", path = "/v1.0/security/incidents/2972395" }
        times = 2
        status = 503

        [[fault]]
        match = { path = "/v1.0/security/*" }
        times = 1
        status = 429

        [[fault]]
        match = { method = "GET" }
        never = true
        "#,
    )
    .unwrap();
    let pick = |method: Method, path: &str| {
        let fault = faults.pick(&method, path)?;
        Some(fault.status.map_or(0, |status| status.as_u16()))
    };
    let path = "/v1.0/security/incidents/2972395";
    assert_eq!(pick(Method::GET, "/beta"), Some(0));
    assert_eq!(pick(Method::PATCH, "/beta"), None);
    assert_eq!(pick(Method::PATCH, path), Some(503));
    assert_eq!(pick(Method::PATCH, path), Some(503));
    assert_eq!(pick(Method::PATCH, path), Some(429));
    assert_eq!(pick(Method::PATCH, path), None);
    assert_eq!(pick(Method::GET, path), Some(0));
    assert!(Faults::from_toml("").unwrap().pick(&Method::GET, path).is_none());
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    for (text, at, message) in [
        ("[[fault]]\nstauts = 503\n", (2, 1), "there is no key 'stauts'; there is 'match', 'times'"),
        ("faults = []\n", (1, 1), "there is no key 'faults'; there is 'fault'"),
        ("[[fault]]\nstatus = 99\n", (2, 10), "99 is not a status"),
        ("[[fault]]\nstatus = 100\n", (2, 10), "100 is not a status"),
        ("[[fault]]\ninformational = 101\n", (2, 17), "101 is not a status"),
        ("[[fault]]\nstatus = \"503\"\n", (2, 10), "expected a whole number, not string \"503\""),
        ("[[fault]]\ndelay_head = \"500\"\n", (2, 14), "'500' is not a duration"),
        ("[[fault]]\ndelay_head = 500\n", (2, 14), "expected a text, not integer '500'"),
        ("[[fault]]\ndelay_head = \"-1s\"\n", (2, 14), "'-1s' is not a duration"),
        ("[[fault]]\ndelay_body = \"1 day\"\n", (2, 14), "is not a duration"),
        ("[[fault]]\nredirect = \"a\\nb\"\n", (2, 12), "cannot stand in a header"),
        ("[[fault]]\nstatus = 503\ntimes = 0\n", (3, 9), "expected a whole number from 1 on"),
        (
            "[[fault]]\nstatus = 503\nmatch = { verb = \"GET\" }\n",
            (3, 11),
            "there is no key 'verb'; there is 'method' or 'path'",
        ),
        ("[[fault]]\nstatus = 503\nmatch = { path = \"v1.0\" }\n", (1, 1), "no '/' in front"),
        ("[[fault]]\nstatus = 503\nmatch = { path = \"/v1.0?$top=1\" }\n", (1, 1), "without the query"),
        ("[[fault]]\nstatus = 503\nmatch = { path = \"/v1.0#a\" }\n", (1, 1), "without the query"),
        ("[[fault]]\nstatus = 503\nmatch = { path = \"/v1.0/*/a\" }\n", (1, 1), "'*' that is not at its end"),
        ("[[fault]]\nstatus = 503\nmatch = { path = \"/v1.0/**\" }\n", (1, 1), "'*' that is not at its end"),
        ("[[fault]]\nstatus = 503\nmatch = { method = \"G T\" }\n", (1, 1), "is not a method"),
        ("[[fault]]\nstatus = 503\nmatch = { method = \"patch\" }\n", (1, 1), "did you mean 'PATCH'?"),
        ("[[fault]]\nreset = true\nnever = true\n", (1, 1), "either resets or never answers"),
        ("[[fault]]\napply = false\ndelay_head = \"1s\"\n", (1, 1), "not applied"),
        ("\n[[fault]]\ntimes = 1\n", (2, 1), "does nothing"),
        ("fault = 3\n", (1, 9), "expected a list: write [[fault]]"),
        ("[[fault]]\nmatch = 5\n", (2, 9), "expected { method = …, path = … }, not integer '5'"),
        ("[[fault]]\nreset = 1\n", (2, 9), "expected true or false"),
        ("[[fault]]\ntimes = -1\n", (2, 9), "expected a whole number from 1 on"),
        ("[[fault]]\nstatus = = 503\n", (2, 10), ""),
    ] {
        let error = Faults::from_toml(text).unwrap_err();
        assert!(error.message().contains(message), "{text}: {error}");
        assert_eq!((error.line(), error.column()), at, "{text}: {error}");
        assert!(error.to_string().starts_with(&format!("line {}, column {}: ", at.0, at.1)));
    }
}

#[test]
fn a_header_is_a_fault_without_match_and_times() {
    for text in ["", "times = 1, status = 503", "match = {}, status = 503", "status", "a = 1"] {
        assert!(Fault::from_header(text).is_err(), "{text}");
    }
}
