//! When reading pays: how likely it keeps an answer that the fast ranking would not, from how that ranking looks.
//!
//! Language Model Cascades (arXiv 2404.10136, section 4) defer to the larger model by quantiles of the smaller one's
//! certainty, learnt after the fact (post-hoc quantiles). The certainty here lies in the scores around the budget's cut:
//! where many blocks score alike, an order by other signs can change what is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BlockScore, evidence};
use crate::error::{Error, Result};

/// What is looked at.
pub const SIGNS: [&str; 9] = [
    "first_to_fifth",
    "above_cut_max",
    "above_cut_upper",
    "above_cut_median",
    "above_cut_lower",
    "below_cut",
    "evidence",
    "best_relevance",
    "log_cut",
];
/// Their number.
pub const COUNT: usize = SIGNS.len();

/// A logistic model of the signs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cascade {
    /// Logarithm of the odds where all signs are 0.
    pub offset: f32,
    /// What a unit of a sign counts, in the order of [`SIGNS`].
    pub weights: [f32; COUNT],
    /// Reading begins where the chance of a gain is at least this.
    pub threshold: f32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    offset: f32,
    threshold: f32,
    weights: BTreeMap<String, f32>,
}

impl Cascade {
    /// How likely reading keeps an answer that these scores, best first and cut after so many blocks, would not.
    #[must_use]
    pub fn expected_gain(&self, scores: &[BlockScore], cut: usize) -> f32 {
        let sum: f32 = self.weights.iter().zip(signs(scores, cut)).map(|(w, s)| w * s).sum();
        1.0 / (1.0 + (-(self.offset + sum)).exp())
    }
}

/// The signs of a ranking, best first, that is cut after so many blocks.
#[must_use]
pub fn signs(scores: &[BlockScore], cut: usize) -> [f32; COUNT] {
    if scores.is_empty() {
        return [0.0; COUNT];
    }
    let last = scores.len() - 1;
    let at = |n: usize| scores[n.min(last)].score;
    let cut = cut.clamp(1, scores.len());
    let above = |share: f32| at((share * (cut - 1) as f32).round() as usize) - at(cut);
    let relevances = scores[..cut].iter().map(|s| s.relevance);
    [
        at(0) - at(4),
        above(0.0),
        above(0.25),
        above(0.5),
        above(0.75),
        at(cut) - at(2 * cut),
        evidence(relevances).unwrap_or(0.0),
        scores[..cut].iter().map(|s| s.relevance).fold(0.0, f32::max),
        (cut as f32).ln(),
    ]
}

impl Serialize for Cascade {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let weights = SIGNS.iter().zip(self.weights).map(|(name, w)| ((*name).to_owned(), w)).collect();
        File { offset: self.offset, threshold: self.threshold, weights }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cascade {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let file = File::deserialize(deserializer)?;
        Self::of(&file).map_err(serde::de::Error::custom)
    }
}

impl Cascade {
    fn of(file: &File) -> Result<Self> {
        let refuse = |reason: String| Error::invalid("cascade", reason);
        if let Some(unknown) = file.weights.keys().find(|name| !SIGNS.contains(&name.as_str())) {
            return Err(refuse(format!("{unknown:?} is no sign; use {}", SIGNS.join(", "))));
        }
        let mut weights = [0.0; COUNT];
        for (weight, name) in weights.iter_mut().zip(SIGNS) {
            *weight = *file.weights.get(name).ok_or_else(|| refuse(format!("{name} is missing")))?;
        }
        Ok(Self { offset: file.offset, weights, threshold: file.threshold })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::features::Features;

    fn scores(of: &[f32]) -> Vec<BlockScore> {
        let score = |(block, score): (usize, &f32)| BlockScore {
            candidate: 0,
            block,
            score: *score,
            relevance: 0.2,
            sum: *score,
            trees: 0.0,
            mini: 0.0,
            language: 0.0,
            features: Features::default(),
        };
        of.iter().enumerate().map(score).collect()
    }

    #[test]
    fn signs_are_of_the_scores_around_the_cut() {
        let told = signs(&scores(&[9.0, 7.0, 5.0, 3.0, 1.0, 0.0]), 2);
        assert_eq!((told[0], told[1], told[5]), (8.0, 4.0, 4.0), "{told:?}");
        assert_eq!(signs(&[], 3), [0.0; COUNT]);
        assert!(signs(&scores(&[1.0]), 40).iter().all(|s| s.is_finite()));
    }

    #[test]
    fn the_surer_the_ranking_the_smaller_the_gain() {
        let mut weights = [0.0; COUNT];
        weights[0] = -1.0;
        let cascade = Cascade { offset: 0.0, weights, threshold: 0.5 };
        let (sure, unsure) = (scores(&[9.0, 1.0, 1.0, 1.0, 1.0]), scores(&[1.1, 1.0, 1.0, 1.0, 1.0]));
        assert!(cascade.expected_gain(&sure, 1) < cascade.expected_gain(&unsure, 1));
    }
}
