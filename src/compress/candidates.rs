//! Candidates to pieces for the fit, and text around a span.

use std::collections::{HashMap, HashSet};

use super::trust::TrustLabels;
use crate::deadline::Deadline;
use crate::document::Revision;
use crate::error::{Error, Result};
use crate::fit::{Piece, Quote, Source};
use crate::index::{DocumentHead, SegmentId, StoredSegment, View};
use crate::rank::{BlockScore, Candidate};
use crate::span::Span;
use crate::tokenize::TokenCounter;

/// Longest span that is expanded, in bytes.
const MAX_EXPANDED_BYTES: usize = 1024 * 1024;
/// Candidates for a small budget.
const MIN_CANDIDATES: usize = 64;
/// Candidates for a large one.
const MAX_CANDIDATES: usize = 4096;
/// A segment has about this many tokens of its own; segments for four times the budget are looked at.
const TOKENS_PER_CANDIDATE: usize = 32;
/// A token of a text has about so many bytes, with its share of citations.
const BYTES_PER_TOKEN: usize = 4;

/// Whose the documents of a context are.
#[derive(Clone, Copy)]
pub(crate) enum Documents<'a> {
    /// They are stored, and an operator may have something to say of their sources.
    Stored(&'a TrustLabels),
    /// They came with the request, and have an order.
    Inline,
}

impl Documents<'_> {
    pub(super) fn are_inline(self) -> bool {
        matches!(self, Self::Inline)
    }

    /// What is said of a document's source.
    fn trust(&self, uri: &str) -> &str {
        match self {
            Self::Stored(labels) => labels.of(uri),
            Self::Inline => "",
        }
    }
}

/// How many segments to retrieve so that their blocks can fill a budget several times over.
pub(super) fn for_budget(max_tokens: u32) -> usize {
    (max_tokens as usize / TOKENS_PER_CANDIDATE).clamp(MIN_CANDIDATES, MAX_CANDIDATES)
}

/// About how many of the best blocks fit into a budget.
pub(crate) fn kept_by(max_tokens: u32, candidates: &[Candidate], scores: &[BlockScore]) -> usize {
    let mut bytes = max_tokens as usize * BYTES_PER_TOKEN;
    let fits = |score: &&BlockScore| {
        let block = candidates[score.candidate].stored.segment.blocks[score.block].span.len();
        let left = bytes.checked_sub(block);
        bytes = left.unwrap_or(0);
        left.is_some()
    };
    scores.iter().take_while(fits).count().max(1)
}

/// Tokens of the candidates' text.
pub(super) fn tokens(candidates: &[Candidate], tokenizer: &dyn TokenCounter) -> u64 {
    candidates.iter().map(|c| u64::from(tokenizer.count(c.stored.text.trim()).0)).sum()
}

/// Scored blocks as pieces, in the order of their documents and spans; those of `first` go before all others.
pub(super) fn pieces(
    candidates: &[Candidate],
    scores: &[BlockScore],
    first: &HashSet<(usize, usize)>,
    documents: Documents<'_>,
) -> (Vec<Source>, Vec<Piece>) {
    let (sources, places) = sources(candidates, documents);
    let by_id: HashMap<SegmentId, &Candidate> = candidates.iter().map(|c| (c.id, c)).collect();
    let scored = |score: &BlockScore| {
        let candidate = &candidates[score.candidate];
        let piece = piece(&by_id, candidate, score.block, places[&candidate.id.revision]);
        Piece { score: score.score, first: first.contains(&(score.candidate, score.block)), ..piece }
    };
    let mut pieces: Vec<Piece> = scores.iter().map(scored).collect();
    pieces.sort_by_key(|p| (p.source, p.span));
    (sources, pieces)
}

/// A block as a piece, without a score.
pub(super) fn piece(
    by_id: &HashMap<SegmentId, &Candidate>,
    candidate: &Candidate,
    block: usize,
    source: usize,
) -> Piece {
    let stored = &candidate.stored;
    let span = stored.segment.blocks[block].span;
    Piece {
        source,
        span,
        text: stored.slice(span).unwrap_or_default().to_owned(),
        joined: between(by_id, candidate, block),
        heading: stored.heading.clone(),
        place: stored.segment.place(span).to_owned(),
        context: shown_before(stored, block),
        score: 0.0,
        first: false,
        repeats: Vec::new(),
        kept: Vec::new(),
    }
}

/// What has to be shown before a block.
fn shown_before(stored: &StoredSegment, block: usize) -> Vec<Quote> {
    let quote = |span| stored.slice(span).map(|text| Quote { span, text: text.to_owned() });
    stored.segment.shown_before(block).filter_map(|c| quote(c.span)).collect()
}

/// The candidates' documents, numbered in the order of their best candidate. Their `place` is that of their
/// ids, and for inline documents, whose revision is their place in the request, as they were given.
pub(super) fn sources(candidates: &[Candidate], documents: Documents<'_>) -> (Vec<Source>, HashMap<Revision, usize>) {
    let mut sources: Vec<Source> = Vec::new();
    let mut places = HashMap::new();
    for candidate in candidates {
        places.entry(candidate.id.revision).or_insert_with(|| {
            let head = &candidate.document;
            sources.push(Source {
                document_id: head.id.to_string(),
                uri: head.uri.clone(),
                title: head.title.clone(),
                revision: head.revision,
                trust: documents.trust(&head.uri).to_owned(),
                place: 0,
            });
            sources.len() - 1
        });
    }
    let mut ordered: Vec<usize> = (0..sources.len()).collect();
    if documents.are_inline() {
        ordered.sort_by_key(|n| sources[*n].revision);
    } else {
        ordered.sort_by(|a, b| sources[*a].document_id.cmp(&sources[*b].document_id));
    }
    for (place, source) in ordered.into_iter().enumerate() {
        sources[source].place = place;
    }
    (sources, places)
}

/// The text between a block and the one right before it, if both are under one heading: the previous
/// block of the segment, or the last one of the segment before.
fn between(by_id: &HashMap<SegmentId, &Candidate>, candidate: &Candidate, block: usize) -> Option<String> {
    let stored = &candidate.stored;
    let start = stored.segment.blocks[block].span.start as usize;
    if block > 0 {
        if stored.block_vectors.get(block - 1).is_none_or(Option::is_none) {
            return None; // a heading, which is no piece
        }
        let end = stored.segment.blocks[block - 1].span.end as usize;
        return stored.slice(Span::new(end, start)).map(str::to_owned);
    }
    let before = SegmentId { ordinal: candidate.id.ordinal.checked_sub(1)?, ..candidate.id };
    let before = &by_id.get(&before)?.stored;
    if before.heading != stored.heading || before.block_vectors.last().is_none_or(Option::is_none) {
        return None;
    }
    let end = before.segment.span().end as usize;
    before.slice(Span::new(end, start)).map(str::to_owned)
}

/// The blocks that a span touches, and so many more on both sides, as one span with its text.
pub(super) fn around(
    view: &dyn View,
    head: &DocumentHead,
    span: Span,
    blocks: usize,
    deadline: &Deadline,
) -> Result<(Span, String)> {
    if span.len() > MAX_EXPANDED_BYTES {
        let (limit, actual) = (MAX_EXPANDED_BYTES as u64, span.len() as u64);
        return Err(Error::LimitExceeded { field: "span", limit, actual });
    }
    if span.is_empty() || span.end > head.bytes {
        return Err(Error::invalid("span", format!("{span} is empty or outside the document's {} bytes", head.bytes)));
    }
    let load = |ordinal: u32| -> Result<std::sync::Arc<StoredSegment>> {
        deadline.check("expand")?;
        let id = SegmentId { revision: head.revision, ordinal };
        let mut found = view.segments(&[id])?;
        found.pop().ok_or_else(|| Error::NotFound { kind: "document", name: head.id.to_string() })
    };
    // Segments cover the document without gaps, so the first one is found by halving.
    let (mut low, mut high) = (0, head.segments.saturating_sub(1));
    while low < high {
        let middle = low + (high - low) / 2;
        if load(middle)?.covered.end > span.start { high = middle } else { low = middle + 1 }
    }
    let mut segments = std::collections::VecDeque::from([(low, load(low)?)]);
    let extend_back =
        |segments: &mut std::collections::VecDeque<(u32, std::sync::Arc<StoredSegment>)>| -> Result<bool> {
            let first = segments.front().map_or(0, |(n, _)| *n);
            if first == 0 {
                return Ok(false);
            }
            segments.push_front((first - 1, load(first - 1)?));
            Ok(true)
        };
    let extend_on = |segments: &mut std::collections::VecDeque<(u32, std::sync::Arc<StoredSegment>)>| -> Result<bool> {
        let last = segments.back().map_or(0, |(n, _)| *n);
        if last + 1 >= head.segments {
            return Ok(false);
        }
        segments.push_back((last + 1, load(last + 1)?));
        Ok(true)
    };
    let spans = |segments: &std::collections::VecDeque<(u32, std::sync::Arc<StoredSegment>)>| -> Vec<Span> {
        segments.iter().flat_map(|(_, s)| s.segment.blocks.iter().map(|b| b.span)).collect()
    };
    loop {
        let all = spans(&segments);
        let first = all.partition_point(|s| s.end <= span.start);
        if first >= blocks || !extend_back(&mut segments)? {
            break;
        }
    }
    loop {
        let all = spans(&segments);
        let after = all.len() - all.partition_point(|s| s.start < span.end);
        if after >= blocks || !extend_on(&mut segments)? {
            break;
        }
    }
    let all = spans(&segments);
    let first = all.partition_point(|s| s.end <= span.start).saturating_sub(blocks);
    let last = (all.partition_point(|s| s.start < span.end) + blocks).min(all.len());
    let wide =
        all[first.min(all.len() - 1)..last.max(first + 1).min(all.len())].iter().fold(span, |wide, s| wide.cover(*s));
    let text: String = segments
        .iter()
        .filter_map(|(_, s)| {
            let part = Span::new(wide.start.max(s.covered.start) as usize, wide.end.min(s.covered.end) as usize);
            s.slice(part)
        })
        .collect();
    if text.len() != wide.len() {
        return Err(Error::invalid("span", format!("{span} cuts a character")));
    }
    Ok((wide, text))
}
