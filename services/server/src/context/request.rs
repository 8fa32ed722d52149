//! What a request asks for, from the wire.

use tamis::compress::{self, Corpus, DigestRequest, MemoryRequest, MemorySettings, Mode, Ranker, WordSettings};
use tamis::document::Document;
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

/// Refuses what this server does not know.
pub(super) fn check_known(request: &v1::CompressRequest) -> Result<()> {
    convert::known::<v1::Mode>("mode", request.mode)?;
    convert::known::<v1::ContextFormat>("format", request.format)?;
    convert::known::<v1::ContextOrder>("order", request.order)?;
    convert::known::<v1::ReaderName>("read_with", request.read_with)?;
    convert::known::<v1::Ranker>("ranker", request.ranker)?;
    convert::known::<v1::SummaryMethod>("digest.summary", request.digest.as_ref().map_or(0, |digest| digest.summary))?;
    Ok(())
}

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
        v1::Mode::Memory => {
            return Err(Error::invalid("mode", "a memory is of turns, not of a document that comes piece by piece"));
        }
        v1::Mode::Digest => return Err(Error::invalid("mode", "a digest is of no document that comes piece by piece")),
    };
    let read_with = match request.read_with() {
        v1::ReaderName::Unspecified => None,
        v1::ReaderName::Mini => Some(Who::Mini),
        v1::ReaderName::Language => Some(Who::Language),
    };
    let words = request.words.map(|asked| {
        let drop = if asked.drop == 0.0 { WordSettings::default().drop } else { asked.drop };
        WordSettings { drop, marks: !asked.no_marks }
    });
    if request.digest.is_some() {
        return Err(Error::invalid("digest", "goes with the mode digest"));
    }
    if request.memory.is_some() {
        return Err(Error::invalid("memory", "goes with the mode memory"));
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
        words,
        diversity: request.diversity,
    })
}

/// A request with `MODE_DIGEST`.
pub(super) fn digest(app: &App, call: &Call, request: v1::CompressRequest) -> Result<DigestRequest> {
    ranks_nothing(&request, "a digest, which tells of all passages and ranks none")?;
    if request.memory.is_some() {
        return Err(Error::invalid("memory", "goes with the mode memory"));
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

/// A request with `MODE_MEMORY`.
pub(super) fn memory(app: &App, request: v1::CompressRequest) -> Result<MemoryRequest> {
    ranks_nothing(&request, "a memory, which asks nothing and keeps the order of turns")?;
    let others = [
        ("query", !request.query.is_empty()),
        ("collection", !request.collection.is_empty()),
        ("filter", request.filter.is_some()),
        ("digest", request.digest.is_some()),
    ];
    refuse_any(&others, "a memory, which is of the turns that come with it")?;
    let (asked, default) = (request.memory.unwrap_or_default(), MemorySettings::default());
    let settings = MemorySettings {
        opening: asked.opening.map_or(default.opening, |n| n as usize),
        newest: asked.newest.map_or(default.newest, |n| n as usize),
        decay: asked.decay.unwrap_or(default.decay),
    };
    let (budget, format) = (budget(app, request.budget.as_ref())?, format(request.format()));
    Ok(MemoryRequest { turns: inline(request.documents)?, budget, format, settings })
}

/// Refuses what is about ranking.
fn ranks_nothing(request: &v1::CompressRequest, what: &str) -> Result<()> {
    let ranks = [
        ("order", request.order() != v1::ContextOrder::Unspecified),
        ("must_keep", !request.must_keep.is_empty()),
        ("min_relevance", request.min_relevance != 0.0),
        ("explain", request.explain.is_some()),
        ("words", request.words.is_some()),
        ("diversity", request.diversity != 0.0),
        ("read_passages", request.read_passages.is_some()),
        ("read_with", request.read_with() != v1::ReaderName::Unspecified),
        ("ranker", !matches!(request.ranker(), v1::Ranker::Unspecified | v1::Ranker::Fused)),
    ];
    refuse_any(&ranks, what)
}

fn refuse_any(fields: &[(&'static str, bool)], what: &str) -> Result<()> {
    match fields.iter().find(|(_, is_set)| *is_set) {
        Some((field, _)) => Err(Error::invalid(field, format!("does not go with {what}"))),
        None => Ok(()),
    }
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
    Ok(Corpus::Inline(inline(documents)?))
}

/// A list needs no ids of its own: a document's place is its name.
fn inline(documents: Vec<v1::Document>) -> Result<Vec<Document>> {
    documents.into_iter().zip(1..).map(|(d, n)| convert::document(d, Some(n.to_string()))).collect()
}
