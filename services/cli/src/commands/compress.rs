//! `tamis compress`: a question and a budget to a context.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tamis_proto::v1::{
    self, BlockExplanation, BlockReading, Budget, Citation, CompressRequest, CompressResponse, ContextFormat,
    ContextOrder, DigestOptions, Quote, ReadEnd, ReadStats, ReaderName,
};

use super::{Corpus, digest, line, rounded};
use crate::args::{CompressArgs, Global, Mode, Order, OutputFormat, Ranker, ReadWith, Render, Summary};
use crate::connect::Connection;
use crate::failure::Result;

pub(crate) async fn run(global: &Global, args: CompressArgs) -> Result {
    let mut request = request(&args, args.query.clone().unwrap_or_default());
    let corpus = Corpus::of(global, &args.paths, &args.filter)?;
    let connection = Connection::open(global, corpus.store).await?;
    (request.collection, request.filter, request.documents) = (corpus.collection, corpus.filter, corpus.documents);
    let answer = connection.contexts().max_encoding_message_size(usize::MAX).compress(request).await;
    let answer = answer?.into_inner();
    warn(&answer);
    show(global, &args, &answer)?;
    connection.close().await
}

pub(super) fn show(global: &Global, args: &CompressArgs, response: &CompressResponse) -> Result {
    if global.format == OutputFormat::Json {
        line(&to_json(response).to_string())?;
    } else {
        line(response.text.trim_end())?;
        if args.stats {
            line(&format!("-- {}", stats_line(response)))?;
        }
        response.explanation.iter().try_for_each(|block| line(&explanation_line(block)))?;
        if !response.not_kept.is_empty() {
            crate::say!("not in the context: {}", response.not_kept.join(", "));
        }
    }
    Ok(())
}

/// The part of a request that the flags say.
pub(super) fn request(args: &CompressArgs, query: String) -> CompressRequest {
    let format = match args.render {
        Render::Plain => ContextFormat::Plain,
        Render::Markdown => ContextFormat::Markdown,
        Render::Xml => ContextFormat::Xml,
    };
    let order = match args.order {
        _ if args.digest => ContextOrder::Unspecified,
        Order::Relevance => ContextOrder::Relevance,
        Order::Document => ContextOrder::Document,
    };
    CompressRequest {
        query,
        budget: Some(Budget { max_tokens: args.budget, tokenizer: args.tokenizer.clone() }),
        format: format.into(),
        order: order.into(),
        must_keep: args.must_keep.clone(),
        min_relevance: args.min_relevance,
        explain: args.explain,
        digest: args.digest.then(|| DigestOptions {
            clusters: args.clusters,
            facts: args.facts.clone(),
            passages: args.digest_passages,
            map: false,
            summary: match args.summary {
                None => v1::SummaryMethod::Unspecified,
                Some(Summary::Hierarchical) => v1::SummaryMethod::Hierarchical,
                Some(Summary::Incremental) => v1::SummaryMethod::Incremental,
            }
            .into(),
        }),
        mode: match args.mode {
            _ if args.digest => v1::Mode::Digest,
            Mode::Fast => v1::Mode::Fast,
            Mode::Precise => v1::Mode::Precise,
            Mode::Auto => v1::Mode::Auto,
            Mode::Mini => v1::Mode::Mini,
        }
        .into(),
        ranker: match args.ranker {
            Ranker::Fused => v1::Ranker::Fused,
            Ranker::Xl3m => v1::Ranker::Xl3m,
            Ranker::Infiniretri => v1::Ranker::Infiniretri,
        }
        .into(),
        read_passages: args.read_passages,
        diversity: args.diversity,
        words: args.drop_words.map(|drop| v1::WordOptions { drop, no_marks: args.no_marks }),
        read_with: match args.read_with {
            None => v1::ReaderName::Unspecified,
            Some(ReadWith::Mini) => v1::ReaderName::Mini,
            Some(ReadWith::Language) => v1::ReaderName::Language,
        }
        .into(),
        ..CompressRequest::default()
    }
}

/// Says what could not be done as it was asked for.
pub(super) fn warn(response: &CompressResponse) {
    for warning in response.digest.iter().flat_map(|digest| &digest.warnings) {
        crate::say!("tamis: warning: {warning}");
    }
}

/// The stable JSON form.
pub(super) fn to_json(response: &CompressResponse) -> Value {
    let budget = response.budget.clone().unwrap_or_default();
    let stats = response.stats.clone().unwrap_or_default();
    let excerpts: Vec<Value> = response
        .excerpts
        .iter()
        .map(|e| {
            let span = e.span.unwrap_or_default();
            json!({
                "document_id": e.document_id, "uri": e.uri, "revision": e.revision, "start": span.start,
                "end": span.end, "text": e.text, "tokens": e.tokens, "score": rounded(f64::from(e.score), 1e4),
                "heading": e.heading, "place": e.place, "context": e.context.iter().map(quote).collect::<Vec<_>>(),
                "also_in": e.also_in.iter().map(citation).collect::<Vec<_>>(),
                "kept": e.kept.iter().map(|span| [span.start, span.end]).collect::<Vec<_>>(), "trust": e.trust,
            })
        })
        .collect();
    let stages: serde_json::Map<String, Value> =
        sorted_stages(response).into_iter().map(|(stage, ms)| (stage, json!(rounded(ms, 1e3)))).collect();
    let mut json = json!({
        "text": response.text, "token_count": response.token_count,
        "budget": {"max_tokens": budget.max_tokens, "tokenizer": budget.tokenizer},
        "excerpts": excerpts,
        "confidence": rounded(f64::from(response.confidence), 1e4), "not_kept": response.not_kept,
        "explanation": response.explanation.iter().map(explanation).collect::<Vec<_>>(),
        "stats": {
            "candidate_tokens": stats.candidate_tokens, "candidates": stats.candidates,
            "stages_ms": stages, "estimated": stats.estimated, "fingerprint": stats.fingerprint,
        },
    });
    if let Some(digest) = &response.digest {
        json["clusters"] = digest.clusters.iter().map(digest::cluster).collect();
        json["digest"] = digest::whole(digest);
    }
    if !stats.read.is_empty() {
        json["stats"]["read"] = stats.read.iter().map(read_json).collect();
    }
    json
}

fn read_json(read: &ReadStats) -> Value {
    json!({
        "reader": reader(read), "passages": read.passages, "tokens": read.tokens, "cut": read.cut, "end": end(read),
        "expected_gain": read.expected_gain.map(|gain| rounded(f64::from(gain), 1e4)),
        "fingerprint": read.fingerprint,
    })
}

/// Who read, in a word.
fn reader(read: &ReadStats) -> &'static str {
    match read.reader() {
        ReaderName::Mini => "mini",
        ReaderName::Unspecified | ReaderName::Language => "language",
    }
}

/// Why no more was read, in a word.
fn end(read: &ReadStats) -> &'static str {
    match read.end() {
        ReadEnd::Unspecified => "nothing",
        ReadEnd::Done => "done",
        ReadEnd::Sure => "sure",
        ReadEnd::Settled => "settled",
        ReadEnd::Deadline => "deadline",
        ReadEnd::Language => "language",
        ReadEnd::LongQuestion => "long question",
    }
}

fn sorted_stages(response: &CompressResponse) -> Vec<(String, f64)> {
    const ORDER: &[&str] = &["queue", "encode", "retrieve", "cluster", "choose", "rank", "read_mini", "read", "fit"];
    let stages = response.stats.clone().unwrap_or_default().stages_ms;
    let mut stages: Vec<_> = stages.into_iter().collect();
    stages.sort_by_key(|(name, _)| (ORDER.iter().position(|o| o == name), name.clone()));
    stages
}

fn stats_line(response: &CompressResponse) -> String {
    let stats = response.stats.clone().unwrap_or_default();
    let budget = response.budget.clone().unwrap_or_default();
    let stages: Vec<String> =
        sorted_stages(response).into_iter().map(|(stage, ms)| format!("{stage} {ms:.1} ms")).collect();
    let of_reader = |read: &ReadStats| {
        format!("; {}: {} tokens in {} passages read ({})", reader(read), read.tokens, read.passages, end(read))
    };
    let read: String = stats.read.iter().map(of_reader).collect();
    let ranked = || {
        let (tokens, segments) = (stats.candidate_tokens, stats.candidates);
        format!("{tokens} tokens in {segments} segments; confidence {:.2}", response.confidence)
    };
    let of = response.digest.as_ref().map_or_else(ranked, digest::summary);
    format!(
        "{} of {} tokens ({}) in {} excerpts, from {of}{read}; {}",
        response.token_count,
        budget.max_tokens,
        budget.tokenizer,
        response.excerpts.len(),
        stages.join(", ")
    )
}

/// A block with the parts of its score.
fn explanation(block: &BlockExplanation) -> Value {
    let span = block.span.unwrap_or_default();
    let parts: BTreeMap<&String, f64> =
        block.parts.iter().map(|(name, value)| (name, rounded(f64::from(*value), 1e4))).collect();
    let reading = match block.reading() {
        BlockReading::Unspecified => "no",
        BlockReading::Read => "yes",
        BlockReading::Cut => "cut",
    };
    json!({
        "document_id": block.document_id, "revision": block.revision, "start": span.start, "end": span.end,
        "kept": block.kept, "read": reading, "score": rounded(f64::from(block.score), 1e4),
        "relevance": rounded(f64::from(block.relevance), 1e4), "parts": parts,
    })
}

fn explanation_line(block: &BlockExplanation) -> String {
    let span = block.span.unwrap_or_default();
    let parts: BTreeMap<&String, f32> = block.parts.iter().map(|(name, value)| (name, *value)).collect();
    let parts: Vec<String> = parts.into_iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
    format!(
        "-- {} {} bytes {}..{}: score {:.2}, relevance {:.2} ({})",
        if block.kept { "kept" } else { "not kept" },
        block.document_id,
        span.start,
        span.end,
        block.score,
        block.relevance,
        parts.join(", ")
    )
}

fn citation(citation: &Citation) -> Value {
    let span = citation.span.unwrap_or_default();
    let Citation { document_id, uri, revision, .. } = citation;
    json!({"document_id": document_id, "uri": uri, "revision": revision, "start": span.start, "end": span.end})
}

/// Text shown before an excerpt, with its place in the document.
fn quote(quote: &Quote) -> Value {
    let span = quote.span.unwrap_or_default();
    json!({"start": span.start, "end": span.end, "text": quote.text})
}
