//! Answers to those who wait until a record is durable.
//!
//! To wake a task of another thread is a system call; to wake one of its own thread is none. So of all whose records have become
//! durable at once, the writer wakes one for each thread, who finds the wakers of the others there and wakes them.
//!
//! INVARIANT: every answer is given before anybody is woken, and that of whoever is to wake the others of its thread last, when
//! they are left at its thread already: whether it is woken, polled before that, or dropped, it finds them there. So nobody's
//! answer depends on another's, and one who is woken and never polled keeps the others at most until it is dropped.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Two ends of a wait, the second for whoever is on this thread.
pub(crate) fn wait<E>() -> (Waiter<E>, Waiting<E>) {
    let slot = Arc::new(Mutex::new(Slot { answer: Answer::None, waker: None }));
    let place = Place::of_this_thread();
    (Waiter { slot: Arc::clone(&slot), place: Arc::clone(&place), armed: true }, Waiting { slot, place })
}

/// Somebody waits: the writer's end. Dropped without an answer, it says that there will be none.
#[derive(Debug)]
pub(crate) struct Waiter<E> {
    slot: Arc<Mutex<Slot<E>>>,
    place: Arc<Place>,
    /// Nobody else answers.
    armed: bool,
}

/// The end of whoever waits. Resolves to nothing if there will be no answer.
#[derive(Debug)]
pub(crate) struct Waiting<E> {
    slot: Arc<Mutex<Slot<E>>>,
    place: Arc<Place>,
}

#[derive(Debug)]
struct Slot<E> {
    answer: Answer<E>,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Answer<E> {
    /// Not yet.
    None,
    Given(Result<(), E>),
    /// Nobody will ever give one; or it was taken.
    Gone,
}

/// Who is to be woken on a thread, by the next who looks.
#[derive(Debug, Default)]
struct Place(Mutex<Vec<Waker>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    fn of_this_thread() -> Arc<Self> {
        thread_local! {
            static PLACE: Arc<Place> = Arc::default();
        }
        PLACE.with(Arc::clone)
    }

    fn wake_all(&self) {
        let wakers = std::mem::take(&mut *locked(&self.0));
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl<E> Waiter<E> {
    /// Says that there is no record.
    pub(crate) fn fail(self, why: E) {
        if let Some(waker) = give(&self.slot, Answer::Given(Err(why))) {
            waker.wake();
        }
    }
}

/// Gives an answer, if there is none, and hands out who is to be woken.
fn give<E>(slot: &Mutex<Slot<E>>, answer: Answer<E>) -> Option<Waker> {
    let mut slot = locked(slot);
    if !matches!(slot.answer, Answer::None) {
        return None;
    }
    slot.answer = answer;
    slot.waker.take()
}

impl<E> Drop for Waiter<E> {
    fn drop(&mut self) {
        if self.armed
            && let Some(waker) = give(&self.slot, Answer::Gone)
        {
            waker.wake();
        }
    }
}

/// Somebody who can be told that the record is durable, whatever else it could have been told.
trait Tell: Send + Sync {
    fn tell(&self) -> Option<Waker>;
}

impl<E: Send> Tell for Mutex<Slot<E>> {
    fn tell(&self) -> Option<Waker> {
        give(self, Answer::Given(Ok(())))
    }
}

impl<E> Future for Waiting<E> {
    type Output = Option<Result<(), E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = {
            let mut slot = locked(&self.slot);
            match std::mem::replace(&mut slot.answer, Answer::Gone) {
                Answer::None => {
                    slot.answer = Answer::None;
                    match &mut slot.waker {
                        Some(waker) => waker.clone_from(cx.waker()),
                        none => *none = Some(cx.waker().clone()),
                    }
                    return Poll::Pending;
                }
                Answer::Given(result) => Some(result),
                Answer::Gone => None,
            }
        };
        self.place.wake_all();
        Poll::Ready(answer)
    }
}

impl<E> Drop for Waiting<E> {
    fn drop(&mut self) {
        // Nobody is to be woken for it any more.
        _ = give(&self.slot, Answer::Gone);
        // It may be the one that was woken.
        self.place.wake_all();
    }
}

/// Those whose records have become durable at once. When this is dropped they are woken, each thread's by one of them.
#[derive(Default)]
pub(crate) struct Durable(Vec<There>);

/// Those of one thread.
struct There {
    place: Arc<Place>,
    /// Who have their answer.
    wakers: Vec<Waker>,
    /// Who gets it last.
    last: Arc<dyn Tell>,
}

impl Durable {
    /// Gives somebody the answer, at the latest when this is dropped.
    pub(crate) fn tell<E: Send + 'static>(&mut self, mut waiter: Waiter<E>) {
        waiter.armed = false;
        let last: Arc<dyn Tell> = Arc::clone(&waiter.slot) as _;
        // As many places as there are workers: few.
        match self.0.iter_mut().find(|there| Arc::ptr_eq(&there.place, &waiter.place)) {
            Some(there) => there.wakers.extend(std::mem::replace(&mut there.last, last).tell()),
            None => self.0.push(There { place: Arc::clone(&waiter.place), wakers: Vec::new(), last }),
        }
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        for There { place, mut wakers, last } in self.0.drain(..) {
            locked(&place.0).append(&mut wakers);
            match last.tell() {
                Some(waker) => waker.wake(),
                // It is gone, or was never polled: whether it will be, nobody knows.
                None => place.wake_all(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    type Task = (Waiting<&'static str>, Arc<Woken>);

    /// Tasks that wait, each with the count of its wakes.
    fn waiting(count: usize) -> (Vec<Waiter<&'static str>>, Vec<Task>) {
        let ends = (0..count).map(|_| {
            let (waiter, mut waiting) = wait();
            let woken = Arc::<Woken>::default();
            assert!(poll(&mut waiting, &woken).is_pending());
            (waiter, (waiting, woken))
        });
        ends.unzip()
    }

    fn poll(
        waiting: &mut Waiting<&'static str>,
        woken: &Arc<Woken>,
    ) -> Poll<Option<Result<(), &'static str>>> {
        pin!(waiting).poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
    }

    fn told(waiters: Vec<Waiter<&'static str>>) {
        let mut durable = Durable::default();
        for waiter in waiters {
            durable.tell(waiter);
        }
        drop(durable);
    }

    fn woken(tasks: &[Task]) -> usize {
        tasks.iter().map(|(_, woken)| woken.0.load(Ordering::Relaxed)).sum()
    }

    #[test]
    fn one_of_each_thread_is_woken_and_wakes_the_others_when_polled() {
        let (mut waiters, mut here) = waiting(5);
        let (others, there) = thread::spawn(|| waiting(4)).join().unwrap();
        waiters.extend(others);
        told(waiters);
        assert_eq!((woken(&here), woken(&there)), (1, 1));
        let (first, count) = here.iter_mut().find(|(_, woken)| woken.0.load(Ordering::Relaxed) > 0).unwrap();
        assert_eq!(poll(first, count), Poll::Ready(Some(Ok(()))));
        assert_eq!((woken(&here), woken(&there)), (5, 1));
        for (waiting, woken) in
            there.into_iter().chain(here).filter(|(_, woken)| woken.0.load(Ordering::Relaxed) == 0)
        {
            let mut waiting = waiting;
            assert_eq!(
                poll(&mut waiting, &woken),
                Poll::Ready(Some(Ok(()))),
                "nobody's answer waits for a wake"
            );
        }
    }

    #[test]
    fn the_others_are_woken_also_if_the_first_is_gone() {
        let (waiters, mut tasks) = waiting(3);
        told(waiters);
        let first = tasks.iter().position(|(_, woken)| woken.0.load(Ordering::Relaxed) > 0).unwrap();
        drop(tasks.remove(first));
        assert_eq!(woken(&tasks), 2);
    }

    /// Whoever is polled before it is woken, for another reason, is done, and wakes nobody any more.
    #[test]
    fn nobody_relies_on_one_who_was_polled_meanwhile() {
        let (waiters, mut tasks) = waiting(3);
        let mut durable = Durable::default();
        for waiter in waiters {
            durable.tell(waiter);
        }
        let done = |(waiting, woken): &mut Task| poll(waiting, woken).is_ready();
        let polled: Vec<bool> = tasks.iter_mut().map(done).collect();
        assert_eq!(polled, [true, true, false], "the last one's answer comes last");
        drop(durable);
        assert_eq!(tasks[2].1.0.load(Ordering::Relaxed), 1);
        assert!(done(&mut tasks[2]));
        assert_eq!(woken(&tasks), 3);
    }

    #[test]
    fn nobody_relies_on_one_who_is_gone() {
        for gone in 0..3 {
            let (waiters, mut tasks) = waiting(3);
            drop(tasks.remove(gone));
            told(waiters);
            let last = tasks.iter_mut().find(|(_, woken)| woken.0.load(Ordering::Relaxed) > 0);
            let (waiting, count) = last.expect("one of those who are left is woken");
            assert!(poll(waiting, count).is_ready());
            assert_eq!(woken(&tasks), 2);
        }
    }

    #[test]
    fn who_was_never_polled_is_not_relied_on() {
        let (mut waiters, tasks) = waiting(2);
        let (waiter, unpolled) = wait();
        waiters.push(waiter);
        told(waiters);
        assert_eq!(woken(&tasks), 2);
        drop(unpolled);
    }

    #[test]
    fn a_failure_and_an_end_without_an_answer_are_told_at_once() {
        let (mut waiters, mut tasks) = waiting(2);
        waiters.pop().unwrap().fail("full");
        drop(waiters);
        assert_eq!(woken(&tasks), 2);
        let (waiting, count) = &mut tasks[1];
        assert_eq!(poll(waiting, count), Poll::Ready(Some(Err("full"))));
        let (waiting, count) = &mut tasks[0];
        assert_eq!(poll(waiting, count), Poll::Ready(None));
    }
}
