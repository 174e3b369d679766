//! Work that must end, whoever waits for it.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::sync::ReusableBoxFuture;
use tokio_util::task::TaskTracker;

/// Work that goes on in a task of its own when the one who waits for it goes away. As long as somebody waits it needs none.
pub struct Outliving<T: Send + 'static> {
    work: Option<Work<T>>,
    from: Arc<Workplace<T>>,
}

type Work<T> = ReusableBoxFuture<'static, T>;

/// Where such work goes on, and the memory of work that has ended, for what comes next: a request needs more than the
/// allocator hands out quickly.
#[derive(Debug)]
pub struct Workplace<T> {
    tasks: TaskTracker,
    ended: Mutex<Vec<Work<T>>>,
}

/// As much memory as is kept: for so many at once.
const MOST_KEPT: usize = 64;

/// The work ended with a panic; what it was is on standard error.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
pub struct Panicked;

impl<T: Send + 'static> Workplace<T> {
    /// What outlives its caller goes on among `tasks`.
    pub fn new(tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self { tasks, ended: Mutex::default() })
    }

    fn hold(&self, work: impl Future<Output = T> + Send + 'static) -> Work<T> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match ended {
            Some(mut place) => {
                place.set(work);
                place
            }
            None => ReusableBoxFuture::new(work),
        }
    }

    fn keep(&self, ended: Work<T>) {
        let mut kept = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(ended);
        }
    }
}

impl<T: Send + 'static> Outliving<T> {
    /// Begins with the first poll.
    pub fn new(work: impl Future<Output = T> + Send + 'static, at: &Arc<Workplace<T>>) -> Self {
        Self { work: Some(at.hold(work)), from: Arc::clone(at) }
    }
}

impl<T: Send + 'static> Future for Outliving<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(mut work) = self.work.take() else { return Poll::Ready(Err(Panicked)) };
        let polled = poll_caught(&mut work, cx);
        match &polled {
            Poll::Pending => self.work = Some(work),
            Poll::Ready(Ok(_)) => self.from.keep(work),
            // What a panic left behind is never looked at again.
            Poll::Ready(Err(Panicked)) => {}
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Outliving<T> {
    fn drop(&mut self) {
        // Without a runtime the process is at its end.
        if let (Some(mut work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let rest = poll_fn(move |cx| poll_caught(&mut work, cx));
            self.from.tasks.spawn_on(rest, &runtime);
        }
    }
}

/// Goes on with the work; a panic of it is told of.
fn poll_caught<T>(work: &mut Work<T>, cx: &mut Context<'_>) -> Poll<Result<T, Panicked>> {
    let Ok(polled) = catch_unwind(AssertUnwindSafe(|| work.poll(cx))) else {
        tracing::error!("a request panicked and has no answer; where, stands on standard error");
        return Poll::Ready(Err(Panicked));
    };
    polled.map(Ok)
}

#[cfg(test)]
mod tests {
    use tokio::sync::Notify;
    use tokio::sync::oneshot;

    use super::*;

    /// Work that waits to be told to end, and then tells of its end.
    fn work(tasks: &TaskTracker) -> (Outliving<u8>, Arc<Notify>, oneshot::Receiver<()>) {
        let (go, (tell, ended)) = (Arc::new(Notify::new()), oneshot::channel());
        let going = Arc::clone(&go);
        let work = async move {
            going.notified().await;
            _ = tell.send(());
            7
        };
        (Outliving::new(work, &Workplace::new(tasks.clone())), go, ended)
    }

    #[tokio::test]
    async fn who_waits_gets_what_came_of_it_and_no_task_is_needed() {
        let tasks = TaskTracker::new();
        let (mut work, go, ended) = work(&tasks);
        tokio::select! {
            biased;
            _ = &mut work => panic!("nobody told it to end"),
            () = std::future::ready(()) => {}
        }
        go.notify_one();
        assert_eq!(work.await.unwrap(), 7);
        ended.await.unwrap();
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn it_goes_on_when_nobody_waits_whether_it_has_begun_or_not() {
        for begun in [true, false] {
            let tasks = TaskTracker::new();
            let (mut work, go, ended) = work(&tasks);
            if begun {
                assert!(
                    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut work).poll(cx))).await.is_pending()
                );
            }
            drop(work);
            assert_eq!(tasks.len(), 1, "the end of the process waits for it");
            go.notify_one();
            ended.await.unwrap();
            tasks.close();
            tasks.wait().await;
        }
    }

    #[tokio::test]
    async fn memory_of_ended_work_is_used_again() {
        let place = Workplace::new(TaskTracker::new());
        for round in 0..3_usize {
            assert_eq!(Outliving::new(async move { round }, &place).await.unwrap(), round);
            assert_eq!(place.ended.lock().unwrap().len(), 1);
        }
        let many: Vec<_> = (0..MOST_KEPT + 9).map(|n| Outliving::new(async move { n }, &place)).collect();
        for (n, work) in many.into_iter().enumerate() {
            assert_eq!(work.await.unwrap(), n);
        }
        assert_eq!(place.ended.lock().unwrap().len(), MOST_KEPT);
    }

    /// Whether somebody waits for it or not, the log says so.
    #[tokio::test]
    async fn a_panic_ends_the_work_alone_and_is_told_of() {
        for waited_for in [true, false] {
            let log = Arc::new(Mutex::new(Vec::new()));
            let writer = Written(Arc::clone(&log));
            let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
            let _told = tracing::subscriber::set_default(subscriber);
            let tasks = TaskTracker::new();
            let work = async { if tasks_are_many() { 1 } else { panic!("as it is meant to") } };
            let place = Workplace::new(tasks.clone());
            let work = Outliving::new(work, &place);
            if waited_for {
                assert!(work.await.is_err());
                assert!(place.ended.lock().unwrap().is_empty(), "what it leaves behind is not used again");
                assert!(tasks.is_empty(), "what panicked does not go on");
            } else {
                drop(work);
                tasks.close();
                tasks.wait().await;
            }
            let told = String::from_utf8(log.lock().unwrap().clone()).unwrap();
            assert_eq!(told.matches("a request panicked").count(), 1, "{told}");
        }
    }

    /// A log in memory.
    #[derive(Clone)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn tasks_are_many() -> bool {
        false
    }

    #[test]
    fn it_does_not_outlive_the_runtime() {
        let (tasks, alive) = (TaskTracker::new(), Arc::new(()));
        let held = Arc::clone(&alive);
        let work = Outliving::new(
            async move {
                std::future::pending::<()>().await;
                drop(held);
            },
            &Workplace::new(tasks.clone()),
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.spawn(work);
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        assert_eq!(Arc::strong_count(&alive), 1);
        assert!(tasks.is_empty());
    }
}
