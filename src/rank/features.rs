//! What is known of a block before it is scored: cosines, terms, its document's title, what strong blocks say
//! of its document. [`describe`](super::describe) finds it out.

use super::fusion::Candidate;

/// How many features there are.
pub const COUNT: usize = 18;

/// Names of the features, in the order of [`Features::values`].
pub const NAMES: [&str; COUNT] = [
    "block_cosine",
    "segment_cosine",
    "neighbour_cosine",
    "block_terms",
    "coverage",
    "title_terms",
    "bridge",
    "expected",
    "first",
    "feedback",
    "shared_names",
    "own_coverage",
    "length",
    "document_gap",
    "best_cosine",
    "best_coverage",
    "retrieved",
    "retrieved_gap",
];

/// What is known of one block. Cosines and term scores are standardised within the question, so that a value
/// means the same for every question; shares go from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features {
    /// Cosine of the block, with its title and heading, and the question; standardised.
    pub block_cosine: f32,
    /// The same of its segment; standardised.
    pub segment_cosine: f32,
    /// The best cosine of the block and its two neighbours; standardised.
    pub neighbour_cosine: f32,
    /// BM25 of the block alone; standardised.
    pub block_terms: f32,
    /// Share of the question's terms, by weight, that block, heading and title hold.
    pub coverage: f32,
    /// Share of the title that the question names.
    pub title_terms: f32,
    /// Strength of the strongest block that names this block's document; 0 where none does.
    pub bridge: f32,
    /// 1 where the block holds something of the kind that the question asks for.
    pub expected: f32,
    /// 1 for the first block of a document.
    pub first: f32,
    /// The best cosine with the question moved towards a strong block of another document; standardised.
    pub feedback: f32,
    /// Weight of the rarest term that it shares with a strong block of another document and not with the
    /// question.
    pub shared_names: f32,
    /// Coverage by the block alone.
    pub own_coverage: f32,
    /// Logarithm of its number of terms.
    pub length: f32,
    /// By how much, as a cosine, the best block of its document is better.
    pub document_gap: f32,
    /// The best block's cosine: the same for all blocks of a question, so that trees can tell questions apart.
    pub best_cosine: f32,
    /// The best block's coverage, likewise.
    pub best_coverage: f32,
    /// The fused score by which its segment was found; standardised.
    pub retrieved: f32,
    /// By how much, in deviations of the collection, the first segment was found to be better than its own.
    pub retrieved_gap: f32,
}

impl Features {
    /// The values in the order of [`NAMES`].
    #[must_use]
    pub fn values(&self) -> [f32; COUNT] {
        [
            self.block_cosine,
            self.segment_cosine,
            self.neighbour_cosine,
            self.block_terms,
            self.coverage,
            self.title_terms,
            self.bridge,
            self.expected,
            self.first,
            self.feedback,
            self.shared_names,
            self.own_coverage,
            self.length,
            self.document_gap,
            self.best_cosine,
            self.best_coverage,
            self.retrieved,
            self.retrieved_gap,
        ]
    }
}

/// A block that can be kept, with its features.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// Place of the segment among the candidates.
    pub candidate: usize,
    /// Place of the block in the segment.
    pub block: usize,
    /// Its features.
    pub features: Features,
}

/// The described blocks in the order of their strength: what the second look starts from.
pub(super) struct Strong {
    /// Places of the blocks, strongest first.
    pub(super) order: Vec<usize>,
    /// Strength of every block, in the order of the blocks; at least 0.
    pub(super) strength: Vec<f32>,
    /// The document of every block.
    pub(super) document: Vec<u64>,
}

impl Strong {
    pub(super) fn of(described: &[Described], candidates: &[Candidate]) -> Self {
        let raw: Vec<f32> =
            described.iter().map(|d| d.features.block_cosine + 0.5 * d.features.segment_cosine).collect();
        let mut order: Vec<usize> = (0..described.len()).collect();
        order.sort_by(|a, b| raw[*b].total_cmp(&raw[*a]).then(a.cmp(b)));
        let document = described.iter().map(|d| candidates[d.candidate].id.revision.0).collect();
        Self { order, strength: raw.into_iter().map(|s| s.max(0.0)).collect(), document }
    }
}

/// Subtracts the mean and divides by the standard deviation; equal values become zeros.
pub(super) fn standardise(values: &mut [f32]) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
    let variance = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / n;
    let deviation = variance.sqrt();
    for value in values {
        *value = if deviation > 1e-9 { ((f64::from(*value) - mean) / deviation) as f32 } else { 0.0 };
    }
}
