//! How features become a score: a weighted sum and a small ensemble of trees, each standardised within the
//! question, added.
//!
//! The sum carries over to collections unlike those it was learnt from; the trees know how features work
//! together. The two err differently: together they keep more than either (docs/evaluation.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::{COUNT, Features, NAMES, standardise};
use super::trees::{Trees, Written};
use crate::error::{Error, Result};

/// What ships: made by `tamis eval --tune`, with the evidence beside it in docs/evaluation.md.
const SHIPPED: &str = include_str!("../../models/ranking.json");

/// A learnt ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    weights: [f32; COUNT],
    trees: Trees,
    confidence: [f32; 2],
}

/// What a model makes of one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The weighted sum, standardised within the question.
    pub sum: f32,
    /// The trees, standardised within the question; added to the sum this is the score.
    pub trees: f32,
    /// How likely the block is wanted by itself, 0 to 1, as the trees have it.
    pub relevance: f32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    weights: BTreeMap<String, f32>,
    confidence: [f32; 2],
    trees: Vec<Vec<Written>>,
}

impl Model {
    /// The model that ships.
    #[must_use]
    pub fn shipped() -> Self {
        // Compiled in, and read by a test: it can't be damaged.
        #[allow(clippy::expect_used)]
        Self::parse(SHIPPED).expect("models/ranking.json is sound")
    }

    /// From weights in the order of [`NAMES`] and trees; without trees the sum counts alone. `confidence`
    /// holds offset and slope of [`Self::confidence`].
    #[must_use]
    pub fn new(weights: [f32; COUNT], trees: Trees, confidence: [f32; 2]) -> Self {
        Self { weights, trees, confidence }
    }

    /// The trees.
    #[must_use]
    pub fn trees(&self) -> &Trees {
        &self.trees
    }

    /// Reads a model from JSON: `weights`, every feature by its name; `confidence`, offset and slope; and `trees`,
    /// every tree a list of nodes, `["feature", threshold, left, right]` or `[value]`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for features that are missing, unknown or no numbers, and trees without end.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |reason: String| Error::invalid("ranking", reason);
        let file: File = serde_json::from_str(text).map_err(|e| refuse(e.to_string()))?;
        if let Some(unknown) = file.weights.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(refuse(format!("{unknown:?} is no feature; use {}", NAMES.join(", "))));
        }
        let mut weights = [0.0; COUNT];
        for (weight, name) in weights.iter_mut().zip(NAMES) {
            *weight = *file.weights.get(name).ok_or_else(|| refuse(format!("{name} is missing")))?;
        }
        Ok(Self { weights, trees: Trees::read(file.trees)?, confidence: file.confidence })
    }

    /// As JSON, a tree a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let weights = NAMES.iter().zip(&self.weights).map(|(name, w)| format!("\n    \"{name}\": {w:.4}"));
        // Names and finite numbers: serialising them does not fail.
        let trees = self.trees.written();
        let trees = trees.iter().map(|tree| format!("\n    {}", serde_json::to_string(tree).unwrap_or_default()));
        let (weights, trees): (Vec<_>, Vec<_>) = (weights.collect(), trees.collect());
        let [offset, slope] = self.confidence;
        let (weights, trees) = (weights.join(","), trees.join(","));
        format!(
            "{{\n  \"weights\": {{{weights}\n  }},\n  \"confidence\": [{offset:.4}, {slope:.4}],\n  \"trees\": [{trees}\n  ]\n}}\n"
        )
    }

    /// What the model makes of the blocks of one question, in their order.
    #[must_use]
    pub fn score(&self, blocks: &[Features]) -> Vec<Scored> {
        let sum = |f: &Features| self.weights.iter().zip(f.values()).map(|(w, v)| w * v).sum();
        let mut sums: Vec<f32> = blocks.iter().map(sum).collect();
        let odds: Vec<f32> = blocks.iter().map(|f| self.trees.score(f)).collect();
        let mut trees = odds.clone();
        standardise(&mut sums);
        standardise(&mut trees);
        let parts = sums.into_iter().zip(trees).zip(odds);
        parts.map(|((sum, trees), odds)| Scored { sum, trees, relevance: logistic(odds) }).collect()
    }

    /// How likely a context holds what is asked for, from the relevance of its blocks: the odds that not all of
    /// them miss, corrected for blocks that err together by offset and slope (Platt, 1999). 0 without blocks.
    #[must_use]
    pub fn confidence(&self, relevances: impl Iterator<Item = f32>) -> f32 {
        let [offset, slope] = self.confidence;
        evidence(relevances).map_or(0.0, |evidence| logistic(offset + slope * evidence))
    }
}

/// The logarithm of the odds that at least one block is wanted; `None` without blocks.
pub(crate) fn evidence(relevances: impl Iterator<Item = f32>) -> Option<f32> {
    let certain = 1.0 - f64::from(f32::EPSILON);
    let misses = relevances.map(|r| (1.0 - f64::from(r).clamp(0.0, certain)).ln()).reduce(|a, b| a + b)?;
    // Neither sure nor impossible: the logarithm stays a number.
    let miss = misses.exp().clamp(1e-6, 1.0 - 1e-6);
    Some(((1.0 - miss) / miss).ln() as f32)
}

fn logistic(odds: f32) -> f32 {
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_ships_can_be_read_and_written() {
        let model = Model::shipped();
        assert_eq!(Model::parse(&model.to_json()).unwrap(), model);
    }

    proptest! {
        #[test]
        fn a_better_cosine_is_never_worse(
            own in prop::array::uniform7(-3.0f32..3.0), shares in prop::array::uniform4(0.0f32..1.0), more in 0.0f32..3.0
        ) {
            let features = Features {
                block_cosine: own[0],
                segment_cosine: own[1],
                neighbour_cosine: own[2],
                block_terms: own[3],
                feedback: own[4],
                coverage: shares[0],
                own_coverage: shares[1],
                title_terms: shares[2],
                best_cosine: shares[3],
                length: own[5] + 3.0,
                document_gap: own[6].abs() / 10.0,
                ..Features::default()
            };
            let better = Features { block_cosine: features.block_cosine + more, ..features };
            let scored = Model::shipped().score(&[features, better]);
            prop_assert!(scored[1].relevance >= scored[0].relevance && scored[1].sum >= scored[0].sum);
        }
    }

    #[test]
    fn confidence_grows_with_every_block() {
        let model = Model::new([1.0; COUNT], Trees::default(), [0.0, 1.0]);
        let of = |relevances: &[f32]| model.confidence(relevances.iter().copied());
        assert_eq!(of(&[]), 0.0);
        assert!((of(&[0.25]) - 0.25).abs() < 1e-4 && (of(&[0.5, 0.5]) - 0.75).abs() < 1e-4);
        assert!(of(&[1.0, 1.0]).is_finite() && of(&[0.0]).is_finite());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let complete = Model::new([1.0; COUNT], Trees::default(), [0.0, 1.0]).to_json();
        for (text, reason) in [
            (complete.replace("\"bridge\"", "\"brigde\""), "brigde"),
            (complete.replace("\n    \"expected\": 1.0000,", ""), "expected is missing"),
            (complete.replace("\"first\": 1.0000", "\"first\": nan"), "expected"),
            (complete.replace("\"first\": 1.0000", "\"first\": 1e39"), "out of range"),
            (complete.replace("[0.0000, 1.0000]", "[0.0, 1e39]"), "out of range"),
            (complete.replace("[\n  ]", "[[[\"size\", 0.5, 1, 2], [0], [1]]]"), "\"size\" is no feature"),
            (complete.replace("[\n  ]", "[[[\"length\", 0.5, 0, 1], [0]]]"), "tree 0, node 0"),
        ] {
            let error = Model::parse(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
