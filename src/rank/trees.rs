//! A small ensemble of regression trees over the features: what a sum can't say, for example that a shared
//! name counts where the question is not covered.

use serde::{Deserialize, Serialize};

use super::features::{COUNT, Features, NAMES};
use crate::error::{Error, Result};

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Smaller values go to `left`, all others to `right`; both stand further on in the tree.
    Split {
        /// Place of the feature in [`NAMES`].
        feature: usize,
        /// The first value that goes right.
        threshold: f32,
        /// Place of the node for smaller values.
        left: usize,
        /// Place of the node for all others.
        right: usize,
    },
    /// The end, with what the tree adds.
    Leaf(f32),
}

/// Trees whose values are added up to the logarithm of the odds that a block is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trees(Vec<Vec<Node>>);

/// A node as it is written: `["feature", threshold, left, right]` or `[value]`.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    Split(String, f32, usize, usize),
    Leaf([f32; 1]),
}

impl Trees {
    /// Trees of which every walk ends: none is empty, every split leads further on.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with the tree and the node that is wrong.
    pub fn new(trees: Vec<Vec<Node>>) -> Result<Self> {
        for (t, tree) in trees.iter().enumerate() {
            let refuse =
                |n: usize, reason: &str| Err(Error::invalid("ranking.trees", format!("tree {t}, node {n}: {reason}")));
            if tree.is_empty() {
                return refuse(0, "there is none");
            }
            for (n, node) in tree.iter().enumerate() {
                match *node {
                    Node::Leaf(value) if !value.is_finite() => return refuse(n, "its value is no number"),
                    Node::Leaf(_) => {}
                    Node::Split { feature, threshold, left, right } => {
                        let leads_on = |to: usize| to > n && to < tree.len();
                        if feature >= COUNT || !threshold.is_finite() || !leads_on(left) || !leads_on(right) {
                            return refuse(n, "it splits by no feature, at no number, or leads nowhere");
                        }
                    }
                }
            }
        }
        Ok(Self(trees))
    }

    /// The trees, each from its root.
    pub fn iter(&self) -> impl Iterator<Item = &[Node]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// What the trees add up to.
    #[must_use]
    pub fn score(&self, features: &Features) -> f32 {
        let values = features.values();
        self.0.iter().map(|tree| leaf(tree, &values)).sum()
    }

    pub(super) fn read(written: Vec<Vec<Written>>) -> Result<Self> {
        let node = |written: Written| match written {
            Written::Leaf([value]) => Ok(Node::Leaf(value)),
            Written::Split(name, threshold, left, right) => {
                let known = NAMES.iter().position(|n| *n == name);
                let unknown = || Error::invalid("ranking.trees", format!("{name:?} is no feature"));
                Ok(Node::Split { feature: known.ok_or_else(unknown)?, threshold, left, right })
            }
        };
        let trees: Result<Vec<Vec<Node>>> =
            written.into_iter().map(|tree| tree.into_iter().map(node).collect()).collect();
        Self::new(trees?)
    }

    pub(super) fn written(&self) -> Vec<Vec<Written>> {
        let node = |node: &Node| match *node {
            Node::Leaf(value) => Written::Leaf([value]),
            Node::Split { feature, threshold, left, right } => {
                Written::Split(NAMES.get(feature).copied().unwrap_or_default().to_owned(), threshold, left, right)
            }
        };
        self.0.iter().map(|tree| tree.iter().map(node).collect()).collect()
    }
}

fn leaf(tree: &[Node], values: &[f32; COUNT]) -> f32 {
    let mut at = 0;
    loop {
        match tree.get(at) {
            Some(Node::Split { feature, threshold, left, right }) => {
                at = if values[*feature] < *threshold { *left } else { *right };
            }
            Some(Node::Leaf(value)) => return *value,
            // Not reached: a split leads to a node that exists.
            None => return 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_at_its_leaf() {
        let split = Node::Split { feature: 4, threshold: 0.5, left: 1, right: 2 };
        let trees = Trees::new(vec![vec![split, Node::Leaf(-1.0), Node::Leaf(2.0)], vec![Node::Leaf(0.5)]]).unwrap();
        let score = |coverage| trees.score(&Features { coverage, ..Features::default() });
        assert_eq!((score(0.4), score(0.5)), (-0.5, 2.5));
    }

    #[test]
    fn a_tree_that_would_not_end_is_refused() {
        let split = |feature, left| Node::Split { feature, threshold: 0.5, left, right: 1 };
        for tree in [
            vec![],
            vec![split(0, 0), Node::Leaf(0.0)],
            vec![split(0, 2), Node::Leaf(0.0)],
            vec![split(COUNT, 1), Node::Leaf(0.0)],
            vec![Node::Leaf(f32::NAN)],
        ] {
            assert!(Trees::new(vec![tree.clone()]).is_err(), "{tree:?}");
        }
    }
}
