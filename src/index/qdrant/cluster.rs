//! The cluster's calls, as the index makes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use qdrant_client::QdrantError;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions;
use qdrant_client::qdrant::{
    Condition, CountPoints, CountPointsBuilder, DeletePointsBuilder, Filter as Conditions, GetPointsBuilder,
    PayloadIncludeSelector, PointId, PointStruct, RetrievedPoint, ScrollPointsBuilder, SetPayloadPointsBuilder,
    UpdateMode, UpsertPointsBuilder, WriteOrdering, WriteOrderingType,
};

use super::QdrantAddress;
use super::key::{self, Payload};
use super::layout::{self, Names, Reading, Record};
use super::remote::{self, Remote};
use super::scoped::{self, Owner};
use crate::deadline::Deadline;
use crate::document::Revision;
use crate::error::Result;
use crate::index::{DocumentHead, Scope};

/// Points of an upsert: the cluster takes them in pieces of 32 anyway.
const UPSERT_POINTS: usize = 32;
/// Points of a page when many are read.
const PAGE: u32 = 1024;

/// The cluster as the parts of the index see it; clones share what they know of it.
#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) remote: Remote,
    pub(super) names: Names,
    /// Names of collections that are there and ours.
    checked: Arc<Mutex<Vec<String>>>,
}

impl Cluster {
    /// Connects, and makes what is not there yet.
    pub(super) fn connect(address: QdrantAddress) -> Result<Self> {
        let names = Names::new(&address.prefix);
        let cluster = Self { remote: Remote::connect(address)?, names, checked: Arc::default() };
        cluster.ensure(&cluster.names.collections, None)?;
        cluster.ensure(&cluster.names.heads, None)?;
        Ok(cluster)
    }

    /// The same, for a caller with a deadline.
    pub(super) fn within(&self, deadline: &Deadline) -> Self {
        Self { remote: self.remote.within(deadline), ..self.clone() }
    }

    /// Makes a collection of the cluster unless it is there, once in a process.
    pub(super) fn ensure(&self, name: &str, dimension: Option<usize>) -> Result<()> {
        let checked = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if !checked().iter().any(|checked| checked == name) {
            layout::ensure(&self.remote, name, dimension)?;
            checked().push(name.to_owned());
        }
        Ok(())
    }

    /// A collection's record, who owns its points, and its epoch.
    pub(super) fn record(&self, scope: &Scope) -> Result<Option<(Record, Owner, u64)>> {
        let found = self.points(&self.names.collections, vec![scoped::record_id(scope)], true)?;
        let Some(point) = found.first() else { return Ok(None) };
        let reading = self.reading(&point.payload);
        let record: Record = reading.unpacked(key::STORED)?;
        let owner = Owner::new(scope.tenant.clone(), record.generation);
        Ok(Some((record, owner, reading.integer(key::EPOCH)?)))
    }

    pub(super) fn reading<'a>(&'a self, payload: &'a Payload) -> Reading<'a> {
        Reading { remote: &self.remote, payload }
    }

    /// The points with these ids that there are.
    pub(super) fn points(&self, name: &str, ids: Vec<String>, all: bool) -> Result<Vec<RetrievedPoint>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PAGE as usize) {
            let ids: Vec<PointId> = ids.iter().map(|id| id.as_str().into()).collect();
            let request = GetPointsBuilder::new(name, ids).with_payload(all).build();
            let response =
                self.remote.read(request, |client, request| async move { client.get_points(request).await })?;
            found.extend(response.result);
        }
        Ok(found)
    }

    /// Heads by the ids of their points.
    pub(super) fn heads(&self, ids: Vec<String>) -> Result<HashMap<String, Arc<DocumentHead>>> {
        let points = self.points(&self.names.heads, ids, true)?;
        let head = |point: &RetrievedPoint| {
            let head = layout::head_of(&self.remote, point)?;
            Ok((uuid(point.id.as_ref()), Arc::new(head)))
        };
        points.iter().map(head).collect()
    }

    /// Points that the filter lets through, in the order of their ids, from this one on; and from where on there are more.
    pub(super) fn page(
        &self,
        name: &str,
        filter: &Conditions,
        keys: &[&str],
        from: Option<PointId>,
    ) -> Result<(Vec<RetrievedPoint>, Option<PointId>)> {
        let mut builder = ScrollPointsBuilder::new(name).filter(filter.clone()).limit(PAGE);
        builder = builder.with_payload(included(keys)).with_vectors(false);
        if let Some(from) = from {
            builder = builder.offset(from);
        }
        let request = builder.build();
        let page = self.remote.read(request, |client, request| async move { client.scroll(request).await })?;
        Ok((page.result, page.next_page_offset))
    }

    /// Every point that the filter lets through, page by page.
    pub(super) fn each_page(
        &self,
        name: &str,
        filter: &Conditions,
        keys: &[&str],
        each: &mut dyn FnMut(Vec<RetrievedPoint>) -> Result<()>,
    ) -> Result<()> {
        let mut from = None;
        loop {
            let (points, next) = self.page(name, filter, keys, from)?;
            each(points)?;
            if next.is_none() {
                return Ok(());
            }
            from = next;
        }
    }

    /// Every head of a collection.
    pub(super) fn each_head(&self, owner: &Owner, each: &mut dyn FnMut(DocumentHead)) -> Result<()> {
        self.each_page(&self.names.heads, &owner.all(), &[key::STORED], &mut |page| {
            page.iter().try_for_each(|point| {
                each(layout::head_of(&self.remote, point)?);
                Ok(())
            })
        })
    }

    /// Adds a point, unless one with its id is there.
    pub(super) fn insert(&self, name: &str, point: PointStruct) -> Result<()> {
        let insert = UpsertPointsBuilder::new(name, vec![point]).update_mode(UpdateMode::InsertOnly);
        let request = insert.wait(true).ordering(in_order()).build();
        self.remote.ask(request, |client, request| async move { client.upsert_points(request).await })?;
        Ok(())
    }

    /// How many points each filter lets through, exactly; asked for all at once.
    pub(super) fn counts(&self, name: &str, filters: Vec<Conditions>) -> Result<Vec<u64>> {
        let request = |filter| CountPointsBuilder::new(name).filter(filter).exact(true).build();
        let requests: Vec<CountPoints> = filters.into_iter().map(request).collect();
        self.remote.read(requests, |client, requests| {
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

    pub(super) fn count(&self, name: &str, filter: Conditions) -> Result<u64> {
        Ok(self.counts(name, vec![filter])?.into_iter().sum())
    }

    pub(super) fn upsert(&self, name: &str, points: &[PointStruct]) -> Result<()> {
        for points in points.chunks(UPSERT_POINTS) {
            let request = UpsertPointsBuilder::new(name, points).wait(true).ordering(in_order()).build();
            self.remote.ask(request, |client, request| async move { client.upsert_points(request).await })?;
        }
        Ok(())
    }

    pub(super) fn remove(&self, name: &str, filter: Conditions) -> Result<()> {
        let request = DeletePointsBuilder::new(name).points(filter).wait(true).ordering(in_order()).build();
        self.remote.ask(request, |client, request| async move { client.delete_points(request).await })?;
        Ok(())
    }

    pub(super) fn remove_revisions(&self, owner: &Owner, dimension: usize, revisions: &[Revision]) -> Result<()> {
        for revisions in revisions.chunks(PAGE as usize) {
            self.remove(&self.names.segments(dimension), owner.revisions(revisions))?;
        }
        Ok(())
    }

    pub(super) fn set(&self, name: &str, filter: Conditions, payload: Payload) -> Result<()> {
        let set = SetPayloadPointsBuilder::new(name, payload).points_selector(filter);
        let request = set.wait(true).ordering(in_order()).build();
        self.remote.ask(request, |client, request| async move { client.set_payload(request).await })?;
        Ok(())
    }

    /// Says that a collection has changed: what processes keep of it is of no use any more.
    pub(super) fn changed(&self, scope: &Scope) -> Result<()> {
        let payload = Payload::from([(key::EPOCH.to_owned(), layout::integer(remote::unique()?))]);
        self.set(&self.names.collections, scoped::record(scope), payload)
    }

    /// Whether a head names the revision.
    pub(super) fn is_published(&self, owner: &Owner, segments: &str, revision: Revision) -> Result<bool> {
        let request = ScrollPointsBuilder::new(segments).filter(owner.revisions(&[revision])).limit(1);
        let request = request.with_payload(included(&[key::DOCUMENT])).build();
        let page = self.remote.read(request, |client, request| async move { client.scroll(request).await })?;
        let Some(point) = page.result.first() else { return Ok(false) };
        let document = self.reading(&point.payload).text(key::DOCUMENT)?.to_owned();
        Ok(self.heads(vec![document])?.values().any(|head| head.revision == revision))
    }

    /// Deletes documents: the heads first, and from then on nobody sees them.
    pub(super) fn delete(
        &self,
        scope: &Scope,
        owner: &Owner,
        dimension: usize,
        heads: &[Arc<DocumentHead>],
    ) -> Result<()> {
        for heads in heads.chunks(PAGE as usize) {
            let ids: Vec<String> = heads.iter().map(|head| owner.head_id(&head.id)).collect();
            self.remove(&self.names.heads, owner.filter([Condition::has_id(ids)]))?;
        }
        let revisions: Vec<Revision> = heads.iter().map(|head| head.revision).collect();
        self.remove_revisions(owner, dimension, &revisions)?;
        self.changed(scope)
    }
}

/// All copies of a shard see writes in one order: two processes that write one head at once must not leave each copy
/// with another one.
fn in_order() -> WriteOrdering {
    WriteOrdering { r#type: WriteOrderingType::Medium.into() }
}

pub(super) fn included(keys: &[&str]) -> SelectorOptions {
    SelectorOptions::Include(PayloadIncludeSelector { fields: keys.iter().map(|key| (*key).to_owned()).collect() })
}

/// The text of a point's id; ours are all of this kind.
pub(super) fn uuid(id: Option<&PointId>) -> String {
    use qdrant_client::qdrant::point_id::PointIdOptions;
    match id.and_then(|id| id.point_id_options.as_ref()) {
        Some(PointIdOptions::Uuid(uuid)) => uuid.clone(),
        Some(PointIdOptions::Num(number)) => number.to_string(),
        None => String::new(),
    }
}

pub(super) fn distinct(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
