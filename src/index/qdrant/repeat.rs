//! When a call is made a second time: after a failure that passes, and beside a call that takes long.
//!
//! All of our calls may be repeated without harm. What keeps repetition from becoming a load of its own on a cluster in
//! trouble is the [`Spare`]: it is spent by every repetition and earned by what succeeds (as in gRPC's retry throttling,
//! proposal A6).

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use qdrant_client::{Qdrant, QdrantError};
use tonic::Code;

use crate::deadline::Deadline;

/// Times that a call is tried.
const TRIES: u32 = 4;
/// The first pause between tries; each next one is twice as long, and each of random length up to that.
const PAUSE: Duration = Duration::from_millis(50);
/// A repetition costs so many successes.
const COST: u32 = 10;
/// What may be saved: twenty repetitions.
const MOST: u32 = 20 * COST;
/// A call that reads is made again beside itself after this part of its time...
const HEDGED_AFTER: u32 = 8;
/// ... or so long.
const HEDGED_AFTER_AT_MOST: Duration = Duration::from_secs(1);

/// How many repetitions may be made before calls have to succeed again.
pub(super) struct Spare(AtomicU32);

impl Default for Spare {
    fn default() -> Self {
        Self(AtomicU32::new(MOST))
    }
}

impl Spare {
    fn earn(&self) {
        let more = |spare: u32| Some((spare + 1).min(MOST));
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Whether there is enough, which is then taken.
    fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spare| spare.checked_sub(COST)).is_ok()
    }
}

/// How a call may be repeated.
pub(super) struct Repeating<'a> {
    pub(super) spare: &'a Spare,
    pub(super) deadline: &'a Deadline,
    /// The time of one try, where it only reads and so may be made beside itself.
    pub(super) hedged: Option<Duration>,
}

impl Repeating<'_> {
    /// Makes the call until it succeeds, fails for good, or there is no time or nothing to spare: then the last failure.
    pub(super) async fn call<T, F>(&self, client: &Qdrant, call: impl Fn(Qdrant) -> F) -> Result<T, QdrantError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let mut pause = PAUSE;
        for tries in 1.. {
            let failure = match self.once(client, &call).await {
                Ok(done) => {
                    self.spare.earn();
                    return Ok(done);
                }
                Err(failure) => failure,
            };
            let part = getrandom::u32().map_or(1.0, |bits| f64::from(bits) / f64::from(u32::MAX));
            let (passes, now) = (is_passing(&failure), pause.mul_f64(part));
            if !passes
                || tries == TRIES
                || self.deadline.remaining().is_some_and(|left| left <= now)
                || !self.spare.spend()
            {
                return Err(failure);
            }
            tracing::debug!("repeating a call to the index: {failure}");
            tokio::time::sleep(now).await;
            pause *= 2;
        }
        call(client.clone()).await
    }

    /// One try, and where it is slow another beside it, over the client's next connection: whichever answers first.
    async fn once<T, F>(&self, client: &Qdrant, call: &impl Fn(Qdrant) -> F) -> Result<T, QdrantError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let mut first = std::pin::pin!(call(client.clone()));
        let Some(limit) = self.hedged else { return first.await };
        let after = (limit / HEDGED_AFTER).min(HEDGED_AFTER_AT_MOST);
        if let Ok(done) = tokio::time::timeout(after, &mut first).await {
            return done;
        }
        if !self.spare.spend() {
            return first.await;
        }
        tracing::debug!("a call to the index is slow: making it again beside itself");
        tokio::select! {
            done = first => done,
            done = call(client.clone()) => done,
        }
    }
}

/// Whether it may be otherwise in a moment.
pub(super) fn is_passing(error: &QdrantError) -> bool {
    let Some((code, message)) = status(error) else { return false };
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::Unknown => true,
        // What the client says of a server that it can't reach.
        Code::Internal => message.starts_with("Failed to connect"),
        _ => false,
    }
}

pub(super) fn status(error: &QdrantError) -> Option<(Code, &str)> {
    match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => {
            Some((status.code(), status.message()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_spent_and_earned() {
        let spare = Spare::default();
        assert_eq!((0..100).filter(|_| spare.spend()).count(), 20);
        (0..COST).for_each(|_| spare.earn());
        assert!(spare.spend() && !spare.spend());
    }
}
