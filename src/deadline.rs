//! Deadline and cancellation of one request, checked inside every stage that computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// When to stop working: at a point in time, or as soon as the caller is gone.
///
/// Clones share the cancellation flag, so a front end keeps one clone and hands the other to the
/// computing side.
#[derive(Clone, Debug, Default)]
pub struct Deadline {
    at: Option<Instant>,
    cancelled: Arc<AtomicBool>,
}

impl Deadline {
    /// No limit in time; can still be cancelled.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A limit counted from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self { at: Instant::now().checked_add(duration), ..Self::default() }
    }

    /// The same, sooner by a tenth of what is left and at least by so much: for work that is to leave time for what comes
    /// after it.
    #[must_use]
    pub fn reserving(&self, least: Duration) -> Self {
        let reserve = self.remaining().map_or(least, |left| least.max(left / 10));
        let at = self.at.map(|at| at.checked_sub(reserve).unwrap_or(at));
        Self { at, cancelled: self.cancelled.clone() }
    }

    /// What is left of the time; `None` without a limit.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Makes every later [`Self::check`] of every clone fail with [`Error::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Fails if the caller is gone or the time is over.
    ///
    /// # Errors
    /// [`Error::Cancelled`] or [`Error::DeadlineExceeded`] with the name of the stage.
    pub fn check(&self, stage: &'static str) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        match self.at {
            Some(at) if Instant::now() >= at => Err(Error::DeadlineExceeded { stage }),
            _ => Ok(()),
        }
    }
}
