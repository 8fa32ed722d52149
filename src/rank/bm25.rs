//! BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, section 3).

use crate::index::TermStatistics;

/// Saturation of repeated terms.
const K1: f32 = 1.2;
/// Influence of the length.
const B: f32 = 0.75;

/// The score of one text for a query of `terms` terms; `count` gives how often the n-th occurs in it.
#[must_use]
pub fn score(
    statistics: &TermStatistics,
    terms: usize,
    count: impl Fn(usize) -> u32,
    length: f32,
    average: f32,
) -> f32 {
    let norm = K1 * (1.0 - B + B * length / average.max(1.0));
    (0..terms)
        .map(|n| match count(n) {
            0 => 0.0,
            tf => statistics.idf(n) * (tf as f32 * (K1 + 1.0)) / (tf as f32 + norm),
        })
        .sum()
}
