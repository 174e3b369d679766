//! Pages and what becomes of them: one base page, and rows that each change one thing about it.

#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

use patchgate_model::{Cloud, GraphVersion, KeyPattern};
use patchgate_validator::Schema;
use patchgate_validator::derive::{DERIVER, DeriveError, Derived, MAX_PAGE, Reason, Told, derive};
use serde_json::{Value, json};

mod any_page;
mod overlay;
mod rows;

use rows::{BASE, LIST, OWNER, PATCH, REFUSED, REQUEST, ROWS, SAME, TABLE};

const INCIDENT: &str = include_str!("../../../../tests/data/pages/security-incident-update.md");
const PRINT_JOB: &str = include_str!("../../../../tests/data/pages/print-job-update.md");

fn base(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "the base page has no {from:?}");
    BASE.replace(from, to)
}

fn derived(page: &str) -> Result<Derived, DeriveError> {
    derive("toy-update", page.as_bytes(), &Told::default())
}

/// The schema as text, without what says from which bytes it comes.
fn text(derived: &Derived) -> String {
    let mut derived = derived.clone();
    if let Some(digest) = derived.schema.pointer_mut("/x-source/sha256") {
        *digest = Value::Null;
    }
    derived.to_text()
}

/// What is derived passes the lint and the self-test of what is loaded.
fn load(what: &str, derived: &Derived) {
    let refused = Schema::load(derived.to_text().as_bytes()).err().map(|error| error.to_string());
    assert_eq!(refused, None, "{what}");
}

#[test]
fn pages_that_mean_the_same_give_the_same_schema() {
    let expected = text(&derived(BASE).unwrap());
    let mut wrong = Vec::new();
    for (what, from, to) in SAME {
        match derived(&base(from, to)) {
            Ok(derived) if text(&derived) == expected => load(what, &derived),
            Ok(derived) => wrong.push(format!("{what}: another schema\n{}", text(&derived))),
            Err(error) => wrong.push(format!("{what}: {}: {error}", error.line)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pages_that_are_not_understood_say_where_and_why() {
    let mut messages = String::new();
    let mut wrong = Vec::new();
    for (what, from, to, code, line, column) in REFUSED {
        match derived(&base(from, to)) {
            Ok(_) => wrong.push(format!("{what}: was derived")),
            Err(error) => {
                if (error.code(), error.line, error.column) != (*code, *line, *column) {
                    wrong.push(format!("{what}: {}:{}: {}: {error}", error.line, error.column, error.code()));
                }
                messages.extend([what, ": ", &error.to_string(), "\n"]);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    insta::assert_snapshot!("refusals", messages);
}

/// Only where there is a cell too many a '|' is likely to be in one.
#[test]
fn a_hint_is_about_what_is_wrong() {
    for (to, hinted) in [("|owner|String|Who | whoever has it.|", true), ("|owner|||", false)] {
        let error = derived(&base(OWNER, to)).unwrap_err();
        assert_eq!((error.code(), error.hint.is_some()), ("unreadableRow", hinted), "{to}");
    }
}

#[test]
fn rows_become_properties() {
    for (type_name, description, expected) in ROWS {
        let row = format!("|made|{type_name}|{description}|");
        match derived(&base("|broken|Boolean|Whether it is.|", &row)) {
            Ok(derived) => {
                assert_eq!(derived.schema["properties"]["made"].to_string(), *expected, "{row}");
                load(&row, &derived);
            }
            Err(error) => panic!("{row}: {error}"),
        }
    }
}

/// A change to the base page, what is told, and what a member of the guard then says.
#[test]
fn what_is_told_and_what_the_page_says_meet_in_the_guard() {
    let told = Told {
        versions: Some(vec![GraphVersion::Beta, GraphVersion::V1]),
        keys: vec![("toyId".to_owned(), KeyPattern::parse("[a-z]{2}[0-9]").unwrap())],
        permission: Some("Toy.ReadWrite.All".to_owned()),
        clouds: vec![Cloud::Global, Cloud::China, Cloud::Global],
    };
    let none = Told::default();
    let typed = base("  \"kind\"", "  \"@odata.type\": \"#microsoft.graph.toys.toy\",\n  \"kind\"");
    #[rustfmt::skip] // One row, one line.
    let rows = [
        (BASE.to_owned(), &none, "/x-guard/versions", json!(["v1.0"])),
        (BASE.to_owned(), &told, "/x-guard/versions", json!(["v1.0", "beta"])),
        (BASE.to_owned(), &none, "/x-guard/clouds", json!(["global"])),
        (BASE.to_owned(), &told, "/x-guard/clouds", json!(["global", "china"])),
        (BASE.to_owned(), &none, "/x-guard/permission", Value::Null),
        (BASE.to_owned(), &told, "/x-guard/permission", json!("Toy.ReadWrite.All")),
        (BASE.to_owned(), &none, "/x-guard/keys/toyId", json!({"pattern": "[1-9][0-9]{0,18}", "example": "42"})),
        (BASE.to_owned(), &told, "/x-guard/keys/toyId", json!({"pattern": "[a-z]{2}[0-9]", "example": "aa0"})),
        (BASE.to_owned(), &none, "/x-guard/entityType", Value::Null),
        (typed.clone(), &none, "/x-guard/entityType", json!("microsoft.graph.toys.toy")),
        (typed, &none, "/examples", json!([{"kind": "Doll", "tags": ["red"]}])),
        (BASE.to_owned(), &none, "/x-source/deriver", json!(DERIVER)),
        (base("ms.date: 01/02/2026\n", ""), &none, "/x-source/date", Value::Null),
        (base("Namespace: microsoft.graph.toys\n", ""), &none, "/x-source/namespace", Value::Null),
        (base("---\ntitle: \"Update toy\"\nms.date: 01/02/2026\n---\n", ""), &none, "/title", json!("Update toy")),
        (base("|Content-Type|", "|If-Match|Required.|\n|Content-type|"), &none, "/x-guard/requiredHeaders", json!(["Authorization", "Content-Type", "If-Match"])),
        (base(PATCH, "PATCH /toys/{toyId}\nPATCH /me/toys/{toyId}/\n"), &none, "/x-guard/paths", json!(["/{version}/toys/{toyId}", "/{version}/me/toys/{toyId}"])),
        (base(PATCH, "PATCH /toys/{toy id | name}\n"), &none, "/x-guard/paths/0", json!("/{version}/toys/{toyIdOrName}")),
        (base(PATCH, "PATCH /toys/{toyId}\nPATCH /shops/{toyId}\n"), &none, "/x-guard/keys/toyId/pattern", json!(KeyPattern::SAFE_IDENTIFIER)),
        (base("\"42\"", "\"42\", \"43\""), &none, "/x-guard/keys/toyId/example", json!("42")),
        (base("toys/42", "toys/{toyId}"), &none, "/x-guard/keys/toyId/example", json!("42")),
        (base(REQUEST, ""), &none, "/x-guard/keys/toyId/example", json!("42")),
    ];
    for (page, told, pointer, expected) in rows {
        let derived = derive("toy-update", page.as_bytes(), told).unwrap();
        let found = derived.schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{pointer}");
    }
    let other = Told { keys: vec![("toy".to_owned(), told.keys[0].1.clone())], ..Told::default() };
    let error = derive("toy-update", BASE.as_bytes(), &other).unwrap_err();
    assert_eq!((error.code(), error.line), ("unknownKey", 16), "{error}");
}

/// A change to the base page, and the notes that it gives, by code and line.
#[test]
fn what_is_not_taken_as_it_stands_is_noted() {
    #[rustfmt::skip] // One row, one line.
    let rows: [(&str, &str, &str); 19] = [
        (OWNER, OWNER, ""),
        (TABLE, "|Property|Type|Description|More|Default value|\n|-|-|-|-|-|\n", "otherColumn 27, otherColumn 27"),
        (TABLE, "|Property|Type|Description||\n|-|-|-|-|\n", ""),
        (OWNER, "|id|String|Its name.|\n|owner|String|Read-only.|", "key 29, readOnly 30"),
        ("|owner|", "|**Mine**|||\n|owner|", "heading 29"),
        ("|owner|", "|@odata.type|String|x|\n|owner|", "annotation 29"),
        ("## Request body\n", "## Request body\nNeeded when you create a toy.\n", "createTable 26"),
        ("\n## Response", "\n|Value|Means|\n|-|-|\n|1|one|\n\n## Response", "otherTable 34"),
        (LIST, "Possible values are: `ball`, `doll`. It can have multiple values.", "combined 30"),
        (LIST, "Possible values are: `ball`, `doll`. Ask with `Prefer: x` to get `bear` and `Doll`.", "valuesBehindList 30"),
        ("|Boolean|Whether it is.|", "|Int32|Valid values 1-99.|", "valuesLeftOut 32"),
        ("|Boolean|Whether it is.|", "|Double|Possible values are: `0.5`, `1.5`.|", "valuesLeftOut 32"),
        ("|Boolean|Whether it is.|", "|Int32|Valid values 1 to 99.|", ""),
        (LIST, "Can be set to `ball` or `doll`. Not `null`, nor what the `size` property has. Default is `doll`.", ""),
        (PATCH, "PATCH /toys/{toyId}\nPATCH /root:/{x}:/toys\n", "pathLeftOut 17"),
        ("toys/42\n", "dolls/42\n", "examplePath 49"),
        ("|tags|String collection|Words for it.|", "|tags|String collection|Read-only.|", "readOnly 31, exampleLeftOut 54"),
        ("01/02/2026", "soon", "date 1"),
        (
            "Content-Type: application/json\n\n{\n  \"kind\": \"Doll\",\n  \"tags\": [\"red\"]\n}\n",
            "",
            "exampleEmpty 49",
        ),
    ];
    for (from, to, expected) in rows {
        let derived = derived(&base(from, to)).unwrap();
        let notes: Vec<_> = derived.notes.iter().map(|note| format!("{} {}", note.code, note.line)).collect();
        assert_eq!(notes.join(", "), expected, "{to}");
    }
}

#[test]
fn bytes_that_are_no_page_are_refused() {
    let large = vec![b'a'; MAX_PAGE + 1];
    let rows: [(&[u8], &str, usize, usize); 7] = [
        (b"", "emptyPage", 1, 1),
        (b" \r\n\t", "emptyPage", 1, 1),
        (b"\xef\xbb\xbf", "emptyPage", 1, 1),
        (b"a\n\xc3\xa9\xff", "notUtf8", 2, 2),
        (b"\xff\xfea\0", "notUtf8", 1, 1),
        (b"a\n\nbc\0", "nulByte", 3, 3),
        (&large, "tooLarge", 1, 1),
    ];
    for (bytes, code, line, column) in rows {
        let error = derive("x", bytes, &Told::default()).unwrap_err();
        assert_eq!((error.code(), error.line, error.column), (code, line, column));
    }
    let largest = vec![b'a'; MAX_PAGE];
    assert_eq!(derive("x", &largest, &Told::default()).unwrap_err().code(), "noPatchLine");
}

/// The name of the page's file becomes that of the guard, in logs and traces.
#[test]
fn a_name_that_no_guard_can_have_is_refused() {
    for name in ["", "my page", "a/b", "a\u{1b}[31mb", "caf\u{e9}", "a\u{fffd}"] {
        let error = derive(name, BASE.as_bytes(), &Told::default()).unwrap_err();
        assert_eq!((error.code(), error.line, error.column), ("guardName", 1, 1), "{name}");
    }
    assert!(derive("a-b_c.D9", BASE.as_bytes(), &Told::default()).is_ok());
}

#[test]
fn codes_are_stable_and_no_two_are_the_same() {
    let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    codes.sort_unstable();
    let before = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), before);
    assert!(codes.iter().all(|code| code.chars().all(|c| c.is_ascii_alphanumeric())));
}

#[test]
fn the_fixtures_give_their_schemas() {
    let incident = Told {
        versions: Some(vec![GraphVersion::V1, GraphVersion::Beta]),
        permission: Some("SecurityIncident.ReadWrite.All".to_owned()),
        clouds: vec![Cloud::Global, Cloud::UsGovL4, Cloud::UsGovL5],
        keys: Vec::new(),
    };
    for (name, page, told) in
        [("security-incident-update", INCIDENT, &incident), ("print-job-update", PRINT_JOB, &Told::default())]
    {
        let derived = derive(name, page.as_bytes(), told).unwrap();
        insta::assert_snapshot!(name, text(&derived));
        load(name, &derived);
        assert_eq!(derived.to_text(), derive(name, page.as_bytes(), told).unwrap().to_text());
    }
}
