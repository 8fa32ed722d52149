//! `ContextService`: questions to contexts.

use std::pin::Pin;

use tamis::compress::{self, Compressor, Corpus};
use tamis::error::{Error, Result};
use tamis::fit::{Budget, Context, Format, Order, Source};
use tamis::span::Span;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::call::{Call, compute};
use crate::convert;
use crate::status::refused;
use crate::v1::context_service_server::ContextService;
use crate::v1::{self, compress_stream_response::Part};

/// Segments of a retrieval that asks for none.
const DEFAULT_SEGMENTS: usize = 10;
/// Blocks around an excerpt where the request says none.
const DEFAULT_BLOCKS: usize = 3;
/// Most blocks around an excerpt.
const MAX_BLOCKS: u32 = 1000;

/// Most blocks that are explained though they were not kept.
const MAX_EXPLAINED: u32 = 1000;

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
        let request = self.compress_request(&call, request).map_err(|e| *refused(e))?;
        let budget = request.budget.clone();
        let compressor: Compressor = self.app.compressor.clone();
        let work = move |deadline: &_| compressor.compress(&request, deadline);
        let (answer, waited) = compute(&self.app.queries, &call.deadline, work).await.map_err(|e| *e)?;
        let (context, stats) = (answer.context, answer.stats);
        let mut stages_ms: std::collections::HashMap<String, f64> =
            stats.stages_ms.into_iter().map(|(stage, ms)| (stage.to_owned(), ms)).collect();
        stages_ms.insert("queue".into(), waited);
        Ok(v1::CompressResponse {
            token_count: context.token_count.0,
            budget: Some(v1::Budget { max_tokens: budget.max_tokens.0, tokenizer: budget.tokenizer.name().to_owned() }),
            excerpts: excerpts(&context),
            text: context.text,
            stats: Some(v1::CompressStats {
                candidate_tokens: stats.candidate_tokens,
                candidates: u32::try_from(stats.candidates).unwrap_or(u32::MAX),
                stages_ms,
                estimated: budget.tokenizer.is_estimate(),
                fingerprint: self.app.fingerprint(),
            }),
            confidence: answer.confidence,
            not_kept: answer.not_kept,
            explanation: answer.explanation.into_iter().map(explanation).collect(),
        })
    }

    fn compress_request(&self, call: &Call, request: v1::CompressRequest) -> Result<compress::CompressRequest> {
        let format = match request.format() {
            v1::ContextFormat::Unspecified | v1::ContextFormat::Plain => Format::Plain,
            v1::ContextFormat::Markdown => Format::Markdown,
            v1::ContextFormat::Xml => Format::Xml,
        };
        let order = match request.order() {
            v1::ContextOrder::Unspecified | v1::ContextOrder::Relevance => Order::Relevance,
            v1::ContextOrder::Document => Order::Document,
        };
        let budget = request.budget.ok_or_else(|| Error::invalid("budget", "is missing"))?;
        let budget = Budget::new(budget.max_tokens, self.app.tokenizer(&budget.tokenizer)?)?;
        let corpus = corpus(call, &request.collection, request.filter, request.documents)?;
        let explain = match request.explain {
            Some(n) if n > MAX_EXPLAINED => {
                let (limit, actual) = (u64::from(MAX_EXPLAINED), u64::from(n));
                return Err(Error::LimitExceeded { field: "explain", limit, actual });
            }
            n => n.map(|n| n as usize),
        };
        let (must_keep, min_relevance) = (request.must_keep, request.min_relevance);
        let query = request.query;
        Ok(compress::CompressRequest { query, corpus, budget, format, order, must_keep, min_relevance, explain })
    }
}

fn corpus(call: &Call, collection: &str, filter: Option<v1::Filter>, documents: Vec<v1::Document>) -> Result<Corpus> {
    if documents.is_empty() {
        return Ok(Corpus::Collection { scope: call.scope(collection)?, filter: convert::filter(filter)? });
    }
    if !collection.is_empty() || filter.is_some() {
        return Err(Error::invalid("documents", "inline documents go without collection and filter"));
    }
    // A list needs no ids of its own: a document's place is its name.
    let named = documents.into_iter().zip(1..).map(|(d, n)| convert::document(d, Some(n.to_string())));
    Ok(Corpus::Inline(named.collect::<Result<_>>()?))
}

fn excerpts(context: &Context) -> Vec<v1::Excerpt> {
    context
        .excerpts
        .iter()
        .map(|e| v1::Excerpt {
            document_id: e.source.document_id.clone(),
            uri: e.source.uri.clone(),
            revision: e.source.revision.0,
            span: Some(convert::span(e.span)),
            text: e.text.clone(),
            tokens: e.tokens.0,
            score: e.score,
            heading: e.heading.clone(),
            place: e.place.clone(),
            context: e
                .context
                .iter()
                .map(|q| v1::Quote { span: Some(convert::span(q.span)), text: q.text.clone() })
                .collect(),
            also_in: e.also_in.iter().map(|(source, span)| citation(source, *span)).collect(),
        })
        .collect()
}

fn citation(source: &Source, span: Span) -> v1::Citation {
    v1::Citation {
        document_id: source.document_id.clone(),
        uri: source.uri.clone(),
        revision: source.revision.0,
        span: Some(convert::span(span)),
    }
}

fn explanation(explained: compress::Explained) -> v1::BlockExplanation {
    v1::BlockExplanation {
        document_id: explained.document_id,
        revision: explained.revision,
        span: Some(convert::span(explained.span)),
        kept: explained.kept,
        score: explained.score,
        relevance: explained.relevance,
        parts: explained.parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

#[tonic::async_trait]
impl ContextService for Contexts {
    async fn compress(
        &self,
        request: Request<v1::CompressRequest>,
    ) -> std::result::Result<Response<v1::CompressResponse>, Status> {
        let call = Call::of(&self.app, &request).map_err(|e| *refused(e))?;
        self.answer(call, request.into_inner()).await.map(Response::new)
    }

    type CompressStreamStream =
        Pin<Box<dyn Stream<Item = std::result::Result<v1::CompressStreamResponse, Status>> + Send>>;

    async fn compress_stream(
        &self,
        request: Request<v1::CompressStreamRequest>,
    ) -> std::result::Result<Response<Self::CompressStreamStream>, Status> {
        let call = Call::of(&self.app, &request).map_err(|e| *refused(e))?;
        let request = request.into_inner().request.ok_or_else(|| *refused(Error::invalid("request", "is missing")))?;
        let mut response = self.answer(call, request).await?;
        let mut parts: Vec<_> = std::mem::take(&mut response.excerpts).into_iter().map(Part::Excerpt).collect();
        parts.push(Part::Context(response));
        let parts = parts.into_iter().map(|part| Ok(v1::CompressStreamResponse { part: Some(part) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(parts))))
    }

    async fn retrieve(
        &self,
        request: Request<v1::RetrieveRequest>,
    ) -> std::result::Result<Response<v1::RetrieveResponse>, Status> {
        let call = Call::of(&self.app, &request).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let corpus = corpus(&call, &request.collection, request.filter, request.documents).map_err(|e| *refused(e))?;
        let limit = if request.limit == 0 { DEFAULT_SEGMENTS } else { request.limit as usize };
        let compressor = self.app.compressor.clone();
        let work = move |deadline: &_| compressor.retrieve(&request.query, &corpus, limit, deadline);
        let (candidates, _) = compute(&self.app.queries, &call.deadline, work).await.map_err(|e| *e)?;
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
        let call = Call::of(&self.app, &request).map_err(|e| *refused(e))?;
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
        let (response, _) = compute(&self.app.queries, &call.deadline, work).await.map_err(|e| *e)?;
        Ok(Response::new(response))
    }

    async fn count_tokens(
        &self,
        request: Request<v1::CountTokensRequest>,
    ) -> std::result::Result<Response<v1::CountTokensResponse>, Status> {
        let call = Call::of(&self.app, &request).map_err(|e| *refused(e))?;
        let request = request.into_inner();
        let tokenizer = self.app.tokenizer(&request.tokenizer).map_err(|e| *refused(e))?;
        let work = move |deadline: &tamis::deadline::Deadline| {
            let mut counts = Vec::with_capacity(request.texts.len());
            for text in &request.texts {
                deadline.check("count")?;
                counts.push(tokenizer.count(text).0);
            }
            Ok(v1::CountTokensResponse { counts, estimated: tokenizer.is_estimate() })
        };
        let (response, _) = compute(&self.app.queries, &call.deadline, work).await.map_err(|e| *e)?;
        Ok(Response::new(response))
    }
}
