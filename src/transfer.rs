//! Collections as files: out of one index and into another, with vectors or without.
//!
//! A file is a sequence of frames: the length of a payload (4 bytes, little-endian), the first 8 bytes of its BLAKE3 hash,
//! and the payload, a MessagePack map of one key. The first frame is [`Frame::Collection`]; every document is a
//! [`Frame::Document`] followed by its segments in order, some dozens to a [`Frame::Segments`]; the last is
//! [`Frame::End`]. Neither side holds more than one document, and of one with vectors only some dozens of segments.
//!
//! An import publishes documents whole and skips those that are there already, so one that was cut off goes on when it is
//! run again.

mod reindex;

use std::io::Read;
use std::sync::Arc;

pub use reindex::{Reindexed, reindex};
use serde::{Deserialize, Serialize};

use crate::deadline::Deadline;
use crate::document::{CollectionName, DocumentId};
use crate::encode::{Encoder, PackedVector};
use crate::error::{Error, Result};
use crate::index::{CollectionSettings, DocumentHead, Index, Scope, SegmentId, StoredSegment, View};
use crate::ingest;
use crate::span::Span;

/// Version of the format.
pub const VERSION: u32 = 1;
/// Longest payload, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024 * 1024;
/// Bytes before a payload.
const PREFIX_BYTES: usize = 12;
/// Segments of a frame.
const SEGMENTS: usize = 64;
/// Documents of a page of the listing.
const PAGE: usize = 4096;
/// Looks for documents that are replaced while they are read.
const LOOKS: usize = 8;
/// Pages of segments that are read before anything is said of their document.
const PAGES_HELD: usize = 8;
/// Documents that are published at once.
const PUBLISHED: usize = 64;

/// What a file consists of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// What follows.
    Collection {
        /// [`VERSION`].
        version: u32,
        /// The collection's name.
        name: CollectionName,
        /// How it was split and encoded.
        settings: CollectionSettings,
        /// Whether vectors are there; without them, whoever imports encodes anew.
        vectors: bool,
    },
    /// A document; its revision means nothing elsewhere.
    Document(Box<DocumentHead>),
    /// The next of its segments.
    Segments(Vec<StoredSegment>),
    /// That was all.
    End {
        /// Documents that there were.
        documents: u64,
    },
}

impl Frame {
    /// The frame as it stands in a file.
    fn packed(&self) -> Result<Vec<u8>> {
        let payload = rmp_serde::to_vec_named(self).map_err(|e| Error::store("export", e))?;
        if payload.len() > MAX_FRAME_BYTES {
            let (limit, actual) = (MAX_FRAME_BYTES as u64, payload.len() as u64);
            return Err(Error::LimitExceeded { field: "frame", limit, actual });
        }
        let mut frame = Vec::with_capacity(PREFIX_BYTES + payload.len());
        frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        frame.extend_from_slice(&blake3::hash(&payload).as_bytes()[..8]);
        frame.extend_from_slice(&payload);
        Ok(frame)
    }

    /// The frame of these bytes, which have to be one whole frame.
    fn unpacked(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: &str| Error::invalid("frame", format!("{what}: the file is damaged, or no export"));
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(|| damaged("too short"))?;
        let (hash, payload) = rest.split_first_chunk::<8>().ok_or_else(|| damaged("too short"))?;
        if u32::from_le_bytes(*length) as usize != payload.len() {
            return Err(damaged("of another length than it says"));
        }
        if blake3::hash(payload).as_bytes()[..8] != *hash {
            return Err(damaged("its checksum is wrong"));
        }
        rmp_serde::from_slice(payload).map_err(|e| damaged(&e.to_string()))
    }
}

/// The next frame of a file, as bytes for [`Import::take`]; `None` at the end.
///
/// # Errors
/// [`Error::InvalidArgument`] on `frame` where the file ends inside of it, or is no export; [`Error::Io`].
pub fn next_frame(file: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut frame = vec![0; PREFIX_BYTES];
    let mut read = 0;
    while read < PREFIX_BYTES {
        match file.read(&mut frame[read..]).map_err(Error::io("import"))? {
            0 if read == 0 => return Ok(None),
            0 => return Err(cut_off()),
            n => read += n,
        }
    }
    let length = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(Error::invalid("frame", format!("says it has {length} bytes: the file is damaged, or no export")));
    }
    let copied = file.take(length as u64).read_to_end(&mut frame).map_err(Error::io("import"))?;
    if copied < length { Err(cut_off()) } else { Ok(Some(frame)) }
}

fn cut_off() -> Error {
    Error::invalid("frame", "the file ends in the middle; what was whole is imported, run it again with the whole file")
}

/// Hands over a collection frame by frame, as it is now. Returns how many documents there were. `open` gives a view; it is
/// called again where documents were replaced while they were read, which an embedded index never does to a view.
///
/// # Errors
/// The view's, the deadline's, and those of `each`, which end it.
pub fn export(
    open: &dyn Fn() -> Result<Arc<dyn View>>,
    name: &CollectionName,
    vectors: bool,
    deadline: &Deadline,
    each: &mut dyn FnMut(Vec<u8>) -> Result<()>,
) -> Result<u64> {
    frames(open, name, vectors, &mut |_| Ok(true), deadline, &mut |frame| each(frame.packed()?))
}

/// The frames of the documents that are wanted.
fn frames(
    open: &dyn Fn() -> Result<Arc<dyn View>>,
    name: &CollectionName,
    vectors: bool,
    wanted: &mut dyn FnMut(&DocumentHead) -> Result<bool>,
    deadline: &Deadline,
    each: &mut dyn FnMut(Frame) -> Result<()>,
) -> Result<u64> {
    let view = open()?;
    let settings = view.settings().clone();
    each(Frame::Collection { version: VERSION, name: name.clone(), settings, vectors })?;
    let (mut documents, mut missed) = (0, Vec::new());
    let mut hand_over = |view: &dyn View, head: &DocumentHead, missed: &mut Vec<DocumentId>| {
        if wanted(head)? {
            if document(view, head, vectors, deadline, each)? {
                documents += 1;
            } else {
                missed.push(head.id.clone());
            }
        }
        Ok(())
    };
    each_document(view.as_ref(), &mut |head| hand_over(view.as_ref(), head, &mut missed))?;
    for _ in 0..LOOKS {
        if missed.is_empty() {
            break;
        }
        let view = open()?;
        for id in std::mem::take(&mut missed) {
            view.document(&id)?.map_or(Ok(()), |head| hand_over(view.as_ref(), &head, &mut missed))?;
        }
    }
    if let Some(id) = missed.first() {
        let reason = format!("document {id} is replaced faster than it is read");
        return Err(Error::Unavailable { service: format!("collection {name}"), reason });
    }
    each(Frame::End { documents })?;
    Ok(documents)
}

/// The frames of a document, or none and `false` where it was replaced meanwhile.
fn document(
    view: &dyn View,
    head: &DocumentHead,
    vectors: bool,
    deadline: &Deadline,
    each: &mut dyn FnMut(Frame) -> Result<()>,
) -> Result<bool> {
    let page = |first: u32| {
        deadline.check("export")?;
        let ordinals = first..head.segments.min(first + SEGMENTS as u32);
        let ids: Vec<SegmentId> = ordinals.map(|ordinal| SegmentId { revision: head.revision, ordinal }).collect();
        let stored = view.segments(&ids)?;
        Ok(Frame::Segments(stored.iter().map(|s| if vectors { (**s).clone() } else { bare(s) }).collect()))
    };
    // Some pages are read before anything is said of the document, for most all there are.
    let mut pages = (0..head.segments).step_by(SEGMENTS);
    let held = match pages.by_ref().take(PAGES_HELD).map(page).collect::<Result<Vec<Frame>>>() {
        Err(Error::Unavailable { .. }) => return Ok(false),
        held => held?,
    };
    each(Frame::Document(Box::new(head.clone())))?;
    held.into_iter().try_for_each(&mut *each)?;
    pages.try_for_each(|first| each(page(first)?))?;
    Ok(true)
}

/// Every document in the order of their ids.
fn each_document(view: &dyn View, each: &mut dyn FnMut(&DocumentHead) -> Result<()>) -> Result<()> {
    let mut after = None;
    loop {
        let page = view.documents("", after.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id.clone());
        page.iter().try_for_each(|head| each(head))?;
    }
}

/// A segment without vectors. Which blocks have one is known from their kinds.
fn bare(stored: &StoredSegment) -> StoredSegment {
    let vector = PackedVector { scale: 0.0, values: Vec::new() };
    StoredSegment { vector, block_vectors: Vec::new(), ..stored.clone() }
}

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
    /// Segments that are to be encoded when all are there, because what is encoded reaches over their bounds.
    waiting: Vec<StoredSegment>,
}

impl Import {
    /// An import into a collection, which is made if it is not there. `admit` is asked for every document that is not there
    /// yet; its error ends the import.
    #[must_use]
    pub fn new(encoder: Arc<dyn Encoder>, index: Arc<dyn Index>, scope: Scope, admit: Admit) -> Self {
        let (begun, document, whole, imported) = (None, None, Vec::new(), Imported::default());
        Self { encoder, index, scope, admit, begun, document, whole, seen: 0, imported, ended: false }
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] on `frame` for one that is damaged or out of order, [`Error::FingerprintMismatch`] for
    /// vectors of another encoder, and the encoder's, the deadline's and the store's. What was published stays.
    pub fn take(&mut self, frame: &[u8], deadline: &Deadline) -> Result<()> {
        self.take_frame(Frame::unpacked(frame)?, deadline)
    }

    fn take_frame(&mut self, frame: Frame, deadline: &Deadline) -> Result<()> {
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
        let settings = CollectionSettings { fingerprint: ours.fingerprint, dimension: ours.dimension, ..theirs };
        match self.index.create_collection(&self.scope, &settings) {
            Ok(()) | Err(Error::AlreadyExists { .. }) => {}
            Err(e) => return Err(e),
        }
        let found = self.index.view(&self.scope)?.settings().clone();
        found.check(&self.scope.collection, &settings.fingerprint)?;
        if found != settings {
            let what = "is split or encoded otherwise than the file's; import into another";
            return Err(Error::invalid("collection", format!("{:?} {what}", self.scope.collection.to_string())));
        }
        self.begun = Some(Begun { settings, vectors });
        Ok(())
    }

    fn begin_document(&mut self, mut head: DocumentHead, settings: &CollectionSettings) -> Result<()> {
        self.seen += 1;
        let current = self.index.view(&self.scope)?.document(&head.id)?;
        let is_there = |c: &DocumentHead| c.content_hash == head.content_hash && c.metadata == head.metadata;
        let skipped = current.is_some_and(|current| is_there(&current));
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
        let (title, waiting) = (&taken.head.title, &mut taken.waiting);
        ingest::encode_again(self.encoder.as_ref(), title, &begun.settings, waiting, deadline)?;
        for (first, segments) in (0..).step_by(SEGMENTS).zip(waiting.chunks(SEGMENTS)) {
            self.index.append(&self.scope, &taken.head, first, segments)?;
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

#[cfg(test)]
mod tests;
