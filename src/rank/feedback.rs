//! The second look: what strong blocks have in common with blocks of other documents.
//!
//! A question of several hops describes its answer by way of something it does not name. What it does not
//! name stands in the blocks that match it best: the question is moved towards them (Rocchio, "Relevance
//! feedback in information retrieval", 1971, with the strongest blocks taken for relevant), and rare terms of
//! theirs are looked for elsewhere.

use std::collections::{HashMap, HashSet};

use super::features::{Described, Strong, standardise};
use super::fusion::Candidate;
use crate::error::Result;
use crate::index::View;

/// The question is moved towards so many blocks, one by one.
const MOVED_TO: usize = 4;
/// Names of so many blocks are looked for.
const NAMES_OF: usize = 6;
/// A term is rare that at most this share of the segments holds...
const RARE_SHARE: f64 = 0.02;
/// ... or so many of them.
const RARE: u64 = 2;
/// Brings the inverse document frequency of a rare term near 1.
const NAME_WEIGHT: f32 = 0.1;

/// The best cosine with the question moved towards a strong block of another document.
///
/// `own` are the blocks' cosines with the question as it was asked.
pub(super) fn cosines(described: &mut [Described], strong: &Strong, own: &[f32], candidates: &[Candidate]) {
    let vector = |d: &Described| candidates[d.candidate].stored.block_vectors.get(d.block)?.as_ref();
    let mut best: Vec<Option<f32>> = vec![None; described.len()];
    for towards in strong.order.iter().take(MOVED_TO) {
        let Some(other) = vector(&described[*towards]) else { continue };
        // |q + v| for q and v of length 1.
        let length = (2.0 + 2.0 * own[*towards]).max(f32::EPSILON).sqrt();
        for (n, d) in described.iter().enumerate() {
            if strong.document[n] != strong.document[*towards]
                && let Some(v) = vector(d)
            {
                let cosine = (own[n] + other.cosine(v)) / length;
                best[n] = Some(best[n].map_or(cosine, |b| b.max(cosine)));
            }
        }
    }
    // Blocks of the one strong document are compared with nothing: they are neither better nor worse.
    let known: Vec<f32> = best.iter().copied().flatten().collect();
    let mean = known.iter().sum::<f32>() / known.len().max(1) as f32;
    let mut values: Vec<f32> = best.into_iter().map(|b| b.unwrap_or(mean)).collect();
    standardise(&mut values);
    described.iter_mut().zip(values).for_each(|(d, value)| d.features.feedback = value);
}

/// The weightiest rare term that a block shares with a strong block of another document, and not with the
/// question.
pub(super) fn shared_names(
    described: &mut [Described],
    strong: &Strong,
    words: &[Vec<String>],
    asked: &HashMap<&str, usize>,
    view: &dyn View,
) -> Result<()> {
    let strongest: Vec<usize> = strong.order.iter().copied().take(NAMES_OF).collect();
    let mut seen: HashSet<&str> = HashSet::new();
    let mut names: Vec<String> = Vec::new();
    for word in strongest.iter().flat_map(|n| &words[*n]) {
        if !asked.contains_key(word.as_str()) && seen.insert(word) {
            names.push(word.clone());
        }
    }
    let statistics = view.statistics(&names)?;
    let most = RARE.max((statistics.segments as f64 * RARE_SHARE) as u64);
    // For every rare name: its weight, and who says it how strongly.
    let mut said: HashMap<&str, (f32, Vec<usize>)> = HashMap::new();
    for (n, name) in names.iter().enumerate() {
        if statistics.holding.get(n).is_some_and(|holding| *holding <= most) {
            let by = strongest.iter().copied().filter(|s| words[*s].contains(name)).collect();
            said.insert(name, (NAME_WEIGHT * statistics.idf(n), by));
        }
    }
    for (n, d) in described.iter_mut().enumerate() {
        for (weight, by) in words[n].iter().filter_map(|w| said.get(w.as_str())) {
            for other in by.iter().filter(|s| strong.document[**s] != strong.document[n]) {
                d.features.shared_names = d.features.shared_names.max(weight * strong.strength[*other]);
            }
        }
    }
    Ok(())
}
