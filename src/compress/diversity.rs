//! Every aspect before one is told twice: blocks by maximal marginal relevance.
//!
//! Opt-in: for questions that one passage answers it costs answers (docs/evaluation.md).

use std::collections::HashMap;

use crate::deadline::Deadline;
use crate::document::Revision;
use crate::encode::PackedVector;
use crate::error::{Error, Result};
use crate::fit::{Piece, Source};
use crate::rank::{Candidate, by_marginal_relevance};
use crate::span::Span;

/// Most blocks that are put in this order; the others stand behind them.
const MAX_BLOCKS: usize = 1024;

/// # Errors
/// [`Error::InvalidArgument`] for a share out of range.
pub(super) fn check(diversity: f32) -> Result<f32> {
    if (0.0..=1.0).contains(&diversity) {
        Ok(diversity)
    } else {
        Err(Error::invalid("diversity", "must be from 0 to 1"))
    }
}

/// Gives pieces scores by relevance, in relation to the best, and by how unlike they are to the better ones.
///
/// `relevance` is of the pieces, 0 to 1.
pub(super) fn diversify(
    pieces: &mut [Piece],
    relevance: &HashMap<(Revision, Span), f32>,
    (candidates, sources): (&[Candidate], &[Source]),
    diversity: f32,
    deadline: &Deadline,
) -> Result<()> {
    deadline.check("rank")?;
    let vectors = vectors(candidates);
    let key = |p: &Piece| (sources[p.source].revision, p.span);
    let of = |p: &Piece| relevance.get(&key(p)).copied().unwrap_or(0.0);
    let most = pieces.iter().map(of).fold(f32::MIN_POSITIVE, f32::max);
    let mut open: Vec<usize> = (0..pieces.len()).collect();
    open.sort_by(|a, b| pieces[*b].by_score(&pieces[*a]));
    // Behind every marginal relevance, in the order of their scores.
    for (place, n) in open.iter().enumerate().skip(MAX_BLOCKS) {
        pieces[*n].score = -2.0 - place as f32;
    }
    open.truncate(MAX_BLOCKS);
    let best: Vec<f32> = open.iter().map(|n| of(&pieces[*n]) / most).collect();
    let vectors: Vec<Option<&PackedVector>> = open.iter().map(|n| vectors.get(&key(&pieces[*n])).copied()).collect();
    for (place, marginal) in by_marginal_relevance(&best, &vectors, diversity, open.len()) {
        pieces[open[place]].score = marginal;
    }
    Ok(())
}

/// The vectors of all blocks that have one.
fn vectors(candidates: &[Candidate]) -> HashMap<(Revision, Span), &PackedVector> {
    let blocks = candidates.iter().flat_map(|c| {
        let spans = c.stored.segment.blocks.iter().map(|b| (c.id.revision, b.span));
        spans.zip(&c.stored.block_vectors)
    });
    blocks.filter_map(|(key, vector)| Some((key, vector.as_ref()?))).collect()
}
