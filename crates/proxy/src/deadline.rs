//! Deadlines of what is mostly over long before them.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::task::coop::has_budget_remaining;
use tokio::time::{Instant, Sleep, sleep};

/// As many alarms are kept for use.
const MOST_SPARE: usize = 64;

/// It was not done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was not done in time")]
pub struct Late;

/// Does some work within `deadline`, which begins when the work has to wait for the first time: what is ready at once needs
/// neither clock nor timer.
pub async fn within<F: Future>(deadline: Duration, work: F) -> Result<F::Output, Late> {
    let mut work = pin!(work);
    let mut waiting = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let (lent, due) = waiting.get_or_insert_with(|| (Lent::take(deadline), Instant::now() + deadline));
        lent.poll_due(cx, *due).map(|()| Err(Late))
    })
    .await
}

thread_local! {
    /// Alarms that nobody needs now: they stay with the timer of their runtime, where to enter one for each wait and to take it
    /// out again would cost more than to be woken by one once for nothing.
    static SPARE: RefCell<Vec<(runtime::Id, Alarm)>> = const { RefCell::new(Vec::new()) };
}

/// An alarm that is kept for use when it has been of use.
struct Lent(Option<(runtime::Id, Alarm)>);

impl Lent {
    fn take(after: Duration) -> Self {
        let here = Handle::current().id();
        // One of another runtime on this thread, which has ended, has no timer any more.
        let spare = SPARE.with_borrow_mut(Vec::pop).filter(|(runtime, _)| *runtime == here);
        Self(Some(spare.unwrap_or_else(|| (here, Alarm::new(after)))))
    }

    fn poll_due(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        // It is there until this is dropped.
        self.0.as_mut().map_or(Poll::Ready(()), |(_, alarm)| alarm.poll_due(cx, due))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // A thread that ends keeps nothing.
        _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MOST_SPARE {
                spare.extend(self.0.take());
            }
        });
    }
}
/// A timer for one deadline after the other. It wakes at the deadline or before it: to move it for each would cost more than to
/// wake once for nothing.
#[derive(Debug)]
pub struct Alarm {
    sleep: Pin<Box<Sleep>>,
    asked: bool,
}

impl Alarm {
    /// One that is set to wake so long from now.
    pub fn new(after: Duration) -> Self {
        Self { sleep: Box::pin(sleep(after)), asked: false }
    }

    /// When it is set to wake.
    pub fn set_to(&self) -> Instant {
        self.sleep.deadline()
    }

    /// Pending until the deadline `due`, which may be another one each time.
    pub fn poll_due(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        if due < self.set_to() {
            self.sleep.as_mut().reset(due);
        }
        ready!(self.sleep.as_mut().poll(cx));
        if self.set_to() < due {
            self.sleep.as_mut().reset(due);
            ready!(self.sleep.as_mut().poll(cx));
        }
        Poll::Ready(())
    }

    /// The same, for one that is always asked by the same task: what the runtime was told once it need not be told again.
    pub fn poll_due_here(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        if self.asked && due >= self.set_to() && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        let polled = self.poll_due(cx, due);
        // A task that has used up what it may do at a time is sent to come again, and the runtime has been told nothing.
        self.asked = has_budget_remaining();
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::task::coop::consume_budget;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn work_is_done_or_late() {
        assert_eq!(within(Duration::ZERO, ready(1)).await.unwrap(), 1);
        let waits = async {
            tokio::task::yield_now().await;
            2
        };
        assert_eq!(within(Duration::from_hours(1), waits).await.unwrap(), 2);
        assert_eq!(within(Duration::from_millis(1), pending::<()>()).await, Err(Late));
    }

    /// Whatever time it was set to, and whatever became of its runtime.
    #[test]
    fn an_alarm_that_was_of_use_is_used_again() {
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                for deadline in [Duration::from_hours(1), Duration::from_millis(1), Duration::from_millis(2)]
                {
                    let waits = async {
                        tokio::task::yield_now().await;
                        3
                    };
                    assert_eq!(within(Duration::from_hours(1), waits).await, Ok(3));
                    if deadline < Duration::from_secs(1) {
                        assert_eq!(within(deadline, pending::<()>()).await, Err(Late));
                    }
                    assert_eq!(SPARE.with_borrow(Vec::len), 1);
                }
            });
        }
    }

    /// Whatever of that was left when it asked.
    #[tokio::test]
    async fn an_alarm_wakes_a_task_that_has_used_up_what_it_may_do_at_a_time() {
        for poll in [Alarm::poll_due, Alarm::poll_due_here] {
            for set in [Duration::ZERO, Duration::from_hours(1)] {
                // A task may do 128 things at a time.
                for done in 100..=130 {
                    let mut alarm = Alarm::new(set);
                    let due = Instant::now() + Duration::from_millis(5);
                    let mut left = done;
                    let waking = poll_fn(|cx| {
                        for _ in 0..std::mem::take(&mut left) {
                            _ = pin!(consume_budget()).poll(cx);
                        }
                        poll(&mut alarm, cx, due)
                    });
                    timeout(Duration::from_secs(20), waking)
                        .await
                        .unwrap_or_else(|_| panic!("{set:?}, {done} things done"));
                }
            }
        }
    }

    #[tokio::test]
    async fn an_alarm_wakes_at_the_deadline_however_it_was_set() {
        for poll in [Alarm::poll_due, Alarm::poll_due_here] {
            for set in [Duration::from_millis(1), Duration::from_hours(1)] {
                let mut alarm = Alarm::new(set);
                let later = Instant::now() + Duration::from_hours(2);
                for _ in 0..2 {
                    assert!(poll_fn(|cx| Poll::Ready(poll(&mut alarm, cx, later))).await.is_pending());
                }
                for after in [50, 10] {
                    let due = Instant::now() + Duration::from_millis(after);
                    let waking = poll_fn(|cx| poll(&mut alarm, cx, due));
                    timeout(Duration::from_mins(1), waking).await.expect("it wakes");
                    assert!(Instant::now() >= due);
                }
            }
        }
    }
}
