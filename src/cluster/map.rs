//! Where passages lie: the two directions in which they differ most (principal components).

use linfa::DatasetBase;
use linfa::prelude::{Fit, Predict};
use linfa_reduction::Pca;
use ndarray::Array2;

/// Coordinates of rows on a plane; near ones are alike, what lies far apart is not. All zeros where rows do not differ.
#[must_use]
pub fn map(rows: &Array2<f32>) -> Vec<[f32; 2]> {
    let nowhere = || vec![[0.0; 2]; rows.nrows()];
    if rows.nrows() < 3 || rows.ncols() < 3 || rows.rows().into_iter().all(|row| row == rows.row(0)) {
        return nowhere();
    }
    let dataset = DatasetBase::from(rows.mapv(f64::from));
    let Ok(components) = Pca::params(2).fit(&dataset) else { return nowhere() };
    let places = components.predict(&dataset);
    // A component's sign is chance: its greatest coordinate is made positive, so that equal rows give equal maps.
    let sign = |axis: usize| {
        let most =
            places.column(axis).iter().copied().fold(0.0_f64, |most, x| if x.abs() > most.abs() { x } else { most });
        if most < 0.0 { -1.0 } else { 1.0 }
    };
    let signs = [sign(0), sign(1)];
    let place = |row: ndarray::ArrayView1<'_, f64>| [0, 1].map(|axis| (signs[axis] * row[axis]) as f32);
    places.rows().into_iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_lies_together() {
        let mut rows = Array2::zeros((60, 8));
        for n in 0..60 {
            rows[(n, n % 3)] = 1.0;
            rows[(n, 3 + n % 5)] = 0.1;
        }
        let places = map(&rows);
        let distance = |a: usize, b: usize| {
            let [x, y] = [0, 1].map(|axis| places[a][axis] - places[b][axis]);
            x.hypot(y)
        };
        for n in 3..60 {
            assert!(distance(n, n % 3) < 0.3 && distance(n, (n + 1) % 3) > 0.7, "{n}");
        }
        assert_eq!(map(&Array2::ones((5, 8))), vec![[0.0; 2]; 5]);
        assert!(map(&Array2::zeros((0, 8))).is_empty());
    }
}
