//! Vectors for a batch of segments: one for the whole, one per block.

use std::ops::Range;

use super::passage::Prefix;
use crate::deadline::Deadline;
use crate::document::{BlockKind, Segment};
use crate::encode::{Encoder, PackedVector, Priority};
use crate::error::{Error, Result};
use crate::index::{BlockVectors, StoredSegment};
use crate::span::Span;

/// How the segments of one document are encoded.
pub(super) struct SegmentEncoder<'a> {
    pub(super) encoder: &'a dyn Encoder,
    pub(super) block_vectors: BlockVectors,
    pub(super) priority: Priority,
    pub(super) deadline: &'a Deadline,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    /// The document has nothing but headings, so they are what can be kept.
    pub(super) only_headings: bool,
}

impl SegmentEncoder<'_> {
    /// The segments of a range, ready to be stored.
    pub(super) fn encode(&self, segments: &[Segment], range: Range<usize>) -> Result<Vec<StoredSegment>> {
        let mut stored: Vec<StoredSegment> = range.map(|n| without_vectors(self.text, segments, n)).collect();
        match self.block_vectors {
            BlockVectors::Separate => self.separate(&mut stored)?,
            BlockVectors::Pooled => self.pooled(&mut stored)?,
        }
        Ok(stored)
    }

    fn separate(&self, stored: &mut [StoredSegment]) -> Result<()> {
        let mut texts = Vec::new();
        for s in &*stored {
            let prefix = Prefix::new(self.title, &s.heading);
            let spans = std::iter::once(s.segment.span()).chain(self.encoded_blocks(&s.segment));
            texts.extend(spans.map(|span| prefix.before(s.slice(span).unwrap_or_default())));
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encoded = self.encoder.encode_passages(&texts, self.priority, self.deadline)?;
        let mut encoded = encoded.into_iter().map(|v| v.pack());
        for s in stored {
            s.vector = encoded.next().ok_or_else(too_few)?;
            s.block_vectors = self.per_block(&s.segment, &mut encoded)?;
        }
        Ok(())
    }

    /// Whether a block gets a vector. Headings travel with the blocks below them; alone they only say what
    /// those are about.
    fn is_encoded(&self, kind: BlockKind) -> bool {
        kind != BlockKind::Heading || self.only_headings
    }

    fn encoded_blocks<'s>(&'s self, segment: &'s Segment) -> impl Iterator<Item = Span> + 's {
        segment.blocks.iter().filter(|b| self.is_encoded(b.kind)).map(|b| b.span)
    }

    fn per_block(
        &self,
        segment: &Segment,
        vectors: &mut impl Iterator<Item = PackedVector>,
    ) -> Result<Vec<Option<PackedVector>>> {
        let vector = |kind| if self.is_encoded(kind) { vectors.next().ok_or_else(too_few).map(Some) } else { Ok(None) };
        segment.blocks.iter().map(|b| b.kind).map(vector).collect()
    }

    fn pooled(&self, stored: &mut [StoredSegment]) -> Result<()> {
        for s in stored {
            let whole = s.segment.span();
            let text = Prefix::new(self.title, &s.heading).before(s.slice(whole).unwrap_or_default());
            let shift = text.len() - whole.len();
            let place = |at: u64| (at - whole.start) as usize + shift;
            let ranges: Vec<_> = self.encoded_blocks(&s.segment).map(|b| place(b.start)..place(b.end)).collect();
            let (vector, blocks) = self.encoder.encode_pooled(&text, &ranges, self.priority, self.deadline)?;
            s.vector = vector.pack();
            s.block_vectors = self.per_block(&s.segment, &mut blocks.into_iter().map(|v| v.pack()))?;
        }
        Ok(())
    }
}

/// A segment with its text: from its first block to the start of the next segment, ends of the document
/// included.
fn without_vectors(text: &str, segments: &[Segment], n: usize) -> StoredSegment {
    let segment = &segments[n];
    let start = if n == 0 { 0 } else { segment.span().start as usize };
    let end = segments.get(n + 1).map_or(text.len(), |next| next.span().start as usize);
    StoredSegment {
        segment: segment.clone(),
        heading: segment.heading(text),
        covered: Span::new(start, end),
        text: text[start..end].to_owned(),
        vector: PackedVector { scale: 0.0, values: Vec::new() },
        block_vectors: Vec::new(),
    }
}

fn too_few() -> Error {
    Error::Encoder("the encoder gave fewer vectors than texts".into())
}
