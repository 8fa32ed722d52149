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
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    weights: BTreeMap<String, f32>,
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

    /// From weights in the order of [`NAMES`] and trees; without trees the sum counts alone.
    #[must_use]
    pub fn new(weights: [f32; COUNT], trees: Trees) -> Self {
        Self { weights, trees }
    }

    /// Reads a model from JSON: `weights`, every feature by its name, and `trees`, every tree a list of nodes,
    /// `["feature", threshold, left, right]` or `[value]`.
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
        Ok(Self { weights, trees: Trees::read(file.trees)? })
    }

    /// As JSON, a tree a line.
    #[must_use]
    pub fn to_json(&self) -> String {
        let weights = NAMES.iter().zip(&self.weights).map(|(name, w)| format!("\n    \"{name}\": {w:.4}"));
        // Names and finite numbers: serialising them does not fail.
        let trees = self.trees.written();
        let trees = trees.iter().map(|tree| format!("\n    {}", serde_json::to_string(tree).unwrap_or_default()));
        let (weights, trees): (Vec<_>, Vec<_>) = (weights.collect(), trees.collect());
        format!("{{\n  \"weights\": {{{}\n  }},\n  \"trees\": [{}\n  ]\n}}\n", weights.join(","), trees.join(","))
    }

    /// Scores of the blocks of one question, in their order.
    #[must_use]
    pub fn score(&self, blocks: &[Features]) -> Vec<f32> {
        let sum = |f: &Features| self.weights.iter().zip(f.values()).map(|(w, v)| w * v).sum();
        let mut scores: Vec<f32> = blocks.iter().map(sum).collect();
        let mut trees: Vec<f32> = blocks.iter().map(|f| self.trees.score(f)).collect();
        standardise(&mut scores);
        standardise(&mut trees);
        scores.iter_mut().zip(trees).for_each(|(score, tree)| *score += tree);
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ships_can_be_read_and_written() {
        let model = Model::shipped();
        assert_eq!(Model::parse(&model.to_json()).unwrap(), model);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let complete = Model::new([1.0; COUNT], Trees::default()).to_json();
        for (text, reason) in [
            (complete.replace("\"bridge\"", "\"brigde\""), "brigde"),
            (complete.replace("\n    \"expected\": 1.0000,", ""), "expected is missing"),
            (complete.replace("\"first\": 1.0000", "\"first\": nan"), "expected"),
            (complete.replace("[\n  ]", "[[[\"size\", 0.5, 1, 2], [0], [1]]]"), "\"size\" is no feature"),
            (complete.replace("[\n  ]", "[[[\"length\", 0.5, 0, 1], [0]]]"), "tree 0, node 0"),
        ] {
            let error = Model::parse(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
