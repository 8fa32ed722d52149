//! How many clusters: as many as the budget has room to tell of, fewer where the passages fall into fewer.

use ndarray::{Array2, Axis};

use super::{Centroids, learn};
use crate::deadline::Deadline;
use crate::error::{Error, Result};

/// Most clusters.
pub const MAX_CLUSTERS: usize = 256;
/// A cluster is told in about so many tokens...
const TOKENS_OF_A_CLUSTER: usize = 120;
/// ... and nobody reads more than this many.
const MOST_BY_RULE: usize = 12;
/// The silhouette is measured on so many rows.
const SILHOUETTE_ROWS: usize = 2000;
/// Fewer clusters are taken where they are clearer by so much.
const CLEARER: f32 = 0.1;

/// How many clusters are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Exactly so many, as far as there are passages.
    Fixed(usize),
    /// By the rule, for a digest of so many tokens.
    ForBudget(u32),
}

impl Number {
    /// A number that a caller wants.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for 0, [`Error::LimitExceeded`] for more than [`MAX_CLUSTERS`].
    pub fn fixed(clusters: usize) -> Result<Self> {
        match clusters {
            0 => Err(Error::invalid("clusters", "must be at least 1")),
            n if n > MAX_CLUSTERS => {
                Err(Error::LimitExceeded { field: "clusters", limit: MAX_CLUSTERS as u64, actual: n as u64 })
            }
            n => Ok(Self::Fixed(n)),
        }
    }

    /// Most clusters of so many passages: a hundred and twenty tokens of the budget each, at least 2 and at most 12, and no
    /// more than half of the passages.
    ///
    /// ```
    /// use tamis::cluster::Number;
    /// assert_eq!(Number::ForBudget(800).most(400), 7);
    /// assert_eq!(Number::ForBudget(800).most(6), 3);
    /// assert_eq!(Number::ForBudget(800).most(1), 1);
    /// ```
    #[must_use]
    pub fn most(self, passages: usize) -> usize {
        match self {
            Self::Fixed(n) => n.min(passages),
            Self::ForBudget(tokens) => {
                let by_budget = (tokens as usize + TOKENS_OF_A_CLUSTER / 2) / TOKENS_OF_A_CLUSTER;
                by_budget.clamp(2, MOST_BY_RULE).min(passages / 2).max(1)
            }
        }
    }

    /// The centroids of rows: of the rule's numbers the largest, unless half, a third or a quarter of it is clearer by the
    /// simplified silhouette (Hruschka and others, "Evolving clusters in gene-expression data", Information Sciences 176,
    /// 2006), which compares the distance to a row's own centroid with that to the next one.
    ///
    /// # Errors
    /// As for [`learn`].
    pub fn learn(self, rows: &Array2<f32>, passages: usize, deadline: &Deadline) -> Result<Centroids> {
        let most = self.most(passages);
        let mut best = learn(rows, most, deadline)?;
        if matches!(self, Self::Fixed(_)) {
            return Ok(best);
        }
        let mut clearest = silhouette(rows, &best) + CLEARER;
        for parts in [2, 3, 4] {
            let fewer = most / parts;
            if fewer < 2 {
                break;
            }
            let centroids = learn(rows, fewer, deadline)?;
            let clear = silhouette(rows, &centroids);
            if clear > clearest {
                (best, clearest) = (centroids, clear);
            }
        }
        Ok(best)
    }
}

/// How much nearer rows are to their own centroid than to the next one, 0 to 1; 0 with one cluster.
fn silhouette(rows: &Array2<f32>, centroids: &Centroids) -> f32 {
    let step = rows.nrows().div_ceil(SILHOUETTE_ROWS).max(1);
    let of_row = |n: usize| {
        let row = rows.index_axis(Axis(0), n);
        let ((_, own), other) = centroids.two_nearest(row.as_slice()?)?;
        let (own, other) = (1.0 - own, 1.0 - other?);
        (other > 0.0).then(|| (other - own) / other)
    };
    let all: Vec<f32> = (0..rows.nrows()).step_by(step).map(|n| of_row(n).unwrap_or(0.0)).collect();
    all.iter().sum::<f32>() / all.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_clusters_are_taken_where_there_are_fewer() {
        let mut rows = Array2::zeros((200, 16));
        for n in 0..200 {
            rows[(n, n % 3)] = 1.0;
            rows[(n, 3 + n % 13)] = 0.1;
        }
        assert_eq!(Number::ForBudget(720).most(200), 6);
        assert_eq!(Number::ForBudget(720).learn(&rows, 200, &Deadline::none()).unwrap().len(), 3);
        assert_eq!(Number::fixed(8).unwrap().learn(&rows, 200, &Deadline::none()).unwrap().len(), 8);
        assert!(Number::fixed(0).is_err() && Number::fixed(MAX_CLUSTERS + 1).is_err());
    }
}
