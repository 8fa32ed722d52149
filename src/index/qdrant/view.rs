//! One state of a collection in the cluster, for one question.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use qdrant_client::qdrant::{
    Condition, Direction, Filter as Conditions, OrderByBuilder, QuantizationSearchParamsBuilder, Query, QueryPoints,
    QueryPointsBuilder, RetrievedPoint, ScrollPointsBuilder, SearchParamsBuilder, VectorInput,
};
use quick_cache::sync::Cache;

use super::cluster::{Cluster, distinct, included};
use super::facets::{self, Heads};
use super::key;
use super::layout::{self, DENSE, Reading, Record, TERMS};
use super::scoped::{Owner, of_revisions};
use crate::document::{DocumentId, Revision};
use crate::encode::PackedVector;
use crate::error::Result;
use crate::index::{
    CollectionSettings, DocumentHead, EachRow, Filter, Hit, Nearest, Row, SAMPLE_SEGMENTS, SegmentId, SpreadOf,
    StoredSegment, TIES, TermStatistics, View, rounded,
};

/// Below so many segments the cluster is asked to look at every vector.
const EXACT_SEGMENTS: u64 = 100_000;
/// How often a search is repeated without what turned out to be stale.
const SEARCHES: usize = 8;
/// Collections whose sample a process keeps: 1.6 MB each for vectors of 384 numbers.
const SAMPLES: usize = 64;

/// What is read of a point where its vector is all that matters.
const ROW: [&str; 4] = [key::REVISION, key::ORDINAL, key::DOCUMENT, key::VECTOR];

/// The samples of collections, each for one epoch.
pub(super) struct Samples(Cache<(Owner, u64), Arc<Vec<PackedVector>>>);

impl Default for Samples {
    fn default() -> Self {
        Self(Cache::new(SAMPLES))
    }
}

/// What the question has met so far. The first revision of a document that it meets is the one that counts for it.
#[derive(Default)]
struct Met {
    /// By the ids of their points; `None` for documents that are gone.
    heads: HashMap<String, Option<Arc<DocumentHead>>>,
    revisions: HashMap<Revision, Arc<DocumentHead>>,
    segments: HashMap<SegmentId, Arc<StoredSegment>>,
    /// Revisions that no head names.
    stale: BTreeSet<Revision>,
    /// What was counted last: searching and ranking ask for the same terms.
    counted: Option<(Vec<String>, TermStatistics)>,
    /// What the last filter was as a condition: both searches ask for the same, and some take reading every head.
    wanted: Option<(Filter, Option<Condition>)>,
}

impl Met {
    /// A document's head, by its point's id, or that there is none.
    fn meet(&mut self, point: String, head: Option<Arc<DocumentHead>>) {
        if let Some(head) = &head {
            self.revisions.insert(head.revision, head.clone());
        }
        self.heads.insert(point, head);
    }
}

pub(super) struct QdrantView {
    cluster: Arc<Cluster>,
    samples: Arc<Samples>,
    owner: Owner,
    record: Record,
    epoch: u64,
    met: Mutex<Met>,
}

/// A segment's point that was found.
struct Found {
    id: SegmentId,
    /// The id of its document's head.
    document: String,
}

impl Found {
    fn of(reading: &Reading<'_>) -> Result<Self> {
        Ok(Self { id: reading.segment_id()?, document: reading.text(key::DOCUMENT)?.to_owned() })
    }
}

impl QdrantView {
    pub(super) fn new(cluster: Arc<Cluster>, samples: Arc<Samples>, owner: Owner, record: Record, epoch: u64) -> Self {
        Self { cluster, samples, owner, record, epoch, met: Mutex::default() }
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> String {
        self.cluster.names.segments(self.record.settings.dimension)
    }

    /// Looks up the heads of what was found, and tells which revisions are stale.
    fn stale_among(&self, found: &[Found]) -> Result<BTreeSet<Revision>> {
        let unknown = {
            let met = self.met();
            distinct(found.iter().map(|f| &f.document).filter(|d| !met.heads.contains_key(*d)).cloned())
        };
        let heads = self.cluster.heads(unknown.clone())?;
        let mut met = self.met();
        for document in unknown {
            let head = heads.get(&document).cloned();
            met.meet(document, head);
        }
        let is_stale = |f: &&Found| match met.heads.get(&f.document) {
            Some(Some(head)) => head.revision != f.id.revision,
            _ => true,
        };
        let stale: BTreeSet<Revision> = found.iter().filter(is_stale).map(|f| f.id.revision).collect();
        met.stale.extend(&stale);
        Ok(stale)
    }

    /// What the filter lets through and is not stale.
    fn conditions(&self, filter: &Filter, must: Vec<Condition>) -> Result<Conditions> {
        let wanted = self.wanted(filter)?;
        let stale: Vec<Revision> = self.met().stale.iter().copied().collect();
        let mut all = self.owner.filter(must.into_iter().chain(wanted));
        if !stale.is_empty() {
            all.must_not.push(of_revisions(&stale));
        }
        Ok(all)
    }

    /// The filter as a condition; `None` where it lets everything through.
    fn wanted(&self, filter: &Filter) -> Result<Option<Condition>> {
        if *filter == Filter::All {
            return Ok(None);
        }
        if let Some((_, wanted)) = self.met().wanted.as_ref().filter(|(of, _)| of == filter) {
            return Ok(wanted.clone());
        }
        let wanted = facets::condition(filter, self)?;
        self.met().wanted = Some((filter.clone(), wanted.clone()));
        Ok(wanted)
    }

    /// What a look finds once nothing of it is stale: it looks again without what was. Where documents change faster than
    /// one looks, what is left of those that stayed, and `false`.
    fn settled<T>(&self, look: &dyn Fn() -> Result<(Vec<Found>, Vec<T>)>) -> Result<(Vec<(Found, T)>, bool)> {
        let mut left = SEARCHES;
        loop {
            let (found, with) = look()?;
            let stale = self.stale_among(&found)?;
            left -= 1;
            if stale.is_empty() || left == 0 {
                let stays = |(f, _): &(Found, T)| !stale.contains(&f.id.revision);
                return Ok((found.into_iter().zip(with).filter(stays).collect(), stale.is_empty()));
            }
        }
    }

    /// The best points by a query, with their scores, whole documents only.
    fn search(&self, filter: &Filter, query: &QueryPoints) -> Result<Vec<(Found, f32)>> {
        let look = || {
            let mut request = query.clone();
            request.filter = Some(self.conditions(filter, Vec::new())?);
            let response =
                self.cluster.remote.read(request, |client, request| async move { client.query(request).await })?;
            let (mut found, mut scores) = (Vec::new(), Vec::new());
            for point in response.result {
                let reading = self.cluster.reading(&point.payload);
                let this = Found::of(&reading)?;
                if let Entry::Vacant(place) = self.met().segments.entry(this.id) {
                    place.insert(Arc::new(reading.segment()?));
                }
                found.push(this);
                scores.push(point.score);
            }
            Ok((found, scores))
        };
        Ok(self.settled(&look)?.0)
    }

    fn query(&self, using: &str, vector: VectorInput, limit: usize) -> Result<QueryPoints> {
        let exact = using == DENSE && self.cluster.count(&self.name(), self.owner.all())? < EXACT_SEGMENTS;
        let payload = included(&[key::REVISION, key::ORDINAL, key::DOCUMENT, key::STORED]);
        // Where vectors are kept in int8 too, the best are scored again by the whole ones.
        let whole = QuantizationSearchParamsBuilder::default().rescore(true).oversampling(2.0);
        let query = QueryPointsBuilder::new(self.name())
            .query(Query::new_nearest(vector))
            .using(using)
            .limit((limit + TIES) as u64)
            .params(SearchParamsBuilder::default().exact(exact).quantization(whole))
            .with_payload(payload);
        Ok(query.build())
    }

    /// Points of which [`ROW`] was read, with their vectors.
    fn rows(&self, page: &[RetrievedPoint]) -> Result<(Vec<Found>, Vec<PackedVector>)> {
        let row = |point: &RetrievedPoint| {
            let reading = self.cluster.reading(&point.payload);
            Ok((Found::of(&reading)?, reading.vector()?))
        };
        let rows: Result<Vec<_>> = page.iter().map(row).collect();
        Ok(rows?.into_iter().unzip())
    }

    /// The vectors that say what cosines are like over the collection.
    fn sample(&self) -> Result<Arc<Vec<PackedVector>>> {
        let of = (self.owner.clone(), self.epoch);
        if let Some(sample) = self.samples.0.get(&of) {
            return Ok(sample);
        }
        let look = || {
            let order = OrderByBuilder::new(key::DRAW).direction(Direction::Asc as i32);
            let request = ScrollPointsBuilder::new(self.name())
                .filter(self.conditions(&Filter::All, Vec::new())?)
                .order_by(order)
                .limit(SAMPLE_SEGMENTS as u32)
                .with_payload(included(&ROW))
                .build();
            let page =
                self.cluster.remote.read(request, |client, request| async move { client.scroll(request).await })?;
            self.rows(&page.result)
        };
        let (rows, is_whole) = self.settled(&look)?;
        let sample: Arc<Vec<PackedVector>> = Arc::new(rows.into_iter().map(|(_, vector)| vector).collect());
        if is_whole {
            self.samples.0.insert(of, sample.clone());
        }
        Ok(sample)
    }
}

impl Heads for QdrantView {
    fn version(&self) -> u32 {
        self.record.words
    }

    fn among(&self, is: &dyn Fn(&DocumentHead) -> bool) -> Result<Condition> {
        let mut revisions = Vec::new();
        self.cluster.each_head(&self.owner, &mut |head| {
            if is(&head) {
                revisions.push(head.revision);
            }
        })?;
        // No revision has the number 0: a list of none would be a condition on nothing.
        revisions.push(Revision(0));
        Ok(of_revisions(&revisions))
    }

    fn any_holds(&self, word: &str) -> Result<bool> {
        let holds = Condition::matches(key::FACETS, word.to_owned());
        Ok(self.cluster.count(&self.name(), self.owner.filter([holds]))? > 0)
    }
}

impl View for QdrantView {
    fn settings(&self) -> &CollectionSettings {
        &self.record.settings
    }

    fn document(&self, id: &DocumentId) -> Result<Option<Arc<DocumentHead>>> {
        let point = self.owner.head_id(id);
        if let Some(met) = self.met().heads.get(&point) {
            return Ok(met.clone());
        }
        let head = self.cluster.heads(vec![point.clone()])?.remove(&point);
        self.met().meet(point, head.clone());
        Ok(head)
    }

    fn document_of(&self, revision: Revision) -> Option<Arc<DocumentHead>> {
        self.met().revisions.get(&revision).cloned()
    }

    fn documents(&self, prefix: &str, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Arc<DocumentHead>>> {
        let (mut heads, names) = (Vec::new(), &self.cluster.names);
        let mut from = after.map(|id| self.owner.head_id(id).into());
        while heads.len() < limit {
            let (points, next) = self.cluster.page(&names.heads, &self.owner.all(), &[key::STORED], from)?;
            for point in &points {
                let head = layout::head_of(&self.cluster.remote, point)?;
                if head.id.as_str().starts_with(prefix) && after != Some(&head.id) {
                    heads.push(Arc::new(head));
                }
            }
            if next.is_none() {
                break;
            }
            from = next;
        }
        heads.truncate(limit);
        Ok(heads)
    }

    fn dense(&self, query: &PackedVector, filter: &Filter, limit: usize) -> Result<Nearest> {
        if limit == 0 || query.values.len() != self.record.settings.dimension {
            return Ok(Nearest::default());
        }
        let request = self.query(DENSE, VectorInput::new_dense(query.unpacked()), limit)?;
        let found = self.search(filter, &request)?;
        // The cluster's cosines differ in the last bits from ours.
        let met = self.met();
        let cosine = |id, theirs| met.segments.get(&id).map_or(theirs, |stored| query.cosine(&stored.vector));
        let hits = found.iter().map(|(f, score)| Hit { segment: f.id, score: cosine(f.id, *score) }).collect();
        drop(met);
        let spread = self.sample()?.iter().map(|vector| query.cosine(vector)).collect::<SpreadOf>().spread();
        Ok(Nearest { hits: Hit::best(hits, limit), spread })
    }

    fn scan(&self, filter: &Filter, each: &mut EachRow<'_>) -> Result<()> {
        let filter = self.conditions(filter, Vec::new())?;
        self.cluster.each_page(&self.name(), &filter, &ROW, &mut |page| {
            let (found, vectors) = self.rows(&page)?;
            let stale = self.stale_among(&found)?;
            let current = found.iter().zip(&vectors).filter(|(f, _)| !stale.contains(&f.id.revision));
            current.into_iter().try_for_each(|(f, vector)| each(Row::of(f.id, vector)))
        })
    }

    fn lexical(&self, terms: &[String], filter: &Filter, limit: usize) -> Result<Vec<Hit>> {
        if terms.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let statistics = self.statistics(terms)?;
        let weights = (0..terms.len()).map(|n| statistics.idf(n)).collect::<Vec<_>>();
        let places = terms.iter().map(|term| layout::place(term)).collect::<Vec<_>>();
        let request = self.query(TERMS, VectorInput::new_sparse(places, weights), limit)?;
        let found = self.search(filter, &request)?;
        let hits = found.iter().map(|(f, score)| Hit { segment: f.id, score: rounded(*score) }).collect();
        Ok(Hit::best(hits, limit))
    }

    fn statistics(&self, terms: &[String]) -> Result<TermStatistics> {
        if let Some((_, counted)) = self.met().counted.as_ref().filter(|(of, _)| of == terms) {
            return Ok(counted.clone());
        }
        let holds = |term: &String| vec![Condition::matches(key::TERMS, layout::term_key(term))];
        let conditions = std::iter::once(Vec::new()).chain(terms.iter().map(holds));
        let filters = conditions.map(|must| self.conditions(&Filter::All, must)).collect::<Result<_>>()?;
        let mut counts = self.cluster.counts(&self.name(), filters)?.into_iter();
        let counted = TermStatistics { segments: counts.next().unwrap_or(0), holding: counts.collect() };
        self.met().counted = Some((terms.to_vec(), counted.clone()));
        Ok(counted)
    }

    fn segments(&self, ids: &[SegmentId]) -> Result<Vec<Arc<StoredSegment>>> {
        let missing: Vec<SegmentId> = {
            let met = self.met();
            ids.iter().filter(|id| !met.segments.contains_key(id)).copied().collect()
        };
        let points = missing.iter().map(|id| self.owner.segment_id(*id)).collect();
        for point in self.cluster.points(&self.name(), points, true)? {
            let reading = self.cluster.reading(&point.payload);
            let (id, stored) = (reading.segment_id()?, reading.segment()?);
            self.met().segments.insert(id, Arc::new(stored));
        }
        let met = self.met();
        let gone = |id: &SegmentId| {
            let reason = format!("segment {} of revision {} was replaced while it was read", id.ordinal, id.revision.0);
            self.cluster.remote.unavailable(reason)
        };
        ids.iter().map(|id| met.segments.get(id).cloned().ok_or_else(|| gone(id))).collect()
    }
}
