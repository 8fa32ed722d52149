//! Block scores: a weighted sum of features.

use super::features::{self, Features};
use super::fusion::{Candidate, by_score};
use super::weights::Weights;
use super::{Question, rounded};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::index::TermStatistics;

/// A block of a candidate with its score.
#[derive(Clone, Copy, Debug)]
pub struct BlockScore {
    /// Place of the segment among the candidates.
    pub candidate: usize,
    /// Place of the block in the segment.
    pub block: usize,
    /// The score, rounded.
    pub score: f32,
    /// What it was made of.
    pub features: Features,
}

/// Scores every block that can be kept, best first. Blocks without a vector (headings) are left out.
///
/// # Errors
/// The deadline's.
pub fn score_blocks(
    question: &Question,
    statistics: &TermStatistics,
    candidates: &[Candidate],
    weights: &Weights,
    deadline: &Deadline,
) -> Result<Vec<BlockScore>> {
    let described = features::describe(question, statistics, candidates, deadline)?;
    let mut scores: Vec<BlockScore> = described
        .into_iter()
        .map(|d| BlockScore {
            candidate: d.candidate,
            block: d.block,
            score: rounded(weights.score(&d.features)),
            features: d.features,
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
