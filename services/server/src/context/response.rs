//! What is answered, to the wire.

use tamis::compress::{self, Cluster, Fact, Facts, Numbers, Place, Stats, Summary, WasBlockRead};
use tamis::fit::{Budget, Context, Source};
use tamis::rank::{End, WasRead, Who};
use tamis::span::Span;
use tamis::summarize::Cost;

use crate::v1::compress_stream_response::Part;
use crate::{convert, v1};

/// The whole response; it waited so many milliseconds for a thread.
pub(super) fn compressed(
    answer: compress::Answer,
    asked: &Budget,
    waited: f64,
    fingerprint: String,
) -> v1::CompressResponse {
    v1::CompressResponse {
        confidence: answer.confidence,
        not_kept: answer.not_kept,
        explanation: answer.explanation.into_iter().map(explanation).collect(),
        ..told(answer.context, answer.stats, asked, waited, fingerprint)
    }
}

/// The same for a digest.
pub(super) fn digested(
    digest: compress::Digest,
    summarized: bool,
    asked: &Budget,
    waited: f64,
    fingerprint: String,
) -> v1::CompressResponse {
    let untold = digest.clusters.iter().filter(|c| c.excerpts.is_empty()).count();
    let told_of = v1::Digest {
        passages: digest.passages,
        documents: digest.documents,
        clusters: digest.clusters.into_iter().map(cluster).collect(),
        facts: facts(digest.facts),
        untold: saturated(untold),
        places: digest.places.iter().map(place).collect(),
        warnings: digest.warnings,
        cost: summarized.then(|| cost(digest.cost)),
    };
    v1::CompressResponse { digest: Some(told_of), ..told(digest.context, digest.stats, asked, waited, fingerprint) }
}

/// A context and what it took.
pub(super) fn told(
    context: Context,
    stats: Stats,
    asked: &Budget,
    waited: f64,
    fingerprint: String,
) -> v1::CompressResponse {
    let stages = stats.stages_ms.into_iter().chain([("queue", waited)]);
    v1::CompressResponse {
        token_count: context.token_count.0,
        budget: Some(budget(asked)),
        excerpts: excerpts(&context),
        text: context.text,
        stats: Some(v1::CompressStats {
            candidate_tokens: stats.candidate_tokens,
            candidates: saturated(stats.candidates),
            stages_ms: stages.map(|(stage, ms)| (stage.to_owned(), ms)).collect(),
            estimated: asked.tokenizer.is_estimate(),
            fingerprint,
            read: stats.read.into_iter().map(read_stats).collect(),
        }),
        ..v1::CompressResponse::default()
    }
}

fn cluster(cluster: Cluster) -> v1::Cluster {
    v1::Cluster {
        passages: cluster.passages,
        share: cluster.share,
        keywords: cluster.keywords,
        cohesion: cluster.cohesion,
        outliers: cluster.outliers,
        first_excerpt: saturated(cluster.excerpts.start),
        excerpts: saturated(cluster.excerpts.len()),
        facts: facts(cluster.facts),
        summary: cluster.summary.map(|Summary { text, model, passages, not_in_passages }| v1::Summary {
            text,
            model,
            passages,
            not_in_passages,
        }),
    }
}

fn cost(cost: Cost) -> v1::SummaryCost {
    let Cost { calls, cached, retries, prompt_tokens, completion_tokens } = cost;
    v1::SummaryCost { calls, cached, retries, prompt_tokens, completion_tokens }
}

fn place(place: &Place) -> v1::MapPlace {
    v1::MapPlace { x: place.x, y: place.y, cluster: saturated(place.cluster), told: place.told }
}

fn facts(facts: Facts) -> Vec<v1::Fact> {
    let fact = |fact: Fact| v1::Fact {
        field: fact.field,
        documents: fact.documents,
        missing: fact.missing,
        values: fact.values.into_iter().map(|(value, documents)| v1::FactValue { value, documents }).collect(),
        others: fact.others,
        numbers: fact.numbers.map(|Numbers { min, max, mean }| v1::FactNumbers { min, max, mean }),
    };
    facts.0.into_iter().map(fact).collect()
}

fn saturated(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The same part by part: excerpts, then all else.
pub(super) fn parts(mut response: v1::CompressResponse) -> Vec<v1::CompressStreamResponse> {
    let excerpts = std::mem::take(&mut response.excerpts).into_iter().map(Part::Excerpt);
    let parts = excerpts.chain([Part::Context(response)]);
    parts.map(|part| v1::CompressStreamResponse { part: Some(part) }).collect()
}

fn budget(budget: &Budget) -> v1::Budget {
    v1::Budget { max_tokens: budget.max_tokens.0, tokenizer: budget.tokenizer.name().to_owned() }
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
            kept: e.kept.iter().copied().map(convert::span).collect(),
            trust: e.source.trust.clone(),
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

fn read_stats(read: WasRead) -> v1::ReadStats {
    let end = match read.end {
        End::Nothing => v1::ReadEnd::Unspecified,
        End::Done => v1::ReadEnd::Done,
        End::Sure => v1::ReadEnd::Sure,
        End::Settled => v1::ReadEnd::Settled,
        End::Deadline => v1::ReadEnd::Deadline,
        End::Language => v1::ReadEnd::Language,
        End::LongQuestion => v1::ReadEnd::LongQuestion,
    };
    v1::ReadStats {
        passages: saturated(read.passages),
        tokens: read.tokens as u64,
        cut: saturated(read.cut),
        end: end.into(),
        expected_gain: read.expected_gain,
        fingerprint: read.fingerprint,
        reader: match read.who {
            Who::Mini => v1::ReaderName::Mini,
            Who::Language => v1::ReaderName::Language,
        }
        .into(),
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
        parts: explained.parts.into_iter().collect(),
        reading: match explained.reading {
            WasBlockRead::No => v1::BlockReading::Unspecified,
            WasBlockRead::Yes => v1::BlockReading::Read,
            WasBlockRead::Cut => v1::BlockReading::Cut,
        }
        .into(),
    }
}
