//! Bytes on the wire: what an attacker, a broken client or a careful one sends, and what comes of it.

use patchgate_tests::rows::{self, Row};

/// Rows that do not hold yet. The number goes down, never up.
const OPEN: usize = 0;

#[test]
fn rows_hold() {
    let rows = rows::read("wire.jsonl");
    assert!(rows.len() >= 300, "rows were lost: {}", rows.len());
    let open: Vec<&Row> = rows.iter().filter(|row| row.open.is_some()).collect();
    assert_eq!(open.len(), OPEN, "{:?}", open.iter().map(|row| &row.id).collect::<Vec<_>>());
    // Each part has a gateway and an upstream of its own; they run at the same time.
    std::thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(4)) {
            scope.spawn(move || rows::play(part));
        }
    });
}
