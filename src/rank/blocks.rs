//! Block scores: features, as a model weighs them.

use super::features::{self, Features};
use super::fusion::{Candidate, by_score};
use super::model::Model;
use super::{Question, rounded};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::index::View;

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
/// The view's and the deadline's.
pub fn score_blocks(
    question: &Question,
    view: &dyn View,
    candidates: &[Candidate],
    model: &Model,
    deadline: &Deadline,
) -> Result<Vec<BlockScore>> {
    let described = features::describe(question, view, candidates, deadline)?;
    let known: Vec<Features> = described.iter().map(|d| d.features).collect();
    let scored = described.into_iter().zip(model.score(&known));
    let mut scores: Vec<BlockScore> = scored
        .map(|(d, score)| BlockScore {
            candidate: d.candidate,
            block: d.block,
            score: rounded(score),
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
