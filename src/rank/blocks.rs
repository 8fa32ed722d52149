//! Block scores: features, as a model weighs them.

use super::describe::describe;
use super::features::Features;
use super::fusion::{Candidate, by_score};
use super::model::Model;
use super::policy::Who;
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
    /// How likely it is wanted, 0 to 1.
    pub relevance: f32,
    /// What the weighted sum gave of the score.
    pub sum: f32,
    /// What the trees gave of the score.
    pub trees: f32,
    /// What reader-mini added to it.
    pub mini: f32,
    /// What the language model added to it.
    pub language: f32,
    /// What they were made of.
    pub features: Features,
}

impl BlockScore {
    /// The score without what readers added.
    #[must_use]
    pub fn fast(&self) -> f32 {
        self.sum + self.trees
    }

    /// What a reader added.
    #[must_use]
    pub fn added_by(&self, who: Who) -> f32 {
        match who {
            Who::Mini => self.mini,
            Who::Language => self.language,
        }
    }

    /// Notes what a reader adds.
    pub(super) fn add(&mut self, who: Who, added: f32) {
        match who {
            Who::Mini => self.mini = added,
            Who::Language => self.language = added,
        }
        self.score = rounded(self.fast() + self.mini + self.language);
    }
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
    let described = describe(question, view, candidates, deadline)?;
    let known: Vec<Features> = described.iter().map(|d| d.features).collect();
    let scored = described.into_iter().zip(model.score(&known));
    let mut scores: Vec<BlockScore> = scored
        .map(|(d, scored)| BlockScore {
            candidate: d.candidate,
            block: d.block,
            score: rounded(scored.sum + scored.trees),
            relevance: rounded(scored.relevance),
            sum: scored.sum,
            trees: scored.trees,
            mini: 0.0,
            language: 0.0,
            features: d.features,
        })
        .collect();
    sort(&mut scores, candidates);
    Ok(scores)
}

/// Best first.
pub(super) fn sort(scores: &mut [BlockScore], candidates: &[Candidate]) {
    scores.sort_by(|a, b| {
        let key = |s: &BlockScore| {
            let candidate = &candidates[s.candidate];
            (s.score, candidate.document.as_ref(), candidate.stored.segment.blocks[s.block].span.start)
        };
        by_score(key(a), key(b))
    });
}
