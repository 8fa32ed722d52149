//! Block scores: the measured recipe without a reader.
//!
//! A block's vector holds its title and heading, which is worth more than anything else that was tried
//! at this price; the passage around it and the query's rare terms add a little. All three are
//! standardised within the question, so that their weights mean the same for every question.

use std::collections::HashMap;

use super::fusion::{Candidate, by_score};
use super::{bm25, rounded};
use crate::deadline::Deadline;
use crate::encode::{PackedVector, Vector};
use crate::error::Result;
use crate::index::{TermStatistics, terms};

/// Weight of the segment's own vector beside the block's.
const SEGMENT_WEIGHT: f32 = 0.4;
/// Weight of the block's terms beside its vector.
const LEXICAL_WEIGHT: f32 = 0.3;
/// Length, in terms, of a block of average length: what BM25 normalises by.
const AVERAGE_BLOCK_TERMS: f32 = 20.0;

/// A block of a candidate with its score.
#[derive(Clone, Copy, Debug)]
pub struct BlockScore {
    /// Place of the segment among the candidates.
    pub candidate: usize,
    /// Place of the block in the segment.
    pub block: usize,
    /// The score, rounded.
    pub score: f32,
}

/// Scores every block that can be kept, best first. Blocks without a vector (headings) are left out.
///
/// # Errors
/// The deadline's.
pub fn score_blocks(
    query: &Vector,
    query_terms: &[String],
    statistics: &TermStatistics,
    candidates: &[Candidate],
    deadline: &Deadline,
) -> Result<Vec<BlockScore>> {
    let query = query.pack();
    let mut analyzer = terms::analyzer();
    let places: HashMap<&str, usize> = query_terms.iter().enumerate().map(|(n, t)| (t.as_str(), n)).collect();
    let mut found = Vec::new();
    let (mut block_cosines, mut segment_cosines, mut lexical) = (Vec::new(), Vec::new(), Vec::new());
    for (n, candidate) in candidates.iter().enumerate() {
        deadline.check("rank")?;
        let stored = &candidate.stored;
        let segment_cosine = query.cosine(&stored.vector);
        for (m, (block, vector)) in stored.segment.blocks.iter().zip(&stored.block_vectors).enumerate() {
            let Some(vector) = vector else { continue };
            let mut counts = vec![0u32; query_terms.len()];
            let mut length = 0;
            if !query_terms.is_empty() {
                for term in terms::of(&mut analyzer, stored.slice(block.span).unwrap_or_default()) {
                    length += 1;
                    if let Some(place) = places.get(term.as_str()) {
                        counts[*place] += 1;
                    }
                }
            }
            found.push((n, m));
            block_cosines.push(PackedVector::cosine(&query, vector));
            segment_cosines.push(segment_cosine);
            let count = |t: usize| counts[t];
            lexical.push(bm25::score(statistics, counts.len(), count, length as f32, AVERAGE_BLOCK_TERMS));
        }
    }
    standardise(&mut block_cosines);
    standardise(&mut segment_cosines);
    standardise(&mut lexical);
    let mut scores: Vec<BlockScore> = found
        .into_iter()
        .enumerate()
        .map(|(i, (candidate, block))| BlockScore {
            candidate,
            block,
            score: rounded(block_cosines[i] + SEGMENT_WEIGHT * segment_cosines[i] + LEXICAL_WEIGHT * lexical[i]),
        })
        .collect();
    scores.sort_by(|a, b| {
        let key = |s: &BlockScore| {
            let candidate = &candidates[s.candidate];
            (s.score, candidate.document.as_ref(), candidate.stored.segment.blocks[s.block].span.start)
        };
        by_score(key(a), key(b))
    });
    Ok(scores)
}

/// Subtracts the mean and divides by the standard deviation; equal values become zeros.
fn standardise(values: &mut [f32]) {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n.max(1.0);
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n.max(1.0);
    let deviation = variance.sqrt();
    for value in values {
        *value = if deviation > 1e-9 { ((f64::from(*value) - mean) / deviation) as f32 } else { 0.0 };
    }
}
