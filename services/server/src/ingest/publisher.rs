//! Publishes staged documents in batches and acknowledges them in the order of the stream.

use std::time::{Duration, Instant};

use tamis::deadline::Deadline;
use tamis::error::Error;
use tamis::index::{DocumentHead, Scope};
use tamis::ingest::{Outcome, Staged};
use tokio::sync::mpsc;

use super::in_flight::{Acknowledge, Ids, InFlight, Staging};
use crate::app::App;
use crate::quota::Reservation;
use crate::status::reason;
use crate::v1;

/// Most documents of a batch: a commit costs about as much for one as for many.
const MAX_BATCH: usize = 256;
/// How long a batch waits for more documents that are still being encoded.
const MAX_WAIT: Duration = Duration::from_millis(200);

/// How long a stopping server waits for a client to read.
pub(super) const MAX_STALL: Duration = Duration::from_secs(5);

/// Where a stream's documents go.
pub(super) struct Target {
    pub(super) scope: Scope,
    /// Whether the reader reads them at once.
    pub(super) precompute: bool,
}

/// Runs until the reader is gone and everything it took is acknowledged.
pub(super) async fn publish(
    app: App,
    target: Target,
    mut taken: mpsc::Receiver<InFlight>,
    ids: Ids,
    acknowledge: Acknowledge,
) {
    let mut listening = true;
    while let Some(first) = taken.recv().await {
        let begun = Instant::now();
        let mut batch = vec![finished(first).await];
        while batch.len() < MAX_BATCH && begun.elapsed() < MAX_WAIT {
            match taken.try_recv() {
                Ok(next) => batch.push(finished(next).await),
                Err(_) => break,
            }
        }
        for response in publish_batch(&app, &target, batch).await {
            app.metrics.document(response.outcome());
            ids.release(&response.document_id);
            // A client that is gone does not get its acknowledgements; the documents are stored all the same.
            // One that does not read them must not keep the server from stopping.
            tokio::select! {
                sent = acknowledge.send(Ok(response)), if listening => listening = sent.is_ok(),
                () = stopped_for(&app, MAX_STALL), if listening => listening = false,
                else => {}
            }
        }
    }
}

/// Ends so long after the server was told to stop.
async fn stopped_for(app: &App, time: Duration) {
    app.stopping.cancelled().await;
    tokio::time::sleep(time).await;
}

struct Finished {
    id: String,
    index: u64,
    staged: Result<(Staged, Reservation), Error>,
}

async fn finished(InFlight { id, index, staged, held }: InFlight) -> Finished {
    let staged = match staged {
        Staging::Refused(e) => Err(e),
        Staging::Running(running) => match running.await {
            Ok(Ok((staged, _))) => staged,
            Ok(Err(_)) | Err(_) => Err(Error::Encoder("an internal error; the server's log has it".into())),
        },
    };
    drop(held);
    Finished { id, index, staged }
}

async fn publish_batch(app: &App, target: &Target, batch: Vec<Finished>) -> Vec<v1::IngestResponse> {
    let mut responses = Vec::with_capacity(batch.len());
    let mut accepted = Vec::new();
    let (mut staged, mut rooms) = (Vec::new(), Vec::new());
    for document in batch {
        match document.staged {
            Ok((s, room)) => {
                accepted.push(responses.len());
                responses.push(stored(document.id, document.index, &s));
                staged.push(s);
                rooms.push(room);
            }
            Err(e) => responses.push(refusal(document.id, document.index, &e)),
        }
    }
    let heads: Vec<DocumentHead> = staged.iter().map(|s: &Staged| s.head.clone()).collect();
    let (ingestor, scope, ours) = (app.ingestor.clone(), target.scope.clone(), heads.clone());
    let published = tokio::task::spawn_blocking(move || {
        let done = ingestor.publish(&scope, staged);
        done.map_err(|failure| (failure, ingestor.visible(&scope, &ours)))
    });
    let (failure, visible) = match published.await {
        Ok(Ok(())) => (None, vec![true; heads.len()]),
        Ok(Err((failure, visible))) => (Some(failure), visible),
        Err(_) => (Some(Error::Encoder("an internal error; the server's log has it".into())), vec![false; heads.len()]),
    };
    if let Some(failure) = &failure {
        tracing::error!("publishing failed: {failure}");
    }
    for (((n, head), room), is_visible) in accepted.into_iter().zip(heads).zip(rooms).zip(visible) {
        match &failure {
            Some(failure) if !is_visible => {
                responses[n] = refusal(responses[n].document_id.clone(), responses[n].index, failure);
            }
            _ => {
                room.stored();
                if target.precompute {
                    responses[n].precomputed = precompute(app, &target.scope, head).await;
                }
            }
        }
    }
    responses
}

/// Lets the reader read a document that is stored. It stays stored where that fails.
async fn precompute(app: &App, scope: &Scope, head: DocumentHead) -> u32 {
    let (compressor, scope) = (app.compressor.clone(), scope.clone());
    let (id, cost) = (head.id.clone(), head.bytes);
    let work = move || compressor.precompute(&scope, &head, &Deadline::none());
    match app.reads.run_patiently(cost, work).await.await {
        Ok(Ok((Ok(kept), _))) => kept,
        Ok(Ok((Err(e), _))) => {
            tracing::warn!("{id} was not read ahead: {e}");
            0
        }
        Ok(Err(_)) | Err(_) => 0,
    }
}

fn stored(document_id: String, index: u64, staged: &Staged) -> v1::IngestResponse {
    let outcome = match staged.outcome {
        Outcome::Created => v1::IngestOutcome::Created,
        Outcome::Replaced => v1::IngestOutcome::Replaced,
        Outcome::Unchanged => v1::IngestOutcome::Unchanged,
        Outcome::MetadataUpdated => v1::IngestOutcome::MetadataUpdated,
    };
    v1::IngestResponse {
        document_id,
        index,
        outcome: outcome.into(),
        revision: staged.head.revision.0,
        error: None,
        blocks: staged.head.blocks,
        segments: staged.head.segments,
        precomputed: 0,
    }
}

fn refusal(document_id: String, index: u64, error: &Error) -> v1::IngestResponse {
    v1::IngestResponse {
        document_id,
        index,
        outcome: v1::IngestOutcome::Refused.into(),
        error: Some(v1::IngestError { reason: reason(error).to_owned(), message: error.to_string() }),
        ..v1::IngestResponse::default()
    }
}
