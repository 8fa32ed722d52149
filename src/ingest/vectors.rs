//! Vectors for a batch of segments: one for the whole, one per block.

use std::ops::Range;

use super::passage::Prefix;
use crate::deadline::Deadline;
use crate::document::{BlockKind, ContextKind, Segment, label};
use crate::encode::{Encoder, PackedVector, Priority};
use crate::error::{Error, Result};
use crate::index::{BlockVectors, Boundaries, StoredSegment};
use crate::span::Span;
use crate::split::semantic;

/// How the segments of one document are encoded.
pub(super) struct SegmentEncoder<'a> {
    pub(super) encoder: &'a dyn Encoder,
    pub(super) block_vectors: BlockVectors,
    pub(super) boundaries: Boundaries,
    pub(super) priority: Priority,
    pub(super) deadline: &'a Deadline,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    /// The document has nothing but labels, so they are what can be kept.
    pub(super) only_labels: bool,
}

impl SegmentEncoder<'_> {
    /// The segments of a range, ready to be stored.
    pub(super) fn encode(&self, segments: &[Segment], range: Range<usize>) -> Result<Vec<StoredSegment>> {
        let end = segments.get(range.end).map_or(self.text.len(), |next| next.span().start as usize);
        let start = if range.start == 0 { 0 } else { segments[range.start].span().start as usize };
        if self.boundaries == Boundaries::Semantic {
            return self.semantic(&segments[range], start, end);
        }
        let mut stored = self.without_vectors(&segments[range], start, end);
        self.add_all(&mut stored)?;
        Ok(stored)
    }

    /// Gives segments all their vectors, within the bounds that they have.
    pub(super) fn add_all(&self, stored: &mut [StoredSegment]) -> Result<()> {
        match self.block_vectors {
            BlockVectors::Separate => self.separate(stored),
            BlockVectors::Pooled => self.pooled(stored),
        }
    }

    /// Segments with their text: each from its first block to the start of the next one, so that together
    /// they hold everything from `start` to `end`.
    fn without_vectors(&self, segments: &[Segment], start: usize, end: usize) -> Vec<StoredSegment> {
        let begin = |n: usize| if n == 0 { start } else { segments[n].span().start as usize };
        let stop = |n: usize| segments.get(n + 1).map_or(end, |next| next.span().start as usize);
        let all = segments.iter().enumerate();
        all.map(|(n, segment)| without_vectors(self.text, segment, Span::new(begin(n), stop(n)))).collect()
    }

    /// The segments with a vector for each as a whole, and none for their blocks.
    pub(super) fn whole(&self, segments: &[Segment]) -> Result<Vec<StoredSegment>> {
        let mut stored = self.without_vectors(segments, 0, self.text.len());
        self.add_wholes(&mut stored)?;
        Ok(stored)
    }

    fn add_wholes(&self, stored: &mut [StoredSegment]) -> Result<()> {
        let texts: Vec<String> = stored.iter().map(|s| self.passage(s)).collect();
        let mut encoded = self.vectors(&texts)?.into_iter();
        for s in stored {
            s.vector = encoded.next().ok_or_else(too_few)?;
        }
        Ok(())
    }

    /// Gives segments the vectors of their blocks.
    pub(super) fn add_blocks(&self, stored: &mut [StoredSegment]) -> Result<()> {
        let texts: Vec<String> = stored.iter().flat_map(|s| self.blocks(s)).collect();
        let mut encoded = self.vectors(&texts)?.into_iter();
        for s in stored {
            s.block_vectors = self.per_block(&s.segment, &mut encoded)?;
        }
        Ok(())
    }

    fn separate(&self, stored: &mut [StoredSegment]) -> Result<()> {
        let mut texts = Vec::new();
        for s in &*stored {
            texts.push(self.passage(s));
            texts.extend(self.blocks(s));
        }
        let mut encoded = self.vectors(&texts)?.into_iter();
        for s in stored {
            s.vector = encoded.next().ok_or_else(too_few)?;
            s.block_vectors = self.per_block(&s.segment, &mut encoded)?;
        }
        Ok(())
    }

    /// Blocks first, then segments that end where neighbouring blocks have least in common.
    fn semantic(&self, segments: &[Segment], start: usize, end: usize) -> Result<Vec<StoredSegment>> {
        let before = self.without_vectors(segments, start, end);
        let texts: Vec<String> = before.iter().flat_map(|s| self.blocks(s)).collect();
        let mut encoded = self.vectors(&texts)?.into_iter();
        let mut vectors = Vec::new();
        for s in &before {
            vectors.extend(self.per_block(&s.segment, &mut encoded)?);
        }
        let blocks = || segments.iter().flat_map(|s| &s.blocks);
        let tokens: Vec<usize> =
            blocks().map(|b| self.encoder.count_tokens(b.span.slice(self.text).unwrap_or_default())).collect();
        let alike = |pair: &[Option<PackedVector>]| match pair {
            [Some(one), Some(other)] => one.cosine(other),
            // A label goes with what follows it.
            [None, _] => 1.0,
            _ => 0.0,
        };
        let similarity: Vec<f32> = vectors.windows(2).map(alike).collect();
        let recut = semantic::recut(segments, &tokens, &similarity, super::segment_limit(self.encoder));
        let mut stored = self.without_vectors(&recut, start, end);
        self.add_wholes(&mut stored)?;
        let mut vectors = vectors.into_iter();
        for s in &mut stored {
            s.block_vectors = vectors.by_ref().take(s.segment.blocks.len()).collect();
        }
        Ok(stored)
    }

    fn vectors(&self, texts: &[String]) -> Result<Vec<PackedVector>> {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let encoded = self.encoder.encode_passages(&texts, self.priority, self.deadline)?;
        Ok(encoded.into_iter().map(|v| v.pack()).collect())
    }

    /// What the encoder reads of a whole segment.
    fn passage(&self, s: &StoredSegment) -> String {
        let span = s.segment.lead.map_or(s.segment.span(), |lead| lead.cover(s.segment.span()));
        Prefix::new(self.title, &s.heading).before(span.slice(self.text).unwrap_or_default())
    }

    /// What the encoder reads of its blocks.
    fn blocks(&self, s: &StoredSegment) -> Vec<String> {
        let one = |n: usize| {
            let block = s.slice(s.segment.blocks[n].span).unwrap_or_default();
            Prefix::new(self.title, &heading_of(s, n)).before(block)
        };
        self.encoded_blocks(&s.segment).map(one).collect()
    }

    /// Whether a block gets a vector. Labels travel with the blocks that they are about; alone they say
    /// nothing.
    fn is_encoded(&self, kind: BlockKind) -> bool {
        !kind.is_label() || self.only_labels
    }

    fn encoded_blocks<'s>(&'s self, segment: &'s Segment) -> impl Iterator<Item = usize> + 's {
        (0..segment.blocks.len()).filter(|n| self.is_encoded(segment.blocks[*n].kind))
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
            let spans = self.encoded_blocks(&s.segment).map(|n| s.segment.blocks[n].span);
            let ranges: Vec<_> = spans.map(|b| place(b.start)..place(b.end)).collect();
            let (vector, blocks) = self.encoder.encode_pooled(&text, &ranges, self.priority, self.deadline)?;
            s.vector = vector.pack();
            s.block_vectors = self.per_block(&s.segment, &mut blocks.into_iter().map(|v| v.pack()))?;
        }
        Ok(())
    }
}

/// The heading path of a block, with the header of its table or the lead-in of its list. Signatures are
/// left out: the path names the declaration already.
fn heading_of(stored: &StoredSegment, n: usize) -> String {
    let mut heading = stored.heading.clone();
    let shown = stored.segment.shown_before(n).filter(|c| c.kind != ContextKind::Signature);
    for context in shown {
        if !heading.is_empty() {
            heading.push_str(" > ");
        }
        heading.push_str(&label(stored.slice(context.span).unwrap_or_default()));
    }
    heading
}

/// A segment with the text that it covers.
fn without_vectors(text: &str, segment: &Segment, covered: Span) -> StoredSegment {
    let far = segment.context.iter().filter(|c| c.kind.is_shown() && !covered.contains(c.span));
    let mut far: Vec<(Span, String)> =
        far.map(|c| (c.span, c.span.slice(text).unwrap_or_default().to_owned())).collect();
    far.dedup();
    StoredSegment {
        segment: segment.clone(),
        heading: segment.heading(text),
        far,
        covered,
        lead: segment.lead.and_then(|lead| lead.slice(text)).unwrap_or_default().to_owned(),
        text: text[covered.range()].to_owned(),
        vector: PackedVector { scale: 0.0, values: Vec::new() },
        block_vectors: Vec::new(),
    }
}

fn too_few() -> Error {
    Error::Encoder("the encoder gave fewer vectors than texts".into())
}
