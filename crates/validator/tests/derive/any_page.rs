//! Properties that hold of any page.

use patchgate_validator::Schema;
use patchgate_validator::derive::{Told, derive};
use proptest::prelude::*;
use serde_json::Value;

use super::rows::{BASE, TABLE, WHOLE};
use super::{INCIDENT, PRINT_JOB, base, derived};

/// Any page, and the worst that can happen to it.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let scraps = [
        "|",
        "\n",
        "\r\n",
        "`",
        "**",
        "<!--",
        "-->",
        "{",
        "}",
        "[",
        "](",
        ")",
        "---\n",
        "```",
        "~~~\n",
        "# ",
        "## Request body\n",
        "Possible values are: ",
        "\\",
        "\"",
        "\u{0}",
        "\u{feff}",
        "é",
        "\u{1f600}",
        "<ul><li>",
        "&#124;",
        "PATCH ",
        "null",
        ":",
        "  ",
        "|:---|:---|\n",
        "$",
        "%",
        "> ",
        "- ",
        "1. ",
        "\t",
        "[!INCLUDE [a](b)]",
        "Collection(",
        "Valid values 1 to ",
        "(",
        "99999999999999999999",
    ];
    let edit = (0.0..1.0f64, 0..40usize, 0..scraps.len(), 0..4u8);
    (prop::sample::select(vec![BASE, INCIDENT, PRINT_JOB]), prop::collection::vec(edit, 1..12)).prop_map(
        move |(page, edits)| {
            let mut bytes = page.as_bytes().to_vec();
            for (place, length, scrap, kind) in edits {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "a place in a small page"
                )]
                let at = (place * bytes.len() as f64) as usize;
                let end = (at + length).min(bytes.len());
                match kind {
                    0 => drop(bytes.drain(at..end)),
                    1 => drop(bytes.splice(at..at, scraps[scrap].bytes())),
                    2 => drop(bytes.splice(at..end, scraps[scrap].bytes())),
                    _ => {
                        let again = bytes[at..end].to_vec();
                        drop(bytes.splice(at..at, again));
                    }
                }
            }
            bytes
        },
    )
}

/// The rows of the base table in any order, padded and dressed; paragraphs wrapped anywhere, any number of lines between blocks.
fn dressed() -> impl Strategy<Value = String> {
    let rows: Vec<_> =
        BASE.lines().filter(|line| line.starts_with('|') && line.matches('|').count() == 4).skip(2).collect();
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.trim_matches('|').split('|').collect()).collect();
    let count = rows.len();
    let dress = prop::collection::vec((0..5usize, 0..5usize, any::<bool>(), 0..3u8), count);
    let wraps = prop::collection::vec(any::<bool>(), 24);
    let lines = (any::<bool>(), any::<bool>(), wraps, 2..5usize);
    (Just(rows).prop_shuffle(), dress, lines).prop_map(|(rows, dress, (crlf, outer, wraps, blank))| {
        let mut table = TABLE.to_owned();
        for (cells, (left, right, pipes, name)) in rows.iter().zip(dress) {
            let pad = |cell: &str| format!("{}{cell}{}", " ".repeat(left), " ".repeat(right));
            let first = match name {
                0 => format!("`{}`", cells[0]),
                1 => format!("**{}**", cells[0]),
                _ => cells[0].to_owned(),
            };
            let row = [pad(&first), pad(cells[1]), pad(cells[2])].join("|");
            let row = if pipes || outer { format!("|{row}|\n") } else { format!("{}|\n", row.trim_start()) };
            table += &row;
        }
        let page = base(WHOLE, &table);
        let prose = "Changes a toy, or what is known of it. Namespace: the one above; possible values are: none. The rest stays.";
        let words = prose.split(' ').zip(wraps);
        let wrapped = words.fold(String::new(), |text, (word, wrap)| text + word + if wrap { "\n" } else { " " });
        let page = page.replace("Changes a toy.", wrapped.trim_end()).replace("\n\n", &"\n".repeat(blank));
        if crlf { page.replace('\n', "\r\n") } else { page }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_page_makes_it_panic(page in mutated()) {
        match derive("any", &page, &Told::default()) {
            Ok(derived) => prop_assert!(Schema::load(derived.to_text().as_bytes()).is_ok()),
            Err(error) => {
                let lines = page.split(|byte| *byte == b'\n').count();
                prop_assert!((1..=lines + 1).contains(&error.line) && error.column > 0, "{}:{}", error.line, error.column);
                prop_assert!(!error.read.is_empty() && !error.expected.is_empty());
            }
        }
    }

    #[test]
    fn order_and_dress_do_not_matter(page in dressed()) {
        let mut found = derived(&page).unwrap().schema;
        let mut expected = derived(BASE).unwrap().schema;
        found["x-source"]["sha256"] = Value::Null;
        expected["x-source"]["sha256"] = Value::Null;
        prop_assert_eq!(found, expected);
    }
}
