//! Bootstrap intervals (Efron, 1979) of means and of paired differences, from a seed.

use serde::{Deserialize, Serialize};

/// Samples drawn for an interval.
const SAMPLES: usize = 2000;

/// A mean with its 95% interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The 2.5th percentile of resampled means.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
    /// Values averaged.
    pub n: usize,
}

/// The mean of values, with its interval.
#[must_use]
pub fn mean(values: &[f64], seed: u64) -> Interval {
    mean_of_means(&[values], seed)
}

/// The mean over groups of their means, each group resampled within itself. Empty groups do not count.
#[must_use]
pub fn mean_of_means<G: AsRef<[f64]>>(groups: &[G], seed: u64) -> Interval {
    let filled: Vec<&[f64]> = groups.iter().map(AsRef::as_ref).filter(|g| !g.is_empty()).collect();
    if filled.is_empty() {
        return Interval::default();
    }
    let over_groups = |of: &mut dyn FnMut(&[f64]) -> f64| -> f64 {
        filled.iter().map(|group| of(group) / group.len() as f64).sum::<f64>() / filled.len() as f64
    };
    let mut random = Random::new(seed);
    let mut resampled = |group: &[f64]| (0..group.len()).map(|_| group[random.below(group.len())]).sum::<f64>();
    let mut means: Vec<f64> = (0..SAMPLES).map(|_| over_groups(&mut resampled)).collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((SAMPLES - 1) as f64 * share).round() as usize];
    Interval {
        mean: over_groups(&mut |group| group.iter().sum()),
        low: at(0.025),
        high: at(0.975),
        n: filled.iter().map(|group| group.len()).sum(),
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): the same numbers from the same seed, everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }

    /// Puts things in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for n in (1..things.len()).rev() {
            things.swap(n, self.below(n + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_holds_its_mean_and_comes_from_its_seed() {
        let values: Vec<f64> = (0..200).map(|n| f64::from(n % 4 == 0)).collect();
        let interval = mean(&values, 7);
        assert!((interval.mean - 0.25).abs() < 1e-9 && interval.low < 0.25 && interval.high > 0.25);
        assert!(interval.high - interval.low < 0.15, "{interval:?}");
        assert_eq!(interval, mean(&values, 7));
        assert_eq!(mean(&[], 7), Interval::default());
    }

    #[test]
    fn equal_systems_differ_by_nothing() {
        let values = [1.0, 0.0, 1.0, 1.0];
        let differences: Vec<f64> = values.iter().zip(values).map(|(a, b)| a - b).collect();
        assert_eq!(mean(&differences, 1), Interval { n: 4, ..Interval::default() });
    }
}
