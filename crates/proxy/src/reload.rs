//! The configuration, read again: on SIGHUP, and when a file that it names changes.
//!
//! A thread of its own looks at the files each second, by their contents. That needs no support of the file system (network
//! file systems give no events), sees a file that is replaced, one that is written in place, and a directory whose symbolic
//! link is swapped (as Kubernetes does), and cannot miss an event, as there are none; a few small files cost nothing. A change
//! counts when two looks in a row have seen the same: a file that is still being written is left alone.
//!
//! All or nothing: a configuration that a start would refuse is refused, and the rules before it stay.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use patchgate_model::Generation;
use sha2::{Digest, Sha256};

use crate::config::{Config, Faults, Inputs, change, layers};
use crate::plan::{self, Plan};
use crate::ruleset::Ruleset;
use crate::service::{self, State};
use crate::telemetry::metrics::Instruments;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How soon a change is looked at again.
const SETTLE: Duration = Duration::from_millis(200);
/// The most that is read of a file to see whether it changed.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The key whose file is trusted from the start to the end.
const ROOTS: &str = "upstream.roots";

/// What a file was when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Content([u8; 32]),
    Unreadable(ErrorKind),
    /// No regular file: reading it, such as a pipe, could take it away from whoever reads it next.
    Other,
}

/// All files, as they were looked at.
type Look = BTreeMap<PathBuf, Seen>;

/// What is known of reloads, for those who ask.
#[derive(Debug, Default)]
pub struct Reloads(Mutex<Option<Vec<String>>>);

/// Reads the configuration, and again.
#[derive(Debug)]
pub struct Reloader {
    file: Option<PathBuf>,
    inputs: Inputs,
    /// What is watched.
    files: Vec<PathBuf>,
    /// What the last attempt was made of.
    tried: Look,
}

/// What a reload changes.
#[derive(Debug)]
pub struct Target {
    /// The rules of new requests.
    pub rules: Arc<ArcSwap<Ruleset>>,
    /// The configuration that is in force, as far as a reload takes it.
    pub running: Config,
    /// Counts.
    pub instruments: Instruments,
    /// Tells.
    pub reloads: Arc<Reloads>,
    roots: Option<Seen>,
}

impl Target {
    /// What runs.
    pub fn new(rules: Arc<ArcSwap<Ruleset>>, running: Config, instruments: Instruments) -> Self {
        Self { rules, running, instruments, reloads: Arc::default(), roots: None }
    }
}

impl Reloads {
    /// What was wrong with the last attempt, a line for each fault; nothing if it was taken.
    pub fn trouble(&self) -> Option<Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trouble: Option<Vec<String>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl Reloader {
    /// For a configuration in this file, if it is in one.
    pub fn new(file: Option<PathBuf>, inputs: Inputs) -> Self {
        let files = file.iter().cloned().collect();
        Self { file, inputs, files, tried: Look::new() }
    }

    /// Reads the configuration as it is now. What is named is read until the names are those that were looked at before: what
    /// is read is never older than the look.
    pub fn plan(&mut self, generation: Generation) -> Result<Plan, Faults> {
        const TRIES: usize = 3;
        let mut tries = 0;
        loop {
            tries += 1;
            self.tried = look(&self.files);
            let draft = layers::load(self.file.as_deref(), &self.inputs)?;
            let named = plan::files(&draft.loaded);
            let known = named.iter().all(|file| self.files.contains(file));
            self.files = named;
            // What is named no more would count as a change at the next look.
            self.tried.retain(|file, _| self.files.contains(file));
            if known || tries == TRIES || self.is_read_once() {
                return Plan::of(draft, generation);
            }
        }
    }

    /// Whether the configuration is, now, a pipe or something else that gives what is in it once.
    fn is_read_once(&self) -> bool {
        let metadata = self.file.as_ref().and_then(|file| file.metadata().ok());
        metadata.is_some_and(|metadata| !metadata.is_file() && !metadata.is_dir())
    }

    /// Reads it again, if that can be done.
    fn plan_again(&mut self, generation: Generation) -> Result<Plan, Faults> {
        match &self.file {
            Some(file) if self.is_read_once() => Err(Faults::one(
                format!(
                    "the configuration '{}' is no regular file, and cannot be read a second time",
                    file.display()
                ),
                "start again to change it",
            )),
            _ => self.plan(generation),
        }
    }

    /// Starts the thread that reloads: when told to by the sender, and when a file changes. It ends with its sender.
    pub fn start(self, mut target: Target) -> std::io::Result<Sender<()>> {
        target.roots = self.roots_seen(&target.running);
        let (ask, asked) = mpsc::channel();
        thread::Builder::new().name("reload".to_owned()).spawn(move || self.watch(target, &asked))?;
        Ok(ask)
    }

    fn watch(mut self, mut target: Target, asked: &Receiver<()>) {
        let mut before = self.tried.clone();
        let mut wait = EVERY;
        loop {
            match asked.recv_timeout(wait) {
                Ok(()) => {
                    // Any number of signals ask for one thing.
                    while asked.try_recv().is_ok() {}
                    self.reload(&mut target);
                    before.clone_from(&self.tried);
                    wait = EVERY;
                }
                Err(RecvTimeoutError::Timeout) => {
                    let now = look(&self.files);
                    let changed = now != self.tried;
                    if changed && now == before {
                        self.reload(&mut target);
                        before.clone_from(&self.tried);
                        wait = EVERY;
                    } else {
                        before = now;
                        wait = if changed { SETTLE } else { EVERY };
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn reload(&mut self, target: &mut Target) {
        service::tell(State::Reloading);
        let generation = Generation(target.rules.load().generation().0 + 1);
        let running = &target.running;
        let mut needs_restart = Vec::new();
        let result = self.plan_again(generation).and_then(|plan| {
            needs_restart = change::needs_restart(running, &plan.loaded.config);
            if needs_restart.is_empty() {
                return Ok(plan);
            }
            // It would start. What this process can take of it must make sense beside what it keeps.
            Plan::of(change::reloadable(running, &plan.loaded), generation)
        });
        target.instruments.reloaded(result.is_ok());
        match result {
            Ok(plan) => {
                // The same name, and other certificates in it.
                if !needs_restart.contains(&ROOTS) && self.roots_seen(&plan.loaded.config) != target.roots {
                    needs_restart.push(ROOTS);
                }
                target.rules.store(Arc::new(plan.rules));
                target.running = plan.loaded.config;
                target.reloads.set(None);
                tracing::info!(generation = generation.0, "the configuration was reloaded");
                if !needs_restart.is_empty() {
                    let keys = needs_restart.join(", ");
                    tracing::warn!(keys, "these keys have changed and count from the next start on");
                }
            }
            Err(faults) => {
                let lines = faults.lines();
                for fault in &lines {
                    tracing::error!(fault, "the reload was refused; the rules of before stay");
                }
                target.reloads.set(Some(lines));
            }
        }
        service::tell(State::Ready);
    }

    /// The certificates of `upstream.roots`, as they were last looked at.
    fn roots_seen(&self, config: &Config) -> Option<Seen> {
        self.tried.get(&plan::roots_file(config)?).copied()
    }
}

fn look(files: &[PathBuf]) -> Look {
    files.iter().map(|file| (file.clone(), seen(file))).collect()
}

fn seen(file: &PathBuf) -> Seen {
    let read = || {
        if !file.metadata()?.is_file() {
            return Ok(Seen::Other);
        }
        let mut bytes = Vec::new();
        File::open(file)?.take(LARGEST).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(Seen::Content(Sha256::digest(&bytes).into()))
    };
    read().unwrap_or_else(|error| Seen::Unreadable(error.kind()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// However the names change: what was tried is what the next look finds, else the same would be taken twice.
    #[test]
    fn what_was_tried_is_what_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("patchgate.toml");
        let shipped = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas")).unwrap();
        let is_schema = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let shipped = shipped.map(|entry| entry.unwrap().path()).find(is_schema).unwrap();
        let schema = fs::read(&shipped).unwrap();
        let shipped = shipped.file_stem().unwrap().to_str().unwrap();
        for name in ["a.json", "b.json"] {
            fs::write(folder.path().join(name), &schema).unwrap();
        }
        let mut reloader = Reloader::new(Some(file.clone()), Inputs::default());
        for (generation, names) in [&["a"][..], &["a", "b"], &["b"], &[shipped]].into_iter().enumerate() {
            // One schema twice is refused, but the files are read.
            let guard = |name: &&str| match *name {
                "a" | "b" => format!("[[guard]]\nschema = \"./{name}.json\"\n"),
                name => format!("[[guard]]\nschema = \"{name}\"\n"),
            };
            fs::write(&file, names.iter().map(guard).collect::<String>()).unwrap();
            let plan = reloader.plan(Generation(generation as u64));
            assert_eq!(plan.is_ok(), names.len() == 1, "{names:?}");
            assert_eq!(look(&reloader.files), reloader.tried, "{names:?}");
        }
    }
}
