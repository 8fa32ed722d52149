//! How far to trust a ranking: offset and slope between what it says of the blocks of a context and whether one
//! of them is wanted (Platt, "Probabilistic outputs for support vector machines", 1999).
//!
//! Contexts are made of questions that the ranking in use has not seen: with several sets, those of every second
//! set by a ranking of the others, and the other way round.

use super::super::logistic;
use super::{Example, boost, sum};
use crate::error::Result;
use crate::rank::{Model, evidence};

/// Sizes of the contexts, in terms: about 128, 256, 512 and 1,024 tokens.
const TERMS: [f32; 4] = [80.0, 160.0, 320.0, 640.0];
/// Keeps offset and slope near 0 and 1 where there is little to learn from.
const PRIOR: f64 = 1e-3;

/// What was said of a context, whether something wanted was in it, and what it counts.
struct Told {
    evidence: f64,
    kept: bool,
    share: f64,
}

pub(super) fn learn(sets: &[&[Example]]) -> Result<[f32; 2]> {
    let half = |which: usize| -> Vec<&[Example]> {
        sets.iter().enumerate().filter(|(n, _)| n % 2 == which || sets.len() == 1).map(|(_, s)| *s).collect()
    };
    let mut told = Vec::new();
    for which in 0..2 {
        let others = half(1 - which);
        let model = Model::new(sum::learn(&others), boost::learn(&others)?, [0.0, 1.0]);
        for set in half(which) {
            let share = 1.0 / (sets.len() * set.len() * TERMS.len()) as f64;
            told.extend(set.iter().flat_map(|example| contexts(example, &model, share)));
        }
    }
    Ok(fit(&told))
}

fn contexts(example: &Example, model: &Model, share: f64) -> Vec<Told> {
    let scored = model.score(&example.blocks);
    let mut order: Vec<usize> = (0..scored.len()).collect();
    order.sort_by(|a, b| (scored[*b].sum + scored[*b].trees).total_cmp(&(scored[*a].sum + scored[*a].trees)));
    let context = |limit: f32| {
        let mut total = 0.0;
        let fits = |n: &&usize| {
            total += example.blocks[**n].length.exp() - 1.0;
            total <= limit
        };
        let kept: Vec<usize> = order.iter().take_while(fits).copied().collect();
        let evidence = evidence(kept.iter().map(|n| scored[*n].relevance))?;
        Some(Told {
            evidence: f64::from(evidence),
            kept: example.wanted.iter().any(|wanted| kept.contains(wanted)),
            share,
        })
    };
    TERMS.into_iter().filter_map(context).collect()
}

fn fit(told: &[Told]) -> [f32; 2] {
    let examples: Vec<logistic::Example> =
        told.iter().map(|t| logistic::Example { signs: vec![t.evidence], holds: t.kept, share: t.share }).collect();
    let found = logistic::fit(&examples, &[0.0, 1.0], PRIOR);
    [found[0] as f32, found[1] as f32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_and_slope_are_found_again() {
        let told = (0..2000).map(|n| {
            let evidence = f64::from(n % 40) / 10.0 - 2.0;
            let chance = 1.0 / (1.0 + (-(0.5 + 2.0 * evidence)).exp());
            Told { evidence, kept: f64::from(n / 40) < 50.0 * chance, share: 1.0 / 2000.0 }
        });
        let [offset, slope] = fit(&told.collect::<Vec<_>>());
        assert!((offset - 0.5).abs() < 0.2 && (slope - 2.0).abs() < 0.3, "{offset} {slope}");
    }
}
