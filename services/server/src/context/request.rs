//! What a request asks for, from the wire.

use tamis::compress::{self, Corpus, DigestRequest, Mode, Ranker};
use tamis::error::{Error, Result};
use tamis::fit::{Budget, Format, Order};
use tamis::rank::{Who, Xl3m};
use tamis::read::InfiniRetriSettings;
use tamis::summarize::Method;

use crate::app::App;
use crate::call::Call;
use crate::{convert, v1};

/// Most blocks that are explained though they were not kept.
const MAX_EXPLAINED: u32 = 1000;

pub(super) fn compress(app: &App, call: &Call, request: v1::CompressRequest) -> Result<compress::CompressRequest> {
    let format = format(request.format());
    let order = match request.order() {
        v1::ContextOrder::Unspecified | v1::ContextOrder::Relevance => Order::Relevance,
        v1::ContextOrder::Document => Order::Document,
    };
    let mode = match request.mode() {
        v1::Mode::Unspecified | v1::Mode::Fast => Mode::Fast,
        v1::Mode::Precise => Mode::Precise,
        v1::Mode::Auto => Mode::Auto,
        v1::Mode::Mini => Mode::Mini,
        v1::Mode::Digest => return Err(Error::invalid("mode", "a digest is of no document that comes piece by piece")),
    };
    let read_with = match request.read_with() {
        v1::ReaderName::Unspecified => None,
        v1::ReaderName::Mini => Some(Who::Mini),
        v1::ReaderName::Language => Some(Who::Language),
    };
    if request.digest.is_some() {
        return Err(Error::invalid("digest", "goes with the mode digest"));
    }
    let ranker = ranker(&request)?;
    let budget = budget(app, request.budget.as_ref())?;
    let corpus = corpus(call, &request.collection, request.filter, request.documents)?;
    let explain = match request.explain {
        Some(n) if n > MAX_EXPLAINED => {
            let (limit, actual) = (u64::from(MAX_EXPLAINED), u64::from(n));
            return Err(Error::LimitExceeded { field: "explain", limit, actual });
        }
        n => n.map(|n| n as usize),
    };
    Ok(compress::CompressRequest {
        corpus,
        budget,
        format,
        order,
        explain,
        mode,
        ranker,
        read_with,
        read_passages: request.read_passages.map(|n| n as usize),
        query: request.query,
        must_keep: request.must_keep,
        min_relevance: request.min_relevance,
    })
}

/// A request with `MODE_DIGEST`.
pub(super) fn digest(app: &App, call: &Call, request: v1::CompressRequest) -> Result<DigestRequest> {
    let ranks = [
        ("order", request.order() != v1::ContextOrder::Unspecified),
        ("must_keep", !request.must_keep.is_empty()),
        ("min_relevance", request.min_relevance != 0.0),
        ("explain", request.explain.is_some()),
        ("read_passages", request.read_passages.is_some()),
        ("read_with", request.read_with() != v1::ReaderName::Unspecified),
        ("ranker", !matches!(request.ranker(), v1::Ranker::Unspecified | v1::Ranker::Fused)),
    ];
    if let Some((field, _)) = ranks.into_iter().find(|(_, is_set)| *is_set) {
        return Err(Error::invalid(field, "does not go with a digest, which tells of all passages and ranks none"));
    }
    let format = format(request.format());
    let budget = budget(app, request.budget.as_ref())?;
    let corpus = corpus(call, &request.collection, request.filter, request.documents)?;
    let asked = request.digest.unwrap_or_default();
    let summary = match asked.summary() {
        v1::SummaryMethod::Unspecified => None,
        v1::SummaryMethod::Hierarchical => Some(Method::Hierarchical),
        v1::SummaryMethod::Incremental => Some(Method::Incremental),
    };
    Ok(DigestRequest {
        query: (!request.query.is_empty()).then_some(request.query),
        corpus,
        budget,
        format,
        clusters: asked.clusters.map(|n| n as usize),
        facts: asked.facts,
        passages: asked.passages.map(|n| n as usize),
        map: asked.map,
        summary,
    })
}

pub(super) fn format(format: v1::ContextFormat) -> Format {
    match format {
        v1::ContextFormat::Unspecified | v1::ContextFormat::Plain => Format::Plain,
        v1::ContextFormat::Markdown => Format::Markdown,
        v1::ContextFormat::Xml => Format::Xml,
    }
}

pub(super) fn budget(app: &App, budget: Option<&v1::Budget>) -> Result<Budget> {
    let budget = budget.ok_or_else(|| Error::invalid("budget", "is missing"))?;
    Budget::new(budget.max_tokens, app.tokenizer(&budget.tokenizer)?)
}

pub(super) fn ranker(request: &v1::CompressRequest) -> Result<Ranker> {
    match request.ranker() {
        v1::Ranker::Unspecified | v1::Ranker::Fused => Ok(Ranker::Fused),
        v1::Ranker::Xl3m => {
            let (asked, default) = (request.xl3m.unwrap_or_default(), Xl3m::default());
            let window = or(asked.window, default.window);
            let overlap = asked.overlap.map_or(default.overlap.min(window / 2), |o| o as usize);
            if overlap >= window {
                return Err(Error::invalid("xl3m.overlap", format!("must be less than the window, {window} tokens")));
            }
            Ok(Ranker::Xl3m(Xl3m { window, overlap, baseline: asked.baseline }))
        }
        v1::Ranker::Infiniretri => Ok(Ranker::InfiniRetri(infiniretri(request))),
    }
}

pub(super) fn infiniretri(request: &v1::CompressRequest) -> InfiniRetriSettings {
    let (asked, default) = (request.infiniretri.unwrap_or_default(), InfiniRetriSettings::default());
    InfiniRetriSettings {
        chunk: or(asked.chunk, default.chunk),
        top: or(asked.top, default.top),
        phrase: or(asked.phrase, default.phrase),
        cap: or(asked.cap, default.cap),
        weigh_question: !asked.equal_rows,
    }
}

/// 0 stands for the default.
fn or(value: u32, default: usize) -> usize {
    if value == 0 { default } else { value as usize }
}

pub(super) fn corpus(
    call: &Call,
    collection: &str,
    filter: Option<v1::Filter>,
    documents: Vec<v1::Document>,
) -> Result<Corpus> {
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
