//! Semantic boundaries: segments that end where neighbouring blocks have least in common.
//!
//! Structure comes first: only segments of one section are joined and cut anew, and the limit holds. Among all
//! cuts that keep it, the sum of similarities at the cuts is smallest, with a price for every cut so that
//! segments stay full.

use super::pack::assembled;
use crate::document::{Block, ContextKind, Place, Segment};
use crate::span::Span;

/// What a cut costs beside its similarity, in standard deviations of the similarities: so much that no cut is
/// made only because it is cheap.
const CUT_COST: f32 = 3.0;

/// Cuts segments anew. `tokens` and `similarity` count blocks over all segments: `similarity[n]` is that of
/// block `n` and the next one.
#[must_use]
pub fn recut(segments: &[Segment], tokens: &[usize], similarity: &[f32], limit: usize) -> Vec<Segment> {
    let mut out = Vec::with_capacity(segments.len());
    let (mut first, mut at) = (0, 0);
    while first < segments.len() {
        let path = named(&segments[first]);
        let same = segments[first..].iter().take_while(|s| named(s) == path).count();
        let run = &segments[first..first + same];
        let count: usize = run.iter().map(|s| s.blocks.len()).sum();
        let ends = ends(&tokens[at..at + count], &similarity[at..(at + count).min(similarity.len())], limit);
        cut(run, &path, &ends, &mut out);
        first += same;
        at += count;
    }
    out
}

type Shown = Vec<(Span, ContextKind)>;

/// The headings or names around a segment's blocks.
pub(super) fn named(segment: &Segment) -> Shown {
    segment.context.iter().filter(|c| !c.kind.is_shown()).map(|c| (c.span, c.kind)).collect()
}

/// Where segments end, as numbers of blocks; the last one is the number of all.
fn ends(tokens: &[usize], similarity: &[f32], limit: usize) -> Vec<usize> {
    let n = tokens.len();
    let inner = &similarity[..similarity.len().min(n.saturating_sub(1))];
    let mean = inner.iter().sum::<f32>() / inner.len().max(1) as f32;
    let variance = inner.iter().map(|s| (s - mean).powi(2)).sum::<f32>() / inner.len().max(1) as f32;
    let deviation = variance.sqrt().max(1e-6);
    // best[j]: what the cheapest cuts of the first j blocks cost, and where the last of their segments begins.
    let mut best = vec![(f32::INFINITY, 0); n + 1];
    best[0] = (0.0, 0);
    for end in 1..=n {
        let cut = if end == n { 0.0 } else { CUT_COST + (inner[end - 1] - mean) / deviation };
        let mut filled = 0;
        for start in (0..end).rev() {
            filled += tokens[start];
            // One block always fits: blocks have a limit of their own.
            if filled > limit && start + 1 < end {
                break;
            }
            let cost = best[start].0 + cut;
            if cost < best[end].0 {
                best[end] = (cost, start);
            }
        }
    }
    let mut out = Vec::new();
    let mut end = n;
    while end > 0 {
        out.push(end);
        end = best[end].1;
    }
    out.reverse();
    out
}

/// The places that segments touch, in order.
pub(super) fn places(segments: &[Segment]) -> Vec<Place> {
    let mut places: Vec<Place> = segments.iter().flat_map(|s| s.places.iter().cloned()).collect();
    places.dedup();
    places
}

fn cut(run: &[Segment], path: &Shown, ends: &[usize], out: &mut Vec<Segment>) {
    let shown = |s: &Segment, n: usize| s.shown_before(n).map(|c| (c.span, c.kind)).collect::<Shown>();
    let mut blocks: Vec<(Block, Shown)> =
        run.iter().flat_map(|s| s.blocks.iter().enumerate().map(move |(n, b)| (*b, shown(s, n)))).collect();
    let places = places(run);
    for (n, end) in ends.iter().enumerate().rev() {
        let start = n.checked_sub(1).map_or(0, |n| ends[n]);
        debug_assert_eq!(blocks.len(), *end);
        out.push(assembled(path, blocks.split_off(start), &places));
    }
    let made = out.len() - ends.len();
    out[made..].reverse();
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn cuts_fall_into_dips_and_keep_the_limit() {
        let tokens = [10; 6];
        let similarity = [0.9, 0.9, 0.1, 0.9, 0.9];
        assert_eq!(ends(&tokens, &similarity, 40), [3, 6]);
        assert_eq!(ends(&tokens, &similarity, 55), [3, 6], "the dip, not the last block that fits");
        assert_eq!(ends(&tokens, &similarity, 100), [6], "what fits stays together");
        assert_eq!(ends(&[50, 50, 50], &[0.1, 0.1], 40), [1, 2, 3]);
        assert_eq!(ends(&[], &[], 40), Vec::<usize>::new());
    }
}
