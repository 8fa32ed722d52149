//! The plain baseline: whole passages, ranked, and cut at the budget.

use std::collections::BTreeMap;

use super::data::text_of;
use crate::deadline::Deadline;
use crate::document::{Block, BlockKind, Document, Segment};
use crate::encode::{Encoder, Priority};
use crate::error::Result;
use crate::index::{Filter, Hit, SegmentId, StoredSegment, View};
use crate::rank::{Question, ranked as ranked_hits};
use crate::span::Span;
use crate::tokenize::TokenCounter;

/// Damping of reciprocal rank fusion.
const DAMPING: f32 = 60.0;
/// Longer documents are cut into passages of so many words.
const PASSAGE_WORDS: usize = 150;

/// The passages of a document, each encoded after its title.
pub(super) fn cut(document: &Document, encoder: &dyn Encoder, deadline: &Deadline) -> Result<Vec<StoredSegment>> {
    let text = text_of(document);
    let spans = spans(text);
    let read: Vec<String> = spans.iter().map(|s| format!("{}: {}", document.title, &text[s.range()])).collect();
    let read: Vec<&str> = read.iter().map(String::as_str).collect();
    let vectors = encoder.encode_passages(&read, Priority::Ingest, deadline)?;
    let stored = spans.into_iter().zip(vectors).map(|(span, vector)| StoredSegment {
        segment: Segment { blocks: vec![Block { span, kind: BlockKind::Sentence }], ..Segment::default() },
        heading: String::new(),
        lead: String::new(),
        far: Vec::new(),
        covered: span,
        text: text[span.range()].to_owned(),
        vector: vector.pack(),
        block_vectors: vec![None],
    });
    Ok(stored.collect())
}

fn spans(text: &str) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for (words, word) in text.split_whitespace().enumerate() {
        // Words are slices of the text: their place is the distance to its beginning.
        let start = word.as_ptr() as usize - text.as_ptr() as usize;
        let span = Span::new(start, start + word.len());
        match out.last_mut() {
            Some(last) if words % PASSAGE_WORDS != 0 => *last = last.cover(span),
            _ => out.push(span),
        }
    }
    out
}

/// By what passages are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Lexical,
    Dense,
    Fused,
    SoftVotes,
}

/// The passages of a view, best first.
pub(super) fn ranked(view: &dyn View, filter: &Filter, question: &Question, by: By) -> Result<Vec<SegmentId>> {
    let lexical = || view.lexical(&question.terms, filter, usize::MAX);
    let dense = || Ok(view.dense(&question.vector.pack(), filter, usize::MAX)?.hits);
    let ids = |hits: Vec<Hit>| hits.into_iter().map(|h| h.segment).collect();
    Ok(match by {
        By::Lexical => ids(lexical()?),
        By::Dense => ids(dense()?),
        By::Fused => reciprocal_ranks(&dense()?, &lexical()?),
        By::SoftVotes => soft_votes(&dense()?, &lexical()?),
    })
}

/// Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009): what most pipelines do.
fn reciprocal_ranks(dense: &[Hit], lexical: &[Hit]) -> Vec<SegmentId> {
    let mut fused: BTreeMap<SegmentId, f32> = BTreeMap::new();
    for (segment, rank, _) in ranked_hits(dense).chain(ranked_hits(lexical)) {
        *fused.entry(segment).or_default() += 1.0 / (DAMPING + rank as f32);
    }
    best_first(fused)
}

fn best_first(scores: BTreeMap<SegmentId, f32>) -> Vec<SegmentId> {
    let mut order: Vec<(SegmentId, f32)> = scores.into_iter().collect();
    // Stable: equal scores stay in the order of the documents.
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order.into_iter().map(|(segment, _)| segment).collect()
}

/// Soft votes (TokenSelect, arXiv 2411.02886, whose voters are attention heads): every list's softmax, summed. Scores
/// are standardised before, so that neither list is sharper for its unit alone.
fn soft_votes(dense: &[Hit], lexical: &[Hit]) -> Vec<SegmentId> {
    let mut votes: BTreeMap<SegmentId, f32> = BTreeMap::new();
    for hits in [dense, lexical] {
        let count = hits.len().max(1) as f32;
        let mean = hits.iter().map(|h| h.score).sum::<f32>() / count;
        let deviation = (hits.iter().map(|h| (h.score - mean).powi(2)).sum::<f32>() / count).sqrt().max(f32::EPSILON);
        let vote = |hit: &Hit| ((hit.score - mean) / deviation).exp();
        let all: f32 = hits.iter().map(vote).sum();
        hits.iter().for_each(|hit| *votes.entry(hit.segment).or_default() += vote(hit) / all);
    }
    best_first(votes)
}

/// `title`, passage, blank line, and so on; the last one is cut where the budget ends.
pub(super) fn context(
    view: &dyn View,
    ranked: &[SegmentId],
    budget: u32,
    tokenizer: &dyn TokenCounter,
) -> Result<String> {
    let mut out = String::new();
    for id in ranked {
        let title = view.document_of(id.revision).map_or_else(String::new, |head| head.title.clone());
        let stored = view.segments(&[*id])?;
        let passage = stored.first().map_or("", |s| s.text.as_str());
        let before = out.len();
        out.push_str(&format!("{title}\n{passage}\n\n"));
        if tokenizer.count(&out).0 > budget {
            cut_at(&mut out, before, budget, tokenizer);
            break;
        }
    }
    Ok(out)
}

/// Cuts the text after `from` at the last character that the budget holds.
fn cut_at(text: &mut String, from: usize, budget: u32, tokenizer: &dyn TokenCounter) {
    let ends: Vec<usize> = text[from..].char_indices().map(|(n, _)| from + n).collect();
    // Counts grow with the text but for a token or two at its end: halving finds the place, steps mend it.
    let mut keep = ends.partition_point(|end| tokenizer.count(&text[..*end]).0 <= budget);
    while keep > 0 && tokenizer.count(&text[..ends[keep - 1]]).0 > budget {
        keep -= 1;
    }
    text.truncate(keep.checked_sub(1).map_or(from, |n| ends[n]));
}
