//! Documents between the reader of a stream and its publisher.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tamis::error::{Error, Result};
use tamis::ingest::Staged;
use tokio::sync::{Notify, mpsc, oneshot};
use tonic::Status;

use crate::memory::Held;
use crate::quota::Reservation;
use crate::v1;
use crate::work::Outcome;

pub(super) type Acknowledge = mpsc::Sender<std::result::Result<v1::IngestResponse, Status>>;

/// A document on its way from the reader to the publisher.
pub(super) struct InFlight {
    pub(super) id: String,
    pub(super) index: u64,
    pub(super) staged: Staging,
    /// What it takes until it is staged.
    pub(super) held: Held,
}

pub(super) enum Staging {
    Refused(Error),
    Running(oneshot::Receiver<Outcome<Result<(Staged, Reservation)>>>),
}

/// Ids of a stream that are being worked on. A second document with such an id waits for the first to be
/// published: otherwise the two could overtake each other.
#[derive(Clone, Default)]
pub(super) struct Ids {
    busy: Arc<Mutex<HashSet<String>>>,
    changed: Arc<Notify>,
}

impl Ids {
    pub(super) async fn claim(&self, id: &str) {
        loop {
            let changed = self.changed.notified();
            if self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn release(&self, id: &str) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.changed.notify_waiters();
    }
}
