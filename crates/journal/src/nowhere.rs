//! A storage that drops everything: what a journal costs without its disk. For benchmarks alone.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::segment::SegmentName;
use crate::storage::{Appending, Reading, Storage};

/// Whether no edit is recorded at all.
static UNRECORDED: AtomicBool = AtomicBool::new(false);

/// From now on no edit of this process is recorded, and each counts as if it were: what all else costs without the record.
pub fn record_nothing() {
    UNRECORDED.store(true, Ordering::Relaxed);
}

pub(crate) fn nothing_is_recorded() -> bool {
    UNRECORDED.load(Ordering::Relaxed)
}

/// A storage that drops everything.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

impl Reading for Nowhere {
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>> {
        Ok(Vec::new())
    }
    fn read(&self, _: &str, _: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(io::empty()))
    }
}

impl Storage for Nowhere {
    fn reader(&self) -> Box<dyn Reading + Send> {
        Box::new(Self)
    }
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
    fn create(&self, _: &str) -> io::Result<Box<dyn Appending>> {
        Ok(Box::new(Self))
    }
    fn set_aside(&self, _: &str, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn take_up(&self, _: &str, _: &str) -> io::Result<Box<dyn Appending>> {
        Ok(Box::new(Self))
    }
    fn truncate(&self, _: &str, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn sync_directory(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Appending for Nowhere {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn check(&self, _: u64) -> io::Result<()> {
        Ok(())
    }
}
