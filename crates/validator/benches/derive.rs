//! Deriving a schema from its page, and loading one.

use std::error::Error;
use std::hint::black_box;

use criterion::Criterion;
use patchgate_model::GraphVersion;
use patchgate_validator::Schema;
use patchgate_validator::derive::{Told, derive};

const PAGE: &[u8] = include_bytes!("../../../tests/data/pages/security-incident-update.md");
const SCHEMA: &[u8] = include_bytes!("../../../schemas/security-incident-update.json");

fn main() -> Result<(), Box<dyn Error>> {
    let told = Told { versions: Some(GraphVersion::ALL.to_vec()), ..Told::default() };
    derive("security-incident-update", PAGE, &told)?;
    Schema::load(SCHEMA)?;

    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("derive/security-incident-update", |b| {
        b.iter(|| derive("security-incident-update", black_box(PAGE), &told).is_ok());
    });
    criterion.bench_function("load/security-incident-update", |b| {
        b.iter(|| Schema::load(black_box(SCHEMA)).is_ok());
    });
    criterion.final_summary();
    Ok(())
}
