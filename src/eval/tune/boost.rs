//! The trees: gradient boosting (Friedman, 2001) of the logarithm of the odds that a block is wanted, by
//! forust-ml; what ships is only what a walk needs.

use forust_ml::constraints::{Constraint, ConstraintMap};
use forust_ml::objective::ObjectiveType;
use forust_ml::tree::Tree;
use forust_ml::{GradientBooster, Matrix};

use super::Example;
use crate::error::{Error, Result};
use crate::rank::features::{COUNT, Features, NAMES};
use crate::rank::{Node, Trees};

const TREES: usize = 100;
const RATE: f32 = 0.1;
/// Three splits deep, at most eight leaves: three features can work together.
const DEPTH: usize = 3;
const LEAVES: usize = 8;
/// More of these is never worse.
const MONOTONE: [&str; 10] = [
    "block_cosine",
    "segment_cosine",
    "neighbour_cosine",
    "block_terms",
    "coverage",
    "bridge",
    "expected",
    "feedback",
    "shared_names",
    "retrieved",
];
/// Regularisation of a leaf's value.
const L2: f32 = 5.0;
/// The smallest leaf, as a sum of second derivatives: some hundred blocks.
const MIN_LEAF: f32 = 10.0;

/// Trees that tell wanted blocks from others. Every set counts alike, and every question of a set.
pub(super) fn learn(sets: &[&[Example]]) -> Result<Trees> {
    let examples: Vec<(&Example, f64)> =
        sets.iter().flat_map(|set| set.iter().map(|e| (e, 1.0 / (set.len() * e.blocks.len()) as f64))).collect();
    let rows: usize = examples.iter().map(|(e, _)| e.blocks.len()).sum();
    let mut columns = vec![0.0f64; rows * COUNT];
    let (mut wanted, mut weight) = (vec![0.0f64; rows], vec![0.0f64; rows]);
    let mut row = 0;
    for (example, share) in examples {
        example.wanted.iter().for_each(|n| wanted[row + n] = 1.0);
        for values in example.blocks.iter().map(Features::values) {
            (0..COUNT).for_each(|f| columns[f * rows + row] = f64::from(values[f]));
            // The weights of all blocks add up to their number.
            weight[row] = share * rows as f64 / sets.len() as f64;
            row += 1;
        }
    }
    let failed = |e: &dyn std::fmt::Display| Error::invalid("tune", format!("boosting: {e}"));
    let mut booster = GradientBooster::default()
        .set_objective_type(ObjectiveType::LogLoss)
        .set_iterations(TREES)
        .set_learning_rate(RATE)
        .set_max_depth(DEPTH)
        .set_max_leaves(LEAVES)
        .set_l2(L2)
        .set_min_leaf_weight(MIN_LEAF)
        .set_monotone_constraints(Some(monotone()))
        .set_initialize_base_score(true);
    booster.fit(&Matrix::new(&columns, rows, COUNT), &wanted, &weight, None).map_err(|e| failed(&e))?;
    let mut trees: Vec<Vec<Node>> = booster.trees.iter().map(compact).collect();
    // What the odds are before anything is known stands in front.
    trees.insert(0, vec![Node::Leaf(booster.base_score as f32)]);
    Trees::new(trees)
}

/// Features that never speak against a block. It costs a point on the sets that were learnt from and their like;
/// without it, a block that has nothing to do with a question can win where all others are alike.
fn monotone() -> ConstraintMap {
    (0..COUNT).filter(|f| is_monotone(*f)).map(|feature| (feature, Constraint::Positive)).collect()
}

fn is_monotone(feature: usize) -> bool {
    MONOTONE.contains(&NAMES[feature])
}

/// A tree as a walk needs it: leaves for leaves, splits for splits, in the same places.
///
/// forust-ml keeps to the constraints where it splits by a constrained feature, and forgets them where it splits
/// further down by another; so every leaf is held here between the bounds that the splits above it set.
fn compact(tree: &Tree) -> Vec<Node> {
    let mut bounds = vec![(f32::NEG_INFINITY, f32::INFINITY); tree.nodes.len()];
    let mut nodes = Vec::with_capacity(tree.nodes.len());
    for (n, node) in tree.nodes.iter().enumerate() {
        let (low, high) = bounds[n];
        if node.is_leaf {
            nodes.push(Node::Leaf(rounded(node.weight_value.clamp(low, high))));
            continue;
        }
        let (left, right) = (node.left_child, node.right_child);
        (bounds[left], bounds[right]) = ((low, high), (low, high));
        if is_monotone(node.split_feature) {
            let value = |child: usize| tree.nodes[child].weight_value.clamp(low, high);
            let middle = (value(left) + value(right)) / 2.0;
            (bounds[left].1, bounds[right].0) = (middle, middle);
        }
        let threshold = rounded(node.split_value as f32);
        nodes.push(Node::Split { feature: node.split_feature, threshold, left, right });
    }
    nodes
}

/// Four digits are enough, and keep the file small.
fn rounded(value: f32) -> f32 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rank::Model;

    /// The least and the most that the leaves below a node add.
    fn range(tree: &[Node], n: usize) -> (f32, f32) {
        match tree[n] {
            Node::Leaf(value) => (value, value),
            Node::Split { left, right, .. } => {
                let (one, other) = (range(tree, left), range(tree, right));
                (one.0.min(other.0), one.1.max(other.1))
            }
        }
    }

    #[test]
    fn no_tree_that_ships_falls_where_a_monotone_feature_grows() {
        let model = Model::shipped();
        let mut splits = 0;
        for tree in model.trees().iter() {
            for node in tree {
                let Node::Split { feature, left, right, .. } = *node else { continue };
                if !is_monotone(feature) {
                    continue;
                }
                splits += 1;
                let (most, least) = (range(tree, left).1, range(tree, right).0);
                assert!(most <= least, "{}: {most} before {least}", NAMES[feature]);
            }
        }
        assert!(splits > 50, "{splits}");
    }
}
