//! `CompressStream` about a document that comes with it, piece by piece.

use tamis::compress::{Answer, LongRequest, LongText, Progress};
use tamis::deadline::Deadline;
use tamis::error::{Error, Result};
use tamis::extract::MediaType;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{request, response};
use crate::app::App;
use crate::call::{Call, Cost, compute};
use crate::memory::Held;
use crate::quota::Guard;
use crate::v1::{self, compress_stream_response::Part};

/// Pieces that wait to be taken in: a sender that is faster than the reader is held back.
const PIECES: usize = 4;
/// Progress and excerpts that may wait for a slow client.
const PARTS: usize = 64;

/// What a document comes as.
enum Piece {
    Bytes(Vec<u8>, Held),
    End,
}

pub(crate) type Parts = mpsc::Receiver<std::result::Result<v1::CompressStreamResponse, Status>>;

/// Begins to take a document in; what is said about it comes out as parts.
pub(crate) fn answer(
    app: App,
    call: Call,
    first: v1::CompressStreamRequest,
    incoming: Streaming<v1::CompressStreamRequest>,
    open: Guard,
) -> Result<Parts> {
    let (asked, document) = (first.request.unwrap_or_default(), first.document.unwrap_or_default());
    let request = long_request(&app, &call, asked, document, first.read_everything)?;
    let (say, parts) = mpsc::channel(PARTS);
    let (pieces, taken) = mpsc::channel(PIECES);
    let deadline = call.deadline.clone();
    tokio::spawn(forward(call, first.piece, incoming, pieces));
    tokio::spawn(async move {
        let _open = open;
        let progress = say.clone();
        let compressor = app.compressor.clone();
        let (budget, fingerprint) = (request.budget.clone(), app.fingerprint());
        let work = move |deadline: &Deadline| {
            compressor.with_long_text(request, deadline, |long| take(long, taken, &progress, deadline))
        };
        let answered = tokio::select! {
            answered = compute(&app.reads, &deadline, Cost::ALL, work) => answered,
            // Nobody listens any more: the work is cancelled with the future.
            () = say.closed() => return,
        };
        let (answer, waited) = match answered {
            Ok(answered) => answered,
            Err(status) => return drop(say.send(Err(*status)).await),
        };
        let answer = response::compressed(answer, &budget, waited, fingerprint);
        app.metrics.context(&answer);
        for part in response::parts(answer) {
            if say.send(Ok(part)).await.is_err() {
                return;
            }
        }
    });
    Ok(parts)
}

/// Hands pieces on until the client has sent all of them, or is gone, or the time is over.
async fn forward(
    call: Call,
    first: Vec<u8>,
    mut incoming: Streaming<v1::CompressStreamRequest>,
    pieces: mpsc::Sender<Piece>,
) {
    if !first.is_empty() && pieces.send(Piece::Bytes(first, call.take_held())).await.is_err() {
        return;
    }
    let all = async {
        while let Ok(message) = incoming.message().await {
            let piece = message.map_or(Piece::End, |message| Piece::Bytes(message.piece, call.take_held()));
            let ended = matches!(piece, Piece::End);
            if pieces.send(piece).await.is_err() || ended {
                return;
            }
        }
    };
    match call.deadline.remaining() {
        Some(left) => _ = tokio::time::timeout(left, all).await,
        None => all.await,
    }
}

fn take(
    mut long: LongText<'_>,
    mut pieces: mpsc::Receiver<Piece>,
    say: &mpsc::Sender<std::result::Result<v1::CompressStreamResponse, Status>>,
    deadline: &Deadline,
) -> Result<Answer> {
    let mut told = Progress::default();
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Bytes(bytes, _held)) => {
                let progress = long.push(&bytes, deadline)?;
                if progress != told {
                    told = progress;
                    let Progress { bytes, segments, tokens_read } = progress;
                    let part = Part::Progress(v1::StreamProgress { bytes, segments, tokens_read });
                    // A client that does not listen misses some of it.
                    let _ = say.try_send(Ok(v1::CompressStreamResponse { part: Some(part) }));
                }
            }
            Some(Piece::End) => return long.finish(deadline),
            None => {
                deadline.check("receive")?;
                return Err(Error::Cancelled);
            }
        }
    }
}

fn long_request(
    app: &App,
    call: &Call,
    asked: v1::CompressRequest,
    document: v1::Document,
    everything: bool,
) -> Result<LongRequest> {
    if !asked.collection.is_empty() || asked.filter.is_some() || !asked.documents.is_empty() {
        return Err(Error::invalid("collection", "does not go with a document that comes in pieces"));
    }
    if !document.text.is_empty() || !document.content.is_empty() {
        return Err(Error::invalid("document.text", "comes in pieces"));
    }
    let media = match document.media_type.as_str() {
        "" => MediaType::Plain,
        named => MediaType::parse(named)?,
    };
    if !media.can_come_in_parts() {
        let reason = format!("{} can't come in pieces: prose, markup, code and logs can", media.name());
        return Err(Error::invalid("document.media_type", reason));
    }
    let id = if document.id.is_empty() { "1" } else { &document.id };
    if let Some(field) = [("words", asked.words.is_some()), ("diversity", asked.diversity != 0.0)].iter().find(|f| f.1)
    {
        return Err(Error::invalid(field.0, "does not go with a document that comes piece by piece"));
    }
    request::check_known(&asked)?;
    let asked = request::compress(app, call, asked)?;
    Ok(LongRequest {
        document_id: id.parse()?,
        uri: document.uri,
        title: document.title,
        media,
        everything,
        query: asked.query,
        budget: asked.budget,
        format: asked.format,
        must_keep: asked.must_keep,
        min_relevance: asked.min_relevance,
        explain: asked.explain,
        mode: asked.mode,
        ranker: asked.ranker,
        read_with: asked.read_with,
        read_passages: asked.read_passages,
    })
}
