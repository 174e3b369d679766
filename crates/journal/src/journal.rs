//! The journal as the gateway uses it.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use patchgate_model::Recordable;
use tokio::sync::{oneshot, watch};

use crate::checkpoint::Checkpoint;
use crate::disk::{Disk, DiskError};
use crate::health::{Counters, Health, NotRecorded};
use crate::intent::{self, RecordedIntent, Ticket};
use crate::queue::{Counted, Order, Shared};
use crate::record::{Asked, Cut, Damaged, Refused, body};
use crate::settings::{Durability, Settings};
use crate::start;
use crate::storage::Storage;
use crate::writer::Writer;

/// A journal that is written to. Clones are the same journal; when the last is dropped it is closed without waiting, see
/// [`close`](Self::close).
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    thread: Arc<Thread>,
}

/// Why a journal can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory can't be had.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// What is in it can't be read, or nothing can be written to it.
    #[error("the audit journal cannot be opened: {0}; check the directory's permissions and its disk")]
    Io(io::Error),
    /// What is in it is nothing that this program can go on with.
    #[error("the audit journal cannot be opened: {0}")]
    Content(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidData { Self::Content(error) } else { Self::Io(error) }
    }
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Intents of an earlier process that had no outcome; it is on record now as unknown.
    pub unknown: usize,
    /// Torn tails that were cut off.
    pub cut: Vec<Cut>,
    /// Places that do not verify. They were left as they are.
    pub damaged: Vec<Damaged>,
    /// The permissions of the directory, where others than its owner may write in it, and so change the record.
    pub shared: Option<u32>,
}

impl Journal {
    /// Opens the journal of a directory, which is made if it is not there, and takes its chain up: a torn tail is cut off
    /// into a file of its own, and intents without an outcome get one, unknown.
    pub fn open(directory: &Path, settings: Settings) -> Result<(Self, Started), OpenError> {
        let disk = Disk::open(directory)?;
        let shared = disk.shared();
        let (journal, started) = Self::begin(Box::new(disk), settings)?;
        Ok((journal, Started { shared, ..started }))
    }

    /// Opens a journal on a storage of the test's own.
    #[cfg(feature = "simulator")]
    pub fn open_on(storage: Box<dyn Storage>, settings: Settings) -> io::Result<(Self, Started)> {
        Self::begin(storage, settings)
    }

    fn begin(storage: Box<dyn Storage>, settings: Settings) -> io::Result<(Self, Started)> {
        let found = start::look(&*storage)?;
        let started = Started {
            unknown: found.open.len(),
            cut: found.news.cut.clone(),
            damaged: found.news.damaged.clone(),
            shared: None,
        };
        let shared = Arc::new(Shared::new(settings, Health::Writable));
        let mut writer = Writer::new(storage, Arc::clone(&shared), found);
        writer.begin()?;
        let ended = Ended(Arc::clone(&shared));
        let handle = thread::Builder::new().name("journal".to_owned()).spawn(move || {
            let _ended = ended;
            writer.run();
        })?;
        let thread = Thread { shared: Arc::clone(&shared), handle: Mutex::new(Some(handle)) };
        Ok((Self { shared, thread: Arc::new(thread) }, started))
    }

    /// Puts an edit on record, and gives the proof with which it can be forwarded.
    ///
    /// The intent is queued at once. Whoever stops waiting for it leaves an outcome behind: nothing was sent. `reasons` say why
    /// it was allowed, such as ids of policies.
    pub fn record<T: Recordable>(
        &self,
        edit: T,
        asked: &Asked<'_>,
        reasons: &[&str],
    ) -> impl Future<Output = Result<RecordedIntent<T>, NotRecorded>> + use<T> {
        let shared = &self.shared;
        let ticket = Ticket::new(Arc::clone(shared), asked.request_id, asked.trace_id);
        let record = || {
            let now = (shared.settings.clock)();
            with_line(|line| {
                body::intent(line, now, asked, &edit, reasons, asked.fields);
                shared.intent(asked.request_id, line)
            })
        };
        #[cfg(feature = "simulator")]
        let queued = if crate::nowhere::nothing_is_recorded() { Ok(None) } else { record() };
        #[cfg(not(feature = "simulator"))]
        let queued = record();
        async move {
            let answer = match queued {
                Ok(Some(answer)) => answer.await.unwrap_or(Err(NotRecorded::Closed)),
                Ok(None) => Ok(()),
                Err(refused) => Err(refused),
            };
            match answer {
                Ok(()) => Ok(intent::recorded(edit, ticket)),
                Err(why) => Err(ticket.void(why)),
            }
        }
    }

    /// Puts a refusal on record. It never waits, and never fails: what comes in a flood, or while the storage can't be
    /// written, is counted and recorded as a number later.
    pub fn refuse(&self, asked: &Asked<'_>, refused: &Refused<'_>) {
        let settings = &self.shared.settings;
        let now = (settings.clock)();
        let offer = |most| {
            let mut flood = self.shared.flood.lock().unwrap_or_else(PoisonError::into_inner);
            flood.offer(asked.caller, refused.code, most, Instant::now(), now)
        };
        let most = if self.shared.health.borrow().is_writable() { settings.refusals_per_second } else { 0 };
        let single = offer(most)
            && with_line(|line| {
                body::refusal(line, now, asked, refused, asked.fields);
                // What finds no room is counted after all.
                self.shared.refusal(line) || offer(0)
            });
        if !single {
            Counted::add(&self.shared.counted.aggregated, 1);
        }
    }

    /// Writes a checkpoint and makes it durable: the end of the chain, to be kept elsewhere.
    pub fn checkpoint(&self) -> impl Future<Output = Result<Checkpoint, NotRecorded>> + use<> {
        let (waiter, answer) = oneshot::channel();
        self.shared.order(Order::Checkpoint(waiter));
        async move { answer.await.unwrap_or(Err(NotRecorded::Closed)).map(Checkpoint) }
    }

    /// How durable an intent is before its edit goes on.
    pub fn durability(&self) -> Durability {
        self.shared.settings.durability
    }

    /// Whether intents are taken, and why not.
    pub fn health(&self) -> Health {
        self.shared.health.borrow().clone()
    }

    /// Tells of each change of [`health`](Self::health).
    pub fn watch(&self) -> watch::Receiver<Health> {
        self.shared.health.subscribe()
    }

    /// What was done, for metrics.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// Takes no more intents, writes what is queued, and waits until it is durable. Blocks for as long as the disk takes;
    /// tries one that has failed once more.
    pub fn close(&self) {
        self.shared.stop();
        let handle = self.thread.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            // A panic of that thread was told of by its end.
            _ = handle.join();
        }
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("health", &self.health()).finish_non_exhaustive()
    }
}

/// The writer's thread; it is told to stop when nobody records any more.
struct Thread {
    shared: Arc<Shared>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

/// Says that the writer's thread is gone, also if it panicked.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        let since = (self.0.settings.clock)();
        self.0.set_health(Health::Unwritable { reason: "it is closed".into(), since });
        self.0.end();
    }
}

/// Lends the thread's buffer for one line.
pub(crate) fn with_line<T>(write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // A line of usual size stays; a huge one is given back.
    const KEPT: usize = 64 << 10;
    LINE.with(|line| {
        let mut line = line.take();
        line.clear();
        let result = write(&mut line);
        if line.capacity() <= KEPT {
            LINE.set(line);
        }
        result
    })
}
