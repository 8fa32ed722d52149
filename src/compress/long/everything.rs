//! All of a document, read sentence by sentence as it comes (InfiniRetri).

use crate::deadline::Deadline;
use crate::document::Segment;
use crate::encode::Encoder;
use crate::error::{Error, Result};
use crate::extract::Extracted;
use crate::fit::{self, Budget, Context, Format, Order, Piece, Quote, Source};
use crate::ingest;
use crate::rank::{End, WasRead};
use crate::read::{InfiniRetri, InfiniRetriSettings, Reader};
use crate::span::Span;

/// Reads block after block, and keeps those that the question looks at.
pub(super) struct Everything<'m> {
    infini: InfiniRetri<'m, Block>,
    fingerprint: String,
    segments: u64,
}

/// A block that may be kept.
#[derive(Clone)]
struct Block {
    span: Span,
    text: String,
    /// What stands between it and the one before, where that is of the same segment.
    joined: Option<String>,
    heading: String,
    context: Vec<Quote>,
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
        for (block, read) in segments.iter().flat_map(|segment| blocks(segment, &part.text, at)) {
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
                None => pieces.push(piece(block, kept.score)),
            }
        }
        pieces.sort_by_key(|p| p.span);
        let context = fit::fit(&[source], &pieces, budget, format, Order::Document, deadline)?;
        Ok((context, was_read))
    }
}

/// A segment's blocks that can be kept, with their places in the document, and what is read of each: with what stands
/// between it and the next one.
fn blocks<'s>(segment: &'s Segment, text: &'s str, at: u64) -> impl Iterator<Item = (Block, String)> + 's {
    let heading = segment.heading(text);
    let all = &segment.blocks;
    all.iter().enumerate().filter(|(_, block)| !block.kind.is_label()).map(move |(n, block)| {
        let end = all.get(n + 1).map_or(block.span.end, |next| next.span.start);
        let follows = n.checked_sub(1).and_then(|before| all.get(before)).filter(|before| !before.kind.is_label());
        let slice = |from: u64, to: u64| text.get(from as usize..to as usize).unwrap_or_default().to_owned();
        let quote = |span: Span| Quote { span: span.moved(at), text: slice(span.start, span.end) };
        let kept = Block {
            span: block.span.moved(at),
            text: slice(block.span.start, block.span.end),
            joined: follows.map(|before| slice(before.span.end, block.span.start)),
            heading: heading.clone(),
            context: segment.shown_before(n).map(|c| quote(c.span)).collect(),
        };
        (kept, read_as(slice(block.span.start, end)))
    })
}

/// The last block of a segment does not run into the next one.
fn read_as(mut text: String) -> String {
    if !text.ends_with(char::is_whitespace) {
        text.push('\n');
    }
    text
}

fn piece(block: &Block, score: f32) -> Piece {
    Piece {
        source: 0,
        span: block.span,
        text: block.text.clone(),
        joined: block.joined.clone(),
        heading: block.heading.clone(),
        place: String::new(),
        context: block.context.clone(),
        score,
        first: false,
        repeats: Vec::new(),
    }
}
