//! What is known of a block before it is scored: cosines, terms, its document's title, what strong blocks say
//! of its document. Everything is arithmetic on what was computed at ingest.

use std::collections::HashMap;

use super::Question;
use super::bridges::{self, Named};
use super::expected::Expected;
use super::feedback;
use super::fusion::Candidate;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::index::{View, bm25, terms};

/// Length, in terms, of a block of average length: what BM25 normalises by.
const AVERAGE_BLOCK_TERMS: f32 = 20.0;

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

/// Describes every block that has a vector.
///
/// # Errors
/// The view's and the deadline's.
pub fn describe(
    question: &Question,
    view: &dyn View,
    candidates: &[Candidate],
    deadline: &Deadline,
) -> Result<Vec<Described>> {
    let query = question.vector.pack();
    let statistics = view.statistics(&question.terms)?;
    let places: HashMap<&str, usize> = question.terms.iter().enumerate().map(|(n, t)| (t.as_str(), n)).collect();
    let weights: Vec<f32> = (0..question.terms.len()).map(|n| statistics.idf(n)).collect();
    let total = weights.iter().sum::<f32>().max(f32::EPSILON);
    let covered = |counts: &[u32]| {
        let covered: f32 = (0..counts.len()).filter(|t| counts[*t] > 0).map(|t| weights[t]).sum();
        covered / total
    };
    let expected = Expected::of(&question.text);
    let mut out: Vec<Described> = Vec::new();
    let mut words: Vec<Vec<String>> = Vec::new();
    let mut titles: HashMap<u64, Named> = HashMap::new();
    let mut best: HashMap<u64, f32> = HashMap::new();
    let first = candidates.iter().map(|c| c.score).fold(f32::MIN, f32::max);
    for (n, candidate) in candidates.iter().enumerate() {
        deadline.check("rank")?;
        let stored = &candidate.stored;
        let document = candidate.id.revision.0;
        let title = titles
            .entry(document)
            .or_insert_with(|| Named::new(terms::of(question.language, &candidate.document.title), &places));
        let heading: Vec<usize> = terms::of(question.language, &stored.heading)
            .iter()
            .filter_map(|t| places.get(t.as_str()).copied())
            .chain(title.asked.iter().copied())
            .collect();
        let segment_cosine = query.cosine(&stored.vector);
        let cosines: Vec<Option<f32>> =
            stored.block_vectors.iter().map(|v| v.as_ref().map(|v| query.cosine(v))).collect();
        for (m, block) in stored.segment.blocks.iter().enumerate() {
            let Some(cosine) = cosines[m] else { continue };
            let text = stored.slice(block.span).unwrap_or_default();
            let mut counts = vec![0u32; places.len()];
            let found = terms::of(question.language, text);
            found.iter().filter_map(|t| places.get(t.as_str())).for_each(|place| counts[*place] += 1);
            let length = found.len() as f32;
            let block_terms = bm25::score(&statistics, counts.len(), |t| counts[t], length, AVERAGE_BLOCK_TERMS);
            let own_coverage = covered(&counts);
            heading.iter().for_each(|place| counts[*place] += 1);
            let near = [m.checked_sub(1), Some(m + 1)].into_iter().flatten().filter_map(|n| *cosines.get(n)?);
            let best = best.entry(document).or_insert(f32::MIN);
            *best = best.max(cosine);
            let features = Features {
                block_cosine: cosine,
                segment_cosine,
                neighbour_cosine: near.fold(cosine, f32::max),
                block_terms,
                coverage: covered(&counts),
                title_terms: title.asked_share(),
                expected: f32::from(u8::from(expected.is_in(text, &question.text))),
                first: f32::from(u8::from(candidate.id.ordinal == 0 && m == 0)),
                own_coverage,
                length: (1.0 + length).ln(),
                retrieved: candidate.score,
                retrieved_gap: first - candidate.score,
                ..Features::default()
            };
            out.push(Described { candidate: n, block: m, features });
            words.push(found);
        }
    }
    let best_of = |value: fn(&Features) -> f32| out.iter().map(|d| value(&d.features)).fold(0.0, f32::max);
    let (best_cosine, best_coverage) = (best_of(|f| f.block_cosine), best_of(|f| f.coverage));
    for d in &mut out {
        (d.features.best_cosine, d.features.best_coverage) = (best_cosine, best_coverage);
        let best = best.get(&candidates[d.candidate].id.revision.0).copied().unwrap_or(0.0);
        d.features.document_gap = best - d.features.block_cosine;
    }
    let cosines: Vec<f32> = out.iter().map(|d| d.features.block_cosine).collect();
    let fields: [fn(&mut Features) -> &mut f32; 5] = [
        |f| &mut f.block_cosine,
        |f| &mut f.segment_cosine,
        |f| &mut f.neighbour_cosine,
        |f| &mut f.block_terms,
        |f| &mut f.retrieved,
    ];
    fields.into_iter().for_each(|field| standardise_field(&mut out, field));
    let strong = Strong::of(&out, candidates);
    let bridges = bridges::to_documents(&strong, &words, &titles);
    for described in &mut out {
        described.features.bridge = bridges.get(&candidates[described.candidate].id.revision.0).copied().unwrap_or(0.0);
    }
    feedback::cosines(&mut out, &strong, &cosines, candidates);
    feedback::shared_names(&mut out, &strong, &words, &places, view)?;
    Ok(out)
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
    fn of(described: &[Described], candidates: &[Candidate]) -> Self {
        let raw: Vec<f32> =
            described.iter().map(|d| d.features.block_cosine + 0.5 * d.features.segment_cosine).collect();
        let mut order: Vec<usize> = (0..described.len()).collect();
        order.sort_by(|a, b| raw[*b].total_cmp(&raw[*a]).then(a.cmp(b)));
        let document = described.iter().map(|d| candidates[d.candidate].id.revision.0).collect();
        Self { order, strength: raw.into_iter().map(|s| s.max(0.0)).collect(), document }
    }
}

fn standardise_field(described: &mut [Described], field: fn(&mut Features) -> &mut f32) {
    let mut values: Vec<f32> = described.iter_mut().map(|d| *field(&mut d.features)).collect();
    standardise(&mut values);
    described.iter_mut().zip(values).for_each(|(d, value)| *field(&mut d.features) = value);
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
