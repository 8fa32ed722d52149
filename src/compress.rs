//! The second verb: a question and a budget to a context.
//!
//! Read [`Compressor::compress`] top to bottom: encode the question, retrieve candidates, score their
//! blocks, keep the best under the budget.

mod candidates;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::deadline::Deadline;
use crate::document::{Document, DocumentId, Revision};
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::fit::{self, Budget, Context, Format, Order};
use crate::index::inline::InlineIndex;
use crate::index::{BlockVectors, DocumentHead, Filter, Index, Scope, View};
use crate::ingest;
use crate::rank::{self, Candidate, Model, Question};
use crate::span::Span;

/// Longest question, in bytes.
pub const MAX_QUERY_BYTES: usize = 64 * 1024;
/// Largest budget, in tokens.
pub const MAX_BUDGET_TOKENS: u32 = 4_000_000;
/// Most documents in one request.
pub const MAX_INLINE_DOCUMENTS: usize = 10_000;
/// Most segments that a retrieval returns.
pub const MAX_SEGMENTS: usize = 10_000;

/// Where to look.
#[derive(Clone, Debug)]
pub enum Corpus {
    /// A stored collection, or the part of it that a filter lets through.
    Collection {
        /// Which.
        scope: Scope,
        /// Which of its documents.
        filter: Filter,
    },
    /// The documents that came with the request, in their order.
    Inline(Vec<Document>),
}

/// A request for a context.
#[derive(Clone)]
pub struct CompressRequest {
    /// The question.
    pub query: String,
    /// Where to look.
    pub corpus: Corpus,
    /// How much may come out.
    pub budget: Budget,
    /// How it is written.
    pub format: Format,
    /// In which order.
    pub order: Order,
}

/// How long every stage took, in milliseconds, and how much was looked at.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Segments that retrieval returned.
    pub candidates: usize,
    /// Tokens of these segments, in the budget's tokenizer.
    pub candidate_tokens: u64,
    /// Stage name to milliseconds: `encode`, `retrieve`, `rank`, `fit`.
    pub stages_ms: BTreeMap<&'static str, f64>,
}

impl Stats {
    fn time<R>(&mut self, stage: &'static str, work: impl FnOnce() -> Result<R>) -> Result<R> {
        let start = Instant::now();
        let result = work();
        *self.stages_ms.entry(stage).or_default() += start.elapsed().as_secs_f64() * 1e3;
        result
    }
}

/// Answers requests over an encoder and an index.
#[derive(Clone)]
pub struct Compressor {
    encoder: Arc<dyn Encoder>,
    index: Arc<dyn Index>,
    model: Model,
}

impl Compressor {
    /// A compressor over an encoder and an index, with the ranking that ships.
    #[must_use]
    pub fn new(encoder: Arc<dyn Encoder>, index: Arc<dyn Index>) -> Self {
        Self { encoder, index, model: Model::shipped() }
    }

    /// The context that answers a question best under a budget.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] and [`Error::LimitExceeded`] for the request, [`Error::NotFound`] for the
    /// collection, [`Error::BudgetInfeasible`] where not one block fits, the deadline's.
    pub fn compress(&self, request: &CompressRequest, deadline: &Deadline) -> Result<(Context, Stats)> {
        check_query(&request.query)?;
        let max_tokens = request.budget.max_tokens.0;
        if max_tokens > MAX_BUDGET_TOKENS {
            let (limit, actual) = (u64::from(MAX_BUDGET_TOKENS), u64::from(max_tokens));
            return Err(Error::LimitExceeded { field: "budget.max_tokens", limit, actual });
        }
        let mut stats = Stats::default();
        let (view, filter) = stats.time("encode", || self.open(&request.corpus, deadline))?;
        let question = stats.time("encode", || Question::new(&request.query, self.encoder.as_ref(), deadline))?;
        let inline = matches!(request.corpus, Corpus::Inline(_));
        let shape =
            Shape { budget: &request.budget, format: request.format, order: request.order, model: &self.model, inline };
        let context = answer(view.as_ref(), &filter, &question, &shape, &mut stats, deadline)?;
        Ok((context, stats))
    }

    /// The best segments for a question, best first.
    ///
    /// # Errors
    /// As for [`Self::compress`], without the budget's.
    pub fn retrieve(&self, query: &str, corpus: &Corpus, limit: usize, deadline: &Deadline) -> Result<Vec<Candidate>> {
        check_query(query)?;
        if limit == 0 {
            return Err(Error::invalid("limit", "must be at least 1"));
        }
        if limit > MAX_SEGMENTS {
            return Err(Error::LimitExceeded { field: "limit", limit: MAX_SEGMENTS as u64, actual: limit as u64 });
        }
        let (view, filter) = self.open(corpus, deadline)?;
        let question = Question::new(query, self.encoder.as_ref(), deadline)?;
        candidates(view.as_ref(), &filter, &question, limit, deadline)
    }

    /// More text around a span of a stored document: whole blocks on both sides.
    ///
    /// Returns the document, the wider span and its text.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the document, or where `revision` is given and is not the current one any
    /// more; [`Error::InvalidArgument`] for a span outside it, [`Error::LimitExceeded`] for one over 1 MiB;
    /// the deadline's.
    pub fn expand(
        &self,
        scope: &Scope,
        id: &DocumentId,
        revision: Option<Revision>,
        span: Span,
        blocks_around: usize,
        deadline: &Deadline,
    ) -> Result<(Arc<DocumentHead>, Span, String)> {
        let view = self.index.view(scope)?;
        let not_found = || Error::NotFound { kind: "document", name: id.to_string() };
        let head = view.document(id)?.ok_or_else(not_found)?;
        if let Some(revision) = revision.filter(|r| *r != head.revision) {
            let name = format!("{id} at revision {} (now at {})", revision.0, head.revision.0);
            return Err(Error::NotFound { kind: "document", name });
        }
        let (span, text) = candidates::around(view.as_ref(), &head, span, blocks_around, deadline)?;
        Ok((head, span, text))
    }

    /// The view to search, and the filter to search it with.
    fn open(&self, corpus: &Corpus, deadline: &Deadline) -> Result<(Arc<dyn View>, Filter)> {
        match corpus {
            Corpus::Collection { scope, filter } => {
                filter.check()?;
                let view = self.index.view(scope)?;
                view.settings().check(&scope.collection, self.encoder.fingerprint())?;
                Ok((view, filter.clone()))
            }
            Corpus::Inline(documents) => {
                if documents.is_empty() {
                    return Err(Error::invalid("documents", "name a collection or bring at least one document"));
                }
                if documents.len() > MAX_INLINE_DOCUMENTS {
                    return Err(Error::LimitExceeded {
                        field: "documents",
                        limit: MAX_INLINE_DOCUMENTS as u64,
                        actual: documents.len() as u64,
                    });
                }
                let encoder = self.encoder.as_ref();
                let settings = ingest::settings_for(encoder, BlockVectors::Separate);
                let prepared = documents
                    .iter()
                    .map(|d| ingest::prepare_inline(encoder, d, &settings, deadline))
                    .collect::<Result<Vec<_>>>()?;
                Ok((Arc::new(InlineIndex::new(settings, prepared)), Filter::All))
            }
        }
    }
}

/// What a context has to look like.
pub(crate) struct Shape<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) format: Format,
    pub(crate) order: Order,
    /// How features become scores.
    pub(crate) model: &'a Model,
    /// The documents came with the request: all of them were encoded for it, and they have an order.
    pub(crate) inline: bool,
}

/// Everything after encoding: retrieve, rank, fit.
pub(crate) fn answer(
    view: &dyn View,
    filter: &Filter,
    question: &Question,
    shape: &Shape<'_>,
    stats: &mut Stats,
    deadline: &Deadline,
) -> Result<Context> {
    let limit = if shape.inline { usize::MAX } else { candidates::for_budget(shape.budget.max_tokens.0) };
    let candidates = stats.time("retrieve", || candidates(view, filter, question, limit, deadline))?;
    let scores = stats.time("rank", || rank::score_blocks(question, view, &candidates, shape.model, deadline))?;
    let context = stats.time("fit", || {
        let (sources, pieces) = candidates::pieces(&candidates, &scores, shape.inline);
        fit::fit(&sources, &pieces, shape.budget, shape.format, shape.order, deadline)
    })?;
    stats.candidates = candidates.len();
    stats.candidate_tokens = candidates::tokens(&candidates, shape.budget.tokenizer.as_ref());
    Ok(context)
}

/// Two ranked lists, fused.
pub(crate) fn candidates(
    view: &dyn View,
    filter: &Filter,
    question: &Question,
    limit: usize,
    deadline: &Deadline,
) -> Result<Vec<Candidate>> {
    let dense = view.dense(&question.vector.pack(), filter, limit)?;
    deadline.check("retrieve")?;
    let lexical = view.lexical(&question.terms, filter, limit)?;
    deadline.check("retrieve")?;
    rank::fuse(view, &dense, &lexical, limit)
}

fn check_query(query: &str) -> Result<()> {
    if query.trim().is_empty() {
        return Err(Error::invalid("query", "is empty"));
    }
    if query.len() > MAX_QUERY_BYTES {
        return Err(Error::LimitExceeded { field: "query", limit: MAX_QUERY_BYTES as u64, actual: query.len() as u64 });
    }
    Ok(())
}
