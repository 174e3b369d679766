//! A deadline for work that is mostly ready at once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// Does some work within `deadline`, which begins when the work has to wait for the first time: what is ready at once needs
/// neither clock nor timer.
pub async fn within<F: Future>(deadline: Duration, work: F) -> Result<F::Output, Elapsed> {
    let mut work = pin!(work);
    match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => timeout(deadline, work).await,
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
}
