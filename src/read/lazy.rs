//! A reader that is opened when it is first needed: it takes seconds and memory that not everybody has use for.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Reader;
use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// How often a waiting request looks whether its caller is still there.
const LOOK: Duration = Duration::from_millis(20);

/// Opens a reader once, in a thread of its own; requests wait for it no longer than their deadline.
#[derive(Clone)]
pub struct LazyReader(Arc<Inner>);

struct Inner {
    open: Box<dyn Fn() -> Result<Arc<dyn Reader>> + Send + Sync>,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    /// Nobody needed it so far, or it failed and will be tried again.
    Closed,
    Opening,
    Open(Arc<dyn Reader>),
    Failed(String),
}

impl LazyReader {
    /// One that is opened by this.
    #[must_use]
    pub fn new(open: impl Fn() -> Result<Arc<dyn Reader>> + Send + Sync + 'static) -> Self {
        let (state, changed) = (Mutex::new(State::Closed), Condvar::new());
        Self(Arc::new(Inner { open: Box::new(open), state, changed }))
    }

    /// One that is open.
    #[must_use]
    pub fn opened(reader: Arc<dyn Reader>) -> Self {
        let again = reader.clone();
        let lazy = Self::new(move || Ok(again.clone()));
        *lazy.0.lock() = State::Open(reader);
        lazy
    }

    /// Begins to open it, and returns at once.
    pub fn begin(&self) {
        let mut state = self.0.lock();
        if !matches!(*state, State::Closed | State::Failed(_)) {
            return;
        }
        *state = State::Opening;
        drop(state);
        let inner = self.0.clone();
        std::thread::spawn(move || {
            let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (inner.open)()));
            *inner.lock() = match opened {
                Ok(Ok(reader)) => State::Open(reader),
                Ok(Err(e)) => State::Failed(e.to_string()),
                Err(_) => State::Failed("opening it failed; the server's log has it".into()),
            };
            inner.changed.notify_all();
        });
    }

    /// The reader, opened if it is not.
    ///
    /// # Errors
    /// [`Error::Reader`] where it can't be opened; the deadline's, where it is not open in time.
    pub fn get(&self, deadline: &Deadline) -> Result<Arc<dyn Reader>> {
        if let State::Open(reader) = &*self.0.lock() {
            return Ok(reader.clone());
        }
        self.begin();
        let mut state = self.0.lock();
        loop {
            match &*state {
                State::Open(reader) => return Ok(reader.clone()),
                State::Failed(reason) => return Err(Error::Reader(reason.clone())),
                State::Closed | State::Opening => {}
            }
            deadline.check("read")?;
            state = self.0.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A state is written whole: it is sound between any two statements that hold the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
