//! A set, encoded once for all systems.

use std::sync::Arc;

use super::data::Set;
use super::passages;
use super::system::System;
use crate::deadline::Deadline;
use crate::document::Document;
use crate::encode::{Encoder, PackedVector, Priority, Vector};
use crate::error::Result;
use crate::index::inline::InlineIndex;
use crate::index::{CollectionSettings, DocumentHead, Filter, StoredSegment};
use crate::ingest;
use crate::runtime;

/// A set with what the systems look at.
pub struct PreparedSet {
    /// Documents and questions.
    pub set: Set,
    /// The documents as they are ingested.
    pub(super) index: InlineIndex,
    /// The same segments by document: what the sentence baselines choose from.
    pub(super) segments: Vec<Vec<Arc<StoredSegment>>>,
    /// Vectors of the encoded blocks of every document, without title and heading.
    pub(super) bare: Vec<Vec<PackedVector>>,
    /// The documents cut into passages: what the passage baselines rank.
    pub(super) passages: InlineIndex,
}

impl PreparedSet {
    /// Splits and encodes the documents, as far as these systems look at them; `progress` hears of every one
    /// that is done, with its bytes.
    ///
    /// # Errors
    /// Those of ingesting a document.
    pub fn new(
        set: Set,
        systems: &[System],
        encoder: &dyn Encoder,
        settings: &CollectionSettings,
        deadline: &Deadline,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Self> {
        let encode = |document: &Document| -> Result<Encoded> {
            let (head, segments) = ingest::prepare_inline(encoder, document, settings, deadline)?;
            let (mut bare, mut passages) = (Vec::new(), Vec::new());
            if systems.contains(&System::Sentence) {
                bare = bare_vectors(encoder, &segments, deadline)?;
            }
            if systems.iter().any(|s| s.ranks_passages()) {
                passages = passages::cut(document, encoder, deadline)?;
            }
            progress(head.bytes);
            Ok(Encoded { head, segments, bare, passages })
        };
        let (mut prepared, mut cut, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for encoded in in_parallel(&set.documents, &encode)? {
            bare.push(encoded.bare);
            cut.push((encoded.head.clone(), encoded.passages));
            prepared.push((encoded.head, encoded.segments));
        }
        let segments = prepared.iter().map(|(_, s)| s.iter().cloned().map(Arc::new).collect()).collect();
        Ok(Self {
            index: InlineIndex::new(settings.clone(), prepared),
            passages: InlineIndex::new(settings.clone(), cut),
            segments,
            bare,
            set,
        })
    }

    /// What an index is restricted to for a question.
    pub(super) fn filter(&self, candidates: Option<&[usize]>) -> Filter {
        match candidates {
            Some(places) => Filter::ids(places.iter().filter_map(|n| self.set.documents.get(*n)).map(|d| d.id.clone())),
            None => Filter::All,
        }
    }
}

/// A document, encoded.
struct Encoded {
    head: DocumentHead,
    segments: Vec<StoredSegment>,
    bare: Vec<PackedVector>,
    passages: Vec<StoredSegment>,
}

/// Applies a function to all things on all cores; the first error ends it.
pub(super) fn in_parallel<T: Sync, R: Send>(things: &[T], work: &(dyn Fn(&T) -> Result<R> + Sync)) -> Result<Vec<R>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    runtime::in_parallel(things.len(), cores, |n| work(&things[n]))
}

/// Vectors of the blocks that have one, encoded without title and heading.
fn bare_vectors(encoder: &dyn Encoder, segments: &[StoredSegment], deadline: &Deadline) -> Result<Vec<PackedVector>> {
    let blocks = segments.iter().flat_map(|s| s.segment.blocks.iter().zip(&s.block_vectors).map(move |b| (s, b)));
    let encoded = blocks.filter(|(_, (_, vector))| vector.is_some());
    let texts: Vec<&str> = encoded.filter_map(|(s, (block, _))| s.slice(block.span)).collect();
    Ok(encoder.encode_passages(&texts, Priority::Ingest, deadline)?.iter().map(Vector::pack).collect())
}
