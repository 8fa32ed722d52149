//! Bounded pools of threads for everything that computes, apart from tokio's.

mod queue;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{Notify, oneshot};

use crate::telemetry::Metrics;
use crate::threads::Gives;
use queue::{Full, Next, Queue, Turn};

/// Does the work, or says that it will not be done.
type Job = Box<dyn FnOnce(Do) + Send>;

enum Do {
    Work,
    /// Others need the place more.
    Give(Duration),
}

/// Threads with a queue of limited length; cheap to clone.
#[derive(Clone)]
pub(crate) struct Work {
    pool: Arc<Pool>,
    metrics: Metrics,
    /// What waits or runs.
    depth: Gauge,
}

/// Why work was not done.
#[derive(Debug)]
pub(crate) enum NotDone {
    /// Too much waits: come back in a while.
    Full(Duration),
    /// It could not begin within its time; with so long a wait.
    TooLate(Duration),
    /// The work panicked; what it was about is in the log.
    Panicked,
}

/// What came of work, with the milliseconds that it waited.
pub(crate) type Outcome<R> = Result<(R, f64), NotDone>;

impl Work {
    /// Starts the threads. They end when the last clone of the pool is gone. Work may wait long for bursts of so much time;
    /// without it, as long as it likes.
    pub(crate) fn start(
        name: &'static str,
        threads: usize,
        queued: usize,
        (gives, burst): (Gives, Option<Duration>),
        metrics: &Metrics,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            name,
            state: Mutex::new(State { queue: Queue::new(threads, queued, burst), closed: false }),
            work: Condvar::new(),
            room: Notify::new(),
        });
        for n in 0..threads {
            let shared = shared.clone();
            std::thread::Builder::new().name(format!("{name}-{n}")).spawn(move || shared.serve(gives))?;
        }
        Ok(Self { pool: Arc::new(Pool(shared)), metrics: metrics.clone(), depth: metrics.queued(name) })
    }

    /// Runs work of this cost on the pool, or says at once that there is no room, or that it could not begin within what is
    /// left of its time. The result comes with the milliseconds that the work waited. Dropped, it takes the work out of the
    /// queue.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        cost: u64,
        left: Option<Duration>,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Outcome<R> {
        let (job, done) = self.job(work);
        let place = {
            let mut state = self.pool.0.state();
            let wait = state.queue.wait(cost);
            if !state.queue.is_empty() && left.is_some_and(|left| wait > left) {
                return Err(NotDone::TooLate(wait));
            }
            match state.queue.push(cost, job) {
                Ok((turn, gone)) => {
                    if let Some(gone) = gone {
                        gone(Do::Give(wait));
                    }
                    Place { shared: self.pool.0.clone(), turn }
                }
                Err((_, Full { again })) => return Err(NotDone::Full(again)),
            }
        };
        self.pool.0.work.notify_one();
        let outcome = done.await.unwrap_or(Err(NotDone::Panicked));
        drop(place);
        outcome
    }

    /// Runs work on the pool, waiting for a place in the queue: for streams, whose sender is held back.
    pub(crate) async fn run_patiently<R: Send + 'static>(
        &self,
        cost: u64,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> oneshot::Receiver<Outcome<R>> {
        let (job, done) = self.job(work);
        loop {
            let room = self.pool.0.room.notified();
            {
                let mut state = self.pool.0.state();
                if state.queue.has_room() {
                    state.queue.push_patient(cost, job);
                    break;
                }
            }
            room.await;
        }
        self.pool.0.work.notify_one();
        done
    }

    fn job<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> (Job, oneshot::Receiver<Outcome<R>>) {
        let (done, receiver) = oneshot::channel();
        let (queued, counted) = (Instant::now(), Counted::in_(&self.depth));
        let (metrics, name) = (self.metrics.clone(), self.pool.0.name);
        let job = Box::new(move |what| {
            let _counted = counted;
            // Nobody may be waiting any more.
            let _ = match what {
                Do::Work => {
                    let waited = queued.elapsed().as_secs_f64() * 1e3;
                    metrics.waited(name, waited);
                    let result = work();
                    done.send(Ok((result, waited)))
                }
                Do::Give(again) => done.send(Err(NotDone::Full(again))),
            };
        });
        (job, receiver)
    }
}

/// Ends the threads when nobody has work for them any more.
struct Pool(Arc<Shared>);

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.work.notify_all();
    }
}

struct Shared {
    name: &'static str,
    state: Mutex<State>,
    work: Condvar,
    room: Notify,
}

struct State {
    queue: Queue<Job>,
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, gives: Gives) {
        gives.apply();
        loop {
            let mut state = self.state();
            let (cost, job) = loop {
                match state.queue.pop() {
                    Some(Next::Begin { cost, work }) => break (cost, work),
                    Some(Next::Refuse { again, work }) => {
                        // Only says so to whoever waits.
                        work(Do::Give(again));
                        self.room.notify_one();
                    }
                    None if state.closed => return,
                    None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                }
            };
            drop(state);
            self.room.notify_one();
            let began = Instant::now();
            // A panic ends one job, not the thread; the caller sees its channel closed.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || job(Do::Work)));
            self.state().queue.ended(cost, began.elapsed());
        }
    }
}

/// A place in the queue, given up when nobody waits for the work any more.
struct Place {
    shared: Arc<Shared>,
    turn: Turn,
}

impl Drop for Place {
    fn drop(&mut self) {
        let gone = self.shared.state().queue.remove(self.turn);
        if gone.is_some() {
            self.shared.room.notify_one();
        }
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

    /// A pool of one thread that is busy until the sender says so.
    async fn busy(queued: usize) -> (Work, std::sync::mpsc::Sender<()>) {
        let work = Work::start("test", 1, queued, (Gives::Little, None), &Metrics::default()).unwrap();
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        drop(work.run_patiently(1, move || (begun.send(()), held.recv())).await);
        begins.await.unwrap();
        (work, hold)
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_panic_is_told() {
        let (work, hold) = busy(1).await;
        let waiting = work.run_patiently(1, || 5).await;
        assert!(matches!(work.run(1, None, || ()).await, Err(NotDone::Full(_))));
        hold.send(()).unwrap();
        assert_eq!(waiting.await.unwrap().unwrap().0, 5);
        assert!(matches!(work.run(1, None, || panic!("lost")).await, Err(NotDone::Panicked)));
        assert_eq!(work.run(1, None, || 7).await.unwrap().0, 7);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_leaves_the_queue_and_long_work_gives_way() {
        let (work, hold) = busy(1).await;
        let ours = work.clone();
        let given_up = tokio::spawn(async move { ours.run(1000, None, || ()).await.is_ok() });
        while work.pool.0.state().queue.has_room() {
            tokio::task::yield_now().await;
        }
        given_up.abort();
        let _ = given_up.await;
        assert!(work.pool.0.state().queue.has_room(), "its place is free at once");
        let ours = work.clone();
        let long = tokio::spawn(async move { ours.run(1000, None, || ()).await });
        while work.pool.0.state().queue.has_room() {
            tokio::task::yield_now().await;
        }
        let ours = work.clone();
        let short = tokio::spawn(async move { ours.run(1, None, || 9).await });
        assert!(matches!(long.await.unwrap(), Err(NotDone::Full(_))));
        hold.send(()).unwrap();
        assert_eq!(short.await.unwrap().unwrap().0, 9);
    }

    #[tokio::test]
    async fn what_could_not_begin_in_time_is_refused_at_once() {
        let (work, hold) = busy(8).await;
        {
            // A unit of cost takes a second.
            let mut state = work.pool.0.state();
            state.queue.ended(1, Duration::from_secs(1));
        }
        let _waits = work.run_patiently(60, || ()).await;
        let late = work.run(60, Some(Duration::from_secs(5)), || ()).await;
        assert!(matches!(late, Err(NotDone::TooLate(wait)) if wait >= Duration::from_secs(60)), "{late:?}");
        hold.send(()).unwrap();
    }
}
