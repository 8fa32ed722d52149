//! Passages to clusters: what is said alike stands together, and how often it is said is known.
//!
//! Clustered RAG (CRAG, arXiv 2406.00029): the passages' vectors are clustered by k-means, and every cluster is condensed
//! by itself, so that a context stays flat while the collection grows. [`learn`] finds the centroids, [`Centroids`] tells
//! the cluster of any vector, [`map`] draws them, and [`unlike_others`] finds what belongs to none: a minority that an
//! average would swallow.

mod kmeans;
mod map;
mod number;

pub(crate) use kmeans::roughly;
pub use kmeans::{Centroids, MAX_WHOLE_ROWS, SAMPLE_ROWS, learn};
pub use map::map;
pub use number::{MAX_CLUSTERS, Number};

/// Spreads between the quartiles.
const FENCE: f32 = 1.5;

/// The cosine below which a row is unlike all others, among cosines of rows to their own centroids: Tukey's fence, one and
/// a half spreads between the quartiles below the lower one.
///
/// ```
/// use tamis::cluster::unlike_others;
/// let like = (0..40).map(|n| 0.7 + 0.005 * n as f32);
/// let fence = unlike_others(like.chain([-0.2]).collect());
/// assert!(fence > -0.2 && fence < 0.7);
/// ```
#[must_use]
pub fn unlike_others(mut cosines: Vec<f32>) -> f32 {
    cosines.sort_by(f32::total_cmp);
    let quartile = |n: usize| cosines.get(cosines.len() * n / 4).copied().unwrap_or(f32::MIN);
    quartile(1) - FENCE * (quartile(3) - quartile(1))
}
