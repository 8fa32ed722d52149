//! A document of any length, piece by piece, in bounded memory: split as it comes, read by InfiniRetri.
//!
//! Most of a long text has nothing to do with the question. Its segments are compared with it as they come, by vector and
//! by terms, and only the best of them are read at the end, in their own order. With `everything`, all of the text is read
//! as it comes: for questions whose words say nothing about the answer's.

use super::{check_query, check_read_passages};
use crate::deadline::Deadline;
use crate::document::Segment;
use crate::encode::{Encoder, Priority, Vector};
use crate::error::{Error, Result};
use crate::extract::{Extracted, MediaType};
use crate::fit::{self, Budget, Context, Format, Order, Piece, Quote, Source};
use crate::index::terms::{self, Language};
use crate::ingest;
use crate::rank::{End, WasRead};
use crate::read::{InfiniRetri, InfiniRetriSettings, Reader};
use crate::span::Span;

/// The text is split in parts of about so many bytes, at blank lines where there are some.
const PART_BYTES: usize = 256 * 1024;
/// Segments that are read, unless the request says otherwise.
const READ_SEGMENTS: usize = 64;

/// What is asked of a long document.
#[derive(Clone)]
pub struct LongRequest {
    /// The question.
    pub query: String,
    /// The document's id, for citing.
    pub document_id: String,
    /// Its uri, for citing.
    pub uri: String,
    /// Its title; read before every segment.
    pub title: String,
    /// What the text is; of types that are text, not files.
    pub media: MediaType,
    /// How much may come out.
    pub budget: Budget,
    /// How it is written.
    pub format: Format,
    /// How it is read.
    pub how: InfiniRetriSettings,
    /// Most segments that are read; 64 where `None`.
    pub passages: Option<usize>,
    /// All of the text is read.
    pub everything: bool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the document that were taken in.
    pub bytes: u64,
    /// Segments among them.
    pub segments: u64,
    /// Tokens that were read so far.
    pub tokens_read: u64,
}

/// A block that may be kept.
#[derive(Clone)]
struct Block {
    span: Span,
    text: String,
    /// With what stands between it and the next one.
    read: String,
    /// What stands between it and the one before, where that is of the same segment.
    joined: Option<String>,
    heading: String,
    context: Vec<Quote>,
}

/// A segment that may be read.
struct Promising {
    at: u64,
    score: f32,
    blocks: Vec<Block>,
}

/// Takes a document in, and answers from it.
pub struct LongText<'m> {
    request: LongRequest,
    encoder: &'m dyn Encoder,
    infini: InfiniRetri<'m, Block>,
    vector: Vector,
    terms: Vec<String>,
    /// Bytes that were not split yet, and their place in the document.
    buffer: Vec<u8>,
    at: u64,
    /// The best segments by vector, and by terms.
    near: Vec<Promising>,
    named: Vec<Promising>,
    progress: Progress,
}

impl<'m> LongText<'m> {
    /// Begins with a document.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] and [`Error::LimitExceeded`] for the request, the encoder's, the reader's.
    pub fn new(
        request: LongRequest,
        encoder: &'m dyn Encoder,
        reader: &'m dyn Reader,
        deadline: &Deadline,
    ) -> Result<Self> {
        check_query(&request.query)?;
        check_read_passages(request.passages)?;
        let infini = InfiniRetri::new(reader, &request.title, &request.query, request.how)?;
        let vector = encoder.encode_query(&request.query, deadline)?;
        let terms = terms::of_query(Language::of(&request.query), &request.query);
        let (buffer, near, named) = (Vec::new(), Vec::new(), Vec::new());
        let progress = Progress::default();
        Ok(Self { request, encoder, infini, vector, terms, buffer, at: 0, near, named, progress })
    }

    /// Takes the next bytes of the document; they may end anywhere.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what is not UTF-8; the encoder's, the reader's and the deadline's.
    pub fn push(&mut self, piece: &[u8], deadline: &Deadline) -> Result<Progress> {
        self.buffer.extend_from_slice(piece);
        while self.buffer.len() >= 2 * PART_BYTES {
            let end = end_of_part(&self.buffer, PART_BYTES);
            self.take(end, deadline)?;
        }
        Ok(self.progress)
    }

    /// The context. Where the deadline comes near, what was kept until then counts.
    ///
    /// # Errors
    /// As for [`Self::push`], and [`Error::BudgetInfeasible`] where not one block fits.
    pub fn finish(mut self, deadline: &Deadline) -> Result<(Context, WasRead)> {
        self.take(self.buffer.len(), deadline)?;
        let mut was_read = WasRead { end: End::Done, ..WasRead::default() };
        let until = deadline.sooner_by(crate::rank::RESERVE);
        match self.read_the_rest(&mut was_read, &until) {
            Ok(()) => {}
            Err(Error::DeadlineExceeded { .. }) => was_read.end = End::Deadline,
            Err(e) => return Err(e),
        }
        was_read.tokens = self.infini.tokens_read();
        let request = &self.request;
        let source = Source {
            document_id: request.document_id.clone(),
            uri: request.uri.clone(),
            title: request.title.clone(),
            revision: crate::document::Revision(0),
            place: 0,
        };
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
        let context = fit::fit(&[source], &pieces, &request.budget, request.format, Order::Document, deadline)?;
        Ok((context, was_read))
    }

    /// Reads what was chosen, in its own order.
    fn read_the_rest(&mut self, was_read: &mut WasRead, until: &Deadline) -> Result<()> {
        let mut chosen: Vec<Promising> = self.near.drain(..).chain(self.named.drain(..)).collect();
        chosen.sort_by_key(|s| s.at);
        chosen.dedup_by_key(|s| s.at);
        for segment in chosen {
            for block in segment.blocks {
                let read = block.read.clone();
                self.infini.push(&read, block, until)?;
            }
            was_read.passages += 1;
        }
        if self.request.everything {
            was_read.passages = usize::try_from(self.progress.segments).unwrap_or(usize::MAX);
        }
        self.infini.finish(until)
    }

    /// Splits the first bytes of the buffer, and reads them or chooses among them.
    fn take(&mut self, end: usize, deadline: &Deadline) -> Result<()> {
        deadline.check("split")?;
        let rest = self.buffer.split_off(end);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        let text = String::from_utf8(bytes).map_err(|e| {
            let at = self.at + e.utf8_error().valid_up_to() as u64;
            Error::invalid("piece", format!("is not UTF-8 at byte {at} of the document"))
        })?;
        let source = Extracted::text(text, self.request.media);
        let segments = ingest::segments_of(self.encoder, &source, 0);
        self.progress.segments += segments.len() as u64;
        let base = self.at;
        self.at += source.text.len() as u64;
        self.progress.bytes = self.at;
        if self.request.everything {
            for block in segments.iter().flat_map(|segment| blocks(segment, &source.text, base)) {
                let read = block.read.clone();
                self.infini.push(&read, block, deadline)?;
            }
            self.progress.tokens_read = self.infini.tokens_read() as u64;
            return Ok(());
        }
        self.choose(&segments, &source.text, base, deadline)
    }

    /// Keeps the segments that are among the best so far.
    fn choose(&mut self, segments: &[Segment], text: &str, base: u64, deadline: &Deadline) -> Result<()> {
        let texts: Vec<String> = segments
            .iter()
            .map(|s| {
                ingest::with_title(&self.request.title, &s.heading(text), s.span().slice(text).unwrap_or_default())
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = self.encoder.encode_passages(&texts, Priority::Query, deadline)?;
        let half = self.request.passages.unwrap_or(READ_SEGMENTS).div_ceil(2);
        for (segment, (searched, vector)) in segments.iter().zip(texts.iter().zip(&vectors)) {
            let said = terms::indexed(searched);
            let terms = self.terms.iter().filter(|t| said.contains(t)).count();
            let cosine = self.vector.cosine(vector);
            let at = base + segment.span().start;
            // Of segments with as many of the question's terms, the nearer one.
            for (best, score) in [(&mut self.near, cosine), (&mut self.named, terms as f32 + cosine / 2.0)] {
                let place = best.partition_point(|s| s.score >= score);
                if place < half {
                    let blocks = blocks(segment, text, base).collect();
                    best.insert(place, Promising { at, score, blocks });
                    best.truncate(half);
                }
            }
        }
        Ok(())
    }
}

/// A segment's blocks that can be kept, with their places in the document.
fn blocks<'s>(segment: &'s Segment, text: &'s str, base: u64) -> impl Iterator<Item = Block> + 's {
    let heading = segment.heading(text);
    let moved = move |span: Span| Span { start: span.start + base, end: span.end + base };
    let all = &segment.blocks;
    all.iter().enumerate().filter(|(_, block)| !block.kind.is_label()).map(move |(n, block)| {
        let end = all.get(n + 1).map_or(block.span.end, |next| next.span.start);
        let follows = n.checked_sub(1).and_then(|before| all.get(before)).filter(|before| !before.kind.is_label());
        let slice = |from: u64, to: u64| text.get(from as usize..to as usize).unwrap_or_default().to_owned();
        let quote = |span: Span| Quote { span: moved(span), text: slice(span.start, span.end) };
        Block {
            span: moved(block.span),
            text: slice(block.span.start, block.span.end),
            read: read_as(slice(block.span.start, end)),
            joined: follows.map(|before| slice(before.span.end, block.span.start)),
            heading: heading.clone(),
            context: segment.shown_before(n).map(|c| quote(c.span)).collect(),
        }
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

/// Where a part of about so many bytes ends: behind the last blank line, else line, else character.
fn end_of_part(bytes: &[u8], about: usize) -> usize {
    let part = &bytes[..about];
    let blank = part.windows(2).rposition(|w| w == b"\n\n").map(|n| n + 2);
    let line = || part.iter().rposition(|b| *b == b'\n').map(|n| n + 1);
    let character = || (1..=about).rev().find(|n| bytes.get(*n).is_none_or(|b| (*b as i8) >= -0x40));
    blank.filter(|n| *n > about / 2).or_else(line).or_else(character).unwrap_or(about)
}
