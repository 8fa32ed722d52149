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
mod cluster;
mod facets;
mod key;
mod layout;
mod remote;
mod repeat;
mod scoped;
mod steps;
mod upkeep;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use qdrant_client::qdrant::{Condition, Filter as Conditions, PointStruct};

pub use address::QdrantAddress;
use cluster::Cluster;
use key::Payload;
use layout::Record;
use scoped::Owner;
use view::{QdrantView, Samples};

use super::{
    CollectionInfo, CollectionSettings, CollectionStats, Disagreement, DocumentHead, Index, Scope, Selector,
    StoredSegment, View, switched,
};
use crate::deadline::Deadline;
use crate::document::{DocumentId, Revision, TenantId};
use crate::error::{Error, Result};

/// What has no head for so long is not about to get one.
pub const SWEPT_AFTER: Duration = Duration::from_secs(3600);

/// An index in a cluster; share it between threads.
pub struct QdrantIndex {
    cluster: Arc<Cluster>,
    samples: Arc<Samples>,
    /// Revisions that are being written, and which generation of their collection they are of.
    begun: Mutex<HashMap<Revision, u64>>,
}

impl QdrantIndex {
    /// Connects to a cluster.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it can't be reached, [`Error::InvalidArgument`] on `index` for a wrong key or a
    /// version that is too old, [`Error::Store`] where others use our names.
    pub fn connect(address: QdrantAddress) -> Result<Self> {
        Ok(Self { cluster: Arc::new(Cluster::connect(address)?), samples: Arc::default(), begun: Mutex::default() })
    }

    fn record(&self, scope: &Scope) -> Result<(Record, Owner, u64)> {
        self.cluster.record(scope)?.ok_or_else(|| no_collection(scope))
    }

    fn records(&self, tenant: &TenantId) -> Result<Vec<Record>> {
        let of_tenant = Conditions::must([Condition::matches(key::TENANT, tenant.to_string())]);
        let mut records = Vec::new();
        self.cluster.each_page(&self.cluster.names.collections, &of_tenant, &[key::STORED], &mut |page| {
            for point in page {
                records.push(self.cluster.reading(&point.payload).unpacked::<Record>(key::STORED)?);
            }
            Ok(())
        })?;
        Ok(records)
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<Revision, u64>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The collection that a revision was begun in, as long as it has its name.
    fn record_of(&self, scope: &Scope, revisions: &[Revision]) -> Result<(Record, Owner)> {
        let (record, owner, _) = self.record(scope)?;
        let begun = self.begun();
        let of_others = revisions.iter().any(|r| begun.get(r).is_some_and(|of| *of != record.generation));
        if of_others { Err(switched(scope)) } else { Ok((record, owner)) }
    }
}

impl Index for QdrantIndex {
    fn create_collection(&self, scope: &Scope, settings: &CollectionSettings) -> Result<()> {
        let cluster = &self.cluster;
        cluster.ensure(&cluster.names.segments(settings.dimension), Some(settings.dimension))?;
        let record = Record {
            name: scope.collection.clone(),
            generation: remote::unique()?,
            settings: settings.clone(),
            words: facets::VERSION,
        };
        // Of two that make it at once, the first one does.
        cluster.insert(&cluster.names.collections, layout::record_point(scope, &record)?)?;
        match cluster.record(scope)? {
            Some((found, ..)) if found.generation == record.generation => Ok(()),
            _ => Err(Error::AlreadyExists { kind: "collection", name: scope.collection.to_string() }),
        }
    }

    fn delete_collection(&self, scope: &Scope) -> Result<()> {
        let (record, owner, _) = self.record(scope)?;
        let cluster = &self.cluster;
        // From here on nobody sees anything of it.
        cluster.remove(&cluster.names.collections, scoped::record(scope))?;
        cluster.remove(&cluster.names.heads, owner.all())?;
        let segments = cluster.names.segments(record.settings.dimension);
        cluster.remove(&segments, owner.all())
    }

    fn switch(&self, one: &Scope, other: &Scope) -> Result<()> {
        super::check_one_tenant(one, other)?;
        let (first, second) = (self.record(one)?.0, self.record(other)?.0);
        let point = |scope: &Scope, record: Record| {
            layout::record_point(scope, &Record { name: scope.collection.clone(), ..record })
        };
        let points = [point(one, second)?, point(other, first)?];
        self.cluster.upsert(&self.cluster.names.collections, &points)
    }

    fn collections(&self, tenant: &TenantId) -> Result<Vec<CollectionInfo>> {
        let mut names: Vec<_> = self.records(tenant)?.into_iter().map(|record| record.name).collect();
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
        let (record, ..) = self.record(scope)?;
        let revision = Revision(remote::unique()?);
        self.begun().insert(revision, record.generation);
        Ok(revision)
    }

    fn append(&self, scope: &Scope, head: &DocumentHead, first: u32, segments: &[StoredSegment]) -> Result<()> {
        let (record, owner) = self.record_of(scope, &[head.revision])?;
        let written = since_1970().as_secs();
        let point = |(ordinal, stored)| layout::segment_point(&owner, head, ordinal, stored, written);
        let points: Vec<PointStruct> = (first..).zip(segments).map(point).collect::<Result<_>>()?;
        self.cluster.upsert(&self.cluster.names.segments(record.settings.dimension), &points)
    }

    fn abandon(&self, scope: &Scope, revisions: &[Revision]) -> Result<()> {
        let of: HashSet<u64> = revisions.iter().filter_map(|revision| self.begun().remove(revision)).collect();
        let (record, owner, _) = self.record(scope)?;
        if of.iter().any(|generation| *generation != record.generation) {
            // Where it is now, it can be swept.
            return Ok(());
        }
        let segments = self.cluster.names.segments(record.settings.dimension);
        // What was published meanwhile is not ours to remove.
        let mut left = Vec::with_capacity(revisions.len());
        for revision in revisions {
            if !self.cluster.is_published(&owner, &segments, *revision)? {
                left.push(*revision);
            }
        }
        self.cluster.remove_revisions(&owner, record.settings.dimension, &left)
    }

    fn publish(&self, scope: &Scope, heads: Vec<DocumentHead>) -> Result<()> {
        let revisions: Vec<Revision> = heads.iter().map(|head| head.revision).collect();
        let (record, owner) = self.record_of(scope, &revisions)?;
        let (cluster, dimension) = (&self.cluster, record.settings.dimension);
        let segments = cluster.names.segments(dimension);
        let mut old = cluster.heads(heads.iter().map(|head| owner.head_id(&head.id)).collect())?;
        let of_head = |head: &DocumentHead| owner.revisions(&[head.revision]);
        let stored = cluster.counts(&segments, heads.iter().map(of_head).collect())?;
        let mut last: HashMap<DocumentId, DocumentHead> = HashMap::new();
        let mut replaced = Vec::new();
        for (mut head, stored) in heads.into_iter().zip(stored) {
            let current = old.get(&owner.head_id(&head.id));
            let is_current = |head: &DocumentHead| current.is_some_and(|current| current.revision == head.revision);
            if !is_current(&head) && stored == 0 && head.segments > 0 {
                // New metadata for a revision that was replaced or deleted meanwhile.
                match current.filter(|current| current.content_hash == head.content_hash) {
                    Some(current) => head = current.with_metadata_of(&head),
                    None => continue,
                }
            }
            if is_current(&head) {
                // Only its metadata changed.
                let words = Payload::from([(key::FACETS.to_owned(), facets::of(&head))]);
                cluster.set(&segments, of_head(&head), words)?;
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
        // A collection deleted meanwhile keeps nothing, and says so; one under another name by now keeps what it has.
        if cluster.record(scope)?.is_none_or(|(found, ..)| found.generation != record.generation) {
            if self.records(&scope.tenant)?.iter().any(|found| found.generation == record.generation) {
                return Err(switched(scope));
            }
            cluster.remove(&cluster.names.heads, owner.all())?;
            cluster.remove(&segments, owner.all())?;
            return Err(no_collection(scope));
        }
        cluster.changed(scope)?;
        let mut begun = self.begun();
        begun.retain(|revision, _| !revisions.contains(revision));
        drop(begun);
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
            selector => {
                let mut heads = Vec::new();
                self.cluster.each_head(&owner, &mut |head| {
                    if selector.selects(&head) {
                        heads.push(Arc::new(head));
                    }
                })?;
                heads
            }
        };
        if !heads.is_empty() {
            self.cluster.delete(scope, &owner, record.settings.dimension, &heads)?;
            if self.record(scope)?.0.generation != record.generation {
                return Err(switched(scope));
            }
        }
        Ok(heads.len() as u64)
    }

    fn view(&self, scope: &Scope) -> Result<Arc<dyn View>> {
        self.view_until(scope, &Deadline::none())
    }

    fn view_until(&self, scope: &Scope, deadline: &Deadline) -> Result<Arc<dyn View>> {
        let cluster = Arc::new(self.cluster.within(deadline));
        let (record, owner, epoch) = cluster.record(scope)?.ok_or_else(|| no_collection(scope))?;
        Ok(Arc::new(QdrantView::new(cluster, self.samples.clone(), owner, record, epoch)))
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
        upkeep::stats(self, scope)
    }

    fn check(&self, repair: bool) -> Result<Vec<Disagreement>> {
        let mut found = Vec::new();
        for scope in self.scopes()? {
            found.extend(upkeep::check(self, &scope, repair)?);
        }
        Ok(found)
    }

    fn sweep(&self, scope: &Scope, older_than: Duration) -> Result<u64> {
        upkeep::sweep(self, scope, older_than)
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn no_collection(scope: &Scope) -> Error {
    Error::NotFound { kind: "collection", name: scope.collection.to_string() }
}
