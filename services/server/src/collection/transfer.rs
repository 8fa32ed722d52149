//! Collections as streams of frames, out and in.

use tamis::deadline::Deadline;
use tamis::error::Error;
use tamis::index::{DocumentHead, Scope};
use tamis::transfer::{Import, Imported, export};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::app::App;
use crate::call::{Call, Cost, compute};
use crate::quota::Guard;
use crate::status::{not_done, refused};
use crate::v1;
use crate::work::NotDone;

/// Frames that may wait for a slow client.
const FRAMES: usize = 8;

pub(super) type Frames = mpsc::Receiver<std::result::Result<v1::ExportCollectionResponse, Status>>;

/// Begins to hand out a collection.
pub(super) fn begin_export(app: App, scope: Scope, vectors: bool, deadline: Deadline, open: Guard) -> Frames {
    let (say, frames) = mpsc::channel(FRAMES);
    tokio::spawn(async move {
        let _open = open;
        let (index, to) = (app.index.clone(), say.clone());
        let work = move |deadline: &Deadline| {
            let open = || index.view_until(&scope, deadline);
            let each = &mut |frame| {
                let part = v1::ExportCollectionResponse { frame };
                to.blocking_send(Ok(part)).map_err(|_| Error::Cancelled)
            };
            export(&open, &scope.collection, vectors, deadline, each)
        };
        let done = tokio::select! {
            done = compute(&app.documents, &deadline, Cost::ALL, work) => done,
            // Nobody listens any more: the work is cancelled with the future.
            () = say.closed() => return,
        };
        if let Err(status) = done {
            let _ = say.send(Err(*status)).await;
        }
    });
    frames
}

/// Takes a collection in. What was whole stays, however it ends.
pub(super) async fn take_in(
    app: &App,
    scope: Scope,
    first: v1::ImportCollectionRequest,
    mut incoming: Streaming<v1::ImportCollectionRequest>,
    call: &Call,
) -> std::result::Result<Imported, Status> {
    let (quotas, index, to) = (app.quotas.clone(), app.index.clone(), scope.clone());
    let admit = move |head: &DocumentHead| {
        quotas.reserve(index.as_ref(), &to, &head.id, head.bytes)?.stored();
        Ok(())
    };
    let mut import = Import::new(app.encoder.clone(), app.index.clone(), scope, Box::new(admit));
    let mut next = Some(first);
    while let Some(request) = next {
        let (until, held, cost) = (call.deadline.clone(), call.take_held(), request.frame.len());
        let taking = move || {
            let _held = held;
            let taken = import.take(&request.frame, &until);
            (import, taken)
        };
        let (after, taken) = patiently(app, cost, taking).await?;
        import = after;
        let arrived = match taken {
            Ok(()) => incoming.message().await,
            Err(e) => Err(*refused(e)),
        };
        next = match arrived {
            Ok(request) => request,
            Err(status) => {
                // Why it ended counts; what can't be given up now is never seen either.
                let _ = patiently(app, 1, move || import.give_up()).await?;
                return Err(status);
            }
        };
    }
    import.finish().map_err(|e| *refused(e))
}

/// Does a part of an import, when its turn comes.
async fn patiently<R: Send + 'static>(
    app: &App,
    bytes: usize,
    work: impl FnOnce() -> R + Send + 'static,
) -> std::result::Result<R, Status> {
    let running = app.documents.run_patiently(bytes as u64, work).await;
    let done = running.await.unwrap_or(Err(NotDone::Panicked));
    done.map(|(result, _)| result).map_err(|e| *not_done(&e))
}
