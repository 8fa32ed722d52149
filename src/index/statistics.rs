//! What terms and scores are like over a collection.

/// Terms of a segment of usual length, which BM25 normalises by. The length that segments are packed to makes it what it is,
/// more than the collection does; being the same everywhere, it makes what a term weighs in a segment depend on that segment
/// alone, so that it can be computed when the segment is stored, on any shard.
pub const USUAL_TERMS: u32 = 128;

/// Scores are rounded to this many steps per unit before they are compared, so that the last bits of a
/// float, which differ between CPUs, can't reorder a context.
const STEPS: f32 = 10_000.0;

/// Rounds a score for comparison.
#[must_use]
pub fn rounded(score: f32) -> f32 {
    (score * STEPS).round() / STEPS
}

/// How often terms occur: what turns matches into weights.
#[derive(Clone, Debug, Default)]
pub struct TermStatistics {
    /// Segments in the collection.
    pub segments: u64,
    /// For every term asked for, the segments that hold it.
    pub holding: Vec<u64>,
}

impl TermStatistics {
    /// BM25's inverse document frequency of the n-th term.
    #[must_use]
    pub fn idf(&self, n: usize) -> f32 {
        let holding = self.holding.get(n).copied().unwrap_or(0).min(self.segments) as f32;
        let total = self.segments as f32;
        (1.0 + (total - holding + 0.5) / (holding + 0.5)).ln()
    }

    /// What BM25 scores of these terms are like over the collection, from how often they occur alone: the same on
    /// every shard. A term counts its weight where it occurs, as in a segment of average length.
    #[must_use]
    pub fn spread(&self) -> Spread {
        let (mut mean, mut variance) = (0.0f32, 0.0f32);
        for (n, holding) in self.holding.iter().enumerate() {
            let share = (*holding).min(self.segments) as f32 / self.segments.max(1) as f32;
            let weight = self.idf(n);
            mean += weight * share;
            variance += weight * weight * share * (1.0 - share);
        }
        Spread { mean, deviation: variance.sqrt() }
    }
}

/// What scores are like over a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Their mean.
    pub mean: f32,
    /// Their standard deviation.
    pub deviation: f32,
}

impl Spread {
    /// How many deviations a score lies above the mean; 0 where all scores are alike.
    #[must_use]
    pub fn standardised(&self, score: f32) -> f32 {
        if self.deviation > 1e-6 { (score - self.mean) / self.deviation } else { 0.0 }
    }
}

/// Adds up a spread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpreadOf {
    count: u64,
    sum: f64,
    squares: f64,
}

impl SpreadOf {
    pub(crate) fn add(&mut self, score: f32) {
        self.count += 1;
        self.sum += f64::from(score);
        self.squares += f64::from(score) * f64::from(score);
    }

    pub(crate) fn spread(&self) -> Spread {
        let n = self.count.max(1) as f64;
        let mean = self.sum / n;
        Spread { mean: mean as f32, deviation: (self.squares / n - mean * mean).max(0.0).sqrt() as f32 }
    }
}

impl FromIterator<f32> for SpreadOf {
    fn from_iter<I: IntoIterator<Item = f32>>(scores: I) -> Self {
        let mut of = Self::default();
        scores.into_iter().for_each(|score| of.add(score));
        of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_measured_in_deviations() {
        let mut of = SpreadOf::default();
        [1.0, 2.0, 3.0].into_iter().for_each(|score| of.add(score));
        let spread = of.spread();
        assert!((spread.mean - 2.0).abs() < 1e-6 && (spread.deviation - (2.0f32 / 3.0).sqrt()).abs() < 1e-6);
        assert!((spread.standardised(2.0)).abs() < 1e-6 && spread.standardised(3.0) > 1.0);
        assert_eq!(SpreadOf::default().spread().standardised(5.0), 0.0, "all alike");
    }

    #[test]
    fn rare_terms_spread_less_than_they_weigh() {
        let spread = TermStatistics { segments: 1000, holding: vec![10, 500] }.spread();
        assert!(spread.mean > 0.0 && spread.deviation > 0.0);
        assert_eq!(TermStatistics::default().spread(), Spread::default());
    }
}
