//! Reciprocal rank fusion of the dense and the lexical list.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::rounded;
use crate::document::Revision;
use crate::error::Result;
use crate::index::{DocumentHead, Hit, SegmentId, StoredSegment, View};

/// Damping of reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009: k = 60).
const K: f32 = 60.0;

/// A segment that retrieval returned, with its ranks and its text.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Which segment.
    pub id: SegmentId,
    /// The document it belongs to.
    pub document: Arc<DocumentHead>,
    /// Text, blocks and vectors.
    pub stored: Arc<StoredSegment>,
    /// Fused score.
    pub score: f32,
    /// Place in the dense list, from 1.
    pub dense_rank: Option<u32>,
    /// Place in the lexical list, from 1.
    pub lexical_rank: Option<u32>,
}

/// Fuses two ranked lists and loads the best `limit` segments, best first.
///
/// Ties are broken by document id, then by the segment's place in the document, so the order depends on
/// nothing but the collection's content.
///
/// # Errors
/// The view's.
pub fn fuse(view: &dyn View, dense: &[Hit], lexical: &[Hit], limit: usize) -> Result<Vec<Candidate>> {
    #[derive(Default, Clone, Copy)]
    struct Ranks {
        dense: Option<u32>,
        lexical: Option<u32>,
    }
    let mut ranks: HashMap<SegmentId, Ranks> = HashMap::with_capacity(dense.len() + lexical.len());
    for (segment, rank) in ranked(dense) {
        ranks.entry(segment).or_default().dense = Some(rank);
    }
    for (segment, rank) in ranked(lexical) {
        ranks.entry(segment).or_default().lexical = Some(rank);
    }
    let mut documents: HashMap<Revision, Arc<DocumentHead>> = HashMap::new();
    let mut fused = Vec::with_capacity(ranks.len());
    for (id, ranks) in ranks {
        let document = match documents.get(&id.revision) {
            Some(head) => head.clone(),
            None => {
                // A hit without a document would be a stale revision: it is not shown.
                let Some(head) = view.document_of(id.revision) else { continue };
                documents.insert(id.revision, head.clone());
                head
            }
        };
        let part = |rank: Option<u32>| rank.map_or(0.0, |r| 1.0 / (K + r as f32));
        fused.push((id, document, part(ranks.dense) + part(ranks.lexical), ranks));
    }
    fused.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| a.1.id.cmp(&b.1.id)).then(a.0.ordinal.cmp(&b.0.ordinal)));
    fused.truncate(limit);
    let ids: Vec<SegmentId> = fused.iter().map(|f| f.0).collect();
    let stored = view.segments(&ids)?;
    Ok(fused
        .into_iter()
        .zip(stored)
        .map(|((id, document, score, ranks), stored)| Candidate {
            id,
            document,
            stored,
            score,
            dense_rank: ranks.dense,
            lexical_rank: ranks.lexical,
        })
        .collect())
}

/// Ranks from 1; equal scores have equal ranks, so that the order in which equal texts were stored does not
/// count.
fn ranked(hits: &[Hit]) -> impl Iterator<Item = (SegmentId, u32)> + '_ {
    let mut current = (f32::NAN, 0);
    (1..).zip(hits).map(move |(place, hit)| {
        if hit.score != current.0 {
            current = (hit.score, place);
        }
        (hit.segment, current.1)
    })
}

/// The order of scored things: by rounded score, then by document id and place.
pub(crate) fn by_score(a: (f32, &DocumentHead, u64), b: (f32, &DocumentHead, u64)) -> Ordering {
    rounded(b.0).total_cmp(&rounded(a.0)).then_with(|| a.1.id.cmp(&b.1.id)).then(a.2.cmp(&b.2))
}
