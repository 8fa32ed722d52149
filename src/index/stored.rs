//! What is kept of a document: its head, and its segments with text and vectors.

use serde::{Deserialize, Serialize};

use crate::document::{DocumentId, Metadata, Revision, Segment};
use crate::encode::PackedVector;
use crate::span::Span;

/// What is kept of a document beside its segments: its current revision and what filters see.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocumentHead {
    /// The caller's id.
    pub id: DocumentId,
    /// The revision that readers see.
    pub revision: Revision,
    /// Where it came from.
    pub uri: String,
    /// Its title.
    pub title: String,
    /// Its media type.
    pub media_type: String,
    /// Its metadata.
    pub metadata: Metadata,
    /// BLAKE3 of text, title, uri and media type: what decides whether a document has changed.
    pub content_hash: String,
    /// Bytes of its text.
    pub bytes: u64,
    /// Its segments.
    pub segments: u32,
    /// Its blocks.
    pub blocks: u32,
}

impl DocumentHead {
    /// What [`Self::content_hash`] is of a document with this text, which comes in parts: BLAKE3 of the version of the
    /// splitting rules, so that the same text is split again when that has changed, and of text, title, uri and media type,
    /// each after its length.
    #[must_use]
    pub fn hash_content<'t>(&self, splitter: u32, text: impl Iterator<Item = &'t str>) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&splitter.to_le_bytes()).update(&self.bytes.to_le_bytes());
        text.for_each(|part| _ = hasher.update(part.as_bytes()));
        for part in [&self.title, &self.uri, &self.media_type] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The same, so that an ingest of the same content replaces what is stored.
    pub(super) fn outdated(self) -> Self {
        Self { content_hash: String::new(), ..self }
    }

    /// The same text and revision with what another head says beside it.
    pub(super) fn with_metadata_of(&self, other: &Self) -> Self {
        Self { metadata: other.metadata.clone(), ..self.clone() }
    }

    /// Whether another head is of the same content with the same metadata: then there is nothing to write.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.content_hash == other.content_hash && self.metadata == other.metadata
    }

    /// What citations show: the uri, or the id where there is none.
    #[must_use]
    pub fn source(&self) -> &str {
        if self.uri.is_empty() { self.id.as_str() } else { &self.uri }
    }
}

/// A segment of a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// The revision.
    pub revision: Revision,
    /// Its place among the revision's segments, from 0.
    pub ordinal: u32,
}

/// A segment with its text and vectors, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredSegment {
    /// Blocks and context.
    pub segment: Segment,
    /// The heading path or scope, as one line.
    pub heading: String,
    /// Text of the blocks before that are searched with this segment; empty where segments do not overlap.
    pub lead: String,
    /// Context spans that stand outside of `covered`, with their text.
    pub far: Vec<(Span, String)>,
    /// The bytes of the document that `text` holds: from the end of the segment before to the start of
    /// the next one, so that all of them together are the document.
    pub covered: Span,
    /// The text of `covered`.
    pub text: String,
    /// The vector of the whole segment.
    pub vector: PackedVector,
    /// One vector per block; empty for a block that is only shown with its neighbours (a heading).
    pub block_vectors: Vec<Option<PackedVector>>,
}

impl StoredSegment {
    /// The text of its own blocks.
    #[must_use]
    pub fn passage(&self) -> &str {
        self.slice(self.segment.span()).unwrap_or_default()
    }

    /// What is searched by terms: title, heading path, text.
    #[must_use]
    pub fn searched(&self, title: &str) -> String {
        format!("{title}\n{}\n{}\n{}", self.heading, self.lead, self.text)
    }

    /// The same in a document of which its own is a part that begins so many bytes further on.
    #[must_use]
    pub(crate) fn moved(mut self, by: u64) -> Self {
        self.segment = self.segment.moved(by);
        self.far.iter_mut().for_each(|(span, _)| *span = span.moved(by));
        self.covered = self.covered.moved(by);
        self
    }

    /// The slice of the document at `span`, if this segment holds all of it.
    #[must_use]
    pub fn slice(&self, span: Span) -> Option<&str> {
        if let Some((_, text)) = self.far.iter().find(|(far, _)| *far == span) {
            return Some(text);
        }
        let start = span.start.checked_sub(self.covered.start)? as usize;
        self.text.get(start..start + span.len())
    }
}
