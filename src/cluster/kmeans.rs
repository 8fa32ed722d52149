//! Spherical k-means: rows of unit length, and a centroid stands for a direction (Dhillon and Modha, "Concept
//! Decompositions for Large Sparse Text Data Using Clustering", Machine Learning 42, 2001).
//!
//! Passages about one thing are all alike; what tells them apart is how they differ from their mean, so the mean is taken
//! out of them before.
//!
//! The algorithm is linfa's: k-means++, several starts, the best of them by inertia; batches for what is large. Ours is the
//! distance, one minus the cosine, which the length of a centroid does not change.

use linfa::DatasetBase;
use linfa::prelude::{Fit, FitWith, ParamGuard};
use linfa_clustering::{IncrKMeansError, KMeans, KMeansInit, KMeansParams};
use linfa_nn::distance::Distance;
use ndarray::{Array1, Array2, ArrayView, Axis, Dimension};
use rand_xoshiro::Xoshiro256Plus;
use rand_xoshiro::rand_core::SeedableRng;
use simsimd::SpatialSimilarity;

use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// Up to so many rows, every iteration looks at all of them.
pub const MAX_WHOLE_ROWS: usize = 50_000;
/// Of more rows, so many give the first centroids.
pub const SAMPLE_ROWS: usize = 12_288;
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Starts; the best one by inertia counts. Of many clusters one does: another start changes little, and costs the square of
/// their number.
const STARTS: usize = 4;
const MANY_CLUSTERS: usize = 16;
const MAX_ITERATIONS: u64 = 30;
/// Iterations where rough ones do.
const ROUGH_ITERATIONS: u64 = 10;
/// Iterations end when the centroids move by less than this cosine distance, all together.
const TOLERANCE: f32 = 1e-5;
/// Where draws begin: equal rows give equal clusters.
const SEED: u64 = 0x0074_616d_6973;

/// One minus the cosine: from 0 to 2, and 1 for a vector of zeros.
#[derive(Clone, Debug)]
struct CosineDistance;

impl Distance<f32> for CosineDistance {
    fn distance<D: Dimension>(&self, a: ArrayView<'_, f32, D>, b: ArrayView<'_, f32, D>) -> f32 {
        match (a.as_slice(), b.as_slice()) {
            (Some(a), Some(b)) => cosine_distance(a, b),
            _ => cosine_distance(&a.iter().copied().collect::<Vec<_>>(), &b.iter().copied().collect::<Vec<_>>()),
        }
    }
}

fn cosine_distance(a: &[f32], b: &[f32]) -> f32 {
    let distance = <f32 as SpatialSimilarity>::cosine(a, b).map_or(1.0, |d| d as f32);
    if distance.is_finite() { distance.clamp(0.0, 2.0) } else { 1.0 }
}

/// Directions of clusters.
#[derive(Clone, Debug)]
pub struct Centroids {
    /// `[clusters, dimension]`, of what rows have beyond the mean.
    directions: Array2<f32>,
    mean: Array1<f32>,
}

impl Centroids {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.directions.nrows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nearest centroid of a row, and the cosine to it; of equally near ones the first.
    #[must_use]
    pub fn nearest(&self, row: &[f32]) -> Option<(usize, f32)> {
        self.two_nearest(row).map(|(best, _)| best)
    }

    /// The nearest centroid and, where there is one, the cosine to the second nearest.
    pub(super) fn two_nearest(&self, row: &[f32]) -> Option<((usize, f32), Option<f32>)> {
        let row: Vec<f32> = row.iter().zip(&self.mean).map(|(value, mean)| value - mean).collect();
        let mut best: Option<(usize, f32)> = None;
        let mut second = None;
        for (n, centroid) in self.directions.rows().into_iter().enumerate() {
            let cosine = 1.0 - centroid.as_slice().map_or(1.0, |centroid| cosine_distance(&row, centroid));
            if best.is_none_or(|(_, most)| cosine > most) {
                second = best.map(|(_, most)| most);
                best = Some((n, cosine));
            } else if second.is_none_or(|most| cosine > most) {
                second = Some(cosine);
            }
        }
        best.map(|best| (best, second))
    }
}

type Params = KMeansParams<f32, Xoshiro256Plus, CosineDistance>;

fn params(clusters: usize) -> Params {
    KMeans::params_with(clusters, Xoshiro256Plus::seed_from_u64(SEED), CosineDistance)
        .n_runs(if clusters > MANY_CLUSTERS { 1 } else { STARTS })
        .max_n_iterations(MAX_ITERATIONS)
        .tolerance(TOLERANCE)
}

fn wrong(e: &dyn std::fmt::Display) -> Error {
    Error::invalid("clusters", e.to_string())
}

/// Centroids of rows of unit length; at most as many as there are rows.
///
/// # Errors
/// [`Error::InvalidArgument`] for no cluster or no row, the deadline's.
pub fn learn(rows: &Array2<f32>, clusters: usize, deadline: &Deadline) -> Result<Centroids> {
    learn_by(params, rows, clusters, deadline)
}

/// The same from one start and a few rounds: for many small clusters that only have to be tight enough to search by.
///
/// # Errors
/// As for [`learn`].
pub(crate) fn roughly(rows: &Array2<f32>, clusters: usize, deadline: &Deadline) -> Result<Centroids> {
    learn_by(
        |clusters| params(clusters).n_runs(1).init_method(KMeansInit::Random).max_n_iterations(ROUGH_ITERATIONS),
        rows,
        clusters,
        deadline,
    )
}

fn learn_by(
    params: impl Fn(usize) -> Params,
    rows: &Array2<f32>,
    clusters: usize,
    deadline: &Deadline,
) -> Result<Centroids> {
    if clusters == 0 || rows.is_empty() {
        return Err(Error::invalid("clusters", "there must be at least one, and one passage"));
    }
    deadline.check("cluster")?;
    let mean = rows.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(rows.ncols()));
    let beyond = rows - &mean;
    let params = params(clusters.min(rows.nrows())).check().map_err(|e| wrong(&e))?;
    let model = params.fit(&DatasetBase::from(beyond)).map_err(|e| wrong(&e))?;
    Ok(Centroids { directions: model.centroids().clone(), mean })
}

impl Centroids {
    /// The same, learnt from a sample, moved by batches of all rows, which are more than memory should hold (Sculley,
    /// "Web-Scale K-Means Clustering", WWW 2010). `each` hands over the rows, always in the same order.
    ///
    /// # Errors
    /// Those of `each`, the deadline's.
    pub fn moved_by(
        self,
        deadline: &Deadline,
        each: impl FnOnce(&mut dyn FnMut(&[f32]) -> Result<()>) -> Result<()>,
    ) -> Result<Self> {
        let Self { directions, mean } = self;
        let params = params(directions.nrows()).init_method(KMeansInit::Precomputed(directions.clone()));
        let params = params.check().map_err(|e| wrong(&e))?;
        let (mut model, mut batch, dimension) = (None, Vec::new(), mean.len());
        let mut learn_batch = |batch: &mut Vec<f32>| -> Result<()> {
            deadline.check("cluster")?;
            let rows = Array2::from_shape_vec((batch.len() / dimension, dimension), std::mem::take(batch))
                .map_err(|e| wrong(&e))?;
            model = match params.fit_with(model.take(), &DatasetBase::from(rows)) {
                Ok(model) | Err(IncrKMeansError::NotConverged(model)) => Some(model),
                Err(e) => return Err(wrong(&e)),
            };
            Ok(())
        };
        each(&mut |row| {
            batch.extend(row.iter().zip(&mean).map(|(value, mean)| value - mean));
            if batch.len() >= BATCH_ROWS * dimension { learn_batch(&mut batch) } else { Ok(()) }
        })?;
        if !batch.is_empty() {
            learn_batch(&mut batch)?;
        }
        Ok(Self { directions: model.map_or(directions, |model| model.centroids().clone()), mean })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rows around each of the axes.
    fn rows(axes: usize, each: usize) -> Array2<f32> {
        let mut rows = Array2::zeros((axes * each, 8));
        for n in 0..axes * each {
            rows[(n, n % axes)] = 1.0;
            rows[(n, (n * 7 + 3) % 8)] += 0.05 * ((n % 5) as f32);
        }
        rows
    }

    #[test]
    fn rows_of_one_direction_are_one_cluster() {
        let rows = rows(4, 30);
        let centroids = learn(&rows, 4, &Deadline::none()).unwrap();
        let of = |n: usize| centroids.nearest(rows.row(n).as_slice().unwrap()).unwrap();
        for n in 0..120 {
            assert_eq!(of(n).0, of(n % 4).0);
            assert!(of(n).1 > 0.9);
        }
        assert_eq!((0..4).map(|n| of(n).0).collect::<std::collections::BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn the_same_rows_give_the_same_centroids() {
        let rows = rows(5, 40);
        let all = |take: &mut dyn FnMut(&[f32]) -> Result<()>| {
            rows.rows().into_iter().try_for_each(|row| take(row.as_slice().unwrap()))
        };
        let whole = || learn(&rows, 5, &Deadline::none()).unwrap().directions;
        let batches = || learn(&rows, 5, &Deadline::none()).unwrap().moved_by(&Deadline::none(), all).unwrap();
        assert_eq!(whole(), whole());
        assert_eq!(batches().directions, batches().directions);
        assert!(rows.rows().into_iter().all(|row| batches().nearest(row.as_slice().unwrap()).unwrap().1 > 0.9));
    }

    #[test]
    fn few_equal_or_empty_rows_are_no_trouble() {
        let none = Deadline::none();
        for rows in [Array2::zeros((3, 8)), Array2::ones((5, 8)), Array2::ones((1, 8))] {
            let centroids = learn(&rows, 4, &none).unwrap();
            assert!(centroids.len() <= rows.nrows());
            let (cluster, cosine) = centroids.nearest(rows.row(0).as_slice().unwrap()).unwrap();
            assert!(cluster < centroids.len() && cosine.is_finite());
        }
        assert!(learn(&Array2::zeros((0, 8)), 2, &none).is_err());
        assert!(learn(&Array2::ones((2, 8)), 0, &none).is_err());
    }
}
