//! Into an index: frames, which may come from anybody.

use std::sync::Arc;

use super::{Frame, VERSION, cut_off};
use crate::deadline::Deadline;
use crate::encode::{Encoder, PackedVector};
use crate::error::{Error, Result};
use crate::index::{CollectionSettings, DocumentHead, Index, Scope, Splitting, StoredSegment};
use crate::ingest::{self, Writer};
use crate::span::Span;

/// Documents that are published at once.
const PUBLISHED: usize = 64;

/// Whether a segment is one that an ingest could have made, beginning at this byte: a file may come from anybody, and what
/// searches and cites relies on it.
fn is_sound(stored: &StoredSegment, from: u64, head: &DocumentHead, dimension: Option<usize>) -> bool {
    let (segment, covered) = (&stored.segment, stored.covered);
    let blocks = segment.blocks.iter().map(|b| b.span);
    let shown =
        segment.context.iter().map(|c| c.span).chain(segment.lead).chain(stored.far.iter().map(|(span, _)| *span));
    let in_document = |span: Span| span.start <= span.end && span.end <= head.bytes;
    if !blocks.clone().chain(shown).chain([covered]).all(in_document) || segment.blocks.is_empty() {
        return false;
    }
    let is_text = |span: Span| !span.is_empty() && covered.contains(span) && stored.slice(span).is_some();
    let in_order = blocks.clone().zip(blocks.clone().skip(1)).all(|(one, next)| one.end <= next.start);
    let has_text = covered.start == from
        && covered.len() == stored.text.len()
        && stored.far.iter().all(|(span, text)| span.len() == text.len());
    let is_vector = |vector: &PackedVector, d: usize| vector.values.len() == d && vector.scale.is_finite();
    let has_vectors = dimension.is_none_or(|d| {
        let of_blocks = &stored.block_vectors;
        is_vector(&stored.vector, d)
            && of_blocks.len() == segment.blocks.len()
            && of_blocks.iter().flatten().all(|vector| is_vector(vector, d))
    });
    has_text && in_order && has_vectors && blocks.clone().all(is_text)
}

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Documents that were not there, or were other ones.
    pub written: u64,
    /// Documents that were there already.
    pub unchanged: u64,
}

/// Says whether a document may come in.
pub type Admit = Box<dyn FnMut(&DocumentHead) -> Result<()> + Send>;

/// Takes frames into a collection.
pub struct Import {
    encoder: Arc<dyn Encoder>,
    index: Arc<dyn Index>,
    scope: Scope,
    admit: Admit,
    /// Known from the first frame on.
    begun: Option<Begun>,
    splitting: Splitting,
    document: Option<Taken>,
    whole: Vec<DocumentHead>,
    seen: u64,
    imported: Imported,
    ended: bool,
}

struct Begun {
    settings: CollectionSettings,
    vectors: bool,
}

/// A document whose segments come in.
struct Taken {
    head: DocumentHead,
    /// It is there already.
    skipped: bool,
    segments: u32,
    /// Where the last segment ended.
    end: u64,
    /// Segments of a text that is to be split anew and encoded when all of it is there.
    waiting: Vec<StoredSegment>,
}

impl Import {
    /// An import into a collection, which is made if it is not there. What comes with vectors is taken as it is; what comes
    /// without is split anew, for this encoder, and encoded. `admit` is asked for every document that is not there yet; its
    /// error ends the import.
    #[must_use]
    pub fn new(encoder: Arc<dyn Encoder>, index: Arc<dyn Index>, scope: Scope, admit: Admit) -> Self {
        let (begun, document, whole, imported) = (None, None, Vec::new(), Imported::default());
        let splitting = Splitting::default();
        Self { encoder, index, scope, admit, begun, splitting, document, whole, seen: 0, imported, ended: false }
    }

    /// The same, with texts that come without vectors split otherwise than they were.
    #[must_use]
    pub fn split(self, splitting: Splitting) -> Self {
        Self { splitting, ..self }
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on `frame` for one that is damaged or out of order, [`Error::FingerprintMismatch`] for
    /// vectors of another encoder, and the encoder's, the deadline's and the store's. What was published stays.
    pub fn take(&mut self, frame: &[u8], deadline: &Deadline) -> Result<()> {
        self.take_frame(Frame::unpacked(frame)?, deadline)
    }

    pub(super) fn take_frame(&mut self, frame: Frame, deadline: &Deadline) -> Result<()> {
        let wrong = |what: &str| Error::invalid("frame", format!("{what} is out of order"));
        match (frame, &self.begun) {
            (_, _) if self.ended => Err(wrong("what stands after the end")),
            (Frame::Collection { version, settings, vectors, .. }, None) => self.begin(version, settings, vectors),
            (Frame::Collection { .. }, Some(_)) => Err(wrong("a second collection")),
            (_, None) => Err(wrong("what stands before the collection")),
            (Frame::Document(head), Some(begun)) => {
                let settings = begun.settings.clone();
                self.end_document(deadline)?;
                self.begin_document(*head, &settings)
            }
            (Frame::Segments(segments), Some(_)) => self.take_segments(segments),
            (Frame::End { documents }, Some(_)) => {
                self.end_document(deadline)?;
                if documents != self.seen {
                    return Err(wrong(&format!("the end of {documents} documents after {}", self.seen)));
                }
                self.publish()?;
                self.ended = true;
                Ok(())
            }
        }
    }

    /// What was done, once all has come.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where the last frame is missing.
    pub fn finish(self) -> Result<Imported> {
        if self.ended { Ok(self.imported) } else { Err(cut_off()) }
    }

    /// Publishes what is whole and gives up what is not.
    ///
    /// # Errors
    /// The store's.
    pub fn give_up(mut self) -> Result<()> {
        self.publish()?;
        let half = self.document.take().filter(|taken| !taken.skipped);
        half.map_or(Ok(()), |taken| self.index.abandon(&self.scope, &[taken.head.revision]))
    }

    fn begin(&mut self, version: u32, theirs: CollectionSettings, vectors: bool) -> Result<()> {
        if version != VERSION {
            return Err(Error::invalid("frame", format!("is of version {version}; this reads version {VERSION}")));
        }
        let ours = ingest::settings_for(self.encoder.as_ref(), theirs.block_vectors);
        if vectors {
            theirs.check(&self.scope.collection, &ours.fingerprint)?;
        }
        let mut settings = if vectors {
            CollectionSettings { dimension: ours.dimension, in_place_of: None, ..theirs }
        } else {
            let CollectionSettings { block_vectors, boundaries, overlap, .. } = theirs.split(self.splitting)?;
            CollectionSettings { block_vectors, boundaries, overlap, ..ours }
        };
        match self.index.create_collection(&self.scope, &settings) {
            Ok(()) | Err(Error::AlreadyExists { .. }) => {}
            Err(e) => return Err(e),
        }
        let found = self.index.view(&self.scope)?.settings().clone();
        found.check(&self.scope.collection, &settings.fingerprint)?;
        settings.in_place_of.clone_from(&found.in_place_of);
        if found != settings {
            let what = "is split or encoded otherwise than the file's; import into another";
            return Err(Error::invalid("collection", format!("{:?} {what}", self.scope.collection.to_string())));
        }
        self.begun = Some(Begun { settings, vectors });
        Ok(())
    }

    fn begin_document(&mut self, mut head: DocumentHead, settings: &CollectionSettings) -> Result<()> {
        self.seen += 1;
        self.index.catch_up(&self.scope)?;
        let current = self.index.view(&self.scope)?.document(&head.id)?;
        let skipped = current.is_some_and(|current| current.says_the_same(&head));
        if skipped {
            self.imported.unchanged += 1;
        } else {
            (self.admit)(&head)?;
            head.revision = ingest::begin(self.index.as_ref(), &self.scope, settings)?;
        }
        self.document = Some(Taken { head, skipped, segments: 0, end: 0, waiting: Vec::new() });
        Ok(())
    }

    fn take_segments(&mut self, segments: Vec<StoredSegment>) -> Result<()> {
        let (Some(taken), Some(begun)) = (&mut self.document, &self.begun) else {
            return Err(Error::invalid("frame", "segments of no document are out of order"));
        };
        let first = taken.segments;
        taken.segments = first.saturating_add(u32::try_from(segments.len()).unwrap_or(u32::MAX));
        if taken.skipped {
            return Ok(());
        }
        let dimension = begun.vectors.then_some(begun.settings.dimension);
        for stored in &segments {
            if !is_sound(stored, taken.end, &taken.head, dimension) {
                let (id, at) = (taken.head.id.as_str(), taken.end);
                return Err(Error::invalid(
                    "frame",
                    format!("the segment of document {id:?} at byte {at} is no segment"),
                ));
            }
            taken.end = stored.covered.end;
        }
        if begun.vectors {
            return self.index.append(&self.scope, &taken.head, first, &segments);
        }
        taken.waiting.extend(segments);
        Ok(())
    }

    /// What came of a document is all of it.
    fn end_document(&mut self, deadline: &Deadline) -> Result<()> {
        // It stays where it is until all went well, so that it can be given up.
        let (Some(taken), Some(begun)) = (&mut self.document, &self.begun) else { return Ok(()) };
        if taken.segments != taken.head.segments {
            let (id, has, wants) = (taken.head.id.as_str(), taken.segments, taken.head.segments);
            return Err(Error::invalid("frame", format!("document {id:?} has {has} of {wants} segments")));
        }
        if taken.skipped {
            self.document = None;
            return Ok(());
        }
        if taken.end != taken.head.bytes && taken.segments > 0 {
            let (id, has, wants) = (taken.head.id.as_str(), taken.end, taken.head.bytes);
            return Err(Error::invalid("frame", format!("document {id:?} has {has} of {wants} bytes")));
        }
        if !begun.vectors {
            let (encoder, index, settings) = (self.encoder.as_ref(), self.index.as_ref(), &begun.settings);
            let writer = Writer { encoder, index, scope: &self.scope, settings };
            writer.write_again(&mut taken.head, &taken.waiting, deadline)?;
        }
        self.whole.extend(self.document.take().map(|taken| taken.head));
        if self.whole.len() >= PUBLISHED { self.publish() } else { Ok(()) }
    }

    fn publish(&mut self) -> Result<()> {
        if !self.whole.is_empty() {
            let written = self.whole.len() as u64;
            ingest::publish(self.index.as_ref(), &self.scope, std::mem::take(&mut self.whole))?;
            self.imported.written += written;
        }
        Ok(())
    }
}
