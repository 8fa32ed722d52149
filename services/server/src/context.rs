//! `ContextService`: questions to contexts.

mod cost;
mod request;
mod response;
mod stream;

use std::pin::Pin;

use tamis::compress::{Mode, Ranker};
use tamis::error::Error;
use tamis::span::Span;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::call::{Call, Cost, compute};
use crate::convert;
use crate::identity::Role;
use crate::status::refused;
use crate::v1;
use crate::v1::context_service_server::ContextService;

/// Segments of a retrieval that asks for none.
const DEFAULT_SEGMENTS: usize = 10;
/// Blocks around an excerpt where the request says none.
const DEFAULT_BLOCKS: usize = 3;
/// Most blocks around an excerpt.
const MAX_BLOCKS: u32 = 1000;

pub(crate) struct Contexts {
    app: App,
}

impl Contexts {
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }

    async fn answer(
        &self,
        call: Call,
        request: v1::CompressRequest,
    ) -> std::result::Result<v1::CompressResponse, Status> {
        request::check_known(&request).map_err(|e| *refused(e))?;
        let made = match request.mode() {
            v1::Mode::Digest => self.digest(call, request).await,
            v1::Mode::Memory => self.memory(call, request).await,
            _ => self.excerpts(call, request).await,
        }?;
        self.app.metrics.context(&made);
        Ok(made)
    }

    async fn excerpts(
        &self,
        call: Call,
        request: v1::CompressRequest,
    ) -> std::result::Result<v1::CompressResponse, Status> {
        let request = request::compress(&self.app, &call, request).map_err(|e| *refused(e))?;
        let budget = request.budget.clone();
        let reads = request.mode != Mode::Fast || request.ranker != Ranker::Fused;
        let (compressor, cost) = (self.app.compressor.clone(), cost::excerpts(&request));
        let work = move |deadline: &_| compressor.compress(&request, deadline);
        // Reading takes a hundred times as long: it waits in a queue of its own.
        let pool = if reads { &self.app.reads } else { &self.app.queries };
        let (answer, waited) = compute(pool, &call.deadline, cost, work).await.map_err(|e| *e)?;
        Ok(response::compressed(answer, &budget, waited, self.app.fingerprint()))
    }

    async fn memory(
        &self,
        call: Call,
        request: v1::CompressRequest,
    ) -> std::result::Result<v1::CompressResponse, Status> {
        let request = request::memory(&self.app, request).map_err(|e| *refused(e))?;
        let budget = request.budget.clone();
        let (compressor, cost) = (self.app.compressor.clone(), cost::documents(&request.turns));
        let work = move |deadline: &_| compressor.memory(&request, deadline);
        let (memory, waited) = compute(&self.app.reads, &call.deadline, cost, work).await.map_err(|e| *e)?;
        Ok(response::told(memory.context, memory.stats, &budget, waited, self.app.fingerprint()))
    }

    async fn digest(
        &self,
        call: Call,
        request: v1::CompressRequest,
    ) -> std::result::Result<v1::CompressResponse, Status> {
        let request = request::digest(&self.app, &call, request).map_err(|e| *refused(e))?;
        let (budget, summarized) = (request.budget.clone(), request.summary.is_some());
        let (compressor, cost) = (self.app.compressor.clone(), cost::overview(&request.corpus));
        let work = move |deadline: &_| compressor.digest(&request, deadline);
        // Who summarises takes seconds, as who reads does.
        let pool = if summarized { &self.app.reads } else { &self.app.queries };
        let (digest, waited) = compute(pool, &call.deadline, cost, work).await.map_err(|e| *e)?;
        Ok(response::digested(digest, summarized, &budget, waited, self.app.fingerprint()))
    }
}

#[tonic::async_trait]
impl ContextService for Contexts {
    async fn compress(
        &self,
        request: Request<v1::CompressRequest>,
    ) -> std::result::Result<Response<v1::CompressResponse>, Status> {
        let call = Call::of(&self.app, &request, Role::Read).map_err(|e| *refused(e))?;
        self.answer(call, request.into_inner()).await.map(Response::new)
    }

    type CompressStreamStream =
        Pin<Box<dyn Stream<Item = std::result::Result<v1::CompressStreamResponse, Status>> + Send>>;

    async fn compress_stream(
        &self,
        request: Request<Streaming<v1::CompressStreamRequest>>,
    ) -> std::result::Result<Response<Self::CompressStreamStream>, Status> {
        let call = Call::of(&self.app, &request, Role::Read).map_err(|e| *refused(e))?;
        let mut incoming = request.into_inner();
        let first = incoming.message().await?.unwrap_or_default();
        if first.document.is_some() {
            let open = self.app.quotas.stream(call.tenant()).map_err(|e| *refused(e))?;
            let parts = stream::answer(self.app.clone(), call, first, incoming, open).map_err(|e| *refused(e))?;
            return Ok(Response::new(Box::pin(ReceiverStream::new(parts))));
        }
        if !first.piece.is_empty() {
            return Err(*refused(Error::invalid("piece", "goes with a document, in the first message")));
        }
        let request = first.request.ok_or_else(|| *refused(Error::invalid("request", "is missing")))?;
        let parts = response::parts(self.answer(call, request).await?);
        Ok(Response::new(Box::pin(tokio_stream::iter(parts).map(Ok))))
    }

    async fn retrieve(
        &self,
        request: Request<v1::RetrieveRequest>,
    ) -> std::result::Result<Response<v1::RetrieveResponse>, Status> {
        let call = Call::of(&self.app, &request, Role::Read).map_err(|e| *refused(e))?;
        let asked = request.into_inner();
        let corpus =
            request::corpus(&call, &asked.collection, asked.filter, asked.documents).map_err(|e| *refused(e))?;
        let limit = if asked.limit == 0 { DEFAULT_SEGMENTS } else { asked.limit as usize };
        let (compressor, cost) = (self.app.compressor.clone(), cost::of(&corpus));
        let work = move |deadline: &_| compressor.retrieve(&asked.query, &corpus, limit, deadline);
        let (candidates, _) = compute(&self.app.queries, &call.deadline, cost, work).await.map_err(|e| *e)?;
        let segments = candidates
            .into_iter()
            .map(|c| {
                let span = c.stored.segment.span();
                v1::RetrievedSegment {
                    document_id: c.document.id.to_string(),
                    uri: c.document.uri.clone(),
                    revision: c.document.revision.0,
                    span: Some(convert::span(span)),
                    text: c.stored.slice(span).unwrap_or_default().to_owned(),
                    score: f64::from(c.score),
                    dense_rank: c.dense_rank,
                    lexical_rank: c.lexical_rank,
                    heading: c.stored.heading.clone(),
                    place: c.stored.segment.place(span).to_owned(),
                }
            })
            .collect();
        Ok(Response::new(v1::RetrieveResponse { segments }))
    }

    async fn expand(
        &self,
        request: Request<v1::ExpandRequest>,
    ) -> std::result::Result<Response<v1::ExpandResponse>, Status> {
        let call = Call::of(&self.app, &request, Role::Read).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let scope = call.scope(&request.collection).map_err(|e| *refused(e))?;
        let blocks = match request.blocks {
            0 => DEFAULT_BLOCKS,
            n if n > MAX_BLOCKS => {
                let (limit, actual) = (u64::from(MAX_BLOCKS), u64::from(n));
                return Err(*refused(Error::LimitExceeded { field: "blocks", limit, actual }));
            }
            n => n as usize,
        };
        let wire = request.span.ok_or_else(|| *refused(Error::invalid("span", "is missing")))?;
        let span = Span { start: wire.start, end: wire.end };
        let revision = (request.revision != 0).then_some(tamis::document::Revision(request.revision));
        let compressor = self.app.compressor.clone();
        let work = move |deadline: &_| {
            let id = request.document_id.parse()?;
            let (head, span, text) = compressor.expand(&scope, &id, revision, span, blocks, deadline)?;
            Ok(v1::ExpandResponse {
                document_id: id.to_string(),
                uri: head.uri.clone(),
                revision: head.revision.0,
                span: Some(convert::span(span)),
                text,
            })
        };
        let (response, _) = compute(&self.app.queries, &call.deadline, Cost::LOOK, work).await.map_err(|e| *e)?;
        Ok(Response::new(response))
    }

    async fn count_tokens(
        &self,
        request: Request<v1::CountTokensRequest>,
    ) -> std::result::Result<Response<v1::CountTokensResponse>, Status> {
        let call = Call::of(&self.app, &request, Role::Read).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let tokenizer = self.app.tokenizer(&request.tokenizer).map_err(|e| *refused(e))?;
        // Counting is quick beside encoding.
        let cost = Cost::LOOK.and_bytes(request.texts.iter().map(String::len).sum::<usize>() / 16);
        let work = move |deadline: &tamis::deadline::Deadline| {
            let mut counts = Vec::with_capacity(request.texts.len());
            for text in &request.texts {
                deadline.check("count")?;
                counts.push(tokenizer.count(text).0);
            }
            Ok(v1::CountTokensResponse { counts, estimated: tokenizer.is_estimate() })
        };
        let (response, _) = compute(&self.app.queries, &call.deadline, cost, work).await.map_err(|e| *e)?;
        Ok(Response::new(response))
    }
}
