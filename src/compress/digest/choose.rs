//! The sentences that tell of a cluster: those that cover its passages best.
//!
//! Greedy facility location (Nemhauser, Wolsey and Fisher 1978: at least 63 % of the best cover): the next sentence is the
//! one that brings the passages nearest to some sentence that is told. It begins in the medoid, the passage that is most
//! like all others. Weighing gains by the sentences' lengths changed nothing (docs/evaluation.md).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::super::candidates::{self, Documents};
use super::super::repeats::said_once;
use super::gather::{Clustered, Group};
use super::keywords::Keywords;
use crate::deadline::Deadline;
use crate::document::Revision;
use crate::encode::PackedVector;
use crate::error::Result;
use crate::fit::{Piece, Source};
use crate::index::{SegmentId, StoredSegment, View};
use crate::rank::Candidate;
use crate::span::Span;

/// Passages near the centroid whose sentences may be told.
const NEAR: usize = 24;
/// The same from all of the cluster, from its middle to its edge.
const SPREAD: usize = 48;
/// Vectors that a cluster is covered by.
const MAX_TARGETS: usize = 256;
/// A sentence takes at least so many tokens with its citation: no more are chosen than the budget could hold.
const MIN_TOKENS: u32 = 16;
/// Most sentences of a cluster.
const MAX_SENTENCES: usize = 256;
/// A sentence that has nothing to do with the question covers so much of what it covers without one.
const LEAST_OF_QUESTION: f32 = 0.05;

/// What is told of every cluster.
pub(super) struct Told {
    pub(super) sources: Vec<Source>,
    /// By cluster the pieces, and the order in which they are wanted.
    pub(super) pieces: Vec<(Vec<Piece>, Vec<usize>)>,
    pub(super) keywords: Vec<Keywords>,
    /// By cluster the passages that were looked at, the most typical first.
    pub(super) passages: Vec<Vec<Arc<StoredSegment>>>,
}

/// Chooses sentences of every cluster; of a question's digest those that have to do with the question.
pub(super) fn choose(
    clustered: &Clustered,
    view: &dyn View,
    question: Option<&PackedVector>,
    documents: Documents<'_>,
    budget: u32,
    deadline: &Deadline,
) -> Result<Told> {
    let looked_at: Vec<Vec<SegmentId>> = clustered.clusters.iter().map(looked_at).collect();
    let mut loaded = Vec::new();
    for ids in &looked_at {
        deadline.check("choose")?;
        for (id, stored) in ids.iter().zip(view.segments(ids)?) {
            // A segment without a document would be of a stale revision.
            let Some(document) = view.document_of(id.revision) else { continue };
            loaded.push(Candidate { id: *id, document, stored, score: 0.0, dense_rank: None, lexical_rank: None });
        }
    }
    let (sources, places) = candidates::sources(&loaded, documents);
    let by_id: HashMap<SegmentId, &Candidate> = loaded.iter().map(|c| (c.id, c)).collect();
    let limit = ((budget / MIN_TOKENS) as usize).clamp(1, MAX_SENTENCES);
    let (mut pieces, mut keywords, mut all_passages) = (Vec::new(), Vec::new(), Vec::new());
    for (cluster, ids) in clustered.clusters.iter().zip(&looked_at) {
        deadline.check("choose")?;
        let mut counted = Keywords::default();
        let passages: Vec<&Candidate> = ids.iter().filter_map(|id| by_id.get(id).copied()).collect();
        passages.iter().for_each(|c| counted.add(c.stored.passage()));
        keywords.push(counted);
        pieces.push(sentences(cluster, &passages, &by_id, &places, question, limit));
        all_passages.push(passages.iter().map(|c| c.stored.clone()).collect());
    }
    Ok(Told { sources, pieces, keywords, passages: all_passages })
}

/// The passages of a cluster whose sentences may be told.
fn looked_at(cluster: &Group) -> Vec<SegmentId> {
    let near = cluster.members.iter().take(NEAR);
    let rest = cluster.members.iter().skip(NEAR);
    let step = rest.len().div_ceil(SPREAD).max(1);
    near.chain(rest.step_by(step)).map(|m| m.id).collect()
}

fn sentences(
    cluster: &Group,
    passages: &[&Candidate],
    by_id: &HashMap<SegmentId, &Candidate>,
    places: &HashMap<Revision, usize>,
    question: Option<&PackedVector>,
    limit: usize,
) -> (Vec<Piece>, Vec<usize>) {
    let mut vectors: HashMap<(usize, Span), &PackedVector> = HashMap::new();
    let mut pieces = Vec::new();
    for candidate in passages {
        let source = places[&candidate.id.revision];
        for (block, vector) in candidate.stored.block_vectors.iter().enumerate() {
            let Some(vector) = vector else { continue };
            let piece = candidates::piece(by_id, candidate, block, source);
            vectors.insert((source, piece.span), vector);
            pieces.push(piece);
        }
    }
    pieces.sort_by_key(|p| (p.source, p.span));
    let mut pieces = said_once(pieces);
    let vectors: Vec<&PackedVector> = pieces.iter().map(|p| vectors[&(p.source, p.span)]).collect();
    let medoid: HashSet<usize> = passages.first().map_or_else(HashSet::new, |medoid| {
        let of = |p: &Piece| p.source == places[&medoid.id.revision] && medoid.stored.covered.contains(p.span);
        (0..pieces.len()).filter(|n| of(&pieces[*n])).collect()
    });
    let best = cover(cluster, &vectors, &medoid, question, limit);
    for (n, gain) in &best {
        pieces[*n].score = *gain;
    }
    (pieces, best.into_iter().map(|(n, _)| n).collect())
}

/// Sentences in the order in which they cover most of what is left, with how much that is for a passage.
fn cover(
    cluster: &Group,
    sentences: &[&PackedVector],
    medoid: &HashSet<usize>,
    question: Option<&PackedVector>,
    limit: usize,
) -> Vec<(usize, f32)> {
    let step = cluster.targets.len().div_ceil(MAX_TARGETS).max(1);
    let targets: Vec<&PackedVector> = cluster.targets.iter().step_by(step).map(|(_, vector)| vector).collect();
    let about = |sentence: &PackedVector| question.map_or(1.0, |q| q.cosine(sentence).max(LEAST_OF_QUESTION));
    let near: Vec<(f32, Vec<f32>)> =
        sentences.iter().map(|s| (about(s), targets.iter().map(|t| s.cosine(t).max(0.0)).collect())).collect();
    let mut covered = vec![0.0_f32; targets.len()];
    let mut open: Vec<usize> = (0..sentences.len()).collect();
    let mut chosen = Vec::new();
    while chosen.len() < limit && !open.is_empty() {
        let gain = |n: usize| {
            let (about, near) = &near[n];
            let gains = near.iter().zip(&covered).map(|(near, covered)| (near - covered).max(0.0));
            about * gains.sum::<f32>() / targets.len().max(1) as f32
        };
        let first = chosen.is_empty() && !medoid.is_empty();
        let among = open.iter().enumerate().filter(|(_, n)| !first || medoid.contains(n));
        // Of equal ones the first.
        let gains = among.map(|(place, n)| (place, gain(*n)));
        let best = gains.reduce(|best, other| if other.1 > best.1 { other } else { best });
        let Some((place, gain)) = best else { break };
        let n = open.remove(place);
        for (covered, near) in covered.iter_mut().zip(&near[n].1) {
            *covered = covered.max(*near);
        }
        chosen.push((n, gain));
    }
    chosen
}
