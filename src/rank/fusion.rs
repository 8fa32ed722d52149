//! Fusion of the dense and the lexical list: a weighted sum of standardised scores.
//!
//! Ranks say who is first, scores also by how much: in a language that the encoder does not read, the first by
//! cosine is hardly better than any other, and the first by terms stands out. A convex combination of scores
//! beats reciprocal ranks (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS
//! 2023, section 4) where both are on one scale: here, deviations from the mean over the whole collection.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::rounded;
use crate::document::Revision;
use crate::error::Result;
use crate::extract::MediaType;
use crate::index::{DocumentHead, Hit, Nearest, SegmentId, Spread, StoredSegment, View};

/// What a deviation of the lexical score counts against one of the cosine: chosen between .2 and 1 on nine
/// sets, of code, of twelve languages and of several hops (docs/evaluation.md).
const LEXICAL: f32 = 0.4;
/// The same for source code, whose words are syntax and short names more than what it does. Names that a
/// question spells out are kept all the same (`crate::compress`, must-keep).
const LEXICAL_OF_CODE: f32 = 0.1;

/// A segment that retrieval returned, with its ranks and its text.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which segment.
    pub id: SegmentId,
    /// The document it belongs to.
    pub document: Arc<DocumentHead>,
    /// Text, blocks and vectors.
    pub stored: Arc<StoredSegment>,
    /// Fused score, in deviations of the cosine.
    pub score: f32,
    /// Place in the dense list, from 1.
    pub dense_rank: Option<u32>,
    /// Place in the lexical list, from 1.
    pub lexical_rank: Option<u32>,
}

/// The BM25 hits of a question, and what BM25 scores are like in this collection.
pub struct Lexical<'a> {
    /// Best first.
    pub hits: &'a [Hit],
    /// Mean and deviation over the collection.
    pub spread: Spread,
    /// The list ends because it is full: others may have scores up to its last.
    pub is_full: bool,
}

/// Fuses two ranked lists and loads the best `limit` segments, best first. What stands in one list only is taken
/// to be just as good by the other as that one's last, or by terms, if that list is not full, to hold none.
///
/// Ties are broken by document id, then by the segment's place in the document, so the order depends on
/// nothing but the collection's content.
///
/// # Errors
/// The view's.
pub fn fuse(view: &dyn View, dense: &Nearest, lexical: &Lexical<'_>, limit: usize) -> Result<Vec<Candidate>> {
    /// A segment's place and score in either list.
    #[derive(Default, Clone, Copy)]
    struct Found {
        dense: Option<(u32, f32)>,
        lexical: Option<(u32, f32)>,
    }
    let mut found: HashMap<SegmentId, Found> = HashMap::with_capacity(dense.hits.len() + lexical.hits.len());
    for (segment, rank, score) in ranked(&dense.hits) {
        found.entry(segment).or_default().dense = Some((rank, score));
    }
    for (segment, rank, score) in ranked(lexical.hits) {
        found.entry(segment).or_default().lexical = Some((rank, score));
    }
    let last = |hits: &[Hit]| hits.last().map(|h| h.score);
    let no_dense = last(&dense.hits).unwrap_or(dense.spread.mean);
    let no_lexical = if lexical.is_full { last(lexical.hits).unwrap_or(0.0) } else { 0.0 };
    let mut documents: HashMap<Revision, Arc<DocumentHead>> = HashMap::new();
    let mut fused = Vec::with_capacity(found.len());
    for (id, place) in found {
        let document = match documents.get(&id.revision) {
            Some(head) => head.clone(),
            None => {
                // A hit without a document would be a stale revision: it is not shown.
                let Some(head) = view.document_of(id.revision) else { continue };
                documents.insert(id.revision, head.clone());
                head
            }
        };
        let near = dense.spread.standardised(place.dense.map_or(no_dense, |(_, score)| score));
        let named = lexical.spread.standardised(place.lexical.map_or(no_lexical, |(_, score)| score));
        let score = rounded(near + lexical_weight(&document) * named);
        fused.push((id, document, score, place));
    }
    fused.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.1.id.cmp(&b.1.id)).then(a.0.ordinal.cmp(&b.0.ordinal)));
    fused.truncate(limit);
    let ids: Vec<SegmentId> = fused.iter().map(|f| f.0).collect();
    let stored = view.segments(&ids)?;
    Ok(fused
        .into_iter()
        .zip(stored)
        .map(|((id, document, score, place), stored)| Candidate {
            id,
            document,
            stored,
            score,
            dense_rank: place.dense.map(|(rank, _)| rank),
            lexical_rank: place.lexical.map(|(rank, _)| rank),
        })
        .collect())
}

fn lexical_weight(document: &DocumentHead) -> f32 {
    match MediaType::parse(&document.media_type) {
        Ok(MediaType::Code(_)) => LEXICAL_OF_CODE,
        _ => LEXICAL,
    }
}

/// Ranks from 1; equal scores have equal ranks, so that the order in which equal texts were stored does not
/// count.
pub(crate) fn ranked(hits: &[Hit]) -> impl Iterator<Item = (SegmentId, u32, f32)> + '_ {
    let mut current = (f32::NAN, 0);
    (1..).zip(hits).map(move |(place, hit)| {
        if hit.score != current.0 {
            current = (hit.score, place);
        }
        (hit.segment, current.1, hit.score)
    })
}

/// The order of scored things: by rounded score, then by document id and place.
pub(crate) fn by_score(a: (f32, &DocumentHead, u64), b: (f32, &DocumentHead, u64)) -> Ordering {
    rounded(b.0).total_cmp(&rounded(a.0)).then_with(|| a.1.id.cmp(&b.1.id)).then(a.2.cmp(&b.2))
}
