//! Every aspect before one is told twice: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over blocks.
//!
//! Opt-in: for questions that one passage answers it costs answers (docs/evaluation.md).

use std::collections::HashMap;

use crate::deadline::Deadline;
use crate::document::Revision;
use crate::encode::PackedVector;
use crate::error::{Error, Result};
use crate::fit::{Piece, Source};
use crate::rank::Candidate;
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

/// Gives pieces scores by relevance, and by how unlike they are to the better ones: the next piece is the one with the
/// greatest (1 - d) relevance - d likeness, where likeness is the largest cosine to a piece before it.
///
/// `relevance` is of the pieces, 0 to 1.
pub(super) fn diversify(
    pieces: &mut [Piece],
    relevance: &HashMap<(Revision, Span), f32>,
    (candidates, sources): (&[Candidate], &[Source]),
    diversity: f32,
    deadline: &Deadline,
) -> Result<()> {
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
    let mut likeness = vec![0.0_f32; pieces.len()];
    while !open.is_empty() {
        deadline.check("rank")?;
        let marginal = |n: usize| (1.0 - diversity) * of(&pieces[n]) / most - diversity * likeness[n];
        let each = open.iter().enumerate().map(|(place, n)| (place, marginal(*n)));
        // Of equal ones the one with the better score.
        let Some((place, marginal)) = each.reduce(|best, other| if other.1 > best.1 { other } else { best }) else {
            break;
        };
        let told = open.remove(place);
        pieces[told].score = marginal;
        let Some(vector) = vectors.get(&key(&pieces[told])) else { continue };
        for n in &open {
            let other = vectors.get(&key(&pieces[*n])).map_or(0.0, |other| vector.cosine(other));
            likeness[*n] = likeness[*n].max(other);
        }
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
