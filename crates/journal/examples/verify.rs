//! Verifies a journal: `cargo run -p patchgate-journal --example verify -- DIRECTORY [CHECKPOINT…]`

use std::error::Error;

use patchgate_journal::verify::verify;
use patchgate_journal::{Checkpoint, Directory};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = Directory::new(arguments.next().ok_or("verify DIRECTORY [CHECKPOINT...]")?);
    let checkpoints = arguments.map(|text| text.parse()).collect::<Result<Vec<Checkpoint>, _>>()?;
    let report = verify(&directory, &checkpoints, &mut |_, _| ())?;
    for finding in &report.findings {
        println!("{finding}");
    }
    println!(
        "{} segments, {} records, {} bytes; {} open; {} findings; unfinished: {:?}; the end: {}",
        report.segments,
        report.records,
        report.bytes,
        report.open,
        report.total,
        report.unfinished,
        report.last.map_or_else(|| "none".to_owned(), |last| last.to_string())
    );
    Ok(())
}
