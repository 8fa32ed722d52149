//! Where documents, blocks and vectors are kept and found again.
//!
//! [`Index`] is what an implementation has to offer: write revisions, publish them atomically, and hand
//! out a [`View`], one consistent state to search. [`embedded`] keeps everything in a directory, [`qdrant`] in a
//! cluster; [`inline`] holds the documents of one request in memory.

pub mod bm25;
pub mod embedded;
pub mod filter;
mod found;
pub mod inline;
pub mod qdrant;
mod sample;
mod statistics;
mod stored;
pub mod terms;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use filter::Filter;
pub(crate) use found::TIES;
pub use found::{Alike, EachRow, Hit, Nearest, Row};
pub(crate) use sample::{Draw, SAMPLE_SEGMENTS};
pub(crate) use statistics::SpreadOf;
pub use statistics::{Spread, TermStatistics, USUAL_TERMS, rounded};
pub use stored::{DocumentHead, SegmentId, StoredSegment};

use crate::deadline::Deadline;
use crate::document::{CollectionName, DocumentId, Revision, TenantId};
use crate::encode::{Fingerprint, PackedVector};
use crate::error::{Error, Result};

/// A collection of a tenant. Nothing can be read or written without one, so nothing crosses tenants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The owner, taken from the authenticated call.
    pub tenant: TenantId,
    /// The collection.
    pub collection: CollectionName,
}

impl Scope {
    /// The scope of one collection of one tenant.
    #[must_use]
    pub fn new(tenant: TenantId, collection: CollectionName) -> Self {
        Self { tenant, collection }
    }
}

/// How block vectors are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockVectors {
    /// Every block is encoded by itself, after its title and heading: the best ranking.
    #[default]
    Separate,
    /// One pass per segment, token vectors pooled per block: about half the work at ingest, and about
    /// five points fewer answers kept.
    Pooled,
}

/// Where segments of one section end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundaries {
    /// Where the segment is full, at paragraphs if possible.
    #[default]
    Structure,
    /// Where neighbouring blocks have least in common.
    Semantic,
}

/// Most blocks that segments share.
pub const MAX_OVERLAP: u8 = 16;

/// How a collection is split and encoded; fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionSettings {
    /// The encoder's fingerprint.
    pub fingerprint: Fingerprint,
    /// Components of a vector.
    pub dimension: usize,
    /// Version of the splitting rules.
    pub splitter: u32,
    /// How block vectors are made.
    #[serde(default)]
    pub block_vectors: BlockVectors,
    /// Where segments end.
    #[serde(default)]
    pub boundaries: Boundaries,
    /// Blocks that a segment shares with the one before it, for encoding and searching.
    #[serde(default)]
    pub overlap: u8,
    /// The collection that this one was made to take the place of: what an interrupted reindex leaves is told by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<CollectionName>,
}

/// How a collection is to be split; what is not said stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Splitting {
    /// How block vectors are made.
    pub block_vectors: Option<BlockVectors>,
    /// Where segments end.
    pub boundaries: Option<Boundaries>,
    /// Blocks that a segment shares with the one before it, at most [`MAX_OVERLAP`].
    pub overlap: Option<u32>,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "collection {} of {}", self.collection, self.tenant)
    }
}

impl CollectionSettings {
    /// The same, split otherwise.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] on `overlap`; [`Error::InvalidArgument`] on `boundaries` or `overlap` for what does not go with
    /// semantic boundaries.
    pub fn split(self, wanted: Splitting) -> Result<Self> {
        let overlap = wanted.overlap.unwrap_or(self.overlap.into());
        let over = Error::LimitExceeded { field: "overlap", limit: MAX_OVERLAP.into(), actual: overlap.into() };
        let settings = Self {
            block_vectors: wanted.block_vectors.unwrap_or(self.block_vectors),
            boundaries: wanted.boundaries.unwrap_or(self.boundaries),
            overlap: u8::try_from(overlap).ok().filter(|n| *n <= MAX_OVERLAP).ok_or(over)?,
            ..self
        };
        let is_semantic = settings.boundaries == Boundaries::Semantic;
        if is_semantic && settings.block_vectors == BlockVectors::Pooled {
            return Err(Error::invalid("boundaries", "semantic boundaries need block_vectors separate"));
        }
        if is_semantic && settings.overlap > 0 {
            return Err(Error::invalid("overlap", "must be 0 with semantic boundaries"));
        }
        Ok(settings)
    }

    /// Fails unless vectors made by `ours` can be compared with the collection's.
    ///
    /// # Errors
    /// [`Error::FingerprintMismatch`].
    pub fn check(&self, collection: &CollectionName, ours: &Fingerprint) -> Result<()> {
        if self.fingerprint == *ours {
            return Ok(());
        }
        Err(Error::FingerprintMismatch {
            collection: collection.to_string(),
            stored: self.fingerprint.to_string(),
            ours: ours.to_string(),
        })
    }
}

/// A collection with its counts.
#[derive(Clone, Debug)]
pub struct CollectionInfo {
    /// Its name.
    pub name: CollectionName,
    /// Its settings.
    pub settings: CollectionSettings,
    /// Documents that are visible.
    pub documents: u64,
    /// Their segments.
    pub segments: u64,
    /// Bytes of their text.
    pub bytes: u64,
}

/// What a collection takes, counted.
#[derive(Clone, Debug)]
pub struct CollectionStats {
    /// What is visible of it.
    pub info: CollectionInfo,
    /// Distinct terms of its segments.
    pub terms: u64,
    /// Segments that are stored and that nobody sees: of revisions that were replaced, deleted or never published.
    pub stale: u64,
}

/// Something in an index that contradicts the rest of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// What, where, and what helps.
    pub what: String,
    /// Whether it has been put right.
    pub repaired: bool,
}

impl Disagreement {
    /// What is wrong with a document's segments; nothing else holds them, so they can't be derived.
    fn of_document(scope: &Scope, head: &DocumentHead, what: &str) -> Self {
        let id = head.id.as_str();
        let what = format!("{scope}: document {id:?} {what}: ingest it again (after --repair, so that it is replaced)");
        Self { what, repaired: false }
    }
}

/// What a write gets whose collection has another's name by now.
pub(crate) fn switched(scope: &Scope) -> Error {
    let reason = "another collection was put in its place meanwhile; send the documents again".to_owned();
    Error::Unavailable { service: format!("collection {}", scope.collection), reason }
}

/// Of one tenant's collections only.
pub(crate) fn check_one_tenant(one: &Scope, other: &Scope) -> Result<()> {
    let is_one = one.tenant == other.tenant;
    if is_one { Ok(()) } else { Err(Error::invalid("collection", "belongs to another tenant")) }
}

/// Which documents to delete.
#[derive(Clone, Debug)]
pub enum Selector {
    /// These ids.
    Ids(Vec<DocumentId>),
    /// Ids that begin with this.
    Prefix(String),
    /// Documents that the filter matches.
    Matching(Filter),
}

impl Selector {
    /// Whether a document is selected.
    pub(crate) fn selects(&self, head: &DocumentHead) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(&head.id),
            Self::Prefix(prefix) => head.id.as_str().starts_with(prefix),
            Self::Matching(filter) => filter.matches(head),
        }
    }
}

/// Writes documents and hands out views. Implementations are shared between threads.
pub trait Index: Send + Sync {
    /// Makes a collection.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`], or the store's errors.
    fn create_collection(&self, scope: &Scope, settings: &CollectionSettings) -> Result<()>;

    /// Removes a collection with everything in it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's errors.
    fn delete_collection(&self, scope: &Scope) -> Result<()>;

    /// Gives two collections of one tenant each other's names, in one step. Whoever holds a view keeps what it shows; what
    /// is being written to one of them when that happens is refused, never written to the other.
    ///
    /// # Errors
    /// [`Error::NotFound`] for either, [`Error::InvalidArgument`] for two tenants, or the store's errors.
    fn switch(&self, one: &Scope, other: &Scope) -> Result<()>;

    /// The collections of a tenant, by name.
    ///
    /// # Errors
    /// The store's errors.
    fn collections(&self, tenant: &TenantId) -> Result<Vec<CollectionInfo>>;

    /// One collection.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's errors.
    fn collection(&self, scope: &Scope) -> Result<CollectionInfo>;

    /// Reserves a revision. Nothing of it is visible before [`Index::publish`].
    ///
    /// # Errors
    /// The store's errors.
    fn begin(&self, scope: &Scope) -> Result<Revision>;

    /// Adds segments to the head's revision, which is not published; their ordinals go on from `first`. Of the head, counts
    /// are not yet known.
    ///
    /// # Errors
    /// The store's errors.
    fn append(&self, scope: &Scope, head: &DocumentHead, first: u32, segments: &[StoredSegment]) -> Result<()>;

    /// Gives up revisions that will not be published.
    ///
    /// # Errors
    /// The store's errors.
    fn abandon(&self, scope: &Scope, revisions: &[Revision]) -> Result<()>;

    /// Makes revisions visible, all at once, each in the place of its document's earlier one. When this
    /// returns they survive a crash. Of two heads with one id the later one counts.
    ///
    /// # Errors
    /// The store's errors; then none of them is visible, or not before the index has [caught up](Index::catch_up).
    fn publish(&self, scope: &Scope, heads: Vec<DocumentHead>) -> Result<()>;

    /// Deletes documents and returns how many there were.
    ///
    /// # Errors
    /// The store's errors.
    fn delete(&self, scope: &Scope, selector: &Selector) -> Result<u64>;

    /// The state as of now; later writes do not change it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the collection, or the store's errors.
    fn view(&self, scope: &Scope) -> Result<Arc<dyn View>>;

    /// The same for one request: what takes time, in this call and in the view's, ends with its deadline.
    ///
    /// # Errors
    /// Those of [`Self::view`], and the deadline's where there is something to wait for.
    fn view_until(&self, scope: &Scope, deadline: &Deadline) -> Result<Arc<dyn View>> {
        deadline.check("index")?;
        self.view(scope)
    }

    /// Whether it can answer now.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it can't, or the store's errors.
    fn ready(&self) -> Result<()>;

    /// Whether it takes no writes any more, after one that failed, and would if it were opened anew.
    fn wants_reopening(&self) -> bool {
        false
    }

    /// Has readers see all that was written: where a write failed half-way, on a full disk, they see what was before it until
    /// it can be finished. Whoever compares what comes with what is there calls this before he looks.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the collection, or the store's errors: it still can't.
    fn catch_up(&self, _: &Scope) -> Result<()> {
        Ok(())
    }

    /// The collections of all tenants, for upkeep.
    ///
    /// # Errors
    /// The store's errors.
    fn scopes(&self) -> Result<Vec<Scope>>;

    /// What a collection takes. Looks at all of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or the store's errors.
    fn stats(&self, scope: &Scope) -> Result<CollectionStats>;

    /// Looks whether all parts of the index say the same, and puts right what can be derived again.
    ///
    /// # Errors
    /// The store's errors.
    fn check(&self, repair: bool) -> Result<Vec<Disagreement>>;

    /// Removes what nobody can see: segments of revisions that were replaced, or written this long ago and never published.
    /// Returns how many. An index that leaves nothing behind has nothing to do.
    ///
    /// # Errors
    /// [`Error::NotFound`] for the collection, or the store's errors.
    fn sweep(&self, scope: &Scope, older_than: Duration) -> Result<u64>;
}

/// One consistent state of a collection.
pub trait View: Send + Sync {
    /// Settings of the collection.
    fn settings(&self) -> &CollectionSettings;

    /// A document by its id.
    ///
    /// # Errors
    /// The store's errors.
    fn document(&self, id: &DocumentId) -> Result<Option<Arc<DocumentHead>>>;

    /// The document that a revision belongs to, if it is the current one.
    fn document_of(&self, revision: Revision) -> Option<Arc<DocumentHead>>;

    /// Documents whose ids begin with `prefix`, after the given one in an order that stays the same: by their ids, or in a
    /// cluster by the ids of their points, so that every page costs what it holds.
    ///
    /// # Errors
    /// The store's errors.
    fn documents(&self, prefix: &str, after: Option<&DocumentId>, limit: usize) -> Result<Vec<Arc<DocumentHead>>>;

    /// The nearest segments by cosine.
    ///
    /// # Errors
    /// The store's errors.
    fn dense(&self, query: &PackedVector, filter: &Filter, limit: usize) -> Result<Nearest>;

    /// Hands over the vector of every segment that the filter lets through. The order is the same for the same state.
    ///
    /// # Errors
    /// The store's errors, and those of `each`, which end it.
    fn scan(&self, filter: &Filter, each: &mut EachRow<'_>) -> Result<()>;

    /// The segments in groups that are alike, each segment in one; `None` where the index keeps no groups, because the
    /// collection is small or the implementation has none.
    fn alike(&self) -> Option<Vec<Alike>> {
        None
    }

    /// The best segments by BM25 over the terms, best first; ties in the order of the segments.
    ///
    /// # Errors
    /// The store's errors.
    fn lexical(&self, terms: &[String], filter: &Filter, limit: usize) -> Result<Vec<Hit>>;

    /// How often terms occur in the collection.
    ///
    /// # Errors
    /// The store's errors.
    fn statistics(&self, terms: &[String]) -> Result<TermStatistics>;

    /// Segments with text and vectors, in the order asked for.
    ///
    /// # Errors
    /// [`Error::Store`] where one is missing.
    fn segments(&self, ids: &[SegmentId]) -> Result<Vec<Arc<StoredSegment>>>;
}
