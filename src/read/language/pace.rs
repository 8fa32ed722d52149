//! How long a pass will take, as far as the last ones tell.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// Nanoseconds that a token of the last passes took; 0 before the first.
#[derive(Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    /// # Errors
    /// [`Error::DeadlineExceeded`] where a pass of so many tokens would end behind the deadline.
    pub(super) fn allows(&self, tokens: usize, deadline: &Deadline) -> Result<()> {
        let needed = Duration::from_nanos(self.0.load(Ordering::Relaxed).saturating_mul(tokens as u64));
        if deadline.remaining().is_some_and(|left| left < needed) {
            return Err(Error::DeadlineExceeded { stage: "read" });
        }
        Ok(())
    }

    pub(super) fn took(&self, tokens: usize, time: Duration) {
        let before = self.0.load(Ordering::Relaxed);
        let now = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / (tokens as u64).max(1);
        self.0.store(if before == 0 { now } else { (3 * before + now) / 4 }, Ordering::Relaxed);
    }
}
