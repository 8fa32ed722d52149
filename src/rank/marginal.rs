//! Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): what is relevant, and not said already.

use crate::encode::PackedVector;

/// The first `most` by marginal relevance, each with it: the next one has the greatest (1 - d) relevance - d likeness, where
/// likeness is the largest cosine to one before it, and at least 0. Of equal ones the first goes; what has no vector is like
/// none.
pub(crate) fn by_marginal_relevance(
    relevance: &[f32],
    vectors: &[Option<&PackedVector>],
    diversity: f32,
    most: usize,
) -> Vec<(usize, f32)> {
    let mut open: Vec<usize> = (0..relevance.len()).collect();
    let mut likeness = vec![0.0_f32; relevance.len()];
    let mut out = Vec::with_capacity(most.min(open.len()));
    while out.len() < most {
        let marginal = |n: usize| (1.0 - diversity) * relevance[n] - diversity * likeness[n];
        let each = open.iter().enumerate().map(|(place, n)| (place, marginal(*n)));
        let Some((place, marginal)) = each.reduce(|best, other| if other.1 > best.1 { other } else { best }) else {
            break;
        };
        let next = open.remove(place);
        out.push((next, marginal));
        for n in &open {
            if let (Some(told), Some(other)) = (vectors[next], vectors[*n]) {
                likeness[*n] = likeness[*n].max(told.cosine(other));
            }
        }
    }
    out
}
