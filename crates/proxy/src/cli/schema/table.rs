//! Aligned tables without lines: the same on a terminal and in a file.

use comfy_table::{ContentArrangement, Row, Table};

/// How wide a table with long cells may become, in columns.
const WIDTH: u16 = 120;

/// A table; cells are as wide as the widest of their column.
pub(super) fn aligned<const N: usize>(
    header: Option<[&str; N]>,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    render(ContentArrangement::Disabled, header, rows)
}

/// A table whose long cells go on in the next line.
pub(super) fn wrapped<const N: usize>(
    header: Option<[&str; N]>,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    render(ContentArrangement::Dynamic, header, rows)
}

fn render<const N: usize>(
    arrangement: ContentArrangement,
    header: Option<[&str; N]>,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(arrangement).set_width(WIDTH);
    if let Some(header) = header {
        table.set_header(header);
    }
    table.add_rows(rows.into_iter().map(|row| Row::from(row.map(|cell| inert(&cell)))));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// A text of one line in which nothing acts on a terminal: what a schema or a file says may hold anything.
pub(super) fn inert(text: &str) -> String {
    crate::cli::inert::inert(&text.replace(['\n', '\t'], " ")).into_owned()
}

/// A number of things: `1 note`, `2 notes`.
pub(super) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_aligned_and_inert() {
        let rows = [["a", "b\u{1b}[31m"], ["long\nname", "é"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(Some(["x", "y"]), rows), "x          y\na          b\\u{1b}[31m\nlong name  é\n");
        let long = [["a".to_owned(), "word ".repeat(60)]];
        let wrapped = wrapped(None, long);
        assert!(wrapped.lines().count() > 2 && wrapped.lines().all(|line| line.len() <= 120), "{wrapped}");
        assert_eq!(
            (counted(1, "note", "notes"), counted(0, "note", "notes")),
            ("1 note".into(), "0 notes".into())
        );
    }
}
