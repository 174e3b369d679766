//! Between those who record and the one thread that writes: a queue that both sides hold for as long as a copy takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use patchgate_model::RequestId;
use tokio::sync::{oneshot, watch};

use crate::answers::{self, Waiter, Waiting};
use crate::chain::Head;
use crate::flood::Flood;
use crate::health::{Counters, Health, NotRecorded, OutcomeHeld};
use crate::retention::TakeAway;
use crate::settings::{Durability, Settings};

/// Bodies of records, one behind the other in one buffer, and what each of them is.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
}

/// One record.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where its body ends in the batch's bytes.
    end: usize,
    /// What it is.
    pub(crate) what: What,
    /// The end of the chain behind it, once it has its place there.
    pub(crate) sealed: Option<Head>,
    /// Its intent does not count as open any more.
    pub(crate) closed: bool,
}

/// What a record is for the writer.
#[derive(Debug)]
pub(crate) enum What {
    /// An intent; whoever waits forwards the edit once this is answered.
    Intent(RequestId, Option<Waiter<NotRecorded>>),
    /// An outcome; whoever waits answers the caller then.
    Outcome(RequestId, Option<Waiter<OutcomeHeld>>),
    /// A refusal.
    Refusal,
    /// The journal's own, and why it is written; whoever waits is told the end of the chain. Its body is made where it gets its
    /// place, since it says in which segment that is.
    Mark(&'static str, Option<oneshot::Sender<Result<Head, NotRecorded>>>),
}

impl Batch {
    pub(crate) fn push(&mut self, what: What, body: &[u8]) {
        self.push_again(what, body, false);
    }

    /// One that has been in another batch.
    pub(crate) fn push_again(&mut self, what: What, body: &[u8], closed: bool) {
        self.bytes.extend_from_slice(body);
        self.entries.push(Entry { end: self.bytes.len(), what, sealed: None, closed });
    }

    /// How many outcomes have their place in the chain, and were not counted; they are from now on.
    pub(crate) fn count_closed(&mut self) -> usize {
        let outcome = |entry: &&mut Entry| entry.sealed.is_some() && matches!(entry.what, What::Outcome(..));
        let new = self.entries.iter_mut().filter(outcome).filter(|entry| !entry.closed);
        new.map(|entry| entry.closed = true).count()
    }

    /// The records with their bodies, in order.
    pub(crate) fn each(&mut self) -> impl Iterator<Item = (&mut Entry, &[u8])> {
        let (bytes, mut from) = (&self.bytes, 0);
        self.entries.iter_mut().map(move |entry| {
            let body = bytes.get(from..entry.end).unwrap_or_default();
            from = entry.end;
            (entry, body)
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

/// What the writer is asked to do besides writing what is queued.
#[derive(Debug)]
pub(crate) enum Order {
    /// Write a checkpoint.
    Checkpoint(oneshot::Sender<Result<Head, NotRecorded>>),
    /// Take segments away, which were read and hold.
    TakeAway(Option<TakeAway>),
}

/// What both sides see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    state: Mutex<State>,
    wake: Condvar,
    pub(crate) flood: Mutex<Flood>,
    pub(crate) counted: Counted,
    pub(crate) health: watch::Sender<Health>,
}

#[derive(Debug, Default)]
struct State {
    queue: Batch,
    orders: Vec<Order>,
    /// The writer waits to be woken once so many records wait, or for something else.
    sleeping: Option<usize>,
    /// Why intents are refused, while they are.
    unwritable: Option<Arc<str>>,
    /// Intents without an outcome on record.
    open: usize,
    stop: bool,
    /// The writer's thread is gone.
    ended: bool,
}

/// What is counted, in single numbers.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) commits: AtomicU64,
    pub(crate) commit_nanoseconds: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) refused_intents: AtomicU64,
    pub(crate) aggregated: AtomicU64,
    /// Records of refusals that the end left unwritten.
    pub(crate) unwritten: AtomicU64,
    pub(crate) evidence: AtomicU64,
}

impl State {
    /// There is something to do besides writing records.
    fn cannot_wait(&self) -> bool {
        self.stop || !self.orders.is_empty()
    }
}

impl Counted {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// What the writer finds when it looks.
pub(crate) struct Taken {
    pub(crate) orders: Vec<Order>,
    pub(crate) stop: bool,
}

impl Shared {
    pub(crate) fn new(settings: Settings, health: Health) -> Self {
        let unwritable = match &health {
            Health::Writable => None,
            Health::Unwritable { reason, .. } => Some(Arc::clone(reason)),
        };
        Self {
            settings,
            state: Mutex::new(State { unwritable, ..State::default() }),
            wake: Condvar::new(),
            flood: Mutex::default(),
            counted: Counted::default(),
            health: watch::Sender::new(health),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let enough = |wanted| state.queue.entries.len() >= wanted || state.cannot_wait();
        let wakes = state.sleeping.is_some_and(enough);
        if wakes {
            state.sleeping = None;
        }
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
    }

    /// Queues an intent, if it can be written. What it returns is to be waited for, if there is something to wait for.
    pub(crate) fn intent(
        &self,
        id: RequestId,
        body: &[u8],
    ) -> Result<Option<Waiting<NotRecorded>>, NotRecorded> {
        let mut state = self.state();
        let refused = if state.stop || state.ended {
            Some(NotRecorded::Closed)
        } else if let Some(reason) = &state.unwritable {
            Some(NotRecorded::Unwritable(Arc::clone(reason)))
        } else if state.open >= self.settings.most_open()
            || state.queue.bytes.len() + body.len() > self.settings.most_queued
        {
            Some(NotRecorded::Busy)
        } else {
            None
        };
        if let Some(refused) = refused {
            drop(state);
            Counted::add(&self.counted.refused_intents, 1);
            return Err(refused);
        }
        let (waiter, answer) = self.wait(false);
        state.open += 1;
        state.queue.push(What::Intent(id, waiter), body);
        self.wake(state);
        Ok(answer)
    }

    /// Queues an outcome. There is always room: no more than there are open intents.
    pub(crate) fn outcome(&self, id: RequestId, body: &[u8]) -> Option<Waiting<OutcomeHeld>> {
        let mut state = self.state();
        let (waiter, answer) = self.wait(state.unwritable.is_some() || state.ended);
        // Once the thread is gone nobody answers; the waiter is dropped, which says so.
        if !state.ended {
            state.queue.push(What::Outcome(id, waiter), body);
            self.wake(state);
        }
        answer
    }

    /// A way to answer, where an answer is to be waited for.
    fn wait<E>(&self, always: bool) -> (Option<Waiter<E>>, Option<Waiting<E>>) {
        if always || self.settings.durability == Durability::Strict {
            let (waiter, answer) = answers::wait();
            (Some(waiter), Some(answer))
        } else {
            (None, None)
        }
    }

    /// Queues a refusal, if there is room for it and it can be written.
    pub(crate) fn refusal(&self, body: &[u8]) -> bool {
        let mut state = self.state();
        let room = state.queue.bytes.len() + body.len() <= self.settings.most_queued;
        let takes = room && state.unwritable.is_none() && !state.stop && !state.ended;
        if takes {
            state.queue.push(What::Refusal, body);
            self.wake(state);
        }
        takes
    }

    pub(crate) fn order(&self, order: Order) {
        let mut state = self.state();
        if !state.ended {
            state.orders.push(order);
            self.wake(state);
        }
    }

    pub(crate) fn stop(&self) {
        let mut state = self.state();
        state.stop = true;
        self.wake(state);
    }

    /// From now on nothing is taken.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        state.queue.clear();
        state.orders.clear();
    }

    /// Waits until there is something to do, or until a time, and puts what is queued in the place of `batch`, which is
    /// empty. `company` is told how many records are there at first, and says how many to wait for, and how long.
    ///
    /// Where several are expected the last of them wakes the writer: to be woken by the first, too, only to sleep again, would
    /// cost whoever brings it a good part of what the commit saves.
    pub(crate) fn take(
        &self,
        batch: &mut Batch,
        until: Option<Instant>,
        company: impl FnOnce(usize) -> (usize, Duration),
    ) -> Taken {
        let mut state = self.state();
        let (wanted, within) = company(state.queue.entries.len());
        if wanted > 1 {
            let patience = Instant::now() + within;
            state = self.sleep(state, wanted, Some(until.map_or(patience, |until| until.min(patience))));
        }
        if state.queue.is_empty() {
            state = self.sleep(state, 1, until);
            if !state.queue.is_empty() {
                state = self.sleep(state, wanted, Some(Instant::now() + within));
            }
        }
        std::mem::swap(&mut state.queue, batch);
        Taken { orders: std::mem::take(&mut state.orders), stop: state.stop }
    }

    /// Sleeps until so many records wait, or what can't wait, or until a time.
    fn sleep<'s>(
        &'s self,
        mut state: MutexGuard<'s, State>,
        wanted: usize,
        until: Option<Instant>,
    ) -> MutexGuard<'s, State> {
        while state.queue.entries.len() < wanted && !state.cannot_wait() {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            state.sleeping = Some(wanted);
            state = match left {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        state.sleeping = None;
        state
    }

    /// Says that an intent has its outcome on record, or was not recorded.
    pub(crate) fn closed(&self, intents: usize) {
        if intents > 0 {
            let mut state = self.state();
            state.open = state.open.saturating_sub(intents);
        }
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.state().unwritable = match &health {
            Health::Writable => None,
            Health::Unwritable { reason, .. } => Some(Arc::clone(reason)),
        };
        self.health.send_replace(health);
    }

    pub(crate) fn counters(&self) -> Counters {
        let (queued, queued_bytes, open) = {
            let state = self.state();
            (state.queue.entries.len(), state.queue.bytes.len(), state.open)
        };
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counted = &self.counted;
        let left = self.flood.lock().unwrap_or_else(PoisonError::into_inner).left();
        Counters {
            commits: get(&counted.commits),
            commit_nanoseconds: get(&counted.commit_nanoseconds),
            records: get(&counted.records),
            bytes: get(&counted.bytes),
            failures: get(&counted.failures),
            refused_intents: get(&counted.refused_intents),
            aggregated_refusals: get(&counted.aggregated),
            unrecorded_refusals: left + get(&counted.unwritten),
            evidence: get(&counted.evidence),
            queued,
            queued_bytes,
            open,
        }
    }
}
