//! What can be read before anybody asks.

use super::Compressor;
use crate::deadline::Deadline;
use crate::error::Result;
use crate::index::{DocumentHead, Scope, SegmentId};
use crate::rank::Who;
use crate::read::Reading;
use crate::runtime::in_parallel;

/// Segments that are taken from the store at a time.
const AT_A_TIME: u32 = 64;

impl Compressor {
    /// Reads a stored document's passages, so that the first question to them costs no more than the second. How many
    /// passages the reader has read: not those that are longer than its window. It keeps as many as it has room for.
    ///
    /// # Errors
    /// [`crate::error::Error::InvalidArgument`] where there is no reader, the reader's and the store's, the deadline's.
    pub fn precompute(&self, scope: &Scope, document: &DocumentHead, deadline: &Deadline) -> Result<u32> {
        let reader = self.readers.of(Who::Language)?.get(deadline)?;
        let view = self.index.view_until(scope, deadline)?;
        let mut kept = 0;
        for first in (0..document.segments).step_by(AT_A_TIME as usize) {
            let last = (first + AT_A_TIME).min(document.segments);
            let ids: Vec<SegmentId> =
                (first..last).map(|ordinal| SegmentId { revision: document.revision, ordinal }).collect();
            let segments = view.segments(&ids)?;
            let keep = |n: usize| {
                let text = segments[n].passage();
                reader.prepare(&Reading { title: &document.title, text, question: "" }, deadline)
            };
            let done = in_parallel(segments.len(), reader.parallelism(), keep)?;
            kept += done.into_iter().map(u32::from).sum::<u32>();
        }
        Ok(kept)
    }
}
