//! Candidates to scores: two ranked lists are fused, then every block of the candidates is scored.
//!
//! Everything here is arithmetic on what was computed at ingest: one query vector, dot products, terms.

mod blocks;
pub mod bm25;
mod fusion;

pub use blocks::{BlockScore, score_blocks};
pub use fusion::{Candidate, fuse};

/// Scores are rounded to this many steps per unit before they are compared, so that the last bits of a
/// float, which differ between CPUs, can't reorder a context.
const STEPS: f32 = 10_000.0;

/// Rounds a score for comparison.
#[must_use]
pub fn rounded(score: f32) -> f32 {
    (score * STEPS).round() / STEPS
}
