//! Beginning a segment.

use std::io;
use std::time::Instant;

use patchgate_model::RequestId;

use super::Writer;
use crate::chain::{self, Head};
use crate::queue::{Batch, Counted, What};
use crate::record::{Abandoned, Mark, Outcome, body};
use crate::segment::{RESERVE, SegmentName};
use crate::storage::Appending;

/// A segment that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: SegmentName,
    pub(super) file: Box<dyn Appending>,
    pub(super) length: u64,
    /// The length that is durable, and the end of the chain there.
    pub(super) durable: (u64, Head),
    pub(super) opened: Instant,
    /// It has records besides the first.
    pub(super) used: bool,
}

/// Where a fresh segment comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Nothing,
    Reserve,
}

impl Writer {
    /// Begins a segment: its first record, the outcomes of an earlier process's intents, and what is to be written anew. All
    /// of it is durable when this returns; after an error the chain is as if nothing had been tried.
    pub(super) fn fresh(&mut self, from: Source, why: &str) -> io::Result<()> {
        self.storage.check()?;
        let (name, file) = loop {
            let name = SegmentName { number: self.number, first: self.head.seq + 1 };
            let file = match from {
                Source::Nothing => self.storage.create(&name.to_string()),
                Source::Reserve => {
                    self.reserve = false;
                    self.storage.take_up(RESERVE, &name.to_string())
                }
            };
            match file {
                // Somebody put a file there. It stays, and would be in the way for ever.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.number += 1,
                file => break (name, file?),
            }
        };
        self.number += 1;
        let before = self.head;
        match self.fill(file, name, why) {
            Ok(segment) => {
                self.segment = Some(segment);
                self.news = self.no_news();
                self.orphans.clear();
                for (name, from) in std::mem::take(&mut self.moved) {
                    let name = name.to_string();
                    // If it can't be, it does not count all the same.
                    _ = if from == 0 {
                        self.storage.remove(&name)
                    } else {
                        self.storage.truncate(&name, from)
                    };
                }
                let mut written = std::mem::take(&mut self.pending);
                self.settle(&mut written);
                Ok(())
            }
            Err(error) => {
                self.head = before;
                let mut pending = std::mem::take(&mut self.pending);
                self.unseal(&mut pending);
                self.pending = pending;
                // Its number is left out: whoever follows the journal may have begun to read it, and would go on in another file.
                let removed = self.storage.remove(&name.to_string());
                if removed.and_then(|()| self.storage.sync_directory()).is_err() {
                    // It may be there again after a crash.
                    self.news.abandoned.push(Abandoned { segment: name.number, from: 0 });
                }
                Err(error)
            }
        }
    }

    fn fill(&mut self, mut file: Box<dyn Appending>, name: SegmentName, why: &str) -> io::Result<Segment> {
        let now = (self.shared.settings.clock)();
        let (mut lines, mut member) = (Vec::new(), Vec::new());
        let mut open: Vec<String> = self.open.iter().map(RequestId::to_string).collect();
        open.extend(self.orphans.iter().cloned());
        open.sort_unstable();
        let first = Mark {
            why: why.to_owned(),
            segment: name.number,
            begins: self.begins,
            open,
            ..self.news.clone()
        };
        body::mark(&mut member, now, &first);
        self.head = chain::seal(self.head, &member, &mut lines);
        for id in &self.orphans {
            member.clear();
            body::outcome(&mut member, now, id, None, &Outcome::unknown(), None);
            self.head = chain::seal(self.head, &member, &mut lines);
        }
        let mut pending = std::mem::take(&mut self.pending);
        let records = self.seal(&mut pending, &mut lines);
        self.pending = pending;
        file.append(&lines)?;
        file.sync()?;
        self.storage.sync_directory()?;
        let length = lines.len() as u64;
        file.check(length)?;
        Counted::add(&self.shared.counted.records, records + 1 + self.orphans.len() as u64);
        Counted::add(&self.shared.counted.bytes, length);
        let used = records > 0 || !self.orphans.is_empty();
        Ok(Segment { name, file, length, durable: (length, self.head), opened: Instant::now(), used })
    }

    /// Takes the places of records in the chain back, the last first.
    pub(super) fn unseal(&mut self, batch: &mut Batch) {
        for entry in batch.entries.iter_mut().rev() {
            if entry.sealed.take().is_some() {
                match &entry.what {
                    What::Intent(id, _) => _ = self.open.remove(id),
                    What::Outcome(id, _) => _ = self.open.insert(*id),
                    What::Refusal | What::Mark(..) => {}
                }
            }
        }
    }
}
