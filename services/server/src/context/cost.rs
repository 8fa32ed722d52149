//! What a context is expected to cost, beside others of the same pool: bytes to encode, tokens to read.

use tamis::compress::{CompressRequest, Corpus, Mode, Ranker};
use tamis::document::Document;
use tamis::rank::Who;

use crate::call::Cost;

/// Passages that are read where a request does not say how many.
const PASSAGES: usize = 20;
/// Tokens of a passage, with question and template.
const PASSAGE_TOKENS: usize = 200;
/// How much longer the language model takes for a token than reader-mini (docs/performance.md).
const LANGUAGE: usize = 10;

/// Of a request for excerpts.
pub(super) fn excerpts(request: &CompressRequest) -> Cost {
    let passages = request.read_passages.unwrap_or(PASSAGES);
    let each = match (request.mode, request.ranker, request.read_with) {
        (Mode::Fast, Ranker::Fused, _) => 0,
        (Mode::Mini, ..) | (.., Some(Who::Mini)) => PASSAGE_TOKENS,
        // It may be sure without reading.
        (Mode::Auto, ..) => PASSAGE_TOKENS * LANGUAGE / 2,
        _ => PASSAGE_TOKENS * LANGUAGE,
    };
    of(&request.corpus).and_bytes(request.query.len()).and_bytes(passages.saturating_mul(each))
}

/// Of a request that goes over all that a corpus says.
pub(super) fn overview(corpus: &Corpus) -> Cost {
    match corpus {
        Corpus::Collection { .. } => Cost::ALL,
        Corpus::Inline(_) => of(corpus),
    }
}

/// Of encoding these documents.
pub(super) fn documents(all: &[Document]) -> Cost {
    Cost::QUESTION.and_bytes(all.iter().map(|document| document.content.len()).sum())
}

/// Of a question to a corpus.
pub(super) fn of(corpus: &Corpus) -> Cost {
    match corpus {
        Corpus::Collection { .. } => Cost::QUESTION,
        Corpus::Inline(all) => documents(all),
    }
}
