//! Answers to those who wait until a record is durable.
//!
//! To wake a task of another thread is a system call; to wake one of its own thread is none. So of all whose records have become
//! durable at once, the writer wakes one for each thread, who finds the wakers of the others there and wakes them.
//!
//! INVARIANT: every answer is given before anybody is woken, and whoever is polled or dropped wakes those who are left at its
//! thread. So nobody's answer depends on another's, and one who is woken and never polled keeps the others at most until the
//! next of their thread is.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Two ends of a wait, the second for whoever is on this thread.
pub(crate) fn wait<E>() -> (Waiter<E>, Waiting<E>) {
    let slot = Arc::new(Mutex::new(Slot { answer: Answer::None, waker: None }));
    let place = Place::of_this_thread();
    (Waiter { slot: Arc::clone(&slot), place: Arc::clone(&place) }, Waiting { slot, place })
}

/// Somebody waits: the writer's end. Dropped without an answer, it says that there will be none.
#[derive(Debug)]
pub(crate) struct Waiter<E> {
    slot: Arc<Mutex<Slot<E>>>,
    place: Arc<Place>,
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
        if let Some(waker) = self.give(Answer::Given(Err(why))) {
            waker.wake();
        }
    }

    /// Gives an answer, if there is none, and hands out who is to be woken.
    fn give(&self, answer: Answer<E>) -> Option<Waker> {
        let mut slot = locked(&self.slot);
        if !matches!(slot.answer, Answer::None) {
            return None;
        }
        slot.answer = answer;
        slot.waker.take()
    }
}

impl<E> Drop for Waiter<E> {
    fn drop(&mut self) {
        if let Some(waker) = self.give(Answer::Gone) {
            waker.wake();
        }
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
        // It may be the one that was woken.
        self.place.wake_all();
    }
}

/// Those whose records have become durable at once. When this is dropped they are woken, each thread's by one of them.
#[derive(Debug, Default)]
pub(crate) struct Durable(Vec<(Arc<Place>, Vec<Waker>)>);

impl Durable {
    /// Gives somebody the answer.
    pub(crate) fn tell<E>(&mut self, waiter: &Waiter<E>) {
        let Some(waker) = waiter.give(Answer::Given(Ok(()))) else { return };
        // As many places as there are workers: few.
        match self.0.iter_mut().find(|(place, _)| Arc::ptr_eq(place, &waiter.place)) {
            Some((_, wakers)) => wakers.push(waker),
            None => self.0.push((Arc::clone(&waiter.place), vec![waker])),
        }
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        for (place, mut wakers) in self.0.drain(..) {
            let Some(first) = wakers.pop() else { continue };
            locked(&place.0).append(&mut wakers);
            first.wake();
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

    fn told(waiters: &[Waiter<&'static str>]) {
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
        told(&waiters);
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
        told(&waiters);
        let first = tasks.iter().position(|(_, woken)| woken.0.load(Ordering::Relaxed) > 0).unwrap();
        drop(tasks.remove(first));
        assert_eq!(woken(&tasks), 2);
    }

    #[test]
    fn who_was_never_polled_is_not_relied_on() {
        let (mut waiters, tasks) = waiting(2);
        let (waiter, unpolled) = wait();
        waiters.push(waiter);
        told(&waiters);
        assert_eq!(woken(&tasks), 1);
        drop(unpolled);
        assert_eq!(woken(&tasks), 2);
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
