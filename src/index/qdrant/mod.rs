//! A Qdrant cluster as the index: documents, blocks, vectors and heads all live there, and a process holds no state.
//!
//! What the embedded index answers is answered alike, to the last bit of the context:
//!
//! - *dense*: the cluster finds the nearest, their cosines are computed from the packed vectors here;
//! - *lexical*: sparse vectors over the terms of our own analysis, weighted as BM25 weighs them when a segment is
//!   written, and by the terms' rarity, counted over the whole collection, when a question is asked: no score depends on
//!   what a shard holds;
//! - both are fused here, with one order for ties.
//!
//! A new revision's segments are written first, and then its head, in one atomic step; the old revision's segments are
//! deleted after that. What a search finds of a revision that no head names is left out, so a document is seen in its old
//! revision or its new one, whole. What a crash leaves behind is swept ([`Index::sweep`]).

mod address;
mod facets;
mod layout;
mod remote;
mod scoped;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qdrant_client::QdrantError;
use qdrant_client::qdrant::{
    Condition, CountPoints, CountPointsBuilder, DeletePointsBuilder, Filter as Conditions, GetPointsBuilder, PointId,
    PointStruct, RetrievedPoint, ScrollPointsBuilder, SetPayloadPointsBuilder, UpdateMode, UpsertPointsBuilder,
};
use serde::{Deserialize, Serialize};

pub use address::QdrantAddress;
use layout::{Names, Payload, Reading, key};
use remote::Remote;
use scoped::Owner;
use view::{QdrantView, Samples};

use super::{
    CollectionInfo, CollectionSettings, CollectionStats, Disagreement, DocumentHead, Index, Scope, Selector,
    StoredSegment, View,
};
use crate::document::{CollectionName, DocumentId, Revision, TenantId};
use crate::error::{Error, Result};

/// Points of an upsert: the cluster takes them in pieces of 32 anyway.
const UPSERT_POINTS: usize = 32;
/// What has no head for so long is not about to get one.
pub const SWEPT_AFTER: Duration = Duration::from_secs(3600);
/// Points of a page when many are read.
const PAGE: u32 = 1024;

/// A collection's record in the cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Record {
    name: CollectionName,
    generation: u64,
    settings: CollectionSettings,
}

/// An index in a cluster; share it between threads.
pub struct QdrantIndex {
    cluster: Arc<Cluster>,
    samples: Arc<Samples>,
}

/// The cluster as the parts of this module see it.
struct Cluster {
    remote: Remote,
    names: Names,
    /// Names of collections that are there and ours.
    checked: Mutex<Vec<String>>,
}

impl QdrantIndex {
    /// Connects to a cluster.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it can't be reached, [`Error::InvalidArgument`] on `index` for a wrong key or a
    /// version that is too old, [`Error::Store`] where others use our names.
    pub fn connect(address: QdrantAddress) -> Result<Self> {
        let names = Names::new(&address.prefix);
        let cluster = Cluster { remote: Remote::connect(address)?, names, checked: Mutex::default() };
        cluster.ensure(&cluster.names.collections, None)?;
        cluster.ensure(&cluster.names.heads, None)?;
        Ok(Self { cluster: Arc::new(cluster), samples: Arc::default() })
    }

    fn record(&self, scope: &Scope) -> Result<(Record, Owner, u64)> {
        self.cluster.record(scope)?.ok_or_else(|| no_collection(scope))
    }

    fn view_of(&self, scope: &Scope) -> Result<QdrantView> {
        let (record, owner, epoch) = self.record(scope)?;
        Ok(QdrantView::new(self.cluster.clone(), self.samples.clone(), owner, record.settings, epoch))
    }
}

impl Cluster {
    /// Makes a collection of the cluster unless it is there, once in a process.
    fn ensure(&self, name: &str, dimension: Option<usize>) -> Result<()> {
        let checked = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if !checked().iter().any(|checked| checked == name) {
            layout::ensure(&self.remote, name, dimension)?;
            checked().push(name.to_owned());
        }
        Ok(())
    }

    /// A collection's record, who owns its points, and its epoch.
    fn record(&self, scope: &Scope) -> Result<Option<(Record, Owner, u64)>> {
        let found = self.points(&self.names.collections, vec![record_id(scope)], true)?;
        let Some(point) = found.first() else { return Ok(None) };
        let reading = self.reading(&point.payload);
        let record: Record = reading.unpacked(key::STORED)?;
        let owner = Owner::new(scope.tenant.clone(), record.generation);
        Ok(Some((record, owner, reading.integer(key::EPOCH)?)))
    }

    fn reading<'a>(&'a self, payload: &'a Payload) -> Reading<'a> {
        Reading { remote: &self.remote, payload }
    }

    /// The points with these ids that there are.
    fn points(&self, name: &str, ids: Vec<String>, all: bool) -> Result<Vec<RetrievedPoint>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAGE as usize) {
            let ids: Vec<PointId> = ids.iter().map(|id| id.as_str().into()).collect();
            let request = GetPointsBuilder::new(name, ids).with_payload(all).build();
            let response = self.remote.call(move |client| {
                let request = request.clone();
                async move { client.get_points(request).await }
            })?;
            found.extend(response.result);
        }
        Ok(found)
    }

    /// Heads by the ids of their points.
    fn heads(&self, ids: Vec<String>) -> Result<HashMap<String, Arc<DocumentHead>>> {
        let points = self.points(&self.names.heads, ids, true)?;
        let head = |point: &RetrievedPoint| {
            let head = layout::head_of(&self.remote, point)?;
            Ok((uuid(point.id.as_ref()), Arc::new(head)))
        };
        points.iter().map(head).collect()
    }

    /// Every point that the filter lets through, page by page, in the order of their ids.
    fn each_page(
        &self,
        name: &str,
        filter: &Conditions,
        keys: &[&str],
        each: &mut dyn FnMut(Vec<RetrievedPoint>) -> Result<()>,
    ) -> Result<()> {
        let mut from: Option<PointId> = None;
        loop {
            let mut builder = ScrollPointsBuilder::new(name).filter(filter.clone()).limit(PAGE);
            builder = builder.with_payload(included(keys)).with_vectors(false);
            if let Some(from) = from.take() {
                builder = builder.offset(from);
            }
            let request = builder.build();
            let page = self.remote.call(move |client| {
                let request = request.clone();
                async move { client.scroll(request).await }
            })?;
            each(page.result)?;
            match page.next_page_offset {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Every head of a collection.
    fn each_head(&self, owner: &Owner, each: &mut dyn FnMut(DocumentHead)) -> Result<()> {
        let filter = owner.filter(Vec::new(), Vec::new());
        self.each_page(&self.names.heads, &filter, &[key::STORED], &mut |page| {
            page.iter().try_for_each(|point| {
                each(layout::head_of(&self.remote, point)?);
                Ok(())
            })
        })
    }

    /// How many points each filter lets through, exactly; asked for all at once.
    fn counts(&self, name: &str, filters: Vec<Conditions>) -> Result<Vec<u64>> {
        let request = |filter| CountPointsBuilder::new(name).filter(filter).exact(true).build();
        let requests: Vec<CountPoints> = filters.into_iter().map(request).collect();
        self.remote.call(move |client| {
            let count = |request: &CountPoints| {
                let (client, request) = (client.clone(), request.clone());
                tokio::spawn(async move { client.count(request).await })
            };
            let calls: Vec<_> = requests.iter().map(count).collect();
            async move {
                let mut counts = Vec::with_capacity(calls.len());
                for call in calls {
                    let answered = call.await.map_err(|e| QdrantError::Io(std::io::Error::other(e)))??;
                    counts.push(answered.result.map_or(0, |result| result.count));
                }
                Ok(counts)
            }
        })
    }

    fn count(&self, name: &str, filter: Conditions) -> Result<u64> {
        Ok(self.counts(name, vec![filter])?.into_iter().sum())
    }

    fn upsert(&self, name: &str, points: &[PointStruct]) -> Result<()> {
        for points in points.chunks(UPSERT_POINTS) {
            let request = UpsertPointsBuilder::new(name, points).wait(true).build();
            self.remote.call(move |client| {
                let request = request.clone();
                async move { client.upsert_points(request).await }
            })?;
        }
        Ok(())
    }

    fn remove(&self, name: &str, filter: Conditions) -> Result<()> {
        let request = DeletePointsBuilder::new(name).points(filter).wait(true).build();
        self.remote.call(move |client| {
            let request = request.clone();
            async move { client.delete_points(request).await }
        })?;
        Ok(())
    }

    fn remove_revisions(&self, owner: &Owner, dimension: usize, revisions: &[Revision]) -> Result<()> {
        for revisions in revisions.chunks(PAGE as usize) {
            self.remove(&self.names.segments(dimension), owner.filter(vec![of_revisions(revisions)], Vec::new()))?;
        }
        Ok(())
    }

    fn set(&self, name: &str, filter: Conditions, payload: Payload) -> Result<()> {
        let request = SetPayloadPointsBuilder::new(name, payload).points_selector(filter).wait(true).build();
        self.remote.call(move |client| {
            let request = request.clone();
            async move { client.set_payload(request).await }
        })?;
        Ok(())
    }

    /// Says that a collection has changed: what processes keep of it is of no use any more.
    fn changed(&self, scope: &Scope) -> Result<()> {
        let payload = Payload::from([(key::EPOCH.to_owned(), layout::integer(remote::unique()?))]);
        let this = Conditions::must([Condition::has_id([record_id(scope)])]);
        self.set(&self.names.collections, this, payload)
    }

    /// Deletes documents: the heads first, and from then on nobody sees them.
    fn delete(&self, scope: &Scope, owner: &Owner, dimension: usize, heads: &[Arc<DocumentHead>]) -> Result<()> {
        for heads in heads.chunks(PAGE as usize) {
            let ids: Vec<String> = heads.iter().map(|head| owner.head_id(&head.id)).collect();
            self.remove(&self.names.heads, owner.filter(vec![Condition::has_id(ids)], Vec::new()))?;
        }
        let revisions: Vec<Revision> = heads.iter().map(|head| head.revision).collect();
        self.remove_revisions(owner, dimension, &revisions)?;
        self.changed(scope)
    }
}

impl Index for QdrantIndex {
    fn create_collection(&self, scope: &Scope, settings: &CollectionSettings) -> Result<()> {
        let cluster = &self.cluster;
        cluster.ensure(&cluster.names.segments(settings.dimension), Some(settings.dimension))?;
        let record =
            Record { name: scope.collection.clone(), generation: remote::unique()?, settings: settings.clone() };
        let payload = Payload::from([
            (key::TENANT.to_owned(), scope.tenant.as_str().into()),
            (key::STORED.to_owned(), layout::packed(&record)?.into()),
            (key::EPOCH.to_owned(), layout::integer(remote::unique()?)),
        ]);
        let point = layout::plain_point(record_id(scope).into(), payload);
        // Of two that make it at once, the first one does.
        let request = UpsertPointsBuilder::new(&cluster.names.collections, vec![point])
            .update_mode(UpdateMode::InsertOnly)
            .wait(true)
            .build();
        cluster.remote.call(move |client| {
            let request = request.clone();
            async move { client.upsert_points(request).await }
        })?;
        match cluster.record(scope)? {
            Some((found, ..)) if found.generation == record.generation => Ok(()),
            _ => Err(Error::AlreadyExists { kind: "collection", name: scope.collection.to_string() }),
        }
    }

    fn delete_collection(&self, scope: &Scope) -> Result<()> {
        let (record, owner, _) = self.record(scope)?;
        let cluster = &self.cluster;
        // From here on nobody sees anything of it.
        cluster.remove(&cluster.names.collections, Conditions::must([Condition::has_id([record_id(scope)])]))?;
        cluster.remove(&cluster.names.heads, owner.filter(Vec::new(), Vec::new()))?;
        let segments = cluster.names.segments(record.settings.dimension);
        cluster.remove(&segments, owner.filter(Vec::new(), Vec::new()))
    }

    fn collections(&self, tenant: &TenantId) -> Result<Vec<CollectionInfo>> {
        let of_tenant = Conditions::must([Condition::matches(key::TENANT, tenant.to_string())]);
        let mut names = Vec::new();
        self.cluster.each_page(&self.cluster.names.collections, &of_tenant, &[key::STORED], &mut |page| {
            for point in page {
                names.push(self.cluster.reading(&point.payload).unpacked::<Record>(key::STORED)?.name);
            }
            Ok(())
        })?;
        names.sort();
        names.into_iter().map(|name| self.collection(&Scope::new(tenant.clone(), name))).collect()
    }

    fn collection(&self, scope: &Scope) -> Result<CollectionInfo> {
        let (record, owner, _) = self.record(scope)?;
        let (mut documents, mut segments, mut bytes) = (0, 0, 0);
        self.cluster.each_head(&owner, &mut |head| {
            documents += 1;
            segments += u64::from(head.segments);
            bytes += head.bytes;
        })?;
        Ok(CollectionInfo { name: record.name, settings: record.settings, documents, segments, bytes })
    }

    fn begin(&self, scope: &Scope) -> Result<Revision> {
        self.record(scope)?;
        remote::unique().map(Revision)
    }

    fn append(&self, scope: &Scope, head: &DocumentHead, first: u32, segments: &[StoredSegment]) -> Result<()> {
        let (record, owner, _) = self.record(scope)?;
        let written = since_1970().as_secs();
        let point = |(ordinal, stored)| layout::segment_point(&owner, head, ordinal, stored, written);
        let points: Vec<PointStruct> = (first..).zip(segments).map(point).collect::<Result<_>>()?;
        self.cluster.upsert(&self.cluster.names.segments(record.settings.dimension), &points)
    }

    fn abandon(&self, scope: &Scope, revisions: &[Revision]) -> Result<()> {
        let (record, owner, _) = self.record(scope)?;
        // What was published meanwhile is not ours to remove.
        let view = self.view_of(scope)?;
        let mut left = Vec::with_capacity(revisions.len());
        for revision in revisions {
            if !view.is_published(*revision)? {
                left.push(*revision);
            }
        }
        self.cluster.remove_revisions(&owner, record.settings.dimension, &left)
    }

    fn publish(&self, scope: &Scope, heads: Vec<DocumentHead>) -> Result<()> {
        let (record, owner, _) = self.record(scope)?;
        let (cluster, dimension) = (&self.cluster, record.settings.dimension);
        let segments = cluster.names.segments(dimension);
        let mut old = cluster.heads(heads.iter().map(|head| owner.head_id(&head.id)).collect())?;
        let mut last: HashMap<DocumentId, DocumentHead> = HashMap::new();
        let mut replaced = Vec::new();
        for head in heads {
            let current = old.get(&owner.head_id(&head.id));
            if current.is_some_and(|current| current.revision == head.revision) {
                // Only its metadata changed.
                let words = Payload::from([(key::FACETS.to_owned(), facets::of(&head))]);
                cluster.set(&segments, owner.filter(vec![of_revisions(&[head.revision])], Vec::new()), words)?;
            } else if head.segments > 0 && self.missing(&owner, &segments, &head)? {
                // New metadata for a revision that was replaced or deleted meanwhile: too late.
                continue;
            }
            // Of two heads with one id the later one counts.
            if let Some(earlier) = last.insert(head.id.clone(), head) {
                replaced.push(earlier.revision);
            }
        }
        let mut points = Vec::with_capacity(last.len());
        for head in last.values() {
            let old = old.remove(&owner.head_id(&head.id)).filter(|old| old.revision != head.revision);
            replaced.extend(old.map(|old| old.revision));
            points.push(layout::head_point(&owner, head)?);
        }
        replaced.retain(|revision| last.values().all(|head| head.revision != *revision));
        cluster.upsert(&cluster.names.heads, &points)?;
        // A collection deleted meanwhile keeps nothing, and says so.
        if cluster.record(scope)?.is_none_or(|(found, ..)| found.generation != record.generation) {
            cluster.remove(&cluster.names.heads, owner.filter(Vec::new(), Vec::new()))?;
            cluster.remove(&segments, owner.filter(Vec::new(), Vec::new()))?;
            return Err(no_collection(scope));
        }
        cluster.changed(scope)?;
        // What is acknowledged is visible; what is left of the old revisions is not, and can be swept.
        if let Err(e) = cluster.remove_revisions(&owner, dimension, &replaced) {
            tracing::warn!("segments of {} replaced revisions are left to be swept: {e}", replaced.len());
        }
        Ok(())
    }

    fn delete(&self, scope: &Scope, selector: &Selector) -> Result<u64> {
        let (record, owner, _) = self.record(scope)?;
        let heads: Vec<Arc<DocumentHead>> = match selector {
            Selector::Ids(ids) => {
                let ids = ids.iter().map(|id| owner.head_id(id)).collect();
                self.cluster.heads(ids)?.into_values().collect()
            }
            Selector::Prefix(_) | Selector::Matching(_) => {
                let mut heads = Vec::new();
                self.cluster.each_head(&owner, &mut |head| {
                    let is = match selector {
                        Selector::Prefix(prefix) => head.id.as_str().starts_with(prefix),
                        Selector::Matching(filter) => filter.matches(&head),
                        Selector::Ids(_) => false,
                    };
                    if is {
                        heads.push(Arc::new(head));
                    }
                })?;
                heads
            }
        };
        if !heads.is_empty() {
            self.cluster.delete(scope, &owner, record.settings.dimension, &heads)?;
        }
        Ok(heads.len() as u64)
    }

    fn view(&self, scope: &Scope) -> Result<Arc<dyn View>> {
        Ok(Arc::new(self.view_of(scope)?))
    }

    fn ready(&self) -> Result<()> {
        self.cluster.remote.call(|client| async move { client.health_check().await }).map(|_| ())
    }

    fn scopes(&self) -> Result<Vec<Scope>> {
        let mut scopes = Vec::new();
        let (all, keys) = (Conditions::default(), [key::TENANT, key::STORED]);
        self.cluster.each_page(&self.cluster.names.collections, &all, &keys, &mut |page| {
            for point in page {
                let reading = self.cluster.reading(&point.payload);
                let record: Record = reading.unpacked(key::STORED)?;
                scopes.push(Scope::new(reading.text(key::TENANT)?.parse()?, record.name));
            }
            Ok(())
        })?;
        Ok(scopes)
    }

    fn stats(&self, scope: &Scope) -> Result<CollectionStats> {
        let (record, owner, _) = self.record(scope)?;
        let (mut terms, mut stored) = (HashSet::new(), 0);
        let segments = self.cluster.names.segments(record.settings.dimension);
        self.cluster.each_page(&segments, &owner.filter(Vec::new(), Vec::new()), &[key::TERMS], &mut |page| {
            stored += page.len() as u64;
            for point in &page {
                terms.extend(self.cluster.reading(&point.payload).integers(key::TERMS)?);
            }
            Ok(())
        })?;
        let info = self.collection(scope)?;
        Ok(CollectionStats { terms: terms.len() as u64, stale: stored.saturating_sub(info.segments), info })
    }

    fn check(&self, repair: bool) -> Result<Vec<Disagreement>> {
        let mut found = Vec::new();
        for scope in self.scopes()? {
            found.extend(self.check_collection(&scope, repair)?);
        }
        Ok(found)
    }

    fn sweep(&self, scope: &Scope, older_than: Duration) -> Result<u64> {
        let (record, owner, _) = self.record(scope)?;
        let segments = self.cluster.names.segments(record.settings.dimension);
        let until = since_1970().saturating_sub(older_than).as_secs();
        let mut stale: HashMap<Revision, u64> = HashMap::new();
        let keys = [key::REVISION, key::ORDINAL, key::DOCUMENT, key::WRITTEN];
        self.cluster.each_page(&segments, &owner.filter(Vec::new(), Vec::new()), &keys, &mut |page| {
            let mut found = Vec::with_capacity(page.len());
            for point in &page {
                let reading = self.cluster.reading(&point.payload);
                if reading.integer(key::WRITTEN)? <= until {
                    found.push((reading.segment_id()?.revision, reading.text(key::DOCUMENT)?.to_owned()));
                }
            }
            let heads = self.cluster.heads(distinct(found.iter().map(|(_, document)| document.clone())))?;
            for (revision, document) in found {
                if heads.get(&document).is_none_or(|head| head.revision != revision) {
                    *stale.entry(revision).or_default() += 1;
                }
            }
            Ok(())
        })?;
        let revisions: Vec<Revision> = stale.keys().copied().collect();
        self.cluster.remove_revisions(&owner, record.settings.dimension, &revisions)?;
        if !revisions.is_empty() {
            self.cluster.changed(scope)?;
        }
        Ok(stale.values().sum())
    }
}

impl QdrantIndex {
    /// Whether every head has the segments that it names, and every segment a head.
    fn check_collection(&self, scope: &Scope, repair: bool) -> Result<Vec<Disagreement>> {
        let (record, owner, _) = self.record(scope)?;
        let segments = self.cluster.names.segments(record.settings.dimension);
        let mut stored: HashMap<Revision, u32> = HashMap::new();
        let all = owner.filter(Vec::new(), Vec::new());
        self.cluster.each_page(&segments, &all, &[key::REVISION, key::ORDINAL], &mut |page| {
            for point in &page {
                *stored.entry(self.cluster.reading(&point.payload).segment_id()?.revision).or_default() += 1;
            }
            Ok(())
        })?;
        let named = format!("collection {} of {}", scope.collection, scope.tenant);
        let mut wrong = Vec::new();
        self.cluster.each_head(&owner, &mut |head| {
            let has = stored.remove(&head.revision).unwrap_or(0);
            if has != head.segments {
                let (id, wants) = (head.id, head.segments);
                let what =
                    format!("{named}: document {:?} has {has} of {wants} segments: ingest it again", id.as_str());
                wrong.push(Disagreement { what, repaired: false });
            }
        })?;
        if !stored.is_empty() {
            let repaired = repair && self.sweep(scope, SWEPT_AFTER)? > 0;
            let what = format!("{named}: segments of {} revisions belong to no document", stored.len());
            wrong.push(Disagreement { what, repaired });
        }
        Ok(wrong)
    }

    /// Whether none of the segments of a head's revision is there any more.
    fn missing(&self, owner: &Owner, segments: &str, head: &DocumentHead) -> Result<bool> {
        Ok(self.cluster.count(segments, owner.filter(vec![of_revisions(&[head.revision])], Vec::new()))? == 0)
    }
}

/// Segments of one of these revisions.
fn of_revisions(revisions: &[Revision]) -> Condition {
    let numbers: Vec<i64> = revisions.iter().map(|revision| revision.0 as i64).collect();
    Condition::matches(key::REVISION, numbers)
}

fn record_id(scope: &Scope) -> String {
    layout::point_id(&[scope.tenant.as_str().as_bytes(), scope.collection.as_str().as_bytes()])
}

fn included(keys: &[&str]) -> qdrant_client::qdrant::with_payload_selector::SelectorOptions {
    let fields = keys.iter().map(|key| (*key).to_owned()).collect();
    qdrant_client::qdrant::with_payload_selector::SelectorOptions::Include(
        qdrant_client::qdrant::PayloadIncludeSelector { fields },
    )
}

/// The text of a point's id; ours are all of this kind.
fn uuid(id: Option<&PointId>) -> String {
    use qdrant_client::qdrant::point_id::PointIdOptions;
    match id.and_then(|id| id.point_id_options.as_ref()) {
        Some(PointIdOptions::Uuid(uuid)) => uuid.clone(),
        Some(PointIdOptions::Num(number)) => number.to_string(),
        None => String::new(),
    }
}

fn distinct(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn no_collection(scope: &Scope) -> Error {
    Error::NotFound { kind: "collection", name: scope.collection.to_string() }
}
