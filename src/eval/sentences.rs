//! The simple strong baselines: blocks by one score, whole, each document's title once.

use std::collections::BTreeMap;

use super::bootstrap::Random;
use super::prepare::PreparedSet;
use crate::encode::PackedVector;
use crate::rank::by_marginal_relevance;
use crate::tokenize::TokenCounter;

/// By what blocks are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A random order, from the seed.
    Random(u64),
    /// The order of the documents.
    Lead,
    /// Cosine with the block alone.
    Bare,
    /// Cosine with `title, heading: block`.
    Titled,
    /// The same, less what is said already: maximal marginal relevance.
    Marginal,
}

/// What novelty counts against relevance, in maximal marginal relevance.
pub(super) const DIVERSITY: f32 = 0.3;
/// Blocks that are put in the order of maximal marginal relevance; the others stand behind them.
const MARGINAL_BLOCKS: usize = 128;

/// A block of a document: document, place among its encoded blocks, text.
struct Choice<'a> {
    document: usize,
    place: usize,
    text: &'a str,
    score: f32,
    vector: &'a PackedVector,
}

/// Tokens of every encoded block of every document, counted once: where no sentence fits what is left of a budget,
/// all are tried.
pub(super) struct Counts(Vec<Vec<u32>>);

impl Counts {
    pub(super) fn of(prepared: &PreparedSet, tokenizer: &dyn TokenCounter) -> Self {
        let count = |document: usize| encoded(prepared, document).map(|(text, _)| tokenizer.count(text).0).collect();
        Self((0..prepared.segments.len()).map(count).collect())
    }

    fn get(&self, choice: &Choice<'_>) -> u32 {
        self.0.get(choice.document).and_then(|blocks| blocks.get(choice.place)).copied().unwrap_or(u32::MAX - 1)
    }
}

/// Takes the best blocks that fit and writes them by document, each under its title.
pub(super) fn context(
    prepared: &PreparedSet,
    candidates: Option<&[usize]>,
    query: &PackedVector,
    by: By,
    budget: u32,
    tokenizer: &dyn TokenCounter,
    counts: &Counts,
) -> String {
    let mut choices = choices(prepared, candidates, query, by);
    if let By::Random(seed) = by {
        Random::new(seed).shuffle(&mut choices);
    } else {
        // Stable: of equal scores the first in the documents' order.
        choices.sort_by(|a, b| b.score.total_cmp(&a.score));
    }
    if by == By::Marginal {
        diversify(&mut choices);
    }
    let title = |document: usize| prepared.set.documents[document].title.as_str();
    let mut kept: BTreeMap<usize, BTreeMap<usize, &str>> = BTreeMap::new();
    let mut taken = Vec::new();
    let mut total: u32 = 0;
    for choice in &choices {
        let own = counts.get(choice).saturating_add(1);
        if total.saturating_add(own) > budget {
            continue;
        }
        let first = !kept.contains_key(&choice.document);
        let cost = own + if first { tokenizer.count(title(choice.document)).0 + 1 } else { 0 };
        if total + cost <= budget {
            total += cost;
            kept.entry(choice.document).or_default().insert(choice.place, choice.text);
            taken.push((choice.document, choice.place));
        }
        if total + 2 >= budget {
            break;
        }
    }
    loop {
        let mut text = String::new();
        for (document, blocks) in &kept {
            let blocks: Vec<&str> = blocks.values().copied().collect();
            text.push_str(&format!("{}\n{}\n", title(*document), blocks.join(" ")));
        }
        if tokenizer.count(&text).0 <= budget {
            return text;
        }
        // Estimates were short by a token or two: the worst goes.
        let Some((document, place)) = taken.pop() else { return String::new() };
        if let Some(blocks) = kept.get_mut(&document) {
            blocks.remove(&place);
            if blocks.is_empty() {
                kept.remove(&document);
            }
        }
    }
}

/// Moves to the front, one after the other, what is near to the question and far from what stands there already; the others
/// stay in the order of their scores.
fn diversify(choices: &mut Vec<Choice<'_>>) {
    let relevance: Vec<f32> = choices.iter().map(|c| c.score).collect();
    let vectors: Vec<Option<&PackedVector>> = choices.iter().map(|c| Some(c.vector)).collect();
    let mut places = vec![usize::MAX; choices.len()];
    let first = by_marginal_relevance(&relevance, &vectors, DIVERSITY, MARGINAL_BLOCKS);
    first.into_iter().enumerate().for_each(|(place, (n, _))| places[n] = place);
    let mut placed: Vec<(usize, Choice<'_>)> = places.into_iter().zip(std::mem::take(choices)).collect();
    placed.sort_by_key(|(place, _)| *place);
    choices.extend(placed.into_iter().map(|(_, choice)| choice));
}

/// The blocks of a document that have a vector.
fn encoded(prepared: &PreparedSet, document: usize) -> impl Iterator<Item = (&str, &PackedVector)> {
    let segments = &prepared.segments[document];
    let blocks = segments.iter().flat_map(|s| s.segment.blocks.iter().zip(&s.block_vectors).map(move |b| (s, b)));
    blocks.filter_map(|(s, (block, vector))| Some((s.slice(block.span)?, vector.as_ref()?)))
}

fn choices<'a>(
    prepared: &'a PreparedSet,
    candidates: Option<&[usize]>,
    query: &PackedVector,
    by: By,
) -> Vec<Choice<'a>> {
    let all: Vec<usize> = (0..prepared.segments.len()).collect();
    let mut out = Vec::new();
    for document in candidates.unwrap_or(&all) {
        let bare = &prepared.bare[*document];
        for (place, (text, titled)) in encoded(prepared, *document).enumerate() {
            let score = match by {
                By::Random(_) | By::Lead => 0.0,
                By::Bare => bare.get(place).map_or(0.0, |bare| query.cosine(bare)),
                By::Titled | By::Marginal => query.cosine(titled),
            };
            out.push(Choice { document: *document, place, text, score, vector: titled });
        }
    }
    out
}
