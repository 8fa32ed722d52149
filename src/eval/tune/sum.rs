//! The weighted sum: ListNet's top-one cross-entropy (Cao et al., ICML 2007) over the blocks of a question, the
//! share of the softmax that falls on wanted blocks.
//!
//! Every set counts alike, whatever its size. Weights are never negative: what speaks against a block is left
//! to the trees.

use super::Example;
use crate::rank::features::{COUNT, Features};

/// Steps of full-batch gradient descent (Adam; Kingma and Ba, 2015).
const STEPS: usize = 250;
const RATE: f64 = 0.05;
/// Weight decay: features that say nothing go to nothing.
const DECAY: f64 = 1e-3;

/// Weights that put the wanted blocks of all sets first.
pub(super) fn learn(sets: &[&[Example]]) -> [f32; COUNT] {
    let mut weights = [0.0f64; COUNT];
    weights[0] = 1.0;
    let (mut first, mut second) = ([0.0f64; COUNT], [0.0f64; COUNT]);
    for step in 1..=STEPS {
        let mut gradient: [f64; COUNT] = std::array::from_fn(|f| DECAY * weights[f]);
        for set in sets {
            let share = 1.0 / (sets.len() * set.len()) as f64;
            set.iter().for_each(|example| add_gradient(example, &weights, share, &mut gradient));
        }
        for f in 0..COUNT {
            first[f] = 0.9 * first[f] + 0.1 * gradient[f];
            second[f] = 0.999 * second[f] + 0.001 * gradient[f] * gradient[f];
            let (m, v) = (first[f] / (1.0 - 0.9f64.powi(step as i32)), second[f] / (1.0 - 0.999f64.powi(step as i32)));
            weights[f] = (weights[f] - RATE * m / (v.sqrt() + 1e-8)).max(0.0);
        }
    }
    weights.map(|w| w as f32)
}

/// The gradient of the cross-entropy of one question.
fn add_gradient(example: &Example, weights: &[f64; COUNT], share: f64, gradient: &mut [f64; COUNT]) {
    let blocks: Vec<[f32; COUNT]> = example.blocks.iter().map(Features::values).collect();
    let score = |values: &[f32; COUNT]| (0..COUNT).map(|f| weights[f] * f64::from(values[f])).sum::<f64>();
    let scores: Vec<f64> = blocks.iter().map(score).collect();
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let exponents: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
    let total: f64 = exponents.iter().sum();
    for (values, exponent) in blocks.iter().zip(&exponents) {
        let part = share * exponent / total;
        gradient.iter_mut().zip(values).for_each(|(g, f)| *g += part * f64::from(*f));
    }
    for wanted in &example.wanted {
        let part = share / example.wanted.len() as f64;
        gradient.iter_mut().zip(&blocks[*wanted]).for_each(|(g, f)| *g -= part * f64::from(*f));
    }
}
