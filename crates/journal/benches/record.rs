//! What a record costs those who make it, and the writer, without a disk.

mod support;

use std::error::Error;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{Criterion, Throughput};
use patchgate_journal::chain::{self, Head};
use patchgate_journal::nowhere::Nowhere;
use patchgate_journal::{Durability, Journal, Outcome, Settings};
use support::{Edit, asked};

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings { durability: Durability::Relaxed, ..Settings::default() };
    let (journal, _) = Journal::open_on(Box::new(Nowhere), settings)?;
    let edit = Edit::new()?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut number = 0;
    criterion.bench_function("record and close, relaxed", |b| {
        b.iter(|| {
            number += 1;
            let recording = journal.record(edit.clone(), black_box(&asked(number)), &["default"]);
            let Poll::Ready(Ok(intent)) = pin!(recording).poll(&mut Context::from_waker(Waker::noop()))
            else {
                // The queue is full: the writer is slower than this loop.
                return false;
            };
            _ = intent.close(Outcome::answered(204, Some("7c2d1f0e-8a55-4f0c-9c1b-0d6f2f5a9b11")));
            true
        });
    });
    let body = [b"\"edit\":\"".as_slice(), &[b'x'; 600], b"\""].concat();
    let mut line = Vec::new();
    let mut group = criterion.benchmark_group("600 bytes");
    group.throughput(Throughput::Bytes(600));
    group.bench_function("seal", |b| {
        b.iter(|| {
            line.clear();
            chain::seal(Head::START, black_box(&body), &mut line)
        });
    });
    let sealed = line.strip_suffix(b"\n").unwrap_or_default();
    group.bench_function("open", |b| b.iter(|| chain::open(black_box(sealed)).is_ok()));
    group.finish();
    criterion.final_summary();
    Ok(())
}
