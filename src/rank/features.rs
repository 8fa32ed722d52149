//! What is known of a block before it is scored: cosines, terms, its document's title, what strong blocks say
//! of its document. Everything is arithmetic on what was computed at ingest.

use std::collections::HashMap;

use super::bridges::{self, Named};
use super::expected::Expected;
use super::fusion::Candidate;
use super::{Question, bm25};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::index::{TermStatistics, terms};

/// Length, in terms, of a block of average length: what BM25 normalises by.
const AVERAGE_BLOCK_TERMS: f32 = 20.0;

/// Names of the features, in their order.
pub const NAMES: [&str; COUNT] = [
    "block_cosine",
    "segment_cosine",
    "document_cosine",
    "neighbour_cosine",
    "block_terms",
    "coverage",
    "title_terms",
    "bridge",
    "open_bridge",
    "expected",
    "first",
    "short",
];
/// How many features there are.
pub const COUNT: usize = 12;

/// Features of one block, in the order of [`NAMES`].
pub type Features = [f32; COUNT];

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
/// Cosines and term scores are standardised within the question, so that a weight means the same for every
/// question; the others are shares from 0 to 1.
///
/// # Errors
/// The deadline's.
pub fn describe(
    question: &Question,
    statistics: &TermStatistics,
    candidates: &[Candidate],
    deadline: &Deadline,
) -> Result<Vec<Described>> {
    let query = question.vector.pack();
    let mut analyzer = terms::analyzer();
    let places: HashMap<&str, usize> = question.terms.iter().enumerate().map(|(n, t)| (t.as_str(), n)).collect();
    let weights: Vec<f32> = (0..question.terms.len()).map(|n| statistics.idf(n)).collect();
    let total = weights.iter().sum::<f32>().max(f32::EPSILON);
    let expected = Expected::of(&question.text);
    let mut out: Vec<Described> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut titles: HashMap<u64, Named> = HashMap::new();
    for (n, candidate) in candidates.iter().enumerate() {
        deadline.check("rank")?;
        let stored = &candidate.stored;
        let title = titles
            .entry(candidate.id.revision.0)
            .or_insert_with(|| Named::new(terms::of(&mut analyzer, &candidate.document.title), &places));
        let heading: Vec<usize> = terms::of(&mut analyzer, &stored.heading)
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
            let found = terms::of(&mut analyzer, text);
            found.iter().filter_map(|t| places.get(t.as_str())).for_each(|place| counts[*place] += 1);
            let lexical = bm25::score(statistics, counts.len(), |t| counts[t], found.len() as f32, AVERAGE_BLOCK_TERMS);
            heading.iter().for_each(|place| counts[*place] += 1);
            let covered: f32 = (0..counts.len()).filter(|t| counts[*t] > 0).map(|t| weights[t]).sum();
            let near = [m.checked_sub(1), Some(m + 1)].into_iter().flatten().filter_map(|n| *cosines.get(n)?);
            let neighbour = near.fold(f32::MIN, f32::max).max(cosine);
            out.push(Described {
                candidate: n,
                block: m,
                features: [
                    cosine,
                    segment_cosine,
                    0.0,
                    neighbour,
                    lexical,
                    covered / total,
                    title.asked_share(),
                    0.0,
                    0.0,
                    f32::from(u8::from(expected.is_in(text, &question.text))),
                    f32::from(u8::from(candidate.id.ordinal == 0 && m == 0)),
                    1.0 / (1.0 + found.len() as f32 / AVERAGE_BLOCK_TERMS),
                ],
            });
            words.push(format!(" {} ", found.join(" ")));
        }
    }
    document_cosine(&mut out, candidates);
    // How much of the question the best single block answers to: what is left over asks for a second one.
    let open = 1.0 - out.iter().fold(0.0f32, |most, d| most.max(d.features[5]));
    for feature in [0, 1, 2, 3, 4] {
        standardise(&mut out, feature);
    }
    let strength: Vec<f32> = out.iter().map(|d| d.features[0] + 0.5 * d.features[1]).collect();
    let bridges = bridges::to_documents(&out, &strength, &words, candidates, &titles);
    for described in &mut out {
        let bridge = bridges.get(&candidates[described.candidate].id.revision.0).copied().unwrap_or(0.0);
        described.features[7] = bridge;
        described.features[8] = bridge * open;
    }
    Ok(out)
}

/// The best block of the document, for each of its blocks.
fn document_cosine(described: &mut [Described], candidates: &[Candidate]) {
    let mut best: HashMap<u64, f32> = HashMap::new();
    for d in described.iter() {
        let of = best.entry(candidates[d.candidate].id.revision.0).or_insert(f32::MIN);
        *of = of.max(d.features[0]);
    }
    for d in described {
        d.features[2] = best.get(&candidates[d.candidate].id.revision.0).copied().unwrap_or(0.0);
    }
}

/// Subtracts the mean of a feature and divides by its standard deviation; equal values become zeros.
fn standardise(described: &mut [Described], feature: usize) {
    let n = described.len() as f64;
    let values = || described.iter().map(|d| f64::from(d.features[feature]));
    let mean = values().sum::<f64>() / n.max(1.0);
    let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / n.max(1.0);
    let deviation = variance.sqrt();
    for d in described {
        let value = f64::from(d.features[feature]);
        d.features[feature] = if deviation > 1e-9 { ((value - mean) / deviation) as f32 } else { 0.0 };
    }
}
