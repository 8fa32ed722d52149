//! So many at once, and the others wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tamis::deadline::Deadline;
use tamis::error::Result;

/// A caller that is gone is noticed after so long.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// Given back when dropped.
pub(super) struct Slot<'a>(&'a Slots);

impl Slots {
    pub(super) fn new(slots: usize) -> Self {
        Self { free: Mutex::new(slots), freed: Condvar::new() }
    }

    /// Waits for a slot, no longer than the deadline.
    pub(super) fn take(&self, deadline: &Deadline) -> Result<Slot<'_>> {
        let mut free = self.free();
        while *free == 0 {
            deadline.check("summarize")?;
            free = self.freed.wait_timeout(free, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= 1;
        Ok(Slot(self))
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        // A number is whole after any panic.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free() += 1;
        self.0.freed.notify_one();
    }
}
