//! How many bytes of requests may be here at once, of all callers together.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for, in bytes.
const UNIT: usize = 1024;
/// How long a message waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

/// A number of bytes that are taken and given back; cheap to clone.
#[derive(Clone)]
pub(crate) struct Memory {
    left: Arc<Semaphore>,
    all: u32,
    patience: Duration,
}

/// Bytes that are taken, until it is dropped.
#[derive(Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

impl Held {
    /// The bytes of both.
    pub(crate) fn and(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(own), Some(other)) => own.merge(other),
            (own, other) => *own = own.take().or(other),
        }
    }
}

/// There is no room for so many bytes.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl Memory {
    pub(crate) fn new(mib: usize) -> Self {
        let units = mib.saturating_mul(1024 * 1024 / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        let all = u32::try_from(units).unwrap_or(u32::MAX);
        Self { left: Arc::new(Semaphore::new(all as usize)), all, patience: PATIENCE }
    }

    fn units(&self, bytes: usize) -> Result<u32, NoRoom> {
        u32::try_from(bytes.div_ceil(UNIT)).ok().filter(|units| *units <= self.all).ok_or(NoRoom)
    }

    /// Takes so many bytes, if they are there.
    pub(crate) fn take(&self, bytes: usize) -> Result<Held, NoRoom> {
        let units = self.units(bytes)?;
        self.left.clone().try_acquire_many_owned(units).map(|p| Held(Some(p))).map_err(|_| NoRoom)
    }

    /// Takes so many bytes as soon as they are there, but waits no longer than a while.
    pub(crate) async fn wait_for(self, bytes: usize) -> Result<Held, NoRoom> {
        let units = self.units(bytes)?;
        let taken = tokio::time::timeout(self.patience, self.left.acquire_many_owned(units)).await;
        taken.map_err(|_| NoRoom)?.map(|p| Held(Some(p))).map_err(|_| NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_are_taken_and_given_back() {
        let memory = Memory { patience: Duration::from_millis(50), ..Memory::new(1) };
        let mut all = memory.take(1024 * 1000).unwrap();
        assert!(memory.take(1024 * 25).is_err() && memory.take(1 << 40).is_err());
        all.and(memory.take(1024 * 24).unwrap());
        assert!(memory.clone().wait_for(1).await.is_err(), "it does not wait for ever");
        let patient = Memory { patience: PATIENCE, ..memory.clone() };
        let waiting = tokio::spawn(patient.wait_for(1024 * 1024));
        tokio::task::yield_now().await;
        drop(all);
        assert!(waiting.await.unwrap().is_ok());
        assert!(memory.take(1024 * 1024).is_ok());
    }
}
