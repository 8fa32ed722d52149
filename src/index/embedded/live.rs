//! Heads and segment vectors in memory, in pieces that snapshots share.

use std::collections::HashSet;
use std::sync::Arc;

use imbl::OrdMap;

use super::cells::{Cells, MIN_ROWS};
use super::truth::{Change, CollectionRecord, Read};
use crate::document::Revision;
use crate::encode::PackedVector;
use crate::error::Result;
use crate::index::{Alike, DocumentHead, Draw, EachRow, Hit, Nearest, Row, SAMPLE_SEGMENTS, SegmentId, SpreadOf};

/// Rows per chunk: a snapshot shares full chunks, the writer copies at most one.
const CHUNK_ROWS: usize = 4096;
/// Dead rows are dropped when there are more of them than living ones, and at least this many.
const MIN_DEAD_ROWS: usize = 4096;

/// A search that would open more than this part of a collection by cells, here and there in memory, looks at all of it in
/// order: that is no slower then, and exact.
const MAX_OPENED: usize = 16;

/// The state of a collection that searching needs; cloning shares almost everything.
#[derive(Clone, Default)]
pub(super) struct Live {
    dimension: usize,
    documents: OrdMap<Revision, Arc<DocumentHead>>,
    chunks: Vec<Arc<Chunk>>,
    rows: usize,
    dead: usize,
    /// Rows that say what cosines are like over the collection, in the order of their draws.
    sample: Arc<Vec<u32>>,
    sorted: Option<Sorted>,
}

/// The rows by cell, as numbers over all chunks.
#[derive(Clone)]
struct Sorted {
    cells: Arc<Cells>,
    rows: Vec<Arc<Vec<u32>>>,
}

impl Sorted {
    fn new(cells: Arc<Cells>) -> Self {
        Self { rows: vec![Arc::default(); cells.len()], cells }
    }

    fn add(&mut self, number: usize, row: &Row<'_>) {
        if let Some(rows) = self.rows.get_mut(self.cells.of(row)) {
            Arc::make_mut(rows).push(number as u32);
        }
    }
}

/// Segment vectors, row-major, with the segments they belong to.
#[derive(Clone, Default)]
struct Chunk {
    values: Vec<i8>,
    scales: Vec<f32>,
    segments: Vec<SegmentId>,
    draws: Vec<Draw>,
}

impl Live {
    pub(super) fn load(read: &Read, record: &CollectionRecord) -> Result<Self> {
        let sorted = read.cells(record.id)?.map(|cells| Sorted::new(Arc::new(cells)));
        let mut live = Self { dimension: record.settings.dimension, sorted, ..Self::default() };
        for head in read.heads(record.id)? {
            live.add(read, Arc::new(head))?;
        }
        live.sample();
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
        self.sample();
        Ok(())
    }

    fn add(&mut self, read: &Read, head: Arc<DocumentHead>) -> Result<()> {
        let revision = head.revision;
        if self.documents.insert(revision, head).is_some() {
            return Ok(()); // only its metadata changed
        }
        read.vectors(revision, |ordinal, scale, components| {
            let id = SegmentId { revision, ordinal };
            self.push(id, Draw::of(components), scale, components.iter().map(|b| i8::from_le_bytes([*b])));
        })
    }

    /// Draws the sample anew: the living rows that drew the least.
    fn sample(&mut self) {
        let drawn = |number: usize| (self.chunks[number / CHUNK_ROWS].draws[number % CHUNK_ROWS], number as u32);
        let lives = |number: &usize| self.dead == 0 || self.lives(self.row(*number).segment);
        let mut rows: Vec<(Draw, u32)> = (0..self.rows).filter(lives).map(drawn).collect();
        if rows.len() > SAMPLE_SEGMENTS {
            rows.select_nth_unstable(SAMPLE_SEGMENTS);
            rows.truncate(SAMPLE_SEGMENTS);
        }
        rows.sort_unstable();
        self.sample = Arc::new(rows.into_iter().map(|(_, number)| number).collect());
    }

    fn push(&mut self, id: SegmentId, draw: Draw, scale: f32, values: impl Iterator<Item = i8>) {
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
        chunk.draws.push(draw);
        if let Some(sorted) = &mut self.sorted {
            sorted.add(self.rows, &Row { segment: id, values: &chunk.values[before..], scale });
        }
        self.rows += 1;
    }

    fn row(&self, number: usize) -> Row<'_> {
        let (chunk, n) = (&self.chunks[number / CHUNK_ROWS], number % CHUNK_ROWS);
        let values = &chunk.values[n * self.dimension..(n + 1) * self.dimension];
        Row { segment: chunk.segments[n], values, scale: chunk.scales[n] }
    }

    /// Whether a segment's document still has the revision that it is of.
    fn lives(&self, segment: SegmentId) -> bool {
        self.documents.contains_key(&segment.revision)
    }

    /// Cells for what the collection has become: where it has none and is large enough, or has outgrown those it has.
    pub(super) fn learn_cells(&self) -> Result<Option<Cells>> {
        let living = self.rows - self.dead;
        let wanted = match &self.sorted {
            Some(sorted) => sorted.cells.outgrown(living),
            None => living >= MIN_ROWS,
        };
        if !wanted || living == 0 {
            return Ok(None);
        }
        let numbers: Vec<usize> = (0..self.rows).filter(|number| self.lives(self.row(*number).segment)).collect();
        Cells::learn(numbers.len(), &|n| self.row(numbers[n])).map(Some)
    }

    /// Puts every row into its cell.
    pub(super) fn sort_into(&mut self, cells: Cells) {
        let mut sorted = Sorted::new(Arc::new(cells));
        (0..self.rows).for_each(|number| sorted.add(number, &self.row(number)));
        self.sorted = Some(sorted);
    }

    fn compact(&mut self) {
        let mut fresh = Self {
            dimension: self.dimension,
            documents: self.documents.clone(),
            sorted: self.sorted.as_ref().map(|sorted| Sorted::new(sorted.cells.clone())),
            ..Self::default()
        };
        for number in (0..self.rows).filter(|number| self.lives(self.row(*number).segment)) {
            let (row, draw) = (self.row(number), self.chunks[number / CHUNK_ROWS].draws[number % CHUNK_ROWS]);
            fresh.push(row.segment, draw, row.scale, row.values.iter().copied());
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
        let counts =
            |row: &Row<'_>| self.lives(row.segment) && allowed.is_none_or(|set| set.contains(&row.segment.revision));
        (0..self.rows).map(|number| self.row(number)).filter(counts).try_for_each(each)
    }

    /// The living rows in groups that are alike.
    pub(super) fn alike(&self) -> Option<Vec<Alike>> {
        let sorted = self.sorted.as_ref()?;
        let lives = |number: &&u32| self.lives(self.row(**number as usize).segment);
        let group = |(n, rows): (usize, &Arc<Vec<u32>>)| Alike {
            centroid: sorted.cells.centroid(n).clone(),
            segments: rows.iter().filter(lives).count(),
        };
        Some(sorted.rows.iter().enumerate().map(group).collect())
    }

    /// The nearest rows by cosine, best first, and the spread over the sample: exact in a collection without cells, and of one
    /// with cells all that matter but for one in a hundred or less.
    pub(super) fn nearest(&self, query: &PackedVector, allowed: Option<&HashSet<Revision>>, limit: usize) -> Nearest {
        if limit == 0 || query.values.len() != self.dimension {
            return Nearest::default();
        }
        let mut best = Best { hits: Vec::with_capacity(limit.min(self.rows) + 1), limit };
        match &self.sorted {
            Some(sorted) => self.open_cells(sorted, query, allowed, &mut best),
            None => self.open_all(query, allowed, &mut best),
        }
        let cosines = self.sample.iter().map(|number| self.hit(*number as usize, query).score);
        Nearest { hits: best.hits, spread: cosines.collect::<SpreadOf>().spread() }
    }

    fn open_all(&self, query: &PackedVector, allowed: Option<&HashSet<Revision>>, best: &mut Best) {
        // Rows of a document follow each other: it is looked up once.
        let mut current = (None, false);
        for number in 0..self.rows {
            let hit = self.hit(number, query);
            let revision = hit.segment.revision;
            if self.dead > 0 {
                if current.0 != Some(revision) {
                    current = (Some(revision), self.lives(hit.segment));
                }
                if !current.1 {
                    continue;
                }
            }
            // Only a row that would be kept is looked up: few are.
            if best.takes(&hit) && allowed.is_none_or(|set| set.contains(&revision)) {
                best.insert(hit);
            }
        }
    }

    fn open_cells(&self, sorted: &Sorted, query: &PackedVector, allowed: Option<&HashSet<Revision>>, best: &mut Best) {
        let mut looked_at = 0;
        for (reach, cell) in sorted.cells.by_reach(query) {
            if best.worst().is_some_and(|worst| reach < worst) {
                break;
            }
            looked_at += sorted.rows[cell].len();
            if looked_at * MAX_OPENED > self.rows {
                // Nothing is much nearer than the rest.
                best.hits.clear();
                return self.open_all(query, allowed, best);
            }
            for number in sorted.rows[cell].iter() {
                let hit = self.hit(*number as usize, query);
                let revision = hit.segment.revision;
                // Those that are allowed live.
                let counts = |allowed: Option<&HashSet<Revision>>| match allowed {
                    Some(set) => set.contains(&revision),
                    None => self.dead == 0 || self.lives(hit.segment),
                };
                if best.takes(&hit) && counts(allowed) {
                    best.insert(hit);
                }
            }
        }
    }

    fn hit(&self, number: usize, query: &PackedVector) -> Hit {
        let row = self.row(number);
        Hit { segment: row.segment, score: crate::encode::dot(&query.values, row.values) * query.scale * row.scale }
    }
}

/// The best hits so far, best first.
struct Best {
    hits: Vec<Hit>,
    limit: usize,
}

impl Best {
    /// The score that has to be reached; `None` while there is room.
    fn worst(&self) -> Option<f32> {
        self.hits.last().filter(|_| self.hits.len() == self.limit).map(|hit| hit.score)
    }

    fn takes(&self, hit: &Hit) -> bool {
        self.hits.len() < self.limit || self.hits.last().is_some_and(|last| hit.order(last).is_lt())
    }

    fn insert(&mut self, hit: Hit) {
        let at = self.hits.partition_point(|h| h.order(&hit).is_lt());
        self.hits.insert(at, hit);
        self.hits.truncate(self.limit);
    }
}
