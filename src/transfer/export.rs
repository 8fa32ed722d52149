//! Out of an index: a collection as frames.

use std::sync::Arc;

use super::{Frame, SEGMENTS, VERSION};
use crate::deadline::Deadline;
use crate::document::{CollectionName, DocumentId};
use crate::encode::PackedVector;
use crate::error::{Error, Result};
use crate::index::{DocumentHead, SegmentId, StoredSegment, View};

/// Documents of a page of the listing.
const PAGE: usize = 4096;
/// Looks for documents that are replaced while they are read.
pub(super) const LOOKS: usize = 8;
/// Pages of segments that are read before anything is said of their document.
const PAGES_HELD: usize = 8;

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
pub(super) fn frames(
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

/// Every document, in the order of the listing.
pub(super) fn each_document(view: &dyn View, each: &mut dyn FnMut(&DocumentHead) -> Result<()>) -> Result<()> {
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
