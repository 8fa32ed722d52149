//! The second verb: a question and a budget to a context.
//!
//! Read [`Compressor::compress`] top to bottom: encode the question, retrieve candidates, score their
//! blocks, keep the best under the budget.

mod answer;
mod candidates;
mod digest;
mod diversity;
mod long;
mod memory;
mod must_keep;
mod precompute;
mod readers;
mod repeats;
mod trust;
mod unranked;
mod words;

use std::sync::Arc;

use crate::deadline::Deadline;
use crate::document::{Document, DocumentId, Revision};
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::fit::{Budget, Format, Order};
use crate::index::inline::InlineIndex;
use crate::index::{BlockVectors, DocumentHead, Filter, Index, Scope, View};
use crate::ingest;
use crate::rank::{Candidate, Model, Question, ReadingPolicy, Who, Xl3m};
use crate::read::InfiniRetriSettings;
use crate::span::Span;
use crate::summarize::Summarizer;

pub use answer::{Answer, Explained, Stats, WasBlockRead};
pub(crate) use answer::{READ, READ_MINI, Ranked, ReadingStage, Shape, WhoReads, answer, ranked, retrieve};
pub(crate) use candidates::{Documents, kept_by};
pub use digest::{
    Cluster, DIGEST_PASSAGES, Digest, DigestRequest, Fact, Facts, MAX_FACTS, MAX_PLACES, Numbers, Place, Summary,
};
pub(crate) use digest::{How, Origin, content_words, passages_told, tell};
pub use long::{LongRequest, LongText, Progress};
pub use memory::{Memory, MemoryRequest, MemorySettings};
pub(crate) use must_keep::MustKeep;
pub use must_keep::{MAX_TERM_BYTES, MAX_TERMS};
pub use readers::Readers;
pub use trust::TrustLabels;
pub(crate) use words::DropWords;
pub use words::WordSettings;

/// Longest question, in bytes.
pub const MAX_QUERY_BYTES: usize = 64 * 1024;
/// Largest budget, in tokens.
pub const MAX_BUDGET_TOKENS: u32 = 4_000_000;
/// Most documents in one request.
pub const MAX_INLINE_DOCUMENTS: usize = 10_000;
/// Most passages that are read for a question.
pub const MAX_READ_PASSAGES: usize = 1000;
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
    /// Terms to keep whenever the budget allows, at most 64 of 1 to 1,024 bytes, compared without case. What
    /// the question quotes and its ids are kept likewise.
    pub must_keep: Vec<String>,
    /// Blocks that are less likely wanted are left out, though there be room for them; 0 to 1. Where no block
    /// is likely enough, the context is empty.
    pub min_relevance: f32,
    /// So many blocks that are not in the context are explained beside those that are; `None`: nothing is.
    pub explain: Option<usize>,
    /// How much is done for it.
    pub mode: Mode,
    /// What orders the blocks that are read.
    pub ranker: Ranker,
    /// The only one that reads; `None`: whom the mode takes.
    pub read_with: Option<Who>,
    /// Most passages that are read, 1 to 1,000; `None`: as many as was measured best, and of documents that came with
    /// the request all, for rankers that read whole documents.
    pub read_passages: Option<usize>,
    /// What it counts that a block is unlike the better ones, 0 to 1: 0 orders blocks by relevance alone.
    pub diversity: f32,
    /// Blocks of prose lose words that their meaning does not hang on; `None`: they are kept whole.
    pub words: Option<WordSettings>,
}

impl CompressRequest {
    /// A request for the best context without reading, as Markdown; for all else, fields are public.
    #[must_use]
    pub fn new(query: impl Into<String>, corpus: Corpus, budget: Budget) -> Self {
        Self {
            query: query.into(),
            corpus,
            budget,
            format: Format::Markdown,
            order: Order::default(),
            must_keep: Vec::new(),
            min_relevance: 0.0,
            explain: None,
            mode: Mode::Fast,
            ranker: Ranker::Fused,
            read_with: None,
            read_passages: None,
            diversity: 0.0,
            words: None,
        }
    }
}

/// What orders the blocks that are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ranker {
    /// What readers find, added to the fast score.
    #[default]
    Fused,
    /// Certainty alone, as XL3M has it.
    Xl3m(Xl3m),
    /// Attention alone, as InfiniRetri has it: documents of any length, read in their own order.
    InfiniRetri(InfiniRetriSettings),
}

/// How much is done for an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Vectors and terms.
    #[default]
    Fast,
    /// The best passages are read together with the question, by reader-mini.
    Mini,
    /// The same, and the best of those by the language model.
    Precise,
    /// Each reads where the ranking so far is unsure, and no longer than that may change something.
    Auto,
}

/// Answers requests over an encoder and an index.
#[derive(Clone)]
pub struct Compressor {
    encoder: Arc<dyn Encoder>,
    index: Arc<dyn Index>,
    model: Model,
    policy: ReadingPolicy,
    readers: Readers,
    summarizer: Option<Arc<dyn Summarizer>>,
    trust: TrustLabels,
}

impl Compressor {
    /// A compressor over an encoder and an index, with the ranking that ships.
    #[must_use]
    pub fn new(encoder: Arc<dyn Encoder>, index: Arc<dyn Index>) -> Self {
        let (model, policy, readers) = (Model::shipped(), ReadingPolicy::shipped(), Readers::default());
        Self { encoder, index, model, policy, readers, summarizer: None, trust: TrustLabels::default() }
    }

    /// The same, with readers for the modes that read.
    #[must_use]
    pub fn with_readers(self, readers: Readers) -> Self {
        Self { readers, ..self }
    }

    /// The same, with a language model for digests that ask for summaries.
    #[must_use]
    pub fn with_summarizer(self, summarizer: Option<Arc<dyn Summarizer>>) -> Self {
        Self { summarizer, ..self }
    }

    /// The same, whose citations of stored documents say what an operator says of their sources.
    #[must_use]
    pub fn with_trust(self, trust: TrustLabels) -> Self {
        Self { trust, ..self }
    }

    /// The same, reading as much as this policy says.
    #[must_use]
    pub fn with_policy(self, policy: ReadingPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The context that answers a question best under a budget.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] and [`Error::LimitExceeded`] for the request, [`Error::NotFound`] for the
    /// collection, [`Error::BudgetInfeasible`] where not one block fits, the deadline's.
    pub fn compress(&self, request: &CompressRequest, deadline: &Deadline) -> Result<Answer> {
        check(&request.query, &request.budget, request.min_relevance)?;
        let reading = self.reading(request.mode, request.ranker, request.read_with, request.read_passages)?;
        let mut stats = Stats::default();
        let (view, filter) = stats.time("encode", || self.open(&request.corpus, deadline))?;
        let question = stats.time("encode", || Question::new(&request.query, self.encoder.as_ref(), deadline))?;
        let drop = |settings| DropWords { encoder: self.encoder.as_ref(), settings };
        let words = request.words.map(WordSettings::check).transpose()?.map(drop);
        let shape = Shape {
            budget: &request.budget,
            format: request.format,
            // Rankers that read documents in their own order leave what they choose in it.
            order: if request.ranker == Ranker::Fused { request.order } else { Order::Document },
            model: &self.model,
            documents: self.documents(&request.corpus),
            must_keep: &request.must_keep,
            min_relevance: request.min_relevance,
            explain: request.explain,
            reading,
            diversity: diversity::check(request.diversity)?,
            words,
        };
        answer(view.as_ref(), &filter, &question, &shape, stats, deadline)
    }

    /// Reads a document that comes piece by piece; `take` hands them over.
    ///
    /// # Errors
    /// Those of [`LongText`], and [`Error::InvalidArgument`] where a reader is needed and there is none.
    pub fn with_long_text<R>(
        &self,
        request: LongRequest,
        deadline: &Deadline,
        take: impl FnOnce(LongText<'_>) -> Result<R>,
    ) -> Result<R> {
        check(&request.query, &request.budget, request.min_relevance)?;
        let reading = self.reading(request.mode, request.ranker, request.read_with, request.read_passages)?;
        let encoder = self.encoder.as_ref();
        let Some(how) = request.reads_everything()? else {
            return take(LongText::best(request, encoder, &self.model, reading, deadline)?);
        };
        let reader = self.readers.of(Who::Language)?.get(deadline)?;
        take(LongText::everything(request, encoder, reader.as_ref(), how)?)
    }

    /// Who reads for a request, and how much.
    fn reading(
        &self,
        mode: Mode,
        ranker: Ranker,
        only: Option<Who>,
        passages: Option<usize>,
    ) -> Result<Option<WhoReads<'_>>> {
        self.readers.reading(&self.policy, mode, ranker, only, passages)
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
        retrieve(view.as_ref(), &filter, &question, limit, deadline)
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
        let view = self.index.view_until(scope, deadline)?;
        let not_found = || Error::NotFound { kind: "document", name: id.to_string() };
        let head = view.document(id)?.ok_or_else(not_found)?;
        if let Some(revision) = revision.filter(|r| *r != head.revision) {
            let name = format!("{id} at revision {} (now at {})", revision.0, head.revision.0);
            return Err(Error::NotFound { kind: "document", name });
        }
        let (span, text) = candidates::around(view.as_ref(), &head, span, blocks_around, deadline)?;
        Ok((head, span, text))
    }

    /// Whose documents a corpus has.
    fn documents(&self, corpus: &Corpus) -> Documents<'_> {
        match corpus {
            Corpus::Collection { .. } => Documents::Stored(&self.trust),
            Corpus::Inline(_) => Documents::Inline,
        }
    }

    /// The view to search, and the filter to search it with.
    fn open(&self, corpus: &Corpus, deadline: &Deadline) -> Result<(Arc<dyn View>, Filter)> {
        match corpus {
            Corpus::Collection { scope, filter } => {
                filter.check()?;
                let view = self.index.view_until(scope, deadline)?;
                view.settings().check(&scope.collection, self.encoder.fingerprint())?;
                Ok((view, filter.clone()))
            }
            Corpus::Inline(documents) => {
                check_documents(documents, "name a collection or bring at least one document")?;
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

/// What holds for every request.
fn check(query: &str, budget: &Budget, min_relevance: f32) -> Result<()> {
    check_query(query)?;
    check_budget(budget)?;
    if !(0.0..=1.0).contains(&min_relevance) {
        return Err(Error::invalid("min_relevance", "must be from 0 to 1"));
    }
    Ok(())
}

fn check_budget(budget: &Budget) -> Result<()> {
    if budget.max_tokens.0 > MAX_BUDGET_TOKENS {
        let (limit, actual) = (u64::from(MAX_BUDGET_TOKENS), u64::from(budget.max_tokens.0));
        return Err(Error::LimitExceeded { field: "budget.max_tokens", limit, actual });
    }
    Ok(())
}

/// What holds for documents that come with a request; `none` says what to bring.
fn check_documents(documents: &[Document], none: &str) -> Result<()> {
    match documents.len() {
        0 => Err(Error::invalid("documents", none)),
        n if n > MAX_INLINE_DOCUMENTS => {
            let (limit, actual) = (MAX_INLINE_DOCUMENTS as u64, n as u64);
            Err(Error::LimitExceeded { field: "documents", limit, actual })
        }
        _ => Ok(()),
    }
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
