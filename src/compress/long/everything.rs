//! All of a document, read sentence by sentence as it comes (InfiniRetri).

use super::super::unranked::{self, Block};
use crate::deadline::Deadline;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::extract::Extracted;
use crate::fit::{self, Budget, Context, Format, Order, Piece, Source};
use crate::ingest;
use crate::rank::{End, WasRead};
use crate::read::{InfiniRetri, InfiniRetriSettings, Reader};

/// Reads block after block, and keeps those that the question looks at.
pub(super) struct Everything<'m> {
    infini: InfiniRetri<'m, Block>,
    fingerprint: String,
    segments: u64,
}

impl<'m> Everything<'m> {
    pub(super) fn new(reader: &'m dyn Reader, title: &str, query: &str, how: InfiniRetriSettings) -> Result<Self> {
        let infini = InfiniRetri::new(reader, title, query, how)?;
        Ok(Self { infini, fingerprint: reader.fingerprint().to_string(), segments: 0 })
    }

    /// Segments so far.
    pub(super) fn segments(&self) -> u64 {
        self.segments
    }

    /// Tokens that were read so far.
    pub(super) fn tokens_read(&self) -> u64 {
        self.infini.tokens_read() as u64
    }

    /// Reads the part of the document that begins at byte `at`.
    pub(super) fn take(&mut self, encoder: &dyn Encoder, part: &Extracted, at: u64, deadline: &Deadline) -> Result<()> {
        let segments = ingest::segments_of(encoder, part, 0);
        self.segments += segments.len() as u64;
        for (block, end) in segments.iter().flat_map(|segment| unranked::blocks(segment, &part.text, at)) {
            let from = (block.span.start - at) as usize;
            let read = read_as(part.text.get(from..end as usize).unwrap_or_default().to_owned());
            self.infini.push(&read, block, deadline)?;
        }
        Ok(())
    }

    /// The context. Where the deadline comes near, what was kept until then counts.
    pub(super) fn finish(
        mut self,
        source: Source,
        (budget, format): (&Budget, Format),
        deadline: &Deadline,
    ) -> Result<(Context, WasRead)> {
        let mut was_read = WasRead { end: End::Done, fingerprint: self.fingerprint, ..WasRead::default() };
        match self.infini.finish(&deadline.reserving(crate::rank::RESERVE)) {
            Ok(()) => {}
            Err(Error::DeadlineExceeded { .. }) => was_read.end = End::Deadline,
            Err(e) => return Err(e),
        }
        was_read.passages = usize::try_from(self.segments).unwrap_or(usize::MAX);
        was_read.tokens = self.infini.tokens_read();
        let mut pieces: Vec<Piece> = Vec::new();
        for kept in self.infini.kept() {
            let block = &kept.what;
            match pieces.last_mut().filter(|p| p.span == block.span) {
                // Parts of one long block.
                Some(piece) => piece.score = piece.score.max(kept.score),
                None => pieces.push(block.piece(0, kept.score)),
            }
        }
        pieces.sort_by_key(|p| p.span);
        let context = fit::fit(&[source], &pieces, budget, format, Order::Document, deadline)?;
        Ok((context, was_read))
    }
}

/// The last block of a segment does not run into the next one.
fn read_as(mut text: String) -> String {
    if !text.ends_with(char::is_whitespace) {
        text.push('\n');
    }
    text
}
