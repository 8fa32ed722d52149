//! The first verb: documents to blocks, vectors and terms, durably.
//!
//! [`Ingestor::stage`] does the work for one document and shows nothing; [`Ingestor::publish`] makes a
//! batch of staged documents visible at once. In between a document can be given up without a trace.

mod passage;
mod vectors;

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Deadline;
use crate::document::{Document, Revision, Segment};
use crate::encode::{Encoder, Priority};
use crate::error::Result;
use crate::extract::{self, Extracted, MediaType};
use crate::index::{BlockVectors, Boundaries, CollectionSettings, DocumentHead, Index, Scope, StoredSegment, switched};
use crate::split::{self, Limits, SPLITTER_VERSION};

pub(crate) use passage::title_of;
use vectors::SegmentEncoder;

/// Segments encoded and written at a time: bounds the memory a large document needs.
const SEGMENTS_PER_BATCH: usize = 64;
/// Longest block, in tokens of the encoder.
const MAX_BLOCK_TOKENS: usize = 128;
/// Share of the encoder's length that a segment's own text may fill; title and heading need the rest.
const SEGMENT_SHARE: (usize, usize) = (4, 5);

/// What ingesting a document did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The id was not there before.
    Created,
    /// The document has a new revision.
    Replaced,
    /// Text, title and uri are what is stored already; nothing was encoded.
    Unchanged,
    /// Only the metadata differed; nothing was encoded.
    MetadataUpdated,
}

/// A document that is ready to be published.
#[derive(Debug)]
pub struct Staged {
    /// What [`Ingestor::publish`] will make visible.
    pub head: DocumentHead,
    /// What publishing it will have done.
    pub outcome: Outcome,
}

/// Settings that a new collection gets with this encoder.
#[must_use]
pub fn settings_for(encoder: &dyn Encoder, block_vectors: BlockVectors) -> CollectionSettings {
    CollectionSettings {
        fingerprint: encoder.fingerprint().clone(),
        dimension: encoder.dimension(),
        splitter: SPLITTER_VERSION,
        block_vectors,
        boundaries: Boundaries::default(),
        overlap: 0,
        in_place_of: None,
    }
}

/// Takes documents into collections of an index.
#[derive(Clone)]
pub struct Ingestor {
    encoder: Arc<dyn Encoder>,
    index: Arc<dyn Index>,
}

impl Ingestor {
    /// An ingestor over an encoder and an index.
    #[must_use]
    pub fn new(encoder: Arc<dyn Encoder>, index: Arc<dyn Index>) -> Self {
        Self { encoder, index }
    }

    /// Splits, encodes and writes one document under a new revision that nobody sees yet.
    ///
    /// # Errors
    /// [`crate::error::Error::UnusableDocument`], [`crate::error::Error::LimitExceeded`], [`crate::error::Error::FingerprintMismatch`],
    /// [`crate::error::Error::NotFound`] for the collection, the deadline's and the store's; nothing is left behind.
    pub fn stage(&self, scope: &Scope, mut document: Document, deadline: &Deadline) -> Result<Staged> {
        let content = std::mem::take(&mut document.content);
        let source = extract::read(&document, content)?;
        self.index.catch_up(scope)?;
        let view = self.index.view(scope)?;
        let settings = view.settings().clone();
        settings.check(&scope.collection, self.encoder.fingerprint())?;
        let mut head = head_of(&document, &source);
        let current = view.document(&document.id)?;
        drop(view);
        if let Some(current) = current.as_deref().filter(|c| c.content_hash == head.content_hash) {
            let outcome = if current.metadata == head.metadata { Outcome::Unchanged } else { Outcome::MetadataUpdated };
            let head = DocumentHead { metadata: head.metadata, ..current.clone() };
            return Ok(Staged { head, outcome });
        }
        let revision = begin(self.index.as_ref(), scope, &settings)?;
        head.revision = revision;
        let writer = Writer { encoder: self.encoder.as_ref(), index: self.index.as_ref(), scope, settings: &settings };
        let segments = segments_of(writer.encoder, &source, settings.overlap);
        if let Err(e) = writer.write(&mut head, &source.text, &segments, deadline) {
            // The revision would be removed at the next start; sooner is better, but the first error counts.
            let _ = self.index.abandon(scope, &[revision]);
            return Err(e);
        }
        let outcome = if current.is_some() { Outcome::Replaced } else { Outcome::Created };
        Ok(Staged { head, outcome })
    }

    /// Makes staged documents visible, durably, and in the embedded index all at once. Unchanged ones are left as they are.
    ///
    /// # Errors
    /// The store's; then none of them is visible, or in a cluster those that [`Self::visible`] names.
    pub fn publish(&self, scope: &Scope, staged: Vec<Staged>) -> Result<()> {
        let heads: Vec<DocumentHead> =
            staged.into_iter().filter(|s| s.outcome != Outcome::Unchanged).map(|s| s.head).collect();
        if heads.is_empty() {
            return Ok(());
        }
        publish(self.index.as_ref(), scope, heads)
    }

    /// Which documents are visible in the revisions that these heads name: after a publication that failed. Where that can't
    /// be found out, none is said to be; documents that are sent again are found to be the same.
    #[must_use]
    pub fn visible(&self, scope: &Scope, heads: &[DocumentHead]) -> Vec<bool> {
        let look = || {
            let view = self.index.view(scope)?;
            let is = |head: &DocumentHead| {
                let current = view.document(&head.id)?;
                Ok(current
                    .is_some_and(|current| current.revision == head.revision && current.metadata == head.metadata))
            };
            heads.iter().map(is).collect::<Result<_>>()
        };
        look().unwrap_or_else(|e| {
            tracing::warn!("which documents were published is not known: {e}");
            vec![false; heads.len()]
        })
    }

    /// Gives up staged documents that will not be published.
    ///
    /// # Errors
    /// The store's.
    pub fn abandon(&self, scope: &Scope, staged: &[Staged]) -> Result<()> {
        let is_new = |s: &&Staged| matches!(s.outcome, Outcome::Created | Outcome::Replaced);
        let revisions: Vec<Revision> = staged.iter().filter(is_new).map(|s| s.head.revision).collect();
        if revisions.is_empty() { Ok(()) } else { self.index.abandon(scope, &revisions) }
    }
}

/// Writes what was split, with its vectors, under revisions that nobody sees yet.
pub(crate) struct Writer<'a> {
    pub(crate) encoder: &'a dyn Encoder,
    pub(crate) index: &'a dyn Index,
    pub(crate) scope: &'a Scope,
    pub(crate) settings: &'a CollectionSettings,
}

impl Writer<'_> {
    /// Encodes and writes a document's segments, and has its head count them.
    pub(crate) fn write(
        &self,
        head: &mut DocumentHead,
        text: &str,
        segments: &[Segment],
        deadline: &Deadline,
    ) -> Result<()> {
        let title = head.title.clone();
        let vectors = SegmentEncoder {
            encoder: self.encoder,
            block_vectors: self.settings.block_vectors,
            boundaries: self.settings.boundaries,
            priority: Priority::Ingest,
            deadline,
            title: &title,
            text,
            only_labels: only_labels(segments.iter()),
        };
        let mut first = 0;
        for n in (0..segments.len()).step_by(SEGMENTS_PER_BATCH) {
            let stored = vectors.encode(segments, n..(n + SEGMENTS_PER_BATCH).min(segments.len()))?;
            self.index.append(self.scope, head, first, &stored)?;
            first += stored.len() as u32;
        }
        // Semantic boundaries make other segments of the same blocks.
        count(head, segments);
        head.segments = first;
        Ok(())
    }

    /// Writes a document that was split before, split anew.
    pub(crate) fn write_again(
        &self,
        head: &mut DocumentHead,
        stored: &[StoredSegment],
        deadline: &Deadline,
    ) -> Result<()> {
        let text: String = stored.iter().map(|s| s.text.as_str()).collect();
        let before: Vec<Segment> = stored.iter().map(|s| s.segment.clone()).collect();
        let media = MediaType::parse(&head.media_type)?;
        let limits = limits(self.encoder, self.settings.overlap);
        let segments = split::split_again(&text, media, &before, limits, &|s| self.encoder.count_tokens(s));
        self.write(head, &text, &segments, deadline)
    }
}

/// Begins a revision in the collection that has these settings.
pub(crate) fn begin(index: &dyn Index, scope: &Scope, settings: &CollectionSettings) -> Result<Revision> {
    let revision = index.begin(scope)?;
    // Another collection may have got the name since the settings were read; from here on the index would notice.
    if index.view(scope)?.settings() != settings {
        let _ = index.abandon(scope, &[revision]);
        return Err(switched(scope));
    }
    Ok(revision)
}

/// Publishes heads, or gives their revisions up.
pub(crate) fn publish(index: &dyn Index, scope: &Scope, heads: Vec<DocumentHead>) -> Result<()> {
    let revisions: Vec<Revision> = heads.iter().map(|h| h.revision).collect();
    index.publish(scope, heads).inspect_err(|_| {
        // They would be removed at the next start; the first error counts.
        let _ = index.abandon(scope, &revisions);
    })
}

/// Splits and encodes a document without storing it, for requests that bring their own documents.
///
/// # Errors
/// [`crate::error::Error::UnusableDocument`], [`crate::error::Error::LimitExceeded`], the encoder's and the deadline's.
pub fn prepare_inline(
    encoder: &dyn Encoder,
    document: &Document,
    settings: &CollectionSettings,
    deadline: &Deadline,
) -> Result<(DocumentHead, Vec<StoredSegment>)> {
    let source = extract::read(document, document.content.clone())?;
    let mut head = head_of(document, &source);
    let segments = segments_of(encoder, &source, settings.overlap);
    count(&mut head, &segments);
    let vectors = SegmentEncoder {
        encoder,
        block_vectors: settings.block_vectors,
        boundaries: settings.boundaries,
        priority: Priority::Query,
        deadline,
        title: &head.title,
        text: &source.text,
        only_labels: only_labels(segments.iter()),
    };
    let stored = vectors.encode(&segments, 0..segments.len())?;
    head.segments = u32::try_from(stored.len()).unwrap_or(u32::MAX);
    Ok((head, stored))
}

/// A part of a document, split, its segments with a vector for each as a whole.
///
/// # Errors
/// The encoder's and the deadline's.
pub(crate) fn prepare_part(
    encoder: &dyn Encoder,
    title: &str,
    part: &Extracted,
    deadline: &Deadline,
) -> Result<Vec<StoredSegment>> {
    let segments = segments_of(encoder, part, 0);
    of_request(encoder, title, &part.text, only_labels(segments.iter()), deadline).whole(&segments)
}

/// Gives segments of a part the vectors of their blocks.
///
/// # Errors
/// The encoder's and the deadline's.
pub(crate) fn add_block_vectors(
    encoder: &dyn Encoder,
    title: &str,
    segments: &mut [StoredSegment],
    deadline: &Deadline,
) -> Result<()> {
    let labels = only_labels(segments.iter().map(|s| &s.segment));
    of_request(encoder, title, "", labels, deadline).add_blocks(segments)
}

/// How documents are encoded that a request brings.
fn of_request<'a>(
    encoder: &'a dyn Encoder,
    title: &'a str,
    text: &'a str,
    only_labels: bool,
    deadline: &'a Deadline,
) -> SegmentEncoder<'a> {
    let CollectionSettings { block_vectors, boundaries, .. } = settings_for(encoder, BlockVectors::Separate);
    SegmentEncoder { encoder, block_vectors, boundaries, priority: Priority::Query, deadline, title, text, only_labels }
}

/// The head of a document that is not stored yet. What the caller says goes before what the document says
/// of itself.
fn head_of(document: &Document, source: &Extracted) -> DocumentHead {
    let title =
        if document.title.is_empty() { passage::title_of(&document.uri, source) } else { document.title.clone() };
    let mut metadata = source.metadata.clone();
    metadata.extend(document.metadata.clone());
    let mut head = DocumentHead {
        id: document.id.clone(),
        revision: Revision(0),
        uri: document.uri.clone(),
        title,
        media_type: source.media.name().to_owned(),
        metadata,
        content_hash: String::new(),
        bytes: source.text.len() as u64,
        segments: 0,
        blocks: 0,
    };
    head.content_hash = head.hash_content(SPLITTER_VERSION, std::iter::once(source.text.as_str()));
    head
}

fn count(head: &mut DocumentHead, segments: &[Segment]) {
    let saturated = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    head.segments = saturated(segments.len());
    head.blocks = saturated(segments.iter().map(|s| s.blocks.len()).sum());
}

fn only_labels<'s>(segments: impl Iterator<Item = &'s Segment>) -> bool {
    segments.flat_map(|s| &s.blocks).all(|b| b.kind.is_label())
}

/// Longest segment's own text, in tokens.
fn segment_limit(encoder: &dyn Encoder) -> usize {
    encoder.max_tokens() * SEGMENT_SHARE.0 / SEGMENT_SHARE.1
}

fn limits(encoder: &dyn Encoder, overlap: u8) -> Limits {
    let segment = segment_limit(encoder);
    Limits { block: MAX_BLOCK_TOKENS.min(segment), segment, overlap: overlap.into() }
}

pub(crate) fn segments_of(encoder: &dyn Encoder, source: &Extracted, overlap: u8) -> Vec<Segment> {
    split::split(source, limits(encoder, overlap), &|s| encoder.count_tokens(s))
}
