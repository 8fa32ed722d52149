//! BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, section 3).

use super::{TermStatistics, USUAL_TERMS};

/// Saturation of repeated terms.
const K1: f32 = 1.2;
/// Influence of the length.
const B: f32 = 0.75;

/// The score of a segment of so many terms for a query of `terms` terms; `count` gives how often the n-th occurs in it.
#[must_use]
pub fn of_segment(statistics: &TermStatistics, terms: usize, count: impl Fn(usize) -> u32, length: u32) -> f32 {
    score(statistics, terms, count, length as f32, USUAL_TERMS as f32)
}

/// What a term that occurs so often gives a segment of so many terms, before its rarity.
#[must_use]
pub fn weight(count: u32, length: u32) -> f32 {
    saturated(count, norm(length as f32, USUAL_TERMS as f32))
}

fn norm(length: f32, average: f32) -> f32 {
    K1 * (1.0 - B + B * length / average.max(1.0))
}

fn saturated(count: u32, norm: f32) -> f32 {
    count as f32 * (K1 + 1.0) / (count as f32 + norm)
}

/// The score of any text, normalised by a length.
#[must_use]
pub fn score(
    statistics: &TermStatistics,
    terms: usize,
    count: impl Fn(usize) -> u32,
    length: f32,
    average: f32,
) -> f32 {
    let norm = norm(length, average);
    (0..terms)
        .map(|n| match count(n) {
            0 => 0.0,
            tf => statistics.idf(n) * saturated(tf, norm),
        })
        .sum()
}
