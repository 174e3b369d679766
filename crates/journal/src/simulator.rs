//! A storage for tests: it has a quota, fails at the call that the test names, and forgets what was not synced.
//!
//! It is worse than most disks, within what POSIX allows: after a failed sync, later ones succeed and change nothing; names
//! are durable only once the directory was synced; of what was not synced, a crash leaves any part, or zeros.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::segment::SegmentName;
use crate::storage::{Appending, Reading, Storage};

/// A simulated disk. Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Simulator(Arc<Mutex<World>>);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This call fails.
    Once,
    /// This call and all after it fail, until [`heal`](Simulator::heal).
    UntilHealed,
    /// The power goes: nothing happens any more.
    Crash,
}

#[derive(Debug, Default)]
struct World {
    files: Vec<Content>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// What was done to names since the directory was synced.
    renamed: Vec<(String, Option<usize>)>,
    quota: Option<u64>,
    calls: u64,
    planned: Option<(u64, Fault)>,
    hit: Option<&'static str>,
    broken: bool,
    off: bool,
}

#[derive(Debug, Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    aside: u64,
    /// A sync failed: none makes anything durable any more.
    tainted: bool,
}

impl Content {
    fn space(&self) -> u64 {
        self.aside.max(self.bytes.len() as u64)
    }
}

impl World {
    /// Counts a call, and fails it if that is planned.
    fn call(&mut self, what: &'static str) -> io::Result<()> {
        self.calls += 1;
        if let Some((at, fault)) = self.planned
            && self.calls == at
        {
            self.hit = Some(what);
            match fault {
                Fault::Once => return Err(failure()),
                Fault::UntilHealed => self.broken = true,
                Fault::Crash => self.off = true,
            }
        }
        if self.broken || self.off { Err(failure()) } else { Ok(()) }
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|file| self.files.get(*file)).map(Content::space).sum()
    }

    fn left(&self) -> u64 {
        self.quota.map_or(u64::MAX, |quota| quota.saturating_sub(self.used()))
    }

    fn name(&mut self, name: &str, file: Option<usize>) {
        match file {
            Some(file) => self.names.insert(name.to_owned(), file),
            None => self.names.remove(name),
        };
        self.renamed.push((name.to_owned(), file));
    }

    fn find(&mut self, name: &str) -> io::Result<(usize, &mut Content)> {
        let file = *self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        self.files.get_mut(file).map(|content| (file, content)).ok_or_else(failure)
    }
}

fn failure() -> io::Error {
    io::Error::other("simulated I/O error")
}

impl Simulator {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the `n`th call from now on fail, counted from 1.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        let mut world = self.world();
        world.planned = Some((world.calls + n, fault));
        world.hit = None;
    }

    /// Which call failed as planned; nothing if there were not that many.
    pub fn hit(&self) -> Option<&'static str> {
        self.world().hit
    }

    /// From now on calls succeed.
    pub fn heal(&self) {
        let mut world = self.world();
        world.broken = false;
        world.planned = None;
    }

    /// Gives the disk a size in bytes, or takes it off.
    pub fn quota(&self, bytes: Option<u64>) {
        self.world().quota = bytes;
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.world().used()
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// The bytes of a file as they are now.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let mut world = self.world();
        world.find(name).ok().map(|(_, content)| content.bytes.clone())
    }

    /// Changes a file behind the journal's back, durably.
    pub fn tamper(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        if let Ok((_, content)) = world.find(name) {
            change(&mut content.bytes);
            content.durable.clone_from(&content.bytes);
        }
    }

    /// Takes a file away behind the journal's back, durably.
    pub fn lose(&self, name: &str) {
        let mut world = self.world();
        world.names.remove(name);
        world.durable_names.remove(name);
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.world().names.keys().cloned().collect()
    }

    /// A disk of its own with the same files, all of them durable.
    #[must_use]
    pub fn copy(&self) -> Self {
        let world = self.world();
        let mut files = world.files.clone();
        for content in &mut files {
            content.durable.clone_from(&content.bytes);
        }
        let (names, durable_names) = (world.names.clone(), world.names.clone());
        Self(Arc::new(Mutex::new(World {
            files,
            names,
            durable_names,
            quota: world.quota,
            ..World::default()
        })))
    }

    /// Switches this disk off, and returns what a machine finds on it when it starts again. `random` returns a number below
    /// its argument.
    #[must_use]
    pub fn crash(&self, mut random: impl FnMut(usize) -> usize) -> Self {
        let mut world = self.world();
        world.off = true;
        let mut after = World { quota: world.quota, ..World::default() };
        let mut names = world.durable_names.clone();
        let kept = random(world.renamed.len() + 1);
        for (name, file) in world.renamed.iter().take(kept) {
            match file {
                Some(file) => names.insert(name.clone(), *file),
                None => names.remove(name),
            };
        }
        for (name, file) in names {
            let Some(content) = world.files.get(file) else { continue };
            let bytes = found(content, &mut random);
            let aside = content.aside;
            after.names.insert(name, after.files.len());
            after.files.push(Content { durable: bytes.clone(), bytes, aside, tainted: false });
        }
        after.durable_names = after.names.clone();
        Self(Arc::new(Mutex::new(after)))
    }
}

/// What is found of a file after a crash.
fn found(content: &Content, random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let Some(tail) = content.bytes.strip_prefix(content.durable.as_slice()) else {
        // It was cut, and whether that got through is anybody's guess.
        return if random(2) == 0 { content.durable.clone() } else { content.bytes.clone() };
    };
    let kept = random(tail.len() + 1);
    let mut bytes = content.durable.clone();
    bytes.extend_from_slice(&tail[..kept]);
    if kept > 0 && random(4) == 0 {
        // A page that was never written, before one that was.
        let from = content.durable.len() + random(kept);
        let to = bytes.len().min(from + 1 + random(4096));
        bytes[from..to].fill(0);
    }
    bytes
}

impl Reading for Simulator {
    fn segments(&self) -> io::Result<Vec<(SegmentName, u64)>> {
        let world = self.world();
        if world.off {
            return Err(failure());
        }
        let named = world.names.iter().filter_map(|(name, file)| {
            let length = world.files.get(*file)?.bytes.len() as u64;
            Some((SegmentName::parse(name)?, length))
        });
        let mut segments: Vec<_> = named.collect();
        segments.sort_unstable();
        Ok(segments)
    }

    fn read(&self, name: &str, from: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let mut world = self.world();
        if world.off {
            return Err(failure());
        }
        let (_, content) = world.find(name)?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(content.bytes.len());
        Ok(Box::new(Cursor::new(content.bytes[from..].to_vec())))
    }
}

impl Storage for Simulator {
    fn reader(&self) -> Box<dyn Reading + Send> {
        Box::new(self.clone())
    }

    fn check(&self) -> io::Result<()> {
        self.world().call("check the directory")
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Appending>> {
        let mut world = self.world();
        world.call("create")?;
        if world.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.files.push(Content::default());
        let file = world.files.len() - 1;
        world.name(name, Some(file));
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn set_aside(&self, name: &str, bytes: u64) -> io::Result<()> {
        let mut world = self.world();
        world.call("set aside")?;
        let has = world.find(name).map_or(0, |(_, content)| content.aside);
        if bytes.saturating_sub(has) > world.left() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if has == 0 {
            world.files.push(Content { aside: bytes, ..Content::default() });
            let file = world.files.len() - 1;
            world.name(name, Some(file));
        }
        Ok(())
    }

    fn take_up(&self, set_aside: &str, name: &str) -> io::Result<Box<dyn Appending>> {
        let mut world = self.world();
        world.call("take up")?;
        if world.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (file, _) = world.find(set_aside)?;
        world.name(set_aside, None);
        world.name(name, Some(file));
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, name: name.to_owned() }))
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let mut world = self.world();
        let failed = world.call("truncate");
        let off = world.off;
        let (_, content) = world.find(name)?;
        if off {
            return failed;
        }
        content.bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        failed?;
        content.durable.clone_from(&content.bytes);
        content.aside = 0;
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.call("remove")?;
        world.find(name)?;
        world.name(name, None);
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut world = self.world();
        world.call("sync the directory")?;
        world.renamed.clear();
        world.durable_names = world.names.clone();
        Ok(())
    }
}

/// A file on the simulated disk.
#[derive(Debug)]
struct SimulatedFile {
    disk: Simulator,
    file: usize,
    name: String,
}

impl Appending for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut world = self.disk.world();
        let failed = world.call("append");
        if world.off {
            return failed;
        }
        let left = world.left();
        let content = world.files.get_mut(self.file).ok_or_else(failure)?;
        let within = content.aside.saturating_sub(content.bytes.len() as u64);
        let room = usize::try_from(within.saturating_add(left)).unwrap_or(usize::MAX);
        if failed.is_err() {
            // Half of it got there.
            content.bytes.extend_from_slice(&bytes[..room.min(bytes.len() / 2)]);
            return failed;
        }
        content.bytes.extend_from_slice(&bytes[..room.min(bytes.len())]);
        if room < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut world = self.disk.world();
        let failed = world.call("sync");
        let off = world.off;
        let content = world.files.get_mut(self.file).ok_or_else(failure)?;
        if failed.is_err() {
            content.tainted = !off;
            return failed;
        }
        if !content.tainted {
            content.durable.clone_from(&content.bytes);
        }
        Ok(())
    }

    fn check(&self, length: u64) -> io::Result<()> {
        let mut world = self.disk.world();
        world.call("check the segment")?;
        let content = world.files.get(self.file).ok_or_else(failure)?;
        let named = world.names.get(&self.name) == Some(&self.file);
        if named && content.bytes.len() as u64 == length { Ok(()) } else { Err(failure()) }
    }
}
