//! Heads and segment vectors in memory, in pieces that snapshots share.

use std::collections::HashSet;
use std::sync::Arc;

use imbl::OrdMap;

use super::truth::{Change, CollectionRecord, Read};
use crate::document::Revision;
use crate::encode::PackedVector;
use crate::error::Result;
use crate::index::{DocumentHead, EachRow, Hit, Nearest, Row, SegmentId, SpreadOf};

/// Rows per chunk: a snapshot shares full chunks, the writer copies at most one.
const CHUNK_ROWS: usize = 4096;
/// Dead rows are dropped when there are more of them than living ones, and at least this many.
const MIN_DEAD_ROWS: usize = 4096;

/// The state of a collection that searching needs; cloning shares almost everything.
#[derive(Clone, Default)]
pub(super) struct Live {
    dimension: usize,
    documents: OrdMap<Revision, Arc<DocumentHead>>,
    chunks: Vec<Arc<Chunk>>,
    rows: usize,
    dead: usize,
}

/// Segment vectors, row-major, with the segments they belong to.
#[derive(Clone, Default)]
struct Chunk {
    values: Vec<i8>,
    scales: Vec<f32>,
    segments: Vec<SegmentId>,
}

impl Live {
    pub(super) fn load(read: &Read, record: &CollectionRecord) -> Result<Self> {
        let mut live = Self { dimension: record.settings.dimension, ..Self::default() };
        for head in read.heads(record.id)? {
            live.add(read, Arc::new(head))?;
        }
        Ok(live)
    }

    /// Follows a change that the truth has committed.
    pub(super) fn apply(&mut self, read: &Read, record: &CollectionRecord, change: &Change) -> Result<()> {
        for revision in &change.removed {
            if let Some(head) = self.documents.remove(revision) {
                self.dead += head.segments as usize;
            }
        }
        for (revision, id) in &change.added {
            if let Some(head) = read.head(record.id, id)?.filter(|head| head.revision == *revision) {
                self.add(read, Arc::new(head))?;
            }
        }
        if self.dead >= MIN_DEAD_ROWS && self.dead * 2 > self.rows {
            self.compact();
        }
        Ok(())
    }

    fn add(&mut self, read: &Read, head: Arc<DocumentHead>) -> Result<()> {
        let revision = head.revision;
        if self.documents.insert(revision, head).is_some() {
            return Ok(()); // only its metadata changed
        }
        read.vectors(revision, |ordinal, scale, components| {
            let id = SegmentId { revision, ordinal };
            self.push(id, scale, components.iter().map(|b| i8::from_le_bytes([*b])));
        })
    }

    fn push(&mut self, id: SegmentId, scale: f32, values: impl Iterator<Item = i8>) {
        if self.chunks.last().is_none_or(|c| c.segments.len() >= CHUNK_ROWS) {
            self.chunks.push(Arc::default());
        }
        let Some(chunk) = self.chunks.last_mut() else { return };
        let chunk = Arc::make_mut(chunk);
        let before = chunk.values.len();
        chunk.values.extend(values);
        // A row of another length would shift all that follow.
        chunk.values.resize(before + self.dimension, 0);
        chunk.scales.push(scale);
        chunk.segments.push(id);
        self.rows += 1;
    }

    fn compact(&mut self) {
        let mut fresh = Self { dimension: self.dimension, documents: self.documents.clone(), ..Self::default() };
        for chunk in &self.chunks {
            for (n, id) in chunk.segments.iter().enumerate() {
                if self.documents.contains_key(&id.revision) {
                    let row = &chunk.values[n * self.dimension..(n + 1) * self.dimension];
                    fresh.push(*id, chunk.scales[n], row.iter().copied());
                }
            }
        }
        *self = fresh;
    }

    /// Documents in the order of their revisions.
    pub(super) fn documents(&self) -> impl Iterator<Item = &Arc<DocumentHead>> {
        self.documents.values()
    }

    pub(super) fn document_of(&self, revision: Revision) -> Option<&Arc<DocumentHead>> {
        self.documents.get(&revision)
    }

    pub(super) fn document_count(&self) -> usize {
        self.documents.len()
    }

    /// The rows of living documents among those allowed.
    pub(super) fn scan(&self, allowed: Option<&HashSet<Revision>>, each: &mut EachRow<'_>) -> Result<()> {
        for chunk in &self.chunks {
            for (n, row) in chunk.values.chunks_exact(self.dimension).enumerate() {
                let id = chunk.segments[n];
                let lives = self.documents.contains_key(&id.revision);
                if lives && allowed.is_none_or(|set| set.contains(&id.revision)) {
                    each(Row { segment: id, values: row, scale: chunk.scales[n] })?;
                }
            }
        }
        Ok(())
    }

    /// The nearest rows by exact cosine, best first, and the spread over all living rows.
    pub(super) fn nearest(&self, query: &PackedVector, allowed: Option<&HashSet<Revision>>, limit: usize) -> Nearest {
        let mut best: Vec<Hit> = Vec::with_capacity(limit.min(self.rows) + 1);
        if limit == 0 || query.values.len() != self.dimension {
            return Nearest::default();
        }
        let mut spread = SpreadOf::default();
        // Rows of a document follow each other: it is looked up once.
        let mut current = (None, false);
        for chunk in &self.chunks {
            for (n, row) in chunk.values.chunks_exact(self.dimension).enumerate() {
                let score = crate::encode::dot(&query.values, row) * query.scale * chunk.scales[n];
                let hit = Hit { segment: chunk.segments[n], score };
                let revision = hit.segment.revision;
                if self.dead > 0 {
                    if current.0 != Some(revision) {
                        current = (Some(revision), self.documents.contains_key(&revision));
                    }
                    if !current.1 {
                        continue;
                    }
                }
                spread.add(score);
                // Only a row that would be kept is looked up: few are.
                if best.len() == limit && best.last().is_some_and(|last| !before(&hit, last)) {
                    continue;
                }
                if allowed.is_none_or(|set| set.contains(&revision)) {
                    let at = best.partition_point(|h| before(h, &hit));
                    best.insert(at, hit);
                    best.truncate(limit);
                }
            }
        }
        Nearest { hits: best, spread: spread.spread() }
    }
}

/// The order of hits: by score, then by segment, so that equal scores have one order.
fn before(a: &Hit, b: &Hit) -> bool {
    b.score.total_cmp(&a.score).then(a.segment.cmp(&b.segment)).is_lt()
}
