//! Finds out what is known of every block that can be kept. Everything is arithmetic on what was computed at ingest.

use std::collections::HashMap;

use super::Question;
use super::bridges::{self, Named};
use super::expected::Expected;
use super::features::{Described, Features, Strong, standardise};
use super::feedback;
use super::fusion::Candidate;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::index::{View, bm25, terms};

/// Length, in terms, of a block of average length: what BM25 normalises by.
const AVERAGE_BLOCK_TERMS: f32 = 20.0;

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

fn standardise_field(described: &mut [Described], field: fn(&mut Features) -> &mut f32) {
    let mut values: Vec<f32> = described.iter_mut().map(|d| *field(&mut d.features)).collect();
    standardise(&mut values);
    described.iter_mut().zip(values).for_each(|(d, value)| *field(&mut d.features) = value);
}
