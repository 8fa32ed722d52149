//! A pool of single-threaded sessions; questions go before documents.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// Who waits for a session: a question goes before documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// A request is waiting.
    Query,
    /// Documents being ingested.
    Ingest,
}

/// Hands out sessions one at a time.
pub(crate) struct Pool<S> {
    state: Mutex<State<S>>,
    returned: Condvar,
    size: usize,
}

struct State<S> {
    idle: Vec<S>,
    /// Questions waiting for a session; documents stand back while there are any.
    questions: usize,
}

impl<S> Pool<S> {
    pub(crate) fn new(sessions: Vec<S>) -> Self {
        let size = sessions.len();
        Self { state: Mutex::new(State { idle: sessions, questions: 0 }), returned: Condvar::new(), size }
    }

    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Waits for a session, runs `work` with it, and takes it back, also if `work` panics.
    pub(crate) fn with<R>(&self, priority: Priority, work: impl FnOnce(&mut S) -> R) -> R {
        let mut lease = Lease { pool: self, session: Some(self.take(priority)) };
        match lease.session.as_mut() {
            Some(session) => work(session),
            None => unreachable!("a lease holds its session until it is dropped"),
        }
    }

    fn take(&self, priority: Priority) -> S {
        let mut state = self.lock();
        if priority == Priority::Query {
            state.questions += 1;
        }
        loop {
            if (priority == Priority::Query || state.questions == 0)
                && let Some(session) = state.idle.pop()
            {
                if priority == Priority::Query {
                    state.questions -= 1;
                    if state.questions == 0 {
                        self.returned.notify_all();
                    }
                }
                return session;
            }
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // The state is consistent between any two statements that hold the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lease<'p, S> {
    pool: &'p Pool<S>,
    session: Option<S>,
}

impl<S> Drop for Lease<'_, S> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.pool.lock().idle.push(session);
            self.pool.returned.notify_all();
        }
    }
}

/// Runs `work` for every index on so many threads; results in order. The first error ends it.
pub(crate) fn in_parallel<R: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = threads.min(count);
    if threads <= 1 {
        return (0..count).map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(count));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let result = work(n);
                    if result.is_err() {
                        next.store(count, Ordering::Relaxed);
                    }
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((n, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_overtakes_waiting_documents() {
        let pool = Pool::new(vec![()]);
        let order = Mutex::new(Vec::new());
        let waiting = AtomicUsize::new(0);
        std::thread::scope(|s| {
            pool.with(Priority::Ingest, |()| {
                for who in [Priority::Ingest, Priority::Query] {
                    let (pool, order, waiting) = (&pool, &order, &waiting);
                    s.spawn(move || {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        pool.with(who, |()| order.lock().unwrap().push(who));
                    });
                }
                // Both threads have started, and the question has registered itself.
                while waiting.load(Ordering::SeqCst) < 2 || pool.lock().questions == 0 {
                    std::thread::yield_now();
                }
            });
        });
        assert_eq!(*order.lock().unwrap(), [Priority::Query, Priority::Ingest]);
    }

    #[test]
    fn a_session_comes_back_after_a_panic() {
        let pool = Pool::new(vec![7]);
        let died = std::thread::scope(|s| s.spawn(|| pool.with(Priority::Ingest, |_| panic!("lost"))).join());
        assert!(died.is_err());
        assert_eq!(pool.with(Priority::Query, |n| *n), 7);
    }
}
