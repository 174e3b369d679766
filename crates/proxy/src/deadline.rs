//! Deadlines of what is mostly over long before them.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// Does some work within `deadline`, which begins when the work has to wait for the first time: what is ready at once needs
/// neither clock nor timer.
pub async fn within<F: Future>(deadline: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => timeout(deadline, work).await,
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
        self.asked = true;
        self.poll_due(cx, due)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn work_is_done_or_late() {
        assert_eq!(within(Duration::ZERO, ready(1)).await.unwrap(), 1);
        let waits = async {
            tokio::task::yield_now().await;
            2
        };
        assert_eq!(within(Duration::from_hours(1), waits).await.unwrap(), 2);
        assert!(within(Duration::from_millis(1), pending::<()>()).await.is_err());
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
