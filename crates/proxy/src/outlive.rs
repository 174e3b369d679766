//! Work that must end, whoever waits for it.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Work that goes on in a task of its own when the one who waits for it goes away. As long as somebody waits it needs none.
pub struct Outliving<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    tasks: TaskTracker,
}

/// The work ended with a panic; what it was is on standard error.
#[derive(Debug, thiserror::Error)]
#[error("it panicked")]
pub struct Panicked;

impl<F: Future<Output: Send> + Send + 'static> Outliving<F> {
    /// Begins with the first poll; `tasks` is where it goes on.
    pub fn new(work: F, tasks: TaskTracker) -> Self {
        Self { work: Some(Box::pin(work)), tasks }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Outliving<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else { return Poll::Ready(Err(Panicked)) };
        let polled = poll_caught(work.as_mut(), cx);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Outliving<F> {
    fn drop(&mut self) {
        // Without a runtime the process is at its end.
        if let (Some(mut work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let rest = poll_fn(move |cx| poll_caught(work.as_mut(), cx));
            self.tasks.spawn_on(rest, &runtime);
        }
    }
}

/// Goes on with the work; a panic of it is told of. What it leaves behind must not be looked at again.
fn poll_caught<F: Future>(work: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Panicked>> {
    let Ok(polled) = catch_unwind(AssertUnwindSafe(|| work.poll(cx))) else {
        tracing::error!("a request panicked and has no answer; where, stands on standard error");
        return Poll::Ready(Err(Panicked));
    };
    polled.map(Ok)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::Notify;
    use tokio::sync::oneshot;

    use super::*;

    /// Work that waits to be told to end, and then tells of its end.
    fn work(
        tasks: &TaskTracker,
    ) -> (Outliving<impl Future<Output = u8> + use<>>, Arc<Notify>, oneshot::Receiver<()>) {
        let (go, (tell, ended)) = (Arc::new(Notify::new()), oneshot::channel());
        let going = Arc::clone(&go);
        let work = async move {
            going.notified().await;
            _ = tell.send(());
            7
        };
        (Outliving::new(work, tasks.clone()), go, ended)
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
            let work = Outliving::new(work, tasks.clone());
            if waited_for {
                assert!(work.await.is_err());
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
            tasks.clone(),
        );
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.spawn(work);
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
        assert_eq!(Arc::strong_count(&alive), 1);
        assert!(tasks.is_empty());
    }
}
