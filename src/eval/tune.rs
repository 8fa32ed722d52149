//! Learning the ranking from labelled sets: each set can be judged by a ranking that has not seen it.
//!
//! [`examples`] describes the blocks of every question and says which are wanted; [`learn`] makes a weighted
//! sum (`sum.rs`), a few trees (`boost.rs`), and learns how far to trust them (`confidence.rs`).

mod boost;
mod confidence;
mod sum;

use super::data::{Question as Labelled, normalised, text_of};
use super::prepare::{PreparedSet, in_parallel};
use crate::compress;
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::rank::features::Features;
use crate::rank::{Model, Question, describe};

/// Candidates looked at, as for a budget of 512 tokens.
const CANDIDATES: usize = 64;
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
        let candidates = compress::retrieve(&prepared.index, &filter, &question, CANDIDATES, &deadline)?;
        let described = describe(&question, &prepared.index, &candidates, &deadline)?;
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
pub(super) struct Wanted {
    gold: Vec<usize>,
    answers: Vec<String>,
    evidence: Vec<String>,
}

impl Wanted {
    pub(super) fn of(prepared: &PreparedSet, labelled: &Labelled) -> Self {
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

    pub(super) fn holds(&self, document: usize, block: &str) -> bool {
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

/// A ranking that puts the wanted blocks of all sets first.
///
/// # Errors
/// [`Error::InvalidArgument`] where there is nothing to learn from.
pub fn learn(sets: &[&[Example]]) -> Result<Model> {
    let sets: Vec<&[Example]> = sets.iter().copied().filter(|s| !s.is_empty()).collect();
    if sets.is_empty() {
        return Err(Error::invalid("tune", "no question has a wanted block among its candidates"));
    }
    Ok(Model::new(sum::learn(&sets), boost::learn(&sets)?, confidence::learn(&sets)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feature_that_tells_is_found() {
        let features = |told: f32, noise: f32| Features { block_cosine: noise, coverage: told, ..Features::default() };
        let example = |n: u8| {
            let blocks = [(1.0, f32::from(n % 3)), (0.0, f32::from(n % 2)), (0.0, 1.0)];
            Example { blocks: blocks.map(|(told, noise)| features(told, noise)).to_vec(), wanted: vec![0] }
        };
        let set: Vec<Example> = (0..120).map(example).collect();
        let model = learn(&[&set]).unwrap();
        let scored = model.score(&[features(1.0, 0.0), features(0.0, 1.0), features(0.0, 0.0)]);
        let score = |n: usize| scored[n].sum + scored[n].trees;
        assert!(score(0) > score(1) && score(0) > score(2) && scored[0].relevance > scored[1].relevance, "{scored:?}");
        assert_eq!(learn(&[&set]).unwrap(), model, "the same examples make the same ranking");
        assert!(learn(&[&[]]).is_err());
    }
}
