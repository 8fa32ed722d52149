//! Learning the ranking's weights from labelled sets, each set judged by weights that have not seen it.
//!
//! The loss is ListNet's top-one cross-entropy (Cao et al., ICML 2007) over the blocks of a question: the share
//! of the softmax that falls on blocks with the answer or its evidence. Every set counts alike, whatever its
//! size; weights are never negative, because no feature speaks against a block.

use super::data::{Question as Labelled, text_of};
use super::measure::normalised;
use super::prepare::{PreparedSet, in_parallel};
use crate::compress;
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::index::View;
use crate::rank::features::{self, COUNT, Features};
use crate::rank::{Question, Weights};

/// Candidates looked at, as for a budget of 512 tokens.
const CANDIDATES: usize = 64;
/// Steps of full-batch gradient descent (Adam; Kingma and Ba, 2015).
const STEPS: usize = 400;
const RATE: f64 = 0.05;
/// Weight decay: features that say nothing go to nothing.
const DECAY: f64 = 1e-3;
/// Shorter sentences are no evidence by themselves.
const MIN_EVIDENCE_CHARS: usize = 20;

/// A question's blocks, and which of them it is after.
pub struct Example {
    blocks: Vec<Features>,
    wanted: Vec<usize>,
}

/// What can be learnt from a set: questions of which some block among the candidates is wanted, and some not.
///
/// # Errors
/// The encoder's.
pub fn examples(prepared: &PreparedSet, encoder: &dyn Encoder) -> Result<Vec<Example>> {
    let deadline = Deadline::none();
    let found = in_parallel(&prepared.set.questions, &|labelled: &Labelled| -> Result<Option<Example>> {
        let question = Question::new(&labelled.text, encoder, &deadline)?;
        let filter = prepared.filter(labelled.candidates.as_deref());
        let candidates = compress::candidates(&prepared.index, &filter, &question, CANDIDATES, &deadline)?;
        let statistics = prepared.index.statistics(&question.terms)?;
        let described = features::describe(&question, &statistics, &candidates, &deadline)?;
        let is_wanted = Wanted::of(prepared, labelled);
        let wanted = described.iter().enumerate().filter(|(_, d)| {
            let candidate = &candidates[d.candidate];
            let block = candidate.stored.slice(candidate.stored.segment.blocks[d.block].span).unwrap_or_default();
            is_wanted.holds(candidate.id.revision.0 as usize, block)
        });
        let wanted: Vec<usize> = wanted.map(|(n, _)| n).collect();
        let tells = !wanted.is_empty() && wanted.len() < described.len();
        Ok(tells.then(|| Example { blocks: described.iter().map(|d| d.features).collect(), wanted }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// What makes a block wanted.
struct Wanted {
    gold: Vec<usize>,
    answers: Vec<String>,
    evidence: Vec<String>,
}

impl Wanted {
    fn of(prepared: &PreparedSet, labelled: &Labelled) -> Self {
        // An answer such as "no" or "3" stands everywhere: it counts only where the gold documents hold it seldom.
        let gold_text: String =
            labelled.gold.iter().filter_map(|n| prepared.set.documents.get(*n)).map(text_of).collect();
        let gold_text = normalised(&gold_text);
        let seldom = |answer: &String| (1..=8).contains(&gold_text.matches(answer.as_str()).count());
        Self {
            gold: labelled.gold.clone(),
            answers: labelled.answers.iter().map(|a| normalised(a)).filter(seldom).collect(),
            evidence: labelled.evidence.iter().map(|e| normalised(e)).collect(),
        }
    }

    fn holds(&self, document: usize, block: &str) -> bool {
        if !self.gold.contains(&document) {
            return false;
        }
        let block = normalised(block);
        let is_evidence =
            |e: &String| e.contains(&block) && block.len() >= MIN_EVIDENCE_CHARS || block.contains(e.as_str());
        // A whole paragraph as evidence says less than the sentence in it that has the answer.
        let answered = self.answers.iter().any(|a| block.contains(a.as_str()));
        answered || (self.evidence.iter().any(is_evidence) && (self.answers.is_empty() || self.evidence.len() > 1))
    }
}

/// Weights that put the wanted blocks of all sets first.
///
/// # Errors
/// [`Error::InvalidArgument`] where there is nothing to learn from.
pub fn learn(sets: &[&[Example]]) -> Result<Weights> {
    let sets: Vec<&&[Example]> = sets.iter().filter(|s| !s.is_empty()).collect();
    if sets.is_empty() {
        return Err(Error::invalid("tune", "no question has a wanted block among its candidates"));
    }
    let mut weights = [0.0f64; COUNT];
    weights[0] = 1.0;
    let (mut first, mut second) = ([0.0f64; COUNT], [0.0f64; COUNT]);
    for step in 1..=STEPS {
        let mut gradient: [f64; COUNT] = std::array::from_fn(|f| DECAY * weights[f]);
        for set in &sets {
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
    // Only the order counts: in units of the block's own cosine, weights can be read.
    let unit = if weights[0] > 1e-6 { weights[0] } else { 1.0 };
    Ok(Weights::of(weights.map(|w| (w / unit) as f32)))
}

/// The gradient of the cross-entropy of one question.
fn add_gradient(example: &Example, weights: &[f64; COUNT], share: f64, gradient: &mut [f64; COUNT]) {
    let score = |features: &Features| (0..COUNT).map(|f| weights[f] * f64::from(features[f])).sum::<f64>();
    let scores: Vec<f64> = example.blocks.iter().map(score).collect();
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let exponents: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
    let total: f64 = exponents.iter().sum();
    for (features, exponent) in example.blocks.iter().zip(&exponents) {
        let part = share * exponent / total;
        gradient.iter_mut().zip(features).for_each(|(g, f)| *g += part * f64::from(*f));
    }
    for wanted in &example.wanted {
        let part = share / example.wanted.len() as f64;
        gradient.iter_mut().zip(&example.blocks[*wanted]).for_each(|(g, f)| *g -= part * f64::from(*f));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feature_that_tells_is_found() {
        let block = |told: f32, noise: f32| {
            let mut features = [0.0; COUNT];
            (features[0], features[4]) = (noise, told);
            features
        };
        let example = |n: u8| Example {
            blocks: vec![block(1.0, f32::from(n % 3)), block(0.0, f32::from(n % 2)), block(0.0, 1.0)],
            wanted: vec![0],
        };
        let set: Vec<Example> = (0..12).map(example).collect();
        let weights = learn(&[&set]).unwrap();
        assert!(weights.score(&block(1.0, 0.0)) > weights.score(&block(0.0, 1.0)), "{weights:?}");
        assert!(learn(&[&[]]).is_err());
    }
}
