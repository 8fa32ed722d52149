//! The documents of one request, searched in memory.

use std::collections::HashMap;
use std::sync::Arc;

use super::{
    CollectionSettings, DocumentHead, EachRow, Filter, Hit, Nearest, Row, SegmentId, SpreadOf, StoredSegment,
    TermStatistics, View,
};
use super::{bm25, terms};
use crate::document::{DocumentId, Revision};
use crate::encode::PackedVector;
use crate::error::{Error, Result};

/// A view over documents that are stored nowhere.
pub struct InlineIndex {
    settings: CollectionSettings,
    documents: Vec<Arc<DocumentHead>>,
    segments: Vec<(SegmentId, Arc<StoredSegment>)>,
    /// Term counts of every segment, beside `segments`.
    counts: Vec<HashMap<String, u32>>,
    /// Segments that hold a term.
    holding: HashMap<String, u64>,
    /// Where these are not all segments of their document.
    whole: Option<Whole>,
}

/// What a document is like of which only some segments are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whole {
    /// Its segments.
    pub(crate) segments: u64,
    /// The segments that hold a term, for the question's terms.
    pub(crate) holding: HashMap<String, u64>,
    /// What their cosines are like.
    pub(crate) cosines: SpreadOf,
}

impl InlineIndex {
    /// An index over prepared documents. A document's revision is its place in the list.
    #[must_use]
    pub fn new(settings: CollectionSettings, prepared: Vec<(DocumentHead, Vec<StoredSegment>)>) -> Self {
        let mut index = Self::empty(settings);
        for (n, (mut head, segments)) in prepared.into_iter().enumerate() {
            head.revision = Revision(n as u64);
            index.add(head, (0u32..).zip(segments));
        }
        index
    }

    /// An index over some segments of one document, with their places in it.
    pub(crate) fn of_part(
        settings: CollectionSettings,
        head: DocumentHead,
        segments: Vec<(u32, StoredSegment)>,
        whole: Whole,
    ) -> Self {
        let mut index = Self { whole: Some(whole), ..Self::empty(settings) };
        index.add(head, segments.into_iter());
        index
    }

    fn empty(settings: CollectionSettings) -> Self {
        let (documents, segments, counts, holding) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
        Self { settings, documents, segments, counts, holding, whole: None }
    }

    fn add(&mut self, head: DocumentHead, segments: impl Iterator<Item = (u32, StoredSegment)>) {
        for (ordinal, stored) in segments {
            let mut counts = HashMap::new();
            for term in terms::indexed(&stored.searched(&head.title)) {
                *counts.entry(term).or_insert(0) += 1;
            }
            for term in counts.keys() {
                match self.holding.get_mut(term) {
                    Some(segments) => *segments += 1,
                    None => _ = self.holding.insert(term.clone(), 1),
                }
            }
            self.segments.push((SegmentId { revision: head.revision, ordinal }, Arc::new(stored)));
            self.counts.push(counts);
        }
        self.documents.push(Arc::new(head));
    }

    fn visible(&self, id: SegmentId, filter: &Filter) -> bool {
        *filter == Filter::All || self.document_of(id.revision).is_some_and(|head| filter.matches(&head))
    }

    fn ranked(&self, filter: &Filter, limit: usize, score: impl Fn(usize) -> f32) -> Vec<Hit> {
        let hits: Vec<Hit> = (0..self.segments.len())
            .filter(|n| self.visible(self.segments[*n].0, filter))
            .map(|n| Hit { segment: self.segments[n].0, score: score(n) })
            .collect();
        Hit::best(hits, limit)
    }
}

impl View for InlineIndex {
    fn settings(&self) -> &CollectionSettings {
        &self.settings
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Arc<DocumentHead>>> {
        Ok(self.documents.iter().find(|h| h.id == *id).cloned())
    }

    fn document_of(&self, revision: Revision) -> Option<Arc<DocumentHead>> {
        self.documents.get(usize::try_from(revision.0).ok()?).cloned()
    }

    fn documents(&self, prefix: &str, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Arc<DocumentHead>>> {
        let mut heads: Vec<_> = self
            .documents
            .iter()
            .filter(|h| h.id.as_str().starts_with(prefix) && after.is_none_or(|a| h.id > *a))
            .cloned()
            .collect();
        heads.sort_by(|a, b| a.id.cmp(&b.id));
        heads.truncate(limit);
        Ok(heads)
    }

    fn dense(&self, query: &PackedVector, filter: &Filter, limit: usize) -> Result<Nearest> {
        let cosines: Vec<f32> = self.segments.iter().map(|(_, stored)| query.cosine(&stored.vector)).collect();
        let all = || cosines.iter().copied().collect::<SpreadOf>();
        let spread = self.whole.as_ref().map_or_else(all, |whole| whole.cosines);
        Ok(Nearest { hits: self.ranked(filter, limit, |n| cosines[n]), spread: spread.spread() })
    }

    fn scan(&self, filter: &Filter, each: &mut EachRow<'_>) -> Result<()> {
        let mut visible = self.segments.iter().filter(|(id, _)| self.visible(*id, filter));
        visible.try_for_each(|(id, stored)| each(Row::of(*id, &stored.vector)))
    }

    fn lexical(&self, query: &[String], filter: &Filter, limit: usize) -> Result<Vec<Hit>> {
        let statistics = self.statistics(query)?;
        let lengths: Vec<u32> = self.counts.iter().map(|c| c.values().sum()).collect();
        let mut hits = self.ranked(filter, usize::MAX, |n| {
            let count = |t: usize| self.counts[n].get(&query[t]).copied().unwrap_or(0);
            bm25::of_segment(&statistics, query.len(), count, lengths[n])
        });
        hits.retain(|h| h.score > 0.0);
        hits.truncate(limit);
        Ok(hits)
    }

    fn statistics(&self, query: &[String]) -> Result<TermStatistics> {
        let whole = |term: &String| self.whole.as_ref().and_then(|whole| whole.holding.get(term));
        let holding = |term| whole(term).or_else(|| self.holding.get(term)).copied().unwrap_or(0);
        let segments = self.whole.as_ref().map_or(self.segments.len() as u64, |whole| whole.segments);
        Ok(TermStatistics { segments, holding: query.iter().map(holding).collect() })
    }

    fn segments(&self, ids: &[SegmentId]) -> Result<Vec<Arc<StoredSegment>>> {
        ids.iter()
            .map(|id| {
                let at = self.segments.binary_search_by(|(i, _)| i.cmp(id));
                at.map(|n| self.segments[n].1.clone())
                    .map_err(|_| Error::store("(inline documents)", format!("no segment {id:?}")))
            })
            .collect()
    }
}
