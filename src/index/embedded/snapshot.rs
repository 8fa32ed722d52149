//! One consistent state of a collection: truth, lexical index and vectors of the same moment.

use std::collections::HashMap;
use std::sync::Arc;

use super::allowed;
use super::lexical::LexicalSearcher;
use super::live::Live;
use super::truth::{CollectionRecord, Read};
use crate::document::{DocumentId, Revision};
use crate::encode::PackedVector;
use crate::error::Result;
use crate::index::{
    Alike, CollectionSettings, DocumentHead, EachRow, Filter, Hit, Nearest, SegmentId, StoredSegment, TermStatistics,
    View,
};

pub(super) struct Snapshot {
    record: CollectionRecord,
    read: Read,
    lexical: LexicalSearcher,
    live: Live,
}

impl Snapshot {
    pub(super) fn new(record: CollectionRecord, read: Read, lexical: LexicalSearcher, live: Live) -> Self {
        Self { record, read, lexical, live }
    }

    /// Distinct terms, and segments that are deleted and still there.
    pub(super) fn lexical_counts(&self) -> Result<(u64, u64)> {
        self.lexical.counts()
    }

    /// How many segments terms find of each revision.
    pub(super) fn found_by_terms(&self) -> Result<HashMap<Revision, u32>> {
        self.lexical.revisions()
    }

    /// How many segments vectors find of each revision.
    pub(super) fn found_by_vectors(&self) -> Result<HashMap<Revision, u32>> {
        let mut counts = HashMap::new();
        self.live.scan(None, &mut |row| {
            *counts.entry(row.segment.revision).or_insert(0) += 1;
            Ok(())
        })?;
        Ok(counts)
    }

    /// Documents, segments, bytes of text.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        let (segments, bytes) =
            self.live.documents().fold((0, 0), |(s, b), head| (s + u64::from(head.segments), b + head.bytes));
        (self.live.document_count() as u64, segments, bytes)
    }
}

impl View for Snapshot {
    fn settings(&self) -> &CollectionSettings {
        &self.record.settings
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Arc<DocumentHead>>> {
        Ok(self.read.head(self.record.id, id)?.map(Arc::new))
    }

    fn document_of(&self, revision: Revision) -> Option<Arc<DocumentHead>> {
        self.live.document_of(revision).cloned()
    }

    fn documents(&self, prefix: &str, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Arc<DocumentHead>>> {
        // The first id after X is X with the smallest byte behind it, which no id holds.
        let from = match after {
            Some(id) if id.as_str() >= prefix => format!("{id}\0"),
            _ => prefix.to_owned(),
        };
        let heads = self.read.heads_from(self.record.id, &from, limit, |id| id.starts_with(prefix))?;
        Ok(heads.into_iter().map(Arc::new).collect())
    }

    fn dense(&self, query: &PackedVector, filter: &Filter, limit: usize) -> Result<Nearest> {
        Ok(self.live.nearest(query, allowed(&self.live, filter).as_ref(), limit))
    }

    fn scan(&self, filter: &Filter, each: &mut EachRow<'_>) -> Result<()> {
        self.live.scan(allowed(&self.live, filter).as_ref(), each)
    }

    fn alike(&self) -> Option<Vec<Alike>> {
        self.live.alike()
    }

    fn lexical(&self, terms: &[String], filter: &Filter, limit: usize) -> Result<Vec<Hit>> {
        self.lexical.best(terms, allowed(&self.live, filter), limit)
    }

    fn statistics(&self, terms: &[String]) -> Result<TermStatistics> {
        self.lexical.statistics(terms)
    }

    fn segments(&self, ids: &[SegmentId]) -> Result<Vec<Arc<StoredSegment>>> {
        ids.iter().map(|id| self.read.segment(id.revision, id.ordinal).map(Arc::new)).collect()
    }
}
