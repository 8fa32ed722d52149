//! Bounded pools of threads for everything that computes, apart from tokio's.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;

use crate::telemetry::Metrics;

type Job = Box<dyn FnOnce() + Send>;

/// Threads with a queue of limited length.
#[derive(Clone)]
pub(crate) struct Work {
    queue: SyncSender<Job>,
    name: &'static str,
    metrics: Metrics,
    /// What waits or runs.
    depth: Gauge,
}

/// Why work was not done.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// The queue is full: come back later.
    Full,
    /// The work panicked; what it was about is in the log.
    Panicked,
}

impl Work {
    /// Starts the threads. They end when the last clone of the pool is gone.
    pub(crate) fn start(name: &'static str, threads: usize, queued: usize, metrics: &Metrics) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(queued);
        let jobs = Arc::new(Mutex::new(jobs));
        for n in 0..threads {
            let jobs: Arc<Mutex<Receiver<Job>>> = jobs.clone();
            std::thread::Builder::new().name(format!("{name}-{n}")).spawn(move || {
                loop {
                    let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = next else { break };
                    // A panic ends one job, not the thread; the caller sees its channel closed.
                    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                }
            })?;
        }
        Ok(Self { queue, name, metrics: metrics.clone(), depth: metrics.queued(name) })
    }

    /// Runs work on the pool, or says at once that the queue is full. The result comes with the
    /// milliseconds that the work waited.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<(R, f64), NotDone> {
        let (job, done) = self.timed(work);
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!(pool = self.name, "queue is full");
                return Err(NotDone::Full);
            }
            Err(TrySendError::Disconnected(_)) => return Err(NotDone::Panicked),
        }
        done.await.map_err(|_| NotDone::Panicked)
    }

    /// Runs work on the pool, waiting for a place in the queue: for streams, whose sender is held back.
    pub(crate) async fn run_patiently<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<oneshot::Receiver<(R, f64)>, NotDone> {
        let (mut job, done) = self.timed(work);
        loop {
            match self.queue.try_send(job) {
                Ok(()) => return Ok(done),
                Err(TrySendError::Full(back)) => {
                    job = back;
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                Err(TrySendError::Disconnected(_)) => return Err(NotDone::Panicked),
            }
        }
    }

    fn timed<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> (Job, oneshot::Receiver<(R, f64)>) {
        let (done, receiver) = oneshot::channel();
        let (queued, counted) = (Instant::now(), Counted::in_(&self.depth));
        let (metrics, name) = (self.metrics.clone(), self.name);
        let job = Box::new(move || {
            let _counted = counted;
            let waited = queued.elapsed().as_secs_f64() * 1e3;
            metrics.waited(name, waited);
            let result = work();
            // Nobody may be waiting any more.
            let _ = done.send((result, waited));
        });
        (job, receiver)
    }
}

/// One of those that a gauge counts, as long as it is there.
pub(crate) struct Counted(Gauge);

impl Counted {
    pub(crate) fn in_(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_panic_is_told() {
        let work = Work::start("test", 1, 1, &Metrics::default()).unwrap();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let busy = work.run_patiently(move || held.recv()).await.unwrap();
        // One is running or queued; at most one more fits, so of these at least one is refused.
        let a = work.run_patiently(|| ()).await.unwrap();
        while !matches!(work.run(|| ()).now_or_never_full(), Some(true)) {
            tokio::task::yield_now().await;
        }
        hold.send(()).unwrap();
        assert!(busy.await.is_ok() && a.await.is_ok());
        assert!(matches!(work.run(|| panic!("lost")).await, Err(NotDone::Panicked)));
        assert_eq!(work.run(|| 7).await.unwrap().0, 7);
    }

    trait NowOrNever {
        fn now_or_never_full(self) -> Option<bool>;
    }

    impl<F: Future<Output = Result<((), f64), NotDone>>> NowOrNever for F {
        /// Polls once: whether it was refused at once.
        fn now_or_never_full(self) -> Option<bool> {
            let mut future = std::pin::pin!(self);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            match future.as_mut().poll(&mut context) {
                std::task::Poll::Ready(result) => Some(matches!(result, Err(NotDone::Full))),
                std::task::Poll::Pending => None,
            }
        }
    }
}
